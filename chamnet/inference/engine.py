"""Shards as tasks of dask: in threads of this process, or on a cluster of many.

A task is a whole shard: it reads the shard's blocks, computes them and writes its region.
Networks run in one task of a process at a time (``batches``), so that the others read and
write meanwhile. Nothing but counts goes through a scheduler, and memory is that of the
shards that are worked on at once, whatever the cells and years.
"""

import contextlib
import importlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

import dask

from chamnet.data.shards import Shard
from chamnet.errors import ConfigError

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)

SHARDS_AT_ONCE = 3  # of a process: one is read, one computed, one written
JOBQUEUE = {
    "htcondor": "HTCondorCluster",
    "lsf": "LSFCluster",
    "oar": "OARCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "slurm": "SLURMCluster",
}


class Work(Protocol):
    """What is done to each shard of a store; it can be pickled."""

    def run(self, shard: Shard) -> None:
        """Read, compute and write a shard."""


def run_shards(
    work: Work,
    shards: Sequence[Shard],
    *,
    engine: str,
    progress: Callable[[int], None],
    at_once: int = SHARDS_AT_ONCE,
) -> None:
    """Do the work of each shard once, a few at a time, in any order.

    An error in one ends the run, when those that are worked on have ended.

    Parameters
    ----------
    work : done to each shard
    shards : those that are left to do
    engine : ``threads`` of this process, or the cluster that ``open_client`` opens
    progress : is told the cells of each shard that is done
    at_once : shards that threads of this process work on

    Raises
    ------
    ConfigError
        If there is no such engine.
    """
    if not shards:
        return
    if engine == "threads":
        _run_in_threads(work, shards, progress, at_once)
        return
    with open_client(engine) as client:
        _run_on_cluster(client, work, shards, progress)


def _run_in_threads(
    work: Work, shards: Sequence[Shard], progress: Callable[[int], None], at_once: int
) -> None:
    def run(shard: Shard) -> None:
        work.run(shard)
        progress(shard.n_cells)

    do = dask.delayed(run, pure=False, traverse=False)
    tasks = [  # dask begins with the last key
        do(shard, dask_key_name=f"shard-{len(shards) - i:06d}") for i, shard in enumerate(shards)
    ]
    with ThreadPoolExecutor(at_once) as pool:
        dask.compute(*tasks, scheduler="threads", pool=pool, optimize_graph=False)


def _run_on_cluster(
    client: "Client", work: Work, shards: Sequence[Shard], progress: Callable[[int], None]
) -> None:
    from distributed import as_completed

    once = client.submit(_give, work, pure=False)  # made again if its worker is lost
    futures = client.map(_run_shard, shards, work=once, pure=False)
    sizes = {future.key: shard.n_cells for future, shard in zip(futures, shards, strict=True)}
    for future in as_completed(futures):
        future.result()
        progress(sizes[future.key])


def _give(work: Work) -> Work:
    return work


def _run_shard(shard: Shard, *, work: Work) -> None:
    work.run(shard)


@contextlib.contextmanager
def open_client(engine: str) -> "Iterator[Client]":
    """Client of a ``dask.distributed`` cluster, which ends with the block if it was made here.

    Parameters
    ----------
    engine : ``local:N``, N processes on this machine; ``slurm:N`` (pbs, lsf, sge, oar,
        htcondor), N jobs of dask-jobqueue, as the user's jobqueue.yaml describes them;
        anything else is the address of a scheduler, ``tcp://host:port``

    Raises
    ------
    ConfigError
        If it is none of these, or dask-jobqueue is asked for and not installed.
    """
    dask.config.set({"logging.distributed": "warning"})  # read when it is imported
    from distributed import Client

    kind, _, rest = engine.partition(":")
    if kind in ("local", *JOBQUEUE):
        if not rest.isdecimal() or int(rest) < 1:
            raise ConfigError(f"engine {engine!r}: expected a number of workers, as in {kind}:4")
        with _make_cluster(kind, int(rest)) as cluster, Client(cluster) as client:
            client.wait_for_workers(1)
            yield client
    elif rest.startswith("//"):
        with Client(engine, timeout=60) as client:
            yield client
    else:
        raise ConfigError(
            f"engine {engine!r}: expected threads, local:N, an address such as tcp://host:8786, "
            f"or {', '.join(f'{name}:N' for name in JOBQUEUE)}"
        )


def _make_cluster(kind: str, n_workers: int) -> contextlib.AbstractContextManager:
    if kind == "local":
        from distributed import LocalCluster

        return LocalCluster(
            n_workers=n_workers, threads_per_worker=SHARDS_AT_ONCE, dashboard_address=":0"
        )
    try:
        jobqueue = importlib.import_module("dask_jobqueue")
    except ImportError as error:
        raise ConfigError(f"engine {kind}:{n_workers} needs: pip install dask-jobqueue") from error
    cluster = getattr(jobqueue, JOBQUEUE[kind])()
    cluster.scale(jobs=n_workers)
    return cluster


class Progress:
    """Lines that tell what is done, what is left and how fast it goes.

    Parameters
    ----------
    label : beginning of each line
    n_cells : cells of the whole job
    n_left : cells that an earlier, killed run had not finished
    n_days : days of a cell
    """

    def __init__(self, label: str, *, n_cells: int, n_left: int, n_days: int) -> None:
        self.label, self.n_cells, self.n_days = label, n_cells, n_days
        self.n_done = self.n_before = n_cells - n_left
        self.started = time.monotonic()
        self._alone = threading.Lock()
        if self.n_before:
            logger.info(
                "%s: goes on, %d of %d cells were finished before", label, self.n_before, n_cells
            )

    def add(self, n_cells: int) -> None:
        """Count cells as done and log a line."""
        with self._alone:
            self.n_done += n_cells
            seconds = max(time.monotonic() - self.started, 1e-6)
            rate = (self.n_done - self.n_before) / seconds
            logger.info(
                "%s: %d/%d cells done, %.3g cell-days/s, %.0f s left",
                self.label, self.n_done, self.n_cells, rate * self.n_days,
                (self.n_cells - self.n_done) / rate,
            )  # fmt: skip
