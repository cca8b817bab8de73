"""What the headers of a source tell: period, grid, calendar, and all that would be refused.

No values are read, so that even years of hourly maps are described at once.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from chamnet.data.ingredients import find_ingredients, find_series
from chamnet.data.series import Series
from chamnet.data.source_files import expand_paths, open_source
from chamnet.data.source_tables import SourceTable, read_source
from chamnet.data.steps import step_of
from chamnet.errors import noting
from chamnet.provenance import hide_credentials


@dataclasses.dataclass(frozen=True)
class SourceDescription:
    """Headers of a source of drivers.

    Attributes
    ----------
    variables : driver to the variables that it is made of, with their units in the files
    first, last : dates of the first and last step that all drivers have, ``YYYY-MM-DD``
    calendar : CF name
    step : of time: ``1:00:00``, ``1 day, 0:00:00``, ``1 month`` or ``1 month of any year``
    grid_shape : rows and columns
    step_deg : width of a pixel along longitude, degrees
    bytes : of the years asked for, uncompressed
    problems : what a conversion would refuse, one sentence each
    """

    source: str
    paths: list[str]
    variables: dict[str, list[str]]
    first: str | None
    last: str | None
    calendar: str | None
    step: str | None
    grid_shape: tuple[int, int] | None
    step_deg: float | None
    bytes: int
    problems: list[str]


def describe_source(
    *,
    source: str,
    paths: Sequence[str],
    names: Sequence[str],
    years: Iterable[int] = (),
    storage_options: Mapping[str, Any] | None = None,
) -> SourceDescription:
    """Describe a source of drivers by its headers; what is wrong is told, not raised.

    Parameters
    ----------
    source : name of a table in ``sources.yaml``, or a YAML file of that form
    paths : Zarr stores, NetCDF files, or patterns of them
    names : drivers, CF names
    years : that are to be converted
    storage_options : of fsspec, for object stores
    """
    problems: list[str] = []
    found: dict[str, list[Series]] = {}
    years = list(years)
    n_bytes, files = 0, list(paths)
    with noting(problems):
        table = read_source(source, driver_names=names)
        files = expand_paths(paths, years=years)
        with open_source(files, axes=table.axes, storage_options=storage_options) as data:
            for name in names:
                with noting(problems):
                    found[name], _ = find_series(data, table, name)
            n_bytes = _count_bytes(data, table, list(found), years=years, problems=problems)
    return _describe(source, files, found, n_bytes, problems)


def _count_bytes(
    data: Sequence[tuple[str, xr.Dataset]],
    table: SourceTable,
    names: Sequence[str],
    *,
    years: Sequence[int],
    problems: list[str],
) -> int:
    """Bytes that conversions of the years read, each variable once."""
    n_bytes: dict[tuple[str, int], int] = {}
    for name, year in ((name, year) for name in names for year in years):
        with noting(problems):
            recipe = find_ingredients(data, table, name, year=year)
            for series, steps in zip(recipe.series, recipe.steps, strict=True):
                n_bytes[series.source, year] = steps.positions.size * series.bytes_per_step
    return sum(n_bytes.values())


def _describe(
    source: str,
    paths: Sequence[str],
    found: dict[str, list[Series]],
    n_bytes: int,
    problems: list[str],
) -> SourceDescription:
    series = [s for all_of_one in found.values() for s in all_of_one]
    calendars = sorted({s.calendar for s in series})
    if len(calendars) > 1:
        problems.append(f"drivers have the calendars {calendars}, expected one")
    axes = series[0].axes if series else (np.empty(0), np.empty(0))
    return SourceDescription(
        source=source,
        paths=[hide_credentials(str(path)) for path in paths],
        variables={n: [f"{s.name} ({s.units})" for s in all_] for n, all_ in found.items()},
        first=max((str(s.times[0])[:10] for s in series), default=None),
        last=min((str(s.times[-1])[:10] for s in series), default=None),
        calendar=calendars[0] if calendars else None,
        step=_step_of(series[0], problems) if series else None,
        grid_shape=(axes[0].size, axes[1].size) if series else None,
        step_deg=float(abs(np.diff(axes[1][:2])[0])) if axes[1].size > 1 else None,
        bytes=n_bytes,
        problems=problems,
    )


def _step_of(series: Series, problems: list[str]) -> str | None:
    if series.is_climatology:
        return "1 month of any year"
    with noting(problems):
        step = step_of(series)
        return "1 month" if step is None else str(step)
    return None
