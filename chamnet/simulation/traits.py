"""Hidden traits of places: what no driver or attribute tells, and a history may.

Each trait is a part that attributes tell plus a spatially correlated part that nothing tells.
The smooth fields that they are drawn from serve the demo's weather, too.
"""

import dataclasses
import math

import numpy as np

from chamnet.constants import EARTH_RADIUS_M
from chamnet.simulation.parameters import Parameters


class SmoothField:
    """Draws Gaussian fields of unit variance, correlated over a distance.

    Noise on points spread evenly over the sphere, seen through a Gaussian kernel: the
    correlation of two places d apart is exp(-(d / correlation_km)^2), by straight lines.

    Parameters
    ----------
    latitude, longitude : (cell,), degrees
    correlation_km : where the correlation has fallen to 1/e
    """

    def __init__(
        self, latitude: np.ndarray, longitude: np.ndarray, *, correlation_km: float
    ) -> None:
        radius_km = EARTH_RADIUS_M / 1000
        length = correlation_km / 2  # of the kernel whose self-convolution has that correlation
        spacing = 1.3 * length
        self.n_nodes = max(12, math.ceil(4 * math.pi * (radius_km / spacing) ** 2))
        cells = _unit_vectors(np.asarray(latitude), np.asarray(longitude)).astype(np.float32)
        squared = 2 - 2 * cells @ _even_points(self.n_nodes).astype(np.float32).T
        weights = np.exp(-np.maximum(squared, 0) * np.float32((radius_km / length) ** 2 / 2))
        self._weights = (weights / np.sqrt((weights**2).sum(axis=1, keepdims=True))).T.copy()

    def project(self, noise: np.ndarray) -> np.ndarray:
        """Fields of white noise on the nodes, (..., node) -> (..., cell) float32."""
        return np.asarray(noise, dtype=np.float32) @ self._weights


def _unit_vectors(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    phi, lam = np.deg2rad(latitude), np.deg2rad(longitude)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)


def _even_points(n_points: int) -> np.ndarray:
    """Points of a Fibonacci spiral, (point, 3); Gonzalez (2010), doi:10.1007/s11004-009-9257-x."""
    index = np.arange(n_points) + 0.5
    height = 1 - 2 * index / n_points
    angle = math.pi * (1 + math.sqrt(5)) * index
    ring = np.sqrt(1 - height**2)
    return np.stack([ring * np.cos(angle), ring * np.sin(angle), height], axis=-1)


@dataclasses.dataclass(frozen=True, slots=True)
class Traits:
    """Traits of places, (place,) each.

    Attributes
    ----------
    substrate, plants, q10, activity : 1
        Factors on production, plant transport, Q10, and the oxidation of upland soil.
    water_table : m
        Offset of the level that a wetland's water table returns to.
    """

    substrate: np.ndarray
    plants: np.ndarray
    water_table: np.ndarray
    q10: np.ndarray
    activity: np.ndarray

    def take(self, index: np.ndarray) -> "Traits":
        """Traits of some places, in this order."""
        return Traits(**{name: getattr(self, name)[index] for name in TRAITS})

    @classmethod
    def typical(cls, n_places: int) -> "Traits":
        """Traits of places that differ in nothing hidden: factors of 1, offsets of 0."""
        values = {name: np.ones(n_places) for name in TRAITS}
        return cls(**values | {"water_table": np.zeros(n_places)})

    def scatter(self, seed: int, *, spread: float, offset_m: float) -> "Traits":
        """Traits of places within their cells: local factors of mean 1 beside the cell's.

        Parameters
        ----------
        seed : of the draw
        spread : standard deviation of the log factor on substrate and activity
        offset_m : standard deviation of the local water table
        """
        generator = np.random.default_rng([seed, 3])
        size = self.substrate.shape
        factors = np.exp(generator.normal(0, spread, (3, *size)) - spread**2 / 2)
        return Traits(
            substrate=self.substrate * factors[0],
            plants=self.plants * factors[1],
            water_table=self.water_table + generator.normal(0, offset_m, size),
            q10=self.q10,
            activity=self.activity * factors[2],
        )


TRAITS = tuple(field.name for field in dataclasses.fields(Traits))


def build_traits(
    *,
    latitude: np.ndarray,
    longitude: np.ndarray,
    predictors: np.ndarray,
    parameters: Parameters,
    seed: int,
    strength: float = 1.0,
    correlation_km: float = 1000.0,
) -> tuple[Traits, Traits]:
    """Traits of places, and the same with the hidden part at its mean.

    Parameters
    ----------
    latitude, longitude : (place,), degrees
    predictors : (place, predictor), 1
        Attributes on a common scale, as ``trait_predictors`` makes them.
    parameters : with spreads of the hidden and slopes of the tied parts
    seed : of the hidden fields
    strength : factor on the spread of the hidden part; 0 hides nothing
    correlation_km : of the hidden fields

    Returns
    -------
    traits, told : Traits
        What places have, and what attributes tell of it (the ceiling of any model that
        has no history).
    """
    generator = np.random.default_rng([seed, 2])
    field = SmoothField(latitude, longitude, correlation_km=correlation_km)
    hidden = field.project(generator.normal(size=(len(TRAITS), field.n_nodes))).astype(float)
    mixing = generator.normal(size=(len(TRAITS), predictors.shape[1]))
    mixing /= np.linalg.norm(mixing, axis=1, keepdims=True)
    told, full = {}, {}
    for i, name in enumerate(TRAITS):
        spread = parameters.traits[name]["hidden"] * strength
        tied = parameters.traits[name]["tied"] * (predictors @ mixing[i])
        if name == "water_table":
            told[name], full[name] = tied, tied + spread * hidden[i]
        else:
            told[name] = np.exp(tied)
            full[name] = np.exp(tied + spread * hidden[i] - spread**2 / 2)
    return Traits(**full), Traits(**told)


def trait_predictors(*, clay: np.ndarray, soc: np.ndarray, phh2o: np.ndarray) -> np.ndarray:
    """Attributes that traits are tied to, on a common scale, (place, 3).

    Parameters
    ----------
    clay : (place,), 0 to 1
    soc : (place,), g kg-1
    phh2o : (place,), 1

    Notes
    -----
    The scales are fixed, so that a place's traits do not depend on which others there are.
    """
    columns = [(clay - 0.22) / 0.08, np.log(np.maximum(soc, 1) / 25) / 0.7, (phh2o - 6) / 1.0]
    return np.clip(np.stack(columns, axis=-1), -2, 2)
