"""Functions of a batch on a GPU, each recorded once as a graph of CUDA.

Batches are of one size, so that the some 300 kernels of a batch can be started as one. Started
one by one they wait for Python, whose other threads read and write shards.
"""

import functools
import threading
from collections.abc import Callable, Sequence

import numpy as np
import torch

Function = Callable[..., tuple[torch.Tensor, ...]]
_computing = threading.Lock()  # graphs run one after the other, and are recorded so


class Graphs:
    """Graphs by the function that they are of; functions that are equal share one.

    They stay in their process: what is pickled has none.
    """

    def __init__(self) -> None:
        self._graphs: dict[Function, Graph] = {}

    def __reduce__(self) -> tuple[type, tuple]:
        return Graphs, ()

    def run(self, function: Function, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Outputs of a function for the rows of a batch, float32.

        Parameters
        ----------
        function : of one tensor an array, on a GPU; one that asks the GPU for a number, to decide
            what comes next, cannot be recorded
        rows : (cell, ...) each; for another number of cells it is recorded anew
        """
        given = _give(rows)
        with _computing:
            graph = self._graphs.pop(function, None)  # one that fails is not kept, nor its memory
            if graph is None or not graph.fits(given):
                graph = Graph(function, given)
            outputs = graph.run(given)
            self._graphs[function] = graph
        return outputs


class Graph:
    """A function of tensors, recorded for tensors of one size.

    Parameters
    ----------
    function : of one tensor an array
    inputs : (cell, ...) each, that it is recorded with; what is given later is copied there
    """

    def __init__(self, function: Function, inputs: Sequence[torch.Tensor]) -> None:
        self.inputs = inputs
        function(*inputs)  # libraries set up at a first call what cannot be recorded
        self.graph = torch.cuda.CUDAGraph()
        # the other threads go on with their copies meanwhile
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
            self.outputs = [output.float() for output in function(*inputs)]

    def fits(self, given: Sequence[torch.Tensor]) -> bool:
        """Whether it was recorded for so many cells."""
        return len(given[0]) == len(self.inputs[0])

    def run(self, given: Sequence[torch.Tensor]) -> list[np.ndarray]:
        """Outputs for these tensors."""
        torch._foreach_copy_(self.inputs, given)  # one call: each waits for Python's other threads
        self.graph.replay()
        return [output.cpu().numpy() for output in self.outputs]


def _give(rows: Sequence[np.ndarray]) -> list[torch.Tensor]:
    """Rows on the GPU, all of them there, copied while another batch is computed.

    From memory as it is: by way of pinned memory took longer (docs/inference.md).
    """
    with torch.cuda.stream(_copying_stream()):
        return [torch.from_numpy(row).cuda() for row in rows]


@functools.cache
def _copying_stream() -> torch.cuda.Stream:
    """One for all threads, since memory that CUDA frees is used again by the same stream only."""
    return torch.cuda.Stream()
