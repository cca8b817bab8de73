"""Cross-validation: nothing held out is seen, fits are kept, and every part is written."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from factories_evaluation import make_place_data, with_prior, write_place_data, write_prior

from chamnet.config import ModelConfig, TrainConfig
from chamnet.errors import ConfigError
from chamnet.evaluation import crossvalidation, fits, fitting
from chamnet.evaluation.crossvalidation import cross_validate
from chamnet.evaluation.fits import MODELS, Fit
from chamnet.evaluation.fitting import predict_held_out, split_of_member
from chamnet.evaluation.learned import Settings
from chamnet.evaluation.protocols import training_part
from chamnet.evaluation.skill import COLUMNS

MODEL = ModelConfig(n_hidden=6, n_hidden_encoder=4, n_embedding=4, n_season=2).model_dump()
TRAIN = TrainConfig(n_steps=6, steps_per_epoch=2, batch_places=4, n_context_years=2).model_dump()
CONTEXTS = ("frozen", "rolling", "few_shot", "zero_shot")
QUICK = ("climatology", "last_year", "class_month")


def make_fit(data, *, protocol="temporal", model="chamnet", fold=0, contexts=CONTEXTS, n_members=1):
    return Fit(
        observations="unused.json",
        target=data.target,
        protocol=protocol,
        model=model,
        fold=fold,
        n_folds=3,
        seed=0,
        contexts=contexts,
        options={"model": MODEL, "train": TRAIN, "n_members": n_members},
    )


def run(manifest, folder, **changes):
    arguments = {
        "observations": {"emission": manifest},
        "out": folder / "skill.csv",
        "predictions_folder": folder / "predictions",
        "figures_folder": None,
        "protocols": ("temporal", "spatial"),
        "models": QUICK,
        "contexts": ("rolling", "few_shot", "zero_shot"),
        "n_folds": 3,
        "n_seeds": 1,
        "model": MODEL,
        "train": TRAIN,
        "seed": 0,
    }
    return cross_validate(**(arguments | changes))


def change_held_out(data, is_held_out):
    flux = np.where(is_held_out, -77.0 * data.windows["flux"], data.windows["flux"])
    return dataclasses.replace(data, windows=data.windows.assign(flux=flux))


@pytest.mark.parametrize("model", sorted(set(MODELS) - {"forest", "process_model"}))
def test_no_model_sees_the_last_test_years(model):
    data, _ = make_place_data(years=(2011, 2012, 2013))
    fit = make_fit(data, model=model)
    is_last = (data.windows["year"] == 2013).to_numpy()
    one, scored = predict_held_out(fit, data)
    two, _ = predict_held_out(fit, change_held_out(data, is_last))
    assert (scored.windows["year"] == 2013).all()
    for context, flux in one.items():
        np.testing.assert_array_equal(flux, two[context])


def test_with_class_the_network_reads_the_class_of_a_place_and_else_it_does_not():
    data, _ = make_place_data()
    other = dataclasses.replace(data, place_class=np.roll(data.place_class, 1))
    for model, is_equal in (("chamnet", True), ("chamnet+class", False)):
        fluxes = [
            next(iter(predict_held_out(make_fit(d, model=model), d)[0].values()))
            for d in (data, other)
        ]
        assert np.array_equal(*fluxes, equal_nan=True) == is_equal


@pytest.mark.parametrize("model", ["chamnet", "lstm", "climatology", "class_month"])
def test_without_context_no_model_sees_the_held_out_places(model):
    data, _ = make_place_data()
    fit = make_fit(data, model=model, protocol="spatial", contexts=("zero_shot",))
    test = split_of_member(fit, data, member=0).test
    one, _ = predict_held_out(fit, data)
    two, _ = predict_held_out(fit, change_held_out(data, test))
    for context, flux in one.items():
        np.testing.assert_array_equal(flux, two[context])


@pytest.mark.parametrize(("protocol", "judged"), [("temporal", "rolling"), ("spatial", "few_shot")])
def test_the_doubt_is_fitted_once_for_all_modes_that_read_a_past(monkeypatch, protocol, judged):
    data, _ = make_place_data()
    asked = []
    monkeypatch.setattr(
        fitting, "fit_doubt_factor", lambda *_, mode, **__: asked.append(mode) or 1e9
    )
    doubted, _ = predict_held_out(make_fit(data, protocol=protocol), data)
    monkeypatch.setattr(fitting, "fit_doubt_factor", lambda *_, **__: 1.0)
    plain, _ = predict_held_out(make_fit(data, protocol=protocol), data)
    assert asked == [judged]
    for (_, mode), flux in doubted.items():
        same = np.array_equal(flux, plain["chamnet", mode], equal_nan=True)
        assert same == (mode == "zero_shot")


def test_few_shot_sees_earlier_years_of_a_held_out_place_and_no_later_ones():
    data, _ = make_place_data()
    fit = make_fit(data, protocol="spatial", contexts=("few_shot",))
    test = split_of_member(fit, data, member=0).test
    held_out = np.unique(data.windows["place"][test])
    fluxes = [
        predict_held_out(fit, change_held_out(data, test & is_changed))[0]["chamnet", "few_shot"][
            held_out
        ]
        for is_changed in (
            np.zeros(len(test), bool),
            (data.windows["year"] == 2013).to_numpy(),
            (data.windows["year"] == 2011).to_numpy(),
        )
    ]
    np.testing.assert_array_equal(fluxes[0], fluxes[1])
    assert np.nanmax(np.abs(fluxes[0][:, 1] - fluxes[2][:, 1])) > 0
    np.testing.assert_array_equal(fluxes[0][:, 0], fluxes[2][:, 0])


def test_few_shot_and_zero_shot_are_scored_on_the_same_windows():
    data, _ = make_place_data()
    fit = make_fit(data, protocol="spatial")
    fluxes, scored = predict_held_out(fit, data)
    assert set(fluxes) == {("chamnet", "few_shot"), ("chamnet", "zero_shot")}
    assert (scored.windows["year"] > 2011).all()


def test_x_methanewet_defect_scored_on_filled_labels_they_never_are():
    data, _ = make_place_data()
    is_filled = np.arange(len(data.windows)) % 2 == 0
    mixed = dataclasses.replace(data, windows=data.windows.assign(quality=is_filled * 3))
    _, scored = predict_held_out(make_fit(mixed, model="class_month"), mixed)
    assert (scored.windows["quality"] == 0).all()
    assert len(scored.windows) > 0


def test_a_training_part_knows_no_later_driver_and_no_held_out_place():
    data, _ = make_place_data()
    temporal = split_of_member(make_fit(data), data, member=0)
    part, validation = training_part(data, temporal)
    assert np.isnan(part.drivers[:, 2]).all()
    assert np.isfinite(part.drivers[:, 1, :365]).all()
    assert validation.sum() == temporal.validation.sum()
    spatial = split_of_member(make_fit(data, protocol="spatial"), data, member=0)
    part, _ = training_part(data, spatial)
    tested = data.place[np.unique(data.windows["place"][spatial.test])]
    assert not set(part.place) & set(tested)


def test_members_differ_in_validation_and_never_in_test():
    data, _ = make_place_data(years=(2011, 2012, 2013, 2014, 2015))
    splits = [split_of_member(make_fit(data), data, member=i) for i in range(2)]
    np.testing.assert_array_equal(splits[0].test, splits[1].test)
    assert (splits[0].validation != splits[1].validation).any()


def test_a_run_writes_its_table_predictions_and_figures(tmp_path):
    data, _ = make_place_data(n_places=3)
    table = run(
        write_place_data(data, tmp_path),
        tmp_path,
        models=("chamnet", "climatology"),
        figures_folder=tmp_path / "figures",
    )
    written = pd.read_csv(tmp_path / "skill.csv")
    assert tuple(written.columns) == COLUMNS
    assert len(written) == len(table)
    assert set(zip(table["protocol"], table["model"], table["context"], strict=True)) == {
        ("temporal", "chamnet", "rolling"),
        ("temporal", "climatology", "frozen"),
        ("temporal", "climatology", "rolling"),
        ("spatial", "chamnet", "few_shot"),
        ("spatial", "chamnet", "zero_shot"),
        ("spatial", "climatology", "few_shot"),
        ("spatial", "climatology", "none"),
    }
    predictions = pd.read_parquet(tmp_path / "predictions" / "spatial_chamnet.parquet")
    assert predictions["predicted"].notna().all()
    figures = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {
        "emission_temporal_P00.png",
        "emission_spatial_P02.png",
        "emission_spatial.png",
    } <= figures


def test_a_run_goes_on_with_the_fits_it_lacks(tmp_path, monkeypatch):
    manifest = write_place_data(make_place_data()[0], tmp_path)
    whole = run(manifest, tmp_path, protocols=("temporal",))
    kept = sorted((tmp_path / "predictions" / "fits").glob("*.parquet"))
    assert len(kept) == 3
    kept[1].unlink()
    done = []
    original = crossvalidation.run_fit

    def counted(fit, folder, threads):
        done.append((folder / f"{fit.digest}.parquet").exists())
        return original(fit, folder, threads)

    monkeypatch.setattr(crossvalidation, "run_fit", counted)
    again = run(manifest, tmp_path, protocols=("temporal",))
    assert sorted(done) == [False, True, True]
    pd.testing.assert_frame_equal(whole, again)


def test_another_option_is_another_fit(tmp_path):
    fit = dataclasses.replace(
        make_fit(make_place_data(n_places=2)[0]), observations=tmp_path / "o.json"
    )
    (tmp_path / "o.json").write_text('{"content": "a"}')
    other = dataclasses.replace(fit, options=fit.options | {"n_members": 2})
    digest = fit.digest
    assert other.digest != digest
    (tmp_path / "o.json").write_text('{"content": "b"}')
    assert fit.digest != digest


def test_options_of_networks_leave_other_models_alone(tmp_path):
    (tmp_path / "o.json").write_text('{"content": "a"}')
    fit = make_fit(make_place_data(n_places=2)[0], model="forest")
    fit = dataclasses.replace(fit, observations=tmp_path / "o.json")
    other = dataclasses.replace(fit, options=fit.options | {"train": {"n_steps": 9}})
    assert fit.digest == other.digest


@pytest.mark.parametrize("model", ["chamnet", "lstm", "forest", "climatology"])
def test_code_that_makes_what_is_kept_is_part_of_every_fit(tmp_path, monkeypatch, model):
    (tmp_path / "o.json").write_text('{"content": "a"}')
    fit = make_fit(make_place_data(n_places=2)[0], model=model)
    fit = dataclasses.replace(fit, observations=tmp_path / "o.json")
    digest = fit.digest
    code = fits.digest_of_code
    monkeypatch.setattr(
        fits,
        "digest_of_code",
        lambda *names: code(*names) + str("chamnet.evaluation.predictions" in names),
    )
    assert fit.digest != digest


@pytest.mark.parametrize("file", fits.FILES_OF_EVERY_FIT, ids=lambda file: file.name)
def test_other_code_of_fits_is_another_fit(tmp_path, monkeypatch, file):
    (tmp_path / "o.json").write_text('{"content": "a"}')
    fit = make_fit(make_place_data(n_places=2)[0], model="climatology")
    fit = dataclasses.replace(fit, observations=tmp_path / "o.json")
    (tmp_path / file.name).write_text(file.read_text() + "CHANGED = True\n")
    others = [other for other in fits.FILES_OF_EVERY_FIT if other != file]
    monkeypatch.setattr(fits, "FILES_OF_EVERY_FIT", [*others, file])
    digest = fit.digest
    monkeypatch.setattr(fits, "FILES_OF_EVERY_FIT", [*others, tmp_path / file.name])
    assert fit.digest != digest


def test_other_settings_of_a_baseline_that_learns_are_another_fit(tmp_path, monkeypatch):
    (tmp_path / "o.json").write_text('{"content": "a"}')
    fit = make_fit(make_place_data(n_places=2)[0], model="lstm")
    fit = dataclasses.replace(fit, observations=tmp_path / "o.json")
    digest = fit.digest
    monkeypatch.setattr(fits, "read_settings", lambda _: Settings(n_hidden=7))
    assert fit.digest != digest


def test_months_of_an_unknown_year_are_scored_by_clusters_alone(tmp_path):
    data, _ = make_place_data(
        windows="monthly", share_measured=0.8, n_places=9, target="consumption"
    )
    manifest = write_place_data(data, tmp_path)
    arguments = {"observations": {"consumption": manifest}, "protocols": ("spatial",)}
    table = run(
        manifest, tmp_path, models=("chamnet", "class_month"), contexts=("zero_shot",), **arguments
    )
    row = table[(table["level"] == "pooled_monthly") & (table["metric"] == "r2")]
    assert (row["n_observations"] == len(data.windows)).all()
    assert set(row["context"]) == {"zero_shot", "none"}
    with pytest.raises(ConfigError, match="needs a place with two measured years"):
        run(manifest, tmp_path, **(arguments | {"protocols": ("temporal",)}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": ("mamba",)}, r"skill.models \['mamba'\], expected some of"),
        ({"protocols": ("random",)}, "skill.protocols 'random', expected"),
        ({"contexts": ("prior",)}, "'prior', but ['emission'] come without a prior flux"),
        ({"models": ("process_model",)}, "'process_model', whose context 'prior' is not in"),
        ({"contexts": ("few_shot",)}, "has none of ['frozen', 'rolling'], which the temporal"),
    ],
)
def test_options_that_cannot_be_are_refused_before_a_fit(tmp_path, changes, message):
    manifest = write_place_data(make_place_data(n_places=3)[0], tmp_path)
    expected = message if message.startswith("skill.m") else re.escape(message)
    with pytest.raises(ConfigError, match=expected):
        run(manifest, tmp_path, **changes)
    assert not (tmp_path / "predictions").exists()


def test_names_of_sites_do_not_leave_the_figures_folder(tmp_path):
    data, _ = make_place_data(n_places=3)
    names = np.array(["../../P0", "P/1", "P02"])
    manifest = write_place_data(dataclasses.replace(data, place=names), tmp_path)
    run(
        manifest,
        tmp_path,
        models=("class_month",),
        protocols=("temporal",),
        figures_folder=tmp_path / "figures",
    )
    figures = {path.name for path in (tmp_path / "figures").iterdir()}
    assert "emission_temporal_______P0.png" in figures
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.slow
def test_fits_side_by_side_give_the_same_table(tmp_path):
    manifest = write_place_data(make_place_data()[0], tmp_path)
    tables = [
        run(manifest, tmp_path / str(n), models=("chamnet", "climatology"), n_processes=n)
        for n in (1, 2)
    ]
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.slow
def test_variants_and_a_swapped_history_are_rows_of_their_own(tmp_path):
    manifest = write_place_data(make_place_data()[0], tmp_path)
    table = run(
        manifest, tmp_path, models=("chamnet",), protocols=("temporal",), contexts=("rolling",),
        variants={
            "no_contrastive": {"contrastive_weight": 0.0}, "flat": {"year_level": False},
            "no_history": {"response": False},
        },
        swap_history=True, figures_folder=tmp_path / "figures",
    )  # fmt: skip
    names = ("no_contrastive", "flat", "no_history", "swapped_history")
    variants = {f"chamnet:{name}" for name in names}
    assert set(table["model"]) == {"chamnet", *variants}
    rows = table[table["metric"] == "r2_difference"]
    assert variants <= set(rows.loc[rows["compared_with"] == "chamnet", "model"])
    skill = table[(table["level"] == "pooled_daily") & (table["metric"] == "r2")]
    assert skill["value"].nunique() == 5
    assert set(skill.loc[skill["model"] == "chamnet:no_history", "context"]) == {"none"}
    assert (tmp_path / "figures" / "emission_ablations.png").exists()


def test_variants_may_repeat_less_often_than_what_they_are_compared_with(tmp_path):
    manifest = write_place_data(make_place_data()[0], tmp_path)
    table = run(
        manifest, tmp_path, models=("chamnet",), protocols=("temporal",), contexts=("rolling",),
        variants={"flat": {"year_level": False}}, n_seeds=2, n_variant_seeds=1,
    )  # fmt: skip
    own = table[table["compared_with"] == ""]
    assert set(own.loc[own["model"] == "chamnet", "n_seeds"]) == {2}
    assert set(own.loc[own["model"] == "chamnet:flat", "n_seeds"]) == {1}
    assert set(table.loc[table["metric"] == "r2_difference", "n_seeds"]) == {1}


def test_places_of_one_year_each_have_nothing_to_score_at_unseen_places(tmp_path):
    data, _ = make_place_data(n_places=4, years=(2011, 2012))
    manifest = write_place_data(
        data.with_windows((data.windows["year"] == 2011).to_numpy()), tmp_path
    )
    with pytest.raises(ConfigError, match="spatial one scores windows with an earlier measured"):
        run(manifest, tmp_path, protocols=("spatial",), models=("climatology",))


@pytest.mark.parametrize("model", ["climatology", "forest", "class_month", "chamnet"])
def test_a_fold_without_anything_to_score_is_passed_over(tmp_path, model):
    data, _ = make_place_data(n_places=4, years=(2011, 2012))
    has_two = data.windows["place"] < 2
    one_year = data.with_windows(((data.windows["year"] == 2011) | has_two).to_numpy())
    options = {"protocols": ("spatial",), "models": (model,), "n_folds": 4}
    manifest = write_place_data(one_year, tmp_path)
    table = run(manifest, tmp_path, figures_folder=tmp_path / "figures", **options)
    n_scored = (has_two & (data.windows["year"] == 2012)).sum()
    own = table[(table["level"] == "pooled_daily") & (table["metric"] == "r2")]
    assert set(own["n_observations"]) == {n_scored}
    assert set(own["n_places"]) == {2}


def test_models_that_no_context_scores_are_refused(tmp_path):
    manifest = write_place_data(make_place_data(n_places=3)[0], tmp_path)
    options = {"protocols": ("spatial",), "contexts": ("prior",), "models": ("climatology",)}
    with pytest.raises(ConfigError, match=r"\['climatology'\]: none is scored in skill.contexts"):
        run(manifest, tmp_path, prior_flux={"emission": manifest}, **options)


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        ({"none": {"contrastiv": 0}}, "skill.variants.none: unknown option 'contrastiv'"),
        ({"swapped_history": {}}, "skill.variants.swapped_history: the name is taken"),
        ({"wide": {"n_hidden": "wide"}}, "skill.variants.wide: option n_hidden: .*'wide'"),
        ({"fast": {"learning_rate": 3.0}}, r"skill.variants.fast: option learning_rate: .*3\.0"),
        ({"many": {"n_members": 5}}, "skill.variants.many: unknown option 'n_members'"),
    ],
)
def test_a_variant_that_cannot_be_is_refused(tmp_path, variants, message):
    manifest = write_place_data(make_place_data(n_places=3)[0], tmp_path)
    with pytest.raises(ConfigError, match=message):
        run(manifest, tmp_path, models=("chamnet",), variants=variants)


def test_simulated_protocols_hold_out_half_the_years_and_blocks(tmp_path):
    data, _ = make_place_data(n_places=6, years=(2011, 2012, 2013, 2014))
    manifest = write_place_data(data, tmp_path)
    table = run(manifest, tmp_path, protocols=("simulated_temporal", "simulated_spatial"))
    rows = table[(table["level"] == "pooled_daily") & (table["metric"] == "r2")]
    rows = rows[rows["model"] == "class_month"].set_index("protocol")["n_observations"]
    assert rows["simulated_temporal"] == (data.windows["year"] > 2012).sum()
    assert rows["simulated_spatial"] == (data.windows["year"] > 2011).sum()


def test_places_with_one_year_few_days_equal_values_or_no_drivers_have_their_rules(tmp_path):
    data, _ = make_place_data(n_places=8, share_measured=0.3)
    place, year = data.windows["place"], data.windows["year"]
    few = (place == 1) & (data.windows.groupby(["place", "year"]).cumcount() >= 3)
    data = data.with_windows(~(((place == 0) & (year > 2011)) | few).to_numpy())
    flux = data.windows["flux"].where(data.windows["place"] != 2, 1e-9)
    data = dataclasses.replace(data, windows=data.windows.assign(flux=flux))
    data.drivers[3, 1:] = np.nan
    table = run(
        write_place_data(data, tmp_path), tmp_path, models=("chamnet", "climatology"),
        contexts=("rolling", "few_shot", "zero_shot"),
    )  # fmt: skip
    rows = table[(table["level"] == "site_median") & (table["metric"] == "r2")]
    rows = rows.set_index(["protocol", "model", "context"])["n_places"]
    # one year and few days: too few; equal values: no NSE; no drivers: nothing is predicted
    assert rows["spatial", "chamnet", "zero_shot"] == 4
    assert rows["temporal", "chamnet", "rolling"] == 4
    assert rows["temporal", "climatology", "rolling"] >= 4


@pytest.mark.slow
def test_a_prior_flux_is_read_by_fits_of_their_own(tmp_path):
    data = with_prior(*make_place_data())
    manifest, prior_flux = write_place_data(data, tmp_path), write_prior(data, tmp_path)
    models = ("chamnet", "lstm", "lstm_history", "process_model", "climatology")
    table = run(
        manifest,
        tmp_path,
        models=models,
        contexts=("rolling", "zero_shot", "prior"),
        prior_flux={"emission": prior_flux},
    )
    found = {key for key, _ in table.groupby(["model", "protocol", "context"])}
    assert {(m, "spatial", "prior") for m in models[:-1]} <= found
    assert ("lstm", "spatial", "none") in found
    assert not {key for key in found if key[1:] == ("temporal", "prior")}
    kept = pd.read_parquet(tmp_path / "predictions" / "spatial_chamnet.parquet")
    by_context = {c: rows["predicted"].to_numpy() for c, rows in kept.groupby("context")}
    assert not np.allclose(by_context["prior"], by_context["zero_shot"], atol=0)


@pytest.mark.parametrize("model", ["chamnet", "lstm", "lstm_history", "process_model"])
def test_with_a_prior_flux_no_model_sees_the_held_out_places(model):
    data = with_prior(*make_place_data())
    if model in ("lstm", "lstm_history"):
        data = data.with_prior_as_driver()
    fit = make_fit(data, model=model, protocol="spatial", contexts=("prior",))
    fit = dataclasses.replace(fit, prior_flux="unused.json")
    test = split_of_member(fit, data, member=0).test
    one, scored = predict_held_out(fit, data)
    two, _ = predict_held_out(fit, change_held_out(data, test))
    assert list(one) == [(model, "prior")]
    assert len(scored.windows) > 0
    np.testing.assert_array_equal(one[model, "prior"], two[model, "prior"])
