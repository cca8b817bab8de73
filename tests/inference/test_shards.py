"""Shards cover every cell once, and give drivers in the order asked for."""

import pytest
from factories_inference import make_drivers, write_drivers

from chamnet.data.shards import build_shards
from chamnet.errors import MissingDriverError
from chamnet.inference.shards import open_driver_year


def test_shards_cover_every_cell_once():
    shards = build_shards(22, 8)
    assert [shard.n_cells for shard in shards] == [8, 8, 6]
    assert [shard.cells.start for shard in shards] == [0, 8, 16]


def test_drivers_come_in_the_order_asked_for(tmp_path):
    data = make_drivers(n_cells=5, year=2011)
    manifest = write_drivers(data, tmp_path / "2011.zarr", cells_per_shard=4, cells_per_chunk=2)
    names = ["precipitation_flux", "air_temperature"]
    year = open_driver_year(manifest, names=names)
    values = year.read(year.shards[1])
    assert (year.cells_per_shard, year.cells_per_chunk) == (4, 2)
    assert [part.shape for part in values] == [(1, 365), (1, 365)]
    assert (values[1][0] == data["air_temperature"].values[4]).all()


def test_drivers_without_one_asked_for_are_refused(tmp_path):
    data = make_drivers(n_cells=2, year=2011)
    manifest = write_drivers(data, tmp_path / "2011.zarr", cells_per_shard=2, cells_per_chunk=2)
    with pytest.raises(MissingDriverError, match="no \\['wind_speed'\\]"):
        open_driver_year(manifest, names=["wind_speed"])
