"""Cross-validation: every model on later years and on clusters of places it never saw.

Fits run side by side in processes, each kept when it is done; a run that was stopped goes on.
What is scored are measured windows alone.
"""

import dataclasses
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from chamnet.data.windows import MEASURED, UNKNOWN_YEAR, PlaceData, open_place_data
from chamnet.errors import ConfigError
from chamnet.evaluation.fits import MODELS, MODES_OF_PROTOCOL, Fit, run_fit
from chamnet.evaluation.skill import score_predictions, write_skill
from chamnet.evaluation.skill_figures import plot_observed_against_predicted, plot_series

logger = logging.getLogger(__name__)

SLOW_FIRST = ("chamnet", "lstm", "forest")


def cross_validate(
    *,
    observations: Mapping[str, str | os.PathLike],
    out: str | os.PathLike,
    predictions_folder: str | os.PathLike,
    figures_folder: str | os.PathLike | None,
    protocols: Sequence[str],
    models: Sequence[str],
    contexts: Sequence[str],
    n_folds: int,
    n_seeds: int,
    model: Mapping[str, Any],
    train: Mapping[str, Any],
    seed: int,
    threads: int = 1,
    n_members: int = 1,
    n_processes: int = 1,
    synthetic: bool = False,
) -> pd.DataFrame:
    """Scores of every model, protocol and context; writes skill.csv last.

    Parameters
    ----------
    observations : manifest of the observations of each target
    out : skill.csv
    predictions_folder : gets ``<protocol>_<model>.parquet`` and ``fits/`` with what is kept
    figures_folder : gets ``<target>_<protocol>_<site>.png`` and ``<target>_<protocol>.png``;
        None draws none
    protocols : temporal, spatial
    models : see `chamnet.evaluation.fits.MODELS`
    contexts : modes that are scored, each in its protocol
    n_folds : folds of clusters
    n_seeds : repeats of every fit, each with folds, weights and draws of its own
    model, train : options of the network and its training, as plain values
    seed : of the run
    threads : of torch, a process
    n_members : networks that are averaged in a fit
    n_processes : fits side by side
    synthetic : whether figures say that the data are

    Returns
    -------
    rows as skill.csv has them

    Raises
    ------
    ConfigError
        If a protocol leaves nothing to score, such as later years of observations without a
        year, or has no context among those asked for.
    """
    fits = list(
        _plan_fits(
            observations=observations,
            protocols=protocols,
            models=models,
            contexts=contexts,
            n_folds=n_folds,
            seeds=range(seed, seed + n_seeds),
            options={"model": dict(model), "train": dict(train), "n_members": n_members},
        )
    )
    kept = _run_all(fits, Path(predictions_folder) / "fits", threads, n_processes)
    predictions = pd.concat([pd.read_csv(path) for path in kept], ignore_index=True)
    _write_predictions(predictions, Path(predictions_folder))
    if figures_folder is not None:
        _plot_all(fits, kept, predictions, observations, Path(figures_folder), synthetic)
    table = score_predictions(predictions)
    write_skill(table, out)
    _log_headlines(table)
    return table


def _plan_fits(
    *,
    observations: Mapping[str, str | os.PathLike],
    protocols: Sequence[str],
    models: Sequence[str],
    contexts: Sequence[str],
    n_folds: int,
    seeds: Sequence[int],
    options: Mapping[str, Any],
) -> Iterator[Fit]:
    """Every fit, the long ones first so that processes end together."""
    unknown = sorted(set(models) - set(MODELS))
    if unknown:
        raise ConfigError(f"skill.models {unknown}, expected some of {list(MODELS)}")
    fits = []
    for target, manifest in observations.items():
        data = open_place_data(manifest)
        for protocol in protocols:
            _check_protocol(protocol, data, contexts)
            n_clusters = np.unique(data.cluster).size
            folds = range(min(n_folds, n_clusters)) if protocol == "spatial" else range(1)
            fits += [
                Fit(
                    observations=str(manifest),
                    target=target,
                    protocol=protocol,
                    model=name,
                    fold=fold,
                    n_folds=len(folds),
                    seed=seed,
                    contexts=tuple(contexts),
                    options=options,
                )
                for name in models
                for seed in seeds
                for fold in folds
            ]
    rank = {name: index for index, name in enumerate(SLOW_FIRST)}
    yield from sorted(fits, key=lambda fit: rank.get(fit.model, len(rank)))


