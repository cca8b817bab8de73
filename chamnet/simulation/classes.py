"""Which wetland classes and upland biomes a climate and a ground bring about."""

import numpy as np

from chamnet.simulation.parameters import Parameters

CLASS_LABELS = {  # as the FLUXNET-CH4 site table writes them
    "wet_tundra": "Wet tundra",
    "bog": "Bog",
    "fen": "Fen",
    "marsh": "Marsh",
    "swamp": "Swamp",
}


def build_class_weights(
    parameters: Parameters,
    *,
    coldest: np.ndarray,
    warmest: np.ndarray,
    forest: np.ndarray,
    phh2o: np.ndarray,
) -> np.ndarray:
    """Shares of the wetland classes in the wetlands of cells, (cell, class), sum 1.

    Parameters
    ----------
    parameters : with the classes in order
    coldest, warmest : (cell,), degC
        Means of the coldest and the warmest month.
    forest : (cell,), 0 to 1
    phh2o : (cell,), 1

    Notes
    -----
    Tundra where the warmest month stays below 10-12 degC, the tropics where the coldest is
    above 15 degC (Koppen's limits, eased over a few K); peatlands between them turn from fen
    to bog where the mineral soil around is below pH 5.6, the peat itself being more acid
    (Rydin and Jeglum 2013, The Biology of Peatlands, ch. 2).
    """
    tundra = _rise((12 - warmest) / 1.2)
    tropical = (1 - tundra) * _rise((coldest - 14) / 2.0)
    warm = (1 - tundra - tropical) * _rise((coldest + 5) / 2.5)
    peat = np.clip(1 - tundra - tropical - warm, 0, 1)
    acid = _rise((5.6 - phh2o) / 0.3)
    wooded = np.clip(forest * 1.2, 0, 1)
    shares = {
        "wet_tundra": tundra,
        "bog": peat * acid * 0.9,
        "fen": peat * (1 - acid * 0.9) * 0.9 + warm * 0.15,
        "marsh": peat * (1 - acid * 0.9) * 0.15
        + warm * (0.8 - 0.5 * wooded)
        + tropical * (1 - 0.8 * wooded),
        "swamp": warm * 0.5 * wooded + tropical * 0.8 * wooded,
    }
    weights = np.stack([shares[name] for name in parameters.classes], axis=-1)
    return weights / weights.sum(axis=-1, keepdims=True)


def name_biomes(
    *,
    coldest: np.ndarray,
    warmest: np.ndarray,
    forest: np.ndarray,
    crop: np.ndarray,
    dry: np.ndarray,
) -> np.ndarray:
    """Names of the upland biomes of cells, (cell,) of str.

    Parameters
    ----------
    coldest, warmest : (cell,), degC
    forest, crop : (cell,), 0 to 1
    dry : (cell,), bool
        Whether a year's precipitation is below a fifth of the potential evapotranspiration.
    """
    is_wooded, is_tropical = forest > 0.3, coldest > 15
    return np.select(
        [
            crop > 0.5,
            dry,
            warmest < 10,
            is_tropical & is_wooded,
            is_tropical,
            is_wooded & (coldest < -10),
            is_wooded,
        ],
        [
            "cropland",
            "desert",
            "tundra",
            "tropical forest",
            "savanna",
            "boreal forest",
            "temperate forest",
        ],
        default="grassland",
    )


def _rise(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -40, 40)))
