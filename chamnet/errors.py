"""What chamnet raises on purpose."""

import contextlib
from collections.abc import Iterator


class ChamnetError(Exception):
    """Base of all of these."""


class ConfigError(ChamnetError, ValueError):
    """An option is unknown, missing or out of its bounds."""


class InputError(ChamnetError, ValueError):
    """A file that a user brought cannot be used as it is."""


class UnitsError(ChamnetError, ValueError):
    """An array does not have the units asked for."""


class GridError(ChamnetError, ValueError):
    """Coordinates are not those of the grid, or no cell is near a place."""


class CalendarError(ChamnetError, ValueError):
    """A time axis is of an unknown calendar, out of order or has gaps."""


class MissingDriverError(ChamnetError, ValueError):
    """A driver that is needed is not there."""


class LeakError(ChamnetError, ValueError):
    """A context holds a response that the network must not see."""


class CheckpointError(ChamnetError, ValueError):
    """A checkpoint cannot be read, or was trained for something else."""


class StoreError(ChamnetError, RuntimeError):
    """A store is unfinished, locked by another job, or a region is off its shards."""


@contextlib.contextmanager
def noting(problems: list[str] | None, *, also: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Note what is raised on purpose, each message once, and go on.

    Parameters
    ----------
    problems : where they are noted; None lets them through
    also : other errors that are noted
    """
    try:
        yield
    except (ChamnetError, *also) as error:
        if problems is None:
            raise
        if str(error) not in problems:
            problems.append(str(error))
