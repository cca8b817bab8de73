"""Pictures of a cross-validation: series of each site, and predicted against observed."""

import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from chamnet.data.windows import PlaceData, build_response
from chamnet.metrics import r2
from chamnet.provenance import whole_file
from chamnet.units import kg_m2_s_to_nmol_m2_s

logger = logging.getLogger(__name__)

MOST_FIGURES = 60
PANELS_IN_A_ROW = 5
LINEAR_DIFFERENCE = 0.1  # of NSE; beyond, an axis of large differences is logarithmic
SERIES = ("chamnet", "lstm_history", "lstm", "forest", "climatology")
"""Models whose series are drawn, the first of them that were fitted, at most three."""
COLORS = {
    "observed": "0.45",
    "chamnet": "#c1440e",
    "lstm": "#1f77b4",
    "lstm_history": "#17becf",
    "ea_lstm": "#7f7fff",
    "tcn": "#bcbd22",
    "transformer": "#e377c2",
    "itransformer": "#ff9896",
    "forest": "#2ca02c",
    "climatology": "#000000",
    "last_year": "#9467bd",
    "class_month": "#8c564b",
}


def plot_series(
    data: PlaceData,
    fits: Sequence[tuple[Any, Path]],
    *,
    folder: str | os.PathLike,
    protocol: str,
    synthetic: bool,
) -> list[Path]:
    """Observed and predicted daily flux of each site, one PNG a site.

    Parameters
    ----------
    data : all measured days are drawn, those not scored too
    fits : each with the path of its daily fluxes
    folder : gets ``<target>_<protocol>_<site>.png``
    protocol : named in the title
    synthetic : whether the title says that the data are

    Returns
    -------
    list of Path
        Of sites with scored days; at most 60, the number left out is logged.
    """
    lines = _lines_of_sites(fits)
    if len(lines) > MOST_FIGURES:
        logger.info("figures: the first %d of %d sites", MOST_FIGURES, len(lines))
    measured = data.with_windows(data.is_measured)
    observed = build_response(measured) if lines else np.empty(0)
    row_of = {str(name): row for row, name in enumerate(data.place)}
    paths = []
    for site in sorted(lines)[:MOST_FIGURES]:
        path = Path(folder) / f"{data.target}_{protocol}_{_safe(site)}.png"
        title = f"{site}: {data.target}, {protocol}" + (" (synthetic data)" if synthetic else "")
        _plot_site(path, title, observed[row_of[site]], data, lines[site])
        paths.append(path)
    return paths


def _lines_of_sites(fits: Sequence[tuple[Any, Path]]) -> dict[str, dict[str, dict]]:
    """Daily flux by site, model and context, and year."""
    lines: dict[str, dict[str, dict]] = {}
    fitted = {fit.model for fit, _ in fits}
    drawn = [model for model in SERIES if model in fitted][:3] or sorted(fitted)
    for fit, path in fits:
        with np.load(path) as kept:
            contexts = [name for name in kept.files if name not in ("place", "year")]
            for context in contexts if fit.model in drawn else ():
                for site, year, flux in zip(
                    kept["place"], kept["year"], kept[context], strict=True
                ):
                    of_site = lines.setdefault(str(site), {})
                    of_site.setdefault(f"{fit.model} {context}", {})[int(year)] = flux
    return lines


def _plot_site(
    path: Path, title: str, observed: np.ndarray, data: PlaceData, lines: dict[str, dict]
) -> None:
    figure = Figure(figsize=(10, 3.6), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    has_days = np.isfinite(observed).any(axis=1)
    for index in np.flatnonzero(has_days):
        axes.plot(
            _year_axis(data, index),
            kg_m2_s_to_nmol_m2_s(observed[index, : data.n_steps[index]]),
            ".", color=COLORS["observed"], markersize=2, zorder=1,
            label="observed" if index == np.flatnonzero(has_days)[0] else None,
        )  # fmt: skip
    styles = ["-", "--", ":", "-."]
    drawn: dict[str, int] = {}
    for name, years in sorted(lines.items()):
        model = name.split()[0]
        style = styles[drawn.setdefault(model, 0) % len(styles)]
        drawn[model] += 1
        for number, (year, flux) in enumerate(sorted(years.items())):
            index = int(np.searchsorted(data.years, year))
            axes.plot(
                _year_axis(data, index),
                kg_m2_s_to_nmol_m2_s(flux[: data.n_steps[index]]),
                style, color=COLORS.get(model), linewidth=1.0, zorder=2,
                label=name if number == 0 else None,
            )  # fmt: skip
    axes.set(title=title, ylabel="CH$_4$ flux (nmol m$^{-2}$ s$^{-1}$)", xlabel="year")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)
    _write_png(figure, path)


