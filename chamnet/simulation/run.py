"""The process model over cells and years: checks, the loop over days, spin-up.

Soil and weather are those of cells; emission is that of columns, of which several may stand
in one cell (other traits, other places), so that what they share is computed once.
"""

import dataclasses
import logging

import numpy as np

from chamnet.constants import SECONDS_PER_DAY, ZERO_CELSIUS_K
from chamnet.errors import InputError, MissingDriverError
from chamnet.simulation import consumption as uptake
from chamnet.simulation import emission, soil
from chamnet.simulation.parameters import Parameters
from chamnet.simulation.traits import Traits
from chamnet.units import mg_m2_day_to_kg_m2_s, nmol_m2_s_to_kg_m2_s

logger = logging.getLogger(__name__)

REQUIRED = ("air_temperature", "precipitation_flux", "surface_downwelling_shortwave_flux_in_air")
LONGWAVE = "surface_downwelling_longwave_flux_in_air"  # used where it is there
ROOT_ZONE_M = 0.3  # depth of the upland bucket, and of Curry's layer
DAYS_OF_LEAVES = 21.0  # memory of leaves, Walter and Heimann (2000) use a monthly one
UPTAKE_LAYER = 1  # 0.05 to 0.15 m, where methanotrophs are most active


@dataclasses.dataclass(frozen=True, slots=True)
class Land:
    """Ground of cells, made by ``build_land``; fractions are 0 to 1.

    Attributes
    ----------
    sand, clay, porosity, crop_fraction : (cell,)
    class_weights : (cell, class)
        Shares of the wetland classes in a cell's wetlands.
    """

    sand: np.ndarray
    clay: np.ndarray
    porosity: np.ndarray
    crop_fraction: np.ndarray
    class_weights: np.ndarray

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return self.sand.size

    def take(self, index: np.ndarray) -> "Land":
        """Ground of some cells, in this order."""
        return Land(**{f.name: getattr(self, f.name)[index] for f in dataclasses.fields(Land)})


def build_land(
    *,
    sand: np.ndarray,
    clay: np.ndarray,
    class_weights: np.ndarray,
    silt: np.ndarray | None = None,
    porosity: np.ndarray | None = None,
    crop_fraction: np.ndarray | float = 0.0,
) -> Land:
    """Checked ground of cells.

    Parameters
    ----------
    sand, clay, silt : (cell,), 0 to 1
        Silt is what is left where it is not given.
    class_weights : (cell, class), 0 to 1
    porosity : (cell,), 0 to 1, both excluded
        From sand (Cosby et al. 1984) where it is not given.
    crop_fraction : (cell,), 0 to 1

    Raises
    ------
    InputError
        If fractions do not sum to 1, or porosity is not between 0 and 1.
    """
    sand, clay = np.asarray(sand, dtype=float), np.asarray(clay, dtype=float)
    silt = 1 - sand - clay if silt is None else np.asarray(silt, dtype=float)
    total = sand + clay + silt
    is_wrong = ~(np.abs(total - 1) <= 0.01) | ~(np.minimum(np.minimum(sand, clay), silt) >= -1e-6)
    if is_wrong.any():
        i = int(np.argmax(is_wrong))
        raise InputError(
            f"soil fractions of cell {i}: sand {sand[i]:g}, clay {clay[i]:g}, silt {silt[i]:g}, "
            "expected none below 0 and a sum of 1"
        )
    porosity = uptake.porosity_of(sand) if porosity is None else np.asarray(porosity, dtype=float)
    is_wrong = ~((porosity > 0) & (porosity < 1))
    if is_wrong.any():
        i = int(np.argmax(is_wrong))
        raise InputError(f"porosity of cell {i} is {porosity[i]:g}, expected one between 0 and 1")
    return Land(
        sand=sand,
        clay=clay,
        porosity=porosity,
        crop_fraction=np.broadcast_to(np.asarray(crop_fraction, dtype=float), sand.shape),
        class_weights=np.asarray(class_weights, dtype=float),
    )


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


