"""Files of a source: found by their patterns, opened lazily, their axes named and dated.

Zarr stores and NetCDF files, here or in an object store; nothing but headers is read.
"""

import contextlib
import dataclasses
import glob
import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chamnet.data.source_tables import SourceAxes
from chamnet.errors import CalendarError, GridError, InputError
from chamnet.provenance import hide_credentials

logger = logging.getLogger(__name__)

TIME_NAMES = ("valid_time", "time")
LATITUDE_NAMES = ("latitude", "lat")
LONGITUDE_NAMES = ("longitude", "lon")
_MONTHS_SINCE = re.compile(r"months? since (\d{1,4})-(\d{1,2})")
_YEAR_IN_NAME = re.compile(r"(?<!\d)(1[89]\d\d|2[0-2]\d\d)(?!\d)")


@dataclasses.dataclass(frozen=True)
class Piece:
    """A variable in one file.

    Attributes
    ----------
    data : (time, latitude, longitude), lazy; and expver where the file has it
    chunk : steps, rows and columns that are stored, and so read, together
    """

    path: str
    data: xr.DataArray
    chunk: tuple[int, int, int]

    @property
    def times(self) -> pd.Index:
        """Stamps of the steps."""
        return self.data.indexes["time"]


def expand_paths(paths: Sequence[str], *, years: Sequence[int] = ()) -> list[str]:
    """Paths of a source's files, patterns expanded, each once.

    Parameters
    ----------
    paths : files, stores, addresses such as ``gs://...``, or patterns of files
        ``*`` stands for anything and ``{year}`` for a year, of which the years asked for
        are found, and the ones before and after where they are there (the last hours of a
        year may be stamped in the next, and months are interpolated across its ends).
    years : none: all that there are

    Raises
    ------
    InputError
        If there are no paths, or nothing is found for one.
    """
    if not paths:
        raise InputError("option drivers.paths is empty, expected Zarr stores or NetCDF files")
    found: list[str] = []
    for path in paths:
        if "{year}" in path and years:
            found += _expand_years(path, years)
        else:
            found += _expand(path.replace("{year}", "[0-9][0-9][0-9][0-9]"))
    return list(dict.fromkeys(found))


def _expand_years(path: str, years: Sequence[int]) -> list[str]:
    found = [p for y in years for p in _expand(path.replace("{year}", str(y)))]
    if "://" in path:
        return found
    near = min(years) - 1, max(years) + 1
    earlier, later = (_glob(path.replace("{year}", str(y))) for y in near)
    return earlier + found + later


def _expand(path: str) -> list[str]:
    if "://" in path:
        return [path]
    found = _glob(path)
    if not found:
        raise InputError(f"{path}: no such file or store, expected a reanalysis")
    return found


def _glob(path: str) -> list[str]:
    return [path] if Path(path).exists() else sorted(glob.glob(path))


@contextlib.contextmanager
def open_source(
    paths: Sequence[str],
    *,
    axes: SourceAxes,
    years: Sequence[int] = (),
    storage_options: Mapping[str, Any] | None = None,
) -> Iterator[list[tuple[str, xr.Dataset]]]:
    """Data sets of a source's stores and files, lazily, each by its path without credentials.

    Parameters
    ----------
    paths, years : as ``expand_paths`` takes them
    axes : what the files do not say
    storage_options : of fsspec, for object stores

    Raises
    ------
    InputError
        If there is none, or one cannot be read.
    """
    with contextlib.ExitStack() as stack:
        yield [
            (hide_credentials(path), _open(stack, path, axes=axes, storage_options=storage_options))
            for path in expand_paths(paths, years=years)
        ]


def _open(
    stack: contextlib.ExitStack,
    path: str,
    *,
    axes: SourceAxes,
    storage_options: Mapping[str, Any] | None,
) -> xr.Dataset:
    is_remote = "://" in path
    is_zarr = is_remote or path.rstrip("/").endswith(".zarr") or Path(path).is_dir()
    options: dict[str, Any] = {"engine": "zarr"} if is_zarr else {}
    if is_zarr and storage_options:
        options["storage_options"] = dict(storage_options)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message="(Failed to open Zarr|Consolidated|Object at)"
            )
            data = xr.open_dataset(path, chunks=None, decode_times=False, **options)
        return _with_dates(stack.enter_context(data), axes=axes)
    except Exception as error:  # clients of object stores have kinds of their own
        if not is_remote and not isinstance(error, (OSError, ValueError, ImportError)):
            raise
        told = hide_credentials(f"{path}: cannot be read as Zarr or NetCDF: {error}")
        raise InputError(told) from (None if is_remote else error)


def _with_dates(data: xr.Dataset, *, axes: SourceAxes) -> xr.Dataset:
    """Data with dates along the dim of time; of cfgrib they are in valid_time, beside it."""
    name = axes.time or next((n for n in TIME_NAMES if n in data.dims), None)
    if name is None or axes.climatology or name not in data.coords:
        return data
    if axes.time_units is not None:
        data[name].attrs["units"] = axes.time_units
    beside = [n for n in TIME_NAMES if n in data.coords and data[n].dims == (name,)]
    dates = decode_dates(data[name if axes.time else beside[0]])
    return data.assign_coords({name: (name, dates.values)})


