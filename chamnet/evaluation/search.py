"""The same small search of settings for every network that learns, CHAM-net among them.

Each network is given the same settings: the default, then the same draws of width, dropout,
learning rate and share of the run's steps. They are judged inside the training part of the
temporal protocol alone: once on a validation year of every place (``rolling``) and once on
validation clusters (``zero_shot``); no later year is opened.
"""

import dataclasses
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from chamnet.config import TrainConfig
from chamnet.data.splits import hold_out_clusters
from chamnet.data.windows import PlaceData
from chamnet.evaluation.learned import Settings, fit_named
from chamnet.evaluation.protocols import PROTOCOLS, training_part
from chamnet.inference.places import predict_places
from chamnet.training.doubt import window_errors

logger = logging.getLogger(__name__)


def search_settings(
    name: str,
    data: PlaceData,
    *,
    n_trials: int,
    train: Mapping[str, Any],
    seed: int = 0,
    threads: int = 1,
) -> pd.DataFrame:
    """Losses of a network's default settings and of some drawn at random.

    Parameters
    ----------
    name : chamnet, or a key of `chamnet.evaluation.learned.NETWORKS`
    data : all places; only the training part of the temporal protocol is looked at
    n_trials : settings tried, the same for every network of the same seed
    train : options of the training
    seed : of the draws, the weights and what validates
    threads : of torch

    Returns
    -------
    rows model, trial, n_hidden, dropout, learning_rate, steps_share, loss_years, loss_clusters,
        loss, chosen (1: the smallest loss); losses as `masked_flux_loss` has them, loss their
        mean
    """
    generator = np.random.default_rng(seed)
    rows = []
    for trial in range(n_trials):
        settings = Settings.draw(generator) if trial else Settings()
        losses = {
            what: _validation_loss(name, part, validation, mode, settings, train, seed, threads)
            for what, mode, part, validation in _validations(data, train, seed)
        }
        loss = float(np.mean(list(losses.values())))
        logger.info("search %s %d/%d: loss %.4f, %s", name, trial + 1, n_trials, loss, settings)
        row = {"model": name, "trial": trial, **dataclasses.asdict(settings)}
        rows.append(row | {f"loss_{what}": v for what, v in losses.items()} | {"loss": loss})
    table = pd.DataFrame(rows)
    return table.assign(chosen=(table.index == table["loss"].idxmin()).astype(int))


def _validations(
    data: PlaceData, train: Mapping[str, Any], seed: int
) -> Iterable[tuple[str, str, PlaceData, np.ndarray]]:
    """What validates, in which mode, in which part: a year of every place, then clusters."""
    share = float(train.get("validation_share", TrainConfig().validation_share))
    split = PROTOCOLS["temporal"].split(
        data, n_folds=1, fold=0, fold_seed=seed, seed=seed, share=share
    )
    part, is_year = training_part(data, split)
    yield "years", "rolling", part, is_year
    everywhere = np.ones(part.n_places, dtype=bool)
    is_place = hold_out_clusters(part.cluster, among=everywhere, share=share, seed=seed)
    yield "clusters", "zero_shot", part, is_place[part.windows["place"]]


def _validation_loss(
    name: str,
    part: PlaceData,
    validation: np.ndarray,
    mode: str,
    settings: Settings,
    train: Mapping[str, Any],
    seed: int,
    threads: int,
) -> float:
    """Loss on measured windows that validated, of the weights that early stopping kept."""
    member = fit_named(
        name, part, validation,
        model={}, train=train, mode=mode, seed=seed, settings=settings, threads=threads,
        name=f"search {name}",
    )  # fmt: skip
    measured = part.with_windows(part.is_measured)
    flux = predict_places(member, measured, mode=mode, restore_mean=False)
    held_out = part.with_windows(validation & part.is_measured)
    log_weight = TrainConfig.model_validate(dict(train)).log_weight
    return float(np.nanmean(window_errors(member, flux, held_out, log_weight=log_weight)))
