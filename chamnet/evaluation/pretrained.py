"""Networks that fits begin with, trained once on simulated places and kept by digest.

CHAM-net and every baseline that learns are given the same places and the same number of steps,
so that what pretraining brings is not taken for what an architecture does.
"""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chamnet.data.normalization import Normalization
from chamnet.evaluation import learned
from chamnet.evaluation.learned import NETWORKS, fit_named, read_places, read_settings
from chamnet.model.checkpoint import read_tensors, write_tensors
from chamnet.model.member import PRIOR, Start
from chamnet.provenance import digest_of_code, digest_of_file, digest_of_values, read_json
from chamnet.training.pretrain import draw_held_out_places


@dataclasses.dataclass(frozen=True)
class Pretraining:
    """What a network learns before it sees a measurement.

    Parameters
    ----------
    places : manifest of simulated places, in the layout of observations
    kind : chamnet, or a key of ``NETWORKS``
    seed : of weights, dropout, episodes and what validates
    options : plain values: ``model`` and ``train`` of the network, and in ``pretrain`` what of
        ``train`` is another here
    prior_flux : manifest of a process model's flux at the places; None: none is read
    """

    places: str
    kind: str
    seed: int
    options: Mapping[str, Any]
    prior_flux: str | None = None

    @property
    def digest(self) -> str:
        """Digest of places, options and code that the weights follow from."""
        values = dataclasses.asdict(self)
        for name in ("places", "prior_flux"):
            values[name] = values[name] and read_json(values[name])["digest"]
        code = digest_of_code("chamnet.training.pretrain", "chamnet.model.places")
        code += digest_of_file(__file__) + digest_of_file(learned.__file__)
        if self.kind in NETWORKS:
            code += digest_of_code(NETWORKS[self.kind].__module__) + repr(read_settings(self.kind))
        return digest_of_values([values, code])[:20]


def run_pretraining(pretraining: Pretraining, folder: str | os.PathLike, threads: int) -> Path:
    """Train the network, early stopping on clusters of places; nothing to do where it is kept.

    Parameters
    ----------
    pretraining : what to train
    folder : of the kept networks
    threads : of torch
    """
    path = path_of(pretraining, folder)
    if path.exists():
        return path
    data = read_places(pretraining.places, pretraining.prior_flux, kind=pretraining.kind)
    train = pretraining.options["train"] | pretraining.options["pretrain"]
    is_held_out = draw_held_out_places(
        data, pretraining.places, share=train["validation_share"], seed=pretraining.seed
    )
    member = fit_named(
        pretraining.kind,
        data,
        is_held_out[data.windows["place"]],
        model=pretraining.options["model"],
        train=train,
        mode="zero_shot" if data.prior_flux is None else PRIOR,
        seed=pretraining.seed,
        threads=threads,
        name=f"{pretraining.kind} pretrained, seed {pretraining.seed}",
    )
    weights, scaling = member.start
    write_tensors({"weights": weights, "normalization": scaling.to_dict()}, path)
    return path


def read_pretrained(pretraining: Pretraining, folder: str | os.PathLike) -> Start:
    """What was kept of the network."""
    kept = read_tensors(path_of(pretraining, folder))
    return Start(kept["weights"], Normalization.from_dict(kept["normalization"]))


def path_of(pretraining: Pretraining, folder: str | os.PathLike) -> Path:
    """Where the network is kept."""
    return Path(folder) / f"pretrained_{pretraining.digest}.pt"
