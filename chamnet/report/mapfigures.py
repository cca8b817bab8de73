"""Figures of maps, on the Equal Earth projection with coastlines that need no network."""

import os
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.ticker import MaxNLocator

from chamnet.constants import SECONDS_PER_DAY
from chamnet.data.store import open_store
from chamnet.report.style import (
    GRAY,
    PAGE_IN,
    build_figure,
    draw_globe,
    in_style,
    project_equal_earth,
    write_figure,
)

MG_M2_DAY = 1e6 * SECONDS_PER_DAY  # per kg m-2 s-1
MAPS = {
    "ch4_emission": ("Wetland emission", "YlOrBr"),
    "ch4_consumption": ("Soil consumption", "GnBu"),
    "ch4_net_flux": ("Net flux (emission less consumption)", "PuOr_r"),
}


@in_style
def plot_maps(
    *, maps: str | os.PathLike, out: str | os.PathLike, synthetic: bool = False
) -> list[Path]:
    """Mean maps per area of cell, and their spread over members, over land cells.

    Parameters
    ----------
    maps : manifest of ``maps.zarr``
    out, synthetic : as ``plot_budgets``
    """
    data = open_store(maps, chunks={})
    names = [name for name in MAPS if name in data]
    figure = build_figure(PAGE_IN, 1.95 * len(names) + 0.2)
    grid = figure.subplots(len(names), 2, squeeze=False)
    for line, name in zip(grid, names, strict=True):
        title, colors = MAPS[name]
        mean, spread = mean_map(data, name)
        _draw_map(line[0], mean, title=title, colors=colors)
        _draw_map(line[1], spread, title="Spread over members", colors="Greys")
    return write_figure(figure, out, synthetic=synthetic)


def mean_map(data: xr.Dataset, name: str) -> tuple[xr.DataArray, xr.DataArray]:
    """Mean over time and extents, and its spread, mg CH4 m-2 d-1.

    The spread is the root of the mean variance: members keep their sign over the months.
    """
    days = data["time"].dt.days_in_month
    mean = data[name].weighted(days).mean("time").mean("extent") * MG_M2_DAY
    variance = (data[f"{name}_sd"].astype(float) ** 2).weighted(days).mean("time").mean("extent")
    return mean.compute(), np.sqrt(variance.compute()) * MG_M2_DAY


def _draw_map(axes: Axes, values: xr.DataArray, *, title: str, colors: str) -> None:
    step = float(values["latitude"][1] - values["latitude"][0]) / 2
    edges = [
        np.append(values[name].values - step, values[name].values[-1] + step)
        for name in ("longitude", "latitude")
    ]
    x, y = project_equal_earth(*np.meshgrid(*edges))
    levels, norm, cmap = classes_of(values.values, colors)
    land = np.ma.masked_invalid(values.values)
    mesh = axes.pcolormesh(x, y, land, cmap=cmap, norm=norm, rasterized=True, zorder=1)
    draw_globe(axes)
    axes.set_title(title, fontsize=8)
    bar = axes.figure.colorbar(
        mesh, ax=axes, orientation="horizontal", shrink=0.75, aspect=32, pad=0.02
    )
    bar.set_label("mg CH$_4$ m$^{-2}$ d$^{-1}$, per area of cell", fontsize=6.5)
    bar.set_ticks(
        levels,
        labels=[f"{level:g}" for level in levels],
        fontsize=6,
        rotation=45 if levels[0] < 0 else 0,
    )
    bar.outline.set(linewidth=0.4, edgecolor=GRAY)  # the first class may be white


def classes_of(
    values: np.ndarray, colors: str
) -> tuple[list[float], BoundaryNorm, ListedColormap | str]:
    """Edges, norm and colors of a map's classes; of signed values each side has its own steps.

    Consumption is some hundred times smaller than the emission of a wet cell: on one scale for
    both, most of the land would look like nothing.
    """
    if colors != "PuOr_r":
        levels = _levels(values, most=8)
        return levels, BoundaryNorm(levels, 256, extend="max"), colors
    below = _levels(-np.minimum(values, 0), most=5) if np.nanmin(values) < 0 else [0.0]
    above = _levels(np.maximum(values, 0), most=7)
    n_below, n_above = len(below) - 1, len(above) - 1
    ends = np.linspace(0, 0.46, n_below + 1), np.linspace(0.54, 1, n_above + 1)
    cmap = ListedColormap(colormaps[colors](np.concatenate(ends)))
    levels = [-v for v in reversed(below[1:])] + above
    return levels, BoundaryNorm(levels, cmap.N, extend="both"), cmap


def _levels(values: np.ndarray, *, most: int) -> list[float]:
    """Edges of color classes from 0 up to what 99 % of the cells stay below; round numbers.

    Even steps where values are alike, else 1, 2, 5 steps.
    """
    known = values[np.isfinite(values) & (values > 0)]
    top = max(float(np.quantile(known, 0.99)) if known.size else 1.0, 1e-6)
    if known.size and top < 6 * float(np.median(known)):
        return [float(v) for v in MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]).tick_values(0, top)]
    steps = [m * 10.0**e for e in range(-8, 6) for m in (1, 2, 5)]
    last = next(i for i, step in enumerate(steps) if step >= top)
    return [0.0, *steps[max(0, last + 1 - most) : last + 1]]
