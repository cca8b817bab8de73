import dataclasses

import numpy as np
import pytest
from factories_model import make_member, make_place_data, with_prior

from chamnet.model.places import predict_places
from chamnet.training.doubt import FACTORS, fit_doubt_factor

DATA = make_place_data(n_places=12, n_years=4)
LAST_YEAR = (DATA.windows["year"] == DATA.years[-1]).to_numpy()


def fit(member, data=DATA, *, is_held_out=LAST_YEAR, mode="rolling"):
    return fit_doubt_factor(member, data, is_held_out, mode=mode, log_weight=0.6)


def with_last_year_of(member, *, doubt_factor):
    """The data, its last year as the member says it with that factor."""
    options = {"mode": "rolling", "restore_mean": False, "doubt_factor": doubt_factor}
    flux = predict_places(member, DATA, **options)
    windows = DATA.windows.copy()
    days = windows.loc[LAST_YEAR, ["place", "first"]].to_numpy()
    windows.loc[LAST_YEAR, "flux"] = flux[days[:, 0], -1, days[:, 1]]
    return dataclasses.replace(DATA, windows=windows)


@pytest.mark.parametrize("factor", FACTORS)
def test_the_factor_is_that_with_which_held_out_windows_are_told(factor):
    member = make_member(data=DATA)
    found = fit(member, with_last_year_of(member, doubt_factor=float(factor)))
    assert found == pytest.approx(factor ** (12 / 13))  # of twelve clusters, which agree


def test_few_clusters_say_little():
    member = make_member(data=DATA)
    data = with_last_year_of(member, doubt_factor=16.0)
    one, two = (fit(member, dataclasses.replace(data, cluster=np.arange(12) % n)) for n in (1, 2))
    assert 1 < one < two == pytest.approx(16 ** (2 / 3))


def test_nothing_held_out_no_past_and_no_anchor_leave_the_doubt_as_it_was_learned():
    member = make_member(data=DATA)
    assert fit(member, is_held_out=np.zeros(len(DATA.windows), dtype=bool)) == 1.0
    assert fit(member, mode="zero_shot") == 1.0
    assert fit(make_member(data=DATA, anchor=False)) == 1.0


def test_first_years_which_have_no_past_leave_it_too():
    first_year = (DATA.windows["year"] == DATA.years[0]).to_numpy()
    assert fit(make_member(data=DATA), is_held_out=first_year) == 1.0


def test_filled_windows_do_not_count():
    member = make_member(data=DATA)
    filled = with_last_year_of(member, doubt_factor=64.0).windows.assign(quality=1)
    assert fit(member, dataclasses.replace(DATA, windows=filled)) == 1.0


def test_the_more_doubt_the_less_the_measured_cycle_counts():
    member = make_member(data=DATA)
    alone = predict_places(member, DATA, mode="zero_shot", restore_mean=False)[:, -1, :365]
    away = []
    for factor in (0.25, 4.0, 64.0):
        member.doubt_factors["rolling"] = factor
        flux = predict_places(member, DATA, mode="rolling", restore_mean=False)[:, -1, :365]
        away.append(np.abs(flux - alone).mean())
    assert away == sorted(away, reverse=True)


def test_the_doubt_in_a_prior_flux_is_fitted_on_places_that_were_left_out():
    told = with_prior(make_place_data(n_places=6, n_years=3, monthly=True))
    member = make_member(data=told, modes=("prior",))
    everything = np.ones(len(told.windows), dtype=bool)
    factor = fit_doubt_factor(member, told, everything, mode="prior", log_weight=0.6)
    assert factor > 0
    assert factor != 1
