import numpy as np
import pandas as pd
import pytest
from factories_towers import make_half_hours

from chamnet.data.half_hours import build_days, find_flux_units, rename_base_columns
from chamnet.errors import InputError

MG_C_PER_NMOL = 1.03776


def make_daily_and_half_hours():
    """A daily file in mg C, and its half-hourly one made daily."""
    days = build_days(make_half_hours(), source="x_HH.csv", min_coverage=1.0)
    daily = pd.DataFrame({"TIMESTAMP": days["TIMESTAMP"].astype(int)})
    return daily.assign(FCH4=days["FCH4"] * MG_C_PER_NMOL), days


def find(daily, days):
    return find_flux_units(daily, days, source="x_DD.csv", otherwise="nmol m-2 s-1")


def test_days_stamped_with_floats_tell_their_units_too():
    daily, days = make_daily_and_half_hours()
    expected = find(daily, days)
    assert expected["FCH4"] == "mg C m-2 d-1"
    assert find(daily.astype({"TIMESTAMP": float}), days) == expected


def test_a_daily_file_without_days_is_refused_beside_a_half_hourly_one():
    daily, days = make_daily_and_half_hours()
    message = "x_DD.csv: no column 'TIMESTAMP', expected one of days as YYYYMMDD"
    with pytest.raises(InputError, match=message):
        find(daily.rename(columns={"TIMESTAMP": "DAY"}), days)


@pytest.mark.parametrize(
    ("positions", "first"),
    [
        (["_10_1_1", "_1_1_1"], "_1_1_1"),
        (["_10_1_1", "_2_1_1"], "_2_1_1"),
        (["_1_10_1", "_1_2_3", "_1_2_10"], "_1_2_3"),
        (["_1_1_1", ""], ""),
        (["_PI_1_1_1", "_10_1_1"], "_10_1_1"),
        (["_1_1_A", "_1_1_2"], "_1_1_2"),
        (["_2", "_1_1_1", "_1"], "_1"),
    ],
)
def test_of_several_sensors_the_first_by_number_is_read(positions, first):
    table = pd.DataFrame({f"TA{p}": np.full(2, float(i)) for i, p in enumerate(positions)})
    found = rename_base_columns(table, source="x")
    assert set(found["TA_F"]) == {float(positions.index(first))}
