"""Drivers of a year: from a reanalysis in maps to series of land cells, daily, in CF units.

One driver at a time, in bands of days that keep within the memory option. What a source
calls things and how its numbers are meant is in ``sources.yaml``.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import dask.array
import numpy as np
import scipy.sparse
import xarray as xr

from chamnet.data.formulas import FORMULAS
from chamnet.data.ingredients import Ingredients, find_ingredients
from chamnet.data.regrid import build_overlap
from chamnet.data.series import Series, open_source
from chamnet.data.source_description import SourceDescription, describe_source
from chamnet.data.source_tables import read_source
from chamnet.data.store import StoreWriter, open_store
from chamnet.errors import GridError, InputError
from chamnet.grid import nearest_cell, orient
from chamnet.timeaxis import daily_time

__all__ = ["SourceDescription", "convert_year", "describe_source"]

logger = logging.getLogger(__name__)

CF_NAMES = {"vapor_pressure_deficit": "water_vapor_saturation_deficit_in_air"}
SLACK = 1e-3  # of a driver's range: rounding of packed numbers, which is clipped
COAST_CELLS = 2.5  # widths of a cell that a mostly watery cell may take its weather from
COPIES = 4  # of a band in memory at once: read, converted, turned, mapped
GIB = 2**30


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
    paths : Zarr stores or NetCDF files
    names : drivers, CF names
    cells_per_shard, cells_per_chunk : sizes of shards and inner chunks
    memory_gb : GiB that arrays of the conversion may take

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
    with open_source(paths) as datasets, writer.locked():
        recipes = [find_ingredients(datasets, table, name, year=year) for name in names]
        template = _build_template(recipes, cells=cell_data, year=year, source=source)
        sizes = {"cell": cells_per_chunk}, {"cell": cells_per_shard}
        writer.begin(template, chunks=sizes[0], shards=sizes[1])
        groups = list(_groups(template.sizes, shard=cells_per_shard, memory_gb=memory_gb))
        for i, recipe in enumerate(recipes):
            for group in groups:
                _convert_group(writer, recipe, group, cells=cell_data, memory_gb=memory_gb)
            logger.info("convert_drivers %d: %d/%d drivers, %s", year, i + 1, len(names), names[i])
        regions = [f"{n}-{part.start}" for n in names for group in groups for part in group]
        return writer.finish(regions=regions, extra={"year": year, "source": source})


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


def _groups(sizes: dict, *, shard: int, memory_gb: float) -> Iterator[list[slice]]:
    """Shards whose series of one driver are in memory together, in their order."""
    n_cells, n_days = sizes["cell"], sizes["time"]
    shards = [slice(i, min(i + shard, n_cells)) for i in range(0, n_cells, shard)]
    per_shard = shard * n_days * np.dtype(np.float32).itemsize * 2
    together = max(1, int(memory_gb * GIB / 2 // per_shard))
    for first in range(0, len(shards), together):
        yield shards[first : first + together]


def _convert_group(
    writer: StoreWriter,
    recipe: Ingredients,
    group: list[slice],
    *,
    cells: xr.Dataset,
    memory_gb: float,
) -> None:
    name = recipe.driver.name
    if all(writer.is_written(f"{name}-{part.start}") for part in group):
        return
    whole = slice(group[0].start, group[-1].stop)
    values = _convert_cells(recipe, cells=cells.isel(cell=whole), memory_gb=memory_gb)
    for part in group:
        inside = slice(part.start - whole.start, part.stop - whole.start)
        region = xr.Dataset({name: (("cell", "time"), values[inside])})
        at = {"cell": part, "time": slice(0, values.shape[1])}
        writer.write(f"{name}-{part.start}", region, at=at)


def _convert_cells(recipe: Ingredients, *, cells: xr.Dataset, memory_gb: float) -> np.ndarray:
    """Daily means of a driver on cells, (cell, day), checked."""
    area = _overlap_area(recipe.series[0], cells=cells)
    n_columns = recipe.series[0].axes[1].size
    rows = slice(area.indices.min() // n_columns, area.indices.max() // n_columns + 1)
    area = area[:, rows.start * n_columns : rows.stop * n_columns]
    n_days = recipe.days[0].n_days
    values = np.empty((cells.sizes["cell"], n_days), np.float32)
    weights = None
    for days in _bands(recipe, n_pixels=area.shape[1], memory_gb=memory_gb):
        maps = _daily_maps(recipe, days, rows=rows)
        if weights is None:
            weights = _weights(area, maps[0], recipe=recipe, cells=cells, rows=rows)
        values[:, days] = _to_cells(weights, maps)
    _check_values(values, recipe=recipe, cells=cells)
    return np.clip(values, recipe.driver.lowest, recipe.driver.highest, out=values)


def _overlap_area(series: Series, *, cells: xr.Dataset) -> scipy.sparse.csr_array:
    """Area of overlap, sparse (cell, pixel), m2; pixels in the order of the files."""
    latitude, longitude = series.axes
    number = xr.DataArray(
        np.arange(latitude.size * longitude.size).reshape(latitude.size, longitude.size),
        dims=("latitude", "longitude"),
        coords={"latitude": latitude, "longitude": longitude},
    )
    number = orient(number, source=series.source)
    overlap = build_overlap(
        source_latitude=number["latitude"].values,
        source_longitude=number["longitude"].values,
        cell_latitude=cells["latitude"].values,
        cell_longitude=cells["longitude"].values,
        step_deg=float(cells.attrs["step_deg"]),
    )
    area = overlap.area
    is_outside = np.diff(area.indptr) == 0
    if is_outside.any():
        raise GridError(
            f"{series.source}: {int(is_outside.sum())} land cells are outside of its grid, the "
            f"first {_place(cells, int(np.argmax(is_outside)))}"
        )
    pixel = number.values.reshape(-1)[area.indices]
    return scipy.sparse.csr_array((area.data, pixel, area.indptr), shape=area.shape)


def _bands(recipe: Ingredients, *, n_pixels: int, memory_gb: float) -> Iterator[slice]:
    """Days that are read together."""
    n_days = recipe.days[0].n_days
    per_day = -(-recipe.days[0].positions.size // n_days)
    size = n_pixels * np.dtype(np.float32).itemsize * per_day * (len(recipe.series) + COPIES)
    height = max(1, int(memory_gb * GIB / 2 // size))
    for first in range(0, n_days, height):
        yield slice(first, min(first + height, n_days))


def _daily_maps(recipe: Ingredients, days: slice, *, rows: slice) -> np.ndarray:
    """Daily means on the source's pixels, (day, pixel)."""
    steps, day = [], np.empty(0)
    for series, plan in zip(recipe.series, recipe.days, strict=True):
        at = (plan.day >= days.start) & (plan.day < days.stop)
        positions, day = plan.positions[at], plan.day[at]
        values = series.read(slice(positions[0], positions[-1] + 1), rows=rows)
        values = values[positions - positions[0]] if len(values) > positions.size else values
        if series.kind in ("accumulated", "since_midnight"):
            values /= np.float32(plan.seconds)
        steps.append(values.reshape(positions.size, -1))
    maps = FORMULAS[recipe.formula](*steps) if recipe.formula else steps[0]
    starts = np.flatnonzero(np.diff(day, prepend=-1))
    if starts.size == day.size:
        return maps
    counts = np.diff(starts, append=day.size)
    return (np.add.reduceat(maps, starts, axis=0) / counts[:, None]).astype(np.float32)


