"""Disks that are full or cannot be written: nothing half-written is taken for whole."""

import contextlib
import os
import subprocess

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root"),
]


@contextlib.contextmanager
def mounted(*arguments, at):
    """A mount, gone at the end."""
    at.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *arguments, at], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no mount here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", at], check=True)


def remount(at, options):
    subprocess.run(["mount", "-o", f"remount,{options}", at], check=True)


def test_a_full_disk_stops_the_run_and_leaves_no_manifest(broken, survive, seconds_from):
    run = broken("predict")
    disk = run.results / "fluxes"
    with mounted("-t", "tmpfs", "-o", "size=24k", "fluxes", at=disk):
        ended = run.call()
        assert ended.status != 0
        assert "No space left on device" in ended.text + run.log("predict_year")
        assert "results/test/logs/predict_year/" in ended.text
        assert list(disk.glob("*/*.json")) == []
        remount(disk, "size=64m")
        again = run.call()
        assert again.status == 0, again.text
        lost = ended.seconds + again.seconds - seconds_from("predict")
        survive("a full disk, then a larger one", run, lost_seconds=lost)


def test_a_results_folder_that_cannot_be_written_stops_the_run_before_any_job(
    broken, survive, seconds_from
):
    run = broken("predict")
    results = run.folder / "results"
    with mounted("--bind", results, at=results):
        remount(results, "bind,ro")
        ended = run.call()
        assert ended.status != 0
        assert "Read-only file system" in ended.text
        assert "results/test" in ended.text
        remount(results, "bind,rw")
        again = run.call()
        assert again.status == 0, again.text
        lost = ended.seconds + again.seconds - seconds_from("predict")
        survive("a read-only results folder", run, lost_seconds=lost)
