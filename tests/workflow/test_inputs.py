"""What rules read is what they follow from: a file that an option names, and its companions."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SOURCE = {"name": "units", "path": "here.tif", "kind": "units", "column": "clay"}
WETLANDS = {"name": "w", "path": "here.tif", "kind": "static"}
CELLS = "results/demo/cells.json"


def plan(folder, product, *options, **sections):
    """Status and words of a call for one product; nothing is computed."""
    (folder / "config.yaml").write_text(yaml.safe_dump(sections))
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile"]
    command += ["--directory", folder, "--configfile", folder / "config.yaml", "--cores", "1"]
    command += [*(options or ("--dry-run",)), "--", product]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("product", "sections"),
    [
        (CELLS, {"attributes": {"sources": [SOURCE | {"table": "no/such"}], "land_cover": None}}),
        (
            "results/demo/wetlands/2011.json",
            {
                "wetlands": {
                    "sources": [WETLANDS | {"subtract": [{"name": "rice", "path": "no/such"}]}]
                }
            },
        ),
    ],
)
def test_a_file_that_an_option_names_is_looked_at_before_any_job(tmp_path, product, sections):
    (tmp_path / "here.tif").touch()
    status, said = plan(tmp_path, product, **sections)
    assert status != 0
    assert "no/such: no such file or folder" in said


@pytest.mark.slow
def test_a_changed_companion_of_a_shapefile_makes_its_regions_anew(tmp_path):
    regions = "results/demo/regions.json"
    (tmp_path / "results/demo").mkdir(parents=True)
    for name in ("rivers.shp", "rivers.dbf", CELLS, regions):
        (tmp_path / name).touch()
    options = {"budget": {"region_files": [{"name": "rivers", "path": "rivers.shp"}]}}
    only = ("--allowed-rules", "build_regions")
    status, said = plan(tmp_path, regions, "--touch", "--forceall", *only, **options)
    assert status == 0, said
    assert "Nothing to be done" in plan(tmp_path, regions, "--dry-run", *only, **options)[1]
    (tmp_path / "rivers.dbf").write_text("other names")
    assert "Weighing cells by region" in plan(tmp_path, regions, "--dry-run", *only, **options)[1]
