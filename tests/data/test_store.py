import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from chamnet.data.store import (
    StoreWriter,
    load_together,
    manifest_path,
    open_store,
    write_store,
)
from chamnet.errors import StoreError
from chamnet.provenance import read_json, write_json

N_CELLS = 20
SIZES = {"chunks": {"cell": 4}, "shards": {"cell": 8}}
REGIONS = {"0": slice(0, 8), "8": slice(8, 16), "16": slice(16, N_CELLS)}


def make_fluxes(*, n_cells=N_CELLS):
    values = np.arange(n_cells * 3, dtype=np.float32).reshape(n_cells, 3)
    return xr.Dataset(
        {"flux": (("cell", "time"), values, {"units": "kg m-2 s-1"})},
        coords={"latitude": ("cell", np.linspace(-1, 1, n_cells)), "time": [0, 1, 2]},
    )


def write_regions(writer, data, names):
    for name in names:
        part = REGIONS[name]
        writer.write(name, data.isel(cell=part), at={"cell": part, "time": slice(0, 3)})


def test_store_holds_what_was_written(tmp_path):
    data, writer = make_fluxes(), StoreWriter(tmp_path / "x.zarr", digest="a")
    with writer.locked():
        writer.begin(data.chunk(), **SIZES)
        write_regions(writer, data, REGIONS)
        manifest = writer.finish(regions=list(REGIONS), extra={"year": 2015})
    xr.testing.assert_identical(open_store(manifest).load(), data)
    assert read_json(manifest)["digest"] == "a"
    assert read_json(manifest)["year"] == 2015
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.json", "x.zarr"]


@pytest.mark.parametrize("n_cells", [1, 3, 4, 5, 7, 8, 9, 13, 20])
def test_any_number_of_cells_fits_shards(tmp_path, n_cells):
    data, writer = make_fluxes(n_cells=n_cells), StoreWriter(tmp_path / "x.json", digest="a")
    writer.begin(data.chunk(), **SIZES)
    for start in range(0, n_cells, 8):
        at = {"cell": slice(start, min(start + 8, n_cells)), "time": slice(0, 3)}
        writer.write(str(start), data.isel(cell=at["cell"]), at=at)
    writer.finish(regions=[str(start) for start in range(0, n_cells, 8)])
    xr.testing.assert_identical(open_store(tmp_path / "x.zarr").load(), data)


def test_order_of_regions_changes_no_content(tmp_path):
    data, contents = make_fluxes(), []
    for folder, names in (("one", list(REGIONS)), ("two", list(REGIONS)[::-1])):
        writer = StoreWriter(tmp_path / folder / "x.zarr", digest="a")
        writer.begin(data.chunk(), **SIZES)
        write_regions(writer, data, names)
        contents.append(read_json(writer.finish(regions=list(REGIONS)))["content"])
    assert contents[0] == contents[1]


@pytest.mark.parametrize("part", [slice(0, 4), slice(4, 8), slice(2, 20), slice(8, 12)])
def test_region_off_its_shards_is_refused(tmp_path, part):
    data, writer = make_fluxes(), StoreWriter(tmp_path / "x.zarr", digest="a")
    writer.begin(data.chunk(), **SIZES)
    with pytest.raises(StoreError, match=f"region cell {part.start}:{part.stop} is not on edges"):
        writer.write("x", data.isel(cell=part), at={"cell": part, "time": slice(0, 3)})
    assert not writer.is_written("x")


def test_job_made_anew_goes_on_after_the_regions_that_are_finished(tmp_path):
    data, first = make_fluxes(), StoreWriter(tmp_path / "x.zarr", digest="a")
    first.begin(data.chunk(), **SIZES)
    write_regions(first, data, ["0"])
    second = StoreWriter(tmp_path / "x.zarr", digest="a")
    second.begin(data.chunk(), **SIZES)
    assert [second.is_written(name) for name in REGIONS] == [True, False, False]
    write_regions(second, data, ["8", "16"])
    xr.testing.assert_identical(open_store(second.finish(regions=list(REGIONS))).load(), data)


def test_a_finished_store_of_this_digest_is_left_as_it_is(tmp_path):
    manifest = write_store(make_fluxes(), tmp_path / "x.zarr", digest="a")
    content, writer = manifest.read_text(), StoreWriter(tmp_path / "x.zarr", digest="a")
    writer.begin(make_fluxes().chunk(), **SIZES)
    assert all(writer.is_written(name) for name in REGIONS)
    assert writer.finish(regions=list(REGIONS)).read_text() == content


