"""Small stores of cells, fluxes and wetlands for tests of budgets, maps and the report."""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import xarray as xr

from chamnet.budget.integrate import integrate_year
from chamnet.budget.masks import read_gcp_mask
from chamnet.budget.regions import build_regions
from chamnet.budget.uncertainty import summarize_budgets
from chamnet.data.store import write_store
from chamnet.grid import Grid, cell_area_m2
from chamnet.provenance import write_json
from chamnet.timeaxis import month_time
from chamnet.units import nmol_m2_s_to_kg_m2_s

DIGESTS = map(str, itertools.count())  # a store of the same digest is not written again

SYSTEMS = ("globe", "gcp_bands", "gcp_regions")


def make_cells(folder, *, step_deg=10.0, land_fraction=None):
    """Manifest of cells.zarr: land north of 60 S as the packaged mask has it.

    With a ``land_fraction`` every cell north of 60 S is land to this share.
    """
    grid = Grid(step_deg)
    latitude, longitude = (
        values.ravel() for values in np.meshgrid(grid.latitude, grid.longitude, indexing="ij")
    )
    mask = np.kron(read_gcp_mask().codes > 0, np.ones([max(1, round(1 / step_deg))] * 2))
    n = max(1, round(step_deg))
    rows, columns = (size // n for size in mask.shape)
    land = mask.reshape(rows, n, columns, n).mean(axis=(1, 3)).ravel()
    land = land if land_fraction is None else np.full(latitude.size, land_fraction)
    cells = xr.Dataset(
        {
            "cell_area": ("cell", cell_area_m2(latitude, step_deg=step_deg), {"units": "m2"}),
            "land_fraction": ("cell", land, {"units": "1"}),
            "ice_fraction": ("cell", np.zeros_like(land), {"units": "1"}),
            "water_fraction": ("cell", 1 - land, {"units": "1"}),
        },
        coords={"latitude": ("cell", latitude), "longitude": ("cell", longitude)},
        attrs={"step_deg": step_deg},
    ).isel(cell=(latitude > -60) & (land >= 0.05))
    return write_store(cells, Path(folder) / "cells.zarr", digest=next(DIGESTS))


def make_fluxes(
    folder, cells, *, target, year, n_members=3, calendar="standard", flux=None, seed=0
):
    """Manifest of a year of monthly fluxes; ``flux`` is a number everywhere, or random."""
    n_cells = cells.sizes["cell"]
    shape = (n_members, 12, n_cells)
    scale = nmol_m2_s_to_kg_m2_s(25 if target == "emission" else 0.6)
    values = scale * np.random.default_rng([seed, year, len(target)]).gamma(2, 0.5, shape)
    values = values if flux is None else np.broadcast_to(flux, shape)
    data = xr.Dataset(
        {
            "flux": (
                ("member", "time", "cell"),
                values.astype("float32"),
                {"units": "kg m-2 s-1"},
            )
        },
        coords={
            "member": [f"{i:02d}" for i in range(n_members)],
            "time": month_time(year, calendar=calendar).values,
            "latitude": cells["latitude"],
            "longitude": cells["longitude"],
        },
    )
    store = Path(folder) / "fluxes" / target / f"{year}.zarr"
    return write_store(data, store, digest=next(DIGESTS))


def make_wetlands(folder, cells, *, year, extents=("monthly", "static"), fraction=None, seed=0):
    """Manifest of a year of wetland and upland fractions; ``fraction`` everywhere, or random."""
    n_cells = cells.sizes["cell"]
    land = cells["land_fraction"].values
    shape = (len(extents), 12, n_cells)
    wet = 0.3 * land * np.random.default_rng([seed, year]).uniform(size=shape)
    wet = wet if fraction is None else np.broadcast_to(fraction, shape)
    upland = np.clip(land - wet, 0, None)
    data = xr.Dataset(
        {
            name: (("extent", "time", "cell"), values.astype("float32"), {"units": "1"})
            for name, values in {"wetland_fraction": wet, "upland_fraction": upland}.items()
        },
        coords={
            "extent": list(extents),
            "time": month_time(year).values,
            "latitude": cells["latitude"],
            "longitude": cells["longitude"],
        },
    )
    return write_store(data, Path(folder) / "wetlands" / f"{year}.zarr", digest=next(DIGESTS))


@dataclasses.dataclass(frozen=True)
class Run:
    """Manifests and tables of a small run, from fluxes to budgets."""

    folder: Path
    cells: Path
    regions: Path
    fluxes: dict[str, list[Path]]
    wetlands: list[Path]
    budgets: list[Path]
    masses: list[Path]
    calibrations: dict[str, Path]
    csv: Path
    netcdf: Path


def make_run(
    folder,
    *,
    step_deg=10.0,
    years=(2011, 2012),
    targets=("emission", "consumption"),
    n_members=3,
    log_bias_sd=0.2,
    systems=SYSTEMS,
    n_draws=500,
    land_fraction=None,
    fraction=None,
    flux=None,
    **options,
):
    """A run of all budget stages in a folder."""
    folder = Path(folder)
    cells = make_cells(folder, step_deg=step_deg, land_fraction=land_fraction)
    data = xr.open_zarr(cells.with_suffix(".zarr"), chunks=None)
    build_regions(store=folder / "regions.zarr", digest=next(DIGESTS), cells=cells, systems=systems)
    regions = folder / "regions.json"
    wetlands = [make_wetlands(folder, data, year=year, fraction=fraction) for year in years]
    fluxes, budgets, masses, calibrations = {}, [], [], {}
    for target in targets:
        fluxes[target] = [
            make_fluxes(folder, data, target=target, year=year, n_members=n_members, flux=flux)
            for year in years
        ]
        for year, flux_path, wetland_path in zip(years, fluxes[target], wetlands, strict=True):
            base = folder / "budgets" / target / str(year)
            integrate_year(
                csv=base.with_suffix(".csv"),
                store=base.with_suffix(".zarr"),
                digest=next(DIGESTS),
                target=target,
                fluxes=flux_path,
                wetlands=wetland_path,
                cells=cells,
                regions=regions,
            )
            budgets.append(base.with_suffix(".csv"))
            masses.append(base.with_suffix(".json"))
        calibrations[target] = folder / f"calibration_{target}.json"
        write_json(calibrations[target], {"log_bias_sd": log_bias_sd, "n_clusters": 25})
    run = Run(
        folder=folder,
        cells=cells,
        regions=regions,
        fluxes=fluxes,
        wetlands=wetlands,
        budgets=budgets,
        masses=masses,
        calibrations=calibrations,
        csv=folder / "global_budget.csv",
        netcdf=folder / "budget.nc",
    )
    summarize(run, n_draws=n_draws, **options)
    return run


def summarize(run, **options):
    """Budgets of a run with intervals, under these options."""
    summarize_budgets(
        **{
            "csv": run.csv,
            "netcdf": run.netcdf,
            "digest": "s",
            "budgets": run.budgets,
            "masses": run.masses,
            "cells": run.cells,
            "regions": run.regions,
            "calibrations": run.calibrations,
            "n_draws": 500,
            "synthetic": True,
        }
        | options
    )
