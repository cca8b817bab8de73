"""What training makes small."""

import torch
from torch import Tensor
from torch.nn import functional

from chamnet.model.encoder import response_to_network


def window_means(flux: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Mean of the daily flux over each window, through cumulative sums.

    Parameters
    ----------
    flux : (B, T)
    first, last : (B, W), steps, both included

    Returns
    -------
    (B, W)
    """
    total = functional.pad(flux.double().cumsum(dim=1), (1, 0))  # (B, T + 1)
    sums = total.gather(1, last + 1) - total.gather(1, first)
    return (sums / (last + 1 - first)).to(flux.dtype)


def masked_flux_loss(
    predicted: Tensor, observed: Tensor, weight: Tensor, *, log_weight: float
) -> Tensor:
    """Weighted mean of a squared error on log(1 + flux) and of Huber's loss on the flux.

    Parameters
    ----------
    predicted : (B, W), over the flux scale
    observed : (B, W), over the flux scale
        NaN where there is none.
    weight : (B, W)
        0 where a window does not count.
    log_weight : share of the logarithmic part, 0 to 1

    Returns
    -------
    scalar; 0 where nothing was observed

    Notes
    -----
    What is missing is put equal to the prediction before the difference, so that it changes
    neither loss nor gradient.
    """
    is_observed = observed.isfinite() & (weight > 0)
    observed = torch.where(is_observed, observed, predicted.detach())
    weight = torch.where(is_observed, weight, torch.zeros_like(weight))
    loss = weight * flux_errors(predicted, observed, log_weight=log_weight)
    return loss.sum() / weight.sum().clamp(min=1e-6)


def flux_errors(predicted: Tensor, observed: Tensor, *, log_weight: float) -> Tensor:
    """Error of each window, whose mean is the loss.

    Parameters
    ----------
    predicted, observed : (...), over the flux scale
    log_weight : share of the logarithmic part, 0 to 1

    Returns
    -------
    (...)
    """
    in_log = (response_to_network(predicted) - response_to_network(observed)) ** 2
    huber = functional.huber_loss(predicted, observed, reduction="none")
    return log_weight * in_log + (1 - log_weight) * huber


def contrastive_loss(
    projected: Tensor,
    year_mask: Tensor,
    distance_deg: Tensor,
    *,
    temperature: float,
    near_deg: float,
) -> Tensor:
    """NT-Xent over the batch: two years of a place attract, years of other places repel.

    Parameters
    ----------
    projected : (B, Y, P)
        Projected year embeddings. The first and the last year that are there make the pair.
    year_mask : (B, Y)
    distance_deg : (B, B), degrees
        Places nearer than ``near_deg`` are no negatives of each other.
    temperature : of the softmax
    near_deg : degrees

    Returns
    -------
    scalar; 0 where no place has two years

    References
    ----------
    .. [1] Chen et al. (2020), A simple framework for contrastive learning of visual
       representations, ICML.
    """
    has_pair = year_mask.sum(dim=1) >= 2
    rows = torch.arange(len(year_mask), device=year_mask.device)
    order = torch.arange(1, year_mask.shape[1] + 1, device=year_mask.device)
    first = (year_mask * order.flip(0)).argmax(dim=1)  # (B,)
    last = (year_mask * order).argmax(dim=1)
    one = functional.normalize(projected[rows, first].float(), dim=-1)
    other = functional.normalize(projected[rows, last].float(), dim=-1)
    similarity = one @ other.T / temperature  # (B, B)
    itself = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    both_have = has_pair.unsqueeze(0) & has_pair.unsqueeze(1)
    is_kept = itself | ((distance_deg > near_deg) & both_have)
    similarity = similarity.masked_fill(~is_kept, -1e4)
    each = 0.5 * (_cross_entropy(similarity) + _cross_entropy(similarity.T))  # (B,)
    return torch.where(has_pair, each, torch.zeros_like(each)).sum() / has_pair.sum().clamp(min=1)


def _cross_entropy(similarity: Tensor) -> Tensor:
    """Cross entropy of each row against the diagonal, (B,)."""
    return similarity.logsumexp(dim=1) - similarity.diagonal()
