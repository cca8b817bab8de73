"""How far the parts that do not stream go: many towers, and a plan of many jobs.

``python benchmarks/load.py [--quick]`` reads 1,000 synthetic towers x 20 years of daily files
(quick: 50 x 20) into the observations of a run, and plans a run of 20 members x 40 years (dry run
of Snakemake, nothing is computed). The files are synthetic, a few kinds of them under many names.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from _bench import ROOT, build_row, read_peak_mib, run_part, write_benchmark

from chamnet.data.observations import read_emission
from chamnet.demo.simulated import DRIVER_NAMES

N_YEARS, FIRST_YEAR, N_KINDS = 20, 1999, 8
COLUMNS = {  # mean and spread, in the units of the daily files
    "TA_F": (8.0, 6.0),
    "P_F": (2.0, 0.5),
    "SW_IN_F": (150.0, 30.0),
    "LW_IN_F": (310.0, 15.0),
    "VPD_F": (5.0, 1.0),
    "PA_F": (98.0, 0.5),
    "WS_F": (3.0, 0.5),
    "FCH4_F": (40.0, 8.0),
}
BIG_RUN = {
    "train": {"n_members": 20},
    "demo": {"first_year": 1979, "n_years": 40},
    "drivers": {"first_year": 1979, "last_year": 2018},
    "predict": {"first_year": 1979, "last_year": 2018},
}


def make_towers(folder: Path, n_sites: int) -> None:
    """Write the daily files of sites all over the land, and their table."""
    (folder / "towers").mkdir()
    texts = [make_days(np.random.default_rng(kind)) for kind in range(N_KINDS)]
    names = [
        f"XX-{chr(65 + n // 676)}{chr(65 + n // 26 % 26)}{chr(97 + n % 26)}" for n in range(n_sites)
    ]
    for n, name in enumerate(names):
        period = f"{FIRST_YEAR}-{FIRST_YEAR + N_YEARS - 1}"
        path = folder / "towers" / f"FLX_{name}_FLUXNET-CH4_DD_{period}_1-1.csv"
        path.write_text(texts[n % N_KINDS])
    table = pd.DataFrame(
        {
            "SITE_ID": names,
            "LAT": np.linspace(-40, 70, n_sites).round(4),
            "LON": (np.arange(n_sites) * 137.5 % 360 - 180).round(4),
            "SITE_CLASSIFICATION": "Fen",
        }
    )
    table.to_csv(folder / "sites.csv", index=False)


def make_days(rng: np.random.Generator) -> str:
    """Text of one daily file; two days of five have a measured flux."""
    days = pd.date_range(f"{FIRST_YEAR}-01-01", f"{FIRST_YEAR + N_YEARS - 1}-12-31")
    table = {"TIMESTAMP": days.strftime("%Y%m%d")}
    for name, (mean, spread) in COLUMNS.items():
        table[name] = np.abs(rng.normal(mean, spread, days.size)).round(3)
    table["FCH4"] = np.where(rng.random(days.size) < 0.4, table["FCH4_F"], -9999)
    table["FCH4_F_ANNOPTLM"] = table["FCH4_F"]
    table["FCH4_F_ANNOPTLM_QC"] = 1
    return pd.DataFrame(table).to_csv(index=False)


def read_part(folder: Path) -> None:
    """Read the towers of a folder; print seconds and peak memory as JSON."""
    logging.basicConfig(level=logging.WARNING)
    began = time.perf_counter()
    read_emission(
        store=str(folder / "emission.zarr"),
        dropped=str(folder / "dropped.csv"),
        digest="load",
        towers={
            "folder": str(folder / "towers"),
            "sites": str(folder / "sites.csv"),
            "drivers": "tower",
        },
        driver_names=DRIVER_NAMES,
        years=[FIRST_YEAR, FIRST_YEAR + N_YEARS - 1],
    )
    print(json.dumps({"seconds": time.perf_counter() - began, "peak_mib": read_peak_mib()}))


def measure_plan(folder: Path) -> float:
    """Seconds of a dry run of 20 members x 40 years, both targets."""
    (folder / "big.yaml").write_text(yaml.safe_dump(BIG_RUN))
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--cores", "1"]
    command += ["--dry-run", "--quiet", "all", "--directory", folder]
    command += ["--configfile", ROOT / "config/config.yaml", folder / "big.yaml"]
    began = time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*map(str, command), "--", "global_budget"], capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        read_part(options.read)
        return
    n_sites = 50 if options.quick else 1000
    with tempfile.TemporaryDirectory() as name:
        make_towers(Path(name), n_sites)
        read = run_part(__file__, "--read", name)
        plan_seconds = measure_plan(Path(name))
    rows = [
        build_row(f"{n_sites} towers x {N_YEARS} years", read["seconds"], "s", at_most=300),
        build_row("peak memory of that", read["peak_mib"], "MiB", at_most=4096),
        build_row("plan of 20 members x 40 years", plan_seconds, "s", at_most=20),
    ]
    write_benchmark("load", rows, n_sites=n_sites, n_years=N_YEARS)


if __name__ == "__main__":
    main()
