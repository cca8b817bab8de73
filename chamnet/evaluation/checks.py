"""Checks of what a run has made: signs, ranges, coverage, and mass that is conserved.

A check that passes writes its JSON; one that fails raises, and there is no file.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from chamnet.budget.weights import Cells
from chamnet.constants import KG_PER_TG
from chamnet.data.store import open_store
from chamnet.errors import InputError
from chamnet.evaluation.fields import FluxYear
from chamnet.provenance import write_json
from chamnet.units import kg_m2_s_to_nmol_m2_s

logger = logging.getLogger(__name__)

HIGHEST_NMOL_M2_S = {"emission": 5000.0, "consumption": 50.0}
"""A monthly mean beyond these is no flux: towers reach 700 a day, chambers 15 a month."""
TOLERANCE = 1e-5  # of masses, relative: fluxes are kept as float32
LEAST_SHARE = {"gcp_bands": 1 - TOLERANCE, "zhang_bands": 1 - TOLERANCE, "gcp_regions": 0.9}
"""Of the globe's mass that lies in the regions of a system; others may leave any part out."""


def check_fluxes(
    *,
    out: str | os.PathLike,
    target: str,
    fluxes: Sequence[str | os.PathLike],
    wetlands: Sequence[str | os.PathLike],
    cells: str | os.PathLike,
) -> dict[str, Any]:
    """Check the sign, range and coverage of predicted fluxes; writes checks/<name>.json.

    Parameters
    ----------
    out : JSON file
    target : emission or consumption
    fluxes, wetlands : manifests of all years
    cells : manifest of the cells

    Raises
    ------
    InputError
        If a flux is negative, or beyond what any place has; NaN where there is wetland or
        upland soil; a year is missing between the first and the last; or members differ
        between years.
    """
    land = Cells.open(cells)
    years = []
    members: tuple[str, ...] = ()
    for manifest in fluxes:
        year = FluxYear.open(manifest, wetlands, target=target, cells=land)
        years.append(_check_year(year, target=target, source=manifest))
        if members and year.members != members:
            raise InputError(
                f"{manifest}: members {list(year.members)}, expected {list(members)} as in "
                f"{fluxes[0]}"
            )
        members = year.members
        logger.info("check_fluxes %s: %d/%d years", target, len(years), len(fluxes))
    found = sorted(year["year"] for year in years)
    missing = sorted(set(range(found[0], found[-1] + 1)) - set(found))
    if missing:
        raise InputError(f"fluxes of {target}: years {missing} are missing between {found}")
    values = {"target": target, "n_members": len(members), "years": years, "passed": True}
    write_json(out, values)
    return values


def _check_year(year: FluxYear, *, target: str, source: str | os.PathLike) -> dict[str, Any]:
    is_used = (year.surface_m2 > 0).any(axis=0)  # (month, cell)
    is_finite = np.isfinite(year.flux)
    n_missing = int((~is_finite & is_used).sum())
    if n_missing:
        raise InputError(
            f"{source}: NaN in {n_missing} members x months x cells that have a surface to emit "
            "or take up methane, expected a flux"
        )
    known = np.where(is_finite, year.flux, 0.0)
    lowest, highest = float(known.min()), float(kg_m2_s_to_nmol_m2_s(known.max()))
    if lowest < 0:
        raise InputError(f"{source}: flux of {target} reaches {lowest:.3g}, expected none below 0")
    if highest > HIGHEST_NMOL_M2_S[target]:
        raise InputError(
            f"{source}: flux of {target} reaches {highest:.0f} nmol m-2 s-1, expected at most "
            f"{HIGHEST_NMOL_M2_S[target]:.0f}"
        )
    weight = year.surface_m2.mean(axis=0) * year.seconds[:, None]
    mean = float((known.mean(axis=0) * weight).sum() / max(weight.sum(), 1e-30))
    return {
        "year": year.year,
        "highest_nmol_m2_s": highest,
        "mean_nmol_m2_s": kg_m2_s_to_nmol_m2_s(mean),
        "n_nan_without_surface": int((~is_finite).sum()),
        "n_cells": int(year.flux.shape[-1]),
        "n_cells_with_surface": int(is_used.any(axis=0).sum()),
    }


