"""Intervals from clusters that no model saw: they cover what they say, or are not given."""

import numpy as np
import pandas as pd
import pytest

from chamnet.evaluation.intervals import Intervals, score_intervals


def make_months(*, n_clusters=40, n_months=60, spread=0.4, seed=0):
    generator = np.random.default_rng(seed)
    predicted = generator.gamma(2.0, 1e-9, (n_clusters, n_months))
    observed = predicted * (1 + spread * generator.normal(size=predicted.shape))
    cluster = np.repeat(np.arange(n_clusters), n_months)
    return pd.DataFrame(
        {
            "seed": 0,
            "cluster": cluster,
            "place": cluster.astype(str),
            "observed": observed.ravel(),
            "predicted": predicted.ravel(),
        }
    )


def by_metric(months):
    return {row["metric"]: row for row in score_intervals(months)}


def test_coverage_is_about_the_level():
    rows = by_metric(make_months())
    for level in (50, 80, 90):
        row = rows[f"coverage_{level}"]
        assert row["value"] == pytest.approx(level / 100, abs=0.05)
        assert row["lower"] <= row["value"] <= row["upper"]
    assert rows["crps"]["value"] > 0


def test_levels_that_few_clusters_cannot_support_are_not_given():
    assert set(by_metric(make_months(n_clusters=5))) == {"coverage_50", "crps"}
    assert by_metric(make_months(n_clusters=2)) == {}


def test_a_better_prediction_has_a_smaller_crps():
    values = [by_metric(make_months(spread=s))["crps"]["value"] for s in (0.1, 0.5)]
    assert values[0] < 0.5 * values[1]


def test_an_interval_widens_with_its_level_and_what_is_predicted():
    intervals = Intervals.fit(make_months())
    predicted = np.array([1e-9, 4e-9])
    widths = {
        level: np.subtract(*intervals.of(predicted, level)[::-1]) for level in intervals.levels
    }
    assert (widths[0.5] < widths[0.9]).all()
    assert widths[0.9][1] > widths[0.9][0]
