"""Training of one member: a stage of the pipeline, or in memory for cross-validation."""

import os
from typing import Any

import numpy as np

from chamnet.config import ModelConfig, TrainConfig
from chamnet.data.normalization import Normalization
from chamnet.data.windows import PlaceData
from chamnet.model.checkpoint import Member


def fit_member(
    data: PlaceData,
    normalization: Normalization,
    *,
    seed: int,
    model: ModelConfig | dict[str, Any],
    train: TrainConfig | dict[str, Any],
    validation: np.ndarray | None = None,
    mode: str = "zero_shot",
    threads: int = 1,
    name: str = "member",
) -> Member:
    """Member trained on these places and windows, without files.

    Parameters
    ----------
    data : places and windows to learn from (windows to be tested must not be among them)
    normalization : fitted on training places
    seed : of weights and episodes
    model, train : options, as models or plain values
    validation : bool, (P,) places or (n_windows,) windows that are held out for early stopping
        and for restoring the mean; None trains on all, to the end
    mode : context mode that early stopping and the mean are judged in
    threads : of torch
    name : of the member in the log
    """
    raise NotImplementedError


def train_member(
    *,
    observations: str | os.PathLike,
    normalization: str | os.PathLike,
    out_folder: str | os.PathLike,
    seed: int,
    member: str,
    model: dict[str, Any],
    train: dict[str, Any],
    threads: int,
    resume: bool = True,
) -> None:
    """Stage: checkpoint.pt, learning_curve.{csv,png} and out_of_bag.csv of a member."""
    raise NotImplementedError
