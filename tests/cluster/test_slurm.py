"""The run as SLURM jobs on several nodes: the same budgets, bit for bit, and bounded questions."""

import os
import shutil
import signal
import time

import psutil
import pytest
from factories_runs import ROOT, Run, wait_until

pytestmark = pytest.mark.slow
PROFILE = ("--profile", ROOT / "workflow/profiles/slurm")
QUICKLY = ("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "20")
ON_SLURM = (*PROFILE, *QUICKLY)
MEMBER = "results/test/models/emission/00/checkpoint.pt"
BUDGETS, PAGE = "results/test/global_budget.csv", "global_budget"  # the page needs the budgets


def jobs(slurm):
    """State, nodes, asked memory, partition and GPUs of every job SLURM remembers, by job id."""
    form = "%i|%T|%N|%m|%P|%b"
    rows = slurm("squeue", "--noheader", "--all", "-t", "all", "-o", form).splitlines()
    return {int(row.split("|")[0]): row.split("|")[1:] for row in rows}


@pytest.fixture
def new_jobs(slurm):
    """Rows of the jobs of this test alone, by job id."""
    before = set(jobs(slurm))
    return lambda: {n: row for n, row in jobs(slurm).items() if n not in before}


@pytest.fixture
def untrained(undisturbed, tmp_path):
    """The undisturbed run less its networks and all that follows from them."""
    return undisturbed.copy(tmp_path / "run", without="train")


@pytest.fixture
def survive(undisturbed, measured):
    """Ends a run here, whose fault SLURM has mended, and notes it if its budgets are the same."""

    def note(fault, run, seconds):
        again = run.call(cores=2)
        assert again.status == 0, again.text
        assert run.budgets() == undisturbed.budgets()
        measured.append(f"survived: {fault}, {seconds:.0f} s on SLURM")

    return note


@pytest.mark.parametrize("target", [pytest.param(BUDGETS, marks=pytest.mark.fault_ci), PAGE])
def test_budgets_from_three_nodes_are_those_of_a_local_run_bit_for_bit(
    slurm, new_jobs, undisturbed, tmp_path, measured, target
):
    run = Run(tmp_path / "cluster")
    ended = run.call(*ON_SLURM, cores=4, targets=[target], timeout=1500)
    assert ended.status == 0, ended.text
    assert run.budgets() == undisturbed.budgets()
    done = new_jobs().values()
    assert {row[0] for row in done} == {"COMPLETED"}
    assert {row[1] for row in done} == {"n1", "n2", "n3"}
    assert len(done) <= 30
    measured.append(f"{target}: {len(done)} SLURM jobs on 3 nodes in {ended.seconds:.0f} s")


def test_a_job_killed_for_memory_is_given_more(slurm, new_jobs, untrained, survive):
    little = ("--set-resources", "train_member:mem_mb=350 + 2650 * (attempt - 1)")
    ended = untrained.call(*ON_SLURM, *little, cores=4, targets=[MEMBER])
    assert ended.status == 0, ended.text
    assert "Trying to restart job" in ended.text
    assert ["350M", "FAILED"] in [[row[2], row[0]] for row in new_jobs().values()]
    survive("a job killed for memory, then given more", untrained, ended.seconds)


def test_a_training_that_reaches_its_time_limit_goes_on_from_its_last_epoch(
    slurm, new_jobs, untrained, survive
):
    short = ("train_member:runtime=1 * attempt", "train_member:mem_mb=3000")
    process = untrained.start(*ON_SLURM, "--set-resources", *short, cores=4, targets=[MEMBER])
    assert wait_until(untrained, process, "models/emission/00/last_epoch.pt")
    stop_script(untrained, "train_member")  # its minute passes, and no more of it is trained
    ended = untrained.finish(process)
    assert ended.status == 0, ended.text
    assert [row[0] for _, row in sorted(new_jobs().items())] == ["TIMEOUT", "COMPLETED"]
    assert "Trying to restart job" in ended.text
    assert "goes on after step 20" in untrained.log("train_member")
    survive("a training at its time limit, then given more", untrained, ended.seconds)


def stop_script(run, rule):
    """SIGSTOP to the job of a rule that runs in a run's folder."""
    found = [
        job
        for job in psutil.process_iter(["cmdline", "cwd"])
        if job.info["cwd"] == str(run.folder)
        and any(part.endswith(f".{rule}.py") for part in job.info["cmdline"] or [])
    ]
    assert found
    for job in found:
        job.suspend()


def test_jobs_of_a_node_that_goes_down_run_again_on_others(slurm, new_jobs, untrained, survive):
    process = untrained.start(*ON_SLURM, cores=4, targets=[MEMBER])
    node = ""
    while not node and process.poll() is None:
        node = next((row[1] for row in new_jobs().values() if row[0] == "RUNNING"), "")
        time.sleep(0.2)
    for state in ("down", "drain"):  # its daemon lives: drained, so that it takes no new job
        slurm("scontrol", "update", f"nodename={node}", f"state={state}", "reason=test")
    ended = untrained.finish(process)
    slurm("scontrol", "update", f"nodename={node}", "state=resume")
    assert ended.status == 0, ended.text
    rows = new_jobs().values()
    restarted = "Restarts=1" in slurm("scontrol", "show", "job")
    assert restarted or "NODE_FAIL" in {row[0] for row in rows}
    assert node not in {row[1] for row in rows if row[0] == "COMPLETED"}
    survive("a node taken down under a training", untrained, ended.seconds)


def test_a_gpu_of_the_type_in_the_profile_is_asked_for_in_its_partition(
    slurm, new_jobs, undisturbed, tmp_path
):
    text = (ROOT / "workflow/profiles/slurm/config.yaml").read_text()
    asked = '&gpu {slurm_partition: gpu, gres: "gpu:a100:1"}'
    assert f"#   {asked}\n" in text
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile/config.yaml").write_text(text.replace("&gpu {}, ", f"{asked}, "))
    run = undisturbed.copy(tmp_path / "run", without="embed")
    manifests = [f"results/test/context/emission/{year}.json" for year in (2011, 2012)]
    ended = run.call("--profile", tmp_path / "profile", *QUICKLY, cores=4, targets=manifests)
    assert ended.status == 0, ended.text
    (row,) = new_jobs().values()
    assert [row[0], *row[3:]] == ["COMPLETED", "gpu", "gres:gpu:a100:1"]


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
    slurm, new_jobs, calls, held, tmp_path, measured
):
    (tmp_path / "Snakefile").write_text(WAITING)
    run = Run(tmp_path / "many")
    process = run.start(
        *PROFILE, "--jobs", "500", snakefile=tmp_path / "Snakefile", targets=["all"], cores=4
    )
    while len(new_jobs()) < 500 and process.poll() is None:
        time.sleep(2)
    submitted, n_before = time.monotonic() - process.began, len(calls.read_text().split())
    time.sleep(120)
    n_calls = len(calls.read_text().split()) - n_before
    states = {row[0] for row in new_jobs().values()}
    process.send_signal(signal.SIGINT)
    ended = run.finish(process)
    assert ended.status != 0
    assert states == {"PENDING"}, ended.text
    assert 1 <= n_calls <= 6
    measured.append(f"500 jobs submitted in {submitted:.0f} s, then {n_calls / 2:g} calls a minute")
