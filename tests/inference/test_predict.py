"""Fluxes of a year: the same however they are cut, resumed or batched."""

import errno
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
import zarr
from factories_inference import DRIVERS, make_cells, make_world, write_calibration

from chamnet.data.context import context_folder, open_contexts
from chamnet.data.store import StoreWriter, open_store, write_store
from chamnet.errors import CalendarError, CheckpointError, GridError, StoreError
from chamnet.inference import predict
from chamnet.inference.ensemble import mean_by_month
from chamnet.inference.shards import open_driver_year
from chamnet.model.checkpoint import load_member, read_tensors, write_tensors
from chamnet.provenance import read_json

KILLED_RUN = """
import os, signal, sys, time
import chamnet.data.store as store
from pathlib import Path
from factories_inference import World

folder = Path(sys.argv[1])
write_json = store.write_json

def write_json_or_die(path, values):
    if Path(path).name == "region-00002.json":
        while not Path(path).with_name("region-00000.json").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)  # its data are written, its marker is not
    write_json(path, values)

store.write_json = write_json_or_die
world = World(folder, folder / "cells.json", sorted(folder.glob("models/*/*.pt")), 10)
world.predict(2012, years=[2011])
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = make_world(tmp_path_factory.mktemp("world"))
    for year in (2011, 2012):
        world.write_drivers(year)
        world.embed(year)
    return world


def read_flux(manifest):
    return open_store(manifest).load()


def files_of(store):
    store = Path(store)
    return {p.relative_to(store): p.read_bytes() for p in store.rglob("*") if p.is_file()}


def test_fluxes_have_their_dims_units_and_are_not_negative(world, tmp_path):
    flux = read_flux(world.predict(2012, years=[2011], store=tmp_path / "2012.zarr"))["flux"]
    assert flux.dims == ("member", "time", "cell")
    assert flux.shape == (2, 12, 10)
    assert flux.dtype == "float32"
    assert flux.attrs["units"] == "kg m-2 s-1"
    assert float(flux.min()) > 0


def test_fluxes_are_those_of_the_member_on_each_cell_alone(world, tmp_path):
    flux = read_flux(world.predict(2012, years=[2011], store=tmp_path / "2012.zarr"))["flux"]
    member = load_member(world.checkpoints[1])
    years = [open_store(world.folder / "drivers" / f"{year}.json") for year in (2011, 2012)]
    drivers = [
        torch.tensor(np.stack([year[n].values[7:8] for n in member.driver_names], -1))
        for year in years
    ]
    cells = open_store(world.cells)
    found = cells["attribute"].values.tolist()
    attributes = cells["attributes"].values[7:8, [found.index(n) for n in member.attribute_names]]
    with torch.no_grad():
        embeddings, seasons = zip(*[member.encode_year(x) for x in drivers], strict=True)
        alone = member.predict(
            drivers[-1],
            torch.tensor(attributes),
            torch.stack(embeddings, 1),
            torch.stack(seasons, 1),
            torch.ones(1, 2, dtype=torch.bool),
        )
    days = xr.DataArray(alone[0].numpy(), dims="time", coords={"time": years[-1]["time"]})
    expected = days.groupby("time.month").mean()
    np.testing.assert_allclose(flux[1, :, 7], expected, rtol=2e-3)  # contexts are float16


@pytest.mark.parametrize("shard", [8, 12])
def test_shards_do_not_change_the_fluxes(world, tmp_path, shard):
    whole = read_flux(world.predict(2012, years=[2011], store=tmp_path / "2012.zarr"))
    other = make_world(tmp_path / "other")
    for year in (2011, 2012):
        other.write_drivers(year, shard=shard)
        other.embed(year)
    cut = read_flux(other.predict(2012, years=[2011]))
    np.testing.assert_array_equal(cut["flux"], whole["flux"])  # the same cells_per_batch: bits


def test_batches_do_not_change_the_fluxes(world, tmp_path):
    small = read_flux(
        world.predict(2012, years=[2011], cells_per_batch=3, store=tmp_path / "a.zarr")
    )
    large = read_flux(
        world.predict(2012, years=[2011], cells_per_batch=512, store=tmp_path / "b.zarr")
    )
    np.testing.assert_allclose(small["flux"], large["flux"], rtol=1e-5)


def test_two_runs_are_equal_bit_for_bit(world, tmp_path):
    for name in ("a", "b"):
        world.predict(2012, years=[2011], store=tmp_path / f"{name}.zarr", daily=True)
    assert files_of(tmp_path / "a.zarr") == files_of(tmp_path / "b.zarr")
    assert files_of(tmp_path / "a_daily.zarr") == files_of(tmp_path / "b_daily.zarr")


def test_threads_change_no_bit(world, tmp_path):
    for name, threads in (("a", 1), ("b", 3)):
        options = {"threads": threads, "cells_per_batch": 1, "daily": True}
        world.predict(2012, years=[2011], store=tmp_path / f"{name}.zarr", **options)
    assert files_of(tmp_path / "a.zarr") == files_of(tmp_path / "b.zarr")
    assert files_of(tmp_path / "a_daily.zarr") == files_of(tmp_path / "b_daily.zarr")


@pytest.mark.slow
def test_a_run_killed_half_way_goes_on_to_the_same_bits(world, tmp_path, caplog):
    expected = world.predict(2012, years=[2011], store=tmp_path / "2012.zarr")
    code = [sys.executable, "-c", KILLED_RUN, str(world.folder)]
    tests = str(Path(__file__).parents[1])
    killed = subprocess.run(code, env={"PYTHONPATH": tests}, capture_output=True, check=False)
    store = world.folder / "fluxes" / "emission" / "2012.zarr"
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    with pytest.raises(StoreError, match="no such manifest"):
        open_store(store)
    with caplog.at_level(logging.INFO):
        manifest = world.predict(2012, years=[2011])
    assert re.search("goes on, [48] of 10 cells were finished before", caplog.text)
    assert files_of(store) == files_of(tmp_path / "2012.zarr")
    assert manifest.read_text() == expected.read_text()


RUN = """
import sys
from pathlib import Path
from factories_inference import World

