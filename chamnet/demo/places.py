"""Where the synthetic towers and chambers stand.

Biased as the real networks are: to the north, to temperate cells, to Europe and North America.
"""

import dataclasses

import numpy as np

from chamnet.demo.surface import Ground
from chamnet.grid import Grid

# Shares of 43 freshwater wetland sites of FLUXNET-CH4: arctic-boreal 20, temperate 16, warm 7.
TOWER_SHARES = {"cold": 20 / 43, "temperate": 16 / 43, "warm": 7 / 43}
CHAMBER_SHARES = {"cold": 0.25, "temperate": 0.50, "warm": 0.25}


@dataclasses.dataclass(frozen=True, slots=True)
class Places:
    """Places of a network, (place,) each.

    Attributes
    ----------
    names : identifiers
    cell : index of the land cell
    latitude, longitude : degrees
    """

    names: list[str]
    cell: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray


def climate_zones(koppen: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """Zone of each place: cold, temperate or warm, (place,) of str, from Koppen zones."""
    first = np.array([zone[0] for zone in koppen])
    is_cold = (first == "E") | np.isin(koppen, ["Dfc", "Dfd", "Dwc", "Dwd", "Dsc", "Dsd"])
    is_warm = np.abs(latitude) < 30
    return np.select([is_cold & ~is_warm, is_warm], ["cold", "warm"], default="temperate")


def place_network(
    ground: Ground,
    grid: Grid,
    *,
    zones: np.ndarray,
    weights: np.ndarray,
    shares: dict[str, float],
    n_places: int,
    prefix: str,
    seed: int,
) -> Places:
    """Places drawn by zone, more of them in Europe and North America.

    Parameters
    ----------
    ground : land cells of the world
    grid : of the world
    zones : (cell,)
    weights : (cell,)
        What draws places; 0 keeps them away.
    shares : zone -> share of the places
    n_places : one in ten stands in a cell that has one already
    prefix : of the names
    seed : of the draw
    """
    generator = np.random.default_rng([seed, 6])
    is_studied = (ground.latitude > 25) & (
        (ground.longitude < -55) | ((ground.longitude > -12) & (ground.longitude < 45))
    )
    weights = weights * np.where(is_studied, 5.0, 1.0) * np.where(ground.latitude < -30, 0.3, 1)
    cells: list[int] = []
    wanted = _round_shares(shares, n_places)
    for zone, count in wanted.items():
        chance = weights * (zones == zone)
        chance = weights if chance.sum() == 0 else chance
        n_new = min(max(1, round(count * 0.9)), int((chance > 0).sum()))
        drawn = generator.choice(chance.size, n_new, replace=False, p=chance / chance.sum())
        beside = generator.choice(drawn, count - n_new)
        cells += [*drawn, *beside]
    cell = np.sort(np.array(cells))
    shift = generator.uniform(-0.35, 0.35, (2, cell.size)) * grid.step_deg
    return Places(
        names=[f"{prefix}{i:03d}" for i in range(1, cell.size + 1)],
        cell=cell,
        latitude=np.round(ground.latitude[cell] + shift[0], 4),
        longitude=np.round(ground.longitude[cell] + shift[1], 4),
    )


def _round_shares(shares: dict[str, float], n_places: int) -> dict[str, int]:
    counts = {zone: max(1, int(share * n_places)) for zone, share in shares.items()}
    largest = max(counts, key=lambda zone: counts[zone])
    counts[largest] += n_places - sum(counts.values())
    return counts
