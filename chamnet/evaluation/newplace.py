"""A new place: daily fluxes with intervals from its weather, and what was measured there so far.

Nothing is trained. ``few_shot`` reads what was measured in years before the one that is
predicted; a year without any, and every year in ``zero_shot``, is told from its weather alone.
"""

import dataclasses
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from chamnet.data.place_days import read_days_of_place
from chamnet.data.tower_columns import MEASURED
from chamnet.data.towers import fill_driver_gaps
from chamnet.data.windows import PlaceData
from chamnet.errors import InputError
from chamnet.evaluation.calibration import read_out_of_bag
from chamnet.evaluation.intervals import Intervals
from chamnet.evaluation.score import load_members
from chamnet.inference.places import predict_places
from chamnet.model.checkpoint import Member
from chamnet.provenance import whole_file, write_text
from chamnet.training.restoration import fit_mean_factor
from chamnet.units import kg_m2_s_to_nmol_m2_s

logger = logging.getLogger(__name__)

N_STEPS = 366
LEVELS_SHOWN = (0.5, 0.9)


@dataclasses.dataclass(frozen=True)
class Judged:
    """What out-of-bag predictions of a mode tell: the factor of the mean, and intervals."""

    mean_factor: float
    intervals: Intervals


def predict_new_place(
    *,
    checkpoints: Sequence[str | os.PathLike],
    place: str | os.PathLike,
    mode: str,
    out: str | os.PathLike,
    latitude: float | None = None,
    longitude: float | None = None,
    figure: str | os.PathLike | None = None,
    attributes: Mapping[str, float] | None = None,
    flux_units: str = "nmol m-2 s-1",
    threads: int = 1,
) -> pd.DataFrame:
    """Daily flux of a place by the mean of trained members, with intervals; writes ``out``.

    Parameters
    ----------
    checkpoints : members of one target; ``out_of_bag.csv`` must lie beside each
    place : CSV, a row a day, see `read_days_of_place`
    mode : few_shot or zero_shot
    out : CSV
    latitude, longitude : degrees, -90 to 90 and -180 to 360
        Checked where they are given; no number depends on them.
    figure : PNG; none without it
    attributes : values by name, in the units of training; the others are taken as unknown
    flux_units : of the FCH4 column
    threads : of torch

    Returns
    -------
    rows date, context (few_shot, or zero_shot where nothing earlier was measured),
        flux_nmol_m2_s, lower_<l> and upper_<l> (the central interval of l %, nmol m-2 s-1),
        measured_nmol_m2_s, flux_kg_m2_s; consumption is positive

    Raises
    ------
    CheckpointError
        If a checkpoint cannot be read or was not trained for the mode.
    InputError
        If a file cannot be used, no year has drivers on half of its days, the out-of-bag
        predictions of the mode are missing, or a coordinate or attribute is out of its range.
    """
    import torch

    torch.set_num_threads(threads)
    where = _coordinates(latitude, longitude)
    members = load_members(checkpoints, mode)
    data = _read_place(place, members[0], where, attributes or {}, flux_units)
    judged = {
        used: read_judged(checkpoints, used, has_factor=members[0].has_mean_factor(used))
        for used in dict.fromkeys((mode, "zero_shot"))
    }
    total = sum(predict_places(m, data, mode=mode, restore_mean=False) for m in members)
    first = _first_year_read(data) if mode == "few_shot" else np.inf
    parts = [
        _table_of_year(data, index, total[0, index] / len(members), context, judged[context])
        for index, year in enumerate(data.years)
        if data.has_drivers[0, index]
        for context in (["few_shot" if year > first else "zero_shot"])
    ]
    table = pd.concat(parts, ignore_index=True)
    write_text(out, table.to_csv(index=False, float_format="%.6g"))
    if figure is not None:
        _plot_place(table, Path(figure), title=f"{Path(place).stem}: {data.target}")
    logger.info("predict: %d days of %d years, in %s", len(table), len(parts), out)
    return table


def _coordinates(latitude: float | None, longitude: float | None) -> tuple[float, float]:
    """Latitude and longitude, NaN where they are not given."""
    given = {"latitude": (latitude, -90, 90), "longitude": (longitude, -180, 360)}
    for name, (value, least, most) in given.items():
        if value is not None and not least <= value <= most:
            raise InputError(f"{name} {value:g}, expected {least} to {most} degrees")
    return tuple(np.nan if value is None else value for value, _, _ in given.values())


def _first_year_read(data: PlaceData) -> float:
    """First measured year whose drivers are there, so that contexts hold it; inf without one."""
    years = data.years[data.has_drivers[0]]
    read = years[np.isin(years, data.windows["year"])]
    return float(read.min()) if read.size else np.inf


def read_judged(
    checkpoints: Sequence[str | os.PathLike], mode: str, *, has_factor: bool = True
) -> Judged:
    """Factor of the mean and intervals from what the members said of clusters left out.

    Parameters
    ----------
    checkpoints : ``out_of_bag.csv`` is read beside each
    mode : context mode of the predictions
    has_factor : whether the mean is restored in that mode, see `Member.has_mean_factor`

    Raises
    ------
    InputError
        If a file is missing or lacks a column, or none of its measured windows is of the mode.
    """
    paths = [Path(checkpoint).with_name("out_of_bag.csv") for checkpoint in checkpoints]
    for path in paths:
        if not path.exists():
            raise InputError(
                f"{path}: no such file; intervals need the out-of-bag predictions that "
                "train_member writes beside a checkpoint"
            )
    means = read_out_of_bag(paths, mode=mode)
    columns = (means[name].to_numpy() for name in ("observed", "predicted", "cluster"))
    factor = fit_mean_factor(*columns) if has_factor else 1.0
    return Judged(factor, Intervals.fit(means.assign(predicted=means["predicted"] * factor)))


