"""The history of another place: whose it is changes, and nothing else."""

import numpy as np
from factories_evaluation import make_place_data

from chamnet.evaluation.swapped import swap_histories


def test_every_place_gets_the_windows_of_another_cluster():
    data, _ = make_place_data(n_places=6, n_clusters=3)
    allowed = np.arange(18).reshape(6, 3) % 2 == 0
    swapped, years = swap_histories(data, allowed)
    for place in range(6):
        got = np.sort(swapped.windows.loc[swapped.windows["place"] == place, "flux"])
        donors = [
            other for other in range(6)
            if np.array_equal(
                got, np.sort(data.windows.loc[data.windows["place"] == other, "flux"])
            )
        ]  # fmt: skip
        assert len(donors) == 1
        assert data.cluster[donors[0]] != data.cluster[place]
        np.testing.assert_array_equal(years[place], allowed[donors[0]])
    np.testing.assert_array_equal(swapped.drivers, data.drivers)


def test_a_donor_has_years_before_those_that_are_predicted():
    data, _ = make_place_data(n_places=3)
    is_late = (data.windows["place"] == 1) & (data.windows["year"] < 2013)
    swapped, _ = swap_histories(data.with_windows(~is_late.to_numpy()), np.ones((3, 3), bool))
    of_first = swapped.windows[swapped.windows["place"] == 0]
    assert of_first["year"].min() == 2011


def test_places_of_one_cluster_keep_no_response():
    data, _ = make_place_data(n_places=3, n_clusters=1)
    swapped, allowed = swap_histories(data, np.ones((3, 3), bool))
    assert swapped.windows.empty
    assert not allowed.any()
