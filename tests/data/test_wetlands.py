import itertools
import logging

import numpy as np
import pytest
import xarray as xr
from factories_data import make_wetland_map, write_cells, write_raster

from chamnet.data.store import open_store
from chamnet.data.wetlands import convert_wetlands, read_first_map
from chamnet.errors import GridError, InputError
from chamnet.grid import cell_area_m2

DIGESTS = itertools.count()
FREE = 0.7  # land without ice of the cells of the factory


def convert(folder, data, *, year=2015, cells=None, **options):
    data.to_netcdf(folder / "map.nc")
    source = {"name": "map", "path": str(folder / "map.nc")} | options
    manifest = convert_wetlands(
        store=str(folder / "wetlands.zarr"),
        digest=str(next(DIGESTS)),  # a store of another digest is written anew
        year=year,
        cells=cells or write_cells(folder),
        sources=[source],
    )
    return open_store(manifest).load()


def test_fractions_of_the_same_grid_are_kept_and_add_up(tmp_path):
    data = make_wetland_map()
    found = convert(tmp_path, data)
    picked = data["Fw"].sel(lat=found["latitude"], lon=found["longitude"]).values
    np.testing.assert_allclose(found["wetland_fraction"][0], picked, atol=1e-7)
    total = found["wetland_fraction"] + found["upland_fraction"]
    np.testing.assert_allclose(total, FREE, atol=1e-6)
    assert found["extent"].values.tolist() == ["map"]


@pytest.mark.parametrize("step_deg", [10.0, 20.0, 60.0])
def test_other_grids_conserve_the_area_and_say_so(tmp_path, step_deg, caplog):
    data = make_wetland_map(step_deg=step_deg)
    data = data.where(abs(data["lat"]) < 30, 0)
    with caplog.at_level(logging.INFO):
        found = convert(tmp_path, data)
    area = cell_area_m2(data["lat"].values, step_deg=step_deg)[:, None]
    cell_area = cell_area_m2(found["latitude"].values, step_deg=30.0)
    expected = (data["Fw"].values * area).sum(axis=(1, 2))
    np.testing.assert_allclose(found["wetland_fraction"][0].values @ cell_area, expected, rtol=1e-5)
    assert "regridded conservatively" in caplog.text


def test_orientation_of_the_map_changes_nothing(tmp_path):
    data = make_wetland_map(step_deg=10.0)
    first = convert(tmp_path, data)
    turned = data.isel(lat=slice(None, None, -1)).assign_coords(lon=data["lon"] % 360)
    second = convert(tmp_path, turned.sortby("lon"))
    xr.testing.assert_allclose(first, second, rtol=1e-6)


def test_months_are_matched_by_date_and_not_by_order(tmp_path):
    data = make_wetland_map(n_months=36, first="2014-01")
    first = convert(tmp_path, data)
    shuffled = data.isel(time=np.random.default_rng(0).permutation(36))
    xr.testing.assert_identical(convert(tmp_path, shuffled), first)
    later = convert(tmp_path, data, year=2016)
    assert float(later["wetland_fraction"].mean()) > float(first["wetland_fraction"].mean())


def test_climatology_and_static_map_serve_any_year(tmp_path):
    data = make_wetland_map(first="2003-01")
    found = convert(tmp_path, data, kind="climatology", year=2050)
    assert found["time"].dt.year.values.tolist() == [2050] * 12
    numbered = data.assign_coords(time=np.arange(1, 13))
    again = convert(tmp_path, numbered, kind="climatology", year=2050)
    xr.testing.assert_identical(found, again)
    static = convert(tmp_path, data.isel(time=0, drop=True), kind="static")
    values = static["wetland_fraction"].values
    np.testing.assert_array_equal(values, np.broadcast_to(values[:, :1], values.shape))


def test_sentinels_are_no_wetland_and_are_counted(tmp_path, caplog):
    data = make_wetland_map(step_deg=10.0)
    values = data["Fw"].values
    values[0, :, 0], values[1, :, 1], values[2, :, 2] = -999, -998, np.nan
    with caplog.at_level(logging.INFO):
        found = convert(tmp_path, data)
    assert "no wetland: 18 -999 (ocean), 18 -998 (snow), 18 missing" in caplog.text
    assert float(found["wetland_fraction"].min()) >= 0


