import numpy as np
import pandas as pd
import pytest
import xarray as xr
from factories_budget import make_run, summarize

from chamnet.budget.series import fit_trend, write_series

KEYS = ["target", "region", "extent"]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    run = make_run(folder, years=(2011, 2012, 2013), systems=("globe", "gcp_bands"))
    paths = {name: folder / f"{name}.csv" for name in ("years", "seasons", "trends")}
    write_series(netcdf=run.netcdf, **paths)
    return run, {name: pd.read_csv(path) for name, path in paths.items()}


def make_annual(slope, *, n_years=12, noise=0.0):
    years = np.arange(2000, 2000 + n_years)
    random = np.random.default_rng(0).normal(size=(3, 2, n_years))
    values = 150 + slope * (years - 2000) + noise * random
    return xr.DataArray(values, dims=("member", "extent", "year")), years


def test_years_and_seasons_have_the_mean_of_the_budget(tables):
    run, found = tables
    budget = pd.read_csv(run.csv).set_index(KEYS)["mean_tg"]
    pd.testing.assert_series_equal(
        found["years"].groupby(KEYS)["mean_tg"].mean().sort_index(), budget.sort_index(), rtol=1e-6
    )
    assert found["seasons"].groupby(KEYS)["mean_tg"].sum()["emission", "globe", "all"] == (
        pytest.approx(budget["emission", "globe", "all"], rel=1e-6)
    )


@pytest.mark.parametrize("is_synthetic", [True, False])
def test_every_table_says_whether_its_inputs_were_synthetic(tables, tmp_path, is_synthetic):
    paths = {name: tmp_path / f"{name}.csv" for name in ("years", "seasons", "trends")}
    with xr.open_dataset(tables[0].netcdf) as data:
        data.assign_attrs(synthetic=str(is_synthetic)).to_netcdf(tmp_path / "b.nc")
    write_series(netcdf=tmp_path / "b.nc", **paths)
    for path in paths.values():
        assert (pd.read_csv(path)["synthetic"] == is_synthetic).all()


def test_anomalies_sum_to_nothing_and_lie_in_their_bands(tables):
    years = tables[1]["years"]
    sums = years.groupby(["target", "region", "extent"])["anomaly_tg"].sum()
    np.testing.assert_allclose(sums, 0, atol=1e-6)
    assert (years["q05_tg"] < years["mean_tg"]).all()
    assert (years["mean_tg"] < years["q95_tg"]).all()


def test_a_member_left_out_of_one_target_is_in_no_series_of_it(tables, tmp_path):
    run, before = tables
    paths = {name: tmp_path / f"{name}.csv" for name in ("years", "seasons", "trends")}
    dropped = [{"target": "emission", "member": "01", "reason": "its loss diverged"}]
    summarize(run, csv=tmp_path / "b.csv", netcdf=tmp_path / "b.nc", dropped_members=dropped)
    write_series(netcdf=tmp_path / "b.nc", **paths)
    budget = pd.read_csv(tmp_path / "b.csv").set_index(KEYS)["mean_tg"].sort_index()
    years, seasons = (pd.read_csv(paths[name]) for name in ("years", "seasons"))
    means = years.groupby(KEYS)["mean_tg"].mean().sort_index()
    pd.testing.assert_series_equal(means, budget, rtol=1e-6)
    for table in (years, seasons):
        assert (table["q05_tg"] < table["mean_tg"]).all()
        assert (table["mean_tg"] < table["q95_tg"]).all()
    of_other = seasons["target"] == "consumption"
    pd.testing.assert_frame_equal(seasons[of_other], before["seasons"][of_other])


def test_short_runs_have_no_trend(tables):
    trends = tables[1]["trends"]
    assert trends["trend_tg_yr2"].isna().all()
    assert set(trends["n_years"]) == {3}


def test_a_known_trend_is_found_with_its_interval():
    annual, years = make_annual(0.7, noise=1.0)
    found = fit_trend(annual, years)
    assert found["trend_tg_yr2"] == pytest.approx(0.7, abs=0.15)
    assert found["low_tg_yr2"] < 0.7 < found["high_tg_yr2"]
    assert found["members_low_tg_yr2"] < found["trend_tg_yr2"] < found["members_high_tg_yr2"]
    assert found["kendall_p"] < 0.01


def test_one_odd_year_does_not_make_a_trend():
    annual, years = make_annual(0.0, noise=0.1)
    annual[..., -1] += 40
    assert abs(fit_trend(annual, years)["trend_tg_yr2"]) < 0.05


def test_an_exact_line_has_no_test_of_its_residuals():
    found = fit_trend(*make_annual(0.5))
    assert found["trend_tg_yr2"] == pytest.approx(0.5)
    assert np.isnan(found["kendall_p"])
