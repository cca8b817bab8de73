"""Inverted transformer: a token holds a driver's whole year."""

import torch
from torch import Tensor, nn

from chamnet.model.baselines.daily import LONGEST_YEAR, DailyNetwork, Days, pad_year
from chamnet.model.baselines.transformer import build_encoder


class ITransformer(DailyNetwork):
    """Self-attention between variables: the year of each driver is one token.

    Beside the drivers there is a token of the attributes and one of the flux, which begins the
    same at every place, gathers from the others, and is laid out on the days in the end.

    References
    ----------
    .. [1] Liu et al. (2024), iTransformer: inverted transformers are effective for time series
       forecasting, ICLR, arXiv:2310.06625, section 3.
    """

    def __init__(self, *, n_drivers: int, n_attributes: int, n_hidden: int, dropout: float) -> None:
        super().__init__(
            n_drivers=n_drivers, n_attributes=n_attributes, n_hidden=n_hidden, dropout=dropout
        )
        self.to_token = nn.Linear(LONGEST_YEAR, n_hidden)
        self.variable = nn.Parameter(0.02 * torch.randn(n_drivers, n_hidden))
        self.of_attributes = nn.Linear(n_attributes, n_hidden) if n_attributes else None
        self.of_flux = nn.Parameter(0.02 * torch.randn(1, 1, n_hidden))
        self.encoder = build_encoder(n_hidden, dropout)
        self.to_days = nn.Linear(n_hidden, LONGEST_YEAR)

    def read_days(self, days: Days) -> Tensor:
        """Number of each day, (B, T); the history is not read."""
        B, T, _ = days.inputs.shape
        years = pad_year(days.inputs[..., : self.n_drivers]).transpose(1, 2)  # (B, D, 366)
        tokens = [self.of_flux.expand(B, -1, -1), self.to_token(years) + self.variable]
        if self.of_attributes is not None:
            tokens.append(self.of_attributes(days.attributes).unsqueeze(1))
        states = self.encoder(torch.cat(tokens, dim=1))  # (B, 1 + D (+ 1), H)
        return self.to_days(states[:, 0])[:, :T]
