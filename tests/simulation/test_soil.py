import numpy as np
import pytest

from chamnet.simulation import soil


def _year_of_heat(heat, *, snow=0.0, n_years=3):
    enthalpy = soil.join_heat(np.full((soil.N_LAYERS, 1), 5.0), heat)
    days = np.arange(365 * n_years)
    kept = []
    for day in days:
        air = np.array([5 - 15 * np.cos(2 * np.pi * day / 365)])
        enthalpy = soil.step_heat(enthalpy, air=air, snow=np.array([snow]), heat=heat)
        kept.append(soil.split_heat(enthalpy, heat)[0][:, 0])
    return np.array(kept[-365:])


def test_soil_is_damped_and_lags_with_depth():
    kept = _year_of_heat(soil.UPLAND_HEAT)
    assert np.all(np.diff(np.ptp(kept, axis=0)) < 0)
    assert kept.argmax(axis=0)[-1] > kept.argmax(axis=0)[0] + 10


def test_snow_keeps_the_soil_from_the_air():
    bare, covered = (_year_of_heat(soil.UPLAND_HEAT, snow=s) for s in (0.0, 150.0))
    assert covered[:, 1].min() > bare[:, 1].min() + 3


def test_wet_soil_freezes_later_than_dry_soil():
    wet, dry = _year_of_heat(soil.WETLAND_HEAT), _year_of_heat(soil.UPLAND_HEAT)
    assert wet[:, 2].min() > dry[:, 2].min() + 1


def test_energy_is_kept_while_water_freezes():
    heat = soil.WETLAND_HEAT
    enthalpy = soil.join_heat(np.linspace(3, 1, soil.N_LAYERS)[:, None], heat)
    for _ in range(400):  # a column cut off by snow beyond any depth neither gains nor loses
        after = soil.step_heat(enthalpy, air=np.array([-30.0]), snow=np.array([1e12]), heat=heat)
        assert after.sum() == pytest.approx(enthalpy.sum(), abs=1e-3 * abs(enthalpy).max())
        enthalpy = after


def test_heat_joins_and_splits_there_and_back():
    temperature = np.array([[-12.0], [-3.0], [0.5], [4.0], [8.0], [20.0]])
    found, ice = soil.split_heat(soil.join_heat(temperature, soil.UPLAND_HEAT), soil.UPLAND_HEAT)
    np.testing.assert_allclose(found, temperature, atol=1e-9)
    np.testing.assert_array_equal(ice[:, 0], [1, 1, 0, 0, 0, 0])


def test_snow_and_water_make_up_the_precipitation():
    generator = np.random.default_rng(0)
    snow, falls = generator.exponential(30, 200), generator.exponential(5, 200)
    after, water = soil.step_snow(snow, precipitation=falls, air=generator.normal(0, 8, 200))
    np.testing.assert_allclose(after - snow + water, falls, atol=1e-9)
    assert after.min() >= 0


def test_soil_water_stays_between_dry_and_full():
    bounds = {"wilting": np.array([30.0]), "field": np.array([80.0]), "full": np.array([130.0])}
    thawed = np.zeros(1)
    dry, flooded = np.array([60.0]), np.array([60.0])
    for _ in range(400):
        dry = soil.step_soil_water(
            dry, supply=0.0, potential=np.array([6.0]), is_frozen=thawed, **bounds
        )
        flooded = soil.step_soil_water(
            flooded, supply=200.0, potential=np.array([1.0]), is_frozen=thawed, **bounds
        )
    assert 9 <= dry[0] < 30
    assert flooded[0] == 130


def test_water_table_returns_to_its_target_and_stays_in_bounds():
    table = np.array([0.2, -0.5])
    for _ in range(400):
        table = soil.step_water_table(
            table, supply=0.0, potential=0.0, target=np.array([-0.1, 0.05]), is_frozen=0.0
        )
    np.testing.assert_allclose(table, [-0.1, 0.05], atol=1e-3)
    drained = soil.step_water_table(table, supply=0.0, potential=1e4, target=-9, is_frozen=0.0)
    flooded = soil.step_water_table(table, supply=1e5, potential=0.0, target=9, is_frozen=0.0)
    assert drained.min() == -0.5
    assert flooded.max() == 0.3


def test_evapotranspiration_has_known_size_and_needs_no_longwave():
    air, shortwave = np.array([20.0]), np.array([250.0])
    known = soil.potential_evapotranspiration(
        air=air, shortwave=shortwave, longwave=np.array([340.0])
    )
    assert known[0] == pytest.approx(3.53, abs=0.02)  # 116 W m-2 net, 68 % of it, 1.26 times
    guessed = soil.potential_evapotranspiration(air=air, shortwave=shortwave)
    assert guessed[0] == pytest.approx(known[0], rel=0.3)


def test_production_of_plants_is_zero_in_the_cold_and_dark():
    found = soil.net_primary_production(
        air=np.array([-5.0, 20.0, 30.0]), shortwave=np.array([300.0, 0.0, 300.0])
    )
    np.testing.assert_allclose(found, [0, 0, 300 / 420])


def test_soil_that_thaws_or_freezes_gets_no_warmer_or_colder_than_the_air():
    snow = np.zeros(1)
    for heat in (soil.WETLAND_HEAT, soil.UPLAND_HEAT):
        for air in (25.0, -25.0):
            enthalpy = soil.join_heat(np.full((soil.N_LAYERS, 1), -np.sign(air)), heat)
            for _ in range(200):
                enthalpy = soil.step_heat(enthalpy, air=np.array([air]), snow=snow, heat=heat)
                temperature, _ = soil.split_heat(enthalpy, heat)
                assert np.abs(temperature).max() <= abs(air) + 1e-6
