import numpy as np
import pandas as pd
import pytest
import xarray as xr
from factories_data import DRIVER_NAMES, make_tower_table, write_towers

from chamnet.config import parse_config
from chamnet.data.observations import read_emission
from chamnet.data.windows import open_place_data
from chamnet.errors import ConfigError, InputError, UnitsError
from chamnet.simulation.others import build_sampled_windows, sample_fluxes
from chamnet.simulation.prior import simulate_places
from chamnet.timeaxis import month_lengths

LATITUDE, LONGITUDE = np.array([60.2, -3.1]), np.array([24.1, -60.4])
PLACES = {"latitude": LATITUDE, "longitude": LONGITUDE, "target": "emission"}
UPTAKE = PLACES | {"target": "consumption"}


def _write_tem(folder, year=2015, units="mg m-2 day-1"):
    """X-MethaneWet: no coordinates, months of 31 days, NaN for those that are not."""
    values = np.full((36, 72, 12, 31), np.nan, np.float32)  # 5 degrees in place of 0.5
    for month, length in enumerate(month_lengths(year, calendar="noleap")):
        values[..., month, :length] = month + 1
    values[:, 36:] *= 2  # east of Greenwich
    attrs = {"units": units} if units else {}
    data = xr.Dataset({"CH4_emission": (("lat", "lon", "month", "day"), values, attrs)})
    data.to_netcdf(folder / f"CH4_emission_intensity_{year}.nc")
    return folder


def _write_gcp(path, *, units="g CH4 m-2 month-1", name="CH4_e"):
    """A GCP model: latitude descending, months since 2000-01, grams a month."""
    flux = np.ones((36, 18, 36), np.float32) * (1 + np.arange(36) % 12)[:, None, None]
    time = ("time", np.arange(180.0, 216.0), {"units": "months since 2000-01-01"})
    coords = {"time": time, "lat": np.arange(85.0, -90, -10), "lon": np.arange(-175.0, 180, 10)}
    data = xr.Dataset({name: (("time", "lat", "lon"), flux, {"units": units})}, coords=coords)
    data["wet"] = (("time", "lat", "lon"), np.full(flux.shape, 0.5), {"units": "1"})
    data.to_netcdf(path)
    return path


def test_tem_mdm_is_read_by_its_index_months_and_days(tmp_path):
    found = sample_fluxes(_write_tem(tmp_path), years=[2014, 2015], **PLACES)
    assert found.shape == (2, 2, 12)
    assert np.isnan(found[:, 0]).all()
    np.testing.assert_allclose(found[1, 1], np.arange(1, 13) * 1e-6 / 86_400, rtol=1e-6)
    np.testing.assert_allclose(found[0], 2 * found[1], rtol=1e-6)


def test_grams_a_month_are_divided_by_the_real_month(tmp_path):
    path = _write_gcp(tmp_path / "model.nc")
    found = sample_fluxes(path, years=[2015, 2016], **PLACES)
    seconds = month_lengths(2016) * 86_400
    np.testing.assert_allclose(found[0, 1], np.arange(1, 13) * 1e-3 / seconds, rtol=1e-6)
    per_wetland = sample_fluxes(path, years=[2015, 2016], wetland_variable="wet", **PLACES)
    np.testing.assert_allclose(per_wetland, 2 * found)


def _write_lpj_eosim(folder, *, year=2015, units="kg CH4 m-2 month-1"):
    """LPJ-EOSIM: fluxes per area of cell, and the wetland shares in a file beside."""
    folder.mkdir()
    time = pd.date_range(f"{year}-01-15", periods=12, freq=pd.DateOffset(months=1))
    coords = {
        "time": time,
        "latitude": np.arange(89.75, -90, -0.5),
        "longitude": np.arange(-179.75, 180, 0.5),
    }
    dims, shape = tuple(coords), (12, 360, 720)
    flux = np.ones(shape, np.float32) * np.arange(1, 13)[:, None, None] * 1e-3
    flux[:, 0] = -9999  # the ice of the north, not declared as a fill
    share = np.full(shape, 0.25, np.float32)
    share[:, :, 360:] = 0.0005  # next to no wetland east of Greenwich
    parts = {
        f"LPJ-EOSIM_ensemble_mch4e_{year}-{year}.nc": ("dch4e", flux, units),
        f"ensemble_mwet_frac_{year}-{year}.nc": ("mwet_frac", share, "1"),
    }
    for name, (variable, values, unit) in parts.items():
        data = xr.Dataset({variable: (dims, values, {"units": unit})}, coords=coords)
        data["time_bnds"] = (("time", "bnds"), np.zeros((12, 2)))
        data.to_netcdf(folder / name)
    return folder


def test_lpj_eosim_is_read_with_the_wetland_shares_of_its_other_file(tmp_path):
    folder = _write_lpj_eosim(tmp_path / "lpj")
    found = sample_fluxes(folder, years=[2015], wetland_variable="mwet_frac", **PLACES)
    seconds = month_lengths(2015) * 86_400
    np.testing.assert_allclose(found[1, 0], 4 * np.arange(1, 13) * 1e-3 / seconds, rtol=1e-6)
    assert np.isnan(found[0]).all()
    pole = PLACES | {"latitude": np.array([89.8, 0.2]), "longitude": np.array([-20.0, -20.0])}
    at_pole = sample_fluxes(folder, years=[2015], wetland_variable="mwet_frac", **pole)
    assert np.isnan(at_pole[0]).all()
    assert np.isfinite(at_pole[1]).all()


