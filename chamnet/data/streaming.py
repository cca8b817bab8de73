"""From maps to cells in one pass: every stored block of a source is read once.

Bands of steps that end where stored blocks end are read, made daily and put on the cells;
a day that two bands share is added up from both. Where blocks are so long that a band's maps do
not fit into memory, they are read in parts of rows and columns, which wait in a file.
"""

import dataclasses
import functools
import itertools
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import scipy.sparse
import xarray as xr

from chamnet.data.cell_rows import ITEM_BYTES, CellRows
from chamnet.data.drivers import Driver
from chamnet.data.formulas import FORMULAS
from chamnet.data.ingredients import Ingredients
from chamnet.data.magnitudes import check_cells, check_maps
from chamnet.data.pixel_parts import Part, PixelParts
from chamnet.data.pixel_weights import build_weights, find_overlap
from chamnet.data.series import Series
from chamnet.data.steps import Steps

logger = logging.getLogger(__name__)

GIB = 2**30
BASE_BYTES = 0.3 * GIB  # what Python and its libraries take
BAND_BYTES = 0.25 * GIB  # larger bands gain nothing
LOG_SECONDS = 5.0


@dataclasses.dataclass
class Product:
    """What a pass makes: a driver, or of monthly sources a variable that one is made of.

    Attributes
    ----------
    name : of the driver, or of monthly sources the series' source
    source : files and variables, for messages
    inputs : series that it is made of, by their source
    rows : its sums on the cells, means once the pass is done
    weights : (cell, pixel), known once the first maps tell where values are
    """

    name: str
    source: str
    inputs: list[str]
    formula: Callable | None
    driver: Driver | None
    rows: CellRows
    weights: scipy.sparse.csr_array | None = None


