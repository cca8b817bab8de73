"""Methane of a wetland column: production, oxidation, and three ways to the surface.

One store of dissolved methane below the water table, stepped by a day with backward
Euler, so that production - oxidation - surface flux - change of storage is zero to rounding.
Amounts are umol m-2, rates per day, concentrations umol L-1, as in Walter and Heimann
(2000), doi:10.1029/1999GB001204 ("WH"), and Zhuang et al. (2004), doi:10.1029/2004GB002239.
"""

import dataclasses

import numpy as np

from chamnet.simulation.soil import LAYER_BOTTOM_M, LAYER_THICKNESS_M, LAYER_TOP_M

PRODUCING_LAYERS = 4  # the organic matter ends within them, at 0.6 m
STORE_DEPTH_M = 0.3  # below the water table, where the methane is dissolved; set, see step_column
PORE_FRACTION = 0.8
STORE_LITERS = 1000 * PORE_FRACTION * STORE_DEPTH_M  # m-2
EBULLITION_PER_DAY = 24.0  # 1 h-1, WH eq. 14
EBULLITION_FROM = 500.0  # umol L-1, WH section 2.5
PLANT_PER_DAY = 0.24  # 0.01 h-1, WH eq. 16
PLANT_OXIDIZED = 0.5  # WH section 2.5
DIFFUSION_WATER_M2_S = 2e-9 * 0.66  # WH eq. 9, tortuosity 0.66
DIFFUSION_AIR_M2_S = 0.2e-4 * 0.66 * 0.3  # the same in air, over the air-filled share
CLOSED_BY_ICE = 0.97  # ice in the topmost layer closes bubbles' and diffusion's way


@dataclasses.dataclass(frozen=True, slots=True)
class ColumnFluxes:
    """What a day did in a column, umol m-2 in the day, (column,) each; all are >= 0."""

    production: np.ndarray
    oxidation: np.ndarray
    diffusion: np.ndarray
    ebullition: np.ndarray
    plants: np.ndarray
    surface: np.ndarray


def organic_matter(rooting_depth: np.ndarray) -> np.ndarray:
    """Substrate relative to the surface's in each producing layer, (layer, cell).

    Parameters
    ----------
    rooting_depth : (cell,), m

    Notes
    -----
    WH eq. 5: 1 above the rooting depth, then exp(-(z - RD) / 0.10 m); layer means.
    """
    top = LAYER_TOP_M[:PRODUCING_LAYERS, None]
    bottom = LAYER_BOTTOM_M[:PRODUCING_LAYERS, None]
    rooted = np.clip(rooting_depth, top, bottom) - top
    begin = np.maximum(top - rooting_depth, 0)
    end = np.maximum(bottom - rooting_depth, 0)
    return (rooted + 0.1 * (np.exp(-begin / 0.1) - np.exp(-end / 0.1))) / (bottom - top)


def saturated_thickness(table: np.ndarray) -> np.ndarray:
    """Thickness below the water table in each producing layer, (layer, cell), m.

    Parameters
    ----------
    table : (cell,), m above the surface
    """
    bottom = LAYER_BOTTOM_M[:PRODUCING_LAYERS, None]
    return np.clip(bottom + table, 0, LAYER_THICKNESS_M[:PRODUCING_LAYERS, None])


def production(
    *,
    temperature: np.ndarray,
    thickness: np.ndarray,
    organic: np.ndarray,
    rate: np.ndarray,
    q10: np.ndarray,
    reference: np.ndarray,
    npp: np.ndarray,
) -> np.ndarray:
    """Methane made below the water table, (column,), umol m-2 in the day.

    Parameters
    ----------
    temperature : (layer, column), degC
    thickness : (layer, column), m
        Of the saturated part of each producing layer.
    organic : (layer, column), 1
    rate : (column,), umol L-1 h-1
        R0 times the site's substrate quality.
    q10, reference : (column,), 1; degC
    npp : (column,), 1
        Relative to its highest.

    Notes
    -----
    WH eq. 2: R0 f_org(z) (1 + NPP/NPPmax) f(T) Q10^((T - Tmean)/10), none in frozen soil;
    Tmean is the class's here, so that warmth counts between cells, too.
    """
    warmth = np.exp(np.log(q10) * 0.1 * (temperature - reference)) * (temperature > 0)
    return rate * (1 + npp) * (warmth * organic * thickness).sum(axis=0) * (24 * 1000)


def plant_growth(temperature: np.ndarray, *, start: np.ndarray) -> np.ndarray:
    """Leaf area that leads gas, (column,), 0 to 4.

    Parameters
    ----------
    temperature : (column,), degC at rooting depth
    start : (column,), degC
        Where growth begins; mature 10 K above.

    Notes
    -----
    WH eqs. 17 and 18.
    """
    share = np.clip((temperature - start) / 10, 0, 1)
    return 4 * (1 - (1 - share) ** 2)


