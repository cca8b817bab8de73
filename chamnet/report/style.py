"""How figures look: sizes, colors that color-blind readers tell apart, the stamp, saving."""

import functools
import os
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from chamnet.provenance import whole_file

COLUMN_IN, PAGE_IN = 3.5, 7.2  # widths of a journal's column and page
COLORS = {"emission": "#c1520a", "consumption": "#1768ac"}  # dark orange, blue
LABELS = {"emission": "Wetland emission", "consumption": "Soil consumption"}
GRAY, LIGHT, INK = "#8a8f98", "#d9dce1", "#23272e"
STAMP = "synthetic demo data"
SETTINGS = {
    "font.size": 8,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GRAY,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.direction": "out",
    "axes.linewidth": 0.6,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "svg.hashsalt": "chamnet",
}


def build_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure; made without pyplot, so nothing is left behind."""
    return Figure(figsize=(width_in, height_in), layout="constrained")


def in_style(function):
    """Decorator: the figure is drawn and saved in our settings, other code keeps its own."""

    @functools.wraps(function)
    def wrapped(*args, **options):
        with mpl.rc_context(SETTINGS):
            return function(*args, **options)

    return wrapped


def write_figure(figure: Figure, out: str | os.PathLike, *, synthetic: bool) -> list[Path]:
    """Write a figure as PNG and PDF, stamped where its data are synthetic; their paths."""
    if synthetic:
        _stamp(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once, not for every file
    paths = [Path(out).with_suffix(ending) for ending in (".png", ".pdf")]
    for path in paths:
        dates = {"CreationDate": None} if path.suffix == ".pdf" else {"Software": None}
        with whole_file(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], dpi=200, metadata=dates)
    return paths


def _stamp(figure: Figure) -> None:
    height = figure.get_figheight()
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - 0.22 / height))
    box = {"boxstyle": "round,pad=0.25", "facecolor": "#fdecec", "edgecolor": "#e3a1a1"}
    figure.text(
        1 - 0.08 / figure.get_figwidth(),
        1 - 0.07 / height,
        STAMP,
        ha="right",
        va="top",
        fontsize=7,
        color="#9b1c1c",
        bbox=box | {"linewidth": 0.6},
    )


def project_equal_earth(
    longitude: np.ndarray, latitude: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Places on the Equal Earth map, which keeps areas.

    Parameters
    ----------
    longitude, latitude : (...), degrees

    Notes
    -----
    Savric, Patterson & Jenny (2019), The Equal Earth map projection, IJGIS 33:454, eq. 7 and 8;
    on a sphere of radius 1.
    """
    a = (1.340264, -0.081106, 0.000893, 0.003796)
    theta = np.arcsin(np.sqrt(3) / 2 * np.sin(np.deg2rad(latitude)))
    powers = theta**2, theta**6
    slope = a[0] + 3 * a[1] * powers[0] + powers[1] * (7 * a[2] + 9 * a[3] * powers[0])
    x = 2 * np.sqrt(3) * np.deg2rad(longitude) * np.cos(theta) / (3 * slope)
    y = theta * (a[0] + a[1] * powers[0] + powers[1] * (a[2] + a[3] * powers[0]))
    return x, y


@functools.cache
def read_coastline() -> list[np.ndarray]:
    """Coastlines of Natural Earth 1:110 million, (point, 2) longitude and latitude each."""
    table = pd.read_csv(Path(__file__).parent / "coastline.csv")
    return [
        part[["longitude", "latitude"]].to_numpy() for _, part in table.groupby("line", sort=True)
    ]


@functools.cache
def _projected_coastline() -> list[np.ndarray]:
    return [np.stack(project_equal_earth(*line.T), axis=1) for line in read_coastline()]


def draw_globe(axes: Axes) -> None:
    """Prepare axes for a map: coastlines, graticule, outline, no ticks."""
    south, north = -58.0, 84.0
    for latitude in (-30, 0, 30, 60):
        axes.plot(*_curve(np.linspace(-180, 180, 91), np.full(91, float(latitude))), **_HAIR)
    for longitude in range(-120, 121, 60):
        axes.plot(*_curve(np.full(61, float(longitude)), np.linspace(south, north, 61)), **_HAIR)
    axes.add_collection(
        LineCollection(_projected_coastline(), colors="#555b65", linewidths=0.35), autolim=False
    )
    edge = np.linspace(south, north, 61)
    for side in (-180.0, 180.0):
        axes.plot(*_curve(np.full(61, side), edge), color=GRAY, linewidth=0.6)
    limits = [project_equal_earth(0.0, latitude)[1] for latitude in (south, north)]
    axes.set(ylim=limits, xlim=(-2.72, 2.72), xticks=[], yticks=[])
    axes.set_aspect("equal")
    for spine in axes.spines.values():
        spine.set_visible(False)


_HAIR = {"color": "#e3e5e9", "linewidth": 0.4, "zorder": 0}


def _curve(longitude: np.ndarray, latitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return project_equal_earth(longitude, latitude)
