"""Stage: the store of simulated places of a run, drawn once from its cells or its places."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from chamnet.data.observation_store import build_observations
from chamnet.data.places import PlaceDrivers, read_cell_drivers
from chamnet.data.store import open_store, write_store
from chamnet.data.windows import open_place_data
from chamnet.errors import InputError
from chamnet.simulation.others import build_sampled_windows, sample_fluxes
from chamnet.simulation.places import (
    PRIOR_STREAM,
    Another,
    build_simulated_places,
    drivers_of,
)

logger = logging.getLogger(__name__)


def simulate_places(
    *,
    store: str,
    digest: str,
    target: str,
    driver_names: Sequence[str],
    years: Sequence[int],
    n_places: int,
    seed: int,
    trait_strength: float = 1.0,
    parameter_spread: float = 0.3,
    climate_spread_k: float = 0.0,
    window_days: int | None = None,
    cluster_km: float = 100.0,
    cells: str | None = None,
    drivers: Sequence[str] = (),
    observations: str | None = None,
    flux_path: str | None = None,
    flux_variable: str | None = None,
    flux_units: str | None = None,
    wetland_variable: str | None = None,
) -> Path:
    """Write simulated places in the layout of observations; the manifest's path.

    With cells, places are cells drawn once, weighted by their land, under the run's drivers.
    Without, they are the observed places' own weather, each with many draws of hidden traits
    and wetland class; of the observations nothing but drivers, attributes and positions is
    read.

    Parameters
    ----------
    store : path of the store
    digest : of all that it follows from
    target : emission or consumption
    driver_names : drivers of the run; air temperature, precipitation and shortwave among them
    years : first and last year of drivers, or all between
    n_places : simulated places, at most that many of the cells
    seed, trait_strength, parameter_spread, climate_spread_k : as ``Another`` has them
    window_days : length of the windows; None: months
    cluster_km : places within share a cluster
    cells, drivers : manifests of cells, and of drivers by year
    observations : manifest of the observations, read where there are no cells
    flux_path : fluxes of another model, taken in place of ours; see ``sample_fluxes``
    flux_variable, flux_units, wetland_variable : of that file

    Raises
    ------
    InputError
        If there are neither cells nor observations, no place has drivers, or the other model
        has no flux of the target.
    MissingDriverError
        If the process model needs a driver that the run lacks.
    """
    generator = np.random.default_rng([seed, PRIOR_STREAM])
    if cells and drivers:
        found, places = _draw_cells(
            cells=cells,
            drivers=drivers,
            driver_names=driver_names,
            years=range(min(years), max(years) + 1),
            n_places=n_places,
            generator=generator,
        )
        rounds = None
    elif observations:
        found, places, rounds = _repeat_places(
            observations,
            driver_names=driver_names,
            n_places=n_places,
            is_once=flux_path is not None,
            generator=generator,
        )
    else:
        raise InputError("simulate: neither cells with drivers nor observations, expected one")
    if flux_path:
        data = _sample_places(
            found,
            places,
            target=target,
            path=flux_path,
            cluster_km=cluster_km,
            variable=flux_variable,
            units=flux_units,
            wetland_variable=wetland_variable,
        )
        return _write(data, store, digest=digest)
    data = build_simulated_places(
        found,
        places,
        target=target,
        another=Another(
            seed=seed,
            trait_strength=trait_strength,
            parameter_spread=parameter_spread,
            climate_spread_k=0.0 if rounds is None else climate_spread_k,
        ),
        window_days=window_days,
        cluster_km=cluster_km,
        round_of=rounds,
    )
    return _write(data, store, digest=digest)


def _write(data: xr.Dataset, store: str, *, digest: str) -> Path:
    sizes = {name: data.sizes[name] for name in ("place", "year", "window")}
    return write_store(data, store, digest=digest, extra=sizes)


def _sample_places(
    drivers: PlaceDrivers,
    places: pd.DataFrame,
    *,
    target: str,
    path: str,
    cluster_km: float,
    variable: str | None,
    units: str | None,
    wetland_variable: str | None,
) -> xr.Dataset:
    """Places with the flux of another model; those where it has none are left out."""
    fluxes = sample_fluxes(
        path,
        target=target,
        latitude=places["latitude"].to_numpy(),
        longitude=places["longitude"].to_numpy(),
        years=drivers.years,
        variable=variable,
        units=units,
        wetland_variable=wetland_variable,
    )
    has_drivers = np.isfinite(drivers.values).all(axis=-1).any(axis=-1)
    fluxes[~has_drivers] = np.nan
    has_flux = np.isfinite(fluxes).any(axis=(1, 2))
    logger.info("simulate: %s has a flux at %d of %d places", path, has_flux.sum(), has_flux.size)
    kept = places[has_flux].reset_index(drop=True)
    windows = build_sampled_windows(
        fluxes[has_flux], years=drivers.years, calendar=drivers.calendar
    )
    data = build_observations(
        target,
        places=kept.assign(place_class="", licence="of the other model", doi=""),
        windows=windows,
        drivers=drivers.take(has_flux),
        cluster_km=cluster_km,
    )
    return data.assign_attrs(comment="simulated by another model, not observed", source=path)


def _draw_cells(
    *,
    cells: str,
    drivers: Sequence[str],
    driver_names: Sequence[str],
    years: Sequence[int],
    n_places: int,
    generator: np.random.Generator,
) -> tuple[PlaceDrivers, pd.DataFrame]:
    with open_store(cells) as data:
        latitude, longitude = data["latitude"].values, data["longitude"].values
        soil = data["land_fraction"].values - data["ice_fraction"].values
        area = data["cell_area"].values * np.maximum(soil, 0)
    chance = area / area.sum()
    n_drawn = min(n_places, int((chance > 0).sum()))
    index = np.sort(generator.choice(area.size, n_drawn, replace=False, p=chance))
    logger.info("simulate: %d of %d cells drawn by their land", n_drawn, area.size)
    places = pd.DataFrame(
        {
            "place": [f"cell-{i:06d}" for i in index],
            "latitude": latitude[index],
            "longitude": longitude[index],
        }
    )
    found, _ = read_cell_drivers(
        places, cells=cells, drivers=drivers, driver_names=driver_names, years=list(years)
    )
    return found, places


def _repeat_places(
    observations: str,
    *,
    driver_names: Sequence[str],
    n_places: int,
    is_once: bool,
    generator: np.random.Generator,
) -> tuple[PlaceDrivers, pd.DataFrame, np.ndarray]:
    """Drivers of observed places again and again, and the number of each repeat."""
    data = open_place_data(observations)
    if list(data.driver_names) != list(driver_names):
        raise InputError(
            f"{observations}: drivers are {list(data.driver_names)}, expected {list(driver_names)}"
        )
    usable = np.flatnonzero(data.has_drivers.any(axis=1))
    if usable.size == 0:
        raise InputError(f"{observations}: no place has drivers on half of any year's days")
    n_places = min(n_places, usable.size) if is_once else n_places
    index = np.resize(generator.permutation(usable), n_places)
    rounds = np.arange(n_places) // usable.size
    logger.info(
        "simulate: %d draws of traits at %d of %d places with drivers",
        *(n_places, min(n_places, usable.size), data.n_places),
    )
    places = pd.DataFrame(
        {
            "place": [f"{data.place[i]}-{r:03d}" for i, r in zip(index, rounds, strict=True)],
            "latitude": data.latitude[index],
            "longitude": data.longitude[index],
        }
    )
    return drivers_of(data).take(index), places, rounds
