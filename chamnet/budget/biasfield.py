"""Random fields on the sphere: the bias of the network that neighbours share.

Gaussian, isotropic, with covariance exp(-d^2 / 2 L^2) in chord distance d, made of random
Fourier features (Rahimi & Recht 2007): cosines and sines of random frequencies. Pairs of
both make the variance exact at every place; frequencies are stratified by their length and
drawn anew for every batch, so that far correlations average out.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
from scipy.special import gammaincinv

from chamnet.constants import EARTH_RADIUS_M

N_FREQUENCIES = 96
DRAWS_PER_BATCH = 50


@dataclasses.dataclass(frozen=True, slots=True)
class BiasField:
    """A batch of draws of one field, evaluated wherever it is asked for.

    Attributes
    ----------
    frequency : (frequency, 3), radian per unit of the unit sphere
    amplitude : (2 frequency, draw), standard normal
    log_sd : spread of the log bias, the same everywhere
    """

    frequency: np.ndarray
    amplitude: np.ndarray
    log_sd: float

    def log_bias(self, latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
        """Log of the bias without its mean, (place, draw), at places in degrees."""
        phi, lam = np.deg2rad(latitude), np.deg2rad(longitude)
        place = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], -1)
        phase = place @ self.frequency.T
        features = np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
        return self.log_sd * features @ self.amplitude / np.sqrt(len(self.frequency))

    def factor(self, latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
        """Factors of mean one, (place, draw): exp(b - sd^2 / 2)."""
        return np.exp(self.log_bias(latitude, longitude) - self.log_sd**2 / 2)


def draw_bias_fields(
    *, n_draws: int, log_sd: float, correlation_km: float, rng: np.random.Generator
) -> Iterator[BiasField]:
    """Batches of fields, ``n_draws`` draws in all.

    Parameters
    ----------
    log_sd : 1
        Spread of the log bias between clusters of places.
    correlation_km : km
        Length L of the covariance.
    """
    length = correlation_km * 1000 / EARTH_RADIUS_M
    sizes = [min(DRAWS_PER_BATCH, n_draws - i) for i in range(0, n_draws, DRAWS_PER_BATCH)]
    total = N_FREQUENCIES * len(sizes)
    stratum = (rng.permutation(total) + rng.random(total)) / total
    radius = np.sqrt(2 * gammaincinv(1.5, stratum)) / length  # chi of three degrees of freedom
    direction = rng.normal(size=(total, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    frequency = (radius[:, None] * direction).reshape(len(sizes), N_FREQUENCIES, 3)
    for batch, size in zip(frequency, sizes, strict=True):
        amplitude = rng.normal(size=(2 * N_FREQUENCIES, size))
        yield BiasField(batch, amplitude, log_sd)
