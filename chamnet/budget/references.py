"""What the literature says of the budgets: ranges by region, each with source and period.

The tables lie beside this module as CSV. A budget outside the inner band of acceptance is
warned of, one outside the outer band is flagged; neither stops a run, and both are written
into the report.
"""

import dataclasses
import functools
import logging
import os
from pathlib import Path

import pandas as pd

from chamnet.budget.workbook import read_workbook
from chamnet.errors import InputError
from chamnet.provenance import write_text

logger = logging.getLogger(__name__)

FOLDER = Path(__file__).parent
TABLE_UNITS = "Tg CH4 yr-1"
KIND_OF_TARGET = {"emission": "bottom_up", "consumption": "top_down"}
SCOPE = {
    "emission": "wetlands only: no lakes, rivers, reservoirs or rice, save what of them the "
    "wetland map counts as wetland; inland waters added on top are then counted twice (-23 "
    "[-36 to -9] Tg yr-1, GMB 2025, 2010-2019)",
    "consumption": "upland soils only: no wetland soils, no chemical loss in the air",
}
"""What is in a total of a target, and what would be counted twice; stands beside every total."""
SHARES = {"share 90S-30N": "90S-30N", "share 60N-90N": "60N-90N"}


@dataclasses.dataclass(frozen=True, slots=True)
class Reference:
    """A published budget of a region, Tg CH4 yr-1."""

    mean_tg: float
    min_tg: float
    max_tg: float
    text: str
    period: tuple[int, int]


@dataclasses.dataclass(frozen=True, slots=True)
class ReferenceCheck:
    """Where a budget lies against the bands of acceptance.

    Attributes
    ----------
    verdict : ``inside``, ``outside_inner`` (a warning) or ``outside_outer`` (a flag)
    """

    target: str
    quantity: str
    units: str
    value: float
    inner: tuple[float, float]
    outer: tuple[float, float]
    period: tuple[int, int]
    source: str
    verdict: str
    message: str


@functools.cache
def read_gcp_table(path: str | os.PathLike | None = None) -> pd.DataFrame:
    """Budgets by region of the Global Carbon Project, 2008-2017.

    Parameters
    ----------
    path : a table of the same columns; None reads the packaged one

    Raises
    ------
    InputError
        If a column is missing, or a row has another unit than Tg CH4 yr-1 or no period.
    """
    source = FOLDER / "gcp_2008_2017.csv" if path is None else Path(path)
    table = pd.read_csv(source)
    needed = ["target", "region_system", "region", "kind", "mean_tg", "min_tg", "max_tg"]
    missing = sorted({*needed, "first_year", "last_year", "units", "source"} - set(table))
    if missing:
        raise InputError(f"{source}: no columns {missing}, found {list(table)}")
    others = sorted(set(table["units"].astype(str)) - {TABLE_UNITS})
    if others:
        raise InputError(f"{source}: units {others}, expected {TABLE_UNITS!r}")
    if table[["first_year", "last_year"]].isna().any(axis=None):
        raise InputError(f"{source}: a row has no first_year or last_year, its period is unknown")
    return table


def write_references(*, out: str | os.PathLike, workbook: str | os.PathLike | None = None) -> None:
    """Write the table that budgets of a run are compared with.

    Parameters
    ----------
    out : CSV, in the columns of ``read_gcp_table``
    workbook : a user's ``Global_methane_budget_*.xlsx``; what it lacks, and all when None, is
        of the packaged table of 2008-2017, and each row says its period
    """
    table = read_gcp_table()
    if workbook is not None:
        keys = ["target", "region_system", "region", "kind"]
        both = pd.concat([read_workbook(workbook), table], ignore_index=True)
        table = both.drop_duplicates(keys, keep="first")
    write_text(out, table.to_csv(index=False))


@functools.cache
def read_literature() -> pd.DataFrame:
    """Published global totals of other periods and methods."""
    return pd.read_csv(FOLDER / "literature.csv")


@functools.cache
def read_acceptance() -> pd.DataFrame:
    """Bands of acceptance of global totals and shares of latitude bands."""
    return pd.read_csv(FOLDER / "acceptance.csv")


