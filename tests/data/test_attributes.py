import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyproj
import pytest
import xarray as xr
from factories_data import write_raster

from chamnet.data.attributes import read_attribute_maps, read_attributes, read_land_fractions
from chamnet.errors import GridError, InputError
from chamnet.grid import Grid, cell_area_m2

GRID = Grid(10.0)


def make_values(step_deg=1.0):
    """A field that is linear in latitude and periodic in longitude."""
    fine = Grid(step_deg)
    return field(fine.latitude[:, None], fine.longitude)[::-1].astype(np.float32)


def field(latitude, longitude):
    return latitude / 10 + np.sin(np.deg2rad(longitude)) - 3


def read_maps(path, **options):
    return read_attribute_maps({"name": "x", "path": str(path)} | options, grid=GRID)


def test_mean_conserves_the_integral(tmp_path):
    values = make_values()
    (found,), names = read_maps(write_raster(tmp_path / "x.tif", values))
    fine = cell_area_m2(Grid(1.0).latitude, step_deg=1.0)[::-1, None]
    coarse = cell_area_m2(GRID.latitude, step_deg=10.0)[:, None]
    assert (found * coarse).sum() == pytest.approx((values.astype(float) * fine).sum(), rel=1e-5)
    assert names == ["x"]


def test_scale_and_missing_pixels(tmp_path):
    values = np.full((180, 360), 50, np.int16)
    values[:, 180:] = -1
    path = write_raster(tmp_path / "x.tif", values, nodata=-1)
    (found,), _ = read_maps(path, scale=0.1)
    np.testing.assert_allclose(found[:, :18], 5.0)
    assert np.isnan(found[:, 18:]).all()


def test_netcdf_of_either_orientation_gives_the_same(tmp_path):
    values = make_values()[::-1]
    fine = Grid(1.0)
    coords = {"lat": fine.latitude, "lon": fine.longitude}
    data = xr.Dataset({"soil": (("lat", "lon"), values)}, coords=coords)
    data.to_netcdf(tmp_path / "a.nc")
    turned = data.isel(lat=slice(None, None, -1)).assign_coords(lon=fine.longitude % 360)
    turned.sortby("lon").to_netcdf(tmp_path / "b.nc")
    one, two = (read_maps(tmp_path / name, variable="soil")[0] for name in ("a.nc", "b.nc"))
    tif, _ = read_maps(write_raster(tmp_path / "x.tif", values[::-1]))
    np.testing.assert_allclose(one, two, rtol=1e-6)
    np.testing.assert_allclose(one, tif, rtol=1e-6)


def test_equal_area_raster_agrees_with_the_one_in_degrees(tmp_path, caplog):
    x, y = np.meshgrid(np.arange(-17.3e6, 17.31e6, 1e5), np.arange(7.2e6, -7.21e6, -1e5))
    to_degrees = pyproj.Transformer.from_crs("EPSG:6933", "EPSG:4326", always_xy=True)
    longitude, latitude = to_degrees.transform(x, y)
    values = field(latitude, longitude).astype(np.float32)
    bounds = (-17.35e6, -7.25e6, 17.35e6, 7.25e6)
    write_raster(tmp_path / "y.tif", values, crs="EPSG:6933", bounds=bounds, nodata=-9999)
    (expected,), _ = read_maps(write_raster(tmp_path / "x.tif", make_values()))
    with caplog.at_level(logging.INFO):
        (found,), _ = read_maps(tmp_path / "y.tif")
    assert np.abs(found - expected)[1:-1].max() < 0.05
    assert "put on" in caplog.text


def test_fractions_of_classes_add_up_to_the_area(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 4, (180, 360)).astype(np.uint8)
    classes = {"a": [0], "b": [1, 2], "c": [3], "absent": [9]}
    path = write_raster(tmp_path / "x.tif", values, nodata=255)
    found, names = read_maps(path, kind="fractions", classes=classes)
    assert names == ["x_a", "x_b", "x_c", "x_absent"]
    np.testing.assert_allclose(found.sum(axis=0), 1, rtol=1e-6)
    assert found[1].mean() == pytest.approx(0.5, abs=0.02)
    assert found[3].max() == 0


