import numpy as np
import pytest
import rasterio
import xarray as xr

from chamnet.data.store import open_store
from chamnet.errors import InputError
from chamnet.provenance import read_json
from chamnet.report import rasters
from chamnet.report.maps import publish_maps
from chamnet.report.rasters import export_ilamb, export_maps, statistics_of, write_cog


@pytest.fixture(scope="module")
def exports(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("exports") / "exports.json"
    export_maps(out=out, maps=store, variables=["ch4_net_flux"])
    return out.parent


def test_every_file_is_named_with_its_digest(exports):
    listed = read_json(exports / "exports.json")["files"]
    found = {str(p.relative_to(exports)) for p in exports.rglob("*") if p.is_file()}
    assert set(listed) == found - {"exports.json", "geotiff/statistics.json"}
    assert sum(name.endswith(".tif") for name in listed) == 2 * 24  # extents x months
    assert {"netcdf/chamnet_maps_2011.nc", "ilamb/wetlandCH4.nc", "stac_item.json"} <= set(listed)


def test_a_geotiff_is_its_map_north_first_with_place_and_unit(exports, store):
    with rasterio.open(exports / "geotiff/ch4_net_flux_static_201207.tif") as file:
        values, layout = file.read(1), file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"]
        assert (layout, file.crs.to_epsg(), tuple(file.bounds)) == (
            "COG",
            4326,
            (-180, -90, 180, 90),
        )
        assert file.units == ("kg m-2 s-1",)
    expected = open_store(store)["ch4_net_flux"].sel(extent="static", time="2012-07-01").values
    np.testing.assert_array_equal(values[::-1], expected)


def test_statistics_of_files_stand_beside_those_of_the_maps(exports):
    found = read_json(exports / "geotiff/statistics.json")["ch4_net_flux_static_201207.tif"]
    assert found["raw"] == pytest.approx(found["cog"])
    assert found["raw"]["n"] > 100
    assert statistics_of(np.full((2, 2), np.nan))["n"] == 0


def test_a_geotiff_that_is_not_its_map_is_refused(store, tmp_path, monkeypatch):
    monkeypatch.setattr(rasters, "write_cog", lambda layer, path: write_cog(layer * 1.001, path))
    with (
        xr.set_options(keep_attrs=True),
        pytest.raises(InputError, match=r"expected .* as in the map"),
    ):
        export_maps(out=tmp_path / "e.json", maps=store, variables=["wetland_ch4_flux"])
    assert not (tmp_path / "e.json").exists()


@pytest.mark.parametrize("name", ["ch4", "cell_area"])
def test_a_variable_that_is_no_monthly_map_is_refused(store, tmp_path, name):
    with pytest.raises(InputError, match=f"no monthly map '{name}', there are"):
        export_maps(out=tmp_path / "e.json", maps=store, variables=["ch4_net_flux", name])
    assert list(tmp_path.iterdir()) == []  # said before anything is written


def test_fluxes_that_are_there_are_exported_where_none_is_named(run, tmp_path):
    publish_maps(
        store=tmp_path / "maps.zarr", digest="m", fluxes={"emission": run.fluxes["emission"]},
        wetlands=run.wetlands, cells=run.cells, step_deg=10.0, synthetic=True, applicability={},
    )  # fmt: skip
    export_maps(out=tmp_path / "exports/e.json", maps=tmp_path / "maps.zarr")
    names = {p.name.partition("_flux")[0] for p in (tmp_path / "exports/geotiff").glob("*.tif")}
    assert names == {"wetland_ch4"}


def test_files_for_ilamb_hold_one_flux_and_its_spread(exports, store):
    with xr.open_dataset(exports / "ilamb/wetlandCH4.nc", decode_times=False) as data:
        assert set(data.data_vars) - {"time_bnds", "lat_bnds", "lon_bnds"} == {
            "wetlandCH4",
            "wetlandCH4_sd",
        }
        assert data["wetlandCH4"].dims == ("time", "lat", "lon")
        assert data["time"].attrs["bounds"] == "time_bnds"
        needed = {"title", "institution", "source", "history", "references", "comment"}
        assert needed <= set(data.attrs)
        expected = open_store(store)["ch4_emission"].mean("extent")
        np.testing.assert_allclose(data["wetlandCH4"].values, expected.values, rtol=1e-6)


def test_a_target_that_was_not_run_has_no_file_for_ilamb(store, tmp_path):
    data = open_store(store, chunks={}).drop_vars("ch4_consumption")
    assert [path.name for path in export_ilamb(data, tmp_path)] == ["wetlandCH4.nc"]


def test_the_stac_item_names_place_time_and_files(exports):
    item = read_json(exports / "stac_item.json")
    assert item["properties"]["start_datetime"] == "2011-01-01T00:00:00Z"
    assert item["properties"]["end_datetime"] == "2013-01-01T00:00:00Z"  # of the last month
    assert item["bbox"] == [-180, -90, 180, 90]
    files = [a["href"] for name, a in item["assets"].items() if name != "maps"]
    assert all((exports / name).exists() for name in files)
