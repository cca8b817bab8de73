"""Year embeddings: once a year, in a folder of the checkpoints' digest."""

import logging

import numpy as np
import pytest
import torch
import xarray as xr
from factories_inference import make_member, make_world

from chamnet.data.context import context_folder
from chamnet.data.store import manifest_path, open_store
from chamnet.errors import CheckpointError, StoreError
from chamnet.inference import embed
from chamnet.model.checkpoint import load_member, save_member
from chamnet.provenance import read_json


@pytest.fixture
def world(tmp_path):
    world = make_world(tmp_path, n_cells=10)
    world.write_drivers(2011, shard=4)
    return world


def test_embeddings_are_those_of_the_member_on_each_cell_alone(world):
    context = open_store(world.embed(2011))
    member = load_member(world.checkpoints[1])
    drivers = open_store(world.folder / "drivers" / "2011.json")
    one = torch.tensor(np.stack([drivers[n].values[9:] for n in member.driver_names], -1))
    embedding, season = member.encode_year(one)
    assert context["embedding"].dims == ("member", "cell", "component")
    np.testing.assert_allclose(context["embedding"][1, 9:], embedding, atol=1e-3)
    np.testing.assert_allclose(context["season"][1, 9:], season, atol=1e-3)


def test_context_is_half_precision_and_named_by_member_and_year(world):
    manifest = world.embed(2011)
    context = open_store(manifest)
    n_season = load_member(world.checkpoints[0]).n_season
    assert context["season"].shape == (2, 10, 12, n_season)
    assert {context[name].dtype.name for name in context.data_vars} == {"float16"}
    assert context["member"].values.tolist() == ["00", "01"]
    assert context.attrs["year"] == 2011
    assert read_json(manifest)["store"] == f"{context_folder(world.checkpoints)}/2011.zarr"


def test_shards_and_batches_do_not_change_embeddings(world, tmp_path):
    expected = open_store(world.embed(2011)).load()
    other = make_world(tmp_path / "other", n_cells=10)
    other.write_drivers(2011, shard=8)
    same_batches = open_store(other.embed(2011)).load()
    np.testing.assert_array_equal(same_batches["embedding"], expected["embedding"])
    other_batches = open_store(other.embed(2011, cells_per_batch=3, digest="e")).load()
    np.testing.assert_allclose(other_batches["embedding"], expected["embedding"], atol=1e-3)


def test_a_retrained_member_never_meets_old_embeddings(world, caplog):
    old = read_json(world.embed(2011))["store"]
    save_member(make_member(seed=9), world.checkpoints[0])
    with caplog.at_level(logging.INFO):
        manifest = world.embed(2011)
    assert read_json(manifest)["store"] != old
    assert manifest_path(manifest.parent / old).exists()
    assert f"embeddings of other checkpoints left alone: ['{old[:8]}']" in caplog.text


def test_a_finished_year_is_not_computed_again(world, monkeypatch):
    content = world.embed(2011).read_text()
    world.context(2011).unlink()  # as when killed before the last step
    monkeypatch.setattr(embed, "_write_embeddings", None)
    assert world.embed(2011).read_text() == content


def test_an_interrupted_year_goes_on_where_it_stopped(world, monkeypatch):
    computed, compute = [], embed._embed

    def compute_or_fail(drivers, *args):
        is_last = len(drivers[0]) == 2
        if is_last and -1 not in computed:
            computed.append(-1)
            raise OSError("no space left")
        computed.append(len(drivers[0]))
        return compute(drivers, *args)

    monkeypatch.setattr(embed, "_embed", compute_or_fail)
    with pytest.raises(OSError, match="no space left"):
        world.embed(2011)
    assert not world.context(2011).exists()
    world.embed(2011)
    assert sorted(computed) == [-1, 2, 4, 4]  # each shard once, but for the one that failed


def test_a_cell_with_nan_is_nan_and_counted(tmp_path, caplog):
    def spoil(drivers):
        drivers["air_temperature"][3, 40] = np.nan

    world = make_world(tmp_path, n_cells=6)
    world.write_drivers(2011, change=spoil)
    manifest = world.embed(2011)
    is_nan = np.isnan(open_store(manifest)["embedding"]).all(("member", "component"))
    assert is_nan.values.nonzero()[0].tolist() == [3]
    assert read_json(manifest)["n_cells_nan"] == 1
    assert "1 cells are NaN" in caplog.text


def test_members_of_other_drivers_are_refused(world):
    names = ("air_temperature", "wind_speed")
    save_member(make_member(seed=0, drivers=names), world.checkpoints[0])
    with pytest.raises(CheckpointError, match=r"the store has no \['wind_speed'\]"):
        world.embed(2011)
    assert not world.context(2011).parent.exists()


