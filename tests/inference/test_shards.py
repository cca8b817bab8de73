"""Shards are read ahead, computed in order and written behind, few at a time."""

import logging
import threading

import pytest
from factories_inference import make_drivers, write_drivers

from chamnet.errors import MissingDriverError
from chamnet.inference.shards import Progress, build_shards, open_driver_year, stream_shards


def test_shards_cover_every_cell_once():
    shards = build_shards(22, 8)
    assert [shard.n_cells for shard in shards] == [8, 8, 6]
    assert [shard.cells.start for shard in shards] == [0, 8, 16]


@pytest.mark.parametrize("n_shards", [0, 1, 5])
def test_every_shard_is_read_computed_and_written_once_in_order(n_shards):
    read, written = [], []
    stream_shards(
        build_shards(n_shards * 2, 2),
        read=lambda shard: read.append(shard.name) or len(read),
        compute=lambda shard, data: data * 10,
        write=lambda shard, result: written.append((shard.name, result)),
    )
    names = [f"{i:05d}" for i in range(n_shards)]
    assert read == names
    assert written == [(name, 10 * (i + 1)) for i, name in enumerate(names)]


def test_few_shards_are_in_memory_at_once():
    lock, alive, most = threading.Lock(), set(), []

    def read(shard):
        with lock:
            alive.add(shard.name)
            most.append(len(alive))

    def write(shard, result):
        with lock:
            alive.remove(shard.name)

    stream_shards(build_shards(60, 2), read=read, compute=lambda shard, data: None, write=write)
    assert max(most) <= 4  # read ahead, computed, waiting to be written, written
    assert not alive


@pytest.mark.parametrize("stage", ["read", "compute", "write"])
def test_an_error_in_any_stage_ends_the_run(stage):
    def fail(*args):
        raise OSError(f"failed to {stage}")

    stages = {name: (lambda *args: 0) for name in ("read", "compute", "write")} | {stage: fail}
    with pytest.raises(OSError, match=f"failed to {stage}"):
        stream_shards(build_shards(6, 2), **stages)


def test_reading_goes_on_while_computing():
    is_read = threading.Event()

    def read(shard):
        if shard.name == "00001":
            is_read.set()

    def compute(shard, data):
        if shard.name == "00000":
            assert is_read.wait(timeout=5)

    stream_shards(build_shards(4, 2), read=read, compute=compute, write=lambda *args: None)


def test_progress_tells_what_is_done_left_and_how_fast(caplog):
    with caplog.at_level(logging.INFO):
        progress = Progress("embed_year 2011", n_cells=30, n_done=10, n_days=365)
        progress.add(10)
    assert "10 of 30 cells were finished before" in caplog.text
    assert "20/30 cells done" in caplog.text
    assert "cell-days/s" in caplog.text


def test_drivers_come_in_the_order_asked_for(tmp_path):
    data = make_drivers(n_cells=5, year=2011)
    manifest = write_drivers(data, tmp_path / "2011.zarr", cells_per_shard=4, cells_per_chunk=2)
    names = ["precipitation_flux", "air_temperature"]
    year = open_driver_year(manifest, names=names)
    values = year.read(year.shards[1])
    assert (year.cells_per_shard, year.cells_per_chunk) == (4, 2)
    assert values.shape == (1, 365, 2)
    assert (values[0, :, 1] == data["air_temperature"].values[4]).all()


def test_drivers_without_one_asked_for_are_refused(tmp_path):
    data = make_drivers(n_cells=2, year=2011)
    manifest = write_drivers(data, tmp_path / "2011.zarr", cells_per_shard=2, cells_per_chunk=2)
    with pytest.raises(MissingDriverError, match="no \\['wind_speed'\\]"):
        open_driver_year(manifest, names=["wind_speed"])
