"""The prior flux itself, at the level of the measurements: what a network must add to."""

from typing import Self

import numpy as np

from chamnet.data.windows import MEASURED, PlaceData, build_window_means
from chamnet.errors import InputError


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
            If there is no prior flux, or none above 0 in any of them.
        """
        measured = train.with_windows((train.windows["quality"] == MEASURED).to_numpy())
        modelled = build_window_means(_prior_of(measured), measured)
        is_known = np.isfinite(modelled)
        total = float(modelled[is_known].sum())
        if not total > 0:
            raise InputError(f"{train.target}: no prior flux above 0 in a measured window")
        self.factor = float(measured.windows["flux"].to_numpy()[is_known].sum()) / total
        return self

    def predict(self, data: PlaceData) -> np.ndarray:
        """Flux of every day, (P, Y, T), kg m-2 s-1; NaN where the process model has none."""
        return self.factor * _prior_of(data)


def _prior_of(data: PlaceData) -> np.ndarray:
    if data.prior_flux is None:
        raise InputError(f"{data.target}: no prior flux at the places")
    return data.prior_flux
