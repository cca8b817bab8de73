"""What the baselines that learn share: CHAM-net's interface, over a year of days.

A `DailyNetwork` is trained by the very loop that trains CHAM-net, on the same episodes, with
the same loss, early stopping and restored mean; so the tables compare architectures alone.
"""

import abc
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from chamnet.config import ModelConfig
from chamnet.model.daily_inputs import N_PHASE, build_phase
from chamnet.model.encoder import N_CONTEXT_CHANNELS, monthly_weights, response_to_network
from chamnet.model.recurrent import LSTM

LONGEST_YEAR = 366
DAYS_PER_YEAR = 365
FORGET_BIAS = 3.0  # a young LSTM remembers (Kratzert et al. 2019)


class Days(NamedTuple):
    """The days of a batch of years.

    ``inputs`` (B, T, D + A + 2), drivers, attributes and phase, 0 on days without a driver;
    ``attributes`` (B, A); ``history`` (B, 12, D + 2), as ``encode_years`` gives it; ``fraction``
    (B, T), of the year at the middle of each day.
    """

    inputs: Tensor
    attributes: Tensor
    history: Tensor
    fraction: Tensor


class DailyNetwork(nn.Module, abc.ABC):
    """Daily flux of a year from its drivers, the attributes and the phase of the year.

    Parameters
    ----------
    n_drivers, n_attributes : D and A, A from 0
    n_hidden : width
    dropout : as each network says
    """

    reads_history: ClassVar[bool] = False
    """Whether the context changes what is predicted; without, its context is ``none``."""
    anchor: ClassVar[None] = None
    """Nothing holds a measured level: the mean is restored in every mode."""

    def __init__(self, *, n_drivers: int, n_attributes: int, n_hidden: int, dropout: float) -> None:
        super().__init__()
        self.config = ModelConfig(
            n_hidden=n_hidden, dropout=dropout, contrastive=False, anchor=False
        )
        self.n_bins = round(DAYS_PER_YEAR / self.config.pool_days)
        self.n_drivers, self.n_attributes = n_drivers, n_attributes
        self.n_features = n_drivers + n_attributes + N_PHASE
        self.n_season = n_drivers + N_CONTEXT_CHANNELS
        self.register_buffer("monthly", monthly_weights(self.n_bins), persistent=False)

    @abc.abstractmethod
    def read_days(self, days: Days) -> Tensor:
        """Number of each day that becomes its flux, (B, T); each network has its own."""

    def encode_years(self, pooled: Tensor, year_mask: Tensor) -> Tensor:
        """Mean seasonal cycle of the context: nothing in it is learned.

        Parameters
        ----------
        pooled : (B, Y, n_bins, D + 2), context years
            Drivers, response over the flux scale, share of days with a response.
        year_mask : (B, Y)

        Returns
        -------
        (B, 12, D + 2)
            Drivers; response on the network's scale, 0 where there is none; share of days.
        """
        weight = year_mask.to(pooled.dtype)[:, :, None, None]  # (B, Y, 1, 1)
        n_years = weight.sum(dim=1).clamp(min=1)
        drivers = (pooled[..., :-2] * weight).sum(dim=1) / n_years  # (B, n_bins, D)
        share = (pooled[..., -1:] * weight).sum(dim=1)  # (B, n_bins, 1)
        total = (pooled[..., -2:-1] * pooled[..., -1:] * weight).sum(dim=1)
        drivers, share, total = (self.monthly @ part for part in (drivers, share, total))
        response = response_to_network(total / share.clamp(min=1e-6))
        return torch.cat([drivers, response, share / n_years], dim=-1)

    def decode(
        self, history: Tensor, drivers: Tensor, attributes: Tensor, fraction: Tensor
    ) -> Tensor:
        """Flux of each day over the flux scale, never negative.

        Parameters
        ----------
        history : of ``encode_years``
        drivers : (B, T, D), normalized
            NaN where absent.
        attributes : (B, A), normalized
        fraction : (B, T), or (1, T) for all, of the year at the middle of each day

        Returns
        -------
        (B, T)
        """
        is_there = drivers.isfinite().any(dim=-1, keepdim=True)  # (B, T, 1)
        known = attributes.unsqueeze(1).expand(-1, drivers.shape[1], -1)
        phase = build_phase(fraction).expand(len(drivers), -1, -1)
        inputs = torch.cat([drivers.nan_to_num(0.0), known, phase], dim=-1)
        raw = self.read_days(Days(inputs * is_there, attributes, history, fraction))
        return functional.softplus(raw.float())

    def forward(
        self,
        pooled: Tensor,
        year_mask: Tensor,
        drivers: Tensor,
        attributes: Tensor,
        fraction: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Flux over the flux scale, (B, T), and nothing to contrast, (B, Y, 0)."""
        history = self.encode_years(pooled, year_mask)
        flux = self.decode(history, drivers, attributes, fraction)
        return flux, flux.new_zeros(*year_mask.shape, 0)


def build_lstm(n_inputs: int, n_hidden: int) -> LSTM:
    """An LSTM with the bias of its forget gate at 3, so that it begins by remembering."""
    recurrent = LSTM(n_inputs, n_hidden)
    with torch.no_grad():
        recurrent.bias_hh_l0[n_hidden : 2 * n_hidden] = FORGET_BIAS
    return recurrent


def pad_year(inputs: Tensor) -> Tensor:
    """Days up to 366, 0 behind the end of the year, (B, 366, F)."""
    return functional.pad(inputs, (0, 0, 0, LONGEST_YEAR - inputs.shape[1]))
