"""Attributes of cells: area means of rasters, and area fractions of classes."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chamnet.data.mapping_units import read_unit_values
from chamnet.data.rasters import open_raster, sum_over_grid
from chamnet.errors import InputError
from chamnet.grid import Grid, cell_area_m2, nearest_cell

logger = logging.getLogger(__name__)

IGBP_WATER = (0, 17)  # MCD12C1 writes water as 0, MCD12Q1 as 17: Friedl et al. (2010), table 3
IGBP_ICE = (15,)


def read_attributes(
    sources: Sequence[Mapping[str, Any]],
    *,
    grid: Grid,
    cell_latitude: np.ndarray,
    cell_longitude: np.ndarray,
) -> tuple[np.ndarray, list[str], list[str]]:
    """Attributes of cells, with their names and units.

    A cell without any value takes those of the nearest cell that has some; this is counted.

    Parameters
    ----------
    sources : options ``attributes.sources``

    Returns
    -------
    attributes : (cell, attribute) float32
    names, units : of each attribute

    Raises
    ------
    InputError
        If a raster cannot be used, or covers none of the cells.
    """
    row, column = grid.row_column(cell_latitude, cell_longitude)
    columns: list[np.ndarray] = []
    names: list[str] = []
    units: list[str] = []
    for i, source in enumerate(sources):
        maps, found = read_attribute_maps(source, grid=grid)
        values = maps[:, row, column].T
        columns.append(
            _fill_cells(values, source=source, latitude=cell_latitude, longitude=cell_longitude)
        )
        names += found
        units += [source.get("units", "1") if source_is_continuous(source) else "1"] * len(found)
        logger.info("attributes: %s, %d/%d rasters", source["name"], i + 1, len(sources))
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"attributes.sources give {repeated[0]!r} twice, expected other names")
    values = np.concatenate(columns, axis=1) if columns else np.empty((row.size, 0))
    return values.astype(np.float32), names, units


def read_attribute_maps(source: Mapping[str, Any], *, grid: Grid) -> tuple[np.ndarray, list[str]]:
    """Maps of the attributes that one raster gives, (attribute, latitude, longitude), and names.

    A mean is over the part of a cell with values (with ``of_cell`` over all of it), a fraction
    of the whole cell's area; NaN where there is no value at all.

    Raises
    ------
    InputError
        If classes are asked for and none is named.
    """
    is_continuous = source_is_continuous(source)
    classes = source.get("classes") or {}
    if not is_continuous and not classes:
        raise InputError(
            f"attributes.sources {source['name']!r}: kind is fractions and classes is empty, "
            "expected groups of codes"
        )

    is_units = source.get("kind") == "units"
    find_values = read_unit_values(source) if is_units else None

    def fields(values: np.ma.MaskedArray) -> list[np.ndarray]:
        values = find_values(values) if find_values else values
        is_valid = ~np.ma.getmaskarray(values)
        if is_continuous:
            return [values.filled(0) * float(source.get("scale", 1.0)), is_valid.astype(float)]
        groups = [(np.isin(values.data, codes) & is_valid) for codes in classes.values()]
        return [part.astype(np.float32) for part in (*groups, is_valid)]

    with open_raster(
        source["path"],
        grid=grid,
        variable=source.get("variable"),
        is_categorical=is_units or not is_continuous,
    ) as raster:
        *sums, valid = sum_over_grid(raster, grid=grid, fields=fields)
    is_mean = is_continuous and not source.get("of_cell")
    area = valid if is_mean else cell_area_m2(grid.latitude, step_deg=grid.step_deg)[:, None]
    has_values = valid > 1e-9 * valid.max(initial=1.0)
    area = np.broadcast_to(area, valid.shape)
    maps = np.stack(
        [np.divide(s, area, out=np.full_like(s, np.nan), where=has_values) for s in sums]
    )
    name = source["name"]
    return maps, [name] if is_continuous else [f"{name}_{group}" for group in classes]


def read_land_fractions(
    *, grid: Grid, land_cover: str | None, land_fraction: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """Fractions of each cell's area that are land (ice included), and ice, as maps.

    Parameters
    ----------
    land_cover : raster of IGBP classes, 0 or 17 = water, 15 = ice
    land_fraction : raster of the land fraction; it goes before the land cover's

    Raises
    ------
    InputError
        If there is neither, or a fraction is not one.
    """
    if not (land_cover or land_fraction):
        raise InputError(
            "neither attributes.land_cover nor attributes.land_fraction is set, expected one of "
            "them to tell land from water"
        )
    land = ice = None
    if land_cover:
        classes = {"water": list(IGBP_WATER), "ice": list(IGBP_ICE), "any": list(range(256))}
        source = {"name": "land_cover", "path": land_cover, "kind": "fractions", "classes": classes}
        water, ice, mapped = np.nan_to_num(read_attribute_maps(source, grid=grid)[0])
        land = mapped - water
    else:
        logger.info("cells: no land cover, so no ice is known: land without ice is assumed")
    if land_fraction:
        source = {"name": "land_fraction", "path": land_fraction}
        (land,), _ = read_attribute_maps(source, grid=grid)
        land = np.nan_to_num(land)
        if land.min() < -1e-6 or land.max() > 1 + 1e-6:
            raise InputError(
                f"{land_fraction}: land fraction is {land.min():g} to {land.max():g}, expected "
                "0 to 1"
            )
    land = np.clip(land, 0, 1)
    ice = np.zeros_like(land) if ice is None else np.minimum(ice, land)
    return land, ice


def source_is_continuous(source: Mapping[str, Any]) -> bool:
    """Whether a raster gives a quantity, of its own or by a table, and not classes."""
    return source.get("kind", "continuous") in ("continuous", "units")


def _fill_cells(
    values: np.ndarray, *, source: Mapping[str, Any], latitude: np.ndarray, longitude: np.ndarray
) -> np.ndarray:
    has_values = np.isfinite(values).all(axis=1)
    if has_values.all():
        return values
    if not has_values.any():
        raise InputError(
            f"{source['path']}: {source['name']} has no value on any of {len(values)} land cells"
        )
    nearest = nearest_cell(
        latitude[~has_values],
        longitude[~has_values],
        cell_latitude=latitude[has_values],
        cell_longitude=longitude[has_values],
        tolerance_km=np.inf,
        names=[],
    )
    logger.info(
        "attributes: %s is missing in %d of %d cells, which take that of the nearest cell",
        *(source["name"], int((~has_values).sum()), len(values)),
    )
    filled = values.copy()
    filled[~has_values] = values[has_values][nearest]
    return filled
