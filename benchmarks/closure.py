"""Closure over several synthetic worlds: the pipeline's budgets against the worlds' truth.

    python benchmarks/closure.py --seeds 5

Each world (other weather, traits and networks of places) goes through the whole pipeline; the
table has the relative error of the globe by target and extent, its median over worlds, how many
90 % intervals hold the truth, and the maps' R2 beside their ceiling. Resumable: Snakemake goes on.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from _bench import write_benchmark

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Run every world and write benchmarks/out/closure.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="worlds")
    parser.add_argument("--cores", type=int, default=4)
    options = parser.parse_args()
    worlds = [run_world(seed, cores=options.cores) for seed in range(1, options.seeds + 1)]
    write_benchmark("closure", summarize(worlds))


def run_world(seed: int, *, cores: int) -> dict:
    """Closure of the world of one seed."""
    name = f"closure_{seed}"
    text = (ROOT / "config/config.yaml").read_text().replace("results/demo", f"results/{name}")
    text = text.replace("name: demo", f"name: {name}", 1).replace(
        "\n  seed: 1\n", f"\n  seed: {seed}\n", 1
    )
    config = ROOT / "results" / f"{name}.yaml"
    config.write_text(text)
    target = f"results/{name}/checks/closure.json"
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--quiet", "all"]
    command += ["--resources", "mem_mb=3800", "--nolock", "--configfile", str(config), "--", target]
    subprocess.run(command, cwd=ROOT, check=True)
    return json.loads((ROOT / target).read_text())


def summarize(worlds: list[dict]) -> list[dict]:
    """Rows of the benchmark: errors, coverage and maps, over the worlds."""
    rows = []
    for target in ("emission", "consumption"):
        globe = [
            r for w in worlds for r in w["rows"] if r["target"] == target and r["region"] == "globe"
        ]
        errors = [abs(row["relative_error"]) for row in globe]
        rows.append(_row(f"{target}: median error of the globe", statistics.median(errors), 0.15))
        rows.append(_row(f"{target}: largest error of the globe", max(errors), None))
    held = [r["q05_tg"] <= r["true_tg"] <= r["q95_tg"] for w in worlds for r in w["rows"]]
    rows.append(_row("share of 90 % intervals that hold the truth", sum(held) / len(held), None))
    for field in {m["variable"] for w in worlds for m in w["maps"]}:
        maps = [m for w in worlds for m in w["maps"] if m["variable"] == field]
        for figure in ("r2", "ceiling_r2"):
            value = statistics.median(m[figure] for m in maps)
            rows.append(_row(f"{field}: median {figure} of the map", value, None))
    return rows


def _row(figure: str, value: float, aim: float | None) -> dict:
    holds = None if aim is None else value <= aim
    return {"figure": figure, "value": round(value, 4), "unit": "1", "aim": aim, "holds": holds}


if __name__ == "__main__":
    main()
