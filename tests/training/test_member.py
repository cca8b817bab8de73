import dataclasses
import logging

import numpy as np
import pandas as pd
import pytest
import torch
from factories_model import make_model_config, make_place_data, make_train_config, with_prior

from chamnet.data.normalization import Normalization
from chamnet.errors import CheckpointError, InputError
from chamnet.model.checkpoint import load_member
from chamnet.model.places import predict_places
from chamnet.provenance import write_json
from chamnet.training import member as stage
from chamnet.training.bag import draw_bag
from chamnet.training.member import fit_member, train_member

DATA = make_place_data(n_places=9, n_years=3, monthly=True)


def fit(data=DATA, *, validation=None, **options):
    changes = {"seed": 0, "model": make_model_config(), "train": make_train_config()} | options
    return fit_member(data, Normalization.fit(data), validation=validation, **changes)


def run_stage(folder, monkeypatch, *, data=DATA, **changes):
    monkeypatch.setattr(stage, "open_place_data", lambda _, prior=None: data)
    write_json(folder / "normalization.json", Normalization.fit(data).to_dict())
    options = {
        "observations": "emission.json",
        "normalization": folder / "normalization.json",
        "out_folder": folder / "00",
        "seed": 3,
        "member": "00",
        "model": make_model_config().model_dump(),
        "train": make_train_config().model_dump(),
        "threads": 1,
    }
    train_member(**(options | changes))
    return folder / changes.get("member", "00")


def test_a_member_of_one_seed_is_the_same_twice():
    one, other = fit().network.state_dict(), fit().network.state_dict()
    torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_held_out_windows_do_not_train():
    validation = np.isin(np.arange(DATA.n_places), [0, 1])[DATA.windows["place"]]
    flux = DATA.windows["flux"]
    changed = DATA.windows.assign(flux=flux.where(~validation, 5 * flux))
    options = {
        "seed": 0,
        "model": make_model_config(),
        "train": make_train_config(n_steps=2),
        "validation": validation,
        "mode": "rolling",
    }
    weights = [
        fit_member(data, Normalization.fit(DATA), **options).network.state_dict()
        for data in (DATA, dataclasses.replace(DATA, windows=changed))
    ]
    torch.testing.assert_close(*weights, rtol=0, atol=0)


@pytest.mark.parametrize("mode", ["zero_shot", "rolling"])
def test_windows_or_places_may_be_held_out_and_restore_the_mean(mode):
    places = np.isin(np.arange(DATA.n_places), [0, 1, 2])
    by_place = fit(validation=places, mode=mode)
    by_window = fit(validation=places[DATA.windows["place"]], mode=mode)
    assert by_place.mean_factors == by_window.mean_factors
    assert list(by_place.mean_factors) == ([mode] if mode == "zero_shot" else [])


def test_without_an_anchor_the_mean_is_restored_in_every_mode():
    places = np.isin(np.arange(DATA.n_places), [0, 1, 2])
    member = fit(validation=places, mode="rolling", model=make_model_config(anchor=False))
    assert list(member.mean_factors) == ["rolling"]


def test_a_mask_of_another_length_is_refused():
    with pytest.raises(InputError, match="validation has 3 values, expected one of 9 places"):
        fit(validation=np.ones(3, dtype=bool))


def test_a_network_without_responses_serves_zero_shot_alone():
    assert fit(model=make_model_config(response=False)).modes == ("zero_shot",)


def test_the_stage_leaves_checkpoint_curve_and_out_of_bag_predictions(
    tmp_path, monkeypatch, caplog
):
    with caplog.at_level(logging.INFO):
        folder = run_stage(tmp_path, monkeypatch)
    names = {"checkpoint.pt", "learning_curve.csv", "learning_curve.png", "out_of_bag.csv"}
    assert {path.name for path in folder.iterdir()} == names
    assert "places drawn" in caplog.text
    rows = pd.read_csv(folder / "out_of_bag.csv")
    assert list(rows) == [
        *("place", "cluster", "year", "month", "first", "last"),
        *("observed", "predicted", "quality", "mode"),
    ]
    assert set(rows["mode"]) == {"zero_shot", "few_shot"}
    assert rows.loc[rows["mode"] == "few_shot", "year"].min() == 2012
    member = load_member(folder / "checkpoint.pt", mode="rolling")
    assert set(member.mean_factors) == {"zero_shot"}
    assert set(member.doubt_factors) == {"few_shot"}


