import dataclasses

import pytest
import torch
from factories_model import make_place_data, make_train_config, with_prior

from chamnet.data.normalization import Normalization
from chamnet.errors import InputError, LeakError
from chamnet.training.episodes import EpisodeSource, check_no_leak


def make_source(data=None, **options):
    data = make_place_data() if data is None else data
    options = {"n_bins": 73, "filled_weight": 0.2} | options
    return EpisodeSource.of(data, Normalization.fit(data), **options)


def draw(source, *, seed=0, **changes):
    return source.draw(torch.Generator().manual_seed(seed), make_train_config(**changes))


def test_the_response_of_the_target_year_never_enters_a_context():
    source = make_source(make_place_data(n_places=1, n_years=4))
    pooled = source.pooled.clone()
    pooled[..., -2] = torch.arange(4.0).view(1, 4, 1) + 1  # a response that names its year
    source = dataclasses.replace(source, pooled=pooled)
    for seed in range(20):
        episodes = draw(source, seed=seed, batch_places=8, response_dropout=0.0)
        targets = (episodes.observed.unsqueeze(1) - source.observed).abs().sum(-1).argmin(1)
        response = episodes.pooled[..., -2].amax(dim=-1)  # (B, Y)
        assert not (response == targets.unsqueeze(1) + 1).any()
        assert (response[:, -1] == 0).all()


def test_a_context_with_the_response_of_its_target_year_is_refused():
    years, targets = torch.tensor([[0, 2]]), torch.tensor([2])
    check_no_leak(years, targets, torch.tensor([[True, False]]))
    with pytest.raises(LeakError, match="holds the response of its target year"):
        check_no_leak(years, targets, torch.tensor([[True, True]]))
    source = make_source()
    everything = torch.zeros(1, 2, dtype=torch.long), torch.full((1, 2), 99)
    with pytest.raises(LeakError, match="episode 0"):
        source.build(torch.tensor([0]), targets, years, *everything)


def test_one_generator_draws_the_same_episodes():
    source = make_source()
    for one, other in zip(draw(source), draw(source), strict=True):
        torch.testing.assert_close(one, other, equal_nan=True)


def test_contexts_are_in_the_order_of_years_with_missing_ones_first():
    source = make_source(make_place_data(n_places=4, n_years=5))
    generator = torch.Generator().manual_seed(0)
    options = make_train_config(n_context_years=3, year_dropout=0.5)
    places = torch.arange(4)
    for _ in range(20):
        targets = torch.randint(0, 5, (4,), generator=generator)
        years = source._draw_context(places, targets, generator, options)
        assert (years.diff(dim=1)[years[:, 1:] > 0] > 0).all()
        assert not (years == targets.unsqueeze(1)).any()


def test_some_episodes_have_no_response_and_some_no_earlier_year():
    episodes = draw(make_source(), batch_places=64, response_dropout=0.5, year_dropout=0.5)
    has_response = (episodes.pooled[..., -1] > 0).any(dim=-1).any(dim=-1)
    n_years = episodes.year_mask.sum(dim=1)
    assert 0 < has_response.sum() < 64
    assert n_years.min() == 1
    assert n_years.max() == 3
    assert episodes.year_mask[:, -1].all()


def test_more_context_years_than_years_are_left_empty():
    source = make_source(make_place_data(n_places=3, n_years=2))
    assert draw(source, n_context_years=6).year_mask.shape == (4, 7)


def test_no_context_years_at_all_are_possible():
    assert draw(make_source(), n_context_years=0).year_mask.shape == (4, 1)


def test_long_records_do_not_rule():
    data = make_place_data(n_places=2, n_years=4)
    is_short = (data.windows["place"] == 0) & (data.windows["year"] > 2011)
    source = make_source(data.with_windows(~is_short.to_numpy()))
    share = torch.cat(
        [
            draw(source, seed=s, batch_places=50, attribute_dropout=0.0).attributes[:, 0]
            for s in range(10)
        ]
    )
    is_first = (share == source.attributes[0, 0]).float().mean()
    assert is_first == pytest.approx(1 / 3, abs=0.06)  # roots of 1 and 4 years


