"""On a GPU: the numbers of a CPU, the same bits each time, and memory that runs out."""

import numpy as np
import pytest
import torch
from factories_inference import make_world
from factories_model import make_model_config, make_network, make_place_data, make_train_config

from chamnet.data.normalization import Normalization
from chamnet.data.store import open_store
from chamnet.evaluation.learned import NETWORKS, fit_baseline
from chamnet.inference import predict
from chamnet.model.device import choose_device, seed_torch
from chamnet.provenance import read_json
from chamnet.training import loop
from chamnet.training.episodes import EpisodeSource
from chamnet.training.loop import fit_network
from chamnet.training.member import fit_member

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")

DATA = make_place_data(n_places=8, n_years=3)
N_CELLS, SHARD = 1200, 512
LARGEST_ERROR = 1e-3  # relative L2; cuDNN's float32 is TF32


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = make_world(tmp_path_factory.mktemp("world"), n_cells=N_CELLS, n_hidden=48)
    world.write_drivers(2012, shard=SHARD, chunk=SHARD)
    world.embed(2012, device="cuda", cells_per_batch=SHARD)
    return world


def flux_of(world, folder, **options):
    settings = {"device": "cuda", "cells_per_batch": SHARD} | options
    return open_store(world.predict(2012, store=folder / "2012.zarr", **settings))["flux"].load()


def files_of(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def error_of(values, expected):
    apart, values = (np.asarray(x, dtype=float) for x in (values - expected, expected))
    return np.sqrt((apart**2).sum() / (values**2).sum())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_fluxes_are_those_of_a_cpu_but_for_the_digits_of_its_units(world, tmp_path, precision):
    expected = flux_of(world, tmp_path / "cpu", device="cpu")
    flux = flux_of(world, tmp_path / "gpu", precision=precision)
    assert np.isfinite(flux).all()
    assert error_of(flux, expected) < LARGEST_ERROR
    assert read_json(tmp_path / "gpu" / "2012.json")["precision"] == "float32"


def test_embeddings_are_those_of_a_cpu(world, tmp_path):
    on_gpu = open_store(world.context(2012)).load()
    on_cpu = make_world(tmp_path, n_cells=N_CELLS, n_hidden=48)
    on_cpu.write_drivers(2012, shard=SHARD, chunk=SHARD)
    expected = open_store(on_cpu.embed(2012)).load()
    for name in ("embedding", "season"):
        assert error_of(on_gpu[name].astype(float), expected[name].astype(float)) < 2e-3


def test_a_year_that_was_stopped_ends_with_the_bits_of_one_that_was_not(
    world, tmp_path, monkeypatch
):
    flux_of(world, tmp_path / "whole")
    compute, left = predict.predict_cells, [None, None]

    def stop_at_the_third(*arguments, **options):
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return compute(*arguments, **options)

    monkeypatch.setattr(predict, "predict_cells", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        flux_of(world, tmp_path / "stopped")
    monkeypatch.undo()
    flux_of(world, tmp_path / "stopped")
    assert files_of(tmp_path / "whole") == files_of(tmp_path / "stopped")


def test_memory_that_runs_out_halves_the_batch(world, tmp_path):
    expected = flux_of(world, tmp_path / "enough")
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    allowed = torch.cuda.memory_reserved() + 64 * 2**20
    torch.cuda.set_per_process_memory_fraction(allowed / total)
    try:
        flux = flux_of(world, tmp_path / "little")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert read_json(tmp_path / "little" / "2012.json")["n_halvings"] > 0
    assert error_of(flux, expected) < LARGEST_ERROR


def train(resume_file=None, **options):
    device = choose_device("cuda")
    with seed_torch(0, device):
        network = make_network(seed=0, dropout=0.1).to(device)
        source = EpisodeSource.of(DATA, Normalization.fit(DATA), n_bins=73, filled_weight=0.2)
        held_out = [source.draw(torch.Generator().manual_seed(9), make_train_config())]
        settings = make_train_config(**options)
        names = {"options": settings, "seed": 0, "name": "00", "resume_file": resume_file}
        fit_network(network, source, held_out, **names)
    return network.state_dict()


def assert_same(one, other):
    torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize("bfloat16", [False, True])
def test_a_training_that_was_stopped_ends_with_the_weights_of_one_that_was_not(
    tmp_path, monkeypatch, bfloat16
):
    whole = train(bfloat16=bfloat16)
    run_epoch = loop._run_epoch

    def stop_in_the_second_epoch(state, *arguments):
        if state.step >= 2:
            raise KeyboardInterrupt
        return run_epoch(state, *arguments)

    monkeypatch.setattr(loop, "_run_epoch", stop_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "last_epoch.pt", bfloat16=bfloat16)
    monkeypatch.undo()
    assert_same(train(tmp_path / "last_epoch.pt", bfloat16=bfloat16), whole)


def test_a_member_is_trained_the_same_twice():
    options = {"seed": 0, "model": make_model_config(), "train": make_train_config(device="cuda")}
    one, other = (fit_member(DATA, Normalization.fit(DATA), **options) for _ in range(2))
    assert_same(one.network.state_dict(), other.network.state_dict())


@pytest.mark.parametrize("name", list(NETWORKS))
def test_every_baseline_trains(name):
    options = make_train_config(device="cuda").model_dump()
    nothing = np.zeros(len(DATA.windows), dtype=bool)
    fits = [
        fit_baseline(name, DATA, validation=nothing, seed=0, train=options, mode="zero_shot")[0]
        for _ in range(2)
    ]
    assert_same(*(member.network.state_dict() for member in fits))
