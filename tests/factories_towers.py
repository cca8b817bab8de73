"""Half-hourly tower tables and zips, in the layouts of their providers."""

import zipfile

import numpy as np
import pandas as pd


def make_half_hours(*, n_days=30, minutes=30, seed=0):
    """Rows of half-hours or hours in the columns and units of FLUXNET-CH4."""
    n_per_day = 1440 // minutes
    start = pd.date_range("2015-06-01", periods=n_days * n_per_day, freq=f"{minutes}min")
    rng = np.random.default_rng(seed)
    hour = start.hour + start.minute / 60
    flux = 40 + 10 * np.sin(2 * np.pi * hour / 24) + rng.normal(0, 3, start.size)
    is_there = rng.random(start.size) < 0.6
    is_there |= start.day <= 12  # complete days
    end = start + pd.Timedelta(minutes=minutes)
    return pd.DataFrame(
        {
            "TIMESTAMP_START": start.strftime("%Y%m%d%H%M").astype(int),
            "TIMESTAMP_END": end.strftime("%Y%m%d%H%M").astype(int),
            "FCH4": np.where(is_there, flux, -9999),
            "FCH4_F": flux,
            "FCH4_F_RANDUNC": np.full(start.size, 4.0),
            "FCH4_F_ANNOPTLM": flux,
            "FCH4_F_ANNOPTLM_QC": np.ones(start.size, int),
            "TA_F": 15 + 5 * np.sin(2 * np.pi * hour / 24),
            "P_F": np.full(start.size, 0.1),
            "SW_IN_F": np.clip(600 * np.sin(2 * np.pi * (hour - 6) / 24), 0, None),
        }
    )


def make_base_table(**options):
    """The same as AmeriFlux BASE has it: positions of sensors, nothing filled, no VPD."""
    table = make_half_hours(**options)
    base = table[["TIMESTAMP_START", "TIMESTAMP_END"]].copy()
    base["FCH4_1_1_1"], base["FCH4_1_2_1"] = table["FCH4"], -9999
    base["TA_PI_1_1_1"], base["P"], base["SW_IN"] = table["TA_F"], table["P_F"], table["SW_IN_F"]
    base["RH"] = 60.0
    return base


def write_base(path, table):
    """Write a file of AmeriFlux BASE, with its two lines of comment."""
    text = "# Site: US-Myb\n# Version: 1-5\n" + table.to_csv(index=False)
    path.write_text(text)
    return path


def write_zip(path, members):
    """Write a zip of texts by their names in it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path
