"""Intervals of predictions from the residuals of clusters that no model saw, and their scores."""

import dataclasses
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
import pandas as pd

from chamnet.evaluation.calibration import FINE_LEVELS, LEVELS, OFFSET_SHARE, Residuals
from chamnet.evaluation.differences import bootstrap_mean
from chamnet.metrics import crps_quantiles

LEAST_CLUSTERS = 3  # below, nothing can be left out and judged


@dataclasses.dataclass(frozen=True)
class Intervals:
    """Central intervals of an observation, as multiples of what is predicted and an offset.

    Parameters
    ----------
    residuals : relative ones, by cluster
    offset : kg m-2 s-1, added to a prediction that scales residuals
    """

    residuals: Residuals
    offset: float

    @classmethod
    def fit(cls, windows: pd.DataFrame) -> Self:
        """Intervals of windows like these.

        Parameters
        ----------
        windows : cluster, observed and predicted (kg m-2 s-1) of clusters that no model saw
        """
        offset = OFFSET_SHARE * float(windows.groupby("cluster")["predicted"].mean().mean())
        difference = windows["observed"] - windows["predicted"]
        relative = difference / (windows["predicted"] + offset)
        return cls(Residuals.of(relative.to_numpy(), windows["cluster"].to_numpy()), offset)

    @property
    def levels(self) -> list[float]:
        """Levels that the number of clusters supports."""
        highest = 1 - 2 / (self.residuals.n_clusters + 1) + 1e-9
        return [level for level in LEVELS if level <= highest]

    def of(self, predicted: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end of the interval of a level; the shape and units of predicted."""
        low, high = self.residuals.interval(level)
        scale = predicted + self.offset
        return predicted + low * scale, predicted + high * scale


def score_intervals(months: pd.DataFrame) -> Iterable[dict[str, Any]]:
    """Coverage and CRPS of monthly means, each cluster judged by the residuals of the others.

    Parameters
    ----------
    months : seed, cluster, place, observed and predicted, of one model, protocol and context

    Yields
    ------
    dict
        metric ``coverage_50`` .. ``coverage_95`` (1) as far as the number of clusters
        supports them, and ``crps`` (kg m-2 s-1); value the mean over clusters and seeds,
        lower and upper a bootstrap interval of 90 % of it, clusters resampled.

    Notes
    -----
    Cross-conformal by cluster, see `chamnet.evaluation.calibration.calibrate`; CRPS from
    quantiles, `chamnet.metrics.crps_quantiles`.
    """
    counts = {"n_places": months["place"].nunique()}
    counts["n_observations"] = len(months) // max(1, months["seed"].nunique())
    rows = [row for _, part in months.groupby("seed") for row in _judge_clusters(part)]
    table = pd.DataFrame(rows, columns=["cluster", "metric", "value"])
    for metric, part in table.groupby("metric", sort=False):
        by_cluster = part.groupby("cluster")["value"].mean()
        lower, upper = bootstrap_mean(by_cluster)
        yield counts | {
            "metric": metric, "value": by_cluster.mean(), "lower": lower, "upper": upper,
        }  # fmt: skip


def _judge_clusters(months: pd.DataFrame) -> Iterable[tuple[int, str, float]]:
    clusters = months["cluster"].unique()
    if clusters.size < LEAST_CLUSTERS:
        return
    everything = Intervals.fit(months)
    for cluster in clusters:
        own = months[months["cluster"] == cluster]
        others = Intervals(everything.residuals.without(cluster), everything.offset)
        observed, predicted = own["observed"].to_numpy(), own["predicted"].to_numpy()
        for level in everything.levels:
            low, high = others.of(predicted, level)
            inside = (observed >= low) & (observed <= high)
            yield cluster, f"coverage_{round(100 * level)}", float(inside.mean())
        relative = others.residuals.quantiles(FINE_LEVELS)[:, None]
        quantiles = predicted + relative * (predicted + others.offset)
        yield cluster, "crps", crps_quantiles(observed, quantiles, FINE_LEVELS)
