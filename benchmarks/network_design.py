"""Error of the global budget against the number of towers: a design curve for networks.

``python benchmarks/network_design.py [--quick]`` draws networks of 10, 20, 45, 90 and 200 towers,
five of each, from simulated land (cells drawn by area, hidden traits), trains a small network on
each, predicts all land without any response, and compares the emission over the wetlands with
the truth. Synthetic throughout. Each fit is kept under ``benchmarks/out/network_design``, so that
a run that was stopped goes on; ``docs/network_design.png`` is the curve of a full run.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import pandas as pd
from _bench import OUT, ROOT, build_row, write_benchmark

from chamnet.data.normalization import Normalization
from chamnet.data.windows import PlaceData, open_place_data
from chamnet.demo.climate import block_mean, fine_grid, read_climate
from chamnet.demo.simulated import simulate_benchmark_places
from chamnet.demo.surface import build_static_extent
from chamnet.grid import Grid
from chamnet.inference.places import predict_places
from chamnet.provenance import digest_of_code, digest_of_values, read_json, write_json
from chamnet.report.style import (
    COLORS,
    COLUMN_IN,
    GRAY,
    LIGHT,
    build_figure,
    in_style,
    write_figure,
)
from chamnet.training.member import fit_member

FULL = {"n_towers": (10, 20, 45, 90, 200), "n_draws": 5, "n_places": 1500, "n_years": 6}
QUICK = {"n_towers": (10, 45), "n_draws": 2, "n_places": 150, "n_years": 2}
MODEL = {"n_hidden": 24, "n_hidden_encoder": 16, "n_embedding": 16}
TRAIN = {"n_steps": 400, "steps_per_epoch": 50, "batch_places": 32, "n_context_years": 2}
QUICK_TRAIN = {"n_steps": 60, "steps_per_epoch": 20, "batch_places": 16, "n_context_years": 1}
STEP_DEG = 2.0
LOGGER = logging.getLogger("network_design")


def read_world(options: dict, folder: Path) -> tuple[PlaceData, np.ndarray]:
    """Simulated land, and the wetland share of its cells, (place,)."""
    store = folder / "land.zarr"
    if not store.with_suffix(".json").exists():
        simulate_benchmark_places(
            store=store,
            digest=digest_of_values(options),
            target="emission",
            n_places=options["n_places"],
            n_years=options["n_years"],
            step_deg=STEP_DEG,
        )
    data = open_place_data(store.with_suffix(".json"))
    fine = read_climate(fine_grid(STEP_DEG))
    grid = Grid(STEP_DEG)
    share = block_mean(build_static_extent(fine), fine.grid, grid)
    return data, share[grid.row_column(data.latitude, data.longitude)]


def draw_network(wetland: np.ndarray, n_towers: int, *, seed: int) -> np.ndarray:
    """Towers among places, by the root of their wetland, as the demo's networks are."""
    chance = np.sqrt(wetland) * (wetland > 0.005)
    generator = np.random.default_rng([seed, n_towers])
    n_drawn = min(n_towers, int((chance > 0).sum()) - 1)
    return generator.choice(wetland.size, n_drawn, replace=False, p=chance / chance.sum())


def fit_one(data: PlaceData, wetland: np.ndarray, towers: np.ndarray, *, seed: int, train: dict):
    """Relative error of the emission over the wetlands, of a network trained at towers."""
    part = data.select_places(towers)
    clusters = np.unique(part.cluster)
    n_held_out = max(1, round(0.2 * clusters.size)) if clusters.size > 1 else 0
    held_out = np.isin(part.cluster, np.random.default_rng(seed).permutation(clusters)[:n_held_out])
    member = fit_member(
        part,
        Normalization.fit(part),
        seed=seed,
        model=MODEL,
        train=train,
        validation=held_out if held_out.any() and not held_out.all() else None,
        name=f"{towers.size} towers",
    )
    predicted = np.nanmean(predict_places(member, data, mode="zero_shot"), axis=(1, 2))
    true = data.windows.assign(days=data.windows["last"] - data.windows["first"] + 1)
    mass = (true["flux"] * true["days"]).groupby(true["place"]).sum()
    mean = (mass / true.groupby("place")["days"].sum()).reindex(range(data.n_places)).to_numpy()
    return float((predicted * wetland).sum() / (mean * wetland).sum() - 1)


def main() -> None:
    """Fit every draw that is not there yet, print the curve, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two sizes, two draws, short training")
    quick = parser.parse_args().quick
    logging.basicConfig(level=logging.WARNING)
    LOGGER.setLevel(logging.INFO)
    options, train = (QUICK, QUICK_TRAIN) if quick else (FULL, TRAIN)
    code = digest_of_code("chamnet.training.member", "chamnet.demo.simulated")
    digest = digest_of_values([options, train, MODEL, code])[:8]
    folder = OUT / "network_design" / digest
    data, wetland = read_world(options, folder)
    rows = []
    for n_towers in options["n_towers"]:
        for draw in range(options["n_draws"]):
            path = folder / f"{n_towers:03d}_{draw}.json"
            if not path.exists():
                towers = draw_network(wetland, n_towers, seed=draw)
                error = fit_one(data, wetland, towers, seed=draw, train=train)
                write_json(path, {"n_towers": n_towers, "draw": draw, "error": error})
            rows.append(read_json(path))
            LOGGER.info("%d towers, draw %d: %+.3f", n_towers, draw, rows[-1]["error"])
    write_benchmark("network_design", summarize(rows), synthetic=True, quick=quick, fits=rows)
    if not quick:
        plot_errors(rows, ROOT / "docs" / "network_design")


@in_style
def plot_errors(fits: list[dict], out: Path) -> None:
    """Errors of single draws, and the median of their size, by the number of towers."""
    table = pd.DataFrame(fits)
    size = (100 * table["error"]).abs().groupby(table["n_towers"]).median()
    figure = build_figure(COLUMN_IN, 2.6)
    axes = figure.subplots()
    axes.axhline(0, color=GRAY, linewidth=0.6)
    axes.fill_between(size.index, -size, size, color=LIGHT, label="median size")
    axes.plot(
        table["n_towers"], 100 * table["error"], "o", color=COLORS["emission"], markersize=4,
        label="a network", clip_on=False,
    )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xticks(size.index, labels=[str(n) for n in size.index], minor=False)
    axes.set_xticks([], minor=True)
    axes.set_xlabel("towers")
    axes.set_ylabel("error of the global emission, %")
    axes.legend(fontsize=6)
    write_figure(figure, out, synthetic=True)
    out.with_suffix(".pdf").unlink(missing_ok=True)  # the page shows the PNG


def summarize(fits: list[dict]) -> list[dict]:
    """Median and largest absolute error of the draws of each size."""
    table = pd.DataFrame(fits)
    size = table["error"].abs().groupby(table["n_towers"])
    rows = []
    for n_towers, errors in size:
        rows.append(build_row(f"{n_towers} towers: median error", 100 * errors.median(), "%"))
        rows.append(build_row(f"{n_towers} towers: largest error", 100 * errors.max(), "%"))
    return rows


if __name__ == "__main__":
    main()
