"""Time and memory of converting a year of drivers, beside copying the same bytes.

    python benchmarks/convert.py            # 0.25 degree, 8 daily variables, 12 GB; 30 GB of disk
    python benchmarks/convert.py --quick    # 1 degree, 0.8 GB

Data are generated: one map a chunk, not compressed, as large as ERA5's; and, the worst case, two
of the variables in chunks of a year and 30 x 30 pixels. Every part runs in a process of its own
on files that are out of the page cache (posix_fadvise).
"""

import argparse
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import _bench
import numpy as np
import xarray as xr
import zarr

YEAR, N_DAYS, N_HOURLY_DAYS = 2015, 365, 5
BLOCK = 30  # rows and columns of a chunk that holds all steps
PARTS = (
    "copy", "convert", "copy_hourly", "convert_hourly", "copy_blocks", "convert_blocks",
    "copy_one", "chunk_one", "p2p_one",
)  # fmt: skip
# Name, units, mean and seasonal amplitude of what ERA5's daily files hold.
VARIABLES = {
    "2m_temperature": ("K", 280.0, 10.0),
    "2m_dewpoint_temperature": ("K", 275.0, 10.0),
    "surface_pressure": ("Pa", 95_000.0, 500.0),
    "10m_u_component_of_wind": ("m s**-1", 2.0, 1.0),
    "10m_v_component_of_wind": ("m s**-1", 2.0, 1.0),
    "mean_total_precipitation_rate": ("kg m**-2 s**-1", 3e-5, 1e-5),
    "mean_surface_downward_short_wave_radiation_flux": ("W m**-2", 200.0, 50.0),
    "mean_surface_downward_long_wave_radiation_flux": ("W m**-2", 300.0, 30.0),
}
BLOCK_VARIABLES = ("2m_temperature", "mean_total_precipitation_rate")
DRIVERS = [
    "air_temperature", "precipitation_flux", "surface_downwelling_shortwave_flux_in_air",
    "surface_downwelling_longwave_flux_in_air", "vapor_pressure_deficit", "surface_air_pressure",
    "wind_speed",
]  # fmt: skip


def main() -> None:
    """Generate, measure each part, write the table."""
    options = _parse()
    if options.part:
        print(json.dumps(measure(options.part, Path(options.folder), options.memory_gb)))
        return
    step_deg = 1.0 if options.quick else 0.25
    folder = Path(tempfile.mkdtemp(prefix="convert-", dir=options.folder))
    try:
        make_world(folder, step_deg=step_deg)
        os.sync()  # what waits to be written cannot leave the page cache
        parts = [part for part in PARTS if not (options.alone and part.endswith("_one"))]
        found = {part: _run(part, folder, options.memory_gb) for part in parts}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    about = {"step_deg": step_deg, "memory_gb": options.memory_gb, "parts": found}
    name = "convert_quick" if options.quick else "convert"
    _bench.write_benchmark(name, build_rows(found, options.memory_gb), **about)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1 degree in place of 0.25")
    parser.add_argument("--alone", action="store_true", help="without xarray and dask")
    parser.add_argument("--memory-gb", type=float, default=2.0, help="drivers.memory_gb")
    parser.add_argument("--folder", help="where the files are made; the system's temporary one")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(part: str, folder: Path, memory_gb: float) -> dict[str, float]:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    arguments = ("--part", part, "--folder", str(folder), "--memory-gb", str(memory_gb))
    return _bench.run_part(__file__, *arguments)


