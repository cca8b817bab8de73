"""Published maps as one NetCDF file, for tools that do not read Zarr."""

import datetime as dt
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from chamnet.data.store import open_store
from chamnet.errors import InputError
from chamnet.provenance import whole_file

KEPT_ENCODING = ("units", "calendar", "dtype", "bounds", "grid_mapping", "cell_measures")
SHARED = ("standard_name", "units", "long_name")  # of a coordinate and its bounds
PACKED = {"zlib": True, "complevel": 4, "_FillValue": np.float32(np.nan)}
TIME_UNITS = "days since 1850-01-01"
UNNAMED = "ch4_net_flux"  # has no standard name in the CF table


def export_netcdf(
    store: str | os.PathLike,
    path: str | os.PathLike,
    *,
    first_year: int | None = None,
    last_year: int | None = None,
    variables: Sequence[str] | None = None,
) -> Path:
    """Write some years of ``maps.zarr`` as one NetCDF file; its path.

    Parameters
    ----------
    store : ``maps.zarr`` or its manifest
    first_year, last_year : years, both included; None for the first, the last of the store
    variables : names; None takes all that ACDD can describe: the net flux, for which the CF
        table has no standard name, is left out (it is emission less consumption)

    Raises
    ------
    InputError
        If a variable or every year asked for is not in the store.
    """
    maps = open_store(store, chunks={})
    missing = sorted(set(variables or []) - set(maps.data_vars))
    if missing:
        raise InputError(f"{store}: no variables {missing}, it has {sorted(map(str, maps))}")
    year = maps["time"].dt.year
    keep = (year >= (first_year or int(year[0]))) & (year <= (last_year or int(year[-1])))
    if not keep.any():
        raise InputError(
            f"{store}: no year from {first_year} to {last_year}, it has {int(year[0])} to "
            f"{int(year[-1])}"
        )
    chosen = maps.isel(time=np.flatnonzero(keep.values))
    described = [n for n in maps.data_vars if not str(n).startswith(UNNAMED)]
    chosen = chosen.drop_vars(set(maps.data_vars) - set(variables or described))  # keeps bounds
    chosen = _labels_apart(chosen)
    times = chosen["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ").values
    chosen.attrs |= {"time_coverage_start": str(times[0]), "time_coverage_end": str(times[-1])}
    return write_netcdf(chosen, Path(path))


def _labels_apart(data: xr.Dataset) -> xr.Dataset:
    """Extents as a coordinate of labels: CF coordinates of a dim are numbers."""
    if "extent" not in data.dims:
        return data
    labels = xr.Variable("extent", data["extent"].values.astype("S"), data["extent"].attrs)
    return data.drop_vars("extent").assign_coords(extent_name=labels)


def _describe_bounds(data: xr.Dataset) -> None:
    """Give bounds the attributes of what they bound, as ACDD asks for."""
    for name in list(data.coords):
        bounds = data[name].attrs.get("bounds", data[name].encoding.get("bounds"))
        if bounds in data.variables:
            attrs = {k: v for k, v in data[name].attrs.items() if k in SHARED}
            data[bounds].attrs |= attrs | {"coverage_content_type": "coordinate"}


def write_netcdf(data: xr.Dataset, path: Path) -> Path:
    """Write a data set as one NetCDF file that is whole or not there; its path."""
    data = data.copy()
    _describe_bounds(data)
    data.attrs["date_created"] = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    encoding: dict[str, dict[str, Any]] = {}
    for name in data.variables:
        if "flag_values" in data[name].attrs:  # JSON gives them back in double precision
            data[name].attrs["flag_values"] = np.array(data[name].attrs["flag_values"], "float32")
        held, attrs = data[name].encoding, data[name].attrs
        kept = {k: held[k] for k in KEPT_ENCODING if k in held and k not in attrs}
        data[name].encoding = {}
        if name in data.coords:
            encoding[str(name)] = kept | {"_FillValue": None}
        elif data[name].dtype.kind == "f":
            encoding[str(name)] = kept | PACKED
    for name in ("time", "time_bnds"):
        encoding[name] |= {"units": TIME_UNITS, "calendar": "standard", "dtype": "int64"}
    with whole_file(path) as temporary:
        data.to_netcdf(temporary, engine="netcdf4", encoding=encoding)
    return path
