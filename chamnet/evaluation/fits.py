"""One fit of a cross-validation: a model, a protocol, a fold and a seed, to predictions.

A fit's predictions are kept by the digest of all they follow from, so a run that was stopped
goes on with the fits it lacks. Fits run in processes of their own.
"""

import dataclasses
import functools
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chamnet.config import TrainConfig
from chamnet.data.splits import Split
from chamnet.data.windows import UNKNOWN_YEAR, PlaceData, build_window_means
from chamnet.evaluation import learned
from chamnet.evaluation.learned import (
    CHAMNET,
    FOREST,
    NETWORKS,
    WITH_CLASS,
    fit_named,
    read_places,
    read_settings,
)
from chamnet.evaluation.predictions import build_predictions
from chamnet.evaluation.pretrained import Pretraining, read_pretrained
from chamnet.evaluation.protocols import (
    PROTOCOLS,
    Protocol,
    training_part,
    training_years,
)
from chamnet.evaluation.swapped import swap_histories
from chamnet.inference.places import predict_places
from chamnet.model.baselines.class_month import ClassMonth
from chamnet.model.baselines.climatology import Climatology, predict_from_earlier_years
from chamnet.model.baselines.forest import Forest
from chamnet.model.baselines.last_year import LastYear
from chamnet.model.baselines.process_model import ProcessModel
from chamnet.model.checkpoint import Member
from chamnet.model.member import PRIOR, Start
from chamnet.provenance import (
    digest_of_code,
    digest_of_file,
    digest_of_values,
    read_json,
    whole_file,
)
from chamnet.training.doubt import fit_doubt_factor
from chamnet.training.restoration import fit_mean_factor

logger = logging.getLogger(__name__)

