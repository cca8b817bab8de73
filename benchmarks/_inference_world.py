"""A generated world to run inference on: random drivers and untrained members."""

import argparse
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

YEARS = (2011, 2012)
N_ATTRIBUTES = 11
CELLS_PER_SHARD = 2048
CELLS_PER_CHUNK = 512
N_DRIVERS = 8


class Setting:
    """A generated world: its files, sizes and stages."""

    def __init__(self, options: argparse.Namespace) -> None:
        from chamnet.inference.batches import set_up_torch

        set_up_torch(device=options.device)  # first of all, as jobs do: memory is kept by then
        self.folder = Path(options.folder)
        self.options = options
        self.checkpoints = [
            self.folder / "models" / f"{m:02d}" / "checkpoint.pt" for m in range(options.n_members)
        ]
        self.cells = self.folder / "cells.json"
        self.target_year = YEARS[-1]
        self.n_cell_days = options.n_cells * 366
        self.n_member_cell_days = self.n_cell_days * options.n_members

    def places(self) -> dict[str, tuple]:
        """Coordinates of the cells."""
        n_cells = self.options.n_cells
        return {
            "latitude": ("cell", np.linspace(-55, 80, n_cells)),
            "longitude": ("cell", np.linspace(-179, 179, n_cells)),
        }

    def forget(self) -> None:
        """Drop the files of the world from memory, so that they are read from the disk."""
        for path in self.folder.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def drivers(self, year: int) -> Path:
        """Manifest of a year's drivers."""
        return self.folder / "drivers" / f"{year}.json"

    def context(self, year: int) -> Path:
        """Manifest of a year's context."""
        return self.folder / "context" / "emission" / f"{year}.json"

    def embed(self, year: int, *, digest: str) -> None:
        """Embed a year with every member."""
        from chamnet.inference.embed import embed_year

        embed_year(
            manifest=self.context(year),
            digest=digest,
            drivers=self.drivers(year),
            cells=self.cells,
            checkpoints=self.checkpoints,
            device=self.options.device,
            threads=self.options.threads,
        )

    def predict(self, store: Path, *, years: Sequence[int] = YEARS) -> None:
        """Predict the last of some years, the others its context."""
        from chamnet.inference.predict import predict_year

        predict_year(
            store=store,
            digest=f"{self.options.precision} {time.time_ns()}",  # never the one before
            year=years[-1],
            drivers=self.drivers(years[-1]),
            cells=self.cells,
            contexts=[self.context(year) for year in years],
            checkpoints=self.checkpoints,
            calibration=None,
            precision=self.options.precision,
            device=self.options.device,
            threads=self.options.threads,
        )

    def prepare(self) -> None:
        """Import what reads, computes and writes, CUDA's libraries too: paid once a process."""
        import xarray as xr

        from chamnet.data.store import write_store

        nothing = xr.Dataset({"nothing": ("cell", np.zeros(1, np.float32))})
        write_store(nothing, self.folder / "nothing.zarr", digest=f"{time.time_ns()}")
        inputs, members, batcher = self.inputs()
        if batcher.device.type == "cuda":
            _load_libraries(inputs, members, batcher)
        self.forget()

    def inputs(self) -> tuple[Any, dict, Any]:
        """What predict_year reads, opened; the members; a batcher."""
        from chamnet.data.context import context_folder, open_contexts
        from chamnet.data.store import open_store
        from chamnet.inference import batches, shards
        from chamnet.inference.inputs import Inputs

        device = batches.set_up_torch(device=self.options.device)
        cells = open_store(self.cells)
        members = batches.load_members(
            self.checkpoints,
            drivers=driver_names(),
            attributes=cells["attribute"].values.tolist(),
            mode=None,
            n_context_years=len(YEARS) - 1,
            device=device,
            precision=self.options.precision,
        )
        names = driver_names()
        year = self.target_year
        inputs = Inputs(
            year=year,
            drivers=shards.open_driver_year(self.drivers(year), names=names),
            attributes=cells["attributes"].values,
            mean_factor=None,
            contexts=open_contexts(
                [self.context(y) for y in YEARS],
                folder=context_folder(self.checkpoints),
                year=year,
            ),
        )
        batcher = batches.Batcher(
            cells_per_batch=None,
            most=CELLS_PER_SHARD,
            device=device,
            threads=self.options.threads,
            precision=self.options.precision if device.type == "cpu" else "float32",
        )
        return inputs, members, batcher


