"""Budgets with intervals: draws of member x extent x a field of log bias.

An uncertainty of a total is that of totals of draws; spreads of cells are never added.
A draw takes one member, one field and every extent, so extents share the field.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chamnet.budget.draws import Masses, Spread, Totals, draw_totals
from chamnet.budget.references import SCOPE, check_references, find_reference
from chamnet.budget.regions import Regions, open_regions
from chamnet.budget.weights import Cells, read_applicability
from chamnet.errors import InputError
from chamnet.provenance import read_json, whole_file, write_text

logger = logging.getLogger(__name__)

MIN_DRAWS = 500
LOWEST_RATIO, HIGHEST_RATIO = 0.5, 2.0  # of a member's globe to the members' median
QUANTILES = (0.05, 0.5, 0.95)
POOLED = "all"


def summarize_budgets(
    *,
    csv: str | os.PathLike,
    netcdf: str | os.PathLike,
    digest: str,
    budgets: Sequence[str | os.PathLike],
    masses: Sequence[str | os.PathLike],
    cells: str | os.PathLike,
    regions: str | os.PathLike,
    calibrations: Mapping[str, str | os.PathLike],
    n_draws: int = 1000,
    correlation_km: float = 500.0,
    seed: int = 0,
    synthetic: bool = False,
    applicability: Mapping[str, str | os.PathLike | np.ndarray] | None = None,
    references: str | os.PathLike | None = None,
    dropped_members: Sequence[Mapping[str, str]] = (),
) -> None:
    """Write the table of budgets with intervals, and the totals behind it.

    Parameters
    ----------
    csv : table ``global_budget.csv``, a row a target, region and extent; ``all`` pools extents
    netcdf : ``budget.nc``: monthly totals of every member and extent, Tg, and the draws
    digest : what the content follows from
    budgets, masses : tables and manifests of ``integrate_year``, all targets and years
    cells, regions : manifests of the grid's stores
    calibrations : ``calibration.json`` by target, for ``log_bias_sd`` and ``n_clusters``
    n_draws : at least 500; rounded up to a multiple of the members
    correlation_km : km
        Correlation length of the log-bias field.
    seed : of the draws
    synthetic : whether the inputs are synthetic, which the products then say
    applicability : by target, a manifest of ``build_applicability`` or (cell,): 1 inside the
        driver space of the training places; cells not known to be inside count as outside
    references : table of ``write_references``; None takes the packaged one
    dropped_members : ``target, member, reason`` of networks that are left out; the table says so

    Raises
    ------
    InputError
        If draws are too few, a year has other members or is missing, a member that is to be
        left out is not there, a calibration has no spread, or monthly and annual masses differ.
    """
    if n_draws < MIN_DRAWS:
        raise InputError(f"n_draws {n_draws}, expected at least {MIN_DRAWS}")
    land = Cells.open(cells)
    matrix = open_regions(regions, n_cells=land.latitude.size)
    table = pd.concat([_read_budget(path) for path in budgets], ignore_index=True)
    by_target = _masses_by_target(masses)
    known = {target: read_applicability(v) for target, v in (applicability or {}).items()}
    dropped = reasons_of(dropped_members)
    totals = [
        draw_totals(
            target,
            table[table["target"] == target],
            Masses.read(
                by_target.get(target, []),
                n_cells=land.latitude.size,
                dropped=dropped.get(target, {}),
            ),
            cells=land,
            regions=matrix,
            spread=Spread.read(calibrations.get(target), target=target),
            n_draws=n_draws,
            correlation_km=correlation_km,
            seed=seed,
            applicability=known.get(target),
        )
        for target in dict.fromkeys(table["target"])
    ]
    facts = {"digest": digest, "synthetic": str(bool(synthetic)), "n_draws": n_draws}
    _write_netcdf(netcdf, totals, matrix, facts | {"correlation_km": correlation_km})
    for total in totals:
        warn_of_outliers(total)
    rows = pd.DataFrame(
        [row for total in totals for row in summary_rows(total, matrix, references=references)]
    )
    rows["dropped_members"] = [
        "; ".join(f"{member}: {reason}" for member, reason in dropped.get(target, {}).items())
        for target in rows["target"]
    ]
    rows["scope"] = rows["target"].map(SCOPE)
    rows["synthetic"] = bool(synthetic)
    check_references(rows)
    _write_table(csv, rows)


def reasons_of(dropped_members: Sequence[Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Reason by target and member of ``target, member, reason`` rows."""
    found: dict[str, dict[str, str]] = {}
    for row in dropped_members:
        found.setdefault(row["target"], {})[row["member"]] = row["reason"]
        logger.warning("%(target)s: member %(member)s is left out: %(reason)s", row)
    return found


def warn_of_outliers(totals: Totals) -> None:
    """Warn of members whose budget of the globe is beyond half to twice the members' median."""
    globe = totals.annual_tg[:, :, 0].mean(axis=(1, 2))
    ratio = globe / np.median(globe)
    for member, value in zip(totals.members, ratio, strict=True):
        if not LOWEST_RATIO <= value <= HIGHEST_RATIO:
            logger.warning(
                "%s: member %s gives %.2f of the members' median; it stays in unless "
                "budget.dropped_members names it, with a reason",
                totals.target,
                member,
                value,
            )


