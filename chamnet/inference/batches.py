"""Cells in batches of one fixed size, and the networks that are run on them.

The last batch is padded, so that the bits of a cell do not depend on what else is asked
for; memory that runs out halves the batch.
"""

import contextlib
import ctypes
import functools
import itertools
import logging
import os
import threading
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chamnet.errors import CheckpointError
from chamnet.inference.engine import SHARDS_AT_ONCE
from chamnet.inference.graphs import Function, Graphs
from chamnet.model.checkpoint import load_member
from chamnet.model.device import choose_device
from chamnet.model.member import Member

logger = logging.getLogger(__name__)

CELLS_PER_BATCH = {
    ("cpu", "float32"): 64,  # what fits a processor's cache
    ("cpu", "bfloat16"): 128,
    ("cuda", "float32"): 4096,
}
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # glibc, malloc.h
LARGEST_MMAP_THRESHOLD = 4 * 1024 * 1024 * 8  # glibc takes no larger one
KEPT_BYTES = 512 * 1024**2
N_SHARDS = {"cpu": SHARDS_AT_ONCE, "cuda": 2 * SHARDS_AT_ONCE}  # a GPU waits for the reading
_halving = threading.Lock()
_computing = threading.Lock()  # a CPU's threads share one shard's batches


def set_up_torch(*, device: str) -> torch.device:
    """Device of a name (auto: CUDA where there is one); torch works in the thread that calls it.

    Batches go side by side instead (`Batcher`): no bit then depends on the number of threads,
    and a recurrent network is the faster for it.
    """
    _keep_freed_memory()
    torch.set_num_threads(1)
    with contextlib.suppress(RuntimeError):  # set once a process; a second call is refused
        torch.set_num_interop_threads(1)
    return choose_device(device)


@functools.cache
def _keep_freed_memory() -> None:
    """Let the C library reuse a batch's memory for the next one, in all threads.

    By default it gives large arrays back at once, and the kernel hands them out again page
    by page: half the time of a forward pass of 512 cells (benchmarks/inference.py).
    """
    with contextlib.suppress(AttributeError, OSError):  # another C library than glibc
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
        library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        library.mallopt(M_ARENA_MAX, 1)


def load_members(
    checkpoints: Sequence[str | os.PathLike],
    *,
    drivers: Collection[str],
    attributes: Collection[str],
    mode: str | None,
    n_context_years: int,
    device: torch.device,
    precision: str = "float32",
) -> dict[str, Member]:
    """Networks by member name, the name of the folder that each checkpoint is in.

    Parameters
    ----------
    checkpoints : paths
    drivers, attributes : names that there are, in any order
    mode : context mode; None is unchecked
    n_context_years : earlier years they will be given
    device : where they go
    precision : float32 or bfloat16, of the decoder's LSTM on a CPU
        What is around it takes as long in bfloat16 and loses digits; a GPU's LSTM takes twice
        as long as in float32, whose products are in TF32 there (docs/inference.md).

    Raises
    ------
    CheckpointError
        If one cannot be read, was trained for something else, or differs from the first.
    """
    members = {
        Path(path).parent.name: load_member(
            path, mode=mode, n_context_years=n_context_years, device=str(device)
        )
        for path in checkpoints
    }
    if len(members) < len(checkpoints):
        raise CheckpointError(f"{checkpoints}: two members of one name; expected a folder each")
    first = next(iter(members.values()))
    for path, member in zip(checkpoints, members.values(), strict=True):
        _check_there(path, "drivers", member.driver_names, drivers)
        _check_there(path, "attributes", member.attribute_names, attributes)
        if _purpose(member) != _purpose(first):
            raise CheckpointError(
                f"{path}: trained for {_purpose(member)}, the first member for {_purpose(first)}"
            )
        if precision == "bfloat16" and device.type == "cpu":
            member.network.decoder.recurrent.bfloat16()
    return members


def _check_there(
    path: str | os.PathLike, kind: str, trained: Sequence[str], found: Collection[str]
) -> None:
    missing = sorted(set(trained) - set(found))
    if missing:
        raise CheckpointError(
            f"{path}: checkpoint was trained on {kind} {sorted(trained)}, "
            f"the store has no {missing}"
        )


def _purpose(member: Member) -> tuple:
    names = tuple(member.driver_names), tuple(member.attribute_names)
    return member.target, *names, member.mode_of_cells


