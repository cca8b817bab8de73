"""Methane fluxes of other models at places, in the form that ours are: monthly means.

Read are, of NetCDF or Zarr: TEM-MDM as in X-MethaneWet (latitude, longitude, month, day; a file a
year) or pooled (year, month), models of the Global Methane Budget (months since a date, grams a
month), LPJ-EOSIM (its wetland shares in a file beside), and anything with CF coordinates. Only the
pixels of the places are read.
"""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from chamnet.constants import SECONDS_PER_DAY
from chamnet.errors import InputError, UnitsError
from chamnet.grid import great_circle_km, normalize_longitude
from chamnet.timeaxis import N_MONTHS, month_lengths
from chamnet.units import FLUX_UNITS, convert_units

logger = logging.getLogger(__name__)

# Names that the products have: X-MethaneWet; GCP models; LPJ-EOSIM; TEM's and MeMo's uptake.
KNOWN = {
    "emission": ("CH4_emission", "CH4_e", "ech4", "dch4e", "mch4e", "ch4_emission"),
    "consumption": ("ch4_oxidation", "CH4uptake"),
}
MISSING = -9999.0  # what some files fill with and do not declare
LATITUDES, LONGITUDES = ("latitude", "lat", "y"), ("longitude", "lon", "x")
NEAR_PIXELS = 1.0  # widths of a pixel that a place may be off one's center
LEAST_WETLAND = 1e-3  # share of a cell below which a flux per wetland area says nothing
_PER_MONTH = re.compile(r"\s*(/\s*month|month\s*(\*\*|\^)?\s*-\s*1)\s*", re.IGNORECASE)


def sample_fluxes(
    path: str | Path,
    *,
    target: str,
    latitude: np.ndarray,
    longitude: np.ndarray,
    years: list[int],
    variable: str | None = None,
    units: str | None = None,
    wetland_variable: str | None = None,
) -> np.ndarray:
    """Monthly mean flux of another model at places, (place, year, month), kg m-2 s-1.

    Parameters
    ----------
    path : NetCDF file, Zarr store, or folder of NetCDF files
    target : emission or consumption
    latitude, longitude : (place,), degrees
    years : that are wanted; those the model lacks are NaN
    variable : None: the one name of the target in ``KNOWN`` that is there
        Files that hold the other target's alone are passed over.
    units : of the variable, where the file does not say or says it wrongly
        Amounts a month are divided by the seconds of the real month.
    wetland_variable : share of the cell; emission is per area of cell and is divided by it
        In the file of the flux, or in another one of the folder. Consumption never is.

    Raises
    ------
    InputError
        If there is no such file, variable, flux of the target or coordinate, or no place has
        any value.
    UnitsError
        If there are no units, or none of a flux.
    """
    fluxes = np.full((latitude.size, len(years), N_MONTHS), np.nan)
    shares = fluxes.copy()
    names = _find_variables(Path(path), variable, target=target, wetland_variable=wetland_variable)
    divisor = wetland_variable if target == "emission" else None
    for file, name in names.items():
        with _open(file) as data:
            pixel = _find_pixels(data, latitude, longitude, file)
            if divisor and divisor in data:
                _fill(shares, _read_months(data[divisor], pixel, file=file, units="1"), years)
            if name:
                _fill(fluxes, _read_months(data[name], pixel, file=file, units=units), years)
        logger.info("simulate: %s read", file.name)
    if divisor:
        fluxes = _per_wetland(fluxes, shares, path=path, variable=divisor)
    if not np.isfinite(fluxes).any():
        raise InputError(
            f"{path}: no value at any of {latitude.size} places in {years[0]} to {years[-1]}"
        )
    return fluxes


Months = list[tuple[tuple[int, int], np.ndarray]]  # (year, month), (place,)


def _fill(values: np.ndarray, months: Months, years: list[int]) -> None:
    for (year, month), part in months:
        if year in years:
            values[:, years.index(year), month] = part


def _list_files(path: Path) -> list[Path]:
    if path.is_dir() and path.suffix != ".zarr":
        files = sorted(path.glob("*.nc"))
        if not files:
            raise InputError(f"{path}: no NetCDF file in this folder")
        return files
    if not path.exists():
        raise InputError(f"{path}: no such file, expected fluxes of a model (NetCDF or Zarr)")
    return [path]


