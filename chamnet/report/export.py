"""Published maps as one NetCDF file, for tools that do not read Zarr."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from chamnet.data.store import open_store
from chamnet.errors import InputError


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
    variables : names; None takes all

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
    chosen = chosen[list(variables)] if variables else chosen
    chosen = _labels_apart(chosen)
    times = chosen["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ").values
    chosen.attrs |= {"time_coverage_start": str(times[0]), "time_coverage_end": str(times[-1])}
    return _write_netcdf(chosen, Path(path))


def _labels_apart(data: xr.Dataset) -> xr.Dataset:
    """Extents as a coordinate of labels: CF coordinates of a dim are numbers."""
    if "extent" not in data.dims:
        return data
    labels = xr.Variable("extent", data["extent"].values.astype("S"), data["extent"].attrs)
    return data.drop_vars("extent").assign_coords(extent_name=labels)


def _write_netcdf(data: xr.Dataset, path: Path) -> Path:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.parent.mkdir(parents=True, exist_ok=True)
    encoding: dict[str, dict[str, Any]] = {
        str(name): {"zlib": True, "complevel": 4, "_FillValue": np.float32(np.nan)}
        for name in data.data_vars
        if data[name].dtype.kind == "f"
    }
    for name in data.variables:
        data[name].encoding = {
            k: v for k, v in data[name].encoding.items() if k in ("units", "calendar", "dtype")
        }
        if "flag_values" in data[name].attrs:  # JSON gives them back in double precision
            data[name].attrs["flag_values"] = np.array(data[name].attrs["flag_values"], "float32")
        if name in data.coords:
            encoding.setdefault(str(name), {"_FillValue": None})
    try:
        data.to_netcdf(temporary, engine="netcdf4", encoding=encoding)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
