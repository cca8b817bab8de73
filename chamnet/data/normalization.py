"""Scaling of drivers, attributes and fluxes, fitted on training places alone."""

import dataclasses
import logging
import os
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from chamnet.data.windows import PlaceData, build_window_means, open_place_data
from chamnet.errors import InputError, MissingDriverError
from chamnet.provenance import read_json, write_json

logger = logging.getLogger(__name__)

HIGHEST_NORMALIZED = 5.0  # what is farther out is read as this far, on cells as at places
FLAT = 1e-6  # a spread below this share of the mean's size is none


@dataclasses.dataclass(frozen=True)
class Normalization:
    """Mean and spread of each driver and attribute, and the scale of the flux.

    Parameters
    ----------
    driver_names : of driver_mean and driver_spread, (D,)
    driver_mean, driver_spread : (D,), CF units
    attribute_names : of attribute_mean and attribute_spread, (A,)
    attribute_mean, attribute_spread : (A,)
        A spread of 0 marks an attribute that was the same at every place: it is dropped.
    flux_scale : kg m-2 s-1
        Median over places of the mean measured flux.
    prior_scale : kg m-2 s-1
        Of the prior flux, which over it has the mean in the measured windows that they have over
        the flux scale; None where contexts read what was measured.
    """

    driver_names: tuple[str, ...]
    driver_mean: tuple[float, ...]
    driver_spread: tuple[float, ...]
    attribute_names: tuple[str, ...]
    attribute_mean: tuple[float, ...]
    attribute_spread: tuple[float, ...]
    flux_scale: float
    prior_scale: float | None = None

    @classmethod
    def fit(cls, data: PlaceData) -> Self:
        """Normalization of these places.

        Raises
        ------
        InputError
            If a driver has no spread, or no place has a measured flux above 0.
        """
        driver_mean, driver_spread = _moments(data.drivers)
        flat = [
            n for n, is_flat in zip(data.driver_names, driver_spread <= 0, strict=True) if is_flat
        ]
        if flat:
            raise InputError(f"{data.target}: drivers without spread at the places: {flat}")
        mean, spread = _moments(data.attributes)
        dropped = [n for n, s in zip(data.attribute_names, spread, strict=True) if not s > 0]
        if dropped:
            logger.info("%s: attributes without spread are dropped: %s", data.target, dropped)
        return cls(
            driver_names=data.driver_names,
            driver_mean=tuple(driver_mean.tolist()),
            driver_spread=tuple(driver_spread.tolist()),
            attribute_names=data.attribute_names,
            attribute_mean=tuple(mean.tolist()),
            attribute_spread=tuple(spread.tolist()),
            flux_scale=_flux_scale(data),
            prior_scale=None if data.prior_flux is None else _prior_scale(data),
        )

    @property
    def response_scale(self) -> float:
        """Scale of what contexts hold of fluxes, kg m-2 s-1.

        A process model is read by its own scale: how high its fluxes are is not what it knows.
        """
        return self.flux_scale if self.prior_scale is None else self.prior_scale

    def with_flux_scales_of(self, other: Self) -> Self:
        """The same scaling of drivers and attributes, that of fluxes as another has it."""
        return dataclasses.replace(self, flux_scale=other.flux_scale, prior_scale=other.prior_scale)

    def normalize_drivers(self, drivers: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Drivers of about zero mean and unit spread, NaN where absent.

        Parameters
        ----------
        drivers : (..., D), CF units
        names : of the last dim, in any order

        Returns
        -------
        (..., D), in the order of ``driver_names``

        Raises
        ------
        MissingDriverError
            If names are not those it was fitted on.
        """
        order = self._order(names, self.driver_names, "drivers")
        return (drivers[..., order] - self._array("driver_mean")) / self._array("driver_spread")

    def normalize_attributes(self, attributes: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Attributes of about zero mean and unit spread; 0 where unknown or dropped.

        Parameters
        ----------
        attributes : (..., A)
        names : of the last dim, in any order

        Raises
        ------
        MissingDriverError
            If names are not those it was fitted on.
        """
        order = self._order(names, self.attribute_names, "attributes")
        spread = self._array("attribute_spread")
        centered = attributes[..., order] - self._array("attribute_mean")
        is_used = np.isfinite(centered) & (spread > 0)
        return np.where(is_used, centered, 0) / np.where(spread > 0, spread, 1)

    def _array(self, name: str) -> np.ndarray:
        return np.asarray(getattr(self, name), dtype=np.float32)

    @staticmethod
    def _order(names: Sequence[str], known: Sequence[str], kind: str) -> list[int]:
        if sorted(names) != sorted(known):
            raise MissingDriverError(
                f"normalization was fitted on the {kind} {list(known)}, found {list(names)}"
            )
        return [list(names).index(name) for name in known]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as the JSON file and a checkpoint hold them."""
        return {
            k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Normalization of plain values."""
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def fit_normalization(
    *,
    observations: str | os.PathLike,
    out: str | os.PathLike,
    prior: str | os.PathLike | None = None,
) -> None:
    """Fit on an observation store and write normalization.json.

    Parameters
    ----------
    observations : manifest of the store
    out : JSON file
    prior : manifest of a process model's flux at its places, where contexts read one
    """
    data = open_place_data(observations, prior)
    normalization = Normalization.fit(data)
    logger.info(
        "fit_normalization %s: %d places, flux scale %.3g kg m-2 s-1",
        data.target,
        data.n_places,
        normalization.flux_scale,
    )
    write_json(out, normalization.to_dict())


def read_normalization(path: str | os.PathLike) -> Normalization:
    """Normalization of a JSON file."""
    return Normalization.from_dict(read_json(path))


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread over all dims but the last; 0 for a spread that is rounding or nothing."""
    flat = values.reshape(int(np.prod(values.shape[:-1])), values.shape[-1]).astype(np.float64)
    count = np.isfinite(flat).sum(axis=0)
    mean = np.nansum(flat, axis=0) / np.maximum(count, 1)
    spread = np.sqrt(np.nansum((flat - mean) ** 2, axis=0) / np.maximum(count, 1))
    return mean, np.where(spread > FLAT * np.abs(mean), spread, 0.0)


def _flux_scale(data: PlaceData) -> float:
    means = data.windows[data.is_measured].groupby("place")["flux"].mean()
    positive = means[means > 0]
    if positive.empty:
        raise InputError(f"{data.target}: no place has a mean measured flux above 0")
    return float(positive.median())


def _prior_scale(data: PlaceData) -> float:
    return _flux_scale(data) / fit_prior_factor(data)


def fit_prior_factor(data: PlaceData) -> float:
    """Ratio of the measured to the prior mean, over the measured windows that have both.

    Raises
    ------
    InputError
        If there is no prior flux, or either mean is not above 0.
    """
    if data.prior_flux is None:
        raise InputError(f"{data.target}: no prior flux at the places")
    measured = data.with_windows(data.is_measured)
    prior = build_window_means(data.prior_flux, measured)
    is_known = np.isfinite(prior)
    total, observed = (
        float(v[is_known].sum()) for v in (prior, measured.windows["flux"].to_numpy())
    )
    if not (total > 0 and observed > 0):
        raise InputError(
            f"{data.target}: measured and prior fluxes of {is_known.sum()} windows sum to "
            f"{observed:g} and {total:g}, expected both above 0"
        )
    return observed / total
