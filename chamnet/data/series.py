"""Variables of a source as they lie in its files: in pieces along time, read in slabs.

Zarr stores and NetCDF files alike; nothing but headers is read before a slab is asked for.
"""

import contextlib
import dataclasses
import datetime as dt
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chamnet.data.source_tables import SourceVariable
from chamnet.errors import CalendarError, GridError, InputError, MissingDriverError
from chamnet.timeaxis import days_in_year, require_calendar
from chamnet.units import convert_units

logger = logging.getLogger(__name__)

TIME_NAMES = ("valid_time", "time")
LATITUDE_NAMES = ("latitude", "lat")
LONGITUDE_NAMES = ("longitude", "lon")
DAY = dt.timedelta(days=1)


@dataclasses.dataclass(frozen=True)
class Series:
    """A variable over all its files.

    Attributes
    ----------
    pieces : (time, latitude, longitude) each, in order of time
    times : index of all of them, one after another
    units : of the files
    slope, offset : from the file's numbers to the table's units
    """

    name: str
    source: str
    kind: str
    pieces: list[xr.DataArray]
    times: pd.Index
    units: str
    slope: float
    offset: float
    calendar: str

    @property
    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """Latitude and longitude as they are in the files."""
        return self.pieces[0]["latitude"].values, self.pieces[0]["longitude"].values

    @property
    def bytes_per_step(self) -> int:
        """Bytes of one map, as float32."""
        return self.axes[0].size * self.axes[1].size * np.dtype(np.float32).itemsize

    def read(self, positions: slice, *, rows: slice) -> np.ndarray:
        """Values of steps and rows of latitude, (step, row, longitude) float32, in units."""
        parts = []
        first = 0
        for piece in self.pieces:
            start, stop = (
                np.clip(p - first, 0, piece.sizes["time"])
                for p in (positions.start, positions.stop)
            )
            if stop > start:
                parts.append(_read_piece(piece.isel(time=slice(start, stop), latitude=rows)))
            first += piece.sizes["time"]
        values = np.concatenate(parts) if len(parts) > 1 else parts[0]
        if self.slope != 1:
            values *= np.float32(self.slope)
        if self.offset != 0:
            values += np.float32(self.offset)
        return values


@dataclasses.dataclass(frozen=True)
class Days:
    """Steps of a source that make up the days of a year.

    Attributes
    ----------
    positions : steps of the series, contiguous but for ``since_midnight``
    day : (step,), day of the year of each, from 0
    seconds : length that an amount is over, s
    """

    positions: np.ndarray
    day: np.ndarray
    seconds: float
    n_days: int


@contextlib.contextmanager
def open_source(paths: Sequence[str]) -> Iterator[list[tuple[str, xr.Dataset]]]:
    """Data sets of a source's stores and files, lazily.

    Raises
    ------
    InputError
        If there is none, or one cannot be read.
    """
    if not paths:
        raise InputError("option drivers.paths is empty, expected Zarr stores or NetCDF files")
    with contextlib.ExitStack() as stack:
        yield [(str(path), stack.enter_context(_open(str(path)))) for path in paths]


def open_series(data: Sequence[tuple[str, xr.Dataset]], variable: SourceVariable) -> Series | None:
    """Series of a variable over the files that have it; None where none has.

    Raises
    ------
    UnitsError
        If its units are missing, or of another dimension.
    CalendarError
        If times are repeated, or two files overlap.
    GridError
        If the files are of different grids.
    """
    found = [
        (path, dataset, name)
        for path, dataset in data
        for name in [next((n for n in variable.names if n in dataset), None)]
        if name is not None
    ]
    if not found:
        return None
    pieces = [_canonical(dataset, name, path=path) for path, dataset, name in found]
    order = sorted(range(len(pieces)), key=lambda i: pieces[i].indexes["time"][0])
    pieces = [pieces[i] for i in order]
    source = f"{found[order[0]][0]} ({found[0][2]})"
    _check_one_grid(pieces, source=source)
    times = pieces[0].indexes["time"]
    for piece in pieces[1:]:
        times = times.append(piece.indexes["time"])
    _check_order(times, source=source)
    slope, offset = _conversion(pieces, units=variable.units)
    return Series(
        name=found[0][2],
        source=source,
        kind=variable.kind,
        pieces=pieces,
        times=times,
        units=str(pieces[0].attrs.get("units")),
        slope=slope,
        offset=offset,
        calendar=_calendar(times),
    )


