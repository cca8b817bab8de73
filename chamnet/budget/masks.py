"""Masks of the 18 GCP regions: the packaged one, or a user's; and the filling of coasts."""

import dataclasses
import json
import logging
import os
from pathlib import Path

import numpy as np
import xarray as xr

from chamnet.budget.regionnames import GCP_REGIONS, known_name
from chamnet.constants import EARTH_RADIUS_M
from chamnet.errors import GridError, InputError
from chamnet.grid import orient

logger = logging.getLogger(__name__)

PACKAGED_MASK = Path(__file__).parent / "gcp_regions_1deg.tif"
NO_REGION = 19  # land that is in no region (Greenland, Antarctica), in the packaged mask
SEA = 0
FILL_KM = 250.0  # sea farther than this from any land of the mask stays sea


@dataclasses.dataclass(frozen=True, slots=True)
class Mask:
    """Codes of regions on a regular grid.

    Attributes
    ----------
    codes : (latitude, longitude) int
    latitude, longitude : degrees, ascending; longitude in [-180, 180)
    legend : name of each code that is a region
    sea : codes that are sea, filled from the nearest land
    """

    codes: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    legend: dict[int, str]
    sea: tuple[int, ...]


def read_gcp_mask(path: str | os.PathLike | None = None) -> Mask:
    """Mask of the 18 GCP regions; the packaged one when no path is given.

    Raises
    ------
    InputError
        If a user's file has no ``regions`` on a grid, or lacks one of the 18 regions.
    GridError
        If its grid is not an even one of the whole globe.
    """
    return _read_packaged() if path is None else _read_user_mask(path)


def _read_packaged() -> Mask:
    import rasterio

    with rasterio.open(PACKAGED_MASK) as file:
        codes = file.read(1)[::-1].astype(int)
        legend = json.loads(file.tags()["legend"])
    step = 180 / codes.shape[0]
    return Mask(
        codes=codes,
        latitude=-90 + step * (np.arange(codes.shape[0]) + 0.5),
        longitude=-180 + step * (np.arange(codes.shape[1]) + 0.5),
        legend={int(k): name for k, name in legend.items() if name in GCP_REGIONS},
        sea=(SEA,),
    )


def _read_user_mask(path: str | os.PathLike) -> Mask:
    with xr.open_dataset(path, decode_times=False) as data:
        if "regions" not in data or data["regions"].ndim != 2:
            raise InputError(
                f"{path}: no variable 'regions' (lat, lon), found {sorted(map(str, data))}"
            )
        regions = orient(data["regions"], source=str(path)).load()
        names = _names_in(data, path)
    _check_grid(regions, path)
    codes = np.where(np.isfinite(regions.values), regions.values, -1).astype(int)
    legend = {code: name for code, name in enumerate(names) if name in GCP_REGIONS}
    missing = sorted(set(GCP_REGIONS) - {n for c, n in legend.items() if (codes == c).any()})
    if missing:
        raise InputError(f"{path}: 'regions' has no cell of {missing}, expected all 18 GCP regions")
    rest = set(np.unique(codes).tolist()) - set(legend)
    logger.info("%s: 18 regions read, codes %s are sea", path, sorted(rest))
    return Mask(
        codes=codes,
        latitude=regions["latitude"].values,
        longitude=regions["longitude"].values,
        legend=legend,
        sea=tuple(rest),
    )


def _check_grid(regions: xr.DataArray, path: str | os.PathLike) -> None:
    """Refuse a mask whose cells are not even, or do not make the globe."""
    for name, whole in (("latitude", 180.0), ("longitude", 360.0)):
        values = regions[name].values
        steps = np.diff(values)
        is_even = steps.size > 0 and np.allclose(steps, steps[0], rtol=1e-3)
        if not is_even or abs(steps[0] * values.size - whole) > 0.01 * whole:
            raise GridError(
                f"{path}: {values.size} values of {name} from {values[0]:g} to {values[-1]:g}, "
                f"expected even steps over {whole:g} degrees"
            )


def _names_in(data: xr.Dataset, path: str | os.PathLike) -> list[str]:
    """Names by code, spaces and other spellings made the reference table's."""
    if "regions_name" in data:
        found = data["regions_name"].values.ravel().tolist()
    elif "regions_name" in data["regions"].attrs:
        found = str(data["regions"].attrs["regions_name"]).split(",")
    else:
        raise InputError(f"{path}: no variable 'regions_name' that names the codes of 'regions'")
    return [known_name(name.decode() if isinstance(name, bytes) else str(name)) for name in found]


def fill_sea(mask: Mask, *, cell_deg: float, fill_km: float = FILL_KM) -> Mask:
    """Mask whose sea takes the nearest land's region, so that cells on coasts lose nothing.

    Parameters
    ----------
    cell_deg : degrees
        Width of the cells that will be laid on the mask; wide ones need more filled.
    fill_km : km
        Sea farther than this, or than 1.5 cells, from any land stays sea.
    """
    from scipy.spatial import cKDTree

    is_sea = np.isin(mask.codes, mask.sea)
    vectors = _unit_vectors(mask.latitude, mask.longitude)
    distance, nearest = cKDTree(vectors[~is_sea]).query(vectors[is_sea])
    reach_km = max(fill_km, 1.5 * cell_deg * np.deg2rad(1) * EARTH_RADIUS_M / 1000)
    is_near = distance * EARTH_RADIUS_M / 1000 <= reach_km
    codes = mask.codes.copy()
    codes[is_sea] = np.where(is_near, mask.codes[~is_sea][nearest], mask.codes[is_sea])
    return dataclasses.replace(mask, codes=codes)


def _unit_vectors(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    phi, lam = np.meshgrid(np.deg2rad(latitude), np.deg2rad(longitude), indexing="ij")
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)
