"""Small synthetic stores and untrained networks for tests of inference."""

import dataclasses
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from chamnet.config import ModelConfig
from chamnet.data.normalization import Normalization
from chamnet.data.store import StoreWriter, open_store, write_store
from chamnet.inference.embed import embed_year
from chamnet.inference.predict import predict_year
from chamnet.model.checkpoint import save_member
from chamnet.model.member import Member
from chamnet.model.network import CHAMNet
from chamnet.provenance import write_json
from chamnet.timeaxis import daily_time

# Not in alphabetical order, in which a store lists them.
DRIVERS = ("precipitation_flux", "air_temperature", "surface_downwelling_shortwave_flux_in_air")
ATTRIBUTES = ("soil_ph", "clay", "elevation")
SMALL = {"n_hidden": 12, "n_hidden_encoder": 8, "n_embedding": 8, "n_season": 3, "dropout": 0.0}


def make_drivers(*, n_cells: int, year: int, calendar: str = "standard", seed: int = 0):
    """Drivers (cell, time) of a year in CF units, of random weather; synthetic."""
    random = np.random.default_rng(seed + year)
    time = daily_time(year, calendar=calendar)
    latitude = np.linspace(-50, 70, n_cells)
    season = -np.cos(2 * np.pi * np.arange(time.size) / time.size) * np.sign(latitude)[:, None]
    noise = random.normal(size=(3, n_cells, time.size))
    fields = {
        "air_temperature": 298 - np.abs(latitude / 2)[:, None] + 10 * season + 3 * noise[0],
        "precipitation_flux": 3e-5 * np.exp(noise[1]),
        "surface_downwelling_shortwave_flux_in_air": 180 + 60 * season + 20 * noise[2],
    }
    return xr.Dataset(
        {name: (("cell", "time"), field.astype("float32")) for name, field in fields.items()},
        coords={
            "time": time.values,
            "latitude": ("cell", latitude),
            "longitude": ("cell", np.linspace(-170, 170, n_cells)),
        },
        attrs={"calendar": calendar},
    )


def write_drivers(
    data: xr.Dataset, store: Path, *, cells_per_shard: int, cells_per_chunk: int
) -> Path:
    """Drivers as ``convert_drivers`` leaves them: in shards; the manifest's path."""
    writer = StoreWriter(store, digest="drivers")
    n_cells, n_days = data.sizes["cell"], data.sizes["time"]
    with writer.locked():
        writer.begin(
            data.chunk(), chunks={"cell": cells_per_chunk}, shards={"cell": cells_per_shard}
        )
        for start in range(0, n_cells, cells_per_shard):
            part = slice(start, min(start + cells_per_shard, n_cells))
            at = {"cell": part, "time": slice(0, n_days)}
            writer.write(str(start), data.isel(cell=part), at=at)
        return writer.finish(regions=[str(s) for s in range(0, n_cells, cells_per_shard)])


def make_cells(*, n_cells: int, seed: int = 0) -> xr.Dataset:
    """Cells with attributes, in an order of their own; synthetic."""
    values = np.random.default_rng(seed).normal(size=(n_cells, 4)).astype("float32")
    return xr.Dataset(
        {"attributes": (("cell", "attribute"), values)},
        coords={
            "latitude": ("cell", np.linspace(-50, 70, n_cells)),
            "longitude": ("cell", np.linspace(-170, 170, n_cells)),
            "attribute": ["clay", "elevation", "unused", "soil_ph"],
        },
    )


