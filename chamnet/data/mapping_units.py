"""Tables of mapping units: what the codes of a soil map stand for, as of HWSD.

FAO & IIASA (2012), Harmonized World Soil Database v1.2, section 2.3: a unit holds several soils,
each with its share in percent.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chamnet.data.sites import read_table
from chamnet.errors import InputError

MISSING = (-9999, -9)  # of HWSD: no value


def read_unit_values(source: Mapping[str, Any]) -> Callable[[np.ma.MaskedArray], np.ma.MaskedArray]:
    """Function from codes to values, masked where a unit has none.

    Parameters
    ----------
    source : option ``attributes.sources`` with table, key, column and weight

    Raises
    ------
    InputError
        If the table lacks a column, holds no number, or no unit has a value.
    """
    path, name = source.get("table"), source["name"]
    if not path or not source.get("column"):
        raise InputError(
            f"attributes.sources {name!r}: kind is units, expected a table and a column"
        )
    columns = [source.get("key", "MU_GLOBAL"), source["column"]]
    columns += [source["weight"]] if source.get("weight") else []
    table = read_table(Path(path))
    numbers = {column: _read_numbers(table, column, path=path) for column in columns}
    value = np.where(np.isin(numbers[columns[1]], MISSING), np.nan, numbers[columns[1]])
    weight = numbers[columns[2]] if len(columns) > 2 else np.ones(len(table))
    rows = pd.DataFrame({"code": numbers[columns[0]], "w": weight, "wv": weight * value})
    sums = rows.dropna().groupby("code").sum()
    means = (sums["wv"] / sums["w"]).where(sums["w"] > 0).dropna().sort_index()
    if means.empty:
        raise InputError(f"{path}: no unit has a value of {columns[1]!r}")
    codes, of_codes = means.index.to_numpy(), means.to_numpy()

    def find_values(values: np.ma.MaskedArray) -> np.ma.MaskedArray:
        at = np.clip(np.searchsorted(codes, values.data), 0, codes.size - 1)
        is_unknown = (codes[at] != values.data) | np.ma.getmaskarray(values)
        return np.ma.masked_array(of_codes[at], mask=is_unknown)

    return find_values


def _read_numbers(table: pd.DataFrame, column: str, *, path: str) -> np.ndarray:
    if column not in table:
        raise InputError(f"{path}: no column {column!r}, it has {list(table)[:12]}")
    values = pd.to_numeric(table[column], errors="coerce")
    bad = values.isna() & table[column].notna()
    if bad.any():
        raise InputError(
            f"{path}: {column} holds {table[column][bad].iloc[0]!r}, expected a number"
        )
    return values.to_numpy(dtype=float)
