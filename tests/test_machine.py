import pytest

from chamnet.cli import main
from chamnet.machine import describe_machine, read_run_digests
from chamnet.provenance import write_json


@pytest.fixture
def run(tmp_path):
    write_json(tmp_path / "cells.json", {"store": "cells.zarr", "content": "c" * 64})
    write_json(tmp_path / "cells.parts/begun.json", {"store": "x.zarr", "content": "half"})
    write_json(tmp_path / "checks/budgets.json", {"passed": True})
    (tmp_path / "models/emission/00").mkdir(parents=True)
    (tmp_path / "models/emission/00/checkpoint.pt").write_bytes(b"weights")
    (tmp_path / "global_budget.csv").write_text("target,mean_tg\n")
    return tmp_path


def test_what_bits_depend_on_is_named():
    machine = describe_machine()
    assert machine.keys() >= {"chamnet", "torch", "processor", "device", "blas", "code"}
    assert machine["blas"] != "unknown"
    assert all(machine.values())


def test_a_run_s_stores_checkpoints_and_budgets_have_digests(run):
    digests = dict(read_run_digests(run))
    assert list(digests) == ["cells.json", "global_budget.csv", "models/emission/00/checkpoint.pt"]
    assert digests["cells.json"] == "c" * 16


def test_a_changed_budget_has_another_digest(run):
    before = dict(read_run_digests(run))
    (run / "global_budget.csv").write_text("target,mean_tg\nemission,150\n")
    after = dict(read_run_digests(run))
    assert [name for name in after if after[name] != before[name]] == ["global_budget.csv"]


def test_a_folder_that_is_no_run_is_refused(tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match=r"no store, checkpoint or budget of a run"):
        list(read_run_digests(tmp_path))
    assert main(["info", "--run", str(tmp_path)]) == 1
    assert "chamnet info:" in capsys.readouterr().err


def test_info_prints_machine_and_digests(run, capsys):
    assert main(["info", "--run", str(run)]) == 0
    printed = capsys.readouterr().out
    assert "blas" in printed
    assert "models/emission/00/checkpoint.pt" in printed
