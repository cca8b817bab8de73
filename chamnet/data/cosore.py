"""COSORE: automated chambers, daily means of ports, as monthly means of uptake.

Bond-Lamberty et al. (2020), doi:10.1111/gcb.15353. Fluxes are in nmol m-2 s-1, negative where
soil takes methane up.
"""

import logging

import numpy as np
import pandas as pd

from chamnet.errors import InputError
from chamnet.units import nmol_m2_s_to_kg_m2_s, ug_c_m2_hour_to_kg_m2_s

logger = logging.getLogger(__name__)

COSORE_COLUMNS = ("dataset", "lat", "lon", "igbp", "date", "CSR_FLUX_CH4")
LICENCE, DOI = "CC-BY-4.0", "10.1111/gcb.15353"
MIN_DAYS = 5  # of a month, to have a mean


def build_months(table: pd.DataFrame, *, path: str) -> pd.DataFrame:
    """Monthly means of each data set, in the columns of a plain table.

    Parameters
    ----------
    table : rows of days
    path : for messages

    Returns
    -------
    place_id, latitude, longitude, biome, year, month, consumption_ug_c_m2_h and
    uncertainty_ug_c_m2_h (standard error of the days' mean), licence, doi; no mean (NaN)
    where a month has fewer than 5 days.

    Raises
    ------
    InputError
        If a column is missing, or a date or flux is none.
    """
    missing = [column for column in COSORE_COLUMNS if column not in table]
    if missing:
        raise InputError(f"{path}: no column {missing[0]!r}, expected {list(COSORE_COLUMNS)}")
    dates = pd.to_datetime(table["date"], format="%Y-%m-%d", errors="coerce")
    flux = pd.to_numeric(table["CSR_FLUX_CH4"], errors="coerce")
    for name, values in (("date", dates), ("CSR_FLUX_CH4", flux)):
        bad = values.isna() & table[name].notna() | dates.isna()
        if bad.any():
            line = int(np.argmax(bad))
            raise InputError(
                f"{path}: {name} of line {line + 2} is {table[name].iloc[line]!r}, expected a "
                f"{'day as YYYY-MM-DD' if name == 'date' else 'number'}"
            )
    factor = nmol_m2_s_to_kg_m2_s(1.0) / ug_c_m2_hour_to_kg_m2_s(1.0)
    days = pd.DataFrame(
        {
            "place_id": "cosore-" + table["dataset"].astype(str),
            "latitude": table["lat"],
            "longitude": table["lon"],
            "biome": table["igbp"],
            "year": dates.dt.year,
            "month": dates.dt.month,
            "uptake": -flux * factor,
        }
    )
    keys = ["place_id", "latitude", "longitude", "biome", "year", "month"]
    by_month = days.groupby(keys, sort=True, dropna=False)["uptake"]
    found = pd.DataFrame({"mean": by_month.mean(), "sem": by_month.sem(), "n": by_month.count()})
    is_enough = found["n"] >= MIN_DAYS
    logger.info(
        "chambers: %s: %d days are %d months of %d data sets; %d months have fewer than %d days",
        *(path, len(days), len(found), days["place_id"].nunique(), (~is_enough).sum(), MIN_DAYS),
    )
    found = found.where(is_enough)
    found = found.rename(columns={"mean": "consumption_ug_c_m2_h", "sem": "uncertainty_ug_c_m2_h"})
    return found.drop(columns="n").reset_index().assign(licence=LICENCE, doi=DOI)