def decode_dates(times: xr.DataArray) -> xr.DataArray:
    """Dates of an axis that was not decoded; of numbers without units, the numbers.

    Months since an origin are of no fixed length, so that CF's decoders refuse them.
    """
    months = _MONTHS_SINCE.match(str(times.attrs.get("units")))
    if months is None:
        return xr.decode_cf(xr.Dataset(coords={times.name: times}))[times.name]
    first = np.datetime64(f"{int(months[1]):04d}-{int(months[2]):02d}", "M")
    dates = first + np.floor(times.values).astype("m8[M]")
    return xr.DataArray(dates.astype("M8[ns]"), dims=times.dims)


def canonical_piece(dataset: xr.Dataset, name: str, *, path: str, axes: SourceAxes) -> Piece:
    """Variable of a file with dims (time, latitude, longitude), and expver where it has that.

    Raises
    ------
    GridError
        If it lacks one of these axes, or has another of more than one step.
    CalendarError
        If its times are no dates.
    """
    data = dataset[name]
    if axes.month_day:
        data = _with_days(data, path=path)
    names = {axes.time or TIME_NAMES[0]: "time"} | dict.fromkeys(TIME_NAMES, "time")
    names |= dict.fromkeys(LATITUDE_NAMES, "latitude") | dict.fromkeys(LONGITUDE_NAMES, "longitude")
    renamed = {str(n): new for n, new in names.items() if n in data.dims and n in data.coords}
    for wanted in ("time", "latitude", "longitude"):
        if list(renamed.values()).count(wanted) != 1:
            raise GridError(
                f"{path} ({name}): no dim {wanted!r} with a coordinate, found {data.dims}"
            )
    extra = [d for d in data.dims if d not in renamed and d != "expver"]
    too_long = [d for d in extra if data.sizes[d] != 1]
    if too_long:
        raise GridError(
            f"{path} ({name}): {data.sizes[too_long[0]]} of dim {too_long[0]!r}, expected one"
        )
    chunk = _chunk_of(dataset[name], {new: old for old, new in renamed.items()})
    if axes.month_day:  # days of a pixel lie together
        chunk = data.sizes["time"], *chunk[1:]
    data = data.isel(dict.fromkeys(extra, 0)).reset_coords(drop=True)
    data = data.rename({old: new for old, new in renamed.items() if old != new})
    data = _dated(data, dataset, axes=axes, source=f"{path} ({name})")
    for axis in ("latitude", "longitude") if axes.offset_deg else ():
        data = data.assign_coords({axis: data[axis].values.astype(float) + axes.offset_deg})
    return Piece(path, data, chunk)


def _dated(
    data: xr.DataArray, dataset: xr.Dataset, *, axes: SourceAxes, source: str
) -> xr.DataArray:
    if axes.climatology:
        if data.sizes["time"] != 12:
            raise CalendarError(f"{source}: {data.sizes['time']} steps, expected 12 months")
        return data.assign_coords(time=pd.date_range("2001-01-01", periods=12, freq="MS"))
    if not isinstance(data.indexes["time"], (pd.DatetimeIndex, xr.CFTimeIndex)):
        raise CalendarError(f"{source}: time is no dates, found {data['time'].dtype}")
    stop = dataset.attrs.get("valid_time_stop")  # of ARCO-ERA5, whose axis runs on to 2050
    return data.sel(time=slice(None, str(stop))) if stop is not None else data


def _chunk_of(variable: xr.DataArray, names: Mapping[str, str]) -> tuple[int, int, int]:
    found = variable.encoding  # of shards, "chunks" are the inner ones, which are read alone
    sizes = found.get("chunks") or found.get("chunksizes")
    if not sizes or len(sizes) != variable.ndim:
        return 1, 1, 1
    by_dim = dict(zip(variable.dims, sizes, strict=True))
    steps, rows, columns = (
        max(1, int(by_dim.get(names[n], variable.sizes.get(names[n], 1)))) for n in _AXES
    )
    return steps, rows, columns


_AXES = ("time", "latitude", "longitude")


def _with_days(data: xr.DataArray, *, path: str) -> xr.DataArray:
    """Dims month and day as one axis of 365 days; the year is in the file's name."""
    year = _YEAR_IN_NAME.search(Path(path).stem)
    if year is None or not {"month", "day"} <= set(data.dims):
        raise CalendarError(
            f"{path} ({data.name}): expected dims month and day and a year in the file's name, "
            f"found {data.dims}"
        )
    times = xr.date_range(
        f"{year[1]}-01-01", periods=365, freq="D", calendar="noleap", use_cftime=True
    )
    at = {
        "month": xr.DataArray(np.asarray(times.month) - 1, dims="time"),
        "day": xr.DataArray(np.asarray(times.day) - 1, dims="time"),
    }
    data = data.drop_vars([n for n in ("month", "day") if n in data.coords]).isel(at)
    return data.assign_coords(time=times)