def _year_axis(data: PlaceData, index: int) -> np.ndarray:
    n_steps = data.n_steps[index]
    return data.years[index] + (np.arange(n_steps) + 0.5) / n_steps


def plot_observed_against_predicted(
    predictions: pd.DataFrame, path: str | os.PathLike, *, synthetic: bool
) -> None:
    """Predicted against observed windows, a panel a model and context.

    Parameters
    ----------
    predictions : of one target and protocol
    path : PNG
    synthetic : whether the title says that the data are
    """
    is_variant = predictions["model"].str.contains(":")
    groups = list(predictions[~is_variant].groupby(["model", "context"], sort=False))
    n_rows = -(-len(groups) // PANELS_IN_A_ROW)
    n_columns = -(-len(groups) // n_rows)
    figure = Figure(figsize=(3.4 * n_columns, 3.7 * n_rows), dpi=110, layout="constrained")
    for number, ((model, context), part) in enumerate(groups):
        axes = figure.add_subplot(n_rows, n_columns, number + 1)
        observed, predicted = (
            kg_m2_s_to_nmol_m2_s(part[name].to_numpy()) for name in ("observed", "predicted")
        )
        axes.plot(observed, predicted, ".", markersize=2, alpha=0.4, color=COLORS.get(model))
        low, high = float(observed.min()), float(observed.max())
        axes.plot([low, high], [low, high], "-", color="0.6", linewidth=0.8)
        axes.set_title(f"{model} {context}\nR2 = {r2(observed, predicted):.2f}", fontsize=9)
        axes.set_xlabel("observed (nmol m$^{-2}$ s$^{-1}$)", fontsize=8)
        axes.set_ylabel("" if number % n_columns else "predicted", fontsize=8)
    if synthetic:
        figure.suptitle("synthetic data", fontsize=9)
    _write_png(figure, Path(path))


def plot_ablations(
    table: pd.DataFrame, path: str | os.PathLike, *, title: str, synthetic: bool
) -> bool:
    """What CHAM-net loses without each of its parts: bars of paired differences in NSE.

    Parameters
    ----------
    table : rows of skill.csv of one target
    path : PNG
    title : what was measured
    synthetic : whether the title says that the data are

    Returns
    -------
    bool
        Whether anything was drawn: there is nothing to draw without variants.
    """
    rows = table[
        (table["metric"] == "r2_difference")
        & (table["compared_with"] == "chamnet")
        & table["model"].str.startswith("chamnet:")
    ]
    groups = list(rows.groupby(["protocol", "context"], sort=False))
    if not groups:
        return False
    figure = Figure(figsize=(4.0 * len(groups), 3.6), dpi=110, layout="constrained")
    for number, ((protocol, context), part) in enumerate(groups):
        axes = figure.add_subplot(1, len(groups), number + 1)
        names = part["model"].str.removeprefix("chamnet:")
        value = part["value"].to_numpy()
        reach = [value - part["lower"].to_numpy(), part["upper"].to_numpy() - value]
        axes.barh(names, value, xerr=np.clip(reach, 0, None), color=COLORS["chamnet"], alpha=0.7)
        axes.axvline(0, color="0.4", linewidth=0.8)
        if np.abs(value).max() > 1:  # another place's history costs tens
            axes.set_xscale("symlog", linthresh=LINEAR_DIFFERENCE)
        axes.set_title(f"{protocol}, {context}", fontsize=9)
        axes.set_xlabel("median difference of site NSE to CHAM-net", fontsize=8)
        axes.tick_params(labelsize=7)
    figure.suptitle(title + (" (synthetic data)" if synthetic else ""), fontsize=9)
    _write_png(figure, Path(path))
    return True


def _safe(name: str) -> str:
    """Name of a site as a file name: it comes from data and may not leave the folder."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64]


def _write_png(figure: Figure, path: Path) -> None:
    with whole_file(path) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary))
