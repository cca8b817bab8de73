"""The truth of the demo world: the process model at its cells and towers, with hidden traits."""

import dataclasses
from pathlib import Path

import numpy as np
import xarray as xr

from chamnet.constants import KG_PER_TG, SECONDS_PER_DAY, ZERO_CELSIUS_K
from chamnet.data.store import write_store
from chamnet.demo.climate import Climate, block_mean
from chamnet.demo.files import SYNTHETIC
from chamnet.demo.surface import Ground
from chamnet.demo.weather import round_weather
from chamnet.grid import Grid, cell_area_m2
from chamnet.simulation.inputs import LONGWAVE, REQUIRED
from chamnet.simulation.parameters import Parameters
from chamnet.simulation.run import ProcessModel, Simulated, State
from chamnet.simulation.soil import potential_evapotranspiration
from chamnet.simulation.traits import TRAITS, Traits, build_traits, trait_predictors

LOCAL_SPREAD = 0.15  # log; how much a tower's or chamber's spot differs from its cell
LOCAL_WATER_TABLE_M = 0.02


@dataclasses.dataclass(frozen=True)
class World:
    """What is fixed once the world is laid out.

    Attributes
    ----------
    grid : of the world
    fine, coarse : climate of the rasters' grid and of the world's
    soils : of the rasters' grid
    ground : land cells
    days : (day,) datetime64[D]
    seed : of all draws
    """

    grid: Grid
    fine: Climate
    coarse: Climate
    soils: dict[str, np.ndarray]
    ground: Ground
    days: np.ndarray
    seed: int

    @property
    def months(self) -> np.ndarray:
        """Months, (month,) datetime64[M]."""
        return np.unique(self.days.astype("datetime64[M]"))

    @property
    def month_of_day(self) -> np.ndarray:
        """Index of each day's month, (day,)."""
        months = self.days.astype("datetime64[M]")
        return (months - months[0]).astype(int)

    @property
    def month_seconds(self) -> np.ndarray:
        """Length of the months, (month,), s."""
        return np.bincount(self.month_of_day) * float(SECONDS_PER_DAY)

    @property
    def cell_area(self) -> np.ndarray:
        """Area of the land cells, (cell,), m2."""
        return cell_area_m2(self.ground.latitude, step_deg=self.grid.step_deg)

    def means_of_cells(self, fine_map: np.ndarray) -> np.ndarray:
        """Area means of a map of the rasters' grid over the land cells, (cell,)."""
        return block_mean(fine_map, self.fine.grid, self.grid).ravel()[self.ground.index]

    def map_of_cells(self, values: np.ndarray) -> np.ndarray:
        """Map of values at the land cells, (..., cell) -> (..., latitude, longitude)."""
        maps = np.full((*values.shape[:-1], self.coarse.elevation.size), np.nan)
        maps[..., self.ground.index] = values
        return maps.reshape(*values.shape[:-1], *self.grid.shape)


