"""Soil under daily weather: heat by depth, snow, water, and the water table of wetlands.

Plain numpy over cells; each function is one day, or needs no state and takes any shape.
Temperatures are degrees Celsius in here, water is kg m-2 (mm).
"""

import dataclasses

import numpy as np

from chamnet.constants import SECONDS_PER_DAY, ZERO_CELSIUS_K

LAYER_THICKNESS_M = np.array([0.05, 0.10, 0.15, 0.30, 0.60, 1.20])
LAYER_BOTTOM_M = np.cumsum(LAYER_THICKNESS_M)
LAYER_TOP_M = LAYER_BOTTOM_M - LAYER_THICKNESS_M
N_LAYERS = LAYER_THICKNESS_M.size
LATENT_HEAT_FUSION = 334e3  # J kg-1
LATENT_HEAT_VAPORIZATION = 2.45e6  # J kg-1, FAO-56 eq. 8
STEFAN_BOLTZMANN = 5.670374e-8  # W m-2 K-4
SNOW_DENSITY = 250.0  # kg m-3
SNOW_CONDUCTIVITY = 0.25  # W m-1 K-1, Sturm et al. (1997), doi:10.3189/S0022143000002781
MOST_SNOW_KG_M2 = 1000.0  # beyond, snow turns to ice and leaves the column
MELT_KG_M2_DAY_K = 4.0  # degree-day factor, Hock (2003), doi:10.1016/S0022-1694(03)00257-9


@dataclasses.dataclass(frozen=True, slots=True)
class HeatProperties:
    """Thermal properties of a kind of ground."""

    conductivity: float  # W m-1 K-1
    heat_capacity: float  # J m-3 K-1, without the latent heat
    water_fraction: float  # m3 m-3, what freezes


# De Vries mixtures as tabulated by Hillel (1998), Environmental Soil Physics, table 12.2.
WETLAND_HEAT = HeatProperties(conductivity=0.5, heat_capacity=3.6e6, water_fraction=0.6)
UPLAND_HEAT = HeatProperties(conductivity=1.2, heat_capacity=2.2e6, water_fraction=0.2)


def split_heat(enthalpy: np.ndarray, heat: HeatProperties) -> tuple[np.ndarray, np.ndarray]:
    """Temperature and frozen share of the water in each layer.

    Parameters
    ----------
    enthalpy : (layer, cell), J m-2
        Above that of thawed soil at 0 degC.
    heat : properties of the ground

    Returns
    -------
    temperature, ice : (layer, cell), degC; 0 to 1
    """
    ice = np.clip(enthalpy * (-1 / _latent(heat)), 0, 1)
    return (enthalpy + _latent(heat) * ice) * (1 / _sensible(heat)), ice


def join_heat(temperature: np.ndarray, heat: HeatProperties) -> np.ndarray:
    """Enthalpy of soil that is all thawed above 0 degC and all frozen below, J m-2."""
    return _sensible(heat) * temperature - _latent(heat) * (temperature < 0)


def _sensible(heat: HeatProperties) -> np.ndarray:
    return (LAYER_THICKNESS_M * heat.heat_capacity)[:, None]  # J m-2 K-1


def _latent(heat: HeatProperties) -> np.ndarray:
    return (LAYER_THICKNESS_M * LATENT_HEAT_FUSION * 1000 * heat.water_fraction)[:, None]


