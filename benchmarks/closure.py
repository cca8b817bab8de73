"""Closure over several synthetic worlds: the pipeline's budgets against the worlds' truth.

    python benchmarks/closure.py --seeds 5

Each world (other weather, traits and networks of places) goes through the whole pipeline; the
table has the relative error of the globe by target, its median over worlds, how many 90 %
intervals hold the truth, and the maps' R2 beside their ceiling. World 1 is the demo; settings are
chosen on other worlds (``--first 11``). Resumable: Snakemake goes on where it stopped.
"""

import argparse
import statistics
import subprocess
import sys

from _bench import ROOT, build_row, write_benchmark
from _worlds import DEMO_SEED, write_world

from chamnet.provenance import read_json

LARGEST_ERROR = 0.10  # of the globe, the median over worlds
LEAST_HELD, LEAST_SHARE = 0.8, 0.8  # of 90 % intervals; of a map's R2 in its ceiling


def main() -> None:
    """Run every world and write benchmarks/out/closure.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="worlds")
    parser.add_argument("--first", type=int, default=DEMO_SEED, help="seed of the first of them")
    parser.add_argument("--without-pretraining", action="store_true")
    parser.add_argument("--cores", type=int, default=16)
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    plain = options.without_pretraining
    worlds = [run_world(seed, plain=plain, cores=options.cores) for seed in seeds]
    name = "closure_without_pretraining" if plain else "closure"
    write_benchmark(name, summarize(worlds), synthetic=True, worlds=worlds)


def run_world(seed: int, *, plain: bool, cores: int) -> dict:
    """Closure of the world of one seed."""
    name, config = write_world(seed, plain=plain)
    target = f"results/{name}/checks/closure.json"
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--quiet", "all"]
    command += ["--resources", "mem_mb=3800", "--configfile", str(config), "--", target]
    subprocess.run(command, cwd=ROOT, check=True)
    return {"seed": seed, **read_json(ROOT / target)}


def summarize(worlds: list[dict]) -> list[dict]:
    """Rows of the benchmark: errors, coverage and maps, over the worlds."""
    rows = []
    for target in ("emission", "consumption"):
        errors = [abs(error) for world in worlds for error in globe_errors(world, target)]
        median = statistics.median(errors)
        figure = f"{target}: median over worlds and extents of the globe's error"
        rows.append(build_row(figure, median, "1", at_most=LARGEST_ERROR))
        rows.append(build_row(f"{target}: largest error of the globe", max(errors), "1"))
    held = [r["q05_tg"] <= r["true_tg"] <= r["q95_tg"] for w in worlds for r in w["rows"]]
    figure = "share of 90 % intervals that hold the truth"
    rows.append(build_row(figure, statistics.mean(held), "1", at_least=LEAST_HELD))
    for field in sorted({part["variable"] for world in worlds for part in world["maps"]}):
        parts = [p for w in worlds for p in w["maps"] if p["variable"] == field]
        share = statistics.median(part["r2"] / part["r2_ceiling"] for part in parts)
        figure = f"{field}: median share of the ceiling"
        rows.append(build_row(figure, share, "1", at_least=LEAST_SHARE))
        for figure in ("r2", "r2_ceiling"):
            value = statistics.median(part[figure] for part in parts)
            rows.append(build_row(f"{field}: median {figure} of the maps", value, "1"))
    return rows


def globe_errors(world: dict, target: str) -> list[float]:
    """Relative errors of the globe, one a wetland extent."""
    return [
        row["relative_error"]
        for row in world["rows"]
        if (row["target"], row["region"]) == (target, "globe") and row["extent"] != "all"
    ]


if __name__ == "__main__":
    main()
