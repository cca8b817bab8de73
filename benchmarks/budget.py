"""Speed, memory and exactness of the integration of fluxes to budgets.

``python benchmarks/budget.py [--quick]`` integrates monthly fluxes of 5 members under 3 wetland
extents on the land cells of a half-degree grid (75,336), 40 years (quick: 3), and draws their
intervals; the fields are synthetic, one year of them read again for every year.
"""

import argparse
import json
import logging
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from _bench import build_row, read_peak_mib, run_part, write_benchmark

from chamnet.budget.integrate import integrate_year
from chamnet.budget.masks import read_gcp_mask
from chamnet.budget.regions import build_regions
from chamnet.budget.uncertainty import summarize_budgets
from chamnet.data.store import open_store, write_store
from chamnet.grid import Grid, cell_area_m2
from chamnet.provenance import write_json
from chamnet.timeaxis import month_time, seconds_in_months
from chamnet.units import nmol_m2_s_to_kg_m2_s

N_MEMBERS, EXTENTS, YEAR = 5, ("a", "b", "c"), 2001
FLUX = np.float32(nmol_m2_s_to_kg_m2_s(30.0))


def make_inputs(folder: Path) -> None:
    """Write cells, a year of constant fluxes and of random extents, and a calibration."""
    grid, mask = Grid(0.5), read_gcp_mask().codes > 0
    latitude, longitude = np.meshgrid(grid.latitude, grid.longitude, indexing="ij")
    land = np.repeat(np.repeat(mask, 2, axis=0), 2, axis=1) & (latitude > -56)
    latitude, longitude = latitude[land], longitude[land]
    places = {"latitude": ("cell", latitude), "longitude": ("cell", longitude)}
    cells = xr.Dataset(
        {
            "cell_area": ("cell", cell_area_m2(latitude, step_deg=0.5), {"units": "m2"}),
            "land_fraction": ("cell", np.ones(latitude.size), {"units": "1"}),
        },
        coords=places,
        attrs={"step_deg": 0.5},
    )
    write_store(cells, folder / "cells.zarr", digest="b")
    time_axis = {"time": month_time(YEAR).values}
    shape = (N_MEMBERS, 12, latitude.size)
    flux = (("member", "time", "cell"), np.full(shape, FLUX), {"units": "kg m-2 s-1"})
    names = {"member": [f"{i:02d}" for i in range(N_MEMBERS)]}
    fluxes = xr.Dataset({"flux": flux}, coords=places | time_axis | names)
    write_store(fluxes, folder / "fluxes.zarr", digest="b", chunks={"member": 1, "cell": 8192})
    rng = np.random.default_rng(0)
    fraction = rng.uniform(0, 0.2, (len(EXTENTS), 12, latitude.size)).astype(np.float32)
    wet = (("extent", "time", "cell"), fraction, {"units": "1"})
    extents = xr.Dataset({"wetland_fraction": wet}, coords=places | time_axis)
    extents = extents.assign_coords(extent=list(EXTENTS))
    write_store(extents, folder / "wetlands.zarr", digest="b", chunks={"cell": 8192})
    write_json(folder / "calibration.json", {"log_bias_sd": 0.6, "n_clusters": 25})


def measure_integration(folder: Path, n_years: int) -> dict[str, float]:
    """Seconds and memory of all years, and the error of the first one's total."""
    began = time.perf_counter()
    systems = ["globe", "gcp_bands", "gcp_regions"]
    build_regions(
        store=folder / "regions.zarr", digest="b", cells=folder / "cells.json", systems=systems
    )
    region_seconds = time.perf_counter() - began
    began, processor = time.perf_counter(), time.process_time()
    for number in range(n_years):
        base = folder / f"budgets/{number:02d}"
        integrate_year(
            csv=base.with_suffix(".csv"),
            store=base.with_suffix(".zarr"),
            digest="b",
            target="emission",
            **{n: folder / f"{n}.json" for n in ("fluxes", "wetlands", "cells", "regions")},
        )
    return {
        "region_seconds": region_seconds,
        "seconds": time.perf_counter() - began,
        "processor_seconds": time.process_time() - processor,
        "peak_mib": read_peak_mib(),
        "error": relative_error(folder),
    }


def relative_error(folder: Path) -> float:
    """Largest relative error of the globe's annual totals of the known field."""
    table = pd.read_csv(folder / "budgets/00.csv", na_filter=False, dtype={"member": str})
    globe = table[table["region"] == "globe"].groupby(["extent", "member"])["mass_tg"].sum()
    area = open_store(folder / "cells.json")["cell_area"].values
    fraction = open_store(folder / "wetlands.json")["wetland_fraction"].values.astype(float)
    surface_seconds = (fraction * area).sum(axis=-1) @ seconds_in_months(YEAR)
    expected = pd.Series(float(FLUX) * surface_seconds / 1e9, index=list(EXTENTS))
    return float(np.abs(globe / expected.reindex(globe.index, level=0) - 1).max())


def measure_draws(folder: Path) -> dict[str, float]:
    """Seconds and memory of 1000 draws from one year's masses."""
    began = time.perf_counter()
    summarize_budgets(
        csv=folder / "global_budget.csv",
        netcdf=folder / "budget.nc",
        digest="b",
        budgets=[folder / "budgets/00.csv"],
        masses=[folder / "budgets/00.json"],
        cells=folder / "cells.json",
        regions=folder / "regions.json",
        calibrations={"emission": folder / "calibration.json"},
        synthetic=True,
    )
    return {"seconds": time.perf_counter() - began, "peak_mib": read_peak_mib()}


def main() -> None:
    """Measure each part in a process of its own, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 years in place of 40")
    parser.add_argument("--part", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    n_years = 3 if options.quick else 40
    if options.part:
        logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
        name, folder = options.part[0], Path(options.part[1])
        parts = {
            "integration": lambda: measure_integration(folder, n_years),
            "draws": lambda: measure_draws(folder),
        }
        print(json.dumps(parts[name]()))
        return
    folder = Path(tempfile.mkdtemp(prefix="chamnet_budget_"))
    try:
        make_inputs(folder)
        quick = ["--quick"] if options.quick else []
        found, drawn = (
            run_part(__file__, *quick, "--part", name, str(folder))
            for name in ("integration", "draws")
        )
        n_cells = open_store(folder / "cells.json").sizes["cell"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    rows = [
        build_row(f"integration, {n_years} years", found["seconds"], "s", at_most=1.5 * n_years),
        build_row("integration, processor time", found["processor_seconds"], "s"),
        build_row("integration, memory", found["peak_mib"], "MiB", at_most=1024),
        build_row("integration, error of a known field", found["error"], "1", at_most=1e-6),
        build_row("regions, 22 of 3 systems", found["region_seconds"], "s"),
        build_row("1000 draws", drawn["seconds"], "s"),
        build_row("1000 draws, memory", drawn["peak_mib"], "MiB", at_most=1024),
    ]
    sizes = {"n_cells": n_cells, "n_members": N_MEMBERS, "n_extents": len(EXTENTS)}
    write_benchmark("budget", rows, synthetic=True, n_years=n_years, **sizes)


if __name__ == "__main__":
    main()
