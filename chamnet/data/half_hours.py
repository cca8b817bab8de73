"""Half-hourly tables of towers made daily, in the columns of a FLUXNET-CH4 daily file."""

import logging
import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from chamnet.constants import ZERO_CELSIUS_K
from chamnet.data.drivers import DRIVERS
from chamnet.data.formulas import saturation_vapor_pressure_pa
from chamnet.data.tower_columns import (
    FLUX_COLUMNS,
    FLUX_UNITS,
    MEASURED_COLUMN,
    NEURAL_COLUMN,
    read_column,
)
from chamnet.errors import InputError
from chamnet.units import mg_c_m2_day_to_kg_m2_s, nmol_m2_s_to_kg_m2_s

logger = logging.getLogger(__name__)

DRIVER_COVERAGE = 0.8  # of a day that a driver must be there for
MINUTES_PER_DAY = 1440
RATIO_TOLERANCE = 0.01  # of the ratio of a daily flux to the mean of its half-hours
MIN_COMPLETE_DAYS = 10
SUMS = ("P_F",)  # amounts: mm of a step become mm of a day
ERRORS = ("FCH4_F_RANDUNC",)  # random, so that they shrink with the number of steps
FLAGS = (f"{NEURAL_COLUMN}_QC",)
# What AmeriFlux BASE calls the columns; all are measured, none is filled by the provider.
_DRIVER_COLUMNS = [d.tower_column for d in DRIVERS.values() if d.tower_column is not None]
_BASE_NAMES = {column: column.removesuffix("_F") for column in _DRIVER_COLUMNS}
_BASE_NAMES |= {MEASURED_COLUMN: MEASURED_COLUMN, "RH": "RH"}
_POSITION = r"(?:_PI)?(?:_\d+(?:_\d+_[\dA-Z]+)?)?"  # of a sensor: _H_V_R, and "by the investigator"


def build_days(
    table: pd.DataFrame, *, source: str, min_coverage: float, driver_names: Sequence[str] = ()
) -> pd.DataFrame:
    """Daily rows, as of a daily file: column TIMESTAMP and means, sums where mm a step.

    Parameters
    ----------
    table : rows of half-hours or hours with TIMESTAMP_START as YYYYMMDDHHMM
    source : file, for messages
    min_coverage : share of a day's steps that a flux must have been measured in
    driver_names : CF names of the drivers that are made daily too

    Raises
    ------
    InputError
        If stamps are wrong, repeated or out of order, or a column holds no number.
    """
    index, n_per_day = _read_stamps(table, source=source)
    names = [MEASURED_COLUMN, "FCH4_F", NEURAL_COLUMN, f"{NEURAL_COLUMN}_UNC", *ERRORS, *FLAGS]
    names += [DRIVERS[name].tower_column for name in driver_names]
    values = pd.DataFrame(
        {name: read_column(table, name, source=source) for name in names if name in table},
        index=index,
    )
    by_day = values.groupby(index.normalize())
    mean, share = by_day.mean(), by_day.count() / n_per_day
    for name in mean:
        if name in SUMS:
            mean[name] *= n_per_day
        elif name in ERRORS:
            mean[name] = np.sqrt((values[name] ** 2).groupby(index.normalize()).sum())
            mean[name] /= by_day[name].count().where(lambda count: count > 0)
        elif name in FLAGS:
            mean[name] = by_day[name].max()
        is_driver = name in _BASE_NAMES and name != MEASURED_COLUMN
        mean[name] = mean[name].where(
            share[name] >= (DRIVER_COVERAGE if is_driver else min_coverage)
        )
    few = share.get(MEASURED_COLUMN, pd.Series(dtype=float)).between(
        0, min_coverage, inclusive="neither"
    )
    logger.info(
        "towers: %s: %d half-hours made %d days; %d days have a flux in less than %g of their "
        "steps, and so none",
        *(source, len(values), len(mean), few.sum(), min_coverage),
    )
    return mean.assign(TIMESTAMP=mean.index.strftime("%Y%m%d")).reset_index(drop=True)


def rename_base_columns(table: pd.DataFrame, *, source: str) -> pd.DataFrame:
    """Table of AmeriFlux BASE with the columns of FLUXNET-CH4.

    A quantity measured at several places takes the first: without a position, then by
    horizontal, vertical and replicate number. Where there is no vapor pressure deficit it is
    made of temperature and relative humidity.
    """
    found = {}
    for name, base in _BASE_NAMES.items():
        columns = [c for c in table if re.fullmatch(base + _POSITION, c)]
        columns.sort(key=lambda column, base=base: _rank(column.removeprefix(base)))
        if columns:
            found[name] = table[columns[0]]
        if len(columns) > 1:
            logger.info("towers: %s: %s is read from %s", source, base, columns[0])
    renamed = pd.DataFrame({"TIMESTAMP_START": table.get("TIMESTAMP_START")} | found)
    if "VPD_F" not in renamed and {"TA_F", "RH"} <= set(renamed):
        kelvin, humidity = (
            read_column(renamed, name, source=source) + offset
            for name, offset in (("TA_F", ZERO_CELSIUS_K), ("RH", 0.0))
        )
        deficit = saturation_vapor_pressure_pa(kelvin) * np.clip(1 - humidity / 100, 0, None)
        renamed["VPD_F"] = deficit / 100  # hPa
        logger.info("towers: %s: vapor pressure deficit is of TA and RH", source)
    return renamed


