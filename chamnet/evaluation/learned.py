"""Networks of a cross-validation, CHAM-net and baselines, trained by one loop.

Baselines have the settings that a search found.
The search (``python benchmarks/skill.py --search``) draws the same number of settings for every
network, scores each on validation years and clusters inside the training part, and writes
``settings.csv``; what it chose is what a fit uses.
"""

import dataclasses
import functools
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch

from chamnet.config import TrainConfig
from chamnet.data.normalization import Normalization
from chamnet.data.windows import PlaceData, open_place_data
from chamnet.errors import ConfigError
from chamnet.model.baselines.daily import DailyNetwork
from chamnet.model.baselines.ea_lstm import EALSTM
from chamnet.model.baselines.itransformer import ITransformer
from chamnet.model.baselines.lstm import LSTM
from chamnet.model.baselines.lstm_history import LSTMHistory
from chamnet.model.baselines.tcn import TCN
from chamnet.model.baselines.transformer import Transformer
from chamnet.model.checkpoint import Member
from chamnet.model.device import choose_device, seed_torch
from chamnet.model.member import MEASURED_MODES, Start
from chamnet.training.episodes import EpisodeSource
from chamnet.training.held_out import build_held_out
from chamnet.training.loop import fit_network
from chamnet.training.member import fit_member

logger = logging.getLogger(__name__)

CHAMNET = "chamnet"
WITH_CLASS = "chamnet+class"  # reads the wetland class or biome of the site table too
NETWORKS: dict[str, type[DailyNetwork]] = {
    "lstm": LSTM,
    "lstm_history": LSTMHistory,
    "ea_lstm": EALSTM,
    "tcn": TCN,
    "transformer": Transformer,
    "itransformer": ITransformer,
}
FOREST = "forest"
SETTINGS_FILE = Path(__file__).with_name("settings.csv")


def read_places(manifest: str, prior_flux: str | None, *, kind: str) -> PlaceData:
    """Places as a model of a kind reads them.

    A prior flux is in the context of CHAM-net; the forest and the other networks are given it as
    one more driver.

    Parameters
    ----------
    manifest : of the places
    prior_flux : manifest of a process model's flux at them; None: none is read
    kind : of the model
    """
    data = open_place_data(manifest, prior_flux)
    is_driver = prior_flux is not None and kind in (FOREST, *NETWORKS)
    return data.with_prior_as_driver() if is_driver else data


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the search chooses: width, dropout, highest learning rate, share of the run's steps."""

    n_hidden: int = 48
    dropout: float = 0.2
    learning_rate: float = 3e-3
    steps_share: float = 1.0

    @classmethod
    def draw(cls, generator: np.random.Generator) -> Self:
        """Settings at random; the same ranges for every network."""
        return cls(
            n_hidden=int(generator.choice([32, 48, 64, 96])),
            dropout=float(generator.choice([0.1, 0.2, 0.3, 0.4])),
            learning_rate=float(generator.choice([1e-3, 2e-3, 3e-3, 5e-3])),
            steps_share=float(generator.choice([0.5, 0.75, 1.0])),
        )


@functools.cache
def read_settings(name: str, path: Path = SETTINGS_FILE) -> Settings:
    """Settings that the search chose for a network.

    Parameters
    ----------
    name : of the network, a key of ``NETWORKS``
    path : table with the columns of `Settings`, model, and chosen (1: what to use)
        A row without a loss is a default that no search has judged.

    Raises
    ------
    ConfigError
        If the table chooses none, or several, of that network.
    """
    table = pd.read_csv(path)
    chosen = table[(table["model"] == name) & (table["chosen"] == 1)]
    if len(chosen) != 1:
        raise ConfigError(f"{path}: {len(chosen)} chosen settings of {name!r}, expected 1")
    row = chosen.iloc[0]
    fields = dataclasses.fields(Settings)
    return Settings(**{field.name: type(field.default)(row[field.name]) for field in fields})


