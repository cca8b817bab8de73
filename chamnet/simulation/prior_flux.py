"""Stage: flux of a process model at places and cells, which contexts hold in the mode prior.

Ours, in a run of its own without anything hidden, or another model's files. What is read of a
place or cell follows from its drivers and attributes (or its pixel) alone, so that a network
that was trained at places meets the same on the map.
"""

import dataclasses
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dask.array
import numpy as np
import pandas as pd
import xarray as xr

from chamnet.data.places import N_STEPS, PlaceDrivers, n_steps_of, read_cell_drivers
from chamnet.data.shards import (
    Shard,
    build_shards,
    cells_per_chunk,
    cells_per_shard,
    region_of,
)
from chamnet.data.store import StoreWriter, manifest_path, open_store, write_store
from chamnet.data.windows import PRIOR_FLUX, open_place_data
from chamnet.simulation.inputs import LONGWAVE, REQUIRED
from chamnet.simulation.others import sample_fluxes
from chamnet.simulation.places import drivers_of, simulate_typical_fluxes
from chamnet.timeaxis import month_lengths
from chamnet.units import FLUX_UNITS

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class PriorModel:
    """Process model whose flux is read.

    Attributes
    ----------
    seed, parameter_spread : of the parameters of our own run
    flux_path : fluxes of another model, taken in place of ours; see ``sample_fluxes``
    flux_variable, flux_units, wetland_variable : of that file
    """

    seed: int
    parameter_spread: float = 0.3
    flux_path: str | None = None
    flux_variable: str | None = None
    flux_units: str | None = None
    wetland_variable: str | None = None

    @property
    def source(self) -> str:
        """Where the flux is from, for the attributes of a store."""
        return self.flux_path or "the process model of chamnet, another run"

    def simulate(self, drivers: PlaceDrivers, *, target: str) -> np.ndarray:
        """Flux of our own run, (place, year, step), kg m-2 s-1; NaN where no day has drivers."""
        has_any = np.isfinite(drivers.values).all(axis=-1).any(axis=(1, 2))
        flux = np.full(drivers.values.shape[:3], np.nan, np.float32)
        if has_any.any():
            found = simulate_typical_fluxes(
                drivers.take(has_any),
                target=target,
                seed=self.seed,
                parameter_spread=self.parameter_spread,
            )
            flux[has_any] = _by_year(found.flux, drivers)
        return flux

    def sample(
        self, latitude: np.ndarray, longitude: np.ndarray, *, target: str, years: Sequence[int]
    ) -> np.ndarray:
        """Monthly means of the other model, (place, year, month), kg m-2 s-1."""
        return sample_fluxes(
            self.flux_path,
            target=target,
            latitude=latitude,
            longitude=longitude,
            years=list(years),
            variable=self.flux_variable,
            units=self.flux_units,
            wetland_variable=self.wetland_variable,
        )


def repeat_months(means: np.ndarray, *, years: Sequence[int], calendar: str) -> np.ndarray:
    """Means of months on each of their days, (place, year, month) to (place, year, step)."""
    flux = np.full((*means.shape[:2], N_STEPS), np.nan, np.float32)
    for y, year in enumerate(years):
        lengths = month_lengths(int(year), calendar=calendar)
        flux[:, y, : lengths.sum()] = np.repeat(means[:, y], lengths, axis=-1)
    return flux


def _by_year(flux: np.ndarray, drivers: PlaceDrivers) -> np.ndarray:
    """Days of all years one after another, (place, time), laid out by year and step."""
    lengths = n_steps_of(drivers.years, calendar=drivers.calendar)
    out = np.full((len(flux), len(lengths), N_STEPS), np.nan, np.float32)
    stops = lengths.cumsum()
    for y, (n, stop) in enumerate(zip(lengths, stops, strict=True)):
        out[:, y, :n] = flux[:, stop - n : stop]
    return out


def simulate_prior_of_places(
    *, places: str | os.PathLike, store: str | os.PathLike, digest: str, **model: object
) -> Path:
    """Write the prior flux at the places of a store of observations; the manifest's path.

    Of the observations nothing but drivers, attributes and positions is read.

    Parameters
    ----------
    places : manifest in the layout of observations, of observed or simulated places
    store : what is written: prior_flux (place, year, step), kg m-2 s-1, NaN where absent
    digest : of all that it follows from
    model : as ``PriorModel`` has it

    Raises
    ------
    MissingDriverError, InputError
        If the process model lacks a driver, or the other model has no flux of the target, or no
        value of it at any place.
    """
    data, prior = open_place_data(places), PriorModel(**model)
    years = [int(year) for year in data.years]
    if prior.flux_path:
        means = prior.sample(data.latitude, data.longitude, target=data.target, years=years)
        flux = repeat_months(means, years=years, calendar=data.calendar)
    else:
        flux = prior.simulate(drivers_of(data), target=data.target)
    logger.info("prior %s: %d places", data.target, data.n_places)
    found = xr.Dataset(
        {PRIOR_FLUX: (("place", "year", "step"), flux, {"units": FLUX_UNITS})},
        coords={"place": data.place, "year": data.years},
        attrs={"target": data.target, "calendar": data.calendar, "source": prior.source},
    )
    return write_store(found, store, digest=digest, extra={"source": prior.source})


