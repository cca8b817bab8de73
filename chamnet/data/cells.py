"""Cells: the land of the target grid, in one dimension, with areas and attributes."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from chamnet.data.attributes import read_attributes, read_land_fractions
from chamnet.data.store import write_store
from chamnet.errors import InputError
from chamnet.grid import Grid, cell_area_m2

logger = logging.getLogger(__name__)

ANTARCTICA_LATITUDE = -60.0  # land south of it is left out and counted
M2_PER_MKM2 = 1e12


def build_cells(
    *,
    store: str,
    digest: str,
    step_deg: float,
    min_land_fraction: float,
    land_cover: str | None,
    land_fraction: str | None,
    sources: Sequence[Mapping[str, Any]],
) -> Path:
    """Write the land cells of the target grid; the manifest's path.

    Parameters
    ----------
    store : path of the store
    digest : of all that it follows from
    step_deg : degrees
        Width of a cell.
    min_land_fraction : cells with less land are left out; their land is counted
    land_cover, land_fraction : rasters that tell land from water
    sources : options ``attributes.sources``

    Raises
    ------
    InputError
        If a raster cannot be used, or there is no land.
    """
    grid = Grid(step_deg)
    land, ice = read_land_fractions(grid=grid, land_cover=land_cover, land_fraction=land_fraction)
    is_cell = select_cells(land, grid=grid, min_land_fraction=min_land_fraction)
    row, column = np.nonzero(is_cell)  # ordered by latitude, then longitude
    latitude, longitude = grid.latitude[row], grid.longitude[column]
    attributes, names, units = read_attributes(
        sources, grid=grid, cell_latitude=latitude, cell_longitude=longitude
    )
    fraction = {"units": "1", "comment": "of the cell's area"}
    cells = xr.Dataset(
        {
            "cell_area": (
                "cell",
                cell_area_m2(latitude, step_deg=step_deg),
                {"units": "m2", "standard_name": "cell_area", "comment": "on WGS84"},
            ),
            "land_fraction": ("cell", land[row, column], fraction | {"long_name": "land with ice"}),
            "water_fraction": ("cell", 1 - land[row, column], fraction),
            "ice_fraction": ("cell", ice[row, column], fraction),
            "attributes": (("cell", "attribute"), attributes, {"units_of_attributes": units}),
        },
        coords={
            "latitude": ("cell", latitude, {"units": "degrees_north"}),
            "longitude": ("cell", longitude, {"units": "degrees_east"}),
            "attribute": ("attribute", np.asarray(names, dtype="U")),
        },
        attrs={"step_deg": float(step_deg)},
    )
    return write_store(cells, store, digest=digest, extra={"n_cells": int(row.size)})


def select_cells(land: np.ndarray, *, grid: Grid, min_land_fraction: float) -> np.ndarray:
    """Which cells of the grid are kept, (latitude, longitude); the others' land is counted.

    Raises
    ------
    InputError
        If none is.
    """
    area = land * cell_area_m2(grid.latitude, step_deg=grid.step_deg)[:, None] / M2_PER_MKM2
    is_antarctic = np.broadcast_to((grid.latitude < ANTARCTICA_LATITUDE)[:, None], land.shape)
    has_land = (land >= min_land_fraction) & (land > 0)
    is_cell = has_land & ~is_antarctic
    if not is_cell.any():
        raise InputError(
            f"no cell has a land fraction of at least {min_land_fraction} "
            f"(grid.min_land_fraction); the largest is {land.max():g}"
        )
    logger.info(
        "cells: %d of %d kept with %.3f Mkm2 of land; left out: %d cells with %.3f Mkm2 of land "
        "below %g of their area, Antarctica with %.3f Mkm2",
        *(is_cell.sum(), land.size, area[is_cell].sum()),
        *(((land > 0) & ~has_land & ~is_antarctic).sum(), area[~has_land & ~is_antarctic].sum()),
        *(min_land_fraction, area[is_antarctic].sum()),
    )
    return is_cell
