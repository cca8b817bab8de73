"""The training loop: resumable, with early stopping on what was held out."""

import dataclasses
import logging
import math
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from chamnet.config import TrainConfig
from chamnet.errors import CheckpointError
from chamnet.model.checkpoint import read_tensors, write_tensors
from chamnet.model.network import CHAMNet
from chamnet.provenance import digest_of_code, digest_of_values
from chamnet.training.episodes import Episodes, EpisodeSource
from chamnet.training.losses import contrastive_loss, masked_flux_loss, window_means
from chamnet.training.state import State

logger = logging.getLogger(__name__)

RISING_SHARE = 0.2  # of the one-cycle schedule
AVERAGE_DECAY = 0.98  # of the running mean of the weights: about the last 50 steps


class Score(NamedTuple):
    """Loss and skill (1 - SSE / SST over all windows) on held-out windows."""

    loss: float
    skill: float


def fit_network(
    network: CHAMNet,
    source: EpisodeSource,
    held_out: list[Episodes],
    *,
    options: TrainConfig,
    seed: int,
    name: str,
    resume_file: str | os.PathLike | None = None,
) -> pd.DataFrame:
    """Train a network in place; it ends with the weights that were best on the held-out.

    What is judged and kept are running means of the weights over the last steps, which
    generalize better than those of any single step.

    Parameters
    ----------
    network : untrained, on the device to train on
        Its dropout draws from torch's own generator, seeded by the caller.
    source : of episodes, drawn on the CPU, so that every device sees the same
    held_out : batches that early stopping is judged on; none: trained to the end
    options : of training
    seed : of the episodes
    name : of the member in the log
    resume_file : where the state after each epoch is kept; a state of other options, data,
        weights, code or threads is begun again

    Returns
    -------
    columns step, loss, held_out_loss, held_out_skill, learning_rate; a row an epoch
    """
    state = _begin(network, options, seed)
    digest = ""
    if resume_file is not None:
        digest = _digest(network, source, held_out, options, seed)
        _resume(state, resume_file, digest, name)
    held_out = [episodes.to(state.device) for episodes in held_out]
    begin, first_step = time.monotonic(), state.step
    while state.step < options.n_steps and not (held_out and _is_stalled(state, options)):
        loss = _run_epoch(state, source, options)
        score = (
            evaluate_network(state.averaged.module, held_out, options)
            if held_out
            else Score(math.nan, math.nan)
        )
        _record(state, loss, score)
        _log_progress(state, options, name, begin, first_step)
        if resume_file is not None:
            write_tensors(state.to_dict(digest), resume_file)
    if held_out and _is_stalled(state, options):
        logger.info("train_member %s: no gain for %d epochs", name, options.patience)
    network.load_state_dict(
        (state.best_weights if held_out else None) or state.averaged.module.state_dict()
    )
    network.eval()
    return pd.DataFrame(state.curve)


def _begin(network: CHAMNet, options: TrainConfig, seed: int) -> State:
    optimizer = torch.optim.AdamW(
        _parameter_groups(network, options.weight_decay), lr=options.learning_rate
    )
    total_steps = options.n_steps + 1
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=options.learning_rate,
        total_steps=total_steps,
        pct_start=max(RISING_SHARE, min(2 / total_steps, 1.0)),  # a rise takes a step at least
    )
    generator = torch.Generator().manual_seed(seed)
    averaged = AveragedModel(network, multi_avg_fn=_take_into_mean)
    for module in averaged.modules():
        if isinstance(module, nn.RNNBase):
            module.flatten_parameters()  # one piece of a GPU's memory, which copies are not
    return State(network, averaged, optimizer, schedule, generator)


def _take_into_mean(
    means: tuple[Tensor, ...], weights: tuple[Tensor, ...], n_averaged: Tensor | int
) -> None:
    """Move running means, over fewer steps while there are few."""
    n = int(n_averaged)
    torch._foreach_lerp_(means, weights, 1 - min(AVERAGE_DECAY, n / (10 + n)))


