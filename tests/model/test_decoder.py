import pytest
import torch

from chamnet.model.conditioning import MetaNetwork, NoConditioning
from chamnet.model.daily_inputs import DailyInputs
from chamnet.model.decoder import Decoder
from chamnet.timeaxis import year_fraction


def make_inputs(n_places, n_steps, *, n_calendars=1, scale=1):
    """Six inputs of a day: a place's own, two of the phase, a driver's two, one of the summary."""
    fraction = torch.tensor(year_fraction(n_steps), dtype=torch.float32)
    return DailyInputs(
        attributes=torch.randn(n_places, 1),
        fraction=fraction.expand(n_calendars, n_steps),
        condition=torch.zeros(n_places, 0),
        told=torch.zeros(n_places, n_steps, 0),
        drivers=scale * torch.randn(n_places, n_steps, 1),
        season=torch.randn(n_places, 12, 2),
    )


def test_the_flux_is_never_negative():
    torch.manual_seed(0)
    decoder = Decoder(n_inputs=6, n_hidden=6, n_season=1, dropout=0.0)
    meta = MetaNetwork(n_condition=4, n_inputs=6, n_hidden=6, dropout=0.0)
    torch.nn.init.normal_(meta.last.weight, std=2.0)
    flux, states = decoder(make_inputs(3, 50, scale=10), meta(torch.randn(3, 4)))
    assert flux.shape == (3, 50)
    assert states.shape == (3, 50, 6)
    assert (flux >= 0).all()


@pytest.mark.parametrize("n_calendars", [1, 3])
def test_flux_is_the_same_where_no_states_are_asked_for(n_calendars):
    torch.manual_seed(0)
    decoder = Decoder(n_inputs=6, n_hidden=6, n_season=1, dropout=0.5).eval()
    meta = MetaNetwork(n_condition=4, n_inputs=6, n_hidden=6, dropout=0.0)
    torch.nn.init.normal_(meta.last.weight, std=2.0)
    conditions, inputs = meta(torch.randn(3, 4)), make_inputs(3, 50, n_calendars=n_calendars)
    full = decoder(inputs, conditions)[0]
    with torch.no_grad():
        alone, states = decoder(inputs, conditions, needs_states=False)
    assert states is None
    torch.testing.assert_close(alone, full, rtol=1e-5, atol=1e-5)
    assert conditions.output_scale.abs().max() > 0.1  # FiLM does something here


def test_the_flux_has_a_gradient_where_no_states_are_asked_for():
    torch.manual_seed(0)
    decoder = Decoder(n_inputs=6, n_hidden=6, n_season=1, dropout=0.5).eval()
    meta = MetaNetwork(n_condition=4, n_inputs=6, n_hidden=6, dropout=0.0)
    torch.nn.init.normal_(meta.last.weight, std=2.0)
    place = torch.randn(3, 4, requires_grad=True)
    flux, _ = decoder(make_inputs(3, 50), meta(place), needs_states=False)
    flux.sum().backward()
    assert place.grad.abs().max() > 0


def test_bfloat16_is_of_the_lstm_alone():
    torch.manual_seed(0)
    decoder = Decoder(n_inputs=6, n_hidden=16, n_season=1, dropout=0.0).eval()
    inputs = make_inputs(3, 30)
    conditions = NoConditioning(n_inputs=6, n_hidden=16)(torch.zeros(3, 1))
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
    decoder = Decoder(n_inputs=6, n_hidden=6, n_season=1, dropout=0.0)
    meta = MetaNetwork(n_condition=4, n_inputs=6, n_hidden=6, dropout=0.0)
    inputs, conditions = make_inputs(1, 50), meta(torch.randn(1, 4))
    changed = inputs._replace(drivers=inputs.drivers.clone())
    changed.drivers[:, 30:] += 1
    before, after = decoder(inputs, conditions)[0], decoder(changed, conditions)[0]
    torch.testing.assert_close(before[:, :30], after[:, :30])
    assert not torch.allclose(before[:, 30:], after[:, 30:])
