"""Towers: files of the FLUXNET-CH4 Community Product and of AmeriFlux BASE.

The provider's column names and units stay in ``tower_columns`` and ``half_hours``; what comes
out is named and measured as CF has it, with measured and filled fluxes kept apart.
"""

import dataclasses
import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from chamnet.data.drivers import DRIVERS
from chamnet.data.half_hours import (
    build_days,
    find_flux_units,
    rename_base_columns,
    require_flux_units,
)
from chamnet.data.sites import read_site_table
from chamnet.data.tower_columns import FLUX_COLUMNS, read_column, read_days
from chamnet.data.tower_files import TowerFile, check_site_id, list_tower_files
from chamnet.errors import InputError, noting

logger = logging.getLogger(__name__)

NOT_WETLAND = ("Upland", "Lake")  # classes of the site table that are no wetland emission


@dataclasses.dataclass(frozen=True)
class Tower:
    """A site and its days.

    Attributes
    ----------
    path : file that the days are of, the zip where it is in one
    days : table by date
        ``flux`` and ``uncertainty`` in kg m-2 s-1 (NaN: none), ``quality`` (0 measured,
        1 and 3 filled in a short and a long gap, 2 filled without QC, -1 no flux), and one
        column a driver by its CF name, in CF units.
    """

    site_id: str
    latitude: float
    longitude: float
    place_class: str
    licence: str
    doi: str
    path: Path
    days: pd.DataFrame


def read_towers(
    *,
    folder: str,
    sites: str,
    licences: str | None = None,
    driver_names: Sequence[str] = (),
    flux_units: str = "nmol m-2 s-1",
    min_coverage: float = 0.25,
    factors: Mapping[str, Mapping[str, float]] | None = None,
    problems: list[str] | None = None,
) -> list[Tower]:
    """Every site of a folder, in the order of their names.

    Parameters
    ----------
    folder : folder of files as ``tower_files`` knows them, in subfolders and zips too
        A table of several sites has a column ``SITE_ID`` or ``Site``. A site with a daily
        and a half-hourly file has the daily one's values; the other tells its units.
    sites : CSV with SITE_ID, LAT, LON and SITE_CLASSIFICATION
    licences : CSV with the data policy and DOI by site
    driver_names : CF names
        Drivers read from the sites' own columns; none where they come from a reanalysis.
    flux_units : units of the FCH4 columns of daily files, where no half-hours tell them
    min_coverage : share of a day's half-hours that make a measured day
    factors : by site and column, what the file's numbers are multiplied by
    problems : takes what is wrong with single sites, which are then left out

    Raises
    ------
    InputError
        If a file cannot be used as it is, or a site is not in the site table, or a factor is of
        no site or column.
    """
    factors = factors or {}
    require_flux_units(flux_units)
    files = list_tower_files(folder)
    table = read_site_table(sites, licences=licences)
    towers: dict[str, Tower] = {}
    for _, group in itertools.groupby(files, key=lambda file: file.site_id or file.name):
        with noting(problems):
            for file, site_id, rows, units in _read_sites(
                list(group),
                driver_names=driver_names,
                flux_units=flux_units,
                min_coverage=min_coverage,
            ):
                with noting(problems):
                    _check_site(site_id, file=file, towers=towers, table=table, sites=sites)
                    own = _factors_of_read(
                        factors.get(site_id, {}), driver_names=driver_names, source=file.name
                    )
                    rows = _scale_columns(rows, own, source=file.name)
                    days = read_days(
                        rows, source=file.name, driver_names=driver_names, flux_units=units
                    )
                    towers[site_id] = _build_tower(table.loc[site_id], path=file.path, days=days)
    with noting(problems):
        _check_factors(factors, towers=towers, folder=folder)
    return [towers[site_id] for site_id in sorted(towers)]


def _factors_of_read(
    factors: Mapping[str, float], *, driver_names: Sequence[str], source: str
) -> dict[str, float]:
    """Factors without those of drivers that are not read from the tower."""
    unread = {d.tower_column for d in DRIVERS.values() if d.name not in driver_names}
    for column in sorted(unread & set(factors)):
        logger.info(
            "towers: %s: %s is not read, so its factor of towers.factors is left out",
            *(source, column),
        )
    return {column: factor for column, factor in factors.items() if column not in unread}


