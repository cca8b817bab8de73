"""The recurrent layer of every network."""

import contextlib

import torch
from torch import Tensor, nn


class LSTM(nn.LSTM):
    """torch's, batches first, in the precision of its own weights on a GPU.

    There autocast would give it float16 whatever it was asked for [1]_, in which the flux of a
    month is off by hundredths. On a CPU autocast does what it says.

    References
    ----------
    .. [1] torch, aten/src/ATen/cudnn/AutocastRNN.cpp (2.11).
    """

    def __init__(self, n_inputs: int, n_hidden: int, *, bidirectional: bool = False) -> None:
        super().__init__(n_inputs, n_hidden, batch_first=True, bidirectional=bidirectional)

    def forward(
        self, inputs: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """States of all days, (B, T, H), and the last ones.

        Parameters
        ----------
        inputs : (B, T, I)
        state : first hidden and cell state, (1, B, H) each; zeros when None
        """
        dtype = self.weight_hh_l0.dtype
        if state is not None:
            state = tuple(part.to(dtype).contiguous() for part in state)
        with _without_autocast(inputs.device):
            return super().forward(inputs.to(dtype), state)


def _without_autocast(device: torch.device) -> contextlib.AbstractContextManager:
    if device.type == "cpu":
        return contextlib.nullcontext()
    return torch.autocast(device.type, enabled=False)
