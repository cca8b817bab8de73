"""What tests of the evaluation share."""

import functools

import pytest

from chamnet.evaluation import fitting
from chamnet.model.baselines.forest import Forest


@pytest.fixture(autouse=True)
def small_forests(monkeypatch):
    """A forest of a few trees: 500 of them would be a tenth of the suite's time."""
    monkeypatch.setattr(fitting, "Forest", functools.partial(Forest, n_trees=10))
