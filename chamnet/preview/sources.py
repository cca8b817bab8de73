"""The sources of a run, one after the other: headers, a block of each, and all towers."""

import logging
from collections.abc import Iterable

import numpy as np
import xarray as xr

from chamnet.config import Config
from chamnet.data.attributes import read_land_fractions
from chamnet.data.cells import ANTARCTICA_LATITUDE
from chamnet.data.chambers import read_chambers
from chamnet.data.ingredients import find_ingredients
from chamnet.data.magnitudes import check_maps
from chamnet.data.rasters import open_raster
from chamnet.data.series import Series
from chamnet.data.source_description import describe_source
from chamnet.data.source_files import expand_paths, open_source
from chamnet.data.source_tables import read_source
from chamnet.data.steps import Steps
from chamnet.data.towers import NOT_WETLAND, Tower, read_towers
from chamnet.data.wetlands import read_first_map
from chamnet.errors import InputError
from chamnet.grid import Grid, nearest_cell, orient
from chamnet.preview.findings import Findings

logger = logging.getLogger(__name__)

FINEST_DEG = 0.5  # of the land mask here: a finer grid's cells are counted from it
FAR_CELLS, FAR_KM = 1.5, 50.0  # as chamnet.data.places has it
KM_PER_DEGREE = 111.2


def find_drivers(config: Config, found: Findings) -> None:
    """Header of the reanalysis, and its first map."""
    options = config.drivers
    if not options.paths:
        found.add("drivers", "those of the places themselves", note="no map, no budget")
        return
    years = list(range(options.first_year, options.last_year + 1))
    described = describe_source(
        source=options.source,
        paths=options.paths,
        names=options.names,
        years=years,
        storage_options=options.storage_options,
    )
    for problem in described.problems:
        found.refuse(problem)
    found.n_years, found.bytes_in = len(years), described.bytes
    shape = described.grid_shape or ("?", "?")
    found.add(
        f"drivers ({options.source})",
        _short(described.paths),
        period=f"{described.first} to {described.last}, each {described.step}",
        grid=f"{shape[0]} x {shape[1]}, {described.step_deg} degrees",
        calendar=described.calendar,
        note="; ".join(f"{name}: {', '.join(v)}" for name, v in described.variables.items()),
    )
    with found.noting():
        _read_first_maps(config, found)


def find_cells(config: Config, found: Findings) -> np.ndarray | None:
    """Land of the target grid, (latitude, longitude); how many cells the run has."""
    if not config.drivers.paths:
        return None
    attributes = config.attributes
    paths = [p for p in (attributes.land_cover, attributes.land_fraction) if p]
    step = max(config.grid.step_deg, FINEST_DEG)
    with found.noting():
        grid = Grid(step)
        land, ice = read_land_fractions(
            grid=grid, land_cover=attributes.land_cover, land_fraction=attributes.land_fraction
        )
        is_cell = (land >= config.grid.min_land_fraction) & (land > 0)
        is_cell &= (grid.latitude > ANTARCTICA_LATITUDE)[:, None]
        found.n_cells = round(is_cell.sum() * (step / config.grid.step_deg) ** 2)
        found.add(
            "land",
            _short(paths),
            grid=f"target {config.grid.step_deg:g} degrees",
            note=f"{found.n_cells} cells; {ice[is_cell].mean():.1%} of them ice",
        )
        coords = {"latitude": grid.latitude, "longitude": grid.longitude}
        found.maps["land fraction"] = xr.DataArray(land, dims=tuple(coords), coords=coords)
        return is_cell
    return None


def find_attributes(config: Config, found: Findings) -> None:
    """Each raster: its CRS and its first block."""
    grid = Grid(max(config.grid.step_deg, FINEST_DEG))
    for source in config.attributes.sources:
        with (
            found.noting(),
            open_raster(
                source.path,
                grid=grid,
                variable=source.variable,
                is_categorical=source.kind != "continuous",
            ) as raster,
        ):
            values = raster.read(slice(0, min(64, len(raster.row_edges))))
            valid = np.ma.count(values) / values.size
            found.add(
                f"attribute {source.name} ({source.kind})",
                source.path,
                grid=f"{len(raster.row_edges)} x {len(raster.column_edges)}",
                note=f"first rows: {valid:.0%} with values",
            )


def find_wetlands(config: Config, found: Findings) -> None:
    """Each wetland map: its dates against the years predicted, and its first map."""
    if config.drivers.paths and not config.wetlands.sources:
        found.refuse("wetlands.sources is empty, expected a map of wetland extent or more")
    years = range(config.predict.first_year, config.predict.last_year + 1)
    for source in config.wetlands.sources:
        with found.noting():
            first, period = read_first_map(source.model_dump(mode="json"), years=years)
            found.add(
                f"wetlands {source.name} ({source.kind})",
                source.path,
                period=period,
                grid=f"{first.sizes['latitude']} x {first.sizes['longitude']}",
            )
            found.maps[f"wetlands {source.name}, first map"] = first


