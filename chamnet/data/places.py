"""What the places of observations have besides them: drivers, attributes and clusters."""

import dataclasses
import logging
from collections.abc import Sequence
from typing import Self

import numpy as np
import pandas as pd
import xarray as xr

from chamnet.constants import EARTH_RADIUS_M
from chamnet.data.drivers import require_drivers
from chamnet.data.store import open_store
from chamnet.errors import InputError
from chamnet.grid import great_circle_km, nearest_cell
from chamnet.timeaxis import days_in_year, require_calendar

logger = logging.getLogger(__name__)

N_STEPS = 366  # steps that every year is padded to
TOLERANCE_CELLS = 1.5  # widths of a cell that a place may be off its nearest land cell
TOLERANCE_KM = 50.0  # the least tolerance, on fine grids


@dataclasses.dataclass(frozen=True)
class PlaceDrivers:
    """Drivers and attributes of places.

    Attributes
    ----------
    values : (place, year, step=366, driver), CF units, NaN where absent
    attributes : (place, attribute)
    source : (place, year, step=366, driver) int8, of drivers that are a tower's own
        0 its column, 1 filled from the cell and corrected, 2 filled with its own day-of-year
        mean, -1 absent; None where all are the cell's.
    """

    values: np.ndarray
    years: list[int]
    driver_names: list[str]
    calendar: str
    attributes: np.ndarray
    attribute_names: list[str]
    source: np.ndarray | None = None

    def take(self, is_kept: np.ndarray) -> Self:
        """The same of some places, by a mask or their numbers; one named twice is there twice."""
        return dataclasses.replace(
            self,
            values=self.values[is_kept],
            attributes=self.attributes[is_kept],
            source=None if self.source is None else self.source[is_kept],
        )


def read_cell_drivers(
    places: pd.DataFrame,
    *,
    cells: str,
    drivers: Sequence[str],
    driver_names: Sequence[str],
    years: Sequence[int],
) -> tuple[PlaceDrivers, np.ndarray]:
    """Drivers and attributes of the land cell that each place is nearest to.

    Two places in one cell both keep it.

    Parameters
    ----------
    places : a row a place, with place, latitude and longitude
    cells : manifest of the cells
    drivers : manifests of the drivers, one a year
    years : years read, each among the manifests

    Returns
    -------
    drivers, and distance of the nearest land cell in units of what is tolerated, (place,)
        A place beyond 1 has the drivers of a cell it is not in.

    Raises
    ------
    InputError
        If a year has no drivers, or calendars differ.
    MissingDriverError
        If the drivers lack one that is asked for.
    """
    index, excess, attributes, attribute_names = _read_cells_of(places, cells)
    stores = _stores_by_year(drivers, years=years)
    values = empty_drivers(len(places), len(years), len(driver_names))
    unique, back = np.unique(index, return_inverse=True)
    calendars = set()
    for i, year in enumerate(years):
        with open_store(stores[year]) as data:
            require_drivers(driver_names, available=map(str, data.data_vars), source=stores[year])
            calendars.add(require_calendar(data.attrs["calendar"]))
            part = data[list(driver_names)].isel(cell=unique)
            for k, name in enumerate(driver_names):
                days = part[name].transpose("cell", "time").values
                values[:, i, : days.shape[1], k] = days[back]
        logger.info("observations: drivers of %d, %d/%d years", year, i + 1, len(years))
    if len(calendars) > 1:
        raise InputError(f"drivers have the calendars {sorted(calendars)}, expected one")
    found = PlaceDrivers(
        values=values,
        years=list(years),
        driver_names=list(driver_names),
        calendar=calendars.pop(),
        attributes=attributes,
        attribute_names=attribute_names,
    )
    return found, excess


def add_cell_attributes(
    drivers: PlaceDrivers, places: pd.DataFrame, *, cells: str
) -> tuple[PlaceDrivers, np.ndarray]:
    """Drivers of places with the attributes of their nearest land cell, and its distance.

    The distance is as of ``read_cell_drivers``.
    """
    _, excess, attributes, names = _read_cells_of(places, cells)
    found = dataclasses.replace(drivers, attributes=attributes, attribute_names=names)
    return found, excess


def build_clusters(latitude: np.ndarray, longitude: np.ndarray, *, cluster_km: float) -> np.ndarray:
    """Cluster of each place, (place,): places linked by steps of at most ``cluster_km``.

    Notes
    -----
    Single linkage: the components of the graph of pairs that are that near.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    phi, lam = np.deg2rad(latitude), np.deg2rad(longitude)
    vectors = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], -1)
    angle = min(cluster_km * 1000 / EARTH_RADIUS_M, np.pi)
    pairs = cKDTree(vectors).query_pairs(2 * np.sin(angle / 2) + 1e-12, output_type="ndarray")
    size = len(vectors)
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(size, size))
    return connected_components(links, directed=False)[1]


def n_steps_of(years: Sequence[int], *, calendar: str) -> np.ndarray:
    """Days of each year, (year,)."""
    return np.array([days_in_year(year, calendar=calendar) for year in years])


def _read_cells_of(
    places: pd.DataFrame, cells: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    with open_store(cells) as data:
        index, excess = _nearest_cells(places, data)
        attributes = data["attributes"].values[index].astype(np.float32)
        return index, excess, attributes, [str(name) for name in data["attribute"].values]


def _nearest_cells(places: pd.DataFrame, cells: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    latitude, longitude = places["latitude"].to_numpy(), places["longitude"].to_numpy()
    cell_latitude, cell_longitude = cells["latitude"].values, cells["longitude"].values
    index = nearest_cell(
        latitude,
        longitude,
        cell_latitude=cell_latitude,
        cell_longitude=cell_longitude,
        tolerance_km=np.inf,
        names=list(places["place"]),
    )
    distance = great_circle_km(latitude, longitude, cell_latitude[index], cell_longitude[index])
    width_km = float(cells.attrs["step_deg"]) * np.pi / 180 * EARTH_RADIUS_M / 1000
    return index, distance / max(TOLERANCE_CELLS * width_km, TOLERANCE_KM)


def years_of_stores(drivers: Sequence[str]) -> dict[int, str]:
    """Manifests of drivers by their year."""
    stores = {}
    for path in drivers:
        with open_store(path) as data:
            stores[int(data["time"].dt.year[0])] = path
    return stores


def _stores_by_year(drivers: Sequence[str], *, years: Sequence[int]) -> dict[int, str]:
    stores = years_of_stores(drivers)
    missing = sorted(set(years) - set(stores))
    if missing:
        raise InputError(f"no drivers of {missing[0]}, there are those of {sorted(stores)}")
    return stores


def empty_drivers(n_places: int, n_years: int, n_drivers: int) -> np.ndarray:
    """Drivers of places without any value, (place, year, step=366, driver)."""
    return np.full((n_places, n_years, N_STEPS, n_drivers), np.nan, np.float32)
