"""The seasonal cycle that a place's own response shows, as the base of its flux."""

import math

import torch
from torch import Tensor, nn

from chamnet.model.daily_inputs import months_away
from chamnet.timeaxis import N_MONTHS

MONTHS_OF_DOUBT = 0.5  # measured months that weigh as much as the network, before training
FAR_SHARE = 1e-3  # of the kernel beyond the neighboring months: fills gaps, adds no trust
HIGHEST_LOG_DEPARTURE = 1.0  # of e: weather moves a measured cycle by at most so much


class SeasonalAnchor(nn.Module):
    """Draws the network's flux towards what was measured at the place.

    A mean of n measured months weighs n / (n + k) against what the network says without it,
    the empirical Bayes estimate of a mean [1]_; k is learned, and then fitted once more by
    context mode (`chamnet.training.doubt`). First the network's flux is
    brought to the measured level (a ratio estimate, shrunk likewise), then it is blended with
    the measured mean cycle, which the weather of the target year moves. Where nothing was
    measured, the flux is the network's own, bit for bit.

    Parameters
    ----------
    n_hidden : width of the decoder

    References
    ----------
    .. [1] Efron & Morris (1973), Stein's estimation rule and its competitors - an empirical
       Bayes approach, doi:10.1080/01621459.1973.10481350.
    """

    def __init__(self, *, n_hidden: int) -> None:
        super().__init__()
        self.log_doubt = nn.Parameter(torch.tensor(math.log(MONTHS_OF_DOUBT)))
        self.to_departure = nn.Linear(n_hidden, 1, bias=False)
        nn.init.zeros_(self.to_departure.weight)  # an untrained one keeps the cycle as it is

    def forward(
        self,
        flux: Tensor,
        states: Tensor,
        response: Tensor,
        coverage: Tensor,
        fraction: Tensor,
        *,
        doubt_factor: float = 1.0,
        told: Tensor | None = None,
    ) -> Tensor:
        """Flux of each day over the flux scale.

        Parameters
        ----------
        flux : (B, T), over the flux scale
            What the network says of the target year.
        states : (B, T, H), of the decoder
        response : (B, 12), over the flux scale
            Means over what was measured in each month of all context years.
        coverage : (B, 12)
            Months measured, summed over the years; 0 for none.
        fraction : (B, T), or (1, T) for all, of the year at the middle of each day
        doubt_factor : of the learned doubt, see `chamnet.training.doubt`
        told : (B, T), over the response scale
            What a process model says of the target year's days, in place of the mean cycle
            where it is finite; it counts for one measured month. The weather moves it within the
            year and leaves its mean.

        Returns
        -------
        (B, T)
        """
        kernel = build_kernel(fraction)  # (B, T, 12)
        trust = _apply(kernel, coverage)  # (B, T), measured months
        cycle = (_apply(kernel, coverage * response) / trust.clamp(min=1e-9)).clamp(min=0)
        doubt = self.log_doubt.exp() * doubt_factor
        departure = self.to_departure(states).squeeze(-1).float().tanh()
        if told is not None:
            is_told = told.isfinite()
            cycle = torch.where(is_told, told.clamp(min=0), cycle)
            trust = trust.masked_fill(is_told, 1.0)
        moved = cycle * (HIGHEST_LOG_DEPARTURE * departure).exp()
        if told is not None:  # a place's level is learned by heart, and says nothing of others
            moved = moved * (_mean(cycle) / _mean(moved).clamp(min=1e-9))
        level = _measured_level(flux, cycle, trust, doubt)
        return (level * flux).lerp(moved, trust / (trust + doubt))


def _measured_level(flux: Tensor, cycle: Tensor, trust: Tensor, doubt: Tensor) -> Tensor:
    """Measured sum over the network's of the same days, both with some months of its mean."""
    share = trust * (N_MONTHS / trust.shape[1])  # (B, T), measured months that a day stands for
    unsure = doubt * flux.mean(dim=1)
    measured = (share * cycle).sum(dim=1) + unsure
    said = (share * flux).sum(dim=1) + unsure
    return (measured / said.clamp(min=1e-6)).unsqueeze(1)


def build_kernel(fraction: Tensor) -> Tensor:
    """Weight of each month for each day, (B, T) of fractions to (B, T, 12).

    Linear between the middles of months, round the year, and a little of every other month,
    so that a gap is filled from the nearest.
    """
    distance = months_away(fraction)
    return (1 - distance).clamp(min=0) + FAR_SHARE * (-distance).exp()


def _mean(daily: Tensor) -> Tensor:
    """Mean over the days, (B, T) to (B, 1)."""
    return daily.mean(dim=1, keepdim=True)


def _apply(kernel: Tensor, monthly: Tensor) -> Tensor:
    """Sum over months, (B, T); no matrix product, which autocast would round to bfloat16."""
    return (kernel * monthly.unsqueeze(1)).sum(dim=-1)
