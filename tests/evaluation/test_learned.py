"""Baselines that learn: trained as CHAM-net is, with the settings that the search chose."""

import numpy as np
import pandas as pd
import pytest
import torch
from factories_evaluation import make_place_data

from chamnet import metrics
from chamnet.data.windows import build_window_means
from chamnet.errors import ConfigError, InputError
from chamnet.evaluation.learned import (
    NETWORKS,
    SETTINGS_FILE,
    Settings,
    fit_baseline,
    read_settings,
)
from chamnet.evaluation.search import search_settings
from chamnet.inference.places import predict_places

TRAIN = {"n_steps": 60, "steps_per_epoch": 30, "batch_places": 6, "n_context_years": 2}
SMALL = Settings(n_hidden=8, dropout=0.0, learning_rate=3e-2)


def fit(name, data, *, validation=None, train=TRAIN, mode="rolling", settings=SMALL):
    if validation is None:
        validation = np.zeros(len(data.windows), bool)
    return fit_baseline(name, data, validation, seed=1, train=train, mode=mode, settings=settings)


@pytest.mark.parametrize("name", ["lstm_history", "itransformer"])
def test_a_baseline_that_learns_has_skill_in_an_unseen_year(name):
    data, _ = make_place_data()
    is_last = (data.windows["year"] == 2013).to_numpy()
    member, curve = fit(name, data.with_windows(~is_last))
    flux = predict_places(member, data, mode="rolling")
    test = data.with_windows(is_last)
    assert metrics.r2(test.windows["flux"], build_window_means(flux, test)) > 0.3
    assert curve["loss"].iloc[-1] < curve["loss"].iloc[0]


def test_a_fit_repeats_from_its_seed():
    data, _ = make_place_data(n_places=3)
    few = TRAIN | {"n_steps": 6}
    fluxes = [
        predict_places(fit("lstm", data, train=few)[0], data, mode="zero_shot") for _ in range(2)
    ]
    np.testing.assert_array_equal(*fluxes)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_network_makes_no_tensor_on_another_device_than_its_inputs(name):
    network = NETWORKS[name](n_drivers=3, n_attributes=2, n_hidden=8, dropout=0.1)
    sizes = ((2, 3, network.n_bins, 5), (2, 365, 3), (2, 2), (2, 365))
    pooled, drivers, attributes, fraction = (torch.rand(size) for size in sizes)
    with torch.device("meta"):  # where a tensor lands that is made without a device
        year_mask = torch.ones(2, 3, dtype=torch.bool, device="cpu")
        flux, _ = network(pooled, year_mask, drivers, attributes, fraction)
        flux.sum().backward()
    assert flux.device.type == "cpu"


def test_months_of_an_unknown_year_train_a_baseline():
    data, _ = make_place_data(windows="monthly", share_measured=0.8, n_places=5)
    member, curve = fit("lstm", data, train=TRAIN | {"n_steps": 6, "steps_per_epoch": 3})
    assert np.isfinite(curve["loss"]).all()
    assert np.isfinite(predict_places(member, data, mode="zero_shot")[:, 0, :365]).all()


def test_settings_train_a_share_of_the_steps_of_a_run():
    data, _ = make_place_data(n_places=3)
    half = Settings(n_hidden=8, steps_share=0.5)
    _, curve = fit("itransformer", data, train=TRAIN | {"n_steps": 8}, settings=half)
    assert curve["step"].iloc[-1] == 4


def test_a_baseline_needs_a_window_in_a_year_with_drivers():
    data, _ = make_place_data(n_places=2)
    data.drivers[:, 0] = np.nan
    only_there = data.with_windows((data.windows["year"] == 2011).to_numpy())
    with pytest.raises(InputError, match="no window lies in a year with drivers"):
        fit("lstm", only_there)


def test_every_network_that_was_searched_had_the_same_number_of_trials():
    table = pd.read_csv(SETTINGS_FILE)
    assert set(NETWORKS) <= set(table["model"])
    is_searched = table.groupby("model")["loss"].transform("count") > 0
    trials = table[is_searched].groupby("model")
    assert trials.size().nunique() == 1
    assert trials["loss"].count().equals(trials.size())
    assert (table[~is_searched].groupby("model").size() == 1).all()  # a default, not judged
    assert (table.groupby("model")["chosen"].sum() == 1).all()
    for name in NETWORKS:
        assert isinstance(read_settings(name), Settings)


def test_settings_that_were_not_chosen_are_refused(tmp_path):
    path = tmp_path / "settings.csv"
    path.write_text("model,n_hidden,dropout,learning_rate,steps_share,chosen\nlstm,8,0,0.1,1,0\n")
    with pytest.raises(ConfigError, match="0 chosen settings of 'lstm', expected 1"):
        read_settings("lstm", path)


@pytest.mark.slow
def test_a_search_gives_networks_the_default_and_the_same_draws_and_never_opens_the_test_years():
    data, _ = make_place_data(n_places=5)
    few = TRAIN | {"n_steps": 6, "steps_per_epoch": 3}
    changed, _ = make_place_data(n_places=5)
    is_test = (changed.windows["year"] == 2013).to_numpy()
    changed.windows.loc[is_test, "flux"] *= -7.0
    tables = [
        search_settings("itransformer", data, n_trials=2, train=few),
        search_settings("itransformer", changed, n_trials=2, train=few),
        search_settings("chamnet", data, n_trials=2, train=few),
    ]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    drawn = ["trial", "n_hidden", "dropout", "learning_rate", "steps_share"]
    pd.testing.assert_frame_equal(tables[0][drawn], tables[2][drawn])
    assert tables[0].loc[0, "n_hidden"] == Settings().n_hidden
    assert tables[0]["chosen"].sum() == 1