NO_CONTEXT = "none"
PROCESS_MODEL = "process_model"  # the prior flux itself
SWAPPED = "swapped_history"  # a variant that only predicting makes: no network of its own
_OF_NETWORKS = ("chamnet.training.member", "chamnet.model.places")
CODE_OF_MODEL = {
    CHAMNET: (*_OF_NETWORKS, "chamnet.evaluation.swapped"),
    WITH_CLASS: _OF_NETWORKS,
    **{name: (NETWORKS[name].__module__, *_OF_NETWORKS) for name in NETWORKS},
    FOREST: ("chamnet.model.baselines.forest",),
    PROCESS_MODEL: ("chamnet.model.baselines.process_model",),
    "climatology": ("chamnet.model.baselines.climatology",),
    "last_year": ("chamnet.model.baselines.last_year",),
    "class_month": ("chamnet.model.baselines.class_month",),
}
CODE_OF_EVERY_FIT = ("chamnet.evaluation.protocols", "chamnet.evaluation.predictions")
MODELS = tuple(CODE_OF_MODEL)
Fluxes = dict[tuple[str, str], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Fit:
    """What is fitted, and on which part of which observations.

    Parameters
    ----------
    observations : manifest of a target's observations
    target : emission or consumption
    protocol : a key of ``PROTOCOLS``
    model : one of ``MODELS``, or ``chamnet:<variant>``
    fold : of the clusters; 0 where years are held out
    n_folds : folds of the clusters
    seed : of folds, weights and draws
    contexts : modes that are predicted in
    options : plain values: ``model`` and ``train`` of the network, ``n_members``; of CHAM-net
        ``swap_history`` too; where there is a prior, ``pretrain``
    prior : manifest of simulated places that networks are pretrained on and the forest learns
        from too; None: of none
    prior_flux, prior_flux_simulated : manifests of a process model's flux at the places and at
        the simulated ones; None: what was measured is read
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
    prior: str | None = None
    prior_flux: str | None = None
    prior_flux_simulated: str | None = None

    @property
    def name(self) -> str:
        """Words for the log."""
        part = f" fold {self.fold + 1}/{self.n_folds}" if self.rules.is_spatial else ""
        with_prior = " with a prior flux" if self.prior_flux else ""
        return f"{self.target} {self.protocol} {self.model}{with_prior}{part} seed {self.seed}"

    @property
    def rules(self) -> Protocol:
        """What its protocol holds out."""
        return PROTOCOLS[self.protocol]

    @property
    def kind(self) -> str:
        """The model, whatever its variant."""
        return self.model.split(":")[0]

    @property
    def is_chamnet(self) -> bool:
        """Whether it is CHAM-net, one of its variants, or CHAM-net with the class."""
        return self.kind in (CHAMNET, WITH_CLASS)

    @property
    def is_network(self) -> bool:
        """Whether it is trained by steps: CHAM-net or a baseline that learns likewise."""
        return self.is_chamnet or self.kind in NETWORKS

    @property
    def modes(self) -> tuple[str, ...]:
        """Modes of the protocol that were asked for; training is judged in the last one."""
        return tuple(mode for mode in self.rules.modes if mode in self.contexts)

    @property
    def pretraining(self) -> Pretraining | None:
        """What its networks begin with; None where they begin anew, and for other models."""
        if self.prior is None or not self.is_network:
            return None
        options = {name: self.options[name] for name in ("model", "train", "pretrain")}
        return Pretraining(self.prior, self.kind, self.seed, options, self.prior_flux_simulated)

    @property
    def digest(self) -> str:
        """Digest of data, options and code that the predictions follow from."""
        values = dataclasses.asdict(self) | {"observations": None}
        for name in ("prior", "prior_flux", "prior_flux_simulated"):
            values[name] = values[name] and read_json(values[name])["digest"]
        content = read_json(self.observations)
        code = digest_of_code(*CODE_OF_EVERY_FIT, *CODE_OF_MODEL[self.kind])
        code += "".join(map(digest_of_file, (__file__, learned.__file__)))  # without their imports
        if not self.is_network:
            values["options"] = None  # of networks alone
        if self.kind in NETWORKS:
            code += repr(read_settings(self.kind))
        if self.pretraining is not None:
            values["pretraining"] = self.pretraining.digest
        return digest_of_values([values, content.get("content"), content.get("digest"), code])[:20]


def path_of_fit(fit: Fit, folder: str | os.PathLike) -> Path:
    """Where the predictions of a fit are kept."""
    return Path(folder) / f"{fit.digest}.parquet"


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
    path = path_of_fit(fit, folder)
    if path.exists():
        return path
    initial = read_pretrained(fit.pretraining, folder) if fit.pretraining else None
    data = read_places(fit.observations, fit.prior_flux, kind=fit.kind)
    fluxes, scored = predict_held_out(fit, data, initial=initial, threads=threads)
    tables = [
        build_predictions(scored, build_window_means(flux, scored)).assign(
            model=model, context=context
        )
        for (model, context), flux in fluxes.items()
    ]
    if not tables:
        nothing = build_predictions(scored, np.empty(0))
        tables = [nothing.assign(model=fit.model, context=NO_CONTEXT)]
    table = pd.concat(tables, ignore_index=True).assign(
        target=fit.target, protocol=fit.protocol, seed=fit.seed, fold=fit.fold
    )
    of_model = {context: flux for (model, context), flux in fluxes.items() if model == fit.model}
    _write_daily(path.with_suffix(".npz"), of_model, scored)
    with whole_file(path) as temporary:
        table.to_parquet(temporary, index=False)
    return path


def _write_daily(path: Path, fluxes: Mapping[str, np.ndarray], scored: PlaceData) -> None:
    """Daily fluxes of every scored place and year, for the figures."""
    pairs = scored.windows.loc[scored.windows["year"] != UNKNOWN_YEAR, ["place", "year"]]
    pairs = pairs.drop_duplicates().to_numpy().reshape(-1, 2)
    year_index = np.searchsorted(scored.years, pairs[:, 1])
    daily = {c: flux[pairs[:, 0], year_index].astype(np.float32) for c, flux in fluxes.items()}
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, place=scored.place[pairs[:, 0]], year=pairs[:, 1], **daily)


def predict_held_out(
    fit: Fit, data: PlaceData, *, initial: Start | None = None, threads: int = 1
) -> tuple[Fluxes, PlaceData]:
    """Daily flux of the scored places in each context, learned from the training part alone.

    Parameters
    ----------
    fit : what to fit
    data : its observations
    initial : of a pretrained network, what a network begins with
    threads : of torch

    Returns
    -------
    fluxes : (P, Y, T) by model and context, kg m-2 s-1
        NaN at places without a scored window. The model is the fit's, and CHAM-net's with the
        history of another place where that was asked for.
        None where the fold has nothing to score.
    scored : the data with the windows that are scored: measured, held out, and such that
        every context can predict them (see `Protocol.is_comparable`)
    """
    data = fit.rules.prepare(data)
    if fit.kind == WITH_CLASS:
        data = data.with_class_attributes()
    split = split_of_member(fit, data, member=0)
    scored = data.with_windows(split.test & data.is_measured & fit.rules.is_comparable(data))
    if scored.windows.empty:
        logger.info("%s: nothing to score in this fold", fit.name)
        return {}, scored
    measured = data.with_windows(data.is_measured)
    networks = functools.partial(_predict_network, initial=initial)
    builders: dict[str, Callable[..., Fluxes]] = {
        "climatology": _predict_climatology,
        "last_year": _predict_last_year,
        "class_month": _predict_class_month,
        FOREST: _predict_forest,
        PROCESS_MODEL: _predict_process_model,
    }
    places = np.unique(scored.windows["place"].to_numpy())
    build = builders.get(fit.kind, networks)
    found = build(fit, data, measured.select_places(places), threads=threads)
    logger.info("%s: %d windows scored", fit.name, len(scored.windows))
    fluxes = {key: np.full(data.drivers.shape[:3], np.nan) for key in found}
    for key, flux in found.items():
        fluxes[key][places] = flux
    return fluxes, scored


def split_of_member(fit: Fit, data: PlaceData, *, member: int) -> Split:
    """Split of a fit; its members differ in what validates, never in what is tested."""
    return fit.rules.split(
        data,
        n_folds=fit.n_folds,
        fold=fit.fold,
        fold_seed=fit.seed,
        seed=int(np.random.SeedSequence([fit.seed, member]).generate_state(1)[0]),
        share=float(fit.options["train"].get("validation_share", 0.2)),
    )


def _predict_network(
    fit: Fit, data: PlaceData, places: PlaceData, *, initial: Start | None, threads: int
) -> Fluxes:
    """Mean over members of a network, CHAM-net or a baseline, in each context."""
    split = split_of_member(fit, data, member=0)
    allowed, is_scored = training_years(data, split), np.isin(data.place, places.place)
    inputs = [(fit.model, places, allowed[is_scored])]
    if fit.model == CHAMNET and fit.options.get("swap_history") and not fit.prior_flux:
        swapped, years = swap_histories(data.with_windows(data.is_measured), allowed)
        inputs.append((f"{CHAMNET}:{SWAPPED}", swapped.select_places(is_scored), years[is_scored]))
    total: Fluxes = {}
    n_members = int(fit.options["n_members"])
    for index in range(n_members):
        member = _fit_network(fit, data, index, initial=initial, threads=threads)
        for model, read, years in inputs:
            for mode in _network_modes(fit):
                if mode == "zero_shot" and model != fit.model:
                    continue  # without responses there is nothing to swap
                limits = {"response_years": years} if mode == "frozen" else {}
                flux = predict_places(member, read, mode=mode, **limits) / n_members
                key = (model, mode if _reads_history(fit) else _context_without_history(fit))
                total[key] = total.get(key, 0.0) + flux
    return total


def _fit_network(
    fit: Fit, data: PlaceData, index: int, *, initial: Start | None, threads: int
) -> Member:
    """One member, its doubt and its mean fitted on what validated it, in each mode."""
    part, validation = training_part(data, split_of_member(fit, data, member=index))
    modes = _network_modes(fit)
    member = fit_named(
        fit.kind,
        part,
        validation,
        model=fit.options["model"],
        train=fit.options["train"],
        mode=modes[-1],
        seed=_seed(fit, index),
        initial=initial,
        threads=threads,
        name=f"{fit.name} member {index}",
    )
    _fit_doubt(fit, member, part, validation, modes)
    _restore_means(member, part, validation, modes)
    return member


def _fit_doubt(
    fit: Fit, member: Member, part: PlaceData, validation: np.ndarray, modes: tuple[str, ...]
) -> None:
    """One factor of all modes that read what was measured, from the windows that validated."""
    reading = [mode for mode in modes if mode != "zero_shot"]
    if not reading:
        return
    judged = reading[-1] if fit.rules.is_spatial else "rolling"
    log_weight = TrainConfig.model_validate(dict(fit.options["train"])).log_weight
    factor = fit_doubt_factor(member, part, validation, mode=judged, log_weight=log_weight)
    member.doubt_factors |= dict.fromkeys(reading, factor)


def _restore_means(
    member: Member, part: PlaceData, validation: np.ndarray, modes: tuple[str, ...]
) -> None:
    """Factors of each mode from the windows that validated."""
    held_out = part.with_windows(validation & part.is_measured)
    if len(held_out.windows) == 0:
        return
    measured = part.with_windows(part.is_measured)
    for mode in filter(member.has_mean_factor, modes):
        allowed = {"response_years": training_years(part, None)} if mode == "frozen" else {}
        flux = predict_places(member, measured, mode=mode, restore_mean=False, **allowed)
        member.mean_factors[mode] = fit_mean_factor(
            held_out.windows["flux"].to_numpy(),
            build_window_means(flux, held_out),
            held_out.cluster[held_out.windows["place"]],
        )


def _reads_history(fit: Fit) -> bool:
    """Whether the context changes what is predicted; a network without responses has none.

    With a prior flux it is that of CHAM-net alone: to the others it is one more driver.
    """
    if fit.is_chamnet:
        return bool(fit.options["model"].get("response", True))
    return not fit.prior_flux and NETWORKS[fit.kind].reads_history


def _network_modes(fit: Fit) -> tuple[str, ...]:
    return fit.modes if _reads_history(fit) else ("zero_shot",)


def _context_without_history(fit: Fit) -> str:
    """Context of a model that reads none: a prior flux is one more driver of it."""
    return PRIOR if fit.prior_flux else NO_CONTEXT


def _predict_climatology(fit: Fit, data: PlaceData, places: PlaceData, *, threads: int) -> Fluxes:
    """The curve of the training years (or places), and that of the place's own earlier years."""
    part, _ = training_part(data, split_of_member(fit, data, member=0))
    fixed = NO_CONTEXT if fit.rules.is_spatial else "frozen"
    fluxes = {(fit.model, fixed): Climatology().fit(part).predict(places)}
    own = {"rolling", "few_shot"} & set(fit.modes)
    return fluxes | {(fit.model, mode): predict_from_earlier_years(places) for mode in own}


def _predict_last_year(fit: Fit, data: PlaceData, places: PlaceData, *, threads: int) -> Fluxes:
    """The same day of the last year before: it reads no later one, so no part is held back."""
    mode = "few_shot" if fit.rules.is_spatial else "rolling"
    return {(fit.model, mode): LastYear().fit(places).predict(places)}


def _predict_class_month(fit: Fit, data: PlaceData, places: PlaceData, *, threads: int) -> Fluxes:
    part, _ = training_part(data, split_of_member(fit, data, member=0))
    return {(fit.model, NO_CONTEXT): ClassMonth().fit(part).predict(places)}


def _predict_forest(fit: Fit, data: PlaceData, places: PlaceData, *, threads: int) -> Fluxes:
    """Trees on the training part and, where there is a prior, on its places beside it."""
    part, _ = training_part(data, split_of_member(fit, data, member=0))
    prior = None
    if fit.prior is not None:
        prior = read_places(fit.prior, fit.prior_flux_simulated, kind=fit.kind)
    forest = Forest(threads=threads).fit(part, prior, seed=fit.seed)
    return {(fit.model, _context_without_history(fit)): forest.predict(places)}


def _predict_process_model(fit: Fit, data: PlaceData, places: PlaceData, *, threads: int) -> Fluxes:
    part, _ = training_part(data, split_of_member(fit, data, member=0))
    return {(fit.model, PRIOR): ProcessModel().fit(part).predict(places)}


def _seed(fit: Fit, index: int) -> int:
    return int(np.random.SeedSequence([fit.seed, fit.fold, index]).generate_state(1)[0])