def step_heat(
    enthalpy: np.ndarray, *, air: np.ndarray, snow: np.ndarray, heat: HeatProperties
) -> np.ndarray:
    """Enthalpy of the soil a day later: conduction under snow, with freezing.

    Parameters
    ----------
    enthalpy : (layer, cell), J m-2
    air : (cell,), degC
        Daily mean, the upper boundary above the snow.
    snow : (cell,), kg m-2
        Insulates; no flux through the bottom of the column.
    heat : properties of the ground

    Returns
    -------
    (layer, cell), J m-2

    Notes
    -----
    Backward Euler on the heat equation, Bonan (2019), Climate Change and Terrestrial
    Ecosystem Modeling, eq. 5.20. Layers in which water freezes or thaws resist by its latent
    heat; what a layer gains is booked as enthalpy, so that energy is kept exactly, but for the
    layer whose last ice goes within the day: it would overshoot, and takes from the air only
    what leaves it no warmer (or, freezing, no colder) than air and soil were.
    """
    dz, day = LAYER_THICKNESS_M, SECONDS_PER_DAY
    temperature, ice = split_heat(enthalpy, heat)
    inner = day * 2 * heat.conductivity / (dz[:-1] + dz[1:])  # J m-2 K-1 between layers
    top = day / (dz[0] / (2 * heat.conductivity) + snow * (1 / (SNOW_DENSITY * SNOW_CONDUCTIVITY)))
    capacity = _sensible(heat) + _latent(heat) * ((ice > 0) & (ice < 1))
    diagonal, right = capacity.copy(), capacity * temperature
    right[0] += top * air
    diagonal[0] += top
    diagonal[:-1] += inner[:, None]
    diagonal[1:] += inner[:, None]
    after = enthalpy + capacity * (_solve_chain(diagonal, inner, right) - temperature)
    warmest = np.maximum(np.maximum(air, temperature.max(axis=0)), 0)
    coldest = np.minimum(np.minimum(air, temperature.min(axis=0)), 0)
    return np.clip(after, _sensible(heat) * coldest - _latent(heat), _sensible(heat) * warmest)


