"""The table of scores: levels, counts, and differences between models."""

import numpy as np
import pandas as pd
import pytest
from factories_evaluation import make_place_data

from chamnet.data.windows import build_window_means
from chamnet.evaluation.differences import bootstrap_median
from chamnet.evaluation.predictions import build_predictions
from chamnet.evaluation.skill import COLUMNS, score_predictions, write_skill
from chamnet.metrics import METRICS, r2


def make_predictions(*, error=0.2, model="chamnet", context="rolling", seed=0, **options):
    data, flux = make_place_data(noise=0.0, **options)
    generator = np.random.default_rng(100 + seed)
    predicted = build_window_means(flux, data) * (
        1 + error * generator.normal(size=len(data.windows))
    )
    return build_predictions(data, predicted).assign(
        target="emission", model=model, protocol="temporal", context=context, seed=seed
    )


def find(table, **keys):
    rows = table
    for name, value in keys.items():
        rows = rows[rows[name] == value]
    assert len(rows) == 1
    return rows.iloc[0]


def test_the_table_has_the_columns_of_the_design():
    table = score_predictions(make_predictions())
    assert tuple(table.columns) == COLUMNS
    levels = set(table["level"])
    assert levels == {
        "pooled_daily", "pooled_monthly", "site_median", "site_iqr", "class:bog", "class:fen",
        "site_mean", "seasonal", "anomaly",
    }  # fmt: skip


def test_pooled_scores_are_those_of_all_windows():
    predictions = make_predictions()
    table = score_predictions(predictions)
    for name, metric in METRICS.items():
        row = find(table, level="pooled_daily", metric=name)
        expected = metric(predictions["observed"], predictions["predicted"])
        assert row["value"] == pytest.approx(expected)
        assert row["n_observations"] == len(predictions)
        assert row["n_places"] == 6


def test_a_perfect_prediction_is_perfect_at_every_level():
    table = score_predictions(make_predictions(error=0.0))
    skill = table[(table["metric"] == "r2") & (table["level"] != "site_iqr")]
    np.testing.assert_allclose(skill["value"], 1, atol=1e-9)
    assert find(table, level="site_median", metric="share_r2_above_0")["value"] == 1


def test_the_parts_of_a_site_need_enough_years():
    two = score_predictions(make_predictions(years=(2011, 2012)))
    one = score_predictions(make_predictions(years=(2011,)))
    assert find(two, level="anomaly", metric="r2")["n_places"] == 0
    assert find(two, level="seasonal", metric="r2")["n_places"] == 6
    assert find(one, level="seasonal", metric="r2")["n_places"] == 0
    assert np.isnan(find(one, level="seasonal", metric="r2")["value"])


def test_a_wrong_level_hurts_site_means_and_not_the_season():
    predictions = make_predictions(error=0.0)
    offset = predictions["place"].map({f"P{i:02d}": i for i in range(6)}) * 1e-9
    table = score_predictions(predictions.assign(predicted=predictions["predicted"] + offset))
    assert find(table, level="site_mean", metric="r2")["value"] < 0
    assert find(table, level="seasonal", metric="r2")["value"] == pytest.approx(1)
    assert find(table, level="anomaly", metric="r2")["value"] == pytest.approx(1)


def test_months_of_an_unknown_year_are_scored_without_a_daily_level():
    predictions = make_predictions(windows="monthly", share_measured=0.9, n_places=8)
    table = score_predictions(predictions)
    assert "pooled_daily" not in set(table["level"])
    assert find(table, level="pooled_monthly", metric="r2")["n_observations"] == len(predictions)
    assert find(table, level="seasonal", metric="r2")["n_places"] == 8


def test_the_month_of_a_daily_window_is_that_of_its_day():
    predictions = make_predictions()
    of_march = predictions[predictions["month"] == 2]
    assert (of_march["first"] >= 59).all()
    assert (of_march["first"] <= 90).all()


