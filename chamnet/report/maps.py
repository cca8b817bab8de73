"""Published maps: fluxes of the ensemble on latitude and longitude, CF-1.11 and ACDD-1.3.

Written a variable and a year at a time, so memory holds one variable's year; consolidated
once at the end. What each variable is stands in ``report/variables.py``.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dask.array
import numpy as np
import xarray as xr

from chamnet.budget.draws import keep_members
from chamnet.budget.uncertainty import reasons_of
from chamnet.budget.weights import Cells, read_applicability
from chamnet.data.store import StoreWriter, open_store
from chamnet.errors import InputError
from chamnet.grid import cell_area_m2, unstack_cells
from chamnet.report.variables import (
    BOUNDS,
    COORDINATES,
    FILL,
    PLACE,
    STATIC,
    VARIABLES,
    global_attributes,
    grid_mapping,
)
from chamnet.timeaxis import N_MONTHS, month_lengths, month_time

logger = logging.getLogger(__name__)

Dropped = Mapping[str, Mapping[str, str]]
"""Reason by target and member."""
MAX_CHUNK = 90
TIME_ENCODING = {"units": "days since 1850-01-01", "calendar": "standard", "dtype": "int64"}
FLUX_NAMES = {"emission": "wetland_ch4_flux", "consumption": "soil_ch4_consumption_flux"}
CELL_NAMES = {"emission": "ch4_emission", "consumption": "ch4_consumption"}
FRACTIONS = {"emission": "wetland_fraction", "consumption": "upland_fraction"}


def publish_maps(
    *,
    store: str | os.PathLike,
    digest: str,
    fluxes: Mapping[str, Sequence[str | os.PathLike]],
    wetlands: Sequence[str | os.PathLike],
    cells: str | os.PathLike,
    step_deg: float | None = None,
    synthetic: bool = False,
    applicability: Mapping[str, str | os.PathLike | np.ndarray] | None = None,
    attributes: Mapping[str, Any] | None = None,
    dropped_members: Sequence[Mapping[str, str]] = (),
) -> None:
    """Write ``maps.zarr``: monthly maps of the ensemble mean and spread, all years.

    Parameters
    ----------
    store, digest : where to, and what the content follows from
    fluxes : manifests of ``predict_year`` by target, in any order of years
    wetlands, cells : manifests of the wetland years and of the grid
    step_deg : degrees
        Checked against the cells' own.
    synthetic : whether the inputs are synthetic, which title and comment then say
    applicability : by target, a manifest of ``build_applicability`` or (cell,): 1 inside the
        driver space of the training places
    attributes : further global attributes (provenance, product version)
    dropped_members : ``target, member, reason`` of networks that are left out

    Raises
    ------
    InputError
        If targets have different years, wetlands lack one of them, or a member that is to be
        left out is not there.
    """
    land = Cells.open(cells)
    if step_deg is not None and not np.isclose(step_deg, land.grid.step_deg):
        raise InputError(f"{cells}: cells of {land.grid.step_deg} degrees, expected {step_deg}")
    years = _years_of(fluxes, wetlands)
    inside = {target: read_applicability(v) for target, v in (applicability or {}).items()}
    dropped = reasons_of(dropped_members)
    template = _template(fluxes, years, land, applicability=inside)
    template.attrs = global_attributes(
        latitude=template["latitude"].values,
        longitude=template["longitude"].values,
        years=sorted(years),
        synthetic=synthetic,
        extra={**_left_out(dropped), **(attributes or {}), "digest": digest},
    )
    writer = StoreWriter(store, digest=digest)
    with writer.locked():
        writer.begin(template, chunks=_chunks(template), shards={"time": N_MONTHS})
        names = _write_static(writer, land, inside)
        for done, year in enumerate(sorted(years), start=1):
            names += _write_year(writer, years[year], land, at=done - 1, dropped=dropped)
            logger.info("publish_maps: %d/%d years", done, len(years))
        writer.finish(regions=names)


def _left_out(dropped: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    rows = [f"{t} {m}: {why}" for t, found in dropped.items() for m, why in found.items()]
    return {"dropped_members": "; ".join(rows)} if rows else {}


def _years_of(
    fluxes: Mapping[str, Sequence[str | os.PathLike]], wetlands: Sequence[str | os.PathLike]
) -> dict[int, dict[str, str | os.PathLike]]:
    """Manifests of each year: of every target, and of the wetlands."""
    by_target = {target: {_year(path): path for path in paths} for target, paths in fluxes.items()}
    wet = {_year(path): path for path in wetlands}
    first = next(iter(by_target))
    for target, found in by_target.items():
        if set(found) != set(by_target[first]):
            raise InputError(
                f"fluxes of {target} are of {sorted(found)}, those of {first} of "
                f"{sorted(by_target[first])}, expected the same years"
            )
    missing = sorted(set(by_target[first]) - set(wet))
    if missing:
        raise InputError(f"wetlands lack the years {missing} of the fluxes")
    return {
        year: {**{target: found[year] for target, found in by_target.items()}, "wet": wet[year]}
        for year in by_target[first]
    }


def _year(manifest: str | os.PathLike) -> int:
    return int(open_store(manifest)["time"].dt.year[0])


def _template(
    fluxes: Mapping[str, Any],
    years: dict[int, dict[str, str | os.PathLike]],
    cells: Cells,
    *,
    applicability: Mapping[str, np.ndarray],
) -> xr.Dataset:
    """Lazy data set of the store's dims and attributes; its coordinates with their values."""
    extents = open_store(years[min(years)]["wet"])["extent"].values
    coords = _coordinates(sorted(years), cells, extents)
    sizes = {name: coords[name].size for name in ("extent", "time", "latitude", "longitude")}
    variables = {}
    for name in _names(list(fluxes), applicability):
        dims = VARIABLES[name].dims
        empty = dask.array.zeros([sizes[d] for d in dims], dtype=np.float32)
        variables[name] = (dims, empty, VARIABLES[name].attributes())
    return xr.Dataset(variables, coords=coords)


