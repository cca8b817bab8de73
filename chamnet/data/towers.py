"""Towers: daily files of the FLUXNET-CH4 Community Product.

The provider's column names and units stay in here; what comes out is named and measured
as CF has it, with measured and filled fluxes kept apart.
"""

import dataclasses
import functools
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from chamnet.data.drivers import DRIVERS, Driver, require_drivers
from chamnet.data.sites import read_site_table, read_table
from chamnet.errors import InputError
from chamnet.units import convert_units, mg_c_m2_day_to_kg_m2_s, nmol_m2_s_to_kg_m2_s

logger = logging.getLogger(__name__)

MISSING = -9999
MEASURED, FILLED_SHORT, FILLED_WITHOUT_QC, FILLED_LONG = 0, 1, 2, 3  # quality of a flux
NOT_WETLAND = ("Upland", "Lake")  # classes of the site table that are no wetland emission
FLUX_UNITS = {
    "nmol m-2 s-1": nmol_m2_s_to_kg_m2_s,
    "mg C m-2 d-1": mg_c_m2_day_to_kg_m2_s,
}
_FILE = re.compile(r"(?:FLX_)?([A-Z]{2}[-.]\w+?)_.*DD.*\.csv", re.IGNORECASE)
_SLACK = 1e-3  # of a driver's range; a sensor's zero may be that far off, and is clipped
_WET_MM_PER_DAY = 12.0  # a wetter mean is hardly of this world: said in the log, not refused