def test_windows_without_a_prediction_are_not_scored():
    predictions = make_predictions()
    predictions.loc[:9, "predicted"] = np.nan
    table = score_predictions(predictions)
    row = find(table, level="pooled_daily", metric="r2")
    assert row["n_observations"] == len(predictions) - 10


def test_several_seeds_give_their_mean_and_range():
    parts = [make_predictions(), make_predictions().assign(seed=1)]
    parts[1]["predicted"] *= 1.1
    row = find(score_predictions(pd.concat(parts)), level="pooled_daily", metric="r2")
    values = sorted(r2(p["observed"], p["predicted"]) for p in parts)
    assert row["n_seeds"] == 2
    assert (row["lower"], row["upper"]) == (pytest.approx(values[0]), pytest.approx(values[1]))
    assert row["value"] == pytest.approx(np.mean(values))


def test_differences_to_a_baseline_are_paired_by_site():
    good = make_predictions(error=0.1)
    poor = make_predictions(error=0.6, model="climatology", context="frozen")
    table = score_predictions(pd.concat([good, poor]))
    row = find(table, metric="r2_difference", model="chamnet")
    skill = {
        name: np.array([r2(p["observed"], p["predicted"]) for _, p in frame.groupby("place")])
        for name, frame in (("good", good), ("poor", poor))
    }
    assert row["compared_with"] == "climatology"
    assert row["value"] == pytest.approx(np.median(skill["good"] - skill["poor"]))
    assert row["lower"] > 0
    assert row["lower"] <= row["value"] <= row["upper"]


def test_differences_to_a_baseline_are_of_the_days_that_both_predict():
    good = make_predictions(error=0.1)
    poor = make_predictions(error=0.6, model="last_year", context="rolling")
    poor.loc[poor["month"] >= 6, "predicted"] = np.nan
    row = find(score_predictions(pd.concat([good, poor])), metric="r2_difference", model="chamnet")
    skill = [
        np.array([r2(p["observed"], p["predicted"]) for _, p in frame.groupby("place")])
        for frame in (part[part["month"] < 6] for part in (good, poor))
    ]
    assert row["value"] == pytest.approx(np.median(skill[0] - skill[1]))
    assert row["n_observations"] == (good["month"] < 6).sum()


def test_a_context_is_compared_with_the_baseline_of_the_same_context():
    parts = [
        make_predictions(context="few_shot"),
        make_predictions(error=0.0, model="climatology", context="none"),
        make_predictions(error=0.9, model="climatology", context="few_shot"),
    ]
    row = find(score_predictions(pd.concat(parts)), metric="r2_difference", model="chamnet")
    assert row["value"] > 0


def test_without_a_response_nothing_is_compared_with_what_reads_one():
    own = make_predictions(context="zero_shot")
    reads = [make_predictions(model=m, context="few_shot") for m in ("climatology", "last_year")]
    plain = make_predictions(model="climatology", context="none", error=0.6)
    rows = score_predictions(pd.concat([own, plain, *reads]))
    row = find(rows, metric="r2_difference", model="chamnet")
    assert row["compared_with"] == "climatology"
    assert row["value"] > 0.05


def test_the_bootstrap_resamples_whole_clusters():
    values = pd.Series(np.repeat([0.0, 1.0], 50))
    narrow = bootstrap_median(values, pd.Series(np.arange(100)))
    wide = bootstrap_median(values, pd.Series(np.repeat([0, 1], 50)))
    assert wide == (0.0, 1.0)
    assert narrow[1] - narrow[0] <= 1
    assert bootstrap_median(values, pd.Series(np.repeat([0, 1], 50))) == wide


def test_nothing_predicted_gives_an_empty_table(tmp_path):
    table = score_predictions(make_predictions().assign(predicted=np.nan))
    write_skill(table, tmp_path / "skill.csv")
    assert (tmp_path / "skill.csv").read_text().strip() == ",".join(COLUMNS)
