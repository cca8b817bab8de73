"""The store of observations: places with drivers and attributes, windows, and their terms."""

import logging
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chamnet.data.drivers import DRIVERS
from chamnet.data.places import PlaceDrivers, build_clusters, n_steps_of
from chamnet.errors import InputError
from chamnet.units import FLUX_UNITS

logger = logging.getLogger(__name__)

WINDOW_COMMENTS = {
    "window_place": "index of the place",
    "window_year": "-1: unknown",
    "window_month": "0 to 11; -1: the window is not a month",
    "window_first": "first step of the year; -1: the year is unknown",
    "window_last": "last step, included",
    "window_flux": "mean over the window",
    "window_uncertainty": "random error of the mean; NaN: unknown",
    "window_quality": "0 measured; filled: 1 short gap, 2 without QC, 3 long gap",
}
SIGNS = {"emission": "net upward, positive to the air", "consumption": "positive = uptake"}


def build_observations(
    target: str,
    *,
    places: pd.DataFrame,
    windows: pd.DataFrame,
    drivers: PlaceDrivers,
    cluster_km: float,
) -> xr.Dataset:
    """Observations as they are stored.

    Raises
    ------
    InputError
        If there are no windows.
    """
    if windows.empty:
        raise InputError(
            f"{target}: no observation is left of {len(places)} places; the log and the "
            "table of what was dropped say why, and the years of drivers are "
            f"{drivers.years[0]} to {drivers.years[-1]}"
        )
    cluster = build_clusters(
        places["latitude"].to_numpy(), places["longitude"].to_numpy(), cluster_km=cluster_km
    )
    data = xr.Dataset(
        {
            "drivers": (("place", "year", "step", "driver"), drivers.values),
            "n_steps": ("year", n_steps_of(drivers.years, calendar=drivers.calendar)),
            "attributes": (("place", "attribute"), drivers.attributes),
            "latitude": ("place", places["latitude"], {"units": "degrees_north"}),
            "longitude": ("place", places["longitude"], {"units": "degrees_east"}),
            "cluster": ("place", cluster, {"cluster_km": cluster_km}),
            **{name: ("place", _text(places[name])) for name in ("place_class", "licence", "doi")},
            **_window_variables(windows, target=target),
        },
        coords={
            "place": _text(places["place"]),
            "year": drivers.years,
            "driver": _text(drivers.driver_names),
            "attribute": _text(drivers.attribute_names),
        },
        attrs={"target": target, "calendar": drivers.calendar},
    )
    if drivers.source is not None:
        comment = "0 the tower's, 1 from its cell and corrected, 2 its own mean, -1 absent"
        dims = data["drivers"].dims
        data["driver_source"] = (dims, drivers.source, {"comment": comment})
    data["drivers"].attrs["units_of_drivers"] = [DRIVERS[n].units for n in drivers.driver_names]
    logger.info(
        "%s: %d places in %d clusters, %d windows (%d measured)",
        *(target, len(places), cluster.max() + 1, len(windows)),
        int((windows["quality"] == 0).sum()),
    )
    return data


def summarize_observations(data: xr.Dataset) -> dict[str, Any]:
    """Numbers, and the terms that the places' data come under, for the manifest."""
    terms: dict[str, dict[str, Any]] = {}
    names = (data[name].values for name in ("licence", "doi", "place"))
    for licence, doi, place in zip(*names, strict=True):
        of_licence = terms.setdefault(str(licence), {"n_places": 0, "doi": {}})
        of_licence["n_places"] += 1
        if doi != "unknown":
            of_licence["doi"][str(place)] = str(doi)
    sizes = {name: data.sizes[name] for name in ("place", "year", "window")}
    return sizes | {"licences": terms}


def _window_variables(windows: pd.DataFrame, *, target: str) -> dict[str, Any]:
    variables = {}
    for name, comment in WINDOW_COMMENTS.items():
        values = windows[name.removeprefix("window_")].to_numpy()
        attrs = {"comment": comment}
        if name in ("window_flux", "window_uncertainty"):
            attrs |= {"units": FLUX_UNITS, "positive": SIGNS[target]}
        else:
            values = values.astype(np.int32)
        variables[name] = ("window", values, attrs)
    return variables


def _text(values: Any) -> np.ndarray:
    return np.asarray([str(value) for value in values], dtype="U")
