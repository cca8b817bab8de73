"""Drivers of a year: from a reanalysis in maps to series of land cells, daily, in CF units.

Drivers that share variables go through one pass over the source, within the memory option.
What a source calls things and how its numbers are meant is in ``sources.yaml``.
"""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import xarray as xr

from chamnet.data.cell_rows import CellRows
from chamnet.data.drivers import DRIVERS
from chamnet.data.formulas import FORMULAS, FORMULAS_OF_PLACE
from chamnet.data.ingredients import Ingredients, find_ingredients, group_ingredients
from chamnet.data.magnitudes import check_cells, check_seasons
from chamnet.data.monthly import interpolate_months
from chamnet.data.shards import build_shards
from chamnet.data.source_description import SourceDescription, describe_source
from chamnet.data.source_files import open_source
from chamnet.data.source_tables import read_source
from chamnet.data.store import StoreWriter, open_store
from chamnet.data.streaming import Pass
from chamnet.errors import InputError
from chamnet.timeaxis import daily_time, days_in_year

__all__ = ["SourceDescription", "convert_year", "describe_source"]

logger = logging.getLogger(__name__)

CF_NAMES = {"vapor_pressure_deficit": "water_vapor_saturation_deficit_in_air"}


def convert_year(
    *,
    store: str,
    digest: str,
    year: int,
    cells: str,
    source: str,
    paths: Sequence[str],
    names: Sequence[str],
    cells_per_shard: int,
    cells_per_chunk: int,
    memory_gb: float,
    storage_options: Mapping[str, Any] | None = None,
) -> Path:
    """Write the daily drivers of a year on the land cells; the manifest's path.

    Cells take the mean of the source's pixels, weighted by the area of overlap. A job that
    was killed goes on with the drivers that are not written yet.

    Parameters
    ----------
    store : path of the store
    digest : of all that it follows from
    year : calendar year
    cells : manifest of the cells
    source : name of a table in ``sources.yaml``, or a YAML file of that form
    paths : Zarr stores, NetCDF files, or patterns of them
    names : drivers, CF names
    cells_per_shard, cells_per_chunk : sizes of shards and inner chunks
    memory_gb : GiB that the job may have
    storage_options : of fsspec, for object stores

    Raises
    ------
    InputError
        If values are missing over land, infinite, or beyond what they can be.
    CalendarError, GridError, UnitsError, MissingDriverError
        If time, grid, units or variables are not what they must be.
    """
    table = read_source(source, driver_names=names)
    with open_store(cells) as data:
        cell_data = data.drop_vars("attributes", errors="ignore").load()
    writer = StoreWriter(store, digest=digest)
    opened = open_source(paths, axes=table.axes, years=[year], storage_options=storage_options)
    with opened as datasets, writer.locked():
        found = (find_ingredients(datasets, table, name, year=year) for name in names)
        recipes = [_let_oversaturate(recipe) for recipe in found]
        template = _build_template(recipes, cells=cell_data, year=year, source=source)
        writer.begin(template, chunks={"cell": cells_per_chunk}, shards={"cell": cells_per_shard})
        parts = [s.cells for s in build_shards(cell_data.sizes["cell"], cells_per_shard)]
        done = 0
        for group in group_ingredients(recipes):
            label = f"convert_drivers {year}: {', '.join(r.driver.name for r in group)}"
            _convert_group(
                writer, group, parts, cells=cell_data, year=year, memory_gb=memory_gb, label=label
            )
            done += len(group)
            logger.info("%s: done, %d/%d drivers", label, done, len(names))
        regions = [f"{n}-{part.start}" for n in names for part in parts]
        return writer.finish(regions=regions, extra={"year": year, "source": source})


def _let_oversaturate(recipe: Ingredients) -> Ingredients:
    """Recipe whose share may be beyond one as far as its table says; it is written as one."""
    if recipe.formula is not None or recipe.driver.units != "1":
        return recipe
    highest = max(recipe.driver.highest, recipe.series[0].variable.bounds[1])
    return dataclasses.replace(recipe, driver=dataclasses.replace(recipe.driver, highest=highest))


