import numpy as np
import pandas as pd
import pytest
from factories_data import make_tower_table
from factories_towers import make_base_table, make_half_hours, write_base, write_zip

from chamnet.data import tower_files
from chamnet.data.tower_files import check_site_id, list_tower_files
from chamnet.data.towers import read_towers
from chamnet.errors import InputError
from chamnet.units import kg_m2_s_to_nmol_m2_s, nmol_m2_s_to_kg_m2_s

DD = "FLX_FI-Sii_FLUXNET-CH4_DD_2015-2016_1-1.csv"
HH = DD.replace("DD", "HH")
MG_C_PER_NMOL = 1.03776  # reference_numbers: mg C m-2 d-1 of 1 nmol m-2 s-1


@pytest.fixture
def folder(tmp_path):
    sites = "SITE_ID,LAT,LON,SITE_CLASSIFICATION\nFI-Sii,61,24,Fen\nUS-Myb,38,-121,Marsh\n"
    (tmp_path / "sites.csv").write_text(sites)
    (tmp_path / "towers").mkdir()
    return tmp_path / "towers"


def read(folder, **options):
    return read_towers(folder=str(folder), sites=str(folder.parent / "sites.csv"), **options)


def test_a_zip_and_a_subfolder_are_read_as_a_plain_file(folder):
    text = make_tower_table().to_csv(index=False)
    (folder / DD).write_text(text)
    plain = read(folder)[0].days
    (folder / DD).unlink()
    write_zip(folder / "FLX_FI-Sii_FLUXNET-CH4_2015-2016_1-1.zip", {DD: text, "readme.txt": "x"})
    pd.testing.assert_frame_equal(read(folder)[0].days, plain)
    next(folder.iterdir()).unlink()
    (folder / "FLX_FI-Sii_FLUXNET-CH4_2015-2016_1-1").mkdir()
    (folder / "FLX_FI-Sii_FLUXNET-CH4_2015-2016_1-1" / DD).write_text(text)
    pd.testing.assert_frame_equal(read(folder)[0].days, plain)
    assert list_tower_files(str(folder))[0].site_id == "FI-Sii"


def test_nothing_of_a_zip_is_written(folder, tmp_path):
    write_zip(folder / "a.zip", {DD: make_tower_table().to_csv(index=False)})
    before = sorted(tmp_path.rglob("*"))
    read(folder)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("member", [f"../{DD}", f"/tmp/{DD}", f"a/../../{DD}", f"..\\{DD}"])
def test_a_name_that_leads_out_of_a_zip_is_refused(folder, member):
    write_zip(folder / "a.zip", {member: "x"})
    with pytest.raises(InputError, match=r"a.zip: holds .*, which leads out of it"):
        read(folder)


def test_a_zip_that_is_no_zip_is_refused(folder):
    (folder / "a.zip").write_text("<html>please log in</html>")
    with pytest.raises(InputError, match=r"a.zip: cannot be read as a zip"):
        read(folder)


def test_a_damaged_zip_is_refused(folder):
    path = write_zip(folder / "a.zip", {DD: make_tower_table().to_csv(index=False)})
    content = bytearray(path.read_bytes())
    content[200:260] = b"\0" * 60
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a.zip: cannot be read as a zip"):
        read(folder)


def test_a_table_that_unpacks_beyond_the_bound_is_refused(folder, monkeypatch):
    write_zip(folder / "a.zip", {DD: "0" * 5000})
    monkeypatch.setattr(tower_files, "MAX_MEMBER_BYTES", 4000)
    with pytest.raises(InputError, match=rf"a.zip!{DD}: .* GiB unpacked, expected .* at most"):
        read(folder)


def test_a_site_that_would_leave_its_folder_is_refused(folder):
    table = make_tower_table(n_days=40).assign(Site="../../etc")
    table.to_csv(folder / "FLUXNET_T1_DD.csv", index=False)
    with pytest.raises(InputError, match=r"site '../../etc', expected letters, digits"):
        read(folder)
    assert check_site_id("US.Uaf", source="x") == "US-Uaf"


