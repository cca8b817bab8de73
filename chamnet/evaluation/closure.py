"""Closure of the demo: budgets and maps against the truth of the synthetic world."""

import dataclasses
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chamnet.budget.draws import keep_members
from chamnet.budget.uncertainty import reasons_of
from chamnet.budget.weights import Cells, region_weights
from chamnet.constants import KG_PER_TG
from chamnet.data.store import open_store
from chamnet.errors import CalendarError, GridError, InputError
from chamnet.evaluation.fields import FluxYear
from chamnet.provenance import write_json, write_text

logger = logging.getLogger(__name__)

TRUTHS = {"emission": "wetland_ch4_flux", "consumption": "soil_ch4_consumption_flux"}
SYSTEMS = ("globe", "gcp_bands")
POOLED = "all"


@dataclasses.dataclass(slots=True)
class WeightedSkill:
    """Sums behind a weighted R2, which merge over years.

    Parameters
    ----------
    weight, truth, truth_squared : sums of w, w t and w t^2
    error_squared : sum of w (p - t)^2
    """

    weight: float = 0.0
    truth: float = 0.0
    truth_squared: float = 0.0
    error_squared: float = 0.0

    def add(self, truth: np.ndarray, predicted: np.ndarray, weight: np.ndarray) -> None:
        """Add fields of one shape; where one is NaN or the weight is 0, nothing counts."""
        is_used = np.isfinite(truth) & np.isfinite(predicted) & (weight > 0)
        t, p, w = (v[is_used] for v in np.broadcast_arrays(truth, predicted, weight))
        self.weight += float(w.sum())
        self.truth += float(w @ t)
        self.truth_squared += float(w @ t**2)
        self.error_squared += float(w @ (p - t) ** 2)

    @property
    def r2(self) -> float:
        """1 - sum w (p - t)^2 / sum w (t - mean t)^2; NaN where the truth has no spread."""
        spread = self.truth_squared - self.truth**2 / self.weight if self.weight else 0.0
        return 1 - self.error_squared / spread if spread > 0 else np.nan


