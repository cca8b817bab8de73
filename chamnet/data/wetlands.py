"""Wetland extents on the cells: from maps of any regular grid, matched by date.

Fractions are of the cell's area, and wetland, upland soil, ice and water add up to it; where
open water or rice is taken off a map, it is neither wetland nor upland soil.
"""

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from chamnet.data.attributes import read_attribute_maps
from chamnet.data.rasters import open_raster
from chamnet.data.regrid import Overlap, build_overlap
from chamnet.data.source_files import decode_dates
from chamnet.data.store import open_store, write_store
from chamnet.errors import InputError
from chamnet.grid import Grid, cell_area_m2, orient
from chamnet.timeaxis import N_MONTHS, month_time

logger = logging.getLogger(__name__)

# GIEMS-MC: ocean, snow, urban (Bernard et al. 2025, readme of the data set). No wetland each.
SENTINELS = {-999: "ocean", -998: "snow", -997: "urban"}
SLACK = 1e-4  # of rounding and packing: a fraction that far beyond 0 or 1 is clipped
M2_PER_MKM2 = 1e12
RASTER_SUFFIXES = (".tif", ".tiff", ".vrt")


def convert_wetlands(
    *, store: str, digest: str, year: int, cells: str, sources: Sequence[Mapping[str, Any]]
) -> Path:
    """Write the wetland and upland fractions of a year under each extent; the manifest's path.

    Parameters
    ----------
    store : path of the store
    digest : of all that it follows from
    year : calendar year
    cells : manifest of the cells
    sources : options ``wetlands.sources``

    Raises
    ------
    InputError
        If a map holds what is no fraction, or lacks a month of the year.
    GridError
        If its grid is not a regular one of latitude and longitude.
    """
    if not sources:
        raise InputError("wetlands.sources is empty, expected a map of wetland extent or more")
    with open_store(cells) as data:
        cell_data = data.drop_vars("attributes", errors="ignore").load()
    parts = [_read_extent(source, year=year, cells=cell_data) for source in sources]
    wetland, other = (np.stack(part) for part in zip(*parts, strict=True))
    free = (cell_data["land_fraction"] - cell_data["ice_fraction"]).clip(0, 1).values
    area = cell_data["cell_area"].values
    for source, extent in zip(sources, wetland, strict=True):
        clipped = np.maximum(extent - free, 0) @ area / M2_PER_MKM2
        kept = np.minimum(extent, free) @ area / M2_PER_MKM2
        logger.info(
            "wetlands %s %d: mean %.3f Mkm2, largest month %.3f; clipped to land without ice: "
            "%.3f Mkm2",
            *(source["name"], year, kept.mean(), kept.max(), clipped.mean()),
        )
    wetland = np.minimum(wetland, free)
    upland = np.maximum(free - wetland - other, 0)
    data = _build_dataset(wetland, upland=upland, cells=cell_data, year=year)
    data = data.assign_coords(extent=np.asarray([s["name"] for s in sources], dtype="U"))
    return write_store(data, store, digest=digest, chunks={"extent": 1})


def read_first_map(source: Mapping[str, Any], *, years: Iterable[int]) -> tuple[xr.DataArray, str]:
    """First map of a source, checked, and the period of its dates; no other map is read.

    Raises
    ------
    InputError
        If it lacks a month of one of the years, or the first map holds what is no fraction.
    GridError
        If its grid is not a regular one of latitude and longitude.
    """
    if Path(source["path"]).suffix.lower() in RASTER_SUFFIXES:
        return _read_coarse_raster(source), "any year"
    label = f"{source['path']} ({source.get('variable', 'Fw')})"
    with _open_variable(source) as data:
        for year in years:
            chosen = _select_months(data, kind=_kind_of(source), year=year, source=label)
        first = orient(chosen[{"time": [0]}], source=source["path"])
        first = first.transpose("time", "latitude", "longitude").load()
        _check_fractions(first, source=label, scale=float(source.get("scale", 1.0)))
        period = "any year"
        if _kind_of(source) == "monthly":
            found = _dates(data["time"], source=label)[0]
            period = f"{found.min()} to {found.max()}, each month"
    return first[0].where(first[0] >= 0), period


def _read_coarse_raster(source: Mapping[str, Any]) -> xr.DataArray:
    """Map of a GeoTIFF's first rows, to see whether it can be read."""
    with open_raster(source["path"], grid=Grid(0.5), is_categorical=True) as raster:
        rows = slice(0, min(64, len(raster.row_edges)))
        values = raster.read(rows).astype(float).filled(np.nan)
        latitude = raster.row_edges[rows].mean(axis=1)
        longitude = raster.column_edges.mean(axis=1)
    data = xr.DataArray(values, dims=("latitude", "longitude"), coords=[latitude, longitude])
    return data.sortby("latitude")


