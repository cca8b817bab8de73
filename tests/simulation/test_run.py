import numpy as np
import pytest
from factories_simulation import CLIMATES, make_drivers, make_land, make_traits

from chamnet.errors import InputError, MissingDriverError
from chamnet.simulation.inputs import LONGWAVE, REQUIRED, build_land
from chamnet.simulation.parameters import read_parameters
from chamnet.simulation.run import ProcessModel
from chamnet.units import kg_m2_s_to_nmol_m2_s

N = len(CLIMATES)


def _model(**traits):
    parameters = read_parameters()
    return ProcessModel(make_land(), make_traits(n_places=N, **traits), parameters)


def _simulate(drivers, **kwargs):
    model = ProcessModel(make_land(), make_traits(n_places=N), read_parameters())
    result = model.simulate(drivers, **kwargs)
    taken = result.consumption * result.consumption_factor[:, None].astype(np.float32)
    return result.emission, taken, result.state


def test_fluxes_are_finite_bounded_and_of_the_size_of_their_class():
    emission, consumption, _ = _simulate(make_drivers())
    assert emission.dtype == consumption.dtype == np.float32
    assert emission.min() >= 0
    assert consumption.min() >= 0
    nmol = kg_m2_s_to_nmol_m2_s(emission.astype(float))
    assert nmol.max() < 1000
    lowest, highest = [1, 5, 12, 30, 25], [20, 60, 100, 160, 120]  # within spreads of Delwiche
    assert np.all((nmol.mean(axis=1) > lowest) & (nmol.mean(axis=1) < highest))
    uptake = kg_m2_s_to_nmol_m2_s(consumption.astype(float)).mean(axis=1)
    assert np.all((uptake > 0.1) & (uptake < 1.5))


@pytest.mark.parametrize("n_days", [360, 365, 366])
def test_years_of_any_length_run(n_days):
    drivers = make_drivers(n_days=n_days)
    emission, _, _ = _simulate(drivers, state=_model().initial_state(drivers))
    assert emission.shape == (N, n_days)
    assert np.isfinite(emission).all()


def test_state_carries_over_so_that_parts_make_the_whole():
    drivers = make_drivers()
    model = _model()
    state = model.initial_state(drivers)
    whole = model.simulate(drivers, state=state)
    first = model.simulate({k: v[:, :123] for k, v in drivers.items()}, state=state)
    second = model.simulate({k: v[:, 123:] for k, v in drivers.items()}, state=first.state)
    for name in ("emission", "consumption", "water_table"):
        joined = np.concatenate([getattr(first, name), getattr(second, name)], axis=1)
        np.testing.assert_array_equal(joined, getattr(whole, name))


def test_spin_up_ends_where_the_cycle_repeats():
    drivers = make_drivers()
    model = _model()
    state = model.spin_up(drivers)
    first = model.simulate(drivers, state=state)
    second = model.simulate(drivers, state=first.state)
    np.testing.assert_allclose(second.emission.mean(axis=1), first.emission.mean(axis=1), rtol=0.03)


def test_a_cell_does_not_depend_on_its_neighbors():
    drivers = make_drivers()
    state = _model().initial_state(drivers)
    whole = _model().simulate(drivers, state=state)
    one = {k: v[3:4] for k, v in drivers.items()}
    model = ProcessModel(make_land(classes=("marsh",)), make_traits(n_places=1), read_parameters())
    alone = model.simulate(one, state=model.initial_state(one))
    np.testing.assert_allclose(alone.emission[0], whole.emission[3], rtol=1e-5)
    np.testing.assert_allclose(alone.consumption[0], whole.consumption[3], rtol=1e-5)


def test_columns_of_one_cell_share_its_weather():
    drivers = {k: v[3:4] for k, v in make_drivers().items()}
    land = make_land(classes=("marsh",))
    traits = make_traits(n_places=2)
    traits.substrate[1] = 1.5
    model = ProcessModel(land, traits, read_parameters(), column_cell=np.array([0, 0]))
    found = model.simulate(drivers, state=model.initial_state(drivers))
    assert found.consumption.shape == (1, 365)
    assert found.emission[1].mean() > 1.2 * found.emission[0].mean()


def test_richer_warmer_and_wetter_places_emit_more():
    drivers = make_drivers()
    state = _model().initial_state(drivers)
    mean = {
        name: _model(**change).simulate(drivers, state=state).emission.mean(axis=1)
        for name, change in {
            "none": {},
            "rich": {"substrate": 2.0},
            "wet": {"water_table": 0.05},
            "active": {"activity": 4.0},
        }.items()
    }
    assert np.all(mean["rich"] > 1.3 * mean["none"])
    assert np.all(mean["wet"][:3] > mean["none"][:3])  # where the table lies below the surface
    np.testing.assert_array_equal(mean["active"], mean["none"])
    warm = drivers | {REQUIRED[0]: drivers[REQUIRED[0]] + 3}
    assert np.all(_model().simulate(warm, state=state).emission.mean(axis=1) > mean["none"])


