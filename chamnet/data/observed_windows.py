"""Windows of observed flux: a day at a tower, a month at a chamber, and what was dropped."""

import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd

from chamnet.data.chambers import Chambers
from chamnet.data.tower_columns import MEASURED
from chamnet.data.towers import Tower
from chamnet.data.windows import UNKNOWN_YEAR
from chamnet.timeaxis import N_MONTHS, month_lengths, require_calendar
from chamnet.units import nmol_m2_s_to_kg_m2_s

logger = logging.getLogger(__name__)

NO_MONTH = NO_STEP = -1
DROPPED_COLUMNS = ["source", "place", "reason", "n_dropped", "n_kept"]


def build_tower_windows(
    towers: Sequence[Tower],
    *,
    years: Sequence[int],
    calendar: str,
    lowest_nmol_m2_s: float,
    highest_nmol_m2_s: float,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Daily windows of towers, and the counts of days that were dropped.

    Parameters
    ----------
    years : years that there are drivers of
    lowest_nmol_m2_s, highest_nmol_m2_s : nmol m-2 s-1
        Bounds of a daily flux.

    Returns
    -------
    windows : a row a window
        place (index of the tower), year, month, first, last, flux, uncertainty, quality.
    dropped : a row a site and reason
    """
    bounds = [nmol_m2_s_to_kg_m2_s(bound) for bound in (lowest_nmol_m2_s, highest_nmol_m2_s)]
    tables, dropped = [], []
    for place, tower in enumerate(towers):
        days = tower.days
        step = _steps(days.index, calendar=calendar)
        is_outside = (days["flux"] < bounds[0]) | (days["flux"] > bounds[1])
        tests = {
            "without flux": days["flux"].isna(),
            f"beyond {lowest_nmol_m2_s:g} to {highest_nmol_m2_s:g} nmol m-2 s-1": is_outside,
            f"outside the years {min(years)} to {max(years)}": ~days.index.year.isin(years),
            f"not a day of calendar {calendar}": step == NO_STEP,
        }
        reason = np.select([np.asarray(t) for t in tests.values()], list(tests), default="")
        is_kept = reason == ""
        kept = days[is_kept]
        tables.append(
            pd.DataFrame(
                {
                    "place": place,
                    "year": kept.index.year,
                    "month": NO_MONTH,
                    "first": step[is_kept],
                    "last": step[is_kept],
                    "flux": kept["flux"].to_numpy(),
                    "uncertainty": kept["uncertainty"].to_numpy(),
                    "quality": kept["quality"].to_numpy(),
                }
            )
        )
        dropped.append(
            count_dropped(reason, place=tower.site_id, source=tower.path.name, n_kept=len(kept))
        )
        _log_site(tower, kept=kept, reason=reason)
    return pd.concat(tables, ignore_index=True), pd.concat(dropped, ignore_index=True)


def build_chamber_windows(
    chambers: Chambers, *, years: Sequence[int], calendar: str, source: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Monthly windows of chambers, and the counts of months that were dropped.

    A month without a year has no steps: they are -1 and the month says when it was.
    """
    months = chambers.months
    has_year = months["year"] != UNKNOWN_YEAR
    is_kept = ~has_year | months["year"].isin(years)
    kept, has_year = months[is_kept], has_year[is_kept]
    index = pd.Series(range(len(chambers.places)), index=chambers.places["place"])
    first, last = _steps_of_months(kept["year"], kept["month"], calendar=calendar)
    windows = pd.DataFrame(
        {
            "place": kept["place"].map(index).to_numpy(),
            "year": kept["year"].to_numpy(),
            "month": kept["month"].to_numpy(),
            "first": np.where(has_year, first, NO_STEP),
            "last": np.where(has_year, last, NO_STEP),
            "flux": kept["flux"].to_numpy(),
            "uncertainty": kept["uncertainty"].to_numpy(),
            "quality": MEASURED,
        }
    )
    reason = f"outside the years {min(years)} to {max(years)}"
    n_kept = kept.groupby("place").size()
    lost = months[~is_kept].groupby("place").size()
    dropped = [
        count_dropped(
            np.full(count, reason), place=place, source=source, n_kept=int(n_kept.get(place, 0))
        )
        for place, count in lost.items()
    ]
    if len(lost):
        logger.info("chambers: %d months dropped, %s", int(lost.sum()), reason)
    return windows, pd.concat([empty_dropped(), *dropped], ignore_index=True)


def count_dropped(
    reasons: np.ndarray | Sequence[str], *, place: str, source: str, n_kept: int
) -> pd.DataFrame:
    """Table of how often each reason dropped something of a place; '' is none."""
    reasons = np.asarray(reasons, dtype=object)
    names, counts = np.unique(reasons[reasons != ""].astype(str), return_counts=True)
    rows = [
        (source, place, name, int(count), n_kept) for name, count in zip(names, counts, strict=True)
    ]
    return pd.DataFrame(rows, columns=DROPPED_COLUMNS).astype(empty_dropped().dtypes)


def empty_dropped() -> pd.DataFrame:
    """Table of dropped things, without any."""
    return pd.DataFrame(
        {
            name: pd.Series(dtype="int64" if name.startswith("n_") else "object")
            for name in DROPPED_COLUMNS
        }
    )


def _steps(days: pd.DatetimeIndex, *, calendar: str) -> np.ndarray:
    steps = np.empty(days.size, dtype=int)
    for year in np.unique(days.year):
        at = days.year == year
        lengths = month_lengths(int(year), calendar=calendar)
        starts = np.cumsum(lengths) - lengths
        month, day = days[at].month - 1, days[at].day
        steps[at] = np.where(day <= lengths[month], starts[month] + day - 1, NO_STEP)
    return steps


def _steps_of_months(
    years: pd.Series, months: pd.Series, *, calendar: str
) -> tuple[np.ndarray, np.ndarray]:
    name = require_calendar(calendar)
    table = np.zeros((years.size, N_MONTHS), dtype=int)
    for year in years.unique():
        table[(years == year).to_numpy()] = month_lengths(max(int(year), 1), calendar=name)
    ends = np.cumsum(table, axis=1)
    rows = np.arange(years.size)
    last = ends[rows, months.to_numpy()] - 1
    return last - table[rows, months.to_numpy()] + 1, last


def _log_site(tower: Tower, *, kept: pd.DataFrame, reason: np.ndarray) -> None:
    names, counts = np.unique(reason[reason != ""], return_counts=True)
    lost = ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True))
    logger.info(
        "towers: %s %d days, %d kept (%d measured); dropped: %s",
        tower.site_id,
        len(tower.days),
        len(kept),
        int((kept["quality"] == MEASURED).sum()),
        lost or "none",
    )
