from pathlib import Path

import pandas as pd
import pytest

from chamnet.budget.references import (
    check_references,
    find_reference,
    read_acceptance,
    read_gcp_table,
    read_literature,
)
from chamnet.budget.regionnames import GCP_REGIONS
from chamnet.errors import InputError

SOURCE = Path(__file__).parents[2].parent / "shared" / "data" / "budgets" / "gcp_2008_2017.csv"


def make_budget(**totals):
    """Rows of global_budget.csv: of the globe, and the share of the tropics."""
    rows = []
    for target, (total, tropics) in totals.items():
        rows += [
            (target, "globe", "globe", "all", total),
            (target, "gcp_bands", "90S-30N", "all", tropics * total),
            (target, "gcp_bands", "60N-90N", "all", 0.06 * total),
            (target, "globe", "globe", "static", 1e4),
        ]
    columns = ["target", "region_system", "region", "extent", "mean_tg"]
    return pd.DataFrame(rows, columns=columns).assign(first_year=2011, last_year=2018)


def test_gmb_quotes_defect_decades_swapped_the_literature_carries_its_periods():
    table = read_literature()
    rows = table[(table["target"] == "emission") & table["source"].str.contains("Saunois")]
    by_period = rows.set_index(["first_year", "last_year"])["mean_tg"]
    assert by_period[2010, 2019] == 159
    assert by_period[2000, 2009] == 153
    assert by_period[2020, 2020] == 161


def test_every_row_of_the_table_has_period_unit_and_source():
    table = read_gcp_table()
    assert set(table["first_year"]) == {2008}
    assert set(table["last_year"]) == {2017}
    assert table["source"].str.contains("10.18160/GCP-CH4-2019").all()
    assert set(table[table["region_system"] == "gcp_regions"]["region"]) == set(GCP_REGIONS)
    assert (table["min_tg"] <= table["mean_tg"]).all()
    assert (table["mean_tg"] <= table["max_tg"]).all()


@pytest.mark.real
@pytest.mark.skipif(not SOURCE.exists(), reason="the table of GMB v2.0 is not beside the project")
def test_the_table_is_its_source_row_by_row():
    source = pd.read_csv(SOURCE).set_index("region")
    columns = {("emission", "bottom_up"): "bu", ("emission", "top_down"): "td"}
    columns |= {("consumption", "top_down"): "soil"}
    for _, row in read_gcp_table().iterrows():
        region = "GLOBAL" if row["region"] == "globe" else row["region"]
        prefix = columns[row["target"], row["kind"]]
        expected = source.loc[region, [f"{prefix}_{part}" for part in ("mean", "min", "max")]]
        assert row[["mean_tg", "min_tg", "max_tg"]].tolist() == expected.tolist()


def test_negative_minima_of_the_references_are_kept():
    assert find_reference("emission", "gcp_regions", "Middle_East").min_tg == -0.7


def test_a_region_without_reference_has_none():
    assert find_reference("emission", "koppen", "arid") is None
    top_down = find_reference("emission", "globe", "globe", kind="top_down")
    assert (top_down.mean_tg, top_down.text) == (183.0, "GMB v2.0, 22 inversions, 2008-2017")


def test_bands_of_different_periods_say_so():
    periods = read_acceptance().set_index(["target", "quantity"])[["first_year", "last_year"]]
    assert periods.loc[("emission", "total")].tolist() == [2010, 2019]
    assert periods.loc[("consumption", "total")].tolist() == [2008, 2017]


@pytest.mark.parametrize(
    ("emission", "consumption", "verdicts"),
    [
        (150, 35, ["inside", "inside"]),
        (210, 48, ["outside_inner", "outside_inner"]),
        (230, 55, ["outside_outer", "outside_outer"]),
        (95, 5, ["outside_outer", "outside_outer"]),
        (101, 10, ["outside_inner", "outside_inner"]),
    ],
)
def test_totals_outside_the_bands_are_never_silent(emission, consumption, verdicts, caplog):
    budget = make_budget(emission=(emission, 0.77), consumption=(consumption, 0.7))
    found = [c for c in check_references(budget) if c.quantity == "total"]
    assert [c.verdict for c in found] == verdicts
    assert len(caplog.records) == sum(v != "inside" for v in verdicts)


def test_shares_of_bands_are_checked(caplog):
    checks = check_references(make_budget(emission=(150, 0.55)))
    share = next(c for c in checks if c.quantity == "share 90S-30N")
    assert (round(share.value), share.verdict) == (55, "outside_inner")
    assert "share 90S-30N: 55.0 % is outside the range 64 to 91 of 2008-2017" in caplog.text


def test_a_target_that_was_not_run_is_left_out():
    assert {c.target for c in check_references(make_budget(emission=(150, 0.77)))} == {"emission"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.assign(units="Tg C yr-1"), "units .*'Tg C yr-1'.*, expected 'Tg CH4 yr-1'"),
        (lambda t: t.drop(columns="first_year"), "no columns .*'first_year'"),
        (lambda t: t.assign(last_year=float("nan")), "its period is unknown"),
    ],
)
def test_a_table_of_another_unit_or_period_is_refused(tmp_path, change, words):
    path = tmp_path / "table.csv"
    change(read_gcp_table()).to_csv(path, index=False)
    with pytest.raises(InputError, match=words):
        read_gcp_table(path)
