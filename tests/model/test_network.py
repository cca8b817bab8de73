import pytest
import torch
from factories_model import make_network

from chamnet.model.network import Context

ABLATIONS = [
    {},
    {"contrastive": False},
    {"year_level": False},
    {"cross_year": False},
    {"conditioning": "concatenate"},
    {"season": False},
    {"anchor": False},
    {"response": False},
]


def make_inputs(*, n_places=3, n_years=3, n_steps=365, seed=0, n_attributes=2):
    torch.manual_seed(seed)
    pooled = torch.randn(n_places, n_years, 73, 5)
    pooled[..., -1] = torch.rand(n_places, n_years, 73)  # share of days with a response
    mask = torch.ones(n_places, n_years, dtype=torch.bool)
    fraction = ((torch.arange(n_steps) + 0.5) / n_steps).expand(n_places, n_steps)
    drivers = torch.randn(n_places, n_steps, 3)
    return pooled, mask, drivers, torch.randn(n_places, n_attributes), fraction


def make_conditioned(**changes):
    network = make_network(**changes)
    if hasattr(network.meta_network, "last"):
        torch.nn.init.normal_(network.meta_network.last.weight, std=0.3)
    return network.eval()


@pytest.mark.parametrize("ablation", ABLATIONS, ids=str)
@pytest.mark.parametrize("n_steps", [360, 365, 366])
def test_every_ablation_predicts_years_of_any_length(ablation, n_steps):
    flux, projected = make_conditioned(**ablation)(*make_inputs(n_steps=n_steps))
    assert flux.shape == (3, n_steps)
    assert (flux >= 0).all()
    assert projected.shape[0] == 3


@pytest.mark.parametrize("ablation", ABLATIONS, ids=str)
def test_a_prediction_does_not_depend_on_who_else_is_in_the_batch(ablation):
    network, inputs = make_conditioned(**ablation), make_inputs()
    together, _ = network(*inputs)
    alone, _ = network(*(part[1:2] for part in inputs))
    torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("ablation", [*ABLATIONS, {"reads_prior": True}], ids=str)
def test_a_prediction_is_the_same_where_no_gradient_is_asked_for(ablation):
    """Inputs are then laid out another way, for places of one calendar."""
    network, inputs = make_conditioned(**ablation), make_inputs()
    told = torch.rand(3, 365) if ablation.get("reads_prior") else None
    full, _ = network(*inputs, told=told)
    with torch.no_grad():
        alone, _ = network(*inputs[:-1], inputs[-1][:1], told=told)
    torch.testing.assert_close(alone, full, rtol=1e-4, atol=1e-5)


def test_an_untrained_conditioning_gives_places_of_one_weather_one_flux():
    network = make_network(season=False, anchor=False).eval()
    pooled, mask, drivers, attributes, fraction = make_inputs(n_places=2)
    same_weather = drivers[:1].expand(2, -1, -1)
    flux, _ = network(pooled, mask, same_weather, attributes[:1].expand(2, -1), fraction)
    torch.testing.assert_close(flux[0], flux[1])


@pytest.mark.parametrize("conditioning", ["film", "concatenate"])
def test_a_trained_conditioning_tells_places_of_one_weather_apart(conditioning):
    network = make_conditioned(season=False, conditioning=conditioning)
    pooled, mask, drivers, attributes, fraction = make_inputs(n_places=2)
    same_weather = drivers[:1].expand(2, -1, -1)
    flux, _ = network(pooled, mask, same_weather, attributes[:1].expand(2, -1), fraction)
    assert not torch.allclose(flux[0], flux[1])


def test_the_order_of_years_matters_unless_the_cross_year_state_is_off():
    inputs = make_inputs()
    for cross_year in (True, False):
        network = make_conditioned(cross_year=cross_year)
        one, _ = network(*inputs)
        other, _ = network(inputs[0].flip(1), *inputs[1:])
        assert torch.allclose(one, other, atol=1e-5) is not cross_year


@pytest.mark.parametrize("year_level", [True, False])
def test_a_missing_year_is_as_one_that_was_never_given(year_level):
    network = make_conditioned(year_level=year_level)
    pooled, mask, *rest = make_inputs()
    mask = mask.clone()
    mask[:, 0] = False
    masked, _ = network(pooled, mask, *rest)
    short, _ = network(pooled[:, 1:], mask[:, 1:], *rest)
    torch.testing.assert_close(masked, short, atol=1e-5, rtol=1e-5)


def test_a_context_of_the_target_year_alone_is_enough():
    network = make_conditioned()
    pooled, mask, *rest = make_inputs(n_years=1)
    flux, _ = network(pooled, mask, *rest)
    assert flux.isfinite().all()


def test_a_network_without_attributes_predicts():
    network = make_conditioned(n_attributes=0)
    flux, _ = network(*make_inputs(n_attributes=0))
    assert flux.isfinite().all()


def test_years_that_are_missing_cost_nothing_and_read_nothing():
    network = make_conditioned()
    pooled, mask, *_ = make_inputs()
    mask = mask.clone()
    mask[0, 1] = False
    pooled[0, 1] = torch.nan
    context = network.encode_years(pooled, mask)
    assert isinstance(context, Context)
    assert (context.embeddings[0, 1] == 0).all()
    assert context.embeddings.isfinite().all()


@pytest.mark.parametrize("anchor", [True, False])
def test_a_network_that_reads_a_prior_flux_reads_it_of_each_day(anchor):
    network, inputs = make_conditioned(reads_prior=True, anchor=anchor), make_inputs()
    told = torch.rand(3, 365)
    flux, _ = network(*inputs, told=told)
    changed = told.clone()
    changed[:, 100:] *= 3
    other, _ = network(*inputs, told=changed)
    assert not torch.allclose(flux[:, 100:], other[:, 100:], rtol=1e-3)
    unknown, _ = network(*inputs, told=torch.full_like(told, torch.nan))
    assert torch.isfinite(unknown).all()
