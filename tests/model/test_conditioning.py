import torch

from chamnet.model.conditioning import (
    AttributeEmbedding,
    MetaNetwork,
    NoConditioning,
    apply_film,
)


def test_untrained_conditioning_changes_nothing():
    meta = MetaNetwork(n_condition=4, n_inputs=3, n_hidden=5, dropout=0.0)
    conditions = meta(torch.randn(2, 4))
    assert all((part == 0).all() for part in conditions)
    features = torch.randn(2, 7, 3)
    shaped = apply_film(features, conditions.input_scale, conditions.input_shift)
    torch.testing.assert_close(shaped, features)


def test_features_are_scaled_and_shifted_by_place():
    shaped = apply_film(
        torch.ones(2, 3, 1), torch.tensor([[1.0], [0.0]]), torch.tensor([[0.0], [5.0]])
    )
    torch.testing.assert_close(shaped[:, 0, 0], torch.tensor([2.0, 6.0]))


def test_conditions_have_the_sizes_of_what_they_act_on():
    meta = MetaNetwork(n_condition=4, n_inputs=3, n_hidden=5, dropout=0.0)
    shapes = [tuple(part.shape) for part in meta(torch.randn(2, 4))]
    assert shapes == [(2, 3), (2, 3), *[(2, 5)] * 4, (2,), (2,), (2,)]
    other = NoConditioning(n_inputs=3, n_hidden=5)
    assert [tuple(part.shape) for part in other(torch.randn(2, 4))] == shapes


def test_training_reaches_the_condition_through_every_part():
    torch.manual_seed(0)
    meta = MetaNetwork(n_condition=4, n_inputs=3, n_hidden=5, dropout=0.0)
    torch.nn.init.normal_(meta.last.weight)
    condition = torch.randn(2, 4, requires_grad=True)
    for part in meta(condition):
        (gradient,) = torch.autograd.grad(part.sum(), condition, retain_graph=True)
        assert gradient.abs().sum() > 0


def test_places_without_attributes_have_an_empty_embedding():
    assert AttributeEmbedding(n_attributes=0)(torch.zeros(3, 0)).shape == (3, 0)
    assert AttributeEmbedding(n_attributes=2, n_out=4)(torch.zeros(3, 2)).shape == (3, 4)