def _names(targets: list[str], applicability: Mapping[str, np.ndarray]) -> list[str]:
    names = ["wetland_fraction"]
    names += [f"{base[target]}{end}" for target in targets for base in (FLUX_NAMES, CELL_NAMES)
              for end in ("", "_sd")]  # fmt: skip
    if set(targets) == set(FLUX_NAMES):
        names += ["ch4_net_flux", "ch4_net_flux_sd"]
    return [*names, *STATIC, *(f"applicability_{target}" for target in applicability)]


def _coordinates(years: list[int], cells: Cells, extents: np.ndarray) -> dict[str, xr.DataArray]:
    grid, half = cells.grid, cells.grid.step_deg / 2
    starts = np.concatenate([month_time(year).values for year in years])
    lengths = np.concatenate([month_lengths(year) for year in years])
    time = xr.Variable("time", starts, COORDINATES["time"], TIME_ENCODING)
    ends = starts + lengths.astype("timedelta64[D]")
    bounds = xr.Variable(("time", "nv"), np.stack([starts, ends], 1), BOUNDS["time"], TIME_ENCODING)
    edges = {
        name: np.stack([np.maximum(v - half, -limit), np.minimum(v + half, limit)], axis=1)
        for name, v, limit in (
            ("lat_bnds", grid.latitude, 90.0),
            ("lon_bnds", grid.longitude, 180.0),
        )
    }
    return {
        "time": time,
        "time_bnds": bounds,
        "latitude": xr.Variable("latitude", grid.latitude, COORDINATES["latitude"], FILL),
        "longitude": xr.Variable("longitude", grid.longitude, COORDINATES["longitude"], FILL),
        "lat_bnds": xr.Variable(("latitude", "nv"), edges["lat_bnds"], BOUNDS["latitude"], FILL),
        "lon_bnds": xr.Variable(("longitude", "nv"), edges["lon_bnds"], BOUNDS["longitude"], FILL),
        "extent": xr.Variable("extent", extents.astype(str), COORDINATES["extent"]),
        "crs": xr.Variable((), np.int32(0), grid_mapping()),
    }


def _chunks(template: xr.Dataset) -> dict[str, int]:
    """About 12 x 90 x 90, whole in each dim: a map and a pixel are both quick."""
    sizes = {name: template.sizes[name] for name in ("latitude", "longitude")}
    chunks = {
        name: max(d for d in range(1, min(MAX_CHUNK, n) + 1) if n % d == 0)
        for name, n in sizes.items()
    }
    return {"time": N_MONTHS, "extent": 1, **chunks}


