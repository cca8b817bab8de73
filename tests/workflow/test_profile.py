"""The SLURM profile: what was found to work, kept so, and in step with the rules."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from chamnet.config import parse_config

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "workflow/profiles/slurm/config.yaml").read_text()
PROFILE = yaml.safe_load(TEXT)
RULES = {
    name
    for path in sorted((ROOT / "workflow/rules").glob("*.smk"))
    for name in re.findall(r"(?m)^\s*(?:use rule \w+ as |rule )(\w+)(?: with)?:", path.read_text())
}
NETWORK_STAGES = ("pretrain", "train_member", "embed_year", "predict_year", "predict_tile")
USES_NETWORK = {*NETWORK_STAGES, "cross_validate"}
SNAKEMAKE_ITSELF_MB = 1000  # a job's own Snakemake needs 250 to 360 MB of what is asked for


def memory_of_conversion(**drivers):
    """The function of the rules that the memory of convert_drivers comes from."""
    text = (ROOT / "workflow/rules/common.smk").read_text()
    values = {"run": {"name": "x"}, "drivers": {"names": ["air_temperature"]} | drivers}
    found = {"options": parse_config(values)}
    exec(re.search(r"(?ms)^def memory_of_conversion.*?(?=^def )", text)[0], found)
    return found["memory_of_conversion"]


def megabytes(rule, attempt):
    if rule == "convert_drivers":
        return memory_of_conversion()(None, attempt)
    return eval(PROFILE["set-resources"][rule]["mem_mb"], {"attempt": attempt})


def test_jobs_are_retried_by_the_profile_and_their_status_asked_of_squeue():
    assert PROFILE["executor"] == "slurm"
    assert PROFILE["retries"] > 0
    assert PROFILE["rerun-incomplete"] is True
    assert PROFILE["slurm-status-command"] == "squeue"
    assert not any("array" in option for option in PROFILE)


def test_partition_and_account_stand_in_one_place():
    used = "\n".join(line for line in TEXT.splitlines() if not line.lstrip().startswith("#"))
    assert used.count("slurm_partition") == 1
    assert "slurm_account" not in used
    assert not any("slurm" in path.read_text() for path in (ROOT / "workflow/rules").iterdir())


def test_every_rule_has_the_memory_it_needs_on_a_cluster_and_groups_hold_rules_that_exist():
    assert set(PROFILE["set-resources"]) == RULES
    assert set(PROFILE["groups"]) <= RULES


def test_every_group_has_a_size_and_every_size_a_group():
    assert set(PROFILE["groups"].values()) == set(PROFILE["group-components"])


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["zero_shot", "prior"])
def test_the_plan_of_every_stage_with_tiles_and_daily_fluxes_can_be_cut_into_its_groups(
    tmp_path, mode
):
    """Snakemake refuses a plan with a path that leaves a group and comes back."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile"]
    command += ["--profile", ROOT / "workflow/profiles/slurm", "--directory", tmp_path]
    command += ["--dry-run", "--config", f"predict={{tiles: 2, daily: true, mode: {mode}}}"]
    command += ["--", "global_budget"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for stage in ("make_demo_world", "embed_year", "predict_tile", "check_closure", "write_report"):
        assert stage in done.stdout + done.stderr


def test_one_line_gives_every_rule_of_the_network_a_gpu_and_no_group_mixes_the_two():
    lines = [line.strip("# \n") for line in TEXT.splitlines() if "&gpu {slurm_partition" in line]
    asked = lines[-1]
    assert TEXT.count("&gpu {}, ") == 1
    resources = yaml.safe_load(TEXT.replace("&gpu {}, ", f"{asked}, "))["set-resources"]
    on_gpu = {rule for rule, values in resources.items() if values.get("gres") == "gpu:a100:1"}
    assert on_gpu == USES_NETWORK
    assert {resources[rule]["slurm_partition"] for rule in on_gpu} == {"gpu"}
    groups = {group: set() for group in PROFILE["group-components"]}
    for rule, group in PROFILE["groups"].items():
        groups[group].add(rule in on_gpu)
    assert all(len(kinds) == 1 for kinds in groups.values()), groups


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_job_asks_for_enough_memory_and_for_more_after_a_failure(rule):
    asked = [megabytes(rule, attempt) for attempt in (1, 2, 3)]
    assert asked[0] >= SNAKEMAKE_ITSELF_MB
    assert asked == sorted(set(asked))


def test_the_memory_of_a_conversion_follows_its_option_and_grows_with_each_attempt():
    assert "mem_mb" not in PROFILE["set-resources"]["convert_drivers"]
    assert "mem_mb=memory_of_conversion" in (ROOT / "workflow/rules/drivers.smk").read_text()
    asked = memory_of_conversion(memory_gb=6)
    assert asked(None, 1) >= 6 * 1024 + 360  # Snakemake itself needs some
    assert asked(None, 3) == 3 * asked(None, 1)


@pytest.mark.parametrize("rule", sorted(PROFILE["groups"]))
def test_a_member_of_a_group_fits_into_what_the_group_may_ask_even_at_the_last_attempt(rule):
    assert megabytes(rule, 1 + PROFILE["retries"]) <= PROFILE["resources"]["mem_mb"]


def test_the_default_profile_goes_on_after_a_kill_and_replaces_no_resources():
    default = yaml.safe_load((ROOT / "profiles/default/config.yaml").read_text())
    assert default == {"rerun-incomplete": True}
