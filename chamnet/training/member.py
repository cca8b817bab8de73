"""Training of one member: a stage of the pipeline, or in memory for cross-validation."""

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from chamnet.config import ModelConfig, TrainConfig
from chamnet.data.normalization import Normalization, read_normalization
from chamnet.data.splits import has_earlier_year
from chamnet.data.windows import MEASURED, PlaceData, build_window_means, open_place_data
from chamnet.errors import CheckpointError, InputError
from chamnet.model.checkpoint import Member, load_member, save_member
from chamnet.model.device import choose_device, seed_torch
from chamnet.model.member import PRIOR, Start, modes_of
from chamnet.model.network import CHAMNet
from chamnet.model.places import check_response, predict_places
from chamnet.provenance import write_text
from chamnet.training.bag import Bag, draw_bag, join_places
from chamnet.training.curves import plot_learning_curve
from chamnet.training.doubt import fit_doubt_factor
from chamnet.training.episodes import EpisodeSource
from chamnet.training.held_out import build_held_out
from chamnet.training.loop import fit_network
from chamnet.training.restoration import fit_mean_factor

logger = logging.getLogger(__name__)

OUT_OF_BAG_COLUMNS = [
    "place",
    "cluster",
    "year",
    "month",
    "first",
    "last",
    "observed",
    "predicted",
    "quality",
    "mode",
]


def fit_member(
    data: PlaceData,
    normalization: Normalization,
    *,
    seed: int,
    model: ModelConfig | dict[str, Any],
    train: TrainConfig | dict[str, Any],
    validation: np.ndarray | None = None,
    mode: str = "zero_shot",
    initial: Start | None = None,
    threads: int = 1,
    name: str = "member",
) -> Member:
    """Member trained on these places and windows, without files.

    Parameters
    ----------
    data : places and windows to learn from; windows to be tested on must not be among them
    normalization : fitted on training places
    seed : of weights, dropout and episodes
    model, train : options, as models or plain values
    validation : (n_windows,) or (P,) of bool
        Windows, or places, held out for early stopping and for restoring the mean; None: all
        train, to the end.
    mode : context mode that early stopping and the mean are judged in
    initial : of a pretrained network, whose weights and scaling of drivers training begins with
    threads : of torch
    name : of the member in the log

    Raises
    ------
    InputError
        If the mode is ``prior`` and the places have no prior flux, or another one and they have.
    """
    check_response(data, mode)
    is_held_out = _held_out_windows(data, validation)
    if initial is not None:
        normalization = initial.normalization.with_flux_scales_of(normalization)
    network, _ = _train(
        data,
        normalization,
        is_held_out,
        seed=seed,
        model=ModelConfig.model_validate(model),
        train=TrainConfig.model_validate(train),
        mode=mode,
        initial=initial,
        threads=threads,
        name=name,
    )
    options = TrainConfig.model_validate(train)
    member = _build_member(network, normalization, data, options, seed=seed)
    if is_held_out.any() and member.has_mean_factor(mode):
        windows = _predict_windows(member, data, mode)[is_held_out]
        member.mean_factors[mode] = _mean_factor(windows)
    return member


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
    pretrained: str | os.PathLike | None = None,
    prior: str | os.PathLike | None = None,
    resume: bool = True,
) -> None:
    """Stage: train one member on a bootstrap of clusters, predict the clusters left out.

    Parameters
    ----------
    observations : manifest of the store
    normalization : JSON file
    out_folder : gets learning_curve.csv and .png, out_of_bag.csv, and last checkpoint.pt
        The out-of-bag predictions are as the network gives them: their mean is not restored.
    seed : of the run; each member draws from it by its name
    member : name, such as 00
    model, train : options
    threads : of torch
    pretrained : checkpoint that training begins with; its scaling of drivers is taken too
    prior : manifest of a process model's flux at the places: the member is one of the mode prior
    resume : go on from last_epoch.pt, if it is of the same training
    """
    data = open_place_data(observations, prior)
    scaling, folder = read_normalization(normalization), Path(out_folder)
    options = TrainConfig.model_validate(train)
    initial = None if pretrained is None else load_pretrained(pretrained, data).start
    if initial is not None:
        scaling = initial.normalization.with_flux_scales_of(scaling)
    own_seed = int(np.random.SeedSequence([seed, int(member)]).generate_state(1)[0])
    bag = draw_bag(data.cluster, seed=own_seed, validation_share=options.validation_share)
    _log_bag(data, bag, member)
    in_bag = data.select_places(np.repeat(np.arange(data.n_places), bag.n_times))
    held_out = data.select_places(bag.is_validation)
    folder.mkdir(parents=True, exist_ok=True)
    resume_file = folder / "last_epoch.pt"
    if not resume:
        resume_file.unlink(missing_ok=True)
    both, is_held_out = join_places(in_bag, held_out)
    network, curve = _train(
        both,
        scaling,
        is_held_out,
        seed=own_seed,
        model=ModelConfig.model_validate(model),
        train=options,
        mode=PRIOR if prior else "zero_shot",
        threads=threads,
        name=member,
        initial=initial,
        resume_file=resume_file,
        turn=int(member),
    )
    trained = _build_member(network, scaling, data, options, seed=own_seed)
    left_out = data.select_places(bag.n_times == 0)
    trained.doubt_factors |= _doubt_factors(trained, left_out, options.log_weight)
    out_of_bag = _predict_out_of_bag(trained, left_out)
    trained.mean_factors |= _mean_factors(trained, out_of_bag)
    write_text(folder / "learning_curve.csv", curve.to_csv(index=False))
    plot_learning_curve(curve, folder / "learning_curve.png", title=f"{data.target} {member}")
    write_text(folder / "out_of_bag.csv", out_of_bag.to_csv(index=False))
    save_member(trained, folder / "checkpoint.pt")
    resume_file.unlink(missing_ok=True)
    logger.info(
        "train_member %s: done, mean factors %s, doubt factors %s",
        member,
        trained.mean_factors,
        trained.doubt_factors,
    )


