"""The SLURM profile: what was found to work, kept so, and in step with the rules."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROFILE = yaml.safe_load((ROOT / "workflow/profiles/slurm/config.yaml").read_text())
RULES = {
    name
    for path in sorted((ROOT / "workflow/rules").glob("*.smk"))
    for name in re.findall(r"(?m)^\s*(?:use rule \w+ as |rule )(\w+)(?: with)?:", path.read_text())
}
SNAKEMAKE_ITSELF_MB = 1000  # a job's own Snakemake needs 250 to 360 MB of what is asked for


def megabytes(rule, attempt):
    return eval(PROFILE["set-resources"][rule]["mem_mb"], {"attempt": attempt})


def test_jobs_are_retried_by_the_profile_and_their_status_asked_of_squeue():
    assert PROFILE["executor"] == "slurm"
    assert PROFILE["retries"] > 0
    assert PROFILE["rerun-incomplete"] is True
    assert PROFILE["slurm-status-command"] == "squeue"
    assert not any("array" in option for option in PROFILE)


def test_partition_and_account_stand_in_one_place():
    text = (ROOT / "workflow/profiles/slurm/config.yaml").read_text()
    used = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    assert used.count("slurm_partition") == 1
    assert "slurm_account" not in used
    assert not any("slurm" in path.read_text() for path in (ROOT / "workflow/rules").iterdir())


def test_every_rule_has_the_memory_it_needs_on_a_cluster_and_groups_hold_rules_that_exist():
    assert set(PROFILE["set-resources"]) == RULES
    assert set(PROFILE["groups"]) <= RULES


def test_every_group_has_a_size_and_every_size_a_group():
    assert set(PROFILE["groups"].values()) == set(PROFILE["group-components"])


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_job_asks_for_enough_memory_and_for_more_after_a_failure(rule):
    asked = [megabytes(rule, attempt) for attempt in (1, 2, 3)]
    assert asked[0] >= SNAKEMAKE_ITSELF_MB
    assert asked == sorted(set(asked))


@pytest.mark.parametrize("rule", sorted(PROFILE["groups"]))
def test_a_member_of_a_group_fits_into_what_the_group_may_ask_even_at_the_last_attempt(rule):
    assert megabytes(rule, 1 + PROFILE["retries"]) <= PROFILE["resources"]["mem_mb"]


def test_the_default_profile_goes_on_after_a_kill_and_replaces_no_resources():
    default = yaml.safe_load((ROOT / "profiles/default/config.yaml").read_text())
    assert default == {"rerun-incomplete": True}
