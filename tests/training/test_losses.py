import math

import pytest
import torch

from chamnet.training.losses import contrastive_loss, masked_flux_loss, window_means


def test_window_means_are_means_of_the_days():
    flux = torch.rand(2, 20)
    first, last = torch.tensor([[0, 5], [3, 19]]), torch.tensor([[0, 9], [12, 19]])
    means = window_means(flux, first, last)
    expected = [[flux[0, 0], flux[0, 5:10].mean()], [flux[1, 3:13].mean(), flux[1, 19]]]
    torch.testing.assert_close(means, torch.tensor(expected))


@pytest.mark.parametrize("log_weight", [0.0, 0.5, 1.0])
def test_masked_windows_change_neither_loss_nor_gradient(log_weight):
    predicted = torch.tensor([[1.0, 2.0, 9.0, 4.0]], requires_grad=True)
    observed = torch.tensor([[0.5, 2.5, torch.nan, 1.0]])
    weight = torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    loss = masked_flux_loss(predicted, observed, weight, log_weight=log_weight)
    short = masked_flux_loss(
        predicted[:, :2], observed[:, :2], weight[:, :2], log_weight=log_weight
    )
    torch.testing.assert_close(loss, short)
    loss.backward()
    assert predicted.grad.isfinite().all()
    assert (predicted.grad[0, 2:] == 0).all()
    assert (predicted.grad[0, :2] != 0).all()


def test_known_losses():
    predicted, observed = torch.tensor([[math.e - 1, 3.0]]), torch.tensor([[0.0, 3.0]])
    weight = torch.tensor([[1.0, 3.0]])
    in_log = masked_flux_loss(predicted, observed, weight, log_weight=1.0)
    assert in_log.item() == pytest.approx(1 / 4)
    huber = masked_flux_loss(predicted, observed, weight, log_weight=0.0)
    assert huber.item() == pytest.approx((math.e - 1.5) / 4)


def test_a_batch_without_an_observation_costs_nothing():
    predicted = torch.rand(2, 3, requires_grad=True)
    nothing = torch.full((2, 3), torch.nan)
    loss = masked_flux_loss(predicted, nothing, torch.zeros(2, 3), log_weight=0.5)
    loss.backward()
    assert loss.item() == 0
    assert (predicted.grad == 0).all()


def make_pairs(*, same):
    """Projected embeddings of 4 places, 2 years; of one place alike or not."""
    torch.manual_seed(0)
    one = torch.eye(4)
    other = one if same else one.roll(1, dims=0)
    return torch.stack([one, other], dim=1)


def contrast(projected, *, mask=None, distance=None):
    mask = torch.ones(4, 2, dtype=torch.bool) if mask is None else mask
    distance = 10 * (1 - torch.eye(4)) if distance is None else distance
    return contrastive_loss(projected, mask, distance, temperature=0.2, near_deg=1.0).item()


def test_years_of_one_place_attract():
    assert contrast(make_pairs(same=True)) < 0.1 < 1 < contrast(make_pairs(same=False))


def test_near_places_are_no_negatives():
    alike = torch.ones(4, 2, 3)
    assert contrast(alike) == pytest.approx(math.log(4))
    assert contrast(alike, distance=torch.zeros(4, 4)) == pytest.approx(0, abs=1e-6)


def test_places_with_one_year_have_no_part():
    mask = torch.tensor([[True, True], [True, True], [True, False], [False, True]])
    projected = torch.ones(4, 2, 3)
    assert contrast(projected, mask=mask) == pytest.approx(math.log(2))
    assert contrast(projected, mask=torch.zeros(4, 2, dtype=torch.bool)) == 0