def _build_template(
    recipes: Sequence[Ingredients], *, cells: xr.Dataset, year: int, source: str
) -> xr.Dataset:
    calendars = {series.calendar for recipe in recipes for series in recipe.series}
    if len(calendars) > 1:
        raise InputError(f"drivers have the calendars {sorted(calendars)}, expected one")
    calendar = calendars.pop()
    time = daily_time(year, calendar=calendar)
    shape = cells.sizes["cell"], time.size
    variables = {
        recipe.driver.name: (
            ("cell", "time"),
            dask.array.zeros(shape, dtype=np.float32, chunks=shape),
            {
                "units": recipe.driver.units,
                "standard_name": CF_NAMES.get(recipe.driver.name, recipe.driver.name),
                "cell_methods": "time: mean",
            },
        )
        for recipe in recipes
    }
    template = xr.Dataset(
        variables,
        coords={
            "time": time.drop_vars("time"),
            "latitude": cells["latitude"],
            "longitude": cells["longitude"],
        },
        attrs={"calendar": calendar, "source": source, "step_deg": cells.attrs["step_deg"]},
    )
    template["time"].encoding = {
        "units": f"days since {year:04d}-01-01",
        "calendar": calendar,
        "dtype": "int32",
    }
    return template


def _convert_group(
    writer: StoreWriter,
    group: Sequence[Ingredients],
    parts: Sequence[slice],
    *,
    cells: xr.Dataset,
    year: int,
    memory_gb: float,
    label: str,
) -> None:
    waiting = [
        (recipe, part)
        for recipe in group
        for part in parts
        if not writer.is_written(f"{recipe.driver.name}-{part.start}")
    ]
    if not waiting:
        return
    through = Pass(group, cells=cells, memory_gb=memory_gb, scratch=writer.parts, label=label)
    try:
        rows = {product.name: product.rows for product in through.run()}
        for recipe in () if group[0].is_monthly else group:
            check_seasons(
                rows[recipe.driver.name],
                driver=recipe.driver,
                source=recipe.source,
                cells=cells,
                calendar=recipe.series[0].calendar,
                year=year,
            )
        for recipe, part in waiting:
            if recipe.is_monthly:
                values = _days_of_months(recipe, rows, part, cells=cells, year=year)
            else:
                values = rows[recipe.driver.name].cells(part)
            _write(writer, recipe, part, values)
    finally:
        through.close()


def _days_of_months(
    recipe: Ingredients, rows: Mapping[str, CellRows], part: slice, *, cells: xr.Dataset, year: int
) -> np.ndarray:
    """Days of the year, (cell, day), from months of the variables; then the formula."""
    daily = []
    highest = DRIVERS[recipe.driver.name].highest if recipe.formula is None else None
    for series, steps in zip(recipe.series, recipe.steps, strict=True):
        days = interpolate_months(
            rows[series.source].cells(part).astype(np.float64),
            lengths=steps.month_lengths,
            is_periodic=series.is_climatology,
            is_positive=series.variable.bounds[0] >= 0,
            highest=highest,
        )
        first = int(steps.month_lengths[: steps.first_month].sum())
        daily.append(days[:, first : first + days_in_year(year, calendar=series.calendar)])
    formula = str(recipe.formula)
    if formula in FORMULAS_OF_PLACE:
        values = FORMULAS_OF_PLACE[formula](*daily, latitude=cells["latitude"].values[part])
    else:
        values = FORMULAS[formula](*daily) if recipe.formula else daily[0]
    check_cells(
        values.T,
        first_day=0,
        driver=recipe.driver,
        source=recipe.source,
        cells=cells.isel(cell=part),
    )
    return values


def _write(writer: StoreWriter, recipe: Ingredients, part: slice, values: np.ndarray) -> None:
    driver = DRIVERS[recipe.driver.name]
    values = np.clip(values, driver.lowest, driver.highest).astype(np.float32, copy=False)
    region = xr.Dataset({driver.name: (("cell", "time"), values)})
    at = {"cell": part, "time": slice(0, values.shape[1])}
    writer.write(f"{driver.name}-{part.start}", region, at=at)
