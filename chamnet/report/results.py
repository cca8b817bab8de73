"""Reads the results of a run, for the figures and the page."""

import os

import pandas as pd
import xarray as xr

from chamnet.budget.series import interval_of as interval_of
from chamnet.budget.series import read_totals as read_totals
from chamnet.budget.series import select_region as select_region


def read_budget(csv: str | os.PathLike) -> pd.DataFrame:
    """Table of ``global_budget.csv``."""
    return pd.read_csv(csv, keep_default_na=False, na_values=["", "nan"], dtype={"extent": str})


def show_region(name: str) -> str:
    """Name of a region as readers see it."""
    shown = {"globe": "Globe", "Korean_Japan": "Korea and Japan"}.get(name)
    return shown or (name.replace("-", "\u2013") if name[0].isdigit() else name.replace("_", " "))


def find_row(data: xr.Dataset, system: str, region: str) -> int | None:
    """Place of a region in ``budget.nc``; None where it is not."""
    pairs = zip(data["region_system"].values, data["region_name"].values, strict=True)
    return next((i for i, pair in enumerate(pairs) if pair == (system, region)), None)


def find_bands(data: xr.Dataset) -> list[int]:
    """Places of the latitude bands of the GCP in ``budget.nc``."""
    return [i for i, system in enumerate(data["region_system"].values) if system == "gcp_bands"]
