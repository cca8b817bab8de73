"""Shards of cells: one file of a store a variable, read once and finished once."""

import dataclasses

import xarray as xr


@dataclasses.dataclass(frozen=True)
class Shard:
    """A range of cells that is one file of the stores, and its region's name."""

    name: str
    cells: slice

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return self.cells.stop - self.cells.start


def build_shards(n_cells: int, cells_per_shard: int) -> tuple[Shard, ...]:
    """Ranges of cells, in order, the last one shorter where they do not divide."""
    starts = range(0, n_cells, cells_per_shard)
    return tuple(
        Shard(f"{i:05d}", slice(start, min(start + cells_per_shard, n_cells)))
        for i, start in enumerate(starts)
    )


def cells_per_chunk(data: xr.Dataset) -> int:
    """Cells of an inner chunk of a store of cells."""
    return int(_encoding(data)["chunks"][0])


def cells_per_shard(data: xr.Dataset) -> int:
    """Cells of a shard of a store of cells; of a chunk where it has no shards."""
    encoding = _encoding(data)
    return int((encoding.get("shards") or encoding["chunks"])[0])


def _encoding(data: xr.Dataset) -> dict:
    return data[str(next(iter(data.data_vars)))].encoding


def region_of(region: xr.Dataset, shard: Shard) -> dict[str, slice]:
    """Where a shard's data lie in its store: the shard's cells, all of the other dims."""
    whole = {str(dim): slice(0, size) for dim, size in region.sizes.items()}
    return whole | {"cell": shard.cells}
