"""Scores of predicted against observed fluxes, each with its formula and source.

Plain functions of two arrays, observed ``y`` and predicted ``p``, for the scores that need
every value; ``Moments`` for those that follow from sums and so merge over chunks.
"""

import dataclasses
from collections.abc import Callable
from typing import Self

import numpy as np

STANDARD_ERRORS_OF_ZERO = 3.0  # a mean closer to 0 than so many standard errors divides nothing

ROUNDING = 1e-9  # a mean smaller than so many standard deviations is rounding


@dataclasses.dataclass(frozen=True, slots=True)
class Moments:
    """Central sums of pairs (y, p), which merge in any order.

    Parameters
    ----------
    n : number of pairs
    mean_y, mean_p : means
    ss_y, ss_p, ss_yp : sums of squares and products about the means

    Notes
    -----
    Merged by Chan, Golub & LeVeque (1983), The American Statistician 37, 242-247, eq. 2.1.
    """

    n: int = 0
    mean_y: float = 0.0
    mean_p: float = 0.0
    ss_y: float = 0.0
    ss_p: float = 0.0
    ss_yp: float = 0.0

    @classmethod
    def from_pairs(cls, observed: np.ndarray, predicted: np.ndarray) -> Self:
        """Moments of the pairs in which neither is NaN."""
        y, p = _pairs(observed, predicted)
        if y.size == 0:
            return cls()
        mean_y, mean_p = float(y.mean()), float(p.mean())
        dy, dp = y - mean_y, p - mean_p
        return cls(y.size, mean_y, mean_p, float(dy @ dy), float(dp @ dp), float(dy @ dp))

    def __add__(self, other: Self) -> "Moments":
        n = self.n + other.n
        if n == 0:
            return Moments()
        dy, dp = other.mean_y - self.mean_y, other.mean_p - self.mean_p
        weight = self.n * other.n / n
        return Moments(
            n,
            self.mean_y + dy * other.n / n,
            self.mean_p + dp * other.n / n,
            self.ss_y + other.ss_y + weight * dy * dy,
            self.ss_p + other.ss_p + weight * dp * dp,
            self.ss_yp + other.ss_yp + weight * dy * dp,
        )

    @property
    def sum_squared_errors(self) -> float:
        """SSE = sum (p - y)^2."""
        difference = self.mean_p - self.mean_y
        return self.ss_y + self.ss_p - 2 * self.ss_yp + self.n * difference**2

    def bias(self) -> float:
        """Mean of p - y."""
        return self.mean_p - self.mean_y if self.n else np.nan

    def rmse(self) -> float:
        """sqrt(SSE / n)."""
        return float(np.sqrt(max(self.sum_squared_errors, 0.0) / self.n)) if self.n else np.nan

    def r2(self) -> float:
        """1 - SSE/SST; see `r2`."""
        is_flat = self.ss_y <= self.n * (ROUNDING * self.mean_y) ** 2
        return np.nan if is_flat else 1 - self.sum_squared_errors / self.ss_y

    def pearson_r2(self) -> float:
        """Squared correlation; see `pearson_r2`."""
        return _ratio(self.ss_yp**2, self.ss_y * self.ss_p)

    def nrmse_mean(self) -> float:
        """RMSE / |mean y|; see `nrmse_mean`."""
        if self.n < 2 or _is_near_zero(self.mean_y, self.ss_y, self.n):
            return np.nan
        return self.rmse() / abs(self.mean_y)

    def nrmse_sd(self) -> float:
        """RMSE / sd y; see `nrmse_sd`."""
        return _ratio(self.rmse(), np.sqrt(self.ss_y / self.n)) if self.n else np.nan

    def kge(self) -> float:
        """Kling-Gupta efficiency; see `kge`."""
        if min(self.ss_y, self.ss_p) <= 0 or self.mean_y**2 <= ROUNDING**2 * self.ss_y / self.n:
            return np.nan
        r = self.ss_yp / np.sqrt(self.ss_y * self.ss_p)
        alpha = np.sqrt(self.ss_p / self.ss_y)
        beta = self.mean_p / self.mean_y
        return float(1 - np.sqrt((r - 1) ** 2 + (alpha - 1) ** 2 + (beta - 1) ** 2))


def bias(observed: np.ndarray, predicted: np.ndarray) -> float:
    """Mean of p - y, in the units of y; positive where too much is predicted."""
    return Moments.from_pairs(observed, predicted).bias()


def rmse(observed: np.ndarray, predicted: np.ndarray) -> float:
    """Root of the mean of (p - y)^2, in the units of y."""
    return Moments.from_pairs(observed, predicted).rmse()


def mae(observed: np.ndarray, predicted: np.ndarray) -> float:
    """Mean of |p - y|, in the units of y."""
    y, p = _pairs(observed, predicted)
    return float(np.abs(p - y).mean()) if y.size else np.nan


