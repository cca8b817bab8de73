"""Speed and memory of inference, against other ways to run the same network.

    python benchmarks/inference.py [--quick] [--device cuda] [--cells N] [--seconds S]

On generated drivers (random numbers, 8 drivers, 2 years) and untrained members of the default size:
(a) predict_year and embed_year from disk to disk; (b) the network alone on data in memory; (c)
reading and writing alone; (d) a plain loop over cells; (e) xarray.apply_ufunc over dask chunks; (f)
xbatcher; (g) a forest of 500 trees; then cost and memory with more cells and years, 4 years of the
reference size, and what the machine could do at best. Each part runs in a process of its own, with
the same number of threads and files that are not in memory. What is compared is measured in turns,
`--rounds` times, and the quickest counts. Speeds are per member-cell-day: days x cells x members
over seconds.

Figures of a part are kept as soon as it ends; a call that was stopped goes on, and the generated
world is removed at the end. (f) needs: pip install -e ".[bench]"
"""

import argparse
import functools
import json
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from _bench import OUT, read_peak_mib, run_part, write_benchmark
from _inference_rivals import (
    measure_apply_ufunc,
    measure_forest,
    measure_loop,
    measure_xbatcher,
    time_of,
)
from _inference_rows import PRECISIONS, build_rows, scaling_of
from _inference_scaling import (
    SIZES,
    measure_floor,
    measure_reference,
    measure_scaling,
    plot_cost,
)
from _inference_world import YEARS, Setting, make_world

FULL = {
    "n_cells": 61440,
    "n_rivals": 61440,
    "n_members": 5,
    "n_loop": 96,
    "n_forest": 96,
}  # of 0.5 degree
QUICK = {"n_cells": 4096, "n_rivals": 4096, "n_members": 2, "n_loop": 24, "n_forest": 12}
N_TIMES = 4  # the network alone runs over one shard's batches
WORK = OUT / "inference"


def main() -> None:
    """Run the parts that are left and write benchmarks/out/inference.json."""
    options = read_options()
    if options.part:
        part = PARTS[options.part]
        found = part(Setting(options)) | {"peak_mib": read_peak_mib()}
        print(json.dumps(found | {"load": os.getloadavg()[0]}))
        return
    sizes = dict(QUICK if options.quick else FULL)
    sizes["n_cells"] = options.cells or sizes["n_cells"]
    sizes["n_rivals"] = min(options.rivals or sizes["n_cells"], sizes["n_cells"])
    found = run_parts(options, sizes)
    if found is None:
        print("stopped; the same command goes on")
        return
    rows = build_rows(found, device=options.device, clock=options.clock)
    names = ("threads", "rounds", "clock", "device", "quick")
    about = {name: getattr(options, name) for name in names}
    write_benchmark("inference", rows, **about, **sizes)
    print(f"written: {plot_cost(scaling_of(found), clock=options.clock)}")
    shutil.rmtree(WORK)


def run_parts(options: argparse.Namespace, sizes: dict[str, int]) -> dict | None:
    """Figures of every part, of its quickest turn; None if time was up before each had one."""
    setting = [f"--folder={WORK / 'world'}"]
    setting += [f"--{name}={getattr(options, name)}" for name in ("threads", "clock", "device")]
    setting += [f"--{name.replace('_', '-')}={size}" for name, size in sizes.items()]
    turns, began = {}, time.monotonic()
    for part, precision, turn in plan_parts(options.rounds, device=options.device):
        name = "_".join([part.replace(" ", "_"), precision, str(turn), *map(str, sizes.values())])
        kept = WORK / f"{name}.json"
        if not kept.exists():
            if time.monotonic() - began > options.seconds:
                if turn == 0:
                    return None
                break
            done = run_part(__file__, f"--part={part}", f"--precision={precision}", *setting)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(done))
            print(name, done, flush=True)
        turns.setdefault((part, precision), []).append(json.loads(kept.read_text()))
    return {
        key: min(runs, key=lambda run: run.get(options.clock, 0))
        | {"peak_mib": max(run["peak_mib"] for run in runs)}
        for key, runs in turns.items()
    }


def plan_parts(rounds: int, *, device: str) -> Iterator[tuple[str, str, int]]:
    """Part, precision and turn of each run: all parts once, then what is compared again.

    A GPU has one precision (docs/inference.md).
    """
    both = PRECISIONS if device == "cpu" else PRECISIONS[:1]
    for turn in range(rounds):
        for part in COMPARED if turn else PARTS:
            if part == "error" and len(both) == 1:
                continue
            for precision in both if part in HAVE_PRECISION else PRECISIONS[:1]:
                yield part, precision, turn