def find_towers(config: Config, found: Findings, *, is_cell: np.ndarray | None) -> None:
    """All files of towers, and whether each tower is near land."""
    options = config.towers
    if "emission" not in config.run.targets:
        return
    if not (options.folder and options.sites):
        found.refuse("options towers.folder and towers.sites are not set, expected paths")
        return
    is_own = options.drivers == "tower" or not config.drivers.paths
    towers: list[Tower] = []
    with found.noting():
        towers = read_towers(
            folder=options.folder,
            sites=options.sites,
            licences=options.licences,
            driver_names=config.drivers.names if is_own else (),
            flux_units=options.flux_units,
            min_coverage=options.min_coverage,
            factors=options.factors,
            problems=found.problems,
        )
    wetlands = [tower for tower in towers if tower.place_class not in NOT_WETLAND]
    found.towers = [_row_of(tower) for tower in wetlands]
    if towers:
        first = min(tower.days.index[0] for tower in towers)
        last = max(tower.days.index[-1] for tower in towers)
        n_measured = sum(row["n_measured"] for row in found.towers)
        found.add(
            "towers",
            options.folder,
            period=f"{first:%Y-%m-%d} to {last:%Y-%m-%d}",
            calendar="standard",
            note=f"{len(wetlands)} wetlands of {len(towers)} sites, {n_measured} measured days; "
            f"policies {sorted({tower.licence for tower in towers})}",
        )
    if is_cell is not None:
        _check_near(found, is_cell=is_cell, step_deg=config.grid.step_deg)


def find_chambers(config: Config, found: Findings) -> None:
    """The table of chambers."""
    options = config.chambers
    if "consumption" not in config.run.targets:
        return
    if not options.path:
        found.refuse("option chambers.path is not set, expected a path")
        return
    with found.noting():
        chambers = read_chambers(
            **options.model_dump(mode="json", exclude={"normals", "cluster_km"})
        )
        years = chambers.months["year"]
        known = years[years > 0]
        found.chambers = chambers.places[["latitude", "longitude"]].to_numpy()
        period = f"{known.min()} to {known.max()}, " if len(known) else ""
        found.add(
            f"chambers ({options.kind})",
            options.path,
            period=period + f"{(years <= 0).mean():.0%} of months without a year",
            note=f"{len(chambers.places)} places, {len(chambers.months)} months; "
            f"{chambers.dropped['n_dropped'].sum()} rows dropped",
        )


def _row_of(tower: Tower) -> dict:
    index = tower.days.index
    return {
        "site": tower.site_id,
        "latitude": tower.latitude,
        "longitude": tower.longitude,
        "first": index[0],
        "last": index[-1],
        "n_days": len(index),
        "n_measured": int((tower.days["quality"] == 0).sum()),
    }


def _check_near(found: Findings, *, is_cell: np.ndarray, step_deg: float) -> None:
    grid = Grid(180 / is_cell.shape[0])
    row, column = np.nonzero(is_cell)
    tolerance_km = max(FAR_CELLS * max(step_deg, grid.step_deg) * KM_PER_DEGREE, FAR_KM)
    for tower in found.towers:
        with found.noting():
            nearest_cell(
                np.array([tower["latitude"]]),
                np.array([tower["longitude"]]),
                cell_latitude=grid.latitude[row],
                cell_longitude=grid.longitude[column],
                tolerance_km=tolerance_km,
                names=[tower["site"]],
            )


def _read_first_maps(config: Config, found: Findings) -> None:
    """First map of each variable of the first year, against the bounds of its table."""
    options = config.drivers
    table = read_source(options.source, driver_names=options.names)
    files = expand_paths(options.paths, years=[options.first_year])
    stored = options.storage_options
    with open_source(files, axes=table.axes, storage_options=stored) as data:
        for name in options.names:
            with found.noting():
                recipe = find_ingredients(data, table, name, year=options.first_year)
                for series, steps in zip(recipe.series, recipe.steps, strict=True):
                    _read_first_map(series, steps, found)


def _read_first_map(series: Series, steps: Steps, found: Findings) -> None:
    title = f"{series.name} ({series.variable.units}), first map"
    if title in found.maps:
        return
    values = series.read(steps.positions[:1], rows=slice(None))[0].astype(float)
    if series.sum_over is not None:
        values /= steps.seconds[0]
        title = f"{series.name} ({series.variable.units}, a second), first map"
    check_maps(values, series=series)
    if not np.isfinite(values).any():
        raise InputError(f"{series.source}: the first map holds no number")
    axes = dict(zip(("latitude", "longitude"), series.axes, strict=True))
    found.maps[title] = orient(
        xr.DataArray(values, dims=tuple(axes), coords=axes), source=series.source
    )


def _short(paths: Iterable[str]) -> str:
    paths = list(paths)
    return f"{paths[0]} and {len(paths) - 1} more" if len(paths) > 1 else "".join(paths)