folder = Path(sys.argv[1])
world = World(folder, folder / "cells.json", sorted(folder.glob("models/*/*.pt")), 10)
print("ready", flush=True)
world.predict(2012, years=[2011], store=sys.argv[2], daily=True)
"""


@pytest.mark.slow
def test_a_run_killed_at_any_moment_goes_on_to_the_same_bits(world, tmp_path):
    whole, store = tmp_path / "whole" / "2012.zarr", tmp_path / "2012.zarr"
    expected = world.predict(2012, years=[2011], store=whole, daily=True)
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    command = [sys.executable, "-c", RUN, str(world.folder), str(store)]
    for delay_s in np.linspace(0.05, 1.0, 8):
        with subprocess.Popen(
            command, env={"PYTHONPATH": paths}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as job:
            assert job.stdout.readline() == b"ready\n"
            time.sleep(delay_s)
            job.send_signal(signal.SIGKILL)
    manifest = world.predict(2012, years=[2011], store=store, daily=True)
    assert manifest.read_text() == expected.read_text()
    assert files_of(store) == files_of(whole)
    assert files_of(tmp_path / "2012_daily.zarr") == files_of(tmp_path / "whole/2012_daily.zarr")


def test_finished_shards_are_not_computed_again(world, tmp_path, monkeypatch):
    computed, predict_cells = [], predict.predict_cells

    def predict_or_fail(inputs, data, *args, **options):
        is_last = len(data[1]) == 2
        if is_last and -1 not in computed:
            computed.append(-1)
            raise OSError("no space left")
        computed.append(len(data[1]))
        return predict_cells(inputs, data, *args, **options)

    monkeypatch.setattr(predict, "predict_cells", predict_or_fail)
    with pytest.raises(OSError, match="no space left"):
        world.predict(2012, years=[2011], store=tmp_path / "2012.zarr", daily=True)
    assert not (tmp_path / "2012.json").exists()
    world.predict(2012, years=[2011], store=tmp_path / "2012.zarr", daily=True)
    assert sorted(computed) == [-1, 2, 4, 4]  # each shard once, but for the one that failed


def test_a_finished_year_is_not_predicted_again(world, tmp_path, monkeypatch):
    manifest = world.predict(2012, store=tmp_path / "2012.zarr")
    content = manifest.read_text()
    monkeypatch.setattr(predict, "predict_cells", None)
    assert world.predict(2012, store=tmp_path / "2012.zarr").read_text() == content


def test_a_run_whose_store_another_finished_meanwhile_leaves_it(world, tmp_path, monkeypatch):
    finished, compute = [], predict.predict_cells

    def compute_beside_another(*args, **options):
        if not finished:
            finished.append(None)
            finished[0] = world.predict(2012, store=tmp_path / "2012.zarr").read_text()
        return compute(*args, **options)

    monkeypatch.setattr(predict, "predict_cells", compute_beside_another)
    manifest = world.predict(2012, store=tmp_path / "2012.zarr")
    assert manifest.read_text() == finished[0]
    assert not (tmp_path / "2012.parts").exists()


def test_daily_fluxes_agree_with_the_monthly(world, tmp_path):
    manifest = world.predict(2012, years=[2011], store=tmp_path / "2012.zarr", daily=True)
    daily = read_flux(manifest.with_name("2012_daily.json"))
    months = daily["flux_daily_mean"].groupby("time.month").mean()
    expected = read_flux(manifest)["flux"].mean("member")
    np.testing.assert_allclose(months.T, expected, rtol=1e-5)
    assert daily["flux_daily_sd"].shape == (10, 366)
    assert float(daily["flux_daily_sd"].min()) > 0


def test_monthly_means_have_the_days_of_each_month():
    flux = torch.arange(5.0)[None]
    means = mean_by_month(flux, np.array([2, 3]))
    assert means.tolist() == [[0.5, 3.0]]


def test_bfloat16_is_near_float32(world, tmp_path):
    full = read_flux(world.predict(2012, years=[2011], store=tmp_path / "a.zarr"))["flux"]
    half = read_flux(
        world.predict(2012, years=[2011], precision="bfloat16", store=tmp_path / "b.zarr")
    )["flux"]
    error = float(np.sqrt(((half - full) ** 2).sum() / (full**2).sum()))
    budgets = half.astype(float).sum(("time", "cell")) / full.astype(float).sum(("time", "cell"))
    assert 0 < error < 1e-2
    assert float(abs(budgets - 1).max()) < 1e-3


def test_calibration_replaces_the_mean_factor(world, tmp_path):
    own = read_flux(world.predict(2012, store=tmp_path / "a.zarr"))["flux"]
    calibration = write_calibration(tmp_path, mean_factor=2.5)
    scaled = read_flux(world.predict(2012, calibration=calibration, store=tmp_path / "b.zarr"))[
        "flux"
    ]
    np.testing.assert_allclose(scaled, own * 2, rtol=1e-6)  # the members' own is 1.25


def test_a_missing_context_year_is_masked_and_logged(world, tmp_path, caplog):
    with_gap = world.predict(2012, years=[2010], store=tmp_path / "a.zarr")
    assert "1 of 1 earlier context years are missing and masked: 2010" in caplog.text
    without = world.predict(2012, store=tmp_path / "b.zarr")
    np.testing.assert_array_equal(read_flux(with_gap)["flux"], read_flux(without)["flux"])


def test_earlier_years_change_the_fluxes(world, tmp_path):
    with_year = read_flux(world.predict(2012, years=[2011], store=tmp_path / "a.zarr"))
    without = read_flux(world.predict(2012, store=tmp_path / "b.zarr"))
    assert not np.allclose(with_year["flux"], without["flux"], rtol=1e-4, atol=0)


def test_a_response_in_the_context_of_cells_is_the_base_of_their_flux(world, tmp_path, monkeypatch):
    expected = read_flux(world.predict(2012, store=tmp_path / "a.zarr"))["flux"]
    read, n_drivers = predict.Inputs.read, len(DRIVERS)

    def read_with_response(inputs, shard):
        drivers, attributes, context, told = read(inputs, shard)
        context.seasons[:, 0, :, :, n_drivers : n_drivers + 2] = 2.0, 1e4  # far above; sure of it
        return drivers, attributes, context, told

    monkeypatch.setattr(predict.Inputs, "read", read_with_response)
    flux = read_flux(world.predict(2012, store=tmp_path / "b.zarr"))["flux"]
    is_first = np.arange(10) % 4 == 0  # of each shard
    np.testing.assert_allclose(flux[:, :, is_first], 2.0 * 1.25 * 5e-10, rtol=1e-2)
    np.testing.assert_allclose(flux[:, :, ~is_first], expected[:, :, ~is_first], rtol=1e-5)


def test_a_cell_with_nan_is_nan_and_the_others_do_not_change(world, tmp_path, caplog):
    def spoil(drivers):
        drivers["air_temperature"][7, 100] = np.nan

    other = make_world(tmp_path / "other")
    for year in (2011, 2012):
        other.write_drivers(year, change=spoil if year == 2012 else None)
        other.embed(year)
    spoiled = read_flux(other.predict(2012, years=[2011]))["flux"]
    whole = read_flux(world.predict(2012, years=[2011], store=tmp_path / "a.zarr"))["flux"]
    assert "2012.zarr: 1 cells are NaN, for a NaN in their drivers" in caplog.text
    assert np.isnan(spoiled[:, :, 7]).all()
    others = np.arange(10) != 7
    np.testing.assert_array_equal(spoiled[:, :, others], whole[:, :, others])


def test_a_cell_with_nan_in_an_earlier_year_goes_without_that_year(world, tmp_path):
    def spoil(drivers):
        drivers["air_temperature"][7, 100] = np.nan

    other = make_world(tmp_path / "other")
    other.write_drivers(2011, change=spoil)
    other.write_drivers(2012)
    other.embed(2011)
    other.embed(2012)
    flux = read_flux(other.predict(2012, years=[2011]))["flux"]
    without = read_flux(world.predict(2012, store=tmp_path / "a.zarr"))["flux"]
    np.testing.assert_allclose(flux[:, :, 7], without[:, :, 7], rtol=1e-6)


@pytest.mark.parametrize("calendar", ["360_day", "noleap"])
def test_years_keep_their_length(tmp_path, calendar):
    world = make_world(tmp_path, n_cells=4)
    world.write_drivers(2012, calendar=calendar)
    world.embed(2012)
    manifest = world.predict(2012, daily=True)
    assert (
        open_store(manifest.with_name("2012_daily.json")).sizes["time"]
        == {
            "360_day": 360,
            "noleap": 365,
        }[calendar]
    )
    assert open_store(manifest)["time"].dt.month.values.tolist() == list(range(1, 13))


def test_opening_reads_no_weather_and_no_embeddings(world, tmp_path):
    for name in ("drivers", "context"):
        shutil.copytree(world.folder / name, tmp_path / name)
    manifest = tmp_path / "drivers" / "2012.json"
    for pattern in ("*/air_temperature/c/**/*", "**/embedding/c/**/*"):
        for path in tmp_path.glob(f"*/{pattern}"):
            if path.is_file():
                path.write_bytes(b"torn" * 100)
    year = open_driver_year(manifest, names=["air_temperature"])
    folder = context_folder(world.checkpoints)
    open_contexts([tmp_path / "context/emission/2012.json"], folder=folder, year=2012)
    with pytest.raises(RuntimeError, match="checksum"):
        year.read(year.shards[0])


def test_another_target_year_is_refused(world, tmp_path):
    drivers = world.folder / "drivers" / "2012.json"
    with pytest.raises(CalendarError, match="days of 2013 are missing"):
        world.predict(2013, drivers=drivers, store=tmp_path / "x.zarr")


def test_a_missing_target_year_is_refused(world, tmp_path):
    with pytest.raises(StoreError, match=r"2013\.json: no such manifest"):
        world.predict(2013, store=tmp_path / "x.zarr")
    with pytest.raises(StoreError, match=r"2019\.json: no such manifest"):
        world.predict(2012, contexts=[world.context(2019)], store=tmp_path / "x.zarr")


def test_context_years_out_of_order_are_refused(world, tmp_path):
    contexts = [world.context(2012), world.context(2011)]
    with pytest.raises(StoreError, match=r"context years \[2012, 2011\]"):
        world.predict(2012, contexts=contexts, store=tmp_path / "x.zarr")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "prior"}, "asked for 'prior'"),
        ({"years": (2008, 2009, 2010)}, "at most 2 earlier years"),
    ],
)
def test_what_the_members_were_not_trained_for_is_refused(world, tmp_path, options, message):
    with pytest.raises(CheckpointError, match=message):
        world.predict(2012, store=tmp_path / "x.zarr", **options)
    assert not list(tmp_path.iterdir())


def test_contexts_of_other_checkpoints_are_refused(world, tmp_path):
    other = make_world(tmp_path / "other", n_members=1)
    with pytest.raises(CheckpointError, match="embed the year again"):
        world.predict(2012, checkpoints=other.checkpoints, store=tmp_path / "x.zarr")


def test_contexts_of_another_normalizer_are_refused(world, tmp_path):
    path = tmp_path / "00" / "checkpoint.pt"
    values = read_tensors(world.checkpoints[0])
    values["normalization"]["flux_scale"] *= 2
    write_tensors(values, path)
    with pytest.raises(CheckpointError, match="embed the year again"):
        world.predict(2012, checkpoints=[path, world.checkpoints[1]], store=tmp_path / "x.zarr")
    assert not (tmp_path / "x.parts").exists()


def test_a_checkpoint_of_another_version_is_refused(world, tmp_path):
    path = tmp_path / "00" / "checkpoint.pt"
    write_tensors(read_tensors(world.checkpoints[0]) | {"format": 0}, path)
    with pytest.raises(CheckpointError, match="format 0, expected a checkpoint of format"):
        world.predict(2012, checkpoints=[path], store=tmp_path / "x.zarr")
    assert not (tmp_path / "x.parts").exists()


def test_a_full_disk_leaves_no_manifest_and_what_was_written_is_kept(world, tmp_path, monkeypatch):
    write, store = zarr.Array.__setitem__, tmp_path / "2012.zarr"

    def write_until_full(array, at, values):
        if at[-1] == slice(8, 10):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(array, at, values)

    with monkeypatch.context() as full:
        full.setattr(zarr.Array, "__setitem__", write_until_full)
        with pytest.raises(OSError, match="No space left on device"):
            world.predict(2012, years=[2011], store=store)
    with pytest.raises(StoreError, match="no such manifest"):
        open_store(store)
    assert len(list((tmp_path / "2012.parts").glob("region-*.json"))) == 2
    whole = world.predict(2012, years=[2011], store=tmp_path / "whole.zarr")
    world.predict(2012, years=[2011], store=store)
    assert files_of(store) == files_of(whole.with_suffix(".zarr"))


def test_a_year_that_is_being_written_with_other_options_is_refused(world, tmp_path):
    holder = StoreWriter(tmp_path / "2012.zarr", digest="other")
    with holder.locked(), pytest.raises(StoreError, match="with other inputs or options"):
        world.predict(2012, store=tmp_path / "2012.zarr")


def test_drivers_of_other_cells_are_refused(world, tmp_path):
    fewer = write_store(make_cells(n_cells=9), tmp_path / "cells.zarr", digest="x")
    cells = make_cells(n_cells=10)
    latitude = cells["latitude"] + np.where(np.arange(10) == 3, 1, 0)
    moved = write_store(cells.assign_coords(latitude=latitude), tmp_path / "moved.zarr", digest="x")
    for cells, message in ((fewer, "10 cells, expected the 9"), (moved, "latitude of cell 3")):
        with pytest.raises(GridError, match=message):
            world.predict(2012, cells=cells, store=tmp_path / "x.zarr")


@pytest.mark.slow
def test_a_cluster_of_two_processes_gives_the_same_bits(world, tmp_path):
    one, two = tmp_path / "one.zarr", tmp_path / "two.zarr"
    alone = world.predict(2012, years=[2011], store=one, daily=True)
    manifest = world.predict(2012, years=[2011], store=two, daily=True, engine="local:2")
    assert files_of(two) == files_of(one)
    assert files_of(tmp_path / "two_daily.zarr") == files_of(tmp_path / "one_daily.zarr")
    assert read_json(manifest) == read_json(alone) | {"store": "two.zarr"}
