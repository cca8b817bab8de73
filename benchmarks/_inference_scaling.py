"""What inference costs with more cells and years, and what the machine could do at best."""

import argparse
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from _bench import OUT
from _inference_rivals import time_of
from _inference_world import Setting, driver_names, write_world

CELLS_PER_SHARD = 512
SIZES = {  # cells, years
    "1x cells": (1536, 1),
    "4x cells": (6144, 1),
    "16x cells": (24576, 1),
    "2 years": (1536, 2),
    "4 years": (1536, 4),
    "8 years": (1536, 8),
}
FIRST_YEAR = 2011
N_CONTEXT_YEARS = 4
REFERENCE = {"cells": 62_000, "years": 40, "members": 5}


def measure_scaling(setting: Setting, *, n_cells: int, n_years: int) -> dict:
    """Embedding and predicting every year of a world of its own, by one member."""
    folder = setting.folder / "scaling"
    options = vars(setting.options) | {"folder": folder, "n_cells": n_cells, "n_members": 1}
    world = Setting(argparse.Namespace(**options))
    years = list(range(FIRST_YEAR, FIRST_YEAR + n_years))
    shutil.rmtree(folder, ignore_errors=True)
    write_world(world, years=years, cells_per_shard=CELLS_PER_SHARD)

    def run() -> None:
        for i, year in enumerate(years):
            world.embed(year, digest="scaling")
            read = years[max(0, i - N_CONTEXT_YEARS) : i + 1]
            world.predict(folder / "fluxes" / f"{year}.zarr", years=read)

    seconds = time_of(run)
    shutil.rmtree(folder)
    return seconds | {"n_cells": n_cells, "n_years": n_years}


def measure_floor(setting: Setting) -> dict:
    """Operations and bytes of the reference size over the machine's rates, in seconds."""
    import torch

    torch.set_num_threads(setting.options.threads)
    n_cell_days = REFERENCE["cells"] * REFERENCE["years"] * 365
    n_bytes = n_cell_days * len(driver_names()) * 4 * 2  # read to embed and to predict
    n_operations = n_cell_days * REFERENCE["members"] * _operations_of_a_day(setting)
    rates = {name: _matrix_rate(getattr(torch, name)) for name in ("float32", "bfloat16")}
    read_rate = _read_rate(setting.folder)
    return {
        "operations": n_operations,
        "bytes": n_bytes,
        "read_rate": read_rate,
        "read_s": n_bytes / read_rate,
        **{f"{name}_rate": rate for name, rate in rates.items()},
        **{f"{name}_s": n_operations / rate for name, rate in rates.items()},
    }


def _operations_of_a_day(setting: Setting) -> float:
    """Multiplications and additions of one member for a day of a cell, both stages."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    inputs, members, _ = setting.inputs()
    drivers, attributes, _ = inputs.read(inputs.drivers.shards[0])
    x, a = torch.from_numpy(drivers[:8].copy()), torch.from_numpy(attributes[:8])
    member = next(iter(members.values()))
    n_recurrent = []

    def count(layer: Any, arguments: tuple, _: Any) -> None:
        n_steps, n_in = arguments[0].shape[0] * arguments[0].shape[1], arguments[0].shape[2]
        n_ways = 1 + layer.bidirectional
        gates = 4 * layer.hidden_size
        n_recurrent.append(2 * n_steps * n_ways * gates * (n_in + layer.hidden_size))

    for module in member.modules():
        if isinstance(module, torch.nn.LSTM):
            module.register_forward_hook(count)
    with FlopCounterMode(display=False) as counter:
        embedding, season = member.encode_year(x)
        there = torch.ones(8, 1, dtype=torch.bool)
        member.predict(x, a, embedding[:, None], season[:, None], there)
    return (counter.get_total_flops() + sum(n_recurrent)) / (8 * drivers.shape[1])


def _matrix_rate(dtype: Any) -> float:
    """Operations a second of a large product of matrices, by processor time."""
    import torch

    size, best = 1024, np.inf
    one = torch.ones(size, size, dtype=dtype)
    for _ in range(8):
        began = time.process_time()
        one @ one
        best = min(best, time.process_time() - began)
    return 2 * size**3 / best


def _read_rate(folder: Path, *, n_bytes: int = 2**28) -> float:
    """Bytes a second of a file that is not in memory."""
    path = folder / "disk.bin"
    path.write_bytes(os.urandom(n_bytes))
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        began = time.perf_counter()
        while file.read(2**22):
            pass
        seconds = time.perf_counter() - began
    path.unlink()
    return n_bytes / seconds


def fit_slope(sizes: list[float], seconds: list[float]) -> float:
    """Exponent of cost against size once the cost of starting is taken off; 1 is linear."""
    columns = np.stack([np.ones(len(sizes)), sizes], 1)
    start = np.linalg.lstsq(columns, np.asarray(seconds), rcond=None)[0][0]
    growing = np.maximum(np.subtract(seconds, start), 1e-9)
    return float(np.polyfit(np.log(sizes), np.log(growing), 1)[0])


def plot_cost(runs: dict[str, dict], *, clock: str) -> Path:
    """Figure of seconds against cells and years, with fitted slopes."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    for axis, size, names in (
        (axes[0], "n_cells", ["1x cells", "4x cells", "16x cells"]),
        (axes[1], "n_years", ["1x cells", "2 years", "4 years", "8 years"]),
    ):
        x, y = ([runs[name][key] for name in names] for key in (size, clock))
        axis.loglog(x, y, "o-")
        axis.set(xlabel=size.removeprefix("n_"), ylabel=f"seconds ({clock})")
        axis.set_title(f"slope {fit_slope(x, y):.2f}")
        axis.set_xticks(x, map(str, x))
        axis.minorticks_off()
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / "inference_cost.png"
    figure.savefig(path, dpi=110)
    return path
