"""The process model against measurements: 13 real towers, classes, biomes and the globe.

``python benchmarks/process_model.py [towers|globe]`` writes the tables and figures of
``docs/process_model.md``. Towers: driven by their own weather, with the parameters of their
wetland class and no trait of their own; needs the towers' files. Globe: real monthly normals with
drawn weather and soils and about 8 Mkm2 of wetland, traits at what attributes tell.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import pandas as pd
from _bench import ROOT, build_row, write_benchmark

from chamnet.constants import KG_PER_TG
from chamnet.data.tower_drivers import read_tower_drivers
from chamnet.data.towers import Tower, read_towers
from chamnet.data.windows import MEASURED
from chamnet.demo.surface import build_monthly_extent, build_static_extent
from chamnet.demo.truth import Records, Truth, World, summarize_truth
from chamnet.demo.weather import WeatherGenerator
from chamnet.demo.world import lay_out_world
from chamnet.metrics import pearson_r2
from chamnet.report.style import COLORS, GRAY, build_figure, in_style, write_figure
from chamnet.simulation.classes import CLASS_LABELS, name_biomes
from chamnet.simulation.inputs import LONGWAVE, REQUIRED, build_land
from chamnet.simulation.parameters import read_parameters
from chamnet.simulation.run import ProcessModel
from chamnet.simulation.series import build_weather
from chamnet.simulation.traits import Traits
from chamnet.units import kg_m2_s_to_nmol_m2_s

DOCS = ROOT / "docs"
TOWERS = ROOT / "../shared/data/towers"
YEARS = range(2006, 2019)
# Annual means and spreads between sites, nmol m-2 s-1: Delwiche et al. (2021), table 1.
CLASSES = {
    "wet_tundra": (10.0, 4.7),
    "bog": (27.7, 17.0),
    "fen": (54.1, 42.0),
    "marsh": (108.0, 55.0),
    "swamp": (69.6, 53.0),
}
# Means and spreads of the biomes of MeMo that ours hold, nmol m-2 s-1: Murguia-Flores et al.
# (2018), doi:10.5194/gmd-11-2009-2018, table 9.
BIOMES = {
    "tropical forest": (0.66, 1.19, 0.12),
    "savanna": (0.99, 0.99, 0.26),
    "temperate forest": (0.63, 1.01, 0.18),
    "boreal forest": (0.53, 0.56, 0.23),
    "grassland": (0.77, 0.77, 0.22),
    "tundra": (0.35, 0.35, 0.28),
    "desert": (0.21, 1.02, 0.26),
}
FACTORS = {"FI-Lom": {"P_F": 0.1}}  # tenths of mm: 5,500 mm a year otherwise, where 500 fall
NEAREST_CLASS = {"Drained": "wet_tundra", "Salt marsh": "marsh"}  # no ditches, no sulfate
LOGGER = logging.getLogger("process_model")


def simulate_towers(towers: list[Tower]) -> tuple[pd.DatetimeIndex, np.ndarray]:
    """Days of all years, and the daily emission of towers, (tower, time), nmol m-2 s-1."""
    places = pd.DataFrame(
        {
            "place": [tower.site_id for tower in towers],
            "latitude": [tower.latitude for tower in towers],
            "longitude": [tower.longitude for tower in towers],
        }
    )
    names = [*REQUIRED, LONGWAVE]
    drivers = read_tower_drivers(towers, places=places, driver_names=names, years=YEARS)
    parameters = read_parameters()
    key = {label: name for name, label in CLASS_LABELS.items()} | NEAREST_CLASS
    weights = parameters.weights_of([key[tower.place_class] for tower in towers])
    share = np.full(len(towers), 0.2)
    land = build_land(sand=2 * share, clay=share, class_weights=weights)
    one = np.ones(len(towers))
    traits = Traits(substrate=one, plants=one, water_table=0 * one, q10=one, activity=one)
    model, weather = ProcessModel(land, traits, parameters), build_weather(drivers)
    first = {name: values[:, :365] for name, values in weather.items()}
    found = model.simulate(weather, state=model.spin_up(first))
    days = pd.date_range(f"{YEARS[0]}-01-01", f"{YEARS[-1]}-12-31", freq="D")
    return days, kg_m2_s_to_nmol_m2_s(found.emission.astype(float))


def score_towers(
    towers: list[Tower], days: pd.DatetimeIndex, simulated: np.ndarray
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """A row a site, and the monthly means of measured days by site, nmol m-2 s-1."""
    rows, months = [], {}
    for tower, series in zip(towers, simulated, strict=True):
        measured = tower.days[tower.days["quality"] == MEASURED]
        observed = kg_m2_s_to_nmol_m2_s(measured["flux"])
        observed = observed[(observed >= -200) & (observed <= 1000)]
        pair = pd.DataFrame({"observed": observed})
        pair["simulated"] = pd.Series(series, index=days).reindex(observed.index)
        monthly = pair.groupby([pair.index.year, pair.index.month]).mean()
        months[tower.site_id] = pair.resample("MS").mean()
        rows.append(
            {
                "site": tower.site_id,
                "class": tower.place_class,
                "n_days": len(pair),
                "observed": pair["observed"].mean(),
                "simulated": pair["simulated"].mean(),
                "bias": (pair["simulated"] - pair["observed"]).mean(),
                "ratio": pair["simulated"].mean() / pair["observed"].mean(),
                "r2_daily": pearson_r2(*pair.to_numpy().T),
                "r2_monthly": pearson_r2(*monthly.to_numpy().T),
            }
        )
    return pd.DataFrame(rows), months


@in_style
def plot_towers(table: pd.DataFrame, months: dict[str, pd.DataFrame], out: Path) -> None:
    """Monthly means of each site, measured and simulated, on measured days."""
    figure = build_figure(7.2, 7.5)
    axes = figure.subplots(5, 3).ravel()
    for axis, row in zip(axes, table.itertuples(), strict=False):
        data = months[row.site]
        axis.plot(data.index, data["observed"], ".", ms=3, color=GRAY, label="measured")
        axis.plot(data.index, data["simulated"], color=COLORS["emission"], lw=1, label="simulated")
        axis.set_title(f"{row.site}  {row._2}, r² {row.r2_monthly:.2f}", fontsize=8)
        axis.tick_params(axis="x", labelsize=6)
        axis.xaxis.set_major_locator(_year_locator())
        axis.set_ylim(bottom=min(0, float(data.min().min())))
    _plot_means(axes[-2], table)
    axes[-1].axis("off")
    axes[0].legend(fontsize=6, loc="upper center")
    figure.supylabel("Methane flux, nmol m⁻² s⁻¹ (monthly means of measured days)", fontsize=8)
    write_figure(figure, out, synthetic=False)
    out.with_suffix(".pdf").unlink(missing_ok=True)  # the page shows the PNG


def _year_locator():
    from matplotlib.dates import YearLocator

    return YearLocator(2)


def _plot_means(axis, table: pd.DataFrame) -> None:
    limits = [3, 300]
    axis.plot(limits, limits, color=GRAY, lw=0.6)
    axis.scatter(table["observed"], table["simulated"], s=12, color=COLORS["emission"])
    axis.set(xscale="log", yscale="log", xlim=limits, ylim=limits)
    axis.set_title("Means of the sites")
    axis.set_xlabel("measured")
    axis.set_ylabel("simulated")


def run_towers() -> list[dict]:
    """Write the towers' table and figure; rows of the benchmark."""
    names = [*REQUIRED, LONGWAVE]
    found = read_towers(
        folder=str(TOWERS / "fluxnet_ch4"),
        sites=str(TOWERS / "sites.csv"),
        driver_names=names,
        factors=FACTORS,
    )
    table, months = score_towers(found, *simulate_towers(found))
    table.to_csv(DOCS / "process_model_towers.csv", index=False, float_format="%.3g")
    plot_towers(table, months, DOCS / "process_model_towers")
    print(table.round(2).to_string(index=False))
    log_ratio = np.log(table["ratio"][table["ratio"] > 0])
    return [
        build_row("towers", len(table), "1"),
        build_row("median r2 of days", table["r2_daily"].median(), "1"),
        build_row("median r2 of months", table["r2_monthly"].median(), "1"),
        build_row("median ratio of means", table["ratio"].median(), "1"),
        build_row("spread of log ratios", log_ratio.std(), "1"),
    ]