def _open(file: Path) -> xr.Dataset:
    if file.suffix == ".zarr":
        return xr.open_zarr(file, chunks=None, decode_times=False, consolidated=False)
    return xr.open_dataset(file, decode_times=False)


def _find_variables(
    path: Path, variable: str | None, *, target: str, wetland_variable: str | None
) -> dict[Path, str | None]:
    """Name of the flux in each file; None in those of wetland shares or of the other target."""
    others = [name for names in KNOWN.values() for name in names] if variable is None else []
    found, held = {}, set()
    for file in _list_files(path):
        with _open(file) as data:
            may_lack = any(name in data for name in (wetland_variable, *others) if name)
            found[file] = _find_variable(data, variable, target, file, may_lack=may_lack)
            held.update(map(str, data.data_vars))
    if not any(found.values()):
        wanted = repr(variable) if variable else f"one of {list(KNOWN[target])}"
        raise InputError(f"{path}: no flux of {target}, expected {wanted}; it has {sorted(held)}")
    return found


def _find_variable(
    data: xr.Dataset, variable: str | None, target: str, file: Path, *, may_lack: bool
) -> str | None:
    known = [variable] if variable else KNOWN[target]
    names = [name for name in known if name in data]
    if len(names) > 1 or not (names or may_lack):
        wanted = repr(variable) if variable else f"just one of {list(known)}"
        raise InputError(f"{file}: expected the variable {wanted}; it has {list(data.data_vars)}")
    return names[0] if names else None


def _axis(data: xr.Dataset, names: tuple[str, ...], file: Path) -> tuple[str, np.ndarray]:
    """Dim and its degrees; TEM-MDM has no coordinates, its index is round((degrees + 90) 2)."""
    dim = next((name for name in names if name in data.dims), None)
    if dim is None:
        raise InputError(f"{file}: no dimension of {list(names)}; it has {list(data.dims)}")
    if dim in data.coords:
        return dim, np.asarray(data[dim].values, dtype=float)
    size = data.sizes[dim]
    span = 180.0 if names is LATITUDES else 360.0
    return dim, -span / 2 + np.arange(size) * span / size


def _find_pixels(
    data: xr.Dataset, latitude: np.ndarray, longitude: np.ndarray, file: Path
) -> dict[str, xr.DataArray]:
    """Indices of the nearest pixel of each place, by dim."""
    row_dim, rows = _axis(data, LATITUDES, file)
    column_dim, columns = _axis(data, LONGITUDES, file)
    columns = normalize_longitude(columns)
    row = np.abs(rows[:, None] - latitude).argmin(axis=0)
    turn = (columns[:, None] - longitude + 180) % 360 - 180
    column = np.abs(turn).argmin(axis=0)
    off = great_circle_km(latitude, longitude, rows[row], columns[column])
    width_km = 111.2 * float(np.abs(np.diff(rows)).max())
    if (off > 1.5 * NEAR_PIXELS * width_km).any():
        i = int(np.argmax(off))
        raise InputError(
            f"{file}: {off[i]:.0f} km from a pixel to the place at {latitude[i]:g} N "
            f"{longitude[i]:g} E, expected a map that holds every place"
        )
    return {
        row_dim: xr.DataArray(row, dims="place"),
        column_dim: xr.DataArray(column, dims="place"),
    }


def _read_months(
    array: xr.DataArray, pixel: dict[str, xr.DataArray], *, file: Path, units: str | None
) -> Months:
    array = array.isel(pixel).load()
    array = array.where(array != MISSING)
    text = units or array.attrs.get("units")
    if text is None:
        raise UnitsError(f"{file}: {array.name} has no units; name them in simulate.flux_units")
    if {"year", "month"} <= set(array.dims) and "day" not in array.dims:
        array = array.expand_dims("day")
    if {"month", "day"} <= set(array.dims):
        means = _of_month_and_day(array, file=file)
    else:
        means = _of_time(array, file=file)
    target = "1" if text == "1" else FLUX_UNITS
    return [(when, _convert(v, str(text), target, when, file)) for when, v in means]