def make_member(
    *,
    seed: int,
    drivers=DRIVERS,
    attributes=ATTRIBUTES,
    target: str = "emission",
    modes=("few_shot", "zero_shot"),
    n_context_years: int = 2,
    **sizes,
) -> Member:
    """An untrained network whose conditioning does something."""
    torch.manual_seed(seed)
    config = ModelConfig(**(SMALL | sizes))
    reads_prior = "prior" in modes
    network = CHAMNet(
        n_drivers=len(drivers),
        n_attributes=len(attributes),
        config=config,
        reads_prior=reads_prior,
    )
    torch.nn.init.normal_(network.meta_network.last.weight, std=0.3)
    means = {"air_temperature": 283.0, "precipitation_flux": 3e-5}
    spreads = {"air_temperature": 12.0, "precipitation_flux": 4e-5}
    normalization = Normalization(
        driver_names=tuple(drivers),
        driver_mean=tuple(means.get(name, 180.0) for name in drivers),
        driver_spread=tuple(spreads.get(name, 60.0) for name in drivers),
        attribute_names=tuple(attributes),
        attribute_mean=(0.0,) * len(attributes),
        attribute_spread=(1.0,) * len(attributes),
        flux_scale=5e-10,
        prior_scale=2e-9 if reads_prior else None,
    )
    return Member(
        network,
        normalization,
        target=target,
        modes=modes,
        n_context_years=n_context_years,
        mean_factors={"prior" if reads_prior else "zero_shot": 1.25},
    )


@dataclasses.dataclass(frozen=True)
class World:
    """Stores of a small world, and the stages run on them."""

    folder: Path
    cells: Path
    checkpoints: list[Path]
    n_cells: int

    def write_drivers(self, year, *, calendar="standard", shard=4, chunk=2, change=None) -> Path:
        """Drivers of a year; ``change`` is applied to them first."""
        data = make_drivers(n_cells=self.n_cells, year=year, calendar=calendar)
        if change is not None:
            change(data)
        store = self.folder / "drivers" / f"{year}.zarr"
        return write_drivers(data, store, cells_per_shard=shard, cells_per_chunk=chunk)

    def write_prior(
        self, year, flux, *, name="prior_flux", folder="prior", shard=4, chunk=2
    ) -> Path:
        """Prior flux (cell, time) of a year whose drivers were written, kg m-2 s-1."""
        drivers = open_store(self.folder / "drivers" / f"{year}.json")
        data = xr.Dataset(
            {name: (("cell", "time"), flux)}, coords=drivers.coords, attrs=drivers.attrs
        )
        store = self.folder / folder / f"{year}.zarr"
        return write_drivers(data, store, cells_per_shard=shard, cells_per_chunk=chunk)

    def context(self, year) -> Path:
        """Path of the manifest of a year's context."""
        return self.folder / "context" / "emission" / f"{year}.json"

    def embed(self, year, **options) -> Path:
        """Embed a year whose drivers were written."""
        settings = {"digest": "d", "cells_per_batch": 4, "device": "cpu"} | options
        return embed_year(
            manifest=self.context(year),
            drivers=self.folder / "drivers" / f"{year}.json",
            cells=self.cells,
            checkpoints=self.checkpoints,
            **settings,
        )

    def predict(self, year, *, years=(), **options) -> Path:
        """Predict a year from its context and that of earlier ``years``."""
        settings = {
            "digest": "d",
            "cells_per_batch": 4,
            "device": "cpu",
            "calibration": None,
            "store": self.folder / "fluxes" / "emission" / f"{year}.zarr",
            "contexts": [self.context(y) for y in (*years, year)],
            "drivers": self.folder / "drivers" / f"{year}.json",
            "cells": self.cells,
            "checkpoints": self.checkpoints,
        }
        return predict_year(year=year, **(settings | options))


def make_world(folder: Path, *, n_cells: int = 10, n_members: int = 2, **member) -> World:
    """Cells and checkpoints of a small world."""
    torch.set_num_threads(1)
    cells = write_store(make_cells(n_cells=n_cells), folder / "cells.zarr", digest="cells")
    checkpoints = [folder / "models" / f"{m:02d}" / "checkpoint.pt" for m in range(n_members)]
    for seed, path in enumerate(checkpoints):
        save_member(make_member(seed=seed, **member), path)
    return World(folder, cells, checkpoints, n_cells)


def write_calibration(folder: Path, *, mean_factor: float) -> Path:
    """Calibration as ``calibrate`` leaves it, of one key."""
    path = folder / "calibration.json"
    write_json(path, {"mean_factor": mean_factor})
    return path
