"""Cross-validation: every model on later years and on clusters of places it never saw.

Fits run side by side in processes, each kept when it is done; a run that was stopped goes on.
What is scored are measured windows alone.
"""

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pydantic

from chamnet.config import ModelConfig, TrainConfig, messages_of
from chamnet.data.windows import PlaceData, open_place_data
from chamnet.errors import ConfigError
from chamnet.evaluation.fits import MODELS, PROCESS_MODEL, Fit
from chamnet.evaluation.fitting import SWAPPED
from chamnet.evaluation.kept_fits import path_of_fit, run_fit
from chamnet.evaluation.learned import CHAMNET, FOREST, NETWORKS, WITH_CLASS
from chamnet.evaluation.predictions import read_predictions
from chamnet.evaluation.pretrained import run_pretraining
from chamnet.evaluation.protocols import PROTOCOLS
from chamnet.evaluation.skill import score_predictions, write_skill
from chamnet.evaluation.skill_figures import (
    plot_ablations,
    plot_observed_against_predicted,
    plot_series,
)
from chamnet.model.member import PRIOR
from chamnet.provenance import whole_file

logger = logging.getLogger(__name__)

SLOW_FIRST = (CHAMNET, WITH_CLASS, *NETWORKS, FOREST)
READ_PRIOR = (*SLOW_FIRST, PROCESS_MODEL)


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
    variants: Mapping[str, Mapping[str, Any]] | None = None,
    swap_history: bool = False,
    n_variant_seeds: int | None = None,
    prior: Mapping[str, str | os.PathLike] | None = None,
    pretrain: Mapping[str, Any] | None = None,
    prior_flux: Mapping[str, str | os.PathLike] | None = None,
    prior_flux_simulated: Mapping[str, str | os.PathLike] | None = None,
) -> pd.DataFrame:
    """Scores of every model, protocol and context; writes skill.csv last.

    Parameters
    ----------
    observations : manifest of the observations of each target
    out : skill.csv
    predictions_folder : gets ``<protocol>_<model>.parquet`` and ``fits/`` with what is kept
    figures_folder : gets ``<target>_<protocol>_<site>.png`` and ``<target>_<protocol>.png``;
        None draws none
    protocols : see `chamnet.evaluation.protocols.PROTOCOLS`
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
    variants : options of ``model`` and ``train`` by the name of a variant of CHAM-net, which is
        scored as ``chamnet:<name>``
    swap_history : whether CHAM-net is also scored with the history of another place, as
        ``chamnet:swapped_history``
    n_variant_seeds : repeats of a variant's fits, the first of ``n_seeds``; None: as many
    prior : manifest of simulated places of each target, on which every network is pretrained
        and from which the forest learns too; None: all begin anew
    pretrain : what of ``train`` is another while pretraining
    prior_flux : manifest of a process model's flux at the places of each target, which the
        context ``prior`` needs
    prior_flux_simulated : the same at the simulated places, where there are any

    Returns
    -------
    rows as skill.csv has them

    Raises
    ------
    ConfigError
        If a protocol leaves nothing to score, such as later years of observations without a
        year, or has no context among those asked for; if no model is scored in those; if a
        model or a variant's option is unknown, or its value out of bounds; if CHAM-net with the
        class should begin pretrained; if the context ``prior`` is asked for without a prior
        flux, or the process model without that context.
    """
    priors = {
        target: {
            "prior": _path(prior, target),
            "prior_flux": _path(prior_flux, target),
            "prior_flux_simulated": _path(prior_flux_simulated, target),
        }
        for target in observations
    }
    fits = list(
        _plan_fits(
            observations=observations,
            protocols=protocols,
            models=models,
            contexts=contexts,
            n_folds=n_folds,
            seeds=range(seed, seed + n_seeds),
            n_variant_seeds=n_seeds if n_variant_seeds is None else n_variant_seeds,
            options={"model": dict(model), "train": dict(train), "n_members": n_members}
            | ({"pretrain": dict(pretrain or {})} if prior else {}),
            priors=priors,
            variants=variants or {},
            swap_history=swap_history,
        )
    )
    if not fits:
        raise ConfigError(
            f"skill.models {list(models)}: none is scored in skill.contexts {list(contexts)}"
        )
    kept = _run_all(fits, Path(predictions_folder) / "fits", threads, n_processes)
    predictions = read_predictions(kept)
    _write_predictions(predictions, Path(predictions_folder))
    if figures_folder is not None:
        _plot_all(fits, kept, predictions, observations, Path(figures_folder), synthetic)
    table = score_predictions(predictions)
    if figures_folder is not None:
        for target, part in table.groupby("target"):
            path = Path(figures_folder) / f"{target}_ablations.png"
            plot_ablations(part, path, title=str(target), synthetic=synthetic)
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
    n_variant_seeds: int,
    options: Mapping[str, Any],
    variants: Mapping[str, Mapping[str, Any]],
    swap_history: bool,
    priors: Mapping[str, Mapping[str, str | None]],
) -> Iterator[Fit]:
    """Every fit, the long ones first so that processes end together."""
    _check_models(models, contexts, priors)
    of_model = dict.fromkeys(models, options)
    if CHAMNET in of_model:
        of_model[CHAMNET] = {**options, "swap_history": swap_history}
    of_model |= {f"{CHAMNET}:{n}": vary_options(options, n, v) for n, v in variants.items()}
    fits = []
    for target, manifest in observations.items():
        data = open_place_data(manifest)
        for protocol in protocols:
            folds = _folds(protocol, data, contexts, n_folds)
            fits += [
                Fit(
                    observations=str(manifest),
                    target=target,
                    protocol=protocol,
                    model=name,
                    fold=fold,
                    n_folds=len(folds),
                    seed=seed,
                    contexts=read,
                    options=own,
                    **_manifests(priors[target], read),
                )
                for name, own in of_model.items()
                for read in _contexts_of_fits(name, own, protocol, contexts)
                for seed in (seeds[:n_variant_seeds] if ":" in name else seeds)
                for fold in folds
            ]
    rank = {name: index for index, name in enumerate(SLOW_FIRST)}
    yield from sorted(fits, key=lambda fit: rank.get(fit.kind, len(rank)))


