"""What the network of places cannot see: errors of the synthetic world's maps, and where they are.

Maps of the estimate's error beside the dissimilarity of a cell from the training places: an area
of applicability is worth something if errors grow with that dissimilarity.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm

from chamnet.data.store import open_store
from chamnet.report.style import (
    COLORS,
    GRAY,
    INK,
    LABELS,
    LIGHT,
    PAGE_IN,
    build_figure,
    draw_globe,
    in_style,
    project_equal_earth,
    write_figure,
)

FACTORS = (1 / 2, 1 / 1.5, 1 / 1.2, 1 / 1.1, 1.1, 1.2, 1.5, 2)  # classes of estimate over truth
N_CLASSES = 8  # of dissimilarity, of equal surface
MIN_SURFACE = 0.003  # share of the largest, below which a cell's color would say nothing


@in_style
def plot_closure(
    *,
    cell_means: str | os.PathLike,
    applicability: Mapping[str, str | os.PathLike],
    out: str | os.PathLike,
) -> list[Path]:
    """Map of the errors of mean fluxes, and errors by dissimilarity; PNG and PDF.

    Parameters
    ----------
    cell_means : table of ``check_closure``
    applicability : manifest of ``build_applicability`` by target
    out : path of the PNG
    """
    table = pd.read_csv(cell_means)
    figure = build_figure(PAGE_IN, 0.4 + 2.3 * len(applicability))
    grid = figure.subplots(len(applicability), 2, squeeze=False, width_ratios=(1.9, 1))
    for line, (target, manifest) in zip(grid, applicability.items(), strict=True):
        store = open_store(manifest)
        cells = table[table["target"] == target]
        cells = cells.assign(dissimilarity=store["dissimilarity"].values[cells["cell"]])
        threshold = float(store.attrs["threshold"])
        colors = _draw_errors(line[0], cells, threshold=threshold, target=target)
        _draw_curve(line[1], summarize_errors(cells), threshold=threshold, target=target)
    bar = figure.colorbar(
        colors, ax=list(grid[:, 0]), orientation="horizontal", shrink=0.8, aspect=40, pad=0.02
    )
    bar.set_ticks(FACTORS, labels=[f"{factor:.2g}" for factor in FACTORS], fontsize=6)
    bar.set_label("estimated / true mean flux; dots: outside the area of applicability", fontsize=7)
    bar.outline.set_visible(False)
    grid[-1, 1].set_xlabel("dissimilarity from the training places")
    return write_figure(figure, out, synthetic=True)


def summarize_errors(cells: pd.DataFrame) -> pd.DataFrame:
    """Error of mean fluxes in classes of dissimilarity that hold the same surface.

    Parameters
    ----------
    cells : columns true, estimated (above 0), surface_m2 and dissimilarity

    Returns
    -------
    columns dissimilarity, error, bias, surface_m2; a row a class
        Mean dissimilarity; mean absolute error, and mean error, over the mean truth,
        each weighted by the surface, 1.
    """
    known = cells.dropna(subset=["true", "estimated", "dissimilarity"])
    known = known[known["surface_m2"] > 0].sort_values("dissimilarity")
    share = known["surface_m2"].cumsum() / known["surface_m2"].sum()
    number = np.minimum((share * N_CLASSES).astype(int), N_CLASSES - 1)
    rows = []
    for _, part in known.groupby(number):
        weight = part["surface_m2"] / part["surface_m2"].sum()
        error = part["estimated"] - part["true"]
        mean = (weight * part["true"]).sum()
        rows.append(
            {
                "dissimilarity": (weight * part["dissimilarity"]).sum(),
                "error": (weight * error.abs()).sum() / mean,
                "bias": (weight * error).sum() / mean,
                "surface_m2": part["surface_m2"].sum(),
            }
        )
    return pd.DataFrame(rows)


def _draw_errors(
    axes: Axes, cells: pd.DataFrame, *, threshold: float, target: str
) -> ScalarMappable:
    cells = cells[cells["surface_m2"] > MIN_SURFACE * cells["surface_m2"].max()]
    norm = BoundaryNorm(FACTORS, 256, extend="both")
    x, y = project_equal_earth(cells["longitude"].to_numpy(), cells["latitude"].to_numpy())
    ratio = (cells["estimated"] / cells["true"]).to_numpy()
    colors = axes.scatter(
        x, y, c=ratio, norm=norm, cmap="RdBu_r", s=3.2, marker="s", linewidths=0, rasterized=True
    )
    outside = (cells["dissimilarity"] > threshold).to_numpy()
    axes.scatter(x[outside], y[outside], s=0.5, color=INK, linewidths=0, rasterized=True)
    draw_globe(axes)
    axes.set_title(f"{LABELS[target]}: error of the mean flux of cells", fontsize=8)
    return colors


def _draw_curve(axes: Axes, rows: pd.DataFrame, *, threshold: float, target: str) -> None:
    x, color = rows["dissimilarity"], COLORS[target]
    axes.plot(x, 100 * rows["error"], "o-", color=color, markersize=3, label="mean of cells")
    axes.plot(
        x, 100 * rows["bias"].abs(), "o--", color=color, markersize=3, label="of all together"
    )
    axes.axvline(threshold, color=GRAY, linewidth=0.8)
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.set_ylabel("error, % of the true mean")
    axes.grid(color=LIGHT, linewidth=0.4)
    axes.legend(fontsize=6, title="line: threshold", title_fontsize=6, handlelength=4)
