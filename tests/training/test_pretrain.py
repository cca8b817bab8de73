import dataclasses

import numpy as np
import pytest
import torch
from factories_model import make_model_config, make_place_data, make_train_config, with_prior

from chamnet.data.normalization import Normalization
from chamnet.errors import CheckpointError, InputError
from chamnet.model.checkpoint import load_member
from chamnet.training import pretrain as stage
from chamnet.training.member import fit_member, load_pretrained
from chamnet.training.pretrain import pretrain

SIMULATED = make_place_data(n_places=8, n_years=3, monthly=True, seed=7)


def run_stage(folder, monkeypatch, *, data=SIMULATED, **changes):
    monkeypatch.setattr(stage, "open_place_data", lambda _, prior=None: data)
    options = {
        "model": make_model_config().model_dump(),
        "train": make_train_config(n_steps=4).model_dump(),
    }
    path = folder / "pretrained.pt"
    pretrain(places="places.json", checkpoint=path, seed=1, threads=1, **(options | changes))
    return path


def test_a_member_begins_with_the_pretrained_weights_and_its_scaling(tmp_path, monkeypatch):
    path = run_stage(tmp_path, monkeypatch)
    towers = make_place_data(n_places=5, n_years=3, monthly=True, seed=3)
    initial = load_pretrained(path, towers)
    own = Normalization.fit(towers)
    options = make_train_config(n_steps=1, learning_rate=1e-9)
    member = fit_member(
        towers, own, seed=0, model=make_model_config(), train=options, initial=initial.start
    )
    torch.testing.assert_close(
        member.network.state_dict(), initial.network.state_dict(), atol=1e-6, rtol=1e-4
    )
    assert member.normalization.driver_mean == initial.normalization.driver_mean
    assert member.normalization.flux_scale == own.flux_scale
    assert load_member(path).settings["pretrained_on"] == "8 simulated places"


def test_what_was_pretrained_for_other_drivers_or_another_target_is_refused(tmp_path, monkeypatch):
    path = run_stage(tmp_path, monkeypatch)
    with pytest.raises(CheckpointError, match="pretrained for emission, expected consumption"):
        load_pretrained(path, dataclasses.replace(SIMULATED, target="consumption"))


def test_places_of_one_cluster_cannot_be_pretrained_on(tmp_path, monkeypatch):
    lonely = SIMULATED.select_places(np.array([0]))
    with pytest.raises(InputError, match=r"places\.json: one cluster of places"):
        run_stage(tmp_path, monkeypatch, data=lonely)


def test_what_was_pretrained_with_a_prior_flux_begins_such_a_member_alone(tmp_path, monkeypatch):
    (tmp_path / "told").mkdir()
    plain = run_stage(tmp_path, monkeypatch)
    told = run_stage(
        tmp_path / "told", monkeypatch, data=with_prior(SIMULATED), prior="simulated.json"
    )
    assert load_pretrained(told, with_prior(SIMULATED)).modes == ("prior",)
    with pytest.raises(CheckpointError, match="asked for 'prior'"):
        load_pretrained(plain, with_prior(SIMULATED))
    with pytest.raises(CheckpointError, match="asked for 'zero_shot'"):
        load_pretrained(told, SIMULATED)
