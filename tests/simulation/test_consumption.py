import numpy as np
import pytest

from chamnet.simulation import consumption

WATER = [0.1, 0.2, 0.3, 0.4]


def _curry(**changed):
    values = {
        "temperature": 10.0,
        "liquid": np.array(WATER),
        "ice": 0.0,
        "porosity": 0.5,
        "sand": 0.4,
        "clay": 0.2,
        "suction_kpa": 100.0,
    }
    return consumption.consumption(**(values | changed))


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [
        (0, [1.72, 1.29, 0.86, 0.43]),
        (10, [2.49, 1.87, 1.25, 0.62]),
        (25, [3.69, 2.77, 1.85, 0.93]),
        (-5, [0.85, 0.64, 0.42, 0.21]),
    ],
)
def test_check_values_of_curry_come_out(temperature, expected):
    np.testing.assert_allclose(_curry(temperature=float(temperature)), expected, atol=0.005)


def test_uptake_falls_with_water_ice_crops_and_drought():
    assert np.all(np.diff(_curry()) < 0)
    assert np.all(_curry(ice=0.05) < _curry())
    np.testing.assert_allclose(_curry(crop_fraction=1.0), 0.25 * _curry())
    assert np.all(_curry(suction_kpa=5000.0) < _curry())
    assert np.all(_curry(suction_kpa=1e5) == 0)


def test_nitrogen_inhibits_uptake_by_its_amount_and_never_turns_it():
    assert np.array_equal(_curry(nitrogen=0.0), _curry())
    np.testing.assert_allclose(_curry(nitrogen=10.0), 0.62 * _curry())
    np.testing.assert_allclose(consumption.nitrogen_factor(np.array([5.0, 40.0])), [0.81, 0])
    both = _curry(nitrogen=10.0, crop_fraction=0.4)
    np.testing.assert_allclose(both, 0.62 * 0.7 * _curry())


def test_uptake_is_linear_in_the_air_and_a_root_in_activity():
    np.testing.assert_allclose(_curry(concentration_ppm=3.7), 2 * _curry())
    np.testing.assert_allclose(_curry(activity=4.0), 2 * _curry())


def test_full_frozen_and_hot_soil_takes_up_nothing():
    assert _curry(liquid=0.5) == 0
    assert np.all(_curry(temperature=-10.5) == 0)
    assert np.all(_curry(temperature=43.3) == 0)


def test_temperature_response_has_its_known_values():
    found = consumption.temperature_response(np.array([-10, -5, 0, 10, 43.3]))
    np.testing.assert_allclose(found, [0, 0.25, 1, np.exp(0.693 - 8.56e-3), 0], rtol=1e-6)


def test_moisture_response_runs_from_one_to_zero():
    found = consumption.moisture_response(np.array([10, 200, 10**3.650515, 1e5, 1e6]))
    np.testing.assert_allclose(found, [1, 1, 0.5**0.8, 0, 0], atol=1e-6)


def test_water_at_a_suction_gives_that_suction_back():
    water = consumption.water_at_suction(1500, porosity=0.45, sand=0.4, clay=0.2)
    suction = consumption.soil_suction_kpa(
        water,
        porosity=0.45,
        b=consumption.clapp_hornberger_b(0.2),
        saturated_kpa=consumption.saturated_suction_kpa(0.4),
    )
    assert suction == pytest.approx(1500)
