"""Synthetic measurements of towers and chambers, as FLUXNET-CH4 and a plain table have them.

Towers have gaps with seasons, filled columns and noise that grows with the flux; -9999 is
missing.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from chamnet.constants import SECONDS_PER_DAY, ZERO_CELSIUS_K
from chamnet.demo.places import Places
from chamnet.units import kg_m2_s_to_nmol_m2_s, ug_c_m2_hour_to_kg_m2_s

MISSING = -9999
LICENCE = "synthetic (chamnet demo world)"


def write_site_table(
    path: Path, towers: Places, *, classes: np.ndarray, koppen: np.ndarray, forest: np.ndarray
) -> None:
    """Write the site table, with the columns of FLUXNET-CH4's and a name that says synthetic."""
    is_bog = np.isin(classes, ["Bog"])
    is_wooded = (forest > 0.4).astype(int)
    vegetation = np.select(
        [is_wooded == 1, is_bog], ["tree", "moss_sphagnum"], default="aerenchymatous"
    )
    table = pd.DataFrame(
        {
            "SITE_ID": towers.names,
            "LAT": towers.latitude,
            "LON": towers.longitude,
            "SITE_CLASSIFICATION": classes,
            "UPLAND_CLASS": "",
            "IGBP": "WET",
            "KOPPEN": koppen,
            "MOSS_BROWN": 0,
            "MOSS_SPHAGNUM": is_bog.astype(int),
            "AERENCHYMATOUS": (~is_bog).astype(int),
            "ERI_SHRUB": is_bog.astype(int),
            "TREE": is_wooded,
            "DOM_VEG": vegetation,
            "SITE_NAME": "synthetic tower of the chamnet demo world",
        }
    )
    table.to_csv(path, index=False, lineterminator="\n")


def write_towers(
    folder: Path,
    towers: Places,
    *,
    flux: np.ndarray,
    water_table: np.ndarray,
    weather: dict[str, np.ndarray],
    days: np.ndarray,
    seed: int,
) -> None:
    """Write a FLUXNET-CH4 daily file for each tower.

    Parameters
    ----------
    folder : of the files
    towers : places
    flux : (place, time), kg m-2 s-1
        True flux, seen by the instrument with noise.
    water_table : (place, time), m above the surface
    weather : CF name -> (place, time), CF units
        Of the towers' cells; each tower has its own small offset.
    days : (time,) datetime64[D]
    seed : of noise, gaps and years
    """
    folder.mkdir(parents=True)
    for i, name in enumerate(towers.names):
        generator = np.random.default_rng([seed, 7, i])
        part = _record(generator, days)
        at_site = {key: values[i, part] for key, values in weather.items()}
        columns = {"TIMESTAMP": np.char.replace(days[part].astype(str), "-", "")}
        columns |= _flux_columns(
            generator, flux[i, part], at_site["air_temperature"] - ZERO_CELSIUS_K
        )
        columns |= _weather_columns(generator, at_site)
        columns["WTD_F"] = water_table[i, part] + generator.normal(0, 0.01, part.stop - part.start)
        years = days[[part.start, part.stop - 1]].astype("datetime64[Y]").astype(str)
        table = pd.DataFrame(columns)
        numbers = table.columns.drop("TIMESTAMP")
        table[numbers] = table[numbers].astype(float).round(4).fillna(MISSING)
        file = folder / f"FLX_{name}_FLUXNET-CH4_DD_{years[0]}-{years[1]}_1-1.csv"
        table.to_csv(file, index=False, lineterminator="\n")


def _record(generator: np.random.Generator, days: np.ndarray) -> slice:
    """Whole years of a tower's record; short ones are more frequent than long ones."""
    years = np.unique(days.astype("datetime64[Y]"))
    lengths = np.arange(1, years.size + 1)
    chance = np.exp(-lengths / 4) * np.where(lengths == 1, 0.6, 1)
    length = int(generator.choice(lengths, p=chance / chance.sum()))
    first = int(generator.integers(0, years.size - length + 1))
    edges = np.searchsorted(days, [years[first], years[first + length - 1] + 1])
    return slice(int(edges[0]), int(edges[1]))


def _flux_columns(
    generator: np.random.Generator, flux: np.ndarray, celsius: np.ndarray
) -> dict[str, np.ndarray]:
    """Measured, filled and network-filled flux, nmol m-2 s-1, NaN where missing."""
    truth = kg_m2_s_to_nmol_m2_s(flux.astype(float))
    spread = 1.5 + 0.18 * truth
    observed = truth + generator.laplace(0, spread / np.sqrt(2))
    spikes = generator.random(truth.size) < 2e-4
    observed = np.where(spikes, observed + generator.choice([-400, 1500], truth.size), observed)
    is_there = _is_measured(generator, celsius)
    gap = _gap_length(is_there)
    smooth = np.convolve(np.pad(truth, 4, mode="edge"), np.ones(9) / 9, mode="valid")
    filled = smooth * np.exp(generator.normal(-0.02, 0.2, truth.size))
    network = np.where(is_there, observed, smooth * np.exp(generator.normal(0, 0.12, truth.size)))
    return {
        "FCH4": np.where(is_there, observed, np.nan),
        "FCH4_F": np.where(is_there, observed, np.where(gap <= 15, filled, np.nan)),
        "FCH4_F_RANDUNC": np.where(is_there, spread, np.nan),
        "FCH4_F_ANNOPTLM": network,
        "FCH4_F_ANNOPTLM_UNC": 0.3 * np.abs(smooth) + 2,
        "FCH4_F_ANNOPTLM_QC": np.where(gap > 60, 3.0, 1.0),
    }


