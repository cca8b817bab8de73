"""Shards of cells: read ahead, computed, written behind, and finished once.

A shard of the drivers' store is read once, as one dask chunk a driver. The next shard is
read and the one before is written while a shard is computed, so memory is that of a few
shards, whatever the cells and years.
"""

import dataclasses
import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from chamnet.data.drivers import require_drivers
from chamnet.data.store import StoreWriter, manifest_path, open_store
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
    data : one variable a driver, (cell, time), a dask chunk a shard
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

    def read(self, shard: Shard) -> np.ndarray:
        """Drivers of a shard, (cell, time, driver), float32, CF units."""
        part = self.data.isel(cell=shard.cells)
        values = np.empty((shard.n_cells, self.data.sizes["time"], len(self.names)), np.float32)
        for d, name in enumerate(self.names):
            values[..., d] = part[name].data.compute(scheduler="synchronous")
        return values


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
    chunks = {"cell": size, "time": -1}
    data = data.assign({name: data[name].variable.chunk(chunks) for name in names})
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


def stream_shards(
    shards: Sequence[Shard],
    *,
    read: Callable[[Shard], Any],
    compute: Callable[[Shard, Any], Any],
    write: Callable[[Shard, Any], None],
) -> None:
    """Compute each shard while the next is read and the one before is written.

    At most one shard is read ahead and one waits to be written. An error in any of the
    three ends the run when what is being written is whole.
    """
    if not shards:
        return
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        upcoming = reader.submit(read, shards[0])
        written = None
        for shard, following in zip(shards, [*shards[1:], None], strict=True):
            data = upcoming.result()
            if following is not None:
                upcoming = reader.submit(read, following)
            result = compute(shard, data)
            del data
            if written is not None:
                written.result()
            written = writer.submit(write, shard, result)
            del result
        written.result()


class Progress:
    """Lines that tell what is done, what is left and how fast it goes.

    Parameters
    ----------
    label : beginning of each line
    n_cells : cells of the whole job
    n_done : cells that an earlier, killed run had finished
    n_days : days of a cell
    """

    def __init__(self, label: str, *, n_cells: int, n_done: int, n_days: int) -> None:
        self.label, self.n_cells, self.n_before, self.n_days = label, n_cells, n_done, n_days
        self.n_done = n_done
        self.started = time.monotonic()
        if n_done:
            logger.info("%s: goes on, %d of %d cells were finished before", label, n_done, n_cells)

    def add(self, n_cells: int) -> None:
        """Count cells as done and log a line."""
        self.n_done += n_cells
        seconds = max(time.monotonic() - self.started, 1e-6)
        rate = (self.n_done - self.n_before) / seconds
        logger.info(
            "%s: %d/%d cells done, %.3g cell-days/s, %.0f s left",
            self.label, self.n_done, self.n_cells, rate * self.n_days,
            (self.n_cells - self.n_done) / rate,
        )  # fmt: skip


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


def read_notes(writer: StoreWriter, shards: Sequence[Shard]) -> dict[str, int]:
    """Cells that are NaN in all shards, the smallest batch and the most halvings."""
    paths = [writer.parts / f"note-{shard.name}.json" for shard in shards]
    notes = [read_json(path) for path in paths if path.exists()]
    if not notes:
        return {"n_cells_nan": 0}
    return {
        "n_cells_nan": sum(note["n_cells_nan"] for note in notes),
        "cells_per_batch": min(note["cells_per_batch"] for note in notes),
        "n_halvings": max(note["n_halvings"] for note in notes),
    }
