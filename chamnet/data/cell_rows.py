"""Values that come day by day and leave cell by cell, within a bound of memory.

Where a year of a driver does not fit, it waits in a file of its own, of which only the part
in use is mapped; so no source is read twice.
"""

from pathlib import Path

import numpy as np

ITEM_BYTES = np.dtype(np.float32).itemsize


class CellRows:
    """Sums by group (a day or a month) on cells, (group, cell) float32, zero at first.

    Parameters
    ----------
    scratch : file that holds them; None holds them in memory
    """

    def __init__(self, n_groups: int, n_cells: int, *, scratch: Path | None = None) -> None:
        self.shape = n_groups, n_cells
        self._scratch = scratch
        self._values = np.zeros(self.shape, np.float32) if scratch is None else None
        if scratch is not None:
            scratch.parent.mkdir(parents=True, exist_ok=True)
            with scratch.open("wb") as file:
                file.truncate(n_groups * n_cells * ITEM_BYTES)  # zeros that take no space

    def rows(self, groups: slice) -> np.ndarray:
        """Values of some groups, (group, cell), which may be changed in place."""
        if self._values is not None:
            return self._values[groups]
        n_cells = self.shape[1]
        return np.memmap(
            self._scratch,
            dtype=np.float32,
            mode="r+",
            offset=groups.start * n_cells * ITEM_BYTES,
            shape=(groups.stop - groups.start, n_cells),
        )

    def cells(self, part: slice) -> np.ndarray:
        """Values of some cells, (cell, group), a copy."""
        if self._values is not None:
            return self._values[:, part].T.copy()
        found = np.empty((part.stop - part.start, self.shape[0]), np.float32)
        with self._scratch.open("rb") as file:
            for group in range(self.shape[0]):
                file.seek((group * self.shape[1] + part.start) * ITEM_BYTES)
                found[:, group] = np.fromfile(file, np.float32, part.stop - part.start)
        return found

    def close(self) -> None:
        """Give the memory or the file back."""
        self._values = None
        if self._scratch is not None:
            self._scratch.unlink(missing_ok=True)