def test_lpj_eosim_without_its_shares_or_a_stray_file_is_refused(tmp_path):
    folder = _write_lpj_eosim(tmp_path / "lpj")
    with pytest.raises(InputError, match=r"mwet_frac_2015-2015.nc: expected the variable just one"):
        sample_fluxes(folder, years=[2015], **PLACES)
    (folder / "ensemble_mwet_frac_2015-2015.nc").unlink()
    with pytest.raises(InputError, match="no 'mwet_frac' of the places in any file, expected"):
        sample_fluxes(folder, years=[2015], wetland_variable="mwet_frac", **PLACES)


def test_pooled_tem_is_read_by_its_years_and_months(tmp_path):
    values = np.arange(1, 13) * np.ones((18, 36, 2, 1))
    values[..., 1, :] *= 10
    dims = ("latitude", "longitude", "year", "month")
    coords = {"latitude": np.arange(-85.0, 90, 10), "longitude": np.arange(-175.0, 180, 10)}
    coords |= {"year": [2014, 2015], "month": np.arange(1, 13)}
    attrs = {"units": "g m-2 month-1"}
    data = xr.Dataset({"ch4_oxidation": (dims, values, attrs)}, coords=coords)
    data.to_netcdf(tmp_path / "tem.nc")
    found = sample_fluxes(tmp_path / "tem.nc", years=[2015], **UPTAKE)
    seconds = month_lengths(2015) * 86_400
    np.testing.assert_allclose(found[0, 0], 10 * np.arange(1, 13) * 1e-3 / seconds, rtol=1e-6)


def test_a_header_without_an_area_is_refused_until_the_units_are_named(tmp_path):
    path = _write_gcp(tmp_path / "model.nc", units="gCH4/month", name="ech4")
    with pytest.raises(UnitsError, match="expected 'kg m-2 s-1'"):
        sample_fluxes(path, years=[2015], **PLACES)
    found = sample_fluxes(path, years=[2015], units="g CH4 m-2 month-1", **PLACES)
    assert found[0, 0, 0] == pytest.approx(1e-3 / (31 * 86_400))


def test_each_target_has_its_own_variable_of_a_file(tmp_path):
    path = _write_gcp(tmp_path / "model.nc", name="ch4_emission")
    with xr.open_dataset(path, decode_times=False) as emission:
        uptake = (3 * emission["ch4_emission"]).assign_attrs(units="g m-2 month-1")
        emission.assign(ch4_oxidation=uptake).to_netcdf(tmp_path / "both.nc")
    found = sample_fluxes(tmp_path / "both.nc", years=[2015], **PLACES)
    of_uptake = sample_fluxes(tmp_path / "both.nc", years=[2015], **UPTAKE)
    np.testing.assert_allclose(of_uptake, 3 * found, rtol=1e-6)
    per_wetland = sample_fluxes(
        tmp_path / "both.nc", years=[2015], wetland_variable="wet", **UPTAKE
    )
    np.testing.assert_array_equal(per_wetland, of_uptake)  # uptake is of no wetland


@pytest.mark.parametrize("wetland_variable", [None, "wet"])
def test_each_target_has_its_own_files_of_a_folder(tmp_path, wetland_variable):
    _write_gcp(tmp_path / "a.nc", name="CH4_e")
    _write_gcp(tmp_path / "b.nc", name="CH4uptake", units="kg CH4 m-2 month-1")
    how = {"years": [2015], "wetland_variable": wetland_variable}
    found = sample_fluxes(tmp_path, **how, **PLACES)
    factor = 500 if wetland_variable else 1000
    np.testing.assert_allclose(sample_fluxes(tmp_path, **how, **UPTAKE), factor * found, rtol=1e-6)


def test_a_model_without_the_flux_of_a_target_is_refused(tmp_path):
    message = (
        r"tem: no flux of consumption, expected one of \['ch4_oxidation', 'CH4uptake'\]; "
        r"it has \['CH4_emission'\]"
    )
    folder = tmp_path / "tem"
    folder.mkdir()
    with pytest.raises(InputError, match=message):
        sample_fluxes(_write_tem(folder), years=[2015], **UPTAKE)


