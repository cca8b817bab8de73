import dataclasses
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from factories_data import DRIVER_NAMES, make_tower_table, write_towers
from factories_towers import make_half_hours

from chamnet.data.sites import read_site_table
from chamnet.data.towers import fill_driver_gaps, read_towers
from chamnet.errors import InputError, MissingDriverError
from chamnet.units import kg_m2_s_to_nmol_m2_s

REAL = Path(__file__).parents[3] / "shared" / "data" / "towers"


def read(folder, tables, **options):
    towers = write_towers(folder, tables)
    chosen = {"folder": towers["folder"], "sites": towers["sites"], "driver_names": DRIVER_NAMES}
    return read_towers(**(chosen | options))


def test_measured_and_filled_fluxes_are_kept_apart(tmp_path):
    table = make_tower_table()
    days = read(tmp_path, {"FI-Sii": table})[0].days
    is_measured = (table["FCH4"] != -9999).to_numpy()
    assert (days["quality"].to_numpy() == 0).tolist() == is_measured.tolist()
    assert set(days["quality"][~is_measured]) == {1, 3}
    measured = kg_m2_s_to_nmol_m2_s(days["flux"][is_measured])
    np.testing.assert_allclose(measured, table["FCH4"][is_measured])


def test_fluxnet_defect_meaning_of_qc_filled_without_quality_says_so(tmp_path):
    table = make_tower_table().drop(columns=["FCH4_F_ANNOPTLM_QC"])
    days = read(tmp_path, {"FI-Sii": table})[0].days
    assert set(days["quality"]) == {0, 2}


def test_ai4nm_defect_missing_values_are_numbers_day_without_any_flux_has_none(tmp_path):
    table = make_tower_table()
    filled = [column for column in table if column.startswith("FCH4")]
    table.loc[5, filled] = -9999
    days = read(tmp_path, {"FI-Sii": table})[0].days
    assert np.isnan(days["flux"].iloc[5])
    assert days["quality"].iloc[5] == -1


def test_drivers_are_in_cf_units(tmp_path):
    table = make_tower_table()
    day = read(tmp_path, {"FI-Sii": table})[0].days.iloc[10]
    row = table.iloc[10]
    assert day["air_temperature"] == pytest.approx(row["TA_F"] + 273.15)
    assert day["precipitation_flux"] == pytest.approx(row["P_F"] / 86_400)
    assert day["vapor_pressure_deficit"] == pytest.approx(row["VPD_F"] * 100)
    assert day["surface_air_pressure"] == pytest.approx(row["PA_F"] * 1000)


def test_fluxnet_defect_unit_of_days_milligrams_of_carbon_are_read_as_the_option_says(tmp_path):
    one, other = (
        read(tmp_path, {"FI-Sii": make_tower_table()}, flux_units=units)[0].days["flux"]
        for units in ("nmol m-2 s-1", "mg C m-2 d-1")
    )
    np.testing.assert_allclose(one / other, 1.0378, atol=1e-4)


def test_fluxnet_defect_dots_in_site_ids_they_and_a_table_of_all_sites_are_read(tmp_path):
    options = write_towers(tmp_path, {"US-Uaf": make_tower_table(), "FI-Sii": make_tower_table()})
    folder = tmp_path / "towers"
    tables = [make_tower_table(seed=i).assign(Site=s) for i, s in enumerate(("US.Uaf", "FI.Sii"))]
    for path in folder.iterdir():
        path.unlink()

    pd.concat(tables).to_csv(folder / "FLUXNET_T1_DD.csv", index=False)
    towers = read_towers(folder=options["folder"], sites=options["sites"])
    assert [tower.site_id for tower in towers] == ["FI-Sii", "US-Uaf"]


def test_licences_and_dois_reach_the_towers(tmp_path):
    (tmp_path / "licences.csv").write_text(
        'ID,Site Name,Data Policy,DOI,DOI Reference\nFI-Sii,Sii,CC-BY-4.0,10.1/x,"A, 2020"\n'
    )
    tables = {"FI-Sii": make_tower_table(), "FI-Lom": make_tower_table()}
    towers = read(tmp_path, tables, licences=str(tmp_path / "licences.csv"))
    assert [(t.licence, t.doi) for t in towers] == [("unknown", "unknown"), ("CC-BY-4.0", "10.1/x")]


def test_gaps_of_drivers_are_filled_with_the_mean_of_the_day_of_year(tmp_path):
    table = make_tower_table(n_days=730)
    table.loc[[100], "TA_F"] = -9999
    tower = read(tmp_path, {"FI-Sii": table})[0]
    filled = fill_driver_gaps(tower.days, DRIVER_NAMES)
    assert filled["air_temperature"].iloc[100] == tower.days["air_temperature"].iloc[465]
    assert filled.isna()[DRIVER_NAMES].to_numpy().sum() == 0


