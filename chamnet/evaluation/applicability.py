"""Where the network may be trusted: cells like the places it learned from.

The area of applicability of Meyer & Pebesma (2021), Methods in Ecology and Evolution 12,
1620-1633, doi:10.1111/2041-210X.13650, in the space of attributes and of the drivers'
climate, with clusters of places as the folds.
"""

import dataclasses
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from chamnet.data.store import open_store, write_store
from chamnet.errors import InputError
from chamnet.timeaxis import N_MONTHS

logger = logging.getLogger(__name__)

CELLS_PER_BLOCK = 4096
MIN_SPREAD = 1e-6  # of a feature, relative to its size: less is rounding


@dataclasses.dataclass(frozen=True, slots=True)
class Applicability:
    """The places' features, scaled, and the threshold of dissimilarity.

    Parameters
    ----------
    mean, spread : (feature,)
        Of the places, for features that differ among them.
    kept : (feature,) bool
        Features that are used.
    scaled : (place, kept feature)
    mean_distance : mean distance of all pairs of places
    threshold : largest dissimilarity of a place to the other clusters, outliers left out
    """

    mean: np.ndarray
    spread: np.ndarray
    kept: np.ndarray
    scaled: np.ndarray
    mean_distance: float
    threshold: float

    def index(self, features: np.ndarray) -> np.ndarray:
        """Dissimilarity index of cells, (cell,): distance to the nearest place.

        Parameters
        ----------
        features : (cell, feature), those of the places, in their order and units

        Returns
        -------
        (cell,), 1
            In units of the mean distance among the places; NaN where a feature is.

        Raises
        ------
        InputError
            If the number of features differs from the places'.
        """
        features = np.asarray(features, dtype=float)
        if features.shape[-1] != self.kept.size:
            raise InputError(
                f"{features.shape[-1]} features a cell, but the places have {self.kept.size}"
            )
        scaled = (features[:, self.kept] - self.mean) / self.spread
        index = np.full(len(scaled), np.nan)
        is_known = np.isfinite(scaled).all(axis=1)
        if is_known.any():
            distance, _ = cKDTree(self.scaled).query(scaled[is_known])
            index[is_known] = distance / self.mean_distance
        return index


def fit_applicability(
    features: np.ndarray, clusters: np.ndarray, *, names: Sequence[str] = ()
) -> Applicability:
    """Area of applicability of places.

    Parameters
    ----------
    features : (place, feature)
        In any units: each is scaled to mean 0 and standard deviation 1 over the places.
    clusters : (place,) int
        The folds: a place's own dissimilarity is to places of other clusters.
    names : of the features, for messages

    Raises
    ------
    InputError
        If a feature is missing at a place, none differs among the places, or there are
        fewer than two clusters.

    Notes
    -----
    Features that are constant among the places are dropped, with a line in the log: no
    distance can be measured along them. The threshold is the upper whisker (largest value
    up to the third quartile + 1.5 x the interquartile range) of the places' own
    dissimilarities, as in Meyer & Pebesma (2021), section 2.3.
    """
    features, clusters = np.asarray(features, dtype=float), np.asarray(clusters)
    names = list(names) or [f"feature {i}" for i in range(features.shape[1])]
    _check_places(features, clusters, names)
    mean, spread = features.mean(axis=0), features.std(axis=0)
    kept = spread > MIN_SPREAD * np.abs(mean)
    if not kept.any():
        raise InputError(f"no feature differs among the {len(features)} places: {names}")
    if not kept.all():
        dropped = [name for name, is_kept in zip(names, kept, strict=True) if not is_kept]
        logger.info("applicability: constant among the places, dropped: %s", dropped)
    scaled = (features[:, kept] - mean[kept]) / spread[kept]
    distance = cdist(scaled, scaled)
    mean_distance = float(distance[np.triu_indices(len(scaled), k=1)].mean())
    is_own = clusters[:, None] == clusters[None, :]
    own = np.where(is_own, np.inf, distance).min(axis=1) / mean_distance
    return Applicability(mean[kept], spread[kept], kept, scaled, mean_distance, _whisker(own))


def _check_places(features: np.ndarray, clusters: np.ndarray, names: list[str]) -> None:
    if np.unique(clusters).size < 2:
        raise InputError(f"{np.unique(clusters).size} cluster of places, expected at least 2")
    missing = ~np.isfinite(features)
    if missing.any():
        place, feature = np.argwhere(missing)[0]
        raise InputError(
            f"{names[feature]!r} is missing at {missing[:, feature].sum()} of {len(features)} "
            f"places, the first is place {place}"
        )


def _whisker(values: np.ndarray) -> float:
    first, third = np.quantile(values, [0.25, 0.75])
    return float(values[values <= third + 1.5 * (third - first)].max())


