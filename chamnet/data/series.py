"""Variables of a source over all their files: one axis of time, one grid, one unit."""

import dataclasses
import math
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from chamnet.data.source_files import Piece, canonical_piece
from chamnet.data.source_tables import SourceAxes, SourceVariable
from chamnet.errors import CalendarError, GridError, InputError, MissingDriverError, UnitsError
from chamnet.timeaxis import require_calendar
from chamnet.units import convert_units

# How some files write units that udunits and pint read otherwise, or not at all.
SPELLINGS = {
    "degrees Celsius": "degC",
    "degree Celsius": "degC",
    "Degrees Celsius": "degC",
    "deg C": "degC",
    "Kelvin": "K",
    "percentage": "percent",
    "(0 - 1)": "1",
    "kg kg-1": "1",
    "kg kg**-1": "1",
}
_MONTH = re.compile(r"\bmon(th)?s?\b")


@dataclasses.dataclass(frozen=True)
class Series:
    """A variable over all its files.

    Attributes
    ----------
    pieces : in order of time
    times : index of all of them, one after another
    units : of the files
    slope, offset : from the file's numbers to the table's units (of amounts, times a second)
    sum_over : what amounts are over; None where the files have rates or values
    is_climatology : whether its twelve months serve every year
    fill_km : how far cells of land without values may take them from
    """

    name: str
    variable: SourceVariable
    pieces: list[Piece]
    times: pd.Index
    units: str
    slope: float
    offset: float
    sum_over: str | None
    calendar: str
    is_climatology: bool
    fill_km: float

    @property
    def source(self) -> str:
        """First file and the variable, for messages."""
        return f"{self.pieces[0].path} ({self.name})"

    @property
    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """Latitude and longitude as they are in the files."""
        first = self.pieces[0].data
        return first["latitude"].values, first["longitude"].values

    @property
    def bytes_per_step(self) -> int:
        """Bytes of one map, as float32."""
        return self.axes[0].size * self.axes[1].size * np.dtype(np.float32).itemsize

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows and columns at whose multiples stored blocks of every file end."""
        _, rows, columns = zip(*(piece.chunk for piece in self.pieces), strict=True)
        return math.lcm(*rows), math.lcm(*columns)

    def block_of(self, positions: np.ndarray) -> np.ndarray:
        """Number of the stored block that each step is in; a new file is a new block."""
        blocks, last = [], 0
        for piece in self.pieces:
            number = last + np.arange(piece.times.size) // piece.chunk[0]
            blocks.append(number)
            last = number[-1] + 1
        return np.concatenate(blocks)[positions]

    def read(
        self, positions: np.ndarray, *, rows: slice, columns: slice = slice(None)
    ) -> np.ndarray:
        """Values of steps and pixels, (step, row, column) float32, in units.

        Parameters
        ----------
        positions : ascending, evenly apart

        Raises
        ------
        CalendarError
            If they are not, so that steps would be taken for others.
        """
        _check_even(positions, source=self.source)
        parts, first = [], 0
        for piece in self.pieces:
            inside = positions[(positions >= first) & (positions < first + piece.times.size)]
            if inside.size:
                every = inside[1] - inside[0] if inside.size > 1 else 1
                steps = slice(inside[0] - first, inside[-1] - first + 1, every)
                part = piece.data.isel(time=steps, latitude=rows, longitude=columns)
                parts.append(_read_piece(part))
            first += piece.times.size
        values = np.concatenate(parts) if len(parts) > 1 else parts[0]
        for number in self.variable.missing:
            values[np.isclose(values, number, rtol=1e-6, atol=0)] = np.nan
        if self.slope != 1:
            values *= np.float32(self.slope)
        if self.offset != 0:
            values += np.float32(self.offset)
        return values


def open_series(
    data: Sequence[tuple[str, xr.Dataset]],
    variable: SourceVariable,
    *,
    axes: SourceAxes,
) -> Series | None:
    """Series of a variable over the files that have it; None where none has.

    Raises
    ------
    UnitsError
        If its units are missing, or of another dimension.
    CalendarError
        If no file has a step, times are repeated, or two files overlap or differ in calendar.
    GridError
        If the files are of different grids.
    InputError
        If it is packed, and nothing tells its scale; or several variables may be meant.
    """
    found = _by_name(data, variable) or _by_standard_name(data, variable)
    if not found:
        return None
    pieces = [canonical_piece(dataset, name, path=path, axes=axes) for path, dataset, name in found]
    pieces = _of_one_name(_with_steps(pieces), variable.names)
    pieces = sorted(pieces, key=lambda piece: piece.times[0])
    name = str(pieces[0].data.name)
    _check_pieces(pieces, variable, name=name)
    times = _join_times(pieces)
    _check_order(times, pieces, name=name)
    slope, offset, sum_over = _conversion(pieces, variable)
    return Series(
        name=name,
        variable=variable,
        pieces=pieces,
        times=times,
        units=str(pieces[0].data.attrs.get("units")),
        slope=slope,
        offset=offset,
        sum_over=sum_over,
        calendar=require_calendar(_calendar_of(times)),
        is_climatology=axes.climatology,
        fill_km=axes.fill_km,
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
        shown = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
        raise MissingDriverError(
            f"{shown}: no variable {variable.names[0]!r} (or {variable.names[1:]}), "
            f"which {driver} is made of"
        )
    return found


_Named = list[tuple[str, xr.Dataset, str]]  # path, data and the variable's name in them


def _by_name(data: Sequence[tuple[str, xr.Dataset]], variable: SourceVariable) -> _Named:
    """Files that have a variable of these names, and the first one that each has."""
    names = [[n for n in variable.names if n in dataset.data_vars] for _, dataset in data]
    return [(*file, these[0]) for file, these in zip(data, names, strict=True) if these]


def _by_standard_name(data: Sequence[tuple[str, xr.Dataset]], variable: SourceVariable) -> _Named:
    """Files that have the one variable with the first standard_name that any has.

    A standard_name does not tell a day's mean from its maximum, so that two are too many.
    """
    for standard in variable.names:
        found = [
            (path, dataset, str(name))
            for path, dataset in data
            for name in dataset.data_vars
            if dataset[name].attrs.get("standard_name") == standard
        ]
        first = {name: path for path, _, name in reversed(found)}
        if len(first) > 1:
            told = ", ".join(f"{name!r} in {path}" for name, path in sorted(first.items()))
            raise InputError(
                f"standard_name {standard!r} is of {told}, expected one variable, or one that "
                f"is named one of {variable.names}"
            )
        if found:
            return found
    return []


def _with_steps(pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces that have any step; they are of one calendar."""
    found = [piece for piece in pieces if piece.times.size]
    name = pieces[0].data.name
    if not found:
        paths = ", ".join(piece.path for piece in pieces[:3])
        raise CalendarError(f"{paths} ({name}): no step in any, expected some")
    first, calendar = found[0], _calendar_of(found[0].times)
    for piece in found:
        if (other := _calendar_of(piece.times)) != calendar:
            raise CalendarError(
                f"{first.path} ({name}): its calendar is {calendar!r} and that of {piece.path} "
                f"{other!r}, expected one"
            )
    return found