def test_another_digest_begins_again(tmp_path):
    data, first = make_fluxes(), StoreWriter(tmp_path / "x.zarr", digest="a")
    first.begin(data.chunk(), **SIZES)
    write_regions(first, data, ["0"])
    second = StoreWriter(tmp_path / "x.zarr", digest="b")
    second.begin(data.chunk(), **SIZES)
    assert not any(second.is_written(name) for name in REGIONS)


def test_store_begun_again_loses_its_old_manifest(tmp_path):
    manifest = write_store(make_fluxes(), tmp_path / "x.zarr", digest="a")
    StoreWriter(tmp_path / "x.zarr", digest="b").begin(make_fluxes().chunk(), **SIZES)
    with pytest.raises(StoreError, match="no such manifest"):
        open_store(manifest)


def test_store_with_a_region_missing_is_not_finished(tmp_path):
    data, writer = make_fluxes(), StoreWriter(tmp_path / "x.zarr", digest="a")
    writer.begin(data.chunk(), **SIZES)
    write_regions(writer, data, ["0", "16"])
    with pytest.raises(StoreError, match="1 of 3 regions are not written, the first '8'"):
        writer.finish(regions=list(REGIONS))
    assert not manifest_path(writer.store).exists()


def test_second_job_of_the_same_digest_is_harmless(tmp_path):
    data = make_fluxes()
    first, second = (StoreWriter(tmp_path / "x.zarr", digest="a") for _ in range(2))
    for writer in (first, second):
        writer.begin(data.chunk(), **SIZES)
    write_regions(first, data, list(REGIONS))
    write_regions(second, data, ["0"])
    manifest = first.finish(regions=list(REGIONS))
    write_regions(second, data, ["8", "16"])  # after the first has finished
    assert second.finish(regions=list(REGIONS)) == manifest
    xr.testing.assert_identical(open_store(manifest).load(), data)


TOGETHER = """
import sys
sys.path.insert(0, sys.argv[2])
from test_store import REGIONS, SIZES, StoreWriter, make_fluxes, write_regions
print("ready", flush=True)
sys.stdin.readline()
for i in range(4):
    writer, data = StoreWriter(f"{sys.argv[1]}/{i}.zarr", digest="a"), make_fluxes()
    with writer.locked():
        writer.begin(data.chunk(), **SIZES)
        write_regions(writer, data, REGIONS)
        writer.finish(regions=list(REGIONS))
"""


@pytest.mark.slow
def test_processes_of_one_digest_that_begin_and_end_together_do_no_harm(tmp_path):
    code = [sys.executable, "-c", TOGETHER, str(tmp_path), os.path.dirname(__file__)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    jobs = [subprocess.Popen(code, **pipes) for _ in range(2)]
    assert [job.stdout.readline() for job in jobs] == [b"ready\n"] * 2
    for job in jobs:
        job.stdin.write(b"go\n")
        job.stdin.flush()
    for job in jobs:
        job.communicate()
    assert [job.returncode for job in jobs] == [0, 0]
    for i in range(4):
        xr.testing.assert_identical(open_store(tmp_path / f"{i}.zarr").load(), make_fluxes())
    assert {p.suffix for p in tmp_path.iterdir()} == {".json", ".zarr"}


KILLED = """
import sys, time
sys.path.insert(0, sys.argv[2])
from test_store import SIZES, StoreWriter, make_fluxes, write_regions
writer = StoreWriter(sys.argv[1], digest="a")
with writer.locked():
    writer.begin(make_fluxes().chunk(), **SIZES)
    write_regions(writer, make_fluxes(), ["0"])
    print("half-way", flush=True)
    time.sleep(60)
"""


def test_a_small_store_that_two_jobs_write_at_once_keeps_what_the_first_began(
    tmp_path, monkeypatch
):
    data, store = make_fluxes(), tmp_path / "x.zarr"
    first, begin = StoreWriter(store, digest="a"), StoreWriter.begin
    with first.locked():
        first.begin(data.chunk(), chunks={}, shards={})

        def begin_after_the_first_wrote(writer, *arguments, **options):
            first.write("all", data, at={"cell": slice(0, N_CELLS), "time": slice(0, 3)})
            begin(writer, *arguments, **options)

        monkeypatch.setattr(StoreWriter, "begin", begin_after_the_first_wrote)
        manifest = write_store(data, store, digest="a")
        assert first.finish(regions=["all"]) == manifest
    xr.testing.assert_identical(open_store(manifest).load(), data)


def test_imi_defect_killed_job_half_way_leaves_nothing_that_looks_finished(tmp_path):
    here = os.path.dirname(__file__)
    job = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "x.zarr"), here], stdout=subprocess.PIPE
    )
    with job.stdout:
        assert job.stdout.readline() == b"half-way\n"
    job.send_signal(signal.SIGKILL)
    job.wait()
    with pytest.raises(StoreError, match="absent or unfinished"):
        open_store(tmp_path / "x.json")
    writer, data = StoreWriter(tmp_path / "x.zarr", digest="a"), make_fluxes()
    with writer.locked():
        writer.begin(data.chunk(), **SIZES)
        assert writer.is_written("0")
        write_regions(writer, data, ["8", "16"])
        xr.testing.assert_identical(open_store(writer.finish(regions=list(REGIONS))).load(), data)


