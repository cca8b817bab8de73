import numpy as np
import pytest

from chamnet.data import formulas


def test_known_vapor_pressure_deficit():
    # 25 degC and a dewpoint of 15 degC: 3.168 - 1.705 kPa, Allen et al. (1998), annex 2.3
    assert formulas.vapor_pressure_deficit_pa(298.15, 288.15) == pytest.approx(1463, abs=1)
    assert formulas.vapor_pressure_deficit_pa(280.0, 285.0) == 0


def test_known_vapor_pressure_of_specific_humidity():
    # mixing ratio 20 g kg-1 at 1026.8 hPa: 32 hPa; Wallace and Hobbs (2006), exercise 3.3
    assert formulas.vapor_pressure_pa(0.020 / 1.020, 102_680.0) == pytest.approx(3200, rel=2e-3)


def test_all_ways_to_the_deficit_and_to_humidity_agree():
    warm, dew, pressure = 293.0, 284.0, 95_000.0
    vapor = formulas.saturation_vapor_pressure_pa(dew)
    humid = 0.622 * vapor / (pressure - 0.378 * vapor)  # specific humidity
    share = formulas.relative_humidity(warm, dew)
    expected = formulas.vapor_pressure_deficit_pa(warm, dew)
    found = [
        formulas.vapor_pressure_deficit_of_vapor_pa(warm, vapor),
        formulas.vapor_pressure_deficit_of_humidity_pa(warm, share),
        formulas.vapor_pressure_deficit_of_specific_humidity_pa(warm, humid, pressure),
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert formulas.relative_humidity_of_specific_humidity(warm, humid, pressure) == pytest.approx(
        share
    )


def test_relative_humidity_is_between_its_bounds():
    # 25 degC and a dewpoint of 15 degC: 1.705 / 3.168, Allen et al. (1998), annex 2.3
    assert formulas.relative_humidity(298.15, 288.15) == pytest.approx(0.538, abs=1e-3)
    assert formulas.relative_humidity(280.0, 285.0) == 1


def test_ten_centimeters_of_snow_cover_all():
    water = np.array([0.0, 10.0, 20.0, 500.0])  # kg m-2, at 200 kg m-3: 0, 5, 10, 250 cm
    np.testing.assert_allclose(formulas.snow_cover_of_depth(water, 200.0), [0, 0.5, 1, 1])


def test_wind_speed_is_that_of_its_components():
    assert formulas.wind_speed_m_s(3.0, -4.0) == 5


def test_radiation_at_the_top_is_that_of_the_handbook():
    found = formulas.extraterrestrial_w_m2(np.array([-20.0]), n_days=365)[0, 245]  # 3 September
    assert found * 86_400 / 1e6 == pytest.approx(32.2, abs=0.1)  # example 8 of FAO 56


def test_polar_night_is_dark_and_shortwave_is_between_its_bounds():
    latitude = np.array([85.0, 0.0])
    top = formulas.extraterrestrial_w_m2(latitude, n_days=365)
    assert top[0, 0] == 0
    sunny = formulas.shortwave_w_m2(np.ones((2, 365)), latitude=latitude)
    np.testing.assert_allclose(sunny, 0.75 * top)
    overcast = formulas.shortwave_of_cloud_w_m2(np.ones((2, 365)), latitude=latitude)
    np.testing.assert_allclose(overcast, 0.25 * top)
