"""Means of each class of places and month: what a look-up table knows."""

from typing import Self

import numpy as np
import pandas as pd

from chamnet.data.windows import PlaceData, place_windows_in_years
from chamnet.timeaxis import N_MONTHS, month_of_step


class ClassMonth:
    """Mean flux by place class and month; places count alike, however long their records.

    A class or a month of a class without a training place has the mean of that month over all
    classes, and a month without any the overall mean.
    """

    def __init__(self) -> None:
        self._table = pd.DataFrame()
        self._all = pd.Series(dtype=float)

    def fit(self, train: PlaceData) -> Self:
        """Learn from measured windows, each in the month of its middle."""
        of_place = _monthly_means(train).groupby(["class", "place", "month"])["flux"].mean()
        self._table = of_place.groupby(["class", "month"]).mean().unstack("month")
        monthly = of_place.groupby("month").mean()
        self._all = monthly.reindex(range(N_MONTHS)).fillna(of_place.mean())
        return self

    def predict(self, data: PlaceData) -> np.ndarray:
        """Flux of every day, (P, Y, T), kg m-2 s-1; the same within a month."""
        table = self._table.reindex(index=data.place_class, columns=range(N_MONTHS))
        monthly = table.fillna(self._all).to_numpy()  # (P, 12)
        flux = np.full(data.drivers.shape[:3], np.nan)
        for index, year in enumerate(data.years):
            month = month_of_step(int(year), calendar=data.calendar)
            flux[:, index, : month.size] = monthly[:, month]
        return flux


def _monthly_means(data: PlaceData) -> pd.DataFrame:
    rows = place_windows_in_years(data)
    rows = rows[data.is_measured[rows["window"]]]
    middle = ((rows["first"] + rows["last"]) // 2).to_numpy()
    months = [month_of_step(int(year), calendar=data.calendar) for year in data.years]
    padded = np.stack([np.pad(m, (0, 366 - m.size), mode="edge") for m in months])
    place = rows["place"].to_numpy()
    return pd.DataFrame(
        {
            "class": data.place_class[place],
            "place": data.place[place],
            "month": padded[rows["year_index"].to_numpy(), middle],
            "flux": data.windows["flux"].to_numpy()[rows["window"]],
        }
    )
