"""A trained network with its normalization: physical units in, physical units out."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn

from chamnet.config import ModelConfig
from chamnet.data.normalization import HIGHEST_NORMALIZED, Normalization
from chamnet.errors import CheckpointError
from chamnet.model.encoder import pool_year
from chamnet.model.network import CHAMNet, Context
from chamnet.provenance import digest_of_code, environment
from chamnet.timeaxis import year_fraction

FORMAT = 3
PRIOR = "prior"  # contexts hold a process model's flux: a network of its own
MEASURED_MODES = ("frozen", "rolling", "few_shot", "zero_shot")  # of one network, all four


def modes_of(*, has_prior: bool, has_response: bool = True) -> tuple[str, ...]:
    """Context modes that a training serves.

    Parameters
    ----------
    has_prior : whether its contexts hold a process model's flux
    has_response : whether its contexts hold any flux
    """
    if has_prior:
        return (PRIOR,)
    return MEASURED_MODES if has_response else ("zero_shot",)


class Start(NamedTuple):
    """What a training begins with: a network's weights, and its scaling of what it reads."""

    weights: Mapping[str, Tensor]
    normalization: Normalization


class Member(nn.Module):
    """One trained network with its normalization; evaluates, never trains.

    Parameters
    ----------
    network : trained
    normalization : what it was trained with
    target : emission or consumption
    modes : context modes it was trained for
    n_context_years : earlier years it may be given at most
    mean_factors : factor that restores the mean, by mode
        That of a mode not named is 1.
    doubt_factors : factor of the anchor's doubt, by mode; 1 likewise
    settings : options and seed of the training, as plain values
    """

    def __init__(
        self,
        network: CHAMNet,
        normalization: Normalization,
        *,
        target: str,
        modes: Sequence[str] = MEASURED_MODES,
        n_context_years: int,
        mean_factors: Mapping[str, float] | None = None,
        doubt_factors: Mapping[str, float] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.normalization = normalization
        self.target = target
        self.modes = tuple(modes)
        self.n_context_years = n_context_years
        self.mean_factors = dict(mean_factors or {})
        self.doubt_factors = dict(doubt_factors or {})
        self.settings = dict(settings or {})
        self.n_embedding = network.config.n_embedding
        self.n_season = network.n_season
        for name in ("driver_mean", "driver_spread", "attribute_mean", "attribute_spread"):
            values = torch.tensor(getattr(normalization, name), dtype=torch.float32)
            self.register_buffer(name, values, persistent=False)
        self.eval().requires_grad_(False)

    @property
    def driver_names(self) -> tuple[str, ...]:
        """Drivers, in the order of the last dim."""
        return self.normalization.driver_names

    @property
    def attribute_names(self) -> tuple[str, ...]:
        """Attributes, in the order of the last dim."""
        return self.normalization.attribute_names

    @property
    def start(self) -> Start:
        """What another training may begin with."""
        return Start(self.network.state_dict(), self.normalization)

    @property
    def mode_of_cells(self) -> str:
        """Mode where nothing was measured: prior of a network that reads one, else zero_shot."""
        return PRIOR if PRIOR in self.modes else "zero_shot"

    @property
    def mean_factor(self) -> float:
        """Factor that restores the mean where nothing was measured."""
        return self.mean_factors.get(self.mode_of_cells, 1.0)

    def has_mean_factor(self, mode: str) -> bool:
        """Whether a factor restores the mean in this mode.

        None does where the anchor holds the measured level: what a factor would correct there
        is the weather of the few years it is fitted on.
        """
        return mode in ("zero_shot", PRIOR) or self.network.anchor is None

    def check_fits(
        self,
        drivers: Sequence[str] | None = None,
        attributes: Sequence[str] | None = None,
        *,
        mode: str | None = None,
        n_context_years: int | None = None,
        source: str = "checkpoint",
    ) -> None:
        """Refuse what it was not trained for; None is unchecked.

        Parameters
        ----------
        drivers, attributes : names, in the order they will be given
        mode : context mode
        n_context_years : earlier years it will be given
        source : what messages begin with

        Raises
        ------
        CheckpointError
            If it was trained for other names, other modes or fewer years.
        """
        for kind, trained, found in (
            ("drivers", self.driver_names, drivers),
            ("attributes", self.attribute_names, attributes),
        ):
            if found is not None and list(found) != list(trained):
                raise CheckpointError(
                    f"{source} was trained on the {kind} {list(trained)}, found {list(found)}"
                )
        if mode is not None and mode not in self.modes:
            raise CheckpointError(
                f"{source} was trained for the modes {list(self.modes)}, asked for {mode!r}"
            )
        if n_context_years is not None and n_context_years > self.n_context_years:
            raise CheckpointError(
                f"{source} was trained with at most {self.n_context_years} earlier years, "
                f"asked for {n_context_years}"
            )

    def has_response(self, seasons: Tensor | np.ndarray) -> bool:
        """Whether any of these seasonal summaries of years, (..., 12, S), holds a response."""
        return bool(seasons[..., self.network.n_drivers + 1].any())

    @torch.no_grad()
    def encode_year(self, drivers: Tensor, response: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Embedding and seasonal summary of a year of each place.

        Parameters
        ----------
        drivers : (B, T, D), CF units
            The whole year of 360, 365 or 366 days; NaN where absent.
        response : (B, T), kg m-2 s-1
            NaN where absent; None for none at all. In the mode prior the process model's flux.

        Returns
        -------
        (B, E), (B, 12, S)

        Raises
        ------
        CheckpointError
            If it was trained without a year level.
        """
        if not self.network.config.year_level:
            raise CheckpointError(
                "checkpoint was trained with model.year_level: false; its "
                "context cannot be embedded year by year"
            )
        return self.network.year_encoder(self.pool_year(drivers, response))

    @torch.no_grad()
    def predict(
        self,
        drivers: Tensor,
        attributes: Tensor,
        embeddings: Tensor,
        seasons: Tensor,
        year_mask: Tensor,
        *,
        mean_factor: float | None = None,
        has_response: bool | None = None,
        told: Tensor | None = None,
    ) -> Tensor:
        """Flux of each day of the target year, its mean restored.

        Parameters
        ----------
        drivers : (B, T, D), CF units
            NaN where absent.
        attributes : (B, A)
            NaN where unknown.
        embeddings, seasons : (B, Y, E), (B, Y, 12, S), of the context years
            Oldest first; the last is the target year itself, without what was measured in it.
        year_mask : (B, Y)
            False where a year is missing.
        mean_factor : the checkpoint's own where nothing was measured when None
        has_response : whether any of the seasons holds a response, as the method of that name says
            None looks, and waits for a GPU to have found it.
        told : (B, T), kg m-2 s-1
            A process model's flux of the target year, NaN where absent; in the mode prior alone.

        Returns
        -------
        (B, T), kg m-2 s-1, never negative
        """
        context = Context(embeddings.float(), seasons.float(), year_mask)
        doubt_factor = self.doubt_factors.get(self.mode_of_cells, 1.0)
        known = {"has_response": has_response, "told": told}
        return self._decode(context, drivers, attributes, mean_factor, doubt_factor, **known)

    @torch.no_grad()
    def predict_pooled(
        self,
        drivers: Tensor,
        attributes: Tensor,
        pooled: Tensor,
        year_mask: Tensor,
        *,
        mean_factor: float | None = None,
        doubt_factor: float = 1.0,
        told: Tensor | None = None,
    ) -> Tensor:
        """Flux of each day of the target year, from context years as ``pool_year`` gives them.

        Parameters
        ----------
        drivers, attributes, year_mask, mean_factor, told : as ``predict`` takes them
        pooled : (B, Y, bins, D + 2), oldest first
        doubt_factor : of the doubt in what was measured at the place

        Returns
        -------
        (B, T), kg m-2 s-1, never negative
        """
        context = self.network.encode_years(pooled, year_mask)
        return self._decode(context, drivers, attributes, mean_factor, doubt_factor, told=told)

    def pool_year(self, drivers: Tensor, response: Tensor | None = None) -> Tensor:
        """Context year as the encoder reads it, (B, bins, D + 2).

        Parameters
        ----------
        drivers : (B, T, D), CF units
        response : (B, T), kg m-2 s-1
        """
        if response is None or not self.network.config.response:
            response = drivers.new_full(drivers.shape[:2], torch.nan)
        scaled = (response / self.normalization.response_scale).float()
        return pool_year(self._normalize_drivers(drivers), scaled, n_bins=self.network.n_bins)

    def _decode(
        self,
        context: Context,
        drivers: Tensor,
        attributes: Tensor,
        mean_factor: float | None,
        doubt_factor: float,
        *,
        has_response: bool | None = None,
        told: Tensor | None = None,
    ) -> Tensor:
        factor = self.mean_factor if mean_factor is None else mean_factor
        known: dict[str, Any] = {}
        if self.network.anchor is not None:
            known |= {"doubt_factor": doubt_factor, "has_response": has_response}
        if told is not None:
            known["told"] = (told / self.normalization.response_scale).float()
        flux = self.network.decode(
            context,
            self._normalize_drivers(drivers),
            self._normalize_attributes(attributes),
            _build_fraction(drivers.shape[1], drivers.device),
            **known,
        )
        return flux.float() * (factor * self.normalization.flux_scale)

    def _normalize_drivers(self, drivers: Tensor) -> Tensor:
        normalized = (drivers.float() - self.driver_mean).div_(self.driver_spread)
        return normalized.clamp_(-HIGHEST_NORMALIZED, HIGHEST_NORMALIZED)

    def _normalize_attributes(self, attributes: Tensor) -> Tensor:
        centered = (attributes.float() - self.attribute_mean).nan_to_num(0.0)
        spread = self.attribute_spread
        normalized = (centered / spread.clamp(min=1e-30)).masked_fill(spread <= 0, 0.0)
        return normalized.clamp(-HIGHEST_NORMALIZED, HIGHEST_NORMALIZED)

    def to_dict(self) -> dict[str, Any]:
        """Tensors and plain values, all that the file holds."""
        return {
            "format": FORMAT,
            "weights": {k: v.detach().cpu() for k, v in self.network.state_dict().items()},
            "model": self.network.config.model_dump(),
            "normalization": self.normalization.to_dict(),
            "target": self.target,
            "modes": list(self.modes),
            "n_context_years": self.n_context_years,
            "mean_factors": dict(self.mean_factors),
            "doubt_factors": dict(self.doubt_factors),
            "settings": self.settings,
            "code": digest_of_code("chamnet.model.member"),
            "environment": environment(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Member of the values of a file."""
        normalization = Normalization.from_dict(values["normalization"])
        network = CHAMNet(
            n_drivers=len(normalization.driver_names),
            n_attributes=len(normalization.attribute_names),
            config=ModelConfig(**values["model"]),
            reads_prior=normalization.prior_scale is not None,
        )
        network.load_state_dict(values["weights"])
        names = ("target", "modes", "n_context_years", "mean_factors", "doubt_factors", "settings")
        return cls(network, normalization, **{name: values[name] for name in names})


@functools.cache
def _build_fraction(n_steps: int, device: torch.device) -> Tensor:
    """Fraction of the year at the middle of each day, (1, T); a GPU is given it once."""
    return torch.tensor(year_fraction(n_steps), dtype=torch.float32).unsqueeze(0).to(device)