def test_wetland_is_capped_by_land_without_ice(tmp_path, caplog):
    data = make_wetland_map()
    data["Fw"][:] = 0.9
    with caplog.at_level(logging.INFO):
        found = convert(tmp_path, data)
    np.testing.assert_allclose(found["wetland_fraction"], FREE, rtol=1e-6)
    assert float(found["upland_fraction"].min()) == 0
    assert float(found["upland_fraction"].max()) == 0
    assert "clipped to land without ice: " in caplog.text


@pytest.mark.parametrize("value", [1.2, 50.0, -0.1, -9999.0, np.inf])
def test_what_is_no_fraction_is_refused_by_place(tmp_path, value):
    data = make_wetland_map()
    data["Fw"][3, 2, 5] = value
    pattern = rf"map.nc \(Fw\): {value:g} at -15 N -15 E of map 4, expected a fraction from 0 to 1"
    with pytest.raises(InputError, match=pattern):
        convert(tmp_path, data)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda d: d, {"year": 2031}, r"month 1 is there 0 times, .* of 2031 .* 2015 to 2015"),
        (lambda d: d.isel(time=slice(0, 11)), {}, r"month 12 is there 0 times"),
        (lambda d: xr.concat([d, d[{"time": [4]}]], "time"), {}, r"month 5 is there 2 times"),
        (lambda d: d, {"kind": "static"}, r"12 times, expected one static map"),
        (lambda d: d.isel(time=0, drop=True), {}, r"no time axis, expected months"),
        (lambda d: d.assign_coords(time=np.arange(12)), {}, r"time is \[0, 1, 2\]"),
        (lambda d: d, {"variable": "fw"}, r"no variable 'fw', it has \['Fw'\]"),
        (lambda d: d, {"path": "nowhere.nc"}, r"nowhere.nc: no such file"),
    ],
)
def test_map_that_does_not_fit_is_refused(tmp_path, change, options, message):
    with pytest.raises(InputError, match=message):
        convert(tmp_path, change(make_wetland_map()), **options)
    assert not (tmp_path / "wetlands.json").exists()


def test_times_that_are_no_dates_are_refused_by_their_file(tmp_path):
    time = ("time", np.arange(12), {"units": "months since Jan 2000"})
    data = make_wetland_map().assign_coords(time=time)
    with pytest.raises(InputError, match=r"map.nc \(Fw\): time has units 'months since Jan"):
        convert(tmp_path, data)


def test_map_without_coordinates_is_refused(tmp_path):
    with pytest.raises(GridError, match=r"map.nc: no latitude coordinate"):
        convert(tmp_path, make_wetland_map().drop_vars("lat"))


def test_no_map_at_all_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"wetlands.sources is empty"):
        convert_wetlands(store="x.zarr", digest="a", year=2015, cells="c.json", sources=[])


def write_static(folder, values, name="map.tif", **options):
    return write_raster(folder / name, values, nodata=options.pop("nodata", None), **options)


def test_classes_of_a_raster_are_fractions_of_the_cells(tmp_path):
    codes = np.ones((180, 360), np.uint8)
    codes[::2] = 22  # every second degree of latitude
    path = write_static(tmp_path, codes, nodata=255)
    found = convert(tmp_path, make_wetland_map(), path=path, kind="static", classes=[22, 23])
    np.testing.assert_allclose(found["wetland_fraction"].values, 0.5, atol=0.02)


