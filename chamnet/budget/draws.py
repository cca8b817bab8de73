"""Totals of members, and of draws of member x log-bias field, for one target."""

import dataclasses
import logging
import os
from collections.abc import Collection, Sequence
from typing import Self

import numpy as np
import pandas as pd

from chamnet.budget.biasfield import draw_bias_fields
from chamnet.budget.regions import Regions
from chamnet.budget.weights import Cells
from chamnet.constants import KG_PER_TG
from chamnet.data.store import open_store
from chamnet.errors import InputError
from chamnet.provenance import read_json
from chamnet.timeaxis import N_MONTHS

logger = logging.getLogger(__name__)

CELLS_PER_PART = 8192


@dataclasses.dataclass(frozen=True, slots=True)
class Spread:
    """How far predictions may be off, from out-of-bag clusters.

    Attributes
    ----------
    log_bias : 1
        Spread of the log bias between clusters: of a field that neighbours share.
    log_mean : 1
        Standard error of the mean over the clusters that the mean factor was fitted on:
        the same for every cell of a draw.
    """

    log_bias: float
    log_mean: float = 0.0

    @classmethod
    def read(cls, path: str | os.PathLike | None, *, target: str) -> Self:
        """Spread from ``calibration.json``: ``log_bias_sd`` and ``n_clusters``.

        Raises
        ------
        InputError
            If there is no ``log_bias_sd``, or it is no number from 0.
        """
        found = read_json(path) if path else {}
        log_bias = found.get("log_bias_sd")
        if log_bias is None or not np.isfinite(log_bias) or log_bias < 0:
            raise InputError(
                f"calibration of {target} ({path}): log_bias_sd is {log_bias!r}, "
                "expected a number >= 0"
            )
        n_clusters = found.get("n_clusters")
        if not n_clusters:
            logger.warning("%s: no n_clusters, the mean factor is taken as exact", path)
        return cls(float(log_bias), float(log_bias) / np.sqrt(n_clusters) if n_clusters else 0.0)


@dataclasses.dataclass(frozen=True, slots=True)
class Totals:
    """All totals of one target.

    Attributes
    ----------
    annual_tg : (member, extent, region, year), Tg
    draws_tg : (extent, draw, region), Tg
        Of the mean over the years.
    draw_member : (draw,)
        Member of each draw; every one comes up as often.
    outside_share : (extent, region), 1
        Share from outside the area of applicability; NaN where that is not known.
    """

    target: str
    members: list[str]
    extents: list[str]
    years: list[int]
    annual_tg: np.ndarray
    monthly_tg: np.ndarray
    draws_tg: np.ndarray
    draw_member: np.ndarray
    outside_share: np.ndarray


@dataclasses.dataclass(frozen=True, slots=True)
class Masses:
    """Mean mass of each cell over the years, (member, extent, cell), kg, and who is in it."""

    mean_kg: np.ndarray
    members: list[str]
    extents: list[str]
    years: list[int]

    @classmethod
    def read(
        cls,
        manifests: Sequence[str | os.PathLike],
        *,
        n_cells: int,
        dropped: Collection[str] = (),
    ) -> Self:
        """Mean of the annual masses of ``integrate_year``; all of the same members.

        Parameters
        ----------
        dropped : members that are left out

        Raises
        ------
        InputError
            If there is none, a year has other members, extents or cells, a member that is to be
            left out is not there, or none remains.
        """
        if not manifests:
            raise InputError("no annual masses of cells, expected one store a year")
        total: np.ndarray | None = None
        years, names = [], ([], [])
        for manifest in manifests:
            data = open_store(manifest)
            found = tuple([str(v) for v in data[dim].values] for dim in ("member", "extent"))
            mass = data["mass"].transpose("member", "extent", "cell").values
            if total is None:
                total, names = np.zeros_like(mass, dtype=np.float64), found
            if found != names or mass.shape[-1] != n_cells:
                raise InputError(
                    f"{manifest}: members, extents {found} of {mass.shape[-1]} cells, expected "
                    f"{names} of {n_cells} as in {manifests[0]}; a member that failed is dropped "
                    "from every year, or from none"
                )
            total += mass
            years.append(int(data.attrs["year"]))
        kept = keep_members(names[0], dropped, source=manifests[0])
        members = [names[0][i] for i in kept]
        return cls(total[kept] / len(years), members, names[1], years=sorted(years))


def keep_members(
    members: Sequence[str], dropped: Collection[str], *, source: str | os.PathLike
) -> list[int]:
    """Places of the members that are not left out.

    Raises
    ------
    InputError
        If one that is to be left out is not among them, or none remains.
    """
    unknown = sorted(set(dropped) - set(members))
    kept = [i for i, member in enumerate(members) if member not in dropped]
    if unknown or not kept:
        raise InputError(
            f"budget.dropped_members {sorted(dropped)}: {source} has members {list(members)}, "
            "expected some of them, and not all"
        )
    return kept