def fit_named(
    kind: str,
    data: PlaceData,
    validation: np.ndarray,
    *,
    model: Mapping[str, Any],
    train: Mapping[str, Any],
    mode: str,
    seed: int,
    settings: Settings | None = None,
    initial: Start | None = None,
    threads: int = 1,
    name: str = "",
) -> Member:
    """Network of a kind, trained, its mean not restored but for CHAM-net's in this mode.

    Parameters
    ----------
    kind : chamnet, chamnet+class, or a key of ``NETWORKS``
    data : places and windows to learn from; windows to be tested on must not be among them
    validation : (n_windows,) of bool
        Windows that stop the training; none: it goes to the end.
    model : options of CHAM-net
    train : options of the training
    mode : context mode that early stopping is judged in
    seed : of weights, dropout and episodes
    settings : when None, those that the search chose of a baseline, CHAM-net's as its options are
    initial : of a pretrained network of the same kind, what training begins with
    threads : of torch
    name : in the log
    """
    if kind not in (CHAMNET, WITH_CLASS):
        return fit_baseline(
            kind, data, validation,
            seed=seed, train=train, mode=mode, settings=settings, initial=initial, threads=threads,
        )[0]  # fmt: skip
    options = TrainConfig.model_validate(dict(train))
    if settings is not None:
        options = apply_settings(options, settings)
        model = {**model, "n_hidden": settings.n_hidden, "dropout": settings.dropout}
    return fit_member(
        data,
        Normalization.fit(data.with_windows(~validation)),
        seed=seed,
        model=dict(model),
        train=options,
        validation=validation if validation.any() else None,
        mode=mode,
        initial=initial,
        threads=threads,
        name=name,
    )


def fit_baseline(
    name: str,
    data: PlaceData,
    validation: np.ndarray,
    *,
    seed: int,
    train: Mapping[str, Any],
    mode: str,
    settings: Settings | None = None,
    initial: Start | None = None,
    threads: int = 1,
) -> tuple[Member, pd.DataFrame]:
    """Baseline trained as CHAM-net is: episodes, loss, early stopping, averaged weights.

    Parameters
    ----------
    name : a key of ``NETWORKS``
    data : places and windows to learn from; windows to be tested on must not be among them
    validation : (n_windows,) of bool
        Windows that stop the training; none: it goes to the end.
    seed : of weights, dropout and episodes
    train : options of the training
    mode : context mode that early stopping is judged in
    settings : those of the search when None
    initial : of a pretrained network, whose weights and scaling of drivers training begins with
    threads : of torch

    Returns
    -------
    member : as `predict_places` takes it, its mean not restored
    curve : a row an epoch, see `fit_network`
    """
    torch.set_num_threads(threads)
    settings = settings or read_settings(name)
    options = apply_settings(TrainConfig.model_validate(dict(train)), settings)
    device = choose_device(options.device)
    normalization = Normalization.fit(data.with_windows(~validation))
    if initial is not None:
        normalization = initial.normalization.with_flux_scales_of(normalization)
    with seed_torch(seed, device):
        network = NETWORKS[name](
            n_drivers=len(normalization.driver_names),
            n_attributes=len(normalization.attribute_names),
            n_hidden=settings.n_hidden,
            dropout=settings.dropout,
        )
        if initial is not None:
            network.load_state_dict(initial.weights)
        of_training, of_all = (
            EpisodeSource.of(
                data.with_windows(mask), normalization, n_bins=network.n_bins, filled_weight=weight
            )
            for mask, weight in (
                (~validation, options.filled_weight),
                (np.ones(len(validation), dtype=bool), 0.0),
            )
        )
        held_out = build_held_out(data, of_all, validation, mode, options.n_context_years)
        curve = fit_network(
            network.to(device),
            of_training,
            held_out,
            options=options,
            seed=seed,
            name=f"{name} seed {seed}",
        )
    member = Member(
        network.cpu(),
        normalization,
        target=data.target,
        modes=MEASURED_MODES,
        n_context_years=options.n_context_years,
    )
    return member, curve


def apply_settings(options: TrainConfig, settings: Settings) -> TrainConfig:
    """Options of a training with the learning rate and the steps of the settings."""
    n_steps = max(1, round(options.n_steps * settings.steps_share))
    return options.model_copy(update={"n_steps": n_steps, "learning_rate": settings.learning_rate})
