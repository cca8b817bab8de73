"""Shards as tasks of dask: each once, few at a time, in threads or on a cluster."""

import dataclasses
import logging
import os
import sys
import threading
import types
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from chamnet.data.shards import build_shards
from chamnet.errors import ConfigError
from chamnet.inference.engine import SHARDS_AT_ONCE, Progress, open_client, run_shards


class Recorder:
    """Work that notes which shards were done, and how many at once at most."""

    def __init__(self, *, fails_at=None):
        self.done, self.at_work, self.most, self.fails_at = [], 0, 0, fails_at
        self.alone = threading.Lock()

    def run(self, shard):
        with self.alone:
            self.at_work += 1
            self.most = max(self.most, self.at_work)
        if shard.name == self.fails_at:
            raise OSError(f"failed at {shard.name}")
        with self.alone:
            self.at_work -= 1
            self.done.append(shard.name)


@dataclasses.dataclass(frozen=True)
class Touch:
    """Work that leaves a file of the process that did it."""

    folder: Path

    def run(self, shard):
        (self.folder / shard.name).write_text(str(os.getpid()))


@pytest.mark.parametrize("n_shards", [0, 1, 7])
def test_every_shard_is_done_once_and_told(n_shards):
    work, told = Recorder(), []
    run_shards(work, build_shards(n_shards * 2, 2), engine="threads", progress=told.append)
    assert sorted(work.done) == [f"{i:05d}" for i in range(n_shards)]
    assert told == [2] * n_shards


@pytest.mark.parametrize("at_once", [1, SHARDS_AT_ONCE, 6])
def test_few_shards_are_worked_on_at_once_and_in_their_order(at_once):
    work = Recorder()
    shards = build_shards(120, 2)
    run_shards(work, shards, engine="threads", progress=lambda n: None, at_once=at_once)
    assert work.most <= at_once
    places = {name: i for i, name in enumerate(work.done)}
    assert max(abs(int(name) - i) for name, i in places.items()) <= at_once


def test_reading_goes_on_while_another_shard_is_computed():
    both = threading.Barrier(2, timeout=5)

    class Meet:
        def run(self, shard):
            both.wait()

    told = []
    run_shards(Meet(), build_shards(4, 2), engine="threads", progress=told.append)
    assert told == [2, 2]  # alone, a shard would have waited in vain


def test_an_error_ends_the_run_when_what_was_begun_has_ended():
    work = Recorder(fails_at="00001")
    with pytest.raises(OSError, match="failed at 00001"):
        run_shards(work, build_shards(200, 2), engine="threads", progress=lambda n: None)
    assert len(work.done) < 20
    assert work.at_work == 1  # the one that failed


@pytest.mark.parametrize("engine", ["local", "local:0", "slurm:many", "cluster", "threads:2"])
def test_an_unknown_engine_is_refused(engine):
    with pytest.raises(ConfigError, match=f"engine '{engine}': expected"):
        run_shards(Recorder(), build_shards(2, 2), engine=engine, progress=lambda n: None)


def test_a_missing_dask_jobqueue_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with pytest.raises(ConfigError, match="engine slurm:2 needs: pip install dask-jobqueue"):
        run_shards(Recorder(), build_shards(2, 2), engine="slurm:2", progress=lambda n: None)


@pytest.fixture
def cluster():
    with LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster:
        yield cluster


def test_a_cluster_of_dask_jobqueue_is_asked_for_jobs(monkeypatch):
    asked = []

    class FakeSlurm(LocalCluster):  # stands in for dask-jobqueue, which is not installed here
        def __init__(self):
            super().__init__(n_workers=1, processes=False, dashboard_address=":0")

        def scale(self, n=None, jobs=None):
            asked.append(jobs)
            if jobs is None:
                super().scale(n)

    module = types.SimpleNamespace(SLURMCluster=FakeSlurm)
    monkeypatch.setitem(sys.modules, "dask_jobqueue", module)
    with open_client("slurm:3") as client:
        assert client.submit(sum, [1, 2]).result() == 3
    assert asked[0] == 3


def test_a_scheduler_of_a_given_address_is_used_and_left_running(cluster, tmp_path):
    address = cluster.scheduler_address
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        run_shards(Touch(folder), build_shards(6, 2), engine=address, progress=lambda n: None)
        assert len(list(folder.iterdir())) == 3
    with Client(cluster) as client:
        assert len(client.scheduler_info()["workers"]) == 1


def test_an_error_on_a_cluster_ends_the_run(cluster, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such"):
        run_shards(
            Touch(tmp_path / "no such"),
            build_shards(6, 2),
            engine=cluster.scheduler_address,
            progress=lambda n: None,
        )


def test_progress_tells_what_is_done_left_and_how_fast(caplog):
    with caplog.at_level(logging.INFO):
        progress = Progress("embed_year 2011", n_cells=30, n_left=20, n_days=365)
        progress.add(10)
    assert "10 of 30 cells were finished before" in caplog.text
    assert "20/30 cells done" in caplog.text
    assert "cell-days/s" in caplog.text
