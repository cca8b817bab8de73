"""Small synthetic places whose flux is known, for splits, baselines and scores."""

import numpy as np
import pandas as pd
from scipy.ndimage import uniform_filter1d

from chamnet.data.windows import PlaceData

N_DAYS = 366
FLUX_SCALE = 1e-9  # kg m-2 s-1


def make_place_data(
    *,
    n_places=6,
    years=(2011, 2012, 2013),
    n_clusters=None,
    seed=0,
    share_measured=0.5,
    noise=0.1,
    windows="daily",
    target="emission",
):
    """Places with a level of their own and a season that follows temperature."""
    generator = np.random.default_rng(seed)
    years = np.asarray(years)
    n_steps = np.array([366 if year % 4 == 0 else 365 for year in years])
    drivers = make_drivers(n_places=n_places, n_steps=n_steps, generator=generator)
    level = generator.uniform(0.5, 2.0, n_places)
    attributes = np.stack(
        [level + generator.normal(0, 0.1, n_places), generator.normal(size=n_places)], 1
    )
    flux = FLUX_SCALE * level[:, None, None] * np.exp(0.08 * (drivers[..., 0] - 283))
    cluster = np.arange(n_places) if n_clusters is None else np.arange(n_places) % n_clusters
    make = {"daily": _daily_windows, "monthly": _monthly_windows}[windows]
    return PlaceData(
        drivers=drivers.astype(np.float32),
        attributes=attributes.astype(np.float32),
        years=years,
        n_steps=n_steps,
        latitude=np.linspace(-30, 60, n_places),
        longitude=np.linspace(-100, 100, n_places),
        cluster=cluster,
        place_class=np.array(["bog", "fen"])[np.arange(n_places) % 2],
        place=np.array([f"P{i:02d}" for i in range(n_places)]),
        driver_names=("air_temperature", "precipitation_flux"),
        attribute_names=("level", "other"),
        target=target,
        windows=make(flux, years, n_steps, generator, share_measured, noise),
    ), flux


def make_drivers(*, n_places, n_steps, generator):
    """Temperature with a season and persistent weather, and rain, (P, Y, 366, 2)."""
    drivers = np.full((n_places, n_steps.size, N_DAYS, 2), np.nan)
    for year, n in enumerate(n_steps):
        season = -12 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)
        weather = uniform_filter1d(generator.normal(0, 5, (n_places, n)), 9, axis=1)
        drivers[:, year, :n, 0] = 283 + season + weather
        drivers[:, year, :n, 1] = generator.gamma(0.5, 5e-5, (n_places, n))
    return drivers


def _daily_windows(flux, years, n_steps, generator, share_measured, noise):
    rows = []
    for place in range(flux.shape[0]):
        for index, n in enumerate(n_steps):
            days = np.flatnonzero(generator.random(n) < share_measured)
            rows.append(_rows(place, years[index], -1, days, days, flux[place, index, days]))
    return _with_noise(pd.concat(rows, ignore_index=True), generator, noise)


def _monthly_windows(flux, years, n_steps, generator, share_measured, noise):
    """Means of a month over the years, of an unknown year."""
    edges = np.cumsum([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    rows = []
    for place in range(flux.shape[0]):
        for month in np.flatnonzero(generator.random(12) < share_measured):
            mean = flux[place, :, edges[month] : edges[month + 1]].mean()
            rows.append(_rows(place, -1, month, np.array([-1]), np.array([-1]), mean))
    return _with_noise(pd.concat(rows, ignore_index=True), generator, noise)


def _rows(place, year, month, first, last, flux):
    values = {"place": place, "year": year, "month": month, "first": first, "last": last}
    return pd.DataFrame(values | {"flux": flux, "uncertainty": np.nan, "quality": 0})


def _with_noise(windows, generator, noise):
    error = generator.normal(0, noise * FLUX_SCALE, len(windows))
    return windows.assign(flux=windows["flux"] + error)