class Pass:
    """Reads drivers that share variables on cells; of monthly sources, their variables.

    Parameters
    ----------
    recipes : of one group of ``group_ingredients``
    cells : coords latitude, longitude; water_fraction; attrs step_deg
    memory_gb : GiB that the process may have
    scratch : folder for what does not fit
    label : what log lines begin with
    """

    def __init__(
        self,
        recipes: Sequence[Ingredients],
        *,
        cells: xr.Dataset,
        memory_gb: float,
        scratch: Path,
        label: str,
    ) -> None:
        self.label = label
        self._cells = cells
        self._budget = max(memory_gb * GIB - BASE_BYTES, 0.3 * memory_gb * GIB)
        self._inputs: dict[str, tuple[Series, Steps]] = {
            series.source: (series, steps)
            for recipe in recipes
            for series, steps in zip(recipe.series, recipe.steps, strict=True)
        }
        self._series, self._steps = next(iter(self._inputs.values()))
        self._counts = np.bincount(self._steps.group, minlength=self._steps.n_groups)
        area = find_overlap(self._series, cells=cells)
        n_columns = self._series.axes[1].size
        self._scratch = scratch
        self._rows = slice(area.indices.min() // n_columns, area.indices.max() // n_columns + 1)
        self._area = area[:, self._rows.start * n_columns : self._rows.stop * n_columns]
        self.products = self._build_products(recipes, scratch=scratch)

    def run(self) -> list[Product]:
        """Read all; the products, filled.

        Raises
        ------
        InputError
            If values are missing over land, infinite, or beyond what they can be.
        """
        said = time.monotonic()
        group = self._steps.group
        for band in self._bands():
            groups = slice(int(group[band.start]), int(group[band.stop - 1]) + 1)
            goes_on = band.stop < group.size and group[band.stop] == groups.stop - 1
            whole = slice(groups.start, groups.stop - goes_on)
            for days, maps in self._read(band, groups):
                whole_days = slice(days.start, min(days.stop, whole.stop))
                for product, values in zip(self.products, maps, strict=True):
                    self._add_to_cells(product, values, groups=days, whole=whole_days)
            if time.monotonic() - said > LOG_SECONDS:
                said = time.monotonic()
                logger.info("%s: %d/%d steps are read", self.label, band.stop, group.size)
        return self.products

    def close(self) -> None:
        """Give memory and files back."""
        for product in self.products:
            product.rows.close()

    def _build_products(self, recipes: Sequence[Ingredients], *, scratch: Path) -> list[Product]:
        if recipes[0].is_monthly:
            wanted = [(source, source, [source], None, None) for source in self._inputs]
        else:
            wanted = [
                (r.driver.name, r.source, [s.source for s in r.series], _formula(r), r.driver)
                for r in recipes
            ]
        n_groups, n_cells = self._steps.n_groups, self._cells.sizes["cell"]
        is_small = len(wanted) * n_groups * n_cells * ITEM_BYTES <= self._budget / 2
        files = [None if is_small else scratch / f"rows-{i}.tmp" for i in range(len(wanted))]
        return [
            Product(*parts, rows=CellRows(n_groups, n_cells, scratch=file))
            for parts, file in zip(wanted, files, strict=True)
        ]

    def _bands(self) -> Iterator[slice]:
        """Steps that are read together: stored blocks, as many as are quick to read."""
        n_steps = self._steps.group.size
        per_map = self._area.shape[1] * ITEM_BYTES
        height = max(1, int(BAND_BYTES // (per_map * (len(self._inputs) + len(self.products)))))
        first = 0
        stops = [*self._block_starts()[1:].tolist(), n_steps]
        for stop, after in itertools.pairwise([*stops, n_steps + height]):
            if after - first > height:  # the next block does not fit too
                yield slice(first, stop)
                first = stop

    def _block_starts(self) -> np.ndarray:
        """Steps where a stored block of every input begins, the first one with them."""
        starts = []
        for series, steps in self._inputs.values():
            block = series.block_of(steps.positions)
            starts.append(np.flatnonzero(np.diff(block, prepend=block[0] - 1)))
        return functools.reduce(np.intersect1d, starts)

    def _read(self, band: slice, groups: slice) -> Iterator[tuple[slice, list[np.ndarray]]]:
        """Some groups after others, and their sums on pixels, (group, pixel) each product."""
        group = self._steps.group[band] - groups.start
        starts = np.flatnonzero(np.diff(group, prepend=-1))
        parts = list(self._parts(band))
        if len(parts) == 1:
            yield groups, [_add_up(maps, starts) for maps in self._read_part(band, parts[0])]
            return
        n_groups, n_pixels = groups.stop - groups.start, self._area.shape[1]
        is_small = len(self.products) * n_groups * n_pixels * ITEM_BYTES <= self._budget / 4
        scratch = None if is_small else self._scratch / "maps.tmp"
        if not is_small:
            logger.info(
                "%s: %s is stored in blocks of %d steps, whose days wait in a file",
                *(self.label, self._series.source, band.stop - band.start),
            )
        grid = {"rows": self._rows, "n_columns": self._series.axes[1].size}
        with PixelParts(n_groups, parts, scratch=scratch, **grid) as waiting:
            for part in parts:
                for maps in self._read_part(band, part):
                    waiting.add(_add_up(maps, starts))
            height = max(1, int(BAND_BYTES // (n_pixels * ITEM_BYTES * len(self.products))))
            for first in range(0, n_groups, height):
                days = slice(first, min(first + height, n_groups))
                shifted = slice(days.start + groups.start, days.stop + groups.start)
                yield shifted, [waiting.maps(i, days) for i in range(len(self.products))]

    def _parts(self, band: slice) -> Iterator[Part]:
        """Rows and columns of stored blocks that fit into memory, of all that cells need."""
        shapes = [series.block_shape for series, _ in self._inputs.values()]
        rows, columns = (
            min(math.lcm(*sizes), axis.size)
            for sizes, axis in zip(zip(*shapes, strict=True), self._series.axes, strict=True)
        )
        n_columns = self._series.axes[1].size
        per_pixel = (band.stop - band.start) * ITEM_BYTES
        per_pixel *= 2 * len(self._inputs)  # as they are decoded, and as formulas work
        n_pixels = self._budget / 4 // per_pixel
        height, width = int(n_pixels // n_columns) // rows * rows, n_columns
        if height == 0:
            height, width = rows, max(1, int(n_pixels // rows) // columns) * columns
        if height * width > 4 * n_pixels:
            logger.warning(
                "%s: %s is stored in blocks of %d x %d x %d values, of which one takes more memory "
                "than drivers.memory_gb",
                *(self.label, self._series.source, band.stop - band.start, height, width),
            )
        for row in range(self._rows.start // height * height, self._rows.stop, height):
            inside = slice(max(row, self._rows.start), min(row + height, self._rows.stop))
            for column in range(0, n_columns, width):
                yield inside, slice(column, min(column + width, n_columns))

    def _read_part(self, band: slice, part: Part) -> list[np.ndarray]:
        """Values of the steps of a band, (step, pixel) each product."""
        found = {}
        for name, (series, steps) in self._inputs.items():
            values = series.read(steps.positions[band], rows=part[0], columns=part[1])
            if series.sum_over is not None:
                values /= steps.seconds[band, None, None]
            if band.start == 0:
                check_maps(values[0], series=series)
            found[name] = values.reshape(len(values), -1)
        with np.errstate(invalid="ignore", over="ignore"):  # infinite values are refused later
            return [
                p.formula(*(found[n] for n in p.inputs)) if p.formula else found[p.inputs[0]]
                for p in self.products
            ]

    def _add_to_cells(
        self, product: Product, maps: np.ndarray, *, groups: slice, whole: slice
    ) -> None:
        if product.weights is None:
            product.weights = build_weights(
                self._area,
                maps[0],
                series=self._series,
                cells=self._cells,
                rows=self._rows,
                source=product.source,
                name=product.driver.name if product.driver else self._series.name,
                fill_km=self._series.fill_km,
            )
        weights, rows = product.weights, product.rows.rows(groups)
        is_picked = weights.nnz == weights.shape[0]  # a pixel a cell
        for i, counts in enumerate(self._counts[groups]):
            values = maps[i][weights.indices] if is_picked else weights @ maps[i]
            rows[i] += values if counts == 1 else values / np.float32(counts)
        if product.driver is not None:
            check_cells(
                rows[: whole.stop - whole.start],
                first_day=whole.start,
                driver=product.driver,
                source=product.source,
                cells=self._cells,
            )


def _formula(recipe: Ingredients) -> Callable | None:
    return None if recipe.formula is None else FORMULAS[recipe.formula]


def _add_up(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    return values if starts.size == len(values) else np.add.reduceat(values, starts, axis=0)