def nrmse_mean(observed: np.ndarray, predicted: np.ndarray) -> float:
    """RMSE / |mean y|: the denominator of X-MethaneWet.

    NaN where the mean lies within 3 standard errors (sd / sqrt(n)) of 0, or of one value.

    References
    ----------
    X-MethaneWet (2025), arXiv:2505.18355.
    """
    return Moments.from_pairs(observed, predicted).nrmse_mean()


def nrmse_sd(observed: np.ndarray, predicted: np.ndarray) -> float:
    """RMSE / sd y with the population's sd, which is sqrt(1 - R2)."""
    return Moments.from_pairs(observed, predicted).nrmse_sd()


def nrmse_range(observed: np.ndarray, predicted: np.ndarray) -> float:
    """RMSE / (max y - min y); flatters, and follows outliers."""
    y, p = _pairs(observed, predicted)
    return _ratio(rmse(y, p), float(np.ptp(y))) if y.size else np.nan


def nrmse_iqr(observed: np.ndarray, predicted: np.ndarray) -> float:
    """RMSE / (third - first quartile of y)."""
    y, p = _pairs(observed, predicted)
    if y.size == 0:
        return np.nan
    first, third = np.quantile(y, [0.25, 0.75])
    return _ratio(rmse(y, p), float(third - first))


def r2(observed: np.ndarray, predicted: np.ndarray) -> float:
    """Coefficient of determination, 1 - SSE/SST about the mean of these y.

    The same as the Nash-Sutcliffe efficiency (NSE) and scikit-learn's ``r2_score``; can be
    negative; NaN where all y are equal but for rounding.

    References
    ----------
    Nash & Sutcliffe (1970), J. Hydrology 10, 282-290, doi:10.1016/0022-1694(70)90255-6.
    """
    return Moments.from_pairs(observed, predicted).r2()


def pearson_r2(observed: np.ndarray, predicted: np.ndarray) -> float:
    """Squared Pearson correlation, cov(y, p)^2 / (var y var p); blind to bias and scale."""
    return Moments.from_pairs(observed, predicted).pearson_r2()


def kge(observed: np.ndarray, predicted: np.ndarray) -> float:
    """Kling-Gupta efficiency, 1 - sqrt((r-1)^2 + (sd p / sd y - 1)^2 + (mean p / mean y - 1)^2).

    NaN where the mean of y is 0 but for rounding, as that of a seasonal cycle about its mean.

    References
    ----------
    Gupta et al. (2009), J. Hydrology 377, 80-91, eq. 9, doi:10.1016/j.jhydrol.2009.08.003.
    """
    return Moments.from_pairs(observed, predicted).kge()


def coverage(observed: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> float:
    """Share of y in [lower, upper], ends included; NaN without a finite triple."""
    is_finite = np.isfinite(observed) & np.isfinite(lower) & np.isfinite(upper)
    if not is_finite.any():
        return np.nan
    is_inside = (observed >= lower) & (observed <= upper)
    return float(is_inside[is_finite].mean())


def crps_quantiles(observed: np.ndarray, quantiles: np.ndarray, levels: np.ndarray) -> float:
    """Continuous ranked probability score of predicted quantiles: twice the mean pinball loss.

    Parameters
    ----------
    observed : (n,)
    quantiles : (level, n)
    levels : (level,), in (0, 1)
        Evenly spread, such as 0.05, 0.15 .. 0.95, for the mean to be the integral.

    Notes
    -----
    Pinball loss max(q (y - x), (q - 1)(y - x)); its integral over q is CRPS / 2. Laio &
    Tamea (2007), HESS 11, 1267-1277, eq. 13.
    """
    y = np.asarray(observed, dtype=float)
    x = np.asarray(quantiles, dtype=float)
    is_finite = np.isfinite(y) & np.isfinite(x).all(axis=0)
    if not is_finite.any():
        return np.nan
    error = y[is_finite] - x[:, is_finite]
    level = np.asarray(levels, dtype=float)[:, None]
    return float(2 * np.maximum(level * error, (level - 1) * error).mean())


METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "bias": bias,
    "rmse": rmse,
    "mae": mae,
    "nrmse_mean": nrmse_mean,
    "nrmse_sd": nrmse_sd,
    "nrmse_range": nrmse_range,
    "nrmse_iqr": nrmse_iqr,
    "r2": r2,
    "pearson_r2": pearson_r2,
    "kge": kge,
}
"""Every score of observed and predicted values by its name in skill.csv."""


def _pairs(observed: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y = np.asarray(observed, dtype=float).ravel()
    p = np.asarray(predicted, dtype=float).ravel()
    if y.size != p.size:
        raise ValueError(f"{y.size} observed values, but {p.size} predicted ones")
    is_pair = np.isfinite(y) & np.isfinite(p)
    return y[is_pair], p[is_pair]


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator > 0 else np.nan


def _is_near_zero(mean: float, sum_squares: float, n: int) -> bool:
    standard_error = np.sqrt(sum_squares / (n - 1) / n)
    return bool(abs(mean) <= STANDARD_ERRORS_OF_ZERO * standard_error)
