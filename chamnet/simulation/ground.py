"""Ground of simulated places, from a run's attributes where it has them, else drawn."""

import dataclasses
import logging
from collections.abc import Sequence

import numpy as np

from chamnet.constants import SECONDS_PER_DAY, ZERO_CELSIUS_K
from chamnet.errors import InputError
from chamnet.simulation.classes import build_class_weights, name_biomes
from chamnet.simulation.inputs import LONGWAVE, REQUIRED, Land, build_land
from chamnet.simulation.parameters import Parameters
from chamnet.simulation.soil import potential_evapotranspiration
from chamnet.timeaxis import N_MONTHS, require_calendar

logger = logging.getLogger(__name__)

MEAN_YEAR = 365.25  # days, but for 360_day; noleap drifts by 10 days in 40 years, some 0.1 K
DRY = 5.0  # potential evapotranspiration over precipitation of a desert, UNEP's arid limit


@dataclasses.dataclass(frozen=True, slots=True)
class Attribute:
    """What the process model wants to know of the ground, and how it is spread over land.

    Attributes
    ----------
    name : as the attributes of a run call it
    mean, spread : of a normal distribution, or of the logs of a log-normal one
    lowest, highest : what it can be
    is_log : whether the spread is one of logs
    """

    name: str
    mean: float
    spread: float
    lowest: float
    highest: float
    is_log: bool = False


# Means and spreads of land as SoilGrids 2.0 has them to a digit, Poggio et al. (2021),
# doi:10.5194/soil-7-217-2021; of forest and crops as MODIS MCD12C1 of 2019.
ATTRIBUTES = {
    "clay": Attribute("clay_fraction", 0.22, 0.08, 0.0, 1.0),
    "sand": Attribute("sand_fraction", 0.43, 0.12, 0.0, 1.0),
    "soc": Attribute("soil_organic_carbon", 25.0, 0.7, 0.0, 600.0, is_log=True),
    "phh2o": Attribute("soil_ph", 6.0, 0.9, 2.0, 11.0),
    "forest": Attribute("land_cover_forest", 0.3, 0.3, 0.0, 1.0),
    "crop": Attribute("land_cover_crop", 0.05, 0.1, 0.0, 1.0),
}
# g m-2 yr-1, deposited and fertilized; never drawn: where a run has none, uptake is Curry's.
NITROGEN = Attribute("nitrogen_input", 0.0, 0.0, 0.0, 100.0)


def build_soils(
    attributes: np.ndarray, names: Sequence[str], *, generator: np.random.Generator | None
) -> dict[str, np.ndarray]:
    """Soil and cover of places, key of ``ATTRIBUTES`` or nitrogen -> (place,).

    Parameters
    ----------
    attributes : (place, attribute)
        NaN where unknown.
    names : of the attributes
    generator : draws what a run has no attribute of, which then is hidden from any model
        None: it is what land has on average.

    Raises
    ------
    InputError
        If an attribute is beyond what it can be: another unit.
    """
    soils, drawn = {}, []
    for key, kind in ATTRIBUTES.items():
        values = kind.mean * np.ones(len(attributes))
        if generator is not None:
            noise = kind.spread * generator.normal(size=values.size)
            values = values * np.exp(noise) if kind.is_log else values + noise
        values = np.clip(values, kind.lowest, kind.highest)
        if kind.name in names:
            known = attributes[:, list(names).index(kind.name)].astype(float)
            _require_bounds(known, kind)
            values = np.where(np.isfinite(known), known, values)
        else:
            drawn.append(kind.name)
        soils[key] = values
    soils["sand"] = np.minimum(soils["sand"], 1 - soils["clay"])
    soils["nitrogen"] = _known_nitrogen(attributes, names)
    if drawn:
        how = "the mean of land" if generator is None else "drawn"
        logger.info("simulate: %s are no attributes of this run, and %s", ", ".join(drawn), how)
    return soils