def _check_protocol(protocol: str, data: PlaceData, contexts: Sequence[str]) -> None:
    known = MODES_OF_PROTOCOL.get(protocol)
    if known is None:
        raise ConfigError(f"skill.protocols {protocol!r}, expected {list(MODES_OF_PROTOCOL)}")
    if not set(known) & set(contexts):
        raise ConfigError(
            f"skill.contexts {list(contexts)} has none of {list(known)}, "
            f"which the {protocol} protocol needs"
        )
    measured = data.windows[data.windows["quality"] == MEASURED]
    dated = measured[measured["year"] != UNKNOWN_YEAR]
    if protocol == "temporal" and not (dated.groupby("place")["year"].nunique() > 1).any():
        raise ConfigError(
            f"skill.protocols: the temporal one needs a place with two measured years, but the "
            f"{data.n_places} places of {data.target} have none; use the spatial one"
        )


def _run_all(fits: Sequence[Fit], folder: Path, threads: int, n_processes: int) -> list[Path]:
    """Tables of all fits, in their order."""
    progress = _Progress(len(fits))
    # joblib's workers do not import the main script, which may be one of Snakemake's.
    run = joblib.Parallel(n_jobs=min(n_processes, len(fits)), return_as="generator")
    paths = run(joblib.delayed(run_fit)(fit, folder, threads) for fit in fits)
    return [progress.done(path, fit.name) for path, fit in zip(paths, fits, strict=True)]


class _Progress:
    """Counts fits and tells what is left."""

    def __init__(self, n_fits: int) -> None:
        self._n_fits, self._n_done, self._begin = n_fits, 0, time.monotonic()

    def done(self, path: Path, name: str) -> Path:
        """Count a fit; its path."""
        self._n_done += 1
        elapsed = time.monotonic() - self._begin
        left = elapsed / self._n_done * (self._n_fits - self._n_done)
        logger.info(
            "cross_validate: %d/%d fits, about %.0f s left (%s)",
            self._n_done, self._n_fits, left, name,
        )  # fmt: skip
        return path


def _write_predictions(predictions: pd.DataFrame, folder: Path) -> None:
    for (protocol, model), part in predictions.groupby(["protocol", "model"]):
        temporary = folder / f".{protocol}_{model}.{os.getpid()}.tmp"
        part.reset_index(drop=True).to_parquet(temporary, index=False)
        os.replace(temporary, folder / f"{protocol}_{model}.parquet")


def _plot_all(
    fits: Sequence[Fit],
    kept: Sequence[Path],
    predictions: pd.DataFrame,
    observations: Mapping[str, str | os.PathLike],
    folder: Path,
    synthetic: bool,
) -> None:
    first_seed = min(fit.seed for fit in fits)
    for target, manifest in observations.items():
        data = open_place_data(manifest)
        for protocol in dict.fromkeys(fit.protocol for fit in fits):
            chosen = [
                (dataclasses.replace(fit), path.with_name(path.name.replace(".csv.gz", ".npz")))
                for fit, path in zip(fits, kept, strict=True)
                if (fit.target, fit.protocol, fit.seed) == (target, protocol, first_seed)
            ]
            plot_series(data, chosen, folder=folder, protocol=protocol, synthetic=synthetic)
            part = predictions[
                (predictions["target"] == target) & (predictions["protocol"] == protocol)
            ]
            path = folder / f"{target}_{protocol}.png"
            plot_observed_against_predicted(part, path, synthetic=synthetic)


def _log_headlines(table: pd.DataFrame) -> None:
    chosen = table[(table["metric"] == "r2") & (table["compared_with"] == "")]
    for level in ("pooled_daily", "pooled_monthly", "site_median"):
        for row in chosen[chosen["level"] == level].itertuples():
            logger.info(
                "%s %s %s %s: %s R2 %.3f (%d observations, %d places)",
                row.target, row.protocol, row.model, row.context, level, row.value,
                row.n_observations, row.n_places,
            )  # fmt: skip