def test_codes_are_never_averaged_across_a_reprojection(tmp_path):
    values = np.where(np.arange(200)[:, None] % 2, 1, 9).astype(np.uint8) * np.ones(200, np.uint8)
    bounds = (0, 0, 2_000_000, 2_000_000)
    path = write_raster(tmp_path / "x.tif", values, crs="EPSG:6933", bounds=bounds, nodata=255)
    classes = {"one": [1], "nine": [9], "between": [5]}
    found, _ = read_maps(path, kind="fractions", classes=classes)
    assert np.nanmax(found[0]) > 0.4
    assert np.nanmax(found[2]) == 0


def test_land_and_ice_come_from_the_land_cover(tmp_path):
    codes = np.zeros((18, 36), np.uint8)
    codes[:, :9], codes[:, 9:18], codes[:, 18:27] = 17, 15, 4
    path = write_raster(tmp_path / "x.tif", codes, nodata=255)
    land, ice = read_land_fractions(grid=GRID, land_cover=path, land_fraction=None)
    np.testing.assert_allclose(land[0], np.repeat([0, 1, 1, 0], 9), atol=1e-7)
    np.testing.assert_allclose(ice[0], np.repeat([0, 1, 0, 0], 9), atol=1e-7)


def test_land_fraction_goes_before_the_land_cover(tmp_path):
    cover = write_raster(tmp_path / "x.tif", np.full((18, 36), 15, np.uint8))
    fraction = write_raster(tmp_path / "y.tif", np.full((18, 36), 0.25, np.float32))
    land, ice = read_land_fractions(grid=GRID, land_cover=cover, land_fraction=fraction)
    np.testing.assert_allclose(land, 0.25)
    np.testing.assert_allclose(ice, 0.25)


def test_cells_without_a_value_take_the_nearest_ones(tmp_path, caplog):
    values = np.full((18, 36), np.nan, np.float32)
    values[9, 18] = 3.0
    source = {"name": "x", "path": write_raster(tmp_path / "x.tif", values)}
    with caplog.at_level(logging.INFO):
        found, names, units = read_attributes(
            [source | {"units": "%"}],
            grid=GRID,
            cell_latitude=np.array([-5.0, 45.0]),
            cell_longitude=np.array([5.0, 45.0]),
        )
    assert found.tolist() == [[3.0], [3.0]]
    assert (names, units) == (["x"], ["%"])
    assert "x is missing in 1 of 2 cells" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crs": None}, r"x.tif: no CRS, expected one, such as EPSG:4326"),
        ({"bounds": (-180, -100, 180, 90)}, r"x.tif: latitude reaches 100"),
    ],
)
def test_raster_of_no_place_is_refused(tmp_path, options, message):
    import warnings

    import rasterio

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        path = write_raster(tmp_path / "x.tif", make_values(), **options)
    with pytest.raises((InputError, GridError), match=message):
        read_maps(path)


def test_unreadable_sources_are_named(tmp_path):
    (tmp_path / "x.tif").write_text("no raster")
    with pytest.raises(InputError, match=r"x.tif: cannot be read as a raster"):
        read_maps(tmp_path / "x.tif")
    with pytest.raises(InputError, match=r"y.tif: no such file"):
        read_maps(tmp_path / "y.tif")
    coords = {"lat": GRID.latitude, "lon": GRID.longitude, "time": [0, 1]}
    cube = np.zeros((2, *GRID.shape))
    data = xr.Dataset({"a": (("time", "lat", "lon"), cube), "b": 1.0}, coords=coords)
    data.to_netcdf(tmp_path / "z.nc")
    with pytest.raises(InputError, match=r"z.nc: no variable 'c', expected one of \['a'\]"):
        read_maps(tmp_path / "z.nc", variable="c")
    with pytest.raises(InputError, match=r"z.nc: a has the dims"):
        read_maps(tmp_path / "z.nc")


