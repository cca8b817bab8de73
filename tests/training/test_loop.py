import logging
import math
import time

import pytest
import torch
from factories_model import make_network, make_place_data, make_train_config

from chamnet.data.normalization import Normalization
from chamnet.training import loop
from chamnet.training.episodes import Episodes, EpisodeSource
from chamnet.training.loop import evaluate_network, fit_network

DATA = make_place_data(n_places=6, n_years=3)


def make_source():
    return EpisodeSource.of(DATA, Normalization.fit(DATA), n_bins=73, filled_weight=0.2)


def make_held_out(source, *, seed=99):
    options = make_train_config(batch_places=6)
    return [source.draw(torch.Generator().manual_seed(seed), options)]


def train(*, seed=0, resume_file=None, options=None, n_hidden=12, dropout=0.1, held_out_seed=99):
    torch.manual_seed(seed)
    network = make_network(seed=seed, n_hidden=n_hidden, dropout=dropout)
    source = make_source()
    curve = fit_network(
        network,
        source,
        make_held_out(source, seed=held_out_seed),
        options=options or make_train_config(),
        seed=seed,
        name="00",
        resume_file=resume_file,
    )
    return network.state_dict(), curve


def assert_same_weights(one, other):
    torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_one_seed_gives_the_same_weights_and_another_others():
    weights, curve = train()
    again, same_curve = train()
    assert_same_weights(weights, again)
    assert curve.equals(same_curve)
    assert not torch.equal(train(seed=1)[0]["project.weight"], weights["project.weight"])


