"""One fit of a cross-validation: a model, a protocol, a fold and a seed, to predictions.

A fit's predictions are kept by the digest of all they follow from, so a run that was stopped
goes on with the fits it lacks. Fits run in processes of their own.
"""

import dataclasses
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chamnet.data.normalization import Normalization
from chamnet.data.splits import Split, assign_folds, has_earlier_year, split_spatial, split_temporal
from chamnet.data.windows import (
    MEASURED,
    UNKNOWN_YEAR,
    PlaceData,
    build_window_means,
    open_place_data,
)
from chamnet.evaluation.skill import build_predictions
from chamnet.model.baselines.class_month import ClassMonth
from chamnet.model.baselines.climatology import Climatology, predict_from_earlier_years
from chamnet.model.baselines.forest import Forest
from chamnet.model.baselines.last_year import LastYear
from chamnet.model.baselines.lstm import LSTM
from chamnet.provenance import digest_of_code, digest_of_file, digest_of_values, read_json
from chamnet.training.member import fit_member
from chamnet.training.restoration import fit_mean_factor

logger = logging.getLogger(__name__)

MODES_OF_PROTOCOL = {"temporal": ("frozen", "rolling"), "spatial": ("few_shot", "zero_shot")}
NO_CONTEXT = "none"
CODE_OF_MODEL = {
    "chamnet": ("chamnet.training.member", "chamnet.model.places"),
    "lstm": ("chamnet.model.baselines.lstm", "chamnet.training.restoration"),
    "forest": ("chamnet.model.baselines.forest",),
    "climatology": ("chamnet.model.baselines.climatology",),
    "last_year": ("chamnet.model.baselines.last_year",),
    "class_month": ("chamnet.model.baselines.class_month",),
}
MODELS = tuple(CODE_OF_MODEL)


