"""The drivers of the methane flux: names, units, bounds, and what a tower calls them."""

import dataclasses
from collections.abc import Iterable

from chamnet.errors import MissingDriverError


@dataclasses.dataclass(frozen=True, slots=True)
class Driver:
    """A variable that forces the flux, as it is inside chamnet; None: towers do not have it."""

    name: str
    units: str
    lowest: float
    highest: float
    tower_column: str | None
    tower_units: str | None


# Bounds are of daily means anywhere on land; beyond them a unit is wrong.
DRIVERS = {
    driver.name: driver
    for driver in (
        Driver("air_temperature", "K", 180, 335, "TA_F", "degC"),
        Driver("precipitation_flux", "kg m-2 s-1", 0, 0.02, "P_F", "mm d-1"),
        Driver("surface_downwelling_shortwave_flux_in_air", "W m-2", 0, 550, "SW_IN_F", "W m-2"),
        Driver("surface_downwelling_longwave_flux_in_air", "W m-2", 30, 600, "LW_IN_F", "W m-2"),
        Driver("vapor_pressure_deficit", "Pa", 0, 10_000, "VPD_F", "hPa"),
        Driver("surface_air_pressure", "Pa", 40_000, 110_000, "PA_F", "kPa"),
        Driver("wind_speed", "m s-1", 0, 60, "WS_F", "m s-1"),
        Driver("relative_humidity", "1", 0, 1, "RH_F", "%"),
        Driver("surface_snow_area_fraction", "1", 0, 1, None, None),  # towers measure no area
    )
}


def require_drivers(names: Iterable[str], *, available: Iterable[str], source: str) -> None:
    """Check that every driver is known and that the source has it.

    Raises
    ------
    MissingDriverError
        If one is unknown or missing; the message names it and the source.
    """
    unknown = sorted(set(names) - set(DRIVERS))
    if unknown:
        raise MissingDriverError(f"unknown drivers {unknown}; known are {sorted(DRIVERS)}")
    missing = sorted(set(names) - set(available))
    if missing:
        raise MissingDriverError(f"{source}: no {missing}; it has {sorted(available)}")
