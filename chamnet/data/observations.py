"""Observations of a target: places, their drivers and attributes, and windows of flux.

An observation is a mean over a window of days: a day at a tower, a month at a chamber, with
a year or without. One store serves training, scores and context.
"""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chamnet.data.chambers import Chambers, read_chambers
from chamnet.data.drivers import require_drivers
from chamnet.data.normals import NORMALS_DRIVERS, NORMALS_YEAR, read_normals
from chamnet.data.observation_store import build_observations, summarize_observations
from chamnet.data.observed_windows import (
    DROPPED_COLUMNS,
    build_chamber_windows,
    build_tower_windows,
    count_dropped,
    empty_dropped,
)
from chamnet.data.places import (
    N_STEPS,
    PlaceDrivers,
    add_cell_attributes,
    read_cell_drivers,
)
from chamnet.data.store import write_store
from chamnet.data.tower_drivers import read_tower_drivers
from chamnet.data.towers import NOT_WETLAND, Tower, read_towers
from chamnet.data.windows import UNKNOWN_YEAR
from chamnet.errors import GridError, InputError, MissingDriverError
from chamnet.provenance import write_text

logger = logging.getLogger(__name__)


def read_emission(
    *,
    store: str,
    dropped: str,
    digest: str,
    towers: Mapping[str, Any],
    driver_names: Sequence[str],
    years: Sequence[int],
    cells: str | None = None,
    drivers: Sequence[str] = (),
) -> Path:
    """Write the observations of methane emission at towers; the manifest's path.

    Parameters
    ----------
    store, dropped : paths of the store, and of the table of what was left out
    digest : of all that they follow from
    towers : options of the section ``towers``
    driver_names : CF names
    years : first and last year of drivers, or all between; fluxes of others are dropped
        and counted; towers with drivers of their own have ``towers["first_year"]`` to
        ``["last_year"]`` instead, where these are set
    cells, drivers : manifests of cells, and of drivers by year
        Without them, or with ``towers["drivers"] = "tower"``, places have the drivers of
        their own tower; without cells they have no attributes.

    Raises
    ------
    InputError
        If a file cannot be used as it is, or nothing is left.
    GridError
        If a tower is far from any land cell.
    """
    _require_options(towers, ("folder", "sites"), section="towers")
    is_own = towers.get("drivers") == "tower" or not drivers
    years = _years_of_towers(towers, years=years, is_own=is_own)
    found = read_towers(
        folder=towers["folder"],
        sites=towers["sites"],
        licences=towers.get("licences"),
        driver_names=driver_names if is_own else (),
        flux_units=towers.get("flux_units", "nmol m-2 s-1"),
        min_coverage=towers.get("min_coverage", 0.25),
        factors=towers.get("factors"),
    )
    kept, lost = _drop_classes(found)
    places = _places_of_towers(kept)
    place_drivers, excess = _drivers_of_towers(
        kept,
        places,
        is_own=is_own,
        driver_names=driver_names,
        years=years,
        cells=cells,
        drivers=drivers,
    )
    _require_near(places, excess)
    windows, counts = build_tower_windows(
        kept,
        years=years,
        calendar=place_drivers.calendar,
        lowest_nmol_m2_s=towers.get("lowest_nmol_m2_s", -200.0),
        highest_nmol_m2_s=towers.get("highest_nmol_m2_s", 1000.0),
    )
    _write_dropped(dropped, [lost, counts])  # first: it says why nothing is left
    data = build_observations(
        "emission",
        places=places,
        windows=windows,
        drivers=place_drivers,
        cluster_km=towers.get("cluster_km", 100.0),
    )
    return write_store(data, store, digest=digest, extra=summarize_observations(data))


