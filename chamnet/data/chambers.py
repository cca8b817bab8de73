"""Chambers: tables of monthly means of methane consumption by upland soil.

Three layouts: ``smud``, the Global Soil Methane Uptake Database (a row a study, a column a
month, no year), ``plain`` (a row a place and month, whose columns may have other names), and
``cosore`` (a row a data set and day). Positive is uptake in what comes out.
"""

import dataclasses
import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from chamnet.data.cosore import build_months
from chamnet.data.sites import read_table, read_words
from chamnet.data.windows import UNKNOWN_YEAR
from chamnet.errors import InputError
from chamnet.timeaxis import N_MONTHS
from chamnet.units import (
    mg_c_m2_day_to_kg_m2_s,
    mg_m2_day_to_kg_m2_s,
    nmol_m2_s_to_kg_m2_s,
    ug_c_m2_hour_to_kg_m2_s,
)

logger = logging.getLogger(__name__)

SMUD_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
FLUX_COLUMNS_PLAIN = ("consumption_ug_c_m2_h", "uncertainty_ug_c_m2_h")
CHAMBER_UNITS = {
    "ug C m-2 h-1": ug_c_m2_hour_to_kg_m2_s,
    "ug CH4 m-2 h-1": lambda flux: mg_m2_day_to_kg_m2_s(flux * 24 / 1000),
    "mg CH4 m-2 d-1": mg_m2_day_to_kg_m2_s,
    "mg C m-2 d-1": mg_c_m2_day_to_kg_m2_s,
    "nmol m-2 s-1": nmol_m2_s_to_kg_m2_s,
}
PLAIN_COLUMNS = ("place_id", "latitude", "longitude", "month", "consumption_ug_c_m2_h")
MAPPED_COLUMNS = (*PLAIN_COLUMNS, "uncertainty_ug_c_m2_h", "biome", "year", "licence", "doi")


@dataclasses.dataclass(frozen=True)
class Chambers:
    """Places and their monthly means.

    Attributes
    ----------
    places : a row a place
        place, latitude, longitude, place_class, licence, doi.
    months : a row a place and month
        place, year (-1 unknown), month (0 to 11), flux and uncertainty in kg m-2 s-1 of CH4,
        positive = uptake.
    dropped : a row a reason
        source, place, reason, n_dropped, n_kept, counted in rows of the table.
    """

    places: pd.DataFrame
    months: pd.DataFrame
    dropped: pd.DataFrame


def read_chambers(
    *,
    path: str,
    kind: str,
    highest_ug_c_m2_h: float = 250.0,
    columns: Mapping[str, str] | None = None,
    units: str = "ug C m-2 h-1",
    positive: str = "uptake",
) -> Chambers:
    """Places and monthly means of a table.

    Parameters
    ----------
    path : CSV
    kind : ``smud``, ``plain`` or ``cosore``
    highest_ug_c_m2_h : ug C m-2 h-1
        A row with any month beyond it, either sign, is dropped and counted.
    columns : for ``plain``: name of a column here to its name in the table
    units : for ``plain``: of the flux, a key of ``CHAMBER_UNITS``
    positive : for ``plain``: ``uptake`` or ``emission``

    Raises
    ------
    InputError
        If a column is missing, a value is no number, or no row is left.
    """
    table = read_table(Path(path))
    if kind == "smud":
        rows, reasons = _read_smud(table, path=path, highest=highest_ug_c_m2_h)
    elif kind == "plain":
        table = _rename(table, columns or {}, path=path)
        factor = chamber_factor(units, positive=positive)
        for name in FLUX_COLUMNS_PLAIN:
            if name in table:
                table[name] = _numbers(table[name], path=path) * factor
        rows, reasons = _read_plain(table, path=path, highest=highest_ug_c_m2_h)
    elif kind == "cosore":
        table = build_months(table, path=path)
        rows, reasons = _read_plain(table, path=path, highest=highest_ug_c_m2_h)
    else:
        raise InputError(f"chambers.kind {kind!r}, expected 'smud', 'plain' or 'cosore'")
    kept = rows[reasons == ""]
    if kept.empty:
        raise InputError(f"{path}: none of {len(rows)} rows can be used: {_counts(reasons)}")
    dropped = _dropped_table(rows, reasons, path=path)
    logger.info(
        "chambers: %d of %d rows kept, dropped %s", len(kept), len(rows), _counts(reasons) or "none"
    )
    if kind == "smud":
        kept = _melt_smud(kept)
    return Chambers(places=_places(kept, path=path), months=_months(kept), dropped=dropped)


