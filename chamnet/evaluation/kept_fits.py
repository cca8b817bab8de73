"""Fits that are kept: a run that was stopped goes on with those it lacks.

The predictions of a fit are kept by its digest. Fits run in processes of their own.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from chamnet.data.windows import UNKNOWN_YEAR, PlaceData, build_window_means
from chamnet.evaluation.fits import Fit
from chamnet.evaluation.fitting import NO_CONTEXT, predict_held_out
from chamnet.evaluation.learned import read_places
from chamnet.evaluation.predictions import build_predictions
from chamnet.evaluation.pretrained import read_pretrained
from chamnet.provenance import whole_file


def path_of_fit(fit: Fit, folder: str | os.PathLike) -> Path:
    """Where the predictions of a fit are kept."""
    return Path(folder) / f"{fit.digest}.parquet"


def run_fit(fit: Fit, folder: str | os.PathLike, threads: int) -> Path:
    """Fit, predict what is held out, and keep it; nothing to do where it is kept already.

    Parameters
    ----------
    fit : what to fit
    folder : of the kept predictions
    threads : of torch

    Returns
    -------
    Path
        Table of predictions, one row a scored window and context (see `build_predictions`);
        beside it ``.npz`` with the daily fluxes of the places and years that were scored.
    """
    path = path_of_fit(fit, folder)
    if path.exists():
        return path
    initial = read_pretrained(fit.pretraining, folder) if fit.pretraining else None
    data = read_places(fit.observations, fit.prior_flux, kind=fit.kind)
    fluxes, scored = predict_held_out(fit, data, initial=initial, threads=threads)
    tables = [
        build_predictions(scored, build_window_means(flux, scored)).assign(
            model=model, context=context
        )
        for (model, context), flux in fluxes.items()
    ]
    if not tables:
        nothing = build_predictions(scored, np.empty(0))
        tables = [nothing.assign(model=fit.model, context=NO_CONTEXT)]
    table = pd.concat(tables, ignore_index=True).assign(
        target=fit.target, protocol=fit.protocol, seed=fit.seed, fold=fit.fold
    )
    of_model = {context: flux for (model, context), flux in fluxes.items() if model == fit.model}
    _write_daily(path.with_suffix(".npz"), of_model, scored)
    with whole_file(path) as temporary:
        table.to_parquet(temporary, index=False)
    return path


def _write_daily(path: Path, fluxes: Mapping[str, np.ndarray], scored: PlaceData) -> None:
    """Daily fluxes of every scored place and year, for the figures."""
    pairs = scored.windows.loc[scored.windows["year"] != UNKNOWN_YEAR, ["place", "year"]]
    pairs = pairs.drop_duplicates().to_numpy().reshape(-1, 2)
    year_index = np.searchsorted(scored.years, pairs[:, 1])
    daily = {c: flux[pairs[:, 0], year_index].astype(np.float32) for c, flux in fluxes.items()}
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, place=scored.place[pairs[:, 0]], year=pairs[:, 1], **daily)
