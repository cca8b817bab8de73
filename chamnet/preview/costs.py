"""How long a run takes and how much memory: from rates that were measured.

Rates are CPU seconds of the jobs of ``config/real_normals.yaml`` (66,455 cells of 0.5 degree,
one year, 3 drivers, 3 members, 2 targets) on a core on which ``SHORT_TEST_S`` was measured; the
same short test says how much faster or slower this machine is.
"""

import dataclasses
import os
import time

import numpy as np
from threadpoolctl import threadpool_limits

from chamnet.config import Config
from chamnet.simulation.places import YEARS_ALONE

SHORT_TEST_S = 0.085  # CPU seconds of short_test where the rates were measured
DAYS = 365
# CPU seconds, each per what its name says.
CONVERT_S_PER_BYTE = 1 / 160e6
CONVERT_S_PER_VALUE = 3.5 / (66_455 * DAYS * 3)
WETLANDS_S_PER_CELL_MAP = 1.3 / (66_455 * 2)
TRAIN_S_PER_WINDOW = 300 / (1600 * 64)  # a place and year of an episode; the demo's pretraining
SIMULATE_S_PER_CELL_DAY = 42.1 / (62_000 * DAYS)  # of the process model, benchmarks/simulation.py
EMBED_S_PER_CELL_DAY = 10 / (66_455 * DAYS * 3)  # and member
PREDICT_S_PER_CELL_DAY = 34 / (66_455 * DAYS * 3)
INTEGRATE_S_PER_CELL = 0.4 / 66_455
MAPS_S_PER_CELL = 3.3 / 66_455
FIXED_S = {"build_cells": 4, "read_observations": 5, "summarize and report": 30}
START_S = 2.5  # of a job: imports
# Peak memory, MiB: what a job has without data, and what a cell or a shard adds.
BASE_MIB, CELLS_MIB_PER_CELL = 250, 600 / 66_455
DEFAULT_UNITS = 48  # of the decoder, that the rates are of


@dataclasses.dataclass(frozen=True)
class Stage:
    """A stage of the run.

    Attributes
    ----------
    cpu_s : of all its jobs
    peak_mib : of one job
    """

    name: str
    n_jobs: int
    cpu_s: float
    peak_mib: float


def short_test() -> float:
    """CPU seconds of a small piece of arithmetic by one thread, the best of three."""
    values = np.random.default_rng(0).random((256, 256), dtype=np.float32)
    best = np.inf
    with threadpool_limits(1):  # threads that wait for each other count as busy
        for _ in range(3):
            begun = time.process_time()
            for _ in range(300):
                values @ values
            best = min(best, time.process_time() - begun)
    return best


def estimate_stages(
    config: Config, *, n_cells: int, bytes_in: int, slowness: float = 1.0
) -> list[Stage]:
    """Stages with their jobs, time and memory.

    Parameters
    ----------
    n_cells : land cells of the target grid
    bytes_in : of the drivers
    slowness : time of ``short_test`` here, relative to where rates were measured
    """
    n_targets, n_members = len(config.run.targets), config.train.n_members
    years = config.drivers.last_year - config.drivers.first_year + 1 if n_cells else 0
    predicted = config.predict.last_year - config.predict.first_year + 1 if n_cells else 0
    embedded = min(years, predicted + config.predict.n_context_years)
    cell_days = n_cells * DAYS * n_members * n_targets * config.model.n_hidden / DEFAULT_UNITS
    values = n_cells * DAYS * len(config.drivers.names)
    n_maps = len(config.wetlands.sources)
    drivers_mib = BASE_MIB + 1024 * config.drivers.memory_gb
    network_mib = 400 + config.drivers.cells_per_shard * DAYS * 4 * 8 * n_members / 2**20
    cells_mib = BASE_MIB + CELLS_MIB_PER_CELL * n_cells
    fixed = FIXED_S
    stages = [
        ("build_cells", min(years, 1), fixed["build_cells"], cells_mib),
        (
            *("convert_drivers", years),
            bytes_in * CONVERT_S_PER_BYTE + years * values * CONVERT_S_PER_VALUE,
            drivers_mib,
        ),
        (
            *("convert_wetlands", predicted),
            predicted * n_maps * n_cells * WETLANDS_S_PER_CELL_MAP,
            cells_mib,
        ),
        ("read_observations", n_targets, fixed["read_observations"] * n_targets, 2 * BASE_MIB),
        *_training_stages(config, years),
        (
            *("simulate_prior_of_cells", n_targets if _reads_prior(config) and years else 0),
            n_targets * (years + YEARS_ALONE) * n_cells * DAYS * SIMULATE_S_PER_CELL_DAY,
            BASE_MIB + config.drivers.cells_per_shard * years * DAYS * 4 * 12 / 2**20,
        ),
        ("embed_year", n_targets * embedded, embedded * cell_days * EMBED_S_PER_CELL_DAY,
         network_mib),
        ("predict_year", n_targets * predicted, predicted * cell_days * PREDICT_S_PER_CELL_DAY,
         network_mib),
        ("integrate_year", n_targets * predicted,
         n_targets * predicted * n_cells * INTEGRATE_S_PER_CELL, BASE_MIB),
        ("publish_maps", min(years, 1), predicted * n_cells * MAPS_S_PER_CELL, cells_mib),
        ("summarize and report", 12 if years else 0, fixed["summarize and report"], cells_mib),
    ]  # fmt: skip
    return [
        Stage(name, n_jobs, slowness * (cpu_s + START_S * n_jobs), peak_mib)
        for name, n_jobs, cpu_s, peak_mib in stages
        if n_jobs
    ]


def _training_stages(config: Config, years: int) -> list[tuple[str, int, float, float]]:
    """Name, jobs, seconds and memory of what makes the networks."""
    n_targets = len(config.run.targets)
    n_pretrained = n_targets if config.pretrain.n_steps else 0
    n_members = n_targets * config.train.n_members
    simulated_days = config.simulate.n_places * (years + YEARS_ALONE) * DAYS
    first, then = (
        options.n_steps * options.batch_places * TRAIN_S_PER_WINDOW
        for options in (config.pretrain, config.train)
    )
    return [
        (
            *("simulate_places", n_pretrained),
            n_pretrained * simulated_days * SIMULATE_S_PER_CELL_DAY,
            3 * BASE_MIB,
        ),
        ("pretrain", n_pretrained, n_pretrained * first, 6 * BASE_MIB),
        ("train_member", n_members, n_members * then, 700),
    ]


def _reads_prior(config: Config) -> bool:
    return config.predict.mode == "prior"


def estimate_bytes_out(config: Config, *, n_cells: int) -> int:
    """Bytes of the run's stores, uncompressed."""
    if not n_cells:
        return 0
    years = config.drivers.last_year - config.drivers.first_year + 1
    predicted = config.predict.last_year - config.predict.first_year + 1
    n_fluxes = len(config.run.targets) * config.train.n_members
    n_priors = len(config.run.targets) if _reads_prior(config) else 0
    drivers = years * DAYS * (len(config.drivers.names) + n_priors) * 4
    contexts = years * n_fluxes * 2 * (config.model.n_embedding + 12 * config.model.n_season)
    fluxes = predicted * 12 * n_fluxes * 4
    wetlands = predicted * 12 * 2 * len(config.wetlands.sources) * 4
    maps = predicted * 12 * 4 * (4 + 8 * max(1, len(config.wetlands.sources)))
    return n_cells * (drivers + contexts + fluxes + wetlands + maps)


def count_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