def _drivers_of_towers(
    towers: Sequence[Tower],
    places: pd.DataFrame,
    *,
    is_own: bool,
    driver_names: Sequence[str],
    years: Sequence[int],
    cells: str | None,
    drivers: Sequence[str],
) -> tuple[PlaceDrivers, np.ndarray]:
    """Drivers and attributes of each tower, and how far beyond its cell it lies."""
    if not is_own:
        return read_cell_drivers(
            places, cells=cells, drivers=drivers, driver_names=driver_names, years=years
        )
    logger.info("towers: drivers are the towers' own columns")
    found = read_tower_drivers(
        towers, places=places, driver_names=driver_names, years=years, cells=cells, drivers=drivers
    )
    if not cells:
        return found, np.zeros(len(places))
    return add_cell_attributes(found, places, cells=cells)


def read_consumption(
    *,
    store: str,
    dropped: str,
    digest: str,
    chambers: Mapping[str, Any],
    driver_names: Sequence[str],
    years: Sequence[int],
    cells: str | None = None,
    drivers: Sequence[str] = (),
) -> Path:
    """Write the observations of methane consumption at chambers; the manifest's path.

    Where there are no drivers by year, they come from the monthly normals of the option
    ``chambers.normals``, as one climatological year that is labeled 2001; months then have
    no year.

    Parameters
    ----------
    store, dropped, digest, driver_names, years, cells, drivers : as of ``read_emission``
    chambers : options of the section ``chambers``

    Raises
    ------
    InputError
        If the table cannot be used as it is, or nothing is left.
    """
    _require_options(chambers, ("path",), section="chambers")
    years = list(range(min(years), max(years) + 1))
    source = Path(chambers["path"]).name
    found = read_chambers(
        path=chambers["path"],
        kind=chambers.get("kind", "smud"),
        highest_ug_c_m2_h=chambers.get("highest_ug_c_m2_h", 250.0),
        columns=chambers.get("columns"),
        units=chambers.get("units", "ug C m-2 h-1"),
        positive=chambers.get("positive", "uptake"),
    )
    if drivers:
        place_drivers, excess = read_cell_drivers(
            found.places, cells=cells, drivers=drivers, driver_names=driver_names, years=years
        )
        is_near, reason = excess <= 1, "no land cell near"
    else:
        found = _forget_years(found)
        place_drivers, is_near = _read_normals_of(
            found.places, path=chambers.get("normals"), driver_names=driver_names
        )
        if cells:
            place_drivers, excess = add_cell_attributes(place_drivers, found.places, cells=cells)
            is_near = is_near & (excess <= 1)
        reason = "no climate normals or land cell near"
    found, far = _drop_places(found, is_near, source=source, reason=reason)
    place_drivers = place_drivers.take(is_near)
    windows, counts = build_chamber_windows(
        found, years=place_drivers.years, calendar=place_drivers.calendar, source=source
    )
    _write_dropped(dropped, [found.dropped, far, counts])  # first: it says why nothing is left
    data = build_observations(
        "consumption",
        places=found.places,
        windows=windows,
        drivers=place_drivers,
        cluster_km=chambers.get("cluster_km", 100.0),
    )
    return write_store(data, store, digest=digest, extra=summarize_observations(data))


def _years_of_towers(towers: Mapping[str, Any], *, years: Sequence[int], is_own: bool) -> list[int]:
    chosen = [towers.get("first_year"), towers.get("last_year")]
    if not is_own:
        chosen = [None, None]  # places have the years of the reanalysis
    first = min(years) if chosen[0] is None else chosen[0]
    last = max(years) if chosen[1] is None else chosen[1]
    if last < first:
        raise InputError(f"towers.last_year {last} is before towers.first_year {first}")
    return list(range(first, last + 1))


def _require_near(places: pd.DataFrame, excess: np.ndarray) -> None:
    if (excess > 1).any():
        far = places.iloc[int(np.argmax(excess))]
        raise GridError(
            f"tower {far['place']!r} at {far['latitude']:.3f} N {far['longitude']:.3f} E is "
            f"{excess.max():.1f} times farther from a land cell than is accepted: is its "
            "position in the site table right?"
        )


