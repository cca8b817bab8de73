"""Shards of cells: one file of a store a driver, read once and finished once."""

import dataclasses
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from chamnet.data.drivers import require_drivers
from chamnet.data.store import StoreWriter, load_together, manifest_path, open_store
from chamnet.errors import GridError
from chamnet.provenance import read_json, write_json
from chamnet.timeaxis import check_daily_axis

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Shard:
    """A range of cells that is one file of the stores, and its region's name."""

    name: str
    cells: slice

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return self.cells.stop - self.cells.start


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
    found = int(data["time"].dt.year[0])
    calendar = check_daily_axis(data["time"], year=year or found, source=str(manifest))
    encoding = data[names[0]].encoding
    chunk = encoding["chunks"][0]
    size = (encoding.get("shards") or encoding["chunks"])[0]
    return DriverYear(data, tuple(names), build_shards(data.sizes["cell"], size), chunk, calendar)


def build_shards(n_cells: int, cells_per_shard: int) -> tuple[Shard, ...]:
    """Ranges of cells, in order, the last one shorter where they do not divide."""
    starts = range(0, n_cells, cells_per_shard)
    return tuple(
        Shard(f"{i:05d}", slice(start, min(start + cells_per_shard, n_cells)))
        for i, start in enumerate(starts)
    )


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


def region_of(region: xr.Dataset, shard: Shard) -> dict[str, slice]:
    """Where a shard's data lie in its store: the shard's cells, all of the other dims."""
    whole = {str(dim): slice(0, size) for dim, size in region.sizes.items()}
    return whole | {"cell": shard.cells}


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
