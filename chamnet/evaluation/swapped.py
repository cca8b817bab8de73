"""The ablation that needs no training: every place is given the history of another one."""

import dataclasses
import logging

import numpy as np

from chamnet.data.windows import MEASURED, UNKNOWN_YEAR, PlaceData

logger = logging.getLogger(__name__)


def swap_histories(data: PlaceData, allowed: np.ndarray) -> tuple[PlaceData, np.ndarray]:
    """Places whose responses are those of a donor from another cluster, year by year.

    If what is read from a place's history tells of the place, predictions must get worse.

    Parameters
    ----------
    data : places and their responses
    allowed : (P, Y) of bool, years whose response may be read, as the donor's years have it

    Returns
    -------
    data : each place with the windows of its donor; drivers, attributes and names stay
    allowed : (P, Y), of the donors
        A place without another cluster beside it keeps no response.

    Notes
    -----
    The donor is the place with the most years that precede one which is predicted here, so
    that what is lost is whose history it is, and not how much; the first of equals after the
    place itself.
    """
    has_response, has_drivers = _measured_years(data), data.has_drivers
    donors = [
        _choose_donor(has_response & has_drivers[p], data.cluster, p) for p in range(data.n_places)
    ]
    rows = data.windows.groupby("place").indices
    nothing = np.empty(0, dtype=int)
    own = [rows.get(donor, nothing) if donor >= 0 else nothing for donor in donors]
    windows = data.windows.iloc[np.concatenate([nothing, *own])].reset_index(drop=True)
    windows["place"] = np.repeat(np.arange(data.n_places), [len(part) for part in own])
    kept = np.array(donors) >= 0
    logger.info("swapped history: %d of %d places have a donor", kept.sum(), data.n_places)
    return dataclasses.replace(data, windows=windows), allowed[donors] & kept[:, None]


def _choose_donor(has_response: np.ndarray, cluster: np.ndarray, place: int) -> int:
    """Index of the donor, -1 where every place is of the same cluster.

    ``has_response`` (P, Y) in the years that the place has drivers of.
    """
    predicted = np.flatnonzero(has_response[place])
    n_earlier = has_response.cumsum(axis=1) - has_response  # years before each one
    n_useful = (n_earlier[:, predicted] > 0).sum(axis=1)
    order = (np.arange(len(cluster)) + place + 1) % len(cluster)
    order = order[cluster[order] != cluster[place]]
    return int(order[np.argmax(n_useful[order])]) if order.size else -1


def _measured_years(data: PlaceData) -> np.ndarray:
    """Years in which a place was measured, (P, Y) of bool."""
    windows = data.windows
    known = windows[(windows["quality"] == MEASURED) & (windows["year"] != UNKNOWN_YEAR)]
    has_response = np.zeros((data.n_places, len(data.years)), dtype=bool)
    has_response[known["place"], np.searchsorted(data.years, known["year"])] = True
    return has_response
