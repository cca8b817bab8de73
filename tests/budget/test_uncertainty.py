import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import xarray as xr
from factories_budget import make_run, summarize

from chamnet.budget.biasfield import draw_bias_fields
from chamnet.budget.draws import Masses, Spread, draw_totals
from chamnet.budget.regions import Regions
from chamnet.budget.uncertainty import summary_rows, warn_of_outliers
from chamnet.budget.weights import Cells
from chamnet.constants import EARTH_RADIUS_M
from chamnet.data.store import open_store, write_store
from chamnet.errors import InputError
from chamnet.grid import Grid
from chamnet.provenance import write_json

COLUMNS = (
    "target,region_system,region,extent,first_year,last_year,mean_tg,sd_tg,q05_tg,q50_tg,q95_tg,"
    "n_members,var_network,var_extent,var_interannual,outside_share,reference_mean_tg,"
    "reference_min_tg,reference_max_tg,reference,dropped_members,scope,synthetic"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"), step_deg=10.0)


@pytest.fixture(scope="module")
def budget(run):
    return pd.read_csv(run.csv)


def make_masses(mean_kg):
    """Masses of (member, extent, cell), one year, on a row of places round the globe."""
    n_members, n_extents, n_cells = mean_kg.shape
    longitude = np.linspace(-180, 180, n_cells, endpoint=False)
    cells = Cells(
        grid=Grid(1.0),
        latitude=np.zeros(n_cells),
        longitude=longitude,
        area_m2=np.ones(n_cells),
        land_fraction=np.ones(n_cells),
    )
    members = [f"{i:02d}" for i in range(n_members)]
    masses = Masses(mean_kg, members, [f"e{i}" for i in range(n_extents)], [2011])
    regions = Regions(("globe",), ("globe",), scipy.sparse.csr_array(np.ones((1, n_cells))))
    return masses, cells, regions


def table_of(masses):
    return pd.DataFrame(
        [
            (member, extent, "globe", "globe", 2011, month, total / 12 / 1e9)
            for member, rows in zip(masses.members, masses.mean_kg.sum(axis=-1), strict=True)
            for extent, total in zip(masses.extents, rows, strict=True)
            for month in range(1, 13)
        ],
        columns=["member", "extent", "region_system", "region", "year", "month", "mass_tg"],
    )


def draw(mean_kg, *, spread, correlation_km=500.0, n_draws=1000, **options):
    masses, cells, regions = make_masses(mean_kg)
    return draw_totals(
        "emission",
        table_of(masses),
        masses,
        cells=cells,
        regions=regions,
        spread=spread,
        n_draws=n_draws,
        correlation_km=correlation_km,
        seed=0,
        **options,
    )


def fields(**options):
    rng = np.random.default_rng(0)
    return draw_bias_fields(**{"n_draws": 4000, "correlation_km": 500.0, "rng": rng} | options)


def test_bias_factors_have_mean_one_and_the_spread_asked_for():
    place = np.array([10.0]), np.array([20.0])
    factor = np.concatenate([field.factor(*place)[0] for field in fields(log_sd=0.5)])
    assert factor.size == 4000
    assert factor.mean() == pytest.approx(1, abs=3 * factor.std() / np.sqrt(4000))
    assert np.log(factor).std() == pytest.approx(0.5, rel=0.05)


def test_neighbors_share_their_bias_and_far_places_do_not():
    km = np.array([0.0, 250.0, 500.0, 1000.0, 5000.0])
    longitude = np.rad2deg(km * 1000 / EARTH_RADIUS_M)
    log_bias = np.concatenate(
        [field.log_bias(np.zeros(5), longitude) for field in fields(log_sd=1.0)], axis=1
    )
    found = np.corrcoef(log_bias)[0]
    np.testing.assert_allclose(found, np.exp(-((km / 500) ** 2) / 2), atol=0.06)


@pytest.mark.parametrize(("correlation_km", "expected"), [(1e6, 0.3), (50.0, 0.3 / np.sqrt(60))])
def test_upch4_defect_sum_of_cell_spreads_total_sd_is_that_of_draws(correlation_km, expected):
    """60 equal cells 670 km apart: with one shared error the spread of the total is a cell's;
    with errors of their own it falls with the root of their number."""
    totals = draw(
        np.full((1, 1, 60), 1e9), spread=Spread(0.3), correlation_km=correlation_km, n_draws=3000
    )
    relative = totals.draws_tg.std() / totals.draws_tg.mean()
    factor_sd = np.sqrt(np.exp(expected**2) - 1)
    assert relative == pytest.approx(factor_sd, rel=0.12)


def test_mean_of_draws_is_the_mean_of_members():
    mean_kg = np.random.default_rng(0).gamma(2, 1e9, (3, 2, 50))
    exact = draw(mean_kg, spread=Spread(0.0))
    assert exact.draws_tg.mean() == pytest.approx(mean_kg.sum(axis=-1).mean() / 1e9, rel=1e-9)
    spread = draw(mean_kg, spread=Spread(0.4, 0.1), n_draws=3000)
    error = spread.draws_tg.mean(axis=0).std() / np.sqrt(3000)
    assert spread.draws_tg.mean() == pytest.approx(exact.draws_tg.mean(), abs=3 * error)


def test_every_member_is_drawn_as_often():
    totals = draw(np.ones((3, 2, 5)) * 1e9, spread=Spread(0.1), n_draws=1000)
    assert np.bincount(totals.draw_member).tolist() == [334, 334, 334]


def test_an_error_of_the_mean_factor_is_shared_by_all_cells():
    totals = draw(np.full((1, 1, 60), 1e9), spread=Spread(0.0, 0.2), n_draws=3000)
    assert np.log(totals.draws_tg).std() == pytest.approx(0.2, rel=0.06)


def test_imi_defect_bad_member_widens_the_interval_instead_of_vanishing():
    masses = np.full((3, 1, 20), 1e9)
    narrow = draw(masses, spread=Spread(0.0)).draws_tg.std()
    masses[2] *= 4
    assert draw(masses, spread=Spread(0.0)).draws_tg.std() > narrow + 10


def test_the_table_has_the_columns_of_the_design(run, budget):
    assert run.csv.read_text().splitlines()[0] == COLUMNS
    assert set(budget["extent"]) == {"all", "monthly", "static"}
    assert len(budget) == 2 * (1 + 3 + 18) * 3
    assert budget["synthetic"].all()


def test_variance_parts_add_up(budget):
    parts = budget["var_network"] + budget["var_extent"]
    np.testing.assert_allclose(parts, budget["sd_tg"] ** 2, rtol=1e-4)
    single = budget[budget["extent"] != "all"]
    assert (single["var_extent"] == 0).all()
    assert (budget["var_interannual"] > 0).all()


def test_intervals_hold_their_means_and_bands_sum_to_the_globe(budget):
    assert (budget["q05_tg"] < budget["mean_tg"]).all()
    assert (budget["mean_tg"] < budget["q95_tg"]).all()
    means = budget[budget["extent"] == "all"].groupby(["target", "region_system"])["mean_tg"].sum()
    assert means["emission", "gcp_bands"] == pytest.approx(means["emission", "globe"], rel=1e-5)


def test_references_stand_beside_their_regions(budget):
    rows = budget[(budget["extent"] == "all")].set_index(["target", "region"])
    brazil = rows.loc[("emission", "Brazil")]
    assert brazil["reference_mean_tg"] == 21.7
    assert brazil["reference"] == "GMB v2.0, 13 land-surface models, 2008-2017"
    assert rows.loc[("consumption", "globe"), "reference_max_tg"] == 45.0


def test_budget_nc_holds_members_and_draws(run, budget):
    with xr.open_dataset(run.netcdf) as data:
        annual = data["mass_tg"].sum("month").mean("year")
        globe = annual.sel(target="emission").isel(region=0).mean()
        draws = data["draw_tg"].sel(target="emission").isel(region=0)
        assert draws.sizes["draw"] >= 500
        assert data.attrs["synthetic"] == "True"
    mean = budget.iloc[0]["mean_tg"]
    assert float(globe) == pytest.approx(mean, rel=1e-5)
    assert float(draws.mean()) == pytest.approx(mean, rel=0.02)


def test_the_same_seed_gives_the_same_table(run, tmp_path):
    for name in ("one.csv", "two.csv"):
        summarize(run, csv=tmp_path / name, netcdf=tmp_path / "b.nc", seed=3)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    summarize(run, csv=tmp_path / "three.csv", netcdf=tmp_path / "b.nc", seed=4)
    assert (tmp_path / "one.csv").read_bytes() != (tmp_path / "three.csv").read_bytes()


def test_share_from_outside_the_area_of_applicability(run, tmp_path):
    cells = Cells.open(run.cells)
    inside = {"emission": (cells.latitude < 60).astype(float)}
    summarize(run, csv=tmp_path / "b.csv", netcdf=tmp_path / "b.nc", applicability=inside)
    table = pd.read_csv(tmp_path / "b.csv")
    rows = table[(table["extent"] == "all") & (table["target"] == "emission")].set_index("region")
    assert rows.loc["60N-90N", "outside_share"] == pytest.approx(1)
    assert rows.loc["90S-30N", "outside_share"] == 0
    expected = rows.loc["60N-90N", "mean_tg"] / rows.loc["globe", "mean_tg"]
    assert rows.loc["globe", "outside_share"] == pytest.approx(expected, rel=1e-4)
    assert table[table["target"] == "consumption"]["outside_share"].isna().all()


def test_an_extent_without_surface_does_not_hide_what_lies_outside_in_the_others():
    masses = np.full((3, 2, 20), 1e9)
    masses[:, 0] = 0.0
    totals = draw(masses, spread=Spread(0.1), applicability=np.arange(20) % 5 > 0)
    pooled, none, some = summary_rows(totals, make_masses(masses)[2])[:3]
    assert np.isnan(none["outside_share"])
    assert pooled["outside_share"] == some["outside_share"] == pytest.approx(0.2, abs=0.1)


def test_too_few_draws_are_refused(run, tmp_path):
    with pytest.raises(InputError, match="n_draws 100, expected at least 500"):
        summarize(run, n_draws=100)


@pytest.mark.parametrize("value", [None, -0.1, float("nan")])
def test_a_calibration_without_spread_is_refused(run, tmp_path, value):
    write_json(tmp_path / "c.json", {"log_bias_sd": value})
    with pytest.raises(InputError, match=r"log_bias_sd is .*, expected a number >= 0"):
        summarize(run, calibrations=dict.fromkeys(run.calibrations, tmp_path / "c.json"))


def test_a_calibration_without_clusters_is_warned_of(tmp_path, caplog):
    write_json(tmp_path / "c.json", {"log_bias_sd": 0.3})
    assert Spread.read(tmp_path / "c.json", target="emission") == Spread(0.3, 0.0)
    assert "no n_clusters, the mean factor is taken as exact" in caplog.text


def test_a_year_that_is_missing_is_refused(run):
    with pytest.raises(InputError, match=r"no mass_tg of .* year 2012, month 1"):
        summarize(run, budgets=[run.budgets[0], *run.budgets[2:]])
    with pytest.raises(InputError, match="no annual masses of cells"):
        summarize(run, masses=run.masses[2:])


def test_a_year_with_another_member_is_refused(run, tmp_path):
    fewer = open_store(run.masses[1]).isel(member=slice(2)).load()
    manifest = write_store(
        fewer, tmp_path / "2012.zarr", digest="x", extra={"target": "emission", "year": 2012}
    )
    with pytest.raises(InputError, match="a member that failed is dropped from every year"):
        summarize(run, masses=[run.masses[0], manifest, *run.masses[2:]])


def test_masses_of_another_run_are_refused(run, tmp_path):
    other = open_store(run.masses[1]).load()
    other["mass"] = other["mass"] * 1.01
    manifest = write_store(
        other, tmp_path / "2012.zarr", digest="x", extra={"target": "emission", "year": 2012}
    )
    with pytest.raises(InputError, match="tables and masses are not of one run"):
        summarize(run, masses=[run.masses[0], manifest, *run.masses[2:]])


def test_applicability_of_other_cells_is_refused(run, tmp_path):
    with pytest.raises(InputError, match=r"applicability has shape \(3,\), expected"):
        summarize(run, applicability={"emission": np.ones(3)})


def test_what_would_be_counted_twice_stands_beside_every_total(run, budget):
    assert budget[budget["target"] == "emission"]["scope"].str.contains("no lakes, rivers").all()
    assert budget[budget["target"] == "emission"]["scope"].str.contains("counted twice").all()
    with xr.open_dataset(run.netcdf) as data:
        assert "no lakes, rivers" in data.attrs["comment"]


def test_imi_defect_bad_members_kept_a_member_is_left_out_with_its_reason(run, tmp_path):
    dropped = [{"target": "emission", "member": "01", "reason": "its loss diverged"}]
    summarize(run, csv=tmp_path / "b.csv", netcdf=tmp_path / "b.nc", dropped_members=dropped)
    table = pd.read_csv(tmp_path / "b.csv", na_filter=False)
    rows = table[table["target"] == "emission"]
    assert set(rows["dropped_members"]) == {"01: its loss diverged"}
    assert set(rows["n_members"]) == {2}
    others = table[table["target"] == "consumption"]
    assert (set(others["dropped_members"]), set(others["n_members"])) == ({""}, {3})
    budgets = pd.concat([pd.read_csv(p, dtype={"member": str}) for p in run.budgets[:2]])
    globe = budgets[(budgets["region"] == "globe") & (budgets["member"] != "01")]
    expected = globe["mass_tg"].sum() / (2 * 2 * 2)  # members, extents, years
    assert rows.iloc[0]["mean_tg"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("members", [["07"], ["00", "01", "02"]])
def test_a_member_that_is_not_there_or_all_of_them_cannot_be_left_out(run, tmp_path, members):
    dropped = [{"target": "emission", "member": m, "reason": "bad"} for m in members]
    with pytest.raises(InputError, match=r"dropped_members \[.*has members \['00', '01', '02'\]"):
        summarize(run, csv=tmp_path / "b.csv", netcdf=tmp_path / "b.nc", dropped_members=dropped)


def test_a_member_far_from_the_others_is_warned_of_and_stays(caplog):
    masses = np.full((3, 1, 20), 1e9)
    masses[2] *= 4
    totals = draw(masses, spread=Spread(0.0))
    warn_of_outliers(totals)
    assert "member 02 gives 4.00 of the members' median; it stays in" in caplog.text