def test_a_killed_training_ends_with_the_same_weights(tmp_path, monkeypatch):
    whole, curve = train()
    run_epoch = loop._run_epoch

    def die_in_the_second_epoch(state, *arguments):
        if state.step >= 2:
            raise KeyboardInterrupt
        return run_epoch(state, *arguments)

    monkeypatch.setattr(loop, "_run_epoch", die_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        train(resume_file=tmp_path / "last_epoch.pt")
    monkeypatch.setattr(loop, "_run_epoch", run_epoch)
    resumed, resumed_curve = train(resume_file=tmp_path / "last_epoch.pt")
    assert_same_weights(whole, resumed)
    assert curve.equals(resumed_curve)


def test_a_training_that_had_stopped_early_does_not_go_on_when_it_is_resumed(tmp_path, monkeypatch):
    losses = iter([1.0, 0.5, 0.6, 0.7, 0.1])
    monkeypatch.setattr(loop, "evaluate_network", lambda *_: loop.Score(next(losses), 0.0))
    options = make_train_config(n_steps=10, steps_per_epoch=2, patience=2)
    whole, curve = train(options=options, resume_file=tmp_path / "last_epoch.pt")
    resumed, resumed_curve = train(options=options, resume_file=tmp_path / "last_epoch.pt")
    assert_same_weights(whole, resumed)
    assert curve.equals(resumed_curve)


@pytest.mark.parametrize("content", [None, b"PK"])
def test_a_state_of_another_training_or_a_broken_one_is_begun_again(tmp_path, caplog, content):
    whole, _ = train()
    if content is None:
        train(seed=1, resume_file=tmp_path / "last_epoch.pt")
    else:
        (tmp_path / "last_epoch.pt").write_bytes(content)
    with caplog.at_level(logging.INFO):
        weights, _ = train(resume_file=tmp_path / "last_epoch.pt")
    assert "begins again" in caplog.text
    assert_same_weights(whole, weights)


def test_a_state_of_another_network_of_the_same_shape_is_begun_again(tmp_path, caplog):
    train(dropout=0.3, resume_file=tmp_path / "last_epoch.pt")
    with caplog.at_level(logging.INFO):
        weights, _ = train(resume_file=tmp_path / "last_epoch.pt")
    assert "begins again" in caplog.text
    assert_same_weights(train()[0], weights)


@pytest.mark.parametrize("name", ["digest_of_code", "torch.get_num_threads"])
def test_a_state_of_other_code_or_threads_is_begun_again(tmp_path, caplog, monkeypatch, name):
    with monkeypatch.context() as patch:
        patch.setattr(f"chamnet.training.loop.{name}", lambda *_: 99)
        train(resume_file=tmp_path / "last_epoch.pt")
    with caplog.at_level(logging.INFO):
        train(resume_file=tmp_path / "last_epoch.pt")
    assert "begins again" in caplog.text


def test_a_state_that_was_judged_by_other_observations_is_begun_again(tmp_path, caplog):
    train(held_out_seed=98, resume_file=tmp_path / "last_epoch.pt")
    with caplog.at_level(logging.INFO):
        _, curve = train(resume_file=tmp_path / "last_epoch.pt")
    assert "begins again" in caplog.text
    assert curve.equals(train()[1])


def test_training_stops_when_the_held_out_loss_gains_no_more(monkeypatch, caplog):
    losses = iter([1.0, 0.5, 0.6, 0.7, 0.1])
    monkeypatch.setattr(loop, "evaluate_network", lambda *_: loop.Score(next(losses), 0.0))
    options = make_train_config(n_steps=10, steps_per_epoch=2, patience=2)
    with caplog.at_level(logging.INFO):
        _, curve = train(options=options)
    assert curve["step"].tolist() == [2, 4, 6, 8]
    assert "no gain for 2 epochs" in caplog.text


@pytest.mark.parametrize("n_steps", [1, 2, 4, 5, 9])
def test_a_schedule_may_be_of_any_length(n_steps):
    _, curve = train(options=make_train_config(n_steps=n_steps))
    assert curve["step"].iloc[-1] == n_steps


def test_progress_tells_steps_loss_skill_and_time_left(caplog):
    with caplog.at_level(logging.INFO):
        train()
    assert "train_member 00: 4/6 steps, loss" in caplog.text
    assert "skill" in caplog.text
    assert "s left" in caplog.text


def test_a_small_network_overfits_8_windows_in_seconds():
    begin = time.process_time()
    data = make_place_data(n_places=2, n_years=1)
    windows = data.windows.groupby("place").sample(4, random_state=0)
    data = data.with_windows(data.windows.index.isin(windows.index))
    source = EpisodeSource.of(data, Normalization.fit(data), n_bins=73, filled_weight=1.0)
    torch.manual_seed(0)
    network = make_network(n_hidden=16)
    options = make_train_config(
        n_steps=120, steps_per_epoch=120, batch_places=2, learning_rate=0.02, weight_decay=0.0
    )
    fit_network(network, source, [], options=options, seed=0, name="small")
    everything = source.build(
        torch.arange(2), torch.zeros(2, dtype=torch.long), *[torch.full((2, 2), -1)] * 3
    )
    assert evaluate_network(network, [everything], options).skill > 0.98
    assert time.process_time() - begin < 5


def test_training_in_bfloat16_learns_about_the_same():
    curves = [train(options=make_train_config(bfloat16=b))[1] for b in (True, False)]
    assert curves[0]["held_out_loss"].iloc[-1] == pytest.approx(
        curves[1]["held_out_loss"].iloc[-1], rel=0.05
    )


def test_the_weights_kept_are_means_over_the_last_steps(monkeypatch):
    options = make_train_config(n_steps=3, steps_per_epoch=3)
    averaged, _ = train(options=options)
    monkeypatch.setattr(loop, "AVERAGE_DECAY", 0.0)
    last, _ = train(options=options)
    assert not torch.equal(averaged["project.weight"], last["project.weight"])
    torch.testing.assert_close(averaged, last, atol=0.05, rtol=0)


@pytest.mark.parametrize("bfloat16", [False, True])
def test_a_step_makes_no_tensor_on_another_device_than_the_episodes(bfloat16):
    source, options = make_source(), make_train_config(bfloat16=bfloat16)
    episodes, network = make_held_out(source)[0], make_network()
    with torch.device("meta"):  # where a tensor lands that is made without a device
        loss = loop.episodes_loss(network, episodes, options)
        loss.backward()
        score = evaluate_network(network, [episodes], options)
    assert loss.device.type == "cpu"
    assert math.isfinite(score.loss)


def test_batches_go_where_the_network_is(monkeypatch):
    devices, move = [], Episodes.to
    monkeypatch.setattr(Episodes, "to", lambda e, d: devices.append(d.type) or move(e, d))
    train(options=make_train_config(n_steps=6))
    assert devices == ["cpu"] * 7  # one is held out


def test_a_state_on_a_gpu_keeps_and_restores_the_generator_there(monkeypatch):
    restored = []
    network = make_network()
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda _: torch.tensor([7]))
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, _: restored.append(state))
    state = loop._begin(network, make_train_config(), 0)
    assert state.to_dict("")["cuda_generator"] is None
    state.restore(state.to_dict(""))
    assert restored == []
    monkeypatch.setattr(loop.State, "is_on_gpu", True)
    state.restore(state.to_dict(""))
    assert restored == [torch.tensor([7])]
