"""The table of scores: from predicted and observed windows to the rows of skill.csv.

One frame of predictions, a row a window, is all that is needed: cross-validation and
``chamnet score`` make one and share the rest.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from chamnet.data.windows import UNKNOWN_YEAR, PlaceData
from chamnet.metrics import METRICS, r2
from chamnet.provenance import write_text
from chamnet.timeaxis import month_of_step

COLUMNS = (
    "target", "model", "protocol", "context", "level", "metric", "value", "lower", "upper",
    "compared_with", "n_seeds", "n_observations", "n_places",
)  # fmt: skip
GROUP = ["target", "model", "protocol", "context"]
MIN_DAYS = 10  # of a site or class, to be scored by itself
MIN_MONTHS = 4
MIN_YEARS_OF_SEASON, MIN_YEARS_OF_ANOMALY = 2, 3
CONFIDENCE = 0.90
N_RESAMPLES = 1000


def build_predictions(data: PlaceData, predicted: np.ndarray) -> pd.DataFrame:
    """Frame of predictions: a row a window.

    Parameters
    ----------
    data : places and the windows that are scored
    predicted : (n_windows,), kg m-2 s-1

    Returns
    -------
    rows place, cluster, place_class, year (-1 unknown), month (0 to 11; of the first day), n_days
        (0: the year is unknown), first, last, observed, predicted (kg m-2 s-1)
    """
    windows = data.windows
    place = windows["place"].to_numpy()
    is_open = (windows["first"] < 0).to_numpy()
    return pd.DataFrame(
        {
            "place": data.place[place],
            "cluster": data.cluster[place],
            "place_class": data.place_class[place],
            "year": windows["year"].to_numpy(),
            "month": _months(data),
            "n_days": np.where(is_open, 0, windows["last"] - windows["first"] + 1),
            "first": windows["first"].to_numpy(),
            "last": windows["last"].to_numpy(),
            "observed": windows["flux"].to_numpy(),
            "predicted": np.asarray(predicted, dtype=float),
        }
    )


def _months(data: PlaceData) -> np.ndarray:
    month = data.windows["month"].to_numpy().copy()
    year, first = data.windows["year"].to_numpy(), data.windows["first"].to_numpy()
    for one in np.unique(year[(month < 0) & (year != UNKNOWN_YEAR) & (first >= 0)]):
        of_step = month_of_step(int(one), calendar=data.calendar)
        chosen = (month < 0) & (year == one) & (first >= 0)
        month[chosen] = of_step[first[chosen]]
    return month


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
        them where there are several. Of differences (``compared_with``) they are a bootstrap
        interval of 90 %, clusters resampled.

    Notes
    -----
    Levels: ``pooled_daily``; ``pooled_monthly`` (means of a place's scored windows in a
    month); ``site_median`` and ``site_iqr`` of the sites' own scores (10 days, or 4 months, at
    least); ``class:<c>``; and the parts of monthly means = site mean + mean seasonal cycle
    (2 years at least) + anomaly (3 years at least): ``site_mean``, ``seasonal``, ``anomaly``.
    """
    finite = predictions[np.isfinite(predictions["predicted"])]
    parts = [_rows_of_seeds(frame, dict(zip(GROUP, key, strict=True)))
             for key, frame in finite.groupby(GROUP, sort=False)]  # fmt: skip
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
    differences = pd.DataFrame(list(_differences(predictions)), columns=COLUMNS)
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
    return table.assign(**key, compared_with="", n_seeds=len(scored))


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
    keys = ["place", "cluster", "place_class", "year", "month"]
    return frame.groupby(keys, as_index=False)[["observed", "predicted"]].mean()


def _score_pooled(level: str, frame: pd.DataFrame) -> Iterable[dict[str, Any]]:
    counts = {"n_observations": len(frame), "n_places": frame["place"].nunique()}
    observed, predicted = frame["observed"].to_numpy(), frame["predicted"].to_numpy()
    for name, metric in METRICS.items():
        yield {"level": level, "metric": name, "value": metric(observed, predicted)} | counts


def _score_sites(frame: pd.DataFrame, least: int) -> Iterable[dict[str, Any]]:
    """Median and interquartile range over sites, and the share of them with skill."""
    sites = [part for _, part in frame.groupby("place") if len(part) >= least]
    counts = {"n_observations": sum(map(len, sites)), "n_places": len(sites)}
    for name, metric in METRICS.items():
        values = _site_values(sites, metric)
        first, median, third = (
            np.quantile(values, [0.25, 0.5, 0.75]) if values.size else np.full(3, np.nan)
        )
        yield {"level": "site_median", "metric": name, "value": median} | counts
        yield {"level": "site_iqr", "metric": name, "value": third - first} | counts
    skill = _site_values(sites, r2)
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


def _differences(predictions: pd.DataFrame) -> Iterable[dict[str, Any]]:
    """Median over sites of the paired differences in NSE, each model against each baseline."""
    for (target, protocol), frame in predictions.groupby(["target", "protocol"], sort=False):
        parts = _number_windows(frame)
        clusters = frame.groupby("place")["cluster"].first()
        for model, context in parts:
            if model in ("climatology", "last_year", "class_month"):
                continue
            for other in dict.fromkeys(name for name, _ in parts if name != model):
                known = [found for name, found in parts if name == other]
                column = context if context in known else known[-1]
                pairs, n_windows = _paired_skill(parts[model, context], parts[other, column])
                if pairs.empty:
                    continue
                lower, upper = bootstrap_median(pairs, clusters.reindex(pairs.index))
                yield {
                    "target": target, "model": model, "protocol": protocol, "context": context,
                    "level": "site_median", "metric": "r2_difference",
                    "value": pairs.median(), "lower": lower, "upper": upper,
                    "compared_with": other, "n_seeds": frame["seed"].nunique(),
                    "n_observations": n_windows, "n_places": len(pairs),
                }  # fmt: skip


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


def _paired_skill(one: pd.DataFrame, other: pd.DataFrame) -> tuple[pd.Series, int]:
    """Difference in NSE of each site, mean over seeds, on windows that both models predict.

    With it the number of these windows, of one seed.
    """
    both = one.join(other["predicted"].rename("other"), how="inner").dropna()
    least = MIN_DAYS if (both["n_days"] == 1).any() else MIN_MONTHS
    rows = []
    for (seed, place), part in both.groupby(["seed", "place"], sort=False):
        if len(part) >= least:
            observed = part["observed"].to_numpy()
            skill = [r2(observed, part[name].to_numpy()) for name in ("predicted", "other")]
            rows.append((seed, place, len(part), skill[0] - skill[1]))
    table = pd.DataFrame(rows, columns=["seed", "place", "n", "difference"]).dropna()
    n_windows = int(table["n"].sum()) // max(1, table["seed"].nunique())
    return table.groupby("place", sort=False)["difference"].mean(), n_windows


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
    generator = np.random.default_rng(seed)
    drawn = generator.integers(len(groups), size=(n_resamples, len(groups)))
    medians = [np.median(np.concatenate([groups[i] for i in row])) for row in drawn]
    tail = (1 - CONFIDENCE) / 2
    lower, upper = np.quantile(medians, [tail, 1 - tail])
    return float(lower), float(upper)
