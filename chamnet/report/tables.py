"""What the report shows as cards and tables: texts for readers, numbers to sort by."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from chamnet.budget.references import ReferenceCheck, read_acceptance
from chamnet.provenance import read_json
from chamnet.report.results import show_region
from chamnet.report.style import COLORS, LABELS

DASH, MINUS = "\u2013", "\u2212"
MUCH_OUTSIDE = 0.05  # a share of the budget that is extrapolated and that a headline must name
CLOSURE_AIM = 0.15  # largest relative error of the globe's budget that is aimed at
STATES = {"inside": "inside", "outside_inner": "warning", "outside_outer": "flagged"}


def show_number(value: float) -> str:
    """A number with as many digits as are worth reading; a dash where there is none."""
    if value is None or not np.isfinite(value):
        return DASH
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    return f"{value:.{digits}f}".replace("-", MINUS)


def build_cards(budget: pd.DataFrame, judged: Sequence[ReferenceCheck]) -> list[dict[str, Any]]:
    """Headline of each target: the globe's budget, its interval, extents and references."""
    globe = budget[budget["region_system"] == "globe"]
    cards = []
    for target in [t for t in LABELS if t in set(globe["target"])]:
        rows = globe[globe["target"] == target].set_index("extent")
        pooled = rows.loc["all"]
        extents = [
            {"name": name, **_interval(rows.loc[name])} for name in rows.index if name != "all"
        ]
        cards.append(
            {
                "target": target,
                "label": LABELS[target],
                **_interval(pooled),
                "extents": extents if len(extents) > 1 else [],
                "checks": [c for c in judged if (c.target, c.quantity) == (target, "total")],
                "bar": _range_bar(target, pooled),
                "outside": f"{100 * pooled['outside_share']:.0f}"
                if pooled["outside_share"] >= MUCH_OUTSIDE
                else "",
            }
        )
    return cards


def _interval(row: pd.Series) -> dict[str, str]:
    names = {"mean": "mean_tg", "low": "q05_tg", "high": "q95_tg"}
    return {name: show_number(row[column]) for name, column in names.items()}


def _range_bar(target: str, row: pd.Series) -> Markup:
    """The interval above the published range, as a small drawing."""
    band = read_acceptance().set_index(["target", "quantity"]).loc[(target, "total")]
    top = 1.08 * np.nanmax([row["q95_tg"], band["inner_high"], row["reference_max_tg"]])
    at = {name: 400 * value / top for name, value in {
        "low": row["q05_tg"], "high": row["q95_tg"], "mean": row["mean_tg"],
        "from": band["inner_low"], "to": band["inner_high"],
    }.items()}  # fmt: skip
    return Markup(
        '<svg viewBox="0 0 400 44" role="img" aria-label="90 % interval above the published '
        'range"><line x1="0" x2="400" y1="40" y2="40" stroke="#c9ced6"/>'
        f'<rect x="{at["from"]:.1f}" width="{at["to"] - at["from"]:.1f}" y="6" height="34" '
        'fill="#e3e6eb"/>'
        f'<text x="{at["to"] - 4:.1f}" y="36" font-size="10" text-anchor="end" fill="#5d6570">'
        "published</text>"
        f'<line x1="{at["low"]:.1f}" x2="{at["high"]:.1f}" y1="18" y2="18" stroke-width="5" '
        f'stroke="{COLORS[target]}" stroke-linecap="round"/>'
        f'<circle cx="{at["mean"]:.1f}" cy="18" r="7" fill="{COLORS[target]}" stroke="#fff" '
        'stroke-width="2"/>'
        '<text x="0" y="36" font-size="10" fill="#5d6570">0</text></svg>'
    )


