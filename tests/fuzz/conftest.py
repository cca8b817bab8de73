"""How many inputs a fuzz test tries: few in the quick suite, ten thousand behind ``slow``."""

import pytest
from hypothesis import HealthCheck, Phase, settings

FEW, MANY = 60, 10_000


@pytest.fixture(params=[FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def tried(request):
    """Decorator of a property: so many inputs, the same ones each time, no time limit for one."""
    return settings(
        max_examples=request.param,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],  # inputs are small; shrinking costs minutes
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
