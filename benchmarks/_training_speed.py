"""How long a cross-validation of CHAM-net takes, and what of a training is its own work."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _bench import build_row

from chamnet.config import ModelConfig, TrainConfig
from chamnet.data.normalization import Normalization
from chamnet.data.windows import PlaceData, open_place_data
from chamnet.evaluation.crossvalidation import cross_validate
from chamnet.model.network import CHAMNet
from chamnet.training.episodes import EpisodeSource
from chamnet.training.loop import episodes_loss, fit_network

LONGEST_MINUTES = 10.0  # of a full cross-validation, on 2 cores
LARGEST_RATIO = 1.5  # of a training over its forward and backward passes
N_STEPS = 100


def measure_speed(manifest: str, folder: Path) -> list[dict[str, Any]]:
    """Rows: milliseconds of a step, of its passes alone, their ratio, minutes of the whole.

    Steps are timed by the processor's time of one thread, which other work on the machine
    changes less; the whole by the clock.

    Parameters
    ----------
    manifest : observations of the real towers
    folder : of the cross-validation; begun anew
    """
    torch.set_num_threads(1)
    data = open_place_data(manifest)
    options = TrainConfig(n_steps=N_STEPS, steps_per_epoch=N_STEPS)
    network, source = _prepare(data, options)
    begin = time.process_time()
    fit_network(network, source, [], options=options, seed=0, name="speed")
    whole = (time.process_time() - begin) / N_STEPS
    passes = _time_passes(network, source, options)
    minutes = _time_cross_validation(manifest, folder)
    return [
        build_row("a training step, one thread", 1e3 * whole, "ms"),
        build_row("its forward and backward passes", 1e3 * passes, "ms"),
        build_row("training over its passes", whole / passes, "1", at_most=LARGEST_RATIO),
        build_row(
            "towers, temporal and spatial, 1 seed, 2 processes", minutes, "min",
            at_most=LONGEST_MINUTES,
        ),
    ]  # fmt: skip


def _prepare(data: PlaceData, options: TrainConfig) -> tuple[CHAMNet, EpisodeSource]:
    normalization = Normalization.fit(data)
    network = CHAMNet(
        n_drivers=len(data.driver_names), n_attributes=len(data.attribute_names),
        config=ModelConfig(),
    )  # fmt: skip
    source = EpisodeSource.of(
        data, normalization, n_bins=network.n_bins, filled_weight=options.filled_weight
    )
    return network, source


def _time_passes(network: CHAMNet, source: EpisodeSource, options: TrainConfig) -> float:
    """Seconds of a forward and backward pass, the episodes drawn before."""
    generator = torch.Generator().manual_seed(0)
    batches = [source.draw(generator, options) for _ in range(N_STEPS // 4)]
    network.train()
    times = []
    for episodes in batches:
        network.zero_grad(set_to_none=True)
        begin = time.process_time()
        episodes_loss(network, episodes, options).backward()
        times.append(time.process_time() - begin)
    return float(np.mean(times))


def _time_cross_validation(manifest: str, folder: Path) -> float:
    for path in (folder / "predictions" / "fits").glob("*"):
        path.unlink()
    begin = time.perf_counter()
    cross_validate(
        observations={"emission": manifest}, out=folder / "skill.csv",
        predictions_folder=folder / "predictions", figures_folder=None,
        protocols=("temporal", "spatial"), models=("chamnet",),
        contexts=("rolling", "few_shot", "zero_shot"), n_folds=5, n_seeds=1,
        model=ModelConfig().model_dump(), train=TrainConfig().model_dump(), seed=0, n_processes=2,
    )  # fmt: skip
    return (time.perf_counter() - begin) / 60
