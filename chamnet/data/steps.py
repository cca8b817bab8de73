"""Which steps of a source make up a year: its days, or its months."""

import dataclasses
import datetime as dt
import logging
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chamnet.constants import SECONDS_PER_DAY
from chamnet.data.series import Series
from chamnet.errors import CalendarError
from chamnet.timeaxis import N_MONTHS, days_in_year, month_lengths

logger = logging.getLogger(__name__)

DAY = dt.timedelta(days=1)
SHORTEST_MONTH, LONGEST_MONTH = dt.timedelta(days=27), dt.timedelta(days=32)
MARGIN_MONTHS = 3  # read before and after a year of months; farther ones weigh below 1 %


@dataclasses.dataclass(frozen=True)
class Steps:
    """Steps of a source whose means are the days of a year, or months in and around it.

    Attributes
    ----------
    positions : steps of the series, ascending, evenly apart
    group : (step,), day of the year of each, from 0; of months their number, from 0
    seconds : (step,), length that an amount is over, s; 1 of what is no amount
    n_groups : days of the year, or months
    month_lengths : (month,), days of each month; None of days
    first_month : number of January
    """

    positions: np.ndarray
    group: np.ndarray
    seconds: np.ndarray
    n_groups: int
    month_lengths: np.ndarray | None = None
    first_month: int = 0


def find_steps(series: Series, *, year: int) -> Steps:
    """Steps that a year is made of.

    Raises
    ------
    CalendarError
        If the year is outside of the source, or a day, a month or a step is missing.
    """
    step = step_of(series)
    if step is None:
        return _months(series, year=year)
    return _days(series, year=year, step=step)


def step_of(series: Series) -> dt.timedelta | None:
    """Length of a source's steps, a day or a part of one; None of months.

    Raises
    ------
    CalendarError
        If it is something else.
    """
    if series.times.size < 2:
        raise CalendarError(f"{series.source}: {series.times.size} step, expected a year of them")
    gaps = pd.to_timedelta(np.diff(series.times.to_numpy()))
    step = gaps.min().to_pytimedelta()
    if SHORTEST_MONTH <= step <= LONGEST_MONTH and gaps.median() <= LONGEST_MONTH:
        return None
    if step > DAY or DAY % step:
        raise CalendarError(
            f"{series.source}: steps of {step}, expected a month, a day or a part of one"
        )
    return step


def _days(series: Series, *, year: int, step: dt.timedelta) -> Steps:
    times, positions = series.times, np.arange(series.times.size)
    over = step
    if series.sum_over == "since_midnight":
        is_midnight = (times.hour == 0) & (times.minute == 0)
        times, positions, step, over = times[is_midnight] - DAY, positions[is_midnight], DAY, DAY
    elif series.variable.stamp == "end" and step < DAY:
        times = times - step
    is_of_year = np.asarray(times.year == year)
    n_days = days_in_year(year, calendar=series.calendar)
    if not is_of_year.any():
        raise _outside(series, year=year)
    day = _day_of_year(times[is_of_year]) - 1
    _check_days(day, n_days=n_days, per_day=round(DAY / step), series=series, year=year)
    _check_even(positions[is_of_year], series=series, year=year)
    seconds = {None: 1.0, "hour": 3600.0, "day": float(SECONDS_PER_DAY)}
    length = seconds.get(series.sum_over, over.total_seconds())
    return Steps(positions[is_of_year], day, np.full(day.size, length, np.float32), n_days)


def _check_even(positions: np.ndarray, *, series: Series, year: int) -> None:
    """Check that no step is missing between the midnights that amounts are read at."""
    per_day = np.diff(positions)
    if not per_day.size or (per_day == per_day[0]).all():
        return
    usual = int(np.bincount(per_day).argmax())
    day = int(np.argmax(per_day != usual))
    stamps = list(series.times[positions[day] : positions[day + 1]])
    expected = [stamps[0] + i * DAY / usual for i in range(usual)]
    missing = [f"; {str(stamp)[:16]} is missing" for stamp in expected if stamp not in stamps]
    raise CalendarError(
        f"{series.source}: {str(stamps[0])[:10]} has {len(stamps)} steps, expected {usual} as on "
        f"other days of {year}{''.join(missing[:1])}"
    )


def _months(series: Series, *, year: int) -> Steps:
    """Months of the year and the nearest ones around it, as far as the source has them."""
    number = np.asarray(series.times.year) * N_MONTHS + np.asarray(series.times.month) - 1
    if series.is_climatology:
        number = number - number[0] + year * N_MONTHS
    first = year * N_MONTHS
    missing = sorted(set(range(first, first + N_MONTHS)) - set(number.tolist()))
    if len(missing) == N_MONTHS:
        raise _outside(series, year=year)
    if missing:
        raise CalendarError(
            f"{series.source}: {len(missing)} of {N_MONTHS} months of {year} are missing, the "
            f"first {year}-{missing[0] - first + 1:02d}"
        )
    is_near = (number >= first - MARGIN_MONTHS) & (number < first + N_MONTHS + MARGIN_MONTHS)
    positions, number = np.flatnonzero(is_near), number[is_near]
    if (np.diff(number) != 1).any():
        raise CalendarError(f"{series.source}: months around {year} are repeated or missing")
    lengths = np.array([
        month_lengths(int(n) // N_MONTHS, calendar=series.calendar)[n % N_MONTHS] for n in number
    ])  # fmt: skip
    over = {None: 1.0, "hour": 3600.0, "day": float(SECONDS_PER_DAY)}.get(series.sum_over)
    seconds = lengths * float(SECONDS_PER_DAY) if over is None else np.full(number.size, over)
    return Steps(
        positions=positions,
        group=np.arange(number.size),
        seconds=seconds.astype(np.float32),
        n_groups=number.size,
        month_lengths=lengths,
        first_month=first - int(number[0]),
    )


def _outside(series: Series, *, year: int) -> CalendarError:
    return CalendarError(
        f"{series.source}: no step of {year}, it covers {str(series.times[0])[:10]} to "
        f"{str(series.times[-1])[:10]}"
    )


def _day_of_year(times: Any) -> np.ndarray:
    is_datetime = isinstance(times, pd.DatetimeIndex)
    return np.asarray(times.day_of_year if is_datetime else times.dayofyear)


def _check_days(day: np.ndarray, *, n_days: int, per_day: int, series: Series, year: int) -> None:
    counts = np.bincount(day, minlength=n_days)
    if (counts == 0).any():
        first = int(np.argmax(counts == 0))
        date = xr.date_range(
            f"{year:04d}-01-01", periods=n_days, freq="D", calendar=series.calendar
        )[first]
        raise CalendarError(
            f"{series.source}: {int((counts == 0).sum())} of {n_days} days of {year} are missing, "
            f"the first {str(date)[:10]}"
        )
    is_short = counts != per_day
    is_edge = np.zeros(n_days, bool)
    is_edge[[0, -1]] = counts[[0, -1]] == per_day - 1  # the source begins or ends there
    if (is_short & ~is_edge).any():
        first = int(np.argmax(is_short & ~is_edge))
        raise CalendarError(
            f"{series.source}: day {first + 1} of {year} has {counts[first]} steps, expected "
            f"{per_day}"
        )
    if is_short.any():
        logger.info(
            "%s: %d: the first or last day is the mean of %d of %d steps",
            *(series.source, year, per_day - 1, per_day),
        )
