"""Weights of a source's pixels in the means of land cells, where values are."""

import logging

import numpy as np
import scipy.sparse
import xarray as xr

from chamnet.data.regrid import build_overlap
from chamnet.data.series import Series
from chamnet.errors import GridError, InputError
from chamnet.grid import nearest_cell, orient

logger = logging.getLogger(__name__)

COAST_CELLS = 2.5  # widths of a cell that a mostly watery cell may take its weather from


def find_overlap(series: Series, *, cells: xr.Dataset) -> scipy.sparse.csr_array:
    """Area of overlap, sparse (cell, pixel), m2; pixels in the order of the files.

    Raises
    ------
    GridError
        If the source's grid is not regular, or cells are outside of it.
    """
    latitude, longitude = series.axes
    number = xr.DataArray(
        np.arange(latitude.size * longitude.size).reshape(latitude.size, longitude.size),
        dims=("latitude", "longitude"),
        coords={"latitude": latitude, "longitude": longitude},
    )
    number = orient(number, source=series.source)
    overlap = build_overlap(
        source_latitude=number["latitude"].values,
        source_longitude=number["longitude"].values,
        cell_latitude=cells["latitude"].values,
        cell_longitude=cells["longitude"].values,
        step_deg=float(cells.attrs["step_deg"]),
    )
    area = overlap.area
    is_outside = np.diff(area.indptr) == 0
    if is_outside.any():
        raise GridError(
            f"{series.source}: {int(is_outside.sum())} land cells are outside of its grid, the "
            f"first {place_of(cells, int(np.argmax(is_outside)))}"
        )
    pixel = number.values.reshape(-1)[area.indices]
    return scipy.sparse.csr_array((area.data, pixel, area.indptr), shape=area.shape)


def build_weights(
    area: scipy.sparse.csr_array,
    first: np.ndarray,
    *,
    series: Series,
    cells: xr.Dataset,
    rows: slice,
    source: str,
    name: str,
    fill_km: float,
) -> scipy.sparse.csr_array:
    """Weights of the pixels that have values on the first day; they sum to 1 a cell.

    Parameters
    ----------
    area : sparse (cell, pixel), m2
    first : (pixel,), NaN where there is no value
    rows : of the series' grid, that the pixels are of
    source, name : of the files and of what they hold, for messages
    fill_km : how far a cell of land may take values from, where it has none

    Raises
    ------
    InputError
        If values are missing in a cell that is mostly land.
    """
    is_valid = ~np.isnan(first)
    part = area if is_valid.all() else (area @ scipy.sparse.diags_array(is_valid * 1.0)).tocsr()
    part.eliminate_zeros()
    is_empty = np.diff(part.indptr) == 0
    if is_empty.any():
        latitude, longitude = series.axes
        place = np.meshgrid(latitude[rows], longitude, indexing="ij")
        pixels = [axis.reshape(-1) for axis in place]
        _check_land(
            is_empty, fill_km if is_valid.any() else 0, cells=cells, source=source, name=name
        )
        part = _with_nearest(
            part, is_empty, is_valid=is_valid, pixels=pixels, cells=cells, fill_km=fill_km
        )
        logger.info(
            "%s: %d cells without values take those of the nearest pixel",
            *(source, int(is_empty.sum())),
        )
    total = np.asarray(part.sum(axis=1))
    return (scipy.sparse.diags_array(1 / total) @ part).tocsr().astype(np.float32)


def place_of(cells: xr.Dataset, cell: int) -> str:
    """Where a cell is, for messages."""
    latitude, longitude = (float(cells[n].values[cell]) for n in ("latitude", "longitude"))
    return f"at {latitude:g} N {longitude:g} E"


def _check_land(
    is_empty: np.ndarray, fill_km: float, *, cells: xr.Dataset, source: str, name: str
) -> None:
    is_land = is_empty & (cells["water_fraction"].values <= 0.5)
    if is_land.any() and not fill_km:
        raise InputError(
            f"{source}: {name} is NaN over land in {int(is_land.sum())} of {is_land.size} cells, "
            f"the first {place_of(cells, int(np.argmax(is_land)))}, expected values on all land"
        )


def _with_nearest(
    area: scipy.sparse.csr_array,
    is_empty: np.ndarray,
    *,
    is_valid: np.ndarray,
    pixels: list[np.ndarray],
    cells: xr.Dataset,
    fill_km: float,
) -> scipy.sparse.csr_array:
    """Overlap where cells without values take the nearest pixel's."""
    at = np.flatnonzero(is_empty)
    width_km = 111.2 * float(cells.attrs["step_deg"])
    nearest = nearest_cell(
        cells["latitude"].values[at],
        cells["longitude"].values[at],
        cell_latitude=pixels[0][is_valid],
        cell_longitude=pixels[1][is_valid],
        tolerance_km=max(fill_km, COAST_CELLS * width_km),
        names=[f"cell {i}" for i in at],
    )
    pixel = np.flatnonzero(is_valid)[nearest]
    extra = scipy.sparse.csr_array((np.ones(at.size), (at, pixel)), shape=area.shape)
    return (area + extra).tocsr()
