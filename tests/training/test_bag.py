import numpy as np
import pytest
from factories_model import make_place_data, with_prior

from chamnet.errors import InputError
from chamnet.training.bag import draw_bag, join_places


@pytest.mark.parametrize("seed", range(5))
def test_a_bag_holds_whole_clusters_and_leaves_some_out(seed):
    cluster = np.array([0, 0, 1, 2, 2, 3, 4, 5])
    bag = draw_bag(cluster, seed=seed, validation_share=0.2)
    for name in range(6):
        assert len(np.unique(bag.n_times[cluster == name])) == 1
        assert len(np.unique(bag.is_validation[cluster == name])) == 1
    assert (bag.n_times == 0).any()
    assert bag.is_validation.any()
    assert not (bag.is_validation & (bag.n_times > 0)).any()


def test_too_few_clusters_are_refused():
    with pytest.raises(InputError, match="2 clusters of places, expected at least 3"):
        draw_bag(np.array([0, 0, 1]), seed=0, validation_share=0.2)


def test_joined_places_keep_their_windows_and_say_which_are_held_out():
    data = make_place_data(n_places=5)
    both, is_held_out = join_places(
        data.select_places(np.array([1, 1])), data.select_places(np.array([4]))
    )
    assert both.place.tolist() == ["XX-001", "XX-001", "XX-004"]
    assert (both.windows.loc[is_held_out, "place"] == 2).all()
    n_own = data.windows.groupby("place").size()
    assert both.windows.groupby("place").size().tolist() == [n_own[1], n_own[1], n_own[4]]


def test_joined_places_keep_their_prior_flux():
    data = with_prior(make_place_data(n_places=4))
    one, other = data.select_places(np.array([0, 1])), data.select_places(np.array([3]))
    joined, _ = join_places(one, other)
    np.testing.assert_array_equal(joined.prior_flux, data.prior_flux[[0, 1, 3]])