def test_percent_of_a_raster_is_scaled_and_its_gaps_are_no_wetland(tmp_path):
    percent = np.full((180, 360), 40, np.uint8)
    percent[:, ::2] = 255
    path = write_static(tmp_path, percent, nodata=255)
    found = convert(tmp_path, make_wetland_map(), path=path, kind="static", scale=0.01)
    np.testing.assert_allclose(found["wetland_fraction"].values, 0.2, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "monthly"}, "kind is 'monthly', expected 'static' of a GeoTIFF"),
        ({"kind": "static"}, r"fractions of cells are 40 to 40, expected 0 to 1; is it a raster"),
        ({"kind": "static", "classes": [7]}, r"none of the classes \[7\] is on any land cell"),
    ],
)
def test_raster_that_does_not_fit_is_refused(tmp_path, options, message):
    path = write_static(tmp_path, np.full((18, 36), 40, np.uint8), nodata=255)
    with pytest.raises(InputError, match=f"map.tif: {message}"):
        convert(tmp_path, make_wetland_map(), path=path, **options)


@pytest.mark.parametrize(("name", "upland"), [("open_water", FREE - 0.2), ("rice", FREE - 0.3)])
def test_what_is_taken_off_is_neither_wetland_nor_upland(tmp_path, name, upland):
    data = make_wetland_map()
    data["Fw"][:] = 0.3
    (data * 0 + 0.1).to_netcdf(tmp_path / "layer.nc")
    layer = {"name": name, "path": str(tmp_path / "layer.nc"), "kind": "monthly"}
    found = convert(tmp_path, data, subtract=[layer])
    np.testing.assert_allclose(found["wetland_fraction"], 0.2, rtol=1e-6)
    # the cells have a quarter of water of their own, so that this open water is in it
    np.testing.assert_allclose(found["upland_fraction"], upland, rtol=1e-6)


def test_upland_is_never_negative_whatever_is_taken_off(tmp_path):
    data = make_wetland_map()
    data["Fw"][:] = 1.0
    (data * 0 + 0.9).to_netcdf(tmp_path / "layer.nc")
    layers = [
        {"name": name, "path": str(tmp_path / "layer.nc"), "kind": "monthly"}
        for name in ("rice", "open_water")
    ]
    found = convert(tmp_path, data, subtract=layers)
    assert float(found["upland_fraction"].min()) == 0
    assert float(found["wetland_fraction"].min()) == 0
    assert float((found["upland_fraction"] + found["wetland_fraction"]).max()) <= FREE + 1e-6


@pytest.mark.parametrize(
    ("file", "first", "n_months", "step_deg"),
    [
        ("gcp-ch4_wetlands_2000-2018_025deg.nc", "2000-01", 228, 10.0),  # WAD2M v1
        ("WAD2M_wetlands_2000-2020_05deg_Ver2.0.nc", "2000-01", 252, 10.0),  # WAD2M v2
        ("GIEMS_MethaneCentric_1992-2020_025deg.nc", "1992-01", 348, 10.0),  # GIEMS-MC v1.1
    ],
)
def test_products_with_fw_are_read_whatever_the_sea_holds(
    tmp_path, file, first, n_months, step_deg
):
    data = make_wetland_map(step_deg=step_deg, first=first, n_months=n_months)
    expected = convert(tmp_path, data)
    assert float(expected["wetland_fraction"].max()) > 0.1
    data["Fw"][:, :, 0] = 0
    expected = convert(tmp_path, data)
    data["Fw"][:, :, 0] = np.nan
    encoding = {"Fw": {"_FillValue": np.float32(-9999), "dtype": "f4"}}
    data = data.transpose("time", "lat", "lon").sortby("lat", ascending=False)
    data.to_netcdf(tmp_path / file, encoding=encoding)
    found = convert(tmp_path, data, path=str(tmp_path / file))
    xr.testing.assert_allclose(found, expected)


