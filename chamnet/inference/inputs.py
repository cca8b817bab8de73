"""What a year's prediction reads: drivers, attributes, contexts and calibration."""

import dataclasses
import logging
import os
from collections.abc import Sequence

import numpy as np
import xarray as xr

from chamnet.data.context import ContextShard, open_contexts, read_contexts
from chamnet.data.shards import Shard
from chamnet.data.store import open_store
from chamnet.errors import CheckpointError
from chamnet.inference.shards import (
    DriverYear,
    check_same_cells,
    open_driver_year,
    open_prior_year,
)
from chamnet.model.member import PRIOR, Member
from chamnet.provenance import read_json

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What a year's prediction reads, opened.

    Attributes
    ----------
    year : the target year
    drivers : of the year, opened
    attributes : (cell, attribute), float32
    mean_factor : that restores the mean; None leaves each member its own
    contexts : stores of the context years, oldest first; None where missing
    prior : prior flux of the year, opened; None where members read none
    """

    year: int
    drivers: DriverYear
    attributes: np.ndarray
    mean_factor: float | None
    contexts: list[xr.Dataset | None]
    prior: DriverYear | None = None

    def read(
        self, shard: Shard
    ) -> tuple[list[np.ndarray], np.ndarray, ContextShard, np.ndarray | None]:
        """Drivers (cell, time) each, attributes, contexts and prior flux of a shard's cells."""
        return (
            self.drivers.read(shard),
            self.attributes[shard.cells],
            read_contexts(self.contexts, shard.cells),
            read_prior(self.prior, shard),
        )


def open_inputs(
    *,
    year: int,
    drivers: str | os.PathLike,
    cells: str | os.PathLike,
    contexts: Sequence[str | os.PathLike],
    folder: str,
    calibration: str | os.PathLike | None,
    member: Member,
    prior: str | os.PathLike | None = None,
) -> Inputs:
    """Inputs of a year's prediction, in the order that a member takes them.

    Parameters
    ----------
    year : the target year
    drivers, cells, contexts, calibration, prior : as ``predict_year`` takes them
    folder : name of the folder of the checkpoints' embeddings
    member : any of the members, which all take the same
    """
    driver_year = open_driver_year(drivers, names=member.driver_names, year=year)
    cell_table = open_store(cells)
    check_same_cells(driver_year.data, cell_table, source=str(drivers))
    return Inputs(
        year=year,
        drivers=driver_year,
        attributes=_read_attributes(cell_table, member.attribute_names),
        mean_factor=_read_mean_factor(calibration),
        contexts=open_contexts(contexts, folder=folder, year=year),
        prior=open_prior(prior, year=year, cells=cells, member=member),
    )


def open_prior(
    manifest: str | os.PathLike | None, *, year: int, cells: str | os.PathLike, member: Member
) -> DriverYear | None:
    """Prior flux of a year's cells, opened, where the networks read one.

    Parameters
    ----------
    manifest : of ``prior/<target>/<year>.zarr``; None: there is none
    year : that it must be of
    cells : manifest of the cells
    member : any of the members

    Raises
    ------
    CheckpointError
        If the members read one and there is none, or the other way round.
    StoreError, CalendarError, GridError
        If it is absent, of something else, of another year or of other cells.
    """
    if (manifest is not None) != (PRIOR in member.modes):
        found = "there is none" if manifest is None else f"found {manifest}"
        raise CheckpointError(
            f"members trained for the modes {list(member.modes)} and a process model's flux "
            f"(predict.mode: {PRIOR}): {found}"
        )
    if manifest is None:
        return None
    opened = open_prior_year(manifest, year=year)
    check_same_cells(opened.data, open_store(cells), source=str(manifest))
    return opened


def read_prior(prior: DriverYear | None, shard: Shard) -> np.ndarray | None:
    """Prior flux of a shard's cells, (cell, time), kg m-2 s-1, NaN where it is not known."""
    return None if prior is None else prior.read(shard)[0]


def read_names(manifest: str | os.PathLike) -> list[str]:
    """Names of the variables of a store."""
    return [str(name) for name in open_store(manifest).data_vars]


def read_attribute_names(cells: str | os.PathLike) -> list[str]:
    """Names of the attributes of the cells, in the store's order."""
    return open_store(cells)["attribute"].values.tolist()


def _read_attributes(cells: xr.Dataset, names: Sequence[str]) -> np.ndarray:
    """Attributes (cell, attribute) in the order that the network takes them, float32."""
    found = cells["attribute"].values.tolist()
    return cells["attributes"].values[:, [found.index(name) for name in names]].astype(np.float32)


def _read_mean_factor(calibration: str | os.PathLike | None) -> float | None:
    if calibration is None:
        return None
    factor = float(read_json(calibration)["mean_factor"])
    logger.info("%s: mean factor %.4g", calibration, factor)
    return factor
