"""Rasters of any CRS, read band by band as rows of latitude, and summed over a grid's cells."""

import contextlib
import dataclasses
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from chamnet.data.regrid import edges_of, latitude_overlap, longitude_overlap
from chamnet.errors import GridError, InputError
from chamnet.grid import Grid, orient

logger = logging.getLogger(__name__)

BAND_PIXELS = 4_000_000  # pixels in memory at once
CACHE_MB = 128  # of GDAL, whose own choice is a twentieth of the machine: a row of tiles fits
WARP_SAMPLES = 24  # a raster of another CRS is sampled no finer than a cell's width over this
METERS_PER_DEGREE = 111_320.0  # of latitude, to choose a resolution only
NETCDF_SUFFIXES = (".nc", ".nc4", ".h5", ".cdf")


@dataclasses.dataclass(frozen=True)
class Raster:
    """A map on regular latitudes and longitudes that is read in bands of rows.

    Attributes
    ----------
    row_edges, column_edges : (interval, 2), degrees
        Lower and upper edges; rows in either order.
    read : rows as a slice -> masked array (row, column)
    """

    path: str
    row_edges: np.ndarray
    column_edges: np.ndarray
    read: Callable[[slice], np.ma.MaskedArray]

    def bands(self) -> Iterator[tuple[slice, np.ma.MaskedArray]]:
        """Bands of rows, and their values."""
        height = max(1, BAND_PIXELS // len(self.column_edges))
        for first in range(0, len(self.row_edges), height):
            rows = slice(first, min(first + height, len(self.row_edges)))
            yield rows, self.read(rows)


def sum_over_grid(
    raster: Raster, *, grid: Grid, fields: Callable[[np.ma.MaskedArray], list[np.ndarray]]
) -> np.ndarray:
    """Area integrals of fields made of a raster, over each cell, (field, latitude, longitude).

    Parameters
    ----------
    fields : values of a band -> numbers of each field, (row, column) each

    Returns
    -------
    unit of the field times m2
    """
    half = grid.step_deg / 2
    south_north = np.stack([grid.latitude - half, grid.latitude + half], axis=-1)
    west_east = np.stack([grid.longitude - half, grid.longitude + half], axis=-1)
    shares = longitude_overlap(raster.column_edges, west_east)
    total: list[np.ndarray] = []
    for rows, values in raster.bands():
        edges = raster.row_edges[rows]
        if edges[0, 0] > edges[-1, 0]:
            edges, values = edges[::-1], values[::-1]
        areas = latitude_overlap(edges, south_north).tocsr()
        touched = np.flatnonzero(np.diff(areas.indptr))
        sums = [(shares @ (areas[touched] @ f).T).T for f in fields(values)]
        total = total or [np.zeros(grid.shape) for _ in sums]
        for whole, part in zip(total, sums, strict=True):
            whole[touched] += part
        if rows.stop < len(raster.row_edges):
            logger.info("%s: %d/%d rows", raster.path, rows.stop, len(raster.row_edges))
    return np.stack(total)


@contextlib.contextmanager
def open_raster(
    path: str, *, grid: Grid, variable: str | None = None, is_categorical: bool = False
) -> Iterator[Raster]:
    """Raster of a GeoTIFF of any CRS, or of a variable of a NetCDF.

    One of a projected CRS is put on latitudes and longitudes at its own resolution, no
    finer than a 24th of a cell: as means, or by the nearest pixel where it is categorical.

    Raises
    ------
    InputError
        If there is no such file, it has no CRS, or it holds codes and a mean is asked for.
    """
    if not Path(path).exists():
        raise InputError(f"{path}: no such file, expected a GeoTIFF or NetCDF")
    if Path(path).suffix.lower() in NETCDF_SUFFIXES:
        with open_netcdf_map(path, variable=variable) as data:
            yield _raster_of_map(data, path=path)
        return
    import rasterio
    import rasterio.enums

    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=CACHE_MB))
        try:
            dataset = stack.enter_context(rasterio.open(path))
        except rasterio.errors.RasterioIOError as error:
            raise InputError(f"{path}: cannot be read as a raster: {error}") from error
        if dataset.crs is None:
            raise InputError(f"{path}: no CRS, expected one, such as EPSG:4326")
        if not is_categorical and dataset.colorinterp[0] == rasterio.enums.ColorInterp.palette:
            raise InputError(
                f"{path}: its numbers are codes with a table of colors, expected kind: fractions "
                "with groups of codes, since codes have no mean"
            )
        if not (dataset.crs.is_geographic and dataset.transform.b == dataset.transform.d == 0):
            dataset = stack.enter_context(
                _warped(dataset, grid=grid, is_categorical=is_categorical)
            )
        yield _raster_of_dataset(dataset, path=path)