def _known_nitrogen(attributes: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Input of nitrogen of places, (place,); 0 where it is unknown."""
    if NITROGEN.name not in names:
        return np.zeros(len(attributes))
    known = attributes[:, list(names).index(NITROGEN.name)].astype(float)
    _require_bounds(known, NITROGEN)
    return np.nan_to_num(known)


def _require_bounds(values: np.ndarray, kind: Attribute) -> None:
    is_wrong = (values < kind.lowest - 1e-3) | (values > kind.highest + 1e-3)
    if is_wrong.any():
        raise InputError(
            f"attribute {kind.name!r} is {values[np.argmax(is_wrong)]:g} at a simulated place, "
            f"expected {kind.lowest:g} to {kind.highest:g}: attributes.sources has a scale"
        )


def build_ground(
    soils: dict[str, np.ndarray],
    drivers: dict[str, np.ndarray],
    parameters: Parameters,
    *,
    calendar: str,
    generator: np.random.Generator | None = None,
) -> tuple[Land, np.ndarray, np.ndarray]:
    """Ground of places under their climate, their wetland classes and upland biomes.

    Parameters
    ----------
    soils : of ``build_soils``
    drivers : CF name -> (place, time), CF units; whole years, without gaps
    parameters : with the wetland classes
    calendar : of the drivers
    generator : draws one class a place; without it, wetlands are the climate's mixture

    Returns
    -------
    land, wetland_class, biome : Land, (place,) and (place,) of str
        The class is the most likely one of a mixture.
    """
    coldest, warmest, is_dry = summarize_climate(drivers, calendar=calendar)
    weights = build_class_weights(
        parameters,
        coldest=coldest,
        warmest=warmest,
        forest=soils["forest"],
        phh2o=soils["phh2o"],
    )
    chosen = weights.argmax(axis=1)
    if generator is not None:
        rank = generator.random(len(weights))[:, None]
        chosen = (weights.cumsum(axis=1) < rank).sum(axis=1).clip(max=weights.shape[1] - 1)
        weights = np.eye(weights.shape[1])[chosen]
    land = build_land(
        sand=soils["sand"],
        clay=soils["clay"],
        class_weights=weights,
        crop_fraction=soils["crop"],
        nitrogen=soils["nitrogen"],
    )
    biome = name_biomes(
        coldest=coldest, warmest=warmest, forest=soils["forest"], crop=soils["crop"], dry=is_dry
    )
    return land, np.array(parameters.classes)[chosen], biome


def summarize_climate(
    drivers: dict[str, np.ndarray], *, calendar: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means of the coldest and warmest month, degC, and whether it is arid, (place,) each.

    Parameters
    ----------
    drivers : CF name -> (place, time), CF units
        Whole years.
    calendar : of the drivers
    """
    air = drivers[REQUIRED[0]] - np.float32(ZERO_CELSIUS_K)
    twelfth = _twelfth_of_year(air.shape[1], calendar=calendar)
    means = np.stack([air[:, twelfth == m].mean(axis=1, dtype=float) for m in np.unique(twelfth)])
    potential = potential_evapotranspiration(
        air=air, shortwave=drivers[REQUIRED[2]], longwave=drivers.get(LONGWAVE)
    ).mean(axis=1, dtype=float)
    rain = drivers[REQUIRED[1]].mean(axis=1, dtype=float) * SECONDS_PER_DAY
    return means.min(axis=0), means.max(axis=0), potential > DRY * np.maximum(rain, 0.02)


def _twelfth_of_year(n_days: int, *, calendar: str) -> np.ndarray:
    """Which twelfth of a year, 0 to 11, each day of whole years is in, (time,)."""
    length = 360.0 if require_calendar(calendar) == "360_day" else MEAN_YEAR
    return (np.arange(n_days) % length // (length / N_MONTHS)).astype(int).clip(max=N_MONTHS - 1)
