"""The real global run, from climate normals to budgets: a quarter of an hour on two cores."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr

ROOT = Path(__file__).parents[2]
DATA = ROOT / "../shared/data/grids/biome4_climatology.nc"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.real,
    pytest.mark.skipif(not DATA.exists(), reason="the real data are not beside the repository"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parent") / "run"
    folder.mkdir()
    os.symlink((ROOT / "../shared").resolve(), folder.parent / "shared")
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--cores", "2"]
    command += ["--directory", str(folder)]
    command += ["--configfile", str(ROOT / "config/real_normals.yaml"), "--", "global_budget"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return folder / "results/real_normals"


def test_budgets_of_both_targets_and_proxies_are_there_and_positive(run):
    with (run / "global_budget.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["region_system"] == "globe"]
    assert {row["target"] for row in rows} == {"emission", "consumption"}
    assert {row["extent"] for row in rows} == {"all", "proxy_monthly", "proxy_static"}
    assert all(0 < float(row["q05_tg"]) <= float(row["q95_tg"]) for row in rows)
    # 13 towers do not make a budget of the globe: most of it is outside of what they tell
    emission = next(r for r in rows if (r["target"], r["extent"]) == ("emission", "all"))
    assert float(emission["outside_share"]) > 0.5


def test_maps_are_of_half_a_degree_and_a_mean_year(run):
    maps = xr.open_zarr(run / "maps.zarr")
    assert dict(maps.sizes) | {"latitude": 360, "longitude": 720, "time": 12} == dict(maps.sizes)
