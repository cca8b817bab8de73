"""Baselines: each predicts what it says it knows, and nothing of what it must not see."""

import dataclasses

import numpy as np
import pytest
from factories_evaluation import make_place_data

from chamnet import metrics
from chamnet.data.windows import build_window_means
from chamnet.errors import InputError
from chamnet.model.baselines import forest
from chamnet.model.baselines.class_month import ClassMonth
from chamnet.model.baselines.climatology import (
    Climatology,
    predict_from_earlier_years,
    smooth_days,
)
from chamnet.model.baselines.forest import Forest, build_lagged_features
from chamnet.model.baselines.last_year import LastYear
from chamnet.model.baselines.process_model import ProcessModel

SMALL = {
    "climatology": Climatology,
    "last_year": LastYear,
    "class_month": ClassMonth,
    "forest": lambda: Forest(n_trees=8),
}


def split_last_year(data):
    is_last = (data.windows["year"] == data.years[-1]).to_numpy()
    return data.with_windows(~is_last), data.with_windows(is_last)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_a_baseline_has_skill_in_an_unseen_year(name):
    data, _ = make_place_data()
    train, test = split_last_year(data)
    flux = SMALL[name]().fit(train).predict(test)
    assert flux.shape == data.drivers.shape[:3]
    assert metrics.r2(test.windows["flux"], build_window_means(flux, test)) > 0.3


@pytest.mark.parametrize("name", sorted(SMALL))
def test_a_baseline_does_not_look_at_the_windows_it_predicts(name):
    data, _ = make_place_data()
    train, test = split_last_year(data)
    baseline = SMALL[name]().fit(train)
    changed = test.windows.assign(flux=test.windows["flux"] * 7)
    other = dataclasses.replace(test, windows=changed)
    np.testing.assert_array_equal(baseline.predict(test), baseline.predict(other))


