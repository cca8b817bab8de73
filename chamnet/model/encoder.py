"""From years of drivers and responses to year embeddings, a seasonal summary and a site state."""

import torch
from torch import Tensor, nn

from chamnet.model.recurrent import LSTM
from chamnet.timeaxis import N_MONTHS

N_CONTEXT_CHANNELS = 2  # beside the drivers: the response, and the share of days that have one


def response_to_network(response: Tensor) -> Tensor:
    """Response on the scale the network reads, sign(y) log(1 + |y|); any shape.

    Parameters
    ----------
    response : flux over the flux scale of the normalization
    """
    return response.sign() * response.abs().log1p()


def pool_year(drivers: Tensor, response: Tensor, *, n_bins: int) -> Tensor:
    """Means over bins of equal share of the year, so that 360, 365 and 366 days agree.

    Parameters
    ----------
    drivers : (N, T, D), normalized
        NaN where absent; T is the whole year.
    response : (N, T), over the flux scale
        NaN where absent.
    n_bins : 73 are pentads

    Returns
    -------
    (N, n_bins, D + 2)
        Drivers (0 where a bin has none), response (0 likewise), share of days with a response.
    """
    N, T, D = drivers.shape
    values = torch.cat([drivers, response.unsqueeze(-1)], dim=-1)  # (N, T, D + 1)
    is_there = values.isfinite()
    bins = ((torch.arange(T, device=drivers.device) + 0.5) * (n_bins / T)).long()
    empty = values.new_zeros(N, n_bins, D + 1)
    total = empty.index_add(1, bins, values.nan_to_num(0.0, 0.0, 0.0))
    count = empty.index_add(1, bins, is_there.to(values.dtype))
    n_days = values.new_zeros(n_bins).index_add(0, bins, values.new_ones(T)).clamp(min=1)
    share = count[..., -1:] / n_days.unsqueeze(-1)  # (N, n_bins, 1)
    return torch.cat([total / count.clamp(min=1), share], dim=-1)  # (N, n_bins, D + 2)


def monthly_weights(n_bins: int) -> Tensor:
    """Share of each bin in each twelfth of the year, rows sum to 1, (12, n_bins)."""
    edges = torch.linspace(0, N_MONTHS, n_bins + 1)
    month = torch.arange(N_MONTHS).unsqueeze(1)
    overlap = torch.minimum(edges[1:], month + 1) - torch.maximum(edges[:-1], month)
    overlap = overlap.clamp(min=0)
    return overlap / overlap.sum(dim=1, keepdim=True)


