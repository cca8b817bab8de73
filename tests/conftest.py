"""What tests of several folders share."""

import os
import shutil
from pathlib import Path

# Before numpy and torch are imported: one thread a test process. Threads of two processes that
# share two cores wait for each other, and the suite takes half as long again.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

# Sixty thousand small files a run, of which the oldest run's are deleted: in memory where there is
# room, since some disks take minutes for it.
MEMORY, LEAST_FREE = Path("/dev/shm"), 4 * 2**30
if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > LEAST_FREE:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

import pytest
from factories_runs import Run


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The tiny world from end to end; its budgets are what every broken run must come to."""
    run = Run(tmp_path_factory.mktemp("undisturbed"))
    ended = run.call(cores=2)
    assert ended.status == 0, ended.text
    return run
