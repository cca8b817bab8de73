"""A year's predicted fluxes and the surface they stand on, as checks and closure read them."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Self

import numpy as np
import xarray as xr

from chamnet.budget.weights import Cells
from chamnet.data.store import open_store
from chamnet.errors import CalendarError, GridError
from chamnet.timeaxis import N_MONTHS, require_calendar, seconds_in_months
from chamnet.units import FLUX_UNITS, require_units

FRACTIONS = {"emission": "wetland_fraction", "consumption": "upland_fraction"}


@dataclasses.dataclass(frozen=True, slots=True)
class FluxYear:
    """Fluxes of a year.

    Parameters
    ----------
    year : the year
    members, extents : names
    flux : (member, month, cell), kg m-2 s-1
    surface_m2 : (extent, month, cell), m2 of wetland or upland soil
    seconds : (month,), s
    """

    year: int
    members: tuple[str, ...]
    extents: tuple[str, ...]
    flux: np.ndarray
    surface_m2: np.ndarray
    seconds: np.ndarray

    @classmethod
    def open(
        cls,
        fluxes: str | os.PathLike,
        wetlands: Sequence[str | os.PathLike],
        *,
        target: str,
        cells: Cells,
    ) -> Self:
        """Fluxes of a manifest, and the extents of the same year.

        Raises
        ------
        CalendarError
            If the store is not the 12 months of a year, or no wetland store is of that year.
        GridError
            If its cells are not the cells.
        """
        data = open_store(fluxes)
        year = _year_of(data, source=fluxes)
        extents = _open_extents(wetlands, year)
        for source, found in ((fluxes, data), ("wetlands", extents)):
            if found.sizes["cell"] != cells.latitude.size:
                raise GridError(
                    f"{source}: {found.sizes['cell']} cells, expected {cells.latitude.size}"
                )
        flux = require_units(data["flux"], FLUX_UNITS).sortby("time")
        fraction = extents[FRACTIONS[target]].sortby("time").transpose("extent", "time", "cell")
        calendar = require_calendar(data["time"].dt.calendar)
        return cls(
            year=year,
            members=tuple(str(v) for v in data["member"].values),
            extents=tuple(str(v) for v in extents["extent"].values),
            flux=flux.transpose("member", "time", "cell").values.astype(np.float64),
            surface_m2=fraction.values.astype(np.float64) * cells.area_m2,
            seconds=seconds_in_months(year, calendar=calendar),
        )

    def mass_kg(self, flux: np.ndarray) -> np.ndarray:
        """Mass of each cell over the year from fluxes (..., month, cell), (..., extent, cell), kg.

        Cells without the surface hold no mass, whatever their flux is.
        """
        surface_seconds = self.surface_m2 * self.seconds[:, None]  # (extent, month, cell)
        known = np.where(np.isfinite(flux), flux, 0.0)
        return np.einsum("...mc,emc->...ec", known, surface_seconds)


def _year_of(data: xr.Dataset, *, source: str | os.PathLike) -> int:
    years, months = data["time"].dt.year.values, data["time"].dt.month.values
    if sorted(months.tolist()) != list(range(1, N_MONTHS + 1)) or len(set(years.tolist())) != 1:
        raise CalendarError(
            f"{source}: months {months.tolist()} of years {sorted(set(years.tolist()))}, "
            "expected the 12 months of one year"
        )
    return int(years[0])


def _open_extents(wetlands: Sequence[str | os.PathLike], year: int) -> xr.Dataset:
    found = []
    for manifest in wetlands:
        data = open_store(manifest)
        found.append(_year_of(data, source=manifest))
        if found[-1] == year:
            return data
    raise CalendarError(f"no wetland extent of {year}, found those of {found}")
