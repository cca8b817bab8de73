"""Years, seasons and trends of every region's budget, with intervals, as tables.

All from ``budget.nc``: a draw scales its member's months and years, so a band of a series is
of totals of members, never a sum of spreads.
"""

import logging
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chamnet.provenance import write_text
from chamnet.timeaxis import N_MONTHS

logger = logging.getLogger(__name__)

QUANTILES = (0.05, 0.95)
CONFIDENCE = 0.9
LEAST_YEARS_OF_TREND = 5
LEAST_YEARS_OF_ANOMALY = 3


def write_series(
    *,
    netcdf: str | os.PathLike,
    years: str | os.PathLike,
    seasons: str | os.PathLike,
    trends: str | os.PathLike,
) -> None:
    """Write annual budgets with anomalies, mean seasonal cycles, and trends, as three tables.

    Parameters
    ----------
    netcdf : ``budget.nc``
    years : table ``target, region_system, region, extent, year, mean_tg, q05_tg, q95_tg,
        anomaly_tg, anomaly_q05_tg, anomaly_q95_tg``; anomalies from 3 years on
    seasons : table ``..., month, mean_tg, q05_tg, q95_tg``, means over the years
    trends : table ``..., n_years, trend_tg_yr2, low_tg_yr2, high_tg_yr2, kendall_p,
        lag1_correlation, members_low_tg_yr2, members_high_tg_yr2``; from 5 years on

    Every table ends with the column ``synthetic``: whether the inputs were.
    """
    data = read_totals(netcdf)
    is_synthetic = data.attrs["synthetic"] == str(True)
    pooled = [_tables_of(data, *choice) for choice in _choices(data)]
    for place, path in enumerate((years, seasons, trends)):
        table = pd.concat([tables[place] for tables in pooled], ignore_index=True)
        table["synthetic"] = is_synthetic
        write_text(path, table.to_csv(index=False, float_format="%.9g"))
    logger.info("write_series: %d series of %d years", len(pooled), data.sizes["year"])


def read_totals(netcdf: str | os.PathLike) -> xr.Dataset:
    """Totals and draws of ``budget.nc``."""
    with xr.open_dataset(netcdf) as data:
        return data.load()


def select_region(data: xr.Dataset, *, target: str, row: int) -> xr.Dataset:
    """Totals and draws of a target in a region, of the members that the target has.

    Parameters
    ----------
    data : ``budget.nc``, whose members are those of any target
    target : its name
    row : place of the region
    """
    chosen = data.sel(target=target).isel(region=row)
    return chosen.dropna("member", how="all", subset=["mass_tg"])


def interval_of(region: xr.Dataset, values: xr.DataArray) -> np.ndarray:
    """5 and 95 % of draws of a region's values, (2, ...).

    Parameters
    ----------
    region : as ``select_region`` gives it
    values : (member, extent, ...)
        Of its members; each draw scales its member's by the draw's total over the member's own.
    """
    chosen = region.sel(extent=values["extent"])
    annual = chosen["mass_tg"].sum("month").mean("year").transpose("member", "extent").values
    draws = chosen["draw_tg"].transpose("draw", "extent").values
    is_drawn = np.isfinite(draws).all(axis=1)
    member = chosen.indexes["member"].get_indexer(chosen["draw_member"].values[is_drawn])
    own = annual[member]
    factor = np.divide(draws[is_drawn], own, out=np.ones_like(own), where=own > 0)
    of_members = values.transpose("member", "extent", ...).values[member]
    drawn = of_members * factor.reshape(*factor.shape, *[1] * (of_members.ndim - 2))
    return np.quantile(drawn.reshape(-1, *of_members.shape[2:]), QUANTILES, axis=0)


def _choices(data: xr.Dataset) -> Iterator[tuple[str, int, str]]:
    """Every target, place of a region, and extent; ``all`` pools the extents."""
    for target in data["target"].values:
        for row in range(data.sizes["region"]):
            for extent in ["all", *data["extent"].values]:
                yield str(target), row, str(extent)


def _tables_of(
    data: xr.Dataset, target: str, row: int, extent: str
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    chosen = select_region(data, target=target, row=row)
    monthly = chosen["mass_tg"] if extent == "all" else chosen["mass_tg"].sel(extent=[extent])
    annual = monthly.sum("month")
    anomaly = annual - annual.mean("year")
    head: dict[str, Any] = {
        "target": target,
        "region_system": str(data["region_system"].values[row]),
        "region": str(data["region_name"].values[row]),
        "extent": extent,
    }
    years = head | {"year": data["year"].values} | _band(chosen, annual)
    if data.sizes["year"] >= LEAST_YEARS_OF_ANOMALY:
        found = _band(chosen, anomaly)
    else:
        found = dict.fromkeys(("mean_tg", "q05_tg", "q95_tg"), np.nan)
    years |= {f"anomaly_{name}".replace("mean_", ""): values for name, values in found.items()}
    cycle = monthly.mean("year")
    months = {"month": np.arange(1, N_MONTHS + 1)} | _band(chosen, cycle)
    trend = head | fit_trend(annual, data["year"].values)
    return pd.DataFrame(years), pd.DataFrame(head | months), pd.DataFrame([trend])


def _band(region: xr.Dataset, values: xr.DataArray) -> dict[str, Any]:
    low, high = interval_of(region, values)
    return {"mean_tg": values.mean(["member", "extent"]).values, "q05_tg": low, "q95_tg": high}


def fit_trend(annual: xr.DataArray, years: np.ndarray) -> dict[str, float]:
    """Trend of annual budgets: Theil and Sen's slope, its 90 % interval, and the members'.

    Parameters
    ----------
    annual : (member, extent, year), Tg
    years : (year,)

    Returns
    -------
    dict of ``n_years``, slopes in Tg yr-2, the probability of no trend by Kendall's test, and
    the correlation of the residuals of neighboring years. NaN below 5 years.

    Notes
    -----
    The interval is Sen's (1968), of years that err independently; where ``lag1_correlation``
    is not small it is too narrow. ``members_*`` are the smallest and largest slope of single
    members and extents: what the choice of network and map makes of the same weather.
    """
    from scipy import stats  # half a second to import, which every reader of totals would pay

    names = ("trend", "low", "high", "members_low", "members_high")
    found: dict[str, float] = {f"{name}_tg_yr2": np.nan for name in names}
    found |= {"n_years": len(years), "kendall_p": np.nan, "lag1_correlation": np.nan}
    if len(years) < LEAST_YEARS_OF_TREND:
        return found
    mean = annual.mean(["member", "extent"]).values
    slope, intercept, low, high = stats.theilslopes(mean, years, alpha=CONFIDENCE)
    single = annual.transpose("member", "extent", "year").values.reshape(-1, len(years))
    slopes = [stats.theilslopes(series, years).slope for series in single]
    values = (slope, low, high, min(slopes), max(slopes))
    found |= {f"{name}_tg_yr2": float(v) for name, v in zip(names, values, strict=True)}
    left = mean - (intercept + slope * years)
    has_spread = left.std() > 1e-12 * max(abs(mean).max(), 1e-30)
    if has_spread:
        found["lag1_correlation"] = float(np.sum(left[1:] * left[:-1]) / np.sum(left**2))
        found["kendall_p"] = float(stats.kendalltau(years, mean).pvalue)
    return found