def check_budgets(
    *,
    out: str | os.PathLike,
    global_budget: str | os.PathLike,
    budgets: Sequence[str | os.PathLike],
    masses: Sequence[str | os.PathLike],
    fluxes: Mapping[str, Sequence[str | os.PathLike]],
    wetlands: Sequence[str | os.PathLike],
    cells: str | os.PathLike,
    dropped_members: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """Check that no mass is lost from fluxes to the budget table; writes checks/<name>.json.

    Parameters
    ----------
    out : JSON file
    global_budget : global_budget.csv
    budgets, masses : tables and manifests of `integrate_year`, all targets and years
    fluxes : manifests of the predicted fluxes by target, all years
    wetlands : manifests of the extents, all years
    cells : manifest of the cells
    dropped_members : ``target, member, reason`` of networks that the table leaves out

    Raises
    ------
    InputError
        If the months of the globe do not sum to the masses of its cells, or to fluxes x
        fraction x area x seconds; if complete region systems do not sum to the globe, or
        others to more than it or less than 0.9 of it; or if the budget table's mean is not
        that of members, extents and years.
    """
    table = pd.concat(
        [pd.read_csv(path, dtype={"member": str, "extent": str}, na_filter=False)
         for path in budgets], ignore_index=True,
    )  # fmt: skip
    globe = table[table["region_system"] == "globe"]
    annual = globe.groupby(["target", "year", "member", "extent"])["mass_tg"].sum()
    values = {
        "cells_to_globe": _check_masses(annual, masses),
        "fluxes_to_globe": _check_conservation(annual, fluxes, wetlands, Cells.open(cells)),
        "regions_to_globe": _check_regions(table),
        "table_to_globe": _check_table(_without(annual, dropped_members), global_budget),
        "passed": True,
    }
    logger.info("check_budgets: largest relative differences %s", values)
    write_json(out, values)
    return values


def _without(annual: pd.Series, dropped_members: Sequence[Mapping[str, str]]) -> pd.Series:
    names = {(row["target"], row["member"]) for row in dropped_members}
    pairs = zip(*(annual.index.get_level_values(n) for n in ("target", "member")), strict=True)
    return annual[[pair not in names for pair in pairs]]


def _check_masses(annual: pd.Series, masses: Sequence[str | os.PathLike]) -> float:
    """Largest relative difference of the cells' masses from the globe's months."""
    worst = 0.0
    for manifest in masses:
        data = open_store(manifest)
        target, year = str(data.attrs["target"]), int(data.attrs["year"])
        total = data["mass"].sum("cell").transpose("member", "extent").values / KG_PER_TG
        worst = max(
            worst,
            _compare(
                annual, total, target, year, data["member"].values, data["extent"].values,
                what=f"{manifest}: sum over cells",
            ),
        )  # fmt: skip
    return worst


def _check_conservation(
    annual: pd.Series,
    fluxes: Mapping[str, Sequence[str | os.PathLike]],
    wetlands: Sequence[str | os.PathLike],
    cells: Cells,
) -> float:
    """Largest relative difference of flux x fraction x area x seconds from the globe's."""
    worst = 0.0
    for target, manifests in fluxes.items():
        for manifest in manifests:
            year = FluxYear.open(manifest, wetlands, target=target, cells=cells)
            total = year.mass_kg(year.flux).sum(axis=-1) / KG_PER_TG
            worst = max(
                worst,
                _compare(
                    annual, total, target, year.year, year.members, year.extents,
                    what=f"{manifest}: flux x fraction x area x seconds",
                ),
            )  # fmt: skip
    return worst


def _compare(
    annual: pd.Series,
    total_tg: np.ndarray,
    target: str,
    year: int,
    members: Sequence[str],
    extents: Sequence[str],
    *,
    what: str,
) -> float:
    """Largest relative difference of totals (member, extent) from the budget tables'."""
    worst = 0.0
    for i, member in enumerate(members):
        for j, extent in enumerate(extents):
            key = (target, year, str(member), str(extent))
            if key not in annual.index:
                raise InputError(f"{what}: no budget of {key}")
            difference = _relative(float(total_tg[i, j]), float(annual[key]))
            if difference > TOLERANCE:
                raise InputError(
                    f"{what} gives {total_tg[i, j]:.6g} Tg of {key}, but the budget's months "
                    f"sum to {annual[key]:.6g}"
                )
            worst = max(worst, difference)
    return worst


def _check_regions(table: pd.DataFrame) -> dict[str, float]:
    """Least share of the globe's mass that each region system holds."""
    keys = ["target", "year", "month", "member", "extent"]
    globe = table[table["region_system"] == "globe"].set_index(keys)["mass_tg"]
    shares = {}
    for system, part in table[table["region_system"] != "globe"].groupby("region_system"):
        total = part.groupby(keys)["mass_tg"].sum()
        expected = globe.reindex(total.index)
        excess = float(((total - expected) / expected.abs().clip(lower=1e-30)).max())
        share = float(total.sum() / max(expected.sum(), 1e-30))
        least = LEAST_SHARE.get(str(system), 0.0)
        if excess > TOLERANCE or share < least:
            raise InputError(
                f"regions of {system} hold {share:.6f} of the globe's mass (a month at most "
                f"{1 + excess:.6f}), expected {least:.6f} to 1"
            )
        shares[str(system)] = share
    return shares


def _check_table(annual: pd.Series, global_budget: str | os.PathLike) -> float:
    """Largest relative difference of global_budget.csv from the mean over members and years."""
    rows = pd.read_csv(global_budget, na_filter=False, dtype={"extent": str})
    rows = rows[rows["region_system"] == "globe"]
    worst = 0.0
    for row in rows.itertuples():
        chosen = annual[annual.index.get_level_values("target") == row.target]
        if row.extent != "all":
            chosen = chosen[chosen.index.get_level_values("extent") == row.extent]
        difference = _relative(float(row.mean_tg), float(chosen.mean()))
        if not difference <= 10 * TOLERANCE:  # the table is written with 6 digits
            raise InputError(
                f"global_budget.csv: {row.target}, extent {row.extent}: {row.mean_tg} Tg, but "
                f"members and years have a mean of {chosen.mean():.6g}"
            )
        worst = max(worst, difference)
    return worst


def _relative(value: float, reference: float) -> float:
    return abs(value - reference) / max(abs(reference), 1e-12)
