"""Months made daily by an interpolation that keeps the mean of every month.

So no precipitation is made or lost.
"""

import functools

import numpy as np


def interpolate_months(
    months: np.ndarray,
    *,
    lengths: np.ndarray,
    is_periodic: bool = False,
    is_positive: bool = False,
    highest: float | None = None,
) -> np.ndarray:
    """Daily values whose monthly means are the given ones, (..., day) from (..., month).

    Parameters
    ----------
    months : (..., month), in order, without a gap
    lengths : (month,), days of each
    is_periodic : whether the first month follows the last; else the first and last half
        month are level
    is_positive : clip at zero, then scale each month back to its mean
    highest : clip there too, then bring the month's other days nearer to it; a month whose
        mean is beyond is level

    Notes
    -----
    Linear between adjusted values at mid-months, as Killworth (1996), Time interpolation of
    forcing fields in ocean models, J. Phys. Oceanogr. 26, 136-143; solved on days, so exact.
    """
    lengths = np.asarray(lengths)
    weights, means, inverse = _interpolation(tuple(lengths.tolist()), is_periodic)
    days = (months @ inverse.T) @ weights.T
    if is_positive:
        days = np.clip(days, 0, None)
        found = days @ means.T
        factor = np.divide(months, found, out=np.zeros_like(found), where=found > 0)
        days = days * np.repeat(factor, lengths, axis=-1)
    if highest is None:
        return days
    return _cut_above(days, months, ceiling=np.maximum(months, highest), lengths=lengths)


def _cut_above(
    days: np.ndarray, months: np.ndarray, *, ceiling: np.ndarray, lengths: np.ndarray
) -> np.ndarray:
    """Days cut at a ceiling of each month, whose room below it shrinks until the mean is kept."""
    room = np.repeat(ceiling, lengths, axis=-1) - days
    first = np.cumsum(lengths) - lengths
    is_beyond = np.minimum.reduceat(room, first, axis=-1) < 0
    if not is_beyond.any():
        return days
    room = np.clip(room, 0, None)
    found = np.add.reduceat(room, first, axis=-1) / lengths
    factor = np.divide(ceiling - months, found, out=np.zeros_like(found), where=found > 0)
    cut = np.repeat(ceiling, lengths, axis=-1) - room * np.repeat(factor, lengths, axis=-1)
    return np.where(np.repeat(is_beyond, lengths, axis=-1), cut, days)


@functools.cache
def _interpolation(
    lengths: tuple[int, ...], is_periodic: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Days from values at mid-months, means of months from days, and the two's inverse."""
    edges = np.concatenate([[0], np.cumsum(lengths)])
    middles = (edges[1:] + edges[:-1]) / 2
    centers = np.arange(edges[-1]) + 0.5
    period = float(edges[-1]) if is_periodic else None
    weights = np.stack(
        [np.interp(centers, middles, row, period=period) for row in np.eye(len(lengths))], axis=1
    )
    month = np.repeat(np.arange(len(lengths)), lengths)
    means = (month == np.arange(len(lengths))[:, None]) / np.asarray(lengths)[:, None]
    return weights, means, np.linalg.inv(means @ weights)
