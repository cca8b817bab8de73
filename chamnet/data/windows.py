"""Observations as means over windows, and the places they were made at.

A tower's daily mean, a chamber's monthly mean and a mean of an unknown year have one form:
(place, year, first step, last step, mean flux). xarray ends here: training sees arrays.
"""

import dataclasses
import logging
import os
from typing import Self

import numpy as np
import pandas as pd

from chamnet.data.store import open_store
from chamnet.errors import InputError
from chamnet.timeaxis import N_MONTHS, month_lengths

logger = logging.getLogger(__name__)

UNKNOWN_YEAR = -1
MEASURED = 0
LONGEST_RESPONSE_DAYS = 31
PRIOR_FLUX = "prior_flux"  # variable of the stores of a process model's flux
WINDOW_COLUMNS = ("place", "year", "month", "first", "last", "flux", "uncertainty", "quality")


@dataclasses.dataclass(frozen=True)
class PlaceData:
    """Drivers, attributes and window observations of the places of one target.

    Parameters
    ----------
    drivers : (P, Y, T, D), CF units
        NaN where absent; T is 366, short years end in NaN.
    attributes : (P, A)
        NaN where unknown.
    years : (Y,)
        In ascending order.
    n_steps : (Y,)
        Days of each year.
    latitude, longitude : (P,), degrees
    cluster : (P,)
        Places near each other share a number.
    place_class : (P,)
        Wetland class or biome.
    place : (P,)
        Identifiers.
    driver_names, attribute_names : in the order of the arrays
    target : emission or consumption
    windows : columns place (index into P), year (-1 unknown), month (0 to 11, -1 none), first,
        last (steps, both included; -1 where the month says it), flux and uncertainty
        (kg m-2 s-1), quality (0 measured, more: filled)
    calendar : of the years
    prior_flux : (P, Y, T), kg m-2 s-1
        Of a process model, NaN where absent: what contexts read in place of what was measured.
        None: they read what was measured.
    """

    drivers: np.ndarray
    attributes: np.ndarray
    years: np.ndarray
    n_steps: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    cluster: np.ndarray
    place_class: np.ndarray
    place: np.ndarray
    driver_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    target: str
    windows: pd.DataFrame
    calendar: str = "standard"
    prior_flux: np.ndarray | None = None

    @property
    def n_places(self) -> int:
        """Number of places."""
        return len(self.place)

    @property
    def has_drivers(self) -> np.ndarray:
        """Whether a place has at least half of a year's days with every driver, (P, Y)."""
        n_complete = np.isfinite(self.drivers).all(axis=-1).sum(axis=-1)
        return n_complete >= 0.5 * self.n_steps

    @property
    def is_measured(self) -> np.ndarray:
        """Whether a window was measured, not filled, (n_windows,)."""
        return (self.windows["quality"] == MEASURED).to_numpy()

    def select_places(self, index: np.ndarray) -> Self:
        """These places alone, with their windows; one that is named twice is there twice.

        Parameters
        ----------
        index : (n,) of int, or (P,) of bool
        """
        chosen = np.arange(self.n_places)[np.asarray(index)]
        rows = self.windows.groupby("place").indices
        nothing = np.empty(0, dtype=int)
        own = [rows.get(place, nothing) for place in chosen]
        windows = self.windows.iloc[np.concatenate([nothing, *own])].reset_index(drop=True)
        windows["place"] = np.repeat(np.arange(len(chosen)), [len(part) for part in own])
        per_place = ("drivers", "attributes", "latitude", "longitude", "cluster", "place_class")
        changes = {name: getattr(self, name)[chosen] for name in (*per_place, "place")}
        if self.prior_flux is not None:
            changes[PRIOR_FLUX] = self.prior_flux[chosen]
        return dataclasses.replace(self, **changes, windows=windows)

    def with_class_attributes(self) -> Self:
        """The same places whose class (wetland class or biome) is an attribute too.

        One-hot, 0 or 1 for each class of these places; a site table knows it, a grid cell does
        not, so that networks trained with it make no maps.
        """
        classes = np.unique(self.place_class)
        is_of_class = (self.place_class[:, None] == classes).astype(self.attributes.dtype)
        return dataclasses.replace(
            self,
            attributes=np.concatenate([self.attributes, is_of_class], axis=1),
            attribute_names=(*self.attribute_names, *(f"is_{name}" for name in classes)),
        )

    def with_prior_as_driver(self) -> Self:
        """The same places whose prior flux is one more driver, for models without a context.

        Raises
        ------
        InputError
            If there is no prior flux.
        """
        if self.prior_flux is None:
            raise InputError(f"{self.target}: no prior flux at the places")
        flux = self.prior_flux[..., None].astype(self.drivers.dtype)
        return dataclasses.replace(
            self,
            drivers=np.concatenate([self.drivers, flux], axis=-1),
            driver_names=(*self.driver_names, PRIOR_FLUX),
            prior_flux=None,
        )

    def with_windows(self, mask: np.ndarray) -> Self:
        """The same places with some of the windows.

        Parameters
        ----------
        mask : (n_windows,) of bool
        """
        windows = self.windows[np.asarray(mask, dtype=bool)].reset_index(drop=True)
        return dataclasses.replace(self, windows=windows)


