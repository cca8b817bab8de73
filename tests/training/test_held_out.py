import dataclasses

import numpy as np
import pytest
import torch
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


def test_filled_windows_judge_nothing():
    data = make_place_data(n_places=3, n_years=2)
    is_held_out = data.windows["place"].isin([1]).to_numpy()
    quality = np.where(is_held_out, 1, data.windows["quality"])
    data = dataclasses.replace(data, windows=data.windows.assign(quality=quality))
    source = EpisodeSource.of(data, Normalization.fit(data), n_bins=73, filled_weight=0.0)
    assert build_held_out(data, source, is_held_out, "rolling", 2) == []


@pytest.mark.parametrize(("mode", "read"), [("zero_shot", [1, 2]), ("rolling", [0, 2])])
def test_without_a_response_the_latest_years_are_the_context_as_in_prediction(mode, read):
    data = make_place_data(n_places=2, n_years=4)
    year = data.windows["year"] - data.years[0]
    data = data.with_windows((year != 1).to_numpy())  # not measured in its second year
    is_held_out = (data.windows["year"] == data.years[3]).to_numpy()
    source = EpisodeSource.of(data, Normalization.fit(data), n_bins=73, filled_weight=0.0)
    (episodes,) = build_held_out(data, source, is_held_out, mode, 2)
    expected = source.pooled[0, read][..., :-2]
    torch.testing.assert_close(episodes.pooled[0, :2][..., :-2], expected, equal_nan=True)


def test_nothing_held_out_makes_no_batch():
    data = make_place_data(n_places=2)
    source = EpisodeSource.of(data, Normalization.fit(data), n_bins=73, filled_weight=0.0)
    assert build_held_out(data, source, np.zeros(len(data.windows), dtype=bool), "rolling", 2) == []
