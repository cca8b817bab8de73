"""Data of the page's charts: monthly mean maps, packed small, and series of regions.

Maps are float32 of land cells only, their bytes sorted by place in the number, deflated and
written as base64; the browser undoes that. Numbers stay exact on small grids; on large ones
the mantissa is cut to 12 bits (1.2e-4 of the value) or fewer, which keeps the page small.
"""

import base64
import gzip
import math
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from chamnet.budget.series import interval_of, select_region
from chamnet.constants import SECONDS_PER_DAY
from chamnet.data.store import open_store
from chamnet.report.style import read_coastline
from chamnet.timeaxis import N_MONTHS

MG_M2_DAY = 1e6 * SECONDS_PER_DAY  # per kg m-2 s-1
MOST_EXACT_VALUES = 1_000_000  # 4 MB of float32
EXACT_BITS, KEPT_BITS, LEAST_BITS = 23, 12, 7
MOST_BYTES = 7_400_000  # of all fields: with plotly and figures a page stays below 15 MB
SHOWN = {
    "ch4_emission": ("Wetland emission, per area of cell", "YlOrBr", "emission"),
    "ch4_consumption": ("Soil consumption, per area of cell", "GnBu", "consumption"),
    "ch4_net_flux": ("Net flux, per area of cell", "PuOr_r", "net"),
    "wetland_ch4_flux": ("Wetland emission, per area of wetland", "YlOrBr", "emission"),
    "soil_ch4_consumption_flux": ("Soil consumption, per area of upland soil", "GnBu", ""),
}


def build_map_data(maps: str | os.PathLike) -> dict[str, Any]:
    """Mean seasonal cycles of the published maps, as the page's script reads them.

    Parameters
    ----------
    maps : manifest of ``maps.zarr``

    Returns
    -------
    dict of the grid, the places of the land cells, and by variable the packed means of the 12
    calendar months over all years (weighted by days) and extents, kg m-2 s-1. The net is left to
    the browser: emission less consumption.
    """
    data = open_store(maps, chunks={})
    names = [name for name in SHOWN if name in data and name != "ch4_net_flux"]
    land = np.flatnonzero(data["land_fraction"].notnull().values.ravel())
    fields, keep_bits = pack_fields(
        {name: np.stack(list(_months(data[name], land))) for name in names}
    )
    lines = [np.vstack([line.round(2), [np.nan, np.nan]]) for line in read_coastline()]
    coast = np.concatenate(lines)
    shown = [name for name in SHOWN if name in data]
    return {
        "latitude": data["latitude"].values.tolist(),
        "longitude": data["longitude"].values.tolist(),
        "land": _pack(land.astype("<i4").tobytes()),
        "days": _days_of_months(data).tolist(),
        "fields": fields,
        "rounding_percent": 0 if keep_bits == EXACT_BITS else 100 * 2.0 ** -(keep_bits + 1),
        "variables": {
            name: {"title": SHOWN[name][0], "colors": color_stops(SHOWN[name][1])} for name in shown
        },
        "scale": MG_M2_DAY,
        "coast": [[None if np.isnan(v) else float(v) for v in column] for column in coast.T],
    }


def _days_of_months(data: xr.Dataset) -> np.ndarray:
    """Days of each calendar month, mean over the years."""
    return data["time"].dt.days_in_month.values.reshape(-1, N_MONTHS).mean(axis=0)


def _months(values: xr.DataArray, land: np.ndarray) -> Iterator[np.ndarray]:
    """Mean of each calendar month over years and extents, at the land cells."""
    values = values.mean("extent") if "extent" in values.dims else values
    for month in range(N_MONTHS):
        chosen = values.isel(time=slice(month, None, N_MONTHS))
        mean = chosen.weighted(chosen["time"].dt.days_in_month).mean("time").values
        yield mean.ravel()[land].astype(np.float32)


def pack_fields(
    values: Mapping[str, np.ndarray], *, most_bytes: int = MOST_BYTES
) -> tuple[dict[str, str], int]:
    """Texts of the fields, and the bits of the mantissa that were kept in all of them.

    Exact where they are few; else 12 bits, or as many fewer as the size of the page asks for.
    """
    n_values = sum(field.size for field in values.values())
    keep_bits = EXACT_BITS if n_values <= MOST_EXACT_VALUES else KEPT_BITS
    while True:
        fields = {name: pack_floats(v, keep_bits=keep_bits) for name, v in values.items()}
        excess = sum(map(len, fields.values())) - most_bytes
        if excess <= 0 or keep_bits <= LEAST_BITS:
            return fields, keep_bits
        keep_bits = max(LEAST_BITS, keep_bits - math.ceil(excess / (n_values / 6)))  # base64


def pack_floats(values: np.ndarray, *, keep_bits: int) -> str:
    """Text of float32 values: bytes sorted by their place, deflated, base64.

    Parameters
    ----------
    values : (...) float32
    keep_bits : bits of the 23 of the mantissa that are kept, the rest is rounded away
    """
    bits = np.ascontiguousarray(values, dtype="<f4").ravel().view("<u4").copy()
    cut = 23 - keep_bits
    if cut:
        is_number = np.isfinite(values).ravel()
        rounded = (bits + np.uint32(1 << (cut - 1))) & np.uint32(0xFFFFFFFF << cut & 0xFFFFFFFF)
        bits = np.where(is_number, rounded, bits)
    return _pack(bits.astype("<u4").view(np.uint8).reshape(-1, 4).T.tobytes())


def _pack(raw: bytes) -> str:
    return base64.b64encode(gzip.compress(raw, compresslevel=9, mtime=0)).decode()


def color_stops(name: str, n: int = 9) -> list[list[Any]]:
    """Color map of matplotlib as stops from 0 to 1."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [[i / (n - 1), to_hex(colormaps[name](i / (n - 1)))] for i in range(n)]


def build_region_data(totals: xr.Dataset) -> dict[str, Any]:
    """Years and mean seasons of each target and region, with 90 % bands, for the page.

    Parameters
    ----------
    totals : ``budget.nc``

    Returns
    -------
    dict of the years and, by ``target|system|region``, lists ``[mean, low, high]`` of years
    (Tg yr-1) and months (Tg a month), and the mean of each extent.
    """
    series = {}
    pairs = zip(totals["region_system"].values, totals["region_name"].values, strict=True)
    for row, (system, region) in enumerate(pairs):
        for target in totals["target"].values:
            chosen = select_region(totals, target=target, row=row)
            monthly = chosen["mass_tg"]
            series[f"{target}|{system}|{region}"] = {
                "years": _band(chosen, monthly.sum("month")),
                "months": _band(chosen, monthly.mean("year")),
                "extents": {
                    str(extent): _round(monthly.sel(extent=extent).mean(["member", "year"]))
                    for extent in totals["extent"].values
                },
            }
    return {"years": totals["year"].values.tolist(), "series": series}


def _band(region: xr.Dataset, values: xr.DataArray) -> list[list[float]]:
    low, high = interval_of(region, values)
    return [_round(values.mean(["member", "extent"])), _round(low), _round(high)]


def _round(values: Any) -> list[float]:
    return [float(f"{v:.5g}") for v in np.asarray(values)]
