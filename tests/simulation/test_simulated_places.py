import dataclasses

import numpy as np
import pytest
from factories_simulation import make_place_drivers

from chamnet.errors import InputError, MissingDriverError
from chamnet.simulation.ground import build_soils
from chamnet.simulation.inputs import LONGWAVE, REQUIRED
from chamnet.simulation.parameters import perturb_parameters, read_parameters
from chamnet.simulation.places import Another, simulate_fluxes
from chamnet.simulation.series import (
    build_simulated_windows,
    fill_with_own_cycle,
    shift_climate,
)
from chamnet.simulation.traits import build_traits

LATITUDE = np.array([70.0, 60, 55, 35, 0])
LONGITUDE = np.array([-150.0, 25, 10, -90, -60])


def _simulate(drivers=None, *, target="emission", seed=3, **changed):
    return simulate_fluxes(
        drivers or make_place_drivers(),
        target=target,
        latitude=LATITUDE,
        longitude=LONGITUDE,
        another=Another(seed=seed, **changed),
    )


@pytest.fixture(scope="module")
def emission():
    return _simulate(make_place_drivers(years=(2013,)))


def test_another_run_never_has_the_seed_parameters_or_traits_of_a_truth():
    truth = read_parameters()
    for seed in range(50):
        assert Another(seed=seed).stream(0) >= 2**32  # no seed of a config, which ends before
    other = perturb_parameters(truth, seed=Another(seed=1).stream(0))
    ratio = other.by_class["production_rate"] / truth.by_class["production_rate"]
    assert np.abs(np.log(ratio)).min() > 0.01
    rng = np.random.default_rng(0)
    latitude, longitude = rng.uniform(-60, 75, 200), rng.uniform(-180, 180, 200)
    places = {"latitude": latitude, "longitude": longitude, "predictors": np.zeros((200, 3))}
    true, _ = build_traits(**places, parameters=truth, seed=1)
    ours, _ = build_traits(**places, parameters=truth, seed=Another(seed=1).stream(100))
    correlation = np.corrcoef(np.log(true.substrate), np.log(ours.substrate))[0, 1]
    assert abs(correlation) < 0.4


def test_places_are_the_same_again_and_others_with_another_seed(emission):
    drivers = make_place_drivers(years=(2013,))
    again, other = _simulate(drivers), _simulate(drivers, seed=4)
    np.testing.assert_array_equal(again.flux, emission.flux)
    ratio = other.flux.mean(axis=1) / again.flux.mean(axis=1)
    assert np.abs(np.log(ratio)).min() > 0.01


def test_both_targets_are_positive_and_named_by_class(emission):
    uptake = _simulate(make_place_drivers(years=(2013,)), target="consumption")
    assert emission.flux.shape == (5, 365)
    assert uptake.flux.shape == (5, 365)
    assert emission.flux.min() >= 0
    assert uptake.flux.min() >= 0
    assert set(emission.place_class) <= {"Wet tundra", "Bog", "Fen", "Marsh", "Swamp"}
    assert uptake.place_class[4] in ("tropical forest", "savanna")
    assert emission.flux.mean() > 5 * uptake.flux.mean()


def test_rounds_at_one_place_draw_their_traits_anew():
    drivers = make_place_drivers(years=(2013,)).take(np.array([2, 2, 2]))
    found = simulate_fluxes(
        drivers,
        target="emission",
        latitude=LATITUDE[[2, 2, 2]],
        longitude=LONGITUDE[[2, 2, 2]],
        another=Another(seed=0, trait_strength=2),
        round_of=np.arange(3),
    )
    means = found.flux.mean(axis=1)
    assert np.ptp(means) > 0.05 * means.mean()


def test_gaps_take_the_places_own_cycle_and_their_windows_are_left_out():
    drivers = make_place_drivers()
    values = drivers.values.copy()
    values[1, 0, 40:45] = np.nan
    values[3, 1] = np.nan
    gappy = dataclasses.replace(drivers, values=values)
    found = _simulate(gappy)
    assert np.isfinite(found.flux).all()
    windows = build_simulated_windows(found.flux, gappy)
    assert len(windows) == 5 * 24 - 1 - 12
    assert windows.groupby("place").size().tolist() == [24, 23, 24, 12, 24]
    assert (windows["quality"] == 0).all()
    at = (windows["place"] == 1) & (windows["year"] == 2014) & (windows["month"] == 2)
    expected = found.flux[1, 365 + 59 : 365 + 90].mean()
    assert windows["flux"][at].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("window_days", "n_windows"), [(None, 24), (10, 72), (1, 730)])
