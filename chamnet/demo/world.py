"""The demo world: real normals, made into the files that a user would bring.

After ``make_demo_world`` no code knows that it is a demo. The true fluxes come from the process
model with hidden traits, and are kept in ``truth.zarr`` for the closure check alone.
"""

import logging
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from chamnet.demo import network
from chamnet.demo.climate import fine_grid, read_climate, read_koppen, read_land_cover
from chamnet.demo.files import (
    DAYS_PER_SHARD,
    SYNTHETIC,
    Era5Writer,
    write_raster,
    write_wetlands,
)
from chamnet.demo.places import (
    CHAMBER_SHARES,
    TOWER_SHARES,
    Places,
    climate_zones,
    place_network,
)
from chamnet.demo.surface import (
    build_ground,
    build_monthly_extent,
    build_soils,
    build_static_extent,
)
from chamnet.demo.truth import Records, Truth, World, summarize_truth, write_truth
from chamnet.demo.weather import WeatherGenerator
from chamnet.grid import Grid
from chamnet.provenance import digest_of_file, digest_of_values, write_json
from chamnet.simulation.classes import CLASS_LABELS, name_biomes
from chamnet.simulation.parameters import read_parameters

logger = logging.getLogger(__name__)

README = f"""{SYNTHETIC}.

era5.zarr            daily weather, names, units and directions of ARCO-ERA5; total_precipitation
                     and radiation are sums of the day
clay.tif sand.tif    fraction of fine earth, 0 to 1
soc.tif              soil organic carbon, g kg-1
phh2o.tif            pH in water
elevation.tif        m (ITU-R P.1511)
land_cover.tif       IGBP class of MODIS MCD12C1 2019: 0 water, 11 permanent wetland, 15 ice
wetlands_*.nc        wetland fraction of the cell area: a proxy, see its comment
towers/              daily files in the layout of FLUXNET-CH4; towers_sites.csv is their table
chambers.csv         monthly uptake of methane, ug C m-2 h-1, positive = uptake
truth.zarr           true monthly fluxes, for the closure check alone
"""


def make_demo_world(
    *,
    folder: str | os.PathLike,
    manifest: str | os.PathLike,
    seed: int = 1,
    step_deg: float = 2.0,
    first_year: int = 2011,
    n_years: int = 8,
    n_towers: int = 45,
    n_chambers: int = 150,
    trait_strength: float = 1.0,
) -> None:
    """Write the files of a synthetic world, and last of all its manifest.

    Parameters
    ----------
    folder : where the files go; what an earlier call left there is replaced
    manifest : JSON with the options, the digests of all files and what the world holds
    seed : of weather, soils, traits and networks
    step_deg : degrees
        Width of the world's cells; a multiple of 0.25 that divides 180.
    first_year, n_years : of the standard calendar
    n_towers, n_chambers : places of the two networks
    trait_strength : factor on the spread of the hidden traits

    Raises
    ------
    ConfigError, InputError
        If the step does not fit, or the packages with the normals are not installed.
    """
    begun = time.monotonic()
    options = {
        "seed": seed,
        "step_deg": step_deg,
        "first_year": first_year,
        "n_years": n_years,
        "n_towers": n_towers,
        "n_chambers": n_chambers,
        "trait_strength": trait_strength,
    }
    folder, manifest = Path(folder), Path(manifest)
    manifest.unlink(missing_ok=True)
    world = lay_out_world(step_deg=step_deg, first_year=first_year, n_years=n_years, seed=seed)
    _clear(folder)
    _write_rasters(folder, world)
    towers, koppen = _place_towers(world, n_towers)
    truth = Truth(world, read_parameters(), tower_cell=towers.cell, strength=trait_strength)
    records = _run_days(folder / "era5.zarr", world, truth)
    extents = _write_extents(folder, world, records)
    _write_towers(folder, world, truth, towers, koppen, records)
    _write_chambers(folder, world, truth, records, koppen, n_places=n_chambers)
    write_truth(folder / "truth.zarr", records, digest=digest_of_values(options))
    (folder / "README.txt").write_text(README)
    figures = summarize_truth(records, extents)
    logger.info("demo world: %s", ", ".join(f"{k} {v:.4g}" for k, v in figures.items()))
    _write_manifest(manifest, folder, options, figures)
    logger.info("demo world: written to %s in %.0f s", folder, time.monotonic() - begun)


def lay_out_world(*, step_deg: float, first_year: int, n_years: int, seed: int) -> World:
    """World of real normals and drawn soils, without weather."""
    grid = Grid(step_deg)
    fine = read_climate(fine_grid(step_deg))
    coarse = fine.coarsen(grid)
    soils = build_soils(fine, seed=seed)
    ground = build_ground(fine, coarse, soils)
    first, last = f"{first_year:04d}-01-01", f"{first_year + n_years:04d}-01-01"
    days = np.arange(first, last, dtype="datetime64[D]")
    logger.info(
        "demo world: %d land cells of %g degrees, %d days", ground.index.size, step_deg, days.size
    )
    return World(grid, fine, coarse, soils, ground, days, seed)


