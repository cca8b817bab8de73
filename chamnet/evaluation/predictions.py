"""Frames of predictions: a row a window, beside what was observed."""

import os
from collections.abc import Iterable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from chamnet.data.windows import UNKNOWN_YEAR, PlaceData
from chamnet.timeaxis import month_of_step

GROUP = ["target", "model", "protocol", "context"]
LABELS = [*GROUP, "place", "place_class"]


def read_predictions(paths: Iterable[str | os.PathLike]) -> pd.DataFrame:
    """Kept tables one below the other, labels as categories: a simulator has millions of rows.

    Parameters
    ----------
    paths : Parquet files of `build_predictions`, with the other columns of fits
    """
    tables = [pq.read_table(path, read_dictionary=LABELS) for path in paths]
    whole = pa.concat_tables([table.replace_schema_metadata() for table in tables])
    return whole.unify_dictionaries().to_pandas()


def build_predictions(data: PlaceData, predicted: np.ndarray) -> pd.DataFrame:
    """Frame of predictions: a row a window.

    Parameters
    ----------
    data : places and the windows that are scored
    predicted : (n_windows,), kg m-2 s-1

    Returns
    -------
    rows place, cluster, place_class, year (-1 unknown), month (0 to 11; of the first day), n_days
        (0: the year is unknown), first, last, observed, predicted (kg m-2 s-1)
    """
    windows = data.windows
    place = windows["place"].to_numpy()
    is_open = (windows["first"] < 0).to_numpy()
    return pd.DataFrame(
        {
            "place": data.place[place],
            "cluster": data.cluster[place],
            "place_class": data.place_class[place],
            "year": windows["year"].to_numpy(),
            "month": _months(data),
            "n_days": np.where(is_open, 0, windows["last"] - windows["first"] + 1),
            "first": windows["first"].to_numpy(),
            "last": windows["last"].to_numpy(),
            "observed": windows["flux"].to_numpy(),
            "predicted": np.asarray(predicted, dtype=float),
        }
    )


def _months(data: PlaceData) -> np.ndarray:
    month = data.windows["month"].to_numpy().copy()
    year, first = data.windows["year"].to_numpy(), data.windows["first"].to_numpy()
    for one in np.unique(year[(month < 0) & (year != UNKNOWN_YEAR) & (first >= 0)]):
        of_step = month_of_step(int(one), calendar=data.calendar)
        chosen = (month < 0) & (year == one) & (first >= 0)
        month[chosen] = of_step[first[chosen]]
    return month