def _solve_chain(diagonal: np.ndarray, coupling: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve the symmetric tridiagonal system of the layers in place; couplings are minus."""
    for i in range(1, N_LAYERS):
        factor = coupling[i - 1] / diagonal[i - 1]
        diagonal[i] -= factor * coupling[i - 1]
        right[i] += factor * right[i - 1]
    right[-1] /= diagonal[-1]
    for i in range(N_LAYERS - 2, -1, -1):
        right[i] = (right[i] + coupling[i] * right[i + 1]) / diagonal[i]
    return right


def step_snow(
    snow: np.ndarray, *, precipitation: np.ndarray, air: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Snow a day later, and the water that reaches the ground.

    Parameters
    ----------
    snow : (cell,), kg m-2
    precipitation : (cell,), kg m-2 in the day
    air : (cell,), degC

    Returns
    -------
    snow, water : (cell,), kg m-2; kg m-2 in the day (rain and melt)

    Notes
    -----
    Degree-day melt, Hock (2003); snowfall fades out between -1 and 1 degC.
    """
    snowfall = precipitation * np.clip((1 - air) / 2, 0, 1)
    total = snow + snowfall
    melt = np.minimum(total, MELT_KG_M2_DAY_K * np.maximum(air, 0))
    return np.minimum(total - melt, MOST_SNOW_KG_M2), precipitation - snowfall + melt


def potential_evapotranspiration(
    *,
    air: np.ndarray,
    shortwave: np.ndarray,
    longwave: np.ndarray | None = None,
    albedo: float = 0.23,
) -> np.ndarray:
    """Evapotranspiration of a wet surface, any shape, kg m-2 in the day.

    Parameters
    ----------
    air : (...), degC
    shortwave, longwave : (...), W m-2
        Downwelling. Without longwave: 5.31e-13 T^6, Swinbank (1963),
        doi:10.1002/qj.49708938105.
    albedo : FAO-56, eq. 38

    Notes
    -----
    Priestley and Taylor (1972), doi:10.1175/1520-0493(1972)100<0081:OTAOSH>2.3.CO;2,
    alpha = 1.26; slope of saturation by FAO-56 eq. 13, gamma at sea level by eq. 8.
    """
    kelvin = air + ZERO_CELSIUS_K
    if longwave is None:
        longwave = 5.31e-13 * kelvin**6
    net = (1 - albedo) * shortwave + 0.97 * (longwave - STEFAN_BOLTZMANN * kelvin**4)
    shifted = np.maximum(air, -60) + 237.3
    slope = 4098 * 0.6108 * np.exp(17.27 * (1 - 237.3 / shifted)) / shifted**2  # kPa K-1
    rate = 1.26 * slope / (slope + 0.067) * net / LATENT_HEAT_VAPORIZATION
    return np.maximum(rate, 0) * SECONDS_PER_DAY


def net_primary_production(*, air: np.ndarray, shortwave: np.ndarray) -> np.ndarray:
    """Production of plants relative to its highest, any shape, 0 to 1.

    Parameters
    ----------
    air : (...), degC
    shortwave : (...), W m-2

    Notes
    -----
    Light-use efficiency (Monteith 1972, doi:10.2307/2401901) with saturating light and a
    linear rise of temperature to 25 degC; wetlands do not lack water. A proxy.
    """
    return shortwave / (shortwave + 120) * np.clip(air / 25, 0, 1)


def step_soil_water(
    water: np.ndarray,
    *,
    supply: np.ndarray,
    potential: np.ndarray,
    wilting: np.ndarray,
    field: np.ndarray,
    full: np.ndarray,
    is_frozen: np.ndarray,
) -> np.ndarray:
    """Water of the upland root zone a day later, (cell,), kg m-2.

    Parameters
    ----------
    water : (cell,), kg m-2
    supply : (cell,), kg m-2 in the day
        Rain and melt.
    potential : (cell,), kg m-2 in the day
        Evapotranspiration of a wet surface, FAO-56's ET0 here.
    wilting, field, full : (cell,), kg m-2
        At wilting point, field capacity and saturation.
    is_frozen : (cell,), 0 to 1
        Frozen soil neither drains nor evaporates.

    Notes
    -----
    One bucket: stress as FAO-56 eq. 84 with p = 0.5; bare soil evaporates on below wilting
    point, at 15 % at most, down to air-dry soil (FAO-56 section "evaporation component"); what
    exceeds field capacity drains at 20 % a day, what exceeds saturation at once.
    """
    stress = np.clip((water - wilting) / (0.5 * (field - wilting)), 0, 1)
    bare = 0.15 * np.clip((water - 0.3 * wilting) / (0.7 * wilting), 0, 1)
    thawed = 1 - is_frozen
    water = water + supply - potential * np.maximum(stress, bare) * thawed
    water = water - 0.2 * np.maximum(water - field, 0) * thawed
    return np.clip(water, 0.3 * wilting, full)


def step_water_table(
    table: np.ndarray,
    *,
    supply: np.ndarray,
    potential: np.ndarray,
    target: np.ndarray,
    is_frozen: np.ndarray,
    specific_yield: float = 0.3,
    days_of_return: float = 40.0,
    lowest_m: float = -0.5,
    highest_m: float = 0.3,
) -> np.ndarray:
    """Water table of a wetland a day later, (cell,), m above the surface.

    Parameters
    ----------
    table : (cell,), m
        Negative below the surface; above it the wetland is inundated.
    supply, potential : (cell,), kg m-2 in the day
    target : (cell,), m
        Where lateral inflow and drainage pull the table to.
    is_frozen : (cell,), 0 to 1
    specific_yield : 1
        Of the soil, Letts et al. (2000), doi:10.1080/07055900.2000.9649643; 1 above it.
    days_of_return : day
    lowest_m, highest_m : m
        A permanently dry or flooded wetland stays within.

    Notes
    -----
    The bucket of Walter and Heimann (2000), doi:10.1029/1999GB001204, section 2.6, with a
    linear exchange with the surroundings, without which wetlands of dry climates vanish.
    """
    per_meter = np.where(table < 0, specific_yield, 1.0)
    lost = potential * np.clip(1 + 2 * table, 0.2, 1)
    change = (supply - lost) / 1000 / per_meter + (target - table) / days_of_return
    return np.clip(table + change * (1 - 0.95 * is_frozen), lowest_m, highest_m)