def test_strings_empty_dims_and_dates_come_back(tmp_path):
    data = xr.Dataset(
        {
            "name": ("place", np.array(["a", "much longer"])),
            "attributes": (("place", "attribute"), np.empty((2, 0), np.float32)),
        },
        coords={
            "place": np.array(["x", "yy"]),
            "attribute": np.array([], dtype="U4"),
            "time": np.array(["2015-01-01", "2015-02-01"], dtype="M8[ns]"),
        },
    )
    found = open_store(write_store(data, tmp_path / "x.zarr", digest="a")).load()
    assert found["name"].values.tolist() == ["a", "much longer"]
    assert found.sel(place="yy")["name"].item() == "much longer"
    assert found["attributes"].shape == (2, 0)
    np.testing.assert_array_equal(found["time"], data["time"])


def test_absent_store_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"nothing.json: no such manifest"):
        open_store(tmp_path / "nothing.zarr")


def test_imi_defect_error_flag_on_success_a_finished_store_leaves_no_marker(tmp_path):
    data = xr.Dataset({"flux": ("cell", np.zeros(4, np.float32))})
    write_store(data, tmp_path / "flux.zarr", digest="a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flux.json", "flux.zarr"]


def test_parts_of_stores_are_read_together(tmp_path):
    stores = []
    for i in range(2):
        data = xr.Dataset({"x": ("cell", np.arange(6.0) + i), "n": ("cell", np.arange(6))})
        stores.append(open_store(write_store(data, tmp_path / f"{i}.zarr", digest="d")))
    first, second = load_together(stores[0].isel(cell=slice(2, 5)), stores[1])
    assert first["x"].values.tolist() == [2, 3, 4]
    assert first["n"].values.tolist() == [2, 3, 4]
    assert second["x"].values.tolist() == [1, 2, 3, 4, 5, 6]


def take_over(folder):
    """A writer whose lock went stale, and the job of another host that began its store again."""
    data, late = make_fluxes(), StoreWriter(folder / "x.zarr", digest="a")
    late.begin(data.chunk(), **SIZES)
    write_regions(late, data, REGIONS)
    taker = StoreWriter(folder / "x.zarr", digest="b")
    taker.begin(data.chunk(), **SIZES)
    holder = {"digest": "b", "host": "elsewhere", "process": 12, "job": "job 4711"}
    write_json(folder / "x.lock", [holder])
    return late, taker


def test_a_store_that_another_job_took_over_is_not_written_into(tmp_path):
    late, taker = take_over(tmp_path)
    message = r"x.zarr was taken over by job 4711, process 12 on elsewhere, .* expected digest 'a'"
    with pytest.raises(StoreError, match=message):
        write_regions(late, make_fluxes() * 2, ["0"])
    assert not taker.is_written("0")
    assert np.isnan(xr.open_zarr(taker.store, consolidated=False)["flux"]).all()


def test_a_store_that_another_job_took_over_is_not_finished(tmp_path):
    late, taker = take_over(tmp_path)
    write_regions(taker, make_fluxes(), REGIONS)
    (tmp_path / "x.lock").unlink()
    with pytest.raises(StoreError, match=r"x.zarr was taken over by a job that has ended, "):
        late.finish(regions=list(REGIONS))
    xr.testing.assert_identical(
        open_store(taker.finish(regions=list(REGIONS))).load(), make_fluxes()
    )