def _build_dataset(
    wetland: np.ndarray, *, upland: np.ndarray, cells: xr.Dataset, year: int
) -> xr.Dataset:
    dims = ("extent", "time", "cell")
    attrs = {"units": "1", "comment": "of the cell's area"}
    data = xr.Dataset(
        {
            "wetland_fraction": (dims, wetland.astype(np.float32), attrs),
            "upland_fraction": (dims, upland.astype(np.float32), attrs | {"long_name": "soil"}),
        },
        coords={
            "time": month_time(year).values,
            "latitude": cells["latitude"],
            "longitude": cells["longitude"],
        },
        attrs={"step_deg": cells.attrs["step_deg"]},
    )
    data["time"].encoding = {"units": f"days since {year:04d}-01-01", "dtype": "int32"}
    return data


def _read_extent(
    source: Mapping[str, Any], *, year: int, cells: xr.Dataset
) -> tuple[np.ndarray, np.ndarray]:
    """Fractions of the cells' area, (month, cell), before they are capped: wetland, and other.

    The other is what was taken off the map and is no upland soil: rice, and open water beyond
    the cell's own water, which is no land anyhow.
    """
    extent = _read_layer(source, year=year, cells=cells)
    other = np.zeros_like(extent)
    water = cells["water_fraction"].values
    area = cells["cell_area"].values / M2_PER_MKM2
    for layer in source.get("subtract") or []:
        part = np.minimum(_read_layer(layer, year=year, cells=cells), extent)
        extent = extent - part
        is_water = layer["name"] == "open_water"
        other = other + (np.maximum(part - water, 0) if is_water else part)
        logger.info(
            "wetlands %s %d: %s taken off: %.3f Mkm2",
            *(source["name"], year, layer["name"], (part @ area).mean()),
        )
    return extent, other


def _read_layer(source: Mapping[str, Any], *, year: int, cells: xr.Dataset) -> np.ndarray:
    """Fractions of the cells' area, (month, cell)."""
    if Path(source["path"]).suffix.lower() in RASTER_SUFFIXES:
        return _read_raster(source, cells=cells)
    path, name = source["path"], source.get("variable", "Fw")
    with _open_variable(source) as data:
        maps = _select_months(data, kind=_kind_of(source), year=year, source=f"{path} ({name})")
        maps = orient(maps, source=path).transpose("time", "latitude", "longitude").load()
    values = _check_fractions(
        maps, source=f"{path} ({name})", scale=float(source.get("scale", 1.0))
    )
    step = float(cells.attrs["step_deg"])
    overlap = build_overlap(
        source_latitude=maps["latitude"].values,
        source_longitude=maps["longitude"].values,
        cell_latitude=cells["latitude"].values,
        cell_longitude=cells["longitude"].values,
        step_deg=step,
    )
    fraction = overlap.fraction(values.reshape(len(values), -1).T).T
    _log_regridding(
        values, fraction, maps=maps, overlap=overlap, name=source["name"], step_deg=step
    )
    return np.broadcast_to(fraction, (N_MONTHS, fraction.shape[1]))


def _read_raster(source: Mapping[str, Any], *, cells: xr.Dataset) -> np.ndarray:
    """Fractions of a static GeoTIFF, of its classes or its numbers, (month, cell)."""
    path, classes = source["path"], list(source.get("classes") or [])
    if _kind_of(source) != "static":
        raise InputError(f"{path}: kind is {_kind_of(source)!r}, expected 'static' of a GeoTIFF")
    asked = {"name": source["name"], "path": path}
    if classes:
        asked |= {"kind": "fractions", "classes": {"chosen": classes}}
    else:
        asked |= {"scale": float(source.get("scale", 1.0)), "of_cell": True}
    grid = Grid(float(cells.attrs["step_deg"]))
    (values,), _ = read_attribute_maps(asked, grid=grid)
    row, column = grid.row_column(cells["latitude"].values, cells["longitude"].values)
    values = np.nan_to_num(values)[row, column]
    if values.size and not (values.min() >= -SLACK and values.max() <= 1 + SLACK):
        raise InputError(
            f"{path}: fractions of cells are {values.min():g} to {values.max():g}, expected 0 to "
            "1; is it a raster of classes (option classes), or of percent (option scale)?"
        )
    if classes and not values.any():
        raise InputError(f"{path}: none of the classes {classes} is on any land cell")
    area = float(values @ cells["cell_area"].values) / M2_PER_MKM2
    logger.info("wetlands %s: %.3f Mkm2 in the cells", source["name"], area)
    return np.broadcast_to(np.clip(values, 0, 1), (N_MONTHS, values.size))


