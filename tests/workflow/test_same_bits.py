"""One seed, one machine: the same bits, however many cores there are."""

import pytest
from factories_runs import Run


@pytest.mark.slow
@pytest.mark.parametrize("cores", [1, 16])
def test_budgets_have_the_same_bits_on_one_two_and_sixteen_cores(undisturbed, tmp_path, cores):
    run = Run(tmp_path / "run")
    ended = run.call(cores=cores)  # the undisturbed run has two
    assert ended.status == 0, ended.text
    assert len(undisturbed.budgets()) > 1
    assert run.budgets() == undisturbed.budgets()