def simulate_globe(seed: int, n_years: int) -> tuple[World, Truth, Records]:
    """Months of all land cells of 2 degrees, with and without hidden traits."""
    world = lay_out_world(step_deg=2.0, first_year=2011, n_years=n_years, seed=seed)
    truth = Truth(world, read_parameters(), tower_cell=np.arange(4), strength=1.0)
    weather = WeatherGenerator(world.coarse, seed=seed, days=world.days)
    state = truth.spin_up(weather.build(slice(0, 365)))
    records = Records.empty(world)
    for start in range(0, world.days.size, 73):
        part = slice(start, min(start + 73, world.days.size))
        block = weather.build(part)
        found = truth.simulate(block, state=state)
        state = found.state
        records.keep(part, block, found, truth)
        LOGGER.info("globe: seed %d, day %d of %d", seed, part.stop, world.days.size)
    return world, truth, records


def summarize_globe(world: World, truth: Truth, records: Records) -> dict[str, float]:
    """Totals and shares, and means by class and biome of what attributes tell."""
    means, ground = records.monthly, world.ground
    monthly = build_monthly_extent(
        world.fine, ground, world.grid, surplus=means["surplus"], thawed=means["thawed"]
    )
    monthly = monthly.reshape(len(monthly), -1)[:, ground.index]
    extents = {"monthly": monthly, "static": world.means_of_cells(build_static_extent(world.fine))}
    area = world.cell_area
    wetland, upland = monthly.mean(axis=0) * area, np.maximum(ground.soil - monthly.mean(0), 0)
    weights = truth.land.class_weights
    found = summarize_truth(records, extents) | _total_told(world, records, extents)
    for i, name in enumerate(truth.parameters.classes):
        at = weights[:, i] > 0.5
        flux = kg_m2_s_to_nmol_m2_s(means["emission_told"].mean(axis=0))
        found[name] = float(np.average(flux[at], weights=wetland[at]))
    biome = name_biomes(
        coldest=ground.coldest,
        warmest=ground.warmest,
        forest=ground.forest,
        crop=ground.crop,
        dry=ground.dryness > 5,
    )
    uptake = kg_m2_s_to_nmol_m2_s(means["consumption_told"].mean(axis=0))
    for name in BIOMES:
        at = biome == name
        found[name] = float(np.average(uptake[at], weights=(upland * area)[at]))
    return found


