"""Whether numbers are of the size that their unit says, and whose summer it is."""

import numpy as np
import xarray as xr

from chamnet.constants import SECONDS_PER_DAY, ZERO_CELSIUS_K
from chamnet.data.cell_rows import CellRows
from chamnet.data.drivers import Driver
from chamnet.data.pixel_weights import place_of
from chamnet.data.series import Series
from chamnet.errors import InputError
from chamnet.timeaxis import month_of_step

SLACK = 1e-3  # of the bounds' range: rounding of packed numbers
NORTH_DEG = 30.0  # summer is in June to August from here on
# By how much January may exceed July there; no climate has such winters.
WARMER_WINTERS = {"air_temperature": 5.0, "surface_downwelling_shortwave_flux_in_air": 20.0}


def check_maps(values: np.ndarray, *, series: Series) -> None:
    """Check the first map of a series against the bounds of its table.

    Raises
    ------
    InputError
        If values are beyond them; the message says what unit they look like.
    """
    lowest, highest = series.variable.bounds
    slack = SLACK * (highest - lowest)
    found = float(np.fmin.reduce(values, axis=None)), float(np.fmax.reduce(values, axis=None))
    if np.isnan(found[0]) or (found[0] >= lowest - slack and found[1] <= highest + slack):
        return
    if np.isinf(found).any():
        raise InputError(f"{series.source}: values are infinite, expected finite ones")
    raise InputError(
        f"{series.source}: values are {found[0]:.4g} to {found[1]:.4g} {series.variable.units} "
        f"(written in {series.units!r}), expected {lowest:g} to {highest:g}; "
        f"{guess_unit(found, (lowest, highest))}"
    )


def guess_unit(found: tuple[float, float], bounds: tuple[float, float]) -> str:
    """What may be wrong with a unit: the change that would bring values into bounds."""
    lowest, highest = bounds
    shifts = {
        "as if K were labeled degC": -ZERO_CELSIUS_K,
        "as if degC were labeled K": ZERO_CELSIUS_K,
    }
    for words, shift in shifts.items() if lowest > 100 and highest < 400 else ():
        if found[0] + shift >= lowest and found[1] + shift <= highest:
            return words
    for factor in (1e-2, 1e2, 1e-1, 10, 1e-3, 1e3, 1 / SECONDS_PER_DAY, 1 / 3600):
        if found[0] * factor >= lowest and lowest < found[1] * factor <= highest:
            return f"another unit? They would fit times {factor:.3g}"
    return "another unit, or a number that means no value?"


def check_cells(
    values: np.ndarray, *, first_day: int, driver: Driver, source: str, cells: xr.Dataset
) -> None:
    """Check daily means on cells, (day, cell), against the bounds of the driver.

    Raises
    ------
    InputError
        If a value is missing, infinite or beyond them; the message names place and day.
    """
    slack = SLACK * (driver.highest - driver.lowest)
    lowest, highest = driver.lowest - slack, driver.highest + slack
    for i, row in enumerate(values):
        if row.min() >= lowest and row.max() <= highest:
            continue
        is_wrong = ~((row >= lowest) & (row <= highest))
        cell = int(np.argmax(is_wrong))
        what = "NaN over land" if np.isnan(row[cell]) else f"{row[cell]:g}"
        raise InputError(
            f"{source}: {driver.name} is {what} {place_of(cells, cell)} on day "
            f"{first_day + i + 1}, expected {driver.lowest:g} to {driver.highest:g} "
            f"{driver.units}; {int(is_wrong.sum())} of {row.size} cells are beyond that day"
        )


def check_seasons(
    rows: CellRows, *, driver: Driver, source: str, cells: xr.Dataset, calendar: str, year: int
) -> None:
    """Check that the north is not warmer or lighter in January than in July.

    Raises
    ------
    InputError
        If it is: latitude is upside down.
    """
    is_north = cells["latitude"].values >= NORTH_DEG
    if driver.name not in WARMER_WINTERS or not is_north.any():
        return
    month = month_of_step(year, calendar=calendar)
    winter, summer = (
        float(np.mean([rows.rows(slice(d, d + 1))[0][is_north].mean() for d in days[::5]]))
        for days in (np.flatnonzero(month == m) for m in (0, 6))
    )
    if winter - summer > WARMER_WINTERS[driver.name]:
        raise InputError(
            f"{source}: north of {NORTH_DEG:g} N {driver.name} is {winter:.4g} {driver.units} in "
            f"January and {summer:.4g} in July: is latitude swapped?"
        )
