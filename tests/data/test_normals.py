import numpy as np
import pytest
import xarray as xr

from chamnet.data import normals
from chamnet.errors import InputError


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