@dataclasses.dataclass(frozen=True)
class Tower:
    """A site and its days.

    Attributes
    ----------
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
) -> list[Tower]:
    """Every site of a folder of daily files, in the order of their names.

    Parameters
    ----------
    folder : folder of ``FLX_<site>_FLUXNET-CH4_DD_*.csv``
        A table of several sites has a column ``SITE_ID`` or ``Site`` and ``DD`` in its name.
    sites : CSV with SITE_ID, LAT, LON and SITE_CLASSIFICATION
    licences : CSV with the data policy and DOI by site
    driver_names : CF names
        Drivers read from the sites' own columns; none where they come from a reanalysis.
    flux_units : units of the FCH4 columns, a key of ``FLUX_UNITS``

    Raises
    ------
    InputError
        If a file cannot be used as it is, or a site is not in the site table.
    """
    paths = _list_daily_files(folder)
    table = read_site_table(sites, licences=licences)
    towers: dict[str, Tower] = {}
    for path in paths:
        for site_id, rows in _split_sites(read_table(path), path=path):
            if site_id in towers:
                raise InputError(
                    f"{path}: site {site_id!r} is also in {towers[site_id].path}, expected one "
                    "daily file a site"
                )
            if site_id not in table.index:
                raise InputError(
                    f"{path}: site {site_id!r} is not in the site table {sites}, expected a row "
                    "with its SITE_ID, LAT and LON"
                )
            days = _read_days(rows, path=path, driver_names=driver_names, flux_units=flux_units)
            towers[site_id] = _build_tower(table.loc[site_id], path=path, days=days)
    return [towers[site_id] for site_id in sorted(towers)]


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


def _list_daily_files(folder: str) -> list[Path]:
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{folder}: no such folder, expected one of FLUXNET-CH4 daily files")
    paths = sorted(path for path in root.glob("*.csv") if re.search(r"_DD", path.name))
    if not paths:
        raise InputError(
            f"{folder}: no daily file, expected FLX_<site>_FLUXNET-CH4_DD_*.csv; it holds "
            f"{sorted(p.name for p in root.iterdir())[:5]}"
        )
    others = sum(1 for path in root.iterdir() if path not in paths)
    logger.info("towers: %d daily files in %s, %d others left out", len(paths), folder, others)
    return paths


def _split_sites(table: pd.DataFrame, *, path: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    column = next((c for c in ("SITE_ID", "Site", "SITE") if c in table), None)
    if column:
        for site_id, rows in table.groupby(column, sort=True):
            yield str(site_id).replace(".", "-"), rows
        return
    match = _FILE.fullmatch(path.name)
    if match is None:
        raise InputError(
            f"{path}: the name tells no site, expected FLX_<site>_FLUXNET-CH4_DD_*.csv or a "
            "column SITE_ID"
        )
    yield match.group(1).replace(".", "-"), table


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


def _read_days(
    table: pd.DataFrame, *, path: Path, driver_names: Sequence[str], flux_units: str
) -> pd.DataFrame:
    if flux_units not in FLUX_UNITS:
        raise InputError(f"towers.flux_units {flux_units!r}, expected one of {list(FLUX_UNITS)}")
    if "FCH4" not in table:
        raise InputError(
            f"{path}: no column 'FCH4', expected the measured methane flux; it has "
            f"{list(table)[:12]}"
        )
    index = _read_stamps(table, path=path)
    columns = _read_flux(table, path=path, flux_units=flux_units)
    columns |= {name: _read_driver(table, DRIVERS[name], path=path) for name in driver_names}
    return pd.DataFrame(columns, index=index)


def _read_stamps(table: pd.DataFrame, *, path: Path) -> pd.DatetimeIndex:
    if "TIMESTAMP" not in table:
        raise InputError(f"{path}: no column 'TIMESTAMP', expected one of days as YYYYMMDD")
    stamps = table["TIMESTAMP"].astype(str).str.removesuffix(".0")
    index = pd.DatetimeIndex(pd.to_datetime(stamps, format="%Y%m%d", errors="coerce"))
    if index.isna().any():
        bad = stamps[index.isna()].iloc[0]
        raise InputError(f"{path}: TIMESTAMP {bad!r}, expected a day as YYYYMMDD")
    steps = np.diff(index.to_numpy()).astype("timedelta64[D]").astype(int)
    if (steps <= 0).any():
        at = int(np.argmax(steps <= 0))
        what = "repeated" if index.has_duplicates else "out of order"
        first = index[index.duplicated()][0] if index.has_duplicates else index[at + 1]
        raise InputError(
            f"{path}: TIMESTAMP {first:%Y%m%d} is {what}, expected each day once and in order"
        )
    return index


def _read_flux(table: pd.DataFrame, *, path: Path, flux_units: str) -> dict[str, np.ndarray]:
    convert = FLUX_UNITS[flux_units]
    measured = _read_column(table, "FCH4", path=path)
    if np.isnan(measured).all():
        raise InputError(
            f"{path}: FCH4 is missing ({MISSING}) on all {measured.size} days, expected measured "
            "fluxes"
        )
    neural, qc = (_read_column(table, f"FCH4_F_ANNOPTLM{s}", path=path) for s in ("", "_QC"))
    plain = _read_column(table, "FCH4_F", path=path)
    has_qc = np.isfinite(neural) & np.isin(qc, (FILLED_SHORT, FILLED_LONG))
    filled = np.where(np.isfinite(neural), neural, plain)
    flux = np.where(np.isfinite(measured), measured, filled)
    quality = np.where(has_qc, np.nan_to_num(qc, nan=0), FILLED_WITHOUT_QC)
    quality = np.where(np.isfinite(measured), MEASURED, quality)
    spread = np.where(
        np.isfinite(measured),
        _read_column(table, "FCH4_F_RANDUNC", path=path),
        _read_column(table, "FCH4_F_ANNOPTLM_UNC", path=path),
    )
    return {
        "flux": convert(flux),
        "uncertainty": convert(np.where(np.isfinite(flux), spread, np.nan)),
        "quality": np.where(np.isfinite(flux), quality, -1).astype(int),
    }


def _read_driver(table: pd.DataFrame, driver: Driver, *, path: Path) -> np.ndarray:
    column = driver.tower_column
    require_drivers([driver.name], available=_drivers_of(table), source=f"{path} ({column})")
    values = _read_column(table, column, path=path)
    if np.isnan(values).all():
        raise InputError(
            f"{path}: {column} is missing ({MISSING}) on all {values.size} days, expected "
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
            f"{path}: {column} is {values[at]:g} on {table['TIMESTAMP'].iloc[at]}, expected "
            f"{bounds[0]:g} to {bounds[1]:g} {driver.tower_units} ({driver.name}); "
            f"{int(wrong.sum())} days are beyond: another unit?"
        )
    if column == "P_F" and np.nanmean(values) > _WET_MM_PER_DAY:
        logger.warning(
            "towers: %s: %s has a mean of %.1f mm d-1, is its unit right? It is kept",
            *(path.name, column, np.nanmean(values)),
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


def _read_column(table: pd.DataFrame, column: str, *, path: Path) -> np.ndarray:
    if column not in table:
        return np.full(len(table), np.nan)
    values = pd.to_numeric(table[column], errors="coerce")
    bad = values.isna() & table[column].notna()
    if bad.any():
        text = str(table[column][bad].iloc[0])
        hint = " with a decimal point, not a comma" if "," in text else ""
        raise InputError(f"{path}: {column} holds {text!r}, expected a number{hint}")
    values = values.to_numpy(dtype=float)
    return np.where(values == MISSING, np.nan, values)
