"""Calibration: a known bias comes out, intervals cover, and few clusters say little."""

import json

import numpy as np
import pandas as pd
import pytest

from chamnet.errors import InputError
from chamnet.evaluation.calibration import Residuals, calibrate, log_bias_spread, shrink_spread

COLUMNS = ("place", "cluster", "year", "month", "first", "last")


def make_out_of_bag(path, *, n_clusters=40, bias=0.5, spread=0.0, seed=0, noise=0.05):
    """Daily windows of places, one a cluster, with a log-normal bias of each."""
    generator = np.random.default_rng(seed)
    rows = []
    for cluster in range(n_clusters):
        level = generator.uniform(1, 3) * 1e-9
        own = np.exp(spread * generator.normal() - spread**2 / 2)
        day = np.arange(0, 360, 3)
        truth = level * own * (1.2 + np.sin(day / 60))
        rows.append(
            pd.DataFrame(
                {
                    "place": f"P{cluster}", "cluster": cluster, "year": 2012, "month": -1,
                    "first": day, "last": day, "quality": 0, "mode": "zero_shot",
                    "observed": truth * (1 + noise * generator.normal(size=day.size)),
                    "predicted": bias * level * (1.2 + np.sin(day / 60)),
                }
            )
        )  # fmt: skip
    pd.concat(rows).to_csv(path, index=False)
    return path


def run(folder, *paths, **changes):
    arguments = {"correlation_km": 500.0} | changes
    return calibrate(out_of_bag=paths, out=folder / "calibration.json", **arguments)


def test_a_mean_that_is_half_is_doubled(tmp_path):
    values = run(tmp_path, make_out_of_bag(tmp_path / "a.csv", bias=0.5))
    assert values["mean_factor"] == pytest.approx(2, rel=0.02)
    written = json.loads((tmp_path / "calibration.json").read_text())
    assert written["correlation_km"] == 500
    assert written["n_clusters"] == 40


def test_the_spread_between_clusters_comes_out(tmp_path):
    values = run(tmp_path, make_out_of_bag(tmp_path / "a.csv", n_clusters=200, spread=0.4))
    assert values["log_bias_sd"] == pytest.approx(0.4, rel=0.2)


def test_clusters_that_are_alike_have_little_spread_left(tmp_path):
    values = run(tmp_path, make_out_of_bag(tmp_path / "a.csv", n_clusters=200))
    assert values["log_bias_sd"] < 0.12


def test_few_clusters_keep_what_is_expected_of_any(tmp_path):
    values = run(tmp_path, make_out_of_bag(tmp_path / "a.csv", n_clusters=3))
    assert 0.4 < values["log_bias_sd"] < 0.7


def test_one_cluster_has_the_prior_and_no_interval(tmp_path):
    values = run(tmp_path, make_out_of_bag(tmp_path / "a.csv", n_clusters=1))
    assert values["log_bias_sd"] == 0.7
    assert values["coverage"] == {}
    assert values["crps"] is None


@pytest.mark.parametrize(("n_clusters", "highest"), [(3, "0.5"), (9, "0.8"), (19, "0.9")])
def test_no_level_beyond_what_the_clusters_support(tmp_path, n_clusters, highest):
    values = run(tmp_path, make_out_of_bag(tmp_path / "a.csv", n_clusters=n_clusters))
    assert list(values["coverage"])[-1] == highest
    assert list(values["residual"]["intervals"]) == list(values["coverage"])


def test_intervals_cover_held_out_clusters_as_they_say(tmp_path):
    values = run(tmp_path, make_out_of_bag(tmp_path / "a.csv", n_clusters=80, spread=0.5))
    for level, coverage in values["coverage"].items():
        assert coverage == pytest.approx(float(level), abs=0.1)


