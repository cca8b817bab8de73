"""Series of simulated places: drivers without gaps, other climates, windows of flux."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from chamnet.constants import ZERO_CELSIUS_K
from chamnet.data.places import PlaceDrivers, n_steps_of
from chamnet.errors import InputError
from chamnet.simulation.inputs import LONGWAVE, REQUIRED
from chamnet.simulation.soil import STEFAN_BOLTZMANN
from chamnet.timeaxis import N_MONTHS, month_lengths


def build_weather(drivers: PlaceDrivers, part: slice = slice(None)) -> dict[str, np.ndarray]:
    """Drivers of the process model over all years, (place, time), without gaps."""
    lengths = n_steps_of(drivers.years, calendar=drivers.calendar)
    names = [name for name in (*REQUIRED, LONGWAVE) if name in drivers.driver_names]
    weather = {}
    for name in names:
        values = drivers.values[part, :, :, drivers.driver_names.index(name)]
        filled = fill_with_own_cycle(values, name=name)
        weather[name] = np.concatenate([filled[:, y, :n] for y, n in enumerate(lengths)], axis=1)
    return weather


def fill_with_own_cycle(values: np.ndarray, *, name: str = "driver") -> np.ndarray:
    """Values whose gaps hold the place's mean of that step, (place, year, step).

    Steps that no year has take those beside them, linearly in between.

    Raises
    ------
    InputError
        If a place has no value at all.
    """
    has_value = np.isfinite(values)
    if has_value.all():
        return values
    if not has_value.any(axis=(1, 2)).all():
        place = int(np.argmin(has_value.any(axis=(1, 2))))
        raise InputError(f"{name} of simulated place {place} is NaN on every day, expected values")
    count = has_value.sum(axis=1)
    total = np.where(has_value, values, 0).sum(axis=1, dtype=float)
    cycle = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    steps = np.arange(values.shape[-1])
    for row in cycle:
        gaps = np.isnan(row)
        row[gaps] = np.interp(steps[gaps], steps[~gaps], row[~gaps], period=steps.size)
    return np.where(has_value, values, cycle[:, None]).astype(np.float32)


def shift_climate(drivers: PlaceDrivers, *, shift_k: np.ndarray) -> PlaceDrivers:
    """Drivers of places that are warmer or colder by a shift, with what goes with warmth.

    Parameters
    ----------
    shift_k : (place,), K

    Notes
    -----
    Saturation grows by 6.5 % a kelvin (Clausius-Clapeyron near 15 degC) and with it, at the
    same relative humidity, the deficit; rain by 2 % (Held and Soden 2006,
    doi:10.1175/JCLI3990.1); longwave as the emission of air of emissivity 0.8.
    """
    values, shift = drivers.values.copy(), shift_k[:, None, None].astype(np.float32)
    names = drivers.driver_names

    def change(name: str, changed: np.ndarray) -> None:
        values[..., names.index(name)] = changed

    air = values[..., names.index(REQUIRED[0])]
    if LONGWAVE in names:
        longwave = values[..., names.index(LONGWAVE)]
        change(LONGWAVE, longwave + 0.8 * 4 * STEFAN_BOLTZMANN * air**3 * shift)
    for name, rate in (("vapor_pressure_deficit", 0.065), (REQUIRED[1], 0.02)):
        if name in names:
            change(name, values[..., names.index(name)] * np.exp(rate * shift))
    change(REQUIRED[0], np.clip(air + shift, ZERO_CELSIUS_K - 90, ZERO_CELSIUS_K + 45))
    return dataclasses.replace(drivers, values=values)


def build_simulated_windows(
    flux: np.ndarray, drivers: PlaceDrivers, *, window_days: int | None = None
) -> pd.DataFrame:
    """Means of simulated flux over windows in which every day has its drivers.

    Parameters
    ----------
    flux : (place, time), kg m-2 s-1, of all years one after another
    drivers : of the places
    window_days : length of a window, the last of a year may be longer; None: months

    Returns
    -------
    rows place, year, month, first, last, flux, uncertainty, quality
        As windows of observations are; quality 0.
    """
    edges = _window_edges(drivers.years, calendar=drivers.calendar, window_days=window_days)
    lengths = n_steps_of(drivers.years, calendar=drivers.calendar)
    has_all = np.isfinite(drivers.values).all(axis=-1)
    is_complete = np.concatenate([has_all[:, y, :n] for y, n in enumerate(lengths)], axis=1)
    n_days = (edges["last"] - edges["first"] + 1).to_numpy()
    starts = n_days.cumsum() - n_days
    means = np.add.reduceat(flux, starts, axis=1, dtype=float) / n_days
    place, window = np.nonzero(np.logical_and.reduceat(is_complete, starts, axis=1))
    rows = edges.iloc[window].reset_index(drop=True)
    return rows.assign(place=place, flux=means[place, window], uncertainty=np.nan, quality=0)


def _window_edges(years: Sequence[int], *, calendar: str, window_days: int | None) -> pd.DataFrame:
    """Windows of all years one after another, without gaps."""
    tables = []
    for year in years:
        lengths = month_lengths(int(year), calendar=calendar)
        month = np.arange(N_MONTHS)
        if window_days:
            n_windows = max(1, int(lengths.sum()) // window_days)
            lengths = np.append(
                np.full(n_windows - 1, window_days), lengths.sum() - (n_windows - 1) * window_days
            )
            month = np.full(n_windows, -1)
        last = lengths.cumsum() - 1
        tables.append(
            pd.DataFrame({"year": year, "month": month, "first": last - lengths + 1, "last": last})
        )
    return pd.concat(tables, ignore_index=True)
