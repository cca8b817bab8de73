"""From fluxes to mass: exact seconds, exact areas, in sums that merge.

A year is read in parts of cells, so memory does not grow with the grid; the sums of the
parts, in any order, are the sum of the whole.
"""

import dataclasses
import functools
import logging
import operator
import os
from typing import Self

import numpy as np
import pandas as pd
import scipy.sparse
import xarray as xr

from chamnet.budget.regions import Regions, open_regions
from chamnet.budget.weights import Cells
from chamnet.constants import KG_PER_TG
from chamnet.data.store import open_store, write_store
from chamnet.errors import CalendarError, GridError, InputError
from chamnet.provenance import write_text
from chamnet.timeaxis import N_MONTHS, require_calendar, seconds_in_months
from chamnet.units import FLUX_UNITS, require_units

logger = logging.getLogger(__name__)

FRACTIONS = {"emission": "wetland_fraction", "consumption": "upland_fraction"}
CELLS_PER_PART = 8192


@dataclasses.dataclass(frozen=True, slots=True)
class BudgetSum:
    """Mass and the area it came from; sums of parts are the sum of the whole.

    Attributes
    ----------
    mass_kg : (member, extent, month, region), kg
    area_m2 : (extent, month, region), m2
        Of wetland or upland soil.
    """

    mass_kg: np.ndarray
    area_m2: np.ndarray

    @classmethod
    def of(
        cls, mass_kg: np.ndarray, area_m2: np.ndarray, *, weight: scipy.sparse.csr_array
    ) -> Self:
        """Sum over cells into regions.

        Parameters
        ----------
        mass_kg : (member, extent, month, cell), kg
        area_m2 : (extent, month, cell), m2
        weight : sparse (region, cell), 1
        """
        return cls(_to_regions(mass_kg, weight), _to_regions(area_m2, weight))

    def __add__(self, other: Self) -> Self:
        return type(self)(self.mass_kg + other.mass_kg, self.area_m2 + other.area_m2)

    @property
    def mass_tg(self) -> np.ndarray:
        """Mass in Tg, (member, extent, month, region)."""
        return self.mass_kg / KG_PER_TG


def _to_regions(values: np.ndarray, weight: scipy.sparse.csr_array) -> np.ndarray:
    flat = values.reshape(-1, values.shape[-1])
    return (weight @ flat.T).T.reshape(*values.shape[:-1], weight.shape[0])


def integrate_mass(
    flux: np.ndarray, fraction: np.ndarray, area_m2: np.ndarray, seconds: np.ndarray
) -> np.ndarray:
    """Mass of each cell and month, in float64.

    Parameters
    ----------
    flux : (member, month, cell), kg m-2 s-1
        Per m2 of wetland or upland soil; NaN only where the fraction is 0.
    fraction : (extent, month, cell), 1
        Share of the cell's area that is wetland or upland soil.
    area_m2 : (cell,), m2
    seconds : (month,), s

    Returns
    -------
    (member, extent, month, cell), kg
    """
    surface_seconds = fraction.astype(np.float64) * area_m2 * seconds[:, None]
    mass = flux.astype(np.float64)[:, None] * surface_seconds
    return np.where(fraction == 0, 0.0, mass)


def integrate_year(
    *,
    csv: str | os.PathLike,
    store: str | os.PathLike,
    digest: str,
    target: str,
    fluxes: str | os.PathLike,
    wetlands: str | os.PathLike,
    cells: str | os.PathLike,
    regions: str | os.PathLike,
    cells_per_part: int = CELLS_PER_PART,
) -> None:
    """Write a year's budget by member, extent, region and month, and the mass of each cell.

    Parameters
    ----------
    csv : table ``target, member, extent, region_system, region, year, month, mass_tg, area_m2``
    store, digest : annual mass of each cell, (member, extent, cell), kg, and what it follows from
    target : ``emission`` or ``consumption``
    fluxes, wetlands, cells, regions : manifests of the stores of the year and of the grid
    cells_per_part : cells read at once; the result does not depend on it

    Raises
    ------
    CalendarError
        If a month is missing; wetland maps are matched by date, never by position.
    GridError
        If flux, wetlands and cells are not the same cells.
    InputError
        If a flux is negative, or NaN where the fraction is not 0, or a fraction is not 0 to 1.
    UnitsError
        If units are not kg m-2 s-1, 1 and m2.
    """
    land = Cells.open(cells)
    matrix = open_regions(regions, n_cells=land.latitude.size)
    source = _Year.open(fluxes, wetlands, target=target, cells=land)
    parts = [slice(i, i + cells_per_part) for i in range(0, land.latitude.size, cells_per_part)]
    sums: list[BudgetSum] = []
    annual = []
    for done, part in enumerate(parts, start=1):
        budget, mass = _integrate_part(source, part, land=land, regions=matrix)
        sums.append(budget)
        annual.append(mass)
        logger.info("integrate_year %s %d: %d/%d parts", target, source.year, done, len(parts))
    total = functools.reduce(operator.add, sums)
    _write_masses(store, digest, np.concatenate(annual, axis=-1), source=source, cells=land)
    write_text(csv, _table(total, source=source, regions=matrix).to_csv(index=False))


def _integrate_part(
    source: "_Year", part: slice, *, land: Cells, regions: Regions
) -> tuple[BudgetSum, np.ndarray]:
    flux, fraction = source.read(part)
    area = land.area_m2[part]
    mass = integrate_mass(flux, fraction, area, source.seconds)
    surface = fraction.astype(np.float64) * area
    budget = BudgetSum.of(mass, surface, weight=regions.weight[:, part])
    return budget, mass.sum(axis=2)