def build_rows(budget: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of the region table: text that readers see, numbers that are sorted by."""
    table = budget.assign(
        sd_years=np.sqrt(budget["var_interannual"]),
        extent_percent=100 * budget["var_extent"] / (budget["sd_tg"] ** 2).where(lambda v: v > 0),
        outside_percent=100 * budget["outside_share"],
    )
    return [
        {
            "region": show_region(row["region"]),
            "name": row["region"],
            "target": row["target"],
            "system": row["region_system"],
            "shown_system": show_system(row["region_system"]),
            "extent": row["extent"],
            "cells": _cells_of(row),
        }
        for _, row in table.iterrows()
    ]


def show_system(name: str) -> str:
    """Name of a region system as readers see it."""
    shown = {"north45": "north of 45 N", "srex": "SREX", "koppen": "Koppen"}
    return shown.get(name, name.replace("gcp", "GCP").replace("zhang", "Zhang").replace("_", " "))


def _cells_of(row: pd.Series) -> list[dict[str, str]]:
    first = ["mean_tg", "q05_tg", "q95_tg", "reference_mean_tg"]
    last = ["sd_years", "extent_percent", "outside_percent"]
    low, high = (_table_cell(row[f"reference_{end}_tg"], "") for end in ("min", "max"))
    text = f"{low['text']} to {high['text']}" if high["value"] else DASH
    ends = [{"value": high["value"], "text": text}]
    return [_table_cell(row[n], n) for n in first] + ends + [_table_cell(row[n], n) for n in last]


def _table_cell(value: float, name: str) -> dict[str, str]:
    if not np.isfinite(value):
        return {"value": "", "text": DASH}
    text = f"{value:.0f}" if name.endswith("percent") else show_number(value)
    return {"value": f"{value:.6g}", "text": text}


def describe_references(budget: pd.DataFrame) -> str:
    """Which published budgets stand beside the run's, by target."""
    rows = budget[budget["reference"].notna()].drop_duplicates(["target", "reference"])
    return "; ".join(f"{row['target']}, {row['reference']}" for _, row in rows.iterrows()) or "none"


def show_references(judged: Sequence[ReferenceCheck]) -> list[dict[str, str]]:
    """Rows of the table of checks for totals and shares against the literature."""
    return [
        {
            "name": f"{check.target}, {check.quantity}",
            "state": check.verdict,
            "word": STATES[check.verdict],
            "text": f"{check.message.partition(': ')[2]}. Source: {check.source}.",
        }
        for check in judged
    ]


def show_check(path: str | os.PathLike) -> dict[str, str]:
    """Row of the table of checks for one result; a file that is not there did not pass."""
    name = Path(path).stem.replace("_", " ")
    if not Path(path).exists():
        return {"name": name, "state": "failed", "word": "failed or not run", "text": "no result"}
    values = read_json(path)
    if "rows" in values:
        globe = [r for r in values["rows"] if (r["region"], r["extent"]) == ("globe", "all")]
        text = "; ".join(f"{r['target']} {_signed(r['relative_error'])}" for r in globe)
        worst = max((abs(r["relative_error"]) for r in globe), default=np.nan)
        state = "inside" if worst <= CLOSURE_AIM else "outside_inner"
        word = "within 15 %" if worst <= CLOSURE_AIM else "beyond 15 %"
        return {"name": name, "state": state, "word": word, "text": f"error of the globe: {text}"}
    passed = bool(values.get("passed", True))
    return {
        "name": name,
        "state": "passed" if passed else "failed",
        "word": "passed" if passed else "failed",
        "text": _facts(values),
    }


def _facts(values: Mapping[str, Any]) -> str:
    """Plain numbers and words of a check's result."""
    plain = {k: v for k, v in values.items() if k != "passed" and isinstance(v, int | float | str)}
    plain |= {k: len(v) for k, v in values.items() if isinstance(v, list)}
    shown = (f"{v:.3g}" if isinstance(v, float) else str(v) for v in plain.values())
    words = (key.replace("n_", "").replace("_", " ") for key in plain)
    return ", ".join(f"{word} {text}" for word, text in zip(words, shown, strict=True))


def _signed(value: float) -> str:
    return f"{100 * value:+.1f} %".replace("-", MINUS) if np.isfinite(value) else DASH


def show_closure(row: Mapping[str, Any]) -> dict[str, str]:
    """A row of ``closure.json``, as readers see it."""
    low, high = show_number(row["q05_tg"]), show_number(row["q95_tg"])
    return {
        "region": show_region(row["region"]),
        "target": row["target"],
        "extent": row["extent"],
        "true": show_number(row["true_tg"]),
        "mean": show_number(row["mean_tg"]),
        "interval": f"{low} to {high}",
        "error": _signed(row["relative_error"]),
    }


def show_closure_map(row: Mapping[str, Any]) -> dict[str, str]:
    """Skill of a map against the truth and its ceiling."""
    scores = ("r2", "r2_ceiling", "r2_mean_map", "r2_mean_map_ceiling")
    found = {name: show_number(row.get(name, np.nan)) for name in scores}
    return {"variable": row.get("variable", ""), "extent": row.get("extent", ""), **found}


def show_percent(level: Any) -> str:
    """A level, 0.9 or 90, in per cent."""
    value = float(level)
    return f"{100 * value if value <= 1 else value:g}"


def show_score(target: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Out-of-bag scores of a target, from its ``calibration.json``."""
    coverage = values.get("coverage", {}).items()
    return {
        "target": target,
        "n_clusters": values.get("n_clusters", DASH),
        "n_windows": values.get("n_windows", DASH),
        "mean_factor": show_number(values.get("mean_factor", np.nan)),
        "log_bias_sd": show_number(values.get("log_bias_sd", np.nan)),
        "coverage": {show_percent(k): f"{100 * v:.0f} %" for k, v in coverage if v is not None},
    }


def summarize_dropped(paths: Sequence[str | os.PathLike]) -> list[dict[str, Any]]:
    """Counts of what observations left out, by reason."""
    tables = [pd.read_csv(path) for path in paths]
    table = pd.concat(tables) if tables else pd.DataFrame()
    if table.empty:
        return []
    return [
        {
            "reason": reason,
            "n_sources": part["source"].nunique(),
            "n_places": part["place"].nunique(),
            "n_dropped": f"{int(part['n_dropped'].sum()):,}",
        }
        for reason, part in table.groupby("reason", sort=True)
    ]
