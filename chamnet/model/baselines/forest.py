"""Random forest on lagged drivers and attributes, the way of UpCH4.

McNicol et al. (2023), AGU Advances 4, e2023AV000956, doi:10.1029/2023AV000956.
"""

import logging
from collections.abc import Sequence
from typing import Self

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from chamnet.data.windows import PlaceData, build_window_means
from chamnet.timeaxis import year_fraction

logger = logging.getLogger(__name__)

LAGS_DAYS = (1, 7, 30, 90)
PLACES_AT_ONCE = 128  # predicted: a year of features takes 53 kB a place
MOST_WINDOWS = 100_000  # of a tree; more are drawn from, where a simulator has a million


class Forest:
    """Forest of trees on means of drivers over the last days, phase of the year, attributes.

    A window's features are the means of its days' features, so monthly observations train it
    as daily ones do.

    Parameters
    ----------
    n_trees : trees, 500 in UpCH4
    min_leaf : observations of a leaf at least
    feature_share : of the features, tried at a split
    threads : of the fit
    """

    def __init__(
        self,
        *,
        n_trees: int = 500,
        min_leaf: int = 5,
        feature_share: float = 0.33,
        threads: int = 1,
    ) -> None:
        self.n_trees = n_trees
        self.min_leaf = min_leaf
        self.feature_share = feature_share
        self.threads = threads
        self._forest: RandomForestRegressor | None = None

    def fit(self, train: PlaceData, prior: PlaceData | None = None, *, seed: int = 0) -> Self:
        """Learn from measured windows.

        Parameters
        ----------
        train : places and windows; all are learned from, nothing is stopped
        prior : simulated places whose windows are learned from too
        seed : of the trees
        """
        parts = [_windows(data) for data in (train, prior) if data is not None]
        features = np.concatenate([part[0] for part in parts])
        flux = np.concatenate([part[1] for part in parts])
        self._forest = RandomForestRegressor(
            n_estimators=self.n_trees,
            min_samples_leaf=self.min_leaf,
            max_features=self.feature_share,
            max_samples=MOST_WINDOWS if flux.size > MOST_WINDOWS else None,
            n_jobs=self.threads,
            random_state=seed,
        )
        scale = float(np.abs(flux).mean()) or 1.0  # trees compare impurities: keep them near 1
        self._forest.fit(features, flux / scale)
        self._scale = scale
        logger.info("forest: %d trees on %d windows", self.n_trees, flux.size)
        return self

    def predict(self, data: PlaceData) -> np.ndarray:
        """Flux of every day, (P, Y, T), kg m-2 s-1; NaN where every driver is missing."""
        if self._forest is None:
            raise RuntimeError("Forest.predict before Forest.fit")
        starts = range(0, data.n_places, PLACES_AT_ONCE)
        parts = [np.arange(i, min(i + PLACES_AT_ONCE, data.n_places)) for i in starts]
        return np.concatenate([self._predict_part(data.select_places(part)) for part in parts])

    def _predict_part(self, data: PlaceData) -> np.ndarray:
        has_drivers = np.isfinite(data.drivers).any(axis=-1)
        flux = np.full(data.drivers.shape[:3], np.nan)
        if has_drivers.any():
            features = build_lagged_features(data)[has_drivers]
            flux[has_drivers] = self._forest.predict(features) * self._scale
        return flux


def build_lagged_features(data: PlaceData, lags_days: Sequence[int] = LAGS_DAYS) -> np.ndarray:
    """Features of every day: drivers averaged over the last days, phase, attributes.

    Parameters
    ----------
    data : the places
    lags_days : lengths of the means, the day itself included; fewer days where the record
        begins, and none across a gap of years

    Returns
    -------
    (P, Y, T, feature), float32
    """
    n_places, n_years, n_steps, n_drivers = data.drivers.shape
    lagged = np.full(
        (n_places, n_years, n_steps, n_drivers * len(lags_days)), np.nan, dtype=np.float32
    )
    starts = np.flatnonzero(np.diff(data.years, prepend=data.years[0] - 2) != 1)
    for years in np.split(np.arange(n_years), starts[1:]):
        series = [data.drivers[:, y, : data.n_steps[y]] for y in years]
        means = _running_means(np.concatenate(series, axis=1), lags_days)
        edges = np.cumsum([0, *data.n_steps[years]])
        for y, start, stop in zip(years, edges[:-1], edges[1:], strict=True):
            lagged[:, y, : stop - start] = means[:, start:stop]
    phase = np.zeros((n_places, n_years, n_steps, 2), dtype=np.float32)
    for y, n in enumerate(data.n_steps):
        angle = 2 * np.pi * year_fraction(int(n))
        phase[:, y, :n] = np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    attributes = np.broadcast_to(
        data.attributes[:, None, None], (n_places, n_years, n_steps, data.attributes.shape[1])
    )
    return np.concatenate([lagged, phase, attributes], axis=-1, dtype=np.float32)


def _running_means(series: np.ndarray, lags_days: Sequence[int]) -> np.ndarray:
    """Means over the last days of a series (place, time, driver); NaN days do not count."""
    is_known = np.isfinite(series)
    total = np.cumsum(np.where(is_known, series, 0.0), axis=1, dtype=np.float64)
    count = np.cumsum(is_known, axis=1)
    means = []
    for lag in lags_days:
        sums, counts = total.copy(), count.copy()
        sums[:, lag:] -= total[:, :-lag]
        counts[:, lag:] -= count[:, :-lag]
        means.append(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))
    return np.concatenate(means, axis=-1).astype(np.float32)


def _windows(data: PlaceData) -> tuple[np.ndarray, np.ndarray]:
    """Features and fluxes of measured windows."""
    data = data.with_windows(data.is_measured)
    features = build_lagged_features(data)
    means = [build_window_means(features[..., f], data) for f in range(features.shape[-1])]
    columns = np.stack(means, axis=-1).astype(np.float32)
    is_usable = np.isfinite(columns).any(axis=1)
    return columns[is_usable], data.windows["flux"].to_numpy()[is_usable]
