"""How what is known of a place changes the decoder."""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Conditions(NamedTuple):
    """What the decoder is given for each place; all zero before training.

    ``input_scale`` and ``input_shift`` (B, I), ``output_scale`` and ``output_shift`` (B, H),
    ``hidden`` and ``cell`` (B, H), ``gain``, ``offset`` and ``log_level`` (B,).
    """

    input_scale: Tensor
    input_shift: Tensor
    output_scale: Tensor
    output_shift: Tensor
    hidden: Tensor
    cell: Tensor
    gain: Tensor
    offset: Tensor
    log_level: Tensor


def apply_film(features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Features (B, T, H) scaled and shifted by place, h (1 + g) + b; the identity at zero."""
    return torch.addcmul(shift.unsqueeze(1), features, 1 + scale.unsqueeze(1))


class MetaNetwork(nn.Module):
    """From the embedding of a place to the conditions of its decoder.

    Its last layer starts at zero: an untrained conditioning changes nothing.

    Parameters
    ----------
    n_condition : length of c = [z ; u ; W a]
    n_inputs : features the decoder reads, I
    n_hidden : width of the decoder, H
    """

    def __init__(self, *, n_condition: int, n_inputs: int, n_hidden: int, dropout: float) -> None:
        super().__init__()
        self.sizes = [n_inputs, n_inputs, n_hidden, n_hidden, n_hidden, n_hidden, 1, 1, 1]
        n_inner = max(n_hidden, 16)
        self.inner = nn.Sequential(nn.Linear(n_condition, n_inner), nn.SiLU(), nn.Dropout(dropout))
        self.last = nn.Linear(n_inner, sum(self.sizes))
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, condition: Tensor) -> Conditions:
        """Conditions of each place.

        Parameters
        ----------
        condition : (B, C)
        """
        parts = self.last(self.inner(condition)).split(self.sizes, dim=-1)
        return Conditions(*parts[:-3], *(part.squeeze(-1) for part in parts[-3:]))


class NoConditioning(nn.Module):
    """The conditions that change nothing, for the ablation that concatenates instead."""

    def __init__(self, *, n_inputs: int, n_hidden: int) -> None:
        super().__init__()
        self.sizes = [n_inputs, n_inputs, n_hidden, n_hidden, n_hidden, n_hidden]

    def forward(self, condition: Tensor) -> Conditions:
        """Zero conditions for each place of (B, C)."""
        B = condition.shape[0]
        zeros = [condition.new_zeros(B, size) for size in self.sizes]
        return Conditions(*zeros, *(condition.new_zeros(B) for _ in range(3)))


class AttributeEmbedding(nn.Module):
    """W a, or nothing where a run has no attributes.

    Parameters
    ----------
    n_attributes : A, from 0
    n_out : numbers that a place's attributes become
    """

    def __init__(self, *, n_attributes: int, n_out: int = 16) -> None:
        super().__init__()
        self.n_out = n_out if n_attributes else 0
        self.linear = nn.Linear(n_attributes, n_out) if n_attributes else None

    def forward(self, attributes: Tensor) -> Tensor:
        """Embedded attributes, (B, A) to (B, n_out)."""
        if self.linear is None:
            return attributes[:, :0]
        return torch.tanh(self.linear(attributes))
