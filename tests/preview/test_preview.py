import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr
import yaml
from factories_data import (
    DRIVER_NAMES,
    make_reanalysis,
    make_tower_table,
    make_wetland_map,
    write_raster,
    write_reanalysis,
    write_towers,
)

from chamnet.cli import main
from chamnet.config import parse_config
from chamnet.errors import InputError
from chamnet.preview.costs import estimate_stages, short_test
from chamnet.preview.findings import Findings
from chamnet.preview.page import draw_inputs
from chamnet.preview.run import preview_run

ROOT = Path(__file__).parents[2]


def write_world(folder):
    """Files of a tiny run without a fault; its options."""
    data = make_reanalysis(year=2015)
    codes = np.full((18, 36), 4, np.uint8)
    codes[:, :9] = 17
    tables = {"FI-Sii": make_tower_table(), "FI-Lom": make_tower_table(seed=1)}
    towers = write_towers(folder, tables) | {"drivers": "reanalysis"}
    chambers = "place_id,latitude,longitude,biome,year,month,consumption_ug_c_m2_h\na,50,10,x,,7,20"
    (folder / "chambers.csv").write_text(chambers)
    make_wetland_map().to_netcdf(folder / "wetlands.nc")
    cover = write_raster(folder / "cover.tif", codes, nodata=255)
    clay = write_raster(folder / "clay.tif", np.full((18, 36), 0.2, np.float32))
    return {
        "run": {"name": "mine"},
        "grid": {"step_deg": 10.0},
        "drivers": {
            "names": DRIVER_NAMES,
            "paths": [write_reanalysis(folder / "era5.zarr", data)],
            "first_year": 2015,
            "last_year": 2015,
        },
        "attributes": {"land_cover": cover, "sources": [{"name": "clay", "path": clay}]},
        "wetlands": {"sources": [{"name": "wad2m", "path": str(folder / "wetlands.nc")}]},
        "towers": towers,
        "chambers": {"path": str(folder / "chambers.csv"), "kind": "plain"},
        "predict": {"first_year": 2015, "last_year": 2015},
    }


def look(folder, options, **changed):
    shown = []
    chosen = {"page": folder / "page.html", "out": folder / "table.json", "show": shown.append}
    try:
        found = preview_run(parse_config(options), **(chosen | changed))
    except InputError as error:
        return str(error), "\n".join(shown)
    return found, "\n".join(shown)


def test_a_run_without_a_fault_is_shown_with_its_period_grid_and_cells(tmp_path):
    found, shown = look(tmp_path, write_world(tmp_path))
    assert found.problems == []
    assert [row["what"] for row in found.rows] == [
        "drivers (era5)",
        "land",
        "attribute clay (continuous)",
        "wetlands wad2m (monthly)",
        "towers",
        "chambers (plain)",
    ]
    assert found.rows[0]["period"].startswith("2015-01-01 to 2015-12-31")
    assert found.rows[0]["calendar"] in ("standard", "proleptic_gregorian")
    assert found.n_cells > 20
    assert found.bytes_in == 8 * 365 * 6 * 12 * 4
    assert "0 problems" in shown
    assert "convert_drivers" in shown
    written = json.loads((tmp_path / "table.json").read_text())
    assert written["n_cells"] == found.n_cells


def test_the_page_is_self_contained_and_has_a_picture(tmp_path):
    look(tmp_path, write_world(tmp_path))
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/png;base64,") == 1
    assert "http" not in page
    assert "Nothing was found that the run would refuse" in page


@pytest.mark.slow
def test_faults_of_different_sources_are_told_together(tmp_path):
    options = write_world(tmp_path)
    broken = make_wetland_map().isel(time=slice(0, 11))
    broken.to_netcdf(tmp_path / "short.nc")
    options["wetlands"]["sources"][0]["path"] = str(tmp_path / "short.nc")
    with (tmp_path / "towers" / "FLX_XX-Bad_FLUXNET-CH4_DD_2015-2016_1-1.csv").open("w") as file:
        make_tower_table().drop(columns="FCH4").to_csv(file, index=False)
    for site in ("FI-Sii", "FI-Lom"):
        path = tmp_path / "towers" / f"FLX_{site}_FLUXNET-CH4_DD_2015-2016_1-1.csv"
        path.write_text(path.read_text().replace("TIMESTAMP", "DAY", 1))
    options["chambers"]["path"] = str(tmp_path / "absent.csv")
    options["drivers"]["names"] = [*DRIVER_NAMES]
    options["drivers"]["last_year"] = 2016
    options["predict"]["last_year"] = 2015
    message, shown = look(tmp_path, options)
    for part in (
        "short.nc (Fw): month 12 is there 0 times",
        "'XX-Bad' is not in the site table",
        "FLX_FI-Sii_FLUXNET-CH4_DD_2015-2016_1-1.csv: no column 'TIMESTAMP'",
        "FLX_FI-Lom_FLUXNET-CH4_DD_2015-2016_1-1.csv: no column 'TIMESTAMP'",
        "absent.csv: no such file",
        "no step of 2016",
    ):
        assert part in shown
    assert "problems, listed above" in message
    assert "the run would stop" in (tmp_path / "page.html").read_text()
    assert not (tmp_path / "table.json").exists()


