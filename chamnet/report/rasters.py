"""Exports on request: a GeoTIFF a month, a STAC item, a file for ILAMB, NetCDF files by year.

Each GeoTIFF is read back and its least, largest, mean and standard deviation are compared with
the map's own; the pairs are written beside them.
"""

import json
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from chamnet.data.store import open_store
from chamnet.errors import InputError
from chamnet.provenance import digest_of_file, whole_file, write_json, write_text
from chamnet.report.export import export_netcdf, write_netcdf
from chamnet.timeaxis import N_MONTHS

logger = logging.getLogger(__name__)

TOLERANCE = 1e-6  # of the statistics of a GeoTIFF, relative to the map's own
SCIENTIFIC = "https://stac-extensions.github.io/scientific/v1.0.0/schema.json"
SHOWN = ("wetland_ch4_flux", "soil_ch4_consumption_flux", "ch4_net_flux")  # unless others are named
ILAMB_NAMES = {"ch4_emission": "wetlandCH4", "ch4_consumption": "soilCH4consumption"}


def export_maps(
    *, out: str | os.PathLike, maps: str | os.PathLike, variables: Sequence[str] | None = None
) -> None:
    """Write all exports beside ``out``, which names them with their digests.

    Parameters
    ----------
    out : ``exports.json``; the files lie in its folder
    maps : manifest of ``maps.zarr``
    variables : those that are written as GeoTIFFs, one a month (and map of extent)
        None takes those there are of ``SHOWN``.

    Raises
    ------
    InputError
        If a variable is not there or does not change in time, or a GeoTIFF is not its map.
    """
    data, folder = open_store(maps, chunks={}), Path(out).parent
    variables = _choose_variables(data, variables)
    years = sorted({int(year) for year in data["time"].dt.year.values})
    files = []
    for done, year in enumerate(years, start=1):
        name = f"netcdf/chamnet_maps_{year}.nc"
        files.append(export_netcdf(maps, folder / name, first_year=year, last_year=year))
        logger.info("export_maps: %d/%d years as NetCDF", done, len(years))
    files += export_ilamb(data, folder / "ilamb")
    statistics = dict(_export_cogs(data, variables, folder / "geotiff"))
    write_json(folder / "geotiff/statistics.json", statistics)
    files += [folder / "geotiff" / name for name in statistics]
    files.append(write_stac_item(data, folder, files, maps=maps))
    digests = {str(path.relative_to(folder)): digest_of_file(path) for path in files}
    write_json(out, {"n_files": len(files), "files": digests})


def _choose_variables(data: xr.Dataset, wanted: Sequence[str] | None) -> list[str]:
    """Monthly maps that are wanted, checked before anything is written."""
    known = sorted(str(n) for n in data if "time" in data[n].dims)
    if wanted is None:
        return [name for name in SHOWN if name in known]
    for name in wanted:
        if name not in known:
            raise InputError(f"exports.variables: no monthly map {name!r}, there are {known}")
    return list(wanted)


