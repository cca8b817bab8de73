"""Fits that begin pretrained: one network for all of them, and nothing else is changed."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
import torch
from factories_evaluation import make_place_data, with_prior, write_place_data, write_prior

from chamnet.config import ModelConfig, TrainConfig
from chamnet.data.windows import open_place_data
from chamnet.errors import ConfigError
from chamnet.evaluation import fits
from chamnet.evaluation.crossvalidation import cross_validate
from chamnet.evaluation.learned import NETWORKS, fit_named
from chamnet.evaluation.pretrained import Pretraining, read_pretrained, run_pretraining

MODEL = ModelConfig(n_hidden=6, n_hidden_encoder=4, n_embedding=4, n_season=2).model_dump()
TRAIN = TrainConfig(n_steps=4, steps_per_epoch=2, batch_places=4, n_context_years=2).model_dump()
OPTIONS = {"model": MODEL, "train": TRAIN, "pretrain": {"n_steps": 6, "batch_places": 8}}


@pytest.fixture(scope="module")
def manifests(tmp_path_factory):
    """Observations, and simulated places beside them."""
    paths = []
    for name, seed in (("observed", 0), ("prior", 5)):
        folder = tmp_path_factory.mktemp(name)
        paths.append(write_place_data(make_place_data(seed=seed)[0], folder))
    return paths


def run(manifests, folder, **changes):
    observed, prior = manifests
    arguments = {
        "observations": {"emission": observed},
        "prior": {"emission": prior},
        "pretrain": OPTIONS["pretrain"],
        "out": folder / "skill.csv",
        "predictions_folder": folder / "predictions",
        "figures_folder": None,
        "protocols": ("temporal",),
        "models": ("chamnet", "lstm", "class_month"),
        "contexts": ("rolling",),
        "n_folds": 3,
        "n_seeds": 1,
        "model": MODEL,
        "train": TRAIN,
        "seed": 0,
    }
    return cross_validate(**(arguments | changes))


def r2_of(table):
    rows = table[(table["level"] == "pooled_daily") & (table["metric"] == "r2")]
    return rows.set_index("model")["value"]


@pytest.mark.slow
def test_networks_alone_change_with_what_they_begin_with(manifests, tmp_path):
    with_prior = r2_of(run(manifests, tmp_path / "with"))
    without = r2_of(run(manifests, tmp_path / "without", prior=None))
    assert with_prior["class_month"] == without["class_month"]
    for model in ("chamnet", "lstm"):
        assert with_prior[model] != without[model]


def test_a_network_is_pretrained_once_for_all_folds_and_kept(manifests, tmp_path):
    arguments = {"models": ("lstm",), "protocols": ("spatial",), "contexts": ("zero_shot",)}
    first = run(manifests, tmp_path, **arguments)
    kept = list((tmp_path / "predictions" / "fits").glob("pretrained_*"))
    assert len(kept) == 1
    before = kept[0].stat().st_mtime_ns
    for path in (tmp_path / "predictions" / "fits").glob("*.parquet"):
        path.unlink()
    pd.testing.assert_frame_equal(run(manifests, tmp_path, **arguments), first)
    assert kept[0].stat().st_mtime_ns == before


def test_nothing_is_pretrained_for_fits_that_are_kept(manifests, tmp_path):
    run(manifests, tmp_path, models=("lstm",))
    folder = tmp_path / "predictions" / "fits"
    [kept] = folder.glob("pretrained_*")
    kept.unlink()
    run(manifests, tmp_path, models=("lstm",))
    assert not kept.exists()
    [fit] = folder.glob("*.parquet")
    fit.unlink()
    run(manifests, tmp_path, models=("lstm",))
    assert kept.exists()


@pytest.mark.slow
def test_networks_are_pretrained_with_the_prior_flux_that_they_read(tmp_path):
    paths = []
    for name, seed in (("observed", 0), ("prior", 5)):
        (tmp_path / name).mkdir()
        data = with_prior(*make_place_data(seed=seed))
        paths.append((write_place_data(data, tmp_path / name), write_prior(data, tmp_path / name)))
    (observed, flux), (simulated, flux_simulated) = paths
    table = run(
        (observed, simulated),
        tmp_path,
        protocols=("spatial",),
        contexts=("prior",),
        models=("chamnet", "lstm", "forest"),
        prior_flux={"emission": flux},
        prior_flux_simulated={"emission": flux_simulated},
    )
    assert set(table["context"]) == {"prior"}
    assert set(table["model"]) == {"chamnet", "lstm", "forest"}
    kept = (tmp_path / "predictions" / "fits").glob("pretrained_*")
    scales = [torch.load(path)["normalization"] for path in kept]
    names = sorted(len(scale["driver_names"]) for scale in scales)
    assert names == [2, 3]  # the LSTM reads it as one more driver
    assert sorted(scale["prior_scale"] is None for scale in scales) == [False, True]


@pytest.mark.parametrize("kind", ["chamnet", *sorted(NETWORKS)])
def test_every_network_begins_with_the_pretrained_weights_and_scaling(manifests, tmp_path, kind):
    pretraining = Pretraining(str(manifests[1]), kind, 0, OPTIONS)
    run_pretraining(pretraining, tmp_path, 1)
    before = read_pretrained(pretraining, tmp_path)
    data = open_place_data(manifests[0])
    nothing = np.zeros(len(data.windows), dtype=bool)
    after = fit_named(
        kind, data, nothing, model=MODEL, train=TRAIN | {"n_steps": 1}, mode="rolling", seed=7,
        initial=before,
    )  # fmt: skip
    found = after.network.state_dict()
    for name, weights in before.weights.items():  # a step moves a weight by its rate at most
        torch.testing.assert_close(found[name], weights, atol=0.01, rtol=0.01)
    assert after.normalization.driver_mean == before.normalization.driver_mean
    assert after.normalization.flux_scale != before.normalization.flux_scale


@pytest.mark.parametrize("kind", ["chamnet", "lstm"])
def test_a_fit_is_not_kept_for_another_pretraining(manifests, monkeypatch, kind):
    observed, prior = manifests
    fit = fits.Fit(
        observations=observed, prior=prior, target="emission", protocol="temporal", model=kind,
        fold=0, n_folds=1, seed=0, contexts=("rolling",), options=OPTIONS | {"n_members": 1},
    )  # fmt: skip
    before = fit.digest
    assert dataclasses.replace(fit, prior=None).digest != before
    monkeypatch.setattr(Pretraining, "digest", "of other code")
    assert fit.digest != before


def test_the_forest_learns_from_the_simulated_places_too(manifests, tmp_path):
    arguments = {"models": ("forest",)}
    with_prior = r2_of(run(manifests, tmp_path / "with", **arguments))
    without = r2_of(run(manifests, tmp_path / "without", prior=None, **arguments))
    assert with_prior["forest"] != without["forest"]


def test_the_class_of_a_place_cannot_be_pretrained_on(manifests, tmp_path):
    message = "simulated places have no class to pretrain it on; set skill.pretrained: false"
    with pytest.raises(ConfigError, match=re.escape(message)):
        run(manifests, tmp_path, models=("chamnet+class",))
