"""Figures of what the budgets rest on: seasons by latitude, extents, applicability, tower fit.

Each is as wide as a journal's column (3.5 inches), or its page where maps stand side by side.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm

from chamnet.constants import KG_PER_TG
from chamnet.data.store import open_store
from chamnet.data.windows import MEASURED
from chamnet.report.mapfigures import MG_M2_DAY
from chamnet.report.style import (
    COLORS,
    COLUMN_IN,
    GRAY,
    LABELS,
    build_figure,
    draw_globe,
    in_style,
    project_equal_earth,
    write_figure,
)
from chamnet.timeaxis import N_MONTHS
from chamnet.units import kg_m2_s_to_nmol_m2_s

logger = logging.getLogger(__name__)

PER_CELL = {"emission": ("ch4_emission", "YlOrBr"), "consumption": ("ch4_consumption", "GnBu")}
MONTHS = "JFMAMJJASOND"
DASHES = ("-", "--", ":", "-.")
SECONDS_PER_YEAR = 365.25 * 86_400
LIMITS = (-58, 84)
NMOL = "nmol CH$_4$ m$^{-2}$ s$^{-1}$"
MANY_PLACES = 100  # so many dots would hide the windows


def plot_evidence(
    *,
    maps: str | os.PathLike,
    out_of_bag: Mapping[str, Sequence[str | os.PathLike]],
    mode: str,
    out: Mapping[str, str | os.PathLike],
    synthetic: bool = False,
) -> list[Path]:
    """Draw all figures of this module, each as PNG and PDF; their paths.

    Parameters
    ----------
    maps : manifest of ``maps.zarr``
    out_of_bag : tables ``out_of_bag.csv`` of the members, by target
    mode : context mode of the predictions that are shown, that of the cells
    out : paths of the PNGs ``hovmoller``, ``extents``, ``applicability`` and ``tower_fit``
    synthetic : whether the figures say so
    """
    data = open_store(maps, chunks={})
    paths = plot_hovmoller(data=data, out=out["hovmoller"], synthetic=synthetic)
    paths += plot_extents(data=data, out=out["extents"], synthetic=synthetic)
    paths += plot_applicability(data=data, out=out["applicability"], synthetic=synthetic)
    told = {"out_of_bag": out_of_bag, "mode": mode}
    paths += plot_tower_fit(**told, out=out["tower_fit"], synthetic=synthetic)
    logger.info("plot_evidence: %d files written", len(paths))
    return paths


@in_style
def plot_hovmoller(
    *, data: xr.Dataset, out: str | os.PathLike, synthetic: bool = False
) -> list[Path]:
    """Zonal mean fluxes of land by latitude and month, mean over years and extents.

    Parameters
    ----------
    data : published maps
    out, synthetic : as ``plot_evidence``
    """
    targets = [target for target, (name, _) in PER_CELL.items() if name in data]
    figure = build_figure(COLUMN_IN, 0.5 + 2.0 * len(targets))
    grid = figure.subplots(len(targets), 1, squeeze=False, sharex=True)[:, 0]
    for axes, target in zip(grid, targets, strict=True):
        name, colors = PER_CELL[target]
        zonal = zonal_means(data, name)
        mesh = axes.pcolormesh(
            np.arange(0.5, N_MONTHS + 1), _edges(data["latitude"].values), zonal.T,
            cmap=colors, vmin=0, vmax=float(np.nanquantile(zonal, 0.98)), rasterized=True,
        )  # fmt: skip
        axes.set_title(LABELS[target], color=COLORS[target])
        axes.set_ylim(*LIMITS)
        axes.set_yticks([-30, 0, 30, 60])
        axes.set_ylabel("latitude, \u00b0N")
        axes.set_xticks(range(1, N_MONTHS + 1), list(MONTHS))
        bar = figure.colorbar(mesh, ax=axes, aspect=18, pad=0.02, extend="max")
        bar.set_label("mg CH$_4$ m$^{-2}$ d$^{-1}$, per land cell", fontsize=6.5)
        bar.outline.set_visible(False)
    grid[-1].set_xlabel("month")
    return write_figure(figure, out, synthetic=synthetic)


def zonal_means(data: xr.Dataset, name: str) -> np.ndarray:
    """Mean over land cells of each latitude, (month, latitude), mg CH4 m-2 d-1.

    Cells of a latitude have one area, so that the plain mean is that of the area.
    """
    values = data[name].mean(["extent", "longitude"])
    months = [values[{"time": slice(m, None, N_MONTHS)}].mean("time") for m in range(N_MONTHS)]
    return np.stack([month.values for month in months]) * MG_M2_DAY


def _edges(centers: np.ndarray) -> np.ndarray:
    half = (centers[1] - centers[0]) / 2
    return np.append(centers - half, centers[-1] + half)


@in_style
def plot_extents(
    *, data: xr.Dataset, out: str | os.PathLike, synthetic: bool = False
) -> list[Path]:
    """Wetland area and emission by latitude under each map of wetland extent.

    Parameters
    ----------
    data : published maps
    out, synthetic : as ``plot_evidence``
    """
    names = [name for name in ("wetland_fraction", "ch4_emission") if name in data]
    figure = build_figure(COLUMN_IN, 2.9)
    grid = figure.subplots(1, len(names), squeeze=False, sharey=True)[0]
    step = float(data["latitude"][1] - data["latitude"][0])
    labels = {
        "wetland_fraction": ("Wetland area", "10$^6$ km$^2$ per degree"),
        "ch4_emission": ("Emission", "Tg CH$_4$ yr$^{-1}$ per degree"),
    }
    for axes, name in zip(grid, names, strict=True):
        factor = 1e-12 if name == "wetland_fraction" else SECONDS_PER_YEAR / KG_PER_TG
        zonal = (data[name].mean("time") * data["cell_area"]).sum("longitude").compute()
        for extent, dash in zip(data["extent"].values, cycle(DASHES), strict=False):
            series = zonal.sel(extent=extent) * factor / step
            axes.plot(series, data["latitude"], dash, color=COLORS["emission"], linewidth=1.4,
                      label=f"{extent}, {float(series.sum()) * step:.3g}")  # fmt: skip
        title, unit = labels[name]
        axes.set_title(title)
        axes.set_xlabel(unit, fontsize=7)
        axes.set_xlim(left=0)
        axes.set_ylim(*LIMITS)
        axes.legend(fontsize=6, title="extent, total", title_fontsize=6, loc="lower right")
        axes.grid(color="#eceef1", linewidth=0.6)
    grid[0].set_ylabel("latitude, \u00b0N")
    return write_figure(figure, out, synthetic=synthetic)


@in_style
def plot_applicability(
    *, data: xr.Dataset, out: str | os.PathLike, synthetic: bool = False
) -> list[Path]:
    """Cells inside and outside the driver space of the training places.

    Parameters
    ----------
    data : published maps
    out, synthetic : as ``plot_evidence``
    """
    targets = [target for target in LABELS if f"applicability_{target}" in data]
    figure = build_figure(COLUMN_IN, 0.3 + 1.9 * max(1, len(targets)))
    grid = figure.subplots(max(1, len(targets)), 1, squeeze=False)[:, 0]
    for axes, target in zip(grid, targets, strict=False):
        values = data[f"applicability_{target}"].load()
        x, y = project_equal_earth(
            *np.meshgrid(*(_edges(data[n].values) for n in ("longitude", "latitude")))
        )
        colors = ListedColormap(["#c9ced6", COLORS[target]])
        axes.pcolormesh(x, y, np.ma.masked_invalid(values.values), cmap=colors, vmin=0, vmax=1,
                        rasterized=True, zorder=1)  # fmt: skip
        draw_globe(axes)
        land = (data["cell_area"] * data["land_fraction"]).where(values.notnull())
        share = 100 * float((land * values).sum() / land.sum())
        axes.set_title(f"{LABELS[target]}: {share:.0f} % of the land inside", fontsize=8)
    if not targets:
        grid[0].set_axis_off()
        grid[0].text(0.5, 0.5, "not computed", ha="center")
    figure.supxlabel("color: inside the driver space of the places; gray: outside", fontsize=7)
    return write_figure(figure, out, synthetic=synthetic)


@in_style
def plot_tower_fit(
    *,
    out_of_bag: Mapping[str, Sequence[str | os.PathLike]],
    mode: str,
    out: str | os.PathLike,
    synthetic: bool = False,
) -> list[Path]:
    """Means of places, observed against predicted by members that did not see them.

    Parameters
    ----------
    out_of_bag, mode, out, synthetic : as ``plot_evidence``
    """
    figure = build_figure(COLUMN_IN, 3.0 * len(out_of_bag))
    grid = figure.subplots(len(out_of_bag), 1, squeeze=False)[:, 0]
    for axes, (target, paths) in zip(grid, out_of_bag.items(), strict=True):
        draw_fit(axes, read_out_of_bag(paths, mode=mode), target=target)
    return write_figure(figure, out, synthetic=synthetic)


def read_out_of_bag(paths: Sequence[str | os.PathLike], *, mode: str) -> pd.DataFrame:
    """Measured windows ``place, observed, predicted`` in nmol m-2 s-1, mean over the members.

    Parameters
    ----------
    paths : ``out_of_bag.csv`` of each member
    mode : context mode of the predictions
    """
    table = pd.concat([pd.read_csv(path) for path in paths], ignore_index=True)
    table = table[(table["mode"] == mode) & (table["quality"] == MEASURED)]
    keys = ["place", "year", "month", "first", "last"]
    table = table.groupby(keys, as_index=False)[["observed", "predicted"]].mean()
    for name in ("observed", "predicted"):
        table[name] = kg_m2_s_to_nmol_m2_s(table[name])
    return table[["place", "observed", "predicted"]]


def draw_fit(axes: Axes, windows: pd.DataFrame, *, target: str) -> None:
    """Single windows as density on log axes, means of places as dots, the line of equality."""
    means = windows.groupby("place")[["observed", "predicted"]].mean()
    low, high = _limits_of_fit(windows[means.columns], means)
    known, places = (_within(table, low, high) for table in (windows[means.columns], means))
    extent = (np.log10(low), np.log10(high)) * 2
    axes.hexbin(known["observed"], known["predicted"], gridsize=32, xscale="log", yscale="log",
                extent=extent, mincnt=1, cmap="Greys", norm=LogNorm(), linewidths=0)  # fmt: skip
    axes.plot([low, high], [low, high], color=GRAY, linewidth=0.8)
    size, edge = (4, 0.5) if len(places) < MANY_PLACES else (1.8, 0.2)
    axes.plot(places["observed"], places["predicted"], "o", color=COLORS[target],
              markersize=size, markeredgecolor="white", markeredgewidth=edge)  # fmt: skip
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set_title(f"{LABELS[target]}, out-of-bag", color=COLORS[target])
    axes.set_ylabel(f"predicted, {NMOL}")
    share = 100 * len(known) / max(len(windows), 1)
    axes.set_xlabel(
        f"observed, {NMOL}\ndots: {len(places)} of {len(means)} places; gray: {share:.0f} % of "
        f"{len(windows)} windows;\nthe others are \u2264 0 or beyond the axes",
        fontsize=7,
    )


def _limits_of_fit(windows: pd.DataFrame, means: pd.DataFrame) -> tuple[float, float]:
    """Ends of the axes: nearly all windows above 0, and all places where they are few."""
    tables = [table[(table > 0).all(axis=1)].to_numpy() for table in (windows, means)]
    tables = [table for table in tables if table.size] or [np.array([0.1, 1.0])]
    low = min(np.quantile(table, 0.05, method="lower") for table in tables)
    high = max(np.quantile(table, 0.999, method="higher") for table in tables)
    return 0.9 * float(low), 1.1 * float(high)


def _within(table: pd.DataFrame, low: float, high: float) -> pd.DataFrame:
    return table[((table >= low) & (table <= high)).all(axis=1)]
