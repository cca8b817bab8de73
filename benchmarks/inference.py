"""Speed and memory of inference, against other ways to run the same network.

    python benchmarks/inference.py [--quick]

On generated drivers (random numbers, of 7 drivers) and untrained members of the default size:
predict_year and embed_year from disk to disk; the network alone on data in memory; reading and
writing alone; a plain loop over cells; xarray.apply_ufunc over dask chunks; a forest of 500
trees. Each part runs in a process of its own with the same number of threads. Speeds are per
member-cell-day: days x cells x members over seconds.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from _bench import build_row, read_peak_mib, run_part, write_benchmark
from _inference_world import CELLS_PER_SHARD, YEARS, Setting, make_world

PRECISIONS = ("float32", "bfloat16")
FULL = {"n_cells": 16384, "n_members": 5, "n_loop": 48, "n_forest": 24}
QUICK = {"n_cells": 2048, "n_members": 2, "n_loop": 12, "n_forest": 3}


def main() -> None:
    """Run every part and write benchmarks/out/inference.json."""
    options = read_options()
    if options.part:
        part = PARTS[options.part]
        print(json.dumps(part(Setting(options)) | {"peak_mib": read_peak_mib()}))
        return
    sizes = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory() as folder:
        setting = [f"--folder={folder}", f"--threads={options.threads}"]
        setting += [f"--{name.replace('_', '-')}={size}" for name, size in sizes.items()]
        run_part(__file__, "--part=world", *setting)
        found = {}
        for part in [name for name in PARTS if name != "world"]:
            for precision in PRECISIONS if part in HAVE_PRECISION else PRECISIONS[:1]:
                arguments = [f"--part={part}", f"--precision={precision}", *setting]
                found[part, precision] = run_part(__file__, *arguments)
    rows = build_rows(found, clock=options.clock)
    about = {"threads": options.threads, "clock": options.clock, "quick": options.quick}
    write_benchmark("inference", rows, **about, **sizes)


def read_options() -> argparse.Namespace:
    """Options of the command line; those of a part are given by the command itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, under a minute")
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


def time_of(function: Callable[[], Any]) -> dict[str, float]:
    """Wall and processor seconds of a call."""
    wall, processor = time.perf_counter(), time.process_time()
    function()
    return {
        "wall": time.perf_counter() - wall,
        "processor": time.process_time() - processor,
    }


def measure_pipeline(setting: Setting) -> dict:
    """(a) predict_year, from disk to disk."""
    store = setting.folder / "fluxes" / f"{setting.options.precision}.zarr"
    setting.inputs()  # imports are no part of it
    return time_of(lambda: setting.predict(store)) | {"work": setting.n_member_cell_days}


def measure_embedding(setting: Setting) -> dict:
    """embed_year, from disk to disk."""
    setting.inputs()
    seconds = time_of(lambda: setting.embed(YEARS[0], digest=f"again {setting.options.precision}"))
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


def measure_loop(setting: Setting) -> dict:
    """(d) One cell at a time, one member at a time."""
    import torch

    from chamnet.inference.ensemble import mean_by_month
    from chamnet.timeaxis import month_lengths

    inputs, members, _ = setting.inputs()
    drivers, attributes, context = inputs.read(inputs.drivers.shards[0])
    lengths = month_lengths(setting.target_year)
    n_cells = setting.options.n_loop

    def run() -> None:
        is_half = setting.options.precision == "bfloat16"
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=is_half):
            for cell in range(n_cells):
                for m, member in enumerate(members.values()):
                    flux = member.predict(
                        torch.from_numpy(drivers[cell : cell + 1]),
                        torch.from_numpy(attributes[cell : cell + 1]),
                        torch.from_numpy(context.embeddings[m, cell : cell + 1]).float(),
                        torch.from_numpy(context.seasons[m, cell : cell + 1]).float(),
                        torch.from_numpy(context.mask[cell : cell + 1]),
                    )
                    mean_by_month(flux, lengths)

    return time_of(run) | {"work": n_cells * 366 * len(members)}


def measure_apply_ufunc(setting: Setting) -> dict:
    """(e) xarray.apply_ufunc over dask chunks of a shard, in batches of the same size."""
    import torch
    import xarray as xr

    from chamnet.inference.ensemble import mean_by_month
    from chamnet.timeaxis import month_lengths

    inputs, members, batcher = setting.inputs()
    lengths = month_lengths(setting.target_year)
    data = inputs.drivers.data
    drivers = xr.concat([data[name] for name in inputs.drivers.names], "driver")
    contexts = xr.concat(
        [store.chunk({"cell": CELLS_PER_SHARD}) for store in inputs.contexts], "year"
    ).chunk({"year": -1})
    attributes = xr.DataArray(inputs.attributes, dims=("cell", "attribute"))

    def predict(drivers, attributes, embeddings, seasons):
        def run(x, a, e, s):
            mask = torch.ones(e.shape[0], e.shape[2], dtype=torch.bool)
            fluxes = [
                member.predict(x, a, e[:, m].float(), s[:, m].float(), mask)
                for m, member in enumerate(members.values())
            ]
            return (mean_by_month(torch.stack(fluxes, 1), lengths),)

        arrays = (np.ascontiguousarray(x) for x in (drivers, attributes, embeddings, seasons))
        return batcher.map(run, *arrays)[0]

    flux = xr.apply_ufunc(
        predict,
        drivers.chunk({"driver": -1}),
        attributes.chunk({"cell": CELLS_PER_SHARD}),
        contexts["embedding"],
        contexts["season"],
        input_core_dims=[
            ["time", "driver"],
            ["attribute"],
            ["member", "year", "component"],
            ["member", "year", "month", "feature"],
        ],
        output_core_dims=[["member", "months"]],
        dask="parallelized",
        dask_gufunc_kwargs={"output_sizes": {"months": 12}},
        output_dtypes=[np.float32],
    ).to_dataset(name="flux")
    store = setting.folder / "fluxes" / "apply_ufunc.zarr"

    def run() -> None:
        import dask

        with dask.config.set(scheduler="threads", num_workers=setting.options.threads):
            flux.drop_vars(list(flux.coords)).to_zarr(store, mode="w", consolidated=False)

    return time_of(run) | {"work": setting.n_member_cell_days}


