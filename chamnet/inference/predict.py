"""Fluxes of every cell and member for one year, from its drivers and contexts."""

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from chamnet.data.context import ContextShard, context_folder
from chamnet.data.fluxes import DAYS_PER_CHUNK, build_daily_template, build_flux_template
from chamnet.data.store import StoreWriter
from chamnet.inference.batches import Batcher, load_members, set_up_torch
from chamnet.inference.inputs import Inputs, open_inputs, read_attribute_names, read_names
from chamnet.inference.shards import (
    Progress,
    Shard,
    read_notes,
    region_of,
    stream_shards,
    write_note,
)
from chamnet.model.member import Member
from chamnet.timeaxis import month_lengths

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
    cells_per_batch: int = 64,
    precision: str = "float32",
    device: str = "auto",
    threads: int = 1,
    daily: bool = False,
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
    precision : float32 or bfloat16
    device : auto, cpu or cuda
    threads : of torch; bits depend on it
    daily : also write daily ensemble mean and spread

    Returns
    -------
    the manifest of the store

    Raises
    ------
    CheckpointError
        If a checkpoint was trained for other drivers, attributes, modes or fewer context
        years, or contexts were made by other checkpoints.
    StoreError
        If drivers or context of the target year are absent.
    CalendarError
        If the drivers do not cover the year.
    GridError
        If drivers and cells are not of the same places.
    """
    place = set_up_torch(threads=threads, device=device)
    members = load_members(
        checkpoints,
        drivers=read_names(drivers),
        attributes=read_attribute_names(cells),
        mode=mode,
        n_context_years=len(contexts) - 1,
        device=place,
    )
    inputs = open_inputs(
        year=year,
        drivers=drivers,
        cells=cells,
        contexts=contexts,
        folder=context_folder(checkpoints),
        calibration=calibration,
        member=next(iter(members.values())),
    )
    batcher = Batcher(
        cells_per_batch=min(cells_per_batch, inputs.drivers.cells_per_shard),
        device=place,
        precision=precision,
    )
    return _write_fluxes(Path(store), digest, inputs, members, batcher, daily)


def _write_fluxes(
    store: Path,
    digest: str,
    inputs: Inputs,
    members: Mapping[str, Member],
    batcher: Batcher,
    daily: bool,
) -> Path:
    writers = {"monthly": StoreWriter(store, digest=digest)}
    if daily:
        path = store.with_name(f"{store.stem}_daily.zarr")
        writers["daily"] = StoreWriter(path, digest=digest)
    with ExitStack() as stack:
        for writer in writers.values():
            stack.enter_context(writer.locked())
        _begin(writers, inputs, members)
        _write_shards(writers, inputs, members, batcher)
        return _finish(writers, inputs, batcher)


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


def _finish(writers: Mapping[str, StoreWriter], inputs: Inputs, batcher: Batcher) -> Path:
    """Close the stores, the monthly one last, as it stands for the job."""
    shards = inputs.drivers.shards
    notes = read_notes(writers["monthly"], shards)
    if notes["n_cells_nan"]:
        logger.warning(
            "predict_year %d: %d of %d cells are NaN, for a NaN in drivers or attributes",
            inputs.year, notes["n_cells_nan"], inputs.drivers.data.sizes["cell"],
        )  # fmt: skip
    extra = notes | {
        "precision": batcher.precision,
        "n_context_years": len(inputs.contexts) - 1,
        "n_context_years_missing": sum(store is None for store in inputs.contexts),
    }
    regions = [shard.name for shard in shards]
    manifests = {
        name: writer.finish(regions=regions, extra=extra)
        for name, writer in sorted(writers.items())
    }
    return manifests["monthly"]


def _write_shards(
    writers: Mapping[str, StoreWriter],
    inputs: Inputs,
    members: Mapping[str, Member],
    batcher: Batcher,
) -> None:
    sizes = inputs.drivers.data.sizes
    waiting = [
        shard
        for shard in inputs.drivers.shards
        if not all(writer.is_written(shard.name) for writer in writers.values())
    ]
    n_done = sizes["cell"] - sum(shard.n_cells for shard in waiting)
    label = f"predict_year {inputs.year}"
    progress = Progress(label, n_cells=sizes["cell"], n_done=n_done, n_days=sizes["time"])

    def compute(shard: Shard, data: tuple[np.ndarray, np.ndarray, ContextShard]) -> dict:
        regions, n_nan = _predict(inputs, data, members, batcher, daily="daily" in writers)
        write_note(writers["monthly"], shard, batcher.note(n_cells_nan=n_nan))
        progress.add(shard.n_cells)
        return regions

    def write(shard: Shard, regions: dict[str, xr.Dataset]) -> None:
        for name, writer in writers.items():
            writer.write(shard.name, regions[name], at=region_of(regions[name], shard))

    stream_shards(waiting, read=inputs.read, compute=compute, write=write)


def _predict(
    inputs: Inputs,
    data: tuple[np.ndarray, np.ndarray, ContextShard],
    members: Mapping[str, Member],
    batcher: Batcher,
    *,
    daily: bool,
) -> tuple[dict[str, xr.Dataset], int]:
    """Regions of a shard by store, and how many of its cells are NaN."""
    drivers, attributes, context = data
    lengths = month_lengths(inputs.year, calendar=inputs.drivers.calendar)

    def predict(
        drivers: torch.Tensor,
        attributes: torch.Tensor,
        embeddings: torch.Tensor,
        seasons: torch.Tensor,
        mask: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        fluxes = [
            member.predict(
                drivers,
                attributes,
                embeddings[:, m],
                seasons[:, m],
                mask,
                mean_factor=inputs.mean_factor,
            )
            for m, member in enumerate(members.values())
        ]
        flux = torch.stack(fluxes, dim=1)  # B, member, T
        monthly = mean_by_month(flux, lengths)
        if not daily:
            return (monthly,)
        return monthly, flux.mean(1), _spread(flux)

    outputs = batcher.map(
        predict,
        drivers,
        attributes,
        context.embeddings.swapaxes(0, 1).astype(np.float32),
        context.seasons.swapaxes(0, 1).astype(np.float32),
        context.mask,
    )
    is_nan = ~(
        np.isfinite(drivers).all((1, 2)) & np.isfinite(attributes).all(1) & context.mask[:, -1]
    )
    for output in outputs:
        output[is_nan] = np.nan
    return _regions(outputs), int(is_nan.sum())


def mean_by_month(flux: torch.Tensor, lengths: np.ndarray) -> torch.Tensor:
    """Monthly means of daily fluxes, by the days that each month has.

    Parameters
    ----------
    flux : (..., time), any units
    lengths : (12,), days; they sum to the size of time
    """
    months = torch.split(flux.double(), lengths.tolist(), dim=-1)
    return torch.stack([month.mean(-1) for month in months], dim=-1)


def _spread(flux: torch.Tensor) -> torch.Tensor:
    """Standard deviation over members, (B, T); 0 where there is one."""
    return flux.std(1, correction=min(1, flux.shape[1] - 1))


def _regions(outputs: tuple[np.ndarray, ...]) -> dict[str, xr.Dataset]:
    monthly = outputs[0].transpose(1, 2, 0)
    regions = {"monthly": xr.Dataset({"flux": (("member", "time", "cell"), monthly)})}
    if len(outputs) > 1:
        names = ("flux_daily_mean", "flux_daily_sd")
        regions["daily"] = xr.Dataset(
            {name: (("cell", "time"), x) for name, x in zip(names, outputs[1:], strict=True)}
        )
    return regions