@pytest.mark.parametrize("section", ["simulate", "prior"])
def test_one_variable_cannot_be_the_flux_of_two_targets(section):
    values = {"run": {"name": "x"}, "drivers": {"names": ["air_temperature"]}}
    values[section] = {"flux_path": "a.nc", "flux_variable": "f"}
    message = (
        rf"{section}\.flux_variable 'f' cannot be the flux of both run\.targets "
        r"\['emission', 'consumption'\], expected one target at a time, or null"
    )
    with pytest.raises(ConfigError, match=message):
        parse_config(values)
    values["run"]["targets"] = ["consumption"]
    assert getattr(parse_config(values), section).flux_variable == "f"


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_any_cf_file_of_days_is_read_by_months(tmp_path, suffix):
    time = pd.date_range("2015-01-01", "2015-12-31", freq="D")
    day = time.month.to_numpy()[:, None, None] * np.ones((1, 18, 36))
    data = xr.Dataset(
        {"f": (("time", "latitude", "longitude"), day, {"units": "kg m-2 s-1"})},
        coords={
            "time": time,
            "latitude": np.arange(-85.0, 90, 10),
            "longitude": np.arange(5, 365, 10),
        },
    )
    path = tmp_path / f"any{suffix}"
    data.to_netcdf(path) if suffix == ".nc" else data.to_zarr(
        path, zarr_format=3, consolidated=False
    )
    found = sample_fluxes(path, years=[2015], variable="f", **PLACES)
    np.testing.assert_allclose(found[0, 0], np.arange(1, 13))


def test_files_that_cannot_be_used_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file, expected fluxes of a model"):
        sample_fluxes(tmp_path / "none.nc", years=[2015], **PLACES)
    with pytest.raises(InputError, match="no NetCDF file in this folder"):
        sample_fluxes(tmp_path, years=[2015], **PLACES)
    path = _write_gcp(tmp_path / "model.nc", name="flux")
    with pytest.raises(InputError, match="expected the variable just one of"):
        sample_fluxes(path, years=[2015], **PLACES)
    with pytest.raises(InputError, match="expected the variable 'other'"):
        sample_fluxes(path, years=[2015], variable="other", **PLACES)
    with pytest.raises(InputError, match="no value at any of 2 places in 1990 to 1990"):
        sample_fluxes(path, years=[1990], variable="flux", **PLACES)
    with pytest.raises(UnitsError, match="expected 'kg m-2 s-1'"):
        sample_fluxes(path, years=[2015], variable="flux", units="K", **PLACES)
    folder = tmp_path / "tem"
    folder.mkdir()
    with pytest.raises(UnitsError, match=r"has no units; name them in simulate\.flux_units"):
        sample_fluxes(_write_tem(folder, units=None), years=[2015], **PLACES)


def test_maps_without_the_place_or_the_time_are_refused(tmp_path):
    _write_gcp(tmp_path / "model.nc")
    with xr.open_dataset(tmp_path / "model.nc", decode_times=False) as whole:
        whole.sel(lat=slice(85, 40)).to_netcdf(tmp_path / "north.nc")
        whole.drop_vars("time").to_netcdf(tmp_path / "timeless.nc")
        whole.rename(lat="row").to_netcdf(tmp_path / "rows.nc")
    with pytest.raises(InputError, match="expected a map that holds every place"):
        sample_fluxes(tmp_path / "north.nc", years=[2015], **PLACES)
    with pytest.raises(InputError, match=r"expected \(month, day\) or a time"):
        sample_fluxes(tmp_path / "timeless.nc", years=[2015], **PLACES)
    with pytest.raises(InputError, match=r"no dimension of \['latitude'"):
        sample_fluxes(tmp_path / "rows.nc", years=[2015], **PLACES)
    folder = tmp_path / "tem"
    folder.mkdir()
    (_write_tem(folder) / "CH4_emission_intensity_2015.nc").rename(folder / "flux.nc")
    with pytest.raises(InputError, match="the name ends in no year"):
        sample_fluxes(folder, years=[2015], **PLACES)


def test_windows_are_the_months_that_have_a_flux():
    fluxes = np.full((2, 1, 12), np.nan)
    fluxes[1, 0, [1, 11]] = [3.0, 4.0]
    windows = build_sampled_windows(fluxes, years=[2016], calendar="standard")
    assert windows[["place", "month", "first", "last"]].values.tolist() == [
        [1, 1, 31, 59],
        [1, 11, 335, 365],
    ]


@pytest.mark.slow
def test_places_of_a_run_take_the_flux_of_tem_mdm_by_naming_its_path(tmp_path):
    towers = read_emission(
        store=tmp_path / "emission.zarr",
        dropped=tmp_path / "dropped.csv",
        digest="t",
        towers=write_towers(tmp_path, {"AA-One": make_tower_table(n_days=365)}),
        driver_names=DRIVER_NAMES,
        years=[2015, 2016],
    )
    folder = tmp_path / "tem"
    folder.mkdir()
    options = {
        "digest": "p",
        "driver_names": DRIVER_NAMES,
        "years": [2015, 2016],
        "n_places": 5,
        "seed": 0,
        "observations": towers,
        "flux_path": str(_write_tem(folder)),
    }
    manifest = simulate_places(store=tmp_path / "prior.zarr", target="emission", **options)
    data = open_place_data(manifest)
    assert data.place.tolist() == ["AA-One-000"]
    assert len(data.windows) == 12
    np.testing.assert_allclose(
        data.windows["flux"], 2 * np.arange(1, 13) * 1e-6 / 86_400, rtol=1e-6
    )
    with pytest.raises(InputError, match="tem: no flux of consumption, expected one of"):
        simulate_places(store=tmp_path / "uptake.zarr", target="consumption", **options)
