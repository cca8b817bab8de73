"""What each driver of a year is made of: series of a source, and the steps of its days."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import xarray as xr

from chamnet.data.drivers import DRIVERS, Driver
from chamnet.data.series import Days, Series, find_days, open_series, require_series
from chamnet.data.source_tables import SourceTable
from chamnet.errors import GridError, InputError


@dataclasses.dataclass(frozen=True)
class Ingredients:
    """Series that a driver is made of, and the days of the year in them."""

    driver: Driver
    series: list[Series]
    days: list[Days]
    formula: str | None

    @property
    def source(self) -> str:
        """Files and variables, for messages."""
        return ", ".join(series.source for series in self.series)


def find_series(
    data: Sequence[tuple[str, xr.Dataset]], table: SourceTable, name: str
) -> tuple[list[Series], str | None]:
    """Series that a driver is made of, by the first recipe whose variables are all there.

    Returns
    -------
    series, name of the formula

    Raises
    ------
    MissingDriverError
        If no recipe has all of its variables.
    GridError
        If they are of different grids.
    """
    recipes = table.drivers[name]
    found = [[open_series(data, table.variables[v]) for v in r.variables] for r in recipes]
    chosen = next((i for i, series in enumerate(found) if all(series)), 0)
    paths = [path for path, _ in data]
    series = [
        require_series(s, variable=table.variables[v], driver=name, paths=paths)
        for s, v in zip(found[chosen], recipes[chosen].variables, strict=True)
    ]
    for other in series[1:]:
        if any(not np.array_equal(a, b) for a, b in zip(other.axes, series[0].axes, strict=True)):
            raise GridError(f"{other.source} and {series[0].source} are of different grids")
    return series, recipes[chosen].formula


def find_ingredients(
    data: Sequence[tuple[str, xr.Dataset]], table: SourceTable, name: str, *, year: int
) -> Ingredients:
    """Series of a driver, and the steps of the days of a year in them.

    Raises
    ------
    MissingDriverError, GridError
        If no recipe has all of its variables, or they are of different grids.
    CalendarError
        If the year is outside of the source, or a day or step is missing.
    InputError
        If the series differ in their steps.
    """
    series, formula = find_series(data, table, name)
    days = [find_days(s, year=year) for s in series]
    for other, these in zip(series[1:], days[1:], strict=True):
        if not np.array_equal(these.day, days[0].day):
            raise InputError(f"{other.source} and {series[0].source} differ in their steps")
    return Ingredients(DRIVERS[name], series, days, formula)