@dataclasses.dataclass(frozen=True)
class Fit:
    """What is fitted, and on which part of which observations.

    Parameters
    ----------
    observations : manifest of a target's observations
    target : emission or consumption
    protocol : temporal or spatial
    model : one of ``MODELS``
    fold : of the clusters; 0 in the temporal protocol
    n_folds : folds of the clusters
    seed : of folds, weights and draws
    contexts : modes that are predicted in
    options : plain values: ``model`` and ``train`` of the network, ``n_members``
    """

    observations: str
    target: str
    protocol: str
    model: str
    fold: int
    n_folds: int
    seed: int
    contexts: tuple[str, ...]
    options: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Words for the log."""
        part = f" fold {self.fold + 1}/{self.n_folds}" if self.protocol == "spatial" else ""
        return f"{self.target} {self.protocol} {self.model}{part} seed {self.seed}"

    @property
    def digest(self) -> str:
        """Digest of data, options and code that the predictions follow from."""
        values = dataclasses.asdict(self) | {"observations": None}
        content = read_json(self.observations)
        code = digest_of_code("chamnet.data.splits", *CODE_OF_MODEL[self.model])
        code += digest_of_file(__file__)  # its imports are of all models, and so not asked
        return digest_of_values([values, content.get("content"), content.get("digest"), code])[:20]


def run_fit(fit: Fit, folder: str | os.PathLike, threads: int) -> Path:
    """Fit, predict what is held out, and keep it; nothing to do where it is kept already.

    Parameters
    ----------
    fit : what to fit
    folder : of the kept predictions
    threads : of torch

    Returns
    -------
    Path
        Table of predictions, one row a scored window and context (see `build_predictions`);
        beside it ``.npz`` with the daily fluxes of the places and years that were scored.
    """
    path = Path(folder) / f"{fit.digest}.csv.gz"
    if path.exists():
        return path
    data = open_place_data(fit.observations)
    fluxes, scored = predict_held_out(fit, data, threads=threads)
    tables = [
        build_predictions(scored, build_window_means(flux, scored)).assign(context=context)
        for context, flux in fluxes.items()
    ]
    table = pd.concat(tables, ignore_index=True).assign(
        target=fit.target, model=fit.model, protocol=fit.protocol, seed=fit.seed, fold=fit.fold
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_daily(path.with_name(f"{fit.digest}.npz"), fluxes, scored)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    table.to_csv(temporary, index=False)
    os.replace(temporary, path)
    return path


def _write_daily(path: Path, fluxes: Mapping[str, np.ndarray], scored: PlaceData) -> None:
    """Daily fluxes of every scored place and year, for the figures."""
    pairs = scored.windows.loc[scored.windows["year"] != UNKNOWN_YEAR, ["place", "year"]]
    pairs = pairs.drop_duplicates().to_numpy().reshape(-1, 2)
    year_index = np.searchsorted(scored.years, pairs[:, 1])
    daily = {c: flux[pairs[:, 0], year_index].astype(np.float32) for c, flux in fluxes.items()}
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    np.savez(temporary, place=scored.place[pairs[:, 0]], year=pairs[:, 1], **daily)
    os.replace(temporary, path)


def predict_held_out(
    fit: Fit, data: PlaceData, *, threads: int = 1
) -> tuple[dict[str, np.ndarray], PlaceData]:
    """Daily flux of the scored places in each context, learned from the training part alone.

    Returns
    -------
    fluxes : (P, Y, T) by context, kg m-2 s-1
        NaN at places without a scored window.
    scored : the data with the windows that are scored: measured, and held out; in the spatial
        protocol only those with an earlier year (or of an unknown one), so that few_shot and
        zero_shot see the same days
    """
    is_measured = (data.windows["quality"] == MEASURED).to_numpy()
    split = split_of_member(fit, data, member=0)
    scored = data.with_windows(split.test & is_measured & _is_comparable(fit, data, is_measured))
    measured = data.with_windows(is_measured)
    builder: Callable[..., dict[str, np.ndarray]] = {
        "chamnet": _predict_chamnet,
        "lstm": _predict_lstm,
        "climatology": _predict_climatology,
        "last_year": _predict_last_year,
    }.get(fit.model, _predict_plain)
    places = np.unique(scored.windows["place"].to_numpy())
    found = builder(fit, data, measured.select_places(places), threads=threads)
    logger.info("%s: %d windows scored", fit.name, len(scored.windows))
    fluxes = {context: np.full(data.drivers.shape[:3], np.nan) for context in found}
    for context, flux in found.items():
        fluxes[context][places] = flux
    return fluxes, scored


def split_of_member(fit: Fit, data: PlaceData, *, member: int) -> Split:
    """Split of a fit; its members differ in what validates, never in what is tested."""
    place = data.windows["place"].to_numpy()
    seed = int(np.random.SeedSequence([fit.seed, member]).generate_state(1)[0])
    is_measured = (data.windows["quality"] == MEASURED).to_numpy()
    if fit.protocol == "temporal":
        year = data.windows["year"].to_numpy()
        return split_temporal(place, year, has_score=is_measured, seed=seed)
    return split_spatial(
        place,
        fold_of_place=folds_of(fit, data),
        cluster=data.cluster,
        fold=fit.fold,
        validation_share=float(fit.options["train"].get("validation_share", 0.2)),
        seed=seed,
    )


def folds_of(fit: Fit, data: PlaceData) -> np.ndarray:
    """Fold of each place, (P,), balanced by the number of measured windows."""
    measured = data.windows.loc[data.windows["quality"] == MEASURED, "place"]
    weight = np.bincount(measured, minlength=data.n_places)
    return assign_folds(data.cluster, n_folds=fit.n_folds, seed=fit.seed, weight=weight)


def _is_comparable(fit: Fit, data: PlaceData, is_measured: np.ndarray) -> np.ndarray:
    if fit.protocol == "temporal":
        return np.ones(len(data.windows), dtype=bool)
    place, year = data.windows["place"].to_numpy(), data.windows["year"].to_numpy()
    return has_earlier_year(place, year, gives_response=is_measured) | (year == UNKNOWN_YEAR)


def training_part(data: PlaceData, split: Split) -> tuple[PlaceData, np.ndarray]:
    """What a model may learn from, and which of its windows validate.

    Places without a training window are left out, and so are the drivers of every year after a
    place's last training year: nothing of the held-out part enters a normalization.

    Returns
    -------
    data : places, drivers and windows of training and validation
    validation : (n_windows,) bool
    """
    is_kept = split.train | split.validation
    part = data.with_windows(is_kept)
    places = np.unique(part.windows["place"].to_numpy())
    part = part.select_places(places)
    last = part.windows.groupby("place")["year"].max().reindex(range(part.n_places)).to_numpy()
    is_after = (part.years[None, :] > last[:, None]) & (last[:, None] != UNKNOWN_YEAR)
    drivers = np.where(is_after[..., None, None], np.float32(np.nan), part.drivers)
    return dataclasses.replace(part, drivers=drivers), split.validation[is_kept]


def _predict_chamnet(
    fit: Fit, data: PlaceData, places: PlaceData, *, threads: int
) -> dict[str, np.ndarray]:
    from chamnet.inference.places import predict_places

    split = split_of_member(fit, data, member=0)
    allowed = _training_years(data, split)[np.isin(data.place, places.place)]
    modes = _contexts(fit)
    total = dict.fromkeys(modes, 0.0)
    n_members = int(fit.options["n_members"])
    for index in range(n_members):
        member = _fit_chamnet(fit, data, index, threads=threads)
        for mode in modes:
            limits = {"response_years": allowed} if mode == "frozen" else {}
            total[mode] = total[mode] + predict_places(member, places, mode=mode, **limits)
    return {mode: flux / n_members for mode, flux in total.items()}


def _fit_chamnet(fit: Fit, data: PlaceData, index: int, *, threads: int) -> Any:
    from chamnet.inference.places import predict_places

    part, validation = training_part(data, split_of_member(fit, data, member=index))
    modes = _contexts(fit)
    member = fit_member(
        part,
        Normalization.fit(part.with_windows(~validation)),
        seed=_seed(fit, index),
        model=fit.options["model"],
        train=fit.options["train"],
        validation=validation if validation.any() else None,
        mode=modes[-1],
        threads=threads,
        name=f"{fit.name} member {index}",
    )
    held_out = part.with_windows(validation & _is_measured(part))
    for mode in modes[:-1]:
        if len(held_out.windows) == 0 or not member.has_mean_factor(mode):
            break
        with_responses = part.with_windows(_is_measured(part))
        allowed = {"response_years": _training_years(part, None)} if mode == "frozen" else {}
        flux = predict_places(member, with_responses, mode=mode, restore_mean=False, **allowed)
        member.mean_factors[mode] = _mean_factor(flux, held_out)
    return member


def _training_years(data: PlaceData, split: Split | None) -> np.ndarray:
    """Years of each place that hold a window which is not tested, (P, Y) bool."""
    windows = data.windows if split is None else data.windows[~split.test]
    known = windows[windows["year"] != UNKNOWN_YEAR]
    allowed = np.zeros((data.n_places, len(data.years)), dtype=bool)
    allowed[known["place"], np.searchsorted(data.years, known["year"])] = True
    return allowed


def _predict_lstm(
    fit: Fit, data: PlaceData, places: PlaceData, *, threads: int
) -> dict[str, np.ndarray]:
    n_members = int(fit.options["n_members"])
    total: Any = 0.0
    for index in range(n_members):
        part, validation = training_part(data, split_of_member(fit, data, member=index))
        held_out = part.with_windows(validation & _is_measured(part))
        lstm = LSTM(
            train=fit.options["train"],
            n_hidden=int(fit.options["model"].get("n_hidden", 64)),
            dropout=float(fit.options["model"].get("dropout", 0.2)),
            threads=threads,
        )
        lstm.fit(
            part.with_windows(~validation),
            held_out if len(held_out.windows) else None,
            seed=_seed(fit, index),
        )
        if len(held_out.windows):
            lstm.mean_factor = _mean_factor(lstm.predict(held_out), held_out)
        total = total + lstm.predict(places)
    return {NO_CONTEXT: total / n_members}


def _predict_climatology(
    fit: Fit, data: PlaceData, places: PlaceData, *, threads: int
) -> dict[str, np.ndarray]:
    """The curve of the training years (or places), and that of the place's own earlier years."""
    part, _ = training_part(data, split_of_member(fit, data, member=0))
    fixed = "frozen" if fit.protocol == "temporal" else NO_CONTEXT
    fluxes = {fixed: Climatology().fit(part).predict(places)}
    own = {"rolling", "few_shot"} & set(_contexts(fit))
    return fluxes | {mode: predict_from_earlier_years(places) for mode in own}