def test_half_hours_become_days_by_the_coverage_rule(folder):
    table = make_half_hours()
    table.loc[29 * 48 + 3 :, "FCH4"] = -9999  # three half-hours of the last day
    table.to_csv(folder / HH, index=False)
    days = read(folder, driver_names=["precipitation_flux", "air_temperature"])[0].days
    assert len(days) == 30
    is_there = table["FCH4"] != -9999
    first = table["FCH4"][:48].mean()
    assert kg_m2_s_to_nmol_m2_s(days["flux"].iloc[0]) == pytest.approx(first)
    assert days["quality"].tolist() == [0] * 29 + [1]  # the last is filled
    assert days["precipitation_flux"].iloc[0] == pytest.approx(4.8 / 86_400)
    assert days["air_temperature"].iloc[0] == pytest.approx(288.15)
    n = is_there[48 * 20 : 48 * 21].sum()
    assert n < 48
    some = table["FCH4"][48 * 20 : 48 * 21][is_there].mean()
    assert kg_m2_s_to_nmol_m2_s(days["flux"].iloc[20]) == pytest.approx(some)
    assert (read(folder, min_coverage=1.0)[0].days["quality"] == 0).sum() == 12


def test_random_errors_shrink_with_the_number_of_half_hours(folder):
    make_half_hours().to_csv(folder / HH, index=False)
    days = read(folder)[0].days
    assert kg_m2_s_to_nmol_m2_s(days["uncertainty"].iloc[0]) == pytest.approx(4 / np.sqrt(48))


@pytest.mark.parametrize(("factor", "units"), [(1.0, "nmol"), (MG_C_PER_NMOL, "mg C")])
def test_the_ratio_to_the_half_hours_tells_the_units_of_the_days(folder, factor, units, caplog):
    half_hours = make_half_hours()
    half_hours.to_csv(folder / HH, index=False)
    mean = half_hours["FCH4_F"].to_numpy().reshape(30, 48).mean(axis=1)
    daily = pd.DataFrame({"TIMESTAMP": pd.date_range("2015-06-01", periods=30).strftime("%Y%m%d")})
    daily["FCH4"] = daily["FCH4_F"] = daily["FCH4_F_ANNOPTLM"] = mean * factor
    daily.to_csv(folder / DD, index=False)
    with caplog.at_level("INFO"):
        days = read(folder)[0].days
    np.testing.assert_allclose(days["flux"], nmol_m2_s_to_kg_m2_s(mean), rtol=1e-4)
    assert f"FCH4 is in {units}" in caplog.text


def test_days_that_are_neither_unit_are_refused(folder):
    make_half_hours().to_csv(folder / HH, index=False)
    daily = pd.DataFrame({"TIMESTAMP": pd.date_range("2015-06-01", periods=30).strftime("%Y%m%d")})
    daily.assign(FCH4=80.0).to_csv(folder / DD, index=False)
    with pytest.raises(InputError, match=r"FCH4 is (1.9|2.0).* times the mean of its half-hours"):
        read(folder)


@pytest.mark.parametrize("minutes", [30, 60])
def test_ameriflux_base_is_read_behind_its_comments(folder, minutes):
    step = "HH" if minutes == 30 else "HR"
    table = make_base_table(minutes=minutes)
    write_base(folder / f"AMF_US-Myb_BASE_{step}_12-5.csv", table)
    names = ["air_temperature", "precipitation_flux", "vapor_pressure_deficit"]
    (tower,) = read(folder, driver_names=names)
    assert (tower.site_id, tower.place_class) == ("US-Myb", "Marsh")
    assert set(tower.days["quality"]) == {0}
    assert tower.days["precipitation_flux"].iloc[0] * 86_400 == pytest.approx(144 / minutes)
    assert tower.days["vapor_pressure_deficit"].iloc[0] == pytest.approx(700, abs=30)


def change(column, row, value):
    def damage(table):
        table[column] = table[column].astype(object)
        table.loc[row, column] = value
        return table

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda t: t.drop(columns="TIMESTAMP_START"), "no column 'TIMESTAMP_START'"),
        (change("TIMESTAMP_START", 3, "noon"), "TIMESTAMP_START 'noon', expected YYYYMMDDHHMM"),
        (
            lambda t: t.iloc[[0, 1, 1, 2]],
            "TIMESTAMP_START 201506010030 is repeated or out of order",
        ),
        (lambda t: t.iloc[::4], "steps of 120 minutes, expected 30 or 60"),
        (lambda t: t.drop(columns="FCH4"), "no column 'FCH4'"),
        (change("FCH4", 3, "1,5"), "FCH4 holds '1,5', expected a number with a decimal point"),
    ],
)
def test_bad_half_hours_are_refused(folder, damage, message):
    damage(make_half_hours(n_days=2)).to_csv(folder / HH, index=False)
    with pytest.raises(InputError, match=f"{HH}: {message}"):
        read(folder)