def draw_totals(
    target: str,
    table: pd.DataFrame,
    masses: Masses,
    *,
    cells: Cells,
    regions: Regions,
    spread: Spread,
    n_draws: int,
    correlation_km: float,
    seed: int,
    applicability: np.ndarray | None = None,
) -> Totals:
    """Totals of members and years, and of draws, for one target.

    Raises
    ------
    InputError
        If the table and the masses of cells do not agree.
    """
    monthly = _monthly(table, masses, regions)  # (member, extent, region, year, month)
    annual = monthly.sum(axis=-1)
    _check_masses(target, annual, masses, regions)
    n_draws = -(-n_draws // len(masses.members)) * len(masses.members)
    rng = np.random.default_rng([seed, *target.encode()])
    draw_member = rng.permutation(np.resize(np.arange(len(masses.members)), n_draws))
    draws = _draw(masses, draw_member, cells, regions, spread, correlation_km, rng)
    logger.info("summarize_budgets %s: %d draws done", target, n_draws)
    return Totals(
        target=target,
        members=masses.members,
        extents=masses.extents,
        years=masses.years,
        annual_tg=annual,
        monthly_tg=monthly,
        draws_tg=draws,
        draw_member=draw_member,
        outside_share=_outside_share(masses, regions, applicability),
    )


def _monthly(table: pd.DataFrame, masses: Masses, regions: Regions) -> np.ndarray:
    keys = ["member", "extent", "region_system", "region", "year", "month"]
    series = table.set_index(keys)["mass_tg"]
    pairs = list(zip(regions.system, regions.name, strict=True))
    wanted = pd.MultiIndex.from_tuples(
        [
            (member, extent, *pair, year, month)
            for member in masses.members
            for extent in masses.extents
            for pair in pairs
            for year in masses.years
            for month in range(1, N_MONTHS + 1)
        ],
        names=keys,
    )
    found = series.reindex(wanted)
    if found.isna().any():
        first = ", ".join(
            f"{key} {value}" for key, value in zip(keys, wanted[found.isna().argmax()], strict=True)
        )
        raise InputError(
            f"budgets: no mass_tg of {first} and {int(found.isna().sum()) - 1} more, "
            "expected one row each"
        )
    shape = (len(masses.members), len(masses.extents), len(pairs), len(masses.years), N_MONTHS)
    return found.to_numpy().reshape(shape)


def _check_masses(target: str, annual: np.ndarray, masses: Masses, regions: Regions) -> None:
    """Mass is conserved: from cells and from monthly tables the same totals."""
    by_cell = (regions.weight @ masses.mean_kg.reshape(-1, masses.mean_kg.shape[-1]).T).T
    by_cell = by_cell.reshape(*masses.mean_kg.shape[:2], -1) / KG_PER_TG
    by_month = annual.mean(axis=-1)
    scale = max(float(np.abs(by_month).max()), 1e-12)
    worst = float(np.abs(by_cell - by_month).max() / scale)
    if worst > 1e-6:
        raise InputError(
            f"budgets of {target}: totals of cells and of months differ by {worst:.2g} of the "
            "largest, expected at most 1e-6; tables and masses are not of one run"
        )


def _draw(
    masses: Masses,
    draw_member: np.ndarray,
    cells: Cells,
    regions: Regions,
    spread: Spread,
    correlation_km: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Totals of draws, (extent, draw, region), Tg."""
    n_cells, n_extents = cells.latitude.size, len(masses.extents)
    draws = np.zeros((n_extents, draw_member.size, len(regions.name)))
    first = 0
    for field in draw_bias_fields(
        n_draws=draw_member.size, log_sd=spread.log_bias, correlation_km=correlation_km, rng=rng
    ):
        batch = slice(first, first + field.amplitude.shape[1])
        first = batch.stop
        for start in range(0, n_cells, CELLS_PER_PART):
            part = slice(start, start + CELLS_PER_PART)
            factor = field.factor(cells.latitude[part], cells.longitude[part])  # (cell, draw)
            for extent in range(n_extents):
                mass = masses.mean_kg[draw_member[batch], extent, part].T * factor
                draws[extent, batch] += (regions.weight[:, part] @ mass).T / KG_PER_TG
    shared = rng.normal(scale=spread.log_mean, size=draw_member.size) - spread.log_mean**2 / 2
    return draws * np.exp(shared)[:, None]


def _outside_share(
    masses: Masses, regions: Regions, applicability: np.ndarray | None
) -> np.ndarray:
    mass = masses.mean_kg.mean(axis=0)  # (extent, cell)
    if applicability is None:
        return np.full((mass.shape[0], len(regions.name)), np.nan)
    if np.shape(applicability) != mass.shape[1:]:
        raise InputError(
            f"applicability has shape {np.shape(applicability)}, expected {mass.shape[1:]}"
        )
    outside = (regions.weight @ (mass * (np.asarray(applicability) != 1)).T).T
    whole = (regions.weight @ mass.T).T
    return np.divide(outside, whole, out=np.full_like(whole, np.nan), where=whole > 0)
