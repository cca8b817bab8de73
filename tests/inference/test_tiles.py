"""A year that several jobs share is the same as one that a single job predicts."""

import pytest
from factories_inference import make_world

from chamnet.data.store import open_store
from chamnet.errors import StoreError
from chamnet.inference.tiles import finish_fluxes
from chamnet.provenance import read_json, write_json


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = make_world(tmp_path_factory.mktemp("world"))
    world.write_drivers(2012)
    world.embed(2012)
    return world


def files_of(store):
    return {p.relative_to(store): p.read_bytes() for p in store.rglob("*") if p.is_file()}


@pytest.mark.parametrize("n_tiles", [2, 5])  # of 3 shards: one of two, or none
def test_tiles_give_the_same_bits_and_manifest(world, tmp_path, n_tiles):
    whole, store = tmp_path / "whole" / "2012.zarr", tmp_path / "2012.zarr"
    alone = world.predict(2012, store=whole, daily=True)
    parts = [
        world.predict(2012, store=store, daily=True, tile=tile, n_tiles=n_tiles)
        for tile in reversed(range(n_tiles))
    ]
    assert parts[-1] == tmp_path / "2012" / "part-00.json"
    with pytest.raises(StoreError, match="absent or unfinished"):
        open_store(store)
    assert finish_fluxes(store=store, parts=parts).read_text() == alone.read_text()
    assert files_of(store) == files_of(whole)
    assert files_of(tmp_path / "2012_daily.zarr") == files_of(tmp_path / "whole/2012_daily.zarr")
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        *("2012", "2012.json", "2012.zarr", "2012_daily.json", "2012_daily.zarr", "whole"),
    ]


def test_a_tile_computes_its_own_cells_only(world, tmp_path):
    part = world.predict(2012, store=tmp_path / "2012.zarr", tile=1, n_tiles=3)
    assert read_json(part)["regions"] == ["00001"]
    assert not (tmp_path / "2012.parts" / "region-00000.json").exists()


def test_a_missing_tile_is_named(world, tmp_path):
    store = tmp_path / "2012.zarr"
    parts = [world.predict(2012, store=store, tile=tile, n_tiles=3) for tile in (0, 2)]
    with pytest.raises(StoreError, match=r"tiles \[0, 2\], expected all of 3"):
        finish_fluxes(store=store, parts=parts)


def test_a_tile_of_other_options_is_refused(world, tmp_path):
    store = tmp_path / "2012.zarr"
    parts = [world.predict(2012, store=store, tile=tile, n_tiles=2) for tile in (0, 1)]
    write_json(parts[1], read_json(parts[1]) | {"digest": "other"})
    with pytest.raises(StoreError, match="tile 1 was made from other inputs or options"):
        finish_fluxes(store=store, parts=parts)


def test_a_year_that_was_ended_is_left_as_it_is(world, tmp_path):
    store = tmp_path / "2012.zarr"
    parts = [world.predict(2012, store=store, tile=tile, n_tiles=2) for tile in (0, 1)]
    content = finish_fluxes(store=store, parts=parts).read_text()
    assert finish_fluxes(store=store, parts=parts).read_text() == content


def test_a_year_whose_shards_are_gone_begins_again(world, tmp_path):
    store = tmp_path / "2012.zarr"
    parts = [world.predict(2012, store=store, tile=tile, n_tiles=2) for tile in (0, 1)]
    finish_fluxes(store=store, parts=parts)
    (tmp_path / "2012.json").unlink()  # as someone may who wants the year anew
    with pytest.raises(StoreError, match="3 of 3 shards are not written, the first '00000'"):
        finish_fluxes(store=store, parts=parts)
    assert not any(part.exists() for part in parts)