def _load_libraries(inputs: Any, members: dict, batcher: Any) -> None:
    """Embed and predict one shard: CUDA loads a kernel when it is first run, for each size anew."""
    import torch

    from chamnet.inference.embed import ContextFunction
    from chamnet.inference.ensemble import predict_cells

    data = inputs.read(inputs.drivers.shards[0])
    batcher.map(ContextFunction(tuple(members.values())), *data[0])
    predict_cells(inputs, data, members, batcher, daily=False)
    torch.cuda.synchronize()


def make_world(setting: Setting) -> dict:
    """Generated drivers, cells and untrained members, and the contexts of all years."""
    write_world(setting, years=YEARS, cells_per_shard=CELLS_PER_SHARD)
    for year in YEARS:
        setting.embed(year, digest="first")
    return {}


def write_world(setting: Setting, *, years: Sequence[int], cells_per_shard: int) -> None:
    """Generated drivers and cells, and untrained members."""
    import xarray as xr

    from chamnet.data.store import write_store

    names = driver_names()
    n_cells = setting.options.n_cells
    attributes = [f"attribute_{i}" for i in range(N_ATTRIBUTES)]
    places = setting.places()
    values = np.random.default_rng(0).normal(size=(n_cells, N_ATTRIBUTES)).astype("float32")
    cells = xr.Dataset(
        {"attributes": (("cell", "attribute"), values)}, coords=places | {"attribute": attributes}
    )
    write_store(cells, setting.folder / "cells.zarr", digest="cells")
    write_members(setting, names, tuple(attributes))
    for year in years:
        write_drivers(setting.drivers(year), year, places, cells_per_shard)


def driver_names() -> tuple[str, ...]:
    """Names of the drivers: the first that chamnet knows."""
    from chamnet.data.drivers import DRIVERS

    return tuple(DRIVERS)[:N_DRIVERS]


def write_drivers(manifest: Path, year: int, places: dict, cells_per_shard: int) -> None:
    """Random drivers of one year, shards side by side; what an earlier call wrote is left."""
    import dask.array
    import xarray as xr

    from chamnet.data.shards import build_shards
    from chamnet.data.store import StoreWriter
    from chamnet.timeaxis import daily_time

    names = driver_names()
    times = daily_time(year).values
    n_cells = places["latitude"][1].size
    empty = dask.array.zeros((n_cells, times.size), dtype="float32", chunks=-1)
    template = xr.Dataset(
        dict.fromkeys(names, (("cell", "time"), empty)), coords=places | {"time": times}
    )
    writer = StoreWriter(manifest, digest="drivers")
    writer.begin(template, chunks={"cell": CELLS_PER_CHUNK}, shards={"cell": cells_per_shard})
    shards = build_shards(n_cells, cells_per_shard)

    def write(shard: Any) -> None:
        if writer.is_written(shard.name):
            return
        random = np.random.default_rng([year, shard.cells.start])
        shape = (shard.n_cells, times.size)
        weather = {n: (("cell", "time"), random.standard_normal(shape, dtype="f4")) for n in names}
        at = {"cell": shard.cells, "time": slice(0, times.size)}
        writer.write(shard.name, xr.Dataset(weather), at=at)

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(write, shards))
    writer.finish(regions=[shard.name for shard in shards])


def write_members(setting: Setting, drivers: tuple[str, ...], attributes: tuple[str, ...]) -> None:
    """Untrained members of the default size."""
    import torch

    from chamnet.config import ModelConfig
    from chamnet.data.normalization import Normalization
    from chamnet.model.checkpoint import save_member
    from chamnet.model.member import Member
    from chamnet.model.network import CHAMNet

    for seed, path in enumerate(setting.checkpoints):
        torch.manual_seed(seed)
        network = CHAMNet(
            n_drivers=len(drivers), n_attributes=len(attributes), config=ModelConfig()
        )
        torch.nn.init.normal_(network.meta_network.last.weight, std=0.1)
        normalization = Normalization(
            driver_names=drivers,
            driver_mean=(0.0,) * len(drivers),
            driver_spread=(1.0,) * len(drivers),
            attribute_names=attributes,
            attribute_mean=(0.0,) * len(attributes),
            attribute_spread=(1.0,) * len(attributes),
            flux_scale=5e-10,
        )
        save_member(Member(network, normalization, target="emission", n_context_years=4), path)
