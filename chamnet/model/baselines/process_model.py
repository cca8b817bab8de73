"""The prior flux itself, at the level of the measurements: what a network must add to."""

from typing import Self

import numpy as np

from chamnet.data.normalization import fit_prior_factor
from chamnet.data.windows import PlaceData


class ProcessModel:
    """Flux of a process model times one factor, the ratio of measured to modelled means.

    The factor is what a modeller tunes too; season and differences between places are the
    process model's own.
    """

    def __init__(self) -> None:
        self.factor = 1.0

    def fit(self, train: PlaceData) -> Self:
        """Find the factor on measured windows.

        Raises
        ------
        InputError
            If there is no prior flux, or no ratio.
        """
        self.factor = fit_prior_factor(train)
        return self

    def predict(self, data: PlaceData) -> np.ndarray:
        """Flux of every day, (P, Y, T), kg m-2 s-1; NaN where the process model has none."""
        return self.factor * data.prior_flux
