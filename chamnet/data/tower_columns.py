"""Columns of a tower's daily table: fluxes and drivers in CF units, measured and filled apart."""

import functools
import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from chamnet.data.drivers import DRIVERS, Driver, require_drivers
from chamnet.errors import InputError
from chamnet.units import convert_units, mg_c_m2_day_to_kg_m2_s, nmol_m2_s_to_kg_m2_s

logger = logging.getLogger(__name__)

MISSING = -9999
MEASURED, FILLED_SHORT, FILLED_WITHOUT_QC, FILLED_LONG = 0, 1, 2, 3  # quality of a flux
FLUX_UNITS = {
    "nmol m-2 s-1": nmol_m2_s_to_kg_m2_s,
    "mg C m-2 d-1": mg_c_m2_day_to_kg_m2_s,
}
MEASURED_COLUMN, PLAIN_COLUMN, NEURAL_COLUMN = "FCH4", "FCH4_F", "FCH4_F_ANNOPTLM"
FLUX_COLUMNS = (MEASURED_COLUMN, PLAIN_COLUMN, NEURAL_COLUMN)
_SLACK = 1e-3  # of a driver's range; a sensor's zero may be that far off, and is clipped
_WET_MM_PER_DAY = 12.0  # a wetter mean is hardly of this world: said in the log, not refused


def read_days(
    table: pd.DataFrame,
    *,
    source: str,
    driver_names: Sequence[str],
    flux_units: Mapping[str, str],
) -> pd.DataFrame:
    """Days of a site by date, as of ``Tower``.

    Parameters
    ----------
    table : daily rows in the provider's columns and units
    source : file, for messages
    flux_units : units of each of ``FLUX_COLUMNS``, a key of ``FLUX_UNITS``

    Raises
    ------
    InputError
        If a column is missing, holds no number, or what cannot be.
    MissingDriverError
        If the table lacks a driver.
    """
    if MEASURED_COLUMN not in table:
        raise InputError(
            f"{source}: no column 'FCH4', expected the measured methane flux; it has "
            f"{list(table)[:12]}"
        )
    index = _read_stamps(table, source=source)
    columns = _read_flux(table, source=source, flux_units=flux_units)
    columns |= {name: _read_driver(table, DRIVERS[name], source=source) for name in driver_names}
    return pd.DataFrame(columns, index=index)


def _read_stamps(table: pd.DataFrame, *, source: str) -> pd.DatetimeIndex:
    if "TIMESTAMP" not in table:
        raise InputError(f"{source}: no column 'TIMESTAMP', expected one of days as YYYYMMDD")
    stamps = table["TIMESTAMP"].astype(str).str.removesuffix(".0")
    index = pd.DatetimeIndex(pd.to_datetime(stamps, format="%Y%m%d", errors="coerce"))
    if index.isna().any():
        bad = stamps[index.isna()].iloc[0]
        raise InputError(f"{source}: TIMESTAMP {bad!r}, expected a day as YYYYMMDD")
    steps = np.diff(index.to_numpy()).astype("timedelta64[D]").astype(int)
    if (steps <= 0).any():
        at = int(np.argmax(steps <= 0))
        what = "repeated" if index.has_duplicates else "out of order"
        first = index[index.duplicated()][0] if index.has_duplicates else index[at + 1]
        raise InputError(
            f"{source}: TIMESTAMP {first:%Y%m%d} is {what}, expected each day once and in order"
        )
    return index


def _read_flux(
    table: pd.DataFrame, *, source: str, flux_units: Mapping[str, str]
) -> dict[str, np.ndarray]:
    convert = {column: FLUX_UNITS[flux_units[column]] for column in FLUX_COLUMNS}
    measured, plain, neural = (
        convert[column](read_column(table, column, source=source)) for column in FLUX_COLUMNS
    )
    if np.isnan(measured).all():
        raise InputError(
            f"{source}: FCH4 is missing ({MISSING}) on all {measured.size} days, expected measured "
            "fluxes"
        )
    qc = read_column(table, f"{NEURAL_COLUMN}_QC", source=source)
    has_qc = np.isfinite(neural) & np.isin(qc, (FILLED_SHORT, FILLED_LONG))
    filled = np.where(np.isfinite(neural), neural, plain)
    flux = np.where(np.isfinite(measured), measured, filled)
    quality = np.where(has_qc, np.nan_to_num(qc, nan=0), FILLED_WITHOUT_QC)
    quality = np.where(np.isfinite(measured), MEASURED, quality)
    spread = np.where(
        np.isfinite(measured),
        convert[PLAIN_COLUMN](read_column(table, "FCH4_F_RANDUNC", source=source)),
        convert[NEURAL_COLUMN](read_column(table, "FCH4_F_ANNOPTLM_UNC", source=source)),
    )
    return {
        "flux": flux,
        "uncertainty": np.where(np.isfinite(flux), spread, np.nan),
        "quality": np.where(np.isfinite(flux), quality, -1).astype(int),
    }


def _read_driver(table: pd.DataFrame, driver: Driver, *, source: str) -> np.ndarray:
    column = driver.tower_column
    require_drivers([driver.name], available=_drivers_of(table), source=f"{source} ({column})")
    values = read_column(table, column, source=source)
    if np.isnan(values).all():
        raise InputError(
            f"{source}: {column} is missing ({MISSING}) on all {values.size} days, expected "
            f"{driver.name} in {driver.tower_units}"
        )
    slope, offset = _conversion(driver.name)
    converted = values * slope + offset
    slack = _SLACK * (driver.highest - driver.lowest)
    wrong = (converted < driver.lowest - slack) | (converted > driver.highest + slack)
    if wrong.any():
        at = int(np.argmax(wrong))
        bounds = [(bound - offset) / slope for bound in (driver.lowest, driver.highest)]
        raise InputError(
            f"{source}: {column} is {values[at]:g} on {table['TIMESTAMP'].iloc[at]}, expected "
            f"{bounds[0]:g} to {bounds[1]:g} {driver.tower_units} ({driver.name}); "
            f"{int(wrong.sum())} days are beyond: another unit?"
        )
    if column == "P_F" and np.nanmean(values) > _WET_MM_PER_DAY:
        logger.warning(
            "towers: %s: %s has a mean of %.1f mm d-1, is its unit right? It is kept; "
            "towers.factors would change it",
            *(source, column, np.nanmean(values)),
        )
    return np.clip(converted, driver.lowest, driver.highest)


def _drivers_of(table: pd.DataFrame) -> list[str]:
    return [driver.name for driver in DRIVERS.values() if driver.tower_column in table]


@functools.cache
def _conversion(name: str) -> tuple[float, float]:
    driver = DRIVERS[name]
    points = xr.DataArray(
        [0.0, 1.0], dims="point", name=driver.tower_column, attrs={"units": driver.tower_units}
    )
    zero, one = convert_units(points, driver.units).values
    return float(one - zero), float(zero)


def read_column(table: pd.DataFrame, column: str, *, source: str) -> np.ndarray:
    """Numbers of a column, NaN where missing; all of it where there is no such column.

    Raises
    ------
    InputError
        If it holds what is no number.
    """
    if column not in table:
        return np.full(len(table), np.nan)
    values = pd.to_numeric(table[column], errors="coerce")
    bad = values.isna() & table[column].notna()
    if bad.any():
        text = str(table[column][bad].iloc[0])
        hint = " with a decimal point, not a comma" if "," in text else ""
        raise InputError(f"{source}: {column} holds {text!r}, expected a number{hint}")
    values = values.to_numpy(dtype=float)
    return np.where(values == MISSING, np.nan, values)
