"""The tables of the skill benchmark as a Markdown page."""

import time
from collections.abc import Iterable
from typing import Any

import pandas as pd
from _bench import describe_machine, read_commit

from chamnet.units import kg_m2_s_to_nmol_m2_s

HEADLINES = (
    ("pooled_daily", "r2", "R2, days"),
    ("pooled_monthly", "r2", "R2, months"),
    ("site_median", "r2", "median site NSE"),
    ("site_median", "share_r2_above_0", "sites with NSE > 0"),
    ("pooled_monthly", "nrmse_mean", "nRMSE (mean), months"),
    ("pooled_monthly", "bias", "bias, months, nmol m-2 s-1"),
    ("pooled_monthly", "coverage_80", "80 % intervals that hold"),
    ("pooled_monthly", "coverage_90", "90 %"),
)
"""Level, metric and title of the columns; skill.csv has all the others."""


def write_page(table: pd.DataFrame, command: str) -> Iterable[str]:
    """Lines of the page: a table and the paired differences of each data set and protocol.

    Parameters
    ----------
    table : rows of skill.csv with the columns data and synthetic
    command : that was run
    """
    machine = describe_machine()
    yield "# Table of skill\n"
    yield f"`{command}`\n"
    yield f"{time.strftime('%Y-%m-%d')}, {machine['cores']} cores, {machine['processor']}, "
    yield f"commit {read_commit()}.\n"
    yield "Means over seeds with the least and greatest of them in parentheses, where there are"
    yield "several; where there is one, a single figure. Coverage is judged on clusters that gave"
    yield "no residual, with a bootstrap interval of 90 %, clusters resampled; a level that the"
    yield "number of clusters does not support is not given.\n"
    for (data, target, protocol), part in table.groupby(["data", "target", "protocol"], sort=False):
        note = "synthetic" if part["synthetic"].any() else "real"
        yield f"## {data} ({note}): {target}, {protocol}\n"
        yield from _write_scores(part)
        yield from _write_differences(part)


def _write_scores(part: pd.DataFrame) -> Iterable[str]:
    columns = ["model", "context", *(title for _, _, title in HEADLINES), "places", "seeds"]
    yield f"| {' | '.join(columns)} |"
    yield "|" + "---|" * len(columns)
    own = part[part["compared_with"] == ""]
    for (model, context), rows in own.groupby(["model", "context"], sort=False):
        found = {(row.level, row.metric): row for row in rows.itertuples()}
        cells = [_show(found.get((level, metric))) for level, metric, _ in HEADLINES]
        cells += [f"{rows['n_places'].max():.0f}", f"{rows['n_seeds'].max():.0f}"]
        yield f"| {model} | {context} | {' | '.join(cells)} |"
    yield ""


def _show(row: Any) -> str:
    """A figure with its range, in nmol m-2 s-1 where it has units."""
    if row is None or pd.isna(row.value):
        return ""
    values = [row.value, row.lower, row.upper]
    if row.metric == "bias":
        values = [kg_m2_s_to_nmol_m2_s(value) for value in values]
    digits = 2 if row.metric == "bias" else 3
    value, lower, upper = (f"{value:.{digits}f}" for value in values)
    is_single = pd.isna(row.lower) or lower == upper
    return value if is_single else f"{value} ({lower} to {upper})"


def _write_differences(part: pd.DataFrame) -> Iterable[str]:
    rows = part[part["metric"] == "r2_difference"]
    against = rows[rows["model"] == "chamnet"]
    yield from _list_differences(against[~against["compared_with"].str.startswith("chamnet:")])
    yield from _list_differences(rows[rows["compared_with"] == "chamnet"])


def _list_differences(rows: pd.DataFrame) -> Iterable[str]:
    if rows.empty:
        return
    yield "Median difference of site NSE, 90 % interval over clusters:\n"
    for row in rows.itertuples():
        yield (
            f"- {row.model} {row.context} minus {row.compared_with}: {row.value:+.3f} "
            f"({row.lower:+.3f} to {row.upper:+.3f}; {row.n_places} places, seeds: {row.n_seeds})"
        )
    yield ""
