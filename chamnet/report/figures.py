"""Figures of budgets: beside references, over the seasons, over the years; maps elsewhere.

Every function writes a PNG and a PDF of the same name; units stand on every axis.
"""

import logging
import os
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from chamnet.budget.references import Reference, find_reference, list_periods, read_literature
from chamnet.report.mapfigures import plot_maps as plot_maps
from chamnet.report.results import (
    find_bands,
    find_row,
    interval_of,
    read_budget,
    read_totals,
    select_region,
    show_region,
)
from chamnet.report.style import (
    COLORS,
    GRAY,
    INK,
    LABELS,
    LIGHT,
    PAGE_IN,
    build_figure,
    in_style,
    write_figure,
)

logger = logging.getLogger(__name__)

SYSTEMS = {"globe": 1, "gcp_bands": 3, "gcp_regions": 18}
MONTHS = "JFMAMJJASOND"
MARKERS = "sD^vP*"
DASHES = ("--", ":", "-.")  # taken again where there are more extents
BANDS = (("-", "o"), ("--", "s"), (":", "^"))  # line and marker of each latitude band
REFERENCE = "#b9c0cb"
REFERENCES = {"bottom_up": (0.17, LIGHT), "top_down": (-0.17, REFERENCE)}  # offset and color
WHO = {"bottom_up": "models", "top_down": "inversions"}


@in_style
def plot_budgets(
    *,
    csv: str | os.PathLike,
    out: str | os.PathLike,
    references: str | os.PathLike | None = None,
    synthetic: bool = False,
) -> list[Path]:
    """Budgets with 90 % intervals beside the published ranges: globe, bands, 18 regions.

    Parameters
    ----------
    csv : ``global_budget.csv``
    out : path of the PNG; the PDF lies beside it
    references : table of ``write_references``; None takes the packaged one
    synthetic : whether the figure says so
    """
    table = read_budget(csv)
    targets = [target for target in LABELS if target in set(table["target"])]
    systems = [system for system in SYSTEMS if system in set(table["region_system"])]
    heights = [SYSTEMS[system] + 0.6 for system in systems]
    figure = build_figure(PAGE_IN, 1.4 + 0.27 * sum(heights))
    grid = figure.subplots(
        len(systems), len(targets), squeeze=False, sharey="row", height_ratios=heights
    )
    for row, system in enumerate(systems):
        names = _region_order(table, system)
        for column, target in enumerate(targets):
            axes = grid[row, column]
            _draw_system(axes, table, references, target=target, system=system, names=names)
            if row == 0:
                axes.set_title(LABELS[target], color=COLORS[target])
            if row == len(systems) - 1:
                axes.set_xlabel("Tg CH$_4$ yr$^{-1}$")
    extents = sorted(set(table["extent"]) - {"all"})
    handles = _budget_legend(extents, list_periods(references))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=7)
    return write_figure(figure, out, synthetic=synthetic)


def _region_order(table: pd.DataFrame, system: str) -> list[str]:
    rows = table[(table["region_system"] == system) & (table["extent"] == "all")]
    names = list(dict.fromkeys(rows["region"]))
    if system != "gcp_regions":
        return names
    first = rows[rows["target"] == rows["target"].iloc[0]].set_index("region")["mean_tg"]
    return list(first.sort_values(ascending=False).index)