def _read_place(
    path: str | os.PathLike,
    member: Member,
    where: tuple[float, float],
    attributes: Mapping[str, float],
    flux_units: str,
) -> PlaceData:
    days = read_days_of_place(str(path), driver_names=member.driver_names, flux_units=flux_units)
    names = list(member.driver_names)
    n_missing = int(days[names].isna().any(axis=1).sum())
    if n_missing:
        logger.info("predict: drivers of %d of %d days filled", n_missing, len(days))
    days = fill_driver_gaps(days, names)
    years = np.unique(days.index.year)
    years = np.arange(years[0], years[-1] + 1)
    drivers = np.full((1, years.size, N_STEPS, len(names)), np.nan, dtype=np.float32)
    drivers[0, days.index.year - years[0], days.index.day_of_year - 1] = days[names]
    data = PlaceData(
        drivers=drivers,
        attributes=_attributes(member, attributes)[None],
        years=years,
        n_steps=np.array([366 if pd.Timestamp(y, 1, 1).is_leap_year else 365 for y in years]),
        latitude=np.array([where[0]]),
        longitude=np.array([where[1]]),
        cluster=np.zeros(1, dtype=int),
        place_class=np.array(["unknown"]),
        place=np.array([Path(path).stem]),
        driver_names=member.driver_names,
        attribute_names=member.attribute_names,
        target=member.target,
        windows=_windows(days, sign=-1.0 if member.target == "consumption" else 1.0),
    )
    if not data.has_drivers.any():
        raise InputError(f"{path}: no year has every driver on half of its days")
    for year in years[~data.has_drivers[0]]:
        logger.info("predict: %d has drivers on less than half of its days, left out", year)
    return data


def _windows(days: pd.DataFrame, *, sign: float) -> pd.DataFrame:
    """Measured days; filled ones say nothing new."""
    measured = days[days["quality"] == MEASURED]
    step = measured.index.day_of_year - 1
    return pd.DataFrame(
        {
            "place": 0,
            "year": measured.index.year,
            "month": -1,
            "first": step,
            "last": step,
            "flux": sign * measured["flux"].to_numpy(),
            "uncertainty": measured["uncertainty"].to_numpy(),
            "quality": MEASURED,
        }
    )


def _attributes(member: Member, given: Mapping[str, float]) -> np.ndarray:
    unknown = sorted(set(given) - set(member.attribute_names))
    if unknown:
        raise InputError(
            f"attributes {unknown}, expected some of {list(member.attribute_names)}, which the "
            "checkpoint was trained on"
        )
    for name, value in given.items():
        if not np.isfinite(value):
            raise InputError(f"attribute {name!r} is {value}, expected a finite number")
    left = [name for name in member.attribute_names if name not in given]
    if left:
        logger.info("predict: attributes taken as unknown: %s", left)
    return np.array([given.get(n, np.nan) for n in member.attribute_names], dtype=np.float32)


def _table_of_year(
    data: PlaceData, index: int, flux: np.ndarray, context: str, judged: Judged
) -> pd.DataFrame:
    n_steps, year = int(data.n_steps[index]), int(data.years[index])
    flux = flux[:n_steps] * judged.mean_factor
    measured = np.full(n_steps, np.nan)
    own = data.windows[data.windows["year"] == year]
    measured[own["first"]] = own["flux"]
    columns = {
        "date": pd.date_range(f"{year}-01-01", periods=n_steps, freq="D").strftime("%Y-%m-%d"),
        "context": context,
        "flux_nmol_m2_s": kg_m2_s_to_nmol_m2_s(flux),
    }
    for level in judged.intervals.levels:
        ends = judged.intervals.of(flux, level)
        for name, end in zip(("lower", "upper"), ends, strict=True):
            columns[f"{name}_{round(100 * level)}"] = kg_m2_s_to_nmol_m2_s(end)
    columns["measured_nmol_m2_s"] = kg_m2_s_to_nmol_m2_s(measured)
    return pd.DataFrame(columns | {"flux_kg_m2_s": flux})


def _plot_place(table: pd.DataFrame, path: Path, *, title: str) -> None:
    figure = Figure(figsize=(10, 3.6), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    date = pd.to_datetime(table["date"]).to_numpy()
    for level, shade in zip(LEVELS_SHOWN, (0.4, 0.2), strict=True):
        names = [f"{side}_{round(100 * level)}" for side in ("lower", "upper")]
        if set(names) <= set(table):
            axes.fill_between(
                date, *(table[n] for n in names), color="#c1440e", alpha=shade, linewidth=0,
                label=f"{level:.0%} interval",
            )  # fmt: skip
    axes.plot(date, table["flux_nmol_m2_s"], color="#c1440e", linewidth=1.0, label="predicted")
    axes.plot(date, table["measured_nmol_m2_s"], ".", color="0.3", markersize=2, label="measured")
    axes.set(title=title, ylabel="CH$_4$ flux (nmol m$^{-2}$ s$^{-1}$)")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)
    with whole_file(path) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary))