def passed_fraction(
    flux: np.ndarray,
    *,
    depth: np.ndarray,
    temperature: np.ndarray,
    vmax: np.ndarray,
    km: np.ndarray,
    q10: np.ndarray,
    reference: np.ndarray,
) -> np.ndarray:
    """Share of the gas that passes the aerated soil above the table unoxidized, 0 to 1.

    Parameters
    ----------
    flux : (column,), umol m-2 in the day
        Into the aerated soil, from below.
    depth : (column,), m
        Thickness of the aerated soil.
    temperature : (column,), degC
    vmax, km : (column,), umol L-1 h-1; umol L-1
    q10, reference : (column,), 1; degC

    Notes
    -----
    Michaelis-Menten oxidation (WH eq. 12) made linear at the concentration that carries
    the flux; D C'' = k C through the layer then passes 1 / cosh(depth sqrt(k / D)).
    """
    carrying = flux / 86_400 * depth / DIFFUSION_AIR_M2_S / 1000  # umol L-1
    warmth = np.exp(np.log(q10) * 0.1 * (temperature - reference)) * (temperature > 0)
    per_second = vmax / (km + carrying) / 3600 * warmth
    return 1 / np.cosh(np.minimum(depth * np.sqrt(per_second / DIFFUSION_AIR_M2_S), 30))


def step_column(
    storage: np.ndarray,
    *,
    made: np.ndarray,
    table: np.ndarray,
    temperature: np.ndarray,
    ice: np.ndarray,
    plant_conductance: np.ndarray,
    rooting_depth: np.ndarray,
    growth: np.ndarray,
    vmax: np.ndarray,
    km: np.ndarray,
    oxidation_q10: np.ndarray,
    reference: np.ndarray,
) -> tuple[np.ndarray, ColumnFluxes]:
    """Storage a day later, and the day's fluxes.

    Parameters
    ----------
    storage, made : (column,), umol m-2, and umol m-2 in the day
    table : (column,), m above the surface
    temperature, ice : (column,), degC of the root zone; 0 to 1 in the topmost layer
    plant_conductance : (column,), 0 to 15
        Tveg times the site's plant transport.
    growth, rooting_depth, vmax, km, oxidation_q10, reference : (column,)
        As the functions above have them.

    Returns
    -------
    storage, fluxes : (column,), umol m-2; ColumnFluxes

    Notes
    -----
    made = oxidation + surface + change of storage. Bubbles end in the aerated soil, if any.
    """
    depth = np.maximum(-table, 0)
    is_open = 1 - CLOSED_BY_ICE * ice
    by_water = _diffusion_per_day(table) * is_open
    by_plants = _plants_per_day(plant_conductance, growth, rooting_depth=rooting_depth, depth=depth)
    slow, fast = by_water + by_plants, EBULLITION_PER_DAY * is_open
    storage_after, bubbles = _drain(storage + made, slow, fast)
    diffused, led = by_water * storage_after, by_plants * storage_after
    passed = passed_fraction(
        diffused + bubbles,
        depth=depth,
        temperature=temperature,
        vmax=vmax,
        km=km,
        q10=oxidation_q10,
        reference=reference,
    )
    surface = (diffused + bubbles) * passed + led * (1 - PLANT_OXIDIZED)
    return storage_after, ColumnFluxes(
        production=made,
        oxidation=diffused + bubbles + led - surface,
        diffusion=diffused * passed,
        ebullition=bubbles * passed,
        plants=led * (1 - PLANT_OXIDIZED),
        surface=surface,
    )


def _plants_per_day(
    conductance: np.ndarray, growth: np.ndarray, *, rooting_depth: np.ndarray, depth: np.ndarray
) -> np.ndarray:
    """Share of the storage that plants lead up in a day: WH eq. 16.

    Roots reach less of the store the deeper the water table is.
    """
    reach = np.clip((2 * rooting_depth - depth) / (STORE_DEPTH_M + rooting_depth), 0, 1)
    return PLANT_PER_DAY * conductance * growth * reach


def _diffusion_per_day(table: np.ndarray) -> np.ndarray:
    """Share of the storage that diffuses up in a day: WH eq. 9 over 0.1 m and standing water."""
    length = 0.1 + np.maximum(table, 0)
    return DIFFUSION_WATER_M2_S * 86_400 / (length * STORE_DEPTH_M)


def _drain(
    available: np.ndarray, slow: np.ndarray, fast: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Backward Euler: linear losses, and bubbles of what exceeds the threshold (WH eq. 14)."""
    threshold = EBULLITION_FROM * STORE_LITERS
    calm = available / (1 + slow)
    bubbling = (available + fast * threshold) / (1 + slow + fast)
    is_bubbling = calm > threshold
    after = np.where(is_bubbling, bubbling, calm)
    return after, np.where(is_bubbling, fast * (after - threshold), 0.0)
