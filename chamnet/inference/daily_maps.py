"""Daily fluxes of a year as maps: latitude and longitude, a slab of days at a time."""

import logging
import os
from collections.abc import Iterator

import dask.array
import xarray as xr

from chamnet.data.fluxes import DAYS_PER_CHUNK
from chamnet.data.store import StoreWriter, manifest_path, open_store
from chamnet.grid import Grid, unstack_cells
from chamnet.inference.shards import is_finished

logger = logging.getLogger(__name__)

DIMS = ("time", "latitude", "longitude")
MAX_CHUNK = 90


def publish_daily(
    *, store: str | os.PathLike, digest: str, daily: str | os.PathLike, step_deg: float
) -> None:
    """Write the daily ensemble mean and spread of a year as maps.

    Memory is that of 30 days of one variable on the whole grid.

    Parameters
    ----------
    store : ``daily/<target>/<year>.zarr``: flux_daily_mean and flux_daily_sd (time, latitude,
        longitude), float32, kg m-2 s-1 per m2 of the target's own surface; NaN where no cell is
        Chunks of 30 days x 90 x 90 at most, so that a map and a pixel are both quick.
    digest : digest of all that the content follows from
    daily : ``fluxes/<target>/<year>_daily.zarr``, (cell, time)
    step_deg : width of the grid's cells, degrees
    """
    if is_finished(store, digest):
        logger.info("%s: finished before", store)
        return
    fluxes, writer = open_store(daily), StoreWriter(store, digest=digest)
    template = _template(fluxes, Grid(step_deg))
    chunks = {"time": DAYS_PER_CHUNK} | {
        name: _divisor(template.sizes[name]) for name in ("latitude", "longitude")
    }
    with writer.locked():
        writer.begin(template, chunks=chunks, shards={"time": DAYS_PER_CHUNK})
        slabs = list(_slabs(fluxes))
        for name, variable, days in slabs:
            if not writer.is_written(name):
                region = _maps(fluxes, variable, days, template)
                whole = {dim: slice(0, template.sizes[dim]) for dim in DIMS}
                writer.write(name, region, at=whole | {"time": days})
                logger.info("publish_daily %s: %s done", manifest_path(store).stem, name)
        writer.finish(regions=[name for name, _, _ in slabs])


def _slabs(fluxes: xr.Dataset) -> Iterator[tuple[str, str, slice]]:
    """Name, variable and days of each slab."""
    n_days = fluxes.sizes["time"]
    for variable in sorted(map(str, fluxes.data_vars)):
        for start in range(0, n_days, DAYS_PER_CHUNK):
            days = slice(start, min(start + DAYS_PER_CHUNK, n_days))
            yield f"{variable}-{start:03d}", variable, days


def _template(fluxes: xr.Dataset, grid: Grid) -> xr.Dataset:
    shape = (fluxes.sizes["time"], *grid.shape)
    empty = dask.array.zeros(shape, dtype="float32", chunks=-1)
    variables = {name: (DIMS, empty, fluxes[name].attrs) for name in map(str, fluxes.data_vars)}
    coords = {
        "time": fluxes["time"].variable,
        "latitude": ("latitude", grid.latitude, _axis("latitude", "degrees_north")),
        "longitude": ("longitude", grid.longitude, _axis("longitude", "degrees_east")),
    }
    return xr.Dataset(variables, coords=coords, attrs=fluxes.attrs | {"Conventions": "CF-1.11"})


def _axis(name: str, units: str) -> dict[str, str]:
    return {"standard_name": name, "units": units}


def _maps(fluxes: xr.Dataset, variable: str, days: slice, template: xr.Dataset) -> xr.Dataset:
    values = fluxes[variable].isel(time=days).transpose("time", "cell").values
    grid = Grid(step_deg=360 / template.sizes["longitude"])
    places = {
        "cell_latitude": fluxes["latitude"].values,
        "cell_longitude": fluxes["longitude"].values,
    }
    maps = unstack_cells(values, **places, grid=grid)
    return xr.Dataset({variable: (DIMS, maps)})


def _divisor(size: int) -> int:
    """Largest chunk, of 90 at most, that divides a dim."""
    return max(n for n in range(1, min(MAX_CHUNK, size) + 1) if size % n == 0)
