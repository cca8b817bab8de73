"""What the process model takes: ground and drivers of cells, checked where they come in."""

import dataclasses

import numpy as np

from chamnet.data.drivers import DRIVERS
from chamnet.errors import InputError, MissingDriverError
from chamnet.simulation.consumption import porosity_of

REQUIRED = ("air_temperature", "precipitation_flux", "surface_downwelling_shortwave_flux_in_air")
LONGWAVE = "surface_downwelling_longwave_flux_in_air"  # used where it is there


@dataclasses.dataclass(frozen=True, slots=True)
class Land:
    """Ground of cells, made by ``build_land``; fractions are 0 to 1.

    Attributes
    ----------
    sand, clay, porosity, crop_fraction : (cell,)
    nitrogen : (cell,), g m-2 yr-1
    class_weights : (cell, class)
        Shares of the wetland classes in a cell's wetlands.
    """

    sand: np.ndarray
    clay: np.ndarray
    porosity: np.ndarray
    crop_fraction: np.ndarray
    nitrogen: np.ndarray
    class_weights: np.ndarray

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return self.sand.size

    def take(self, index: np.ndarray) -> "Land":
        """Ground of some cells, in this order."""
        return Land(**{f.name: getattr(self, f.name)[index] for f in dataclasses.fields(Land)})


def build_land(
    *,
    sand: np.ndarray,
    clay: np.ndarray,
    class_weights: np.ndarray,
    silt: np.ndarray | None = None,
    porosity: np.ndarray | None = None,
    crop_fraction: np.ndarray | float = 0.0,
    nitrogen: np.ndarray | float = 0.0,
) -> Land:
    """Checked ground of cells.

    Parameters
    ----------
    sand, clay, silt : (cell,), 0 to 1
        Silt is what is left where it is not given.
    class_weights : (cell, class), 0 to 1
    porosity : (cell,), 0 to 1, both excluded
        From sand (Cosby et al. 1984) where it is not given.
    crop_fraction : (cell,), 0 to 1
    nitrogen : (cell,), g m-2 yr-1
        Deposited and fertilized; 0 leaves Curry's uptake as it is.

    Raises
    ------
    InputError
        If fractions do not sum to 1, porosity is not between 0 and 1, or nitrogen is below 0.
    """
    sand, clay = np.asarray(sand, dtype=float), np.asarray(clay, dtype=float)
    silt = 1 - sand - clay if silt is None else np.asarray(silt, dtype=float)
    total = sand + clay + silt
    is_wrong = ~(np.abs(total - 1) <= 0.01) | ~(np.minimum(np.minimum(sand, clay), silt) >= -1e-6)
    if is_wrong.any():
        i = int(np.argmax(is_wrong))
        raise InputError(
            f"soil fractions of cell {i}: sand {sand[i]:g}, clay {clay[i]:g}, silt {silt[i]:g}, "
            "expected none below 0 and a sum of 1"
        )
    porosity = porosity_of(sand) if porosity is None else np.asarray(porosity, dtype=float)
    is_wrong = ~((porosity > 0) & (porosity < 1))
    if is_wrong.any():
        i = int(np.argmax(is_wrong))
        raise InputError(f"porosity of cell {i} is {porosity[i]:g}, expected one between 0 and 1")
    nitrogen = np.broadcast_to(np.asarray(nitrogen, dtype=float), sand.shape)
    if not (nitrogen >= 0).all():
        i = int(np.argmax(~(nitrogen >= 0)))
        raise InputError(f"nitrogen of cell {i} is {nitrogen[i]:g} g m-2 yr-1, expected 0 or more")
    return Land(
        sand=sand,
        clay=clay,
        porosity=porosity,
        crop_fraction=np.broadcast_to(np.asarray(crop_fraction, dtype=float), sand.shape),
        nitrogen=nitrogen,
        class_weights=np.asarray(class_weights, dtype=float),
    )


def check_drivers(drivers: dict[str, np.ndarray], *, n_cells: int) -> None:
    """Check that the drivers of a simulation are there, in shape, finite and in their units.

    Raises
    ------
    MissingDriverError, InputError
        The message names the driver, the cell and the value.
    """
    missing = sorted(set(REQUIRED) - set(drivers))
    if missing:
        raise MissingDriverError(f"simulation: no {missing}; it has {sorted(drivers)}")
    shape = (n_cells, drivers[REQUIRED[0]].shape[1])
    for name in (*REQUIRED, LONGWAVE):
        if name not in drivers:
            continue
        values, driver = drivers[name], DRIVERS[name]
        if values.shape != shape:
            raise InputError(f"driver {name!r} has shape {values.shape}, expected {shape}")
        lowest, highest = values.min(), values.max()  # NaN where there is any
        if not (lowest >= driver.lowest and highest <= driver.highest):
            is_wrong = ~((values >= driver.lowest) & (values <= driver.highest))
            cell, day = np.unravel_index(int(np.argmax(is_wrong)), values.shape)
            raise InputError(
                f"driver {name!r} is {values[cell, day]} in cell {cell} on day {day}, expected "
                f"{driver.lowest:g} to {driver.highest:g} {driver.units}"
            )