def _predict_last_year(
    fit: Fit, data: PlaceData, places: PlaceData, *, threads: int
) -> dict[str, np.ndarray]:
    """The same day of the last year before: it reads no later one, so no part is held back."""
    mode = "rolling" if fit.protocol == "temporal" else "few_shot"
    return {mode: LastYear().fit(places).predict(places)}


def _predict_plain(
    fit: Fit, data: PlaceData, places: PlaceData, *, threads: int
) -> dict[str, np.ndarray]:
    part, _ = training_part(data, split_of_member(fit, data, member=0))
    baseline = Forest(threads=threads) if fit.model == "forest" else ClassMonth()
    return {NO_CONTEXT: baseline.fit(part, seed=fit.seed).predict(places)}


def _contexts(fit: Fit) -> tuple[str, ...]:
    """Modes of the protocol that were asked for; the last one is what training is judged in."""
    return tuple(mode for mode in MODES_OF_PROTOCOL[fit.protocol] if mode in fit.contexts)


def _seed(fit: Fit, index: int) -> int:
    return int(np.random.SeedSequence([fit.seed, fit.fold, index]).generate_state(1)[0])


def _is_measured(data: PlaceData) -> np.ndarray:
    return (data.windows["quality"] == MEASURED).to_numpy()


def _mean_factor(flux: np.ndarray, held_out: PlaceData) -> float:
    return fit_mean_factor(
        held_out.windows["flux"].to_numpy(),
        build_window_means(flux, held_out),
        held_out.cluster[held_out.windows["place"]],
    )
