"""Regions: which share of each cell's area lies in which region, in one sparse matrix.

Built once a grid and kept; a total of a region is then one product. What lies in no region
of a system is listed in the store's attributes and in the log, never lost silently.
"""

import dataclasses
import json
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse
import xarray as xr

from chamnet.budget.polygons import polygon_weights
from chamnet.budget.weights import Cells, region_weights
from chamnet.data.store import open_store, write_store
from chamnet.errors import InputError

logger = logging.getLogger(__name__)

OVERLAP_TOLERANCE = 1e-6


@dataclasses.dataclass(frozen=True, slots=True)
class Regions:
    """Regions of all systems, in the order of the matrix' rows.

    Attributes
    ----------
    system, name : (region,)
        A name may come up in two systems (30N-60N).
    weight : sparse (region, cell), 1
        Share of the cell's area that lies in the region.
    """

    system: tuple[str, ...]
    name: tuple[str, ...]
    weight: scipy.sparse.csr_array

    def rows(self, system: str) -> list[int]:
        """Rows of a system."""
        return [row for row, found in enumerate(self.system) if found == system]


def build_regions(
    *,
    store: str | os.PathLike,
    digest: str,
    cells: str | os.PathLike,
    systems: Sequence[str],
    gcp_mask: str | os.PathLike | None = None,
    files: Sequence[Mapping[str, str]] = (),
) -> None:
    """Write the matrix of region x cell of these systems.

    Parameters
    ----------
    store, digest : where to, and what the content follows from
    cells : manifest of ``cells.zarr``
    systems : names of region systems; ``globe`` is added when it is not among them
    gcp_mask : a user's ``GCP2023_regions_mask.nc``; None takes the packaged one
    files : ``name, path, column`` of each region system that is a file of polygons

    Raises
    ------
    ConfigError
        If a system is unknown or its package is not installed.
    InputError
        If regions of a system overlap, or a mask or file of polygons cannot be read.
    """
    land = Cells.open(cells)
    names: list[str] = []
    owners: list[str] = []
    blocks: list[scipy.sparse.csr_array] = []
    outside: dict[str, Any] = {}
    own = {str(file["name"]): file for file in files}
    for system in dict.fromkeys(["globe", *systems, *own]):
        if system in own:
            weights = polygon_weights(own[system]["path"], land, column=own[system]["column"])
        else:
            weights = region_weights(system, land, gcp_mask=gcp_mask)
        outside[system] = _check_system(system, weights, land)
        names += list(weights)
        owners += [system] * len(weights)
        blocks.append(scipy.sparse.csr_array(np.stack(list(weights.values()))))
        logger.info("build_regions: %d regions so far, %s done", len(names), system)
    matrix = scipy.sparse.vstack(blocks, format="coo")
    data = _matrix_to_store(matrix, names, owners)
    data.attrs |= {"outside": json.dumps(outside), "gcp_mask": str(gcp_mask or "packaged")}
    write_store(data, store, digest=digest, extra={"outside": outside})


def _matrix_to_store(
    matrix: scipy.sparse.coo_array, names: list[str], owners: list[str]
) -> xr.Dataset:
    region_index, cell_index = matrix.coords
    return xr.Dataset(
        {
            "region_index": ("entry", region_index.astype(np.int32)),
            "cell_index": ("entry", cell_index.astype(np.int32)),
            "weight": ("entry", matrix.data, {"units": "1"}),
            "region_system": ("region", np.array(owners)),
        },
        coords={"region": np.array(names)},
    ).assign_attrs(n_cells=matrix.shape[1])


def open_regions(manifest: str | os.PathLike, *, n_cells: int) -> Regions:
    """Regions of a finished store of ``build_regions``.

    Raises
    ------
    InputError
        If the matrix was made for another number of cells.
    """
    data = open_store(manifest)
    cell_index = data["cell_index"].values
    if int(data.attrs["n_cells"]) != n_cells:
        raise InputError(
            f"{manifest}: regions of {data.attrs['n_cells']} cells, expected {n_cells}; they were "
            "made for another grid"
        )
    shape = (data.sizes["region"], n_cells)
    entries = (data["weight"].values, (data["region_index"].values, cell_index))
    return Regions(
        system=tuple(str(v) for v in data["region_system"].values),
        name=tuple(str(v) for v in data["region"].values),
        weight=scipy.sparse.csr_array(entries, shape=shape, dtype=np.float64),
    )


def _check_system(system: str, weights: dict[str, np.ndarray], cells: Cells) -> dict[str, float]:
    """What lies in no region; regions that overlap raise."""
    covered = np.sum(list(weights.values()), axis=0)
    if covered.max(initial=0) > 1 + OVERLAP_TOLERANCE:
        worst = int(np.argmax(covered))
        raise InputError(
            f"regions of {system!r} overlap: shares of the cell at {cells.latitude[worst]} N "
            f"{cells.longitude[worst]} E sum to {covered[worst]:.4f}, expected at most 1"
        )
    land = cells.area_m2 * cells.land_fraction
    left_out = np.clip(1 - covered, 0, None)
    area = float((left_out * land).sum())
    found = {
        "n_cells": int((left_out > OVERLAP_TOLERANCE).sum()),
        "land_area_m2": area,
        "share_of_land": area / float(land.sum()),
    }
    logger.info(
        "build_regions %s: %d cells wholly or partly in no region, %.3g m2 or %.2f %% of the land",
        system,
        found["n_cells"],
        area,
        100 * found["share_of_land"],
    )
    return found
