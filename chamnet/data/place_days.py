"""Days of one place in one table, its drivers by the columns of towers or by CF names."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from chamnet.data.drivers import DRIVERS, require_drivers
from chamnet.data.sites import read_table
from chamnet.data.tower_columns import FLUX_COLUMNS, MEASURED_COLUMN, read_column, read_days
from chamnet.errors import InputError
from chamnet.units import convert_units

logger = logging.getLogger(__name__)


def read_days_of_place(
    path: str, *, driver_names: Sequence[str], flux_units: str = "nmol m-2 s-1"
) -> pd.DataFrame:
    """Days of one place, with a measured flux or without any.

    Parameters
    ----------
    path : CSV, a row a day
        Days as ``TIMESTAMP`` (YYYYMMDD) or ``date`` (YYYY-MM-DD); each driver by its
        FLUXNET-CH4 column, or by its CF name in CF units; the flux, if any, as ``FCH4``.
    driver_names : CF names
    flux_units : units of the FCH4 columns, a key of ``FLUX_UNITS``

    Returns
    -------
    table by date, as ``Tower.days`` has it

    Raises
    ------
    InputError
        If the file cannot be used as it is.
    MissingDriverError
        If it has a driver under neither name.
    """
    source = Path(path).name
    table = read_table(Path(path))
    if "TIMESTAMP" not in table and "date" in table:
        table["TIMESTAMP"] = table["date"].astype(str).str.replace("-", "")
    with_column = [name for name in driver_names if DRIVERS[name].tower_column]
    for name in set(with_column) & set(table):
        table[DRIVERS[name].tower_column] = _to_tower_units(table, name, source=source)
    flux = read_column(table, MEASURED_COLUMN, source=source)
    is_measured = bool(np.isfinite(flux).any())
    if not is_measured:
        logger.info("%s: no measured flux", source)
        table[MEASURED_COLUMN] = 0.0  # a tower without any would be refused; taken off below
    units = dict.fromkeys(FLUX_COLUMNS, flux_units)
    days = read_days(table, source=source, driver_names=with_column, flux_units=units)
    for name in set(driver_names) - set(with_column):
        days[name] = _read_cf_column(table, name, source=source)
    return days if is_measured else days.assign(flux=np.nan, uncertainty=np.nan, quality=-1)


def _read_cf_column(table: pd.DataFrame, name: str, *, source: str) -> np.ndarray:
    """Driver that no tower measures, by its CF name alone."""
    require_drivers([name], available=set(table) & set(DRIVERS), source=source)
    driver, values = DRIVERS[name], read_column(table, name, source=source)
    wrong = (values < driver.lowest) | (values > driver.highest)
    if wrong.any():
        raise InputError(
            f"{source}: {name} is {values[wrong][0]:g}, expected {driver.lowest:g} to "
            f"{driver.highest:g} {driver.units}"
        )
    return values


def _to_tower_units(table: pd.DataFrame, name: str, *, source: str) -> np.ndarray:
    """Values of a CF column in the provider's units, which the reader checks."""
    driver = DRIVERS[name]
    points = xr.DataArray([0.0, 1.0], dims="point", attrs={"units": driver.tower_units})
    zero, one = convert_units(points, driver.units).values
    return (read_column(table, name, source=source) - zero) / (one - zero)