@contextlib.contextmanager
def open_netcdf_map(path: str, *, variable: str | None = None) -> Iterator[xr.DataArray]:
    """Map of a NetCDF's variable, oriented; its only one where none is named.

    Raises
    ------
    InputError
        If the variable is not there, or is not one map.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", xr.SerializationWarning)  # of a time axis, not read here
        opened = xr.open_dataset(path, decode_times=False)
    with opened as data:
        names = [str(name) for name in data.data_vars if data[name].ndim >= 2]
        name = variable or (names[0] if len(names) == 1 else "")
        if name not in data:
            raise InputError(f"{path}: no variable {variable!r}, expected one of {names}")
        found = orient(data[name].squeeze(drop=True), source=f"{path} ({name})")
        if found.ndim != 2:
            raise InputError(
                f"{path}: {name} has the dims {tuple(found.dims)}, expected latitude and longitude"
            )
        yield found.transpose("latitude", "longitude")


def _raster_of_map(data: xr.DataArray, *, path: str) -> Raster:
    return Raster(
        path=path,
        row_edges=edges_of(data["latitude"].values, bound=90),
        column_edges=edges_of(data["longitude"].values),
        read=lambda rows: np.ma.masked_invalid(data[rows].values),
    )


def _raster_of_dataset(dataset: Any, *, path: str) -> Raster:
    import rasterio

    transform = dataset.transform
    rows = transform.f + transform.e * np.arange(dataset.height + 1)
    columns = transform.c + transform.a * np.arange(dataset.width + 1)
    if transform.a <= 0:
        raise GridError(
            f"{path}: longitude steps by {transform.a:g} degrees a pixel, expected more than 0"
        )
    if np.abs(rows).max() > 90 + abs(transform.e) / 2 + 1e-6:  # half a pixel is cut off
        raise GridError(f"{path}: latitude reaches {np.abs(rows).max():g}, expected at most 90")
    rows = np.clip(rows, -90, 90)

    def read(part: slice) -> np.ma.MaskedArray:
        window = rasterio.windows.Window(0, part.start, dataset.width, part.stop - part.start)
        values = dataset.read(1, window=window, masked=True)
        return np.ma.masked_invalid(values) if values.dtype.kind == "f" else values

    return Raster(
        path=path,
        row_edges=np.sort(np.stack([rows[:-1], rows[1:]], axis=-1), axis=-1),
        column_edges=np.stack([columns[:-1], columns[1:]], axis=-1),
        read=read,
    )


def _warped(dataset: Any, *, grid: Grid, is_categorical: bool) -> Any:
    from affine import Affine
    from rasterio.enums import Resampling
    from rasterio.vrt import WarpedVRT

    unit_m = METERS_PER_DEGREE if dataset.crs.is_geographic else dataset.crs.linear_units_factor[1]
    native = abs(dataset.transform.a) * unit_m / METERS_PER_DEGREE
    step = max(native, grid.step_deg / WARP_SAMPLES)
    west, south, east, north = _bounds_deg(dataset)
    width, height = int(np.ceil((east - west) / step)), int(np.ceil((north - south) / step))
    x_step, y_step = (east - west) / width, (north - south) / height  # none beyond the bounds
    logger.info(
        "%s: %s put on %d x %d pixels of latitude and longitude, %.4g degrees wide",
        *(dataset.name, dataset.crs.to_string()[:40], height, width, step),
    )
    resampling = Resampling.nearest if is_categorical or native >= step else Resampling.average
    return WarpedVRT(
        dataset,
        crs="EPSG:4326",
        resampling=resampling,
        transform=Affine(x_step, 0, west, 0, -y_step, north),
        width=width,
        height=height,
        add_alpha=dataset.nodata is None,
    )


def _bounds_deg(dataset: Any) -> tuple[float, float, float, float]:
    from rasterio.errors import CRSError
    from rasterio.warp import transform_bounds

    globe = (-180.0, -90.0, 180.0, 90.0)
    try:
        found = transform_bounds(dataset.crs, "EPSG:4326", *dataset.bounds, densify_pts=51)
    except (CRSError, ValueError):
        return globe
    if not np.isfinite(found).all() or found[0] >= found[2]:
        return globe
    west, south, east, north = found
    return max(west, -180.0), max(south, -90.0), min(east, 180.0), min(north, 90.0)
