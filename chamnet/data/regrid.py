"""Conservative regridding between regular grids: weights are areas of overlap.

One form serves finer, equal and coarser sources: a grid's cells overlap a target cell by
so many square meters, and the target's value is the mean weighted with them.
"""

import dataclasses

import numpy as np
import scipy.sparse

from chamnet.errors import GridError
from chamnet.grid import area_from_pole_m2, cell_area_m2


@dataclasses.dataclass(frozen=True)
class Overlap:
    """Overlap of the cells of a target with the pixels of a source.

    Attributes
    ----------
    area : sparse (cell, pixel), m2
        Pixels are latitude-major, as ``values.reshape(-1)`` of (latitude, longitude).
    cell_area : (cell,), m2
    """

    area: scipy.sparse.csr_array
    cell_area: np.ndarray

    def mean(self, pixels: np.ndarray, *, is_valid: np.ndarray | None = None) -> np.ndarray:
        """Mean over the valid part of each cell, (cell, ...) from (pixel, ...).

        NaN where no part is valid. Pixels that are not valid are not read.
        """
        weights = self.weights(is_valid)
        values = pixels if is_valid is None else np.where(_like(is_valid, pixels), pixels, 0)
        empty = np.asarray(weights.sum(axis=1)) == 0
        mean = weights @ values
        mean[empty] = np.nan
        return mean

    def weights(self, is_valid: np.ndarray | None = None) -> scipy.sparse.csr_array:
        """Weights that sum to 1 over the valid pixels of each cell, (cell, pixel)."""
        area = self.area
        if is_valid is not None and not is_valid.all():
            area = (area @ scipy.sparse.diags_array(is_valid.astype(float))).tocsr()
            area.eliminate_zeros()
        total = np.asarray(area.sum(axis=1))
        inverse = np.divide(1, total, out=np.zeros_like(total), where=total > 0)
        return (scipy.sparse.diags_array(inverse) @ area).tocsr()

    def fraction(self, pixels: np.ndarray) -> np.ndarray:
        """Mean over the whole cell, (cell, ...): what no pixel covers counts as zero."""
        total = self.area @ pixels
        return total / _like(self.cell_area, total)


def build_overlap(
    *,
    source_latitude: np.ndarray,
    source_longitude: np.ndarray,
    cell_latitude: np.ndarray,
    cell_longitude: np.ndarray,
    step_deg: float,
) -> Overlap:
    """Overlap of target cells with a regular source grid.

    Parameters
    ----------
    source_latitude, source_longitude : ascending centers, degrees
        As ``grid.orient`` gives them.
    cell_latitude, cell_longitude : (cell,), degrees
        Centers of target cells, ``step_deg`` wide both ways.
    """
    rows, row_of_cell = np.unique(cell_latitude, return_inverse=True)
    columns, column_of_cell = np.unique(cell_longitude, return_inverse=True)
    north_south = latitude_overlap(edges_of(source_latitude, bound=90), _edges(rows, step_deg))
    west_east = longitude_overlap(edges_of(source_longitude), _edges(columns, step_deg))
    area = _pairs(north_south, west_east, row_of_cell, column_of_cell)
    return Overlap(area=area, cell_area=cell_area_m2(cell_latitude, step_deg=step_deg))


def latitude_overlap(source: np.ndarray, target: np.ndarray) -> scipy.sparse.csr_array:
    """Area of overlap for the whole round, sparse (target, source), m2.

    Parameters
    ----------
    source, target : (interval, 2), degrees north
        South and north edges.
    """
    return _interval_overlap(area_from_pole_m2(source), area_from_pole_m2(target))


def longitude_overlap(source: np.ndarray, target: np.ndarray) -> scipy.sparse.csr_array:
    """Share of the round that overlaps, sparse (target, source); both repeat every 360."""
    parts = [_interval_overlap(source + turn, target) for turn in (-360.0, 0.0, 360.0)]
    return ((parts[0] + parts[1] + parts[2]) / 360).tocsr()


def edges_of(centers: np.ndarray, *, bound: float = np.inf) -> np.ndarray:
    """Edges of a regular axis's intervals, (interval, 2), within +-``bound``.

    Raises
    ------
    GridError
        If there is but one center, whose width nothing tells.
    """
    centers = np.asarray(centers, dtype=float)
    if centers.size < 2:
        raise GridError(f"an axis of {centers.size} center, expected 2 or more to know its step")
    step = (centers[-1] - centers[0]) / (centers.size - 1)
    return np.clip(_edges(centers, step), -bound, bound)


def _edges(centers: np.ndarray, step: float) -> np.ndarray:
    return np.stack([centers - step / 2, centers + step / 2], axis=-1)


def _interval_overlap(source: np.ndarray, target: np.ndarray) -> scipy.sparse.csr_array:
    first = np.searchsorted(source[:, 1], target[:, 0], side="right")
    last = np.searchsorted(source[:, 0], target[:, 1], side="left")
    counts = np.maximum(last - first, 0)
    rows = np.repeat(np.arange(len(target)), counts)
    offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    columns = np.repeat(first, counts) + offsets
    length = np.minimum(source[columns, 1], target[rows, 1])
    length = np.maximum(length - np.maximum(source[columns, 0], target[rows, 0]), 0)
    length[length < 1e-6 * (target[rows, 1] - target[rows, 0])] = 0  # rounding of edges
    overlap = scipy.sparse.csr_array((length, (rows, columns)), shape=(len(target), len(source)))
    overlap.eliminate_zeros()
    return overlap


def _pairs(
    north_south: scipy.sparse.csr_array,
    west_east: scipy.sparse.csr_array,
    row_of_cell: np.ndarray,
    column_of_cell: np.ndarray,
) -> scipy.sparse.csr_array:
    n_rows, n_columns = np.diff(north_south.indptr), np.diff(west_east.indptr)
    counts = n_rows[row_of_cell] * n_columns[column_of_cell]
    cell = np.repeat(np.arange(counts.size), counts)
    offset = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    width = n_columns[column_of_cell][cell]
    at_row = north_south.indptr[row_of_cell][cell] + offset // width
    at_column = west_east.indptr[column_of_cell][cell] + offset % width
    pixel = north_south.indices[at_row].astype(np.int64) * west_east.shape[1]
    pixel += west_east.indices[at_column]
    area = north_south.data[at_row] * west_east.data[at_column]
    shape = (counts.size, north_south.shape[1] * west_east.shape[1])
    return scipy.sparse.csr_array((area, (cell, pixel)), shape=shape)


def _like(vector: np.ndarray, array: np.ndarray) -> np.ndarray:
    return vector.reshape(vector.shape + (1,) * (array.ndim - vector.ndim))