def _total_told(world: World, records: Records, extents: dict[str, np.ndarray]) -> dict[str, float]:
    """Totals with the hidden traits at their mean, Tg per year."""
    seconds = world.month_seconds[:, None] / (world.months.size / 12)
    kg = records.monthly["emission_told"] * seconds * world.cell_area
    return {
        f"{name}_emission_told_tg": float((kg * share).sum() / KG_PER_TG)
        for name, share in extents.items()
    }


def run_globe(seeds: int, n_years: int) -> list[dict]:
    """Rows of the benchmark: globe, bands, classes and biomes, the mean over seeds."""
    table = pd.DataFrame(
        [summarize_globe(*simulate_globe(s, n_years)) for s in range(1, seeds + 1)]
    )
    print(table.T.round(3).to_string())
    mean = table.mean()
    rows = []
    for extent in ("monthly", "static"):
        emission = mean[f"{extent}_emission_tg"]
        south = 100 * mean[f"{extent}_share_south_of_30n"]
        north = 100 * mean[f"{extent}_share_north_of_60n"]
        rows += [
            _within(f"{extent}: area", mean[f"{extent}_area_mkm2"], "Mkm2", 6, 10),
            _within(f"{extent}: emission", emission, "Tg yr-1", 119, 203),
            _within(f"{extent}: south of 30 N", south, "%", 64, 91),
            _within(f"{extent}: north of 60 N", north, "%", 2, 12),
            _within(f"{extent}: uptake", mean[f"{extent}_consumption_tg"], "Tg yr-1", 28, 45),
        ]
    for name, (middle, spread) in CLASSES.items():
        rows.append(
            _within(CLASS_LABELS[name], mean[name], "nmol", middle - spread, middle + spread)
        )
    for name, (low, high, spread) in BIOMES.items():
        rows.append(_within(name, mean[name], "nmol", low - spread, high + spread))
    return rows


def _within(figure: str, value: float, unit: str, lowest: float, highest: float) -> dict:
    row = build_row(figure, float(value), unit)
    return row | {"aim": f"{lowest:g} to {highest:g}", "holds": bool(lowest <= value <= highest)}


def main() -> None:
    """Run one part, print its table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("towers", "globe"))
    parser.add_argument("--seeds", type=int, default=3, help="worlds, globe")
    parser.add_argument("--years", type=int, default=2, help="of each, globe")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    LOGGER.setLevel(logging.INFO)
    if options.part == "towers":
        write_benchmark("process_model_towers", run_towers(), synthetic=False)
        return
    rows = run_globe(options.seeds, options.years)
    write_benchmark("process_model_globe", rows, synthetic=True, seeds=options.seeds)


if __name__ == "__main__":
    main()
