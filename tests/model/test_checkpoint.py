import numpy as np
import pytest
import torch
from factories_model import make_member, make_place_data

from chamnet.errors import CheckpointError
from chamnet.model.checkpoint import load_member, save_member, write_tensors


def make_year(data, *, n_steps=365, year=0):
    drivers = torch.from_numpy(data.drivers[:, year, :n_steps])
    return drivers, torch.from_numpy(data.attributes)


def encode_and_predict(member, data):
    drivers, attributes = make_year(data)
    embedding, season = member.encode_year(drivers)
    there = torch.ones(len(drivers), 1, dtype=torch.bool)
    return member.predict(drivers, attributes, embedding[:, None], season[:, None], there)


@pytest.fixture
def data():
    return make_place_data(n_places=4, n_years=2)


def test_a_saved_member_predicts_the_same(tmp_path, data):
    member = make_member(data=data, mean_factors={"zero_shot": 1.3})
    member.doubt_factors["rolling"] = 2.5
    save_member(member, tmp_path / "checkpoint.pt")
    loaded = load_member(
        tmp_path / "checkpoint.pt",
        drivers=data.driver_names,
        attributes=data.attribute_names,
        mode="zero_shot",
        n_context_years=2,
    )
    torch.testing.assert_close(
        encode_and_predict(loaded, data), encode_and_predict(member, data), rtol=0, atol=0
    )
    assert loaded.mean_factor == 1.3
    assert loaded.doubt_factors == {"rolling": 2.5}
    assert loaded.target == "emission"


def test_one_member_is_saved_to_the_same_bytes_wherever(tmp_path, data):
    member = make_member(data=data)
    for name in ("a.pt", "elsewhere.pt"):
        save_member(member, tmp_path / name)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "elsewhere.pt").read_bytes()


def test_nothing_is_left_beside_a_saved_member(tmp_path, data):
    save_member(make_member(data=data), tmp_path / "checkpoint.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_checkpoint_is_refused(tmp_path, data, share):
    path = tmp_path / "checkpoint.pt"
    save_member(make_member(data=data), path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(CheckpointError, match=r"checkpoint.pt: cannot be read .* truncated"):
        load_member(path)


def test_a_checkpoint_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_member(tmp_path / "checkpoint.pt")


@pytest.mark.parametrize(
    ("content", "message"), [({"format": 99}, "format 99, expected"), ({}, "format None")]
)
def test_another_file_of_tensors_is_refused(tmp_path, content, message):
    write_tensors(content, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=message):
        load_member(tmp_path / "other.pt")


def test_a_file_that_holds_no_mapping_is_refused(tmp_path):
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(CheckpointError, match="holds a list"):
        load_member(tmp_path / "list.pt")


def test_a_checkpoint_of_other_options_is_refused(tmp_path, data):
    values = make_member(data=data).to_dict()
    values["model"]["n_hidden"] = 16
    write_tensors(values, tmp_path / "checkpoint.pt")
    with pytest.raises(CheckpointError, match="does not fit this version"):
        load_member(tmp_path / "checkpoint.pt")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"drivers": ["air_temperature"]},
            r"trained on the drivers .* found \['air_temperature'\]",
        ),
        ({"attributes": ["clay"]}, r"trained on the attributes .* found \['clay'\]"),
        ({"mode": "prior"}, "trained for the modes .* asked for 'prior'"),
        ({"n_context_years": 9}, "at most 2 earlier years, asked for 9"),
    ],
)
def test_a_checkpoint_refuses_what_it_was_not_trained_for(tmp_path, data, asked, message):
    save_member(make_member(data=data), tmp_path / "checkpoint.pt")
    with pytest.raises(CheckpointError, match=message):
        load_member(tmp_path / "checkpoint.pt", **asked)


def test_code_in_a_checkpoint_is_refused(tmp_path):
    torch.save({"format": 1, "weights": np.random.default_rng(0)}, tmp_path / "code.pt")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_member(tmp_path / "code.pt")


@pytest.mark.parametrize("n_steps", [360, 365, 366])
def test_a_member_reads_and_predicts_years_of_any_length(data, n_steps):
    member = make_member(data=data)
    drivers, attributes = torch.rand(4, n_steps, 3) + 280, torch.from_numpy(data.attributes)
    embedding, season = member.encode_year(drivers)
    assert embedding.shape == (4, member.n_embedding)
    assert season.shape == (4, 12, member.n_season)
    there = torch.ones(4, 1, dtype=torch.bool)
    flux = member.predict(drivers, attributes, embedding[:, None], season[:, None], there)
    assert flux.shape == (4, n_steps)
    assert (flux >= 0).all()


def test_embeddings_in_float16_predict_almost_the_same(data):
    member = make_member(data=data)
    drivers, attributes = make_year(data)
    embedding, season = member.encode_year(drivers)
    there = torch.ones(4, 1, dtype=torch.bool)
    one, other = (
        member.predict(drivers, attributes, e[:, None], s[:, None], there)
        for e, s in ((embedding, season), (embedding.half(), season.half()))
    )
    torch.testing.assert_close(one, other, rtol=5e-3, atol=1e-13)


@pytest.mark.parametrize("is_measured", [False, True])
def test_a_member_that_is_told_of_a_response_predicts_what_one_does_that_looks(data, is_measured):
    member = make_member(data=data)
    drivers, attributes = make_year(data)
    response = torch.full(drivers.shape[:2], 3e-9) if is_measured else None
    embedding, season = member.encode_year(drivers, response)
    context = embedding[:, None], season[:, None], torch.ones(4, 1, dtype=torch.bool)
    assert member.has_response(season) is is_measured
    found, told = (
        member.predict(drivers, attributes, *context, has_response=known)
        for known in (None, is_measured)
    )
    torch.testing.assert_close(found, told, rtol=0, atol=0)


def test_the_mean_factor_scales_the_flux(data):
    plain, restored = (
        encode_and_predict(make_member(data=data, mean_factors=factors), data)
        for factors in (None, {"zero_shot": 2.0})
    )
    torch.testing.assert_close(2 * plain, restored)


def test_absent_days_and_unknown_attributes_leave_the_flux_finite(data):
    member = make_member(data=data)
    drivers, attributes = make_year(data)
    drivers, attributes = drivers.clone(), attributes.clone()
    drivers[0, 100:150], attributes[1, 0] = torch.nan, torch.nan
    embedding, season = member.encode_year(drivers)
    there = torch.ones(4, 1, dtype=torch.bool)
    flux = member.predict(drivers, attributes, embedding[:, None], season[:, None], there)
    assert flux.isfinite().all()


def test_a_flat_network_does_not_embed_single_years(data):
    member = make_member(data=data, year_level=False)
    with pytest.raises(CheckpointError, match="year_level: false"):
        member.encode_year(make_year(data)[0])


def test_a_year_with_a_response_is_embedded_otherwise(data):
    member, (drivers, _) = make_member(data=data), make_year(data)
    response = torch.full(drivers.shape[:2], 1e-9)
    assert not torch.allclose(
        member.encode_year(drivers)[0], member.encode_year(drivers, response)[0]
    )
