"""Real runs of the tiny world in folders of their own, to be broken and started again."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "config/test.yaml"
LATER = ("budgets", "global_budget.csv", "budget.nc", "maps.*", "report.html", "checks", "figures")
STAGES = {  # what is taken away so that a run goes on from this stage
    "train": ("models/*/[0-9]*", "models/*/calibration.json", "context", "fluxes", *LATER),
    "embed": ("context", "fluxes", *LATER),
    "predict": ("fluxes", *LATER),
}


def _heed_interrupts():
    """Take Ctrl-C also where the shell that began the tests, in the background, ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a call of Snakemake ended: exit status, what it said, wall time in seconds."""

    status: int
    text: str
    seconds: float


class Run:
    """A working directory, and calls of Snakemake in it."""

    def __init__(self, folder, *, config=CONFIG):
        self.folder = Path(folder)
        self.config = config
        self.results = self.folder / "results/test"
        self.folder.mkdir(parents=True, exist_ok=True)

    def start(
        self,
        *options,
        targets=("results/test/global_budget.csv",),
        cores=1,
        snakefile=ROOT / "Snakefile",
    ):
        """Running Snakemake, at the head of a process group of its own."""
        command = [sys.executable, "-m", "snakemake", "--snakefile", snakefile]
        command += ["--directory", self.folder, "--configfile", self.config]
        command += ["--cores", str(cores), *options, "--", *targets]
        said = (self.folder / f"said.{time.monotonic_ns()}").open("w+")
        process = subprocess.Popen(
            list(map(str, command)),
            stdout=said,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            start_new_session=True,
            preexec_fn=_heed_interrupts,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        process.said, process.began = said, time.monotonic()
        return process

    def finish(self, process, *, timeout=900):
        """Wait for it; what it said is read back."""
        try:
            status = process.wait(timeout)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        seconds = time.monotonic() - process.began
        process.said.seek(0)
        text = process.said.read()
        process.said.close()
        return Ended(status, text, seconds)

    def call(self, *options, timeout=900, **others):
        """Snakemake from start to end."""
        return self.finish(self.start(*options, **others), timeout=timeout)

    def budgets(self):
        """Bytes of every table of budgets, by path."""
        paths = [self.results / "global_budget.csv", *self.results.glob("budgets/*/*.csv")]
        return {str(path.relative_to(self.results)): path.read_bytes() for path in sorted(paths)}

    def copy(self, folder, *, without=None):
        """The run in another folder, times of files kept; less a stage and all that come later."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("said.*", "locks"))
        copy = Run(folder, config=self.config)
        for pattern in STAGES[without] if without else ():
            for path in copy.results.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return copy

    def log(self, rule):
        """All logs of a rule, one after the other."""
        paths = sorted(self.results.glob(f"logs/{rule}/*.log"))
        return "".join(path.read_text() for path in paths)


def jobs_of(process, rule):
    """Processes that run a rule's script under a Snakemake."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            is_job = any(part.endswith(f".{rule}.py") for part in child.cmdline())
        except psutil.NoSuchProcess:
            continue
        if is_job:
            found.append(child)
    return found


def wait_until(run, process, pattern, *, timeout=300):
    """Wait until a file of the results matches; False if the run ended first."""
    end = time.monotonic() + timeout
    while not any(run.results.glob(pattern)):
        if process.poll() is not None:
            return False
        if time.monotonic() > end:
            raise TimeoutError(f"no {pattern} after {timeout} s")
        time.sleep(0.002)
    return True


def kill_job(process, rule):
    """SIGKILL to each job of a rule; how many were killed."""
    jobs = jobs_of(process, rule)
    for job in jobs:
        job.send_signal(signal.SIGKILL)
    return len(jobs)
