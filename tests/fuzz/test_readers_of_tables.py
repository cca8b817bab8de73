"""Tables that are wrong end in an error of chamnet's own, or are read; nothing else happens."""

import contextlib
import datetime as dt

import pytest
from damage import damaged_tables
from hypothesis import given
from hypothesis import strategies as st

from chamnet.data.chambers import SMUD_MONTHS, read_chambers
from chamnet.data.sites import read_site_table
from chamnet.data.towers import read_towers
from chamnet.errors import ChamnetError

FIRST_DAY = dt.date(2011, 1, 1)
DAYS = [f"{FIRST_DAY + dt.timedelta(days=n):%Y%m%d}" for n in range(6)]
TOWER = [
    ["TIMESTAMP", "TA_F", "P_F", "FCH4", "FCH4_F", "FCH4_F_ANNOPTLM", "FCH4_F_ANNOPTLM_QC"],
    *([day, "4.5", "1.2", "13.5", "14.0", "14.1", "1"] for day in DAYS),
]
SITES = [
    ["SITE_ID", "LAT", "LON", "SITE_CLASSIFICATION"],
    ["US-Ab1", "45.0", "-93.5", "Fen"],
    ["FI-Cd2", "61.8", "24.3", "Bog"],
]
PLAIN = [
    ["place_id", "latitude", "longitude", "biome", "year", "month", "consumption_ug_c_m2_h"],
    ["a", "45.0", "10.0", "forest", "2012", "1", "30.5"],
    ["a", "45.0", "10.0", "forest", "2012", "2", "28.5"],
    ["b", "-3.0", "300.0", "grass", "", "7", "12.0"],
]
SMUD = [
    ["Latitude", "Longitude", "Biome", "Ecosystem", *SMUD_MONTHS],
    ["45.0", "10.0", "forest", "Upland", *["20.5"] * 12],
    ["-3.0", "30.0", "grass", "Upland", *["10.0"] * 12],
]


def csv_bytes(rows):
    return "\n".join(",".join(row) for row in rows).encode()


@pytest.fixture
def tower_folder(tmp_path):
    (tmp_path / "towers").mkdir()
    (tmp_path / "sites.csv").write_bytes(csv_bytes(SITES))
    return tmp_path


def read_tower(folder, raw):
    (folder / "towers/FLX_US-Ab1_FLUXNET-CH4_DD_2011-2011_1-1.csv").write_bytes(raw)
    return read_towers(
        folder=str(folder / "towers"),
        sites=str(folder / "sites.csv"),
        driver_names=["air_temperature", "precipitation_flux"],
    )


def assert_increasing(towers):
    """Days of what was read are in order, each once: nothing that is damaged slips through."""
    for tower in towers:
        assert tower.days.index.is_monotonic_increasing
        assert tower.days.index.is_unique


def test_the_tables_are_read_as_long_as_nothing_is_damaged(tower_folder, tmp_path):
    assert len(read_tower(tower_folder, csv_bytes(TOWER))[0].days) == len(DAYS)
    for kind, rows, n in (("plain", PLAIN, 2), ("smud", SMUD, 2)):
        (tmp_path / "chambers.csv").write_bytes(csv_bytes(rows))
        assert len(read_chambers(path=str(tmp_path / "chambers.csv"), kind=kind).places) == n


def test_a_damaged_tower_file_is_read_or_refused(tried, tower_folder):
    @tried
    @given(damaged_tables(TOWER))
    def check(raw):
        with contextlib.suppress(ChamnetError):
            assert_increasing(read_tower(tower_folder, raw))

    check()


def test_a_damaged_site_table_is_read_or_refused(tried, tmp_path):
    @tried
    @given(damaged_tables(SITES))
    def check(raw):
        (tmp_path / "sites.csv").write_bytes(raw)
        with contextlib.suppress(ChamnetError):
            sites = str(tmp_path / "sites.csv")
            assert read_site_table(sites, licences=sites).index.is_unique

    check()


@pytest.mark.parametrize(("kind", "rows"), [("plain", PLAIN), ("smud", SMUD)])
def test_a_damaged_chamber_table_is_read_or_refused(tried, tmp_path, kind, rows):
    @tried
    @given(damaged_tables(rows))
    def check(raw):
        (tmp_path / "chambers.csv").write_bytes(raw)
        with contextlib.suppress(ChamnetError):
            found = read_chambers(path=str(tmp_path / "chambers.csv"), kind=kind)
            assert found.places["latitude"].abs().le(90).all()

    check()


def test_any_bytes_at_all_are_read_or_refused(tried, tower_folder):
    @tried
    @given(st.binary(max_size=300))
    def check(raw):
        with contextlib.suppress(ChamnetError):
            assert_increasing(read_tower(tower_folder, raw))

    check()
