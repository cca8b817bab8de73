"""The grid: where its cells are, how large, and which one a place lies in.

Latitude ascending, longitude in [-180, 180), coordinates at the centers of cells.
"""

import dataclasses

import numpy as np
import xarray as xr

from chamnet.constants import EARTH_RADIUS_M, WGS84_FLATTENING, WGS84_SEMI_MAJOR_AXIS_M
from chamnet.errors import GridError


@dataclasses.dataclass(frozen=True, slots=True)
class Grid:
    """A regular global grid of cells ``step_deg`` wide both ways."""

    step_deg: float

    def __post_init__(self) -> None:
        n_rows = 180 / self.step_deg if self.step_deg > 0 else 0
        if n_rows < 1 or abs(n_rows - round(n_rows)) > 1e-9:
            raise GridError(f"step_deg {self.step_deg!r}, expected one that divides 180 degrees")

    @property
    def latitude(self) -> np.ndarray:
        """Centers, (latitude,), degrees north, ascending."""
        n_rows = round(180 / self.step_deg)
        return -90 + self.step_deg * (np.arange(n_rows) + 0.5)

    @property
    def longitude(self) -> np.ndarray:
        """Centers, (longitude,), degrees east, from -180."""
        n_columns = round(360 / self.step_deg)
        return -180 + self.step_deg * (np.arange(n_columns) + 0.5)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.latitude.size, self.longitude.size

    def row_column(self, latitude: np.ndarray, longitude: np.ndarray) -> tuple:
        """Row and column of the cells that hold these places, (place,) each."""
        longitude = normalize_longitude(np.asarray(longitude, dtype=float))
        row = np.floor((np.asarray(latitude, dtype=float) + 90) / self.step_deg).astype(int)
        column = np.floor((longitude + 180) / self.step_deg).astype(int)
        return np.clip(row, 0, self.shape[0] - 1), np.clip(column, 0, self.shape[1] - 1)


def normalize_longitude(longitude: np.ndarray) -> np.ndarray:
    """Longitude in [-180, 180)."""
    return (longitude + 180) % 360 - 180


def cell_area_m2(latitude: np.ndarray, *, step_deg: float) -> np.ndarray:
    """Area of a cell at each latitude of a regular grid, on the WGS84 ellipsoid.

    Parameters
    ----------
    latitude : (...), degrees north
        Centers of the cells.
    step_deg : degrees
        Width of a cell, the same both ways.

    Returns
    -------
    (...), m2

    Notes
    -----
    Zone of an ellipsoid from the authalic function q, Snyder (1987), Map Projections,
    USGS Professional Paper 1395, eq. 3-12.
    """
    latitude = np.asarray(latitude, dtype=float)
    zone = area_from_pole_m2(latitude + step_deg / 2) - area_from_pole_m2(latitude - step_deg / 2)
    return zone * step_deg / 360


def area_from_pole_m2(latitude: np.ndarray) -> np.ndarray:
    """Area of the WGS84 ellipsoid from the south pole up to each latitude, m2.

    As a coordinate in place of latitude, its differences are areas of zones.
    """
    phi = np.deg2rad(np.clip(latitude, -90, 90))
    radius = WGS84_SEMI_MAJOR_AXIS_M
    return np.pi * radius**2 * (_authalic_q(phi) - _authalic_q(np.array(-np.pi / 2)))


def _authalic_q(latitude_rad: np.ndarray) -> np.ndarray:
    squared = WGS84_FLATTENING * (2 - WGS84_FLATTENING)
    eccentricity = np.sqrt(squared)
    sine = np.sin(latitude_rad)
    return (1 - squared) * (
        sine / (1 - squared * sine**2) + np.arctanh(eccentricity * sine) / eccentricity
    )


