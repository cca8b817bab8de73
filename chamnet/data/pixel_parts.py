"""Maps that come part by part and leave day by day, within a bound of memory."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

ITEM_BYTES = np.dtype(np.float32).itemsize
Part = tuple[slice, slice]  # rows and columns


class PixelParts:
    """Values by group (a day or a month) on pixels, of one or more products.

    Parameters
    ----------
    n_groups : days or months
    parts : rows and columns of the source's grid, in the order in which they come
    rows : of the grid that all parts make up, over all columns
    scratch : file that holds the values; None holds them in memory
    """

    def __init__(
        self,
        n_groups: int,
        parts: Sequence[Part],
        *,
        rows: slice,
        n_columns: int,
        scratch: Path | None,
    ) -> None:
        self._n_groups, self._parts = n_groups, parts
        self._rows, self._n_columns = rows, n_columns
        self._scratch = scratch
        self._blocks: list[np.ndarray] = []
        self._offsets: list[int] = [0]

    def __enter__(self) -> Self:
        if self._scratch is not None:
            self._scratch.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._scratch.open("w+b")
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._blocks.clear()
        if self._scratch is not None:
            self._file.close()
            self._scratch.unlink(missing_ok=True)

    def add(self, values: np.ndarray) -> None:
        """Keep the next product of a part, (group, pixel); all products of a part in turn."""
        if self._scratch is None:
            self._blocks.append(values.astype(np.float32, copy=False))
            return
        values.astype(np.float32, copy=False).tofile(self._file)
        self._offsets.append(self._offsets[-1] + values.size * ITEM_BYTES)

    def maps(self, product: int, groups: slice) -> np.ndarray:
        """Values of some groups on all pixels, (group, pixel)."""
        n_rows = self._rows.stop - self._rows.start
        found = np.empty((groups.stop - groups.start, n_rows, self._n_columns), np.float32)
        n_products = self._n_blocks // len(self._parts)
        for i, (rows, columns) in enumerate(self._parts):
            inside = slice(rows.start - self._rows.start, rows.stop - self._rows.start)
            part = found[:, inside, columns]
            values = self._block(i * n_products + product, groups, n_pixels=part[0].size)
            part[:] = values.reshape(part.shape)
        return found.reshape(len(found), -1)

    @property
    def _n_blocks(self) -> int:
        return len(self._blocks) if self._scratch is None else len(self._offsets) - 1

    def _block(self, number: int, groups: slice, *, n_pixels: int) -> np.ndarray:
        if self._scratch is None:
            return self._blocks[number][groups]
        self._file.seek(self._offsets[number] + groups.start * n_pixels * ITEM_BYTES)
        n_values = (groups.stop - groups.start) * n_pixels
        return np.fromfile(self._file, np.float32, n_values)