def find_reference(
    target: str,
    region_system: str,
    region: str,
    *,
    kind: str | None = None,
    references: str | os.PathLike | None = None,
) -> Reference | None:
    """Published budget of a region; None where there is none.

    Parameters
    ----------
    kind : ``bottom_up`` or ``top_down``; None takes models for emission, inversions for
        consumption (whose soil sink is mostly their prior, so no independent evidence)
    references : table of ``write_references``; None takes the packaged one
    """
    table = read_gcp_table(references)
    is_row = (
        (table["target"] == target)
        & (table["region_system"] == region_system)
        & (table["region"] == region)
        & (table["kind"] == (kind or KIND_OF_TARGET.get(target)))
    )
    if not is_row.any():
        return None
    row = table[is_row].iloc[0]
    label = "GMB v2.0" if "2000_2017_v2.0" in row["source"] else "user's GCP workbook"
    period = (int(row["first_year"]), int(row["last_year"]))
    text = f"{label}, {row['n_models']} {row['models']}, {period[0]}-{period[1]}"
    numbers = (float(row[name]) for name in ("mean_tg", "min_tg", "max_tg"))
    return Reference(*numbers, text, period)


def list_periods(references: str | os.PathLike | None = None) -> str:
    """Periods of a table of ``write_references``, as 2008-2017; None takes the packaged one."""
    table = read_gcp_table(references)
    spans = sorted(set(zip(table["first_year"], table["last_year"], strict=True)))
    return " and ".join(f"{int(first)}-{int(last)}" for first, last in spans)


def judge_references(budget: pd.DataFrame) -> list[ReferenceCheck]:
    """Verdict on the globe's totals and on the shares of bands.

    Parameters
    ----------
    budget : table of ``global_budget.csv``; rows of extent ``all`` are looked at
    """
    pooled = budget[budget["extent"] == "all"]
    rows = [row for _, row in read_acceptance().iterrows()]
    values = [_value_of(row["target"], row["quantity"], pooled) for row in rows]
    pairs = zip(rows, values, strict=True)
    years = (int(pooled["first_year"].min()), int(pooled["last_year"].max()))
    return [_judge(row, value, years) for row, value in pairs if value is not None]


def check_references(budget: pd.DataFrame) -> list[ReferenceCheck]:
    """Verdicts of ``judge_references``; what is not inside is warned of in the log."""
    checks = judge_references(budget)
    for check in checks:
        if check.verdict != "inside":
            logger.warning("%s", check.message)
    return checks


def _value_of(target: str, quantity: str, pooled: pd.DataFrame) -> float | None:
    rows = pooled[pooled["target"] == target].set_index(["region_system", "region"])["mean_tg"]
    if ("globe", "globe") not in rows.index:
        return None
    total = float(rows["globe", "globe"])
    if quantity == "total":
        return total
    band = ("gcp_bands", SHARES[quantity])
    return 100 * float(rows[band]) / total if band in rows.index and total > 0 else None


def _judge(row: pd.Series, value: float, years: tuple[int, int]) -> ReferenceCheck:
    inner = (float(row["inner_low"]), float(row["inner_high"]))
    outer = (float(row["outer_low"]), float(row["outer_high"]))
    if not outer[0] <= value <= outer[1]:
        verdict = "outside_outer"
    elif not inner[0] <= value <= inner[1]:
        verdict = "outside_inner"
    else:
        verdict = "inside"
    period = (int(row["first_year"]), int(row["last_year"]))
    words = {
        "inside": "inside",
        "outside_inner": "outside",
        "outside_outer": f"far outside (beyond {outer[0]:g} to {outer[1]:g})",
    }
    message = (
        f"{row['target']}, {row['quantity']}: {value:.1f} {row['units']} is {words[verdict]} "
        f"the range {inner[0]:g} to {inner[1]:g} of {period[0]}-{period[1]} (this run: "
        f"{_span(years)}{'' if _overlap(years, period) else ', no year in common'})"
    )
    return ReferenceCheck(
        target=str(row["target"]),
        quantity=str(row["quantity"]),
        units=str(row["units"]),
        value=value,
        inner=inner,
        outer=outer,
        period=period,
        source=str(row["source"]),
        verdict=verdict,
        message=message,
    )


def _span(years: tuple[int, int]) -> str:
    return f"{years[0]}-{years[1]}" if years[0] != years[1] else str(years[0])


def _overlap(years: tuple[int, int], period: tuple[int, int]) -> bool:
    return years[0] <= period[1] and period[0] <= years[1]
