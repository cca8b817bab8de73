"""The table of scores: from predicted and observed windows to the rows of skill.csv.

One frame of predictions, a row a window, is all that is needed
(`chamnet.evaluation.predictions`): cross-validation and ``chamnet score`` share the rest.
"""

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from chamnet.data.windows import UNKNOWN_YEAR
from chamnet.evaluation.differences import MIN_DAYS, MIN_MONTHS, compare_models
from chamnet.evaluation.intervals import score_intervals
from chamnet.evaluation.predictions import GROUP, LABELS
from chamnet.metrics import METRICS, r2
from chamnet.provenance import write_text

logger = logging.getLogger(__name__)

COLUMNS = (
    "target", "model", "protocol", "context", "level", "metric", "value", "lower", "upper",
    "compared_with", "n_seeds", "n_observations", "n_places",
)  # fmt: skip
MIN_YEARS_OF_SEASON, MIN_YEARS_OF_ANOMALY = 2, 3


def score_predictions(predictions: pd.DataFrame) -> pd.DataFrame:
    """Scores of every model, protocol and context, at every level, as rows of skill.csv.

    Parameters
    ----------
    predictions : of `build_predictions`, with target, model, protocol, context and seed
        Windows without a prediction are left out; how many were scored is in the rows.

    Returns
    -------
    rows of ``COLUMNS``
        ``value`` is the mean over seeds, ``lower`` and ``upper`` the least and greatest of
        them where there are several. Of differences (``compared_with``), coverage and CRPS
        they are a bootstrap interval of 90 %, clusters resampled.

    Notes
    -----
    Levels: ``pooled_daily``; ``pooled_monthly`` (means of a place's scored windows in a
    month); ``site_median`` and ``site_iqr`` of the sites' own scores (10 days, or 4 months, at
    least); ``class:<c>``; and the parts of monthly means = site mean + mean seasonal cycle
    (2 years at least) + anomaly (3 years at least): ``site_mean``, ``seasonal``, ``anomaly``.
    """
    predictions = predictions.astype(dict.fromkeys(LABELS, "category"))
    finite = predictions[np.isfinite(predictions["predicted"])]
    _log_missing(predictions)
    parts = [_rows_of_seeds(frame, dict(zip(GROUP, key, strict=True)))
             for key, frame in finite.groupby(GROUP, sort=False)]  # fmt: skip
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
    differences = pd.DataFrame(list(compare_models(predictions)), columns=COLUMNS)
    filled = [part for part in (table, differences) if len(part)]
    return pd.concat(filled, ignore_index=True)[list(COLUMNS)] if filled else table


def write_skill(table: pd.DataFrame, out: str | os.PathLike) -> None:
    """Write skill.csv, whole or not at all."""
    write_text(out, table.to_csv(index=False, float_format="%.6g"))


def _rows_of_seeds(frame: pd.DataFrame, key: dict[str, Any]) -> pd.DataFrame:
    scored = [pd.DataFrame(_score_levels(part)) for _, part in frame.groupby("seed")]
    rows = pd.concat(scored, ignore_index=True).groupby(["level", "metric"], sort=False)
    table = rows.agg(
        value=("value", "mean"),
        lower=("value", "min"),
        upper=("value", "max"),
        n_observations=("n_observations", "max"),
        n_places=("n_places", "max"),
    ).reset_index()
    if len(scored) == 1:
        table[["lower", "upper"]] = np.nan
    intervals = [
        row | {"level": "pooled_monthly"} for row in score_intervals(_monthly_means(frame))
    ]
    table = pd.concat([part for part in (table, pd.DataFrame(intervals)) if len(part)])
    return table.assign(**key, compared_with="", n_seeds=len(scored))


def _log_missing(predictions: pd.DataFrame) -> None:
    """Say how many windows a model could not predict: no drivers, or no earlier year."""
    is_missing = ~np.isfinite(predictions["predicted"])
    for key, part in predictions[is_missing].groupby(GROUP, sort=False):
        logger.info(
            "%s: %d windows of %d places are not predicted and not scored",
            " ".join(key), len(part), part["place"].nunique(),
        )  # fmt: skip


