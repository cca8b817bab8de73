import numpy as np
import pytest
from factories_model import make_place_data

from chamnet.data.normalization import Normalization
from chamnet.training.episodes import EpisodeSource
from chamnet.training.held_out import build_held_out


@pytest.mark.parametrize(("mode", "reads"), [("zero_shot", False), ("rolling", True)])
def test_every_held_out_year_is_an_episode_with_the_context_of_the_mode(mode, reads):
    data = make_place_data(n_places=4, n_years=3)
    source = EpisodeSource.of(data, Normalization.fit(data), n_bins=73, filled_weight=0.0)
    is_held_out = data.windows["place"].isin([1, 3]).to_numpy()
    (episodes,) = build_held_out(data, source, is_held_out, mode, 2)
    assert len(episodes.drivers) == 2 * 3
    assert sorted(episodes.year_mask.sum(dim=1).tolist()) == [1, 1, 2, 2, 3, 3]
    assert bool((episodes.pooled[..., -1] > 0).any()) is reads
    assert (episodes.pooled[:, -1, :, -2:] == 0).all()


def test_nothing_held_out_makes_no_batch():
    data = make_place_data(n_places=2)
    source = EpisodeSource.of(data, Normalization.fit(data), n_bins=73, filled_weight=0.0)
    assert build_held_out(data, source, np.zeros(len(data.windows), dtype=bool), "rolling", 2) == []
