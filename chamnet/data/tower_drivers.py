"""Drivers of towers from their own columns, with gaps filled and flagged.

A gap takes the value of the reanalysis at the tower's cell, corrected by what the two have in
common; where there is none, the mean of the day of the year at the tower itself.
"""

import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd

from chamnet.data.drivers import DRIVERS
from chamnet.data.places import (
    PlaceDrivers,
    empty_drivers,
    read_cell_drivers,
    years_of_stores,
)
from chamnet.data.towers import Tower, fill_driver_gaps

logger = logging.getLogger(__name__)

OF_TOWER, OF_CELL, OF_MEAN, ABSENT = 0, 1, 2, -1  # where a driver's value is from
MIN_COMMON_DAYS = 60  # that a correction is fitted on
# Quantities that may be negative or are far from zero are shifted, the others scaled.
SHIFTED = (
    "air_temperature",
    "surface_air_pressure",
    "surface_downwelling_longwave_flux_in_air",
)
STANDARD = ("standard", "proleptic_gregorian")


def read_tower_drivers(
    towers: Sequence[Tower],
    *,
    places: pd.DataFrame,
    driver_names: Sequence[str],
    years: Sequence[int],
    cells: str | None = None,
    drivers: Sequence[str] = (),
) -> PlaceDrivers:
    """Drivers of places from the columns of their own tower, and where each value is from.

    Parameters
    ----------
    places : a row a tower, with place, latitude and longitude
    years : of the result
    cells, drivers : manifests of cells and of drivers by year
        Gaps in the years that these have are filled from the tower's cell, and so are the
        other days of a tower's first and last year. Without them, gaps within the record
        take the tower's own day-of-year mean, and days outside of it are NaN.
    """
    names, years = list(driver_names), list(years)
    own = _lay_out([tower.days for tower in towers], names=names, years=years)
    source = np.where(np.isfinite(own), OF_TOWER, ABSENT).astype(np.int8)
    common = sorted(set(years) & set(years_of_stores(drivers))) if cells else []
    if common:
        of_cells, _ = read_cell_drivers(
            places, cells=cells, drivers=drivers, driver_names=names, years=common
        )
        if of_cells.calendar in STANDARD:
            at = [years.index(year) for year in common]
            _fill_from_cells(own, source, of_cells.values, at=at, towers=towers, names=names)
        else:
            logger.info("towers: no gap is filled from drivers of calendar %s", of_cells.calendar)
    filled = [fill_driver_gaps(tower.days, names) for tower in towers]
    means = _lay_out(filled, names=names, years=years)
    is_mean = np.isnan(own) & np.isfinite(means)
    own[is_mean], source[is_mean] = means[is_mean], OF_MEAN
    _log_counts(source, towers=towers, names=names)
    return PlaceDrivers(
        values=own,
        years=years,
        driver_names=names,
        calendar="standard",
        attributes=np.empty((len(towers), 0), np.float32),
        attribute_names=[],
        source=source,
    )


def correct_bias(
    tower: np.ndarray, cell: np.ndarray, *, name: str
) -> tuple[np.ndarray, str] | None:
    """Cell's values with the tower's mean, (day,), and the correction in words.

    Parameters
    ----------
    tower, cell : (day,), the same unit, NaN where absent
    name : of the driver: temperature, pressure and longwave are shifted, others scaled

    Returns
    -------
    None where the two have fewer than 60 days in common, or a factor cannot be had.
    """
    is_common = np.isfinite(tower) & np.isfinite(cell)
    if is_common.sum() < MIN_COMMON_DAYS:
        return None
    means = float(tower[is_common].mean()), float(cell[is_common].mean())
    if name in SHIFTED:
        return cell + (means[0] - means[1]), f"{means[0] - means[1]:+.3g}"
    if means[1] <= 0 or means[0] < 0:
        return None
    return cell * (means[0] / means[1]), f"x {means[0] / means[1]:.3g}"


def _fill_from_cells(
    own: np.ndarray,
    source: np.ndarray,
    of_cells: np.ndarray,
    *,
    at: list[int],
    towers: Sequence[Tower],
    names: list[str],
) -> None:
    """Fill gaps of the years that a tower has any record of, in place."""
    for place, tower in enumerate(towers):
        has_record = np.isfinite(own[place, at]).any(axis=(1, 2))
        inside = [year for year, is_there in zip(at, has_record, strict=True) if is_there]
        rows = np.flatnonzero(has_record)
        for k, name in enumerate(names):
            values, cell = own[place, inside, :, k], of_cells[place, rows, :, k]
            corrected = correct_bias(values.ravel(), cell.ravel(), name=name)
            if corrected is None:
                continue
            bounds = DRIVERS[name].lowest, DRIVERS[name].highest
            candidates = np.clip(corrected[0], *bounds).reshape(values.shape)
            is_gap = np.isnan(values) & np.isfinite(candidates)
            own[place, inside, :, k] = np.where(is_gap, candidates, values)
            part = source[place, inside, :, k]
            source[place, inside, :, k] = np.where(is_gap, OF_CELL, part)
            if is_gap.any():
                logger.info(
                    "towers: %s %s: %d days filled from the cell, corrected by %s",
                    *(tower.site_id, name, int(is_gap.sum()), corrected[1]),
                )


def _lay_out(tables: Sequence[pd.DataFrame], *, names: list[str], years: list[int]) -> np.ndarray:
    values = empty_drivers(len(tables), len(years), len(names))
    for place, days in enumerate(tables):
        for i, year in enumerate(years):
            rows = days[days.index.year == year]
            values[place, i, rows.index.day_of_year - 1] = rows[names]
    return values


def _log_counts(source: np.ndarray, *, towers: Sequence[Tower], names: list[str]) -> None:
    for place, tower in enumerate(towers):
        counts = (source[place] == OF_MEAN).reshape(-1, len(names)).sum(axis=0)
        for name, count in zip(names, counts, strict=True):
            if count:
                logger.info(
                    "towers: %s %s: %d of %d days filled with the site's own day-of-year mean",
                    *(tower.site_id, name, count, len(tower.days)),
                )