def check_closure(
    *,
    out: str | os.PathLike,
    truth: str | os.PathLike,
    global_budget: str | os.PathLike,
    fluxes: Mapping[str, Sequence[str | os.PathLike]],
    wetlands: Sequence[str | os.PathLike],
    cells: str | os.PathLike,
    cell_means: str | os.PathLike,
    dropped_members: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """Compare budgets and maps with the truth of the demo world; writes closure.json.

    Parameters
    ----------
    out : checks/closure.json
    truth : manifest of the demo's truth.zarr: monthly fluxes (time, latitude, longitude), kg m-2
        s-1 per m2 of their own surface, and ``_ceiling`` ones with hidden traits at their
        attribute mean
    global_budget : global_budget.csv
    fluxes : manifests of the predicted fluxes by target, all years
    wetlands : manifests of the extents, all years
    cells : manifest of the cells
    cell_means : CSV, a row a target and cell: true and estimated mean flux density over all
        months and extents, weighted by the surface, kg m-2 s-1, and that surface, m2
    dropped_members : ``target, member, reason`` of networks that budget and maps leave out

    Returns
    -------
    dict
        As written. ``rows``: a target's true and estimated Tg per year under each extent
        (``all``: their mean), globe and latitude bands, with the 90 % interval and the
        relative error. ``maps``: R2 of the monthly flux density of cells, weighted by the
        area of their wetland or upland soil, beside that of the ceiling; and of the means
        over all months.

    Raises
    ------
    CalendarError
        If the truth lacks a month that is predicted.
    GridError
        If the truth is on another grid.
    InputError
        If the budget lacks a target, extent or region that is compared, or a member that is to
        be left out is not there.

    Notes
    -----
    True mass: flux x fraction x area of the cell (WGS84) x seconds of the month.
    """
    land = Cells.open(cells)
    budget = pd.read_csv(global_budget, na_filter=False, dtype={"extent": str, "region": str})
    world = open_store(truth)
    dropped = reasons_of(dropped_members)
    rows, maps, tables = [], [], []
    for target, manifests in fluxes.items():
        left_out = dropped.get(target, {})
        compared = _compare_target(target, manifests, wetlands, world, land, left_out)
        rows += _budget_rows(target, compared, budget, land)
        maps += compared.map_rows(target)
        tables.append(compared.cell_table(target, land))
        logger.info("check_closure: %s, %d years compared", target, len(manifests))
    values = {"synthetic": True, "rows": rows, "maps": maps}
    table = pd.concat(tables, ignore_index=True)
    write_text(cell_means, table.to_csv(index=False, float_format="%.6g"))
    write_json(out, _plain(values))
    _log_globe(rows)
    return values


@dataclasses.dataclass(slots=True)
class _Compared:
    """A target's truth under each extent, and the skill of its maps.

    Parameters
    ----------
    true_kg : (extent, cell), mean a year
    monthly : by extent, skills of the estimate and of the ceiling
    sums : surface x time (m2 s), and it times truth, estimate and ceiling, (4, extent, cell)
    seconds : length of all months together
    n_without_truth : cells with the surface but without a true flux
    """

    extents: tuple[str, ...]
    true_kg: np.ndarray
    monthly: list[tuple[WeightedSkill, WeightedSkill]]
    sums: np.ndarray
    seconds: float
    n_without_truth: int

    def cell_table(self, target: str, cells: Cells) -> pd.DataFrame:
        """Means of the cells that have the surface, a row each."""
        surface_s, true, estimate, _ = self.sums.mean(axis=1)
        at = np.flatnonzero(surface_s > 0)
        return pd.DataFrame(
            {
                "target": target,
                "latitude": cells.latitude[at],
                "longitude": cells.longitude[at],
                "true": true[at] / surface_s[at],
                "estimated": estimate[at] / surface_s[at],
                "surface_m2": surface_s[at] / self.seconds,
            },
            index=pd.Index(at, name="cell"),
        ).reset_index()

    def map_rows(self, target: str) -> list[dict[str, Any]]:
        """Rows of ``maps``, one an extent."""
        mean_map = _skill_of_means(self.sums)
        return [
            {
                "target": target,
                "variable": TRUTHS[target],
                "extent": extent,
                "r2": self.monthly[i][0].r2,
                "r2_ceiling": self.monthly[i][1].r2,
                "r2_mean_map": mean_map[i][0].r2,
                "r2_mean_map_ceiling": mean_map[i][1].r2,
                "n_cells_without_truth": self.n_without_truth,
            }
            for i, extent in enumerate(self.extents)
        ]


def _compare_target(
    target: str,
    manifests: Sequence[str | os.PathLike],
    wetlands: Sequence[str | os.PathLike],
    world: xr.Dataset,
    cells: Cells,
    dropped: Mapping[str, str],
) -> _Compared:
    true_kg: Any = 0.0
    sums: Any = 0.0
    seconds = 0.0
    monthly: list[tuple[WeightedSkill, WeightedSkill]] = []
    without = np.zeros(cells.latitude.size, dtype=bool)
    for manifest in manifests:
        year = FluxYear.open(manifest, wetlands, target=target, cells=cells)
        true, ceiling = _truth_of_year(world, TRUTHS[target], year.year, cells)
        kept = keep_members(year.members, dropped, source=manifest)
        estimate = year.flux[kept].mean(axis=0)  # (month, cell)
        without |= (~np.isfinite(true) & (year.surface_m2 > 0).any(axis=0)).any(axis=0)
        true_kg = true_kg + year.mass_kg(true) / len(manifests)
        monthly = monthly or [(WeightedSkill(), WeightedSkill()) for _ in year.extents]
        weight = year.surface_m2 * year.seconds[:, None]
        for (skill, best), surface in zip(monthly, weight, strict=True):
            skill.add(true, estimate, surface)
            best.add(true, ceiling, surface)
        fields = (np.ones_like(true), true, estimate, ceiling)
        sums = sums + np.stack([(weight * np.nan_to_num(f)).sum(axis=1) for f in fields])
        seconds += float(year.seconds.sum())
    if without.any():
        logger.warning("check_closure: %d cells of %s have no truth", without.sum(), target)
    return _Compared(year.extents, true_kg, monthly, sums, seconds, int(without.sum()))


def _skill_of_means(sums: np.ndarray) -> list[tuple[WeightedSkill, WeightedSkill]]:
    """Skills of the maps of means over all months, by extent, from sums (4, extent, cell)."""
    weight = sums[0]
    means = [np.divide(s, weight, out=np.full_like(weight, np.nan), where=weight > 0)
             for s in sums[1:]]  # fmt: skip
    skills = []
    for i in range(len(weight)):
        pair = WeightedSkill(), WeightedSkill()
        pair[0].add(means[0][i], means[1][i], weight[i])
        pair[1].add(means[0][i], means[2][i], weight[i])
        skills.append(pair)
    return skills


def _truth_of_year(
    world: xr.Dataset, name: str, year: int, cells: Cells
) -> tuple[np.ndarray, np.ndarray]:
    """True flux and ceiling of a year at the cells, (month, cell) each."""
    if (world.sizes["latitude"], world.sizes["longitude"]) != cells.grid.shape:
        raise GridError(
            f"the truth is on {world.sizes['latitude']} x {world.sizes['longitude']} cells, "
            f"expected the run's {cells.grid.shape[0]} x {cells.grid.shape[1]}: "
            "demo.step_deg and grid.step_deg must agree"
        )
    chosen = world.isel(time=np.flatnonzero(world["time"].dt.year.values == year))
    if chosen.sizes["time"] != 12:
        raise CalendarError(f"the truth has {chosen.sizes['time']} months of {year}, expected 12")
    chosen = chosen.sortby(["time", "latitude", "longitude"])
    fields = (chosen[name], chosen[f"{name}_ceiling"])
    true, ceiling = (
        cells.take(field.transpose("time", "latitude", "longitude").values.astype(np.float64))
        for field in fields
    )
    return true, ceiling


def _budget_rows(
    target: str, compared: _Compared, budget: pd.DataFrame, cells: Cells
) -> list[dict[str, Any]]:
    rows = []
    for system in SYSTEMS:
        for region, weight in region_weights(system, cells).items():
            true_tg = compared.true_kg @ weight / KG_PER_TG  # (extent,)
            pairs = [*zip(compared.extents, true_tg, strict=True), (POOLED, true_tg.mean())]
            for extent, value in pairs:
                found = _find_budget(budget, target, system, region, extent)
                rows.append(
                    {
                        "target": target,
                        "extent": extent,
                        "region_system": system,
                        "region": region,
                        "true_tg": float(value),
                        **{name: float(found[name]) for name in ("mean_tg", "q05_tg", "q95_tg")},
                        "relative_error": float(found["mean_tg"]) / float(value) - 1
                        if value
                        else np.nan,
                    }
                )
    return rows


def _find_budget(
    budget: pd.DataFrame, target: str, system: str, region: str, extent: str
) -> pd.Series:
    is_row = (budget["target"] == target) & (budget["region_system"] == system)
    is_row &= (budget["region"] == region) & (budget["extent"] == extent)
    if is_row.sum() != 1:
        raise InputError(
            f"global_budget.csv has {is_row.sum()} rows of {target}, {system}, {region}, extent "
            f"{extent}, expected 1"
        )
    return budget[is_row].iloc[0]


def _plain(values: Any) -> Any:
    """Values with NaN as null: JSON has no NaN."""
    if isinstance(values, dict):
        return {key: _plain(value) for key, value in values.items()}
    if isinstance(values, list):
        return [_plain(value) for value in values]
    return None if isinstance(values, float) and not np.isfinite(values) else values


def _log_globe(rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        if row["region_system"] == "globe":
            logger.info(
                "check_closure (synthetic): %s, extent %s: true %.1f Tg, estimated %.1f "
                "[%.1f, %.1f], error %+.1f %%",
                row["target"], row["extent"], row["true_tg"], row["mean_tg"], row["q05_tg"],
                row["q95_tg"], 100 * row["relative_error"],
            )  # fmt: skip
