import numpy as np
import pytest

from chamnet.simulation import emission

N = 500


def _column(seed=0, **changed):
    generator = np.random.default_rng(seed)
    values = {
        "made": generator.exponential(5000, N),
        "table": generator.uniform(-0.5, 0.3, N),
        "temperature": generator.uniform(-20, 35, N),
        "ice": generator.random(N) * (generator.random(N) < 0.5),
        "plant_conductance": generator.uniform(0, 15, N),
        "rooting_depth": np.full(N, 0.2),
        "growth": generator.uniform(0, 4, N),
        "vmax": np.full(N, 25.0),
        "km": np.full(N, 5.0),
        "oxidation_q10": np.full(N, 2.0),
        "reference": np.full(N, 10.0),
    }
    return generator.exponential(80_000, N), values | changed


def test_a_column_keeps_its_mass():
    storage, values = _column()
    after, fluxes = emission.step_column(storage, **values)
    residual = fluxes.production - fluxes.oxidation - fluxes.surface - (after - storage)
    assert np.abs(residual).max() < 1e-6 * (storage + fluxes.production).max()
    np.testing.assert_allclose(residual / (storage + fluxes.production), 0, atol=1e-6)


def test_three_ways_lead_to_the_surface_and_none_backwards():
    storage, values = _column()
    after, fluxes = emission.step_column(storage, **values)
    ways = fluxes.diffusion + fluxes.ebullition + fluxes.plants
    np.testing.assert_allclose(ways, fluxes.surface, rtol=1e-9)
    for part in (fluxes.diffusion, fluxes.ebullition, fluxes.plants, fluxes.oxidation, after):
        assert part.min() >= -1e-6


def test_bubbles_rise_only_above_the_threshold():
    full = emission.EBULLITION_FROM * emission.STORE_LITERS
    _, values = _column(made=np.zeros(N))
    _, calm = emission.step_column(np.full(N, 0.99 * full), **values)
    _, wild = emission.step_column(np.full(N, 20 * full), **values)
    assert calm.ebullition.max() == 0
    assert wild.ebullition.min() > 0


def test_aerated_soil_oxidizes_more_the_deeper_and_warmer_it_is():
    kinetics = {"vmax": 25.0, "km": 5.0, "q10": 2.0, "reference": 10.0}
    depth = np.array([0.0, 0.05, 0.2, 0.4])
    cool, warm = (
        emission.passed_fraction(2000.0, depth=depth, temperature=t, **kinetics) for t in (5, 25)
    )
    assert warm[0] == 1
    assert np.all(np.diff(warm) < 0)
    assert np.all(warm[1:] < cool[1:])
    assert warm[-1] < 0.05
    frozen = emission.passed_fraction(2000.0, depth=depth, temperature=-1.0, **kinetics)
    np.testing.assert_allclose(frozen, 1)


def test_under_standing_water_plants_alone_oxidize():
    storage, values = _column(table=np.full(N, 0.1))
    _, fluxes = emission.step_column(storage, **values)
    np.testing.assert_allclose(fluxes.oxidation, fluxes.plants, rtol=1e-6, atol=1e-6)


def test_production_follows_its_equation():
    made = emission.production(
        temperature=np.array([[20.0], [20.0], [20.0], [-1.0]]),
        thickness=np.array([[0.05], [0.10], [0.15], [0.30]]),
        organic=np.ones((4, 1)),
        rate=np.array([0.5]),
        q10=np.array([3.0]),
        reference=np.array([10.0]),
        npp=np.array([0.5]),
    )
    assert made[0] == pytest.approx(0.5 * 1.5 * 3 * 0.3 * 24_000)  # the frozen layer makes none


def test_organic_matter_ends_below_the_roots():
    found = emission.organic_matter(np.array([0.15, 0.25]))
    np.testing.assert_allclose(found[:2], 1)
    assert np.all(np.diff(found, axis=0) <= 1e-12)
    expected = 0.1 * (1 - np.exp(-1.5)) / 0.15  # mean over 0.15-0.30 m below roots of 0.15 m
    assert found[2, 0] == pytest.approx(expected)


def test_saturated_thickness_adds_up_to_what_lies_below_the_table():
    table = np.array([0.2, 0.0, -0.12, -0.7])
    found = emission.saturated_thickness(table).sum(axis=0)
    np.testing.assert_allclose(found, [0.6, 0.6, 0.48, 0.0], atol=1e-12)


def test_leaves_grow_with_warmth():
    found = emission.plant_growth(np.array([0.0, 7.0, 12.0, 30.0]), start=7.0)
    np.testing.assert_allclose(found, [0, 0, 3, 4])