def _clear(folder: Path) -> None:
    """Remove what an earlier call left, and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("era5.zarr", "truth.zarr", "truth.parts", "towers"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ("truth.json", "towers_sites.csv", "chambers.csv"):
        (folder / name).unlink(missing_ok=True)


def _write_rasters(folder: Path, world: World) -> None:
    for name, units in (("clay", "1"), ("sand", "1"), ("soc", "g kg-1"), ("phh2o", "1")):
        write_raster(folder / f"{name}.tif", world.soils[name], name=name, units=units)
    elevation = world.fine.elevation.astype(np.float32)
    source = "ITU-R P.1511, resampled"
    write_raster(folder / "elevation.tif", elevation, name="elevation", units="m", comment=source)
    classes = read_land_cover()
    source = "MODIS MCD12C1 2019, IGBP classes, the middle pixel of 5 by 5"
    write_raster(folder / "land_cover.tif", classes, name="igbp", units="1", comment=source)


def _place_towers(world: World, n_towers: int) -> tuple[Places, np.ndarray]:
    """Towers in cells with wetlands, and the Koppen zone of every land cell."""
    ground = world.ground
    koppen = read_koppen(ground.latitude, ground.longitude, spread_deg=world.grid.step_deg / 4)
    share = build_static_extent(world.fine)
    wetland = world.means_of_cells(share)
    towers = place_network(
        ground,
        world.grid,
        zones=climate_zones(koppen, ground.latitude),
        weights=np.sqrt(wetland) * (wetland > 0.01) * (ground.land > 0.3),
        shares=TOWER_SHARES,
        n_places=n_towers,
        prefix="ZZ-T",
        seed=world.seed,
    )
    return towers, koppen


def _run_days(store: Path, world: World, truth: Truth) -> Records:
    """Weather and truth of all days, a shard of days at a time."""
    weather = WeatherGenerator(world.coarse, seed=world.seed, days=world.days)
    state = truth.spin_up(weather.build(slice(0, 365)))
    writer = Era5Writer(store, world.grid, world.days)
    records = Records.empty(world)
    n_days = world.days.size
    for start in range(0, n_days, DAYS_PER_SHARD):
        part = slice(start, min(start + DAYS_PER_SHARD, n_days))
        block = weather.build(part)
        result = truth.simulate(block, state=state)
        state = result.state
        writer.write(part, block | truth.soil_of(result, block))
        records.keep(part, block, result, truth)
        logger.info("demo world: day %d of %d, %s", part.stop, n_days, world.days[part.stop - 1])
    writer.finish()
    return records


def _write_extents(folder: Path, world: World, records: Records) -> dict[str, np.ndarray]:
    """Write the two wetland maps; both as shares of land cells, ([time,] cell)."""
    means = records.monthly
    monthly = build_monthly_extent(
        world.fine, world.ground, world.grid, surplus=means["surplus"], thawed=means["thawed"]
    )
    static = build_static_extent(world.fine)
    write_wetlands(folder / "wetlands_monthly.nc", monthly, world.grid, months=world.months)
    write_wetlands(folder / "wetlands_static.nc", static, world.fine.grid, months=None)
    cells = monthly.reshape(len(monthly), -1)[:, world.ground.index]
    return {"monthly": cells, "static": world.means_of_cells(static)}


def _write_towers(
    folder: Path,
    world: World,
    truth: Truth,
    towers: Places,
    koppen: np.ndarray,
    records: Records,
) -> None:
    names = [CLASS_LABELS[name] for name in truth.parameters.classes]
    largest = truth.land.class_weights[towers.cell].argmax(axis=1)
    network.write_site_table(
        folder / "towers_sites.csv",
        towers,
        classes=np.array(names)[largest],
        koppen=koppen[towers.cell],
        forest=world.ground.forest[towers.cell],
    )
    network.write_towers(
        folder / "towers",
        towers,
        flux=records.joined("emission"),
        water_table=records.joined("water_table"),
        weather={name: records.joined(name) for name in records.weather_names},
        days=world.days,
        seed=world.seed,
    )
    logger.info("demo world: %d towers", towers.cell.size)


def _write_chambers(
    folder: Path,
    world: World,
    truth: Truth,
    records: Records,
    koppen: np.ndarray,
    *,
    n_places: int,
) -> None:
    ground = world.ground
    chambers = place_network(
        ground,
        world.grid,
        zones=climate_zones(koppen, ground.latitude),
        weights=np.sqrt(ground.soil) * (ground.soil > 0.3),
        shares=CHAMBER_SHARES,
        n_places=n_places,
        prefix="synthetic-",
        seed=world.seed + 1,
    )
    biomes = name_biomes(
        coldest=ground.coldest,
        warmest=ground.warmest,
        forest=ground.forest,
        crop=ground.crop,
        dry=ground.dryness > 5,
    )
    local = truth.chamber_factor(chambers.cell)
    uptake = records.monthly["consumption"][:, chambers.cell].T * local[:, None]
    network.write_chambers(
        folder / "chambers.csv",
        chambers,
        consumption=uptake,
        biomes=biomes[chambers.cell],
        months=world.months,
        cold=records.monthly["thawed"][:, chambers.cell].T < 0.5,
        seed=world.seed,
    )
    logger.info("demo world: %d chamber places", chambers.cell.size)


def _write_manifest(
    manifest: Path, folder: Path, options: dict[str, Any], figures: dict[str, float]
) -> None:
    """Write the digests of all files, last of all."""
    inside = manifest.resolve()
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.resolve() != inside)
    digests = {str(p.relative_to(folder)): digest_of_file(p) for p in files}
    content = {
        "synthetic": True,
        "comment": SYNTHETIC,
        "options": options,
        "figures": figures,
        "content": digest_of_values(digests),
        "files": {name: d for name, d in digests.items() if "zarr" not in name.split("/")[0]},
    }
    write_json(manifest, content)
