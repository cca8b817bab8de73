"""What a fit predicts of what was held out from it, model by model."""

import functools
import logging
from collections.abc import Callable

import numpy as np

from chamnet.config import TrainConfig
from chamnet.data.splits import Split
from chamnet.data.windows import PlaceData, build_window_means
from chamnet.evaluation.fits import PROCESS_MODEL, Fit
from chamnet.evaluation.learned import (
    CHAMNET,
    FOREST,
    NETWORKS,
    WITH_CLASS,
    fit_named,
    read_places,
)
from chamnet.evaluation.protocols import training_part, training_years
from chamnet.evaluation.swapped import swap_histories
from chamnet.inference.places import predict_places
from chamnet.model.baselines.class_month import ClassMonth
from chamnet.model.baselines.climatology import Climatology, predict_from_earlier_years
from chamnet.model.baselines.forest import Forest
from chamnet.model.baselines.last_year import LastYear
from chamnet.model.baselines.process_model import ProcessModel
from chamnet.model.checkpoint import Member
from chamnet.model.member import PRIOR, Start
from chamnet.training.doubt import fit_doubt_factor
from chamnet.training.restoration import fit_mean_factor

logger = logging.getLogger(__name__)

NO_CONTEXT = "none"
SWAPPED = "swapped_history"  # a variant that only predicting makes: no network of its own
Fluxes = dict[tuple[str, str], np.ndarray]


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