def test_members_that_left_out_the_same_cluster_are_averaged(tmp_path):
    low = make_out_of_bag(tmp_path / "a.csv", bias=0.5)
    high = make_out_of_bag(tmp_path / "b.csv", bias=1.5)
    values = run(tmp_path, low, high)
    assert values["mean_factor"] == pytest.approx(1, abs=0.02)
    assert values["n_members"] == 2
    assert values["n_windows"] == 40 * 120


def test_filled_windows_and_other_modes_do_not_count(tmp_path):
    path = make_out_of_bag(tmp_path / "a.csv")
    table = pd.read_csv(path)
    wrong = table.assign(observed=9e9)
    more = [table, wrong.assign(quality=3), wrong.assign(mode="few_shot")]
    pd.concat(more).to_csv(tmp_path / "b.csv", index=False)
    one, two = run(tmp_path, path), run(tmp_path, tmp_path / "b.csv")
    assert one == two


def test_monthly_windows_of_an_unknown_year_calibrate_too(tmp_path):
    table = pd.read_csv(make_out_of_bag(tmp_path / "a.csv"))
    months = table.assign(year=-1, month=table["first"] // 30, first=-1, last=-1)
    means = months.groupby(["place", "cluster", "year", "month", "first", "quality", "mode"])
    means[["observed", "predicted"]].mean().reset_index().to_csv(tmp_path / "m.csv", index=False)
    assert run(tmp_path, tmp_path / "m.csv")["mean_factor"] == pytest.approx(2, rel=0.03)


def test_quantiles_weigh_clusters_alike():
    relative = np.concatenate([np.zeros(98), np.ones(2)])
    residuals = Residuals.of(relative, np.repeat([0, 1], [98, 2]))
    assert residuals.quantiles(np.array([0.3]))[0] == pytest.approx(0, abs=0.05)
    assert residuals.quantiles(np.array([0.8]))[0] == pytest.approx(1)


def test_a_cluster_that_predicts_nothing_is_left_out_of_the_spread():
    months = pd.DataFrame(
        {"cluster": [0, 1, 2], "observed": [1.0, 1.0, 1.0], "predicted": [0.0, 1.0, 1.0]}
    )
    assert log_bias_spread(months) < 0.7


@pytest.mark.parametrize("n_clusters", [2, 5, 13, 100])
def test_the_spread_of_few_clusters_is_not_too_small(n_clusters):
    """0.7 is drawn towards 0.7: what remains is the bias of the spread itself."""
    biases = np.random.default_rng(1).normal(scale=0.7, size=(3000, n_clusters))
    found = [shrink_spread(row, np.zeros(n_clusters)) for row in biases]
    assert np.mean(np.square(found)) == pytest.approx(0.7**2, rel=0.05)


def test_one_outlier_does_not_rule_the_spread():
    biases = np.random.default_rng(1).normal(scale=0.3, size=30)
    usual = shrink_spread(biases, np.zeros(30))
    biases[0] = 8.0
    assert shrink_spread(biases, np.zeros(30)) == pytest.approx(usual, rel=0.2)


def test_noise_of_few_months_is_taken_off_the_spread():
    biases = np.random.default_rng(1).normal(scale=0.5, size=40)
    assert shrink_spread(biases, np.full(40, 0.2)) < shrink_spread(biases, np.zeros(40))
    all_noise = shrink_spread(biases, np.full(40, 9.0))
    assert all_noise == pytest.approx(np.sqrt(3 * 0.7**2 / 42))


def test_a_file_without_a_column_is_named(tmp_path):
    path = tmp_path / "a.csv"
    pd.DataFrame({"place": ["a"]}).to_csv(path, index=False)
    with pytest.raises(InputError, match=r"a.csv: no columns \['cluster', 'first'"):
        run(tmp_path, path)


def test_nothing_of_the_mode_is_an_error(tmp_path):
    path = make_out_of_bag(tmp_path / "a.csv")
    with pytest.raises(InputError, match="no measured window predicted in mode 'few_shot'"):
        run(tmp_path, path, mode="few_shot")
    assert not (tmp_path / "calibration.json").exists()
