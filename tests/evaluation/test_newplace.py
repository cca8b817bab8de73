"""A new place: daily fluxes with intervals, from a table of days, without training."""

import numpy as np
import pandas as pd
import pytest
from factories_evaluation import make_place_data

from chamnet.cli import main
from chamnet.data.normalization import Normalization
from chamnet.errors import CheckpointError, InputError, MissingDriverError
from chamnet.evaluation.newplace import predict_new_place
from chamnet.model.checkpoint import save_member
from chamnet.training.member import fit_member

MODEL = {"n_hidden": 6, "n_hidden_encoder": 4, "n_embedding": 4, "n_season": 2}
TRAIN = {"n_steps": 6, "steps_per_epoch": 3, "batch_places": 3, "n_context_years": 2}
WHERE = {"latitude": 61.8, "longitude": 24.2}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    data, _ = make_place_data(n_places=3)
    paths = []
    for seed in range(2):
        folder = tmp_path_factory.mktemp(f"member{seed}")
        member = fit_member(data, Normalization.fit(data), seed=seed, model=MODEL, train=TRAIN)
        save_member(member, folder / "checkpoint.pt")
        write_out_of_bag(folder / "out_of_bag.csv")
        paths.append(folder / "checkpoint.pt")
    return paths


def write_out_of_bag(path, modes=("few_shot", "zero_shot"), n_clusters=25):
    generator = np.random.default_rng(0)
    n = 20 * n_clusters
    predicted = generator.gamma(2.0, 1e-9, n)
    table = pd.DataFrame(
        {
            "cluster": np.repeat(np.arange(n_clusters), 20), "year": 2015, "month": -1,
            "first": np.tile(np.arange(20), n_clusters), "predicted": predicted,
            "observed": 2 * predicted * (1 + 0.2 * generator.normal(size=n)), "quality": 0,
        }
    )  # fmt: skip
    table["place"] = table["cluster"]
    pd.concat([table.assign(mode=mode) for mode in modes]).to_csv(path, index=False)


def write_place(path, *, n_days=731, measured=slice(100, 220), **columns):
    generator = np.random.default_rng(1)
    date = pd.date_range("2015-01-01", periods=n_days)
    season = -np.cos(2 * np.pi * date.day_of_year / 365)
    flux = np.full(n_days, -9999.0)
    flux[measured] = 40 + 20 * season[measured]
    table = pd.DataFrame(
        {
            "date": date.strftime("%Y-%m-%d"),
            "air_temperature": 283 + 10 * season + generator.normal(0, 2, n_days),
            "precipitation_flux": generator.gamma(0.5, 5e-5, n_days),
            "FCH4": flux,
        }
    )
    table.assign(**columns).to_csv(path, index=False)
    return path


def predict(checkpoints, folder, *, mode="few_shot", place=None, **options):
    place = place or write_place(folder / "place.csv")
    return predict_new_place(
        checkpoints=checkpoints, place=place, mode=mode, out=folder / "out.csv", **WHERE | options
    )


def test_every_day_has_a_flux_inside_its_intervals(checkpoints, tmp_path):
    table = predict(checkpoints, tmp_path, figure=tmp_path / "place.png")
    assert len(table) == 365 + 366
    assert (table["flux_nmol_m2_s"] > 0).all()
    assert (table["upper_90"] - table["lower_90"] > table["upper_50"] - table["lower_50"]).all()
    assert len(pd.read_csv(tmp_path / "out.csv")) == len(table)
    assert (tmp_path / "place.png").stat().st_size > 0


def test_only_earlier_years_are_a_context(checkpoints, tmp_path):
    table = predict(checkpoints, tmp_path)
    context = table.groupby(table["date"].str[:4])["context"].unique()
    assert [list(names) for names in context] == [["zero_shot"], ["few_shot"]]
    other = predict(
        checkpoints, tmp_path, place=write_place(tmp_path / "b.csv", measured=slice(500, 600))
    )
    zero = predict(checkpoints, tmp_path, mode="zero_shot")
    assert (other["context"] == "zero_shot").all()
    np.testing.assert_allclose(other["flux_nmol_m2_s"], zero["flux_nmol_m2_s"])
    is_later = table["date"] >= "2016"
    assert not np.allclose(table["flux_nmol_m2_s"][is_later], zero["flux_nmol_m2_s"][is_later])


def test_a_year_whose_drivers_are_mostly_missing_is_no_context(checkpoints, tmp_path):
    days = pd.read_csv(write_place(tmp_path / "place.csv", measured=slice(200, 300)))
    late = tmp_path / "late.csv"  # measured in a year whose first half is not there
    days[days["date"] >= "2015-07-10"].to_csv(late, index=False)
    table = predict(checkpoints, tmp_path, place=late)
    assert (table["context"] == "zero_shot").all()


def test_the_mean_is_that_of_the_clusters_left_out(checkpoints, tmp_path):
    twice = predict(checkpoints, tmp_path, mode="zero_shot")["flux_nmol_m2_s"]
    for path in checkpoints:
        table = pd.read_csv(path.with_name("out_of_bag.csv"))
        table["observed"] /= 2
        table.to_csv(path.with_name("out_of_bag.csv"), index=False)
    once = predict(checkpoints, tmp_path, mode="zero_shot")["flux_nmol_m2_s"]
    for path in checkpoints:
        write_out_of_bag(path.with_name("out_of_bag.csv"))
    np.testing.assert_allclose(twice / once, 2, rtol=0.1)


