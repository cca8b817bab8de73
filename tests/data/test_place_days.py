"""Days of one place: drivers by either name, a flux or none."""

import numpy as np
import pandas as pd
import pytest

from chamnet.data.place_days import read_days_of_place
from chamnet.errors import InputError, MissingDriverError

NAMES = ("air_temperature", "surface_snow_area_fraction")


def write(path, **columns):
    table = {"date": ["2020-01-01", "2020-01-02"], "air_temperature": [270.0, -9999.0]}
    table |= {"surface_snow_area_fraction": [0.5, 1.0], "FCH4": [10.0, -9999.0]} | columns
    pd.DataFrame({k: v for k, v in table.items() if v is not None}).to_csv(path, index=False)
    return str(path)


def test_columns_by_cf_names_keep_their_units_and_gaps(tmp_path):
    days = read_days_of_place(write(tmp_path / "a.csv"), driver_names=NAMES)
    assert days["air_temperature"].iloc[0] == pytest.approx(270)
    assert np.isnan(days["air_temperature"].iloc[1])
    assert days["surface_snow_area_fraction"].tolist() == [0.5, 1.0]
    assert days["flux"].iloc[0] == pytest.approx(10 * 1.60425e-11, rel=1e-5)
    assert days["quality"].tolist() == [0, -1]


def test_a_place_without_a_flux_has_none(tmp_path):
    days = read_days_of_place(write(tmp_path / "a.csv", FCH4=None), driver_names=NAMES)
    assert days["flux"].isna().all()
    assert (days["quality"] == -1).all()


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        ({"surface_snow_area_fraction": None}, MissingDriverError, "surface_snow_area_fraction"),
        ({"surface_snow_area_fraction": 40.0}, InputError, "is 40, expected 0 to 1 1"),
        ({"air_temperature": None}, MissingDriverError, "air_temperature"),
    ],
)
def test_a_driver_that_is_missing_or_cannot_be_is_refused(tmp_path, columns, error, message):
    with pytest.raises(error, match=message):
        read_days_of_place(write(tmp_path / "a.csv", **columns), driver_names=NAMES)