def _rank(position: str) -> tuple[bool, list[tuple[bool, int, str]]]:
    """Order of a sensor's position: the investigator's own last, numbers before letters."""
    parts = position.removeprefix("_PI").split("_")[1:]
    numbers = [(not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in parts]
    return position.startswith("_PI"), numbers


def find_flux_units(
    daily: pd.DataFrame, half_hours: pd.DataFrame, *, source: str, otherwise: str
) -> Mapping[str, str]:
    """Units of each flux column of a daily file, by its ratio to the half-hourly file.

    Half-hourly fluxes are in nmol m-2 s-1. A daily mean in the same unit has the ratio 1, one
    in mg C m-2 d-1 has 1.038, which no check of magnitude tells.

    Parameters
    ----------
    daily : rows of the daily file
    half_hours : the half-hourly file made daily from complete days only
    otherwise : units of a column that too few days tell

    Raises
    ------
    InputError
        If the ratio is that of neither, or the daily file has no stamps.
    """
    if "TIMESTAMP" not in daily:
        raise InputError(f"{source}: no column 'TIMESTAMP', expected one of days as YYYYMMDD")
    ratios = {
        "nmol m-2 s-1": 1.0,
        "mg C m-2 d-1": nmol_m2_s_to_kg_m2_s(1.0) / mg_c_m2_day_to_kg_m2_s(1.0),
    }
    units = dict.fromkeys(FLUX_COLUMNS, otherwise)
    stamps = daily["TIMESTAMP"].astype(str).str.removesuffix(".0")
    for column in FLUX_COLUMNS:
        if column not in daily or column not in half_hours:
            continue
        of_hours = half_hours.set_index("TIMESTAMP")[column].reindex(stamps).to_numpy()
        of_days = read_column(daily, column, source=source)
        is_known = np.isfinite(of_hours) & np.isfinite(of_days) & (np.abs(of_hours) > 1)
        if is_known.sum() < MIN_COMPLETE_DAYS:
            continue
        ratio = float(np.median(of_days[is_known] / of_hours[is_known]))
        near = min(ratios, key=lambda name: abs(ratios[name] - ratio))
        if abs(ratio / ratios[near] - 1) > RATIO_TOLERANCE:
            raise InputError(
                f"{source}: {column} is {ratio:.4f} times the mean of its half-hours, expected "
                f"1 (nmol m-2 s-1) or {ratios['mg C m-2 d-1']:.4f} (mg C m-2 d-1)"
            )
        units[column] = near
        logger.info(
            "towers: %s: %s is in %s, by its ratio of %.4f to the half-hours of %d days",
            *(source, column, near, ratio, is_known.sum()),
        )
    return units


def require_flux_units(units: str) -> str:
    """Return the units, if they are ones of a tower's flux.

    Raises
    ------
    InputError
        If they are others.
    """
    if units not in FLUX_UNITS:
        raise InputError(f"towers.flux_units {units!r}, expected one of {list(FLUX_UNITS)}")
    return units


def _read_stamps(table: pd.DataFrame, *, source: str) -> tuple[pd.DatetimeIndex, int]:
    if "TIMESTAMP_START" not in table or table["TIMESTAMP_START"].isna().all():
        raise InputError(f"{source}: no column 'TIMESTAMP_START', expected YYYYMMDDHHMM")
    stamps = table["TIMESTAMP_START"].astype(str).str.removesuffix(".0")
    index = pd.DatetimeIndex(pd.to_datetime(stamps, format="%Y%m%d%H%M", errors="coerce"))
    if index.isna().any():
        bad = stamps[index.isna()].iloc[0]
        raise InputError(f"{source}: TIMESTAMP_START {bad!r}, expected YYYYMMDDHHMM")
    minutes = np.diff(index.to_numpy()).astype("timedelta64[m]").astype(int)
    if (minutes <= 0).any():
        at = index[1 + int(np.argmax(minutes <= 0))]
        raise InputError(
            f"{source}: TIMESTAMP_START {at:%Y%m%d%H%M} is repeated or out of order, expected "
            "each step once"
        )
    step = int(minutes.min()) if minutes.size else 0
    if step not in (30, 60):
        raise InputError(f"{source}: steps of {step} minutes, expected 30 or 60")
    return index, MINUTES_PER_DAY // step