def _write_static(
    writer: StoreWriter, cells: Cells, applicability: Mapping[str, np.ndarray]
) -> list[str]:
    values = {"land_fraction": cells.land_fraction}
    values |= {f"applicability_{target}": np.asarray(v) for target, v in applicability.items()}
    data = xr.Dataset({name: (PLACE, _maps(v, cells)) for name, v in values.items()})
    area = cell_area_m2(cells.grid.latitude, step_deg=cells.grid.step_deg)
    everywhere = np.broadcast_to(area[:, None], cells.grid.shape).astype(np.float32)
    data["cell_area"] = (PLACE, everywhere)
    rows, columns = cells.grid.shape
    at = {"latitude": slice(0, rows), "longitude": slice(0, columns)}
    if not writer.is_written("static"):
        writer.write("static", data, at=at)
    return ["static"]


def _write_year(
    writer: StoreWriter,
    manifests: Mapping[str, str | os.PathLike],
    cells: Cells,
    *,
    at: int,
    dropped: Dropped,
) -> list[str]:
    """Write every variable of a year, one after the other; the names of the regions."""
    written = []
    for name, values in _variables_of_year(manifests, dropped):
        region = f"{name}-{at:04d}"
        written.append(region)
        if writer.is_written(region):
            continue
        dims = VARIABLES[name].dims
        maps = _maps(values, cells)
        where = {d: slice(0, n) for d, n in zip(dims, maps.shape, strict=True)}
        where["time"] = slice(at * N_MONTHS, (at + 1) * N_MONTHS)
        writer.write(region, xr.Dataset({name: (dims, maps)}), at=where)
    return written


def _variables_of_year(
    manifests: Mapping[str, str | os.PathLike], dropped: Dropped
) -> Iterator[tuple[str, np.ndarray]]:
    """Values of each variable, (..., time, cell)."""
    wet = open_store(manifests["wet"]).sortby("time")
    yield "wetland_fraction", _by_extent(wet, "wetland_fraction")
    targets = [target for target in manifests if target != "wet"]
    for target in targets:
        mean, spread = _ensemble(manifests[target], dropped.get(target, {}))
        fraction = _by_extent(wet, FRACTIONS[target])
        yield FLUX_NAMES[target], mean
        yield f"{FLUX_NAMES[target]}_sd", spread
        yield CELL_NAMES[target], np.where(fraction == 0, 0, mean * fraction)
        yield f"{CELL_NAMES[target]}_sd", np.where(fraction == 0, 0, spread * fraction)
    if set(targets) == set(FLUX_NAMES):
        yield from _net_of_year(manifests, wet, dropped)


def _net_of_year(
    manifests: Mapping[str, str | os.PathLike], wet: xr.Dataset, dropped: Dropped
) -> Iterator[tuple[str, np.ndarray]]:
    """Emission less consumption; members of the two targets err independently."""
    parts = []
    for target in FLUX_NAMES:
        fraction = _by_extent(wet, FRACTIONS[target])
        found = _ensemble(manifests[target], dropped.get(target, {}))
        parts += [np.where(fraction == 0, 0, values * fraction) for values in found]
    yield "ch4_net_flux", parts[0] - parts[2]
    yield "ch4_net_flux_sd", np.hypot(parts[1], parts[3])


def _by_extent(wet: xr.Dataset, name: str) -> np.ndarray:
    return wet[name].transpose("extent", "time", "cell").values


def _ensemble(
    manifest: str | os.PathLike, dropped: Mapping[str, str]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sample spread over members, (time, cell) each, kg m-2 s-1."""
    data = open_store(manifest)["flux"].sortby("time").transpose("member", "time", "cell")
    kept = keep_members([str(v) for v in data["member"].values], dropped, source=manifest)
    flux = data.values[kept].astype(np.float64)
    spread = flux.std(axis=0, ddof=1) if len(flux) > 1 else np.full_like(flux[0], np.nan)
    return flux.mean(axis=0), spread


def _maps(values: np.ndarray, cells: Cells) -> np.ndarray:
    return unstack_cells(
        np.asarray(values, dtype=np.float32),
        cell_latitude=cells.latitude,
        cell_longitude=cells.longitude,
        grid=cells.grid,
    )
