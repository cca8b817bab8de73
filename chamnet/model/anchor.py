"""The seasonal cycle that a place's own response shows, and how far it is to be trusted."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from chamnet.model.encoder import N_MONTHS

MONTHS_OF_DOUBT = 0.5  # observed months that weigh as much as the network, before training
FAR_SHARE = 1e-3  # of the kernel beyond the neighboring months: fills gaps, adds no trust


class Anchor(NamedTuple):
    """Mean seasonal cycle of the response, and its weight against the network; (B, T) each."""

    cycle: Tensor
    weight: Tensor


class SeasonalAnchor(nn.Module):
    """Shrinks the network towards the monthly means of what was measured at the place.

    A mean of n observed months weighs n / (n + k) against what the network says without it,
    the empirical Bayes estimate of a mean [1]_; k is learned. Where nothing was measured, the
    weight is 0 and the flux is the network's own.

    References
    ----------
    .. [1] Efron & Morris (1973), Stein's estimation rule and its competitors - an empirical
       Bayes approach, doi:10.1080/01621459.1973.10481350.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_doubt = nn.Parameter(torch.tensor(math.log(MONTHS_OF_DOUBT)))

    def forward(self, response: Tensor, coverage: Tensor, fraction: Tensor) -> Anchor:
        """Cycle and weight of each day.

        Parameters
        ----------
        response : (B, 12), over the flux scale
            Means over what was measured in each month of all context years.
        coverage : (B, 12)
            Months measured, summed over the years; 0 for none.
        fraction : (B, T), of the year at the middle of each day
        """
        kernel = build_kernel(fraction).to(response.dtype)  # (B, T, 12)
        trust = (kernel @ coverage.unsqueeze(-1)).squeeze(-1)  # (B, T), in months
        total = (kernel @ (coverage * response).unsqueeze(-1)).squeeze(-1)
        cycle = (total / trust.clamp(min=1e-9)).clamp(min=0)
        return Anchor(cycle, trust / (trust + self.log_doubt.exp()))


def build_kernel(fraction: Tensor) -> Tensor:
    """Weight of each month for each day, (B, T) of fractions to (B, T, 12).

    Linear between the middles of months, round the year, and a little of every other month,
    so that a gap is filled from the nearest.
    """
    position = fraction * N_MONTHS - 0.5  # in months, -0.5 to 11.5
    distance = (position.unsqueeze(-1) - torch.arange(N_MONTHS, device=fraction.device)).abs()
    distance = torch.minimum(distance, N_MONTHS - distance)  # (B, T, 12)
    return (1 - distance).clamp(min=0) + FAR_SHARE * (-distance).exp()
