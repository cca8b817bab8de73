import pytest
import torch

from chamnet.model.conditioning import MetaNetwork, NoConditioning
from chamnet.model.decoder import Decoder, build_phase, upsample_season
from chamnet.timeaxis import year_fraction


def make_fraction(n_steps):
    return torch.tensor(year_fraction(n_steps), dtype=torch.float32).expand(2, n_steps)


@pytest.mark.parametrize("n_steps", [360, 365, 366])
def test_a_constant_season_stays_constant(n_steps):
    season = torch.full((2, 12, 3), 0.7)
    daily = upsample_season(season, make_fraction(n_steps))
    torch.testing.assert_close(daily, torch.full((2, n_steps, 3), 0.7))


def test_the_season_is_met_in_the_middle_of_its_months_and_is_periodic():
    season = torch.arange(12.0).view(1, 12, 1)
    middles = (torch.arange(12) + 0.5) / 12
    torch.testing.assert_close(
        upsample_season(season, middles.unsqueeze(0))[0, :, 0], torch.arange(12.0)
    )
    new_year = upsample_season(season, torch.tensor([[0.0, 1.0]]))[0, :, 0]
    torch.testing.assert_close(new_year, torch.tensor([5.5, 5.5]))


def test_the_phase_is_that_of_the_year():
    phase = build_phase(torch.tensor([[0.0, 0.25]]))
    torch.testing.assert_close(phase[0], torch.tensor([[0.0, 1.0], [1.0, 0.0]]), atol=1e-6, rtol=0)


def test_the_flux_is_never_negative():
    torch.manual_seed(0)
    decoder = Decoder(n_inputs=5, n_hidden=6, n_season=2, dropout=0.0)
    meta = MetaNetwork(n_condition=4, n_inputs=5, n_hidden=6, dropout=0.0)
    torch.nn.init.normal_(meta.last.weight, std=2.0)
    flux, states = decoder(10 * torch.randn(3, 50, 5), meta(torch.randn(3, 4)))
    assert flux.shape == (3, 50)
    assert states.shape == (3, 50, 6)
    assert (flux >= 0).all()


def test_flux_is_the_same_where_no_states_are_asked_for():
    torch.manual_seed(0)
    decoder = Decoder(n_inputs=5, n_hidden=6, n_season=2, dropout=0.5).eval()
    meta = MetaNetwork(n_condition=4, n_inputs=5, n_hidden=6, dropout=0.0)
    torch.nn.init.normal_(meta.last.weight, std=2.0)
    conditions, inputs = meta(torch.randn(3, 4)), torch.randn(3, 50, 5)
    full = decoder(inputs, conditions)[0]
    with torch.no_grad():
        alone, states = decoder(inputs, conditions, needs_states=False)
    assert states is None
    torch.testing.assert_close(alone, full, rtol=1e-5, atol=1e-5)
    assert conditions.output_scale.abs().max() > 0.1  # FiLM does something here


def test_the_flux_has_a_gradient_where_no_states_are_asked_for():
    torch.manual_seed(0)
    decoder = Decoder(n_inputs=5, n_hidden=6, n_season=2, dropout=0.5).eval()
    meta = MetaNetwork(n_condition=4, n_inputs=5, n_hidden=6, dropout=0.0)
    torch.nn.init.normal_(meta.last.weight, std=2.0)
    place = torch.randn(3, 4, requires_grad=True)
    flux, _ = decoder(torch.randn(3, 50, 5), meta(place), needs_states=False)
    flux.sum().backward()
    assert place.grad.abs().max() > 0


def test_bfloat16_is_of_the_lstm_alone():
    torch.manual_seed(0)
    decoder = Decoder(n_inputs=5, n_hidden=16, n_season=2, dropout=0.0).eval()
    inputs = torch.randn(3, 30, 5)
    conditions = NoConditioning(n_inputs=5, n_hidden=16)(torch.zeros(3, 1))
    full, states = decoder(inputs, conditions)
    decoder.recurrent.bfloat16()
    half, rounded = decoder(inputs, conditions)
    assert half.dtype == torch.float32
    assert 0 < (half - full).abs().max() < 0.02 * full.max()
    assert torch.equal(rounded, rounded.bfloat16().float())
    assert not torch.equal(states, states.bfloat16().float())
    assert not torch.equal(half, half.bfloat16().float())


def test_later_weather_does_not_reach_earlier_fluxes():
    torch.manual_seed(0)
    decoder = Decoder(n_inputs=5, n_hidden=6, n_season=2, dropout=0.0)
    meta = MetaNetwork(n_condition=4, n_inputs=5, n_hidden=6, dropout=0.0)
    inputs, conditions = torch.randn(1, 50, 5), meta(torch.randn(1, 4))
    changed = inputs.clone()
    changed[:, 30:] += 1
    before, after = decoder(inputs, conditions)[0], decoder(changed, conditions)[0]
    torch.testing.assert_close(before[:, :30], after[:, :30])
    assert not torch.allclose(before[:, 30:], after[:, 30:])