def _export_cogs(
    data: xr.Dataset, variables: Sequence[str], folder: Path
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Write a GeoTIFF a month; its name and the statistics of map and file."""
    for name in variables:
        for extent in data["extent"].values if "extent" in data[name].dims else [None]:
            layers = data[name] if extent is None else data[name].sel(extent=extent)
            for start in range(0, layers.sizes["time"], N_MONTHS):
                year = layers.isel(time=slice(start, start + N_MONTHS)).load()
                for layer in year:
                    yield _export_cog(layer, extent, folder)
            logger.info("export_maps: %s %s as GeoTIFF", name, extent or "")


def _export_cog(
    layer: xr.DataArray, extent: str | None, folder: Path
) -> tuple[str, dict[str, Any]]:
    stamp = layer["time"].dt.strftime("%Y%m").item()
    name = "_".join(filter(None, [str(layer.name), extent, stamp])) + ".tif"
    write_cog(layer, folder / name)
    raw, found = statistics_of(layer.values), statistics_of(_read_raster(folder / name))
    differing = [
        key
        for key in raw
        if not np.isclose(raw[key], found[key], rtol=TOLERANCE, atol=0, equal_nan=True)
    ]
    if differing:
        raise InputError(f"{folder / name}: {differing} are {found}, expected {raw} as in the map")
    return name, {"raw": raw, "cog": found, "units": layer.attrs["units"]}


def write_cog(layer: xr.DataArray, path: Path) -> None:
    """Write a map (latitude, longitude) as a cloud-optimized GeoTIFF, north first."""
    import rasterio

    step = float(layer["latitude"][1] - layer["latitude"][0])
    values = np.ascontiguousarray(layer.values[::-1], dtype="float32")
    shape = {"height": values.shape[0], "width": values.shape[1], "count": 1}
    place = {"crs": "EPSG:4326", "transform": rasterio.Affine(step, 0, -180, 0, -step, 90)}
    kind = {"driver": "COG", "dtype": "float32", "nodata": np.nan, "compress": "DEFLATE"}
    with (
        whole_file(path) as temporary,
        rasterio.open(temporary, "w", **kind, **shape, **place) as file,
    ):
        file.write(values, 1)
        file.units = (layer.attrs["units"],)
        file.descriptions = (layer.attrs["long_name"],)


def _read_raster(path: Path) -> np.ndarray:
    import rasterio

    with rasterio.open(path) as file:
        return file.read(1)


def statistics_of(values: np.ndarray) -> dict[str, float]:
    """Least, largest, mean and standard deviation of what is not NaN, and its count."""
    known = values[np.isfinite(values)].astype(np.float64)
    if not known.size:
        return {"n": 0, "min": np.nan, "max": np.nan, "mean": np.nan, "std": np.nan}
    return {
        "n": int(known.size),
        "min": float(known.min()),
        "max": float(known.max()),
        "mean": float(known.mean()),
        "std": float(known.std()),
    }


def export_ilamb(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write a file a target as ILAMB reads them: one flux and its spread, lat and lon.

    Parameters
    ----------
    data : published maps
    folder : for ``wetlandCH4.nc`` and ``soilCH4consumption.nc``; mean over the extents
    """
    paths = []
    for name, short in ILAMB_NAMES.items():
        if name not in data:
            continue
        names = {name: short, f"{name}_sd": f"{short}_sd"}
        chosen = data.drop_vars(set(data.data_vars) - set(names)).rename(names)
        chosen = chosen.mean("extent", keep_attrs=True) if "extent" in chosen.dims else chosen
        for variable in chosen.data_vars:
            chosen[variable].attrs.pop("ancillary_variables", None)
            chosen[variable].encoding = {}
        chosen = chosen.drop_vars([n for n in ("crs", "cell_area", "extent") if n in chosen.coords])
        chosen = chosen.rename(latitude="lat", longitude="lon")
        chosen["time"].attrs["long_name"] = "time"
        for coordinate in ("time", "lat", "lon"):  # links that a rename loses
            chosen[coordinate].attrs["bounds"] = f"{coordinate}_bnds"
        chosen.attrs = {k: data.attrs[k] for k in _ILAMB_ATTRIBUTES} | {"Conventions": "CF-1.11"}
        paths.append(write_netcdf(chosen.load(), folder / f"{short}.nc"))
    return paths


_ILAMB_ATTRIBUTES = ("title", "institution", "source", "history", "references", "comment")


def write_stac_item(
    data: xr.Dataset, folder: Path, files: Sequence[Path], *, maps: str | os.PathLike
) -> Path:
    """Write ``stac_item.json``: where and when the maps are, and an asset for each file."""
    attrs = data.attrs
    first, last = data["time_bnds"].values[[0, -1], [0, 1]].astype("datetime64[s]")
    ring = [[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]
    assets: dict[str, Any] = {
        "maps": {
            "href": os.path.relpath(Path(maps).with_suffix(".zarr"), folder),
            "type": "application/vnd.zarr; version=3",
            "roles": ["data"],
            "title": attrs["title"],
        }
    }
    kinds = {".nc": "application/netcdf",
             ".tif": "image/tiff; application=geotiff; profile=cloud-optimized"}  # fmt: skip
    for path in files:
        href = str(path.relative_to(folder))
        assets[path.stem] = {"href": href, "type": kinds[path.suffix], "roles": ["data"]}
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [SCIENTIFIC] if "doi" in attrs else [],
        "id": attrs["id"],
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [-180, -90, 180, 90],
        "properties": {
            "datetime": None,
            "start_datetime": f"{first}Z",
            "end_datetime": f"{last}Z",
            "title": attrs["title"],
            "description": attrs["summary"],
            "license": attrs["license"].partition(" for the maps")[0],
            "version": attrs["product_version"],
            **({"sci:doi": attrs["id"]} if "doi" in attrs else {}),
        },
        "links": [],
        "assets": assets,
    }
    path = folder / "stac_item.json"
    write_text(path, json.dumps(item, indent=1) + "\n")
    return path
