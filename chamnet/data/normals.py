"""Monthly normals of climate as the drivers of one climatological year.

Months become days by an interpolation that keeps every month's mean, so that no
precipitation is made or lost.
"""

import numpy as np
import xarray as xr

from chamnet.constants import SECONDS_PER_DAY, ZERO_CELSIUS_K
from chamnet.errors import InputError
from chamnet.grid import great_circle_km, normalize_longitude
from chamnet.timeaxis import N_MONTHS, days_in_year, month_lengths, month_of_step

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
# Angstrom-Prescott coefficients and extraterrestrial radiation: Allen et al. (1998), Crop
# evapotranspiration, FAO Irrigation and Drainage Paper 56, eq. 35 and 21-25.
ANGSTROM_OVERCAST, ANGSTROM_SUNSHINE = 0.25, 0.50
SOLAR_CONSTANT_W_M2 = 0.0820 * 1e6 / 60  # 0.0820 MJ m-2 min-1


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
    sunshine = np.clip(interpolate_months(months["sun"] / 100, is_positive=True), 0, 1)
    drivers = [
        interpolate_months(months["temp"]) + ZERO_CELSIUS_K,
        interpolate_months(rain, is_positive=True),
        shortwave_w_m2(sunshine, latitude=np.asarray(latitude)),
    ]
    values = np.stack(drivers, axis=-1).astype(np.float32)
    return (
        xr.DataArray(
            values, dims=("place", "step", "driver"), coords={"driver": list(NORMALS_DRIVERS)}
        ),
        has_normals,
    )


def interpolate_months(
    months: np.ndarray, *, year: int = NORMALS_YEAR, is_positive: bool = False
) -> np.ndarray:
    """Daily values whose monthly means are the given ones, (..., day) from (..., month=12).

    Parameters
    ----------
    is_positive : clip at zero, then scale each month back to its mean

    Notes
    -----
    Linear between adjusted values at mid-months, as Killworth (1996), Time interpolation of
    forcing fields in ocean models, J. Phys. Oceanogr. 26, 136-143; solved on days, so exact.
    """
    weights, means = _interpolation(year)
    adjusted = months @ np.linalg.inv(means @ weights).T
    days = adjusted @ weights.T
    if not is_positive:
        return days
    days = np.clip(days, 0, None)
    found = days @ means.T
    factor = np.divide(months, found, out=np.zeros_like(found), where=found > 0)
    return days * factor[..., month_of_step(year)]


def shortwave_w_m2(sunshine: np.ndarray, *, latitude: np.ndarray) -> np.ndarray:
    """Downwelling shortwave radiation, (place, day), from the share of possible sunshine.

    Parameters
    ----------
    sunshine : (place, day), 0 to 1
    latitude : (place,), degrees north

    Notes
    -----
    Angstrom-Prescott, eq. 35 of Allen et al. (1998), with a = 0.25, b = 0.50.
    """
    share = ANGSTROM_OVERCAST + ANGSTROM_SUNSHINE * sunshine
    return share * extraterrestrial_w_m2(latitude, n_days=sunshine.shape[-1])


def extraterrestrial_w_m2(latitude: np.ndarray, *, n_days: int) -> np.ndarray:
    """Daily mean radiation at the top of the atmosphere, (place, day), W m-2.

    Notes
    -----
    Eq. 21 and 23-25 of Allen et al. (1998).
    """
    angle = 2 * np.pi * np.arange(1, n_days + 1) / n_days
    distance = 1 + 0.033 * np.cos(angle)
    declination = 0.409 * np.sin(angle - 1.39)
    phi = np.deg2rad(latitude)[:, None]
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(declination), -1, 1))
    height = sunset * np.sin(phi) * np.sin(declination)
    height = height + np.cos(phi) * np.cos(declination) * np.sin(sunset)
    return np.clip(SOLAR_CONSTANT_W_M2 / np.pi * distance * height, 0, None)


def _interpolation(year: int) -> tuple[np.ndarray, np.ndarray]:
    month, n_days = month_of_step(year), days_in_year(year)
    starts = np.searchsorted(month, np.arange(N_MONTHS))
    middles = starts + month_lengths(year) / 2
    identity = np.eye(N_MONTHS)
    weights = np.stack(
        [np.interp(np.arange(n_days) + 0.5, middles, row, period=n_days) for row in identity],
        axis=1,
    )
    means = (month == np.arange(N_MONTHS)[:, None]) / month_lengths(year)[:, None]
    return weights, means


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