def _parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices decay, vectors (biases) do not."""
    matrices = [p for p in network.parameters() if p.ndim >= 2]
    vectors = [p for p in network.parameters() if p.ndim < 2]
    return [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]


def _run_epoch(state: State, source: EpisodeSource, options: TrainConfig) -> float:
    """Mean loss over the steps of an epoch."""
    state.network.train()
    n_steps = min(options.steps_per_epoch, options.n_steps - state.step)
    total = torch.zeros((), dtype=torch.float64, device=state.device)
    for _ in range(n_steps):
        episodes = source.draw(state.generator, options).to(state.device)
        state.optimizer.zero_grad(set_to_none=True)
        loss = episodes_loss(state.network, episodes, options)
        loss.backward()
        nn.utils.clip_grad_norm_(state.network.parameters(), options.clip)
        state.optimizer.step()
        state.schedule.step()
        state.step += 1
        state.averaged.update_parameters(state.network)
        total += loss.detach()
    return total.item() / n_steps


def episodes_loss(network: CHAMNet, episodes: Episodes, options: TrainConfig) -> Tensor:
    """Loss on the flux and, unless it is switched off, the contrastive one; a scalar."""
    predicted, projected = _forward(network, episodes, options)
    loss = masked_flux_loss(
        predicted, episodes.observed, episodes.weight, log_weight=options.log_weight
    )
    if not (network.config.contrastive and network.config.year_level):
        return loss
    return loss + options.contrastive_weight * contrastive_loss(
        projected,
        episodes.year_mask,
        episodes.distance_deg,
        temperature=options.temperature,
        near_deg=options.near_deg,
    )


def _forward(network: CHAMNet, episodes: Episodes, options: TrainConfig) -> tuple[Tensor, Tensor]:
    """Predicted window means (B, W) and projected embeddings (B, Y, P)."""
    device = episodes.drivers.device.type
    with torch.autocast(device, dtype=torch.bfloat16, enabled=options.bfloat16):
        flux, projected = network(
            episodes.pooled,
            episodes.year_mask,
            episodes.drivers,
            episodes.attributes,
            episodes.fraction,
            **({} if episodes.told is None else {"told": episodes.told}),
        )
    return window_means(flux.float(), episodes.first, episodes.last), projected


@torch.no_grad()
def evaluate_network(network: CHAMNet, held_out: list[Episodes], options: TrainConfig) -> Score:
    """Loss and skill on held-out episodes, in evaluation mode."""
    network.eval()
    parts = [
        (_forward(network, episodes, options)[0], episodes.observed, episodes.weight)
        for episodes in held_out
    ]
    predicted, observed, weight = (torch.cat([p[i].flatten() for p in parts]) for i in range(3))
    loss = masked_flux_loss(
        predicted[None], observed[None], weight[None], log_weight=options.log_weight
    )
    mean = (weight * observed).sum() / weight.sum().clamp(min=1e-6)
    spread = (weight * (observed - mean) ** 2).sum().clamp(min=1e-12)
    skill = 1 - (weight * (observed - predicted) ** 2).sum() / spread
    return Score(loss.item(), skill.item())


def _record(state: State, loss: float, score: Score) -> None:
    state.curve.append(
        {
            "step": state.step,
            "loss": loss,
            "held_out_loss": score.loss,
            "held_out_skill": score.skill,
            "learning_rate": state.schedule.get_last_lr()[0],
        }
    )
    if score.loss < state.best_loss:
        state.best_loss, state.best_step = score.loss, state.step
        weights = state.averaged.module.state_dict()
        state.best_weights = {name: mean.clone() for name, mean in weights.items()}


def _is_stalled(state: State, options: TrainConfig) -> bool:
    return state.step - state.best_step >= options.patience * options.steps_per_epoch


def _log_progress(
    state: State, options: TrainConfig, name: str, begin: float, first_step: int
) -> None:
    row = state.curve[-1]
    per_step = (time.monotonic() - begin) / (state.step - first_step)
    logger.info(
        "train_member %s: %d/%d steps, loss %.3f, held-out loss %.3f, skill %.2f, %.0f s left",
        name,
        state.step,
        options.n_steps,
        row["loss"],
        row["held_out_loss"],
        row["held_out_skill"],
        per_step * (options.n_steps - state.step),
    )


def _digest(
    network: CHAMNet,
    source: EpisodeSource,
    held_out: list[Episodes],
    options: TrainConfig,
    seed: int,
) -> str:
    """Digest of what a training follows from; weights by their sums, data likewise.

    Bits follow from the number of threads, too.
    """
    weights = [float(p.detach().double().sum()) for p in network.parameters()]
    tensors = [getattr(source, f.name) for f in dataclasses.fields(source)]
    data = [
        [list(v.shape), float(v.double().nan_to_num().sum())]
        for v in (*tensors, *(v for episodes in held_out for v in episodes))
        if v is not None
    ]
    chosen = [network.config.model_dump(), options.model_dump(), seed]
    where = [next(network.parameters()).device.type, torch.get_num_threads()]
    code = digest_of_code("chamnet.training.member")
    return digest_of_values([weights, data, chosen, where, code])


def _resume(state: State, path: str | os.PathLike, digest: str, name: str) -> None:
    """Go on from a state of the same training; another one, or a broken file, is left aside."""
    if not Path(path).exists():
        return
    try:
        values = read_tensors(path)
    except CheckpointError as error:
        logger.warning("train_member %s: begins again, %s", name, error)
        return
    if values.get("digest") != digest:
        logger.info("train_member %s: begins again, options, data, seed or code have changed", name)
        return
    state.restore(values)
    logger.info("train_member %s: goes on after step %d", name, state.step)
