"""What every fault begins from and comes to, and the table of what was survived."""

import pytest

SURVIVED = []


@pytest.fixture(scope="session")
def seconds_from(undisturbed, tmp_path_factory):
    """Seconds that a run takes from a stage on when nothing breaks, measured once a stage."""
    known = {}

    def measure(stage):
        if stage not in known:
            run = undisturbed.copy(tmp_path_factory.mktemp(stage) / "run", without=stage)
            ended = run.call()
            assert ended.status == 0, ended.text
            assert run.budgets() == undisturbed.budgets()
            known[stage] = ended.seconds
        return known[stage]

    return measure


@pytest.fixture
def broken(undisturbed, tmp_path):
    """Copies of the undisturbed run, less a stage and all later, to be broken."""
    copies = iter(range(100))
    return lambda without: undisturbed.copy(tmp_path / f"run{next(copies)}", without=without)


@pytest.fixture
def survive(undisturbed):
    """Notes a fault as survived, if the run's budgets are those of the undisturbed run."""

    def note(fault, run, *, lost_seconds):
        assert run.budgets() == undisturbed.budgets()
        SURVIVED.append((fault, lost_seconds))

    return note


def pytest_terminal_summary(terminalreporter):
    """Print the faults that were tried, survived, and the time that each cost."""
    reports = terminalreporter.stats
    tried = [r for kind in ("passed", "failed") for r in reports.get(kind, []) if r.when == "call"]
    tried = [r for r in tried if "tests/faults/" in r.nodeid]
    if not tried:
        return
    terminalreporter.section("faults")
    for fault, lost in SURVIVED:
        terminalreporter.write_line(f"survived  {lost:6.1f} s lost  {fault}")
    for report in tried:
        if report.failed:
            terminalreporter.write_line(f"NOT       {'':6}         {report.nodeid}")
    n_failed = sum(report.failed for report in tried)
    terminalreporter.write_line(f"{len(tried)} tests, {len(SURVIVED)} survived, {n_failed} not")