def test_windows_of_a_place_hold_every_day_once(window_days, n_windows):
    drivers = make_place_drivers()
    flux = np.random.default_rng(0).random((5, 730))
    windows = build_simulated_windows(flux, drivers, window_days=window_days)
    first = windows[windows["place"] == 0]
    assert len(first) == n_windows
    n_days = first["last"] - first["first"] + 1
    assert n_days.sum() == 730
    assert (first["flux"] * n_days).sum() == pytest.approx(flux[0].sum())


def test_steps_that_no_year_has_lie_between_their_neighbors():
    values = np.arange(10.0, dtype=np.float32).reshape(1, 2, 5)
    values[0, :, 2] = np.nan
    filled = fill_with_own_cycle(values)
    np.testing.assert_allclose(filled[0, :, 2], (1 + 6 + 3 + 8) / 4)
    with pytest.raises(InputError, match="air of simulated place 0 is NaN on every day"):
        fill_with_own_cycle(np.full((1, 2, 5), np.nan), name="air")


def test_a_warmer_place_is_moister_and_keeps_its_other_drivers():
    drivers = make_place_drivers()
    warmer = shift_climate(drivers, shift_k=np.full(5, 2.0))
    names = drivers.driver_names
    change = (warmer.values - drivers.values)[:, :, :365]
    np.testing.assert_allclose(change[..., names.index(REQUIRED[0])], 2, atol=1e-3)
    assert change[..., names.index(LONGWAVE)].min() > 0
    assert np.abs(change[..., names.index(REQUIRED[2])]).max() == 0
    same = shift_climate(drivers, shift_k=np.zeros(5))
    np.testing.assert_allclose(same.values, drivers.values, rtol=1e-6)


def test_what_the_process_model_lacks_is_said():
    drivers = make_place_drivers()
    without = dataclasses.replace(
        drivers, values=drivers.values[..., 1:], driver_names=drivers.driver_names[1:]
    )
    with pytest.raises(MissingDriverError, match=r"lack \['air_temperature'\]"):
        _simulate(without)


def test_attributes_in_another_unit_are_refused():
    generator = np.random.default_rng(0)
    known = build_soils(np.array([[0.3], [np.nan]]), ["clay_fraction"], generator=generator)
    assert known["clay"][0] == pytest.approx(0.3)
    assert 0 <= known["clay"][1] <= 1
    assert np.all(known["sand"] + known["clay"] <= 1)
    with pytest.raises(InputError, match="'clay_fraction' is 30 at a simulated place, expected 0"):
        build_soils(np.array([[30.0]]), ["clay_fraction"], generator=generator)


def test_nitrogen_is_an_attribute_that_is_never_drawn():
    generator = np.random.default_rng(0)
    names = ["clay_fraction", "nitrogen_input"]
    known = build_soils(np.array([[0.3, 8.0], [0.2, np.nan]]), names, generator=generator)
    assert known["nitrogen"].tolist() == [8, 0]
    without = build_soils(np.full((2, 1), 0.2), names[:1], generator=generator)
    assert without["nitrogen"].tolist() == [0, 0]
    with pytest.raises(InputError, match="'nitrogen_input' is 800 at a simulated place, expected"):
        build_soils(np.array([[0.3, 800.0]]), names, generator=generator)


@pytest.mark.slow
def test_nitrogen_lowers_the_uptake_of_simulated_places():
    drivers = make_place_drivers(years=(2013,))
    n_places = len(LATITUDE)
    rich = dataclasses.replace(
        drivers,
        attributes=np.full((n_places, 1), 10, np.float32),
        attribute_names=["nitrogen_input"],
    )
    plain, inhibited = (_simulate(d, target="consumption").flux for d in (drivers, rich))
    np.testing.assert_allclose(inhibited, 0.62 * plain, rtol=1e-5)


def test_ground_that_no_attribute_tells_is_that_of_land_on_average_where_nothing_is_drawn():
    soils = build_soils(np.array([[0.3], [np.nan]]), ["clay_fraction"], generator=None)
    np.testing.assert_allclose(soils["clay"], [0.3, 0.22], rtol=1e-6)
    np.testing.assert_array_equal(soils["phh2o"], [6.0, 6.0])