def test_out_of_bag_predictions_are_of_places_never_drawn_and_not_restored(tmp_path, monkeypatch):
    folder = run_stage(tmp_path, monkeypatch)
    rows = pd.read_csv(folder / "out_of_bag.csv")
    member = load_member(folder / "checkpoint.pt")
    seed = member.settings["seed"]
    bag = draw_bag(DATA.cluster, seed=seed, validation_share=0.2)
    assert set(rows["place"]) == set(DATA.place[bag.n_times == 0])
    flux = predict_places(member, DATA, mode="zero_shot", restore_mean=False)
    first = rows[rows["mode"] == "zero_shot"].iloc[0]
    place = DATA.place.tolist().index(first["place"])
    days = slice(int(first["first"]), int(first["last"]) + 1)
    mean = flux[place, first["year"] - 2011, days].mean()
    assert first["predicted"] == pytest.approx(mean, rel=1e-4)


def test_members_of_one_run_differ_and_a_rerun_is_the_same_byte_for_byte(tmp_path, monkeypatch):
    one = run_stage(tmp_path, monkeypatch)
    first = (one / "checkpoint.pt").read_bytes()
    again = run_stage(tmp_path, monkeypatch, resume=False)
    assert (again / "checkpoint.pt").read_bytes() == first
    other = run_stage(tmp_path, monkeypatch, member="01", out_folder=tmp_path / "01")
    assert (other / "checkpoint.pt").read_bytes() != first


def test_a_year_after_filled_days_alone_is_not_few_shot(tmp_path, monkeypatch):
    quality = DATA.windows["quality"].mask(DATA.windows["year"] == 2011, 1)
    data = dataclasses.replace(DATA, windows=DATA.windows.assign(quality=quality))
    rows = pd.read_csv(run_stage(tmp_path, monkeypatch, data=data) / "out_of_bag.csv")
    assert set(rows.loc[rows["mode"] == "few_shot", "year"]) == {2013}


def test_places_without_known_years_are_never_few_shot(tmp_path, monkeypatch):
    data = make_place_data(n_places=9, n_years=2, monthly=True, unknown_years=True)
    folder = run_stage(tmp_path, monkeypatch, data=data)
    assert set(pd.read_csv(folder / "out_of_bag.csv")["mode"]) == {"zero_shot"}


def test_each_member_trains_on_a_gpu_of_its_own_and_its_checkpoint_loads_anywhere(
    tmp_path, monkeypatch
):
    asked = []

    def choose(name, *, turn):
        asked.append((name, turn))
        return torch.device("cpu")

    monkeypatch.setattr(stage, "choose_device", choose)
    options = make_train_config(device="cuda").model_dump()
    folders = [
        run_stage(tmp_path, monkeypatch, member=m, out_folder=tmp_path / m, train=options)
        for m in ("00", "01")
    ]
    assert asked == [("cuda", 0), ("cuda", 1)]
    member = load_member(folders[1] / "checkpoint.pt")
    assert {p.device.type for p in member.network.parameters()} == {"cpu"}


def test_a_member_asked_to_train_where_no_gpu_is_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="device cuda: torch sees no GPU here"):
        fit(train=make_train_config(device="cuda"))


def test_a_member_of_the_prior_mode_serves_that_mode_alone(tmp_path, monkeypatch):
    folder = run_stage(tmp_path, monkeypatch, data=with_prior(DATA), prior="observed.json")
    member = load_member(folder / "checkpoint.pt", mode="prior")
    assert member.modes == ("prior",)
    assert list(member.mean_factors) == list(member.doubt_factors) == ["prior"]
    assert member.mean_factor == member.mean_factors["prior"]
    assert set(pd.read_csv(folder / "out_of_bag.csv")["mode"]) == {"prior"}
    with pytest.raises(CheckpointError, match="asked for 'zero_shot'"):
        load_member(folder / "checkpoint.pt", mode="zero_shot")


@pytest.mark.parametrize(("data", "mode"), [(DATA, "prior"), (with_prior(DATA), "rolling")])
def test_a_training_whose_mode_and_places_do_not_fit_is_refused(data, mode):
    with pytest.raises(InputError, match=f"mode '{mode}': the places of emission come with"):
        fit(data, mode=mode)


def test_a_prior_flux_of_another_level_trains_the_same():
    told = with_prior(DATA)
    tenfold = dataclasses.replace(told, prior_flux=10 * told.prior_flux)
    one, other = (predict_places(fit(d, mode="prior"), d, mode="prior") for d in (told, tenfold))
    np.testing.assert_allclose(one, other, rtol=1e-3)
