"""Two calls of Snakemake at once on one folder."""

import pytest
from factories_runs import wait_until

pytestmark = pytest.mark.slow


@pytest.mark.fault_ci
def test_the_second_run_is_refused_and_the_first_goes_on(broken, survive, seconds_from):
    run = broken("predict")
    first = run.start()
    assert wait_until(run, first, "fluxes/*/*.parts")
    second = run.call()
    assert second.status != 0
    assert "Directory cannot be locked" in second.text
    assert "--unlock" in second.text
    ended = run.finish(first)
    assert ended.status == 0, ended.text
    lost = ended.seconds - seconds_from("predict")
    survive("two runs at once, the second refused", run, lost_seconds=lost)


def test_two_runs_that_ignore_the_lock_write_the_same_bytes(broken, survive, seconds_from):
    run = broken("embed")
    both = [run.start("--nolock"), run.start("--nolock")]
    ended = [run.finish(process) for process in both]
    assert 0 in [end.status for end in ended], ended[0].text + ended[1].text
    seconds = max(end.seconds for end in ended)
    if not all(end.status == 0 for end in ended):
        again = run.call()
        assert again.status == 0, again.text
        seconds += again.seconds
    lost = seconds - seconds_from("embed")
    survive("two runs at once that ignore the lock", run, lost_seconds=lost)
