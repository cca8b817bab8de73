import numpy as np
import pytest
import xarray as xr

from chamnet import timeaxis
from chamnet.errors import CalendarError


@pytest.mark.parametrize(
    ("year", "calendar", "n_days"),
    [
        (2015, "standard", 365),
        (2016, "standard", 366),
        (1900, "standard", 365),
        (2000, "proleptic_gregorian", 366),
        (2016, "noleap", 365),
        (2016, "365_day", 365),
        (2016, "360_day", 360),
    ],
)
def test_years_have_their_real_length(year, calendar, n_days):
    assert timeaxis.days_in_year(year, calendar=calendar) == n_days
    assert timeaxis.daily_time(year, calendar=calendar).size == n_days


@pytest.mark.parametrize("calendar", timeaxis.CALENDARS)
@pytest.mark.parametrize("year", [2015, 2016])
def test_seconds_of_months_are_exact_and_sum_to_the_year(year, calendar):
    seconds = timeaxis.seconds_in_months(year, calendar=calendar)
    starts = timeaxis.month_time(year, calendar=calendar).values
    after = timeaxis.month_time(year + 1, calendar=calendar).values[:1]
    gaps = np.diff(np.concatenate([starts, after]))
    real = [
        gap / np.timedelta64(1, "s") if gaps.dtype.kind == "m" else gap.total_seconds()
        for gap in gaps
    ]
    np.testing.assert_array_equal(seconds, real)
    assert seconds.sum() == timeaxis.days_in_year(year, calendar=calendar) * 86_400


@pytest.mark.parametrize("calendar", timeaxis.CALENDARS)
def test_month_of_each_step_is_that_of_its_date(calendar):
    month = timeaxis.daily_time(2016, calendar=calendar).dt.month.values - 1
    np.testing.assert_array_equal(timeaxis.month_of_step(2016, calendar=calendar), month)


def test_year_fraction_is_of_the_middle_of_days():
    fraction = timeaxis.year_fraction(360)
    assert fraction[0] == pytest.approx(0.5 / 360)
    assert fraction.mean() == pytest.approx(0.5)


def test_unknown_calendar_is_refused():
    with pytest.raises(CalendarError, match="calendar 'julian'"):
        timeaxis.require_calendar("julian")


@pytest.mark.parametrize("calendar", timeaxis.CALENDARS)
def test_complete_axis_passes(calendar):
    time = timeaxis.daily_time(2016, calendar=calendar)
    found = timeaxis.check_daily_axis(time, year=2016, source="x.nc")
    assert timeaxis.days_in_year(2016, calendar=found) == time.size


def test_missing_day_is_named():
    time = timeaxis.daily_time(2015).drop_isel(time=40)
    with pytest.raises(CalendarError, match=r"x.nc: 1 of 365 days .* the first 2015-02-10"):
        timeaxis.check_daily_axis(time, year=2015, source="x.nc")


def test_repeated_day_is_refused():
    time = timeaxis.daily_time(2015)
    time = xr.concat([time, time[:1]], dim="time")
    with pytest.raises(CalendarError, match=r"x.nc: days of 2015 are repeated or out of order"):
        timeaxis.check_daily_axis(time, year=2015, source="x.nc")