def _of_month_and_day(array: xr.DataArray, *, file: Path) -> Iterator[tuple[tuple, np.ndarray]]:
    """Months of the layout (month, day), NaN where a month has no such day."""
    array = array.transpose("month", "day", ..., "place")
    if "year" in array.dims:
        years = [int(year) for year in array["year"].values]
        parts = [array.isel(year=i) for i in range(len(years))]
    else:
        found = re.search(r"(\d{4})\D*$", file.stem)
        if not found:
            raise InputError(f"{file}: the name ends in no year, expected such as ..._2001.nc")
        years, parts = [int(found.group(1))], [array]
    for year, part in zip(years, parts, strict=True):
        for month in range(N_MONTHS):
            days = part.values[month]
            count = np.isfinite(days).sum(axis=0)
            total = np.nansum(days, axis=0)
            yield (year, month), np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _of_time(array: xr.DataArray, *, file: Path) -> Iterator[tuple[tuple, np.ndarray]]:
    """Means of months over a time axis of days, months or anything between."""
    months = _months_of(array, file=file)
    values = array.transpose("time", "place").values.astype(float)
    for when in sorted(set(months)):
        at = [i for i, month in enumerate(months) if month == when]
        yield when, values[at].mean(axis=0)


def _months_of(array: xr.DataArray, *, file: Path) -> list[tuple[int, int]]:
    if "time" not in array.dims or "units" not in array["time"].attrs:
        raise InputError(
            f"{file}: {array.name} has dims {list(array.dims)}, expected (month, day) or a time "
            "with units"
        )
    text = str(array["time"].attrs["units"])
    since = re.match(r"\s*months? since (\d{4})-(\d{1,2})", text)
    if since:  # no CF calendar has months of one length; counted, as all models mean it
        first = int(since.group(1)) * N_MONTHS + int(since.group(2)) - 1
        number = first + np.floor(array["time"].values.astype(float)).astype(int)
        return [(int(n) // N_MONTHS, int(n) % N_MONTHS) for n in number]
    times = xr.decode_cf(array["time"].to_dataset(name="axis"))["time"]
    return list(
        zip(times.dt.year.values.tolist(), (times.dt.month.values - 1).tolist(), strict=True)
    )


def _convert(
    values: np.ndarray, text: str, target: str, when: tuple[int, int], file: Path
) -> np.ndarray:
    text = re.sub(r"(?i)(?<=g)\s*CH4\b", "", text)  # of g, mg, kg
    if _PER_MONTH.search(text):
        text = _PER_MONTH.sub(" ", text).strip() + " s-1"
        length = month_lengths(when[0])[when[1]]
        values = values / (length * SECONDS_PER_DAY)
    array = xr.DataArray(values, dims="place", name=file.name, attrs={"units": text})
    return convert_units(array, target).values


def _per_wetland(
    fluxes: np.ndarray, shares: np.ndarray, *, path: str | Path, variable: str
) -> np.ndarray:
    """Fluxes per area of wetland from those per area of cell, NaN where there is next to none.

    Raises
    ------
    InputError
        If no file has the shares.
    """
    if not np.isfinite(shares).any():
        raise InputError(
            f"{path}: no {variable!r} of the places in any file, expected their shares"
        )
    return np.where(shares > LEAST_WETLAND, fluxes / np.maximum(shares, 1e-9), np.nan)


def build_sampled_windows(fluxes: np.ndarray, *, years: list[int], calendar: str) -> pd.DataFrame:
    """Windows of months that another model has, as those of observations.

    Parameters
    ----------
    fluxes : (place, year, month), kg m-2 s-1
    """
    place, year, month = np.nonzero(np.isfinite(fluxes))
    lengths = np.array([month_lengths(y, calendar=calendar) for y in years])
    last = lengths.cumsum(axis=1)[year, month] - 1
    return pd.DataFrame(
        {
            "place": place,
            "year": np.asarray(years)[year],
            "month": month,
            "first": last - lengths[year, month] + 1,
            "last": last,
            "flux": fluxes[place, year, month],
            "uncertainty": np.nan,
            "quality": 0,
        }
    )