def test_columns_of_a_tower_are_read_as_those_of_cf(checkpoints, tmp_path):
    as_cf = pd.read_csv(write_place(tmp_path / "cf.csv"))
    as_tower = as_cf.rename(columns={"air_temperature": "TA_F", "precipitation_flux": "P_F"})
    as_tower["TA_F"] -= 273.15
    as_tower["P_F"] *= 86400
    as_tower["TIMESTAMP"] = as_tower.pop("date").str.replace("-", "")
    as_tower.to_csv(tmp_path / "tower.csv", index=False)
    one, two = (
        predict(checkpoints, tmp_path, place=tmp_path / f"{n}.csv") for n in ("cf", "tower")
    )
    np.testing.assert_allclose(one["flux_nmol_m2_s"], two["flux_nmol_m2_s"], rtol=1e-4)


def test_a_place_that_was_never_measured_is_predicted_too(checkpoints, tmp_path):
    place = write_place(tmp_path / "bare.csv")
    pd.read_csv(place).drop(columns="FCH4").to_csv(place, index=False)
    table = predict(checkpoints, tmp_path, place=place)
    assert (table["context"] == "zero_shot").all()
    assert table["measured_nmol_m2_s"].isna().all()


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        ({"air_temperature": -9999.0}, InputError, "TA_F is missing .* on all 731 days"),
        ({"air_temperature": 20.0}, InputError, "days are beyond: another unit"),
        ({"date": "yesterday"}, InputError, "TIMESTAMP 'yesterday', expected a day"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(checkpoints, tmp_path, columns, error, message):
    place = write_place(tmp_path / "bad.csv", **columns)
    with pytest.raises(error, match=message):
        predict(checkpoints, tmp_path, place=place)


def test_too_few_days_and_missing_drivers_are_refused(checkpoints, tmp_path):
    short = write_place(tmp_path / "short.csv", n_days=100, measured=slice(10, 30))
    with pytest.raises(InputError, match="no year has every driver on half of its days"):
        predict(checkpoints, tmp_path, place=short)
    pd.read_csv(short).drop(columns="air_temperature").to_csv(short, index=False)
    with pytest.raises(MissingDriverError, match="air_temperature"):
        predict(checkpoints, tmp_path, place=short)


def test_attributes_and_modes_that_the_checkpoint_does_not_know_are_refused(checkpoints, tmp_path):
    with pytest.raises(InputError, match=r"attributes \['peat'\], expected some of"):
        predict(checkpoints, tmp_path, attributes={"peat": 1.0})
    with pytest.raises(InputError, match="attribute 'level' is inf, expected a finite number"):
        predict(checkpoints, tmp_path, attributes={"level": np.inf})
    with pytest.raises(CheckpointError, match="mode 'frozen', expected one of"):
        predict(checkpoints, tmp_path, mode="frozen")


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"latitude": 91.0}, "latitude 91, expected -90 to 90 degrees"),
        ({"longitude": -181.0}, "longitude -181, expected -180 to 360 degrees"),
        ({"latitude": np.nan}, "latitude nan, expected -90 to 90 degrees"),
    ],
)
def test_a_coordinate_that_is_none_is_refused(checkpoints, tmp_path, where, message):
    with pytest.raises(InputError, match=message):
        predict(checkpoints, tmp_path, **where)


def test_no_number_depends_on_the_coordinates(checkpoints, tmp_path):
    here = predict(checkpoints, tmp_path)
    nowhere = predict(checkpoints, tmp_path, latitude=None, longitude=None)
    pd.testing.assert_frame_equal(here, nowhere)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(), "out_of_bag.csv: no such file; intervals need"),
        (lambda path: path.write_text("place\n1\n"), "no columns"),
        (lambda path: write_out_of_bag(path, modes=("zero_shot",)), "in mode 'few_shot'"),
    ],
)
def test_intervals_need_what_the_members_said_of_clusters_left_out(
    checkpoints, tmp_path, change, message
):
    change(checkpoints[0].with_name("out_of_bag.csv"))
    try:
        with pytest.raises(InputError, match=message):
            predict(checkpoints[:1], tmp_path)
    finally:
        write_out_of_bag(checkpoints[0].with_name("out_of_bag.csv"))


def test_the_command_predicts_and_refuses(checkpoints, tmp_path, capsys):
    place = write_place(tmp_path / "place.csv")
    arguments = ["predict", "--checkpoint", *map(str, checkpoints), "--place", str(place)]
    arguments += ["--latitude", "61.8", "--longitude", "24.2", "--mode", "few_shot"]
    arguments += ["--out", str(tmp_path / "out.csv"), "--attribute"]
    assert main([*arguments, "level=1.5"]) == 0
    assert len(pd.read_csv(tmp_path / "out.csv")) == 731
    assert main([*arguments, "level=high"]) == 1
    assert "--attribute 'level=high', expected NAME=VALUE" in capsys.readouterr().err
