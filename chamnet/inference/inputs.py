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
from chamnet.inference.shards import DriverYear, check_same_cells, open_driver_year
from chamnet.model.member import Member
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
    """

    year: int
    drivers: DriverYear
    attributes: np.ndarray
    mean_factor: float | None
    contexts: list[xr.Dataset | None]

    def read(self, shard: Shard) -> tuple[list[np.ndarray], np.ndarray, ContextShard]:
        """Drivers (cell, time) each, attributes and contexts of a shard's cells."""
        return (
            self.drivers.read(shard),
            self.attributes[shard.cells],
            read_contexts(self.contexts, shard.cells),
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
) -> Inputs:
    """Inputs of a year's prediction, in the order that a member takes them.

    Parameters
    ----------
    year : the target year
    drivers, cells, contexts, calibration : as ``predict_year`` takes them
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
    )


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