@contextlib.contextmanager
def _open_variable(source: Mapping[str, Any]) -> Iterator[xr.DataArray]:
    path, name = source["path"], source.get("variable", "Fw")
    if not Path(path).exists():
        raise InputError(f"{path}: no such file, expected a NetCDF with {name!r}")
    try:
        engine = "zarr" if Path(path).is_dir() else None
        opened = xr.open_dataset(path, engine=engine, decode_times=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as NetCDF or Zarr: {error}") from error
    with opened as data:
        if name not in data:
            raise InputError(f"{path}: no variable {name!r}, it has {list(data.data_vars)}")
        yield _with_dates(data[name], path=path)


def _with_dates(data: xr.DataArray, *, path: str) -> xr.DataArray:
    if "time" not in data.coords:
        return data
    try:
        return data.assign_coords(time=decode_dates(data["time"]))
    except (OSError, ValueError) as error:
        units = data["time"].attrs.get("units")
        raise InputError(
            f"{path} ({data.name}): time has units {units!r}, expected dates: {error}"
        ) from error


def _kind_of(source: Mapping[str, Any]) -> str:
    return str(source.get("kind", "monthly"))


def _select_months(data: xr.DataArray, *, kind: str, year: int, source: str) -> xr.DataArray:
    """Maps of January to December by their date; one map where the kind is static."""
    if kind == "static":
        if data.sizes.get("time", 1) != 1:
            raise InputError(f"{source}: {data.sizes['time']} times, expected one static map")
        data = data.squeeze("time", drop=True) if "time" in data.dims else data
        return data.expand_dims("time")
    if "time" not in data.dims or "time" not in data.coords:
        raise InputError(f"{source}: no time axis, expected months (kind {kind!r})")
    years, months = _dates(data["time"], source=source)
    is_of_year = np.ones(months.size, bool) if kind == "climatology" else years == year
    counts = np.bincount(months[is_of_year], minlength=N_MONTHS + 1)[1:]
    wanted = f"months of {year}" if kind == "monthly" else "months of a climatology"
    if (counts != 1).any():
        bad = int(np.argmax(counts != 1)) + 1
        span = f"{years.min()} to {years.max()}" if years.size else "nothing"
        raise InputError(
            f"{source}: month {bad} is there {counts[bad - 1]} times, expected the 12 {wanted} "
            f"once each; the map's years are {span}"
        )
    at = np.flatnonzero(is_of_year)
    return data.isel(time=at[np.argsort(months[at])])


def _dates(time: xr.DataArray, *, source: str) -> tuple[np.ndarray, np.ndarray]:
    if time.dtype.kind in "iuf":
        numbers = time.values
        if set(numbers.tolist()) != set(range(1, N_MONTHS + 1)):
            raise InputError(
                f"{source}: time is {numbers[:3].tolist()}..., expected dates, or months 1 to 12"
            )
        return np.zeros(numbers.size, int), numbers.astype(int)
    return time.dt.year.values, time.dt.month.values


def _check_fractions(maps: xr.DataArray, *, source: str, scale: float = 1.0) -> np.ndarray:
    """Fractions with sentinels and missing values as no wetland, (time, latitude, longitude)."""
    values = maps.values.astype(np.float64)
    counts = {}
    for sentinel, meaning in SENTINELS.items():
        is_sentinel = values == sentinel
        counts[f"{sentinel} ({meaning})"] = int(is_sentinel.sum())
        values[is_sentinel] = 0
    is_missing = np.isnan(values)
    counts["missing"] = int(is_missing.sum())
    values[is_missing] = 0
    if any(counts.values()):
        found = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        logger.info("wetlands: %s: taken as no wetland: %s", source, found)
    values *= scale
    is_wrong = ~((values >= -SLACK) & (values <= 1 + SLACK))
    if is_wrong.any():
        at = tuple(int(i) for i in np.argwhere(is_wrong)[0])
        place = {
            name: float(maps[name].values[i]) for name, i in zip(maps.dims[1:], at[1:], strict=True)
        }
        raise InputError(
            f"{source}: {values[at]:g} at {place['latitude']:g} N {place['longitude']:g} E of "
            f"map {at[0] + 1}, expected a fraction from 0 to 1; {int(is_wrong.sum())} values are "
            "beyond"
        )
    return np.clip(values, 0, 1)


def _log_regridding(
    values: np.ndarray,
    fraction: np.ndarray,
    *,
    maps: xr.DataArray,
    overlap: Overlap,
    name: str,
    step_deg: float,
) -> None:
    steps = [float(np.diff(maps[dim].values[:2])[0]) for dim in ("latitude", "longitude")]
    area = cell_area_m2(maps["latitude"].values, step_deg=steps[0]) * steps[1] / steps[0]
    whole = float((values.mean(axis=0) * area[:, None]).sum()) / M2_PER_MKM2
    on_cells = float((fraction @ overlap.cell_area).mean()) / M2_PER_MKM2
    if overlap.area.nnz != overlap.cell_area.size or not np.allclose(steps, step_deg):
        logger.info("wetlands %s: grid of %g x %g degrees, regridded conservatively", name, *steps)
    logger.info(
        "wetlands %s: %.3f of %.3f Mkm2 lie in the cells, the rest in none of them",
        *(name, on_cells, whole),
    )
