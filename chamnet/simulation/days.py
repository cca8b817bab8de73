"""Days of the process model: the weather they need, the state they carry, what they leave."""

import dataclasses

import numpy as np

from chamnet.constants import SECONDS_PER_DAY, ZERO_CELSIUS_K
from chamnet.simulation import soil
from chamnet.simulation.inputs import LONGWAVE, REQUIRED
from chamnet.units import nmol_m2_s_to_kg_m2_s

UPTAKE_LAYER = 1  # 0.05 to 0.15 m, where methanotrophs are most active


@dataclasses.dataclass(slots=True)
class State:
    """What a run carries from day to day; arrays are replaced, never changed in place.

    Attributes
    ----------
    upland, wetland : (layer, cell), J m-2
        Enthalpy of the two kinds of ground.
    snow, water : (cell,), kg m-2
    npp, season : (cell,), 1; degC
        Production and root-zone temperature of the last weeks: leaves follow slowly.
    table : (column,), m above the surface
    methane : (column,), umol m-2
    """

    upland: np.ndarray
    wetland: np.ndarray
    snow: np.ndarray
    water: np.ndarray
    npp: np.ndarray
    season: np.ndarray
    table: np.ndarray
    methane: np.ndarray


@dataclasses.dataclass(frozen=True, slots=True)
class Simulated:
    """Daily results; float32.

    Attributes
    ----------
    emission : (column, time), kg m-2 s-1
        Per m2 of wetland, net upward, not below 0.
    consumption : (cell, time), kg m-2 s-1
        Per m2 of upland soil, positive = uptake, of a cell whose trait is 1.
    consumption_factor : (column,), 1
        Of the column's trait: multiply its cell's consumption by it.
    water_table : (column, time), m above the surface
    soil_temperature : (cell, time), degC, of the topmost upland layer
    soil_water : (cell, time), m3 m-3, of the upland root zone
    snow : (cell, time), kg m-2
    state : State after the last day
    """

    emission: np.ndarray
    consumption: np.ndarray
    consumption_factor: np.ndarray
    water_table: np.ndarray
    soil_temperature: np.ndarray
    soil_water: np.ndarray
    snow: np.ndarray
    state: State


class Output:
    """Daily results while they are made, time first so that a day is one row."""

    def __init__(self, n_columns: int, n_cells: int, n_days: int) -> None:
        self.emission = np.empty((n_days, n_columns), np.float32)
        self.table = np.empty((n_days, n_columns), np.float32)
        self.upland = np.empty((n_days, UPTAKE_LAYER + 1, n_cells), np.float32)
        self.ice = np.empty((n_days, n_cells), np.float32)
        self.water = np.empty((n_days, n_cells), np.float32)
        self.snow = np.empty((n_days, n_cells), np.float32)

    def keep(
        self, day: int, state: State, ground: tuple[np.ndarray, np.ndarray], surface: np.ndarray
    ) -> None:
        """Keep a day; the ground is upland, the flux comes in umol m-2 in the day."""
        self.emission[day] = nmol_m2_s_to_kg_m2_s(surface * (1000 / SECONDS_PER_DAY))
        self.table[day] = state.table
        self.upland[day] = ground[0][: UPTAKE_LAYER + 1]
        self.ice[day] = ground[1][UPTAKE_LAYER]
        self.water[day] = state.water
        self.snow[day] = state.snow


@dataclasses.dataclass(frozen=True, slots=True)
class Weather:
    """What days need of the drivers, (time, cell): degC, kg m-2 in the day, 1."""

    air: np.ndarray
    rain: np.ndarray
    potential: np.ndarray
    npp: np.ndarray

    @classmethod
    def of(cls, drivers: dict[str, np.ndarray]) -> "Weather":
        """Weather of checked drivers, (cell, time)."""
        air, rain, shortwave = (np.ascontiguousarray(drivers[name].T) for name in REQUIRED)
        air = air - np.float32(ZERO_CELSIUS_K)
        longwave = drivers[LONGWAVE].T if LONGWAVE in drivers else None
        return cls(
            air=air,
            rain=rain * np.float32(SECONDS_PER_DAY),
            potential=soil.potential_evapotranspiration(
                air=air, shortwave=shortwave, longwave=longwave
            ),
            npp=soil.net_primary_production(air=air, shortwave=shortwave),
        )