def measure_forest(setting: Setting) -> dict:
    """(g) A forest of 500 trees on daily drivers and attributes, trees as deep as they grow."""
    from sklearn.ensemble import RandomForestRegressor

    inputs, _, _ = setting.inputs()
    drivers, attributes, _ = inputs.read(inputs.drivers.shards[0])
    n_cells = setting.options.n_forest
    repeated = np.repeat(attributes[:, None], drivers.shape[1], axis=1)
    days = np.concatenate([drivers, repeated], axis=-1)
    random = np.random.default_rng(0)
    train = random.integers(days[..., 0].size, size=4000)
    rows = days.reshape(-1, days.shape[-1])
    forest = RandomForestRegressor(
        n_estimators=500, min_samples_leaf=5, max_features="sqrt", n_jobs=setting.options.threads
    )
    forest.fit(rows[train], random.gamma(1.0, size=train.size))
    cells = days[:n_cells].reshape(-1, days.shape[-1])
    return time_of(lambda: forest.predict(cells)) | {"work": n_cells * 366}


def measure_error(setting: Setting) -> dict:
    """Relative L2 error of the bfloat16 fluxes, and relative error of their mean."""
    from chamnet.data.store import open_store

    full, half = (
        open_store(setting.folder / "fluxes" / f"{precision}.json")["flux"].values.astype(float)
        for precision in PRECISIONS
    )
    error = np.sqrt(((half - full) ** 2).sum() / (full**2).sum())
    return {"l2": float(error), "mean": float(abs(half.mean() / full.mean() - 1))}


PARTS = {
    "world": make_world,
    "pipeline": measure_pipeline,
    "embedding": measure_embedding,
    "network": measure_network,
    "disk": measure_disk,
    "loop": measure_loop,
    "apply_ufunc": measure_apply_ufunc,
    "forest": measure_forest,
    "error": measure_error,
}
HAVE_PRECISION = ("pipeline", "embedding", "network", "apply_ufunc")
NAMES = {
    "pipeline": "(a) predict_year",
    "embedding": "(a) embed_year",
    "network": "(b) network alone",
    "disk": "(c) read and write alone",
    "loop": "(d) loop over cells",
    "apply_ufunc": "(e) xarray.apply_ufunc",
    "forest": "(g) forest of 500 trees",
}


def build_rows(found: dict[tuple[str, str], dict], *, clock: str) -> list[dict]:
    """Speeds, memory, and how they compare with the aims."""
    speed = {key: run["work"] / run[clock] / 1e6 for key, run in found.items() if "work" in run}
    unit = f"million member-cell-days/s ({clock})"
    rows = [build_row(f"{NAMES[p]}, {q}: speed", v, unit) for (p, q), v in speed.items()]
    for (part, precision), run in found.items():
        if part in ("pipeline", "apply_ufunc"):
            most = 2048 if part == "pipeline" else None
            figure = f"{NAMES[part]}, {precision}: peak memory"
            rows.append(build_row(figure, run["peak_mib"], "MiB", at_most=most))
    for precision, loop, forest in (("float32", 3, 25), ("bfloat16", 8, 50)):
        a = speed["pipeline", precision]
        slower = min(speed["network", precision], speed["disk", "float32"])
        for figure, other, aim in (
            ("loop over cells", speed["loop", "float32"], loop),
            ("xarray.apply_ufunc", speed["apply_ufunc", precision], 0.95),
            ("forest", speed["forest", "float32"], forest),
        ):
            name = f"(a), {precision}: times as fast as {figure}"
            rows.append(build_row(name, a / other, "1", at_least=aim))
        name = f"(a), {precision}: time over the longer of (b) and (c)"
        rows.append(build_row(name, slower / a, "1", at_most=1.25))
    error = found["error", "float32"]
    rows.append(build_row("bfloat16: relative L2 error of fluxes", error["l2"], "1", at_most=1e-2))
    rows.append(build_row("bfloat16: relative error of the mean", error["mean"], "1", at_most=1e-3))
    return rows


if __name__ == "__main__":
    main()
