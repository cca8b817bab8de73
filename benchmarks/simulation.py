"""Speed and memory of the process model, and what they are to be held against.

``python benchmarks/simulation.py [--quick]`` simulates a year of the land cells of a half-degree
grid (about 62,000; quick: 4,000) in batches on two processes, the same with a plain Python loop
over cells for a few of them, and reads the same drivers from a store. Drivers are synthetic.
"""

import argparse
import json
import logging
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import xarray as xr
from _bench import build_row, read_peak_mib, run_part, write_benchmark

from chamnet.data.store import open_store, write_store
from chamnet.simulation.inputs import LONGWAVE, REQUIRED, build_land
from chamnet.simulation.parameters import read_parameters
from chamnet.simulation.run import ProcessModel
from chamnet.simulation.traits import Traits

N_CELLS, N_QUICK, N_DAYS, BATCH, N_LOOP = 62_000, 4_000, 365, 1024, 4
MEMORY_SMALL, MEMORY_LARGE = 8, 32  # batches; the same peak says that memory is a batch's


def make_drivers(first: int, n_cells: int) -> dict[str, np.ndarray]:
    """Drivers of cells from pole to pole, (cell, time), CF units."""
    generator = np.random.default_rng(first)
    latitude = np.linspace(-55, 80, N_CELLS)[first : first + n_cells, None]
    season = -np.cos(2 * np.pi * (np.arange(N_DAYS) - 15) / N_DAYS) * np.sign(latitude)
    air = 27 - 0.008 * latitude**2 + 0.25 * np.abs(latitude) * season
    air = air + generator.normal(0, 2, air.shape) + 273.15
    rain = generator.exponential(5e-5, air.shape) * (generator.random(air.shape) < 0.5)
    shortwave = np.clip(200 + 1.5 * np.abs(latitude) * season, 2, 400)
    values = (air, rain, shortwave, 0.8 * 5.67e-8 * air**4)
    names = (*REQUIRED, LONGWAVE)
    return {n: v.astype(np.float32) for n, v in zip(names, values, strict=True)}


def build_model(n_cells: int) -> ProcessModel:
    """Loam with a mixture of all wetlands, and traits that change nothing."""
    parameters = read_parameters()
    share = np.full(n_cells, 0.2)
    weights = np.full((n_cells, len(parameters.classes)), 1 / len(parameters.classes))
    land = build_land(sand=2 * share, clay=share, class_weights=weights)
    one = np.ones(n_cells)
    traits = Traits(substrate=one, plants=one, water_table=0 * one, q10=one, activity=one)
    return ProcessModel(land, traits, parameters)


def simulate_batch(first: int, n_cells: int) -> tuple[float, float]:
    """Seconds and mean emission of one year of a batch, drivers not counted."""
    drivers, model = make_drivers(first, n_cells), build_model(n_cells)
    state = model.initial_state(drivers)
    began = time.perf_counter()
    found = model.simulate(drivers, state=state)
    return time.perf_counter() - began, float(found.emission.mean())


def measure_year(n_cells: int, n_processes: int) -> dict[str, float]:
    """Wall and summed seconds of a year of all cells."""
    starts = list(range(0, n_cells, BATCH))
    sizes = [min(BATCH, n_cells - start) for start in starts]
    with ProcessPoolExecutor(n_processes) as pool:
        list(pool.map(simulate_batch, [0] * n_processes, [8] * n_processes))  # start and import
        began = time.perf_counter()
        found = list(pool.map(simulate_batch, starts, sizes))
        wall = time.perf_counter() - began
    return {"seconds": wall, "busy": sum(seconds for seconds, _ in found)}


def measure_memory(n_batches: int) -> dict[str, float]:
    """Peak memory of a process that simulates so many batches one after another, MiB."""
    for number in range(n_batches):
        simulate_batch(number * BATCH, BATCH)
    return {"peak_mib": read_peak_mib()}


def measure_loop() -> dict[str, float]:
    """Seconds a cell of a plain loop over cells, each simulated alone."""
    found = [simulate_batch(number * 1000, 1)[0] for number in range(N_LOOP)]
    return {"seconds_per_cell": float(np.median(found))}


def measure_reading(n_cells: int) -> dict[str, float]:
    """Seconds to read the drivers of as many cells, in batches, from a store as the run has."""
    folder = Path(tempfile.mkdtemp(prefix="chamnet_simulation_"))
    try:
        drivers = make_drivers(0, n_cells)
        data = xr.Dataset({name: (("cell", "time"), v) for name, v in drivers.items()})
        manifest = write_store(data, folder / "drivers.zarr", digest="b", chunks={"cell": BATCH})
        began = time.perf_counter()
        with open_store(manifest) as store:
            for start in range(0, n_cells, BATCH):
                store.isel(cell=slice(start, start + BATCH)).load()
        return {"seconds": time.perf_counter() - began}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Measure each part in a process of its own, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{N_QUICK} cells, scaled up")
    parser.add_argument("--part", metavar="NAME", help=argparse.SUPPRESS)
    options = parser.parse_args()
    n_cells = N_QUICK if options.quick else N_CELLS
    parts = {
        "year": lambda: measure_year(n_cells, 2),
        "memory_small": lambda: measure_memory(2 if options.quick else MEMORY_SMALL),
        "memory_large": lambda: measure_memory(4 if options.quick else MEMORY_LARGE),
        "loop": measure_loop,
        "reading": lambda: measure_reading(n_cells),
    }
    if options.part:
        logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
        print(json.dumps(parts[options.part]()))
        return
    quick = ["--quick"] if options.quick else []
    found = {name: run_part(__file__, *quick, "--part", name) for name in parts}
    full = N_CELLS / n_cells
    seconds = found["year"]["seconds"] * full
    per_cell = found["year"]["busy"] / n_cells
    rows = [
        build_row(f"{N_CELLS} cells, 1 year, 2 processes", seconds, "s", at_most=60),
        build_row("the same, one process", found["year"]["busy"] * full, "s"),
        build_row(
            "a loop over cells takes longer by", found["loop"]["seconds_per_cell"] / per_cell, "1"
        ),
        build_row("reading the drivers, cached", found["reading"]["seconds"] * full, "s"),
        build_row(
            "one process to reading", found["year"]["busy"] / found["reading"]["seconds"], "1"
        ),
        build_row("memory of few batches", found["memory_small"]["peak_mib"], "MiB"),
        build_row(
            "more of it for 4 times (quick: 2) as many",
            found["memory_large"]["peak_mib"] - found["memory_small"]["peak_mib"],
            "MiB",
            at_most=50,
        ),
    ]
    sizes = {"n_cells": n_cells, "n_days": N_DAYS, "cells_per_batch": BATCH}
    write_benchmark("simulation", rows, synthetic=True, **sizes)


if __name__ == "__main__":
    main()
