"""The workflow as a whole: its rules, its options, and what it says when one is wrong."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RULES = sorted((ROOT / "workflow/rules").glob("*.smk"))
DIRECTIVES = ("output", "log", "benchmark", "conda", "resources", "params", "message", "script")


def run_snakemake(*arguments):
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def rules_of(path):
    blocks = re.split(r"(?m)^\s*rule (\w+):", path.read_text())[1:]
    return dict(zip(blocks[::2], blocks[1::2], strict=True))


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_every_rule_has_all_directives_and_a_script_of_its_name(path):
    for name, body in rules_of(path).items():
        missing = [d for d in DIRECTIVES if not re.search(rf"(?m)^\s+{d}:", body)]
        assert missing == [], f"{name} lacks {missing}"
        assert f'"../scripts/{name}.py"' in body
        assert (ROOT / "workflow/scripts" / f"{name}.py").exists()


def test_no_rule_retries_inside_its_own_allocation_or_outputs_a_folder():
    for path in RULES:
        text = path.read_text()
        assert "retries:" not in text
        assert "directory(" not in text


@pytest.mark.slow
def test_the_real_towers_need_no_map():
    folder = ROOT / "../shared/data/towers"
    if not folder.exists():
        pytest.skip("the real towers are not here")
    done = run_snakemake(
        "--dry-run", "--forceall", "--configfile", "config/fluxnet_ch4.yaml", "--", "skill"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "convert_drivers" not in done.stdout
    assert "pretrain" not in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("pretrained", "is_simulated"), [("true", True), ("false", False)])
def test_the_cross_validation_simulates_places_where_it_begins_pretrained(pretrained, is_simulated):
    done = run_snakemake(
        *("--dry-run", "--forceall", "--config", f"skill={{pretrained: {pretrained}}}"),
        *("--", "results/demo/skill.csv"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("simulate_places" in done.stdout + done.stderr) == is_simulated


@pytest.mark.slow
def test_the_real_global_run_plans_every_stage_from_its_stand_ins():
    if not (ROOT / "../shared/data/grids/biome4_climatology.nc").exists():
        pytest.skip("the real data are not here")
    done = run_snakemake(
        *("--dry-run", "--forceall", "--configfile", "config/real_normals.yaml"),
        *("--", "global_budget"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for stage in ("make_proxies", "convert_drivers", "predict_year", "write_report"):
        assert stage in done.stdout + done.stderr
    for stage in ("make_demo_world", "pretrain"):
        assert stage not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_wrong_option_stops_before_any_job():
    done = run_snakemake("--dry-run", "global_budget", "--config", "towers={folder: no/such}")
    assert done.returncode != 0
    assert "no/such: no such file or folder" in " ".join((done.stdout + done.stderr).split())


@pytest.mark.slow
def test_a_member_that_is_left_out_calibrates_nothing():
    dropped = "budget={dropped_members: [{target: emission, member: '01', reason: bad}]}"
    done = run_snakemake("--dag", "--forceall", "--config", dropped, "--", "global_budget")
    assert done.returncode == 0, done.stderr
    label_of = dict(re.findall(r'(\d+)\[label = "([^"]+)"', done.stdout))
    read = {job: set() for job, label in label_of.items() if label == "calibrate"}
    for before, after in re.findall(r"(\d+) -> (\d+)", done.stdout):
        if after in read and "member" in label_of[before]:
            read[after].add(label_of[before][-2:])
    assert sorted(map(sorted, read.values())) == [["00", "01", "02"], ["00", "02"]]


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "is_read"), [("prior", True), ("zero_shot", False)])
def test_a_process_models_flux_is_made_where_the_mode_of_cells_reads_it(mode, is_read):
    done = run_snakemake(
        *("--dry-run", "--forceall", "--config", f"predict={{mode: {mode}}}"),
        *("--", "global_budget"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for rule in ("simulate_prior_of_places", "simulate_prior_of_cells"):
        assert (rule in done.stdout + done.stderr) == is_read
