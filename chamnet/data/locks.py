"""Who writes a store: jobs of one digest together, one of another digest never meanwhile.

``x.lock`` beside a store ``x.zarr`` names the jobs that hold it. What is done to the whole store
(laying it out, ending it, changing its lock) is done under a lock of the file system, which is
free again when its process ends in any way.
"""

import contextlib
import errno
import fcntl
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chamnet.errors import StoreError
from chamnet.provenance import read_json, write_json

logger = logging.getLogger(__name__)

LOCK_SILENCE_S = 900  # a lock of another host without a sign of life for so long is stale


class StoreLock:
    """The lock of one store, for jobs of one digest.

    Parameters
    ----------
    store : path of the store, ``x.zarr``
    digest : digest of all that its content follows from
    """

    def __init__(self, store: Path, *, digest: str) -> None:
        self.store = store
        self.digest = digest
        self._holders = store.with_suffix(".lock")
        self._mutex = store.with_suffix(".mutex")

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the store, with other jobs of this digest; refused while one of another lives.

        Raises
        ------
        StoreError
            If it is; the message names job, process and host.
        """
        me = _describe(self.digest)
        with self.alone():
            others = self._read_living()
            for holder in others:
                self._check_same(holder)
            write_json(self._holders, [*others, me])
        try:
            yield
        finally:
            with self.alone():
                self._leave(me)

    @contextlib.contextmanager
    def alone(self, *, shared: bool = False) -> Iterator[None]:
        """Keep other threads and processes away from the whole store for a moment.

        Parameters
        ----------
        shared : beside others that share it, as writers of regions do
        """
        self._mutex.parent.mkdir(parents=True, exist_ok=True)
        while True:
            file = os.open(self._mutex, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                _lock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
                if _is_at(file, self._mutex):  # and was not removed while we waited
                    yield
                    return
            finally:
                os.close(file)

    def give_sign_of_life(self) -> None:
        """Tell jobs on other hosts that one that holds the store goes on."""
        with contextlib.suppress(FileNotFoundError):
            os.utime(self._holders)

    def _check_same(self, holder: Mapping[str, Any]) -> None:
        if holder["digest"] != self.digest:
            raise StoreError(
                f"{self.store} is being written by {holder['job']}, process "
                f"{holder['process']} on {holder['host']}, with other inputs or options; "
                "wait for it, or end it"
            )

    def _read_living(self) -> list[dict[str, Any]]:
        if not self._holders.exists():
            return []
        return [holder for holder in read_json(self._holders) if _is_alive(holder, self._holders)]

    def _leave(self, me: Mapping[str, Any]) -> None:
        others = self._read_living()
        if me in others:
            others.remove(me)
        if others:
            write_json(self._holders, others)
        else:
            self._holders.unlink(missing_ok=True)
            self._mutex.unlink(missing_ok=True)


def _describe(digest: str) -> dict[str, Any]:
    number = os.environ.get("SLURM_JOB_ID")
    return {
        "digest": digest,
        "host": socket.gethostname(),
        "process": os.getpid(),
        "job": f"job {number}" if number else Path(sys.argv[0] or "python").name,
    }


def _lock(file: int, kind: int) -> None:
    try:
        fcntl.flock(file, kind)
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        logger.warning("this file system has no locks; begin one job at a time on a store")


def _is_at(file: int, path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file), path.stat())
    return False


def _is_alive(holder: Mapping[str, Any], lock: Path) -> bool:
    if holder["host"] != socket.gethostname():
        return time.time() - lock.stat().st_mtime < LOCK_SILENCE_S
    return Path("/proc", str(holder["process"])).exists() or _answers(holder["process"])


def _answers(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
