import numpy as np
import pytest

from chamnet.demo.climate import block_mean
from chamnet.demo.weather import WeatherGenerator, round_mantissa
from chamnet.grid import Grid

DAYS = np.arange("2011-01-01", "2015-01-01", dtype="datetime64[D]")


@pytest.fixture(scope="module")
def climate(fine_climate):
    return fine_climate.coarsen(Grid(10.0))


@pytest.fixture(scope="module")
def weather(climate):
    generator = WeatherGenerator(climate, seed=1, days=DAYS)
    return generator, generator.build(slice(0, DAYS.size))


def test_normals_come_back_as_means_of_the_days(climate, weather):
    month = DAYS.astype("datetime64[M]").astype(int) % 12
    air = weather[1]["air_temperature"]
    for m in (0, 6):
        found = air[month == m].mean(axis=0) - 273.15
        assert np.abs(found - climate.temperature[m].ravel()).mean() < 1.0
    rain = weather[1]["precipitation_flux"].mean(axis=0, dtype=float) * 86_400
    normal = climate.precipitation.mean(axis=0).ravel()
    assert rain.mean() == pytest.approx(normal.mean(), rel=0.1)
    assert np.corrcoef(rain, normal)[0, 1] > 0.95


def test_any_range_of_days_follows_from_the_seed(climate, weather):
    generator, whole = weather
    part = generator.build(slice(300, 310))
    other = WeatherGenerator(climate, seed=2, days=DAYS).build(slice(300, 310))
    for name, values in part.items():
        np.testing.assert_allclose(values, whole[name][300:310], rtol=2e-3, atol=1e-6)
        assert not np.allclose(other[name], values, rtol=2e-3)


def test_variables_stay_within_what_drivers_may_be(weather):
    from chamnet.data.drivers import DRIVERS

    for name, values in weather[1].items():
        assert np.isfinite(values).all()
        if name in DRIVERS:
            assert values.min() >= DRIVERS[name].lowest
            assert values.max() <= DRIVERS[name].highest


def test_variables_are_tied(weather):
    values = weather[1]
    assert np.all(values["dew_point_temperature"] <= values["air_temperature"] + 0.1)
    is_wet = values["precipitation_flux"] > 1e-6
    assert 0.2 < is_wet.mean() < 0.7
    shortwave = values["surface_downwelling_shortwave_flux_in_air"]
    ratio = np.where(is_wet, shortwave, 0).sum(0) / np.maximum(is_wet.sum(0), 1)
    dry = np.where(is_wet, 0, shortwave).sum(0) / np.maximum((~is_wet).sum(0), 1)
    tropical = slice(7 * 36, 11 * 36)
    assert ratio[tropical].mean() < dry[tropical].mean()


def test_anomalies_persist_and_years_differ(climate, weather):
    air = weather[1]["air_temperature"][:, 500].astype(float)
    anomaly = air - np.tile(air[:1460].reshape(4, 365).mean(axis=0), 5)[: air.size]
    assert np.corrcoef(anomaly[:-1], anomaly[1:])[0, 1] > 0.5
    yearly = weather[1]["precipitation_flux"][:1460].reshape(4, 365, -1).mean(axis=1)
    assert (yearly.std(axis=0) / yearly.mean(axis=0)).mean() > 0.03


def test_mantissa_rounds_to_the_nearest():
    values = np.array([288.1234, -0.001, 0.0, 101325.7], np.float32)
    rounded = round_mantissa(values, bits=12)
    np.testing.assert_allclose(rounded, values, rtol=2.0**-13)
    assert np.all(rounded.view(np.uint32) % 2**11 == 0)


def test_block_means_weigh_by_area():
    fine, coarse = Grid(1.0), Grid(10.0)
    rows = np.repeat(fine.latitude[:, None], 360, axis=1)
    found = block_mean(rows, fine, coarse)
    assert found.shape == coarse.shape
    assert 83.0 < found[-1, 0] < 84.0  # nearer to the equator than the middle of the cell
    np.testing.assert_allclose(block_mean(np.ones(fine.shape), fine, coarse), 1)