def load_pretrained(path: str | os.PathLike, data: PlaceData) -> Member:
    """Pretrained member, if it reads what these places have.

    Raises
    ------
    CheckpointError
        If it was pretrained for another target, other drivers, other attributes or other modes.
    """
    mode = "zero_shot" if data.prior_flux is None else PRIOR
    names = {"drivers": data.driver_names, "attributes": data.attribute_names}
    member = load_member(path, **names, mode=mode)
    if member.target != data.target:
        raise CheckpointError(f"{path}: pretrained for {member.target}, expected {data.target}")
    return member


def _log_bag(data: PlaceData, bag: Bag, member: str) -> None:
    logger.info(
        "train_member %s: %d of %d places drawn (%d clusters), %d left out, of which %d stop it",
        member,
        (bag.n_times > 0).sum(),
        data.n_places,
        len(np.unique(data.cluster[bag.n_times > 0])),
        (bag.n_times == 0).sum(),
        bag.is_validation.sum(),
    )


def _held_out_windows(data: PlaceData, validation: np.ndarray | None) -> np.ndarray:
    """Held-out windows of a mask over places or over windows, (n_windows,)."""
    if validation is None:
        return np.zeros(len(data.windows), dtype=bool)
    mask = np.asarray(validation, dtype=bool)
    if len(mask) == data.n_places and len(mask) != len(data.windows):
        return mask[data.windows["place"]]
    if len(mask) != len(data.windows):
        raise InputError(
            f"validation has {len(mask)} values, expected one of {data.n_places} places or "
            f"{len(data.windows)} windows"
        )
    return mask


