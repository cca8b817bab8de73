"""The same numbers however many jobs run at once."""

import pytest
from factories_runs import Run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("cores", [1, 16])
def test_budgets_are_the_same_bit_for_bit_on_so_many_cores_as_on_two(undisturbed, tmp_path, cores):
    run = Run(tmp_path / "run")
    ended = run.call(cores=cores)
    assert ended.status == 0, ended.text
    assert run.budgets() == undisturbed.budgets()
    assert len(run.budgets()) == 3
