import numpy as np
import pandas as pd
import pytest
import xarray as xr

from chamnet.data.series import open_series
from chamnet.data.source_tables import SourceAxes, SourceVariable
from chamnet.data.steps import find_steps
from chamnet.errors import CalendarError

RAIN = SourceVariable(
    names=["tp"], units="kg m-2 s-1", bounds=(0, 1), sum_over="since_midnight", stamp="end"
)
SPAN = {"start": "2015-01-01", "end": "2016-01-02", "freq": "h", "use_cftime": None}


def open_rain(times):
    """Series of rain since midnight, which is the number of the hour, m."""
    values = np.asarray(times.hour, "f4")[:, None, None] + np.zeros((1, 2, 3), "f4")
    data = xr.Dataset(
        {"tp": (("time", "lat", "lon"), values, {"units": "m"})},
        coords={"time": times, "lat": [-45.0, 45.0], "lon": [-120.0, 0.0, 120.0]},
    )
    return open_series([("land.nc", data)], RAIN, axes=SourceAxes())


@pytest.mark.parametrize("calendar", ["standard", "noleap"])
@pytest.mark.parametrize("missing", [[2405], [2405, 2406], [2405, 5000]])
def test_a_missing_hour_of_amounts_since_midnight_is_named(calendar, missing):
    times = xr.date_range(**SPAN, calendar=calendar)
    message = (
        r"land.nc \(tp\): 2015-04-11 has 2\d steps, expected 24 .*; 2015-04-11.05:00 is missing"
    )
    with pytest.raises(CalendarError, match=message):
        find_steps(open_rain(times.delete(missing)), year=2015)


def test_a_day_of_more_steps_since_midnight_is_named():
    times = xr.date_range(**SPAN)
    times = times.append(pd.DatetimeIndex(["2015-04-11T23:30"])).sort_values()
    with pytest.raises(CalendarError, match=r"2015-04-11 has 25 steps, expected 24 as .* 2015$"):
        find_steps(open_rain(times), year=2015)


@pytest.mark.parametrize("freq", ["h", "6h", "D"])
def test_whole_days_of_amounts_since_midnight_are_read_at_midnight(freq):
    times = pd.date_range("2015-01-01", "2016-01-02", freq=freq)
    series = open_rain(times)
    steps = find_steps(series, year=2015)
    expected = pd.date_range("2015-01-02", "2016-01-01")
    assert series.times[steps.positions].equals(expected)
    np.testing.assert_array_equal(series.read(steps.positions, rows=slice(None)), 0)
