"""What the decoder reads of each day: a place, the time of year, the season, the weather."""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from chamnet.model.conditioning import apply_film
from chamnet.timeaxis import N_MONTHS

N_PHASE = 2


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
    return _month_weights(fraction).to(season.dtype) @ season


def _month_weights(fraction: Tensor) -> Tensor:
    """Weights of the months, (B, T, 12), two of them above 0; they sum to 1."""
    return (1 - months_away(fraction)).clamp(min=0)


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


class DailyInputs(NamedTuple):
    """The parts of the decoder's inputs, as ``lay_out`` lays them side by side.

    Attributes
    ----------
    attributes : (B, A), of a place, normalized
    fraction : (B, T), or (1, T) for all, of the year at the middle of each day
    condition : (B, C), of a place; C from 0
    told : (B, T, P), what else is known of each day; P from 0
    drivers : (B, T, D), normalized
        NaN where absent.
    season : (B, 12, D + S), the mean cycle of the drivers and the seasonal summary
        None: drivers are read as they are, not as departures from their mean cycle.
    """

    attributes: Tensor
    fraction: Tensor
    condition: Tensor
    told: Tensor
    drivers: Tensor
    season: Tensor | None

    def lay_out(self) -> Tensor:
        """Inputs of each day, (B, T, I): place, phase, condition, told, weather, season."""
        B, T, D = self.drivers.shape
        parts = [
            self.attributes.unsqueeze(1).expand(-1, T, -1),
            build_phase(self.fraction).expand(B, -1, -1),
            self.condition.unsqueeze(1).expand(-1, T, -1),
            self.told,
        ]
        if self.season is None:
            return torch.cat([*parts, self.drivers.nan_to_num(0.0)], dim=-1)
        daily = upsample_season(self.season, self.fraction)  # (B, T, D + S)
        departure = (self.drivers - daily[..., :D]).nan_to_num(0.0)
        return torch.cat([*parts, departure, daily], dim=-1)

    def lay_out_filmed(self, scale: Tensor, shift: Tensor, *, dtype: torch.dtype) -> Tensor:
        """Inputs behind FiLM, in memory in the order of the days, as an LSTM reads them.

        All but what is known of single days is one product of matrices: FiLM acts on the months
        and on the phase, and the product lays them out over the days. For places of one calendar.

        Parameters
        ----------
        scale, shift : (B, I), of FiLM
        dtype : of the inputs

        Returns
        -------
        (B, T, I)
        """
        days = self._read_days()  # (T, B, P + D)
        start = self.attributes.shape[1] + N_PHASE + self.condition.shape[1]
        own = slice(start, start + days.shape[-1])
        table = self._tabulate(scale, shift, n_own=days.shape[-1])
        basis = torch.cat([_month_weights(self.fraction), build_phase(self.fraction)], dim=-1)
        laid = _spread_out(table.to(dtype), basis[0].to(dtype))
        laid[..., own] = torch.addcmul(shift[:, own], days, 1 + scale[:, own])
        return laid.transpose(0, 1)

    def read_season(self, weight: Tensor) -> Tensor:
        """Weighted sum of the seasonal summary, the last inputs of a day, (S,) to (B, T).

        For places of one calendar.
        """
        if self.season is None:
            return self.drivers.new_zeros(self.drivers.shape[:2])
        read = self.season[..., self.season.shape[-1] - len(weight) :] @ weight  # (B, 12)
        return (_month_weights(self.fraction)[0] @ read.T).T

    def _read_days(self) -> Tensor:
        """What is known of single days: told, and weather, (T, B, P + D)."""
        drivers = self.drivers.transpose(0, 1)
        if self.season is not None:
            cycle = self.season[..., : drivers.shape[-1]]
            drivers = drivers - _spread_out(cycle, _month_weights(self.fraction)[0])
        weather = drivers.nan_to_num(0.0)
        if not self.told.shape[-1]:
            return weather
        return torch.cat([self.told.transpose(0, 1), weather], dim=-1)

    def _tabulate(self, scale: Tensor, shift: Tensor, *, n_own: int) -> Tensor:
        """Inputs behind FiLM in the middle of each month, and by phase, (B, 12 + 2, I)."""
        B, A = self.attributes.shape
        no_phase, no_own = (self.attributes.new_zeros(B, n) for n in (N_PHASE, n_own))
        place = torch.cat([self.attributes, no_phase, self.condition, no_own], dim=-1)
        months = place.unsqueeze(1).expand(-1, N_MONTHS, -1)
        if self.season is not None:
            months = torch.cat([months, self.season], dim=-1)
        phase = torch.diag_embed(1 + scale[:, A : A + N_PHASE])
        phase = functional.pad(phase, (A, scale.shape[1] - A - N_PHASE))
        return torch.cat([apply_film(months, scale, shift), phase], dim=1)


def _spread_out(table: Tensor, basis: Tensor) -> Tensor:
    """Table of each place (B, K, I) over the days, by weights (T, K): (T, B, I)."""
    return (basis @ table.transpose(0, 1).flatten(1)).unflatten(1, (len(table), -1))
