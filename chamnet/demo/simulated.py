"""Simulated places of a benchmark: cells drawn once and followed over years.

The same normals, weather and soils as the demo world's, at a sample of its cells, with hidden
traits: what a model of unseen years or places can be scored on where the truth is known.
"""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from chamnet.data.formulas import vapor_pressure_deficit_pa, wind_speed_m_s
from chamnet.data.places import N_STEPS, PlaceDrivers, n_steps_of
from chamnet.data.store import write_store
from chamnet.demo.surface import Ground
from chamnet.demo.truth import World
from chamnet.demo.weather import WeatherGenerator
from chamnet.demo.world import lay_out_world
from chamnet.grid import cell_area_m2
from chamnet.simulation.places import Another, build_simulated_places

logger = logging.getLogger(__name__)

BLOCK_DEG = 10.0  # of the blocks of cells that stay together in spatial folds
PLACES_PER_CHUNK = 128
DRIVER_NAMES = (  # those of config/config.yaml
    "air_temperature",
    "precipitation_flux",
    "surface_downwelling_shortwave_flux_in_air",
    "surface_downwelling_longwave_flux_in_air",
    "vapor_pressure_deficit",
    "surface_air_pressure",
    "wind_speed",
)
ATTRIBUTES = {  # name in a run -> of the ground
    "clay_fraction": "clay",
    "sand_fraction": "sand",
    "soil_organic_carbon": "soc",
    "soil_ph": "phh2o",
    "land_cover_forest": "forest",
    "land_cover_crop": "crop",
}


def simulate_benchmark_places(
    *,
    store: str | Path,
    digest: str,
    target: str,
    n_places: int = 3000,
    n_years: int = 20,
    first_year: int = 1999,
    step_deg: float = 1.0,
    seed: int = 0,
    trait_strength: float = 1.0,
    window_days: int | None = 10,
) -> Path:
    """Write a simulated benchmark in the layout of observations; the manifest's path.

    Parameters
    ----------
    store : path of the store
    digest : of all that it follows from
    target : emission or consumption
    n_places : cells drawn, weighted by their soil; drivers take 10 kB a place and year
    n_years, first_year : that every place has
    step_deg : degrees
        Of the grid that cells are drawn from.
    seed : of the draw of cells, of soils, weather and traits
    trait_strength : spread of the hidden traits, relative to ``parameters.yaml``; 0 hides
        nothing, so that a series of it says how much a history helps
    window_days : length of the windows; None: months, 1: days

    Notes
    -----
    Clusters are blocks of 10 degrees, for folds that do not leak between neighbors. The
    parameters are those of the truth; what is pretrained uses others (``simulate_places``).
    """
    world = lay_out_world(step_deg=step_deg, first_year=first_year, n_years=n_years, seed=seed)
    chosen = _draw_cells(world, n_places)
    ground = world.ground
    places = pd.DataFrame(
        {
            "place": [f"sim-{i:06d}" for i in ground.index[chosen]],
            "latitude": ground.latitude[chosen],
            "longitude": ground.longitude[chosen],
        }
    )
    years = range(first_year, first_year + n_years)
    data = build_simulated_places(
        _build_drivers(world, chosen, years),
        places,
        target=target,
        another=Another(seed=seed, trait_strength=trait_strength, parameter_spread=0.0),
        window_days=window_days,
    )
    data["cluster"] = ("place", _build_blocks(places), {"block_deg": BLOCK_DEG})
    sizes = {name: data.sizes[name] for name in ("place", "year", "window")}
    return write_store(data, store, digest=digest, chunks={"place": PLACES_PER_CHUNK}, extra=sizes)


def _draw_cells(world: World, n_places: int) -> np.ndarray:
    """Land cells drawn by the area of their soil, ascending."""
    ground = world.ground
    area = cell_area_m2(ground.latitude, step_deg=world.grid.step_deg) * ground.soil
    n_drawn = min(n_places, int((area > 0).sum()))
    generator = np.random.default_rng([world.seed, 8])
    return np.sort(generator.choice(area.size, n_drawn, replace=False, p=area / area.sum()))


def _build_drivers(world: World, chosen: np.ndarray, years: range) -> PlaceDrivers:
    """Weather of cells, a year at a time."""
    index = world.ground.index[chosen]
    weather = WeatherGenerator(world.coarse, seed=world.seed, days=world.days, index=index)
    lengths = n_steps_of(list(years), calendar="standard")
    values = np.full((chosen.size, len(years), N_STEPS, len(DRIVER_NAMES)), np.nan, np.float32)
    start = 0
    for y, n_days in enumerate(lengths):
        block = weather.build(slice(start, start + n_days))
        air, dew = block["air_temperature"], block["dew_point_temperature"]
        block["vapor_pressure_deficit"] = vapor_pressure_deficit_pa(air, dew)
        block["wind_speed"] = wind_speed_m_s(block["eastward_wind"], block["northward_wind"])
        for k, name in enumerate(DRIVER_NAMES):
            values[:, y, :n_days, k] = block[name].T
        start += n_days
        logger.info("simulated benchmark: weather of %d, %d/%d years", years[y], y + 1, len(years))
    return PlaceDrivers(
        values=values,
        years=list(years),
        driver_names=list(DRIVER_NAMES),
        calendar="standard",
        attributes=_stack_attributes(world.ground, chosen),
        attribute_names=list(ATTRIBUTES),
    )


def _stack_attributes(ground: Ground, chosen: np.ndarray) -> np.ndarray:
    columns = [getattr(ground, name)[chosen] for name in ATTRIBUTES.values()]
    return np.stack(columns, axis=1).astype(np.float32)


def _build_blocks(places: pd.DataFrame) -> np.ndarray:
    row = np.floor((places["latitude"] + 90) / BLOCK_DEG)
    column = np.floor((places["longitude"] + 180) / BLOCK_DEG)
    return np.unique(row * 1000 + column, return_inverse=True)[1]
