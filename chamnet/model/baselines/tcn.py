"""Temporal convolutional network: dilated causal convolutions over the days of the year."""

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from chamnet.model.baselines.daily import DailyNetwork, Days

KERNEL_DAYS = 5
DILATIONS = (1, 2, 4, 8, 16)  # a day sees 2 (5 - 1) 31 = 248 days back


class TCN(DailyNetwork):
    """Residual blocks of two causal convolutions each, their dilation doubling.

    References
    ----------
    .. [1] Bai, Kolter & Koltun (2018), An empirical evaluation of generic convolutional and
       recurrent networks for sequence modeling, arXiv:1803.01271, section 3.
    """

    def __init__(self, *, n_drivers: int, n_attributes: int, n_hidden: int, dropout: float) -> None:
        super().__init__(
            n_drivers=n_drivers, n_attributes=n_attributes, n_hidden=n_hidden, dropout=dropout
        )
        widths = [self.n_features] + [n_hidden] * len(DILATIONS)
        self.blocks = nn.Sequential(
            *[
                _Block(n_in, n_hidden, dilation=dilation, dropout=dropout)
                for n_in, dilation in zip(widths, DILATIONS, strict=False)
            ]
        )
        self.to_flux = nn.Linear(n_hidden, 1)

    def read_days(self, days: Days) -> Tensor:
        """Number of each day, (B, T); the history is not read."""
        states = self.blocks(days.inputs.transpose(1, 2)).transpose(1, 2)  # (B, T, H)
        return self.to_flux(states).squeeze(-1)


class _Block(nn.Module):
    """Two dilated causal convolutions beside a path that skips them; (B, F, T) to (B, H, T)."""

    def __init__(self, n_in: int, n_out: int, *, dilation: int, dropout: float) -> None:
        super().__init__()
        self.n_before = (KERNEL_DAYS - 1) * dilation
        self.first = weight_norm(nn.Conv1d(n_in, n_out, KERNEL_DAYS, dilation=dilation))
        self.second = weight_norm(nn.Conv1d(n_out, n_out, KERNEL_DAYS, dilation=dilation))
        self.skip = nn.Conv1d(n_in, n_out, 1) if n_in != n_out else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, days: Tensor) -> Tensor:
        states = days
        for convolution in (self.first, self.second):
            padded = functional.pad(states, (self.n_before, 0))  # nothing from a later day
            states = self.dropout(convolution(padded).relu())
        return (states + self.skip(days)).relu()