class ProcessModel:
    """Simulates cells whose ground, traits and parameters are fixed.

    Parameters
    ----------
    land : ground of the cells
    traits : of the columns; see ``column_cell``
    parameters : of the process model
    column_cell : (column,), index of each column's cell; None: one column a cell
    """

    def __init__(
        self,
        land: Land,
        traits: Traits,
        parameters: Parameters,
        *,
        column_cell: np.ndarray | None = None,
    ) -> None:
        self.land, self.traits, self.parameters = land, traits, parameters
        self.column_cell = np.arange(land.n_cells) if column_cell is None else column_cell
        if traits.substrate.size != self.column_cell.size:
            raise InputError(
                f"traits of {traits.substrate.size} columns, expected {self.column_cell.size}"
            )
        self._mixed = parameters.mix(land.class_weights[self.column_cell])
        self._organic = emission.organic_matter(self._mixed["rooting_depth"])
        self._rate = self._mixed["production_rate"] * traits.substrate * parameters.emission_scale
        self._q10 = np.maximum(self._mixed["production_q10"] * traits.q10, 1.0)
        self._target = self._mixed["water_table"] + traits.water_table
        capacity = 1000 * ROOT_ZONE_M
        texture = {"porosity": land.porosity, "sand": land.sand, "clay": land.clay}
        self._wilting = capacity * uptake.water_at_suction(1500, **texture)
        self._field = capacity * uptake.water_at_suction(33, **texture)
        self._full = capacity * land.porosity

    def initial_state(self, drivers: dict[str, np.ndarray]) -> State:
        """State to spin up from: the mean of the drivers' years, wetlands at their target."""
        daily = drivers["air_temperature"] - np.float32(ZERO_CELSIUS_K)
        air = daily.mean(axis=1, dtype=float)
        level = np.repeat(air[None], soil.N_LAYERS, axis=0)
        n_cells, n_columns = self.land.n_cells, self.column_cell.size
        return State(
            upland=soil.join_heat(level, soil.UPLAND_HEAT),
            wetland=soil.join_heat(level, soil.WETLAND_HEAT),
            snow=np.where(_keeps_snow(daily, drivers["precipitation_flux"]), 1.0, 0.0)
            * soil.MOST_SNOW_KG_M2,
            water=0.5 * (self._wilting + self._field),
            npp=np.zeros(n_cells),
            season=air,
            table=np.clip(self._target, -0.5, 0.3),
            methane=np.full(n_columns, 50_000.0),
        )

    def spin_up(
        self,
        drivers: dict[str, np.ndarray],
        *,
        tolerance_k: float = 0.2,
        tolerance_share: float = 0.05,
        most_years: int = 10,
    ) -> State:
        """State from which the yearly cycle repeats; the given year is run until it does.

        Parameters
        ----------
        drivers : as ``simulate``, a year
        tolerance_k : K
            Largest change of a soil temperature between the ends of two years, but for the
        hundredth of the cells where permafrost takes decades.
        tolerance_share : 1
            Largest change of the methane of all columns together.
        most_years : the end in any case, with a warning
        """
        state = self.initial_state(drivers)
        for year in range(1, most_years + 1):
            before, state = state, self.simulate(drivers, state=state).state
            warming = max(
                _largest_change(before.upland, state.upland, soil.UPLAND_HEAT),
                _largest_change(before.wetland, state.wetland, soil.WETLAND_HEAT),
            )
            share = abs(state.methane.sum() / before.methane.sum() - 1)
            logger.info("spin-up %d: soil moved by %.2f K, methane by %.3f", year, warming, share)
            if warming < tolerance_k and share < tolerance_share:
                return state
        logger.warning("spin-up: soil still moves by %.2f K after %d years", warming, most_years)
        return state

    def simulate(self, drivers: dict[str, np.ndarray], *, state: State | None = None) -> Simulated:
        """Daily fluxes of consecutive days, which may be part of a year or several.

        Parameters
        ----------
        drivers : CF name -> (cell, time)
            air_temperature K, precipitation_flux kg m-2 s-1, shortwave W m-2; longwave W m-2
            where there is one. Any number of days, so any calendar.
        state : what came before; None spins up on these days

        Raises
        ------
        MissingDriverError, InputError
            If a driver is missing, of another shape, not finite, or out of its bounds.
        """
        check_drivers(drivers, n_cells=self.land.n_cells)
        state = self.spin_up(drivers) if state is None else state
        weather = _Weather.of(drivers)
        n_days = weather.air.shape[0]
        out = _Output(self.column_cell.size, self.land.n_cells, n_days)
        for day in range(n_days):
            state = self._step(state, weather, day, out)
        with_ice = self._upland_consumption(out)
        return Simulated(
            emission=out.emission.T,
            consumption=with_ice.T,
            consumption_factor=np.sqrt(self.traits.activity),
            water_table=out.table.T,
            soil_temperature=out.upland[:, 0].T,
            soil_water=(out.water / np.float32(1000 * ROOT_ZONE_M)).T,
            snow=out.snow.T,
            state=state,
        )

    def _step(self, state: State, weather: "_Weather", day: int, out: "_Output") -> State:
        """One day: snow, heat, water, table, methane."""
        air, potential = weather.air[day], weather.potential[day]
        snow, supply = soil.step_snow(state.snow, precipitation=weather.rain[day], air=air)
        upland = soil.step_heat(state.upland, air=air, snow=snow, heat=soil.UPLAND_HEAT)
        wetland = soil.step_heat(state.wetland, air=air, snow=snow, heat=soil.WETLAND_HEAT)
        ground = soil.split_heat(upland, soil.UPLAND_HEAT)
        wet = soil.split_heat(wetland, soil.WETLAND_HEAT)
        potential = potential * (snow < 1)
        water = soil.step_soil_water(
            state.water,
            supply=supply,
            potential=potential,
            wilting=self._wilting,
            field=self._field,
            full=self._full,
            is_frozen=ground[1][UPTAKE_LAYER],
        )
        state = State(
            upland=upland,
            wetland=wetland,
            snow=snow,
            water=water,
            npp=state.npp + (weather.npp[day] - state.npp) / DAYS_OF_LEAVES,
            season=state.season + (wet[0][1] - state.season) / DAYS_OF_LEAVES,
            table=state.table,
            methane=state.methane,
        )
        state.table, state.methane, surface = self._step_columns(
            state, *wet, supply=supply, potential=potential
        )
        out.keep(day, state, ground, surface)
        return state

    def _step_columns(
        self,
        state: State,
        temperature: np.ndarray,
        ice: np.ndarray,
        *,
        supply: np.ndarray,
        potential: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Water table, stored methane and surface flux of the columns, (column,)."""
        cell, mixed = self.column_cell, self._mixed
        temperature = temperature[: emission.PRODUCING_LAYERS, cell]
        table = soil.step_water_table(
            state.table,
            supply=supply[cell],
            potential=potential[cell],
            target=self._target,
            is_frozen=ice[1, cell],
        )
        made = emission.production(
            temperature=temperature,
            thickness=emission.saturated_thickness(table),
            organic=self._organic,
            rate=self._rate,
            q10=self._q10,
            reference=mixed["reference_temperature"],
            npp=state.npp[cell],
        )
        methane, fluxes = emission.step_column(
            state.methane,
            made=made,
            table=table,
            temperature=temperature[1],
            ice=ice[0, cell],
            plant_conductance=mixed["plant_conductance"] * self.traits.plants,
            rooting_depth=mixed["rooting_depth"],
            growth=emission.plant_growth(state.season[cell], start=mixed["growth_start"]),
            vmax=mixed["vmax"],
            km=mixed["km"],
            oxidation_q10=mixed["oxidation_q10"],
            reference=mixed["reference_temperature"],
        )
        return table, methane, fluxes.surface

    def _upland_consumption(self, out: "_Output") -> np.ndarray:
        """Uptake of upland soil, (time, cell), kg m-2 s-1 float32."""
        land = self.land
        temperature = out.upland[:, UPTAKE_LAYER]
        water = out.water / np.float32(1000 * ROOT_ZONE_M)
        ice = out.ice * water
        as_32 = {
            name: getattr(land, name).astype(np.float32)
            for name in ("porosity", "sand", "clay", "crop_fraction")
        }
        taken = uptake.consumption(
            temperature=temperature,
            liquid=water - ice,
            ice=ice,
            concentration_ppm=self.parameters.concentration_ppm,
            **as_32,
        )
        scaled = mg_m2_day_to_kg_m2_s(taken * self.parameters.consumption_scale)
        return (scaled * (out.snow < soil.MOST_SNOW_KG_M2 * 0.99)).astype(np.float32)


class _Output:
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


def _largest_change(before: np.ndarray, after: np.ndarray, heat: soil.HeatProperties) -> float:
    """Change of temperature that 99 % of the layers and cells stay within, K."""
    change = soil.split_heat(after, heat)[0] - soil.split_heat(before, heat)[0]
    return float(np.quantile(np.abs(change), 0.99))


def _keeps_snow(air: np.ndarray, precipitation: np.ndarray) -> np.ndarray:
    """Whether more snow falls than melts over the days, (cell,); such snow never goes."""
    falls = precipitation * SECONDS_PER_DAY * np.clip((1 - air) / 2, 0, 1)
    return falls.sum(axis=1) > soil.MELT_KG_M2_DAY_K * np.maximum(air, 0).sum(axis=1)


@dataclasses.dataclass(frozen=True, slots=True)
class _Weather:
    """What days need of the drivers, (time, cell): degC, kg m-2 in the day, 1."""

    air: np.ndarray
    rain: np.ndarray
    potential: np.ndarray
    npp: np.ndarray

    @classmethod
    def of(cls, drivers: dict[str, np.ndarray]) -> "_Weather":
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


def check_drivers(drivers: dict[str, np.ndarray], *, n_cells: int) -> None:
    """Check that the drivers of a simulation are there, in shape, finite and in their units.

    Raises
    ------
    MissingDriverError, InputError
        The message names the driver, the cell and the value.
    """
    from chamnet.data.drivers import DRIVERS

    missing = sorted(set(REQUIRED) - set(drivers))
    if missing:
        raise MissingDriverError(f"simulation: no {missing}; it has {sorted(drivers)}")
    shape = (n_cells, drivers[REQUIRED[0]].shape[1])
    for name in (*REQUIRED, LONGWAVE):
        if name not in drivers:
            continue
        values, driver = drivers[name], DRIVERS[name]
        if values.shape != shape:
            raise InputError(f"driver {name!r} has shape {values.shape}, expected {shape}")
        lowest, highest = values.min(), values.max()  # NaN where there is any
        if not (lowest >= driver.lowest and highest <= driver.highest):
            is_wrong = ~((values >= driver.lowest) & (values <= driver.highest))
            cell, day = np.unravel_index(int(np.argmax(is_wrong)), values.shape)
            raise InputError(
                f"driver {name!r} is {values[cell, day]} in cell {cell} on day {day}, expected "
                f"{driver.lowest:g} to {driver.highest:g} {driver.units}"
            )


def simulate_cells(
    drivers: dict[str, np.ndarray],
    *,
    land: Land,
    traits: Traits,
    parameters: Parameters,
    state: State | None = None,
) -> tuple[np.ndarray, np.ndarray, State]:
    """Emission and consumption of cells over consecutive days.

    Parameters
    ----------
    drivers : CF name -> (cell, time), CF units
    land, traits, parameters : of the cells
    state : what came before; None spins up on these days

    Returns
    -------
    emission, consumption, state : (cell, time), kg m-2 s-1, float32; State
        Emission per m2 of wetland, consumption per m2 of upland soil, both not below 0.
    """
    result = ProcessModel(land, traits, parameters).simulate(drivers, state=state)
    taken = result.consumption * result.consumption_factor[:, None].astype(np.float32)
    return result.emission, taken, result.state
