"""Methane that upland soil takes up: Curry (2007), doi:10.1029/2006GB002818, exactly.

Cultivation, and the inhibition by nitrogen that Curry has not, act where a cell has any.

Fractions are 0 to 1, temperature degC, diffusion cm2 s-1, suction kPa; positive = uptake.
"""

import numpy as np

G0 = 586.7  # mg CH4 m-2 d-1 ppm-1 (cm s-1)-1, Curry (2007) eq. 7
K0_PER_SECOND = 5.03e-5  # Curry (2007), fitted to the Colorado site
CROP_LOSS = 0.75  # Ridgwell et al. (1999), doi:10.1029/1998GB900004
# Share of the uptake lost per g of nitrogen m-2 yr-1: 38 %, the mean over 109 studies of Liu and
# Greaver (2009), doi:10.1111/j.1461-0248.2009.01351.x, set at 10 g m-2 yr-1 (100 kg ha-1 yr-1), a
# usual dose of such trials.
NITROGEN_LOSS = 0.038
SATURATED_KPA_PER_CM = 0.0980665


def clapp_hornberger_b(clay: np.ndarray) -> np.ndarray:
    """Exponent of the retention curve, 1; Cosby et al. (1984): 15.9 clay + 2.91."""
    return 15.9 * clay + 2.91


def porosity_of(sand: np.ndarray) -> np.ndarray:
    """Porosity, 0 to 1; Cosby et al. (1984), doi:10.1029/WR020i006p00682, table 4."""
    return 0.489 - 0.126 * sand


def saturated_suction_kpa(sand: np.ndarray) -> np.ndarray:
    """Suction of saturated soil, kPa; Cosby et al. (1984): 10^(1.88 - 1.31 sand) cm."""
    return 10 ** (1.88 - 1.31 * sand) * SATURATED_KPA_PER_CM


def water_at_suction(
    suction_kpa: float, *, porosity: np.ndarray, sand: np.ndarray, clay: np.ndarray
) -> np.ndarray:
    """Water content at a suction, m3 m-3; Clapp and Hornberger (1978) inverted."""
    ratio = np.maximum(suction_kpa / saturated_suction_kpa(sand), 1)
    return porosity * ratio ** (-1 / clapp_hornberger_b(clay))


def soil_diffusivity(
    *, temperature: np.ndarray, porosity: np.ndarray, air_fraction: np.ndarray, b: np.ndarray
) -> np.ndarray:
    """Diffusion of methane in soil air, cm2 s-1; Curry (2007) eqs. 4 and 5."""
    share = np.clip(air_fraction / porosity, 0, 1)
    return 0.196 * (1 + 0.0055 * temperature) * porosity ** (4 / 3) * share ** (1.5 + 3 / b)


def temperature_response(temperature: np.ndarray) -> np.ndarray:
    """Response of oxidation to temperature, 1; Curry (2007) eq. 10, temperature in degC."""
    warm = np.clip(temperature, 0, 43.3)
    rising = np.exp(0.0693 * warm - 8.56e-7 * warm**4)
    freezing = (0.1 * np.clip(temperature, -10, 0) + 1) ** 2
    response = np.where(temperature >= 0, rising, freezing)
    return np.where((temperature >= -10) & (temperature < 43.3), response, 0.0)


def moisture_response(suction_kpa: np.ndarray) -> np.ndarray:
    """Response of oxidation to drought, 1; Curry (2007) eq. 11, suction in kPa."""
    low = np.log10(200.0)
    share = (np.log10(np.clip(suction_kpa, 200, 1e5)) - low) / (5 - low)
    return np.clip(1 - share, 0, 1) ** 0.8


def nitrogen_factor(nitrogen: np.ndarray | float) -> np.ndarray:
    """Share of the uptake that nitrogen leaves, 0 to 1.

    Parameters
    ----------
    nitrogen : (...), g m-2 yr-1
        Deposited and fertilized.

    Notes
    -----
    r_N = 1 - alpha N, the linear inhibition of MeMo (Murguia-Flores et al. 2018,
    doi:10.5194/gmd-11-2009-2018; recalled, not read again). Their alpha is per nitrogen in the
    soil, which no map has; ours is per input, ``NITROGEN_LOSS``.
    """
    return np.clip(1 - NITROGEN_LOSS * np.asarray(nitrogen), 0, 1)


def soil_suction_kpa(
    water: np.ndarray, *, porosity: np.ndarray, b: np.ndarray, saturated_kpa: np.ndarray
) -> np.ndarray:
    """Suction of soil water, kPa; Clapp and Hornberger (1978), doi:10.1029/WR014i004p00601."""
    return saturated_kpa * np.clip(water / porosity, 1e-3, 1) ** -b


def consumption(
    *,
    temperature: np.ndarray,
    liquid: np.ndarray,
    ice: np.ndarray,
    porosity: np.ndarray,
    sand: np.ndarray,
    clay: np.ndarray,
    crop_fraction: np.ndarray | float = 0.0,
    nitrogen: np.ndarray | float = 0.0,
    concentration_ppm: float = 1.85,
    activity: np.ndarray | float = 1.0,
    suction_kpa: np.ndarray | float | None = None,
) -> np.ndarray:
    """Methane taken up by upland soil, any shape, mg CH4 m-2 d-1, positive = uptake.

    Parameters
    ----------
    temperature : (...), degC
    liquid, ice : (...), m3 m-3
    porosity, sand, clay, crop_fraction : (...), 0 to 1
    nitrogen : (...), g m-2 yr-1
        Input of nitrogen; Curry has none.
    concentration_ppm : of methane in the air
    activity : (...), 1
        Factor on k0, for hidden traits; Curry has 1.
    suction_kpa : (...), kPa
        Of the soil water where it was measured; None: from the retention curve.

    Notes
    -----
    J = g0 C r_C r_W sqrt(D k), Curry (2007) eq. 8; r_W = 1 because budgets integrate over
    upland area, where r_W would count wetlands twice. ``nitrogen_factor`` comes on top.
    """
    b = clapp_hornberger_b(clay)
    diffusion = soil_diffusivity(
        temperature=temperature,
        porosity=porosity,
        air_fraction=np.maximum(porosity - liquid - ice, 0),
        b=b,
    )
    if suction_kpa is None:
        saturated_kpa = saturated_suction_kpa(sand)
        suction_kpa = soil_suction_kpa(liquid, porosity=porosity, b=b, saturated_kpa=saturated_kpa)
    response = temperature_response(temperature) * moisture_response(suction_kpa)
    oxidation = K0_PER_SECOND * activity * response
    left = (1 - CROP_LOSS * crop_fraction) * nitrogen_factor(nitrogen)
    return G0 * concentration_ppm * left * np.sqrt(np.maximum(diffusion * oxidation, 0))