def simulate_prior_of_cells(
    *,
    stores: Sequence[str | os.PathLike],
    digest: str,
    target: str,
    cells: str | os.PathLike,
    drivers: Sequence[str | os.PathLike],
    **model: object,
) -> list[Path]:
    """Write the prior flux of every cell, a store a year; the manifests' paths.

    The years are simulated one after another, since a soil remembers; the cells a shard at a
    time, which bounds the memory. A run that was killed goes on with the shards it lacks.

    Parameters
    ----------
    stores : of the years of ``drivers``: prior_flux (cell, time), kg m-2 s-1
    digest : of all that they follow from
    target : emission or consumption
    cells : manifest of the cells
    drivers : manifests of the drivers, one a year, in order
    model : as ``PriorModel`` has it

    Raises
    ------
    MissingDriverError, InputError
        If the process model lacks a driver, or the other model has no flux of the target, or no
        value of it at any cell.
    StoreError
        If a store is being written with other inputs or options.
    """
    years, prior = [open_store(manifest) for manifest in drivers], PriorModel(**model)
    writers = [StoreWriter(store, digest=digest) for store in stores]
    shards = build_shards(years[0].sizes["cell"], cells_per_shard(years[0]))
    with _begun(writers, years, target=target, prior=prior):
        read = _reader(years, prior, target=target, cells=cells, drivers=drivers)
        for shard in shards:
            if not all(writer.is_written(shard.name) for writer in writers):
                _write_shard(shard, read(shard), writers, years)
            logger.info("prior %s: %d/%d cells", target, shard.cells.stop, shards[-1].cells.stop)
        for writer in writers:
            writer.finish(regions=[s.name for s in shards], extra={"source": prior.source})
    return [manifest_path(store) for store in stores]


def _reader(
    years: Sequence[xr.Dataset],
    prior: PriorModel,
    *,
    target: str,
    cells: str | os.PathLike,
    drivers: Sequence[str | os.PathLike],
) -> Callable[[Shard], np.ndarray]:
    """Function that gives the flux of a shard's cells, (cell, year, step)."""
    numbers = [int(data["time"].dt.year[0]) for data in years]
    latitude, longitude = (years[0][name].values for name in ("latitude", "longitude"))
    if prior.flux_path:
        means = prior.sample(latitude, longitude, target=target, years=numbers)
        calendar = years[0].attrs["calendar"]
        return lambda shard: repeat_months(means[shard.cells], years=numbers, calendar=calendar)

    def simulate(shard: Shard) -> np.ndarray:
        index = np.arange(shard.cells.start, shard.cells.stop)
        names = [f"cell-{i:06d}" for i in index]
        found, _ = read_cell_drivers(
            pd.DataFrame(
                {"place": names, "latitude": latitude[index], "longitude": longitude[index]}
            ),
            cells=str(cells),
            drivers=[str(manifest) for manifest in drivers],
            driver_names=[name for name in (*REQUIRED, LONGWAVE) if name in years[0]],
            years=numbers,
        )
        return prior.simulate(found, target=target)

    return simulate


def _write_shard(
    shard: Shard, flux: np.ndarray, writers: Sequence[StoreWriter], years: Sequence[xr.Dataset]
) -> None:
    for y, (writer, data) in enumerate(zip(writers, years, strict=True)):
        days = flux[:, y, : data.sizes["time"]]
        region = xr.Dataset({PRIOR_FLUX: (("cell", "time"), days)})
        writer.write(shard.name, region, at=region_of(region, shard))


@contextmanager
def _begun(
    writers: Sequence[StoreWriter], years: Sequence[xr.Dataset], *, target: str, prior: PriorModel
) -> Iterator[None]:
    """Hold the stores of all years, laid out."""
    with ExitStack() as stack:
        for writer in writers:
            stack.enter_context(writer.locked())
        for writer, data in zip(writers, years, strict=True):
            _begin(writer, data, target=target, prior=prior)
        yield


def _begin(writer: StoreWriter, data: xr.Dataset, *, target: str, prior: PriorModel) -> None:
    empty = dask.array.zeros((data.sizes["cell"], data.sizes["time"]), dtype="float32", chunks=-1)
    template = xr.Dataset(
        {PRIOR_FLUX: (("cell", "time"), empty, {"units": FLUX_UNITS})},
        coords={name: data[name] for name in ("time", "latitude", "longitude")},
        attrs={"target": target, "calendar": data.attrs["calendar"], "source": prior.source},
    )
    writer.begin(
        template,
        chunks={"cell": cells_per_chunk(data)},
        shards={"cell": cells_per_shard(data)},
    )