@dataclasses.dataclass(frozen=True, slots=True)
class _Year:
    """Fluxes and fractions of a year, checked, read in parts."""

    target: str
    year: int
    members: list[str]
    extents: list[str]
    seconds: np.ndarray
    flux: xr.DataArray
    fraction: xr.DataArray
    source: str

    @classmethod
    def open(
        cls,
        fluxes: str | os.PathLike,
        wetlands: str | os.PathLike,
        *,
        target: str,
        cells: Cells,
    ) -> Self:
        data, extent_maps = open_store(fluxes), open_store(wetlands)
        _check_cells(data, cells, source=fluxes)
        _check_cells(extent_maps, cells, source=wetlands)
        year, order = _months_of(data, source=fluxes)
        same_year, wetland_order = _months_of(extent_maps, source=wetlands)
        if same_year != year:
            raise CalendarError(f"{wetlands}: year {same_year}, expected {year} as in {fluxes}")
        calendar = require_calendar(data["time"].dt.calendar)
        fraction = require_units(extent_maps[FRACTIONS[target]], "1")
        return cls(
            target=target,
            year=year,
            members=[str(v) for v in data["member"].values],
            extents=[str(v) for v in extent_maps["extent"].values],
            seconds=seconds_in_months(year, calendar=calendar),
            flux=require_units(data["flux"], FLUX_UNITS).isel(time=order),
            fraction=fraction.isel(time=wetland_order),
            source=f"{fluxes} over {wetlands}",
        )

    def read(self, part: slice) -> tuple[np.ndarray, np.ndarray]:
        """Flux (member, month, cell) and fraction (extent, month, cell) of some cells."""
        flux = self.flux.isel(cell=part).transpose("member", "time", "cell").values
        fraction = self.fraction.isel(cell=part).transpose("extent", "time", "cell").values
        self._check(flux, fraction)
        return flux, fraction

    def _check(self, flux: np.ndarray, fraction: np.ndarray) -> None:
        if not (fraction.min() >= 0 and fraction.max() <= 1 + 1e-6):  # NaN fails too
            raise InputError(
                f"{self.source}: {FRACTIONS[self.target]} reaches from {fraction.min()} to "
                f"{fraction.max()}, expected 0 to 1 in every cell"
            )
        is_used = (fraction > 0).any(axis=0)  # (month, cell)
        n_missing = int((~np.isfinite(flux) & is_used).sum())
        if n_missing:
            raise InputError(
                f"{self.source}: flux is NaN in {n_missing} members x months x cells where "
                f"{FRACTIONS[self.target]} is not 0, expected a number"
            )
        lowest = np.nanmin(flux, initial=0.0)
        if lowest < 0:
            raise InputError(
                f"{self.source}: flux of {self.target} reaches {lowest:.3g} {FLUX_UNITS}, "
                "expected none below 0: emission and consumption are two fields, both positive"
            )
        n_unused = int((~np.isfinite(flux)).sum())
        if n_unused:
            logger.info("%s: %d NaN fluxes count as 0, their fraction is 0", self.source, n_unused)


def _check_cells(data: xr.Dataset, cells: Cells, *, source: str | os.PathLike) -> None:
    if data.sizes["cell"] != cells.latitude.size:
        raise GridError(f"{source}: {data.sizes['cell']} cells, expected {cells.latitude.size}")
    for name, expected in (("latitude", cells.latitude), ("longitude", cells.longitude)):
        if name in data and not np.allclose(data[name].values, expected, atol=1e-4):
            worst = int(np.argmax(np.abs(data[name].values - expected)))
            raise GridError(
                f"{source}: {name} of cell {worst} is {float(data[name][worst]):g}, expected "
                f"{expected[worst]:g}; not the cells of cells.zarr"
            )


def _months_of(data: xr.Dataset, *, source: str | os.PathLike) -> tuple[int, np.ndarray]:
    """Year of a store, and where each of its months is."""
    years, months = data["time"].dt.year.values, data["time"].dt.month.values
    is_whole = sorted(months.tolist()) == list(range(1, N_MONTHS + 1))
    if not is_whole or len(set(years.tolist())) != 1:
        raise CalendarError(
            f"{source}: months {months.tolist()} of years {sorted(set(years.tolist()))}, "
            "expected the 12 months of one year"
        )
    return int(years[0]), np.argsort(months)


def _table(total: BudgetSum, *, source: _Year, regions: Regions) -> pd.DataFrame:
    members, extents = source.members, source.extents
    shape = (len(members), len(extents), N_MONTHS, len(regions.name))
    member, extent, month, region = (i.ravel() for i in np.indices(shape))
    area = np.broadcast_to(total.area_m2, shape)
    return pd.DataFrame(
        {
            "target": source.target,
            "member": np.array(members)[member],
            "extent": np.array(extents)[extent],
            "region_system": np.array(regions.system)[region],
            "region": np.array(regions.name)[region],
            "year": source.year,
            "month": month + 1,
            "mass_tg": total.mass_tg.ravel(),
            "area_m2": area.ravel(),
        }
    )


def _write_masses(
    store: str | os.PathLike, digest: str, mass: np.ndarray, *, source: _Year, cells: Cells
) -> None:
    data = xr.Dataset(
        {"mass": (("member", "extent", "cell"), mass, {"units": "kg", "long_name": "CH4 a year"})},
        coords={
            "member": np.array(source.members),
            "extent": np.array(source.extents),
            "latitude": ("cell", cells.latitude, {"units": "degrees_north"}),
            "longitude": ("cell", cells.longitude, {"units": "degrees_east"}),
        },
        attrs={"target": source.target, "year": source.year},
    )
    facts = {"target": source.target, "year": source.year}
    write_store(data, store, digest=digest, extra=facts)