def summarize_climate(drivers: np.ndarray) -> np.ndarray:
    """Climate of a year of drivers: mean and seasonal spread of each.

    Parameters
    ----------
    drivers : (..., time, driver), any units
        Daily; NaN where absent.

    Returns
    -------
    (..., 2 * driver)
        Means over the year, then standard deviations of the twelve monthly means.
    """
    n_steps = drivers.shape[-2]
    month = (np.arange(n_steps) * N_MONTHS) // n_steps
    is_known = np.isfinite(drivers)
    sums = np.stack([_month_sum(drivers, is_known, month == m) for m in range(N_MONTHS)])
    counts = np.stack([is_known[..., month == m, :].sum(axis=-2) for m in range(N_MONTHS)])
    monthly = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return np.concatenate([monthly.mean(axis=0), monthly.std(axis=0)], axis=-1)


def _month_sum(drivers: np.ndarray, is_known: np.ndarray, is_month: np.ndarray) -> np.ndarray:
    values = drivers[..., is_month, :].astype(float)
    return np.where(is_known[..., is_month, :], values, 0.0).sum(axis=-2)


def build_applicability(
    *,
    store: str | os.PathLike,
    digest: str,
    observations: str | os.PathLike,
    cells: str | os.PathLike,
    drivers: Sequence[str | os.PathLike],
) -> Path:
    """Dissimilarity and applicability of every cell, as a store.

    Parameters
    ----------
    store : written: ``dissimilarity`` and ``applicability`` (1 inside, 0 outside), (cell,)
    digest : of all that the content follows from
    observations : manifest of a target's observations, which hold the places
    cells : manifest of the cells
    drivers : manifests of the years of drivers that the climate is a mean over

    Returns
    -------
    Path
        The manifest.

    Raises
    ------
    InputError
        If a driver or attribute of the places is not among the cells', or as
        `fit_applicability`.

    Notes
    -----
    Places whose record has no year with drivers in every month have no climate: they are
    left out of the comparison and counted.
    """
    places, grid = open_store(observations), open_store(cells)
    names = [str(name) for name in places["driver"].values]
    attributes = [str(name) for name in places["attribute"].values]
    features = _place_features(places)
    is_known = _has_climate(features, places["place"].values)
    fitted = fit_applicability(
        features[is_known],
        places["cluster"].values[is_known],
        names=[*attributes, *(f"{kind} of {n}" for kind in ("mean", "season") for n in names)],
    )
    known = [str(name) for name in grid["attribute"].values]
    missing = sorted(set(attributes) - set(known))
    if missing:
        raise InputError(f"{cells}: no attributes {missing}; it has {known}")
    columns = [known.index(name) for name in attributes]
    climate = _cell_climate([open_store(path) for path in drivers], names)
    features = np.concatenate([grid["attributes"].values[:, columns], climate], axis=1)
    index = fitted.index(features)
    inside = np.where(np.isfinite(index), index <= fitted.threshold, np.nan)
    logger.info(
        "applicability: %d of %d cells inside, threshold %.3f, %d places",
        np.nansum(inside), index.size, fitted.threshold, is_known.sum(),
    )  # fmt: skip
    data = xr.Dataset(
        {
            "dissimilarity": ("cell", index.astype(np.float32), {"units": "1"}),
            "applicability": ("cell", inside.astype(np.float32), {"units": "1"}),
        },
        coords={name: ("cell", grid[name].values) for name in ("latitude", "longitude")},
        attrs={"threshold": fitted.threshold, "n_places": int(is_known.sum())},
    )
    return write_store(data, store, digest=digest)


def _place_features(places: xr.Dataset) -> np.ndarray:
    drivers = places["drivers"].transpose("place", "year", ...).values  # (P, Y, 366, D)
    climate = np.stack(
        [
            summarize_climate(drivers[:, year, :n_steps])
            for year, n_steps in enumerate(places["n_steps"].values)
        ],
        axis=1,
    )
    return np.concatenate([places["attributes"].values, _mean_over_known(climate, 1)], axis=1)


def _has_climate(features: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Which places have all features; one whose record lacks a month has no climate."""
    is_known = np.isfinite(features).all(axis=1)
    if not is_known.all():
        logger.info(
            "applicability: %d of %d places have no year with drivers in every month, left out: %s",
            *((~is_known).sum(), is_known.size, ", ".join(map(str, places[~is_known][:5]))),
        )
    return is_known


def _cell_climate(years: Sequence[xr.Dataset], names: Sequence[str]) -> np.ndarray:
    n_cells = years[0].sizes["cell"]
    climate = np.empty((n_cells, 2 * len(names)))
    for start in range(0, n_cells, CELLS_PER_BLOCK):
        block = slice(start, start + CELLS_PER_BLOCK)
        of_years = [
            summarize_climate(np.stack([year[n][block].values for n in names], axis=-1))
            for year in years
        ]
        climate[block] = _mean_over_known(np.stack(of_years, axis=1), 1)
        logger.info("applicability: %d/%d cells", min(block.stop, n_cells), n_cells)
    return climate


def _mean_over_known(values: np.ndarray, axis: int) -> np.ndarray:
    is_known = np.isfinite(values)
    sums = np.where(is_known, values, 0.0).sum(axis=axis)
    return sums / np.where(is_known.any(axis=axis), is_known.sum(axis=axis), np.nan)
