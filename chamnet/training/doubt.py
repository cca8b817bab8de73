"""How far the measured cycle of a place is doubted, fitted for each context mode."""

import dataclasses

import numpy as np
import torch

from chamnet.data.windows import MEASURED, PlaceData, build_window_means
from chamnet.model.member import Member
from chamnet.model.places import predict_places
from chamnet.training.losses import flux_errors
from chamnet.training.restoration import shrink_factor

FACTORS = np.array([1.0, 4.0, 0.25, 16.0, 64.0])  # tried; of equals the first, nearest to 1
LOG_FACTOR_SPREAD = 2.0  # spread expected of the log factor before anything is seen


def fit_doubt_factor(
    member: Member, data: PlaceData, is_held_out: np.ndarray, *, mode: str, log_weight: float
) -> float:
    """Factor of the learned doubt with which held-out windows are predicted best.

    Training knows its places by heart and learns one doubt. A later year of such a place can
    do with less of the measured cycle, a place never seen needs more of it.

    Parameters
    ----------
    member : trained; without a doubt the factor is 1
    data : places, with all their windows
    is_held_out : (n_windows,) of bool
        Windows that did not train; of filled ones none counts.
    mode : context mode the factor is for
    log_weight : of the training's loss, which is what is made small

    Returns
    -------
    scalar, above 0; 1 where nothing was held out, or nothing of it has a measured past

    Notes
    -----
    The logarithm is shrunk to 0 by its jackknife variance over clusters, and n clusters count
    for n of n + 1: two that agree prove little.
    """
    if member.network.anchor is None or mode == "zero_shot":
        return 1.0
    readable, held_out = _places_held_out(data, is_held_out)
    if held_out.windows.empty:
        return 1.0
    errors = []
    for factor in FACTORS:
        flux = predict_places(
            member, readable, mode=mode, restore_mean=False, doubt_factor=float(factor)
        )
        errors.append(window_errors(member, flux, held_out, log_weight=log_weight))
    _, cluster = np.unique(held_out.cluster[held_out.windows["place"]], return_inverse=True)
    return _best_factor(np.stack([np.bincount(cluster, np.nan_to_num(e)) for e in errors]))


def _places_held_out(data: PlaceData, is_held_out: np.ndarray) -> tuple[PlaceData, PlaceData]:
    """Places with a held-out window: with all that was measured there, and with those alone."""
    windows = data.windows.assign(is_held_out=is_held_out)
    measured = dataclasses.replace(data, windows=windows[windows["quality"] == MEASURED])
    rows = measured.windows
    readable = measured.select_places(np.unique(rows.loc[rows["is_held_out"], "place"]))
    return readable, readable.with_windows(readable.windows["is_held_out"])


def window_errors(
    member: Member, flux: np.ndarray, data: PlaceData, *, log_weight: float
) -> np.ndarray:
    """Error of each window, as the training's loss has it.

    Parameters
    ----------
    member : its flux scale is that of the loss
    flux : (P, Y, T), kg m-2 s-1, predicted of the places of ``data``
    data : places and the windows that are judged
    log_weight : share of the logarithmic part, 0 to 1

    Returns
    -------
    (n_windows,)
        NaN where nothing is predicted.
    """
    scale = member.normalization.flux_scale
    predicted, observed = (
        torch.from_numpy(np.asarray(values, dtype=np.float64) / scale)
        for values in (build_window_means(flux, data), data.windows["flux"])
    )
    return flux_errors(predicted, observed, log_weight=log_weight).numpy()


def _best_factor(errors: np.ndarray) -> float:
    """Factor of the least sum of errors, (n_factors, n_clusters), shrunk."""
    total = errors.sum(axis=1)
    left_out = np.log(FACTORS)[(total[:, None] - errors).argmin(axis=0)]
    best = shrink_factor(FACTORS[total.argmin()], left_out, spread=LOG_FACTOR_SPREAD)
    n = errors.shape[1]
    return float(best ** (n / (n + 1)))
