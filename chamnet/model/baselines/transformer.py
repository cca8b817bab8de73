"""Transformer over the pentads of the year."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from chamnet.model.baselines.daily import DailyNetwork, Days

PATCH_DAYS = 5
N_HEADS, N_LAYERS = 4, 2


class Transformer(DailyNetwork):
    """Self-attention over the whole year, five days a token.

    Days are taken five at a time, each token the values of all its days, and each gives the
    five days back: attention over 74 tokens costs a 25th of that over 366. Tokens without a day
    that has drivers are not attended to.

    References
    ----------
    .. [1] Vaswani et al. (2017), Attention is all you need, NeurIPS: encoder layers and the
       positions of section 3.5.
    .. [2] Nie et al. (2023), A time series is worth 64 words, ICLR: patches as tokens.
    """

    def __init__(self, *, n_drivers: int, n_attributes: int, n_hidden: int, dropout: float) -> None:
        super().__init__(
            n_drivers=n_drivers, n_attributes=n_attributes, n_hidden=n_hidden, dropout=dropout
        )
        self.to_token = nn.Linear(PATCH_DAYS * self.n_features, n_hidden)
        self.encoder = build_encoder(n_hidden, dropout)
        self.to_flux = nn.Linear(n_hidden, PATCH_DAYS)

    def read_days(self, days: Days) -> Tensor:
        """Number of each day, (B, T); the history is not read."""
        B, T, F = days.inputs.shape
        padded = functional.pad(days.inputs, (0, 0, 0, -T % PATCH_DAYS))
        patches = padded.reshape(B, -1, PATCH_DAYS * F)  # (B, N, 5 F)
        is_empty = (patches == 0).all(dim=-1)
        tokens = self.to_token(patches)
        tokens = tokens + _positions(*tokens.shape[1:], device=tokens.device)
        states = self.encoder(tokens, src_key_padding_mask=is_empty)  # (B, N, H)
        return self.to_flux(states).reshape(B, -1)[:, :T]


def build_encoder(n_hidden: int, dropout: float) -> nn.TransformerEncoder:
    """Encoder layers that normalize first, which train without a warm-up of their own."""
    layer = nn.TransformerEncoderLayer(
        n_hidden, N_HEADS, dim_feedforward=2 * n_hidden, dropout=dropout, batch_first=True,
        norm_first=True,
    )  # fmt: skip
    return nn.TransformerEncoder(layer, N_LAYERS, enable_nested_tensor=False)


def _positions(n_tokens: int, width: int, *, device: torch.device) -> Tensor:
    """Sines and cosines of the place in the sequence, (N, H)."""
    rate = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(1e4) / width))
    angle = torch.arange(n_tokens, device=device).unsqueeze(1) * rate
    return torch.stack([angle.sin(), angle.cos()], dim=-1).reshape(n_tokens, -1)[:, :width]
