"""Protocols: what is held out, and what places with little data come to."""

import dataclasses

import numpy as np
import pytest
from factories_evaluation import make_place_data

from chamnet.data.splits import assign_blocks
from chamnet.errors import ConfigError
from chamnet.evaluation.protocols import PROTOCOLS, folds_of, training_part

SPLIT = {"n_folds": 3, "fold": 0, "fold_seed": 0, "seed": 0, "share": 0.3}


def test_simulated_places_are_tested_on_the_second_half_of_their_years():
    data, _ = make_place_data(n_places=2, years=tuple(range(2001, 2011)), share_measured=0.05)
    split = PROTOCOLS["simulated_temporal"].split(data, **SPLIT)
    years = data.windows["year"].to_numpy()
    assert set(years[split.test]) == set(range(2006, 2011))
    assert set(years[split.train | split.validation]) == set(range(2001, 2006))


def test_simulated_places_of_a_block_stand_on_one_side():
    data, _ = make_place_data(n_places=12, share_measured=0.02)
    near = dataclasses.replace(
        data, latitude=np.repeat([5.0, 25.0, 45.0, 65.0], 3), longitude=np.full(12, 31.0)
    )
    rules = PROTOCOLS["simulated_spatial"]
    prepared = rules.prepare(near)
    split = rules.split(prepared, **SPLIT)
    tested = set(prepared.cluster[np.unique(prepared.windows["place"][split.test])])
    others = set(prepared.cluster[np.unique(prepared.windows["place"][~split.test])])
    assert tested
    assert not tested & others


def test_blocks_are_squares_of_latitude_and_longitude():
    blocks = assign_blocks(np.array([1.0, 9.0, 11.0, 1.0]), np.array([1.0, 9.0, 1.0, -1.0]),
                           block_deg=10.0)  # fmt: skip
    assert blocks[0] == blocks[1]
    assert len(set(blocks)) == 3


def test_a_place_with_one_year_trains_in_time_and_is_not_scored_in_space():
    data, _ = make_place_data(n_places=4)
    is_kept = (data.windows["place"] != 0) | (data.windows["year"] == 2012)
    data = data.with_windows(is_kept.to_numpy())
    temporal = PROTOCOLS["temporal"].split(data, **SPLIT)
    is_first = (data.windows["place"] == 0).to_numpy()
    assert temporal.train[is_first].all()
    assert not PROTOCOLS["spatial"].is_comparable(data)[is_first].any()


def test_folds_balance_measured_windows():
    data, _ = make_place_data(n_places=6)
    assert np.bincount(folds_of(data, n_folds=3, seed=0)).tolist() == [2, 2, 2]


def test_validation_windows_stay_with_their_windows_whatever_their_order():
    data, _ = make_place_data(n_places=4)
    order = np.random.default_rng(0).permutation(len(data.windows))
    mixed = dataclasses.replace(data, windows=data.windows.iloc[order].reset_index(drop=True))
    split = PROTOCOLS["temporal"].split(mixed, **SPLIT)
    part, validation = training_part(mixed, split)
    expected = mixed.windows[split.validation].groupby("place")["year"].first()
    found = part.windows[validation].groupby("place")["year"].unique()
    assert [list(years) for years in found] == [[year] for year in expected]


def test_filled_windows_are_not_measured():
    data, _ = make_place_data(n_places=2)
    filled = dataclasses.replace(data, windows=data.windows.assign(quality=3))
    assert not filled.is_measured.any()


@pytest.mark.parametrize(
    ("protocol", "contexts", "message"),
    [
        ("simulated_spatial", ("rolling",), "which the simulated_spatial protocol needs"),
        ("simulated_temporal", ("rolling",), "needs a place with two measured years"),
    ],
)
def test_a_protocol_that_leaves_nothing_to_score_is_refused(protocol, contexts, message):
    data, _ = make_place_data(n_places=2, years=(2011,))
    with pytest.raises(ConfigError, match=message):
        PROTOCOLS[protocol].check(protocol, data, contexts)
