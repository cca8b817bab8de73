"""Drivers from object stores: real requests to a server on the loopback."""

import collections
import json
import logging
import warnings

import fsspec.config
import numpy as np
import pytest
import xarray as xr
from factories_data import write_cells
from object_store import BUCKET, serve

from chamnet.data.reanalysis import convert_year, describe_source
from chamnet.data.store import open_store
from chamnet.errors import InputError
from chamnet.grid import Grid

NAMES = ["air_temperature"]
KEY = "s3cr3t-of-the-store"
OPTIONS = {"headers": {"Authorization": f"Bearer {KEY}"}}
FIRST, LAST = "2014-12-30", "2016-01-03"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A store in the layout of ARCO-ERA5: a map a chunk, an axis that runs on beyond the data."""
    folder = tmp_path_factory.mktemp("remote")
    times = np.arange(FIRST, "2016-06-01", np.timedelta64(12, "h"), dtype="M8[ns]")
    grid = Grid(60.0)
    shape = times.size, 3, 6
    latitude, longitude = grid.latitude[::-1], np.arange(6) * 60.0 + 30
    values = np.full(shape, np.nan, np.float32)
    n_there = int((times < np.datetime64(LAST)).sum())
    day = np.arange(n_there) // 2
    values[:n_there] = (270 + day % 30)[:, None, None] + np.arange(6)
    data = xr.Dataset(
        {"2m_temperature": (("time", "latitude", "longitude"), values, {"units": "K"})},
        coords={"time": times, "latitude": latitude, "longitude": longitude},
        attrs={"valid_time_start": FIRST, "valid_time_stop": "2016-01-02"},
    )
    encoding = {
        "2m_temperature": {"chunks": (1, 3, 6)},
        "time": {"units": "hours since 1900-01-01", "dtype": "int64"},
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        data.to_zarr(folder / "era5.zarr", zarr_format=3, consolidated=True, encoding=encoding)
    return folder


def convert(folder, address, options):
    return convert_year(
        store=str(folder / "2015.zarr"), digest="a", year=2015,
        cells=write_cells(folder, step_deg=60.0), source="era5", paths=[address], names=NAMES,
        cells_per_shard=18, cells_per_chunk=18, memory_gb=1.0, storage_options=options,
    )  # fmt: skip


def check(manifest, server):
    """The year is there, and each of its maps was asked for once, and no other but the first."""
    found = open_store(manifest).load()["air_temperature"]
    step = found.isel(cell=0, time=slice(0, 3)).diff("time")
    np.testing.assert_allclose(step, 1)
    assert found.sizes["time"] == 365
    asked = collections.Counter(key for key in server.asked if "2m_temperature/c/" in key)
    steps = {int(key.split("/c/")[1].split("/")[0]) for key in asked}
    assert steps == set(range(4, 4 + 730))
    assert set(asked.values()) == {1}


@pytest.mark.slow
def test_a_store_is_read_over_http_with_its_key_which_is_told_nowhere(tmp_path, folder, caplog):
    pytest.importorskip("aiohttp")
    with serve(folder, key=KEY) as server, caplog.at_level(logging.INFO, logger="chamnet"):
        manifest = convert(tmp_path, f"{server.address}/era5.zarr", OPTIONS)
        check(manifest, server)
    assert KEY not in caplog.text
    written = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert not [p for p in written if KEY.encode() in p.read_bytes()]


def test_a_key_in_the_environment_is_taken(folder, monkeypatch):
    pytest.importorskip("aiohttp")
    with serve(folder, key=KEY) as server:
        address = f"{server.address}/era5.zarr"
        assert "401" in describe_source(source="era5", paths=[address], names=NAMES).problems[0]
        settings = {}  # as fsspec reads them when it is imported
        fsspec.config.set_conf_env(settings, {"FSSPEC_HTTP": json.dumps(OPTIONS)})
        monkeypatch.setitem(fsspec.config.conf, "http", settings["http"])
        found = describe_source(source="era5", paths=[address], names=NAMES, years=[2015])
    assert found.problems == []
    assert (found.first, found.last) == (FIRST, "2016-01-02")
    assert found.bytes == 730 * 18 * 4


def test_a_store_that_refuses_is_told_without_its_credentials(tmp_path, folder):
    pytest.importorskip("aiohttp")
    wrong = {"headers": {"Authorization": "Bearer wr0ng"}}
    with serve(folder, key=KEY) as server:
        address = f"{server.address}/era5.zarr?X-Signature=wr0ng&x=1"
        with pytest.raises(InputError, match=r"cannot be read as Zarr or NetCDF: 401") as told:
            convert(tmp_path, address, wrong)
        assert "wr0ng" not in str(told.value)
        assert told.value.__cause__ is None
    with pytest.raises(InputError, match=r"era5.zarr: cannot be read as Zarr or NetCDF: "):
        convert(tmp_path, f"{server.address}/era5.zarr", wrong)  # no server any more


@pytest.mark.slow
def test_a_bucket_of_google_is_read_by_its_address(tmp_path, folder, monkeypatch):
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # asks for it by gRPC
    pytest.importorskip("gcsfs")
    with serve(folder) as server:
        options = {"token": "anon", "endpoint_url": server.address}
        check(convert(tmp_path, f"gs://{BUCKET}/era5.zarr", options), server)
