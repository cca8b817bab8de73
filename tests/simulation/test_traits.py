import numpy as np

from chamnet.simulation.parameters import read_parameters
from chamnet.simulation.traits import TRAITS, SmoothField, build_traits, trait_predictors


def _traits(seed=1, strength=1.0, n=400):
    generator = np.random.default_rng(0)
    latitude, longitude = generator.uniform(-60, 80, n), generator.uniform(-180, 180, n)
    soils = {"clay": generator.uniform(0, 0.5, n), "soc": generator.uniform(5, 90, n)}
    predictors = trait_predictors(**soils, phh2o=generator.uniform(4, 8, n))
    return build_traits(
        latitude=latitude,
        longitude=longitude,
        predictors=predictors,
        parameters=read_parameters(),
        seed=seed,
        strength=strength,
    )


def test_fields_have_unit_variance_and_are_smooth():
    latitude = np.repeat(np.linspace(-80, 80, 30), 2)
    longitude = np.tile([10.0, 11.0], 30)
    field = SmoothField(latitude, longitude, correlation_km=1500)
    drawn = field.project(np.random.default_rng(0).normal(size=(2000, field.n_nodes)))
    np.testing.assert_allclose(drawn.std(axis=0), 1, atol=0.1)
    near = np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1]
    far = np.corrcoef(drawn[:, 0], drawn[:, -1])[0, 1]
    assert near > 0.95
    assert abs(far) < 0.1


def test_correlation_falls_to_one_over_e_at_its_length():
    away = np.rad2deg(1500 / 6371.0)
    field = SmoothField(np.array([0.0, away]), np.array([0.0, 0.0]), correlation_km=1500)
    drawn = field.project(np.random.default_rng(1).normal(size=(5000, field.n_nodes)))
    assert abs(np.corrcoef(drawn.T)[0, 1] - np.exp(-1)) < 0.08


def test_traits_follow_from_the_seed():
    first, told = _traits()
    again, _ = _traits()
    other, told_other = _traits(seed=2)
    np.testing.assert_array_equal(first.substrate, again.substrate)
    assert not np.allclose(first.substrate, other.substrate)
    assert not np.allclose(told.substrate, told_other.substrate)


def test_without_strength_attributes_tell_all():
    full, told = _traits(strength=0.0)
    for name in TRAITS:
        np.testing.assert_allclose(getattr(full, name), getattr(told, name))


def test_strength_spreads_the_hidden_part():
    spreads = []
    for strength in (0.5, 1.0, 2.0):
        full, told = _traits(strength=strength)
        spreads.append(np.log(full.substrate / told.substrate).std())
    np.testing.assert_allclose(spreads[1] / spreads[0], 2, rtol=0.01)
    np.testing.assert_allclose(spreads[2] / spreads[1], 2, rtol=0.01)


def test_hidden_factors_have_the_mean_one():
    drawn = (_traits(seed=seed, n=100) for seed in range(12))
    ratios = [np.mean(full.substrate / told.substrate) for full, told in drawn]
    assert abs(np.mean(ratios) - 1) < 0.05


def test_places_scatter_around_their_cell():
    full, _ = _traits(n=2000)
    local = full.scatter(3, spread=0.2, offset_m=0.02)
    ratio = local.substrate / full.substrate
    assert abs(ratio.mean() - 1) < 0.02
    assert abs(np.log(ratio).std() - 0.2) < 0.02
    np.testing.assert_array_equal(local.q10, full.q10)