def _write_table(csv: str | os.PathLike, rows: pd.DataFrame) -> None:
    write_text(csv, rows.to_csv(index=False, float_format="%.9g"))
    logger.info("summarize_budgets: %d rows written", len(rows))


def _read_budget(path: str | os.PathLike) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"member": str, "extent": str, "region": str}, na_filter=False)


def _masses_by_target(masses: Sequence[str | os.PathLike]) -> dict[str, list[str | os.PathLike]]:
    found: dict[str, list[str | os.PathLike]] = {}
    for manifest in masses:
        found.setdefault(str(read_json(manifest)["target"]), []).append(manifest)
    return found


def summary_rows(
    totals: Totals, regions: Regions, *, references: str | os.PathLike | None = None
) -> list[dict[str, Any]]:
    """Rows of ``global_budget.csv`` of one target.

    Notes
    -----
    ``mean_tg`` is the mean over members, extents and years; ``sd_tg`` and the quantiles are
    of the draws of that mean. Of the pooled extents, ``var_network`` (members and log bias)
    and ``var_extent`` add up to ``sd_tg`` squared (law of total variance).
    ``var_interannual`` is the variance of single years about the mean: it is not in ``sd_tg``.
    """
    rows = []
    for index in range(len(regions.name)):
        for number, extent in enumerate([POOLED, *totals.extents]):
            chosen = slice(None) if extent == POOLED else slice(number - 1, number)
            row = _row(totals, regions, index=index, extent=extent, chosen=chosen)
            rows.append(row | _reference_columns(row, references))
    return rows


def _row(
    totals: Totals, regions: Regions, *, index: int, extent: str, chosen: slice
) -> dict[str, Any]:
    draws = totals.draws_tg[chosen, :, index]  # (extent, draw)
    annual = totals.annual_tg[:, chosen, index]  # (member, extent, year)
    low, middle, high = np.quantile(draws, QUANTILES)
    system, region = regions.system[index], regions.name[index]
    years = annual.mean(axis=(0, 1))
    mean_by_extent = annual.mean(axis=(0, 2))
    has_mass = mean_by_extent > 0  # the share of nothing is not known
    outside = np.nan
    if has_mass.any():
        share = totals.outside_share[chosen, index]
        outside = np.average(share[has_mass], weights=mean_by_extent[has_mass])
    return {
        "target": totals.target,
        "region_system": system,
        "region": region,
        "extent": extent,
        "first_year": totals.years[0],
        "last_year": totals.years[-1],
        "mean_tg": annual.mean(),
        "sd_tg": draws.std(),
        "q05_tg": low,
        "q50_tg": middle,
        "q95_tg": high,
        "n_members": len(totals.members),
        "var_network": draws.var(axis=1).mean(),
        "var_extent": draws.mean(axis=1).var(),
        "var_interannual": years.var(ddof=1) if years.size > 1 else np.nan,
        "outside_share": outside,
    }


def _reference_columns(
    row: Mapping[str, Any], references: str | os.PathLike | None
) -> dict[str, Any]:
    found = find_reference(
        row["target"], row["region_system"], row["region"], references=references
    )
    return {
        "reference_mean_tg": found.mean_tg if found else np.nan,
        "reference_min_tg": found.min_tg if found else np.nan,
        "reference_max_tg": found.max_tg if found else np.nan,
        "reference": found.text if found else "",
    }


def _write_netcdf(
    path: str | os.PathLike, totals: list[Totals], regions: Regions, facts: dict[str, Any]
) -> None:
    data = xr.concat([_dataset(total, regions) for total in totals], dim="target", join="outer")
    data = data.assign_coords(target=[total.target for total in totals])
    data.attrs = {
        "Conventions": "CF-1.11",
        "title": "Methane budgets by region: totals of members and years, and draws of the mean",
        "comment": " ".join(f"{total.target}: {SCOPE[total.target]}." for total in totals),
        **facts,
    }
    with whole_file(path) as temporary:
        data.to_netcdf(temporary, engine="netcdf4", format="NETCDF4")


def _dataset(totals: Totals, regions: Regions) -> xr.Dataset:
    attrs = {"units": "Tg"}
    return xr.Dataset(
        {
            "mass_tg": (
                ("member", "extent", "region", "year", "month"),
                totals.monthly_tg,
                attrs | {"long_name": "CH4 of the month"},
            ),
            "draw_tg": (
                ("extent", "draw", "region"),
                totals.draws_tg.astype(np.float32),
                attrs | {"long_name": "CH4 a year, mean over the years, of each draw"},
            ),
            "draw_member": (
                "draw",
                np.array(totals.members)[totals.draw_member],
                {"long_name": "name of the member of the draw"},
            ),
        },
        coords={
            "member": totals.members,
            "extent": totals.extents,
            "year": totals.years,
            "month": np.arange(1, 13),
            "draw": np.arange(totals.draw_member.size),
            "region_name": ("region", list(regions.name)),
            "region_system": ("region", list(regions.system)),
        },
    )