def find_days(series: Series, *, year: int) -> Days:
    """Steps that the days of a year are the means of.

    Raises
    ------
    CalendarError
        If the year is outside of the source, or a day or step is missing.
    """
    step = _step_of(series)
    is_daily = step == DAY
    times, positions = series.times, np.arange(series.times.size)
    if series.kind == "since_midnight":
        is_midnight = (times.hour == 0) & (times.minute == 0)
        times, positions, step = times[is_midnight], positions[is_midnight], DAY
        times = times - DAY
    elif series.kind in ("accumulated", "ending") and not is_daily:
        times = times - step
    is_of_year = np.asarray(times.year == year)
    n_days = days_in_year(year, calendar=series.calendar)
    if not is_of_year.any():
        raise CalendarError(
            f"{series.source}: no step of {year}, it covers {str(series.times[0])[:10]} to "
            f"{str(series.times[-1])[:10]}"
        )
    day = _day_of_year(times[is_of_year]) - 1
    _check_days(day, n_days=n_days, per_day=round(DAY / step), series=series, year=year)
    return Days(
        positions=positions[is_of_year], day=day, seconds=step.total_seconds(), n_days=n_days
    )


def require_series(
    found: Series | None, *, variable: SourceVariable, driver: str, paths: Sequence[str]
) -> Series:
    """Return the series, if there is one.

    Raises
    ------
    MissingDriverError
        If there is none; the message names what was looked for.
    """
    if found is None:
        raise MissingDriverError(
            f"{', '.join(paths)}: no variable {variable.names[0]!r} (or {variable.names[1:]}), "
            f"which {driver} is made of"
        )
    return found


def _open(path: str) -> xr.Dataset:
    is_zarr = "://" in path or path.rstrip("/").endswith(".zarr") or Path(path).is_dir()
    if "://" not in path and not Path(path).exists():
        raise InputError(f"{path}: no such file or store, expected a reanalysis")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="(Failed to open Zarr|Consolidated)")
            return xr.open_dataset(path, engine="zarr" if is_zarr else None, chunks=None)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as Zarr or NetCDF: {error}") from error


def _canonical(dataset: xr.Dataset, name: str, *, path: str) -> xr.DataArray:
    """Variable with dims (time, latitude, longitude), and expver where the file has it."""
    data = dataset[name]
    renamed = {}
    for wanted, names in (
        ("time", TIME_NAMES),
        ("latitude", LATITUDE_NAMES),
        ("longitude", LONGITUDE_NAMES),
    ):
        found = next((n for n in names if n in data.dims and n in data.coords), None)
        if found is None:
            raise GridError(
                f"{path} ({name}): no dim {names[0]!r} with a coordinate, found {data.dims}"
            )
        renamed[found] = wanted
    extra = [d for d in data.dims if d not in renamed and d != "expver"]
    too_long = [d for d in extra if data.sizes[d] != 1]
    if too_long:
        raise GridError(
            f"{path} ({name}): {data.sizes[too_long[0]]} of dim {too_long[0]!r}, expected one"
        )
    data = data.isel(dict.fromkeys(extra, 0)).reset_coords(drop=True)
    data = data.rename({old: new for old, new in renamed.items() if old != new})
    stop = dataset.attrs.get("valid_time_stop")
    if stop is not None:
        data = data.sel(time=slice(None, str(stop)))
    if not isinstance(data.indexes["time"], (pd.DatetimeIndex, xr.CFTimeIndex)):
        raise CalendarError(f"{path} ({name}): time is no dates, found {data['time'].dtype}")
    return data


