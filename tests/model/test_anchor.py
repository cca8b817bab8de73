import pytest
import torch

from chamnet.model.anchor import HIGHEST_LOG_DEPARTURE, SeasonalAnchor, build_kernel
from chamnet.timeaxis import year_fraction

CYCLE = 2 + torch.sin(2 * torch.pi * (torch.arange(12) + 0.5) / 12)


def make_fraction(n_steps=365):
    return torch.tensor(year_fraction(n_steps), dtype=torch.float32).expand(1, n_steps)


def anchor_flux(flux, *, response, coverage, doubt=0.5, told=None):
    anchor = SeasonalAnchor(n_hidden=4)
    anchor.log_doubt.data.fill_(torch.tensor(doubt).log())
    fraction = make_fraction(flux.shape[1])
    states = torch.randn(1, flux.shape[1], 4)
    return anchor(flux, states, response[None], coverage[None], fraction, told=told).detach()


def monthly_means(daily):
    return torch.stack([part.mean() for part in daily[0].tensor_split(12)])


def test_without_a_response_the_flux_is_the_networks_own():
    flux = torch.rand(1, 365) + 0.1
    found = anchor_flux(flux, response=torch.zeros(12), coverage=torch.zeros(12))
    assert torch.equal(found, flux)


@pytest.mark.parametrize("n_steps", [360, 365, 366])
def test_many_years_of_response_give_the_measured_cycle(n_steps):
    flux = torch.full((1, n_steps), 9.0)
    found = anchor_flux(flux, response=CYCLE, coverage=torch.full((12,), 1e4))
    torch.testing.assert_close(monthly_means(found), CYCLE, atol=0.06, rtol=0)


def test_the_more_was_measured_the_more_it_counts():
    flux = torch.ones(1, 365)
    at = [
        anchor_flux(flux, response=CYCLE, coverage=torch.full((12,), n)) for n in (0.1, 1.0, 10.0)
    ]
    errors = [float((monthly_means(found) - CYCLE).abs().mean()) for found in at]
    assert errors == sorted(errors, reverse=True)


def test_a_few_months_set_the_level_of_the_others():
    coverage = torch.zeros(12)
    coverage[5:7] = 3.0
    flux = torch.ones(1, 365)
    found = anchor_flux(flux, response=torch.full((12,), 0.1), coverage=coverage)
    assert float(found[0, :30].mean()) == pytest.approx(0.1, abs=0.08)


def test_what_is_told_of_the_days_is_the_base_where_it_is_known():
    flux, told = torch.full((1, 365), 9.0), torch.rand(1, 365)
    told[:, 200:] = torch.nan
    nothing = {"response": torch.zeros(12), "coverage": torch.zeros(12)}
    found = anchor_flux(flux, **nothing, doubt=1e-6, told=told)
    torch.testing.assert_close(found[:, :200], told[:, :200], atol=1e-4, rtol=0)
    assert torch.isfinite(found).all()
    doubted = anchor_flux(flux, **nothing, doubt=1e6, told=told)
    torch.testing.assert_close(doubted, flux, rtol=1e-3, atol=0)


def test_the_weather_moves_what_is_told_and_not_its_mean():
    anchor = SeasonalAnchor(n_hidden=4)
    anchor.log_doubt.data.fill_(-20.0)
    torch.nn.init.normal_(anchor.to_departure.weight)
    states, told = torch.randn(1, 365, 4), torch.rand(1, 365) + 0.5
    nothing = torch.zeros(1, 12), torch.zeros(1, 12)
    found = anchor(told, states, *nothing, make_fraction(), told=told).detach()
    assert not torch.allclose(found, told, rtol=0.05)
    torch.testing.assert_close(found.mean(), told.mean(), rtol=1e-4, atol=0)


def test_the_weather_moves_a_measured_cycle_within_its_bounds():
    anchor = SeasonalAnchor(n_hidden=4)
    anchor.to_departure.weight.data.fill_(50.0)
    states = torch.ones(1, 365, 4)
    response, coverage = torch.ones(1, 12), torch.full((1, 12), 1e4)
    found = anchor(torch.ones(1, 365), states, response, coverage, make_fraction())
    highest = torch.tensor(HIGHEST_LOG_DEPARTURE).exp()
    torch.testing.assert_close(found, highest.expand(1, 365), rtol=1e-3, atol=0)


def test_an_uptake_measured_by_a_tower_gives_no_negative_flux():
    found = anchor_flux(
        torch.ones(1, 365), response=torch.full((12,), -0.3), coverage=torch.ones(12)
    )
    assert (found >= 0).all()


def test_every_day_is_told_by_the_months_nearest_to_it():
    kernel = build_kernel(make_fraction())[0]
    assert kernel[15].argmax() == 0
    assert kernel[-1].argmax() == 11
    assert float(kernel.sum(dim=1).std()) < 2e-3