def test_options_that_cannot_be_are_refused(tmp_path):
    path = write_raster(tmp_path / "x.tif", make_values())
    with pytest.raises(InputError, match="'x': kind is fractions and classes is empty"):
        read_maps(path, kind="fractions")
    with pytest.raises(InputError, match=r"neither attributes.land_cover nor"):
        read_land_fractions(grid=GRID, land_cover=None, land_fraction=None)
    with pytest.raises(InputError, match=r"x.tif: land fraction is -12"):
        read_land_fractions(grid=GRID, land_cover=None, land_fraction=path)
    place = {"cell_latitude": np.array([5.0]), "cell_longitude": np.array([5.0])}
    with pytest.raises(InputError, match=r"attributes.sources give 'x' twice"):
        read_attributes([{"name": "x", "path": path}] * 2, grid=GRID, **place)
    empty = write_raster(tmp_path / "e.tif", np.full((18, 36), np.nan, np.float32))
    with pytest.raises(InputError, match=r"e.tif: x has no value on any of 1 land cells"):
        read_attributes([{"name": "x", "path": empty}], grid=GRID, **place)


HOMOLOSINE = "+proj=igh +lon_0=0 +x_0=0 +y_0=0 +ellps=WGS84 +units=m +no_defs"


def test_soilgrids_integers_on_the_homolosine_are_scaled(tmp_path):
    # clay_0-5cm_mean: g kg-1, so that 10 of it are 1 %; no value is -32768
    values = np.full((200, 400), -32768, np.int16)
    values[20:180, 20:380] = 250
    bounds = (-20_037_500, -8_350_000, 20_037_500, 8_350_000)
    path = write_raster(tmp_path / "x.tif", values, crs=HOMOLOSINE, bounds=bounds, nodata=-32768)
    (found,), _ = read_maps(path, scale=0.1, units="%")
    inside = found[6:12, 20:30]  # of Africa, within a lobe
    np.testing.assert_allclose(inside, 25.0, rtol=1e-6)


def test_a_vrt_of_soilgrids_is_read_as_its_tiles(tmp_path):
    from rasterio.shutil import copy

    values = np.full((200, 400), -32768, np.int16)
    values[20:180, 20:380] = 65
    bounds = (-20_037_500, -8_350_000, 20_037_500, 8_350_000)
    tile = write_raster(tmp_path / "t.tif", values, crs=HOMOLOSINE, bounds=bounds, nodata=-32768)
    path = str(tmp_path / "phh2o_0-5cm_mean.vrt")
    copy(tile, path, driver="VRT")
    (found,), _ = read_maps(path, scale=0.1)
    np.testing.assert_allclose(found[6:12, 20:30], 6.5, rtol=1e-6)


def test_koppen_classes_are_fractions_by_group(tmp_path):
    zones = np.zeros((360, 720), np.uint8)  # of Beck_KG_V1_present_0p5.tif: 0 is the sea
    zones[:180], zones[180:, :360] = 27, 1
    path = write_raster(tmp_path / "x.tif", zones, nodata=0)
    groups = {"tropical": [1, 2, 3], "cold": list(range(17, 29))}
    found, names = read_maps(path, kind="fractions", classes=groups)
    assert names == ["x_tropical", "x_cold"]
    np.testing.assert_allclose(found[1][9:], 1, atol=1e-6)
    np.testing.assert_allclose(found[0][:9, :18], 1, atol=1e-6)


def write_units(folder, text="MU_GLOBAL,SHARE,T_SAND\n7,60,40\n7,40,90\n9,100,10\n11,100,\n"):
    (folder / "units.csv").write_text(text)
    codes = np.full((18, 36), 7, np.int32)
    codes[:, 18:], codes[:, 30:] = 9, 11
    options = {"kind": "units", "table": str(folder / "units.csv"), "column": "T_SAND"}
    return write_raster(folder / "x.tif", codes, nodata=0), options | {"weight": "SHARE"}


def test_units_of_a_soil_map_are_means_of_their_soils_by_share(tmp_path):
    path, options = write_units(tmp_path)
    (found,), names = read_maps(path, **options)
    assert names == ["x"]
    np.testing.assert_allclose(found[:, :18], 60.0)
    np.testing.assert_allclose(found[:, 18:30], 10.0)
    assert np.isnan(found[:, 30:]).all()