def build_rows(found: dict[str, dict[str, float]], memory_gb: float) -> list[dict]:
    """Figures of the parts, and their ratios to copies."""
    kinds = ("", "_hourly", "_blocks")
    ratio = {kind: found[f"convert{kind}"]["s"] / found[f"copy{kind}"]["s"] for kind in kinds}
    peak = max(found[f"convert{kind}"]["peak_mib"] for kind in kinds)
    rows = [
        _bench.build_row("source, a year of 8 daily variables", found["copy"]["gb"], "GB"),
        _bench.build_row("plain copy", found["copy"]["s"], "s"),
        _bench.build_row("convert_year", found["convert"]["s"], "s"),
        _bench.build_row("ratio to the copy", ratio[""], "", at_most=2.5),
        _bench.build_row("source, 5 days of 8 hourly variables", found["copy_hourly"]["gb"], "GB"),
        _bench.build_row("hourly: plain copy", found["copy_hourly"]["s"], "s"),
        _bench.build_row("hourly: to daily means on cells", found["convert_hourly"]["s"], "s"),
        _bench.build_row("hourly: ratio to the copy", ratio["_hourly"], "", at_most=2.5),
        _bench.build_row(
            "source, 2 variables in blocks of a year", found["copy_blocks"]["gb"], "GB"
        ),
        _bench.build_row("blocks of a year: plain copy", found["copy_blocks"]["s"], "s"),
        _bench.build_row("blocks of a year: convert_year", found["convert_blocks"]["s"], "s"),
        _bench.build_row("blocks of a year: ratio to the copy", ratio["_blocks"], ""),
        _bench.build_row("peak memory", peak / 1024, "GiB", at_most=memory_gb),
    ]
    for part, name in (
        ("copy", "plain copy, all"), ("convert", "convert_year, all"),
        ("copy_one", "plain copy, one variable"),
        ("chunk_one", "xarray.chunk().to_zarr, one variable"),
        ("p2p_one", "dask p2p, 2 workers, one variable"),
    ):  # fmt: skip
        if part not in found:
            continue
        speed = found[part]["gb"] * 1000 / found[part]["s"]
        rows.append(_bench.build_row(f"speed: {name}", speed, "MB/s"))
        if part in ("chunk_one", "p2p_one"):
            rows.append(_bench.build_row(f"peak: {name}", found[part]["peak_mib"] / 1024, "GiB"))
    return rows


def make_world(folder: Path, *, step_deg: float) -> None:
    """Daily and hourly stores of one map a chunk, and land cells of the same grid."""
    latitude = np.arange(90, -90 - step_deg / 2, -step_deg)
    longitude = np.arange(0, 360, step_deg)
    _make_store(folder / "daily.zarr", latitude, longitude, n_steps=N_DAYS, hours=24)
    _make_store(folder / "hourly.zarr", latitude, longitude, n_steps=N_HOURLY_DAYS * 24, hours=1)
    _make_blocks(folder / "blocks.zarr", folder / "daily.zarr")
    _make_cells(folder, step_deg=step_deg)


def _make_store(
    path: Path, latitude: np.ndarray, longitude: np.ndarray, *, n_steps: int, hours: int
) -> None:
    shape = n_steps, latitude.size, longitude.size
    group = zarr.create_group(path, zarr_format=3)
    noise = np.random.default_rng(0).normal(0, 0.05, shape[1:]).astype(np.float32)
    north = np.sin(np.deg2rad(latitude))[:, None].astype(np.float32)
    for name, (units, mean, amplitude) in VARIABLES.items():
        array = group.create_array(
            name, shape=shape, chunks=(1, *shape[1:]), dtype="f4", compressors=None,
            dimension_names=("time", "latitude", "longitude"), attributes={"units": units},
        )  # fmt: skip
        for step in range(n_steps):
            season = -np.cos(2 * np.pi * step * hours / 24 / N_DAYS)
            array[step] = mean + amplitude * (season * north + noise)
    axes = {
        "time": (np.arange(n_steps) * hours, {"units": f"hours since {YEAR}-01-01"}),
        "latitude": (latitude, {}),
        "longitude": (longitude, {}),
    }
    for name, (values, attributes) in axes.items():
        group.create_array(name, data=values, dimension_names=(name,), attributes=attributes)


def _make_blocks(path: Path, maps: Path) -> None:
    """Write what the first two drivers are made of in chunks that hold all steps."""
    source, group = zarr.open_group(maps, mode="r"), zarr.create_group(path, zarr_format=3)
    for name in BLOCK_VARIABLES:
        old = source[name]
        array = group.create_array(
            name, shape=old.shape, chunks=(N_DAYS, BLOCK, BLOCK), dtype="f4", compressors=None,
            dimension_names=old.metadata.dimension_names, attributes=dict(old.attrs),
        )  # fmt: skip
        for row in range(0, old.shape[1], 8 * BLOCK):  # as many as are a third of a GB
            array[:, row : row + 8 * BLOCK] = old[:, row : row + 8 * BLOCK]
    for name in ("time", "latitude", "longitude"):
        shutil.copytree(maps / name, path / name)


def _make_cells(folder: Path, *, step_deg: float) -> None:
    """Write cells of a synthetic land mask, 30 % of the globe north of 60 S."""
    from chamnet.data.store import write_store
    from chamnet.grid import Grid

    grid = Grid(step_deg)
    wave = np.sin(np.deg2rad(3 * grid.longitude)) + np.sin(np.deg2rad(5 * grid.latitude))[:, None]
    is_land = (wave > np.quantile(wave, 0.65)) & (grid.latitude[:, None] > -60)
    row, column = np.nonzero(is_land)
    cells = xr.Dataset(
        {"water_fraction": ("cell", np.zeros(row.size))},
        coords={
            "latitude": ("cell", grid.latitude[row]),
            "longitude": ("cell", grid.longitude[column]),
        },
        attrs={"step_deg": step_deg},
    )
    write_store(cells, folder / "cells.zarr", digest="cells")