def test_members_of_other_attributes_are_refused(world):
    save_member(make_member(seed=0, attributes=("peat",)), world.checkpoints[0])
    with pytest.raises(CheckpointError, match=r"attributes \['peat'\]"):
        world.embed(2011)


def test_members_of_two_targets_are_refused(world):
    save_member(make_member(seed=0, target="consumption"), world.checkpoints[1])
    with pytest.raises(CheckpointError, match="the first member for"):
        world.embed(2011)


@pytest.mark.slow
def test_a_cluster_of_two_processes_embeds_the_same(world):
    alone = open_store(world.embed(2011)).load()
    apart = open_store(world.embed(2011, digest="e", engine="local:2")).load()
    xr.testing.assert_identical(apart, alone)


@pytest.fixture
def told(tmp_path):
    """A world whose cells have a prior flux, one of them none, and networks that read it."""
    world = make_world(tmp_path, n_cells=10, modes=("prior",))
    world.write_drivers(2011, shard=4)
    flux = np.full((10, 365), 1e-9, "f4") * np.arange(1, 11, dtype="f4")[:, None]
    flux[3] = np.nan
    world.write_prior(2011, flux)
    return world


def test_cells_are_embedded_with_their_prior_flux_and_one_without_as_nothing_measured(told):
    manifest = told.folder / "prior" / "2011.json"
    context = open_store(told.embed(2011, prior=manifest))
    member = load_member(told.checkpoints[1])
    drivers = open_store(told.folder / "drivers" / "2011.json")
    weather = torch.tensor(np.stack([drivers[n].values for n in member.driver_names], -1))
    flux = torch.tensor(open_store(manifest)["prior_flux"].values)
    embedding, season = member.encode_year(weather, flux)
    np.testing.assert_allclose(context["embedding"][1], embedding, atol=1e-3)
    np.testing.assert_allclose(context["season"][1], season, rtol=1e-3, atol=1e-3)
    alone, _ = member.encode_year(weather)
    is_same = np.isclose(context["embedding"][1], alone, atol=1e-3).all(axis=1)
    assert is_same.nonzero()[0].tolist() == [3]


def test_cells_are_predicted_from_their_prior_flux(told):
    manifest = told.folder / "prior" / "2011.json"
    told.embed(2011, prior=manifest)
    flux = open_store(told.predict(2011, mode="prior", prior=manifest))["flux"]
    assert np.isfinite(flux).all()
    with pytest.raises(CheckpointError, match=r"trained for the modes \['prior'\]"):
        told.predict(2011, mode="zero_shot", digest="e")
    with pytest.raises(CheckpointError, match=r"\['prior'\] and a process .*: there is none"):
        told.predict(2011, mode="prior", digest="e")


def test_a_prior_flux_that_is_missing_or_not_asked_for_is_refused(told):
    with pytest.raises(CheckpointError, match=r"modes \['prior'\] and a .*: there is none"):
        told.embed(2011)
    for path in told.checkpoints:
        save_member(make_member(seed=0), path)
    with pytest.raises(CheckpointError, match=r"'zero_shot'\] and a .*: found .*2011\.json"):
        told.embed(2011, prior=told.folder / "prior" / "2011.json")


def test_a_store_of_something_else_is_no_prior_flux(told):
    manifest = told.write_prior(2011, np.zeros((10, 365), "f4"), name="wind", folder="other")
    with pytest.raises(StoreError, match=r"2011\.json: no prior_flux; it has \['wind'\]"):
        told.embed(2011, prior=manifest)


def test_a_cell_and_a_place_of_one_prior_flux_have_one_flux(told):
    manifest = told.folder / "prior" / "2011.json"
    told.embed(2011, prior=manifest)
    flux = open_store(told.predict(2011, mode="prior", prior=manifest))["flux"]
    member = load_member(told.checkpoints[1], mode="prior")
    drivers = open_store(told.folder / "drivers" / "2011.json")
    weather = torch.tensor(np.stack([drivers[n].values for n in member.driver_names], -1))
    cells = open_store(told.cells)
    known = [cells["attribute"].values.tolist().index(n) for n in member.attribute_names]
    prior = torch.tensor(open_store(manifest)["prior_flux"].values)
    daily = member.predict_pooled(
        weather,
        torch.tensor(cells["attributes"].values[:, known]),
        member.pool_year(weather, prior)[:, None],
        torch.ones(10, 1, dtype=torch.bool),
        told=prior,
    )
    january = daily[:, :31].mean(dim=1)
    np.testing.assert_allclose(flux[1, 0], january, rtol=2e-3)
