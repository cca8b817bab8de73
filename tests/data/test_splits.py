"""Splits: no place or year on both sides, folds balanced, all repeatable."""

import numpy as np
import pytest

from chamnet.data import splits
from chamnet.errors import InputError


def make_windows(*, years_of_place, n_days=3):
    place = np.concatenate([np.full(len(y) * n_days, i) for i, y in enumerate(years_of_place)])
    year = np.concatenate([np.repeat(y, n_days) for y in years_of_place])
    return place, year


def test_each_window_has_one_use():
    place, year = make_windows(years_of_place=[[2010, 2011, 2012], [2015], [2011, 2012, -1]])
    split = splits.split_temporal(place, year, seed=3)
    np.testing.assert_array_equal(
        split.train.astype(int) + split.validation + split.test, np.ones(place.size)
    )


def test_test_years_come_after_all_training_years():
    place, year = make_windows(years_of_place=[range(2000, 2015), range(2003, 2006)])
    split = splits.split_temporal(place, year, seed=0)
    for one in (0, 1):
        here = place == one
        learned = year[here & (split.train | split.validation)]
        assert learned.max() < year[here & split.test].min()


@pytest.mark.parametrize(
    ("n_years", "n_test"), [(1, 0), (2, 1), (3, 1), (7, 1), (8, 1), (9, 2), (15, 2), (16, 3)]
)
def test_train_years_end_at_six_sevenths(n_years, n_test):
    place, year = make_windows(years_of_place=[range(2000, 2000 + n_years)], n_days=1)
    assert splits.split_temporal(place, year).test.sum() == n_test


def test_one_training_year_validates_where_there_are_two():
    place, year = make_windows(years_of_place=[[2000, 2001], [2000, 2001, 2002]])
    split = splits.split_temporal(place, year)
    assert not split.validation[place == 0].any()
    assert np.unique(year[split.validation & (place == 1)]).size == 1


def test_the_seed_draws_the_validation_year():
    place, year = make_windows(years_of_place=[range(2000, 2010)])
    drawn = [year[splits.split_temporal(place, year, seed=s).validation][0] for s in range(20)]
    assert len(set(drawn)) > 3
    assert drawn[0] == year[splits.split_temporal(place, year, seed=0).validation][0]


def test_years_without_a_scored_window_do_not_count():
    place, year = make_windows(years_of_place=[[2000, 2001, 2002]], n_days=1)
    split = splits.split_temporal(place, year, has_score=np.array([True, True, False]))
    np.testing.assert_array_equal(split.test, [False, True, True])
    assert splits.split_temporal(place, year, has_score=np.zeros(3, bool)).train.all()


def test_folds_keep_clusters_together():
    cluster = np.array([0, 0, 1, 2, 2, 2, 3, 4])
    fold = splits.assign_folds(cluster, n_folds=3, seed=1)
    for one in range(5):
        assert np.unique(fold[cluster == one]).size == 1
    assert set(fold) == {0, 1, 2}


def test_folds_are_balanced_by_weight():
    generator = np.random.default_rng(0)
    cluster, weight = np.arange(60), generator.uniform(1, 5, 60)
    fold = splits.assign_folds(cluster, n_folds=5, seed=0, weight=weight)
    loads = np.bincount(fold, weights=weight)
    assert np.ptp(loads) < 5


def test_no_fold_is_empty_where_one_cluster_outweighs_the_rest():
    fold = splits.assign_folds(np.arange(4), n_folds=4, seed=0, weight=np.array([1000.0, 1, 0, 0]))
    assert sorted(fold) == [0, 1, 2, 3]


def test_x_methanewet_defect_folds_without_a_seed_they_follow_from_it():
    folds = [splits.assign_folds(np.arange(12), n_folds=4, seed=s) for s in (0, 0, 1)]
    np.testing.assert_array_equal(folds[0], folds[1])
    assert (folds[0] != folds[2]).any()


def test_more_folds_than_clusters_become_as_many_as_clusters(caplog):
    with caplog.at_level("INFO"):
        fold = splits.assign_folds(np.array([5, 5, 9]), n_folds=6, seed=0)
    assert set(fold) == {0, 1}
    assert "6 asked for, 2 clusters" in caplog.text


def test_one_cluster_cannot_be_split():
    with pytest.raises(InputError, match="1 cluster of places, expected at least 2"):
        splits.assign_folds(np.zeros(4, int), n_folds=2, seed=0)


def test_a_spatial_split_never_divides_a_cluster():
    cluster = np.array([0, 0, 1, 2, 3, 3, 4])
    fold_of_place = splits.assign_folds(cluster, n_folds=3, seed=0)
    place = np.repeat(np.arange(7), 4)
    for fold in range(3):
        split = splits.split_spatial(
            place, fold_of_place=fold_of_place, cluster=cluster, fold=fold, seed=2
        )
        uses = split.train * 1 + split.validation * 2 + split.test * 4
        for one in np.unique(cluster):
            assert np.unique(uses[cluster[place] == one]).size == 1
        assert split.train.any()
        assert split.validation.any()
        assert split.test.any()


def test_the_last_cluster_is_not_held_out():
    cluster = np.array([0, 0, 1])
    among = np.array([True, True, False])
    assert not splits.hold_out_clusters(cluster, among=among, share=0.9, seed=0).any()


def test_earlier_years_are_those_that_may_give_a_response():
    place = np.array([0, 0, 0, 1, 2])
    year = np.array([2000, 2001, 2002, 2000, -1])
    gives = np.array([False, True, True, True, True])
    np.testing.assert_array_equal(
        splits.has_earlier_year(place, year, gives_response=gives),
        [False, False, True, False, False],
    )
