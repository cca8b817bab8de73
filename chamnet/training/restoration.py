"""Restoring the mean that a robust or logarithmic loss puts too low."""

import numpy as np

LOG_FACTOR_SPREAD = 0.25  # spread expected of the log factor before anything is seen


def fit_mean_factor(observed: np.ndarray, predicted: np.ndarray, cluster: np.ndarray) -> float:
    """Factor that gives predictions the mean of what was observed on held-out clusters.

    Parameters
    ----------
    observed, predicted : (n_windows,)
        Of held-out places; rows with NaN do not count.
    cluster : (n_windows,)
        Each cluster counts the same, however long its record.

    Returns
    -------
    scalar, above 0; 1 where nothing was held out

    Notes
    -----
    A ratio of means: the smearing estimate of Duan (1983) [1]_ with the residuals weighted by
    the prediction, so that sums come out right. Its logarithm is shrunk to 0 by its own
    uncertainty (jackknife over clusters): a few clusters say little about the mean elsewhere.

    References
    ----------
    .. [1] Duan (1983), Smearing estimate: a nonparametric retransformation method,
       doi:10.1080/01621459.1983.10478017.
    """
    is_there = np.isfinite(observed) & np.isfinite(predicted)
    names = np.unique(cluster[is_there])
    means = np.array(
        [
            (
                observed[is_there & (cluster == c)].mean(),
                predicted[is_there & (cluster == c)].mean(),
            )
            for c in names
        ]
    ).reshape(-1, 2)
    total_observed, total_predicted = means.sum(axis=0)
    if not (total_observed > 0 and total_predicted > 0):
        return 1.0
    left = means.sum(axis=0) - means  # (n, 2), each cluster left out
    logs = np.log(left[:, 0] / left[:, 1]) if (left > 0).all() else np.empty(0)
    return shrink_factor(total_observed / total_predicted, logs, spread=LOG_FACTOR_SPREAD)


def shrink_factor(factor: float, left_out: np.ndarray, *, spread: float) -> float:
    """Factor drawn towards 1 as far as its clusters leave it unsure.

    Parameters
    ----------
    factor : fitted on all clusters
    left_out : (n_clusters,)
        Logarithms of what is fitted with each cluster left out: its jackknife variance, taken
        as 1 of fewer than two.
    spread : expected of the logarithm before anything is seen
    """
    n = len(left_out)
    variance = (n - 1) * np.var(left_out) if n > 1 else 1.0
    return float(np.exp(np.log(factor) * spread**2 / (spread**2 + variance)))
