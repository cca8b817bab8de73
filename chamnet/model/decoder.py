"""From the target year's weather, and what is known of the place, to its daily flux."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from chamnet.model.conditioning import Conditions, apply_film
from chamnet.model.daily_inputs import DailyInputs
from chamnet.model.recurrent import LSTM

HIGHEST_LOG_LEVEL = 4.0  # of e: a place's level is at most 55 times the flux scale's
DAYS_AT_ONCE = 32  # whose states a processor's cache holds


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
        self, inputs: DailyInputs, conditions: Conditions, *, needs_states: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        """Flux of each day over the flux scale, never negative, and the states it is read from.

        Parameters
        ----------
        inputs : of each day
            The last ``n_season`` are the seasonal summary.
        conditions : of each place
        needs_states : False is quicker once trained, where no gradient is asked for, and gives
            None for the states

        Returns
        -------
        (B, T), (B, T, H)
        """
        for_states, for_season = self.to_flux.weight[0].split(
            [self.recurrent.hidden_size, self.n_season]
        )
        features, season = self._lay_out(inputs, conditions, for_season)
        first = (conditions.hidden.unsqueeze(0), conditions.cell.unsqueeze(0))
        states = self.recurrent(features, first)[0]  # (B, T, H)
        if needs_states or self._learns:
            states = apply_film(states, conditions.output_scale, conditions.output_shift)
            states = self.dropout(states)
            read = (states * for_states).sum(-1)  # (B, T)
        else:
            states, read = None, _read_film(states, conditions, for_states)
        # ``to_flux`` of states and season side by side, without laying them so in memory
        raw = read + season + self.to_flux.bias
        raw = raw.float() * (1 + conditions.gain.unsqueeze(1)) + conditions.offset.unsqueeze(1)
        level = conditions.log_level.float().clamp(max=HIGHEST_LOG_LEVEL).exp()
        return functional.softplus(raw) * level.unsqueeze(1), states

    @property
    def _learns(self) -> bool:
        return self.training or torch.is_grad_enabled()

    def _lay_out(
        self, inputs: DailyInputs, conditions: Conditions, for_season: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Inputs behind FiLM, (B, T, I), and the weighted sum of the seasonal summary, (B, T)."""
        film = conditions.input_scale, conditions.input_shift
        if self._learns or len(inputs.fraction) > 1:  # of more than one calendar
            laid = inputs.lay_out()
            season = laid[..., laid.shape[-1] - self.n_season :] @ for_season
            return self.dropout(apply_film(laid, *film)), season
        dtype = self.recurrent.weight_hh_l0.dtype
        return inputs.lay_out_filmed(*film, dtype=dtype), inputs.read_season(for_season)


def _read_film(states: Tensor, conditions: Conditions, weight: Tensor) -> Tensor:
    """Weighted sum of states behind FiLM, which acts on the weights (H,) in their place.

    (h (1 + g) + b) w = h ((1 + g) w) + b w, some days after the other, as a recurrent layer
    lays its states: (B, T, H) to (B, T).
    """
    scaled = (1 + conditions.output_scale) * weight  # (B, H)
    parts = states.transpose(0, 1).split(DAYS_AT_ONCE)  # (T, B, H)
    read = [part.to(scaled.dtype, copy=True).mul_(scaled).sum(-1) for part in parts]  # (T, B)
    return (torch.cat(read) + conditions.output_shift @ weight).T
