"""The state of a training: all that one which was killed needs to go on and end the same."""

import dataclasses
import math
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from chamnet.model.network import CHAMNet


@dataclasses.dataclass
class State:
    """Network, running mean of its weights, optimizer, generators, and what was best so far."""

    network: CHAMNet
    averaged: AveragedModel
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    generator: torch.Generator
    step: int = 0
    best_loss: float = math.inf
    best_step: int = 0
    best_weights: dict[str, Tensor] | None = None
    curve: list[dict[str, float]] = dataclasses.field(default_factory=list)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    @property
    def is_on_gpu(self) -> bool:
        """Whether dropout draws from a generator of CUDA."""
        return self.device.type == "cuda"

    def to_dict(self, digest: str) -> dict[str, Any]:
        """Tensors and plain values."""
        return {
            "digest": digest,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "generator": self.generator.get_state(),
            "dropout_generator": torch.get_rng_state(),
            "cuda_generator": torch.cuda.get_rng_state(self.device) if self.is_on_gpu else None,
            "step": self.step,
            "averaged": self.averaged.state_dict(),
            "best_loss": self.best_loss,
            "best_step": self.best_step,
            "best_weights": self.best_weights,
            "curve": self.curve,
        }

    def restore(self, values: dict[str, Any]) -> None:
        """Take over the state of a file."""
        self.network.load_state_dict(values["network"])
        self.averaged.load_state_dict(values["averaged"])
        self.optimizer.load_state_dict(values["optimizer"])
        self.schedule.load_state_dict(values["schedule"])
        self.generator.set_state(values["generator"])
        torch.set_rng_state(values["dropout_generator"])
        if self.is_on_gpu:
            torch.cuda.set_rng_state(values["cuda_generator"], self.device)
        for name in ("step", "best_loss", "best_step", "best_weights", "curve"):
            setattr(self, name, values[name])
