"""The bootstrap of clusters that a member is trained on."""

import dataclasses

import numpy as np
import pandas as pd

from chamnet.data.windows import PlaceData
from chamnet.errors import InputError


@dataclasses.dataclass(frozen=True)
class Bag:
    """A bootstrap of clusters: how often each place is drawn, and which are held out.

    ``n_times`` (P,), 0 out of the bag; ``is_validation`` (P,), of the places out of the bag.
    """

    n_times: np.ndarray
    is_validation: np.ndarray


def draw_bag(cluster: np.ndarray, *, seed: int, validation_share: float) -> Bag:
    """Bootstrap of clusters; some of those left out stop the training.

    Parameters
    ----------
    cluster : (P,)
    seed : of the draw
    validation_share : share of all clusters that validate, at most those out of the bag

    Raises
    ------
    InputError
        If there are fewer than 3 clusters: nothing could be left out.
    """
    names, index = np.unique(cluster, return_inverse=True)
    n = len(names)
    if n < 3:
        raise InputError(f"{n} clusters of places, expected at least 3 to train a member")
    random = np.random.default_rng(seed)
    n_times = np.zeros(n, dtype=int)
    while not (n_times == 0).any() or (n_times > 0).sum() < 2:
        n_times = np.bincount(random.integers(0, n, n), minlength=n)
    left_out = random.permutation(np.flatnonzero(n_times == 0))
    n_validation = min(len(left_out), max(1, round(validation_share * n)))
    is_validation = np.isin(np.arange(n), left_out[:n_validation])
    return Bag(n_times[index], is_validation[index])


def join_places(training: PlaceData, held_out: PlaceData) -> tuple[PlaceData, np.ndarray]:
    """Places of both, those to train on first; and which windows are held out, (n_windows,)."""
    windows = held_out.windows.assign(place=held_out.windows["place"] + training.n_places)
    arrays = ("drivers", "attributes", "latitude", "longitude", "cluster", "place_class", "place")
    if training.prior_flux is not None:
        arrays += ("prior_flux",)
    joined = {n: np.concatenate([getattr(training, n), getattr(held_out, n)]) for n in arrays}
    both = pd.concat([training.windows, windows], ignore_index=True)
    is_held_out = np.arange(len(both)) >= len(training.windows)
    return dataclasses.replace(training, **joined, windows=both), is_held_out
