"""Speed and memory of inference, against other ways to run the same network.

    python benchmarks/inference.py [--quick] [--cells N] [--seconds S]

On generated drivers (random numbers, the 7 drivers that chamnet knows, 2 years) and untrained
members of the default size: (a) predict_year and embed_year from disk to disk; (b) the network
alone on data in memory; (c) reading and writing alone; (d) a plain loop over cells;
(e) xarray.apply_ufunc over dask chunks; (f) xbatcher; (g) a forest of 500 trees; then cost and
memory with more cells and years, and what the machine could do at best. Each part runs in a
process of its own with the same number of threads. Speeds are per member-cell-day: days x cells x
members over seconds.

Figures of a part are kept as soon as it ends; a call that was stopped goes on, and the generated
world is removed at the end. (f) needs: pip install -e ".[bench]"
"""

import argparse
import functools
import json
import os
import shutil
import time
from typing import Any

import numpy as np
from _bench import OUT, build_row, read_peak_mib, run_part, write_benchmark
from _inference_rivals import (
    measure_apply_ufunc,
    measure_forest,
    measure_loop,
    measure_xbatcher,
    time_of,
)
from _inference_scaling import SIZES, fit_slope, measure_floor, measure_scaling, plot_cost
from _inference_world import YEARS, Setting, make_world

PRECISIONS = ("float32", "bfloat16")
FULL = {"n_cells": 61440, "n_members": 5, "n_loop": 48, "n_forest": 24}  # of 0.5 degree
QUICK = {"n_cells": 4096, "n_members": 2, "n_loop": 12, "n_forest": 3}
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
    found = run_parts(options, sizes)
    if found is None:
        print("stopped; the same command goes on")
        return
    rows = build_rows(found, clock=options.clock)
    about = {"threads": options.threads, "clock": options.clock, "quick": options.quick}
    write_benchmark("inference", rows, **about, **sizes)
    print(f"written: {plot_cost(scaling_of(found), clock=options.clock)}")
    shutil.rmtree(WORK)


def run_parts(options: argparse.Namespace, sizes: dict[str, int]) -> dict | None:
    """Figures of every part and precision; None if time was up before."""
    setting = [f"--folder={WORK / 'world'}", f"--threads={options.threads}"]
    setting += [f"--{name.replace('_', '-')}={size}" for name, size in sizes.items()]
    found, began = {}, time.monotonic()
    for part in PARTS:
        for precision in PRECISIONS if part in HAVE_PRECISION else PRECISIONS[:1]:
            name = "_".join([part.replace(" ", "_"), precision, *map(str, sizes.values())])
            kept = WORK / f"{name}.json"
            if not kept.exists():
                if time.monotonic() - began > options.seconds:
                    return None
                done = run_part(__file__, f"--part={part}", f"--precision={precision}", *setting)
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_text(json.dumps(done))
                print(name, done, flush=True)
            found[part, precision] = json.loads(kept.read_text())
    return found


