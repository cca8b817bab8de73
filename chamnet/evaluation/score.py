"""Scores of trained members on towers they never saw, in the columns of skill.csv."""

import dataclasses
import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from chamnet.data.observations import read_emission
from chamnet.data.towers import read_towers
from chamnet.data.windows import PlaceData, build_window_means, open_place_data
from chamnet.errors import CheckpointError
from chamnet.evaluation.predictions import build_predictions
from chamnet.evaluation.skill import score_predictions, write_skill
from chamnet.inference.places import predict_places
from chamnet.model.checkpoint import Member, load_member

logger = logging.getLogger(__name__)

MODES = ("few_shot", "zero_shot")


def score_checkpoints(
    *,
    checkpoints: Sequence[str | os.PathLike],
    towers: str | os.PathLike,
    sites: str | os.PathLike,
    mode: str,
    out: str | os.PathLike,
    flux_units: str = "nmol m-2 s-1",
    threads: int = 1,
) -> pd.DataFrame:
    """Score the mean of members on the measured days of a folder of tower files.

    Parameters
    ----------
    checkpoints : files of members of one target, trained on the same drivers
    towers : folder of FLUXNET-CH4 daily files; drivers are the towers' own columns
    sites : site table: SITE_ID, LAT, LON, SITE_CLASSIFICATION
    mode : few_shot, a site's context is its own earlier years and its first year has none, or
        zero_shot, no response at all
    out : CSV with the columns of skill.csv, protocol spatial
    flux_units : of the FCH4 columns
    threads : of torch

    Returns
    -------
    rows as written

    Raises
    ------
    CheckpointError
        If a checkpoint cannot be read, is of consumption, was not trained for the mode, or
        for other drivers than the first.
    InputError
        If a tower file cannot be used.
    """
    import torch

    torch.set_num_threads(threads)
    members = load_members(checkpoints, mode)
    if members[0].target != "emission":
        raise CheckpointError(
            f"{checkpoints[0]}: trained on {members[0].target}, but towers observe emission"
        )
    data = _read_places(towers, sites, members[0].driver_names, flux_units)
    data = _with_attributes(data, members[0].attribute_names)
    measured = data.with_windows(data.is_measured)
    total = np.zeros(data.drivers.shape[:3])
    for number, member in enumerate(members, start=1):
        total += predict_places(member, measured, mode=mode)
        logger.info("score: %d/%d members", number, len(members))
    predicted = build_window_means(total / len(members), measured)
    predictions = build_predictions(measured, predicted).assign(
        target=data.target, model="chamnet", protocol="spatial", context=mode, seed=0
    )
    table = score_predictions(predictions)
    write_skill(table, out)
    _log_headline(table, out)
    return table


def load_members(checkpoints: Sequence[str | os.PathLike], mode: str) -> list[Member]:
    """Members of one target, for places that no training saw.

    Parameters
    ----------
    checkpoints : files
    mode : few_shot or zero_shot

    Raises
    ------
    CheckpointError
        If the mode is another, or a checkpoint cannot be read, was not trained for it, or is
        of other drivers, attributes or another target than the first.
    """
    if mode not in MODES:
        raise CheckpointError(f"mode {mode!r}, expected one of {list(MODES)}")
    first = load_member(checkpoints[0], mode=mode)
    others = [
        load_member(path, drivers=first.driver_names, attributes=first.attribute_names, mode=mode)
        for path in checkpoints[1:]
    ]
    for path, member in zip(checkpoints[1:], others, strict=True):
        if member.target != first.target:
            raise CheckpointError(
                f"{path}: trained on {member.target}, but {checkpoints[0]} on {first.target}"
            )
    return [first, *others]


def _read_places(
    towers: str | os.PathLike,
    sites: str | os.PathLike,
    driver_names: Sequence[str],
    flux_units: str,
) -> PlaceData:
    """Places of the tower files, with every year that one of them has."""
    found = read_towers(folder=str(towers), sites=str(sites), flux_units=flux_units)
    years = sorted({int(year) for tower in found for year in tower.days.index.year.unique()})
    with tempfile.TemporaryDirectory() as folder:
        manifest = read_emission(
            store=str(Path(folder) / "emission.zarr"),
            dropped=str(Path(folder) / "dropped.csv"),
            digest="score",
            towers={
                "folder": str(towers),
                "sites": str(sites),
                "drivers": "tower",
                "flux_units": flux_units,
            },
            driver_names=list(driver_names),
            years=range(years[0], years[-1] + 1),
        )
        return open_place_data(manifest)


def _with_attributes(data: PlaceData, names: Sequence[str]) -> PlaceData:
    """Data with the attributes a member wants; what tower files do not tell is unknown."""
    if names:
        logger.info(
            "score: tower files tell no attributes, %d of the checkpoints are taken as unknown: %s",
            len(names), list(names),
        )  # fmt: skip
    unknown = np.full((data.n_places, len(names)), np.nan, dtype=np.float32)
    return dataclasses.replace(data, attributes=unknown, attribute_names=tuple(names))


def _log_headline(table: pd.DataFrame, out: str | os.PathLike) -> None:
    pooled = table[(table["level"] == "pooled_daily") & (table["metric"] == "r2")]
    for row in pooled.itertuples():
        logger.info(
            "score %s: pooled daily R2 %.3f, %d measured days of %d sites; all in %s",
            row.context, row.value, row.n_observations, row.n_places, out,
        )  # fmt: skip