def test_windows_of_an_unknown_year_train_in_every_year_without_a_response():
    source = make_source(make_place_data(monthly=True, unknown_years=True))
    assert ((source.weight > 0).sum(dim=-1) == 4 * 12).all()
    assert (source.pooled[..., -2:] == 0).all()


def test_filled_days_weigh_less():
    data = make_place_data(n_places=2)
    windows = data.windows.assign(quality=(data.windows["place"] == 1).astype(int))
    windows.loc[:9, "quality"] = 1
    source = make_source(dataclasses.replace(data, windows=windows))
    assert sorted(source.weight.unique().tolist()) == pytest.approx([0.0, 0.2, 1.0])


def test_places_without_windows_in_their_years_are_refused():
    data = make_place_data(n_places=2)
    elsewhere = dataclasses.replace(data, windows=data.windows.assign(year=1999))
    with pytest.raises(InputError, match="no window lies in a year with drivers"):
        EpisodeSource.of(elsewhere, Normalization.fit(data), n_bins=73, filled_weight=0.2)


def test_a_network_without_responses_is_given_none():
    assert (make_source(has_response=False).pooled[..., -2:] == 0).all()


def test_distances_are_great_circles():
    data = dataclasses.replace(
        make_place_data(n_places=2),
        latitude=[0.0, 0.0],
        longitude=[-179.0, 179.0],
    )
    distance = make_source(data).distance_deg
    torch.testing.assert_close(distance, torch.tensor([[0.0, 2.0], [2.0, 0.0]]).double())


def test_hidden_attributes_are_read_as_their_means():
    whole, bare = (draw(make_source(), attribute_dropout=p)._asdict() for p in (0.0, 1.0))
    assert (bare.pop("attributes") == 0).all()
    assert (whole.pop("attributes") != 0).any()
    torch.testing.assert_close(bare, whole, equal_nan=True)


def test_a_prior_flux_is_told_of_every_year_always_and_nothing_measured_is():
    data = with_prior(make_place_data())
    episodes = draw(make_source(data), batch_places=8, response_dropout=0.9)
    share = episodes.pooled[..., -1][episodes.year_mask]
    assert (share == 1).all()  # of the target year too, which is last
    seven = dataclasses.replace(data, windows=data.windows.assign(flux=7 * data.windows["flux"]))
    scale = Normalization.fit(data)
    one, other = (
        EpisodeSource.of(d, scale, n_bins=73, filled_weight=0.2).pooled for d in (data, seven)
    )
    torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


def test_a_prior_flux_is_read_by_its_own_scale():
    data = with_prior(make_place_data())
    tenfold = dataclasses.replace(data, prior_flux=10 * data.prior_flux)
    torch.testing.assert_close(
        make_source(data).pooled, make_source(tenfold).pooled, rtol=1e-5, atol=1e-6, equal_nan=True
    )


@pytest.mark.parametrize("n_bins", [12, 73, 365])
def test_a_partial_response_is_of_one_to_six_months_whatever_the_width_of_a_bin(n_bins):
    source = make_source(n_bins=n_bins)
    changes = {"batch_places": 8, "response_dropout": 0.0, "year_dropout": 0.0}
    shares = []
    for seed in range(60):
        episodes = draw(source, seed=seed, **changes)
        has_response = episodes.pooled[:, :-1, :, -1] > 0  # (B, K, bins)
        is_partial = has_response.any(dim=-1).sum(dim=1) == 1
        is_partial &= episodes.year_mask.all(dim=1)
        shares += has_response[is_partial, -1].float().mean(dim=-1).tolist()
    assert len(shares) > 20
    assert 1 / n_bins <= min(shares)
    assert 0.2 < max(shares) < 0.6


def test_windows_that_all_count_nothing_are_refused():
    data = make_place_data(n_places=2)
    filled = dataclasses.replace(data, windows=data.windows.assign(quality=1))
    source = EpisodeSource.of(filled, Normalization.fit(data), n_bins=73, filled_weight=0.0)
    with pytest.raises(InputError, match=r"measured, and train\.filled_weight is 0"):
        draw(source)
