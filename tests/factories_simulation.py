"""Small worlds for the process model: climates, ground, traits; keyword-only and seeded."""

import numpy as np

from chamnet.data.places import N_STEPS, PlaceDrivers
from chamnet.simulation.inputs import LONGWAVE, REQUIRED, Land, build_land
from chamnet.simulation.parameters import Parameters, read_parameters
from chamnet.simulation.traits import Traits

# annual mean and amplitude of temperature, degC; precipitation, mm per day
CLIMATES = {
    "wet_tundra": (-10, 17, 1.0),
    "bog": (1, 14, 1.8),
    "fen": (4, 13, 2.0),
    "marsh": (16, 9, 3.0),
    "swamp": (26, 1.5, 6.0),
}


def make_drivers(*, names: tuple = tuple(CLIMATES), n_days: int = 365, seed: int = 0) -> dict:
    """Drivers of one cell a name, (cell, time), CF units."""
    generator = np.random.default_rng(seed)
    season = -np.cos(2 * np.pi * (np.arange(n_days) - 15) / n_days)
    mean, span, rain = np.array([CLIMATES[name] for name in names]).T[:, :, None]
    air = mean + span * season + generator.normal(0, 2, (len(names), n_days)) + 273.15
    wet = generator.random(air.shape) < 0.4
    falls = rain * 2.5 * generator.exponential(1, air.shape) * wet / 86_400
    shortwave = np.clip(170 + 100 * season * (span > 5), 5, 400) + np.zeros_like(air)
    longwave = 0.82 * 5.67e-8 * air**4
    values = (air, falls, shortwave, longwave)
    names_of = (*REQUIRED, LONGWAVE)
    return {n: v.astype(np.float32) for n, v in zip(names_of, values, strict=True)}


def make_land(*, classes: tuple = tuple(CLIMATES), parameters: Parameters | None = None) -> Land:
    """Loam, with wetlands of one class a cell."""
    weights = (parameters or read_parameters()).weights_of(list(classes))
    share = np.full(len(classes), 0.2)
    return build_land(sand=share * 2, clay=share, class_weights=weights)


def make_traits(*, n_places: int, **changed: float) -> Traits:
    """Traits that change nothing, but for those given."""
    neutral = {"substrate": 1, "plants": 1, "water_table": 0, "q10": 1, "activity": 1}
    values = {name: np.full(n_places, float(v)) for name, v in (neutral | changed).items()}
    return Traits(**values)


def make_place_drivers(*, years: tuple = (2013, 2014)) -> PlaceDrivers:
    """Drivers of the climates as observations have them, in years of 365 days."""
    names = [*REQUIRED, LONGWAVE]
    values = np.full((len(CLIMATES), len(years), N_STEPS, len(names)), np.nan, np.float32)
    for y in range(len(years)):
        drivers = make_drivers(seed=y)
        values[:, y, :365] = np.stack([drivers[name] for name in names], axis=-1)
    return PlaceDrivers(
        values=values,
        years=list(years),
        driver_names=names,
        calendar="standard",
        attributes=np.empty((len(CLIMATES), 0), np.float32),
        attribute_names=[],
    )