def _scale_columns(
    rows: pd.DataFrame, factors: Mapping[str, float], *, source: str
) -> pd.DataFrame:
    for column, factor in factors.items():
        if column not in rows:
            raise InputError(f"{source}: no column {column!r}, which towers.factors names")
        logger.info("towers: %s: %s times %g, as towers.factors says", source, column, factor)
        rows = rows.assign(**{column: read_column(rows, column, source=source) * factor})
    return rows


def _check_factors(
    factors: Mapping[str, Mapping[str, float]], *, towers: Mapping[str, Tower], folder: str
) -> None:
    absent = sorted(set(factors) - set(towers))
    if absent:
        raise InputError(
            f"option towers.factors names the site {absent[0]!r}, of which {folder} has no usable "
            "file"
        )


def _check_site(
    site_id: str, *, file: TowerFile, towers: dict[str, Tower], table: pd.DataFrame, sites: str
) -> None:
    if site_id in towers:
        raise _twice(file.name, site_id=site_id, other=towers[site_id].path)
    if site_id not in table.index:
        raise InputError(
            f"{file.name}: site {site_id!r} is not in the site table {sites}, expected a row with "
            "its SITE_ID, LAT and LON"
        )


def fill_driver_gaps(days: pd.DataFrame, driver_names: Sequence[str]) -> pd.DataFrame:
    """Days of a site with its drivers' gaps filled by the site's own day-of-year mean.

    A day of the year that was never measured takes the nearest ones, linearly in between.
    The caller counts what was missing; days outside the site's record are none of it.
    """
    days = days.asfreq("D")
    day = np.minimum(days.index.day_of_year.to_numpy(), 365)
    for name in driver_names:
        gaps = days[name].isna().to_numpy()
        if not gaps.any():
            continue
        mean = days[name].groupby(day).mean().dropna()
        filled = np.interp(day[gaps], mean.index, mean.to_numpy(), period=365)
        days.loc[gaps, name] = filled
    return days


def _read_sites(
    files: Sequence[TowerFile],
    *,
    driver_names: Sequence[str],
    flux_units: str,
    min_coverage: float,
) -> Iterator[tuple[TowerFile, str, pd.DataFrame, dict[str, str]]]:
    """Daily rows and the units of their fluxes, of each site of files that belong together."""
    daily, hourly = ([f for f in files if f.step == step] for step in ("day", "half_hour"))
    for many in (daily, hourly):
        if len(many) > 1 and many[0].site_id:
            raise _twice(many[1].name, site_id=many[0].site_id, other=many[0].name)
    units = dict.fromkeys(FLUX_COLUMNS, flux_units)
    if daily:
        for site_id, rows in _split_sites(daily[0]):
            if hourly:
                complete = build_days(_read(hourly[0]), source=hourly[0].name, min_coverage=1.0)
                units = find_flux_units(rows, complete, source=daily[0].name, otherwise=flux_units)
            yield daily[0], site_id, rows, dict(units)
        return
    units = dict.fromkeys(FLUX_COLUMNS, "nmol m-2 s-1")  # of half-hours, always
    for site_id, rows in _split_sites(hourly[0]):
        days = build_days(
            rows, source=hourly[0].name, min_coverage=min_coverage, driver_names=driver_names
        )
        yield hourly[0], site_id, days, units


def _read(file: TowerFile) -> pd.DataFrame:
    table = file.read()
    if file.layout == "ameriflux":
        table = rename_base_columns(table, source=file.name)
    return table


def _split_sites(file: TowerFile) -> Iterator[tuple[str, pd.DataFrame]]:
    table = _read(file)
    column = next((c for c in ("SITE_ID", "Site", "SITE") if c in table), None)
    if column:
        for site_id, rows in table.groupby(column, sort=True):
            yield check_site_id(site_id, source=file.name), rows
        return
    if file.site_id is None:
        raise InputError(
            f"{file.name}: the name tells no site, expected FLX_<site>_FLUXNET-CH4_DD_*.csv or a "
            "column SITE_ID"
        )
    yield file.site_id, table


def _twice(name: str, *, site_id: str, other: object) -> InputError:
    return InputError(
        f"{name}: site {site_id!r} is also in {other}, expected one daily and one half-hourly "
        "file a site"
    )


def _build_tower(site: pd.Series, *, path: Path, days: pd.DataFrame) -> Tower:
    return Tower(
        site_id=str(site.name),
        latitude=float(site["LAT"]),
        longitude=(float(site["LON"]) + 180) % 360 - 180,
        place_class=str(site["SITE_CLASSIFICATION"]),
        licence=str(site["POLICY"]),
        doi=str(site["DOI"]),
        path=path,
        days=days,
    )