def chamber_factor(units: str, *, positive: str) -> float:
    """Factor from a table's flux to ug C m-2 h-1 of uptake.

    Raises
    ------
    InputError
        If the unit or the sign is unknown.
    """
    if units not in CHAMBER_UNITS:
        raise InputError(f"chambers.units {units!r}, expected one of {list(CHAMBER_UNITS)}")
    if positive not in ("uptake", "emission"):
        raise InputError(f"chambers.positive {positive!r}, expected 'uptake' or 'emission'")
    size = CHAMBER_UNITS[units](1.0) / ug_c_m2_hour_to_kg_m2_s(1.0)
    return size if positive == "uptake" else -size


def _rename(table: pd.DataFrame, columns: Mapping[str, str], *, path: str) -> pd.DataFrame:
    for ours, theirs in columns.items():
        if ours not in MAPPED_COLUMNS:
            raise InputError(f"chambers.columns names {ours!r}, expected {list(MAPPED_COLUMNS)}")
        if theirs not in table:
            raise InputError(
                f"{path}: no column {theirs!r}, which chambers.columns gives for {ours!r}; it has "
                f"{list(table)[:12]}"
            )
    hidden = [c for c in columns if c in table and columns[c] != c]
    return table.drop(columns=hidden).rename(columns={v: k for k, v in columns.items()})


def _read_smud(
    table: pd.DataFrame, *, path: str, highest: float
) -> tuple[pd.DataFrame, np.ndarray]:
    _require_columns(table, ("Latitude", "Longitude", "Biome", *SMUD_MONTHS), path=path)
    values = np.stack([_numbers(table[c], path=path) for c in SMUD_MONTHS], axis=1)
    rows = pd.DataFrame(values, columns=list(SMUD_MONTHS))
    rows["place"] = [f"smud-{line:04d}" for line in range(2, len(table) + 2)]  # line of the file
    rows["latitude"], rows["longitude"] = (
        _numbers(table[c], path=path) for c in ("Latitude", "Longitude")
    )
    rows["place_class"] = read_words(table, "Biome")
    rows["licence"] = "MIT; cite the study of " + read_words(table, "Paper_author")
    rows["doi"] = "unknown"
    is_wetland = table.get("Ecosystem", pd.Series("", table.index)).eq("Wetland")
    reasons = np.select(
        [
            ~np.isfinite(values).any(axis=1),
            (np.abs(np.nan_to_num(values)) > highest).any(axis=1),
            ~_is_on_globe(rows),
            is_wetland,
        ],
        ["no monthly value", _beyond(highest), "no position", "wetland, not upland soil"],
        default="",
    )
    return rows, reasons


def _melt_smud(rows: pd.DataFrame) -> pd.DataFrame:
    ids = [c for c in rows if c not in SMUD_MONTHS]
    rows = rows.melt(id_vars=ids, var_name="name", value_name="value").dropna(subset=["value"])
    rows["month"] = rows["name"].map({name: i for i, name in enumerate(SMUD_MONTHS)}).astype(int)
    return rows.assign(year=UNKNOWN_YEAR, spread=np.nan).sort_values(["place", "month"])