def _read_piece(piece: xr.DataArray) -> np.ndarray:
    if "expver" in piece.dims:  # ERA5 and its first release ERA5T: where one is, the other is not
        piece = piece.transpose("expver", "time", "latitude", "longitude")
        values = piece.values
        merged = values[0]
        for other in values[1:]:
            merged = np.where(np.isnan(merged), other, merged)
        return merged.astype(np.float32)
    values = piece.transpose("time", "latitude", "longitude").values
    return values.astype(np.float32)  # a copy of its own, which conversions may change


def _check_one_grid(pieces: Sequence[xr.DataArray], *, source: str) -> None:
    for piece in pieces[1:]:
        for name in ("latitude", "longitude"):
            if not np.array_equal(piece[name].values, pieces[0][name].values):
                raise GridError(f"{source}: its files differ in {name}, expected one grid")


def _check_order(times: pd.Index, *, source: str) -> None:
    values = times.to_numpy()
    is_wrong = values[1:] <= values[:-1]
    if is_wrong.any():
        at = times[1 + int(np.argmax(is_wrong))]
        raise CalendarError(
            f"{source}: {str(at)[:16]} is repeated or out of order, expected each step once"
        )


def _conversion(pieces: Sequence[xr.DataArray], *, units: str) -> tuple[float, float]:
    found = {piece.attrs.get("units") for piece in pieces}
    if len(found) > 1:
        raise InputError(f"{pieces[0].name}: its files differ in units, {sorted(map(str, found))}")
    points = xr.DataArray([0.0, 1.0], dims="point", name=pieces[0].name)
    points.attrs = {"units": found.pop()}
    if points.attrs["units"] is None:
        points.attrs = {}
    zero, one = convert_units(points, units).values
    return float(one - zero), float(zero)


def _step_of(series: Series) -> dt.timedelta:
    if series.times.size < 2:
        raise CalendarError(f"{series.source}: {series.times.size} step, expected a year of them")
    gaps = pd.to_timedelta(np.diff(series.times.to_numpy()))
    step = gaps.min().to_pytimedelta()
    if step > DAY or DAY % step:
        raise CalendarError(f"{series.source}: steps of {step}, expected a day or a part of one")
    return step


def _calendar(times: pd.Index) -> str:
    return require_calendar("standard" if isinstance(times, pd.DatetimeIndex) else times.calendar)


def _day_of_year(times: Any) -> np.ndarray:
    is_datetime = isinstance(times, pd.DatetimeIndex)
    return np.asarray(times.day_of_year if is_datetime else times.dayofyear)


def _check_days(day: np.ndarray, *, n_days: int, per_day: int, series: Series, year: int) -> None:
    counts = np.bincount(day, minlength=n_days)
    if (counts == 0).any():
        first = int(np.argmax(counts == 0))
        date = xr.date_range(
            f"{year:04d}-01-01", periods=n_days, freq="D", calendar=series.calendar
        )[first]
        raise CalendarError(
            f"{series.source}: {int((counts == 0).sum())} of {n_days} days of {year} are missing, "
            f"the first {str(date)[:10]}"
        )
    is_short = counts != per_day
    is_edge = np.zeros(n_days, bool)
    is_edge[[0, -1]] = counts[[0, -1]] == per_day - 1  # the source begins or ends there
    if (is_short & ~is_edge).any():
        first = int(np.argmax(is_short & ~is_edge))
        raise CalendarError(
            f"{series.source}: day {first + 1} of {year} has {counts[first]} steps, expected "
            f"{per_day}"
        )
    if is_short.any():
        logger.info(
            "%s: %d: the first or last day is the mean of %d of %d steps",
            *(series.source, year, per_day - 1, per_day),
        )
