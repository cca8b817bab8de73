"""Scores of trained members on tower files that they never saw."""

import numpy as np
import pandas as pd
import pytest
from factories_data import DRIVER_NAMES, make_tower_table, write_towers
from factories_evaluation import make_place_data

from chamnet.data.normalization import Normalization
from chamnet.data.observations import read_emission
from chamnet.data.windows import open_place_data
from chamnet.errors import CheckpointError, InputError
from chamnet.evaluation.score import _with_attributes, score_checkpoints
from chamnet.evaluation.skill import COLUMNS
from chamnet.model.checkpoint import load_member, save_member
from chamnet.training.member import fit_member

MODEL = {"n_hidden": 6, "n_hidden_encoder": 4, "n_embedding": 4, "n_season": 2}
TRAIN = {"n_steps": 6, "steps_per_epoch": 2, "batch_places": 2, "n_context_years": 2}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("towers")
    tables = {f"FI-Aa{i}": make_tower_table(n_days=731, seed=i) for i in range(2)}
    options = write_towers(folder, tables)
    manifest = read_emission(
        store=str(folder / "emission.zarr"),
        dropped=str(folder / "dropped.csv"),
        digest="d",
        towers=options,
        driver_names=DRIVER_NAMES,
        years=range(2015, 2017),
    )
    data = open_place_data(manifest)
    paths = []
    for seed in range(2):
        member = fit_member(data, Normalization.fit(data), seed=seed, model=MODEL, train=TRAIN)
        paths.append(folder / f"{seed}.pt")
        save_member(member, paths[-1])
    return {"checkpoints": paths, "towers": options["folder"], "sites": options["sites"]}


@pytest.mark.parametrize("mode", ["few_shot", "zero_shot"])
def test_every_measured_day_is_scored_in_the_columns_of_skill(trained, tmp_path, mode):
    out = tmp_path / "scores.csv"
    score_checkpoints(**trained, mode=mode, out=out)
    table = pd.read_csv(out)
    assert tuple(table.columns) == COLUMNS
    assert set(table["context"]) == {mode}
    row = table[(table["level"] == "pooled_daily") & (table["metric"] == "rmse")].iloc[0]
    assert row["n_places"] == 2
    assert 900 < row["n_observations"] < 1100
    assert row["value"] > 0


def test_members_are_averaged(trained, tmp_path):
    tables = [
        score_checkpoints(
            **(trained | {"checkpoints": chosen}), mode="zero_shot", out=tmp_path / "s"
        )
        for chosen in (
            trained["checkpoints"][:1],
            trained["checkpoints"][1:],
            trained["checkpoints"],
        )
    ]
    bias = [
        t[(t["level"] == "pooled_daily") & (t["metric"] == "bias")]["value"].iloc[0] for t in tables
    ]
    assert bias[2] == pytest.approx((bias[0] + bias[1]) / 2, rel=1e-5)


def test_a_mode_that_towers_cannot_have_is_refused(trained, tmp_path):
    with pytest.raises(CheckpointError, match="mode 'frozen', expected one of"):
        score_checkpoints(**trained, mode="frozen", out=tmp_path / "scores.csv")


def write_other_target(trained, folder):
    member = load_member(trained["checkpoints"][0])
    member.target = "consumption"
    save_member(member, folder / "other.pt")
    return folder / "other.pt"


def test_members_of_consumption_are_refused(trained, tmp_path):
    other = write_other_target(trained, tmp_path)
    with pytest.raises(
        CheckpointError, match="trained on consumption, but towers observe emission"
    ):
        score_checkpoints(
            **(trained | {"checkpoints": [other]}), mode="zero_shot", out=tmp_path / "s"
        )
    both = [trained["checkpoints"][0], other]
    with pytest.raises(CheckpointError, match=r"trained on consumption, but .*0\.pt on emission"):
        score_checkpoints(**(trained | {"checkpoints": both}), mode="zero_shot", out=tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_a_tower_outside_the_site_table_is_named(trained, tmp_path):
    sites = tmp_path / "sites.csv"
    pd.read_csv(trained["sites"]).iloc[:1].to_csv(sites, index=False)
    with pytest.raises(InputError, match="'FI-Aa1' is not in the site table"):
        score_checkpoints(**(trained | {"sites": sites}), mode="zero_shot", out=tmp_path / "s")


def test_attributes_that_towers_do_not_tell_are_unknown(caplog):
    data, _ = make_place_data(n_places=2)
    with caplog.at_level("INFO"):
        unknown = _with_attributes(data, ("clay", "ph"))
    assert unknown.attribute_names == ("clay", "ph")
    assert np.isnan(unknown.attributes).all()
    assert "2 of the checkpoints are taken as unknown: ['clay', 'ph']" in caplog.text
