"""On a GPU: the numbers of a CPU, the same bits each time, and memory that runs out."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from factories_inference import ATTRIBUTES, DRIVERS, make_world
from factories_model import make_model_config, make_network, make_place_data, make_train_config

from chamnet.data.normalization import Normalization
from chamnet.data.store import open_store
from chamnet.evaluation.learned import NETWORKS, fit_baseline
from chamnet.inference import batches, predict
from chamnet.inference.batches import Batcher
from chamnet.inference.embed import ContextFunction
from chamnet.inference.ensemble import FluxFunction
from chamnet.inference.graphs import Graphs
from chamnet.model.checkpoint import load_member
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


def test_fluxes_and_embeddings_from_a_prior_flux_are_those_of_a_cpu(tmp_path):
    world = make_world(tmp_path, n_cells=N_CELLS, n_hidden=48, modes=("prior",))
    world.write_drivers(2012, shard=SHARD, chunk=SHARD)
    flux = np.random.default_rng(0).exponential(2e-9, size=(N_CELLS, 366)).astype("f4")
    flux[3] = np.nan  # none is known
    told = {"prior": world.write_prior(2012, flux, shard=SHARD, chunk=SHARD)}
    fluxes, contexts = [], []
    for device in ("cpu", "cuda"):
        world.embed(2012, digest=device, device=device, cells_per_batch=SHARD, **told)
        contexts.append(open_store(world.context(2012))["embedding"].load().astype(float))
        fluxes.append(flux_of(world, tmp_path / device, device=device, mode="prior", **told))
    assert np.isfinite(fluxes[1]).all()
    assert error_of(fluxes[1], fluxes[0]) < LARGEST_ERROR
    assert error_of(contexts[1], contexts[0]) < 2e-3


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


def test_memory_that_runs_out_halves_the_batch(world, tmp_path, monkeypatch):
    monkeypatch.setitem(batches.N_SHARDS, "cuda", 1)  # each thread has a workspace of its own
    expected = flux_of(world, tmp_path / "enough")
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    allowed = torch.cuda.memory_reserved() + 96 * 2**20
    torch.cuda.set_per_process_memory_fraction(allowed / total)
    try:
        flux = flux_of(world, tmp_path / "little")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert read_json(tmp_path / "little" / "2012.json")["n_halvings"] > 0
    assert error_of(flux, expected) < LARGEST_ERROR


def make_rows(*, seed, n_cells=64, n_days=366):
    random = np.random.default_rng(seed)
    return [random.normal(size=(n_cells, n_days)).astype("float32") for _ in DRIVERS]


def assert_graph_has_the_bits_of_kernels(graphs, function, rows):
    """Outputs of the function, recorded and not."""
    with torch.inference_mode():
        outputs = function(*(torch.from_numpy(row).cuda() for row in rows))
        recorded = graphs.run(function, rows)
    for output, found in zip(outputs, recorded, strict=True):
        np.testing.assert_array_equal(found, output.float().cpu().numpy())
    return recorded


@pytest.mark.parametrize("has_response", [False, True])
def test_a_graph_gives_the_bits_of_its_kernels_started_one_by_one(world, has_response):
    device, graphs = str(choose_device("cuda")), Graphs()
    members = tuple(load_member(path, device=device) for path in world.checkpoints)
    about = {"calendar": "standard", "mean_factor": None, "has_response": has_response}
    about |= {"has_prior": False}
    predict_batch = FluxFunction(members, year=2012, daily=True, **about)
    for seed in range(3):  # recorded with the first
        drivers = make_rows(seed=seed)
        context = assert_graph_has_the_bits_of_kernels(graphs, ContextFunction(members), drivers)
        embeddings, seasons = (part[:, :, None] for part in context)
        if has_response:
            seasons[..., len(DRIVERS) : len(DRIVERS) + 2] = 2.0, 1.0
        attributes = make_rows(seed=9, n_days=len(ATTRIBUTES))[0]
        rows = [attributes, embeddings, seasons, np.ones((64, 1), bool), *drivers]
        assert_graph_has_the_bits_of_kernels(graphs, predict_batch, rows)


def test_a_batch_that_is_halved_is_recorded_again():
    batcher = Batcher(cells_per_batch=8, most=8, device=choose_device("cuda"), threads=1)
    rows = np.arange(19, dtype=np.float32)[:, None]

    def double(x):
        return (x * 2,)

    for _ in range(3):
        np.testing.assert_array_equal(batcher.map(double, rows)[0], rows * 2)
        batcher._halve(batcher.cells_per_batch)
    assert batcher.cells_per_batch == 1


def test_shards_that_share_a_graph_get_outputs_of_their_own():
    batcher = Batcher(cells_per_batch=512, most=512, device=choose_device("cuda"), threads=1)

    def sort(x):  # takes its time
        return (x.sort(1).values,)

    shards = [np.full((512, 4096), i, np.float32) for i in range(24)]
    with ThreadPoolExecutor(6) as pool:
        for i, (found,) in enumerate(pool.map(lambda rows: batcher.map(sort, rows), shards)):
            assert (found == i).all()


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
