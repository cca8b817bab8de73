import dataclasses

import numpy as np
import pytest
from factories_model import make_member, make_place_data, with_prior

from chamnet.errors import CheckpointError, InputError, LeakError
from chamnet.inference.places import choose_context, predict_places
from chamnet.model import places


def scale_responses(data, *, after, by=7.0):
    is_later = data.windows["year"] >= after
    flux = data.windows["flux"].where(~is_later, data.windows["flux"] * by)
    return dataclasses.replace(data, windows=data.windows.assign(flux=flux))


@pytest.fixture(scope="module")
def data():
    return make_place_data(n_places=4, n_years=4)


@pytest.fixture(scope="module")
def member(data):
    return make_member(data=data)


@pytest.mark.parametrize("mode", ["rolling", "few_shot", "frozen", "zero_shot"])
def test_the_response_of_the_target_year_and_later_changes_nothing(member, data, mode):
    everything = np.ones((4, 4), dtype=bool)
    options = {"mode": mode, "years": [2013], "response_years": everything}
    before = predict_places(member, data, **options)
    after = predict_places(member, scale_responses(data, after=2013), **options)
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    ("mode", "reads"), [("rolling", True), ("few_shot", True), ("zero_shot", False)]
)
def test_earlier_responses_are_read_where_the_mode_says_so(member, data, mode, reads):
    before = predict_places(member, data, mode=mode, years=[2013])
    after = predict_places(member, scale_responses(data, after=2012), mode=mode, years=[2013])
    assert np.allclose(before, after, atol=0, equal_nan=True) is not reads


def test_frozen_reads_the_training_years_alone(member, data):
    training = np.zeros((4, 4), dtype=bool)
    training[:, 0] = True
    options = {"mode": "frozen", "years": [2013], "response_years": training}
    before = predict_places(member, data, **options)
    later = predict_places(member, scale_responses(data, after=2012), **options)
    np.testing.assert_array_equal(before, later)
    training_changed = predict_places(member, scale_responses(data, after=2011), **options)
    assert not np.allclose(before, training_changed, atol=0, equal_nan=True)


def test_frozen_without_training_years_is_refused(member, data):
    with pytest.raises(LeakError, match="needs response_years"):
        predict_places(member, data, mode="frozen")


def test_a_context_of_the_target_year_is_refused(member, data, monkeypatch):
    monkeypatch.setattr(places, "choose_context", lambda *_, **__: np.full((4, 2), 3))
    with pytest.raises(LeakError, match="a context of 2013 holds the target year or a later one"):
        predict_places(member, data, mode="rolling", years=[2013])


def test_more_context_than_trained_for_is_refused(member, data):
    with pytest.raises(CheckpointError, match="at most 2 earlier years, asked for 3"):
        predict_places(member, data, mode="rolling", n_context_years=3)


def test_other_drivers_are_refused(member, data):
    renamed = dataclasses.replace(data, driver_names=("tas", *data.driver_names[1:]))
    with pytest.raises(CheckpointError, match=r"found \['tas'"):
        predict_places(member, renamed, mode="rolling")


def test_years_without_drivers_and_days_beyond_the_year_stay_empty(member):
    data = make_place_data(n_places=4, n_years=2)
    data.drivers[1, 0] = np.nan
    flux = predict_places(member, data, mode="zero_shot")
    assert np.isnan(flux[1, 0]).all()
    assert np.isnan(flux[0, 0, 365])
    assert np.isfinite(flux[0, 1, :366]).all()


def test_a_place_is_predicted_the_same_whatever_the_batch(member, data):
    one = predict_places(member, data, mode="rolling", places_per_batch=1)
    all_at_once = predict_places(member, data, mode="rolling")
    np.testing.assert_allclose(one, all_at_once, rtol=1e-4)


def test_the_mean_is_restored_by_the_factor_of_the_mode(data):
    member = make_member(data=data, mean_factors={"rolling": 3.0})
    for mode, factor in (("rolling", 3.0), ("zero_shot", 1.0)):
        raw = predict_places(member, data, mode=mode, restore_mean=False)
        np.testing.assert_allclose(predict_places(member, data, mode=mode), factor * raw, rtol=1e-6)


def test_a_context_prefers_years_with_a_response_then_late_ones():
    there = np.ones((1, 5), dtype=bool)
    respond = np.array([[True, False, False, False, True]])
    assert choose_context(there, respond, target=4, n_years=2).tolist() == [[0, 3]]
    assert choose_context(there, respond, target=1, n_years=3).tolist() == [[-1, -1, 0]]
    assert choose_context(~there, respond, target=4, n_years=2).tolist() == [[-1, -1]]
    assert choose_context(there, respond, target=4, n_years=0).shape == (1, 0)


@pytest.fixture(scope="module")
def reader(data):
    told = with_prior(data)
    return told, make_member(data=told, modes=("prior",))


def test_the_prior_mode_reads_the_prior_flux_and_nothing_that_was_measured(reader):
    told, member = reader
    flux = predict_places(member, told, mode="prior")
    unseen = predict_places(member, scale_responses(told, after=0), mode="prior")
    np.testing.assert_array_equal(flux, unseen)
    other = dataclasses.replace(told, prior_flux=told.prior_flux[::-1])
    assert not np.allclose(
        flux, predict_places(member, other, mode="prior"), atol=0, equal_nan=True
    )


def test_the_prior_mode_reads_the_target_year_too(reader):
    told, member = reader
    flux = told.prior_flux.copy()
    flux[:, -1] *= 3
    changed = dataclasses.replace(told, prior_flux=flux)
    one, other = (predict_places(member, d, mode="prior", years=[2014]) for d in (told, changed))
    assert not np.allclose(one, other, atol=0, equal_nan=True)


@pytest.mark.parametrize("mode", ["zero_shot", "rolling", "few_shot", "frozen"])
def test_a_checkpoint_of_the_prior_mode_refuses_every_other_and_the_other_way_round(
    reader, member, data, mode
):
    told, of_prior = reader
    with pytest.raises(CheckpointError, match=rf"trained for the modes \['prior'\], .*'{mode}'"):
        predict_places(of_prior, data, mode=mode)
    with pytest.raises(CheckpointError, match="asked for 'prior'"):
        predict_places(member, told, mode="prior")


def test_a_mode_and_places_that_do_not_fit_are_refused(reader, member, data):
    told, of_prior = reader
    with pytest.raises(InputError, match="mode 'prior': the places of emission come with no prior"):
        predict_places(of_prior, data, mode="prior")
    with pytest.raises(InputError, match=r"mode 'zero_shot': .* come with a prior flux"):
        predict_places(member, told, mode="zero_shot")
