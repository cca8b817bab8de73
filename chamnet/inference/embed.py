"""Year embeddings of every cell: each year is read once and encoded by every member."""

import dataclasses
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from chamnet.data.context import (
    as_float16,
    build_context_template,
    context_store,
    other_context_folders,
    write_pointer,
)
from chamnet.data.shards import Shard, region_of
from chamnet.data.store import StoreWriter, open_store
from chamnet.inference.batches import Batcher, load_members, set_up_torch
from chamnet.inference.engine import Progress, run_shards
from chamnet.inference.ensemble import are_finite
from chamnet.inference.inputs import open_prior, read_attribute_names, read_names, read_prior
from chamnet.inference.shards import (
    DriverYear,
    check_same_cells,
    is_finished,
    open_driver_year,
    read_notes,
    write_note,
)
from chamnet.model.member import Member

logger = logging.getLogger(__name__)


def embed_year(
    *,
    manifest: str | os.PathLike,
    digest: str,
    drivers: str | os.PathLike,
    cells: str | os.PathLike,
    checkpoints: Sequence[str | os.PathLike],
    cells_per_batch: int | None = None,
    device: str = "auto",
    threads: int = 1,
    engine: str = "threads",
    prior: str | os.PathLike | None = None,
) -> Path:
    """Encode one year of drivers of every cell with every member.

    What is known of a cell is its drivers and, in the mode prior, a process model's flux.
    Products of matrices are in
    float32 whatever the precision of predictions: in bfloat16 an embedding takes as long, and
    moved a member's budget by up to 0.09 % (docs/inference.md). A run that was killed goes on
    with the shards that are not finished.

    Parameters
    ----------
    manifest : ``context/<target>/<year>.json``, written last
        It points at ``<digest8>/<year>.zarr`` beside it, digest8 of the checkpoints.
    digest : digest of all that the content follows from
    drivers : manifest of the drivers of the year, (cell, time)
    cells : manifest of the cells
    checkpoints : of the members, each in a folder of the member's name
    cells_per_batch : cells of a forward pass; None takes what suits the device
    device : auto, cpu or cuda
    threads : of a CPU, a batch each; no bit depends on it
    engine : of dask, ``threads`` or a cluster (``engine.open_client``); no bit depends on it
    prior : manifest of the prior flux of the year, (cell, time)

    Returns
    -------
    the manifest

    Raises
    ------
    CheckpointError
        If a checkpoint was trained for other drivers or attributes, or reads a prior flux
        where there is none, or none where there is one.
    GridError
        If drivers and cells are not of the same places.
    ConfigError
        If there is no such engine.
    """
    store = context_store(manifest, checkpoints)
    others = other_context_folders(manifest, store.parent.name)
    if others:
        logger.info("%s: embeddings of other checkpoints left alone: %s", manifest, others)
    if is_finished(store, digest):
        logger.info("%s: finished before", store)
        return write_pointer(manifest, store)
    place = set_up_torch(device=device)
    members = load_members(
        checkpoints,
        drivers=read_names(drivers),
        attributes=read_attribute_names(cells),
        mode=None,
        n_context_years=0,
        device=place,
    )
    member = next(iter(members.values()))
    year = open_driver_year(drivers, names=member.driver_names)
    check_same_cells(year.data, open_store(cells), source=str(drivers))
    number = int(year.data["time"].dt.year[0])
    flux = open_prior(prior, year=number, cells=cells, member=member)
    batcher = Batcher(
        cells_per_batch=cells_per_batch,
        most=year.cells_per_shard,
        device=place,
        threads=threads,
    )
    writer = StoreWriter(store, digest=digest)
    _write_embeddings(Embedding(year, flux, members, batcher, writer), engine)
    return write_pointer(manifest, store)


@dataclasses.dataclass(frozen=True)
class Embedding:
    """A year's work: what is read, what is run on it, and the store of what comes out."""

    year: DriverYear
    prior: DriverYear | None
    members: Mapping[str, Member]
    batcher: Batcher
    writer: StoreWriter

    def run(self, shard: Shard) -> None:
        """Embed a shard's cells."""
        flux = read_prior(self.prior, shard)
        region, n_nan = _embed(self.year.read(shard), flux, self.members, self.batcher)
        write_note(self.writer, shard, self.batcher.note(n_cells_nan=n_nan))
        self.writer.write(shard.name, region, at=region_of(region, shard))


@dataclasses.dataclass(frozen=True)
class ContextFunction:
    """What is computed of a batch of cells; equal for all shards of a year.

    Attributes
    ----------
    members : networks
    has_prior : whether a process model's flux comes behind the drivers
    """

    members: tuple[Member, ...]
    has_prior: bool = False

    def __call__(self, *rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeddings (B, member, E) and seasonal summaries (B, member, 12, S)."""
        drivers, flux = (rows[:-1], rows[-1]) if self.has_prior else (rows, None)
        weather = torch.stack(drivers, dim=-1)  # B, T, D
        pairs = [member.encode_year(weather, flux) for member in self.members]
        embeddings, seasons = zip(*pairs, strict=True)
        return torch.stack(embeddings, 1), torch.stack(seasons, 1)


def _write_embeddings(work: Embedding, engine: str) -> None:
    year, writer, any_member = work.year, work.writer, next(iter(work.members.values()))
    template = build_context_template(
        year.data,
        year=int(year.data["time"].dt.year[0]),
        members=list(work.members),
        n_embedding=any_member.n_embedding,
        n_season=any_member.n_season,
    )
    with writer.locked():
        chunk, size = {"cell": year.cells_per_chunk}, {"cell": year.cells_per_shard}
        writer.begin(template, chunks=chunk, shards=size)
        waiting = [shard for shard in year.shards if not writer.is_written(shard.name)]
        progress = Progress(
            f"embed_year {writer.store.stem}",
            n_cells=year.data.sizes["cell"],
            n_left=sum(shard.n_cells for shard in waiting),
            n_days=year.data.sizes["time"],
        )
        at_once = work.batcher.shards_at_once
        run_shards(work, waiting, engine=engine, progress=progress.add, at_once=at_once)
        names = [shard.name for shard in year.shards]
        notes = read_notes(writer, names)
        if notes["n_cells_nan"]:
            logger.warning("%s: %d cells are NaN", writer.store, notes["n_cells_nan"])
        extra = notes | {
            "checkpoints": writer.store.parent.name,
        }
        writer.finish(regions=names, extra=extra)


def _embed(
    drivers: Sequence[np.ndarray],
    flux: np.ndarray | None,
    members: Mapping[str, Member],
    batcher: Batcher,
) -> tuple[xr.Dataset, int]:
    """Context of cells, from drivers (cell, time) each, and how many of them are NaN.

    A prior ``flux`` (cell, time) that is NaN is one that is not known.
    """
    encode = ContextFunction(tuple(members.values()), has_prior=flux is not None)
    embedding, season = batcher.map(encode, *drivers, *([] if flux is None else [flux]))
    is_nan = ~are_finite(*drivers)
    embedding[is_nan], season[is_nan] = np.nan, np.nan
    region = xr.Dataset(
        {
            "embedding": (
                ("member", "cell", "component"),
                as_float16(embedding.swapaxes(0, 1)),
            ),
            "season": (
                ("member", "cell", "month", "feature"),
                as_float16(season.swapaxes(0, 1)),
            ),
        }
    )
    return region, int(is_nan.sum())
