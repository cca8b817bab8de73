"""Jobs that cannot succeed: the run stops and says where; mended, it ends the same."""

import shutil

import netCDF4
import pytest

pytestmark = pytest.mark.slow


@pytest.mark.fault_ci
def test_imi_defect_jobs_failed_silently_one_stops_the_run_and_names_rule_log_and_last_lines(
    broken, survive, tmp_path
):
    run = broken(None)
    wetlands = run.results / "input/wetlands_monthly.nc"
    shutil.copy2(wetlands, tmp_path / "whole.nc")
    with netCDF4.Dataset(wetlands, "a") as file:
        file["Fw"][:, :4, :] = 1.5
    before = manifests(run)

    ended = run.call(cores=2)
    assert ended.status != 0
    assert "Error in rule convert_wetlands" in ended.text
    assert "results/test/logs/convert_wetlands/2012.log" in ended.text
    assert "InputError" in ended.text
    assert "wetlands_monthly.nc" in run.log("convert_wetlands")
    assert "1.5" in run.log("convert_wetlands")
    lost = [path for path in before if manifests(run).get(path) != before[path]]
    assert [path for path in lost if path.startswith(("drivers", "models", "context"))] == []

    shutil.copy2(tmp_path / "whole.nc", wetlands)
    again = run.call()
    assert again.status == 0, again.text
    lost = ended.seconds + again.seconds  # nothing had to be done but for the broken input
    survive("a job that always fails, then a mended input", run, lost_seconds=lost)


def manifests(run):
    """Bytes of every finished product's manifest, and of every checkpoint, by path."""
    paths = [*run.results.glob("**/*.json"), *run.results.glob("models/**/checkpoint.pt")]
    return {str(path.relative_to(run.results)): path.read_bytes() for path in paths}


def test_a_changed_chunk_of_a_driver_store_is_found_by_its_checksum_and_named(
    broken, survive, seconds_from
):
    run = broken("embed")
    shard = next((run.results / "drivers/2012.zarr/air_temperature/c").rglob("[0-9]*/[0-9]*"))
    raw = bytearray(shard.read_bytes())
    raw[len(raw) // 3] ^= 0xFF
    shard.write_bytes(raw)

    ended = run.call()
    assert ended.status != 0
    said = " ".join((ended.text + run.log("embed_year")).split())
    name = str(shard.relative_to(run.folder))
    assert f"damaged: {name}: Stored and computed checksum do not match" in said
    assert "remove results/test/drivers/2012.json and start again" in said
    assert list(run.results.glob("fluxes/*/2012.json")) == []

    (run.results / "drivers/2012.json").unlink()
    again = run.call()
    assert again.status == 0, again.text
    lost = ended.seconds + again.seconds - seconds_from("embed")
    survive("a changed chunk in a driver store", run, lost_seconds=lost)
