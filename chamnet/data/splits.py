"""Splits: which observations train, which stop the training, and which are tested on.

By time (the later years of every place) and by space (whole clusters of places, so that
near places never stand on both sides). Nothing here looks at a flux.
"""

import dataclasses
import logging

import numpy as np
import pandas as pd

from chamnet.data.windows import UNKNOWN_YEAR
from chamnet.errors import InputError

logger = logging.getLogger(__name__)

TRAIN_YEARS = 6 / 7  # share of the span of a place's years, X-MethaneWet (arXiv:2505.18355)


@dataclasses.dataclass(frozen=True, slots=True)
class Split:
    """Windows by their use; each window has at most one.

    Parameters
    ----------
    train, validation, test : (window,) bool
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_temporal(
    place: np.ndarray,
    year: np.ndarray,
    *,
    has_score: np.ndarray | None = None,
    seed: int = 0,
    train_years: float = TRAIN_YEARS,
) -> Split:
    """Later years of each place tested, earlier ones trained on.

    Of a place's sorted years u_0 .. u_{n-1}, those up to u[floor((n-1) * share)] train and
    the later ones test; one of the training years, drawn by the seed, validates where
    there are two or more.

    Parameters
    ----------
    place, year : (window,)
        Windows of an unknown year (-1) train.
    has_score : (window,) bool
        Windows whose years count; None: all. Tower years without a measured day are no years.
    seed : of the draw of validation years
    train_years : share of the span of years that trains

    Returns
    -------
    Split
        Test holds all windows of the test years; that only measured ones are scored is the
        scorer's business.
    """
    place, year = np.asarray(place), np.asarray(year)
    counts = np.ones(place.size, dtype=bool) if has_score is None else np.asarray(has_score)
    train, validation, test = (np.zeros(place.size, dtype=bool) for _ in range(3))
    train |= year == UNKNOWN_YEAR
    for one, rows in pd.Series(place).groupby(place).indices.items():
        known = rows[year[rows] != UNKNOWN_YEAR]
        years = np.unique(year[known][counts[known]])
        if years.size == 0:
            train[known] = True
            continue
        last_train = years[int(np.floor((years.size - 1) * train_years))]
        held_out = _validation_year(years[years <= last_train], place=int(one), seed=seed)
        test[known] = year[known] > last_train
        validation[known] = year[known] == held_out
        train[known] = (year[known] <= last_train) & (year[known] != held_out)
    return Split(train, validation, test)


def _validation_year(years: np.ndarray, *, place: int, seed: int) -> int | None:
    if years.size < 2:
        return None
    return int(np.random.default_rng((seed, place)).choice(years))


def assign_folds(
    cluster: np.ndarray, *, n_folds: int, seed: int, weight: np.ndarray | None = None
) -> np.ndarray:
    """Fold of each place; places of one cluster share theirs.

    Parameters
    ----------
    cluster : (place,) int
    n_folds : folds asked for
        No more than there are clusters.
    seed : of the order of clusters of equal weight
    weight : (place,)
        What the folds balance, such as the number of windows; None: places.

    Returns
    -------
    (place,) int, 0 .. n_folds - 1

    Raises
    ------
    InputError
        If there are fewer than two clusters: nothing could be held out.

    Notes
    -----
    Clusters from the heaviest on, each to the lightest fold so far.
    """
    clusters, index = np.unique(np.asarray(cluster), return_inverse=True)
    if clusters.size < 2:
        raise InputError(
            f"{clusters.size} cluster of places, expected at least 2 to hold one out; "
            "places nearer than cluster_km share a cluster"
        )
    if n_folds > clusters.size:
        logger.info("folds: %d asked for, %d clusters: one each", n_folds, clusters.size)
        n_folds = clusters.size
    loads = np.bincount(index, weights=np.ones(index.size) if weight is None else weight)
    order = np.random.default_rng(seed).permutation(clusters.size)
    order = order[np.argsort(-loads[order], kind="stable")]
    fold_of_cluster = np.zeros(clusters.size, dtype=int)
    fold_loads, fold_sizes = np.zeros(n_folds), np.zeros(n_folds, dtype=int)
    for one in order:
        lightest = np.lexsort((fold_loads, np.minimum(fold_sizes, 1)))[0]
        fold_of_cluster[one] = lightest
        fold_loads[lightest] += loads[one]
        fold_sizes[lightest] += 1
    return fold_of_cluster[index]


def assign_blocks(latitude: np.ndarray, longitude: np.ndarray, *, block_deg: float) -> np.ndarray:
    """Block of each place: places of one square of latitude and longitude share a number.

    Parameters
    ----------
    latitude, longitude : (place,), degrees
    block_deg : width of a block, degrees

    Returns
    -------
    (place,) int

    References
    ----------
    Roberts et al. (2017), Cross-validation strategies for data with temporal, spatial,
    hierarchical, or phylogenetic structure, Ecography 40, 913-929, doi:10.1111/ecog.02881:
    folds of random places let neighbors stand on both sides.
    """
    row = np.floor((np.asarray(latitude) + 90) / block_deg).astype(int)
    column = np.floor((np.asarray(longitude) + 180) / block_deg).astype(int)
    return np.unique(row * 10_000 + column, return_inverse=True)[1]


def split_spatial(
    place: np.ndarray,
    *,
    fold_of_place: np.ndarray,
    cluster: np.ndarray,
    fold: int,
    validation_share: float = 0.2,
    seed: int = 0,
) -> Split:
    """Windows of a fold's places tested; of the others, some clusters validate.

    Parameters
    ----------
    place : (window,) int, index into the places
    fold_of_place, cluster : (place,) int
    fold : the one that is tested
    validation_share : of the training clusters, at least one, never all
    seed : of the draw of validation clusters
    """
    place = np.asarray(place)
    is_test_place = np.asarray(fold_of_place) == fold
    is_validation_place = hold_out_clusters(
        np.asarray(cluster), among=~is_test_place, share=validation_share, seed=seed + fold
    )
    test, validation = is_test_place[place], is_validation_place[place]
    return Split(~test & ~validation, validation, test)


def hold_out_clusters(
    cluster: np.ndarray, *, among: np.ndarray, share: float, seed: int
) -> np.ndarray:
    """Places of a drawn share of the clusters, (place,) bool; none where only one is left.

    Parameters
    ----------
    cluster : (place,) int
    among : (place,) bool, places that may be drawn
    share : of those places' clusters, rounded, at least one
    """
    clusters = np.unique(cluster[among])
    if clusters.size < 2:
        return np.zeros(cluster.size, dtype=bool)
    n_drawn = min(max(1, round(share * clusters.size)), clusters.size - 1)
    drawn = np.random.default_rng(seed).choice(clusters, n_drawn, replace=False)
    return among & np.isin(cluster, drawn)


def has_earlier_year(
    place: np.ndarray, year: np.ndarray, *, gives_response: np.ndarray
) -> np.ndarray:
    """Windows whose place was observed in a year before theirs, (window,) bool.

    ``few_shot`` and ``zero_shot`` are scored on these alone, so that both see the same days.

    Parameters
    ----------
    place, year : (window,) int
    gives_response : (window,) bool
        Windows that may stand in a context; those of an unknown year never do.
    """
    place, year = np.asarray(place), np.asarray(year)
    gives = np.asarray(gives_response) & (year != UNKNOWN_YEAR)
    first = np.full(int(place.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, place[gives], year[gives])
    return (year != UNKNOWN_YEAR) & (year > first[place])