def read_options() -> argparse.Namespace:
    """Options of the command line; those of a part are given by the command itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, a few minutes")
    parser.add_argument("--cells", type=int, help="cells, whole shards of 2048")
    parser.add_argument("--rivals", type=int, help="cells of (e) and (f); all")
    parser.add_argument("--seconds", type=float, default=np.inf, help="begin no part after so many")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--threads", type=int, default=cores, help="of each way; all cores")
    parser.add_argument("--rounds", type=int, default=2, help="turns of what is compared")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument(
        "--clock",
        choices=["wall", "processor"],
        default="wall",
        help="seconds of which speeds are made; processor: on a machine that others load too",
    )
    for name in ("part", "folder"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    parser.add_argument("--precision", default="float32", help=argparse.SUPPRESS)
    for name in FULL:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def measure_pipeline(setting: Setting) -> dict:
    """(a) predict_year, from disk to disk."""
    store = setting.folder / "fluxes" / f"{setting.options.precision}.zarr"
    setting.prepare()
    return time_of(lambda: setting.predict(store)) | {"work": setting.n_member_cell_days}


def measure_embedding(setting: Setting) -> dict:
    """embed_year, from disk to disk."""
    setting.prepare()
    seconds = time_of(lambda: setting.embed(YEARS[0], digest=f"again {time.time_ns()}"))
    return seconds | {"work": setting.options.n_cells * 365 * setting.options.n_members}


def measure_network(setting: Setting) -> dict:
    """(b) The members on batches of one shard that is in memory, no monthly means."""
    import torch

    setting.prepare()
    inputs, members, batcher = setting.inputs()
    shard = inputs.drivers.shards[0]
    drivers, attributes, context, _ = inputs.read(shard)
    e, s = (x.swapaxes(0, 1).astype(np.float32) for x in (context.embeddings, context.seasons))
    batches = zip(
        *(
            torch.from_numpy(np.ascontiguousarray(x)).to(batcher.device).split(
                batcher.cells_per_batch
            )
            for x in (np.stack(drivers, -1), attributes, e, s, context.mask)
        ),
        strict=True,
    )  # fmt: skip
    batches, device = list(batches) * N_TIMES, batcher.device.type

    def run_batch(batch: tuple[Any, ...]) -> None:
        x, a, e, s, mask = batch
        with torch.inference_mode():
            for m, member in enumerate(members.values()):
                member.predict(x, a, e[:, m], s[:, m], mask)

    def run() -> None:
        threads = setting.options.threads if device == "cpu" else 1
        alone = {"initializer": torch.set_num_threads, "initargs": (1,)}
        with ThreadPoolExecutor(threads, **alone) as pool:
            list(pool.map(run_batch, batches))

    return time_of(run) | {"work": N_TIMES * shard.n_cells * 366 * len(members)}


def measure_disk(setting: Setting) -> dict:
    """(c) Reading drivers and contexts, and writing fluxes, of the pipeline, alone."""
    from chamnet.inference import ensemble, predict

    def give_zeros(inputs: Any, data: Any, members: dict, batcher: Any, *, daily: bool) -> Any:
        zeros = np.zeros((len(data[1]), len(members), 12), np.float32)
        return ensemble.build_regions((zeros,)), 0

    setting.prepare()
    predict.predict_cells = give_zeros
    seconds = time_of(lambda: setting.predict(setting.folder / "fluxes" / "zeros.zarr"))
    return seconds | {"work": setting.n_member_cell_days}


def measure_error(setting: Setting) -> dict:
    """Relative L2 error of the bfloat16 fluxes, and of their sum, the budget, a member at worst."""
    from chamnet.data.store import open_store

    full, half = (
        open_store(setting.folder / "fluxes" / f"{precision}.json")["flux"].values.astype(float)
        for precision in PRECISIONS
    )
    error = np.sqrt(((half - full) ** 2).sum() / (full**2).sum())
    budgets = half.sum((1, 2)) / full.sum((1, 2)) - 1
    return {"l2": float(error), "budget": float(abs(budgets).max())}


PARTS = {
    "world": make_world,
    "pipeline": measure_pipeline,
    "embedding": measure_embedding,
    "network": measure_network,
    "disk": measure_disk,
    "loop": measure_loop,
    "apply_ufunc": measure_apply_ufunc,
    "xbatcher": measure_xbatcher,
    "forest": measure_forest,
    "error": measure_error,
    "floor": measure_floor,
    "reference": measure_reference,
    **{
        name: functools.partial(measure_scaling, n_cells=n_cells, n_years=n_years)
        for name, (n_cells, n_years) in SIZES.items()
    },
}
COMPARED = ("pipeline", "network", "disk", "loop", "apply_ufunc", "xbatcher", "forest", *SIZES)
HAVE_PRECISION = ("reference", "pipeline", "network", "apply_ufunc", "xbatcher")


if __name__ == "__main__":
    main()
