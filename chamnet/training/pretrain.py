"""Stage: a first network from simulated places, which the members then begin with."""

import logging
import os
from typing import Any

import numpy as np

from chamnet.config import TrainConfig
from chamnet.data.normalization import Normalization
from chamnet.data.splits import hold_out_clusters
from chamnet.data.windows import PlaceData, open_place_data
from chamnet.errors import InputError
from chamnet.model.checkpoint import save_member
from chamnet.model.member import PRIOR
from chamnet.training.member import fit_member

logger = logging.getLogger(__name__)


def pretrain(
    *,
    places: str | os.PathLike,
    checkpoint: str | os.PathLike,
    seed: int,
    model: dict[str, Any],
    train: dict[str, Any],
    threads: int,
    prior: str | os.PathLike | None = None,
) -> None:
    """Train one network on simulated places, early stopping on clusters of them.

    Parameters
    ----------
    places : manifest of simulated places, in the layout of observations
    checkpoint : what is written
    seed : of the run
    model, train : options; ``n_steps`` and ``batch_places`` those of pretraining
    threads : of torch
    prior : manifest of another process model's flux at the places, read by the mode prior

    Raises
    ------
    InputError
        If all places lie in one cluster: nothing could be held out.

    References
    ----------
    .. [1] X-MethaneWet (arXiv:2505.18355) transfers from simulated cells to towers likewise.
    """
    data = open_place_data(places, prior)
    options = TrainConfig.model_validate(train)
    validation = draw_held_out_places(data, places, share=options.validation_share, seed=seed)
    member = fit_member(
        data,
        Normalization.fit(data.select_places(~validation)),
        seed=seed,
        model=model,
        train=options,
        validation=validation,
        mode=PRIOR if prior else "zero_shot",
        threads=threads,
        name=f"pretrained on {data.target}",
    )
    member.settings["pretrained_on"] = str(data.n_places) + " simulated places"
    save_member(member, checkpoint)
    logger.info("pretrain %s: done, %d places", data.target, data.n_places)


def draw_held_out_places(
    data: PlaceData, places: str | os.PathLike, *, share: float, seed: int
) -> np.ndarray:
    """Simulated places that stop the pretraining, whole clusters of them, (P,) of bool.

    Parameters
    ----------
    data : simulated places
    places : their manifest, which an error names
    share : of the clusters
    seed : of the draw

    Raises
    ------
    InputError
        If all places lie in one cluster: nothing could be held out.
    """
    everywhere = np.ones(data.n_places, dtype=bool)
    is_held_out = hold_out_clusters(data.cluster, among=everywhere, share=share, seed=seed)
    if not is_held_out.any():
        raise InputError(f"{places}: one cluster of places, expected at least 2 to hold one out")
    return is_held_out
