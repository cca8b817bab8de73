"""Differences between models, paired by site: what a reviewer should compare them by.

With a dozen test sites of which two hold most of the variance, pooled scores say which model
fits these two; so each site counts once, on the windows that both models predict.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from chamnet.metrics import r2

MIN_DAYS, MIN_MONTHS = 10, 4  # of a site or class, to be scored by itself
CONFIDENCE = 0.90
N_RESAMPLES = 1000


def compare_models(predictions: pd.DataFrame) -> Iterable[dict[str, Any]]:
    """Rows of differences in NSE: CHAM-net and its variants against every other model.

    Parameters
    ----------
    predictions : of `build_predictions`, with target, model, protocol, context and seed

    Yields
    ------
    dict
        A row of skill.csv of metric ``r2_difference``: the median over sites of NSE(model) -
        NSE(``compared_with``), mean over seeds, with an interval from resampled clusters. A
        context is compared with the other model's same one, or else that without a context, or
        else its last one; ``zero_shot`` with none that reads a response.
    """
    for (target, protocol), frame in predictions.groupby(["target", "protocol"], sort=False):
        parts = _number_windows(frame)
        clusters = frame.groupby("place")["cluster"].first()
        for model, context in parts:
            if not model.startswith("chamnet"):
                continue
            for other in dict.fromkeys(name for name, _ in parts if name != model):
                column = _context_to_compare(context, [c for name, c in parts if name == other])
                if column is None:
                    continue
                skill = _paired_skill(parts[model, context], parts[other, column])
                if skill.empty:
                    continue
                pairs = skill.groupby("place", sort=False)["difference"].mean()
                n_seeds = skill["seed"].nunique()
                lower, upper = bootstrap_median(pairs, clusters.reindex(pairs.index))
                yield {
                    "target": target, "model": model, "protocol": protocol, "context": context,
                    "level": "site_median", "metric": "r2_difference",
                    "value": pairs.median(), "lower": lower, "upper": upper,
                    "compared_with": other, "n_seeds": n_seeds,
                    "n_observations": int(skill["n"].sum()) // n_seeds, "n_places": len(pairs),
                }  # fmt: skip


def _context_to_compare(context: str, known: list[str]) -> str | None:
    for same in (context, "none"):
        if same in known:
            return same
    return None if context == "zero_shot" else known[-1]


def _number_windows(frame: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """Windows that compare sites, of each model and context, by what tells them apart."""
    is_daily = frame["n_days"] == 1
    scored = frame[is_daily] if is_daily.any() else frame
    keys = ["seed", "place", "year", "month", "first", "last"]
    parts = {}
    for name, part in scored.groupby(["model", "context"], sort=False):
        part = part.assign(copy=part.groupby(keys).cumcount())  # a place may repeat a month
        parts[name] = part.set_index([*keys, "copy"])[["n_days", "observed", "predicted"]]
    return parts


def _paired_skill(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Difference in NSE of each seed and site, on the ``n`` windows that both models predict."""
    both = one.join(other["predicted"].rename("other"), how="inner").dropna()
    least = MIN_DAYS if (both["n_days"] == 1).any() else MIN_MONTHS
    rows = []
    for (seed, place), part in both.groupby(["seed", "place"], sort=False):
        if len(part) >= least:
            observed = part["observed"].to_numpy()
            skill = [r2(observed, part[name].to_numpy()) for name in ("predicted", "other")]
            rows.append((seed, place, len(part), skill[0] - skill[1]))
    return pd.DataFrame(rows, columns=["seed", "place", "n", "difference"]).dropna()


def bootstrap_median(
    values: pd.Series, clusters: pd.Series, *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Interval of 90 % of a median over sites, whole clusters resampled.

    Parameters
    ----------
    values, clusters : by site
    n_resamples : resamples of the clusters
    seed : of the resamples

    Notes
    -----
    Percentile interval; Davison & Hinkley (1997), Bootstrap Methods, section 5.3.
    """
    groups = [part.to_numpy() for _, part in values.groupby(clusters.to_numpy())]
    drawn = _draw_clusters(len(groups), n_resamples, seed)
    return _tails([np.median(np.concatenate([groups[i] for i in row])) for row in drawn])


def bootstrap_mean(
    values: pd.Series, *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Interval of 90 % of a mean over clusters, resampled as `bootstrap_median` does."""
    drawn = _draw_clusters(len(values), n_resamples, seed)
    return _tails(values.to_numpy()[drawn].mean(axis=1))


def _draw_clusters(n_clusters: int, n_resamples: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(n_clusters, size=(n_resamples, n_clusters))


def _tails(values: np.ndarray | list[float]) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    lower, upper = np.quantile(values, [tail, 1 - tail])
    return float(lower), float(upper)
