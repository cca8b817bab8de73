"""Calibration on out-of-bag clusters: a mean without bias, and intervals that say what is known.

No member trained on these clusters, though some of them said when a member's training stops. Each
cluster counts the same, however long its records; what their number does not support is not given.
"""

import dataclasses
import functools
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from chamnet.data.windows import MEASURED
from chamnet.errors import InputError
from chamnet.metrics import crps_quantiles
from chamnet.provenance import write_json
from chamnet.training.restoration import fit_mean_factor

logger = logging.getLogger(__name__)

COLUMNS = {"place", "cluster", "year", "month", "first", "observed", "predicted", "quality", "mode"}
WINDOW = ["place", "cluster", "year", "month", "first"]
LEVELS = (0.5, 0.8, 0.9, 0.95)
INDEPENDENT_MONTHS = 3.0  # monthly residuals of a place are alike for about so many months
PRIOR_LOG_BIAS, PRIOR_CLUSTERS = 0.7, 3.0  # expected spread of the log bias, and its weight
N_SIMULATED, MOST_SIMULATED = 4000, 1000  # spreads, and clusters of each, that are drawn
LEAST_SHARE = 0.05  # of what is predicted, below which a cluster's mean has no logarithm
OFFSET_SHARE = 0.1  # of the overall mean, added to a prediction that scales residuals
FINE_LEVELS = np.arange(0.05, 1, 0.1)


@dataclasses.dataclass(frozen=True, slots=True)
class Residuals:
    """Monthly residuals of out-of-bag clusters, relative to what was predicted.

    Parameters
    ----------
    relative : (n,), (observed - predicted) / (predicted + offset), ascending
    cluster : (n,) int, 0 or more
    """

    relative: np.ndarray
    cluster: np.ndarray

    @classmethod
    def of(cls, relative: np.ndarray, cluster: np.ndarray) -> Self:
        """Residuals in any order, sorted once for all that leave a cluster out."""
        order = np.argsort(relative)
        return cls(relative[order], cluster[order])

    @property
    def n_clusters(self) -> int:
        """How many clusters have a residual."""
        return np.count_nonzero(np.bincount(self.cluster))

    def without(self, cluster: int) -> Self:
        """Those of the other clusters."""
        kept = self.cluster != cluster
        return type(self)(self.relative[kept], self.cluster[kept])

    def quantiles(self, levels: np.ndarray) -> np.ndarray:
        """Quantiles with every cluster's residuals weighing the same, (level,)."""
        weight = 1 / np.bincount(self.cluster)[self.cluster] / self.n_clusters
        position = np.cumsum(weight) - weight / 2
        return np.interp(levels, position, self.relative)

    def interval(self, level: float) -> tuple[float, float]:
        """Central interval, widened for the number of clusters (see `calibrate`)."""
        n = self.n_clusters
        tail = max(0.0, (1 - level) / 2 * (n + 1) / n - 1 / n)
        low, high = self.quantiles(np.array([tail, 1 - tail]))
        return float(low), float(high)


def calibrate(
    *,
    out_of_bag: Sequence[str | os.PathLike],
    out: str | os.PathLike,
    correlation_km: float,
    mode: str = "zero_shot",
) -> dict[str, Any]:
    """Fit on out-of-bag predictions and write calibration.json.

    Parameters
    ----------
    out_of_bag : out_of_bag.csv of each member: windows of clusters that it never saw, with
        predictions whose mean is not restored
    out : JSON file
    correlation_km : correlation length of the log-bias field, passed on, km
    mode : context mode of the predictions that are calibrated

    Returns
    -------
    dict
        ``mean_factor`` (1): pooled ratio of means, shrunk to 1 by its uncertainty;
        ``log_bias_sd`` (1): spread of the log of observed over predicted mean between
        clusters, what few months alone would give taken off; ``correlation_km``,
        ``n_clusters``, ``n_windows``; ``residual``: interval of monthly means at each level,
        as multiples of (predicted + ``offset``); ``coverage``: share of months within it, each
        cluster judged by the others; ``crps``, kg m-2 s-1, judged the same way.

    Raises
    ------
    InputError
        If a file lacks a column, or no measured window of the mode is in them.

    Notes
    -----
    Intervals are cross-conformal by cluster: levels up to 1 - 2 / (n + 1) alone, and tails
    taken at (alpha / 2) (n + 1) / n - 1 / n. Barber et al. (2021), Predictive inference with the
    jackknife+, Annals of Statistics 49, 486-507, with clusters in the place of points.

    The spread of few clusters is drawn towards 0.7 with the weight of 3 clusters.
    """
    windows = read_out_of_bag(out_of_bag, mode=mode)
    factor = fit_mean_factor(
        windows["observed"].to_numpy(),
        windows["predicted"].to_numpy(),
        windows["cluster"].to_numpy(),
    )
    months = _monthly_means(windows.assign(predicted=windows["predicted"] * factor))
    n_clusters = int(months["cluster"].nunique())
    offset = OFFSET_SHARE * float(months.groupby("cluster")["predicted"].mean().mean())
    residuals = _residuals(months, offset)
    levels = [level for level in LEVELS if level <= 1 - 2 / (n_clusters + 1) + 1e-9]
    values = {
        "mode": mode,
        "mean_factor": factor,
        "log_bias_sd": log_bias_spread(months),
        "correlation_km": float(correlation_km),
        "n_clusters": n_clusters,
        "n_windows": len(windows),
        "n_members": len(out_of_bag),
        "residual": {
            "offset": offset,
            "intervals": {f"{level:g}": residuals.interval(level) for level in levels},
        },
        "coverage": {f"{level:g}": _coverage(residuals, level) for level in levels},
        "crps": _crps(months, residuals, offset),
    }
    logger.info(
        "calibrate: %d windows of %d clusters, mean factor %.3f, log bias spread %.3f, coverage %s",
        len(windows), n_clusters, factor, values["log_bias_sd"], values["coverage"],
    )  # fmt: skip
    write_json(out, values)
    return values


