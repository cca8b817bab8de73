"""Scores: what must hold for any data, then known numbers."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from chamnet import metrics


def make_pairs(*, n=200, seed=0):
    generator = np.random.default_rng(seed)
    observed = generator.gamma(2.0, 30.0, n)
    return observed, observed * 0.8 + generator.normal(0, 20, n) + 5


def test_a_perfect_prediction_scores_best():
    observed, _ = make_pairs()
    scores = {name: score(observed, observed) for name, score in metrics.METRICS.items()}
    for name in ("r2", "pearson_r2", "kge"):
        assert scores.pop(name) == pytest.approx(1)
    assert list(scores.values()) == pytest.approx([0] * len(scores))


def test_the_mean_as_prediction_has_no_skill():
    observed, _ = make_pairs()
    assert metrics.r2(observed, np.full(observed.size, observed.mean())) == pytest.approx(0)


def test_scores_agree_with_scikit_learn():
    observed, predicted = make_pairs()
    assert metrics.r2(observed, predicted) == pytest.approx(r2_score(observed, predicted))
    assert metrics.mae(observed, predicted) == pytest.approx(
        mean_absolute_error(observed, predicted)
    )
    assert metrics.rmse(observed, predicted) ** 2 == pytest.approx(
        mean_squared_error(observed, predicted)
    )
    correlation = np.corrcoef(observed, predicted)[0, 1]
    assert metrics.pearson_r2(observed, predicted) == pytest.approx(correlation**2)


def test_rmse_over_sd_is_the_root_of_one_minus_r2():
    observed, predicted = make_pairs()
    assert metrics.nrmse_sd(observed, predicted) ** 2 == pytest.approx(
        1 - metrics.r2(observed, predicted)
    )


def test_moments_merge_to_those_of_the_whole_in_any_order():
    observed, predicted = make_pairs(n=301)
    whole = metrics.Moments.from_pairs(observed, predicted)
    parts = [
        metrics.Moments.from_pairs(observed[a:b], predicted[a:b])
        for a, b in ((0, 7), (7, 7), (7, 250), (250, 301))
    ]
    for order in (parts, parts[::-1]):
        merged = sum(order, metrics.Moments())
        assert merged.n == 301
        assert merged.r2() == pytest.approx(whole.r2(), rel=1e-12)
        assert merged.kge() == pytest.approx(whole.kge(), rel=1e-12)


def test_days_without_either_value_do_not_count():
    observed, predicted = make_pairs()
    expected = metrics.mae(observed[2:], predicted[2:])
    observed[0], predicted[1] = np.nan, np.nan
    assert metrics.mae(observed, predicted) == pytest.approx(expected)


@pytest.mark.parametrize("name", sorted(metrics.METRICS))
def test_nothing_observed_scores_nan(name):
    assert np.isnan(metrics.METRICS[name](np.array([np.nan]), np.array([1.0])))


@pytest.mark.parametrize(
    "name", ["r2", "pearson_r2", "nrmse_sd", "nrmse_range", "nrmse_iqr", "kge"]
)
def test_equal_observations_have_no_spread_to_divide_by(name):
    assert np.isnan(metrics.METRICS[name](np.full(5, 3.0), np.arange(5.0)))


def test_a_mean_near_zero_divides_nothing():
    observed = np.array([-1.0, 1.0, -1.0, 1.0, 0.1])
    assert np.isnan(metrics.nrmse_mean(observed, observed + 1))
    assert metrics.nrmse_mean(observed + 10, observed + 11) == pytest.approx(1 / 10.02)


def test_a_negative_mean_divides_by_its_size():
    observed = np.array([-9.0, -10.0, -11.0])
    assert metrics.nrmse_mean(observed, observed + 1) == pytest.approx(0.1)


def test_denominators_of_known_numbers():
    observed = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    predicted = observed + 2
    assert metrics.bias(observed, predicted) == 2
    assert metrics.nrmse_range(observed, predicted) == pytest.approx(0.5)
    assert metrics.nrmse_iqr(observed, predicted) == pytest.approx(1.0)
    assert metrics.kge(observed, predicted) == pytest.approx(0.0)


def test_doubling_a_prediction_costs_kge_its_variability_and_its_mean():
    observed, _ = make_pairs()
    assert metrics.kge(observed, 2 * observed) == pytest.approx(1 - np.sqrt(2))


def test_coverage_counts_the_ends():
    observed = np.array([1.0, 2.0, 3.0, np.nan])
    assert metrics.coverage(observed, np.ones(4), np.full(4, 2.0)) == pytest.approx(2 / 3)
    assert np.isnan(metrics.coverage(observed[3:], np.ones(1), np.ones(1)))


def test_crps_of_the_quantiles_of_a_normal_meets_its_closed_form():
    # Gneiting & Raftery (2007), JASA 102, eq. 21 for a standard normal
    levels = np.arange(0.0025, 1, 0.005)
    quantiles = np.repeat(norm.ppf(levels)[:, None], 3, axis=1)
    y = np.array([0.0, 1.0, -2.0])
    expected = y * (2 * norm.cdf(y) - 1) + 2 * norm.pdf(y) - 1 / np.sqrt(np.pi)
    found = metrics.crps_quantiles(y, quantiles, levels)
    assert found == pytest.approx(expected.mean(), rel=0.01)


def test_crps_without_observations_is_nan():
    assert np.isnan(metrics.crps_quantiles(np.array([np.nan]), np.ones((1, 1)), np.array([0.5])))


def test_arrays_of_two_lengths_are_refused():
    with pytest.raises(ValueError, match="3 observed values, but 2 predicted"):
        metrics.r2(np.zeros(3), np.zeros(2))


def test_kge_has_no_value_about_a_mean_that_is_but_rounding():
    cycle = np.sin(2 * np.pi * (np.arange(12) + 0.5) / 12) * 1e-9
    assert abs(cycle.mean()) < 1e-24
    assert np.isnan(metrics.kge(cycle + 1e-26, 0.9 * cycle))
    assert np.isfinite(metrics.kge(cycle + 1e-12, 0.9 * cycle))
