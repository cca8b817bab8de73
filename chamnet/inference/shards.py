"""What a job of inference reads and notes of each shard of cells."""

import dataclasses
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from chamnet.data.drivers import require_drivers
from chamnet.data.shards import Shard, build_shards, cells_per_chunk, cells_per_shard
from chamnet.data.store import StoreWriter, load_together, manifest_path, open_store
from chamnet.data.windows import PRIOR_FLUX
from chamnet.errors import GridError, StoreError
from chamnet.provenance import read_json, write_json
from chamnet.timeaxis import check_daily_axis

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class DriverYear:
    """Drivers of one year, opened and not read.

    Attributes
    ----------
    data : one variable a driver, (cell, time), read when it is asked for
    names : drivers in the order that the network takes them
    shards : of the store
    cells_per_chunk : cells of an inner chunk
    calendar : of the time axis
    """

    data: xr.Dataset
    names: tuple[str, ...]
    shards: tuple[Shard, ...]
    cells_per_chunk: int
    calendar: str

    @property
    def cells_per_shard(self) -> int:
        """Cells of a shard, the last one aside."""
        return self.shards[0].n_cells

    def read(self, shard: Shard) -> list[np.ndarray]:
        """Drivers of a shard, (cell, time) each, float32, CF units."""
        bare = self.data[list(self.names)].drop_vars(list(self.data.coords))
        [part] = load_together(bare.isel(cell=shard.cells))
        return [part[name].values for name in self.names]


def open_driver_year(
    manifest: str | os.PathLike, *, names: Sequence[str], year: int | None = None
) -> DriverYear:
    """Drivers of a year, lazily; nothing but coordinates is read.

    Parameters
    ----------
    manifest : of ``drivers/<year>.zarr``
    names : drivers, in the order the network takes them
    year : year that the time axis must cover; None takes that of its first day

    Raises
    ------
    StoreError
        If the store is absent or unfinished.
    MissingDriverError
        If it lacks a driver.
    CalendarError
        If a day of the year is missing, repeated or out of order.
    """
    data = open_store(manifest)
    require_drivers(names, available=map(str, data.data_vars), source=str(manifest))
    return _open_year(data, names, year=year, source=str(manifest))


def open_prior_year(manifest: str | os.PathLike, *, year: int) -> DriverYear:
    """Prior flux of a year's cells, lazily, kg m-2 s-1.

    Parameters
    ----------
    manifest : of ``prior/<target>/<year>.zarr``
    year : that the time axis must cover

    Raises
    ------
    StoreError
        If the store is absent, unfinished or of something else.
    CalendarError
        If a day of the year is missing, repeated or out of order.
    """
    data = open_store(manifest)
    if PRIOR_FLUX not in data:
        raise StoreError(f"{manifest}: no {PRIOR_FLUX}; it has {list(map(str, data.data_vars))}")
    return _open_year(data, [PRIOR_FLUX], year=year, source=str(manifest))


def _open_year(
    data: xr.Dataset, names: Sequence[str], *, year: int | None, source: str
) -> DriverYear:
    found = int(data["time"].dt.year[0])
    calendar = check_daily_axis(data["time"], year=year or found, source=source)
    shards = build_shards(data.sizes["cell"], cells_per_shard(data))
    return DriverYear(data, tuple(names), shards, cells_per_chunk(data), calendar)


def check_same_cells(drivers: xr.Dataset, cells: xr.Dataset, *, source: str) -> None:
    """Check that drivers and cells are of the same places in the same order.

    Raises
    ------
    GridError
        If they are not.
    """
    if drivers.sizes["cell"] != cells.sizes["cell"]:
        raise GridError(
            f"{source}: {drivers.sizes['cell']} cells, expected the {cells.sizes['cell']} of "
            "the cells' store; convert the drivers again"
        )
    for name in ("latitude", "longitude"):
        apart = np.abs(drivers[name].values - cells[name].values)
        if apart.max(initial=0) > 1e-6:
            raise GridError(
                f"{source}: {name} of cell {int(apart.argmax())} is "
                f"{drivers[name].values[apart.argmax()]}, expected "
                f"{cells[name].values[apart.argmax()]}; convert the drivers again"
            )


def is_finished(store: str | os.PathLike, digest: str) -> bool:
    """Whether a store is whole and was made from the same inputs and options."""
    manifest = manifest_path(store)
    return manifest.exists() and Path(store).exists() and read_json(manifest)["digest"] == digest


def write_note(writer: StoreWriter, shard: Shard, note: dict[str, int]) -> None:
    """Keep what a shard's computing told, for the manifest of a run that may be killed."""
    if writer.parts.exists():  # gone when another job of the same digest finished the store
        write_json(writer.parts / f"note-{shard.name}.json", note)


def read_notes(writer: StoreWriter, names: Sequence[str]) -> dict[str, int]:
    """Cells that are NaN in all shards of these names, the smallest batch, the most halvings."""
    paths = [writer.parts / f"note-{name}.json" for name in names]
    notes = [read_json(path) for path in paths if path.exists()]
    if not notes:
        return {"n_cells_nan": 0}
    return {
        "n_cells_nan": sum(note["n_cells_nan"] for note in notes),
        "cells_per_batch": min(note["cells_per_batch"] for note in notes),
        "n_halvings": max(note["n_halvings"] for note in notes),
    }