def _draw_system(
    axes: Axes,
    table: pd.DataFrame,
    references: str | os.PathLike | None,
    *,
    target: str,
    system: str,
    names: list[str],
) -> None:
    is_system = (table["target"] == target) & (table["region_system"] == system)
    rows = table[is_system].set_index(["region", "extent"])
    for place, name in enumerate(names):
        for kind, reference in _find_references(references, target, system, name).items():
            _draw_reference(axes, place, reference, target=target, kind=kind)
        _draw_budget(axes, place, rows.loc[name], color=COLORS[target])
    axes.set_yticks(range(len(names)), [show_region(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    lowest = min((line.get_xdata()[0] for line in axes.lines), default=0.0)
    patches = [patch.get_x() for patch in axes.patches]
    axes.set_xlim(left=min(0.0, lowest, *patches) if patches else 0.0)
    axes.axvline(0, color=GRAY, linewidth=0.5, zorder=0)
    axes.grid(axis="x", color="#eceef1", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _find_references(
    references: str | os.PathLike | None, target: str, system: str, name: str
) -> dict[str, Reference]:
    """Published budgets of a region that there are, by kind."""
    found = {
        kind: find_reference(target, system, name, kind=kind, references=references)
        for kind in REFERENCES
    }
    return {kind: reference for kind, reference in found.items() if reference is not None}


def _draw_reference(
    axes: Axes, place: int, reference: Reference, *, target: str, kind: str
) -> None:
    offset, color = REFERENCES[kind]
    at, height = (place + offset, 0.26) if target == "emission" else (place, 0.52)
    span = reference.max_tg - reference.min_tg
    axes.barh(at, span, left=reference.min_tg, height=height, color=color, zorder=1)
    axes.plot([reference.mean_tg] * 2, [at - height / 2, at + height / 2], color=INK, linewidth=1)


def _draw_budget(axes: Axes, place: int, rows: pd.DataFrame, *, color: str) -> None:
    pooled = rows.loc["all"]
    axes.plot([pooled["q05_tg"], pooled["q95_tg"]], [place] * 2, color=color, linewidth=2.2)
    axes.plot(pooled["mean_tg"], place, "o", color=color, markersize=5.5, zorder=4)
    extents = sorted(set(rows.index) - {"all"})
    for extent, marker in zip(extents, cycle(MARKERS), strict=False):
        axes.plot(
            rows.loc[extent, "mean_tg"],
            place,
            marker,
            markerfacecolor="white",
            markeredgecolor=color,
            markeredgewidth=0.9,
            markersize=3.4,
            zorder=5,
        )


def _budget_legend(extents: list[str], periods: str) -> list:
    hollow = {"color": INK, "linestyle": "none", "markerfacecolor": "white", "markersize": 4}
    return [
        Line2D([], [], color=INK, marker="o", linewidth=2.2, markersize=5, label="this run, 90 %"),
        *(
            Patch(color=color, label=f"GCP {periods}, {WHO[kind]} (min-max, mean)")
            for kind, (_, color) in REFERENCES.items()
        ),
        *(
            Line2D([], [], marker=marker, label=f"wetland extent: {extent}", **hollow)
            for extent, marker in zip(extents, cycle(MARKERS), strict=False)
        ),
    ]


@in_style
def plot_seasons(
    *, netcdf: str | os.PathLike, out: str | os.PathLike, synthetic: bool = False
) -> list[Path]:
    """Seasonal cycles of the latitude bands, with 90 % intervals, both targets.

    Parameters
    ----------
    netcdf : ``budget.nc``
    out, synthetic : as ``plot_budgets``
    """
    data = read_totals(netcdf)
    targets = [target for target in LABELS if target in data["target"].values]
    rows = [i for i, system in enumerate(data["region_system"].values) if system == "gcp_bands"]
    rows = rows or [0]
    figure = build_figure(PAGE_IN, 0.5 + 1.9 * len(targets))
    grid = figure.subplots(len(targets), len(rows), squeeze=False, sharex=True)
    for line, target in zip(grid, targets, strict=True):
        for axes, row in zip(line, rows, strict=True):
            _draw_season(axes, data, target=target, row=row)
        line[0].set_ylabel(f"{LABELS[target]}\nTg CH$_4$ month$^{{-1}}$", color=COLORS[target])
    dashes = zip(data["extent"].values, cycle(DASHES), strict=False)
    handles = [_plain_line(str(extent), dash) for extent, dash in dashes]
    handles += [_plain_line("all extents", "-", width=1.8), Patch(color=LIGHT, label="90 %")]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, fontsize=7)
    figure.align_ylabels()
    for axes, row in zip(grid[0], rows, strict=True):
        axes.set_title(show_region(str(data["region_name"].values[row])))
    return write_figure(figure, out, synthetic=synthetic)


def _plain_line(label: str, dash: str, *, width: float = 0.8) -> Line2D:
    return Line2D([], [], color=INK, linestyle=dash, linewidth=width, label=label)


def _draw_season(axes: Axes, data: xr.Dataset, *, target: str, row: int) -> None:
    region = select_region(data, target=target, row=row)
    monthly = region["mass_tg"].mean("year")
    low, high = interval_of(region, monthly)
    month = np.arange(1, 13)
    axes.fill_between(month, low, high, color=COLORS[target], alpha=0.22, linewidth=0)
    for extent, dash in zip(data["extent"].values, cycle(DASHES), strict=False):
        line = monthly.sel(extent=extent).mean("member")
        axes.plot(month, line, dash, color=COLORS[target], linewidth=0.8)
    mean = monthly.mean(["member", "extent"])
    axes.plot(month, mean, color=COLORS[target], linewidth=1.8)
    axes.set_xticks(month, list(MONTHS))
    axes.set_axisbelow(True)
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color="#eceef1", linewidth=0.6)


@in_style
def plot_series(
    *,
    netcdf: str | os.PathLike,
    out: str | os.PathLike,
    references: str | os.PathLike | None = None,
    synthetic: bool = False,
) -> list[Path]:
    """Annual budgets of the globe and the latitude bands, with 90 % intervals.

    Parameters
    ----------
    netcdf : ``budget.nc``
    out, references, synthetic : as ``plot_budgets``
    """
    data = read_totals(netcdf)
    targets = [target for target in LABELS if target in data["target"].values]
    figure = build_figure(PAGE_IN, 4.6)
    grid = figure.subplots(2, len(targets), squeeze=False, height_ratios=[3, 2])
    names = [show_region(str(n)) for n in data["region_name"].values]
    for (upper, lower), target in zip(grid.T, targets, strict=True):
        draw_years(upper, data, target=target, row=find_row(data, "globe", "globe") or 0)
        draw_literature(upper, references, target=target)
        upper.set_title(f"{LABELS[target]}, globe", color=COLORS[target])
        for place, row in enumerate(find_bands(data)[: len(BANDS)]):
            draw_years(lower, data, target=target, row=row, band=place, label=names[row])
        lower.set_title("Latitude bands")
        lower.legend(fontsize=6.5, ncols=3, loc="upper left", handlelength=2.4, columnspacing=1)
        lower.set_ylim(bottom=0, top=lower.get_ylim()[1] * 1.3)
        lower.set_xlabel("year")
    for axes in grid[:, 0]:
        axes.set_ylabel("Tg CH$_4$ yr$^{-1}$")
    figure.align_ylabels()
    return write_figure(figure, out, synthetic=synthetic)


def draw_years(
    axes: Axes, data: xr.Dataset, *, target: str, row: int, band: int | None = None, label: str = ""
) -> None:
    """Annual budgets of a region with their 90 % band; of a single year a bar."""
    region = select_region(data, target=target, row=row)
    annual = region["mass_tg"].sum("month")
    low, high = interval_of(region, annual)
    years, color = data["year"].values, COLORS[target]
    dash, marker = BANDS[band or 0]
    at = years
    if len(years) == 1:  # a band of one year has no width; bars of several stand side by side
        at = years + (0.0 if band is None else 0.2 * (band - 1))
        axes.vlines(at, low, high, color=color, alpha=0.5, linewidth=3)
    axes.fill_between(at, low, high, color=color, alpha=0.2, linewidth=0)
    is_marked = band is None or len(years) == 1
    axes.plot(
        at,
        annual.mean(["member", "extent"]),
        dash,
        marker=marker if is_marked else "",
        markersize=3.5,
        color=color,
        linewidth=1.6,
        label=label or None,
    )
    axes.set_xticks(years[:: -(-len(years) // 5)])
    axes.set_axisbelow(True)
    axes.set_xlim(years[0] - 0.5, years[-1] + 0.5)
    axes.grid(axis="y", color="#eceef1", linewidth=0.6)


def draw_literature(
    axes: Axes, references: str | os.PathLike | None = None, *, target: str
) -> None:
    """Published global ranges as bars a, b, ... beside the years, each with its period."""
    spans: list[tuple[Any, str]] = [
        (found, f"GCP {found.period[0]}\u2013{found.period[1] % 100:02d}, {WHO[kind]}")
        for kind, found in _find_references(references, target, "globe", "globe").items()
    ]
    table = read_literature()
    is_newer = (table["target"] == target) & table["source"].str.contains("2025, Global")
    spans += [
        (row, f"GMB {row.first_year}\u2013{row.last_year % 100:02d}")
        for row in table[is_newer & (table["first_year"] == 2010)].itertuples()
    ]
    left, right = axes.get_xlim()
    step = 0.08 * (right - left)
    ticks = {tick: f"{tick:.0f}" for tick in axes.get_xticks()}
    for place, (row, _) in enumerate(spans):
        x = right + (place + 0.5) * step
        axes.bar(x, row.max_tg - row.min_tg, 0.6 * step, bottom=row.min_tg, color=REFERENCE)
        axes.hlines(row.mean_tg, x - 0.3 * step, x + 0.3 * step, color=INK, linewidth=1)
        ticks[x] = "abc"[place]
    axes.set_xticks(list(ticks), list(ticks.values()))
    key = (f"{letter}: {text}" for letter, (_, text) in zip("abc", spans, strict=False))
    axes.set_xlabel("; ".join(key), fontsize=6)
    axes.set_xlim(left, right + step * len(spans))
    axes.set_ylim(bottom=0)
