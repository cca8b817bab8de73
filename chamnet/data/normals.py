"""Monthly normals of climate as the drivers of one climatological year at places."""

import functools

import numpy as np
import xarray as xr

from chamnet.constants import SECONDS_PER_DAY, ZERO_CELSIUS_K
from chamnet.data.formulas import shortwave_w_m2
from chamnet.data.monthly import interpolate_months
from chamnet.errors import InputError
from chamnet.grid import great_circle_km, normalize_longitude
from chamnet.timeaxis import N_MONTHS, month_lengths

NORMALS_YEAR = 2001  # label of the climatological year: the first of 365 days in its century
NORMALS_DRIVERS = (
    "air_temperature",
    "precipitation_flux",
    "surface_downwelling_shortwave_flux_in_air",
)
SENTINELS = (999.9, 9999.0)  # ice or missing
# BIOME4 stores tenths as integers, without a scale attribute: Kaplan et al. (2003), README.
BIOME4_SCALES = {"temp": 0.1, "prec": 1.0, "sun": 0.1}
BIOME4_EDGE_DEG = 0.25  # from a label, the cell's lower edge, to its center


def read_normals(
    path: str, *, latitude: np.ndarray, longitude: np.ndarray, tolerance_km: float = 100.0
) -> tuple[xr.DataArray, np.ndarray]:
    """Daily drivers of a climatological year at places, and which places have any.

    Parameters
    ----------
    path : NetCDF in the layout of BIOME4
        temp (tenths of degC), prec (mm a month), sun (tenths of a percent of possible
        sunshine), each (time=12, lat, lon).
    latitude, longitude : (place,), degrees
    tolerance_km : km
        How far the nearest cell with values may be.

    Returns
    -------
    drivers : (place, step=365, driver), CF units
        NaN where a place has none.
    has_normals : (place,)

    Raises
    ------
    InputError
        If the file lacks a variable, or values are beyond what they can be.
    """
    months = _read_biome4(path, latitude=latitude, longitude=longitude, tolerance_km=tolerance_km)
    has_normals = np.isfinite(months["temp"]).all(axis=1)
    lengths = month_lengths(NORMALS_YEAR)
    rain = months["prec"] / (lengths * SECONDS_PER_DAY)
    daily = functools.partial(interpolate_months, lengths=lengths, is_periodic=True)
    sunshine = daily(months["sun"] / 100, is_positive=True)
    drivers = [
        daily(months["temp"]) + ZERO_CELSIUS_K,
        daily(rain, is_positive=True),
        shortwave_w_m2(sunshine, latitude=np.asarray(latitude)),
    ]
    values = np.stack(drivers, axis=-1).astype(np.float32)
    return (
        xr.DataArray(
            values, dims=("place", "step", "driver"), coords={"driver": list(NORMALS_DRIVERS)}
        ),
        has_normals,
    )


def _read_biome4(
    path: str, *, latitude: np.ndarray, longitude: np.ndarray, tolerance_km: float
) -> dict[str, np.ndarray]:
    with xr.open_dataset(path, decode_times=False) as data:
        missing = [name for name in BIOME4_SCALES if name not in data]
        if missing:
            raise InputError(
                f"{path}: no variable {missing[0]!r}, expected {list(BIOME4_SCALES)} of monthly "
                f"normals; it has {list(data.data_vars)}"
            )
        maps = {name: _read_map(data[name], scale=scale) for name, scale in BIOME4_SCALES.items()}
        centers = [data[name].values + BIOME4_EDGE_DEG for name in ("lat", "lon")]
    _check_biome4(maps, path=path)
    is_complete = np.all([np.isfinite(m).all(axis=0) for m in maps.values()], axis=0)
    row, column = np.nonzero(is_complete)
    index, is_near = _nearest(
        (latitude, longitude), (centers[0][row], centers[1][column]), tolerance_km=tolerance_km
    )
    months = {name: m[:, row, column].T[index] for name, m in maps.items()}
    return {name: np.where(is_near[:, None], m, np.nan) for name, m in months.items()}


def _read_map(data: xr.DataArray, *, scale: float) -> np.ndarray:
    values = data.transpose("time", "lat", "lon").values.astype(float)
    is_missing = np.isin(values.round(1), SENTINELS)
    return np.where(is_missing, np.nan, values * scale)


def _check_biome4(maps: dict[str, np.ndarray], *, path: str) -> None:
    bounds = {"temp": (-90, 60, "degC"), "prec": (0, 5000, "mm"), "sun": (0, 100, "percent")}
    for name, (lowest, highest, units) in bounds.items():
        found = float(np.nanmin(maps[name])), float(np.nanmax(maps[name]))
        if maps[name].shape[0] != N_MONTHS or found[0] < lowest or found[1] > highest:
            raise InputError(
                f"{path}: {name} is {found[0]:g} to {found[1]:g} in {maps[name].shape[0]} months, "
                f"expected {lowest} to {highest} {units} in {N_MONTHS}"
            )


def _nearest(
    places: tuple[np.ndarray, np.ndarray],
    cells: tuple[np.ndarray, np.ndarray],
    *,
    tolerance_km: float,
) -> tuple[np.ndarray, np.ndarray]:
    from scipy.spatial import cKDTree

    latitude, longitude = (np.asarray(part, dtype=float) for part in places)
    to_latitude, to_longitude = (np.asarray(part, dtype=float) for part in cells)
    scaled = [
        np.column_stack(_vectors(*pair))
        for pair in ((to_latitude, to_longitude), (latitude, longitude))
    ]
    index = cKDTree(scaled[0]).query(scaled[1])[1]
    distance = great_circle_km(latitude, longitude, to_latitude[index], to_longitude[index])
    return index, distance <= tolerance_km


def _vectors(latitude: np.ndarray, longitude: np.ndarray) -> tuple[np.ndarray, ...]:
    phi, lam = np.deg2rad(latitude), np.deg2rad(normalize_longitude(longitude))
    return np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)