def _weights(
    area: scipy.sparse.csr_array,
    first: np.ndarray,
    *,
    recipe: Ingredients,
    cells: xr.Dataset,
    rows: slice,
) -> scipy.sparse.csr_array:
    """Weights of the pixels that have values on the year's first day; they sum to 1 a cell."""
    is_valid = ~np.isnan(first)
    part = area if is_valid.all() else (area @ scipy.sparse.diags_array(is_valid * 1.0)).tocsr()
    part.eliminate_zeros()
    is_empty = np.diff(part.indptr) == 0
    if is_empty.any():
        part = _with_coast(part, is_empty, is_valid=is_valid, recipe=recipe, cells=cells, rows=rows)
    total = np.asarray(part.sum(axis=1))
    return (scipy.sparse.diags_array(1 / total) @ part).tocsr().astype(np.float32)


def _with_coast(
    area: scipy.sparse.csr_array,
    is_empty: np.ndarray,
    *,
    is_valid: np.ndarray,
    recipe: Ingredients,
    cells: xr.Dataset,
    rows: slice,
) -> scipy.sparse.csr_array:
    """Overlap where mostly watery cells without values take the nearest pixel's."""
    is_land = is_empty & (cells["water_fraction"].values <= 0.5)
    latitude, longitude = recipe.series[0].axes
    place = np.meshgrid(latitude[rows], longitude, indexing="ij")
    if is_land.any() or not is_valid.any():
        first = int(np.argmax(is_land))
        raise InputError(
            f"{recipe.source}: {recipe.driver.name} is NaN over land in "
            f"{int(is_land.sum())} of {is_land.size} cells, the first {_place(cells, first)}, "
            "expected values on all land"
        )
    at = np.flatnonzero(is_empty)
    width_km = 111.2 * float(cells.attrs["step_deg"])
    nearest = nearest_cell(
        cells["latitude"].values[at],
        cells["longitude"].values[at],
        cell_latitude=place[0].reshape(-1)[is_valid],
        cell_longitude=place[1].reshape(-1)[is_valid],
        tolerance_km=COAST_CELLS * width_km,
        names=[f"cell {i}" for i in at],
    )
    logger.info(
        "convert_drivers: %s: %d cells of mostly water have no value, and take the nearest pixel's",
        *(recipe.driver.name, at.size),
    )
    pixel = np.flatnonzero(is_valid)[nearest]
    extra = scipy.sparse.csr_array((np.ones(at.size), (at, pixel)), shape=area.shape)
    return (area + extra).tocsr()


def _to_cells(weights: scipy.sparse.csr_array, maps: np.ndarray) -> np.ndarray:
    """Means of cells, (cell, day) from (day, pixel); pixels without weight are never read."""
    if weights.nnz == weights.shape[0]:
        return maps[:, weights.indices].T
    return weights @ np.ascontiguousarray(maps.T)


def _check_values(values: np.ndarray, *, recipe: Ingredients, cells: xr.Dataset) -> None:
    driver = recipe.driver
    slack = SLACK * (driver.highest - driver.lowest)
    is_right = (values >= driver.lowest - slack) & (values <= driver.highest + slack)
    if is_right.all():
        return
    cell, day = (int(i) for i in np.argwhere(~is_right)[0])
    value = values[cell, day]
    what = "NaN over land" if np.isnan(value) else f"{value:g}"
    raise InputError(
        f"{recipe.source}: {driver.name} is {what} {_place(cells, cell)} on day {day + 1}, "
        f"expected {driver.lowest:g} to {driver.highest:g} {driver.units}; "
        f"{int((~is_right).sum())} of {values.size} values are beyond: another unit?"
    )


def _place(cells: xr.Dataset, cell: int) -> str:
    latitude, longitude = (float(cells[n].values[cell]) for n in ("latitude", "longitude"))
    return f"at {latitude:g} N {longitude:g} E"