class YearEncoder(nn.Module):
    """Reads one year both ways; gives its embedding and 12 monthly vectors.

    The embedding is an attention pool over the bins, beside the year's mean response and how
    much of the year has one. A month's vector holds the means of its drivers, its mean response
    and how much of the month has one, then numbers read from the states and the response.
    """

    def __init__(
        self, *, n_drivers: int, n_hidden: int, n_embedding: int, n_season: int, n_bins: int
    ) -> None:
        super().__init__()
        self.recurrent = LSTM(n_drivers + N_CONTEXT_CHANNELS, n_hidden, bidirectional=True)
        self.to_score = nn.Linear(2 * n_hidden, 1)
        self.to_embedding = nn.Linear(2 * n_hidden + N_CONTEXT_CHANNELS, n_embedding)
        self.to_season = nn.Linear(2 * n_hidden + N_CONTEXT_CHANNELS, n_season)
        self.register_buffer("monthly", monthly_weights(n_bins), persistent=False)

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Embedding and seasonal summary of each year.

        Parameters
        ----------
        pooled : (N, n_bins, D + 2), as ``pool_year`` gives it

        Returns
        -------
        (N, E), (N, 12, D + 2 + S)
        """
        responses = pooled[..., -N_CONTEXT_CHANNELS:]  # (N, n_bins, 2)
        read = torch.cat(
            [pooled[..., :-2], response_to_network(responses[..., :1]), responses[..., 1:]], dim=-1
        )
        states = self.recurrent(read)[0]  # (N, n_bins, 2H)
        attention = self.to_score(states).float().softmax(dim=1)  # (N, n_bins, 1)
        summary = (attention * states).sum(dim=1)  # (N, 2H)
        embedding = self.to_embedding(torch.cat([summary, _mean_response(responses)], dim=-1))
        monthly = self.monthly.to(states.dtype) @ states  # (N, 12, 2H)
        response = _mean_response_by(self.monthly, responses)  # (N, 12, 2)
        drivers = self.monthly @ pooled[..., :-N_CONTEXT_CHANNELS]  # (N, 12, D)
        scaled = torch.cat([response_to_network(response[..., :1]), response[..., 1:]], dim=-1)
        season = self.to_season(torch.cat([monthly, scaled], dim=-1))  # (N, 12, S)
        return embedding.tanh(), torch.cat([drivers, response, season.float()], dim=-1)


def _mean_response(responses: Tensor) -> Tensor:
    """Mean over bins as the network reads it, and the share of days observed; (N, 2)."""
    everything = responses.new_full((1, responses.shape[1]), 1 / responses.shape[1])
    mean, share = _mean_response_by(everything, responses).squeeze(1).split(1, dim=-1)
    return torch.cat([response_to_network(mean), share], dim=-1)


def _mean_response_by(weights: Tensor, responses: Tensor) -> Tensor:
    """Means over groups of bins, (N, n_groups, 2); weights (n_groups, n_bins)."""
    value, share = responses[..., :1], responses[..., 1:]
    coverage = weights @ share  # (N, n_groups, 1)
    mean = (weights @ (value * share)) / coverage.clamp(min=1e-6)
    return torch.cat([mean, coverage], dim=-1)


class SiteEncoder(nn.Module):
    """Reads year embeddings in their order: how a place evolves, and what it is.

    Parameters
    ----------
    n_embedding : E
    cross_year : bool
        False leaves the evolution out; its state is 0.
    """

    def __init__(self, *, n_embedding: int, cross_year: bool = True) -> None:
        super().__init__()
        self.recurrent = nn.GRUCell(n_embedding, n_embedding) if cross_year else None

    def forward(self, embeddings: Tensor, year_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Site identity (masked mean) and evolution (state after the last year).

        Parameters
        ----------
        embeddings : (B, Y, E), oldest first
        year_mask : (B, Y)
            False where a year is missing; its embedding is never read.

        Returns
        -------
        (B, E), (B, E)
        """
        is_there = year_mask.unsqueeze(-1)  # (B, Y, 1)
        embeddings = torch.where(is_there, embeddings, torch.zeros_like(embeddings))
        identity = embeddings.sum(dim=1) / is_there.sum(dim=1).clamp(min=1)
        state = torch.zeros_like(identity)
        if self.recurrent is None:
            return identity, state
        for year in range(embeddings.shape[1]):
            after = self.recurrent(embeddings[:, year], state).to(state.dtype)
            state = torch.where(is_there[:, year], after, state)
        return identity, state


def pool_seasons(seasons: Tensor, year_mask: Tensor, *, n_drivers: int = 0) -> Tensor:
    """Seasonal summary of a place from those of its years.

    The drivers in it are averaged, the response weighted by how much of it there is, which is
    summed. The last number of a month's vector weighs the year (softmax) in the mean of the
    others, so that a year with a response can count for more than one without.

    Parameters
    ----------
    seasons : (B, Y, 12, D + 2 + S)
    year_mask : (B, Y)
    n_drivers : D

    Returns
    -------
    (B, 12, D + 2 + S)
    """
    is_there = year_mask[:, :, None, None]  # (B, Y, 1, 1)
    seasons = torch.where(is_there, seasons, torch.zeros_like(seasons))
    drivers = seasons[..., :n_drivers].sum(dim=1) / is_there.sum(dim=1).clamp(min=1)
    weights = seasons[..., -1:].float().masked_fill(~is_there, -1e4).softmax(dim=1)
    rest = (weights * seasons[..., n_drivers + N_CONTEXT_CHANNELS :]).sum(dim=1)  # (B, 12, S)
    coverage = seasons[..., n_drivers + 1 : n_drivers + 2]  # (B, Y, 12, 1)
    covered = coverage.sum(dim=1)
    response = (coverage * seasons[..., n_drivers : n_drivers + 1]).sum(dim=1)
    response = response / covered.clamp(min=1e-6)
    return torch.cat([drivers, response, covered, rest], dim=-1)
