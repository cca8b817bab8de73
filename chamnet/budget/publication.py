"""The record of published totals: what was said before, so that no number changes silently.

A published product has a version, an option of the run. Each publication of other totals adds
a row a target to ``totals_history.csv``, which no rule removes.
"""

import datetime as dt
import logging
import os
from pathlib import Path
from typing import Any

import pandas as pd

from chamnet.errors import InputError
from chamnet.provenance import write_json, write_text

logger = logging.getLogger(__name__)

TOTALS = ("first_year", "last_year", "mean_tg", "q05_tg", "q95_tg", "n_members", "dropped_members")
COLUMNS = ["product_version", "date", "target", *TOTALS, "change_tg", "digest", "scope"]


def record_totals(
    *,
    out: str | os.PathLike,
    history: str | os.PathLike,
    csv: str | os.PathLike,
    product_version: str,
    digest: str,
    synthetic: bool = False,
) -> None:
    """Add the globe's totals to the record, where they are not those of the last publication.

    Parameters
    ----------
    out : JSON of this publication: version, totals, what changed
    history : ``totals_history.csv``, a row a target and publication, newest last
    csv : ``global_budget.csv``
    product_version : version of the product
    digest : what the totals follow from
    synthetic : whether the inputs are synthetic

    Raises
    ------
    InputError
        If the record cannot be read: it is not overwritten.
    """
    earlier = read_history(history)
    table = pd.read_csv(csv, na_filter=False)
    globe = table[(table["region_system"] == "globe") & (table["extent"] == "all")]
    date = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d")
    rows = [
        _row(row, earlier, version=product_version, date=date, digest=digest)
        for _, row in globe.iterrows()
    ]
    changed = [row for row in rows if row.pop("is_new")]
    _warn(changed, earlier, product_version)
    if changed:
        both = pd.concat([earlier, pd.DataFrame(changed)], ignore_index=True)
        write_text(history, both[COLUMNS].to_csv(index=False))
    facts = {"product_version": product_version, "digest": digest, "synthetic": synthetic}
    write_json(out, facts | {"totals": rows, "n_changed": len(changed)})


def read_history(path: str | os.PathLike) -> pd.DataFrame:
    """Record of earlier totals; empty where there is none.

    Raises
    ------
    InputError
        If the file is there and is no such record.
    """
    if not Path(path).exists():
        return pd.DataFrame(columns=COLUMNS)
    try:
        table = pd.read_csv(path, na_filter=False, dtype={"product_version": str})
    except ValueError as error:
        raise InputError(f"{path}: cannot be read as the record of totals: {error}") from error
    missing = sorted(set(COLUMNS) - set(table))
    if missing:
        raise InputError(f"{path}: no columns {missing}, expected the record of totals")
    return table


def _row(
    row: pd.Series, earlier: pd.DataFrame, *, version: str, date: str, digest: str
) -> dict[str, Any]:
    """A row of the record; new where its numbers, as they are written, or its version are."""
    values = {name: row[name] for name in TOTALS}
    last = earlier[earlier["target"] == row["target"]].tail(1)
    before = float(last["mean_tg"].iloc[0]) if len(last) else None
    is_same = len(last) > 0 and str(last["product_version"].iloc[0]) == version
    is_same = is_same and all(
        abs(float(last[name].iloc[0]) - float(row[name])) <= 1e-6 * abs(float(row[name]))
        for name in ("first_year", "last_year", "mean_tg", "q05_tg", "q95_tg")
    )
    return {
        "product_version": version,
        "date": date,
        "target": row["target"],
        **values,
        "change_tg": "" if before is None else float(row["mean_tg"]) - before,
        "digest": digest[:16],
        "scope": row["scope"],
        "is_new": not is_same,
    }


def _warn(changed: list[dict[str, Any]], earlier: pd.DataFrame, version: str) -> None:
    held = set(earlier["product_version"].astype(str))
    for row in changed:
        if version in held and row["target"] in set(earlier["target"]):
            logger.warning(
                "%s: totals changed by %+.3g Tg yr-1 under product version %s, which was "
                "published before; set run.product_version anew",
                row["target"],
                float(row["change_tg"]),
                version,
            )
