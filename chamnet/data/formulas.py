"""Drivers that are derived from other variables; arguments and results may be arrays."""

import numpy as np

from chamnet.constants import ZERO_CELSIUS_K

VAPOR_MASS_RATIO = 0.622  # molar mass of water over that of dry air
FULL_SNOW_DEPTH_M = 0.1  # of snow, which covers a grid cell wholly
# Angstrom-Prescott coefficients and extraterrestrial radiation: Allen et al. (1998), Crop
# evapotranspiration, FAO Irrigation and Drainage Paper 56, eq. 35 and 21-25.
ANGSTROM_OVERCAST, ANGSTROM_SUNSHINE = 0.25, 0.50
SOLAR_CONSTANT_W_M2 = 0.0820 * 1e6 / 60  # 0.0820 MJ m-2 min-1


def saturation_vapor_pressure_pa(temperature_k: np.ndarray) -> np.ndarray:
    """Vapor pressure of air saturated over water, Pa.

    Notes
    -----
    Eq. 11 of Allen et al. (1998), Crop evapotranspiration, FAO Irrigation and Drainage
    Paper 56 (Tetens' form of the Magnus equation).
    """
    celsius = temperature_k - ZERO_CELSIUS_K
    return 610.8 * np.exp(17.27 * celsius / (celsius + 237.3))


def vapor_pressure_pa(specific_humidity: np.ndarray, pressure_pa: np.ndarray) -> np.ndarray:
    """Vapor pressure of air, Pa, from specific humidity, kg kg-1.

    Notes
    -----
    Inverse of q = 0.622 e / (p - 0.378 e); Wallace and Hobbs (2006), Atmospheric Science,
    section 3.5.
    """
    return (
        specific_humidity
        * pressure_pa
        / (VAPOR_MASS_RATIO + (1 - VAPOR_MASS_RATIO) * specific_humidity)
    )


def vapor_pressure_deficit_pa(temperature_k: np.ndarray, dewpoint_k: np.ndarray) -> np.ndarray:
    """How much vapor the air lacks to saturation, Pa; zero where it is saturated.

    Of the temperatures it is given: from daily means it is lower than the mean of hours.
    """
    return vapor_pressure_deficit_of_vapor_pa(
        temperature_k, saturation_vapor_pressure_pa(dewpoint_k)
    )


def vapor_pressure_deficit_of_vapor_pa(
    temperature_k: np.ndarray, vapor_pressure: np.ndarray
) -> np.ndarray:
    """The same from vapor pressure, Pa."""
    return np.clip(saturation_vapor_pressure_pa(temperature_k) - vapor_pressure, 0, None)


def vapor_pressure_deficit_of_humidity_pa(
    temperature_k: np.ndarray, relative_humidity: np.ndarray
) -> np.ndarray:
    """The same from relative humidity, 0 to 1, over water."""
    return saturation_vapor_pressure_pa(temperature_k) * np.clip(1 - relative_humidity, 0, None)


def vapor_pressure_deficit_of_specific_humidity_pa(
    temperature_k: np.ndarray, specific_humidity: np.ndarray, pressure_pa: np.ndarray
) -> np.ndarray:
    """The same from specific humidity, kg kg-1, and pressure."""
    return vapor_pressure_deficit_of_vapor_pa(
        temperature_k, vapor_pressure_pa(specific_humidity, pressure_pa)
    )


def relative_humidity(temperature_k: np.ndarray, dewpoint_k: np.ndarray) -> np.ndarray:
    """Vapor pressure over that of saturation over water, 0 to 1."""
    share = saturation_vapor_pressure_pa(dewpoint_k) / saturation_vapor_pressure_pa(temperature_k)
    return np.clip(share, 0, 1)


def relative_humidity_of_specific_humidity(
    temperature_k: np.ndarray, specific_humidity: np.ndarray, pressure_pa: np.ndarray
) -> np.ndarray:
    """The same from specific humidity, kg kg-1, and pressure."""
    vapor = vapor_pressure_pa(specific_humidity, pressure_pa)
    return np.clip(vapor / saturation_vapor_pressure_pa(temperature_k), 0, 1)


def wind_speed_m_s(eastward_m_s: np.ndarray, northward_m_s: np.ndarray) -> np.ndarray:
    """Speed of wind from its components, m s-1."""
    return np.hypot(eastward_m_s, northward_m_s)


def snow_cover_of_depth(snow_water_kg_m2: np.ndarray, density_kg_m3: np.ndarray) -> np.ndarray:
    """Share of the ground under snow, 0 to 1, from its mass and density.

    Notes
    -----
    min(1, depth / 0.1 m): ECMWF, ERA5: data documentation, "Computation of snow cover"; IFS
    Documentation CY41R2, part IV, section 8.
    """
    return np.clip(snow_water_kg_m2 / density_kg_m3 / FULL_SNOW_DEPTH_M, 0, 1)


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
    share = ANGSTROM_OVERCAST + ANGSTROM_SUNSHINE * np.clip(sunshine, 0, 1)
    return share * extraterrestrial_w_m2(latitude, n_days=sunshine.shape[-1])


def shortwave_of_cloud_w_m2(cloud_cover: np.ndarray, *, latitude: np.ndarray) -> np.ndarray:
    """The same from cloud cover, 0 to 1: the sun shines where there is no cloud."""
    return shortwave_w_m2(1 - cloud_cover, latitude=latitude)


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


FORMULAS = {
    formula.__name__: formula
    for formula in (
        vapor_pressure_deficit_pa,
        vapor_pressure_deficit_of_vapor_pa,
        vapor_pressure_deficit_of_humidity_pa,
        vapor_pressure_deficit_of_specific_humidity_pa,
        relative_humidity,
        relative_humidity_of_specific_humidity,
        wind_speed_m_s,
        snow_cover_of_depth,
    )
}
# Formulas of daily values at places, (place, day), and their latitude: of monthly sources only.
FORMULAS_OF_PLACE = {
    formula.__name__: formula for formula in (shortwave_w_m2, shortwave_of_cloud_w_m2)
}