def read_out_of_bag(paths: Sequence[str | os.PathLike], *, mode: str) -> pd.DataFrame:
    """Measured windows, with the mean of the members that never saw them.

    Parameters
    ----------
    paths : out_of_bag.csv of each member
    mode : context mode of the predictions

    Raises
    ------
    InputError
        If a file lacks a column, or no measured window of the mode is in them.
    """
    parts = []
    for path in paths:
        table = pd.read_csv(path)
        missing = sorted(COLUMNS - set(table.columns))
        if missing:
            raise InputError(f"{Path(path)}: no columns {missing}; it has {list(table.columns)}")
        parts.append(table[(table["mode"] == mode) & (table["quality"] == MEASURED)])
    rows = pd.concat(parts).dropna(subset=["observed", "predicted"])
    if rows.empty:
        raise InputError(
            f"no measured window predicted in mode {mode!r} in {[str(path) for path in paths]}"
        )
    return rows.groupby(WINDOW, as_index=False)[["observed", "predicted"]].mean()


def _monthly_means(windows: pd.DataFrame) -> pd.DataFrame:
    """Means of a place's windows by year and month (or thirty days of the year)."""
    month = np.where(windows["month"] >= 0, windows["month"], windows["first"] // 31)
    keys = ["cluster", "place", "year", "month"]
    rows = windows.assign(month=month)
    return rows.groupby(keys, as_index=False)[["observed", "predicted"]].mean()


def log_bias_spread(months: pd.DataFrame) -> float:
    """Spread between clusters of log(observed mean / predicted mean).

    Parameters
    ----------
    months : columns cluster, place, observed and predicted (the mean restored)

    Returns
    -------
    scalar
        `shrink_spread` of clusters whose prediction has a logarithm.
    """
    biases, noises = [], []
    for _, part in months.groupby("cluster"):
        predicted = part["predicted"].mean()
        if predicted <= 0:
            continue
        share = max(part["observed"].mean() / predicted, LEAST_SHARE)
        residual = part["observed"] - share * part["predicted"]
        n_effective = max(len(part) / INDEPENDENT_MONTHS, 1.0)
        biases.append(np.log(share))
        noises.append(residual.var(ddof=0) / n_effective / (share * predicted) ** 2)
    return shrink_spread(np.array(biases), np.array(noises))


def shrink_spread(biases: np.ndarray, noises: np.ndarray) -> float:
    """Spread of clusters, drawn towards what is expected without any.

    Parameters
    ----------
    biases : (cluster,), of their means
    noises : (cluster,), variance of each that its few months alone would give

    Returns
    -------
    scalar
        Robust, the median noise taken off; without bias in its square for normal draws,
        however few the clusters.
    """
    n = len(biases)
    if n < 2:
        return PRIOR_LOG_BIAS
    variance = _robust_variance(biases) / _expected_variance(min(n, MOST_SIMULATED))
    known = max(float(variance - np.median(noises)), 0.0)
    weight = n - 1 + PRIOR_CLUSTERS
    return float(np.sqrt(((n - 1) * known + PRIOR_CLUSTERS * PRIOR_LOG_BIAS**2) / weight))


def _robust_variance(values: np.ndarray) -> np.ndarray:
    """Of the last dim, from the interquartile range where that says less than the variance."""
    first, third = np.quantile(values, [0.25, 0.75], axis=-1)
    return np.minimum(((third - first) / 1.349) ** 2, np.var(values, axis=-1, ddof=1))


@functools.cache
def _expected_variance(n: int) -> float:
    """Of n normal draws of variance 1 by `_robust_variance`, on average: under 1."""
    draws = np.random.default_rng(0).normal(size=(N_SIMULATED, n))
    return float(_robust_variance(draws).mean())


def _residuals(months: pd.DataFrame, offset: float) -> Residuals:
    relative = (months["observed"] - months["predicted"]) / (months["predicted"] + offset)
    return Residuals.of(relative.to_numpy(), months["cluster"].to_numpy())


def _coverage(residuals: Residuals, level: float) -> float:
    """Mean over clusters of the share of their months inside the others' interval."""
    shares = []
    for cluster in np.unique(residuals.cluster):
        low, high = residuals.without(cluster).interval(level)
        own = residuals.relative[residuals.cluster == cluster]
        shares.append(((own >= low) & (own <= high)).mean())
    return float(np.mean(shares))


def _crps(months: pd.DataFrame, residuals: Residuals, offset: float) -> float | None:
    clusters = np.unique(residuals.cluster)
    if clusters.size < 2:
        return None
    scores = []
    for cluster in clusters:
        part = months[months["cluster"] == cluster]
        relative = residuals.without(cluster).quantiles(FINE_LEVELS)
        predicted = part["predicted"].to_numpy()
        quantiles = predicted + relative[:, None] * (predicted + offset)
        scores.append(crps_quantiles(part["observed"].to_numpy(), quantiles, FINE_LEVELS))
    return float(np.mean(scores))
