"""Where year embeddings lie, how they are pointed at and read."""

import numpy as np
import pytest
import xarray as xr
from factories_inference import make_cells

from chamnet.data.context import (
    as_float16,
    build_context_template,
    context_folder,
    context_store,
    open_contexts,
    other_context_folders,
    read_contexts,
    write_pointer,
)
from chamnet.data.store import open_store, write_store
from chamnet.errors import CheckpointError, StoreError

N_CELLS = 5


def write_context(folder, *, year, digest8="0123abcd", nan_cell=None):
    """Context of a year, pointed at; its numbers are the year's."""
    template = build_context_template(
        make_cells(n_cells=N_CELLS), year=year, members=["00", "01"], n_embedding=4, n_season=2
    )
    data = xr.full_like(template.load(), year - 2000)
    data["embedding"] += np.arange(N_CELLS)[None, :, None].astype("float16")
    if nan_cell is not None:
        data["embedding"][:, nan_cell] = np.nan
    write_store(data, folder / digest8 / f"{year}.zarr", digest="d")
    return write_pointer(folder / f"{year}.json", folder / digest8 / f"{year}.zarr")


def write_checkpoints(folder, *contents):
    paths = [folder / f"{i}.pt" for i in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def test_folder_follows_the_bytes_and_order_of_the_checkpoints(tmp_path):
    a, b, same_as_a = write_checkpoints(tmp_path, b"one", b"two", b"one")
    assert len(context_folder([a, b])) == 8
    assert context_folder([a, b]) == context_folder([same_as_a, b])
    assert len({context_folder(paths) for paths in ([a, b], [b, a], [a], [a, a])}) == 4


def test_store_lies_in_the_folder_beside_its_pointer(tmp_path):
    checkpoints = write_checkpoints(tmp_path, b"one")
    store = context_store(tmp_path / "emission" / "2011.json", checkpoints)
    assert store == tmp_path / "emission" / context_folder(checkpoints) / "2011.zarr"


def test_pointer_opens_the_store_below(tmp_path):
    manifest = write_context(tmp_path, year=2011)
    assert open_store(manifest).attrs["year"] == 2011
    assert other_context_folders(manifest, "ffffffff") == ["0123abcd"]
    assert other_context_folders(manifest, "0123abcd") == []


def test_years_come_oldest_first(tmp_path):
    manifests = [write_context(tmp_path, year=year) for year in (2011, 2012)]
    stores = open_contexts(manifests, folder="0123abcd", year=2012)
    shard = read_contexts(stores, slice(2, 5))
    assert shard.embeddings.shape == (2, 3, 2, 4)
    assert shard.seasons.shape == (2, 3, 2, 12, 2)
    assert shard.embeddings[1, :, :, 0].tolist() == [[13, 14], [14, 15], [15, 16]]
    assert shard.mask.all()


def test_missing_years_and_nan_cells_are_masked_zeros(tmp_path, caplog):
    manifests = [tmp_path / "2010.json"]
    manifests += [
        write_context(tmp_path, year=2011, nan_cell=1),
        write_context(tmp_path, year=2012),
    ]
    stores = open_contexts(manifests, folder="0123abcd", year=2012)
    shard = read_contexts(stores, slice(0, N_CELLS))
    assert not shard.mask[:, 0].any()
    assert shard.mask[:, 1].tolist() == [True, False, True, True, True]
    assert (shard.embeddings[:, 1, 1] == 0).all()
    assert (shard.seasons[:, 1, 1] == 0).all()
    assert "1 of 2 earlier context years are missing and masked: 2010" in caplog.text


def test_embeddings_of_other_checkpoints_are_refused(tmp_path):
    manifest = write_context(tmp_path, year=2011)
    with pytest.raises(CheckpointError, match="digest '0123abcd', expected 'ffffffff'"):
        open_contexts([manifest], folder="ffffffff", year=2011)


def test_last_year_must_be_the_target_year(tmp_path):
    manifest = write_context(tmp_path, year=2011)
    with pytest.raises(StoreError, match=r"context years \[2011\], expected .* ending in 2012"):
        open_contexts([manifest], folder="0123abcd", year=2012)
    with pytest.raises(StoreError, match="no such manifest"):
        open_contexts([manifest, tmp_path / "2012.json"], folder="0123abcd", year=2012)


def test_half_precision_holds_its_range_and_keeps_nan():
    values = as_float16(np.array([1e6, -1e6, 0.5, np.nan], np.float32))
    assert values[:3].tolist() == [65504, -65504, 0.5]
    assert np.isnan(values[3])
