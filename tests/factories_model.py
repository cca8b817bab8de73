"""Small synthetic places for tests of the network and its training."""

import dataclasses

import numpy as np
import pandas as pd
import torch

from chamnet.config import ModelConfig, TrainConfig
from chamnet.data.normalization import Normalization
from chamnet.data.windows import PlaceData
from chamnet.model.checkpoint import Member
from chamnet.model.member import MEASURED_MODES
from chamnet.model.network import CHAMNet
from chamnet.timeaxis import days_in_year, month_lengths

torch.set_num_threads(1)  # bits depend on it, and small networks are no faster with more

DRIVERS = ("air_temperature", "precipitation_flux", "surface_downwelling_shortwave_flux_in_air")


def make_place_data(
    *, n_places=8, n_years=4, seed=0, n_attributes=2, monthly=False, unknown_years=False, noise=0.1
):
    """Places whose level and season are partly hidden traits; emission-like, synthetic."""
    random = np.random.default_rng(seed)
    years = np.arange(2011, 2011 + n_years)
    n_steps = np.array([days_in_year(int(y)) for y in years])
    latitude = np.linspace(-30, 65, n_places)
    drivers = np.full((n_places, n_years, 366, len(DRIVERS)), np.nan, dtype=np.float32)
    flux = np.full((n_places, n_years, 366), np.nan)
    trait = random.normal(size=n_places)
    lag = random.uniform(-0.8, 0.8, size=n_places)
    for y, n in enumerate(n_steps):
        phase = 2 * np.pi * (np.arange(n) + 0.5) / n
        anomaly = random.normal(size=(n_places, 1)) + random.normal(size=(n_places, n))
        season = -np.cos(phase)[None] * (latitude / 6)[:, None]
        drivers[:, y, :n, 0] = 285 - np.abs(latitude / 4)[:, None] + season + 2 * anomaly
        drivers[:, y, :n, 1] = random.gamma(0.5, 4e-5, size=(n_places, n))
        drivers[:, y, :n, 2] = 180 + 8 * season + random.normal(size=(n_places, n))
        own = -np.cos(phase[None] - lag[:, None]) * np.sign(latitude)[:, None]
        level = 6e-10 * np.exp(trait)[:, None]
        flux[:, y, :n] = level * np.exp(own + 0.2 * anomaly + noise * random.normal(size=own.shape))
    windows = _monthly(flux, years) if monthly else _daily(flux, years, random)
    if unknown_years:
        windows = windows.assign(year=-1, first=-1, last=-1)
    return PlaceData(
        drivers=drivers,
        attributes=np.stack([latitude, trait + random.normal(size=n_places)], axis=1).astype(
            np.float32
        )[:, :n_attributes],
        years=years,
        n_steps=n_steps,
        latitude=latitude,
        longitude=np.linspace(-120, 120, n_places),
        cluster=np.arange(n_places),
        place_class=np.where(np.arange(n_places) % 2, "fen", "bog"),
        place=np.array([f"XX-{i:03d}" for i in range(n_places)]),
        driver_names=DRIVERS,
        attribute_names=("latitude", "hint")[:n_attributes],
        target="emission",
        windows=windows,
    )


def with_prior(data, *, seed=5):
    """The same places with the flux of a process model, which knows the season; synthetic."""
    level = np.random.default_rng(seed).uniform(1e-10, 2e-9, size=data.n_places)
    flux = np.full(data.drivers.shape[:3], np.nan)
    for y, n in enumerate(data.n_steps):
        season = 1.5 - np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)
        flux[:, y, :n] = level[:, None] * season * (1 + 0.1 * y)
    return dataclasses.replace(data, prior_flux=flux)


def _daily(flux, years, random):
    place, year, day = np.nonzero(np.isfinite(flux) & (random.uniform(size=flux.shape) < 0.6))
    return _windows(place, years[year], -1, day, day, flux[place, year, day])


def _monthly(flux, years):
    parts = []
    for y, year in enumerate(years):
        last = month_lengths(int(year)).cumsum() - 1
        first = np.concatenate([[0], last[:-1] + 1])
        for m in range(12):
            mean = flux[:, y, first[m] : last[m] + 1].mean(axis=1)
            places = np.arange(len(mean))
            parts.append(_windows(places, year, m, first[m], last[m], mean))
    return pd.concat(parts, ignore_index=True)


def _windows(place, year, month, first, last, flux):
    return pd.DataFrame(
        {
            "place": place,
            "year": year,
            "month": month,
            "first": first,
            "last": last,
            "flux": flux,
            "uncertainty": np.nan,
            "quality": 0,
        }
    )


def make_model_config(**changes):
    """A network of few numbers."""
    small = {"n_hidden": 12, "n_hidden_encoder": 8, "n_embedding": 8, "n_season": 3, "dropout": 0.0}
    return ModelConfig(**(small | changes))


def make_train_config(**changes):
    """A training of few steps."""
    small = {"n_steps": 6, "steps_per_epoch": 2, "batch_places": 4, "n_context_years": 2}
    return TrainConfig(**(small | changes))


def make_network(*, n_drivers=3, n_attributes=2, seed=0, reads_prior=False, **changes):
    """An untrained network."""
    torch.manual_seed(seed)
    config = make_model_config(**changes)
    sizes = {"n_drivers": n_drivers, "n_attributes": n_attributes}
    return CHAMNet(**sizes, config=config, reads_prior=reads_prior)


def make_member(
    *, data=None, seed=0, mean_factors=None, trained=True, modes=MEASURED_MODES, **changes
):
    """A member with random weights, its conditioning switched on as if trained."""
    data = make_place_data() if data is None else data
    network = make_network(
        n_drivers=len(data.driver_names),
        n_attributes=len(data.attribute_names),
        seed=seed,
        reads_prior=data.prior_flux is not None,
        **changes,
    )
    if trained and hasattr(network.meta_network, "last"):
        torch.nn.init.normal_(network.meta_network.last.weight, std=0.3)
    return Member(
        network,
        Normalization.fit(data),
        target=data.target,
        modes=modes,
        n_context_years=2,
        mean_factors=mean_factors,
    )