def _of_one_name(pieces: Sequence[Piece], names: Sequence[str]) -> list[Piece]:
    """Pieces of the first name; and of a later one, if they are of other times."""
    if len({piece.data.name for piece in pieces}) == 1:
        return list(pieces)
    kept: list[Piece] = []
    for name in names:
        more = [piece for piece in pieces if piece.data.name == name]
        if more and not (kept and _join_times(more).isin(_join_times(kept)).any()):
            kept += more
    return kept


def _join_times(pieces: Sequence[Piece]) -> pd.Index:
    times = pieces[0].times
    return times.append([piece.times for piece in pieces[1:]]) if len(pieces) > 1 else times


def _calendar_of(times: pd.Index) -> str:
    return "standard" if isinstance(times, pd.DatetimeIndex) else times.calendar


def _check_even(positions: np.ndarray, *, source: str) -> None:
    gaps = np.diff(positions)
    if gaps.size and (gaps != gaps[0]).any():
        at = int(np.argmax(gaps != gaps[0]))
        raise CalendarError(
            f"{source}: step {positions[at + 1]} follows {positions[at]}, expected "
            f"{positions[at] + gaps[0]}; steps that are read are evenly apart"
        )


def _read_piece(data: xr.DataArray) -> np.ndarray:
    if "expver" in data.dims:  # ERA5 and its first release ERA5T: where one is, the other is not
        data = data.transpose("expver", "time", "latitude", "longitude")
        values = data.values
        merged = values[0]
        for other in values[1:]:
            merged = np.where(np.isnan(merged), other, merged)
        return merged.astype(np.float32)
    values = data.transpose("time", "latitude", "longitude").values
    values = values.astype(np.float32, copy=False)
    return values if values.flags.writeable and values.flags.c_contiguous else values.copy()


def _check_pieces(pieces: Sequence[Piece], variable: SourceVariable, *, name: str) -> None:
    first = pieces[0]
    for piece in pieces:
        if piece.data.dtype.kind in "iu" and variable.scale is None:
            raise InputError(
                f"{piece.path} ({name}): numbers are packed as {piece.data.dtype} and have no "
                "scale_factor; name their scale in the source's table"
            )
        for axis in ("latitude", "longitude"):
            if not np.array_equal(piece.data[axis].values, first.data[axis].values):
                raise GridError(
                    f"{first.path} ({name}): its files differ in {axis}, expected one grid; "
                    f"another is {piece.path}"
                )


def _check_order(times: pd.Index, pieces: Sequence[Piece], *, name: str) -> None:
    values = times.to_numpy()
    is_wrong = values[1:] <= values[:-1]
    if not is_wrong.any():
        return
    at = 1 + int(np.argmax(is_wrong))
    file = np.repeat(np.arange(len(pieces)), [piece.times.size for piece in pieces])
    paths = list(dict.fromkeys(pieces[file[i]].path for i in (at - 1, at)))
    raise CalendarError(
        f"{' and '.join(paths)} ({name}): {str(times[at])[:16]} is repeated or out of order, "
        "expected each step once"
    )


def _conversion(
    pieces: Sequence[Piece], variable: SourceVariable
) -> tuple[float, float, str | None]:
    found = {str(piece.data.attrs.get("units", "")) for piece in pieces}
    name = str(pieces[0].data.name)
    if len(found) > 1:
        raise InputError(f"{name}: its files differ in units, {sorted(found)}")
    written = found.pop()
    meant = variable.file_units.get(written, SPELLINGS.get(written, written))
    if _MONTH.search(meant):  # of no fixed length: an amount of each real month
        meant, sum_over = f"{_MONTH.sub('month', meant)} month", "month"
    else:
        sum_over = variable.sum_over
    scale = variable.scale or 1.0
    try:
        slope, offset = _line(name, meant, variable.units)
        return slope * scale, offset, None
    except UnitsError:
        if sum_over is None:
            raise
    slope, offset = _line(name, meant, f"{variable.units} s")
    return slope * scale, offset, sum_over


def _line(name: str, units: str, wanted: str) -> tuple[float, float]:
    points = xr.DataArray([0.0, 1.0], dims="point", name=name)
    points.attrs = {"units": units} if units else {}
    zero, one = convert_units(points, wanted).values
    return float(one - zero), float(zero)
