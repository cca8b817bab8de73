import numpy as np
import pytest
import torch

from chamnet.model.encoder import (
    SiteEncoder,
    YearEncoder,
    monthly_weights,
    pool_seasons,
    pool_year,
    response_to_network,
)


def make_encoder(*, seed=0):
    torch.manual_seed(seed)
    return YearEncoder(n_drivers=3, n_hidden=6, n_embedding=5, n_season=4, n_bins=73)


@pytest.mark.parametrize("n_steps", [360, 365, 366])
def test_a_year_of_any_length_becomes_as_many_bins(n_steps):
    drivers = torch.full((2, n_steps, 3), 1.5)
    pooled = pool_year(drivers, torch.full((2, n_steps), torch.nan), n_bins=73)
    assert pooled.shape == (2, 73, 5)
    torch.testing.assert_close(pooled[..., :3], torch.full((2, 73, 3), 1.5))
    assert (pooled[..., 3:] == 0).all()


def test_years_of_360_and_366_days_of_one_curve_agree():
    years = []
    for n_steps in (360, 366):
        fraction = (torch.arange(n_steps) + 0.5) / n_steps
        curve = torch.sin(2 * torch.pi * fraction)
        years.append(pool_year(curve.view(1, -1, 1), curve.view(1, -1), n_bins=73))
    torch.testing.assert_close(years[0], years[1], atol=0.06, rtol=0)


def test_absent_days_are_left_out_of_the_means():
    drivers, response = torch.ones(1, 365, 1), torch.full((1, 365), 3.0)
    drivers[0, 1], response[0, 2:5] = torch.nan, torch.nan
    pooled = pool_year(drivers, response, n_bins=73)
    torch.testing.assert_close(pooled[0, 0], torch.tensor([1.0, 3.0, 0.4]))


def test_the_twelfths_of_the_year_share_out_every_bin():
    weights = monthly_weights(73)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(12))
    torch.testing.assert_close(weights.sum(dim=0) / weights.sum(), torch.full((73,), 1 / 73))


def test_a_response_and_no_response_are_told_apart():
    encoder = make_encoder()
    drivers = torch.randn(1, 365, 3)
    zero = pool_year(drivers, torch.zeros(1, 365), n_bins=73)
    none = pool_year(drivers, torch.full((1, 365), torch.nan), n_bins=73)
    assert not torch.allclose(encoder(zero)[0], encoder(none)[0])


def test_the_season_follows_the_response():
    encoder, pooled = make_encoder(), torch.zeros(1, 73, 5)
    before = encoder(pooled)[1]
    pooled[0, 30:37, -2:] = 1.0  # in June
    change = (encoder(pooled)[1] - before).abs().mean(dim=-1)[0]
    assert change.argmax().item() in (4, 5, 6)


def test_the_order_of_years_matters():
    torch.manual_seed(0)
    encoder, years = SiteEncoder(n_embedding=5), torch.randn(2, 3, 5)
    there = torch.ones(2, 3, dtype=torch.bool)
    (identity, state), (same, other) = encoder(years, there), encoder(years.flip(1), there)
    torch.testing.assert_close(identity, same)
    assert not torch.allclose(state, other)


def test_missing_years_are_never_read():
    torch.manual_seed(0)
    encoder, years = SiteEncoder(n_embedding=5), torch.randn(2, 3, 5)
    mask = torch.tensor([[False, True, True], [True, False, True]])
    poisoned = torch.where(mask.unsqueeze(-1), years, torch.nan)
    for one, other in zip(encoder(years, mask), encoder(poisoned, mask), strict=True):
        torch.testing.assert_close(one, other)
    short = encoder(years[:1, 1:], mask[:1, 1:])
    torch.testing.assert_close(encoder(years, mask)[1][:1], short[1])


def test_without_the_cross_year_state_order_does_not_matter():
    encoder = SiteEncoder(n_embedding=5, cross_year=False)
    years, there = torch.randn(2, 3, 5), torch.ones(2, 3, dtype=torch.bool)
    assert (encoder(years, there)[1] == 0).all()


def test_seasons_of_missing_years_are_never_read():
    seasons, mask = torch.randn(1, 3, 12, 4), torch.tensor([[True, False, True]])
    seasons[0, 1] = torch.nan
    pooled = pool_seasons(seasons, mask)
    torch.testing.assert_close(pooled, pool_seasons(seasons[:, [0, 2]], mask[:, [0, 2]]))


def test_the_drivers_of_a_season_are_averaged_whatever_the_weights():
    seasons, there = torch.randn(1, 3, 12, 4), torch.ones(1, 3, dtype=torch.bool)
    pooled = pool_seasons(seasons, there, n_drivers=2)
    torch.testing.assert_close(pooled[..., :2], seasons[..., :2].mean(dim=1))
    assert not torch.allclose(pooled[..., 2:], seasons[..., 2:].mean(dim=1))


def test_a_month_begins_with_the_means_of_its_drivers_and_response():
    season = make_encoder()(torch.ones(1, 73, 5))[1]
    assert season.shape == (1, 12, 3 + 2 + 4)
    torch.testing.assert_close(season[..., :5], torch.ones(1, 12, 5))


def test_years_of_equal_weight_are_averaged():
    seasons = torch.randn(1, 3, 12, 6)
    seasons[..., -1] = 0.7
    there = torch.ones(1, 3, dtype=torch.bool)
    torch.testing.assert_close(pool_seasons(seasons, there)[..., 2:], seasons.mean(dim=1)[..., 2:])


def test_a_response_counts_for_as_much_of_the_month_as_it_was_measured():
    seasons = torch.zeros(1, 2, 12, 3)
    seasons[0, 0, :, :2] = torch.tensor([4.0, 0.75])
    seasons[0, 1, :, :2] = torch.tensor([8.0, 0.25])
    pooled = pool_seasons(seasons, torch.ones(1, 2, dtype=torch.bool))
    torch.testing.assert_close(pooled[0, :, :2], torch.tensor([5.0, 1.0]).expand(12, 2))


def test_the_response_keeps_its_sign():
    scaled = response_to_network(torch.tensor([-np.e + 1, 0.0, np.e - 1]))
    torch.testing.assert_close(scaled, torch.tensor([-1.0, 0.0, 1.0], dtype=scaled.dtype))
