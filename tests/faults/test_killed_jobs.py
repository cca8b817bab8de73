"""Jobs that are killed: the next run goes on where they were, and ends the same."""

import os
import signal
import time

import pytest
from factories_runs import kill_job, wait_until

pytestmark = pytest.mark.slow
KILLS = [
    ("train", "train_member", "models/*/*/last_epoch.pt", "goes on after step 20"),
    ("embed", "embed_year", "context/*/*/*.parts/region-*.json", "cells were finished before"),
    pytest.param(
        *("predict", "predict_year", "fluxes/*/*.parts/region-*.json", "were finished before"),
        marks=pytest.mark.fault_ci,
    ),
]
MANIFESTS = {"train": "models/*/*/checkpoint.pt", "embed": "context/*/*.json"}


def break_run(broken, stage, strike, pattern):
    """Run that was struck when a file appeared; tried again where it was quicker than we."""
    for _ in range(5):
        run = broken(stage)
        process = run.start()
        if wait_until(run, process, pattern) and strike(process):
            return run, process
        run.finish(process)
    return pytest.fail(f"no job was caught at {pattern}")


@pytest.mark.parametrize(("stage", "rule", "pattern", "resumed"), KILLS)
def test_a_killed_job_goes_on_where_it_was(
    broken, survive, seconds_from, stage, rule, pattern, resumed
):
    run, process = break_run(broken, stage, lambda p: kill_job(p, rule), pattern)
    ended = run.finish(process)
    assert ended.status != 0
    assert f"Error in rule {rule}" in ended.text
    assert f"results/test/logs/{rule}/" in ended.text
    assert list(run.results.glob(MANIFESTS.get(stage, "fluxes/*/*.json"))) == []
    assert list(run.results.glob(pattern)) != []

    again = run.call()
    assert again.status == 0, again.text
    assert resumed in run.log(rule)
    lost = ended.seconds + again.seconds - seconds_from(stage)
    survive(f"SIGKILL of {rule}", run, lost_seconds=lost)


def test_a_run_killed_as_a_whole_says_how_to_unlock_it_and_goes_on(broken, survive, seconds_from):
    def strike(process):
        os.killpg(process.pid, signal.SIGKILL)
        return True

    run, process = break_run(broken, "embed", strike, "context/*/*/*.parts/region-*.json")
    ended = run.finish(process)
    refused = run.call()
    assert refused.status != 0
    assert "--unlock" in refused.text
    assert run.call("--unlock").status == 0

    again = run.call()
    assert again.status == 0, again.text
    lost = ended.seconds + refused.seconds + again.seconds - seconds_from("embed")
    survive("SIGKILL of everything at once", run, lost_seconds=lost)


@pytest.mark.parametrize("rule", ["train_member", "predict_year"])
def test_a_job_that_outlives_its_snakemake_does_no_harm(broken, survive, seconds_from, rule):
    stage = {"train_member": "train", "predict_year": "predict"}[rule]
    pattern = {"train": "models/*/*/last_epoch.pt", "predict": "fluxes/*/*.parts"}[stage]

    def strike(process):
        os.kill(process.pid, signal.SIGKILL)
        return True

    run, process = break_run(broken, stage, strike, pattern)
    ended = run.finish(process)
    assert run.call("--unlock").status == 0
    again = run.call()
    assert again.status == 0, again.text
    time.sleep(1)
    lost = ended.seconds + again.seconds - seconds_from(stage)
    survive(f"SIGKILL of Snakemake alone, {rule} goes on", run, lost_seconds=lost)
