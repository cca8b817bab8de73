"""What each driver of a year is made of: series of a source, and the steps of its days."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import xarray as xr

from chamnet.data.drivers import DRIVERS, Driver
from chamnet.data.formulas import FORMULAS_OF_PLACE
from chamnet.data.series import Series, open_series, require_series
from chamnet.data.source_tables import Recipe, SourceTable
from chamnet.data.steps import Steps, find_steps
from chamnet.errors import GridError, InputError


@dataclasses.dataclass(frozen=True, eq=False)
class Ingredients:
    """Series that a driver is made of, and the steps of the year in them."""

    driver: Driver
    series: list[Series]
    steps: list[Steps]
    formula: str | None

    @property
    def source(self) -> str:
        """Files and variables, for messages."""
        return ", ".join(series.source for series in self.series)

    @property
    def is_monthly(self) -> bool:
        """Whether the source has months, which are made daily on the cells."""
        return self.steps[0].month_lengths is not None


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
    found = (
        (r, [open_series(data, table.variables[v], axes=table.axes) for v in r.variables])
        for r in recipes
    )
    tried = list(_until_complete(found))
    recipe, these = tried[-1] if all(tried[-1][1]) else tried[0]
    paths = [path for path, _ in data]
    series = [
        require_series(s, variable=table.variables[v], driver=name, paths=paths)
        for s, v in zip(these, recipe.variables, strict=True)
    ]
    for other in series[1:]:
        if any(not np.array_equal(a, b) for a, b in zip(other.axes, series[0].axes, strict=True)):
            raise GridError(f"{other.source} and {series[0].source} are of different grids")
    return series, recipe.formula


def _until_complete(
    found: Iterable[tuple[Recipe, list[Series | None]]],
) -> Iterator[tuple[Recipe, list[Series | None]]]:
    for recipe, series in found:
        yield recipe, series
        if all(series):
            return


def find_ingredients(
    data: Sequence[tuple[str, xr.Dataset]], table: SourceTable, name: str, *, year: int
) -> Ingredients:
    """Series of a driver, and the steps of a year in them.

    Raises
    ------
    MissingDriverError, GridError
        If no recipe has all of its variables, or they are of different grids.
    CalendarError
        If the year is outside of the source, or a day, a month or a step is missing.
    InputError
        If the series differ in their steps, or a formula of places has no months.
    """
    series, formula = find_series(data, table, name)
    steps = [find_steps(s, year=year) for s in series]
    for other, these in zip(series[1:], steps[1:], strict=True):
        if not np.array_equal(these.group, steps[0].group):
            raise InputError(f"{other.source} and {series[0].source} differ in their steps")
    found = Ingredients(DRIVERS[name], series, steps, formula)
    if formula in FORMULAS_OF_PLACE and not found.is_monthly:
        raise InputError(f"{found.source}: {formula} takes monthly means, found other steps")
    return found


def group_ingredients(recipes: Sequence[Ingredients]) -> list[list[Ingredients]]:
    """Drivers that share a variable, together: so that it is read once for all of them."""
    groups: list[list[Ingredients]] = []
    for recipe in recipes:
        near = [group for group in groups if any(_share(recipe, other) for other in group)]
        groups = [group for group in groups if group not in near[1:]]
        if near:
            near[0] += [*(other for group in near[1:] for other in group), recipe]
        else:
            groups.append([recipe])
    return groups


def _share(one: Ingredients, other: Ingredients) -> bool:
    return bool({s.source for s in one.series} & {s.source for s in other.series})
