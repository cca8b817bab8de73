"""From the target year's weather, and what is known of the place, to its daily flux."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from chamnet.model.conditioning import Conditions, apply_film
from chamnet.model.recurrent import LSTM
from chamnet.timeaxis import N_MONTHS

N_PHASE = 2
HIGHEST_LOG_LEVEL = 4.0  # of e: a place's level is at most 55 times the flux scale's


def build_phase(fraction: Tensor) -> Tensor:
    """Sine and cosine of the day of the year, (B, T) of fractions to (B, T, 2)."""
    angle = 2 * math.pi * fraction
    return torch.stack([angle.sin(), angle.cos()], dim=-1)


def upsample_season(season: Tensor, fraction: Tensor) -> Tensor:
    """Seasonal summary of each day, linear between middles of months, round the year.

    Parameters
    ----------
    season : (B, 12, S)
    fraction : (B, T), or (1, T) for all, of the year at the middle of each day

    Returns
    -------
    (B, T, S)
    """
    return (1 - months_away(fraction)).clamp(min=0).to(season.dtype) @ season


def months_away(fraction: Tensor) -> Tensor:
    """Distance of each day to the middle of each month, round the year, in months.

    Parameters
    ----------
    fraction : (B, T), of the year at the middle of each day

    Returns
    -------
    (B, T, 12), 0 to 6
    """
    position = fraction * N_MONTHS - 0.5  # in months, -0.5 to 11.5
    distance = (position.unsqueeze(-1) - torch.arange(N_MONTHS, device=fraction.device)).abs()
    return torch.minimum(distance, N_MONTHS - distance)


class Decoder(nn.Module):
    """An LSTM over the days of the target year, conditioned on the place.

    Conditions act on its inputs, its outputs, its first state, and the level and spread of
    the flux, not on the gates inside: so the fused LSTM stays.

    Parameters
    ----------
    n_inputs : features of a day: drivers, attributes, phase, seasonal summary
    n_hidden : width
    n_season : numbers of the seasonal summary, read again behind the LSTM; 0 for none
    dropout : of inputs and outputs
    """

    def __init__(self, *, n_inputs: int, n_hidden: int, n_season: int, dropout: float) -> None:
        super().__init__()
        self.recurrent = LSTM(n_inputs, n_hidden)
        self.dropout = nn.Dropout(dropout)
        self.to_flux = nn.Linear(n_hidden + n_season, 1)
        self.n_season = n_season

    def forward(
        self, inputs: Tensor, conditions: Conditions, *, needs_states: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        """Flux of each day over the flux scale, never negative, and the states it is read from.

        Parameters
        ----------
        inputs : (B, T, I)
            The last ``n_season`` are the seasonal summary.
        conditions : of each place
        needs_states : False is quicker once trained, where no gradient is asked for, and gives
            None for the states

        Returns
        -------
        (B, T), (B, T, H)
        """
        features = apply_film(inputs, conditions.input_scale, conditions.input_shift)
        first = (conditions.hidden.unsqueeze(0), conditions.cell.unsqueeze(0))
        states = self.recurrent(self.dropout(features), first)[0]  # (B, T, H)
        for_states, for_season = self.to_flux.weight[0].split([states.shape[-1], self.n_season])
        if needs_states or self.training or torch.is_grad_enabled():
            states = apply_film(states, conditions.output_scale, conditions.output_shift)
            states = self.dropout(states)
            read = (states * for_states).sum(-1)  # (B, T)
        else:
            states, read = None, _read_film(states, conditions, for_states)
        # ``to_flux`` of states and season side by side, without laying them so in memory
        season = inputs[..., inputs.shape[-1] - self.n_season :]
        raw = read + season @ for_season + self.to_flux.bias
        raw = raw.float() * (1 + conditions.gain.unsqueeze(1)) + conditions.offset.unsqueeze(1)
        level = conditions.log_level.float().clamp(max=HIGHEST_LOG_LEVEL).exp()
        return functional.softplus(raw) * level.unsqueeze(1), states


def _read_film(states: Tensor, conditions: Conditions, weight: Tensor) -> Tensor:
    """Weighted sum of states behind FiLM, which acts on the weights (H,) in their place.

    (h (1 + g) + b) w = h ((1 + g) w) + b w, in one array and in the order of the days, as a
    recurrent layer lays its states: (B, T, H) to (B, T).
    """
    scaled = (1 + conditions.output_scale) * weight  # (B, H)
    read = states.transpose(0, 1).to(scaled.dtype, copy=True).mul_(scaled).sum(-1)  # (T, B)
    return (read + conditions.output_shift @ weight).T
