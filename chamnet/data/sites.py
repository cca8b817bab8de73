"""Tables of sites: where a tower stands, of what class it is, and under which licence."""

import csv
import itertools
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TextIO

import pandas as pd

from chamnet.errors import InputError

SITE_ALIASES = {
    "ID": "SITE_ID",
    "LOCATION_LAT": "LAT",
    "Latitude": "LAT",
    "LOCATION_LONG": "LON",
    "Longitude": "LON",
    "Site Classification": "SITE_CLASSIFICATION",
    "Data Policy": "POLICY",
    "DATA_POLICY": "POLICY",
    "FLUXNET-CH4_DATA_POLICY": "POLICY",
}


def read_site_table(sites: str, *, licences: str | None = None) -> pd.DataFrame:
    """Sites by id: LAT, LON, SITE_CLASSIFICATION, POLICY and DOI.

    Raises
    ------
    InputError
        If a column is missing, an id repeated, or a position is not on the globe.
    """
    table = _read_by_id(sites, columns=("LAT", "LON"))
    for column, bound in (("LAT", 90), ("LON", 360)):
        values = pd.to_numeric(table[column], errors="coerce")
        bad = table.index[~(values.abs() <= bound)]
        if bad.size:
            raise InputError(
                f"{sites}: {column} of {bad[0]!r} is {str(table.loc[bad[0], column])!r}, "
                f"expected a number from -{bound} to {bound}"
            )
        table[column] = values
    if licences:
        extra = _read_by_id(licences, columns=()).reindex(table.index)
        table = table.assign(
            **{c: extra[c] for c in ("POLICY", "DOI") if c in extra and c not in table}
        )
    for column in ("SITE_CLASSIFICATION", "POLICY", "DOI"):
        table[column] = read_words(table, column)
    return table


def read_table(path: Path) -> pd.DataFrame:
    """Rows of a CSV parted by commas, with decimal points.

    Raises
    ------
    InputError
        If it is parted by something else, or its rows do not fit its header.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected a CSV")
    return parse_table(lambda: path.open(encoding="utf-8-sig", newline=""), source=str(path))


def parse_table(
    open_text: Callable[[], AbstractContextManager[TextIO]], *, source: str, n_comments: int = 0
) -> pd.DataFrame:
    """Rows of a text parted by commas, with decimal points.

    Parameters
    ----------
    open_text : opens the text, which is read twice: its head, and all of it
    source : for messages
    n_comments : lines before the header

    Raises
    ------
    InputError
        If it is parted by something else, or its rows do not fit its header.
    """
    try:
        with open_text() as file:
            rows = itertools.islice(csv.reader(file), n_comments, None)
            head = list(itertools.islice(filter(None, rows), 2))  # blank lines are no rows
        with open_text() as file:
            table = pd.read_csv(file, low_memory=False, skiprows=n_comments)
    except InputError:
        raise
    except (ValueError, csv.Error, pd.errors.ParserError) as error:  # of text, and of an empty file
        raise InputError(
            f"{source}: cannot be read as a table parted by commas: {error}"
        ) from error
    is_shifted = not isinstance(table.index, pd.RangeIndex)  # a value more a row than names
    if len(head) == 2 and (len(head[0]) < 2 or is_shifted):
        raise InputError(
            f"{source}: the first row {head[1][:4]} does not fit the header of {len(head[0])} "
            "columns, expected values parted by commas with decimal points (a decimal comma?)"
        )
    return table


def read_words(table: pd.DataFrame, column: str) -> pd.Series:
    """Column of words, "unknown" where blank; all of it where there is no such column."""
    values = table.get(column, pd.Series("unknown", table.index)).astype(object)
    return values.where(values.notna(), "unknown").astype(str)


def _find_aliases(table: pd.DataFrame) -> dict[str, str]:
    """Names of columns to ours: the first alias that is there, none beside our own name."""
    found: dict[str, str] = {}
    for alias, name in SITE_ALIASES.items():
        if alias in table and name not in table and name not in found.values():
            found[alias] = name
    return found


def _read_by_id(path: str, *, columns: Iterable[str]) -> pd.DataFrame:
    table = read_table(Path(path))
    table = table.rename(columns=_find_aliases(table))
    for column in ("SITE_ID", *columns):
        if column not in table:
            raise InputError(
                f"{path}: no column {column!r}, expected SITE_ID, LAT, LON and "
                f"SITE_CLASSIFICATION; it has {list(table)}"
            )
    table["SITE_ID"] = table["SITE_ID"].astype(str).str.strip().str.replace(".", "-")
    repeated = table["SITE_ID"][table["SITE_ID"].duplicated()]
    if repeated.size:
        raise InputError(f"{path}: site {repeated.iloc[0]!r} has two rows, expected one")
    return table.set_index("SITE_ID")
