"""Batches of one size, and what happens when memory runs out."""

import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from factories_inference import make_world

from chamnet.errors import CheckpointError
from chamnet.inference.batches import Batcher, load_members, set_up_torch
from chamnet.provenance import read_json


def make_batcher(**options):
    settings = {"cells_per_batch": 4, "most": 512, "threads": 1}
    return Batcher(**({"device": torch.device("cpu")} | settings | options))


@pytest.mark.parametrize("n_rows", [1, 4, 5, 8])
def test_every_batch_has_one_size_and_every_row_comes_back_once(n_rows):
    sizes = []

    def double(rows):
        sizes.append(len(rows))
        return rows * 2, rows.sum(1)

    rows = np.arange(n_rows * 3, dtype=np.float32).reshape(n_rows, 3)
    doubled, totals = make_batcher().map(double, rows)
    assert set(sizes) == {4}
    np.testing.assert_array_equal(doubled, rows * 2)
    np.testing.assert_array_equal(totals, rows.sum(1))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_out_of_memory_halves_the_batch_and_goes_on(error, caplog):
    def double(rows):
        if len(rows) > 2:
            raise error
        return (rows * 2,)

    batcher = make_batcher(cells_per_batch=8)
    rows = np.arange(9, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(batcher.map(double, rows)[0], rows * 2)
    assert batcher.note(n_cells_nan=0) == {
        "cells_per_batch": 2,
        "n_halvings": 2,
        "n_cells_nan": 0,
    }
    assert "going on with batches of 2 cells" in caplog.text


@pytest.mark.parametrize(("device", "expected", "shards"), [("cpu", 64, 3), ("cuda", 4096, 6)])
def test_the_batch_suits_the_device_and_is_no_larger_than_a_shard(device, expected, shards):
    options = {"cells_per_batch": None, "threads": 1}
    batchers = [Batcher(device=torch.device(device), most=n, **options) for n in (10_000, 7)]
    assert [batcher.cells_per_batch for batcher in batchers] == [expected, 7]
    assert [batcher.shards_at_once for batcher in batchers] == [shards, shards]


def test_two_shards_that_fail_at_one_size_halve_it_once():
    batcher = make_batcher(cells_per_batch=8)
    batcher._halve(8)
    batcher._halve(8)
    assert (batcher.cells_per_batch, batcher.n_halvings) == (4, 1)


def test_one_shard_is_computed_at_a_time():
    at_work, most = [], []

    def note(rows):
        at_work.append(None)
        most.append(len(at_work))
        time.sleep(0.001)
        at_work.pop()
        return (rows,)

    rows = np.zeros((16, 1), np.float32)
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(make_batcher().map, note, rows) for _ in range(3)]:
            done.result()
    assert set(most) == {1}


def test_shards_on_a_gpu_wait_for_nothing_but_its_batches(monkeypatch):
    together, outputs = threading.Barrier(2, timeout=30), [np.zeros(1)]
    batcher = make_batcher(device=torch.device("cuda"), cells_per_batch=1, most=1)
    monkeypatch.setattr(batcher.graphs, "run", lambda *_: together.wait() is None or outputs)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: batcher.map(None, np.zeros((1, 1))), range(2)))


@pytest.fixture
def own_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_batcher_that_is_sent_to_a_process_sets_its_threads(own_threads):
    torch.set_num_threads(3)
    sent = pickle.dumps(make_batcher(threads=3))
    assert pickle.loads(sent).cells_per_batch == 4
    assert torch.get_num_threads() == 1


def test_threads_work_on_a_batch_each_and_change_nothing():
    together = threading.Barrier(3, timeout=30)  # passed only if three batches are at work at once
    seen = set()

    def double(rows):
        together.wait()
        seen.add((threading.get_ident(), torch.get_num_threads()))
        return (rows * 2,)

    rows = np.arange(12, dtype=np.float32)[:, None]
    batcher = make_batcher(threads=3)
    np.testing.assert_array_equal(batcher.map(double, rows)[0], rows * 2)
    assert len(seen) == 3
    assert {n for _, n in seen} == {1}


def test_out_of_memory_in_one_of_several_threads_halves_the_batch(caplog):
    def double(rows):
        if len(rows) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return (rows * 2,)

    batcher = make_batcher(cells_per_batch=8, threads=2)
    rows = np.arange(37, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(batcher.map(double, rows)[0], rows * 2)
    assert batcher.note() == {"cells_per_batch": 2, "n_halvings": 2}


@pytest.mark.parametrize("error", [MemoryError("no room"), RuntimeError("no such thing")])
def test_what_smaller_batches_do_not_help_is_raised(error):
    def fail(rows):
        raise error

    with pytest.raises(type(error), match="no "):
        make_batcher().map(fail, np.zeros((4, 1), np.float32))


def test_a_halved_batch_is_recorded_in_the_manifest(tmp_path, monkeypatch):
    world = make_world(tmp_path, n_cells=4)
    world.write_drivers(2011)
    run, seen = Batcher._run, []

    def run_short_of_memory(self, function, rows):
        seen.append(self.cells_per_batch)
        if self.cells_per_batch > 2:
            raise MemoryError
        return run(self, function, rows)

    monkeypatch.setattr(Batcher, "_run", run_short_of_memory)
    manifest = read_json(world.embed(2011))
    assert seen == [4, 2, 2]
    assert (manifest["cells_per_batch"], manifest["n_halvings"]) == (2, 1)


def test_torch_works_in_the_thread_that_calls_it(own_threads):
    torch.set_num_threads(2)
    assert set_up_torch(device="cpu") == torch.device("cpu")
    assert torch.get_num_threads() == 1


def test_two_members_of_one_name_are_refused(tmp_path):
    world = make_world(tmp_path, n_cells=2, n_members=1)
    with pytest.raises(CheckpointError, match="two members of one name"):
        load_members(
            world.checkpoints * 2,
            drivers=[],
            attributes=[],
            mode=None,
            n_context_years=0,
            device=torch.device("cpu"),
        )