def test_activity_acts_on_consumption_by_its_root():
    drivers = make_drivers(n_days=3)
    model = _model(activity=4.0)
    found = model.simulate(drivers, state=model.initial_state(drivers))
    np.testing.assert_allclose(found.consumption_factor, 2)


def test_frozen_and_flooded_cells_stay_bounded():
    drivers = make_drivers()
    frozen = drivers | {REQUIRED[0]: np.full((N, 365), 240, np.float32)}
    emission, consumption, _ = _simulate(frozen, state=_model().initial_state(frozen))
    assert np.isfinite(emission).all()
    assert emission[:, -1].max() < 1e-9
    assert consumption.max() == 0
    flooded = drivers | {REQUIRED[1]: np.full((N, 365), 5e-3, np.float32)}
    emission, consumption, _ = _simulate(flooded, state=_model().initial_state(flooded))
    assert kg_m2_s_to_nmol_m2_s(emission).max() < 1000
    assert np.isfinite(consumption).all()


def test_longwave_is_optional():
    drivers = make_drivers()
    state = _model().initial_state(drivers)
    with_it, _, _ = _simulate(drivers, state=state)
    without, _, _ = _simulate({k: v for k, v in drivers.items() if k != LONGWAVE}, state=state)
    np.testing.assert_allclose(without.mean(axis=1)[1:], with_it.mean(axis=1)[1:], rtol=0.5)


def test_missing_nan_and_misnamed_drivers_are_refused():
    drivers = make_drivers()
    with pytest.raises(MissingDriverError, match=r"no \['precipitation_flux'\]"):
        _simulate({k: v for k, v in drivers.items() if k != REQUIRED[1]})
    broken = drivers[REQUIRED[2]].copy()
    broken[2, 17] = np.nan
    with pytest.raises(InputError, match=r"shortwave.* is nan in cell 2 on day 17"):
        _simulate(drivers | {REQUIRED[2]: broken})
    with pytest.raises(InputError, match=r"'air_temperature' is .* in cell 0 on day 0, .*180 to"):
        _simulate(drivers | {REQUIRED[0]: drivers[REQUIRED[0]] - 273.15})
    with pytest.raises(InputError, match=r"shape \(5, 300\), expected \(5, 365\)"):
        _simulate(drivers | {REQUIRED[1]: drivers[REQUIRED[1]][:, :300]})


def test_ground_that_cannot_be_is_refused():
    weights = read_parameters().weights_of(["bog"])
    half = np.array([0.5])
    with pytest.raises(InputError, match=r"cell 0: sand 0.5, clay 0.5, silt 0.2"):
        build_land(sand=half, clay=half, silt=np.array([0.2]), class_weights=weights)
    with pytest.raises(InputError, match=r"sand 0.7, clay 0.5, silt -0.2"):
        build_land(sand=np.array([0.7]), clay=half, class_weights=weights)
    with pytest.raises(InputError, match=r"nitrogen of cell 0 is -1 g m-2 yr-1, expected 0 or mor"):
        build_land(sand=half, clay=half / 2, class_weights=weights, nitrogen=-1.0)
    for porosity in (0.0, 1.0, np.nan):
        with pytest.raises(InputError, match=f"porosity of cell 0 is {porosity:g}"):
            build_land(
                sand=half,
                clay=half / 2,
                porosity=np.array([porosity]),
                class_weights=weights,
            )


def test_nitrogen_of_the_ground_lowers_uptake_and_nothing_else():
    drivers, parameters = make_drivers(n_days=200), read_parameters()
    weights = parameters.weights_of(list(CLIMATES))
    share = np.full(N, 0.2)
    fluxes = []
    for nitrogen in (0.0, 10.0):
        land = build_land(sand=2 * share, clay=share, class_weights=weights, nitrogen=nitrogen)
        model = ProcessModel(land, make_traits(n_places=N), parameters)
        fluxes.append(model.simulate(drivers, state=model.initial_state(drivers)))
    without, fertilized = fluxes
    assert without.consumption.max() > 0
    np.testing.assert_allclose(fertilized.consumption, 0.62 * without.consumption, rtol=1e-5)
    np.testing.assert_array_equal(fertilized.emission, without.emission)


def test_traits_of_other_columns_are_refused():
    with pytest.raises(InputError, match="traits of 2 columns, expected 5"):
        ProcessModel(make_land(), make_traits(n_places=2), read_parameters())
