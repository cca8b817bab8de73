from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from chamnet.data.series import open_series
from chamnet.data.source_files import expand_paths, open_source
from chamnet.data.source_tables import SourceAxes, SourceVariable

WARMTH = SourceVariable(names=["t2m"], units="K", bounds=(170, 345))


def make_cfgrib(*, step_hours=0):
    """Days in the layout of cfgrib: dim time, and valid_time along it."""
    time = pd.date_range("2015-01-01", "2015-12-31")
    step = pd.Timedelta(hours=step_hours)
    return xr.Dataset(
        {"t2m": (("time", "latitude", "longitude"), np.full((365, 2, 3), 280.0, "f4"))},
        coords={
            "time": time,
            "valid_time": ("time", time + step),
            "step": step,
            "number": 0,
            "surface": 0.0,
            "latitude": [45.0, -45.0],
            "longitude": [0.0, 120.0, 240.0],
        },
    ).assign(t2m=lambda d: d["t2m"].assign_attrs(units="K"))


@pytest.mark.parametrize("step_hours", [0, 6])
def test_files_of_cfgrib_are_dated_by_their_valid_time(tmp_path, step_hours):
    path = str(tmp_path / "x.nc")
    data = make_cfgrib(step_hours=step_hours)
    data.to_netcdf(path)
    with open_source([path], axes=SourceAxes()) as found:
        series = open_series(found, WARMTH, axes=SourceAxes())
        assert series.times.equals(pd.DatetimeIndex(data["valid_time"].values))


def test_a_year_is_found_with_the_one_before_and_after(tmp_path):
    for year in range(2013, 2019):
        (tmp_path / f"t_{year}.nc").touch()
    pattern = str(tmp_path / "t_{year}.nc")
    found = [Path(path).stem for path in expand_paths([pattern], years=[2015, 2016])]
    assert found == ["t_2014", "t_2015", "t_2016", "t_2017"]
    assert len(expand_paths([pattern], years=[2013])) == 2
    assert expand_paths(["gs://x/{year}.zarr"], years=[2015]) == ["gs://x/2015.zarr"]
