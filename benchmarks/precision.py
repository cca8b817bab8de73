"""Error of bfloat16 against float32, with the trained networks of a run.

    python benchmarks/precision.py results/demo [--threads N]

The last predicted year of each target is predicted in both precisions, from the drivers, contexts
and checkpoints of the run, into benchmarks/out, and compared: relative L2 error of the monthly
fluxes, and the largest error of a member's budget (area by latitude, whole globe), with the aims.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
from _bench import OUT, build_row, write_benchmark

from chamnet.data.store import open_store
from chamnet.inference.predict import predict_year

PRECISIONS = ("float32", "bfloat16")
WORK = OUT / "precision"


def main() -> None:
    """Compare each target of a run and write benchmarks/out/precision.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a run, results/<run>")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    rows = []
    for folder in sorted((options.run / "fluxes").iterdir()):
        rows += compare(options.run, folder.name, threads=options.threads)
    write_benchmark("precision", rows, run=options.run.name)
    shutil.rmtree(WORK)


def compare(run: Path, target: str, *, threads: int) -> list[dict]:
    """Errors of one target, over members and cells."""
    year = max(int(path.stem) for path in (run / "fluxes" / target).glob("[0-9]*[0-9].json"))
    full, half = (
        predict(run, target, year, precision=precision, threads=threads) for precision in PRECISIONS
    )
    there = np.isfinite(full)
    error = np.sqrt(((half - full)[there] ** 2).sum() / (full[there] ** 2).sum())
    latitude = open_store(run / "cells.json")["latitude"].values
    area = np.cos(np.deg2rad(latitude))
    budgets = [np.nansum(flux * area, axis=(1, 2)) for flux in (full, half)]
    worst = np.abs(budgets[1] / budgets[0] - 1).max()
    name = f"{target}, {year}, {len(full)} members, {full.shape[2]} cells"
    return [
        build_row(f"{name}: relative L2 error of fluxes", float(error), "1", at_most=1e-2),
        build_row(f"{name}: largest error of a budget", float(worst), "1", at_most=1e-3),
    ]


def predict(run: Path, target: str, year: int, *, precision: str, threads: int) -> np.ndarray:
    """Monthly fluxes of every member, (member, time, cell)."""
    contexts = sorted((run / "context" / target).glob("[0-9]*.json"))
    checkpoints = sorted((run / "models" / target).glob("[0-9]*/checkpoint.pt"))
    manifest = predict_year(
        store=WORK / target / f"{precision}.zarr",
        digest=precision,
        year=year,
        drivers=run / "drivers" / f"{year}.json",
        cells=run / "cells.json",
        contexts=[path for path in contexts if year - 4 <= int(path.stem) <= year],
        checkpoints=checkpoints,
        calibration=run / "models" / target / "calibration.json",
        precision=precision,
        threads=threads,
    )
    return open_store(manifest)["flux"].values.astype(float)


if __name__ == "__main__":
    main()