class Truth:
    """The process model of the world.

    Columns: every land cell with its traits, every land cell with what attributes tell of
    them (the ceiling), and every tower.

    Parameters
    ----------
    world : laid out
    parameters : of the process model
    tower_cell : (tower,), index of each tower's land cell
    strength : factor on the spread of the hidden traits
    """

    def __init__(
        self, world: World, parameters: Parameters, *, tower_cell: np.ndarray, strength: float
    ) -> None:
        ground = world.ground
        self.world, self.parameters, self.tower_cell = world, parameters, tower_cell
        self.n_cells = ground.index.size
        self.land = ground.build_land(parameters)
        self.traits, self.told = build_traits(
            latitude=ground.latitude,
            longitude=ground.longitude,
            predictors=trait_predictors(clay=ground.clay, soc=ground.soc, phh2o=ground.phh2o),
            parameters=parameters,
            seed=world.seed,
            strength=strength,
        )
        local = self._scattered(tower_cell, draw=0)
        parts = (self.traits, self.told, local)
        columns = {name: np.concatenate([getattr(p, name) for p in parts]) for name in TRAITS}
        cells = np.arange(self.n_cells)
        self.model = ProcessModel(
            self.land,
            Traits(**columns),
            parameters,
            column_cell=np.concatenate([cells, cells, tower_cell]),
        )

    def _scattered(self, cell: np.ndarray, *, draw: int) -> Traits:
        return self.traits.take(cell).scatter(
            self.world.seed + 1000 * draw, spread=LOCAL_SPREAD, offset_m=LOCAL_WATER_TABLE_M
        )

    def chamber_factor(self, cell: np.ndarray) -> np.ndarray:
        """Uptake of chamber places relative to their cell's, (place,), 1."""
        local = self._scattered(cell, draw=1)
        return np.sqrt(local.activity / self.traits.activity[cell])

    def drivers_of(self, weather: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Drivers of the land cells, (cell, time), from weather of all, (time, cell)."""
        index = self.world.ground.index
        return {name: weather[name][:, index].T for name in (*REQUIRED, LONGWAVE)}

    def spin_up(self, weather: dict[str, np.ndarray]) -> State:
        """State after repeats of the first year; see ``ProcessModel.spin_up``."""
        return self.model.spin_up(self.drivers_of(weather), tolerance_k=0.5, most_years=6)

    def simulate(self, weather: dict[str, np.ndarray], *, state: State) -> Simulated:
        """Truth of a range of days."""
        return self.model.simulate(self.drivers_of(weather), state=state)

    def soil_of(self, result: Simulated, weather: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Soil and snow of all cells, (time, cell) float32; the sea has its air's temperature."""
        index = self.world.ground.index
        temperature = np.maximum(weather["air_temperature"], np.float32(271.35))
        temperature[:, index] = result.soil_temperature.T + np.float32(ZERO_CELSIUS_K)
        water, snow = np.zeros_like(temperature), np.zeros_like(temperature)
        water[:, index], snow[:, index] = result.soil_water.T, result.snow.T
        soil = {"soil_temperature": temperature, "soil_water": water, "snow": snow}
        return round_weather(soil)


@dataclasses.dataclass
class Records:
    """What is kept of the days, filled range by range.

    Attributes
    ----------
    monthly : name -> (month, cell)
        Means: emission, emission_told, consumption, consumption_told (kg m-2 s-1), surplus
        (mm per day), thawed (1).
    daily : name -> list of (tower, time)
    """

    world: World
    monthly: dict[str, np.ndarray]
    daily: dict[str, list[np.ndarray]]

    @classmethod
    def empty(cls, world: World) -> "Records":
        """Nothing kept yet."""
        names = (
            "emission",
            "emission_told",
            "consumption",
            "consumption_told",
            "surplus",
            "thawed",
        )
        shape = (world.months.size, world.ground.index.size)
        return cls(world, {name: np.zeros(shape) for name in names}, {})

    @property
    def weather_names(self) -> list[str]:
        """Names of the weather that is kept at towers."""
        return [name for name in self.daily if name not in ("emission", "water_table")]

    def joined(self, name: str) -> np.ndarray:
        """All days of the towers, (tower, time)."""
        return np.concatenate(self.daily[name], axis=1)

    def keep(
        self, part: slice, weather: dict[str, np.ndarray], result: Simulated, truth: Truth
    ) -> None:
        """Keep a range of days: means of months at cells, days at towers."""
        n = truth.n_cells
        uptake, factor = result.consumption, result.consumption_factor[:, None]
        index = self.world.ground.index
        air, shortwave, longwave, rain = (
            weather[name][:, index] for name in (REQUIRED[0], REQUIRED[2], LONGWAVE, REQUIRED[1])
        )
        potential = potential_evapotranspiration(
            air=air - np.float32(ZERO_CELSIUS_K), shortwave=shortwave, longwave=longwave
        )
        values = {
            "emission": result.emission[:n],
            "emission_told": result.emission[n : 2 * n],
            "consumption": uptake * factor[:n],
            "consumption_told": uptake * factor[n : 2 * n],
            "surplus": (rain * np.float32(SECONDS_PER_DAY) - potential).T,
            "thawed": (result.soil_temperature > 0).astype(np.float32),
        }
        self._add_means(part, values)
        at_towers = {name: v[:, index[truth.tower_cell]].T for name, v in weather.items()}
        at_towers["emission"] = result.emission[2 * n :].copy()  # a view would keep the cells
        at_towers["water_table"] = result.water_table[2 * n :].copy()
        for name, days in at_towers.items():
            self.daily.setdefault(name, []).append(days)

    def _add_means(self, part: slice, values: dict[str, np.ndarray]) -> None:
        month = self.world.month_of_day
        share = 1 / np.bincount(month)
        starts = np.flatnonzero(np.diff(month[part], prepend=-1))
        rows = month[part][starts]
        for name, days in values.items():
            sums = np.add.reduceat(days, starts, axis=1, dtype=float)
            self.monthly[name][rows] += (sums * share[rows]).T


def summarize_truth(records: Records, extents: dict[str, np.ndarray]) -> dict[str, float]:
    """Totals of the truth under each wetland extent.

    Parameters
    ----------
    records : of all days
    extents : name -> ([month,] cell), 1
        Wetland share of the cell area.

    Returns
    -------
    figures : areas in Mkm2, emission and consumption in Tg per year, shares of latitudes
    """
    world, monthly = records.world, records.monthly
    latitude, area = world.ground.latitude, world.cell_area
    kg_per_year = area * world.month_seconds[:, None] / (world.months.size / 12)
    figures = {}
    for name, share in extents.items():
        share = np.broadcast_to(share, monthly["emission"].shape)
        mass = (monthly["emission"] * share * kg_per_year).sum(axis=0)
        upland = np.maximum(world.ground.soil - share, 0)
        taken = (monthly["consumption"] * upland * kg_per_year).sum()
        figures |= {
            f"{name}_area_mkm2": float((share.mean(axis=0) * area).sum() / 1e12),
            f"{name}_emission_tg": float(mass.sum() / KG_PER_TG),
            f"{name}_share_south_of_30n": float(mass[latitude < 30].sum() / mass.sum()),
            f"{name}_share_north_of_60n": float(mass[latitude > 60].sum() / mass.sum()),
            f"{name}_consumption_tg": float(taken / KG_PER_TG),
        }
    return figures


def write_truth(store: Path, records: Records, *, digest: str) -> None:
    """Write the true monthly fluxes on the world's grid.

    Parameters
    ----------
    store : Zarr
    records : of all days
    digest : of the world's options
    """
    world = records.world
    means = {
        "wetland_ch4_flux": ("emission", "of wetland"),
        "wetland_ch4_flux_ceiling": ("emission_told", "of wetland, hidden traits at their mean"),
        "soil_ch4_consumption_flux": ("consumption", "of upland soil, positive is uptake"),
        "soil_ch4_consumption_flux_ceiling": (
            "consumption_told",
            "of upland soil, hidden traits at their mean",
        ),
    }
    dims = ("time", "latitude", "longitude")
    data = xr.Dataset(
        {
            name: (
                dims,
                world.map_of_cells(records.monthly[key]).astype(np.float32),
                {"units": "kg m-2 s-1", "long_name": f"true CH4 flux per m2 {text}"},
            )
            for name, (key, text) in means.items()
        },
        coords={
            "time": world.months.astype("datetime64[ns]"),
            "latitude": ("latitude", world.grid.latitude, {"units": "degrees_north"}),
            "longitude": ("longitude", world.grid.longitude, {"units": "degrees_east"}),
        },
        attrs={"title": "Truth of the chamnet demo world", "comment": SYNTHETIC},
    )
    write_store(data, store, digest=digest)