@pytest.mark.slow
def test_a_tower_outside_the_land_is_told(tmp_path):
    options = write_world(tmp_path)
    sites = pd.read_csv(tmp_path / "sites.csv")
    sites.loc[0, ["LAT", "LON"]] = -80.0, 0.0
    sites.to_csv(tmp_path / "sites.csv", index=False)
    _, shown = look(tmp_path, options)
    assert "'FI-Sii' at -80.000 N 0.000 E is" in shown
    assert "km from the nearest land cell, expected at most" in shown


@pytest.mark.slow
def test_a_raster_without_a_crs_is_told(tmp_path):
    options = write_world(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        path = write_raster(tmp_path / "x.tif", np.ones((18, 36), np.float32), crs=None)
    options["attributes"]["sources"] = [{"name": "clay", "path": path}]
    assert "x.tif: no CRS, expected one" in look(tmp_path, options)[1]


def test_time_grows_with_years_and_cells_and_is_scaled_by_the_machine():
    options = {"run": {"name": "a"}, "drivers": {"names": DRIVER_NAMES}}

    def total(config, **changed):
        chosen = {"n_cells": 60_000, "bytes_in": 10**10} | changed
        return sum(stage.cpu_s for stage in estimate_stages(parse_config(config), **chosen))

    one = total(options)
    assert total(options, n_cells=120_000) > 1.5 * one
    assert total(options, slowness=2.0) == pytest.approx(2 * one)
    longer = options | {"drivers": options["drivers"] | {"first_year": 1991}}
    assert total(longer) > one
    with_prior = options | {"predict": options.get("predict", {}) | {"mode": "prior"}}
    assert total(with_prior) > one
    pretrained = options | {"pretrain": {"n_steps": 400, "batch_places": 64}}
    twice = options | {"pretrain": {"n_steps": 800, "batch_places": 64}}
    assert one < total(pretrained) < total(twice)
    assert short_test() > 0


@pytest.mark.slow
def test_the_command_ends_with_a_status_and_writes_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = write_world(tmp_path) | {"demo": None}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(options))
    assert main(["preview", "mine.yaml"]) == 0
    assert "0 problems" in capsys.readouterr().out
    assert (tmp_path / "results/mine/preview.html").exists()
    options["chambers"]["path"] = "absent.csv"
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(options))
    assert main(["preview", "mine.yaml"]) == 1


@pytest.mark.slow
def test_the_rule_tells_all_problems_and_fails_with_its_page_left(tmp_path):
    options = write_world(tmp_path) | {"demo": None}
    options["chambers"]["path"] = "absent.csv"
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(options))
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--cores", "1"]
    command += ["--directory", str(tmp_path), "--configfile", str(tmp_path / "mine.yaml")]
    done = subprocess.run([*command, "--", "preview"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "absent.csv: no such file" in done.stdout + done.stderr
    assert (tmp_path / "results/mine/preview.html").exists()


@pytest.mark.parametrize("n_rows", [2, 3, 64])
def test_a_map_of_few_rows_of_a_fine_raster_is_drawn(n_rows):
    step = 1 / 240  # 15 seconds of arc
    latitude, longitude = 90 - step * (np.arange(n_rows) + 0.5), -180 + step * np.arange(960)
    values = np.ones((n_rows, longitude.size))
    coords = {"latitude": latitude[::-1], "longitude": longitude}
    found = Findings()
    found.maps["wetlands glwd, first map"] = xr.DataArray(values, dims=tuple(coords), coords=coords)
    axes = draw_inputs(found).axes
    assert any(axis.get_title("left") == "wetlands glwd, first map" for axis in axes)
