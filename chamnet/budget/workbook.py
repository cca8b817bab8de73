"""Reads a user's workbook of the Global Methane Budget into the columns of our table.

The sheets are found by their names (``2010-2019 BU Budget``), the header by the word
``category``, the regions by their names. Rows of one category are models, one a row.
"""

import logging
import os
import re
import zipfile
from typing import Any

import pandas as pd

from chamnet.budget.regionnames import GCP_REGIONS, known_name
from chamnet.errors import InputError

logger = logging.getLogger(__name__)

SHEET = re.compile(r"(\d{4})\s*-\s*(\d{4})\s+(BU|TD)\s+budget", re.IGNORECASE)
KINDS = {"BU": ("bottom_up", "models"), "TD": ("top_down", "inversions")}
CATEGORIES = {"wetland": "emission", "soil": "consumption"}
SYSTEM_OF = {
    "globe": "globe",
    "90S-30N": "gcp_bands",
    "30N-60N": "gcp_bands",
    "60N-90N": "gcp_bands",
    **dict.fromkeys(GCP_REGIONS, "gcp_regions"),
}
SUMMARY_ROWS = ("mean", "median", "min", "max", "average", "std", "sd", "range", "n")


def read_workbook(path: str | os.PathLike) -> pd.DataFrame:
    """Budgets by region of the latest decade of each sheet kind, in the columns of our table.

    Parameters
    ----------
    path : ``Global_methane_budget_*.xlsx``, Tg CH4 yr-1

    Raises
    ------
    InputError
        If it cannot be read, has no sheet of such a name, no header with ``category``, no
        region that is known, no wetlands, or a unit other than Tg.
    """
    tables = _latest(_read_sheets(path), path)
    rows: list[dict[str, Any]] = []
    for (first, last, kind), sheet in tables.items():
        rows += _rows_of(sheet, first=first, last=last, kind=kind, path=path)
    if not any(row["target"] == "emission" for row in rows):
        raise InputError(f"{path}: no category 'Wetlands' in the sheets {list(tables)}")
    logger.info("%s: %d budgets read from %d sheets", path, len(rows), len(tables))
    return pd.DataFrame(rows)


def _read_sheets(path: str | os.PathLike) -> dict[str, pd.DataFrame]:
    try:
        return pd.read_excel(path, sheet_name=None, header=None)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: cannot be read as a workbook (xlsx): {error}") from error


def _latest(
    sheets: dict[str, pd.DataFrame], path: str | os.PathLike
) -> dict[tuple[int, int, str], pd.DataFrame]:
    """The sheet of the last decade of each kind, by first year, last year, kind."""
    matches = {name: match for name in sheets if (match := SHEET.search(name))}
    if not matches:
        raise InputError(
            f"{path}: no sheet named as '2010-2019 BU Budget', found {list(sheets)}; the period "
            "of the numbers is not known without"
        )
    named = {(int(m[1]), int(m[2]), m[3].upper()): name for name, m in matches.items()}
    last = {kind: max(key for key in named if key[2] == kind) for _, _, kind in named}
    return {key: sheets[named[key]] for key in last.values()}


def _rows_of(
    sheet: pd.DataFrame, *, first: int, last: int, kind: str, path: str | os.PathLike
) -> list[dict[str, Any]]:
    where = f"{path}, sheet {first}-{last} {kind} Budget"
    table, category, model = _table_of(sheet, where)
    regions = {c: known_name(c) for c in table.columns if known_name(c) in SYSTEM_OF}
    if "globe" not in regions.values():
        raise InputError(f"{where}: no column of the globe, found {list(map(str, table.columns))}")
    groups = table[category].ffill().astype(str).str.strip().str.lower()
    is_model = ~table[model].astype(str).str.strip().str.lower().isin(SUMMARY_ROWS)
    rows = []
    for word, target in CATEGORIES.items():
        part = table[groups.str.startswith(word) & is_model & table[model].notna()]
        for column, region in regions.items():
            values = pd.to_numeric(part[column], errors="coerce").dropna()
            if target == "consumption":
                values = values.abs()  # sheets write the sink below 0
            if len(values):
                rows.append(_row(values, target, region, (first, last), kind, path))
    return rows


def _table_of(sheet: pd.DataFrame, where: str) -> tuple[pd.DataFrame, Any, Any]:
    """Table below the header, and its columns of categories and models."""
    text = sheet.fillna("").astype(str).apply(lambda column: column.str.strip())
    is_header = (text.apply(lambda column: column.str.lower()) == "category").any(axis=1)
    if not is_header.any():
        raise InputError(f"{where}: no row with the word 'category', expected the header there")
    at = int(is_header.to_numpy().argmax())
    above = " ".join(text.iloc[: at + 1].to_numpy().ravel())
    other = re.search(r"\b(Tg ?C(?!H)|Gg|Mt ?CO2|PgC?)\b", above)
    if other:
        raise InputError(f"{where}: unit {other[0]!r}, expected Tg CH4 yr-1")
    table = sheet.iloc[at + 1 :].copy()
    table.columns = text.iloc[at].to_numpy()
    category = next(c for c in table.columns if c.lower() == "category")
    models = [c for c in table.columns if c.lower() in ("model", "models", "name", "product")]
    return table, category, models[0] if models else table.columns[list(table).index(category) + 1]


def _row(
    values: pd.Series,
    target: str,
    region: str,
    period: tuple[int, int],
    kind: str,
    path: str | os.PathLike,
) -> dict[str, Any]:
    name, models = KINDS[kind]
    return {
        "target": target,
        "region_system": SYSTEM_OF[region],
        "region": region,
        "kind": name,
        "mean_tg": float(values.mean()),
        "min_tg": float(values.min()),
        "max_tg": float(values.max()),
        "first_year": period[0],
        "last_year": period[1],
        "units": "Tg CH4 yr-1",
        "n_models": len(values),
        "models": models,
        "source": f"{os.path.basename(path)}, given by the user",
    }