def change(column, row, value):
    def damage(table):
        table[column] = table[column].astype(object)
        table.loc[row, column] = value
        return table

    return damage


BAD_TABLES = {
    "no FCH4": (
        lambda t: t.drop(columns="FCH4"),
        r"FLX_FI-Sii.*csv: no column 'FCH4', expected the measured methane flux",
    ),
    "no time": (lambda t: t.drop(columns="TIMESTAMP"), r"csv: no column 'TIMESTAMP'"),
    "bad time": (change("TIMESTAMP", 3, "2015-01-04"), r"TIMESTAMP '2015-01-04', expected a day"),
    "out of order": (
        lambda t: t.iloc[[0, 2, 1, *range(3, 400)]],
        r"csv: TIMESTAMP 20150102 is out of order, expected each day once",
    ),
    "twice": (
        lambda t: t.iloc[[0, 1, 1, *range(2, 400)]],
        r"csv: TIMESTAMP 20150102 is repeated, expected each day once",
    ),
    "never measured": (
        lambda t: t.assign(FCH4=-9999),
        r"csv: FCH4 is missing \(-9999\) on all 400 days, expected measured fluxes",
    ),
    "driver never measured": (
        lambda t: t.assign(PA_F=-9999),
        r"csv: PA_F is missing \(-9999\) on all 400 days, expected surface_air_pressure in kPa",
    ),
    "text": (change("TA_F", 7, "cold"), r"csv: TA_F holds 'cold', expected a number"),
    "quoted decimal comma": (
        change("TA_F", 7, "3,5"),
        r"csv: TA_F holds '3,5', expected a number with a decimal point, not a comma",
    ),
    "kelvin": (
        lambda t: t.assign(TA_F=t["TA_F"] + 273.15),
        r"csv: TA_F is .* on 20150101, expected -93.15 to 61.85 degC \(air_temperature\)",
    ),
    "pascal": (
        lambda t: t.assign(PA_F=t["PA_F"] * 1000),
        r"csv: PA_F is .*, expected 40 to 110 kPa",
    ),
    "vpd in pascal": (
        lambda t: t.assign(VPD_F=t["VPD_F"] * 100),
        r"csv: VPD_F is .*, expected 0 to 100 hPa",
    ),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_bad_table_is_refused_by_file_variable_and_value(tmp_path, name):
    damage, message = BAD_TABLES[name]
    with pytest.raises(InputError, match=message):
        read(tmp_path, {"FI-Sii": damage(make_tower_table())})


def test_missing_driver_column_is_named(tmp_path):
    with pytest.raises(MissingDriverError, match=r"csv \(WS_F\): no \['wind_speed'\]"):
        read(tmp_path, {"FI-Sii": make_tower_table().drop(columns="WS_F")})


@pytest.mark.parametrize("separators", [(";", ","), (",", ",")])
def test_decimal_commas_are_refused(tmp_path, separators):
    options = write_towers(tmp_path, {"FI-Sii": make_tower_table()})
    path = next((tmp_path / "towers").iterdir())
    lines = path.read_text().splitlines()
    rows = [",".join(lines[0].split(","))] + [line.replace(".", ",") for line in lines[1:]]
    if separators[0] == ";":
        rows = [line.replace(",", ";").replace(".", ",") for line in lines]
    path.write_text("\n".join(rows))
    with pytest.raises(InputError, match=r"FLX_FI-Sii.*\(a decimal comma\?\)"):
        read_towers(folder=options["folder"], sites=options["sites"])


def test_rows_that_do_not_fit_are_refused(tmp_path):
    options = write_towers(tmp_path, {"FI-Sii": make_tower_table()})
    path = next((tmp_path / "towers").iterdir())
    path.write_text(path.read_text() + "1," * 30 + "1\n")
    with pytest.raises(InputError, match=r"csv: cannot be read as a table parted by commas"):
        read_towers(folder=options["folder"], sites=options["sites"])


def test_fluxnetlsm_defect_unknown_sites_converted_one_out_of_the_table_is_refused(tmp_path):
    options = write_towers(tmp_path, {"FI-Sii": make_tower_table()})
    Path(options["sites"]).write_text("SITE_ID,LAT,LON\nFI-Lom,68,24\n")
    with pytest.raises(InputError, match=r"csv: site 'FI-Sii' is not in the site table"):
        read_towers(folder=options["folder"], sites=options["sites"])


def test_two_files_of_a_site_are_refused(tmp_path):
    options = write_towers(tmp_path, {"FI-Sii": make_tower_table()})
    path = next((tmp_path / "towers").iterdir())
    path.with_name("FLX_FI-Sii_FLUXNET-CH4_DD_2017-2017_1-1.csv").write_bytes(path.read_bytes())
    with pytest.raises(InputError, match=r"2017_1-1.csv: site 'FI-Sii' is also in"):
        read_towers(folder=options["folder"], sites=options["sites"])


def test_file_of_no_site_is_refused(tmp_path):
    options = write_towers(tmp_path, {"FI-Sii": make_tower_table()})
    path = next((tmp_path / "towers").iterdir())
    path.rename(path.with_name("my_DD_file.csv"))
    with pytest.raises(InputError, match=r"my_DD_file.csv: the name tells no site"):
        read_towers(folder=options["folder"], sites=options["sites"])


@pytest.mark.parametrize(
    ("make", "message"), [(False, "no such folder"), (True, "no daily file, expected FLX_")]
)
def test_folder_without_files_is_refused(tmp_path, make, message):
    if make:
        (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match=message):
        read_towers(folder=str(tmp_path / "none"), sites="sites.csv")


def test_unknown_flux_units_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"towers.flux_units 'ppb', expected one of"):
        read(tmp_path, {"FI-Sii": make_tower_table()}, flux_units="ppb")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SITE_ID,LAT\nFI-Sii,61\n", "no column 'LON'"),
        (
            "SITE_ID,LAT,LON\nFI-Sii,161,24\n",
            "LAT of 'FI-Sii' is '161', expected a number",
        ),
        ("SITE_ID,LAT,LON\nFI-Sii,61,east\n", "LON of 'FI-Sii' is 'east', expected a number"),
        ("SITE_ID,LAT,LON\nFI-Sii,61,2\nFI.Sii,61,2\n", "site 'FI-Sii' has two rows"),
    ],
)
def test_bad_site_table_is_refused(tmp_path, text, message):
    path = tmp_path / "sites.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=f"sites.csv: {message}"):
        read_site_table(str(path))


