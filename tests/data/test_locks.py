"""Who may write a store: jobs of one digest together, one of another never meanwhile."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from chamnet.data import locks
from chamnet.data.locks import StoreLock
from chamnet.errors import StoreError
from chamnet.provenance import read_json, write_json


def make_lock(folder, digest="b"):
    return StoreLock(folder / "x.zarr", digest=digest)


def write_holder(folder, *, digest="a", **changed):
    holder = locks._describe(digest) | changed
    write_json(folder / "x.lock", [holder])
    return holder


def test_living_job_of_another_digest_refuses_the_second(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    write_holder(tmp_path)
    message = rf"by job 4711, process {os.getpid()} on .*, with other inputs or options"
    with pytest.raises(StoreError, match=message), make_lock(tmp_path).held():
        pass
    assert [holder["digest"] for holder in read_json(tmp_path / "x.lock")] == ["a"]


def test_jobs_of_one_digest_hold_it_together_until_the_last_has_left(tmp_path):
    with make_lock(tmp_path).held():
        with make_lock(tmp_path).held():
            assert len(read_json(tmp_path / "x.lock")) == 2
        with pytest.raises(StoreError, match="other inputs"), make_lock(tmp_path, "c").held():
            pass
    assert list(tmp_path.iterdir()) == []


def test_lock_of_a_job_that_is_gone_is_stale(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    write_holder(tmp_path, process=gone.pid)
    with make_lock(tmp_path).held():
        assert [holder["digest"] for holder in read_json(tmp_path / "x.lock")] == ["b"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("age_s", "is_refused"), [(0, True), (3600, False)])
def test_silent_lock_of_another_host_is_stale(tmp_path, age_s, is_refused):
    write_holder(tmp_path, host="elsewhere")
    os.utime(tmp_path / "x.lock", (time.time() - age_s,) * 2)
    if is_refused:
        with pytest.raises(StoreError, match="on elsewhere"), make_lock(tmp_path).held():
            pass
    else:
        with make_lock(tmp_path).held():
            pass


def test_a_sign_of_life_is_given(tmp_path):
    lock = make_lock(tmp_path)
    lock.give_sign_of_life()  # without a lock, nothing
    with lock.held():
        os.utime(tmp_path / "x.lock", (0, 0))
        lock.give_sign_of_life()
        assert (tmp_path / "x.lock").stat().st_mtime > 0


def test_lock_is_freed_when_the_job_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), make_lock(tmp_path).held():
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_what_is_done_alone_is_done_by_one_at_a_time(tmp_path):
    at_work, most = [], []

    def work():
        for _ in range(20):
            with make_lock(tmp_path).held(), make_lock(tmp_path).alone():
                at_work.append(None)
                most.append(len(at_work))
                time.sleep(0.0005)
                at_work.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert list(tmp_path.iterdir()) == []


def test_writers_of_regions_work_side_by_side(tmp_path):
    at_work = []
    with make_lock(tmp_path).alone(shared=True):
        at_work.append("one")
        with make_lock(tmp_path).alone(shared=True):
            at_work.append("other")
    assert at_work == ["one", "other"]


HELD_ALONE = """
import sys, time
from pathlib import Path
from chamnet.data.locks import StoreLock
with StoreLock(Path(sys.argv[1]), digest="a").alone():
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_job_that_was_killed_keeps_nobody_away(tmp_path):
    code = [sys.executable, "-c", HELD_ALONE, str(tmp_path / "x.zarr")]
    with subprocess.Popen(code, stdout=subprocess.PIPE) as job:
        assert job.stdout.readline() == b"held\n"
        job.send_signal(signal.SIGKILL)
        with make_lock(tmp_path).alone():
            pass


def test_a_file_system_without_locks_is_told_of(tmp_path, monkeypatch, caplog):
    def refuse(file, kind):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with make_lock(tmp_path).alone():
        assert "this file system has no locks" in caplog.text


def test_another_error_of_locking_is_raised(tmp_path, monkeypatch):
    def refuse(file, kind):
        raise OSError(errno.EIO, "broken disk")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="broken disk"), make_lock(tmp_path).alone():
        pass