def test_giems_mc_is_read_with_its_months_and_sentinels(tmp_path, caplog):
    # GIEMS-MC_compressed.nc: 348 months since 1992-01-01
    data = make_wetland_map(step_deg=10.0, first="1992-01", n_months=348)
    data["Fw"][:, :6] = 0
    expected = convert(tmp_path, data, year=2015)
    data["Fw"][:, 0:2], data["Fw"][:, 2:4], data["Fw"][:, 4:6] = -999, -998, -997
    giems = data.rename(Fw="inund_sat_wetland_frac", lat="latitude", lon="longitude")
    months = ("time", np.arange(348), {"units": "months since 1992-01-01"})
    giems = giems.assign_coords(time=months)
    with caplog.at_level(logging.INFO):
        found = convert(tmp_path, giems, variable="inund_sat_wetland_frac")
    xr.testing.assert_allclose(found, expected)
    n = 12 * 2 * 36
    assert (
        f"taken as no wetland: {n} -999 (ocean), {n} -998 (snow), {n} -997 (urban)" in caplog.text
    )
    source = {"path": str(tmp_path / "map.nc"), "variable": "inund_sat_wetland_frac"}
    first, period = read_first_map(source | {"name": "giems"}, years=[1992, 2020])
    assert period == "1992 to 2020, each month"
    assert not np.isfinite(first.values[:6]).any()


def test_percent_of_a_netcdf_is_scaled(tmp_path):
    data = make_wetland_map(step_deg=10.0)
    expected = convert(tmp_path, data)
    found = convert(tmp_path, (data * 100).astype("f4"), scale=0.01)
    xr.testing.assert_allclose(found, expected, atol=1e-7)


# GLWD v2, Lehner et al. (2025): 15 arc-seconds, 84 N to 56 S, uint8; 0 is dry land, 255 the sea
GLWD = {"bounds": (-180, -56, 180, 84), "nodata": 255}


def test_every_class_of_glwd_is_told_from_the_others(tmp_path):
    width = np.arange(1, 34)  # columns of each class in each 60 degrees, out of 600
    row = np.repeat(np.arange(34), [600 - width.sum(), *width]).astype(np.uint8)
    codes = np.tile(row, (140, 6))
    path = write_raster(tmp_path / "GLWD_v2_0_main_class.tif", codes, **GLWD)
    cells = write_cells(tmp_path, step_deg=60.0)
    for code in (1, 2, 17, 33):
        found = convert(
            tmp_path, make_wetland_map(), path=path, kind="static", classes=[code], cells=cells
        )
        inside = found["wetland_fraction"].isel(cell=abs(found["latitude"].values) < 30)
        np.testing.assert_allclose(inside, code / 600, rtol=1e-5, err_msg=str(code))
    wetlands = list(range(8, 28))
    found = convert(
        tmp_path, make_wetland_map(), path=path, kind="static", classes=wetlands, cells=cells
    )
    inside = found["wetland_fraction"].isel(cell=abs(found["latitude"].values) < 30)
    np.testing.assert_allclose(inside, sum(wetlands) / 600, rtol=1e-5)


def test_percent_of_glwd_is_of_the_whole_cell(tmp_path):
    percent = np.full((140, 360), 40, np.uint8)
    percent[:, ::2] = 255  # sea
    path = write_raster(tmp_path / "GLWD_v2_0_area_pct.tif", percent, **GLWD)
    cells = write_cells(tmp_path, step_deg=60.0)
    options = {"path": path, "kind": "static", "scale": 0.01, "cells": cells}
    found = convert(tmp_path, make_wetland_map(), **options)
    inside = found["wetland_fraction"].isel(cell=abs(found["latitude"].values) < 30)
    np.testing.assert_allclose(inside, 0.2, atol=1e-6)


def test_a_file_that_is_no_netcdf_is_refused(tmp_path):
    (tmp_path / "x.nc").write_text("<html>please log in</html>")
    with pytest.raises(InputError, match=r"x.nc: cannot be read as NetCDF or Zarr"):
        convert(tmp_path, make_wetland_map(), path=str(tmp_path / "x.nc"))


def test_the_first_map_is_checked_without_the_others(tmp_path):
    data = make_wetland_map(n_months=24)
    data["Fw"][20, 0, 0] = 7.0
    data.to_netcdf(tmp_path / "map.nc")
    source = {"name": "map", "path": str(tmp_path / "map.nc")}
    first, period = read_first_map(source, years=[2015, 2016])
    assert (first.dims, period) == (("latitude", "longitude"), "2015 to 2016, each month")
    with pytest.raises(InputError, match=r"month 1 is there 0 times"):
        read_first_map(source, years=[2015, 2017])