def read_options() -> argparse.Namespace:
    """Options of the command line; those of a part are given by the command itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, a few minutes")
    parser.add_argument("--cells", type=int, help="cells, whole shards of 2048")
    parser.add_argument("--seconds", type=float, default=np.inf, help="begin no part after so many")
    parser.add_argument("--threads", type=int, default=1)
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
    setting.inputs()  # imports are no part of it
    return time_of(lambda: setting.predict(store)) | {"work": setting.n_member_cell_days}


def measure_embedding(setting: Setting) -> dict:
    """embed_year, from disk to disk."""
    setting.inputs()
    seconds = time_of(lambda: setting.embed(YEARS[0], digest=f"again {time.time_ns()}"))
    return seconds | {"work": setting.options.n_cells * 365 * setting.options.n_members}


def measure_network(setting: Setting) -> dict:
    """(b) The members on batches of one shard that is in memory, no monthly means."""
    import torch

    inputs, members, _ = setting.inputs()
    shard = inputs.drivers.shards[0]
    drivers, attributes, context = inputs.read(shard)
    tensors = [
        torch.from_numpy(np.ascontiguousarray(array))
        for array in (
            drivers,
            attributes,
            context.embeddings.swapaxes(0, 1).astype(np.float32),
            context.seasons.swapaxes(0, 1).astype(np.float32),
            context.mask,
        )
    ]

    def run() -> None:
        is_half = setting.options.precision == "bfloat16"
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=is_half):
            for x, a, e, s, mask in zip(*(t.split(64) for t in tensors), strict=True):
                for m, member in enumerate(members.values()):
                    member.predict(x, a, e[:, m], s[:, m], mask)

    return time_of(run) | {"work": shard.n_cells * 366 * len(members)}


def measure_disk(setting: Setting) -> dict:
    """(c) Reading drivers and contexts, and writing fluxes, of the pipeline, alone."""
    from chamnet.inference import ensemble, predict

    def give_zeros(inputs: Any, data: Any, members: dict, batcher: Any, *, daily: bool) -> Any:
        zeros = np.zeros((len(data[0]), len(members), 12), np.float32)
        return ensemble.build_regions((zeros,)), 0

    setting.inputs()
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
    **{
        name: functools.partial(measure_scaling, n_cells=n_cells, n_years=n_years)
        for name, (n_cells, n_years) in SIZES.items()
    },
}
HAVE_PRECISION = ("pipeline", "embedding", "network", "apply_ufunc", "xbatcher")
NAMES = {
    "pipeline": "(a) predict_year",
    "embedding": "(a) embed_year",
    "network": "(b) network alone",
    "disk": "(c) read and write alone",
    "loop": "(d) loop over cells",
    "apply_ufunc": "(e) xarray.apply_ufunc",
    "xbatcher": "(f) xbatcher",
    "forest": "(g) forest of 500 trees",
}


def scaling_of(found: dict[tuple[str, str], dict]) -> dict[str, dict]:
    """Runs with more cells and years, by their names."""
    return {name: found[name, "float32"] for name in SIZES}


def build_rows(found: dict[tuple[str, str], dict], *, clock: str) -> list[dict]:
    """Speeds, memory, and how they compare with the aims."""
    speed = {key: run["work"] / run[clock] / 1e6 for key, run in found.items() if "work" in run}
    unit = f"million member-cell-days/s ({clock})"
    rows = [build_row(f"{NAMES[p]}, {q}: speed", v, unit) for (p, q), v in speed.items()]
    for (part, precision), run in found.items():
        if part in ("pipeline", "apply_ufunc", "xbatcher"):
            most = 2048 if part == "pipeline" else None
            figure = f"{NAMES[part]}, {precision}: peak memory"
            rows.append(build_row(figure, run["peak_mib"], "MiB", at_most=most))
    return rows + build_ratios(speed) + build_limits(found, clock=clock)


def build_ratios(speed: dict[tuple[str, str], float]) -> list[dict]:
    """The pipeline against the other ways."""
    rows = []
    for precision, loop, forest in (("float32", 3, 25), ("bfloat16", 8, 50)):
        a = speed["pipeline", precision]
        for figure, other, aim in (
            ("loop over cells", speed["loop", "float32"], loop),
            ("xarray.apply_ufunc", speed["apply_ufunc", precision], 0.95),
            ("xbatcher", speed["xbatcher", precision], 0.95),
            ("forest", speed["forest", "float32"], forest),
        ):
            name = f"(a), {precision}: times as fast as {figure}"
            rows.append(build_row(name, a / other, "1", at_least=aim))
        slower = min(speed["network", precision], speed["disk", "float32"])
        name = f"(a), {precision}: time over the longer of (b) and (c)"
        rows.append(build_row(name, slower / a, "1", at_most=1.25))
    return rows


def build_limits(found: dict[tuple[str, str], dict], *, clock: str) -> list[dict]:
    """Errors of bfloat16, growth with cells and years, and what the machine could do at best."""
    error, floor, runs = found["error", "float32"], found["floor", "float32"], scaling_of(found)
    rows = [
        build_row("bfloat16: relative L2 error of fluxes", error["l2"], "1", at_most=1e-2),
        build_row("bfloat16: largest error of a budget", error["budget"], "1", at_most=1e-3),
    ]
    for size, names in (
        ("n_cells", ["1x cells", "4x cells", "16x cells"]),
        ("n_years", ["1x cells", "2 years", "4 years", "8 years"]),
    ):
        slope = fit_slope(*([runs[n][key] for n in names] for key in (size, clock)))
        rows.append(build_row(f"slope of cost against {size[2:]}", slope, "1", at_most=1.05))
        for name in names:
            rows.append(build_row(f"peak memory, {name}", runs[name]["peak_mib"], "MiB"))
    for name, unit in (
        ("operations", "1"), ("bytes", "B"), ("read_rate", "B/s"), ("read_s", "s"),
        ("float32_rate", "1/s"), ("float32_s", "s"), ("bfloat16_rate", "1/s"), ("bfloat16_s", "s"),
    ):  # fmt: skip
        rows.append(build_row(f"floor of the reference size: {name}", floor[name], unit))
    return rows


if __name__ == "__main__":
    main()
