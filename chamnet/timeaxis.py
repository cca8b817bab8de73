"""The time axis: years of real length, months of real seconds, any calendar.

A year of daily steps is an axis of 360, 365 or 366 days, stamped at the start of each.
"""

import numpy as np
import xarray as xr

from chamnet.constants import SECONDS_PER_DAY
from chamnet.errors import CalendarError

CALENDARS = ("standard", "proleptic_gregorian", "noleap", "360_day")
N_MONTHS = 12


def require_calendar(calendar: str) -> str:
    """Return the calendar's CF name, if it is one that chamnet knows.

    Raises
    ------
    CalendarError
        If it is another.
    """
    aliases = {"gregorian": "standard", "365_day": "noleap"}
    name = aliases.get(calendar, calendar)
    if name not in CALENDARS:
        raise CalendarError(f"calendar {calendar!r}, expected one of {CALENDARS}")
    return name


def daily_time(year: int, *, calendar: str = "standard") -> xr.DataArray:
    """Starts of the days of a year, (time,); datetime64 or cftime as the calendar asks."""
    name = require_calendar(calendar)
    times = xr.date_range(
        f"{year:04d}-01-01", periods=days_in_year(year, calendar=name), freq="D", calendar=name
    )
    return xr.DataArray(times, dims="time", coords={"time": times}, name="time")


def month_lengths(year: int, *, calendar: str = "standard") -> np.ndarray:
    """Days of each month of a year, (12,)."""
    name = require_calendar(calendar)
    if name == "360_day":
        return np.full(N_MONTHS, 30)
    lengths = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    lengths[1] += int(is_leap and name != "noleap")
    return lengths


def days_in_year(year: int, *, calendar: str = "standard") -> int:
    """Days of a year: 360, 365 or 366."""
    return int(month_lengths(year, calendar=calendar).sum())


def month_of_step(year: int, *, calendar: str = "standard") -> np.ndarray:
    """Month, 0 to 11, of each day of a year, (time,)."""
    return np.repeat(np.arange(N_MONTHS), month_lengths(year, calendar=calendar))


def seconds_in_months(year: int, *, calendar: str = "standard") -> np.ndarray:
    """Seconds of each month of a year, (12,)."""
    return month_lengths(year, calendar=calendar) * float(SECONDS_PER_DAY)


def month_time(year: int, *, calendar: str = "standard") -> xr.DataArray:
    """Starts of the months of a year, (time,)."""
    days = daily_time(year, calendar=calendar)
    first = np.searchsorted(month_of_step(year, calendar=calendar), np.arange(N_MONTHS))
    return days.isel(time=first)


def year_fraction(n_steps: int) -> np.ndarray:
    """Middle of each day as a fraction of its year, (n_steps,)."""
    return (np.arange(n_steps) + 0.5) / n_steps


def check_daily_axis(time: xr.DataArray, *, year: int, source: str) -> str:
    """Calendar of a complete year of days; the axis in order, without gap or repeat.

    Raises
    ------
    CalendarError
        If a day is missing, repeated or out of order; the message names it.
    """
    calendar = require_calendar(time.dt.calendar)
    expected = daily_time(year, calendar=calendar)
    found = time.dt.floor("D").values
    missing = sorted(set(expected.values.tolist()) - set(found.tolist()))
    if missing:
        first = expected.values[expected.values.tolist().index(missing[0])]
        raise CalendarError(
            f"{source}: {len(missing)} of {expected.size} days of {year} are missing, "
            f"the first {str(first)[:10]}"
        )
    if found.size != expected.size or not (found == expected.values).all():
        raise CalendarError(f"{source}: days of {year} are repeated or out of order")
    return calendar
