"""Small synthetic places whose flux is known, for splits, baselines and scores."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import uniform_filter1d

from chamnet.budget.integrate import integrate_year
from chamnet.budget.regions import build_regions
from chamnet.data.store import write_store
from chamnet.data.windows import PlaceData
from chamnet.grid import Grid, cell_area_m2

DIGESTS = map(str, itertools.count())  # a store of the same digest is not written again

N_DAYS = 366
FLUX_SCALE = 1e-9  # kg m-2 s-1


def make_place_data(
    *,
    n_places=6,
    years=(2011, 2012, 2013),
    n_clusters=None,
    seed=0,
    share_measured=0.5,
    noise=0.1,
    windows="daily",
    target="emission",
):
    """Places with a level of their own and a season that follows temperature."""
    generator = np.random.default_rng(seed)
    years = np.asarray(years)
    n_steps = np.array([366 if year % 4 == 0 else 365 for year in years])
    drivers = make_drivers(n_places=n_places, n_steps=n_steps, generator=generator)
    level = generator.uniform(0.5, 2.0, n_places)
    attributes = np.stack(
        [level + generator.normal(0, 0.1, n_places), generator.normal(size=n_places)], 1
    )
    flux = FLUX_SCALE * level[:, None, None] * np.exp(0.08 * (drivers[..., 0] - 283))
    cluster = np.arange(n_places) if n_clusters is None else np.arange(n_places) % n_clusters
    make = {"daily": _daily_windows, "monthly": _monthly_windows}[windows]
    return PlaceData(
        drivers=drivers.astype(np.float32),
        attributes=attributes.astype(np.float32),
        years=years,
        n_steps=n_steps,
        latitude=np.linspace(-30, 60, n_places),
        longitude=np.linspace(-100, 100, n_places),
        cluster=cluster,
        place_class=np.array(["bog", "fen"])[np.arange(n_places) % 2],
        place=np.array([f"P{i:02d}" for i in range(n_places)]),
        driver_names=("air_temperature", "precipitation_flux"),
        attribute_names=("level", "other"),
        target=target,
        windows=make(flux, years, n_steps, generator, share_measured, noise),
    ), flux


def with_prior(data, flux, *, seed=0):
    """The same places with a process model's flux: the true one, off by a factor a place."""
    factor = 3 * np.exp(np.random.default_rng(seed).normal(0, 0.3, data.n_places))
    return dataclasses.replace(data, prior_flux=flux * factor[:, None, None])


def write_prior(data, folder):
    """The store of their prior flux; its manifest."""
    dims = ("place", "year", "step")
    store = xr.Dataset(
        {"prior_flux": (dims, data.prior_flux)}, coords={"place": data.place, "year": data.years}
    )
    return str(write_store(store, folder / "observed.zarr", digest=next(DIGESTS)))


def write_place_data(data, folder):
    """The observation store of places; its manifest."""
    windows = {f"window_{name}": ("window", data.windows[name].to_numpy()) for name in data.windows}
    per_place = ("latitude", "longitude", "cluster", "place_class")
    store = xr.Dataset(
        {
            "drivers": (("place", "year", "step", "driver"), data.drivers),
            "n_steps": ("year", data.n_steps),
            "attributes": (("place", "attribute"), data.attributes),
            **{name: ("place", getattr(data, name)) for name in per_place},
            **windows,
        },
        coords={
            "place": data.place,
            "year": data.years,
            "driver": list(data.driver_names),
            "attribute": list(data.attribute_names),
        },
        attrs={"target": data.target, "calendar": data.calendar},
    )
    return str(write_store(store, folder / f"{data.target}.zarr", digest=next(DIGESTS)))


def make_drivers(*, n_places, n_steps, generator):
    """Temperature with a season and persistent weather, and rain, (P, Y, 366, 2)."""
    drivers = np.full((n_places, n_steps.size, N_DAYS, 2), np.nan)
    for year, n in enumerate(n_steps):
        season = -12 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)
        weather = uniform_filter1d(generator.normal(0, 5, (n_places, n)), 9, axis=1)
        drivers[:, year, :n, 0] = 283 + season + weather
        drivers[:, year, :n, 1] = generator.gamma(0.5, 5e-5, (n_places, n))
    return drivers


def _daily_windows(flux, years, n_steps, generator, share_measured, noise):
    rows = []
    for place in range(flux.shape[0]):
        for index, n in enumerate(n_steps):
            days = np.flatnonzero(generator.random(n) < share_measured)
            rows.append(_rows(place, years[index], -1, days, days, flux[place, index, days]))
    return _with_noise(pd.concat(rows, ignore_index=True), generator, noise)


