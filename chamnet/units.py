"""Units: conversions named by what they take and give, and the check at the door.

Arrays may be numpy arrays, tensors or xarray objects: only arithmetic is used.
"""

import logging
from typing import Any

import xarray as xr

from chamnet.constants import (
    C_MOLAR_MASS_G_PER_MOL,
    CH4_MOLAR_MASS_G_PER_MOL,
    SECONDS_PER_DAY,
)
from chamnet.errors import UnitsError

FLUX_UNITS = "kg m-2 s-1"
KG_M2_S_PER_NMOL_M2_S = CH4_MOLAR_MASS_G_PER_MOL * 1e-12
CH4_MASS_PER_C_MASS = CH4_MOLAR_MASS_G_PER_MOL / C_MOLAR_MASS_G_PER_MOL


def nmol_m2_s_to_kg_m2_s(flux_nmol_m2_s: Any) -> Any:
    """Methane flux by mass, from amount of substance."""
    return flux_nmol_m2_s * KG_M2_S_PER_NMOL_M2_S


def kg_m2_s_to_nmol_m2_s(flux_kg_m2_s: Any) -> Any:
    """Methane flux by amount of substance, from mass."""
    return flux_kg_m2_s / KG_M2_S_PER_NMOL_M2_S


def mg_m2_day_to_kg_m2_s(flux_mg_m2_day: Any) -> Any:
    """Methane flux by mass and second, from mg CH4 m-2 d-1."""
    return flux_mg_m2_day * 1e-6 / SECONDS_PER_DAY


def mg_c_m2_day_to_kg_m2_s(flux_mg_c_m2_day: Any) -> Any:
    """Methane flux by mass of CH4, from mass of carbon, mg C m-2 d-1."""
    return mg_m2_day_to_kg_m2_s(flux_mg_c_m2_day * CH4_MASS_PER_C_MASS)


def ug_c_m2_hour_to_kg_m2_s(flux_ug_c_m2_hour: Any) -> Any:
    """Methane flux by mass of CH4, from mass of carbon, ug C m-2 h-1."""
    return mg_c_m2_day_to_kg_m2_s(flux_ug_c_m2_hour * 24 / 1000)


def convert_units(array: xr.DataArray, units: str) -> xr.DataArray:
    """Array in the units asked for; read from its ``units``, never guessed.

    Raises
    ------
    UnitsError
        If the array has no units, or ones of another dimension.

    Notes
    -----
    Offset units (degC) convert as absolute temperatures. A precipitation in metres
    or millimetres becomes a mass of water per area by the density of water.
    """
    found = array.attrs.get("units")
    if found is None:
        raise UnitsError(f"{array.name!r} has no units, expected {units!r}")
    if found == units:
        return array
    converted = _convert_values(array, str(found), units)
    return converted.assign_attrs(array.attrs | {"units": units})


def _convert_values(array: xr.DataArray, found: str, units: str) -> xr.DataArray:
    import pint  # slow to import, and only where units differ

    logging.getLogger("pint.util").setLevel(logging.ERROR)  # cf_xarray redefines on purpose
    from cf_xarray.units import units as registry

    water = pint.Context("water")
    water.add_transformation(
        "[length]", "[mass]/[length]**2", lambda ureg, depth: depth * 1000 * ureg("kg/m**3")
    )
    water.add_transformation(
        "[speed]", "[mass]/[length]**2/[time]", lambda ureg, rate: rate * 1000 * ureg("kg/m**3")
    )
    try:
        with registry.context(water):
            zero, one = (
                registry.Quantity(v, registry.Unit(found)).to(registry.Unit(units)).magnitude
                for v in (0.0, 1.0)
            )
    except (pint.errors.PintError, AttributeError, ValueError, TypeError) as error:
        raise UnitsError(
            f"{array.name!r} has units {found!r}, expected {units!r} or one that "
            f"converts to it ({error})"
        ) from error
    return array * (one - zero) + zero


def require_units(array: xr.DataArray, units: str) -> xr.DataArray:
    """Return the array itself, if its units are these.

    Raises
    ------
    UnitsError
        If they are others, or none.
    """
    found = array.attrs.get("units")
    if found != units:
        raise UnitsError(f"{array.name!r} has units {found!r}, expected {units!r}")
    return array
