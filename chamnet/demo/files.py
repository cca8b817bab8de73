"""Files of the demo world, in the layouts of the products that a user would bring."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from chamnet.constants import SECONDS_PER_DAY
from chamnet.demo.weather import round_weather
from chamnet.grid import Grid

SYNTHETIC = "SYNTHETIC: made by the chamnet demo world; not an observation, not a product"
DAYS_PER_SHARD = 256
LEAST_VALUES_PER_CHUNK = 8192

# name in the store -> name of the weather, factor, units, what a value stands for
ERA5_VARIABLES = {
    "2m_temperature": ("air_temperature", 1, "K", "mean"),
    "2m_dewpoint_temperature": ("dew_point_temperature", 1, "K", "mean"),
    "total_precipitation": ("precipitation_flux", SECONDS_PER_DAY / 1000, "m", "sum"),
    "surface_solar_radiation_downwards": (
        "surface_downwelling_shortwave_flux_in_air",
        SECONDS_PER_DAY,
        "J m**-2",
        "sum",
    ),
    "surface_thermal_radiation_downwards": (
        "surface_downwelling_longwave_flux_in_air",
        SECONDS_PER_DAY,
        "J m**-2",
        "sum",
    ),
    "surface_pressure": ("surface_air_pressure", 1, "Pa", "mean"),
    "10m_u_component_of_wind": ("eastward_wind", 1, "m s**-1", "mean"),
    "10m_v_component_of_wind": ("northward_wind", 1, "m s**-1", "mean"),
    "soil_temperature_level_1": ("soil_temperature", 1, "K", "mean"),
    "volumetric_soil_water_layer_1": ("soil_water", 1, "m**3 m**-3", "mean"),
    "snow_depth": ("snow", 1e-3, "m of water equivalent", "mean"),
}


class Era5Writer:
    """Writes a daily store of ERA5's names, units and directions, a shard of days at a time.

    Latitude descends, longitude runs from 0 to 360, a step is a chunk (several where a map is
    small), and steps are grouped into shards so that there are few files.

    Parameters
    ----------
    path : of the store, which is begun anew
    grid : of the world
    days : (day,) datetime64[D]
    """

    def __init__(self, path: Path, grid: Grid, days: np.ndarray) -> None:
        import zarr
        from zarr.codecs import BloscCodec

        self._shape = grid.shape
        self._order = np.argsort(grid.longitude % 360, kind="stable")
        self._group = zarr.open_group(path, mode="w", zarr_format=3)
        self._group.attrs.update(
            {
                "title": "Daily weather of the chamnet demo world, in the layout of ARCO-ERA5",
                "comment": SYNTHETIC,
                "Conventions": "CF-1.11",
                "valid_time_start": str(days[0]),
                "valid_time_stop": str(days[-1]),
            }
        )
        self._coordinate("valid_time", days.astype(np.int64), units="days since 1970-01-01")
        self._group["valid_time"].attrs["calendar"] = "proleptic_gregorian"
        self._coordinate("latitude", grid.latitude[::-1], units="degrees_north")
        self._coordinate("longitude", (grid.longitude % 360)[self._order], units="degrees_east")
        for name, (_, _, units, method) in ERA5_VARIABLES.items():
            shape = (days.size, *grid.shape)
            array = self._group.create_array(
                name,
                shape=shape,
                dtype="float32",
                chunks=(days_per_chunk(math.prod(grid.shape)), *grid.shape),
                shards=(DAYS_PER_SHARD, *grid.shape),
                dimension_names=["valid_time", "latitude", "longitude"],
                compressors=[BloscCodec(cname="lz4", clevel=1, shuffle="shuffle", typesize=4)],
                fill_value=np.nan,
            )
            array.attrs.update(
                {
                    "units": units,
                    "long_name": name.replace("_", " "),
                    "cell_methods": f"valid_time: {method} (interval: 1 day)",
                    "comment": SYNTHETIC,
                }
            )

    def _coordinate(self, name: str, values: np.ndarray, *, units: str) -> None:
        array = self._group.create_array(
            name,
            shape=values.shape,
            dtype=values.dtype,
            chunks=values.shape,
            dimension_names=[name],
        )
        array[:] = values
        array.attrs["units"] = units

    def write(self, part: slice, weather: Mapping[str, np.ndarray]) -> None:
        """Write a range of days that begins on a shard.

        Parameters
        ----------
        part : days, of at most ``DAYS_PER_SHARD``
        weather : name -> (time, cell)
            CF units; cells in the grid's order.
        """
        for name, (source, factor, _, _) in ERA5_VARIABLES.items():
            values = weather[source]
            if factor != 1:
                values = round_weather({source: values * np.float32(factor)})[source]
            maps = values.reshape(-1, *self._shape)[:, ::-1, self._order]
            self._group[name][part] = maps

    def finish(self) -> None:
        """Consolidate the metadata."""
        import warnings

        import zarr

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Consolidated metadata")
            zarr.consolidate_metadata(self._group.store)


def days_per_chunk(n_cells: int) -> int:
    """Days of a chunk, a power of two: one, as ARCO-ERA5 has it, unless a map is tiny.

    A chunk costs as much to encode as thousands of values.
    """
    wanted = 1 << max(0, math.ceil(math.log2(LEAST_VALUES_PER_CHUNK / n_cells)))
    return min(wanted, DAYS_PER_SHARD)


def write_raster(
    path: Path, values: np.ndarray, *, name: str, units: str, comment: str = SYNTHETIC
) -> None:
    """Write a GeoTIFF in EPSG:4326 of a global map, (latitude ascending, longitude)."""
    import rasterio

    step = 180 / values.shape[0]
    profile = {
        "driver": "GTiff",
        "height": values.shape[0],
        "width": values.shape[1],
        "count": 1,
        "dtype": values.dtype.name,
        "crs": "EPSG:4326",
        "transform": rasterio.Affine(step, 0, -180, 0, -step, 90),
        "nodata": np.nan if values.dtype.kind == "f" else 255,
        "compress": "deflate",
        "predictor": 3 if values.dtype.kind == "f" else 1,
    }
    with rasterio.open(path, "w", **profile) as raster:
        raster.write(np.ascontiguousarray(values[::-1]), 1)
        raster.set_band_description(1, name)
        raster.update_tags(units=units, comment=comment)


def write_wetlands(
    path: Path,
    share: np.ndarray,
    grid: Grid,
    *,
    months: np.ndarray | None,
    title: str = "Wetland extent of the chamnet demo world",
    comment: str = SYNTHETIC,
) -> None:
    """Write a wetland map in the layout of WAD2M: Fw(time, lat, lon), or Fw(lat, lon).

    Parameters
    ----------
    path : NetCDF
    share : ([time,] latitude, longitude), 0 to 1
        Of the cell area.
    grid : of the map
    months : (time,) datetime64[M]; None for a static map
    title, comment : what the file is, and is not
    """
    dims = ("lat", "lon") if months is None else ("time", "lat", "lon")
    attrs = {
        "long_name": "wetland fraction of the grid cell's area",
        "units": "1",
        "comment": f"{comment}; a proxy: MODIS MCD12C1 permanent wetland plus wetness "
        "(precipitation - evapotranspiration, flatness), scaled once to a total area",
    }
    data = xr.Dataset(
        {"Fw": (dims, share.astype(np.float32), attrs)},
        coords={
            "lat": ("lat", grid.latitude, {"units": "degrees_north", "standard_name": "latitude"}),
            "lon": ("lon", grid.longitude, {"units": "degrees_east", "standard_name": "longitude"}),
        },
        attrs={"title": title, "comment": comment},
    )
    encoding = {"Fw": {"zlib": True, "complevel": 1, "_FillValue": np.float32(np.nan)}}
    if months is not None:
        data = data.assign_coords(time=("time", months.astype("datetime64[ns]")))
        encoding["time"] = {"units": "days since 1970-01-01", "dtype": "float64"}
    data.to_netcdf(path, engine="netcdf4", encoding=encoding)