@pytest.mark.parametrize("name", sorted(SMALL))
def test_a_baseline_repeats_its_bits(name):
    train, test = split_last_year(make_place_data()[0])
    one, two = (SMALL[name]().fit(train).predict(test) for _ in range(2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", ["class_month", "forest"])
def test_monthly_means_of_an_unknown_year_train_too(name):
    data, _ = make_place_data(windows="monthly", share_measured=0.8, noise=0.0)
    predicted = SMALL[name]().fit(data).predict(data)
    scored = build_window_means(predicted, data)
    assert metrics.r2(data.windows["flux"], scored) > 0.5


def test_a_forest_learns_from_simulated_windows_too():
    data, _ = make_place_data()
    is_early = (data.windows["year"] == 2011).to_numpy()
    parts = data.with_windows(is_early), data.with_windows(~is_early)
    both = SMALL["forest"]().fit(*parts).predict(data)
    assert np.nanstd(both - SMALL["forest"]().fit(parts[0]).predict(data)) > 0


def test_climatology_of_a_repeated_season_is_that_season():
    data, _ = make_place_data(noise=0.0, share_measured=1.0)
    same = dataclasses.replace(data, drivers=np.repeat(data.drivers[:, :1], 3, axis=1))
    curve = Climatology(smoothing_days=1).fit(same).predict(same)
    first = data.with_windows((data.windows["year"] == 2011).to_numpy())
    only_first = Climatology(smoothing_days=1).fit(first).predict(first)
    assert np.isfinite(curve[:, 0, :365]).all()
    expected = build_window_means(only_first, first)
    assert metrics.r2(first.windows["flux"], expected) > 0.99


def test_climatology_picks_more_smoothing_where_days_are_noise():
    rough = Climatology().fit(make_place_data(noise=3.0)[0]).curves["P00"]
    fine = Climatology().fit(make_place_data(noise=0.0)[0]).curves["P00"]
    assert np.abs(np.diff(rough)).mean() / rough.mean() < 0.05
    assert np.isfinite(fine).all()


def test_smoothing_keeps_a_constant_and_crosses_the_turn_of_the_year():
    days = np.full((1, 2, 366), np.nan)
    days[0, :, 350:] = 3.0
    np.testing.assert_allclose(smooth_days(days, 10.0), 3.0)
    days[0, :, 180] = 0.0
    smoothed = smooth_days(days, 10.0)[0]
    assert smoothed[2] > 2.9
    assert smoothed[180] < 0.1


def test_a_place_without_a_measured_day_has_no_curve_of_its_own():
    data, _ = make_place_data(n_places=3)
    train = data.with_windows((data.windows["place"] != 2).to_numpy())
    fitted = Climatology(smoothing_days=10).fit(train)
    assert set(fitted.curves) == {"P00", "P01"}
    mean = (fitted.predict(data)[0] + fitted.predict(data)[1]) / 2
    np.testing.assert_allclose(fitted.predict(data)[2], mean)


def test_climatology_of_nothing_predicts_nothing():
    data, _ = make_place_data(n_places=2)
    none = data.with_windows(np.zeros(len(data.windows), bool))
    assert np.isnan(Climatology(smoothing_days=10).fit(none).predict(data)).all()


def test_one_training_year_gives_a_climatology_too():
    data, _ = make_place_data(years=(2011,))
    assert np.isfinite(Climatology().fit(data).predict(data)[:, 0, :365]).all()


def test_climatology_from_earlier_years_has_no_first_year_and_no_own_year():
    data, _ = make_place_data()
    flux = predict_from_earlier_years(data)
    assert np.isnan(flux[:, 0]).all()
    is_last = (data.windows["year"] == 2013).to_numpy()
    changed = data.windows.assign(flux=np.where(is_last, 9.0, data.windows["flux"]))
    other = predict_from_earlier_years(dataclasses.replace(data, windows=changed))
    np.testing.assert_array_equal(flux, other)


def test_last_year_repeats_the_year_before():
    data, flux = make_place_data(share_measured=1.0, noise=0.0)
    predicted = LastYear().fit(data).predict(data)
    assert np.isnan(predicted[:, 0]).all()
    np.testing.assert_allclose(predicted[:, 2, :365], flux[:, 1, :365])


def test_last_year_knows_only_places_it_was_fitted_on():
    data, _ = make_place_data()
    fitted = LastYear().fit(data.select_places(np.array([0, 1])))
    assert np.isnan(fitted.predict(data)[2:]).all()


def test_an_unknown_class_gets_the_mean_of_the_month():
    data, _ = make_place_data(n_places=4)
    fitted = ClassMonth().fit(data)
    other = dataclasses.replace(data, place_class=np.array(["bog", "fen", "lake", "bog"]))
    flux = fitted.predict(other)[:, 0, 100]
    assert flux[2] == pytest.approx((flux[0] + flux[1]) / 2)


def test_lagged_means_reach_into_the_year_before_but_not_over_a_gap():
    data, _ = make_place_data(years=(2011, 2012, 2014))
    features = build_lagged_features(data, (1, 30))
    temperature = data.drivers[..., 0]
    expected = np.concatenate([temperature[0, 0, 336:365], temperature[0, 1, :1]]).mean()
    assert features[0, 1, 0, 2] == pytest.approx(expected, rel=1e-5)
    assert features[0, 2, 0, 2] == pytest.approx(temperature[0, 2, 0], rel=1e-6)


def test_a_forest_predicts_nothing_without_drivers():
    data, _ = make_place_data()
    missing = data.drivers.copy()
    missing[1, 1] = np.nan
    flux = Forest(n_trees=4).fit(data).predict(dataclasses.replace(data, drivers=missing))
    assert np.isnan(flux[1, 1]).all()
    assert np.isfinite(flux[0, 1]).all()


@pytest.mark.parametrize(("most", "drawn"), [(40, 40), (10**6, None)])
def test_a_tree_draws_no_more_windows_than_it_may(monkeypatch, most, drawn):
    monkeypatch.setattr(forest, "MOST_WINDOWS", most)
    data, _ = make_place_data()
    train, test = split_last_year(data)
    fitted = Forest(n_trees=8).fit(train)
    assert fitted._forest.max_samples == drawn
    assert np.isfinite(build_window_means(fitted.predict(test), test)).all()


def test_a_forest_predicts_the_same_however_many_places_at_once(monkeypatch):
    data, _ = make_place_data(n_places=5)
    fitted = Forest(n_trees=4).fit(data)
    whole = fitted.predict(data)
    monkeypatch.setattr(forest, "PLACES_AT_ONCE", 2)
    np.testing.assert_array_equal(fitted.predict(data), whole)


def test_a_forest_must_be_fitted_first():
    with pytest.raises(RuntimeError, match=r"before Forest\.fit"):
        Forest().predict(make_place_data()[0])


def test_the_process_model_keeps_its_season_and_takes_the_level_that_was_measured():
    data, flux = make_place_data(noise=0.0)
    modelled = dataclasses.replace(data, prior_flux=5 * flux)
    np.testing.assert_allclose(ProcessModel().fit(modelled).predict(modelled), flux, rtol=1e-6)
    with pytest.raises(InputError, match="emission: no prior flux at the places"):
        ProcessModel().fit(data)
    with pytest.raises(InputError, match=r"measured and prior .* to .* and 0, expected both"):
        ProcessModel().fit(dataclasses.replace(data, prior_flux=0 * flux))