def _path(manifests: Mapping[str, str | os.PathLike] | None, target: str) -> str | None:
    return str(manifests[target]) if manifests and target in manifests else None


def _contexts_of_fits(
    name: str, options: Mapping[str, Any], protocol: str, contexts: Sequence[str]
) -> list[tuple[str, ...]]:
    """Contexts of each fit of a model: a network that reads a prior flux is one of its own."""
    kind, modes = name.split(":")[0], PROTOCOLS[protocol].modes
    measured = tuple(context for context in contexts if context != PRIOR)
    reads_flux = bool(options["model"].get("response", True))
    parts = []
    if kind != PROCESS_MODEL and set(measured) & set(modes):
        parts.append(measured)
    if PRIOR in set(contexts) & set(modes) and kind in READ_PRIOR and reads_flux:
        parts.append((PRIOR,))
    return parts


def _manifests(of_target: Mapping[str, str | None], read: Sequence[str]) -> dict[str, str | None]:
    """Manifests of a fit that reads these contexts: a prior flux only where it is read."""
    return dict(of_target) if PRIOR in read else {"prior": of_target["prior"]}


def _check_models(
    models: Sequence[str],
    contexts: Sequence[str],
    priors: Mapping[str, Mapping[str, str | None]],
) -> None:
    unknown = sorted(set(models) - set(MODELS))
    if unknown:
        raise ConfigError(f"skill.models {unknown}, expected some of {list(MODELS)}")
    without = [target for target, paths in priors.items() if paths["prior_flux"] is None]
    if PRIOR in contexts and without:
        raise ConfigError(f"skill.contexts has {PRIOR!r}, but {without} come without a prior flux")
    if PROCESS_MODEL in models and PRIOR not in contexts:
        raise ConfigError(
            f"skill.models has {PROCESS_MODEL!r}, whose context {PRIOR!r} is not in skill.contexts"
        )
    if WITH_CLASS in models and any(paths["prior"] for paths in priors.values()):
        raise ConfigError(
            f"skill.models has {WITH_CLASS!r}, but simulated places have no class to pretrain it "
            "on; set skill.pretrained: false"
        )


def vary_options(
    options: Mapping[str, Any], name: str, changes: Mapping[str, Any]
) -> dict[str, Any]:
    """Options of a variant of CHAM-net: those of the run, some of them changed.

    Parameters
    ----------
    options : ``model`` and ``train``, as plain values, and others
    name : of the variant
    changes : options of either, by their names in it

    Raises
    ------
    ConfigError
        If neither has an option of that name, a value is out of bounds, or the name is that of
        the swapped history.
    """
    if name == SWAPPED:
        raise ConfigError(f"skill.variants.{name}: the name is taken, see skill.swap_history")
    varied = {**options, "model": dict(options["model"]), "train": dict(options["train"])}
    sections = {"model": ModelConfig, "train": TrainConfig}
    for option, value in changes.items():
        known = {n: set(one.model_fields) - {"n_members"} for n, one in sections.items()}
        holder = next((n for n, fields in known.items() if option in fields), None)
        if holder is None:
            raise ConfigError(
                f"skill.variants.{name}: unknown option {option!r}, expected one of model "
                f"({', '.join(ModelConfig.model_fields)}) or of train"
            )
        varied[holder][option] = value
    for section, one in sections.items():
        try:
            one.model_validate(varied[section])
        except pydantic.ValidationError as error:
            raise ConfigError(f"skill.variants.{name}: {'; '.join(messages_of(error))}") from None
    return varied


def _folds(protocol: str, data: PlaceData, contexts: Sequence[str], n_folds: int) -> range:
    """Folds of a protocol, one where years are held out; refuses what leaves nothing to score."""
    rules = PROTOCOLS.get(protocol)
    if rules is None:
        raise ConfigError(f"skill.protocols {protocol!r}, expected {list(PROTOCOLS)}")
    rules.check(protocol, data, tuple(contexts))
    n_clusters = np.unique(rules.prepare(data).cluster).size
    return range(min(n_folds, n_clusters)) if rules.is_spatial else range(1)


def _run_all(fits: Sequence[Fit], folder: Path, threads: int, n_processes: int) -> list[Path]:
    """Tables of all fits, in their order; first what their networks begin with."""
    left = [fit for fit in fits if not path_of_fit(fit, folder).exists()]
    before = {p.digest: p for p in (fit.pretraining for fit in left) if p is not None}
    if before:
        logger.info("cross_validate: %d networks are pretrained first", len(before))
    # joblib's workers do not import the main script, which may be one of Snakemake's.
    run = joblib.Parallel(n_jobs=min(n_processes, len(fits)), return_as="generator")
    list(run(joblib.delayed(run_pretraining)(p, folder, threads) for p in before.values()))
    progress = _Progress(len(fits))
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
        name = f"{protocol}_{model}".replace(":", "_")
        with whole_file(folder / f"{name}.parquet") as temporary:
            part.reset_index(drop=True).to_parquet(temporary, index=False)


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
                (fit, path.with_suffix(".npz"))
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
