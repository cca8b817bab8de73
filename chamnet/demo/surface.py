"""Surface of the demo world: soils made up around the climate, and wetland extent as a proxy.

Neither is a product: the soils are drawn, and the wetlands are MODIS permanent wetland plus a
wetness proxy, scaled once to a total. Their files say so.
"""

import dataclasses

import numpy as np

from chamnet.demo.climate import CROPS, FORESTS, WETLAND, Climate, block_mean
from chamnet.grid import Grid, cell_area_m2
from chamnet.simulation.classes import build_class_weights
from chamnet.simulation.inputs import Land, build_land
from chamnet.simulation.parameters import Parameters
from chamnet.simulation.traits import SmoothField

MONTHLY_TOTAL_M2 = 8.0e12  # annual mean area, Zhang et al. (2025) by reference_numbers.md
STATIC_TOTAL_M2 = 7.3e12
SOUTHERNMOST = -60.0  # Antarctica has no wetlands
NORTHERN = 0.6  # of the proxy where a year is below 5 degC; set so that bands emit as models say


def build_soils(climate: Climate, *, seed: int) -> dict[str, np.ndarray]:
    """Soil maps drawn around the climate, (latitude, longitude) each; NaN where all is water.

    Parameters
    ----------
    climate : of the fine grid
    seed : of the draw

    Returns
    -------
    clay, sand : 0 to 1;  soc : g kg-1;  phh2o : 1
    """
    noise = _noise(climate.grid, seed=seed, n_fields=4)
    rain, potential = climate.precipitation.mean(axis=0), climate.potential.mean(axis=0)
    wet = np.clip(np.log((rain + 0.1) / (potential + 0.3)), -2, 1.5)
    cold = np.clip((15 - climate.temperature.mean(axis=0)) / 15, -1, 2)
    clay = np.clip(0.22 + 0.04 * (cold < 0) + 0.07 * noise[0], 0.03, 0.60)
    sand = np.clip(0.43 - 0.5 * (clay - 0.22) + 0.11 * noise[1], 0.05, 0.95 - clay)
    soc = np.clip(np.exp(3.1 + 0.45 * cold + 0.35 * wet + 0.4 * noise[2]), 2, 300)
    phh2o = np.clip(6.1 - 0.9 * wet - 0.25 * cold + 0.45 * noise[3], 3.8, 8.8)
    soils = {"clay": clay, "sand": sand, "soc": soc, "phh2o": phh2o}
    is_land = climate.land > 0
    return {name: np.where(is_land, v, np.nan).astype(np.float32) for name, v in soils.items()}


def _noise(grid: Grid, *, seed: int, n_fields: int) -> np.ndarray:
    """Smooth and fine noise of unit variance, (field, latitude, longitude)."""
    generator = np.random.default_rng([seed, 5])
    mesh = np.meshgrid(grid.latitude[::4], grid.longitude[::4], indexing="ij")
    field = SmoothField(mesh[0].ravel(), mesh[1].ravel(), correlation_km=1200)
    smooth = field.project(generator.normal(size=(n_fields, field.n_nodes)))
    smooth = smooth.reshape(n_fields, *mesh[0].shape).repeat(4, axis=1).repeat(4, axis=2)
    fine = generator.normal(size=(n_fields, *grid.shape))
    return 0.8 * smooth + 0.6 * fine


@dataclasses.dataclass(frozen=True, slots=True)
class Ground:
    """Ground of the world's land cells, (cell,) each, in the grid's order.

    Attributes
    ----------
    index : of the cells in the flattened grid
    latitude, longitude : degrees
    land, soil : 0 to 1
        Shares of the cell area: land, and land without ice.
    clay, sand, soc, phh2o, forest, crop : as the maps have them
    coldest, warmest : degC
        Means of months.
    dryness : 1
        Potential evapotranspiration over precipitation, of a year.
    """

    index: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    land: np.ndarray
    soil: np.ndarray
    clay: np.ndarray
    sand: np.ndarray
    soc: np.ndarray
    phh2o: np.ndarray
    forest: np.ndarray
    crop: np.ndarray
    coldest: np.ndarray
    warmest: np.ndarray
    dryness: np.ndarray

    def build_land(self, parameters: Parameters) -> Land:
        """Ground as the process model takes it."""
        weights = build_class_weights(
            parameters,
            coldest=self.coldest,
            warmest=self.warmest,
            forest=self.forest,
            phh2o=self.phh2o,
        )
        return build_land(
            sand=self.sand, clay=self.clay, class_weights=weights, crop_fraction=self.crop
        )


