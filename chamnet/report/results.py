"""Reads the results of a run, for the figures and the page."""

import os

import numpy as np
import pandas as pd
import xarray as xr

QUANTILES = [0.05, 0.95]


def read_budget(csv: str | os.PathLike) -> pd.DataFrame:
    """Table of ``global_budget.csv``."""
    return pd.read_csv(csv, keep_default_na=False, na_values=["", "nan"], dtype={"extent": str})


def show_region(name: str) -> str:
    """Name of a region as readers see it."""
    shown = {"globe": "Globe", "Korean_Japan": "Korea and Japan"}.get(name)
    return shown or (name.replace("-", "\u2013") if name[0].isdigit() else name.replace("_", " "))


def read_totals(netcdf: str | os.PathLike) -> xr.Dataset:
    """Totals and draws of ``budget.nc``."""
    with xr.open_dataset(netcdf) as data:
        return data.load()


def find_row(data: xr.Dataset, system: str, region: str) -> int | None:
    """Place of a region in ``budget.nc``; None where it is not."""
    pairs = zip(data["region_system"].values, data["region_name"].values, strict=True)
    return next((i for i, pair in enumerate(pairs) if pair == (system, region)), None)


def interval_of(data: xr.Dataset, values: xr.DataArray, *, target: str, row: int) -> np.ndarray:
    """5 and 95 % of draws of a region's values, (2, ...).

    Parameters
    ----------
    data : ``budget.nc``
    values : (member, extent, ...)
        Of members; each draw scales its member's by the draw's total over the member's own.
    """
    chosen = data.sel(target=target).isel(region=row)
    annual = chosen["mass_tg"].sum("month").mean("year")  # (member, extent)
    draws = chosen["draw_tg"].dropna("draw")
    member = chosen["draw_member"].sel(draw=draws["draw"]).astype(int).values
    own = annual.isel(member=xr.DataArray(member, dims="draw"))
    factor = (draws / own.where(own > 0)).fillna(1.0)
    drawn = values.isel(member=xr.DataArray(member, dims="draw")) * factor
    return drawn.quantile(QUANTILES, dim=["draw", "extent"]).transpose("quantile", ...).values


def find_bands(data: xr.Dataset) -> list[int]:
    """Places of the latitude bands of the GCP in ``budget.nc``."""
    return [i for i, system in enumerate(data["region_system"].values) if system == "gcp_bands"]