class Batcher:
    """Runs a function of tensors over rows of arrays, in batches of one fixed size.

    Parameters
    ----------
    cells_per_batch : rows of a forward pass; halved for good when memory runs out
        None takes what suits the device and the precision.
    most : rows that are ever there
    device : where the tensors go
    threads : of a CPU, a batch each; no bit depends on it
    precision : of the networks
    """

    def __init__(
        self,
        *,
        cells_per_batch: int | None,
        most: int,
        device: torch.device,
        threads: int,
        precision: str = "float32",
    ) -> None:
        suits = CELLS_PER_BATCH[device.type, precision]
        self.cells_per_batch = min(cells_per_batch or suits, most)
        self.device = device
        self.threads = threads
        self.n_halvings = 0
        self.graphs = Graphs()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        set_up_torch(device=self.device.type)

    @property
    def shards_at_once(self) -> int:
        """Shards that are best worked on side by side, those that are read and written too."""
        return N_SHARDS[self.device.type]

    def note(self, **counts: int) -> dict[str, int]:
        """Counts of a shard, with the batch size that it was computed with."""
        return counts | {"cells_per_batch": self.cells_per_batch, "n_halvings": self.n_halvings}

    def map(self, function: Function, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """Outputs of a function for all rows.

        Parameters
        ----------
        function : of one tensor an array, (cell, ...); gives tensors (cell, ...)
            A GPU records it once for all that are equal.
        arrays : (cell, ...)
        """
        n_rows, size = len(arrays[0]), self.cells_per_batch
        starts = range(0, n_rows, size)

        def run(start: int) -> list[list[np.ndarray]]:
            return self._run_rows(function, arrays, start, min(start + size, n_rows))

        with self._turn():
            if self.device.type == "cpu" and self.threads > 1:
                with ThreadPoolExecutor(self.threads, initializer=_work_alone) as pool:
                    parts = list(itertools.chain(*pool.map(run, starts)))
            else:
                parts = list(itertools.chain(*map(run, starts)))
        return tuple(np.concatenate(outputs) for outputs in zip(*parts, strict=True))

    def _turn(self) -> contextlib.AbstractContextManager:
        """Wait for a turn to compute a shard; on a GPU each batch waits for its own."""
        return _computing if self.device.type == "cpu" else contextlib.nullcontext()

    def _run_rows(
        self,
        function: Function,
        arrays: Sequence[np.ndarray],
        start: int,
        stop: int,
    ) -> list[list[np.ndarray]]:
        """Outputs of the rows of a batch: of one, or of several once memory has run out."""
        parts = []
        while start < stop:
            size = self.cells_per_batch
            end = min(start + size, stop)
            try:
                outputs = self._run(function, [_pad(array[start:end], size) for array in arrays])
            except (RuntimeError, MemoryError) as error:
                if not _is_out_of_memory(error) or size == 1:
                    raise
                self._halve(size)
                continue
            parts.append([output[: end - start] for output in outputs])
            start = end
        return parts

    def _halve(self, size: int) -> None:
        with _halving:  # two shards that fail at one size halve it once
            if self.cells_per_batch < size:
                return
            self.cells_per_batch = size // 2
            self.n_halvings += 1
        logger.warning(
            "out of memory: going on with batches of %d cells; bits may differ from a run "
            "that never met this", self.cells_per_batch,
        )  # fmt: skip

    def _run(self, function: Function, rows: list[np.ndarray]) -> list[np.ndarray]:
        with torch.inference_mode():
            if self.device.type == "cuda":
                return self.graphs.run(function, rows)
            outputs = function(*map(torch.from_numpy, rows))
        return [output.float().numpy() for output in outputs]


def _work_alone() -> None:
    """One thread of torch in a thread of the pool, which begins with one a core."""
    torch.set_num_threads(1)


def _pad(rows: np.ndarray, n_rows: int) -> np.ndarray:
    """Rows repeated at the end, to a fixed number."""
    n_missing = n_rows - len(rows)
    if not n_missing:
        return np.ascontiguousarray(rows)
    return np.concatenate([rows, np.repeat(rows[-1:], n_missing, axis=0)])


def _is_out_of_memory(error: BaseException) -> bool:
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        words in text for words in ("out of memory", "not enough memory", "can't allocate memory")
    )