def build_ground(fine: Climate, coarse: Climate, soils: dict[str, np.ndarray]) -> Ground:
    """Ground of the cells of the coarse grid that hold any land, Antarctica left out.

    Parameters
    ----------
    fine, coarse : climate of the rasters' grid and of the world's
    soils : of the fine grid, as written
    """
    grid, cover = coarse.grid, coarse.cover
    latitude, longitude = np.meshgrid(grid.latitude, grid.longitude, indexing="ij")
    filled = block_mean(np.isfinite(soils["clay"]).astype(float), fine.grid, grid)
    inside = (filled > 0) & (latitude > SOUTHERNMOST)
    per_soil = 1 / np.maximum(coarse.soil, 1e-3)
    maps = {
        name: block_mean(np.nan_to_num(values), fine.grid, grid) / np.maximum(filled, 1e-9)
        for name, values in soils.items()
    } | {
        "latitude": latitude,
        "longitude": longitude,
        "land": coarse.land,
        "soil": coarse.soil,
        "forest": np.minimum(cover[list(FORESTS)].sum(axis=0) * per_soil, 1),
        "crop": np.minimum(cover[list(CROPS)].sum(axis=0) * per_soil, 1),
        "coldest": coarse.temperature.min(axis=0),
        "warmest": coarse.temperature.max(axis=0),
        "dryness": coarse.potential.mean(axis=0)
        / np.maximum(coarse.precipitation.mean(axis=0), 0.02),
    }
    values = {name: array[inside] for name, array in maps.items()}
    return Ground(index=np.flatnonzero(inside), **values)


def wetland_potential(climate: Climate, *, kind: str) -> np.ndarray:
    """Wetland share of cells before scaling, (latitude, longitude), 1.

    Permanent wetland of MODIS, and where precipitation makes up for evaporation and the
    ground is flat. The two kinds weigh these differently, as products do.
    """
    wet = np.log(
        (climate.precipitation.mean(axis=0) + 0.05) / (climate.potential.mean(axis=0) + 0.35)
    )
    flat, sharp, share = (25.0, 0.30, 1.0) if kind == "monthly" else (60.0, 0.45, 0.6)
    proxy = 1 / (1 + np.exp(-(wet - 0.15) / sharp)) / (1 + (climate.slope / flat) ** 2)
    is_cold = climate.temperature.mean(axis=0) < 5
    proxy = proxy * np.where(is_cold, NORTHERN, 1.0) * (climate.temperature.max(axis=0) > 3)
    inside = climate.soil * (climate.grid.latitude > SOUTHERNMOST)[:, None]
    return (0.25 * proxy + share * climate.cover[WETLAND]) * inside


def scale_to_total(
    share: np.ndarray, *, cap: np.ndarray, area: np.ndarray, total_m2: float
) -> np.ndarray:
    """Shares times one factor so that their mean area is the total, each at most its cap.

    Parameters
    ----------
    share : (..., latitude, longitude), 1
        Means over leading dims count.
    cap, area : (latitude, longitude), 1; m2
    total_m2 : m2
    """
    low, high = 0.0, 1e3
    for _ in range(60):
        factor = np.sqrt(max(low, 1e-6) * high)
        mean = np.minimum(factor * share, cap).reshape(-1, *cap.shape).mean(axis=0)
        low, high = (factor, high) if (mean * area).sum() < total_m2 else (low, factor)
    return np.minimum(high * share, cap)


def build_static_extent(fine: Climate) -> np.ndarray:
    """Static wetland share of the cell area, (latitude, longitude)."""
    grid = fine.grid
    area = np.repeat(cell_area_m2(grid.latitude, step_deg=grid.step_deg)[:, None], grid.shape[1], 1)
    share = wetland_potential(fine, kind="static")
    return scale_to_total(share, cap=fine.soil, area=area, total_m2=STATIC_TOTAL_M2)


def build_season(surplus: np.ndarray, thawed: np.ndarray) -> np.ndarray:
    """Factor of each month on the wetland share, about 1, of the shape of ``surplus``.

    Parameters
    ----------
    surplus : (month, ...), mm per day
        Precipitation less potential evapotranspiration, from a January on.
    thawed : (month, ...), 0 to 1
        Share of the month with thawed topsoil; frozen wetlands do not show.
    """
    wetness = np.zeros_like(surplus)
    memory = surplus[:12].mean(axis=0)
    for month in (*range(12), *range(len(surplus))):  # the first year twice: it spins up
        memory = 0.6 * memory + 0.4 * surplus[month]
        wetness[month] = memory
    anomaly = (wetness - wetness.mean(axis=0)) / 2.5
    return (1 + 0.5 * np.tanh(anomaly)) * (0.35 + 0.65 * thawed)


def build_monthly_extent(
    fine: Climate,
    ground: Ground,
    grid: Grid,
    *,
    surplus: np.ndarray,
    thawed: np.ndarray,
) -> np.ndarray:
    """Monthly wetland share of the cell area, (time, latitude, longitude).

    Parameters
    ----------
    fine : climate of the rasters' grid
    ground : land cells of the world
    grid : of the world
    surplus : (time, cell), mm per day
        Precipitation less potential evapotranspiration of each month.
    thawed : (time, cell), 0 to 1
        Share of the month with thawed topsoil; frozen wetlands do not show.

    Notes
    -----
    Extent follows a memory of the surplus of the last months (``build_season``), so that it has
    seasons and years.
    """
    base = block_mean(wetland_potential(fine, kind="monthly"), fine.grid, grid)
    season = build_season(surplus, thawed)
    share = np.zeros((len(surplus), base.size))
    share[:, ground.index] = base.ravel()[ground.index] * season
    cap = np.zeros(base.size)
    cap[ground.index] = ground.soil
    area = np.repeat(cell_area_m2(grid.latitude, step_deg=grid.step_deg)[:, None], grid.shape[1], 1)
    return scale_to_total(
        share.reshape(-1, *grid.shape),
        cap=cap.reshape(grid.shape),
        area=area,
        total_m2=MONTHLY_TOTAL_M2,
    )
