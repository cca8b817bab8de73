"""Region systems of the user: polygons of a GeoJSON, shapefile or GeoPackage.

Polygons that cover as much of a coast cell as its land have all of its mass, whichever part of
the cell is land; where they cover less, the rest is in no region, as inland.
"""

import logging
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from chamnet.budget.weights import Cells, covered_share
from chamnet.errors import InputError

if TYPE_CHECKING:
    import geopandas as gpd

logger = logging.getLogger(__name__)

SLIVER = 1e-3  # of a cell's area: neighbors whose borders were drawn twice


def read_polygons(path: str | os.PathLike, *, column: str = "name") -> dict[str, Any]:
    """Geometry of each region in longitude -180 to 180, latitude, by name.

    Parameters
    ----------
    path : GeoJSON, shapefile (its ``.prj`` beside it) or GeoPackage
    column : column that names the regions; rows of one name are one region

    Raises
    ------
    InputError
        If the file cannot be read, has no such column, no coordinate system, a region without
        a name or without an area.
    """
    import shapely

    table = _read_table(path)
    if column not in table:
        known = sorted(set(map(str, table.columns)) - {"geometry"})
        raise InputError(f"{path}: no column {column!r} that names the regions, found {known}")
    if table.crs is None:
        raise InputError(f"{path}: no coordinate system, expected one (a .prj beside a shapefile)")
    names = table[column].astype("string").str.strip()
    if names.isna().any() or (names == "").any():
        row = int(np.argmax((names.isna() | (names == "")).to_numpy()))
        raise InputError(f"{path}: row {row} has no {column!r}, expected a name of the region")
    found = {}
    for name, part in table.to_crs("EPSG:4326").groupby(names, sort=False):
        shape = shapely.union_all(shapely.make_valid(part.geometry.to_numpy()))
        if shape is None or not shape.area > 0:
            raise InputError(f"{path}: region {str(name)!r} has no area, expected polygons")
        found[str(name)] = _wrap(shape)
    logger.info("%s: %d regions read from %d rows", path, len(found), len(table))
    return found


def _read_table(path: str | os.PathLike) -> "gpd.GeoDataFrame":
    import geopandas as gpd
    from pyogrio.errors import DataSourceError

    try:
        table = gpd.read_file(path)
    except (DataSourceError, OSError) as error:
        raise InputError(f"{path}: cannot be read as a GeoJSON or shapefile: {error}") from error
    if not isinstance(table, gpd.GeoDataFrame) or table.empty:
        raise InputError(f"{path}: holds no region, expected polygons")
    return table


def _wrap(shape: Any) -> Any:
    """The shape with what lies beyond 180 E or W laid on the other half."""
    import shapely
    from shapely.affinity import translate

    parts = [
        translate(shapely.intersection(shape, shapely.box(turn - 180, -90, turn + 180, 90)), -turn)
        for turn in (-360, 0, 360)
    ]
    pieces = shapely.get_parts(shapely.get_parts(parts))
    return shapely.union_all(pieces[shapely.get_dimensions(pieces) == 2])


def polygon_weights(
    path: str | os.PathLike, cells: Cells, *, column: str = "name"
) -> dict[str, np.ndarray]:
    """Share of each cell in each region of a file, (cell,) by name.

    Raises
    ------
    InputError
        As ``read_polygons``; and if regions overlap by more than slivers, with their names.
    """
    shapes = read_polygons(path, column=column)
    rows = cells.grid.shape
    covered = {
        name: cells.take(covered_share([shape], *rows)[::-1]) for name, shape in shapes.items()
    }
    total = np.sum(list(covered.values()), axis=0)
    _check_overlap(path, covered, total, cells)
    whole = np.maximum(total, np.minimum(cells.land_fraction, 1))
    return {
        name: np.divide(share, whole, out=np.zeros_like(share), where=total > 0)
        for name, share in covered.items()
    }


def _check_overlap(
    path: str | os.PathLike, covered: dict[str, np.ndarray], total: np.ndarray, cells: Cells
) -> None:
    worst = int(np.argmax(total))
    if total[worst] <= 1 + SLIVER:
        return
    owners = [name for name, share in covered.items() if share[worst] > SLIVER]
    raise InputError(
        f"{path}: regions {owners} overlap: their shares of the cell at "
        f"{cells.latitude[worst]:g} N {cells.longitude[worst]:g} E sum to {total[worst]:.3f}, "
        "expected at most 1"
    )
