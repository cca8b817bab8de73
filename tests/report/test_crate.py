import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from chamnet.data.store import write_store
from chamnet.provenance import digest_of_file
from chamnet.report.crate import write_provenance


@pytest.fixture
def written(tmp_path):
    """Graph of a small run, by id; the bytes of both files are the same."""
    root = tmp_path / "results/tiny run"
    root.mkdir(parents=True)
    (root / "global_budget.csv").write_text("target,mean_tg\n")
    (tmp_path / "wetlands.nc").write_bytes(b"wet")
    (tmp_path / "towers").mkdir()
    (tmp_path / "towers/a.csv").write_text("a")
    flux = xr.Dataset({"flux": ("cell", np.zeros(3, np.float32))})
    maps = write_store(flux, root / "maps.zarr", digest="d")
    doi = xr.Dataset(
        coords={
            "doi": ("place", ["10.1234/a", "unknown", "doi:10.1234/a", "https://doi.org/10.5678/b"])
        }
    )
    places = write_store(doi, root / "observations/emission.zarr", digest="d")
    write_provenance(
        out=root / "provenance.json",
        crate=root / "ro-crate-metadata.json",
        products=[root / "global_budget.csv", maps],
        observations=[places],
        sources=[str(tmp_path / "wetlands.nc"), str(tmp_path / "towers"), "s3://a:b@c/{year}*.nc"],
        config={"drivers": {"paths": ["s3://key:very-secret@bucket/era5.zarr"]}},
        run="tiny run",
        synthetic=True,
    )
    text = (root / "provenance.json").read_text()
    assert (root / "ro-crate-metadata.json").read_text() == text
    graph = json.loads(text)["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    assert len(entities) == len(graph)
    return root, entities


def references(value):
    if isinstance(value, dict):
        if value.keys() == {"@id"}:
            yield value["@id"]
        else:
            yield from (found for item in value.values() for found in references(item))
    elif isinstance(value, list):
        yield from (found for item in value for found in references(item))


def test_the_record_is_an_ro_crate_whose_references_all_lead_somewhere(written):
    _, entities = written
    descriptor = entities["ro-crate-metadata.json"]
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert descriptor["about"] == {"@id": "./"}
    named = set(references(list(entities.values()))) - {"https://w3id.org/ro/crate/1.1"}
    assert named <= entities.keys()
    files = {name for name, e in entities.items() if e["@type"] in ("File", "Dataset")} - {"./"}
    assert {part["@id"] for part in entities["./"]["hasPart"]} == files


def test_the_root_has_what_the_specification_asks_of_it(written):
    root = written[1]["./"]
    assert {"name", "description", "datePublished", "license", "hasPart"} <= root.keys()
    assert "SYNTHETIC" in root["description"]


def test_products_have_the_digests_of_what_lies_there(written):
    root, entities = written
    table = entities["global_budget.csv"]
    assert table["sha256"] == digest_of_file(root / "global_budget.csv")
    content = json.loads((root / "maps.json").read_text())["content"]
    assert f"content {content}" in entities["maps.zarr/"]["identifier"]


def test_inputs_outside_of_the_run_are_named_by_their_address_and_digest(written):
    root, entities = written
    folder = Path(root).parents[1]
    assert entities[(folder / "wetlands.nc").as_uri()]["contentSize"] == "3"
    assert entities[(folder / "towers").as_uri() + "/"]["@type"] == "Dataset"
    assert entities["s3://***@c/%7Byear%7D*.nc"]["name"] == "s3://***@c/{year}*.nc"


def test_the_papers_of_the_places_are_cited_once(written):
    cited = [item["@id"] for item in written[1]["./"]["citation"]]
    assert cited == ["https://doi.org/10.1234/a", "https://doi.org/10.5678/b"]


def test_no_credential_of_the_options_is_in_the_record(written):
    text = written[1]["#options"]["text"]
    assert "very-secret" not in text
    assert "s3://***@bucket/era5.zarr" in text
