import pytest
import torch

from chamnet.model.conditioning import apply_film
from chamnet.model.daily_inputs import DailyInputs, build_phase, upsample_season
from chamnet.timeaxis import year_fraction

N_PLACES, N_STEPS = 3, 366


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


def make_inputs(*, n_condition=0, n_told=0, has_season=True):
    """Three places, two attributes, four drivers, three numbers of a seasonal summary."""
    torch.manual_seed(0)
    drivers = torch.randn(N_PLACES, N_STEPS, 4)
    drivers[1, 40:50, 2] = torch.nan
    return DailyInputs(
        attributes=torch.randn(N_PLACES, 2),
        fraction=make_fraction(N_STEPS)[:1],
        condition=torch.randn(N_PLACES, n_condition),
        told=torch.randn(N_PLACES, N_STEPS, n_told),
        drivers=drivers,
        season=torch.randn(N_PLACES, 12, 4 + 3) if has_season else None,
    )


def make_film(inputs):
    n_inputs = inputs.lay_out().shape[-1]
    return torch.randn(N_PLACES, n_inputs), torch.randn(N_PLACES, n_inputs)


VARIANTS = [
    {},
    {"n_condition": 5},
    {"n_told": 1},
    {"has_season": False},
    {"n_condition": 5, "n_told": 1, "has_season": False},
]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_the_quick_layout_is_film_of_the_plain_one(variant):
    inputs = make_inputs(**variant)
    scale, shift = make_film(inputs)
    plain = apply_film(inputs.lay_out(), scale, shift)
    quick = inputs.lay_out_filmed(scale, shift, dtype=torch.float32)
    torch.testing.assert_close(quick, plain, rtol=1e-5, atol=1e-5)


def test_the_quick_layout_is_in_the_order_of_the_days():
    inputs = make_inputs()
    laid = inputs.lay_out_filmed(*make_film(inputs), dtype=torch.bfloat16)
    assert laid.dtype == torch.bfloat16
    assert laid.transpose(0, 1).is_contiguous()


def test_inputs_do_not_depend_on_who_else_is_in_the_batch():
    inputs = make_inputs(n_told=1)
    scale, shift = make_film(inputs)
    together = inputs.lay_out_filmed(scale, shift, dtype=torch.float32)
    broken = inputs._replace(season=inputs.season.clone(), drivers=inputs.drivers.clone())
    broken.season[0], broken.drivers[0] = torch.nan, torch.nan
    beside = broken.lay_out_filmed(scale, shift, dtype=torch.float32)
    assert torch.equal(together[1:], beside[1:])


def test_the_season_read_behind_the_lstm_is_that_of_the_plain_layout():
    inputs, weight = make_inputs(), torch.randn(3)
    read = inputs.lay_out()[..., -3:] @ weight
    torch.testing.assert_close(inputs.read_season(weight), read, rtol=1e-5, atol=1e-5)
    none = make_inputs(has_season=False).read_season(torch.zeros(0))
    assert torch.equal(none, torch.zeros(N_PLACES, N_STEPS))
