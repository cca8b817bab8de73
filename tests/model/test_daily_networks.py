"""Baselines that learn: each stands where CHAM-net stands, and reads what it says it reads."""

import pytest
import torch

from chamnet.evaluation.learned import NETWORKS
from chamnet.model.baselines.daily import DailyNetwork

D, A, B, K = 3, 2, 4, 2
NAMES = sorted(NETWORKS)


def make_network(name, *, n_attributes=A):
    torch.manual_seed(0)
    network = NETWORKS[name](n_drivers=D, n_attributes=n_attributes, n_hidden=8, dropout=0.0)
    return network.eval()


def make_inputs(network, *, n_days=366, n_attributes=A, seed=0):
    generator = torch.Generator().manual_seed(seed)
    pooled = torch.randn(B, K, network.n_bins, D + 2, generator=generator)
    pooled[..., -1] = pooled[..., -1].sigmoid()
    drivers = torch.randn(B, 366, D, generator=generator)[:, :n_days]
    attributes = torch.randn(B, n_attributes, generator=generator)
    fraction = ((torch.arange(n_days) + 0.5) / n_days).expand(B, n_days)
    return pooled, torch.ones(B, K, dtype=torch.bool), drivers, attributes, fraction


@torch.no_grad()
def predict(network, *inputs):
    return network(*inputs)[0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n_days", [360, 365, 366])
def test_a_network_gives_a_flux_above_0_on_every_day(name, n_days):
    network = make_network(name)
    flux = predict(network, *make_inputs(network, n_days=n_days))
    assert flux.shape == (B, n_days)
    assert (flux > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_days_behind_the_end_of_a_short_year_change_nothing(name):
    network = make_network(name)
    pooled, mask, drivers, attributes, fraction = make_inputs(network, n_days=365)
    short = predict(network, pooled, mask, drivers, attributes, fraction)
    absent = torch.full((B, 1, D), torch.nan)
    padded = predict(
        network, pooled, mask, torch.cat([drivers, absent], dim=1), attributes,
        torch.cat([fraction, torch.ones(B, 1)], dim=1),
    )  # fmt: skip
    torch.testing.assert_close(padded[:, :365], short)


@pytest.mark.parametrize("name", NAMES)
def test_a_prediction_does_not_depend_on_who_else_is_in_the_batch(name):
    network = make_network(name)
    inputs = make_inputs(network)
    alone = predict(network, *(part[1:2] for part in inputs))
    torch.testing.assert_close(alone, predict(network, *inputs)[1:2])


@pytest.mark.parametrize("name", NAMES)
def test_only_networks_that_say_so_read_the_history(name):
    network = make_network(name)
    pooled, *rest = make_inputs(network)
    response = pooled.clone()
    response[..., -2] += 3.0
    is_moved = not torch.equal(predict(network, pooled, *rest), predict(network, response, *rest))
    assert is_moved == network.reads_history


@pytest.mark.parametrize("name", NAMES)
def test_a_network_does_without_attributes(name):
    network = make_network(name, n_attributes=0)
    assert torch.isfinite(predict(network, *make_inputs(network, n_attributes=0))).all()


@pytest.mark.parametrize("name", ["lstm", "lstm_history", "ea_lstm", "tcn"])
def test_causal_networks_see_no_later_day(name):
    network = make_network(name)
    pooled, mask, drivers, attributes, fraction = make_inputs(network)
    changed = drivers.clone()
    changed[:, 200:] += 1.0
    one = predict(network, pooled, mask, drivers, attributes, fraction)
    two = predict(network, pooled, mask, changed, attributes, fraction)
    torch.testing.assert_close(one[:, :200], two[:, :200])
    assert not torch.allclose(one[:, 200:], two[:, 200:])


def test_the_summary_of_a_history_leaves_out_masked_years_and_unmeasured_days():
    network = make_network("lstm_history")
    pooled, mask, *_ = make_inputs(network)
    mask = torch.tensor([[False, True]]).expand(B, K)
    changed = pooled.clone()
    changed[:, 0] = 9.0
    torch.testing.assert_close(
        network.encode_years(pooled, mask), network.encode_years(changed, mask)
    )
    pooled[:, 1, :, -1] = 0.0
    nothing = network.encode_years(pooled, mask)
    assert (nothing[..., -2:] == 0).all()


def test_the_gate_of_an_ea_lstm_is_set_by_the_place_alone():
    network = make_network("ea_lstm")
    pooled, mask, drivers, attributes, fraction = make_inputs(network)
    network.to_input_gate.weight.data.zero_()
    network.to_input_gate.bias.data.fill_(-30.0)  # a closed gate takes nothing in
    flux = predict(network, pooled, mask, drivers, attributes, fraction)
    torch.testing.assert_close(flux, flux[:, :1].expand_as(flux), atol=1e-6, rtol=0)


def test_a_network_must_say_how_it_reads_days():
    with pytest.raises(TypeError, match=r"abstract method '?read_days"):
        DailyNetwork(n_drivers=D, n_attributes=A, n_hidden=8, dropout=0.0)
