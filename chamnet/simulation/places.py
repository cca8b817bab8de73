"""Simulated places in the layout of observations, for networks to be pretrained on.

Each is another run of the process model than any truth: other traits, other parameters, other
seeds. What pretrains a network reads such a store as it reads observations.
"""

import dataclasses
import logging
from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr

from chamnet.data.observation_store import build_observations
from chamnet.data.places import PlaceDrivers, n_steps_of
from chamnet.data.windows import PlaceData
from chamnet.errors import MissingDriverError
from chamnet.simulation.classes import CLASS_LABELS
from chamnet.simulation.ground import build_ground, build_soils
from chamnet.simulation.inputs import REQUIRED, Land
from chamnet.simulation.parameters import Parameters, perturb_parameters, read_parameters
from chamnet.simulation.run import ProcessModel
from chamnet.simulation.series import (
    build_simulated_windows,
    build_weather,
    shift_climate,
)
from chamnet.simulation.traits import TRAITS, Traits, build_traits, trait_predictors

logger = logging.getLogger(__name__)

PRIOR_STREAM = 7  # of the seed; the truth draws from the seed itself
TYPICAL_STREAM = 4  # of ``Another.stream``, whose other numbers are in use below
YEARS_ALONE = 4  # of spin-up where no place may depend on others
PLACES_TOGETHER = 512  # of a batch, which bounds the memory
SYNTHETIC = "synthetic"


@dataclasses.dataclass(frozen=True, slots=True)
class Another:
    """How a simulation differs from the parameters as published and from any other one.

    Attributes
    ----------
    seed : of traits, parameters, ground and weather
    trait_strength : spread of the hidden traits, relative to ``parameters.yaml``
    parameter_spread : of the log factor on rates
    climate_spread_k : K
        Of a shift of each place's temperature; its vapor, rain and longwave follow.
    """

    seed: int
    trait_strength: float = 1.0
    parameter_spread: float = 0.3
    climate_spread_k: float = 0.0

    def stream(self, number: int) -> int:
        """Seed of a part, which no seed that a user writes can be equal to."""
        drawn = np.random.SeedSequence([self.seed, PRIOR_STREAM, number]).generate_state(1)[0]
        return int(drawn) + 2**32


@dataclasses.dataclass(frozen=True, slots=True)
class SimulatedPlaces:
    """Daily fluxes of places.

    Attributes
    ----------
    flux : (place, time), kg m-2 s-1, float32, of all years one after another
    place_class : (place,) of str, wetland class or biome
    """

    flux: np.ndarray
    place_class: np.ndarray


def drivers_of(data: PlaceData) -> PlaceDrivers:
    """Drivers and attributes of places, and nothing that was observed there."""
    return PlaceDrivers(
        values=data.drivers,
        years=[int(year) for year in data.years],
        driver_names=list(data.driver_names),
        calendar=data.calendar,
        attributes=data.attributes,
        attribute_names=list(data.attribute_names),
    )


def simulate_fluxes(
    drivers: PlaceDrivers,
    *,
    target: str,
    latitude: np.ndarray,
    longitude: np.ndarray,
    another: Another,
    round_of: np.ndarray | None = None,
    parameters: Parameters | None = None,
) -> SimulatedPlaces:
    """Daily flux of places under their drivers, spun up on their first year.

    Parameters
    ----------
    drivers : of the places; days without drivers take the place's mean of that day
    target : emission or consumption
    latitude, longitude : (place,), degrees
    another : what is drawn
    round_of : (place,)
        Number of the draw where a place stands several times: traits are drawn anew for each,
        and one wetland class a draw. None: all once, with the mixture that a cell holds.
    parameters : before they are perturbed; None: those of ``parameters.yaml``

    Raises
    ------
    MissingDriverError, InputError
        If the process model lacks a driver, or one is beyond its bounds.
    """
    parameters = perturb_parameters(
        parameters or read_parameters(), seed=another.stream(0), spread=another.parameter_spread
    )
    soils = build_soils(
        drivers.attributes,
        drivers.attribute_names,
        generator=np.random.default_rng(another.stream(1)),
    )
    rounds = np.zeros(latitude.size, dtype=int) if round_of is None else round_of
    traits = _build_traits(soils, (latitude, longitude), rounds, parameters, another=another)
    drawing = None if round_of is None else np.random.default_rng(another.stream(2))
    return _simulate(drivers, soils, traits, parameters, target=target, drawing=drawing)


def simulate_typical_fluxes(
    drivers: PlaceDrivers, *, target: str, seed: int, parameter_spread: float
) -> SimulatedPlaces:
    """Daily flux of places as a process model has it that knows nothing hidden of them.

    The parameters are those of a run of their own, ground and traits typical: a place's flux
    follows from its drivers and attributes alone, whatever else is simulated with it.

    Parameters
    ----------
    drivers : of the places; days without drivers take the place's mean of that day
    target : emission or consumption
    seed : of the parameters
    parameter_spread : of the log factor on rates

    Raises
    ------
    MissingDriverError, InputError
        If the process model lacks a driver, or one is beyond its bounds.
    """
    stream = Another(seed=seed).stream(TYPICAL_STREAM)
    parameters = perturb_parameters(read_parameters(), seed=stream, spread=parameter_spread)
    soils = build_soils(drivers.attributes, drivers.attribute_names, generator=None)
    traits = Traits.typical(len(drivers.attributes))
    return _simulate(drivers, soils, traits, parameters, target=target, is_alone=True)


