"""Tiny synthetic files of the layouts that users bring."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from chamnet.data.store import write_store
from chamnet.grid import Grid, cell_area_m2
from chamnet.timeaxis import daily_time

ARCO = {
    "2m_temperature": ("K", 285.0),
    "2m_dewpoint_temperature": ("K", 280.0),
    "surface_pressure": ("Pa", 98_000.0),
    "10m_u_component_of_wind": ("m s**-1", 3.0),
    "10m_v_component_of_wind": ("m s**-1", 4.0),
    "total_precipitation": ("m", 0.0026),
    "surface_solar_radiation_downwards": ("J m**-2", 200.0 * 86_400),
    "surface_thermal_radiation_downwards": ("J m**-2", 300.0 * 86_400),
}
DRIVER_NAMES = [
    "air_temperature",
    "precipitation_flux",
    "surface_downwelling_shortwave_flux_in_air",
    "surface_downwelling_longwave_flux_in_air",
    "vapor_pressure_deficit",
    "surface_air_pressure",
    "wind_speed",
]


def make_tower_table(*, first: str = "2015-01-01", n_days: int = 400, seed: int = 0):
    """Daily table in the provider's columns and units."""
    rng = np.random.default_rng(seed)
    days = pd.date_range(first, periods=n_days, freq="D")
    season = np.sin(2 * np.pi * (days.day_of_year.to_numpy() - 100) / 365)
    flux = 30 + 25 * season + rng.normal(0, 2, n_days)
    return pd.DataFrame(
        {
            "TIMESTAMP": days.strftime("%Y%m%d").astype(int),
            "FCH4": np.where(rng.random(n_days) < 0.3, -9999, flux),
            "FCH4_F": flux,
            "FCH4_F_ANNOPTLM": flux,
            "FCH4_F_ANNOPTLM_QC": np.where(np.arange(n_days) < 300, 1, 3),
            "TA_F": 5 + 12 * season,
            "P_F": rng.exponential(2, n_days),
            "SW_IN_F": 130 + 100 * season,
            "LW_IN_F": 300 + 30 * season,
            "VPD_F": 4 + 3 * season,
            "PA_F": 98.5 + rng.normal(0, 0.5, n_days),
            "WS_F": rng.exponential(2, n_days),
        }
    )


def write_towers(folder: Path, tables: dict[str, pd.DataFrame], *, positions=None) -> dict:
    """Write a folder of daily files and a site table; options of the section ``towers``."""
    towers = folder / "towers"
    towers.mkdir(parents=True, exist_ok=True)
    rows = []
    for i, (site, table) in enumerate(tables.items()):
        table.to_csv(towers / f"FLX_{site}_FLUXNET-CH4_DD_2015-2016_1-1.csv", index=False)
        latitude, longitude = (positions or {}).get(site, (61.0 + i, 24.0))
        rows.append((site, latitude, longitude, "Fen"))
    columns = ["SITE_ID", "LAT", "LON", "SITE_CLASSIFICATION"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "sites.csv", index=False)
    return {"folder": str(towers), "sites": str(folder / "sites.csv"), "drivers": "tower"}


def write_cells(folder: Path, *, step_deg: float = 30.0, water: float = 0.25) -> str:
    """Write all cells of a grid north of 60 S, with one attribute; the manifest's path."""
    grid = Grid(step_deg)
    row, column = np.indices(grid.shape).reshape(2, -1)
    is_kept = grid.latitude[row] > -60
    latitude, longitude = grid.latitude[row[is_kept]], grid.longitude[column[is_kept]]
    n_cells = latitude.size
    cells = xr.Dataset(
        {
            "cell_area": ("cell", cell_area_m2(latitude, step_deg=step_deg)),
            "land_fraction": ("cell", np.full(n_cells, 1 - water)),
            "water_fraction": ("cell", np.full(n_cells, water)),
            "ice_fraction": ("cell", np.full(n_cells, 0.05)),
            "attributes": (("cell", "attribute"), np.arange(n_cells, dtype="f4")[:, None]),
        },
        coords={
            "latitude": ("cell", latitude),
            "longitude": ("cell", longitude),
            "attribute": ["number"],
        },
        attrs={"step_deg": step_deg},
    )
    return str(write_store(cells, folder / "cells.zarr", digest=f"{step_deg} {water}"))


def make_reanalysis(
    *, year: int = 2015, step_deg: float = 30.0, calendar: str = "standard", **replaced
) -> xr.Dataset:
    """Daily maps in the layout of ARCO-ERA5: latitude descending, longitude 0 to 360.

    Every variable is constant but for a pattern in place and time of a few percent;
    ``replaced`` gives other names for variables (None leaves one out).
    """
    grid = Grid(step_deg)
    time = daily_time(year, calendar=calendar)
    latitude = grid.latitude[::-1]
    longitude = np.sort(grid.longitude % 360)
    pattern = 1 + 0.01 * np.cos(np.deg2rad(latitude))[:, None] * np.sin(np.deg2rad(longitude))
    season = 1 + 0.01 * np.sin(2 * np.pi * np.arange(time.size) / time.size)
    data = {
        name: (
            ("valid_time", "latitude", "longitude"),
            (value * season[:, None, None] * pattern).astype(np.float32),
            {"units": units},
        )
        for name, (units, value) in ARCO.items()
        if replaced.get(name, name) is not None
    }
    coords = {"valid_time": time.values, "latitude": latitude, "longitude": longitude}
    return xr.Dataset(data, coords=coords)


def write_reanalysis(path: Path, data: xr.Dataset) -> str:
    """Write maps as an ordinary Zarr store, or as NetCDF by the name."""
    if path.suffix == ".nc":
        data.to_netcdf(path)
    else:
        data.to_zarr(path, mode="w", consolidated=False, zarr_format=3)
    return str(path)


def write_raster(path: Path, values: np.ndarray, *, crs="EPSG:4326", bounds=None, nodata=None):
    """Write a GeoTIFF, north at the top; the whole globe where no bounds are given."""
    import rasterio
    from affine import Affine

    height, width = values.shape
    bounds = bounds or (-180, -90, 180, 90)
    profile = {"driver": "GTiff", "count": 1, "dtype": values.dtype, "crs": crs, "nodata": nodata}
    west, south, east, north = bounds
    steps = (east - west) / width, (south - north) / height
    transform = Affine(steps[0], 0, west, 0, steps[1], north)
    with rasterio.open(
        path, "w", height=height, width=width, transform=transform, **profile
    ) as file:
        file.write(values, 1)
    return str(path)


def make_wetland_map(*, step_deg: float = 30.0, first: str = "2015-01", n_months: int = 12):
    """Monthly fractions in the layout of WAD2M, other in each month and place."""
    grid = Grid(step_deg)
    time = pd.date_range(first, periods=n_months, freq="MS")
    rng = np.random.default_rng(1)
    fraction = 0.3 * rng.random(grid.shape) * (1 + np.arange(n_months)[:, None, None]) / n_months
    return xr.Dataset(
        {"Fw": (("time", "lat", "lon"), fraction.astype(np.float32), {"units": "1"})},
        coords={"time": time, "lat": grid.latitude, "lon": grid.longitude},
    )
