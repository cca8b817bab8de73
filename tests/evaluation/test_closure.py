"""Closure: the truth as estimate closes exactly, and what is wrong is named."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from factories_evaluation import make_world

from chamnet.data.store import write_store
from chamnet.errors import CalendarError, GridError, InputError
from chamnet.evaluation.closure import WeightedSkill, check_closure
from chamnet.metrics import r2


def run(world, folder, **changes):
    names = ("truth", "global_budget", "fluxes", "wetlands", "cells")
    arguments = {name: world[name] for name in names} | changes
    checks = folder / "checks"
    return check_closure(
        out=checks / "closure.json", cell_means=checks / "closure_cells.csv", **arguments
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"))


def test_the_truth_as_estimate_has_no_error(world, tmp_path):
    run(world, tmp_path)
    written = json.loads((tmp_path / "checks" / "closure.json").read_text())
    assert written["synthetic"] is True
    assert len(written["rows"]) == 2 * 3 * 4
    assert max(abs(row["relative_error"]) for row in written["rows"]) < 1e-5
    assert all(row["r2"] == pytest.approx(1) for row in written["maps"])


def test_rows_have_the_keys_of_the_design(world, tmp_path):
    row = run(world, tmp_path)["rows"][0]
    assert list(row) == [
        "target", "extent", "region_system", "region", "true_tg", "mean_tg", "q05_tg", "q95_tg",
        "relative_error",
    ]  # fmt: skip


def test_a_flux_a_tenth_too_large_is_an_error_of_a_tenth(tmp_path):
    world = make_world(tmp_path, ratio=1.1, years=(2011,), members=("00",))
    values = run(world, tmp_path)
    errors = [row["relative_error"] for row in values["rows"]]
    np.testing.assert_allclose(errors, 0.1, atol=1e-5)
    assert all(row["r2"] < 1 for row in values["maps"])


def test_maps_are_compared_without_the_members_that_are_left_out(tmp_path):
    kept = run(make_world(tmp_path / "one", members=("00",)), tmp_path / "one")["maps"]
    world = make_world(tmp_path / "two", change=lambda flux: np.stack([flux[0], 4 * flux[1]]))
    dropped = [
        {"target": target, "member": "01", "reason": "its loss diverged"}
        for target in ("emission", "consumption")
    ]
    assert run(world, tmp_path / "two", dropped_members=dropped)["maps"] == kept
    assert run(world, tmp_path / "two")["maps"] != kept


def test_the_truth_is_taken_under_each_extent(world, tmp_path):
    rows = pd.DataFrame(run(world, tmp_path)["rows"])
    globe = rows[(rows["region_system"] == "globe") & (rows["target"] == "emission")]
    true = globe.set_index("extent")["true_tg"]
    assert true["static"] > true["monthly"]
    assert true["all"] == pytest.approx((true["static"] + true["monthly"]) / 2)
    bands = rows[(rows["region_system"] == "gcp_bands") & (rows["target"] == "emission")]
    assert bands.groupby("extent")["true_tg"].sum()["all"] == pytest.approx(true["all"])


def test_the_ceiling_stands_beside_the_estimate(world, tmp_path):
    for row in run(world, tmp_path)["maps"]:
        assert 0 < row["r2_ceiling"] < 1
        assert row["n_cells_without_truth"] == 0


def test_weighted_skill_merges_and_equals_r2_for_equal_weights():
    generator = np.random.default_rng(0)
    truth, estimate = generator.normal(size=(2, 40))
    skill = WeightedSkill()
    for part in (slice(0, 7), slice(7, 40)):
        skill.add(truth[part], estimate[part], np.ones(40)[part])
    assert skill.r2 == pytest.approx(r2(truth, estimate))
    assert np.isnan(WeightedSkill().r2)


def test_a_budget_without_a_band_is_named(world, tmp_path):
    table = pd.read_csv(world["global_budget"])
    path = tmp_path / "global_budget.csv"
    table[table["region"] != "30N-60N"].to_csv(path, index=False)
    with pytest.raises(InputError, match="0 rows of emission, gcp_bands, 30N-60N, extent monthly"):
        run(world, tmp_path, global_budget=path)
    assert not (tmp_path / "checks").exists()


def test_a_truth_of_another_grid_is_refused(world, tmp_path):
    coarse = xr.open_zarr(world["truth"].replace(".json", ".zarr"), chunks=None).load()
    truth = write_store(coarse.isel(latitude=slice(0, 3)), tmp_path / "truth.zarr", digest="d")
    with pytest.raises(GridError, match="the truth is on 3 x 12 cells, expected the run's 6 x 12"):
        run(world, tmp_path, truth=truth)


def test_a_truth_without_a_month_is_refused(world, tmp_path):
    whole = xr.open_zarr(world["truth"].replace(".json", ".zarr"), chunks=None).load()
    truth = write_store(whole.isel(time=slice(0, 20)), tmp_path / "truth.zarr", digest="d")
    with pytest.raises(CalendarError, match="the truth has 8 months of 2012"):
        run(world, tmp_path, truth=truth)


def test_means_of_cells_are_weighted_by_their_surface(tmp_path):
    world = make_world(tmp_path, ratio=1.1, years=(2011,), members=("00",))
    run(world, tmp_path)
    table = pd.read_csv(tmp_path / "checks" / "closure_cells.csv")
    np.testing.assert_allclose(table["estimated"] / table["true"], 1.1, rtol=1e-5)
    emission = table[table["target"] == "emission"]
    assert (emission["cell"] == np.arange(60)).all()
    kg = (emission["true"] * emission["surface_m2"]).sum() * 365 * 86_400
    true = json.loads((tmp_path / "checks" / "closure.json").read_text())["rows"]
    globe = next(row["true_tg"] for row in true if row["extent"] == "all")
    assert kg / 1e9 == pytest.approx(globe, rel=1e-4)


def test_cells_without_truth_are_counted(world, tmp_path, caplog):
    whole = xr.open_zarr(world["truth"].replace(".json", ".zarr"), chunks=None).load()
    hole = whole.where(whole["latitude"] < 60)
    truth = write_store(hole, tmp_path / "truth.zarr", digest="d")
    rows = run(world, tmp_path, truth=truth)["maps"]
    assert rows[0]["n_cells_without_truth"] == 12
    assert "12 cells of emission have no truth" in caplog.text
