from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chamnet.data.chambers import SMUD_MONTHS, read_chambers
from chamnet.errors import InputError
from chamnet.units import ug_c_m2_hour_to_kg_m2_s

REAL = Path(__file__).parents[3] / "shared" / "data" / "uptake" / "smud_monthly.csv"


def write_smud(folder, rows):
    """Rows of (latitude, longitude, ecosystem, values of months)."""
    table = pd.DataFrame(
        [
            {"Paper_author": "Saari", "Latitude": lat, "Longitude": lon, "Biome": "Boreal forest"}
            | {"Ecosystem": ecosystem}
            | {m: months.get(m, np.nan) for m in SMUD_MONTHS}
            for lat, lon, ecosystem, months in rows
        ]
    )
    table.to_csv(folder / "smud.csv", index=False)
    return str(folder / "smud.csv")


def write_plain(folder, rows):
    columns = ["place_id", "latitude", "longitude", "biome", "year", "month"]
    columns += ["consumption_ug_c_m2_h", "uncertainty_ug_c_m2_h", "n"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "plain.csv", index=False)
    return str(folder / "plain.csv")


def test_months_of_studies_become_windows_without_a_year(tmp_path):
    path = write_smud(tmp_path, [(61, 24, "Forest", {"Jul": 60.0, "Aug": 30.0})])
    found = read_chambers(path=path, kind="smud")
    assert found.months["month"].tolist() == [6, 7]
    assert set(found.months["year"]) == {-1}
    np.testing.assert_allclose(found.months["flux"], ug_c_m2_hour_to_kg_m2_s(np.array([60, 30])))
    assert found.dropped.empty


def test_corrupt_rows_are_dropped_and_counted(tmp_path):
    rows = [
        (61, 24, "Forest", {"Jul": 60.0}),
        (61, 24, "Forest", {"Jul": 60.0, "Aug": 8e7}),
        (61, 24, "Forest", {"Jul": -250.1}),
        (61, 24, "Forest", {}),
        (np.nan, 24, "Forest", {"Jul": 60.0}),
        (61, 24, "Wetland", {"Jul": 60.0}),
    ]
    found = read_chambers(path=write_smud(tmp_path, rows), kind="smud")
    assert found.places["place"].tolist() == ["smud-0002"]
    reasons = found.dropped.set_index("place")["reason"]
    assert reasons["smud-0003"] == reasons["smud-0004"] == "beyond 250 ug C m-2 h-1"
    assert reasons["smud-0005"] == "no monthly value"
    assert reasons["smud-0006"] == "no position"
    assert reasons["smud-0007"] == "wetland, not upland soil"
    assert found.dropped["n_dropped"].sum() == 5


def test_plain_table_is_read_with_and_without_years(tmp_path):
    rows = [
        ("b", 10, 200, "Savanna", 2012, 3, 20.0, 2.0, 4),
        ("a", 50, 10, "Forest", np.nan, 12, 40.0, np.nan, 1),
    ]
    found = read_chambers(path=write_plain(tmp_path, rows), kind="plain")
    assert found.places["place"].tolist() == ["a", "b"]
    assert found.places["longitude"].tolist() == [10, -160]
    assert found.months["year"].tolist() == [-1, 2012]
    assert found.months["month"].tolist() == [11, 2]
    np.testing.assert_allclose(found.months["uncertainty"][1], ug_c_m2_hour_to_kg_m2_s(2.0))


def test_wild_row_of_a_plain_table_is_dropped_alone(tmp_path):
    rows = [("a", 50, 10, "Forest", 2012, m, v, 1, 1) for m, v in ((1, 400.0), (2, 40.0))]
    found = read_chambers(path=write_plain(tmp_path, rows), kind="plain")
    assert len(found.months) == 1
    assert found.dropped.iloc[0][["n_dropped", "n_kept"]].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("a", 50, 10, "F", 2012, 13, 4.0, 1, 1), r"month of line 3 is 13, expected 1 to 12"),
        (("a", 51, 10, "F", 2012, 3, 4.0, 1, 1), r"place 'a' has more than one latitude"),
        (("a", 50, 10, "F", 2012, 3, "4,0", 1, 1), r"of line 3 is '4,0', expected a number"),
    ],
)
def test_bad_plain_table_is_refused(tmp_path, row, message):
    rows = [("a", 50, 10, "Forest", 2012, 1, 40.0, 1, 1), row]
    with pytest.raises(InputError, match=f"plain.csv: .*{message}"):
        read_chambers(path=write_plain(tmp_path, rows), kind="plain")


@pytest.mark.parametrize("newline", ["\n", "\n\n", "\n \n"])
def test_decimal_commas_that_shift_the_columns_are_refused(tmp_path, newline):
    lines = ["place_id,latitude,longitude,month,consumption_ug_c_m2_h", "a,45.0,10,5,7,12"]
    (tmp_path / "plain.csv").write_text(newline.join([*lines, "a,45.0,10,5,8,14", ""]))
    with pytest.raises(InputError, match=r"plain.csv: the first row .* \(a decimal comma\?\)"):
        read_chambers(path=str(tmp_path / "plain.csv"), kind="plain")


def test_table_without_a_column_is_refused(tmp_path):
    path = write_plain(tmp_path, [("a", 50, 10, "Forest", 2012, 1, 40.0, 1, 1)])
    with pytest.raises(InputError, match=r"plain.csv: no column 'Latitude'"):
        read_chambers(path=path, kind="smud")
    with pytest.raises(InputError, match=r"kind 'other', expected 'smud', 'plain' or 'cosore'"):
        read_chambers(path=path, kind="other")


