"""Fluxes of every cell and member for one year, from its drivers and contexts."""

import dataclasses
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from chamnet.data.context import context_folder
from chamnet.data.fluxes import DAYS_PER_CHUNK, build_daily_template, build_flux_template
from chamnet.data.shards import Shard, region_of
from chamnet.data.store import StoreWriter, manifest_path
from chamnet.inference.batches import Batcher, load_members, set_up_torch
from chamnet.inference.engine import Progress, run_shards
from chamnet.inference.ensemble import predict_cells
from chamnet.inference.inputs import Inputs, open_inputs, read_attribute_names, read_names
from chamnet.inference.shards import is_finished, write_note
from chamnet.inference.tiles import finish_stores, open_writers, write_part
from chamnet.model.member import Member

logger = logging.getLogger(__name__)


def predict_year(
    *,
    store: str | os.PathLike,
    digest: str,
    year: int,
    drivers: str | os.PathLike,
    cells: str | os.PathLike,
    contexts: Sequence[str | os.PathLike],
    checkpoints: Sequence[str | os.PathLike],
    calibration: str | os.PathLike | None,
    mode: str | None = "zero_shot",
    cells_per_batch: int | None = None,
    precision: str = "float32",
    device: str = "auto",
    threads: int = 1,
    daily: bool = False,
    engine: str = "threads",
    tile: int | None = None,
    n_tiles: int = 1,
    prior: str | os.PathLike | None = None,
) -> Path:
    """Predict one year's fluxes of every cell with every member.

    A run that was killed goes on with the shards that are not finished, and gives the
    same bits.

    Parameters
    ----------
    store : ``fluxes/<target>/<year>.zarr``: flux (member, time, cell), monthly means,
        float32, kg m-2 s-1 per m2 of the target's own surface; with ``daily`` also
        ``<year>_daily.zarr``: flux_daily_mean and flux_daily_sd over members (cell, time)
    digest : digest of all that the content follows from
    year : the target year
    drivers : manifest of its drivers
    cells : manifest of the cells, with attributes (cell, attribute)
    contexts : manifests of context years, oldest first, the last the target year's
        An earlier year that is missing is masked.
    checkpoints : of the members, each in a folder of the member's name
    calibration : its ``mean_factor`` replaces the members' own; None keeps theirs
    mode : context mode; cells have no response
    cells_per_batch : cells of a forward pass; bits depend on it
        None takes what suits device and precision.
    precision : float32 or bfloat16, of the decoder's LSTM on a CPU
    device : auto, cpu or cuda
    threads : of a CPU, a batch each; no bit depends on it
    daily : also write daily ensemble mean and spread
    engine : of dask, ``threads`` or a cluster (``engine.open_client``); no bit depends on it
    tile, n_tiles : predict the shards of one of so many tiles alone; ``finish_fluxes`` ends
        the store when all are there; no bit depends on it
    prior : manifest of the prior flux of the year, (cell, time), for members of the mode prior

    Returns
    -------
    the manifest of the store; of a tile its part, ``<year>/part-<tile>.json``

    Raises
    ------
    CheckpointError
        If a checkpoint was trained for other drivers, attributes, modes or fewer context
        years, or contexts were made by other checkpoints; if members read a prior flux where
        there is none, or none where there is one.
    StoreError
        If drivers or context of the target year are absent, or the store is being written
        with other inputs or options.
    CalendarError
        If the drivers do not cover the year.
    GridError
        If drivers and cells are not of the same places.
    ConfigError
        If there is no such engine.
    """
    if tile is None and is_finished(store, digest):
        logger.info("%s: finished before", store)
        return manifest_path(store)
    place = set_up_torch(device=device)
    members = load_members(
        checkpoints,
        drivers=read_names(drivers),
        attributes=read_attribute_names(cells),
        mode=mode,
        n_context_years=len(contexts) - 1,
        device=place,
        precision=precision,
    )
    inputs = open_inputs(
        year=year,
        drivers=drivers,
        cells=cells,
        contexts=contexts,
        folder=context_folder(checkpoints),
        calibration=calibration,
        member=next(iter(members.values())),
        prior=prior,
    )
    used = precision if place.type == "cpu" else "float32"
    batcher = Batcher(
        cells_per_batch=cells_per_batch,
        most=inputs.drivers.cells_per_shard,
        device=place,
        threads=threads,
        precision=used,
    )
    writers = open_writers(store, digest=digest, daily=daily)
    shards = inputs.drivers.shards
    work = Prediction(inputs, members, batcher, writers, used)
    with work.begun():
        if tile is None:
            work.run_all(shards, engine=engine)
            names = [shard.name for shard in shards]
            return finish_stores(writers, names, extra=work.describe())
        own = shards[tile * len(shards) // n_tiles : (tile + 1) * len(shards) // n_tiles]
        work.run_all(own, engine=engine)
        return write_part(writers, tile, n_tiles, [s.name for s in own], extra=work.describe())


@dataclasses.dataclass(frozen=True)
class Prediction:
    """A year's work: what is read, what is run on it, and the stores of what comes out.

    Attributes
    ----------
    inputs : of the year
    members : networks by name
    batcher : runs them
    writers : of the stores, ``monthly`` and perhaps ``daily``
    precision : of the members, for the manifest
    """

    inputs: Inputs
    members: Mapping[str, Member]
    batcher: Batcher
    writers: Mapping[str, StoreWriter]
    precision: str

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Hold the stores, laid out."""
        with ExitStack() as stack:
            for writer in self.writers.values():
                stack.enter_context(writer.locked())
            _begin(self.writers, self.inputs, self.members)
            yield

    def run_all(self, shards: Sequence[Shard], *, engine: str) -> None:
        """Predict those of these shards that are not finished."""
        writers = self.writers.values()
        waiting = [s for s in shards if not all(w.is_written(s.name) for w in writers)]
        progress = Progress(
            f"predict_year {self.inputs.year}",
            n_cells=sum(shard.n_cells for shard in shards),
            n_left=sum(shard.n_cells for shard in waiting),
            n_days=self.inputs.drivers.data.sizes["time"],
        )
        at_once = self.batcher.shards_at_once
        run_shards(self, waiting, engine=engine, progress=progress.add, at_once=at_once)

    def run(self, shard: Shard) -> None:
        """Predict a shard's cells."""
        data, daily = self.inputs.read(shard), "daily" in self.writers
        regions, n_nan = predict_cells(self.inputs, data, self.members, self.batcher, daily=daily)
        write_note(self.writers["monthly"], shard, self.batcher.note(n_cells_nan=n_nan))
        for name, writer in self.writers.items():
            writer.write(shard.name, regions[name], at=region_of(regions[name], shard))

    def describe(self) -> dict[str, Any]:
        """What manifests tell beside what is found while computing."""
        contexts = self.inputs.contexts
        return {
            "precision": self.precision,
            "n_context_years": len(contexts) - 1,
            "n_context_years_missing": sum(store is None for store in contexts),
        }


def _begin(
    writers: Mapping[str, StoreWriter], inputs: Inputs, members: Mapping[str, Member]
) -> None:
    drivers = inputs.drivers
    about = {
        "year": inputs.year,
        "calendar": drivers.calendar,
        "target": next(iter(members.values())).target,
    }
    size = {"cell": drivers.cells_per_shard}
    template = build_flux_template(drivers.data, members=list(members), **about)
    writers["monthly"].begin(template, chunks=size, shards=size)
    if "daily" in writers:
        days = -(-drivers.data.sizes["time"] // DAYS_PER_CHUNK) * DAYS_PER_CHUNK
        writers["daily"].begin(
            build_daily_template(drivers.data, **about),
            chunks={"cell": drivers.cells_per_chunk, "time": DAYS_PER_CHUNK},
            shards={"cell": drivers.cells_per_shard, "time": days},
        )