def open_place_data(
    manifest: str | os.PathLike, prior: str | os.PathLike | None = None
) -> PlaceData:
    """Places of a finished observation store, in memory.

    Parameters
    ----------
    manifest : of the observations
    prior : manifest of a process model's flux at these places, which contexts then read

    Raises
    ------
    InputError
        If the store holds no window, or a flux that is not finite; if the prior flux is of
        other places or years.
    """
    with open_store(manifest) as store:
        windows = pd.DataFrame(
            {name: np.asarray(store[f"window_{name}"].values) for name in WINDOW_COLUMNS}
        )
        if windows.empty:
            raise InputError(f"{manifest}: holds no window observation")
        if not np.isfinite(windows["flux"]).all():
            raise InputError(f"{manifest}: window_flux holds values that are not finite")
        data = PlaceData(
            drivers=store["drivers"].values.astype(np.float32),
            attributes=store["attributes"].values.astype(np.float32),
            years=store["year"].values.astype(int),
            n_steps=store["n_steps"].values.astype(int),
            latitude=store["latitude"].values,
            longitude=store["longitude"].values,
            cluster=store["cluster"].values.astype(int),
            place_class=store["place_class"].values.astype(str),
            place=store["place"].values.astype(str),
            driver_names=tuple(str(name) for name in store["driver"].values),
            attribute_names=tuple(str(name) for name in store["attribute"].values),
            target=store.attrs["target"],
            windows=windows.astype({"place": int, "year": int, "month": int}),
            calendar=store.attrs.get("calendar", "standard"),
        )
    return data if prior is None else _with_prior(data, prior)


def _with_prior(data: PlaceData, manifest: str | os.PathLike) -> PlaceData:
    with open_store(manifest) as store:
        for name, expected in (("place", data.place), ("year", data.years)):
            if store[name].values.tolist() != expected.tolist():
                raise InputError(
                    f"{manifest}: {name} {store[name].values.tolist()[:5]}... are not those of "
                    f"the observations, {expected.tolist()[:5]}...; make it again"
                )
        return dataclasses.replace(data, prior_flux=store[PRIOR_FLUX].values.astype(float))


def place_windows_in_years(data: PlaceData) -> pd.DataFrame:
    """Windows by year: those of a known year once, those of an unknown one in every year.

    Returns
    -------
    rows window (row of ``data.windows``), place, year_index, first, last
        By window and year. Only years that the place has drivers of; what falls outside them
        is counted and logged.
    """
    year = data.windows["year"].to_numpy()[:, None]
    window, year_index = np.nonzero((year == data.years) | (year == UNKNOWN_YEAR))
    rows = data.windows[["place", "month", "first", "last"]].astype(int).iloc[window]
    rows = _with_month_edges(rows.assign(window=window, year_index=year_index), data)
    is_usable = data.has_drivers[rows["place"], rows["year_index"]]
    n_lost = len(data.windows) - rows["window"][is_usable].nunique()
    if n_lost:
        logger.info(
            "%s: %d of %d windows lie in years without drivers",
            data.target,
            n_lost,
            len(data.windows),
        )
    return rows[is_usable].reset_index(drop=True)