def test_the_raster_of_hwsd_is_read_once_it_has_a_crs(tmp_path):
    # hwsd.bil of version 1.2: 16-bit units and a header, which names no CRS
    codes = np.full((18, 36), 11_000, "<u2")
    codes[:9] = 7
    codes.tofile(tmp_path / "hwsd.bil")
    header = {
        "BYTEORDER": "I", "LAYOUT": "BIL", "NROWS": 18, "NCOLS": 36, "NBANDS": 1, "NBITS": 16,
        "ULXMAP": -175, "ULYMAP": 85, "XDIM": 10, "YDIM": 10,
    }  # fmt: skip
    lines = "".join(f"{name:<15}{value}\n" for name, value in header.items())
    (tmp_path / "hwsd.hdr").write_text(lines)
    (tmp_path / "HWSD_DATA.csv").write_text(
        "MU_GLOBAL,ISSOIL,SHARE,T_SAND\n7,1,60,40\n7,1,30,90\n7,0,10,\n11000,1,100,-9999\n"
    )
    table = str(tmp_path / "HWSD_DATA.csv")
    options = {"kind": "units", "table": table, "column": "T_SAND", "weight": "SHARE"}
    with pytest.raises(InputError, match=r"hwsd.bil: no CRS, expected one, such as EPSG:4326"):
        read_maps(str(tmp_path / "hwsd.bil"), **options)
    rio = Path(sys.executable).parent / "rio"
    subprocess.run([rio, "convert", tmp_path / "hwsd.bil", tmp_path / "hwsd.tif"], check=True)
    command = [rio, "edit-info", "--crs", "EPSG:4326", tmp_path / "hwsd.tif"]
    subprocess.run(command, check=True)
    (found,), _ = read_maps(str(tmp_path / "hwsd.tif"), **options)
    np.testing.assert_allclose(found[9:], (60 * 40 + 30 * 90) / 90, rtol=1e-6)
    assert np.isnan(found[:9]).all()


def test_units_of_another_key_are_those_of_a_layer(tmp_path):
    # HWSD2_LAYERS of version 2, of which the rows of one layer are kept
    text = "HWSD2_SMU_ID,LAYER,SHARE,SAND\n7,D1,60,40\n7,D1,40,90\n9,D1,100,10\n"
    path, options = write_units(tmp_path, text=text)
    (found,), _ = read_maps(path, **(options | {"key": "HWSD2_SMU_ID", "column": "SAND"}))
    np.testing.assert_allclose(found[:, :18], 60.0)
    np.testing.assert_allclose(found[:, 18:30], 10.0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"table": None}, "'x': kind is units, expected a table and a column"),
        ({"column": "T_CLAY"}, r"units.csv: no column 'T_CLAY', it has \['MU_GLOBAL'"),
        ({"text": "MU_GLOBAL,SHARE,T_SAND\n7,60,much\n"}, "T_SAND holds 'much', expected a number"),
        ({"text": "MU_GLOBAL,SHARE,T_SAND\n7,60,\n"}, "no unit has a value of 'T_SAND'"),
    ],
)
def test_tables_of_units_that_do_not_fit_are_refused(tmp_path, changed, message):
    text = {"text": changed.pop("text")} if "text" in changed else {}
    path, options = write_units(tmp_path, **text)
    with pytest.raises(InputError, match=message):
        read_maps(path, **(options | changed))


def test_codes_with_colors_are_never_averaged(tmp_path):
    import rasterio

    path = write_raster(tmp_path / "x.tif", np.full((18, 36), 4, np.uint8), nodata=255)
    with rasterio.open(path, "r+") as raster:
        raster.write_colormap(1, {4: (0, 100, 0, 255)})
    with pytest.raises(InputError, match=r"x.tif: its numbers are codes with a table of colors"):
        read_maps(path)
    assert read_maps(path, kind="fractions", classes={"forest": [4]})[0].max() == pytest.approx(1)
