"""The tiny synthetic world through every stage, and what a change makes run again."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml

from chamnet.data.store import open_store

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")

    def snakemake(*options):
        command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--cores", "4"]
        command += ["--directory", str(folder), "--configfile", str(ROOT / "config/test.yaml")]
        targets = ["--", "exports"] if "exports" in options else ["--", "global_budget"]
        command += [*(option for option in options if option != "exports"), *targets]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    snakemake.folder = folder / "results/test"
    done = snakemake()
    assert done.returncode == 0, done.stdout + done.stderr
    return snakemake


def planned(run, *options):
    """Jobs of a dry run, by rule."""
    done = run("--dry-run", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"(?m)^(\w+)\s+(\d+)$", done.stdout + done.stderr)
    return {rule: int(n) for rule, n in rows if rule not in ("total", "global_budget")}


def test_a_second_call_has_nothing_to_do(run):
    assert planned(run) == {}


def test_the_budget_holds_both_targets_all_extents_and_references(run):
    with (run.folder / "global_budget.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["target"] for row in rows} == {"emission", "consumption"}
    assert {row["extent"] for row in rows} >= {"all", "monthly", "static"}
    assert all(float(r["q05_tg"]) <= float(r["q95_tg"]) for r in rows)


def test_the_maps_open_in_xarray(run):
    maps = xr.open_zarr(run.folder / "maps.zarr", decode_coords="all")
    assert maps["ch4_emission"].attrs["units"] == "kg m-2 s-1"
    assert float(maps["ch4_emission"].max()) > 0


def test_the_closure_is_printed_with_its_truth(run):
    closure = json.loads((run.folder / "checks/closure.json").read_text())
    assert {row["region"] for row in closure["rows"]} >= {"globe"}


@pytest.mark.parametrize(
    ("option", "expected", "untouched"),
    [
        ("budget={n_draws: 700}", "summarize_budgets", "integrate_year"),
        ("predict={precision: bfloat16}", "predict_year", "train_member"),
        ("train={clip: 0.5}", "train_member", "convert_drivers"),
    ],
)
def test_a_changed_option_reruns_what_depends_on_it(run, option, expected, untouched):
    jobs = planned(run, "--config", option)
    assert expected in jobs
    assert untouched not in jobs


def test_a_year_more_costs_one_embedding_and_one_prediction_a_target(run):
    jobs = planned(run, "--config", "predict={last_year: 2013}")
    assert (jobs["embed_year"], jobs["predict_year"], jobs["integrate_year"]) == (2, 2, 2)
    assert not {"convert_drivers", "train_member", "calibrate"} & set(jobs)


def test_a_changed_tower_file_reruns_the_towers_and_not_the_chambers(run):
    tower = next((run.folder / "input/towers").glob("*.csv"))
    before = tower.stat()
    tower.touch()
    jobs = planned(run)
    os.utime(tower, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "read_emission" in jobs
    assert "read_consumption" not in jobs
    assert "make_demo_world" not in jobs


def run_example(index, **folders):
    """The variables that an example of the README leaves, on other folders than the demo's."""
    example = re.findall(r"(?s)```python\n(.*?)```", (ROOT / "README.md").read_text())[index]
    for name, folder in folders.items():
        example = example.replace(f"results/{name}", str(folder))
    variables = {}
    exec(example, variables)
    return variables


def test_the_maps_of_the_readme_can_be_drawn(run, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    assert float(run_example(0, demo=run.folder)["tg"].sum()) > 0


def test_exports_and_snakemakes_own_report_can_be_asked_for(run):
    done = run("exports")
    folder = run.folder / "exports"
    assert (folder / "stac_item.json").exists(), done.stdout + done.stderr
    page = run.folder / "snakemake_report.html"
    done = run("--report", str(page))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Hovmoller" in page.read_text() or "hovmoller" in page.read_text()


def test_every_block_of_the_tutorial_runs_in_its_order(run, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(run.folder.parents[1])
    text = (ROOT / "docs/tutorial.md").read_text().replace("config/test", f"{ROOT}/config/test")
    blocks = re.findall(r"(?s)```(bash|python)\n(.*?)```", text)
    variables = {}
    for language, block in blocks:
        if language == "python":
            exec(block, variables)
            continue
        command = block.replace("snakemake ", f"snakemake -s {ROOT}/Snakefile ", 1)
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    made = ("july.png", "flux.csv", "flux.png", "preview.html")
    assert [name for name in made if not (run.folder / name).exists()] == []


def test_the_functions_of_the_readme_do_what_the_rules_do(run, tmp_path):
    run_example(1, demo=run.folder, mine=tmp_path)
    with (tmp_path / "2012.csv").open() as file:
        months = [row for row in csv.DictReader(file) if row["region"] == "globe"]
    assert sum(float(row["mass_tg"]) for row in months if row["extent"] == "static") > 0


def test_a_folder_of_towers_is_a_path_in_a_users_configuration(run, tmp_path):
    towers = run.folder / "input/towers"
    mine = {
        "run": {"name": "mine", "targets": ["emission"], "synthetic": True},
        "demo": None,
        "drivers": {"paths": []},
        "attributes": {"land_cover": None, "sources": []},
        "wetlands": {"sources": []},
        "towers": {"folder": str(towers), "sites": str(towers.parent / "towers_sites.csv")},
        "skill": {"protocols": ["spatial"], "contexts": ["zero_shot"], "n_folds": 2},
        "simulate": {"n_places": 12},
        "pretrain": {"n_steps": 4, "batch_places": 8},
    }
    mine["towers"]["drivers"] = "tower"
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--cores", "2"]
    command += ["--directory", str(tmp_path), "--configfile", str(ROOT / "config/test.yaml")]
    command += [str(tmp_path / "mine.yaml"), "--", "skill"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    skill = (tmp_path / "results/mine/skill.csv").read_text()
    assert all(f"emission,{model},spatial" in skill for model in ("chamnet", "lstm"))
    assert len(list(tmp_path.glob("results/mine/models/emission/*/checkpoint.pt"))) == 2
    assert len(list(tmp_path.glob("results/mine/predictions/fits/pretrained_*.pt"))) == 2


def test_a_run_whose_cells_read_a_process_models_flux(tmp_path):
    mine = {
        "run": {"name": "test", "targets": ["emission"]},
        "predict": {"mode": "prior"},
        "pretrain": {"n_steps": 4, "batch_places": 8},
        "simulate": {"n_places": 12},
        "skill": {
            "protocols": ["spatial"],
            "contexts": ["zero_shot", "prior"],
            "models": ["chamnet", "process_model"],
            "n_folds": 2,
        },
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--cores", "4"]
    command += ["--directory", str(tmp_path), "--configfile", str(ROOT / "config/test.yaml")]
    command += [str(tmp_path / "mine.yaml"), "--", "global_budget", "skill"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "results/test"
    with (folder / "skill.csv").open() as file:
        rows = {(row["model"], row["context"]) for row in csv.DictReader(file)}
    assert rows >= {("chamnet", "zero_shot"), ("chamnet", "prior"), ("process_model", "prior")}
    assert json.loads((folder / "models/emission/calibration.json").read_text())["mode"] == "prior"
    prior = open_store(folder / "prior/emission/2012.json")["prior_flux"].mean("time")
    flux = open_store(folder / "fluxes/emission/2012.json")["flux"].mean(("time", "member"))
    assert np.corrcoef(np.log(flux + 1e-12), np.log(prior + 1e-12))[0, 1] > 0.3
    assert "a process model" in (folder / "report.html").read_text()
