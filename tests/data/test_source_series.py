import numpy as np
import pandas as pd
import pytest
import xarray as xr

from chamnet.data.series import open_series
from chamnet.data.source_tables import SourceAxes, SourceVariable
from chamnet.errors import CalendarError, InputError
from chamnet.timeaxis import daily_time

WARMTH = SourceVariable(names=["air_temperature", "tas"], units="K", bounds=(170, 345))


def make_data(*, year=2015, calendar="standard", n_days=None, **values):
    """Daily maps of variables that have one standard_name, by their values."""
    time = daily_time(year, calendar=calendar).values[:n_days]
    attrs = {"units": "K", "standard_name": "air_temperature"}
    dims, shape = ("time", "lat", "lon"), (time.size, 2, 3)
    return xr.Dataset(
        {name: (dims, np.full(shape, value, "f4"), attrs) for name, value in values.items()},
        coords={"time": time, "lat": [-45.0, 45.0], "lon": [-120.0, 0.0, 120.0]},
    )


def open_all(*datasets, variable=WARMTH):
    data = [(f"{i}.nc", dataset) for i, dataset in enumerate(datasets)]
    return open_series(data, variable, axes=SourceAxes())


@pytest.mark.parametrize("order", [["tas", "tasmax", "tasmin"], ["tasmin", "tasmax", "tas"]])
@pytest.mark.parametrize("is_one_file", [True, False])
def test_a_short_name_comes_before_a_standard_name(order, is_one_file):
    values = {"tas": 280.0, "tasmax": 290.0, "tasmin": 270.0}
    parts = [make_data(**{name: values[name]}) for name in order]
    series = open_all(*([xr.merge(parts)] if is_one_file else parts))
    assert series.name == "tas"
    assert series.times.size == 365
    np.testing.assert_array_equal(series.read(np.arange(2), rows=slice(None)), 280)


@pytest.mark.parametrize("is_one_file", [True, False])
def test_variables_that_share_a_standard_name_are_refused_by_name(is_one_file):
    parts = [make_data(tasmin=270.0), make_data(tasmax=290.0)]
    path = "0.nc" if is_one_file else "1.nc"
    message = rf"standard_name 'air_temperature' is of 'tasmax' in {path}, 'tasmin' in 0.nc, exp"
    with pytest.raises(InputError, match=message):
        open_all(*([xr.merge(parts)] if is_one_file else parts))


def test_files_of_two_short_names_are_joined_where_their_times_differ():
    rain = SourceVariable(names=["first", "second"], units="K", bounds=(170, 345))
    early, late = make_data(second=270.0, year=2014), make_data(first=280.0)
    series = open_all(late, early, variable=rain)
    assert series.times.size == 730
    np.testing.assert_array_equal(
        series.read(np.array([0, 729]), rows=slice(0, 1)).max((1, 2)), [270, 280]
    )


def test_one_short_name_is_read_where_files_of_two_share_times():
    rain = SourceVariable(names=["first", "second"], units="K", bounds=(170, 345))
    series = open_all(make_data(second=270.0), make_data(first=280.0), variable=rain)
    assert [piece.path for piece in series.pieces] == ["1.nc"]


def test_files_without_any_step_are_named():
    empty = make_data(tas=280.0, n_days=0)
    assert isinstance(empty.indexes["time"], pd.DatetimeIndex)
    assert open_all(empty, make_data(tas=280.0)).times.size == 365
    with pytest.raises(CalendarError, match=r"0.nc, 1.nc \(tas\): no step in any, expected some"):
        open_all(empty, empty)


@pytest.mark.parametrize("other", ["noleap", "360_day"])
def test_files_of_two_calendars_are_named(other):
    data = make_data(tas=280.0), make_data(tas=280.0, year=2016, calendar=other)
    message = rf"0.nc \(tas\): its calendar is 'standard' and that of 1.nc '{other}', expected one"
    with pytest.raises(CalendarError, match=message):
        open_all(*data)


def test_steps_that_are_not_evenly_apart_are_not_read():
    series = open_all(make_data(tas=280.0), make_data(tas=280.0, year=2016))
    with pytest.raises(CalendarError, match=r"0.nc \(tas\): step 366 follows 364, expected 365"):
        series.read(np.array([362, 363, 364, 366]), rows=slice(None))