def _train(
    data: PlaceData,
    normalization: Normalization,
    is_held_out: np.ndarray,
    *,
    seed: int,
    model: ModelConfig,
    train: TrainConfig,
    mode: str,
    threads: int,
    name: str,
    initial: Start | None = None,
    resume_file: Path | None = None,
    turn: int = 0,
) -> tuple[CHAMNet, pd.DataFrame]:
    """Trained network, on the CPU again, and its learning curve."""
    torch.set_num_threads(threads)
    device = choose_device(train.device, turn=turn)
    with seed_torch(seed, device):
        network = CHAMNet(
            n_drivers=len(normalization.driver_names),
            n_attributes=len(normalization.attribute_names),
            config=model,
            reads_prior=data.prior_flux is not None,
        )
        if initial is not None:
            network.load_state_dict(initial.weights)
        sources = [
            EpisodeSource.of(
                data.with_windows(mask),
                normalization,
                n_bins=network.n_bins,
                filled_weight=filled_weight,
                has_response=model.response,
            )
            for mask, filled_weight in (
                (~is_held_out, train.filled_weight),
                (np.ones(len(data.windows), dtype=bool), 0.0),
            )
        ]
        held_out = build_held_out(data, sources[1], is_held_out, mode, train.n_context_years)
        curve = fit_network(
            network.to(device),
            sources[0],
            held_out,
            options=train,
            seed=seed,
            name=name,
            resume_file=resume_file,
        )
    return network.cpu(), curve


def _build_member(
    network: CHAMNet,
    normalization: Normalization,
    data: PlaceData,
    options: TrainConfig,
    *,
    seed: int,
) -> Member:
    return Member(
        network,
        normalization,
        target=data.target,
        modes=modes_of(has_prior=data.prior_flux is not None, has_response=network.config.response),
        n_context_years=options.n_context_years,
        settings={"train": options.model_dump(), "seed": seed},
    )


def _predict_windows(member: Member, data: PlaceData, mode: str) -> pd.DataFrame:
    """Windows with what is predicted of them, the mean not restored."""
    flux = predict_places(member, data, mode=mode, restore_mean=False)
    rows = data.windows.rename(columns={"flux": "observed"})
    return rows.assign(
        predicted=build_window_means(flux, data),
        cluster=data.cluster[rows["place"]],
        place=data.place[rows["place"]],
        mode=mode,
    )


def _predict_out_of_bag(member: Member, data: PlaceData) -> pd.DataFrame:
    """Windows of places the member never saw, as cells are and, with an earlier year, few_shot."""
    parts = [_predict_windows(member, data, member.mode_of_cells)]
    if "few_shot" in member.modes:
        windows = data.windows
        has_context = has_earlier_year(
            windows["place"], windows["year"], gives_response=windows["quality"] == MEASURED
        )
        parts.append(_predict_windows(member, data, "few_shot")[has_context])
    return pd.concat(parts)[OUT_OF_BAG_COLUMNS].reset_index(drop=True)


def _doubt_factors(member: Member, left_out: PlaceData, log_weight: float) -> dict[str, float]:
    """Factor of the mode that reads a flux at places that were left out: few_shot or prior."""
    everything = np.ones(len(left_out.windows), dtype=bool)
    return {
        mode: fit_doubt_factor(member, left_out, everything, mode=mode, log_weight=log_weight)
        for mode in ("few_shot", PRIOR)
        if mode in member.modes
    }


def _mean_factors(member: Member, out_of_bag: pd.DataFrame) -> dict[str, float]:
    """Factor of each mode that has one; rolling and frozen share that of few_shot."""
    factors = {
        str(mode): _mean_factor(rows)
        for mode, rows in out_of_bag.groupby("mode")
        if member.has_mean_factor(str(mode))
    }
    shared = [factors["few_shot"]] if "few_shot" in factors else []
    return factors | {mode: f for f in shared for mode in ("rolling", "frozen")}


def _mean_factor(windows: pd.DataFrame) -> float:
    measured = windows[windows["quality"] == MEASURED]
    return fit_mean_factor(
        measured["observed"].to_numpy(),
        measured["predicted"].to_numpy(),
        measured["cluster"].to_numpy(),
    )
