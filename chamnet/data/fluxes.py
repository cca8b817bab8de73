"""Stores of predicted fluxes: dims, names, units and coordinates."""

from collections.abc import Sequence

import xarray as xr

from chamnet.timeaxis import daily_time, month_time

UNITS = "kg m-2 s-1"
LONG_NAMES = {
    "emission": "upward methane flux of wetland, per area of wetland",
    "consumption": "methane consumption of upland soil, per area of upland soil, positive downward",
}
DAYS_PER_CHUNK = 30  # of the daily stores: a map reads a twelfth of a year, a cell 13 chunks


def build_flux_template(
    cells: xr.Dataset, *, year: int, calendar: str, target: str, members: Sequence[str]
) -> xr.Dataset:
    """Empty store of monthly mean fluxes.

    Parameters
    ----------
    cells : coordinates latitude and longitude of (cell,), degrees
    year, calendar : of the time axis
    target : emission or consumption
    members : names of the networks

    Returns
    -------
    flux (member, time, cell), float32, kg m-2 s-1
    """
    import dask.array

    times = month_time(year, calendar=calendar)
    shape = (len(members), times.size, cells.sizes["cell"])
    attrs = {
        "units": UNITS,
        "long_name": f"monthly mean {LONG_NAMES[target]}",
        "cell_methods": "time: mean",
    }
    flux = dask.array.zeros(shape, dtype="float32", chunks=-1)
    template = xr.Dataset(
        {"flux": (("member", "time", "cell"), flux, attrs)},
        coords={"member": ("member", list(members))} | _coordinates(cells, times),
        attrs={"target": target, "calendar": calendar, "year": year},
    )
    return _with_time_encoding(template, year)


def build_daily_template(cells: xr.Dataset, *, year: int, calendar: str, target: str) -> xr.Dataset:
    """Empty store of the daily mean and spread over members.

    Parameters
    ----------
    cells, year, calendar, target : as ``build_flux_template`` takes them

    Returns
    -------
    flux_daily_mean, flux_daily_sd (cell, time), float32, kg m-2 s-1
    """
    import dask.array

    times = daily_time(year, calendar=calendar)
    empty = dask.array.zeros((cells.sizes["cell"], times.size), dtype="float32", chunks=-1)
    words = {"flux_daily_mean": "mean", "flux_daily_sd": "standard deviation"}
    variables = {
        name: (
            ("cell", "time"),
            empty,
            {"units": UNITS, "long_name": f"{word} over members of daily {LONG_NAMES[target]}"},
        )
        for name, word in words.items()
    }
    template = xr.Dataset(
        variables,
        coords=_coordinates(cells, times),
        attrs={"target": target, "calendar": calendar, "year": year},
    )
    return _with_time_encoding(template, year)


def _coordinates(cells: xr.Dataset, times: xr.DataArray) -> dict[str, tuple]:
    return {
        "time": ("time", times.values, {"standard_name": "time"}),
        "latitude": ("cell", cells["latitude"].values, {"units": "degrees_north"}),
        "longitude": ("cell", cells["longitude"].values, {"units": "degrees_east"}),
    }


def _with_time_encoding(template: xr.Dataset, year: int) -> xr.Dataset:
    template["time"].encoding = {"units": f"days since {year:04d}-01-01", "dtype": "int32"}
    return template
