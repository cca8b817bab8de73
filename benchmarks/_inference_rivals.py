"""Other ways to run the same network over the same files, and a forest, for comparison."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from _inference_world import CELLS_PER_SHARD, Setting


def time_of(function: Callable[[], Any]) -> dict[str, float]:
    """Wall and processor seconds of a call, with what it left a GPU to do."""
    import torch

    wall, processor = time.perf_counter(), time.process_time()
    function()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return {
        "wall": time.perf_counter() - wall,
        "processor": time.process_time() - processor,
    }


def measure_loop(setting: Setting) -> dict:
    """(d) One cell at a time, one member at a time; the cells are shared by the threads."""
    import torch

    from chamnet.inference.ensemble import mean_by_month
    from chamnet.timeaxis import month_lengths

    setting.prepare()
    inputs, members, batcher = setting.inputs()
    drivers, attributes, context, _ = inputs.read(inputs.drivers.shards[0])
    read = (np.stack(drivers, -1), attributes, context.embeddings, context.seasons, context.mask)
    x, a, e, s, mask = (
        torch.from_numpy(np.ascontiguousarray(array)).to(batcher.device) for array in read
    )
    lengths = month_lengths(setting.target_year)
    n_cells, n_threads = setting.options.n_loop, setting.options.threads

    def run(first: int) -> None:
        with torch.inference_mode():
            for cell in range(first, n_cells, n_threads):
                at = slice(cell, cell + 1)
                for m, member in enumerate(members.values()):
                    flux = member.predict(x[at], a[at], e[m, at], s[m, at], mask[at])
                    mean_by_month(flux, lengths).cpu()

    def run_all() -> None:
        alone = {"initializer": torch.set_num_threads, "initargs": (1,)}
        with ThreadPoolExecutor(n_threads, **alone) as pool:
            list(pool.map(run, range(n_threads)))

    return time_of(run_all) | {"work": n_cells * 366 * len(members)}


def measure_apply_ufunc(setting: Setting) -> dict:
    """(e) xarray.apply_ufunc over dask chunks of a shard, in batches of the same size.

    As many threads of dask, and batches at work at once, as the pipeline has.
    """
    import dask

    def run() -> None:
        flux, batcher = build_lazy_flux(setting)
        with dask.config.set(scheduler="threads", num_workers=batcher.shards_at_once):
            store = setting.folder / "fluxes" / "apply_ufunc.zarr"
            flux.to_zarr(store, mode="w", consolidated=False)

    setting.prepare()
    return time_of(run) | {"work": setting.options.n_rivals * 366 * setting.options.n_members}


def build_lazy_flux(setting: Setting) -> tuple[Any, Any]:
    """Fluxes by xarray.apply_ufunc, not computed, and the batcher that will run in it."""
    import xarray as xr

    inputs, members, batcher = setting.inputs()
    run_members = build_function(setting, members)
    n_cells = setting.options.n_rivals
    names, chunks = list(inputs.drivers.names), {"cell": CELLS_PER_SHARD}
    data = inputs.drivers.data[names].chunk(chunks).isel(cell=slice(0, n_cells))
    drivers = xr.concat([data[name] for name in names], "driver")
    contexts = (
        xr.concat([store.chunk(chunks) for store in inputs.contexts], "year")
        .chunk({"year": -1})
        .isel(cell=slice(0, n_cells))
    )
    attributes = xr.DataArray(inputs.attributes[:n_cells], dims=("cell", "attribute"))

    def predict(drivers: Any, attributes: Any, embeddings: Any, seasons: Any) -> np.ndarray:
        arrays = (drivers, attributes, embeddings, seasons)
        return batcher.map(run_members, *map(np.ascontiguousarray, arrays))[0]

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
    return flux.drop_vars(list(flux.coords)), batcher


def measure_xbatcher(setting: Setting) -> dict:
    """(f) xbatcher feeding shards to torch, in batches of the same size; fluxes written at the end.

    Its batches come as data sets, one after the other, in the process that asks for them.
    """
    import xarray as xr
    import xbatcher

    def run() -> None:
        inputs, members, batcher = setting.inputs()
        run_members = build_function(setting, members)
        data = merge_inputs(inputs).isel(cell=slice(0, setting.options.n_rivals))
        parts = []
        sizes = dict(data.sizes) | {"cell": min(CELLS_PER_SHARD, data.sizes["cell"])}
        for batch in xbatcher.BatchGenerator(data, input_dims=sizes, preload_batch=True):
            drivers = np.stack([batch[name].values for name in inputs.drivers.names], -1)
            context = (
                batch["embedding"].transpose("cell", "member", "year", ...).values,
                batch["season"].transpose("cell", "member", "year", ...).values,
            )
            arrays = (drivers, batch["attributes"].values, *context)
            parts.append(batcher.map(run_members, *map(np.ascontiguousarray, arrays))[0])
        flux = xr.Dataset({"flux": (("cell", "member", "month"), np.concatenate(parts))})
        store = setting.folder / "fluxes" / "xbatcher.zarr"
        flux.to_zarr(store, mode="w", consolidated=False)

    setting.prepare()
    n_cells = setting.options.n_rivals // CELLS_PER_SHARD * CELLS_PER_SHARD  # whole batches only
    return time_of(run) | {"work": n_cells * 366 * setting.options.n_members}


def merge_inputs(inputs: Any) -> Any:
    """Drivers, contexts and attributes as one lazy data set."""
    import xarray as xr

    names = list(inputs.drivers.names)
    contexts = xr.concat(inputs.contexts, "year")[["embedding", "season"]]
    data = xr.merge([inputs.drivers.data[names].drop_vars(["latitude", "longitude"]), contexts],
                    compat="override", join="override")  # fmt: skip
    data = data.drop_vars([name for name in data.coords if name != "time"])
    data["attributes"] = (("cell", "attribute"), inputs.attributes)
    return data


def build_function(setting: Setting, members: dict) -> Callable:
    """Monthly means of every member for tensors of a batch, all context years there."""
    import torch

    from chamnet.inference.ensemble import mean_by_month
    from chamnet.timeaxis import month_lengths

    lengths = month_lengths(setting.target_year)

    def run(x: Any, a: Any, e: Any, s: Any) -> tuple:
        mask = torch.ones(e.shape[0], e.shape[2], dtype=torch.bool, device=e.device)
        fluxes = [
            member.predict(x, a, e[:, m].float(), s[:, m].float(), mask, has_response=False)
            for m, member in enumerate(members.values())
        ]
        return (mean_by_month(torch.stack(fluxes, 1), lengths),)

    return run


def measure_forest(setting: Setting) -> dict:
    """(g) A forest of 500 trees on daily drivers and attributes, trees as deep as they grow."""
    from sklearn.ensemble import RandomForestRegressor

    inputs, _, _ = setting.inputs()
    drivers, attributes, *_ = inputs.read(inputs.drivers.shards[0])
    n_cells = setting.options.n_forest
    weather = np.stack(drivers, -1)
    repeated = np.repeat(attributes[:, None], weather.shape[1], axis=1)
    days = np.concatenate([weather, repeated], axis=-1)
    random = np.random.default_rng(0)
    train = random.integers(days[..., 0].size, size=4000)
    rows = days.reshape(-1, days.shape[-1])
    forest = RandomForestRegressor(
        n_estimators=500, min_samples_leaf=5, max_features="sqrt", n_jobs=setting.options.threads
    )
    forest.fit(rows[train], random.gamma(1.0, size=train.size))
    cells = days[:n_cells].reshape(-1, days.shape[-1])
    return time_of(lambda: forest.predict(cells)) | {"work": n_cells * 366}