def _is_measured(generator: np.random.Generator, celsius: np.ndarray) -> np.ndarray:
    """Days with a measurement: outages of days to months, more in the cold, and single days."""
    is_there = generator.random(celsius.size) > 0.12
    smooth = np.convolve(np.pad(celsius, 7, mode="edge"), np.ones(15) / 15, mode="valid")
    chance = np.where(smooth < -2, 0.025, 0.010)
    for start in np.flatnonzero(generator.random(celsius.size) < chance):
        mean_days = 30 if smooth[start] < -2 else 12
        is_there[start : start + 1 + int(generator.exponential(mean_days))] = False
    return is_there


def _gap_length(is_there: np.ndarray) -> np.ndarray:
    """Length of the gap each day lies in, (time,); 0 on measured days."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], is_there, [True]]).astype(int)))
    lengths = np.zeros(is_there.size)
    for start, stop in edges.reshape(-1, 2):
        lengths[start:stop] = stop - start
    return lengths


def _weather_columns(
    generator: np.random.Generator, weather: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Meteorology of the tower in its units, measured and filled."""
    size = weather["air_temperature"].size
    celsius = weather["air_temperature"] - ZERO_CELSIUS_K + generator.normal(0, 0.7)
    wind = np.hypot(weather["eastward_wind"], weather["northward_wind"])
    local = {
        "TA": celsius + generator.normal(0, 0.4, size),
        "P": weather["precipitation_flux"] * SECONDS_PER_DAY * np.exp(generator.normal(0, 0.2)),
        "SW_IN": weather["surface_downwelling_shortwave_flux_in_air"]
        * np.exp(generator.normal(0, 0.04, size)),
        "LW_IN": weather["surface_downwelling_longwave_flux_in_air"] + generator.normal(0, 5, size),
        "VPD": vapor_pressure_deficit_pa(
            weather["air_temperature"], weather["dew_point_temperature"]
        )
        / 100
        * np.exp(generator.normal(0, 0.05, size)),
        "PA": weather["surface_air_pressure"] / 1000,
        "WS": wind * np.exp(generator.normal(0, 0.15)),
    }
    is_there = generator.random(size) > 0.05
    measured = {name: np.where(is_there, values, np.nan) for name, values in local.items()}
    return measured | {f"{name}_F": values for name, values in local.items()}


def vapor_pressure_deficit_pa(air: np.ndarray, dew: np.ndarray) -> np.ndarray:
    """Vapor pressure deficit, any shape, Pa; FAO-56 eq. 11, temperatures in K."""

    def saturated(kelvin: np.ndarray) -> np.ndarray:
        celsius = kelvin - ZERO_CELSIUS_K
        return 610.8 * np.exp(17.27 * celsius / np.maximum(celsius + 237.3, 60))

    return np.maximum(saturated(air) - saturated(dew), 0)


def write_chambers(
    path: Path,
    chambers: Places,
    *,
    consumption: np.ndarray,
    biomes: np.ndarray,
    months: np.ndarray,
    cold: np.ndarray,
    seed: int,
) -> None:
    """Write the chamber table: a row a place and month, ug C m-2 h-1, positive = uptake.

    Parameters
    ----------
    path : CSV
    chambers : places
    consumption : (place, time), kg m-2 s-1
        True monthly means.
    biomes : (place,) of str
    months : (time,) datetime64[M]
    cold : (place, time), bool
        Months in which few go out to measure.
    seed : of noise and months
    """
    per_ug = ug_c_m2_hour_to_kg_m2_s(1.0)
    rows = []
    for i, name in enumerate(chambers.names):
        generator = np.random.default_rng([seed, 8, i])
        chosen = _campaign(generator, months, cold[i])
        truth = consumption[i, chosen].astype(float) / per_ug
        count = generator.integers(2, 9, chosen.size)
        spread = (0.35 * truth + 3) / np.sqrt(count)
        has_year = generator.random() > 0.25
        years = months[chosen].astype("datetime64[Y]").astype(str)
        rows.append(
            pd.DataFrame(
                {
                    "place_id": name,
                    "latitude": chambers.latitude[i],
                    "longitude": chambers.longitude[i],
                    "biome": biomes[i],
                    "year": years if has_year else "",
                    "month": months[chosen].astype(int) % 12 + 1,
                    "consumption_ug_c_m2_h": np.round(truth + generator.normal(0, spread), 3),
                    "uncertainty_ug_c_m2_h": np.round(spread, 3),
                    "n": count,
                    "licence": LICENCE,
                }
            )
        )
        if not has_year:
            rows[-1] = rows[-1].drop_duplicates("month").sort_values("month")
    pd.concat(rows).to_csv(path, index=False, lineterminator="\n")


def _campaign(
    generator: np.random.Generator, months: np.ndarray, is_cold: np.ndarray
) -> np.ndarray:
    """Months of one to three years in which a place was visited; at least three."""
    n_years = months.size // 12
    length = min(int(generator.integers(1, 4)), n_years)
    first = int(generator.integers(0, n_years - length + 1)) * 12
    candidates = np.arange(first, first + 12 * length)
    chance = np.where(is_cold[candidates], 0.25, 0.75)
    chosen = candidates[generator.random(candidates.size) < chance]
    return chosen if chosen.size >= 3 else candidates[4:9]
