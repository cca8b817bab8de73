"""What inference costs with more cells and years, and what the machine could do at best."""

import argparse
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _bench import OUT
from _inference_rivals import time_of
from _inference_world import CELLS_PER_SHARD as SHARD_OF_WORLD
from _inference_world import Setting, driver_names, write_world

CELLS_PER_SHARD = 512
SIZES = {  # cells, years
    "1x cells": (2048, 1),
    "4x cells": (8192, 1),
    "16x cells": (32768, 1),
    "2 years": (8192, 2),
    "4 years": (8192, 4),
    "8 years": (8192, 8),
}
SERIES = {
    "n_cells": ("1x cells", "4x cells", "16x cells"),
    "n_years": ("4x cells", "2 years", "4 years", "8 years"),
}
N_REPEATS = 2  # of a size; the quicker counts
FIRST_YEAR = 2011
N_CONTEXT_YEARS = 2  # before each predicted year, the first too, as in a run
REFERENCE = {"cells": 62_000, "years": 40, "members": 5}
REFERENCE_YEARS = range(2011, 2015)  # that are measured of it
MOST_REFERENCE_CELLS = {"cpu": 4096, "cuda": REFERENCE["cells"]}
MATRIX_SIZE = {"cpu": 2048, "cuda": 8192}


def measure_scaling(setting: Setting, *, n_cells: int, n_years: int) -> dict:
    """Embedding and predicting every year of a world of its own, by one member."""
    folder = setting.folder / "scaling"
    options = vars(setting.options) | {"folder": folder, "n_cells": n_cells, "n_members": 1}
    world = Setting(argparse.Namespace(**options))
    years = range(FIRST_YEAR, FIRST_YEAR + n_years)
    shutil.rmtree(folder, ignore_errors=True)
    write_years(world, years, cells_per_shard=CELLS_PER_SHARD)
    runs = []
    for _ in range(N_REPEATS):
        world.forget()
        runs.append(time_of(lambda: list(run_years(world, years))))
    shutil.rmtree(folder)
    quickest = {clock: min(run[clock] for run in runs) for clock in runs[0]}
    return quickest | {"n_cells": n_cells, "n_years": n_years}


def write_years(world: Setting, years: range, *, cells_per_shard: int) -> None:
    """Drivers of years and of those before, the latter embedded: each has as much context."""
    earlier = range(years[0] - N_CONTEXT_YEARS, years[0])
    write_world(world, years=[*earlier, *years], cells_per_shard=cells_per_shard)
    for year in earlier:
        world.embed(year, digest="before")


def run_years(world: Setting, years: Sequence[int]) -> Iterator[int]:
    """Embed and predict years, one after the other, as if nothing of them was there."""
    for year in years:
        world.embed(year, digest=f"again {time.time_ns()}")
        read = range(year - N_CONTEXT_YEARS, year + 1)
        world.predict(world.folder / "fluxes" / f"{year}.zarr", years=read)
        yield year


def measure_reference(setting: Setting) -> dict:
    """Every member on 4 years; seconds of the reference size by the line fitted to them.

    On a CPU fewer cells are taken, and the line goes by cells too. The drivers are left for the
    other precision.
    """
    setting.prepare()
    folder, options, years = setting.folder / "reference", vars(setting.options), REFERENCE_YEARS
    n_cells = min(options["n_cells"], MOST_REFERENCE_CELLS[options["device"]])
    world = Setting(argparse.Namespace(**(options | {"folder": folder, "n_cells": n_cells})))
    write_years(world, years, cells_per_shard=SHARD_OF_WORLD)
    world.forget()
    stages, seconds = run_years(world, years), [{"wall": 0.0, "processor": 0.0}]
    for _ in years:
        more = time_of(lambda: next(stages))
        seconds.append({clock: seconds[-1][clock] + more[clock] for clock in more})
    times = REFERENCE["cells"] / n_cells * REFERENCE["members"] / options["n_members"]
    found = {"seconds": seconds, "cells": n_cells}
    for clock in seconds[0]:
        slope, start = np.polyfit(range(len(seconds)), [s[clock] for s in seconds], 1)
        found[clock] = start + slope * times * REFERENCE["years"]
    return found


def measure_floor(setting: Setting) -> dict:
    """Operations and bytes of the reference size over the machine's rates, in seconds."""
    import torch

    _, _, batcher = setting.inputs()
    torch.set_num_threads(setting.options.threads)
    n_cell_days = REFERENCE["cells"] * REFERENCE["years"] * 365
    n_bytes = n_cell_days * len(driver_names()) * 4 * 2  # read to embed and to predict
    embedding, prediction = _operations_of_a_day(setting)
    n_operations = n_cell_days * REFERENCE["members"] * (embedding + prediction)
    found = {
        "operations": n_operations,
        "operations of a predicted day": prediction,
        "bytes": n_bytes,
        "read rate": _read_rate(setting.folder),
    }
    found["seconds of reading"] = n_bytes / found["read rate"]
    for name in ("float32", "bfloat16"):
        rate = _matrix_rate(getattr(torch, name), batcher.device, clock=setting.options.clock)
        found |= {f"{name} rate": rate, f"seconds of {name}": n_operations / rate}
    return found


def _operations_of_a_day(setting: Setting) -> tuple[float, float]:
    """Multiplications and additions of one member to embed, and to predict, a day of a cell."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    inputs, members, _ = setting.inputs()
    drivers, attributes, *_ = inputs.read(inputs.drivers.shards[0])
    x = torch.from_numpy(np.stack([driver[:8] for driver in drivers], -1))
    a = torch.from_numpy(attributes[:8])
    member = next(iter(members.values())).cpu()
    embedding, season = member.encode_year(x)
    context = (embedding[:, None], season[:, None], torch.ones(len(x), 1, dtype=torch.bool))
    n_recurrent = []

    def count(layer: Any, arguments: tuple, _: Any) -> None:
        n_steps, n_in = arguments[0].shape[0] * arguments[0].shape[1], arguments[0].shape[2]
        n_ways = 1 + layer.bidirectional
        gates = 4 * layer.hidden_size
        n_recurrent.append(2 * n_steps * n_ways * gates * (n_in + layer.hidden_size))

    for module in member.modules():
        if isinstance(module, torch.nn.LSTM):
            module.register_forward_hook(count)
    counts = []
    for run in (lambda: member.encode_year(x), lambda: member.predict(x, a, *context)):
        n_recurrent.clear()
        with FlopCounterMode(display=False) as counter:
            run()
        counts.append((counter.get_total_flops() + sum(n_recurrent)) / x[..., 0].numel())
    return counts[0], counts[1]


def _matrix_rate(dtype: Any, device: Any, *, clock: str) -> float:
    """Operations a second of a large product of matrices."""
    import torch

    size = MATRIX_SIZE[device.type]
    one = torch.ones(size, size, dtype=dtype, device=device)
    return 2 * size**3 / min(time_of(lambda: one @ one)[clock] for _ in range(8))


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
    for axis, (size, names) in zip(axes, SERIES.items(), strict=True):
        x, y = ([runs[name][key] for name in names] for key in (size, clock))
        axis.loglog(x, y, "o-")
        axis.set(xlabel=size.removeprefix("n_"), ylabel=f"seconds ({clock})")
        axis.set_title(f"slope {fit_slope(x, y):.2f}")
        axis.set_xticks(x, map(str, x))
        axis.set_yticks(y, [f"{seconds:.3g}" for seconds in y])
        axis.minorticks_off()
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / "inference_cost.png"
    figure.savefig(path, dpi=110)
    return path
