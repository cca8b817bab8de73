import collections
import logging

import numpy as np
import pytest
import xarray as xr
import zarr
from factories_data import make_reanalysis, write_cells

from chamnet.data.cell_rows import CellRows
from chamnet.data.reanalysis import convert_year
from chamnet.data.store import open_store

NAMES = ["air_temperature", "vapor_pressure_deficit"]  # which share a variable


def write_chunked(path, data, *, steps, rows, columns=12, shards=None):
    data = data[["2m_temperature", "2m_dewpoint_temperature"]]
    chunks = min(steps, data.sizes["valid_time"]), rows, columns
    encoding = {name: {"chunks": chunks} | ({"shards": shards} if shards else {}) for name in data}
    data.to_zarr(path, mode="w", consolidated=False, zarr_format=3, encoding=encoding)
    return str(path)


def convert(folder, path, *, memory_gb=1.0, digest="a"):
    options = {"cells_per_shard": 16, "cells_per_chunk": 16, "memory_gb": memory_gb}
    return open_store(
        convert_year(
            store=str(folder / f"{digest}.zarr"), digest=digest, year=2015,
            cells=write_cells(folder), source="era5", paths=[path], names=NAMES, **options,
        )
    ).load()  # fmt: skip


def hours_of(data, per_day=2):
    """The same maps several times a day, of drivers that are no amounts."""
    n_days = data.sizes["valid_time"]
    steps = np.repeat(np.arange(n_days), per_day)
    offset = np.tile(np.arange(per_day) * (24 // per_day), n_days).astype("m8[h]")
    times = data["valid_time"].values[steps] + offset
    return data.isel(valid_time=steps).assign_coords(valid_time=times)


@pytest.fixture
def reads(monkeypatch):
    """Bytes of every request for a stored block of maps, by its key."""
    found = collections.defaultdict(list)
    get = zarr.storage.LocalStore.get

    async def counted(self, key, *arguments, **options):
        value = await get(self, key, *arguments, **options)
        is_map = str(self.root).endswith("era5.zarr") and key.startswith("2m_") and "/c/" in key
        if is_map and value is not None:
            found[key].append(len(value))
        return value

    monkeypatch.setattr(zarr.storage.LocalStore, "get", counted)
    return found


@pytest.mark.parametrize(
    ("per_day", "steps", "rows", "columns", "memory_gb"),
    [
        (1, 1, 6, 12, 1.0),
        (1, 1, 6, 12, 1e-3),
        (1, 50, 6, 12, 1.0),
        (2, 15, 2, 12, 1.0),
        (2, 730, 2, 12, 1e-4),
        (2, 730, 2, 3, 1e-4),
        (2, 250, 6, 12, 1e-4),
    ],
    ids=[
        "maps",
        "maps in little memory",
        "blocks",
        "blocks of hours and rows",
        "years of rows in little memory",
        "years of pixels in little memory",
        "blocks of the globe that do not fit",
    ],
)
def test_every_stored_block_is_read_once(tmp_path, reads, per_day, steps, rows, columns, memory_gb):
    data = hours_of(make_reanalysis(), per_day)
    path = write_chunked(tmp_path / "era5.zarr", data, steps=steps, rows=rows, columns=columns)
    convert(tmp_path, path, memory_gb=memory_gb)
    # all rows but those of the south, where no cells are: they may be blocks of their own
    n_blocks = -(-365 * per_day // steps) * -(-6 // rows) * (12 // columns)
    n_found = collections.Counter(key.split("/")[0] for key in reads)
    assert {len(sizes) for sizes in reads.values()} == {1}
    assert len(n_found) == 2
    assert set(n_found.values()) == {n_blocks}


@pytest.mark.parametrize("memory_gb", [1.0, 1e-4])
def test_of_shards_the_inner_chunks_are_read_once(tmp_path, reads, memory_gb):
    shards = {"steps": 10, "rows": 6, "shards": (100, 6, 12)}
    path = write_chunked(tmp_path / "era5.zarr", make_reanalysis(), **shards)
    reads.clear()  # a shard is looked for before it is written
    convert(tmp_path, path, memory_gb=memory_gb)
    n_stored = {key: (tmp_path / "era5.zarr" / key).stat().st_size for key in reads}
    index = 10 * 16 + 4  # offset and length of each inner chunk, and a checksum
    for key, sizes in reads.items():
        chunks = sum(size for size in sizes if size != index)
        assert chunks <= n_stored[key], key
    assert len(reads) == 2 * 4


@pytest.mark.parametrize("steps", [15, 500])
def test_blocks_that_cut_days_change_nothing(tmp_path, steps):
    data = hours_of(make_reanalysis())
    first = convert(tmp_path, write_chunked(tmp_path / "era5.zarr", data, steps=50, rows=6))
    path = write_chunked(tmp_path / "other_era5.zarr", data, steps=steps, rows=3)
    found = convert(tmp_path, path, memory_gb=1e-3, digest="b")
    for name in NAMES:
        np.testing.assert_allclose(found[name], first[name], rtol=1e-5, err_msg=name)


@pytest.mark.parametrize(("per_day", "rows", "columns"), [(1, 6, 12), (1, 2, 12), (2, 4, 5)])
def test_blocks_of_a_year_in_little_memory_change_nothing(tmp_path, caplog, per_day, rows, columns):
    data = hours_of(make_reanalysis(), per_day)
    first = convert(tmp_path, write_chunked(tmp_path / "era5.zarr", data, steps=1, rows=6))
    path = write_chunked(
        tmp_path / "other_era5.zarr", data, steps=365 * per_day, rows=rows, columns=columns
    )
    with caplog.at_level(logging.INFO):
        found = convert(tmp_path, path, memory_gb=1e-4, digest="b")
    for name in NAMES:
        np.testing.assert_allclose(found[name], first[name], rtol=1e-5, err_msg=name)
    assert list(tmp_path.rglob("*.tmp")) == []
    assert "of which one takes more memory than drivers.memory_gb" in caplog.text
    if (rows, columns) != (6, 12):
        assert "whose days wait in a file" in caplog.text


@pytest.mark.parametrize("is_file", [False, True])
def test_rows_come_by_group_and_leave_by_cell(tmp_path, is_file):
    rows = CellRows(5, 7, scratch=tmp_path / "parts" / "rows.tmp" if is_file else None)
    values = np.arange(35, dtype=np.float32).reshape(5, 7)
    for groups in (slice(0, 2), slice(1, 5)):
        part = rows.rows(groups)
        part += values[groups]
    expected = values.copy()
    expected[1] *= 2
    np.testing.assert_array_equal(rows.cells(slice(2, 6)), expected[:, 2:6].T)
    rows.close()
    assert list(tmp_path.rglob("*.tmp")) == []


def test_no_scratch_is_left(tmp_path):
    path = write_chunked(tmp_path / "era5.zarr", make_reanalysis(), steps=10, rows=6)
    first = convert(tmp_path, path)
    tight = convert(tmp_path, path, memory_gb=1e-4, digest="b")
    xr.testing.assert_identical(tight, first)
    assert list(tmp_path.rglob("*.tmp")) == []
