import hashlib

import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr

from chamnet.data.store import open_store
from chamnet.demo.surface import build_soils, scale_to_total
from chamnet.demo.world import make_demo_world
from chamnet.grid import Grid, cell_area_m2
from chamnet.provenance import read_json

OPTIONS = {"seed": 1, "step_deg": 10.0, "n_years": 2, "n_towers": 8, "n_chambers": 10}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("itur", reason="needs the demo's data packages")
    folder = tmp_path_factory.mktemp("world")
    make_demo_world(folder=folder / "input", manifest=folder / "input.json", **OPTIONS)
    return folder


def _digests(folder):
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}


@pytest.mark.slow
def test_files_are_the_same_bytes_on_a_rerun(folder):
    before = _digests(folder)
    make_demo_world(folder=folder / "input", manifest=folder / "input.json", **OPTIONS)
    assert _digests(folder) == before


def test_weather_has_the_layout_of_arco_era5(folder):
    data = xr.open_zarr(folder / "input/era5.zarr", chunks=None)
    assert data["2m_temperature"].dims == ("valid_time", "latitude", "longitude")
    assert data.sizes["valid_time"] == 731
    assert np.all(np.diff(data.latitude) < 0)
    assert data.longitude.values[[0, -1]].tolist() == [5, 355]
    assert str(data.valid_time.values[-1])[:10] == "2012-12-31"
    units = {name: data[name].attrs["units"] for name in data.data_vars}
    assert units["total_precipitation"] == "m"
    assert units["surface_solar_radiation_downwards"] == "J m**-2"
    assert not any(bool(data[name].isnull().any()) for name in data.data_vars)
    assert data["2m_temperature"].encoding["chunks"] == (16, 18, 36)


def test_weather_lies_where_it_belongs(folder):
    data = xr.open_zarr(folder / "input/era5.zarr", chunks=None)
    july = data["2m_temperature"].sel(valid_time="2011-07").mean("valid_time")
    assert float(july.sel(latitude=25, longitude=5)) > 300  # the Sahara
    assert float(july.sel(latitude=-85, longitude=5)) < 235  # Antarctica
    amazon = data["total_precipitation"].sel(latitude=-5, longitude=295).sum() / 2
    assert 1.0 < float(amazon) < 4.0  # m in a year


def test_rasters_are_of_their_kind(folder):
    for name in ("clay", "sand"):
        with rasterio.open(folder / f"input/{name}.tif") as raster:
            values = raster.read(1, masked=True)
            assert raster.crs.to_epsg() == 4326
            assert 0 < values.min() < values.max() < 1
            assert "SYNTHETIC" in raster.tags()["comment"]
    with rasterio.open(folder / "input/land_cover.tif") as raster:
        assert set(np.unique(raster.read(1))) <= set(range(17))


def test_wetlands_have_their_totals_and_fit_on_the_land(folder):
    monthly = xr.open_dataset(folder / "input/wetlands_monthly.nc")["Fw"]
    static = xr.open_dataset(folder / "input/wetlands_static.nc")["Fw"]
    assert monthly.dims == ("time", "lat", "lon")
    assert monthly.sizes["time"] == 24
    area = {
        step: cell_area_m2(grid.latitude, step_deg=step)[:, None]
        for step, grid in ((10.0, Grid(10.0)), (1.0, Grid(1.0)))
    }
    assert (monthly.mean("time").values * area[10.0]).sum() == pytest.approx(8e12, rel=0.01)
    assert (static.values * area[1.0]).sum() == pytest.approx(7.3e12, rel=0.01)
    assert 0 <= float(monthly.min()) < float(monthly.max()) <= 1
    yearly = (monthly.values * area[10.0]).sum(axis=(1, 2)).reshape(2, 12)
    assert np.ptp(yearly, axis=1).min() > 0.5e12  # seasons
    assert abs(yearly[0].mean() - yearly[1].mean()) > 1e9  # years
    assert "proxy" in monthly.attrs["comment"]


def test_truth_is_of_the_size_of_the_real_world(folder):
    figures = read_json(folder / "input.json")["figures"]
    for extent in ("monthly", "static"):
        assert 119 < figures[f"{extent}_emission_tg"] < 203
        assert 28 < figures[f"{extent}_consumption_tg"] < 45
        assert 0.64 < figures[f"{extent}_share_south_of_30n"] < 0.91
        assert 0.02 < figures[f"{extent}_share_north_of_60n"] < 0.12
    truth = open_store(folder / "input/truth.zarr")
    for name in ("wetland_ch4_flux", "soil_ch4_consumption_flux"):
        values = truth[name].values
        assert np.nanmin(values) >= 0
        ceiling = truth[f"{name}_ceiling"].values
        np.testing.assert_array_equal(np.isnan(values), np.isnan(ceiling))
        assert not np.allclose(values, ceiling, atol=0, equal_nan=True)


def test_towers_are_written_as_fluxnet_ch4_has_them(folder):
    sites = pd.read_csv(folder / "input/towers_sites.csv")
    files = sorted((folder / "input/towers").glob("FLX_*_FLUXNET-CH4_DD_*_1-1.csv"))
    assert len(files) == len(sites) == 8
    assert sites["SITE_NAME"].str.startswith("synthetic").all()
    for path in files:
        table = pd.read_csv(path)
        days = pd.to_datetime(table["TIMESTAMP"].astype(str))
        assert (days.diff().dropna().dt.days == 1).all()
        measured = table["FCH4"] > -9000
        assert 0.1 < measured.mean() < 0.95
        assert (table.loc[~measured, "FCH4"] == -9999).all()
        assert (table["FCH4_F"] > -9000).sum() > measured.sum()
        assert (table["FCH4_F_ANNOPTLM"] > -9000).all()
        assert set(table["FCH4_F_ANNOPTLM_QC"]) <= {1.0, 3.0}
        assert (
            (table[["TA_F", "P_F", "SW_IN_F", "LW_IN_F", "VPD_F", "PA_F", "WS_F"]] > -9000)
            .all()
            .all()
        )


def test_chambers_are_a_plain_table(folder):
    table = pd.read_csv(folder / "input/chambers.csv")
    assert table["place_id"].nunique() == 10
    assert table["month"].between(1, 12).all()
    assert table["consumption_ug_c_m2_h"].between(-20, 200).all()
    assert not table.duplicated(["place_id", "year", "month"]).any()
    assert (table["licence"] == "synthetic (chamnet demo world)").all()


def test_other_seeds_make_other_soils(folder, fine_climate):
    first, again, other = (build_soils(fine_climate, seed=seed) for seed in (1, 1, 2))
    for name, values in first.items():
        np.testing.assert_array_equal(values, again[name])
        assert not np.allclose(values, other[name], equal_nan=True)
    with rasterio.open(folder / "input/clay.tif") as raster:
        np.testing.assert_array_equal(raster.read(1)[::-1], first["clay"])


def test_shares_scale_to_a_total_under_their_caps():
    share = np.array([[0.1, 0.4], [0.0, 0.2]])
    cap = np.array([[1.0, 0.5], [1.0, 0.3]])
    found = scale_to_total(share, cap=cap, area=np.ones((2, 2)), total_m2=1.0)
    assert found.sum() == pytest.approx(1.0)
    assert np.all(found <= cap)
    assert found[0, 1] == 0.5
    assert found[1, 0] == 0
