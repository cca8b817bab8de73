"""Drivers that are derived from other variables; arguments and results may be arrays."""

import numpy as np

from chamnet.constants import ZERO_CELSIUS_K


def saturation_vapor_pressure_pa(temperature_k: np.ndarray) -> np.ndarray:
    """Vapor pressure of air saturated over water, Pa.

    Notes
    -----
    Eq. 11 of Allen et al. (1998), Crop evapotranspiration, FAO Irrigation and Drainage
    Paper 56 (Tetens' form of the Magnus equation).
    """
    celsius = temperature_k - ZERO_CELSIUS_K
    return 610.8 * np.exp(17.27 * celsius / (celsius + 237.3))


def vapor_pressure_deficit_pa(temperature_k: np.ndarray, dewpoint_k: np.ndarray) -> np.ndarray:
    """How much vapor the air lacks to saturation, Pa; zero where it is saturated.

    Of the temperatures it is given: from daily means it is lower than the mean of hours.
    """
    saturation = saturation_vapor_pressure_pa(temperature_k)
    return np.clip(saturation - saturation_vapor_pressure_pa(dewpoint_k), 0, None)


def vapor_pressure_deficit_of_humidity_pa(
    temperature_k: np.ndarray, relative_humidity: np.ndarray
) -> np.ndarray:
    """The same from relative humidity, 0 to 1, over water."""
    return saturation_vapor_pressure_pa(temperature_k) * np.clip(1 - relative_humidity, 0, None)


def wind_speed_m_s(eastward_m_s: np.ndarray, northward_m_s: np.ndarray) -> np.ndarray:
    """Speed of wind from its components, m s-1."""
    return np.hypot(eastward_m_s, northward_m_s)


FORMULAS = {
    formula.__name__: formula
    for formula in (
        vapor_pressure_deficit_pa,
        vapor_pressure_deficit_of_humidity_pa,
        wind_speed_m_s,
    )
}