def _score_levels(frame: pd.DataFrame) -> Iterable[dict[str, Any]]:
    monthly = _monthly_means(frame)
    daily = frame[frame["n_days"] == 1]
    if len(daily):
        yield from _score_pooled("pooled_daily", daily)
    yield from _score_pooled("pooled_monthly", monthly)
    scored, least = (daily, MIN_DAYS) if len(daily) else (monthly, MIN_MONTHS)
    yield from _score_sites(scored, least)
    for name, part in scored.groupby("place_class"):
        if len(part) >= least:
            yield from _score_pooled(f"class:{name}", part)
    for name, part in _decompose(monthly).items():
        yield from _score_pooled(name, part)


def _monthly_means(frame: pd.DataFrame) -> pd.DataFrame:
    """Means over a place's windows of up to a month, by year and month."""
    frame = frame[(frame["n_days"] <= 31) & (frame["month"] >= 0)]
    keys = ["seed", "place", "cluster", "place_class", "year", "month"]
    return frame.groupby(keys, as_index=False)[["observed", "predicted"]].mean()


def _score_pooled(level: str, frame: pd.DataFrame) -> Iterable[dict[str, Any]]:
    counts = {"n_observations": len(frame), "n_places": frame["place"].nunique()}
    observed, predicted = frame["observed"].to_numpy(), frame["predicted"].to_numpy()
    for name, metric in METRICS.items():
        yield {"level": level, "metric": name, "value": metric(observed, predicted)} | counts


def _score_sites(frame: pd.DataFrame, least: int) -> Iterable[dict[str, Any]]:
    """Median and interquartile range over sites, and the share of them with skill."""
    sites = [part for _, part in frame.groupby("place") if len(part) >= least]
    counts = {"n_observations": sum(map(len, sites))}
    for name, metric in METRICS.items():
        values = _site_values(sites, metric)
        counts["n_places"] = values.size
        first, median, third = (
            np.quantile(values, [0.25, 0.5, 0.75]) if values.size else np.full(3, np.nan)
        )
        yield {"level": "site_median", "metric": name, "value": median} | counts
        yield {"level": "site_iqr", "metric": name, "value": third - first} | counts
    skill = _site_values(sites, r2)
    counts["n_places"] = skill.size
    share = float((skill > 0).mean()) if skill.size else np.nan
    yield {"level": "site_median", "metric": "share_r2_above_0", "value": share} | counts


def _site_values(sites: Sequence[pd.DataFrame], metric: Callable[..., float]) -> np.ndarray:
    values = [metric(site["observed"].to_numpy(), site["predicted"].to_numpy()) for site in sites]
    return np.array([value for value in values if np.isfinite(value)])


def _decompose(monthly: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Site means, seasonal cycles about them, and what is left, each of observed and predicted."""
    columns = ["observed", "predicted"]
    n_years = monthly.groupby("place")["year"].transform("nunique")
    is_normal = monthly["year"] == UNKNOWN_YEAR
    season = monthly[(n_years >= MIN_YEARS_OF_SEASON) | is_normal]
    cycle = season.groupby(["place", "place_class", "month"], as_index=False)[columns].mean()
    mean = cycle.groupby("place")[columns].transform("mean")
    cycle_at = monthly[["place", "month"]].merge(cycle, on=["place", "month"], how="left")
    anomaly = monthly.copy()
    anomaly[columns] = monthly[columns].to_numpy() - cycle_at[columns].to_numpy()
    return {
        "site_mean": monthly.groupby(["place"], as_index=False)[columns].mean(),
        "seasonal": cycle.assign(**{c: cycle[c] - mean[c] for c in columns}),
        "anomaly": anomaly[(n_years >= MIN_YEARS_OF_ANOMALY) & ~is_normal],
    }
