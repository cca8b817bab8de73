import numpy as np
import pytest
import xarray as xr

from chamnet.data import normals
from chamnet.errors import InputError
from chamnet.timeaxis import month_of_step


def write_normals(folder, **changed):
    """Normals in the layout of BIOME4, at 20 degrees: integers, labels at lower edges."""
    latitude, longitude = np.arange(70.0, -91, -20), np.arange(-180.0, 180, 20)
    shape = (12, latitude.size, longitude.size)
    month = np.arange(12)[:, None, None]
    values = {
        "temp": np.broadcast_to(100 - 20 * np.cos(2 * np.pi * month / 12), shape),
        "prec": np.broadcast_to(60 + 5 * month, shape),
        "sun": np.full(shape, 500),
    } | changed
    data = {k: (("time", "lat", "lon"), v.astype("f4")) for k, v in values.items() if v is not None}
    coords = {"time": np.arange(1.0, 13), "lat": latitude, "lon": longitude}
    xr.Dataset(data, coords=coords).to_netcdf(folder / "normals.nc")
    return str(folder / "normals.nc")


@pytest.mark.parametrize("is_positive", [False, True])
def test_days_keep_the_mean_of_every_month(is_positive):
    months = np.random.default_rng(0).gamma(0.3, size=(20, 12))
    days = normals.interpolate_months(months, is_positive=is_positive)
    means = [days[:, month_of_step(2001) == m].mean(axis=1) for m in range(12)]
    np.testing.assert_allclose(np.stack(means, axis=1), months, rtol=1e-9, atol=1e-12)
    assert not is_positive or days.min() >= 0


def test_constant_months_are_constant_days():
    np.testing.assert_allclose(normals.interpolate_months(np.full(12, 7.0)), 7.0)


def test_radiation_at_the_top_is_that_of_the_handbook():
    found = normals.extraterrestrial_w_m2(np.array([-20.0]), n_days=365)[0, 245]  # 3 September
    assert found * 86_400 / 1e6 == pytest.approx(32.2, abs=0.1)  # example 8 of FAO 56


def test_polar_night_is_dark_and_shortwave_is_between_its_bounds():
    top = normals.extraterrestrial_w_m2(np.array([85.0, 0.0]), n_days=365)
    assert top[0, 0] == 0
    sunny = normals.shortwave_w_m2(np.ones((2, 365)), latitude=np.array([85.0, 0.0]))
    np.testing.assert_allclose(sunny, 0.75 * top)


def test_places_get_daily_drivers_in_cf_units(tmp_path):
    drivers, has_normals = normals.read_normals(
        write_normals(tmp_path), latitude=np.array([50.25]), longitude=np.array([0.25])
    )
    assert has_normals.all()
    mean = drivers.mean("step").sel(place=0)
    assert float(mean.sel(driver="air_temperature")) == pytest.approx(283.15, abs=0.1)
    total = float(drivers.sel(place=0, driver="precipitation_flux").sum()) * 86_400
    assert total == pytest.approx(sum(60 + 5 * m for m in range(12)), rel=1e-5)


def test_place_far_from_any_value_has_none(tmp_path):
    drivers, has_normals = normals.read_normals(
        write_normals(tmp_path), latitude=np.array([50.25, 60.0]), longitude=np.array([0.25, 10.0])
    )
    assert has_normals.tolist() == [True, False]
    assert np.isnan(drivers[1]).all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sun": None}, "no variable 'sun'"),
        ({"temp": np.full((12, 9, 18), 2830.0)}, "temp is 283 to 283 in 12 months, expected -90"),
    ],
)
def test_bad_normals_are_refused(tmp_path, changed, message):
    with pytest.raises(InputError, match=f"normals.nc: {message}"):
        normals.read_normals(
            write_normals(tmp_path, **changed), latitude=np.zeros(1), longitude=np.zeros(1)
        )