def _simulate(
    drivers: PlaceDrivers,
    soils: dict[str, np.ndarray],
    traits: Traits,
    parameters: Parameters,
    *,
    target: str,
    drawing: np.random.Generator | None = None,
    is_alone: bool = False,
) -> SimulatedPlaces:
    """Fluxes, a batch of places at a time.

    ``drawing`` draws one wetland class a place; ``is_alone`` says that no place may depend on
    which others there are.
    """
    missing = sorted(set(REQUIRED) - set(drivers.driver_names))
    if missing:
        raise MissingDriverError(
            f"simulate: the run's drivers lack {missing}, which the process model needs"
        )
    n_places = len(drivers.attributes)
    n_first = int(n_steps_of(drivers.years[:1], calendar=drivers.calendar)[0])
    parts = []
    for part in _batches(n_places):
        weather = build_weather(drivers, part)
        land, wetland_class, biome = build_ground(
            {name: values[part] for name, values in soils.items()},
            weather,
            parameters,
            calendar=drivers.calendar,
            generator=drawing,
        )
        index = np.arange(part.start, part.stop)
        flux = _simulate_batch(
            weather,
            land,
            traits.take(index),
            parameters,
            target=target,
            n_first=n_first,
            n_years=YEARS_ALONE if is_alone else None,
        )
        labels = [CLASS_LABELS[name] for name in wetland_class]
        parts.append((flux, labels if target == "emission" else biome))
        logger.info("simulate %s: %d/%d places", target, part.stop, n_places)
    return SimulatedPlaces(
        flux=np.concatenate([flux for flux, _ in parts]),
        place_class=np.concatenate([np.asarray(names, dtype=str) for _, names in parts]),
    )


def _simulate_batch(
    weather: dict[str, np.ndarray],
    land: Land,
    traits: Traits,
    parameters: Parameters,
    *,
    target: str,
    n_first: int,
    n_years: int | None,
) -> np.ndarray:
    """Flux of a batch, spun up by ``n_years`` of its first year, or until it is at rest."""
    model = ProcessModel(land, traits, parameters)
    first = {name: values[:, :n_first] for name, values in weather.items()}
    if n_years is None:
        state = model.spin_up(first, tolerance_k=0.5, most_years=6)
    else:
        state = model.spin_up_years(first, n_years=n_years)
    found = model.simulate(weather, state=state)
    if target == "emission":
        return found.emission.astype(np.float32)
    return found.consumption * found.consumption_factor[:, None].astype(np.float32)


def _build_traits(
    soils: dict[str, np.ndarray],
    places: tuple[np.ndarray, np.ndarray],
    rounds: np.ndarray,
    parameters: Parameters,
    *,
    another: Another,
) -> Traits:
    """Traits of places, correlated in space within a round and independent between rounds."""
    latitude, longitude = places
    found = {name: np.empty(latitude.size) for name in TRAITS}
    predictors = trait_predictors(clay=soils["clay"], soc=soils["soc"], phh2o=soils["phh2o"])
    for number in np.unique(rounds):
        at = rounds == number
        full, _ = build_traits(
            latitude=latitude[at],
            longitude=longitude[at],
            predictors=predictors[at],
            parameters=parameters,
            seed=another.stream(100 + int(number)),
            strength=another.trait_strength,
        )
        for name in TRAITS:
            found[name][at] = getattr(full, name)
    return Traits(**found)


def _batches(n_places: int) -> Iterator[slice]:
    for start in range(0, n_places, PLACES_TOGETHER):
        yield slice(start, min(start + PLACES_TOGETHER, n_places))


def build_simulated_places(
    drivers: PlaceDrivers,
    places: pd.DataFrame,
    *,
    target: str,
    another: Another,
    window_days: int | None = None,
    cluster_km: float = 100.0,
    round_of: np.ndarray | None = None,
) -> xr.Dataset:
    """Simulated places as a store of observations has them.

    Parameters
    ----------
    drivers : of the places
    places : rows place, latitude, longitude
    target, another, round_of : as of ``simulate_fluxes``
    window_days : as of ``build_simulated_windows``
    cluster_km : places within share a cluster
    """
    latitude, longitude = places["latitude"].to_numpy(), places["longitude"].to_numpy()
    if another.climate_spread_k:
        generator = np.random.default_rng(another.stream(3))
        shift = generator.normal(0, another.climate_spread_k, len(places))
        drivers = shift_climate(drivers, shift_k=shift)
    found = simulate_fluxes(
        drivers,
        target=target,
        latitude=latitude,
        longitude=longitude,
        another=another,
        round_of=round_of,
    )
    data = build_observations(
        target,
        places=places.assign(place_class=found.place_class, licence=SYNTHETIC, doi=""),
        windows=build_simulated_windows(found.flux, drivers, window_days=window_days),
        drivers=drivers,
        cluster_km=cluster_km,
    )
    comment = "simulated by the process model of chamnet, not observed"
    return data.assign_attrs(comment=comment, **{f"prior_{k}": v for k, v in _plain(another)})


def _plain(another: Another) -> list[tuple[str, float]]:
    return list(dataclasses.asdict(another).items())
