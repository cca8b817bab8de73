"""Persistence: a day's flux is that of the same day of the last measured year."""

from typing import Self

import numpy as np

from chamnet.data.windows import MEASURED, PlaceData, build_response

SEARCH_DAYS = 7  # a day without a measured one within so many days has no prediction


class LastYear:
    """The last measured year's same day, or the nearest measured day within a week of it.

    Knows the windows it was fitted on: years after the last of them all get that year's days.
    """

    def __init__(self) -> None:
        self._response = np.empty(0)
        self._years = np.empty(0)
        self._place = np.empty(0)

    def fit(self, train: PlaceData) -> Self:
        """Keep the measured days."""
        self._response = _filled_days(train)
        self._years, self._place = train.years, train.place
        return self

    def predict(self, data: PlaceData) -> np.ndarray:
        """Flux of every day, (P, Y, T), kg m-2 s-1; NaN without an earlier measured day."""
        flux = np.full(data.drivers.shape[:3], np.nan)
        row_of = {str(name): row for row, name in enumerate(self._place)}
        for p, name in enumerate(data.place):
            if str(name) not in row_of:
                continue
            known = self._response[row_of[str(name)]]
            for y, year in enumerate(data.years):
                for earlier in np.flatnonzero(self._years < year):
                    newer = np.isfinite(known[earlier])
                    flux[p, y, newer] = known[earlier, newer]
        return flux


def _filled_days(data: PlaceData) -> np.ndarray:
    """Measured days, and the nearest of them for days within a week, (P, Y, T)."""
    response = build_response(data, qualities=(MEASURED,))
    filled = response.copy()
    for shift in range(1, SEARCH_DAYS + 1):
        for side in (shift, -shift):
            moved = np.roll(response, side, axis=-1)
            edge = slice(None, side) if side > 0 else slice(side, None)
            moved[..., edge] = np.nan
            filled = np.where(np.isfinite(filled), filled, moved)
    return filled
