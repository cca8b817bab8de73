"""The process model over cells and years: checks, the loop over days, spin-up.

Soil and weather are those of cells; emission is that of columns, of which several may stand
in one cell (other traits, other places), so that what they share is computed once.
"""

import logging

import numpy as np

from chamnet.constants import SECONDS_PER_DAY, ZERO_CELSIUS_K
from chamnet.errors import InputError
from chamnet.simulation import consumption as uptake
from chamnet.simulation import emission, soil
from chamnet.simulation.days import UPTAKE_LAYER, Output, Simulated, State, Weather
from chamnet.simulation.inputs import Land, check_drivers
from chamnet.simulation.parameters import Parameters
from chamnet.simulation.traits import Traits
from chamnet.units import mg_m2_day_to_kg_m2_s

logger = logging.getLogger(__name__)

ROOT_ZONE_M = 0.3  # depth of the upland bucket, and of Curry's layer
DAYS_OF_LEAVES = 21.0  # memory of leaves, Walter and Heimann (2000) use a monthly one


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

    def spin_up_years(self, drivers: dict[str, np.ndarray], *, n_years: int) -> State:
        """State after so many years of the given one.

        Unlike ``spin_up``, which ends when all cells together have come to rest, a cell's state
        does not depend on which others there are.
        """
        state = self.initial_state(drivers)
        for _ in range(n_years):
            state = self.simulate(drivers, state=state).state
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
        weather = Weather.of(drivers)
        n_days = weather.air.shape[0]
        out = Output(self.column_cell.size, self.land.n_cells, n_days)
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

    def _step(self, state: State, weather: Weather, day: int, out: Output) -> State:
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

    def _upland_consumption(self, out: Output) -> np.ndarray:
        """Uptake of upland soil, (time, cell), kg m-2 s-1 float32."""
        land = self.land
        temperature = out.upland[:, UPTAKE_LAYER]
        water = out.water / np.float32(1000 * ROOT_ZONE_M)
        ice = out.ice * water
        as_32 = {
            name: getattr(land, name).astype(np.float32)
            for name in ("porosity", "sand", "clay", "crop_fraction", "nitrogen")
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


def _largest_change(before: np.ndarray, after: np.ndarray, heat: soil.HeatProperties) -> float:
    """Change of temperature that 99 % of the layers and cells stay within, K."""
    change = soil.split_heat(after, heat)[0] - soil.split_heat(before, heat)[0]
    return float(np.quantile(np.abs(change), 0.99))


def _keeps_snow(air: np.ndarray, precipitation: np.ndarray) -> np.ndarray:
    """Whether more snow falls than melts over the days, (cell,); such snow never goes."""
    falls = precipitation * SECONDS_PER_DAY * np.clip((1 - air) / 2, 0, 1)
    return falls.sum(axis=1) > soil.MELT_KG_M2_DAY_K * np.maximum(air, 0).sum(axis=1)
