"""Daily fluxes as maps: every cell at its place, and the months of the monthly fluxes."""

import numpy as np
import pytest
from factories_inference import make_world

from chamnet.data.store import open_store
from chamnet.grid import Grid
from chamnet.inference import daily_maps
from chamnet.inference.daily_maps import publish_daily


@pytest.fixture(scope="module")
def fluxes(tmp_path_factory):
    world = make_world(tmp_path_factory.mktemp("world"))
    world.write_drivers(2012)
    world.embed(2012)
    return world.predict(2012, daily=True)


def publish(fluxes, store, **options):
    daily = fluxes.with_name("2012_daily.json")
    publish_daily(store=store, digest="d", daily=daily, **({"step_deg": 10.0} | options))
    return open_store(store)


def test_maps_have_the_monthly_means_of_each_cell_at_its_place(fluxes, tmp_path):
    maps = publish(fluxes, tmp_path / "2012.zarr")
    monthly = open_store(fluxes)["flux"].mean("member")
    months = maps["flux_daily_mean"].groupby("time.month").mean()
    rows, columns = Grid(10.0).row_column(monthly["latitude"].values, monthly["longitude"].values)
    np.testing.assert_allclose(months.values[:, rows, columns], monthly, rtol=1e-5)
    there = maps["flux_daily_mean"].notnull().all("time")
    assert int(there.sum()) == monthly.sizes["cell"]
    assert int(maps["flux_daily_sd"].notnull().all("time").sum()) == monthly.sizes["cell"]


def test_maps_are_chunked_for_a_map_and_a_pixel(fluxes, tmp_path):
    flux = publish(fluxes, tmp_path / "2012.zarr", step_deg=1.0)["flux_daily_mean"]
    assert flux.dims == ("time", "latitude", "longitude")
    assert flux.shape == (366, 180, 360)
    assert flux.encoding["chunks"] == (30, 90, 90)
    assert flux.attrs["units"] == "kg m-2 s-1"
    assert flux["latitude"].values[0] == -89.5


def test_a_run_that_was_stopped_goes_on(fluxes, tmp_path, monkeypatch):
    whole = publish(fluxes, tmp_path / "whole.zarr").load()
    cut, read = daily_maps._maps, []

    def cut_or_fail(*arguments):
        read.append(arguments[2])
        if len(read) == 4:
            raise OSError("no space left")
        return cut(*arguments)

    monkeypatch.setattr(daily_maps, "_maps", cut_or_fail)
    with pytest.raises(OSError, match="no space left"):
        publish(fluxes, tmp_path / "2012.zarr")
    assert publish(fluxes, tmp_path / "2012.zarr").identical(whole)
    assert len(read) == 2 * 13 + 1
    assert publish(fluxes, tmp_path / "2012.zarr").identical(whole)  # finished before
    assert len(read) == 2 * 13 + 1


@pytest.mark.parametrize(("size", "expected"), [(18, 18), (90, 90), (120, 60), (720, 90), (97, 1)])
def test_chunks_divide_their_dim(size, expected):
    assert daily_maps._divisor(size) == expected