def test_absent_site_table_is_named(tmp_path):
    with pytest.raises(InputError, match=r"sites.csv: no such file"):
        read_site_table(str(tmp_path / "sites.csv"))


def test_wet_record_is_said_and_kept(tmp_path, caplog):
    table = make_tower_table()
    with caplog.at_level(logging.WARNING):
        read(tmp_path, {"FI-Sii": table.assign(P_F=table["P_F"] * 10)})
    assert "P_F has a mean of" in caplog.text
    assert "towers.factors would change it" in caplog.text


def test_a_column_in_a_wrong_unit_is_multiplied_as_the_option_says(tmp_path, caplog):
    table = make_tower_table()
    table.loc[3, "P_F"] = -9999
    (expected,) = read(tmp_path, {"FI-Sii": table})
    wrong = table.assign(P_F=table["P_F"].where(table["P_F"] == -9999, table["P_F"] * 10))
    with caplog.at_level(logging.INFO):
        (found,) = read(tmp_path, {"FI-Sii": wrong}, factors={"FI-Sii": {"P_F": 0.1}})
    pd.testing.assert_frame_equal(found.days, expected.days)
    assert np.isnan(found.days["precipitation_flux"].iloc[3])
    assert "P_F times 0.1, as towers.factors says" in caplog.text
    assert "P_F has a mean of" not in caplog.text


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ({"FI-Sii": {"P": 0.1}}, r"FI-Sii.*csv: no column 'P', which towers.factors names"),
        ({"FI-Lom": {"P_F": 0.1}}, "towers.factors names the site 'FI-Lom', of which"),
    ],
)
def test_factors_of_no_site_or_column_are_refused(tmp_path, factors, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, {"FI-Sii": make_tower_table()}, factors=factors)


@pytest.mark.parametrize("step", ["DD", "HH"])
def test_a_factor_of_a_column_that_is_not_read_is_left_out_and_told(tmp_path, caplog, step):
    options = write_towers(tmp_path, {"FI-Sii": make_tower_table()})
    if step == "HH":
        path = next((tmp_path / "towers").iterdir())
        make_half_hours().to_csv(path.with_name(path.name.replace("DD", "HH")), index=False)
        path.unlink()
    chosen = {"folder": options["folder"], "sites": options["sites"]}
    (expected,) = read_towers(**chosen)
    with caplog.at_level(logging.INFO):
        (found,) = read_towers(**chosen, factors={"FI-Sii": {"P_F": 0.1}})
    pd.testing.assert_frame_equal(found.days, expected.days)
    assert "P_F is not read, so its factor of towers.factors is left out" in caplog.text


@pytest.mark.real
@pytest.mark.skipif(not REAL.exists(), reason="the real data are not beside the repository")
def test_real_files_hold_the_known_number_of_measured_days():
    towers = read_towers(
        folder=str(REAL / "fluxnet_ch4"),
        sites=str(REAL / "sites.csv"),
        licences=str(REAL / "licences.csv"),
        driver_names=DRIVER_NAMES,
    )
    assert len(towers) == 13
    assert sum((tower.days["quality"] == 0).sum() for tower in towers) == 11_503
    assert all(dataclasses.asdict(tower)["licence"] == "CC-BY-4.0" for tower in towers)