def _monthly_windows(flux, years, n_steps, generator, share_measured, noise):
    """Means of a month over the years, of an unknown year."""
    edges = np.cumsum([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    rows = []
    for place in range(flux.shape[0]):
        for month in np.flatnonzero(generator.random(12) < share_measured):
            mean = flux[place, :, edges[month] : edges[month + 1]].mean()
            rows.append(_rows(place, -1, month, np.array([-1]), np.array([-1]), mean))
    return _with_noise(pd.concat(rows, ignore_index=True), generator, noise)


def _rows(place, year, month, first, last, flux):
    values = {"place": place, "year": year, "month": month, "first": first, "last": last}
    return pd.DataFrame(values | {"flux": flux, "uncertainty": np.nan, "quality": 0})


def _with_noise(windows, generator, noise):
    error = generator.normal(0, noise * FLUX_SCALE, len(windows))
    return windows.assign(flux=windows["flux"] + error)


def make_world(folder, *, years=(2011, 2012), members=("00", "01"), ratio=1.0, change=None):
    """Stores and tables of a run on a grid of 30 degrees, whose fluxes are ratio x the truth."""
    grid = Grid(30.0)
    latitude, longitude = (
        v.ravel() for v in np.meshgrid(grid.latitude, grid.longitude, indexing="ij")
    )
    is_cell = latitude > -60
    latitude, longitude = latitude[is_cell], longitude[is_cell]
    make = StoreMaker(folder, latitude, longitude)
    world = {"cells": make.cells(), "wetlands": [], "fluxes": {}, "budgets": [], "masses": []}
    world["regions"] = str(folder / "regions.json")
    build_regions(
        store=folder / "regions.zarr",
        digest=next(DIGESTS),
        cells=world["cells"],
        systems=["gcp_bands"],
    )
    world["wetlands"] = [make.wetlands(year) for year in years]
    truths = {target: make.truth(target, years) for target in FLUX_NAMES}
    for target, truth in truths.items():
        world["fluxes"][target] = []
        for index, year in enumerate(years):
            flux = np.stack([truth[12 * index : 12 * index + 12] * ratio] * len(members))
            flux = change(flux) if change else flux
            manifest = make.fluxes(target, year, flux, members)
            world["fluxes"][target].append(manifest)
            csv = folder / f"budget_{target}_{year}.csv"
            mass = folder / f"mass_{target}_{year}.zarr"
            integrate_year(
                csv=csv, store=mass, digest=next(DIGESTS), target=target, fluxes=manifest,
                wetlands=world["wetlands"][index], cells=world["cells"], regions=world["regions"],
            )  # fmt: skip
            world["budgets"].append(str(csv))
            world["masses"].append(str(mass.with_suffix(".json")))
    world["truth"] = make.world_truth(truths, years, grid, is_cell)
    world["global_budget"] = _summarize(world["budgets"], folder)
    return world


FLUX_NAMES = {"emission": "wetland_ch4_flux", "consumption": "soil_ch4_consumption_flux"}


class StoreMaker:
    """Writes the small stores of a run."""

    def __init__(self, folder, latitude, longitude):
        self.folder, self.latitude, self.longitude = folder, latitude, longitude
        self.n = latitude.size

    def write(self, name, variables, coords, attrs=None):
        coords = {
            "latitude": ("cell", self.latitude),
            "longitude": ("cell", self.longitude),
            **coords,
        }
        data = xr.Dataset(variables, coords=coords, attrs=attrs or {})
        return str(write_store(data, self.folder / f"{name}.zarr", digest=next(DIGESTS)))

    def cells(self):
        area = cell_area_m2(self.latitude, step_deg=30.0)
        variables = {
            "cell_area": ("cell", area, {"units": "m2"}),
            "land_fraction": ("cell", np.full(self.n, 0.8)),
        }
        return self.write("cells", variables, {}, {"step_deg": 30.0})

    def wetlands(self, year):
        month = np.arange(12)[None, :, None]
        share = 0.05 + 0.02 * np.sin(month / 2) + 0.01 * np.arange(2)[:, None, None]
        wet = np.broadcast_to(share, (2, 12, self.n)).astype(np.float32)
        dims = ("extent", "time", "cell")
        variables = {
            "wetland_fraction": (dims, wet, {"units": "1"}),
            "upland_fraction": (dims, 0.8 - wet, {"units": "1"}),
        }
        coords = {"extent": ["monthly", "static"], "time": _months(year)}
        return self.write(f"wetlands_{year}", variables, coords)

    def truth(self, target, years):
        level = {"emission": 1e-9, "consumption": 1e-11}[target]
        warmth = np.cos(np.deg2rad(self.latitude))
        month = np.arange(12 * len(years))[:, None]
        return level * (1 + warmth + 0.3 * np.sin(month / 2 + self.longitude))

    def fluxes(self, target, year, flux, members):
        dims = ("member", "time", "cell")
        variables = {"flux": (dims, flux.astype(np.float32), {"units": "kg m-2 s-1"})}
        coords = {"member": list(members), "time": _months(year)}
        return self.write(f"fluxes_{target}_{year}", variables, coords)

    def world_truth(self, truths, years, grid, is_cell):
        dims = ("time", "latitude", "longitude")
        variables = {}
        for target, truth in truths.items():
            maps = np.full((len(truth), is_cell.size), np.nan)
            maps[:, is_cell] = truth
            maps = maps.reshape(-1, *grid.shape)
            zonal = maps.mean(axis=2, keepdims=True)
            variables[FLUX_NAMES[target]] = (dims, maps)
            ceiling = (dims, np.broadcast_to(zonal, maps.shape))
            variables[f"{FLUX_NAMES[target]}_ceiling"] = ceiling
        coords = {
            "time": np.concatenate([_months(year) for year in years]),
            "latitude": grid.latitude,
            "longitude": grid.longitude,
        }
        data = xr.Dataset(variables, coords=coords)
        return str(write_store(data, self.folder / "truth.zarr", digest=next(DIGESTS)))


def _months(year):
    return np.arange(f"{year}-01", f"{year + 1}-01", dtype="datetime64[M]").astype("datetime64[ns]")


def _summarize(budgets, folder):
    table = pd.concat([pd.read_csv(path, dtype={"member": str}) for path in budgets])
    keys = ["target", "region_system", "region", "extent"]
    annual = table.groupby([*keys, "member", "year"])["mass_tg"].sum()
    mean = annual.groupby(keys).mean().reset_index(name="mean_tg")
    pooled = mean.groupby(keys[:-1])["mean_tg"].mean().reset_index().assign(extent="all")
    rows = pd.concat([mean, pooled])
    rows = rows.assign(q05_tg=0.8 * rows["mean_tg"], q95_tg=1.2 * rows["mean_tg"])
    path = folder / "global_budget.csv"
    rows.to_csv(path, index=False, float_format="%.6g")
    return str(path)