def _with_month_edges(rows: pd.DataFrame, data: PlaceData) -> pd.DataFrame:
    """First and last step where the month says them, or nothing does (the whole year)."""
    lengths = np.array([month_lengths(int(y), calendar=data.calendar) for y in data.years])
    ends = lengths.reshape(-1, N_MONTHS).cumsum(axis=1)  # (Y, 12)
    year, month = rows["year_index"].to_numpy(), rows["month"].to_numpy()
    has_month, is_open = month >= 0, (rows["first"] < 0).to_numpy()
    first = np.where(has_month, (ends - lengths)[year, month], 0)
    last = np.where(has_month, ends[year, month], data.n_steps[year]) - 1
    return rows.assign(
        first=np.where(is_open, first, rows["first"]), last=np.where(is_open, last, rows["last"])
    )


def read_response(data: PlaceData) -> np.ndarray:
    """Flux of each day as a context holds it, (P, Y, T), kg m-2 s-1, NaN where absent.

    What was measured at the places, or the prior flux where they come with one.
    """
    return build_response(data) if data.prior_flux is None else data.prior_flux.copy()


def build_response(
    data: PlaceData,
    *,
    longest_days: int = LONGEST_RESPONSE_DAYS,
    qualities: tuple[int, ...] = (MEASURED,),
) -> np.ndarray:
    """Fluxes of each day as a context may hold them; a window's mean stands for its days.

    Parameters
    ----------
    data : windows of an unknown year give no response
    longest_days : windows longer than this give none; 1 leaves the daily ones
    qualities : measured alone, or filled ones too

    Returns
    -------
    (P, Y, T), kg m-2 s-1
        NaN without an observation; the mean where windows overlap.
    """
    rows = place_windows_in_years(data)
    windows = data.windows.loc[rows["window"]]
    n_days = (rows["last"] - rows["first"] + 1).to_numpy()
    is_used = windows["quality"].isin(qualities).to_numpy() & (n_days <= longest_days)
    is_used &= windows["year"].to_numpy() != UNKNOWN_YEAR
    rows, n_days, flux = rows[is_used], n_days[is_used], windows["flux"].to_numpy()[is_used]
    offset = np.arange(n_days.sum()) - np.repeat(n_days.cumsum() - n_days, n_days)
    day = np.repeat(rows["first"].to_numpy(), n_days) + offset
    at = (np.repeat(rows["place"], n_days), np.repeat(rows["year_index"], n_days), day)
    total, count = np.zeros(data.drivers.shape[:3]), np.zeros(data.drivers.shape[:3])
    np.add.at(total, at, np.repeat(flux, n_days))
    np.add.at(count, at, 1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def build_window_means(flux: np.ndarray, data: PlaceData) -> np.ndarray:
    """Predicted mean of every window, through cumulative sums.

    Parameters
    ----------
    flux : (P, Y, T), kg m-2 s-1
        Predicted; NaN where nothing was predicted.
    data : the places and windows

    Returns
    -------
    (n_windows,), kg m-2 s-1
        For a window of an unknown year the mean over the years; NaN where no day was predicted.
    """
    rows = place_windows_in_years(data)
    has_flux = np.isfinite(flux)
    total = _cumulative(np.where(has_flux, flux, 0.0))
    count = _cumulative(has_flux)
    place, year = rows["place"].to_numpy(), rows["year_index"].to_numpy()
    first, last = rows["first"].to_numpy(), rows["last"].to_numpy() + 1
    sums = total[place, year, last] - total[place, year, first]
    counts = count[place, year, last] - count[place, year, first]
    mean = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    by_window = pd.Series(mean).groupby(rows["window"].to_numpy()).mean()
    return by_window.reindex(np.arange(len(data.windows))).to_numpy()


def _cumulative(values: np.ndarray) -> np.ndarray:
    total = np.cumsum(values, axis=-1, dtype=np.float64)
    return np.concatenate([np.zeros((*total.shape[:-1], 1)), total], axis=-1)
