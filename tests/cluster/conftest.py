"""A throw-away SLURM for the tests of this folder."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("throwaway_slurm.sh")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "srun")
MEASURED = []


def reason_to_skip():
    """Why no SLURM can be brought up here; empty if one can."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"SLURM is not installed ({missing[0]}): tests/cluster/throwaway_slurm.sh install"
    if os.geteuid() != 0:
        return "a throw-away SLURM takes root"
    if Path("/etc/slurm/slurm.conf").exists():
        return "another SLURM is set up here (/etc/slurm/slurm.conf)"
    return ""


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """SLURM of 3 nodes on loopback; gives a function that asks it things."""
    if reason := reason_to_skip():
        pytest.skip(reason)
    folder = str(tmp_path_factory.mktemp("slurm") / "slurm")
    subprocess.run([SCRIPT, "start", folder, "3"], check=True, timeout=120)

    def ask(*command):
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    yield ask
    subprocess.run([SCRIPT, "stop", folder], check=True, timeout=120)


@pytest.fixture
def measured():
    """Lines that are printed when all is done."""
    return MEASURED


def pytest_terminal_summary(terminalreporter):
    """Print what was measured."""
    for line in MEASURED:
        terminalreporter.write_line(line)