def test_table_without_a_usable_row_is_refused(tmp_path):
    path = write_smud(tmp_path, [(61, 24, "Forest", {"Jul": 9e9})])
    with pytest.raises(InputError, match=r"none of 1 rows can be used: 1 \(beyond 250"):
        read_chambers(path=path, kind="smud")


@pytest.mark.real
@pytest.mark.skipif(not REAL.exists(), reason="the real data are not beside the repository")
def test_real_table_has_the_known_corrupt_rows():
    found = read_chambers(path=str(REAL), kind="smud")
    counts = found.dropped.groupby("reason")["n_dropped"].sum()
    assert counts["beyond 250 ug C m-2 h-1"] == 99
    assert (len(found.places), len(found.months)) == (1522, 11_841)


COSORE = REAL.parent / "cosore_daily.csv"


def make_cosore(**changed):
    days = pd.date_range("2015-07-20", periods=30)
    table = {"dataset": "d1", "site": "s", "lat": 45.0, "lon": -68.0, "igbp": "Forest"}
    table |= {"date": days.strftime("%Y-%m-%d"), "CSR_FLUX_CH4": -1.0}
    return pd.DataFrame(table | changed)


def test_days_of_automated_chambers_are_months_of_uptake(tmp_path):
    make_cosore().to_csv(tmp_path / "c.csv", index=False)
    found = read_chambers(path=str(tmp_path / "c.csv"), kind="cosore")
    assert found.months[["year", "month"]].to_numpy().tolist() == [[2015, 6], [2015, 7]]
    np.testing.assert_allclose(found.months["flux"], 1.60425e-11, rtol=1e-4)
    assert found.places["doi"].tolist() == ["10.1111/gcb.15353"]


def test_short_months_and_wetlands_of_automated_chambers_are_dropped(tmp_path):
    wet = make_cosore(dataset="d2", igbp="Wetland")
    pd.concat([make_cosore()[9:], wet]).to_csv(tmp_path / "c.csv", index=False)
    found = read_chambers(path=str(tmp_path / "c.csv"), kind="cosore")
    assert found.months["month"].tolist() == [7]
    assert set(found.dropped["reason"]) == {"no monthly value", "wetland, not upland soil"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"date": ["July"] * 30}, "date of line 2 is 'July', expected a day as YYYY-MM-DD"),
        ({"CSR_FLUX_CH4": "-1,5"}, "CSR_FLUX_CH4 of line 2 is '-1,5', expected a number"),
    ],
)
def test_bad_days_of_automated_chambers_are_refused(tmp_path, changed, message):
    make_cosore(**changed).to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(InputError, match=rf"c.csv: {message}"):
        read_chambers(path=str(tmp_path / "c.csv"), kind="cosore")
    make_cosore().drop(columns="igbp").to_csv(tmp_path / "d.csv", index=False)
    with pytest.raises(InputError, match=r"d.csv: no column 'igbp'"):
        read_chambers(path=str(tmp_path / "d.csv"), kind="cosore")


MINE = {"place_id": "Plot", "latitude": "Y", "longitude": "X", "month": "M"}
MINE |= {"consumption_ug_c_m2_h": "FCH4", "year": "Yr"}


@pytest.mark.parametrize(
    ("value", "units", "positive"),
    [
        (-1.0, "nmol m-2 s-1", "emission"),
        (1.0, "nmol m-2 s-1", "uptake"),
        (1.38607, "mg CH4 m-2 d-1", "uptake"),
        (1.03776, "mg C m-2 d-1", "uptake"),
        (43.24, "ug C m-2 h-1", "uptake"),
        (57.753, "ug CH4 m-2 h-1", "uptake"),
    ],
)
def test_a_table_of_other_columns_units_and_sign_is_mapped(tmp_path, value, units, positive):
    (tmp_path / "p.csv").write_text(f"Plot,Y,X,Yr,M,FCH4\na,45,10,2015,7,{value}\n")
    options = {"columns": MINE, "units": units, "positive": positive}
    found = read_chambers(path=str(tmp_path / "p.csv"), kind="plain", **options)
    np.testing.assert_allclose(found.months["flux"], 1.60425e-11, rtol=1e-4)
    assert found.months["year"].tolist() == [2015]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": MINE | {"month": "Mon"}}, r"p.csv: no column 'Mon', which chambers.columns"),
        ({"columns": {"lat": "Y"}}, r"chambers.columns names 'lat', expected \['place_id'"),
        ({"units": "ppb"}, "chambers.units 'ppb', expected one of"),
        ({"positive": "up"}, "chambers.positive 'up', expected 'uptake' or 'emission'"),
    ],
)
def test_maps_of_columns_that_do_not_fit_are_refused(tmp_path, options, message):
    (tmp_path / "p.csv").write_text("Plot,Y,X,Yr,M,FCH4\na,45,10,2015,7,1.0\n")
    with pytest.raises(InputError, match=message):
        read_chambers(path=str(tmp_path / "p.csv"), kind="plain", **({"columns": MINE} | options))


@pytest.mark.real
@pytest.mark.skipif(not COSORE.exists(), reason="the real data are not beside the repository")
def test_real_automated_chambers_give_months_with_years():
    found = read_chambers(path=str(COSORE), kind="cosore")
    assert (found.months["year"] > 2000).all()
    assert set(found.dropped["reason"]) >= {"wetland, not upland soil"}
    assert len(found.places) == 4
