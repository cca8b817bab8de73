"""What scripts hand over to the functions of the package."""

import runpy
import sys
import types
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"


def make_job(threads, **skill):
    """Job of the cross-validation, as its script sees it."""
    names = ("targets", "pretrain", "model", "train", "seed", "synthetic")
    params = types.SimpleNamespace(skill=skill, **dict.fromkeys(names))
    inputs = ("observations", "prior", "prior_flux", "prior_flux_simulated")
    return types.SimpleNamespace(
        input=types.SimpleNamespace(**dict.fromkeys(inputs)),
        output=types.SimpleNamespace(csv="results/x/skill.csv"),
        params=params,
        threads=threads,
    )


@pytest.mark.parametrize(("threads", "n_processes"), [(4, 4), (16, 8)])
def test_a_cross_validation_runs_no_more_processes_than_its_job_has_threads(
    monkeypatch, threads, n_processes
):
    from chamnet.evaluation import crossvalidation

    given = {}
    monkeypatch.setattr(crossvalidation, "cross_validate", lambda **options: given.update(options))
    runtime = types.SimpleNamespace(start_logging=lambda job: None)
    monkeypatch.setitem(sys.modules, "_runtime", runtime)
    job = make_job(threads, n_processes=8, n_seeds=2)
    runpy.run_path(str(SCRIPTS / "cross_validate.py"), init_globals={"snakemake": job})
    assert (given["n_processes"], given["n_seeds"]) == (n_processes, 2)