def measure(part: str, folder: Path, memory_gb: float) -> dict[str, float]:
    """Seconds, GB of source and peak MiB of one part."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    kind = part.rpartition("_")[2]
    source = folder / f"{kind if kind in ('hourly', 'blocks') else 'daily'}.zarr"
    size = sum(p.stat().st_size for p in source.rglob("*") if p.is_file())
    size = size / len(VARIABLES) if part.endswith("_one") else size
    out = folder / "out.zarr"
    started = time.perf_counter()
    peak = {
        "copy": _copy, "copy_hourly": _copy, "copy_one": _copy_one, "convert": _convert,
        "convert_hourly": _convert_hourly, "copy_blocks": _copy, "convert_blocks": _convert_blocks,
        "chunk_one": _chunk_one, "p2p_one": _p2p_one,
    }[part](source, out, memory_gb)  # fmt: skip
    seconds = time.perf_counter() - started
    for path in folder.glob("out.*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return {"s": seconds, "gb": size / 1e9, "peak_mib": max(peak or 0, _bench.read_peak_mib())}


def _copy(source: Path, out: Path, _: float) -> None:
    shutil.copytree(source, out)


def _copy_one(source: Path, out: Path, _: float) -> None:
    shutil.copytree(source / next(iter(VARIABLES)), out)


def _convert_blocks(source: Path, out: Path, memory_gb: float) -> None:
    _convert(source, out, memory_gb, names=DRIVERS[:2])


def _convert(source: Path, out: Path, memory_gb: float, names: list[str] = DRIVERS) -> None:
    from chamnet.data.reanalysis import convert_year

    convert_year(
        store=str(out), digest="bench", year=YEAR, cells=str(source.parent / "cells.json"),
        source="era5", paths=[str(source)], names=names, cells_per_shard=8192,
        cells_per_chunk=2048, memory_gb=memory_gb,
    )  # fmt: skip


def _convert_hourly(source: Path, out: Path, memory_gb: float) -> None:
    """Convert days that are no whole year: the passes of ``convert_year`` by themselves."""
    from chamnet.data.drivers import DRIVERS as ALL
    from chamnet.data.ingredients import Ingredients, find_series, group_ingredients
    from chamnet.data.source_files import open_source
    from chamnet.data.source_tables import read_source
    from chamnet.data.steps import Steps
    from chamnet.data.store import open_store
    from chamnet.data.streaming import Pass

    table = read_source("era5", driver_names=DRIVERS)
    cells = open_store(source.parent / "cells.json").load()
    position = np.arange(N_HOURLY_DAYS * 24)
    steps = Steps(position, position // 24, np.ones(position.size, np.float32), N_HOURLY_DAYS)
    with open_source([str(source)], axes=table.axes) as data:
        found = {name: find_series(data, table, name) for name in DRIVERS}
        recipes = [
            Ingredients(ALL[name], series, [steps] * len(series), formula)
            for name, (series, formula) in found.items()
        ]
        for group in group_ingredients(recipes):
            options = {"memory_gb": memory_gb, "scratch": out, "label": "hourly"}
            for product in Pass(group, cells=cells, **options).run():
                values = product.rows.cells(slice(0, cells.sizes["cell"]))
                np.save(out.with_suffix(f".{product.name}.npy"), values)


def _chunk_one(source: Path, out: Path, _: float) -> None:
    name = next(iter(VARIABLES))
    data = xr.open_zarr(source, chunks={"time": 1}, consolidated=False)[[name]]
    data[name].encoding = {}
    data.chunk(time=-1, latitude=180, longitude=180).to_zarr(out, consolidated=False)


def _p2p_one(source: Path, out: Path, _: float) -> float:
    """Peak MiB of both workers together."""
    import dask
    from dask.distributed import Client, LocalCluster

    settings = {"array.rechunk.method": "p2p", "distributed.worker.memory.spill": False}
    with (
        dask.config.set(settings),
        LocalCluster(2, threads_per_worker=1, memory_limit="2GiB", dashboard_address=None) as here,
        Client(here) as client,
    ):
        _chunk_one(source, out, 0)
        return sum(client.run(_bench.read_peak_mib).values())


if __name__ == "__main__":
    main()
