"""Entity-aware LSTM: what is known of a place decides which inputs its cells take in."""

import torch
from torch import Tensor, nn

from chamnet.model.baselines.daily import FORGET_BIAS, DailyNetwork, Days


class EALSTM(DailyNetwork):
    """An LSTM whose input gate is set once a place, by what does not change there.

    Static inputs are the attributes and the annual means of the context: its climate, its
    mean response and how much of it was measured. The other gates read the day.

    References
    ----------
    .. [1] Kratzert et al. (2019), HESS 23, 5089-5110, doi:10.5194/hess-23-5089-2019, eqs.
       7 to 12; attributes of CAMELS, which hold the climate, are the static inputs there.
    """

    reads_history = True

    def __init__(self, *, n_drivers: int, n_attributes: int, n_hidden: int, dropout: float) -> None:
        super().__init__(
            n_drivers=n_drivers, n_attributes=n_attributes, n_hidden=n_hidden, dropout=dropout
        )
        self.n_hidden = n_hidden
        self.to_input_gate = nn.Linear(n_attributes + self.n_season, n_hidden)
        self.from_day = nn.Linear(self.n_features - n_attributes, 3 * n_hidden)
        self.from_state = nn.Linear(n_hidden, 3 * n_hidden, bias=False)
        nn.init.orthogonal_(self.from_state.weight)
        with torch.no_grad():
            self.from_day.bias[:n_hidden] = FORGET_BIAS
        self.dropout = nn.Dropout(dropout)
        self.to_flux = nn.Linear(n_hidden, 1)

    def read_days(self, days: Days) -> Tensor:
        """Number of each day, (B, T)."""
        D = self.n_drivers
        inputs = torch.cat(
            [days.inputs[..., :D], days.inputs[..., D + self.n_attributes :]], dim=-1
        )
        static = torch.cat([days.attributes, days.history.mean(dim=1)], dim=-1)
        input_gate = self.to_input_gate(static).sigmoid()  # (B, H)
        state = cell = torch.zeros_like(input_gate)
        states = []
        for day in self.from_day(inputs).unbind(dim=1):  # (B, 3 H)
            forget, output, candidate = (day + self.from_state(state)).chunk(3, dim=-1)
            cell = forget.sigmoid() * cell + input_gate * candidate.tanh()
            state = output.sigmoid() * cell.tanh()
            states.append(state)
        return self.to_flux(self.dropout(torch.stack(states, dim=1))).squeeze(-1)
