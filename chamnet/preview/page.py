"""The preview as a text table, and as a page with a picture of the inputs."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from chamnet.preview.costs import Stage, count_cores
from chamnet.preview.findings import Findings
from chamnet.report.style import (
    COLORS,
    GRAY,
    PAGE_IN,
    build_figure,
    draw_globe,
    in_style,
    project_equal_earth,
)

COARSE_DEG = 1.0  # of the maps in the picture
GIB, MIB = 2**30, 2**20
TEMPLATE = Path(__file__).with_name("preview.html")


def render_text(found: Findings, *, stages: Sequence[Stage], slowness: float) -> str:
    """The table of inputs, the estimates and the problems, as text."""
    lines = ["What is used from where", ""]
    for row in found.rows:
        about = [f"{name} {row[name]}" for name in ("period", "grid", "calendar") if row[name]]
        lines += [f"  {row['what']}: {row['source']}", f"      {'; '.join(about)}"]
        lines += [f"      {row['note']}"] if row["note"] else []
    lines += ["", *summary_lines(found, stages=stages, slowness=slowness), ""]
    for stage in stages:
        lines.append(
            f"  {stage.name:<22}{stage.n_jobs:>5} jobs {stage.cpu_s:>9.0f} CPU s"
            f"{stage.peak_mib:>8.0f} MiB a job"
        )
    lines += ["", f"{len(found.problems)} problems" + (":" if found.problems else "")]
    return "\n".join(lines + [f"  {i + 1}. {text}" for i, text in enumerate(found.problems)])


def summary_lines(found: Findings, *, stages: Sequence[Stage], slowness: float) -> list[str]:
    """What the run comes to: cells, years, bytes, time and memory."""
    cores = count_cores()
    total = sum(stage.cpu_s for stage in stages)
    peak = max((stage.peak_mib for stage in stages), default=0)
    return [
        f"{found.n_cells} cells, {found.n_years} years of drivers",
        f"{found.bytes_in / GIB:.2f} GiB of drivers read, {found.bytes_out / GIB:.2f} GiB written "
        "(both before compression)",
        f"about {total / 60:.0f} CPU minutes, {total / 60 / cores:.0f} minutes on the {cores} "
        f"cores of this machine; {peak / 1024:.1f} GiB at most in one job",
        "an estimate from rates measured on one machine (chamnet/preview/costs.py), times "
        f"{slowness:.2f} by a short test here; wrong by a factor of two is no surprise",
    ]


def render_page(
    found: Findings, *, run: str, stages: Sequence[Stage], slowness: float, synthetic: bool
) -> str:
    """The preview as one self-contained HTML page."""
    buffer = io.BytesIO()
    draw_inputs(found).savefig(buffer, format="png", dpi=150)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        run=run,
        synthetic=synthetic,
        rows=found.rows,
        problems=found.problems,
        stages=stages,
        summary=summary_lines(found, stages=stages, slowness=slowness),
        picture=base64.b64encode(buffer.getvalue()).decode(),
    )


@in_style
def draw_inputs(found: Findings) -> Figure:
    """Picture of the inputs: fields, places on the map, lengths of records."""
    n_rows = 1 + -(-len(found.maps) // 2)
    height = 2.4 + 1.6 * (n_rows - 1) + 0.09 * len(found.towers)
    figure = build_figure(PAGE_IN, height)
    ratios = [2.4 + 0.09 * len(found.towers)] + [1.6] * (n_rows - 1)
    axes = figure.subplots(n_rows, 2, squeeze=False, height_ratios=ratios)
    _draw_places(axes[0, 0], found)
    _draw_records(axes[0, 1], found)
    empty = list(axes[1:].flat)
    for title, values in found.maps.items():
        _draw_field(empty.pop(0), _coarsen(values), title=title)
    for rest in empty:
        rest.set_axis_off()
    return figure


def _draw_places(axes: Axes, found: Findings) -> None:
    draw_globe(axes)
    if len(found.chambers):
        x, y = project_equal_earth(found.chambers[:, 1], found.chambers[:, 0])
        axes.scatter(x, y, s=3, color=COLORS["consumption"], linewidth=0, label="chambers")
    if found.towers:
        table = pd.DataFrame(found.towers)
        x, y = project_equal_earth(table["longitude"].to_numpy(), table["latitude"].to_numpy())
        axes.scatter(x, y, s=14, color=COLORS["emission"], marker="^", zorder=3, label="towers")
    axes.set_title(f"{len(found.towers)} towers, {len(found.chambers)} chamber places")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower left", fontsize=6)


def _draw_records(axes: Axes, found: Findings) -> None:
    axes.set_title("Records of the towers (measured days)")
    if not found.towers:
        axes.set_axis_off()
        return
    table = pd.DataFrame(found.towers).sort_values("n_measured")
    first, last = date2num(table["first"]), date2num(table["last"])
    lines = np.arange(len(table))
    axes.barh(lines, last - first + 1, left=first, height=0.7, color=COLORS["emission"])
    axes.set_yticks(lines, [f"{r.site} ({r.n_measured})" for r in table.itertuples()], fontsize=5)
    locator = AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _draw_field(axes: Axes, values: xr.DataArray, *, title: str) -> None:
    steps = {name: float(values[name][1] - values[name][0]) / 2 for name in values.dims}
    edges = [
        np.append(values[name].values - steps[name], values[name].values[-1] + steps[name])
        for name in ("longitude", "latitude")
    ]
    x, y = project_equal_earth(*np.meshgrid(edges[0], np.clip(edges[1], -90, 90)))
    field = np.ma.masked_invalid(values.values)
    mesh = axes.pcolormesh(x, y, field, cmap="viridis", rasterized=True, zorder=1)
    draw_globe(axes)
    axes.set_title(title, fontsize=6.5, color=GRAY)
    bar = axes.figure.colorbar(mesh, ax=axes, shrink=0.8, aspect=20, pad=0.01)
    bar.ax.tick_params(labelsize=5)
    bar.outline.set_visible(False)


def _coarsen(values: xr.DataArray) -> xr.DataArray:
    """Means over about a degree; two rows and columns are left, whose step can be drawn."""
    values = values.transpose("latitude", "longitude")
    sizes = {}
    for name in values.dims:
        step = abs(float(values[name][1] - values[name][0]))
        sizes[name] = max(1, min(round(COARSE_DEG / step), values.sizes[name] // 2))
    return values.coarsen(sizes, boundary="trim").mean()
