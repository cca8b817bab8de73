"""LSTM on the year's drivers and the place's attributes: the network without any history."""

from torch import Tensor, nn

from chamnet.model.baselines.daily import DailyNetwork, Days, build_lstm


class LSTM(DailyNetwork):
    """One LSTM for all places, which tells them apart by their attributes alone.

    The baseline of X-MethaneWet and of most work on flux upscaling: whatever a place's past
    would tell must be read from its weather and attributes.

    References
    ----------
    .. [1] Hochreiter & Schmidhuber (1997), Long short-term memory, Neural Computation 9,
       1735-1780, doi:10.1162/neco.1997.9.8.1735.
    .. [2] Kratzert et al. (2019), Towards learning universal, regional, and local hydrological
       behaviors via machine learning applied to large-sample datasets, HESS 23, 5089-5110,
       doi:10.5194/hess-23-5089-2019: attributes beside the drivers of every day.
    """

    def __init__(self, *, n_drivers: int, n_attributes: int, n_hidden: int, dropout: float) -> None:
        super().__init__(
            n_drivers=n_drivers, n_attributes=n_attributes, n_hidden=n_hidden, dropout=dropout
        )
        self.recurrent = build_lstm(self.n_features, n_hidden)
        self.dropout = nn.Dropout(dropout)
        self.to_flux = nn.Linear(n_hidden, 1)

    def read_days(self, days: Days) -> Tensor:
        """Number of each day, (B, T); the history is not read."""
        states = self.recurrent(days.inputs)[0]  # (B, T, H)
        return self.to_flux(self.dropout(states)).squeeze(-1)
