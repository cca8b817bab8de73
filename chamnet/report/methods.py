"""The methods paragraph of the report, from the options and results of the run itself."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

MODES = {
    "zero_shot": "no responses of their own (zero-shot)",
    "prior": "a process model's flux in the place of their own (prior)",
    "few_shot": "responses of their own earlier years (few-shot)",
    "rolling": "responses up to the target year (rolling)",
    "frozen": "a frozen context",
}


def describe_methods(
    budget: pd.DataFrame,
    *,
    config: Mapping[str, Any] | None,
    calibrations: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    """Paragraphs that are true of this run; what is not known is not said.

    Parameters
    ----------
    budget : table of ``global_budget.csv``
    config : options as plain values; None leaves out what they say
    calibrations : contents of ``calibration.json`` by target
    """
    paragraphs = [_training(budget, config or {}, calibrations)]
    paragraphs += [_prediction(config)] if config else []
    paragraphs += [_integration(budget), _intervals(budget, config or {}, calibrations)]
    return paragraphs


def _training(
    budget: pd.DataFrame, config: Mapping[str, Any], calibrations: Mapping[str, Any]
) -> str:
    parts = []
    for target, rows in budget.groupby("target", sort=False):
        clusters = calibrations.get(str(target), {}).get("n_clusters")
        where = f", out-of-bag on {clusters} clusters of places" if clusters else ""
        parts.append(f"{int(rows['n_members'].iloc[0])} for {target}{where}")
    drivers = config.get("drivers", {}).get("names", [])
    text = (
        "Ensembles of CHAM-net, one for each flux, were trained on bootstrapped clusters of "
        f"places: {'; '.join(parts)}. Emission is learned from towers, consumption from chambers; "
        "the two are separate networks and separate non-negative fields."
    )
    if drivers:
        text += f" Drivers: {', '.join(name.replace('_', ' ') for name in drivers)}."
    return text


def _prediction(config: Mapping[str, Any]) -> str:
    predict, grid = config.get("predict", {}), config.get("grid", {})
    step = f"at {grid['step_deg']:g} degrees " if "step_deg" in grid else ""
    mode = MODES.get(predict.get("mode", ""), "the context that was asked for")
    text = f"Daily fluxes were predicted {step}for every land cell"
    if "first_year" in predict:
        text += f", {predict['first_year']} to {predict['last_year']}"
    text += (
        f", with a context of up to {predict.get('n_context_years', 0)} earlier years and {mode}"
    )
    precision = predict.get("precision")
    return f"{text}; the decoder's LSTM was computed in {precision}." if precision else f"{text}."


def _integration(budget: pd.DataFrame) -> str:
    extents = sorted(set(budget["extent"]) - {"all"})
    return (
        "Budgets are flux x fraction of the cell x area of the cell on the WGS84 ellipsoid x the "
        "real seconds of each month, summed in float64 for each member and each map of wetland "
        f"extent ({', '.join(extents)}). Wetland maps are matched to fluxes by date. Upland soil "
        "is land without ice and wetland. Regions take the share of each cell's area that lies in "
        "them; coasts belong to the nearest land of the mask."
    )


def _intervals(
    budget: pd.DataFrame, config: Mapping[str, Any], calibrations: Mapping[str, Any]
) -> str:
    n_draws = config.get("budget", {}).get("n_draws")
    draws = f"{n_draws} draws" if n_draws else "draws"
    length = next((c["correlation_km"] for c in calibrations.values() if "correlation_km" in c), 0)
    field = f" with a correlation length of {length:g} km" if length else ""
    spreads = [
        f"{target} {found['log_bias_sd']:.2f}"
        for target, found in calibrations.items()
        if found.get("log_bias_sd") is not None
    ]
    spread = f" (log spread: {', '.join(spreads)})" if spreads else ""
    share = budget[(budget["extent"] == "all") & (budget["region_system"] == "globe")]
    share = share.assign(part=100 * share["var_extent"] / share["sd_tg"].pow(2))
    parts = [
        f"{row['part']:.0f} % for {row['target']}"
        for _, row in share.iterrows()
        if np.isfinite(row["part"])
    ]
    return (
        f"Intervals are the 5 and 95 % quantiles of {draws} of member x wetland extent x a "
        f"random field of log bias{field}, whose spread between clusters was found "
        f"out-of-bag{spread}, and of the error of the mean over those clusters. Spreads of cells "
        f"are never added. The choice of wetland extent makes up "
        f"{' and '.join(parts) or 'an unknown part'} of the variance of "
        "the globe's budget. Errors of the wetland maps themselves beyond their difference, and of "
        "the drivers, are not in the intervals."
    )