def _read_plain(
    table: pd.DataFrame, *, path: str, highest: float
) -> tuple[pd.DataFrame, np.ndarray]:
    _require_columns(table, PLAIN_COLUMNS, path=path)
    rows = pd.DataFrame({c: _numbers(table[c], path=path) for c in PLAIN_COLUMNS[1:]})
    rows = rows.rename(columns={"consumption_ug_c_m2_h": "value"})
    rows["place"] = table["place_id"].astype(str)
    rows["place_class"] = read_words(table, "biome")
    rows["licence"] = read_words(table, "licence")
    rows["doi"] = read_words(table, "doi")
    blank = pd.Series(np.nan, table.index)
    rows["year"] = _read_years(table.get("year", blank), path=path)
    rows["spread"] = np.abs(_numbers(table.get("uncertainty_ug_c_m2_h", blank), path=path))
    months = rows["month"]
    bad = rows.index[~months.isin(range(1, N_MONTHS + 1))]
    if bad.size:
        raise InputError(
            f"{path}: month of line {bad[0] + 2} is {months[bad[0]]:g}, expected 1 to {N_MONTHS}"
        )
    rows["month"] = months.astype(int) - 1
    reasons = np.select(
        [
            ~np.isfinite(rows["value"]),
            rows["value"].abs() > highest,
            ~_is_on_globe(rows),
            rows["place_class"].str.contains("wetland", case=False),
        ],
        ["no monthly value", _beyond(highest), "no position", "wetland, not upland soil"],
        default="",
    )
    return rows, reasons


def _read_years(column: pd.Series, *, path: str) -> np.ndarray:
    years = _numbers(column, path=path)
    bad = np.isfinite(years) & ~np.isin(years, np.arange(1800, 2201)) | np.isinf(years)
    if bad.any():
        at = int(np.argmax(bad))
        raise InputError(
            f"{path}: year of line {at + 2} is {years[at]:g}, expected 1800 to 2200 or a blank"
        )
    return np.nan_to_num(years, nan=UNKNOWN_YEAR).astype(int)


def _places(rows: pd.DataFrame, *, path: str) -> pd.DataFrame:
    columns = ["place", "latitude", "longitude", "place_class", "licence", "doi"]
    places = rows[columns].drop_duplicates(["place", "latitude", "longitude"])
    repeated = places["place"][places["place"].duplicated()]
    if repeated.size:
        raise InputError(
            f"{path}: place {repeated.iloc[0]!r} has more than one latitude or longitude, "
            "expected one a place_id"
        )
    places = places.sort_values("place").reset_index(drop=True)
    longitude = (places["longitude"] + 180) % 360 - 180
    return places.assign(longitude=longitude)


def _months(rows: pd.DataFrame) -> pd.DataFrame:
    columns = {
        "flux": ug_c_m2_hour_to_kg_m2_s(rows["value"]),
        "uncertainty": ug_c_m2_hour_to_kg_m2_s(rows["spread"]),
    }
    months = rows[["place", "year", "month"]].assign(**columns)
    return months.sort_values(["place", "year", "month"]).reset_index(drop=True)


def _dropped_table(rows: pd.DataFrame, reasons: np.ndarray, *, path: str) -> pd.DataFrame:
    counts = pd.DataFrame({"place": rows["place"], "reason": reasons})
    n_kept = counts["reason"].eq("").groupby(counts["place"]).sum()
    lost = counts[counts["reason"] != ""].groupby(["place", "reason"]).size()
    table = lost.rename("n_dropped").reset_index()
    return table.assign(source=Path(path).name, n_kept=table["place"].map(n_kept))


def _counts(reasons: np.ndarray) -> str:
    names, counts = np.unique(reasons[reasons != ""], return_counts=True)
    return ", ".join(f"{count} ({name})" for name, count in zip(names, counts, strict=True))


def _beyond(highest: float) -> str:
    return f"beyond {highest:g} ug C m-2 h-1"


def _is_on_globe(rows: pd.DataFrame) -> np.ndarray:
    is_near = (rows["latitude"].abs() <= 90) & (rows["longitude"].abs() <= 360)
    return is_near.to_numpy()


def _require_columns(table: pd.DataFrame, columns: tuple[str, ...], *, path: str) -> None:
    missing = [column for column in columns if column not in table]
    if missing:
        raise InputError(f"{path}: no column {missing[0]!r}, expected {list(columns)}")


def _numbers(column: pd.Series, *, path: str) -> np.ndarray:
    values = pd.to_numeric(column, errors="coerce")
    bad = values.isna() & column.notna()
    if bad.any():
        raise InputError(
            f"{path}: {column.name} of line {int(np.argmax(bad)) + 2} is "
            f"{column[bad].iloc[0]!r}, expected a number"
        )
    return values.to_numpy(dtype=float)
