"""LSTM given the history that CHAM-net gets: the control that isolates the architecture."""

import torch
from torch import Tensor, nn

from chamnet.model.baselines.daily import DailyNetwork, Days, build_lstm
from chamnet.model.daily_inputs import upsample_season


class LSTMHistory(DailyNetwork):
    """The LSTM with a summary of the context concatenated to the inputs of every day.

    The summary is the mean seasonal cycle of the context years (each driver, the response and
    how much of it was measured, by month, laid on the days) and its annual means. Nothing of it
    is learned: what CHAM-net does better with the same years, its encoder and its
    conditioning do.

    References
    ----------
    .. [1] Kratzert et al. (2019), doi:10.5194/hess-23-5089-2019, for the LSTM; concatenating
       what is known of a place is its section 2.2.
    """

    reads_history = True

    def __init__(self, *, n_drivers: int, n_attributes: int, n_hidden: int, dropout: float) -> None:
        super().__init__(
            n_drivers=n_drivers, n_attributes=n_attributes, n_hidden=n_hidden, dropout=dropout
        )
        n_inputs = self.n_features + 2 * self.n_season
        self.recurrent = build_lstm(n_inputs, n_hidden)
        self.dropout = nn.Dropout(dropout)
        self.to_flux = nn.Linear(n_hidden, 1)

    def read_days(self, days: Days) -> Tensor:
        """Number of each day, (B, T)."""
        cycle = upsample_season(days.history, days.fraction)  # (B, T, D + 2)
        annual = days.history.mean(dim=1, keepdim=True).expand_as(cycle)
        states = self.recurrent(torch.cat([days.inputs, cycle, annual], dim=-1))[0]  # (B, T, H)
        return self.to_flux(self.dropout(states)).squeeze(-1)
