"""Climatology of a place: its mean flux of each day of the year, smoothed."""

import dataclasses
import logging
from typing import Self

import numpy as np

from chamnet.data.windows import MEASURED, PlaceData, build_response

logger = logging.getLogger(__name__)

N_DAYS = 366
SMOOTHING_DAYS = (5.0, 10.0, 15.0, 20.0, 30.0)
"""Standard deviations of the kernel that are tried on the training years."""


@dataclasses.dataclass
class Climatology:
    """Smoothed day-of-year means of each place; the mean curve at places it never saw.

    Parameters
    ----------
    smoothing_days : standard deviation of the Gaussian kernel
        None: the one of ``SMOOTHING_DAYS`` with the smallest error when each training year
        is predicted from the others, places weighted by 1 / variance.
    """

    smoothing_days: float | None = None
    curves: dict[str, np.ndarray] = dataclasses.field(default_factory=dict, init=False)

    def fit(self, train: PlaceData) -> Self:
        """Learn from measured windows of a known year, up to a month long."""
        days = _align_days(_response(train), train.n_steps)
        smoothing = self.smoothing_days or _best_smoothing(days)
        curves = smooth_days(days, smoothing)
        is_known = np.isfinite(curves).all(axis=1)
        self.curves = dict(zip(train.place[is_known], curves[is_known], strict=True))
        logger.info("climatology: %d places, smoothed over %g days", is_known.sum(), smoothing)
        return self

    def predict(self, data: PlaceData) -> np.ndarray:
        """Flux of every day, (P, Y, T), kg m-2 s-1; the same every year."""
        if not self.curves:
            return np.full(data.drivers.shape[:3], np.nan)
        mean_curve = np.mean(list(self.curves.values()), axis=0)
        curves = np.stack([self.curves.get(str(name), mean_curve) for name in data.place])
        return np.stack([_curve_of_year(curves, int(n)) for n in data.n_steps], axis=1)


def predict_from_earlier_years(data: PlaceData, *, smoothing_days: float = 15.0) -> np.ndarray:
    """Climatology of each place's own years before the one that is predicted.

    What `few_shot` sees, without a network: (P, Y, T), NaN without an earlier measured year.
    """
    flux = np.full(data.drivers.shape[:3], np.nan)
    response = _response(data)
    for index, n_steps in enumerate(data.n_steps):
        days = _align_days(response[:, :index], data.n_steps[:index])
        flux[:, index] = _curve_of_year(smooth_days(days, smoothing_days), int(n_steps))
    return flux


def smooth_days(days: np.ndarray, smoothing_days: float) -> np.ndarray:
    """Kernel means of each day of the year over all years, around the turn of the year.

    Parameters
    ----------
    days : (place, year, 366)
        NaN where not measured.
    smoothing_days : standard deviation of the Gaussian kernel

    Returns
    -------
    (place, 366)
        Far from any measured day the nearest ones count; NaN where nothing was measured.
    """
    is_known = np.isfinite(days)
    total, count = np.where(is_known, days, 0).sum(axis=1), is_known.sum(axis=1)
    lag = np.minimum(np.arange(N_DAYS), N_DAYS - np.arange(N_DAYS))
    kernel = np.exp(-0.5 * (lag / smoothing_days) ** 2) + 1e-6 / (1 + lag) ** 2
    matrix = kernel[(np.arange(N_DAYS)[:, None] - np.arange(N_DAYS)) % N_DAYS]
    has_any = count.sum(axis=1, keepdims=True) > 0
    weight = np.where(has_any, count @ matrix, np.nan)
    return (total @ matrix) / weight


def _response(data: PlaceData) -> np.ndarray:
    return build_response(data, qualities=(MEASURED,))


def _align_days(response: np.ndarray, n_steps: np.ndarray) -> np.ndarray:
    """Years of 360 to 366 days on 366 of them, (P, Y, 366), by the fraction of the year."""
    days = np.full((*response.shape[:2], N_DAYS), np.nan)
    for index, n in enumerate(n_steps):
        at = np.floor((np.arange(n) + 0.5) / n * N_DAYS).astype(int)
        days[:, index, at] = response[:, index, :n]
    return days


def _curve_of_year(curves: np.ndarray, n_steps: int) -> np.ndarray:
    at = np.floor((np.arange(n_steps) + 0.5) / n_steps * N_DAYS).astype(int)
    flux = np.full((len(curves), N_DAYS), np.nan)
    flux[:, :n_steps] = curves[:, at]
    return flux


def _best_smoothing(days: np.ndarray) -> float:
    """Smoothing whose curve of the other years is nearest to a year, over all places."""
    errors = [_error_of_left_out_years(days, smoothing) for smoothing in SMOOTHING_DAYS]
    if not np.isfinite(errors).all():
        return SMOOTHING_DAYS[2]
    return SMOOTHING_DAYS[int(np.argmin(errors))]


def _error_of_left_out_years(days: np.ndarray, smoothing: float) -> float:
    variance = _mean(days**2, (1, 2)) - _mean(days, (1, 2)) ** 2
    squares = np.full(days.shape, np.nan)
    for year in range(days.shape[1]):
        others = np.delete(days, year, axis=1)
        squares[:, year] = (days[:, year] - smooth_days(others, smoothing)) ** 2
    relative = _mean(squares, (1, 2)) / np.where(variance > 0, variance, np.nan)
    return float(_mean(relative, (0,)))


def _mean(values: np.ndarray, axis: tuple[int, ...]) -> np.ndarray:
    is_known = np.isfinite(values)
    count = is_known.sum(axis=axis)
    total = np.where(is_known, values, 0).sum(axis=axis)
    return total / np.where(count > 0, count, np.nan)