def great_circle_km(
    latitude: np.ndarray,
    longitude: np.ndarray,
    to_latitude: np.ndarray,
    to_longitude: np.ndarray,
) -> np.ndarray:
    """Distances on a sphere, km; the haversine formula, broadcasting its arguments."""
    phi, to_phi = np.deg2rad(latitude), np.deg2rad(to_latitude)
    half_lambda = np.deg2rad(np.asarray(to_longitude) - np.asarray(longitude)) / 2
    h = np.sin((to_phi - phi) / 2) ** 2 + np.cos(phi) * np.cos(to_phi) * np.sin(half_lambda) ** 2
    return 2 * EARTH_RADIUS_M / 1000 * np.arcsin(np.sqrt(np.clip(h, 0, 1)))


def orient(data: xr.Dataset | xr.DataArray, *, source: str) -> xr.Dataset | xr.DataArray:
    """Data with chamnet's names and order: latitude ascending, longitude in [-180, 180).

    Raises
    ------
    GridError
        If there is no latitude and longitude, or they are out of bounds or not regular.
    """
    names = {"lat": "latitude", "lon": "longitude", "y": "latitude", "x": "longitude"}
    data = data.rename({old: new for old, new in names.items() if old in data.dims})
    for name, bound in (("latitude", 90.0), ("longitude", 360.0)):
        if name not in data.dims or name not in data.coords:
            raise GridError(f"{source}: no {name} coordinate, found dims {tuple(data.dims)}")
        largest = float(np.abs(data[name]).max())
        if not largest <= bound + 1e-6:
            raise GridError(f"{source}: {name} reaches {largest}, expected at most {bound:g}")
    data = data.assign_coords(longitude=normalize_longitude(data["longitude"].values))
    data = data.sortby(["latitude", "longitude"])
    for name in ("latitude", "longitude"):
        _check_regular(data[name].values, name=name, source=source)
    return data


def _check_regular(values: np.ndarray, *, name: str, source: str) -> None:
    steps = np.diff(values)
    if values.size > 1 and not np.allclose(steps, steps[0], rtol=1e-3, atol=1e-4):
        raise GridError(
            f"{source}: {name} is not regular, steps from {steps.min():g} to {steps.max():g}"
        )
    if values.size > 1 and steps[0] <= 0:
        raise GridError(f"{source}: {name} repeats {values[int(np.argmin(steps))]:g}")


def nearest_cell(
    latitude: np.ndarray,
    longitude: np.ndarray,
    *,
    cell_latitude: np.ndarray,
    cell_longitude: np.ndarray,
    tolerance_km: float,
    names: list[str],
) -> np.ndarray:
    """Index of the nearest land cell of each place, (place,); two may share a cell.

    Raises
    ------
    GridError
        If the nearest land cell's center is farther than the tolerance.
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(_unit_vectors(cell_latitude, cell_longitude))
    _, index = tree.query(_unit_vectors(latitude, longitude))
    distance = great_circle_km(
        latitude, longitude, np.asarray(cell_latitude)[index], np.asarray(cell_longitude)[index]
    )
    if (distance > tolerance_km).any():
        far = int(np.argmax(distance))
        raise GridError(
            f"{names[far]!r} at {latitude[far]:.3f} N {longitude[far]:.3f} E is "
            f"{distance[far]:.0f} km from the nearest land cell, "
            f"expected at most {tolerance_km:.0f} km"
        )
    return index


def _unit_vectors(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    phi, lam = np.deg2rad(np.asarray(latitude)), np.deg2rad(np.asarray(longitude))
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)


def unstack_cells(
    values: np.ndarray, *, cell_latitude: np.ndarray, cell_longitude: np.ndarray, grid: Grid
) -> np.ndarray:
    """Cells laid out as maps, (..., latitude, longitude) from (..., cell); NaN elsewhere."""
    row, column = grid.row_column(cell_latitude, cell_longitude)
    maps = np.full(
        (*values.shape[:-1], *grid.shape), np.nan, dtype=np.result_type(values, np.float32)
    )
    maps[..., row, column] = values
    return maps
