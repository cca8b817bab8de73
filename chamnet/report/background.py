"""What stands behind the budgets on the page: literature, skill, earlier totals, left-out land."""

import os
from pathlib import Path

import pandas as pd

from chamnet.budget.publication import read_history
from chamnet.budget.references import read_literature
from chamnet.provenance import read_json
from chamnet.report.tables import DASH, show_number, show_system

LEVELS = {"pooled_daily": "pooled days", "pooled_monthly": "pooled months"}
N_HISTORY = 20


def show_literature(budget: pd.DataFrame) -> list[dict[str, str]]:
    """Published totals of the globe with their periods, each beside the run's own."""
    pooled = budget[(budget["region_system"] == "globe") & (budget["extent"] == "all")]
    ours = pooled.set_index("target")["mean_tg"]
    return [
        {
            "target": row["target"],
            "kind": str(row["kind"]).replace("_", "-"),
            "ours": show_number(ours[row["target"]]),
            "mean": show_number(row["mean_tg"]),
            "range": f"{show_number(row['min_tg'])} to {show_number(row['max_tg'])}",
            "period": _span(row["first_year"], row["last_year"]),
            "source": str(row["source"]),
        }
        for _, row in read_literature().iterrows()
        if row["target"] in ours.index
    ]


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}{DASH}{last}"


def show_skill(path: str | os.PathLike | None) -> list[dict[str, str]]:
    """R2 of every model, protocol and context of ``skill.csv``; none where it was not run."""
    if path is None or not Path(path).exists():
        return []
    table = pd.read_csv(path, keep_default_na=False, na_values=["", "nan"])
    rows = table[(table["metric"] == "r2") & table["level"].isin(list(LEVELS))]
    return [
        {
            "target": row["target"],
            "model": row["model"],
            "protocol": row["protocol"],
            "context": str(row["context"]).replace("_", "-"),
            "level": LEVELS[row["level"]],
            "value": show_number(row["value"]),
            "interval": _interval(row["lower"], row["upper"]),
            "places": f"{row['n_places']:.0f}",
        }
        for _, row in rows.iterrows()
    ]


def _interval(low: float, high: float) -> str:
    return f"{show_number(low)} to {show_number(high)}" if low == low else DASH


def show_history(path: str | os.PathLike | None) -> list[dict[str, str]]:
    """The last publications of the record of totals, newest first."""
    if path is None:
        return []
    return [
        {
            "version": row["product_version"],
            "date": row["date"],
            "target": row["target"],
            "mean": show_number(float(row["mean_tg"])),
            "interval": _interval(float(row["q05_tg"]), float(row["q95_tg"])),
            "change": f"{float(row['change_tg']):+.3g}" if row["change_tg"] != "" else DASH,
            "members": str(row["n_members"]),
            "dropped": str(row["dropped_members"]) or DASH,
        }
        for _, row in read_history(path).tail(N_HISTORY).iloc[::-1].iterrows()
    ]


def describe_outside(regions: str | os.PathLike | None) -> list[str]:
    """What land lies in no region of a system, from the manifest of ``build_regions``."""
    found = read_json(regions)["outside"] if regions is not None else {}
    return [
        f"{show_system(system)}: {100 * values['share_of_land']:.2g} % of the land, in "
        f"{values['n_cells']} cells, lies in no region."
        for system, values in found.items()
        if values["n_cells"]
    ]
