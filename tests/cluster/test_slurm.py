"""The run as SLURM jobs on several nodes: the same budgets, bit for bit, and bounded questions."""

import os
import shutil
import signal
import time

import pytest
from factories_runs import ROOT, Run

pytestmark = pytest.mark.slow
PROFILE = ("--profile", ROOT / "workflow/profiles/slurm")
QUICKLY = ("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "20")
ON_SLURM = (*PROFILE, *QUICKLY)


def jobs(slurm):
    """State, nodes, and asked memory of every job SLURM remembers, by job id."""
    rows = slurm("squeue", "--noheader", "--all", "-t", "all", "-o", "%i|%T|%N|%m|%k").splitlines()
    return {int(row.split("|")[0]): row.split("|")[1:] for row in rows}


@pytest.fixture
def jobs_before(slurm):
    return set(jobs(slurm))


def test_budgets_from_three_nodes_are_those_of_a_local_run_bit_for_bit(
    slurm, jobs_before, undisturbed, tmp_path, measured
):
    run = Run(tmp_path / "cluster")
    ended = run.call(*ON_SLURM, cores=4, targets=["global_budget"])
    assert ended.status == 0, ended.text
    assert run.budgets() == undisturbed.budgets()
    done = {n: row for n, row in jobs(slurm).items() if n not in jobs_before}
    assert {row[0] for row in done.values()} == {"COMPLETED"}
    assert {row[1] for row in done.values()} == {"n1", "n2", "n3"}
    assert len(done) <= 30
    measured.append(f"{len(done)} SLURM jobs on 3 nodes in {ended.seconds:.0f} s")


def test_a_job_killed_for_memory_is_given_more(slurm, jobs_before, undisturbed, tmp_path, measured):
    run = undisturbed.copy(tmp_path / "memory", without="train")
    little = ("--set-resources", "train_member:mem_mb=350 * attempt")
    ended = run.call(*ON_SLURM, *little, cores=4)
    assert ended.status == 0, ended.text
    assert run.budgets() == undisturbed.budgets()
    measured.append(f"survived: a job killed for memory, {ended.seconds:.0f} s in all")
    done = [row for n, row in jobs(slurm).items() if n not in jobs_before]
    assert ["350M", "FAILED"] in [[row[2], row[0]] for row in done]
    assert "Trying to restart job" in ended.text


def test_jobs_of_a_node_that_goes_down_run_again_on_others(
    slurm, jobs_before, undisturbed, tmp_path, measured
):
    run = undisturbed.copy(tmp_path / "node", without="train")
    process = run.start(*ON_SLURM, cores=4)
    node = ""
    while not node and process.poll() is None:
        found = jobs(slurm).items()
        node = next((r[1] for n, r in found if n not in jobs_before and r[0] == "RUNNING"), "")
    slurm("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    ended = run.finish(process)
    assert ended.status == 0, ended.text
    assert run.budgets() == undisturbed.budgets()
    measured.append(f"survived: a node taken down, {ended.seconds:.0f} s in all")
    states = {row[0] for n, row in jobs(slurm).items() if n not in jobs_before}
    assert "NODE_FAIL" in states or "Restarts=1" in slurm("scontrol", "show", "job")


WAITING = """
rule all:
    input: expand("done/{n}", n=range(500))
rule wait:
    output: "done/{n}"
    shell: "touch {output}"
"""
COUNTED = """#!/bin/sh
date +%s >> {calls}
exec {squeue} "$@"
"""


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """File with a line for each call of squeue that Snakemake makes."""
    counted, path = tmp_path / "bin/squeue", tmp_path / "calls"
    counted.parent.mkdir()
    counted.write_text(COUNTED.format(calls=path, squeue=shutil.which("squeue")))
    counted.chmod(0o755)
    path.touch()
    monkeypatch.setenv("PATH", f"{counted.parent}:{os.environ['PATH']}")
    return path


@pytest.fixture
def held(slurm):
    """Jobs are taken and none begins."""
    slurm("scontrol", "update", "partitionname=cpu", "state=down")
    yield
    slurm("scancel", "--user", "root")
    slurm("scontrol", "update", "partitionname=cpu", "state=up")


def test_five_hundred_jobs_in_the_queue_cost_three_questions_a_minute_at_most(
    slurm, jobs_before, calls, held, tmp_path, measured
):
    (tmp_path / "Snakefile").write_text(WAITING)
    run = Run(tmp_path / "many")
    process = run.start(
        *PROFILE, "--jobs", "500", snakefile=tmp_path / "Snakefile", targets=["all"], cores=4
    )
    while len(set(jobs(slurm)) - jobs_before) < 500 and process.poll() is None:
        time.sleep(2)
    submitted, n_before = time.monotonic() - process.began, len(calls.read_text().split())
    time.sleep(120)
    n_calls = len(calls.read_text().split()) - n_before
    states = {row[0] for n, row in jobs(slurm).items() if n not in jobs_before}
    process.send_signal(signal.SIGINT)
    ended = run.finish(process)
    assert ended.status != 0
    assert states == {"PENDING"}, ended.text
    assert 1 <= n_calls <= 6
    measured.append(f"500 jobs submitted in {submitted:.0f} s, then {n_calls / 2:g} calls a minute")
