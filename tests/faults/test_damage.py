"""A store whose bytes were changed after it was finished."""

import numpy as np
import pytest
import xarray as xr

from chamnet.data.store import find_damage, manifest_path, write_store


@pytest.fixture
def store(tmp_path):
    values = np.arange(24, dtype=np.float32).reshape(6, 4)
    data = xr.Dataset({"flux": (("cell", "time"), values)}, coords={"time": [0, 1, 2, 3]})
    write_store(data, tmp_path / "x.zarr", digest="d", chunks={"cell": 3})
    return tmp_path / "x.zarr"


def test_a_whole_store_has_no_damage(store):
    assert find_damage(manifest_path(store)) == []


@pytest.mark.parametrize("at", [0, -1])
def test_a_changed_byte_is_found_and_its_file_named(store, at):
    chunk = store / "flux/c/1/0"
    raw = bytearray(chunk.read_bytes())
    raw[at] ^= 1
    chunk.write_bytes(raw)
    (damage,) = find_damage(manifest_path(store))
    assert damage.startswith(f"{chunk}: Stored and computed checksum do not match")


def test_a_file_that_is_no_manifest_of_a_store_has_no_damage(tmp_path):
    (tmp_path / "calibration.json").write_text("{}")
    assert find_damage(tmp_path / "calibration.json") == []
