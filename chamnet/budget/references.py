"""What the literature says of the budgets: ranges by region, each with source and period.

The tables lie beside this module as CSV. A budget outside the inner band of acceptance is
warned of, one outside the outer band is flagged; neither stops a run, and both are written
into the report.
"""

import dataclasses
import functools
import logging
from pathlib import Path

import pandas as pd

from chamnet.errors import InputError

logger = logging.getLogger(__name__)

FOLDER = Path(__file__).parent
TABLE_UNITS = "Tg CH4 yr-1"
KIND_OF_TARGET = {"emission": "bottom_up", "consumption": "top_down"}
GCP_REGIONS = (
    "Central_America",
    "Northern_South_America",
    "Brazil",
    "Southwest_South_America",
    "Northern_Africa",
    "Equatorial_Africa",
    "Southern_Africa",
    "South_Asia",
    "Southeast_Asia",
    "Oceania",
    "USA",
    "Europe",
    "Central_Asia",
    "Middle_East",
    "China",
    "Korean_Japan",
    "Canada",
    "Russia",
)
SHARES = {"share 90S-30N": "90S-30N", "share 60N-90N": "60N-90N"}


@dataclasses.dataclass(frozen=True, slots=True)
class Reference:
    """A published budget of a region, Tg CH4 yr-1."""

    mean_tg: float
    min_tg: float
    max_tg: float
    text: str


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
def read_gcp_table(path: str | Path | None = None) -> pd.DataFrame:
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


@functools.cache
def read_literature() -> pd.DataFrame:
    """Published global totals of other periods and methods."""
    return pd.read_csv(FOLDER / "literature.csv")


@functools.cache
def read_acceptance() -> pd.DataFrame:
    """Bands of acceptance of global totals and shares of latitude bands."""
    return pd.read_csv(FOLDER / "acceptance.csv")


def find_reference(
    target: str, region_system: str, region: str, *, kind: str | None = None
) -> Reference | None:
    """Published budget of a region; None where there is none.

    Parameters
    ----------
    kind : ``bottom_up`` or ``top_down``; None takes models for emission, inversions for
        consumption (whose soil sink is mostly their prior, so no independent evidence)
    """
    table = read_gcp_table()
    is_row = (
        (table["target"] == target)
        & (table["region_system"] == region_system)
        & (table["region"] == region)
        & (table["kind"] == (kind or KIND_OF_TARGET.get(target)))
    )
    if not is_row.any():
        return None
    row = table[is_row].iloc[0]
    text = f"GMB v2.0, {row['n_models']} {row['models']}, {row['first_year']}-{row['last_year']}"
    return Reference(float(row["mean_tg"]), float(row["min_tg"]), float(row["max_tg"]), text)


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
    return [_judge(row, value) for row, value in pairs if value is not None]


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


def _judge(row: pd.Series, value: float) -> ReferenceCheck:
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
        f"the range {inner[0]:g} to {inner[1]:g} of {period[0]}-{period[1]}"
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
