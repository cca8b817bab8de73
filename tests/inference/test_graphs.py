"""Which functions share a graph; tests/test_gpu.py has what it computes."""

import pickle

import numpy as np
import pytest
import torch

from chamnet.inference import graphs
from chamnet.inference.graphs import Graphs


class FakeGraph:
    """A graph that runs its function anew."""

    def __init__(self, function, inputs):
        self.recorded.append(function)
        self.function, self.n_cells = function, len(inputs[0])

    def fits(self, given):
        return len(given[0]) == self.n_cells

    def run(self, given):
        return [output.float().numpy() for output in self.function(*given)]


class Times:
    def __init__(self, factor):
        self.factor = factor

    def __eq__(self, other):
        return self.factor == other.factor

    def __hash__(self):
        return hash(self.factor)

    def __call__(self, rows):
        if not rows.isfinite().all():
            raise torch.OutOfMemoryError("CUDA out of memory")
        return (rows * self.factor,)


@pytest.fixture(autouse=True)
def recorded(monkeypatch):
    monkeypatch.setattr(FakeGraph, "recorded", [], raising=False)
    monkeypatch.setattr(graphs, "Graph", FakeGraph)
    monkeypatch.setattr(graphs, "_give", lambda rows: list(map(torch.from_numpy, rows)))
    return FakeGraph.recorded


def rows(n, value=1.0):
    return [np.full((n, 2), value, np.float32)]


def test_functions_that_are_equal_are_recorded_once(recorded):
    kept = Graphs()
    for factor in (2, 3, 2, 3):
        np.testing.assert_array_equal(kept.run(Times(factor), rows(4))[0], factor)
    assert [function.factor for function in recorded] == [2, 3]


def test_another_number_of_cells_is_recorded_anew(recorded):
    kept = Graphs()
    for n in (4, 2, 2):
        assert kept.run(Times(2), rows(n))[0].shape == (n, 2)
    assert len(recorded) == 2


def test_a_graph_that_fails_is_not_kept(recorded):
    kept = Graphs()
    kept.run(Times(2), rows(4))
    with pytest.raises(torch.OutOfMemoryError):
        kept.run(Times(2), rows(4, np.nan))
    kept.run(Times(2), rows(4))
    assert len(recorded) == 2


def test_graphs_stay_in_their_process(recorded):
    kept = Graphs()
    kept.run(Times(2), rows(4))
    pickle.loads(pickle.dumps(kept)).run(Times(2), rows(4))
    assert len(recorded) == 2
