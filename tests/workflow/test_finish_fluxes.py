"""A year of fluxes that is finished stays so when other tiles are asked for."""

import subprocess
import sys
from pathlib import Path

import pytest
from factories_inference import make_world

from chamnet.data.store import open_store

ROOT = Path(__file__).parents[2]


def finish(folder, product, *, tiles):
    """Call of Snakemake that runs the rule finish_fluxes alone."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile"]
    command += ["--directory", folder, "--cores", "1", "--allowed-rules", "finish_fluxes"]
    command += ["--config", f"predict={{tiles: {tiles}}}", "--", product]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_finished_year_is_kept_when_tiles_are_asked_for_and_when_they_are_others(tmp_path):
    world = make_world(tmp_path / "world")
    world.write_drivers(2012)
    world.embed(2012)
    store = tmp_path / "results/demo/fluxes/emission/2012.zarr"
    manifest = world.predict(2012, store=store)
    content = manifest.read_text()
    for n_tiles in (2, 3):
        for tile in range(n_tiles):
            world.predict(2012, store=store, tile=tile, n_tiles=n_tiles)
        done = finish(tmp_path, manifest.relative_to(tmp_path), tiles=n_tiles)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "finish_fluxes" in done.stdout + done.stderr
        assert manifest.read_text() == content
    assert open_store(manifest).sizes["cell"] == 10