def _read_normals_of(
    places: pd.DataFrame, *, path: str | None, driver_names: Sequence[str]
) -> tuple[PlaceDrivers, np.ndarray]:
    if path is None:
        raise MissingDriverError(
            "chambers have no drivers: the run has none by year and chambers.normals is not set"
        )
    require_drivers(driver_names, available=NORMALS_DRIVERS, source=path)
    found, has_normals = read_normals(
        path, latitude=places["latitude"].to_numpy(), longitude=places["longitude"].to_numpy()
    )
    found = found.sel(driver=list(driver_names))
    values = np.full((len(places), 1, N_STEPS, len(driver_names)), np.nan, np.float32)
    values[:, 0, : found.sizes["step"]] = found.values
    drivers = PlaceDrivers(
        values=values,
        years=[NORMALS_YEAR],
        driver_names=list(driver_names),
        calendar="standard",
        attributes=np.empty((len(places), 0), np.float32),
        attribute_names=[],
    )
    return drivers, has_normals


def _drop_classes(towers: Sequence[Tower]) -> tuple[list[Tower], pd.DataFrame]:
    kept = [tower for tower in towers if tower.place_class not in NOT_WETLAND]
    dropped = [
        count_dropped(
            [f"no wetland ({tower.place_class})"] * len(tower.days),
            place=tower.site_id,
            source=tower.path.name,
            n_kept=0,
        )
        for tower in towers
        if tower.place_class in NOT_WETLAND
    ]
    if dropped:
        logger.info("towers: %d sites dropped, their class is no wetland", len(dropped))
    if not kept:
        raise InputError(f"towers: none of {len(towers)} sites is a wetland by its class")
    return kept, pd.concat([empty_dropped(), *dropped], ignore_index=True)


def _forget_years(chambers: Chambers) -> Chambers:
    """Chambers whose months are of the climatological year, the only one with drivers."""
    n_known = int((chambers.months["year"] != UNKNOWN_YEAR).sum())
    if n_known:
        logger.info(
            "chambers: %d months lose their year, since drivers are monthly normals", n_known
        )
    return dataclasses.replace(chambers, months=chambers.months.assign(year=UNKNOWN_YEAR))


def _drop_places(
    chambers: Chambers, is_kept: np.ndarray, *, source: str, reason: str
) -> tuple[Chambers, pd.DataFrame]:
    places = chambers.places[is_kept].reset_index(drop=True)
    is_near = chambers.months["place"].isin(places["place"])
    far = chambers.months[~is_near].groupby("place").size()
    dropped = [
        count_dropped([reason] * count, place=place, source=source, n_kept=0)
        for place, count in far.items()
    ]
    if len(far):
        logger.info("chambers: %d places dropped, %s", len(far), reason)
    months = chambers.months[is_near].reset_index(drop=True)
    kept = Chambers(places=places, months=months, dropped=chambers.dropped)
    return kept, pd.concat([empty_dropped(), *dropped], ignore_index=True)


def _places_of_towers(towers: Sequence[Tower]) -> pd.DataFrame:
    names = ("latitude", "longitude", "place_class", "licence", "doi")
    rows = [{"place": t.site_id} | {name: getattr(t, name) for name in names} for t in towers]
    return pd.DataFrame(rows)


def _write_dropped(path: str, tables: Sequence[pd.DataFrame]) -> None:
    table = pd.concat(tables, ignore_index=True)[DROPPED_COLUMNS]
    for reason, n_dropped in table.groupby("reason", sort=False)["n_dropped"].sum().items():
        logger.info("%d windows dropped: %s", n_dropped, reason)  # a failed job keeps its log alone
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def _require_options(options: Mapping[str, Any], names: Sequence[str], *, section: str) -> None:
    for name in names:
        if not options.get(name):
            raise InputError(f"option {section}.{name} is not set, expected a path")
