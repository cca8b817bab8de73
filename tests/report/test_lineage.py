import json

import pytest
import xarray as xr
from test_maps import check_compliance, publish

from chamnet.data.store import write_store
from chamnet.provenance import digest_of_file, digest_of_listing
from chamnet.report.export import export_netcdf
from chamnet.report.lineage import Lineage, read_source_licences, show_lineage

PUBLICATION = {
    "doi": "10.1234/maps.1",
    "creator": "A. Nother",
    "institution": "Institute of Air",
    "licence": "CC0-1.0",
    "input_licences": {},
}


def make_lineage(folder, **changes):
    """Lineage of two networks, a raster, a folder of towers, an address, and three places."""
    for member in ("00", "01"):
        path = folder / f"models/emission/{member}/checkpoint.pt"
        path.parent.mkdir(parents=True)
        path.write_bytes(member.encode())
    (folder / "wet.nc").write_bytes(b"wet")
    (folder / "towers").mkdir()
    (folder / "towers/a.csv").write_text("a")
    terms = {
        "CC-BY-4.0": {"n_places": 1, "doi": {"FI-Sii": "10.18140/FLX/1"}},
        "MIT; cite the study of Adam": {"n_places": 1, "doi": {}},
        "MIT; cite the study of Eve": {"n_places": 1, "doi": {}},
    }
    places = write_store(
        xr.Dataset({"x": ("place", [1.0, 2.0, 3.0])}),
        folder / "observations/emission.zarr",
        digest="d",
        extra={"licences": terms},
    )
    address = "s3://key:very-secret@bucket/era5_{year}.nc"
    towers = str(folder / "towers")
    fields = {
        "config": {
            "drivers": {"source": "era5", "paths": [address]},
            "towers": {"folder": towers},
            "demo": {"folder": str(folder / "input")},
        },
        "code": "c0de",
        "checkpoints": {"emission": sorted(folder.glob("models/emission/*/checkpoint.pt"))},
        "observations": {"emission": places},
        "sources": [address, str(folder / "wet.nc"), towers, str(folder / "input/cover.tif")],
        "publication": PUBLICATION,
    }
    return Lineage(**(fields | changes))


@pytest.fixture
def attributes(tmp_path):
    return make_lineage(tmp_path).attributes()


def inputs_of(attributes):
    return {row["input"]: row for row in json.loads(attributes["provenance_inputs"])}


def test_every_network_is_known_by_its_digest(attributes, tmp_path):
    found = json.loads(attributes["provenance_checkpoints"])
    assert set(found) == {"emission/00", "emission/01"}
    path = tmp_path / "models/emission/01/checkpoint.pt"
    assert found["emission/01"] == digest_of_file(path)
    assert attributes["provenance_code"] == "c0de"
    assert "chamnet" in json.loads(attributes["provenance_versions"])


def test_every_input_has_an_identity_and_a_licence(attributes, tmp_path):
    found = inputs_of(attributes)
    wet = found[str(tmp_path / "wet.nc")]
    assert wet["identity"] == f"sha256 {digest_of_file(tmp_path / 'wet.nc')}"
    assert wet["licence"] == "not stated"
    towers = found[str(tmp_path / "towers")]
    assert digest_of_listing(tmp_path / "towers") in towers["identity"]
    assert towers["licence"] == "those of its places"
    assert found[str(tmp_path / "input/cover.tif")]["licence"] == "synthetic, made by this run"
    address = next(row for name, row in found.items() if name.startswith("s3"))
    assert address["identity"] == "not digested"
    assert "CC-BY-4.0" in address["licence"]


def test_a_users_word_on_a_licence_goes_first(tmp_path):
    words = {str(tmp_path / "wet.nc"): "CC-BY-4.0; doi:10.5281/zenodo.5553187"}
    publication = PUBLICATION | {"input_licences": words}
    found = inputs_of(make_lineage(tmp_path, publication=publication).attributes())
    assert found[str(tmp_path / "wet.nc")]["licence"] == words[str(tmp_path / "wet.nc")]


def test_places_keep_their_licences_and_what_to_cite(attributes):
    places = [r for r in json.loads(attributes["provenance_inputs"]) if "places of" in r["input"]]
    assert [(r["input"], r["licence"]) for r in places] == [
        ("1 places of emission", "CC-BY-4.0"),
        ("2 places of emission", "MIT"),
    ]
    assert places[1]["cite"] == ["cite the study of Adam", "cite the study of Eve"]
    assert attributes["references"] == "https://doi.org/10.18140/FLX/1"


def test_no_credential_of_an_address_is_in_the_attributes(attributes):
    assert "very-secret" not in json.dumps(attributes)


def test_the_publication_says_who_and_under_which_doi(attributes, tmp_path):
    assert attributes["doi"] == "https://doi.org/10.1234/maps.1"
    assert (attributes["id"], attributes["naming_authority"]) == ("10.1234/maps.1", "org.doi")
    assert attributes["creator_name"] == "A. Nother"
    assert attributes["license"].startswith("CC0-1.0 for the maps; inputs, one by one")
    empty = PUBLICATION | {"doi": None, "creator": None, "institution": None}
    (tmp_path / "b").mkdir()
    found = make_lineage(tmp_path / "b", publication=empty).attributes()
    assert not {"doi", "id", "creator_name", "institution"} & set(found)


def test_maps_with_their_lineage_pass_cf_and_acdd(run, attributes, tmp_path):
    store = publish(run, tmp_path, attributes=attributes)
    path = export_netcdf(store, tmp_path / "maps.nc", first_year=2012)
    assert check_compliance(path, ["cf:1.11", "acdd:1.3"]) == []
    with xr.open_dataset(path) as data:
        assert data.attrs["provenance_checkpoints"] == attributes["provenance_checkpoints"]


def test_the_page_lists_networks_and_inputs_of_the_maps(attributes):
    rows = dict(show_lineage(attributes))
    digest = json.loads(attributes["provenance_checkpoints"])["emission/00"]
    assert rows["network emission/00"] == f"sha256 {digest[:16]}"
    assert rows["licence of the maps"] == "CC0-1.0"
    assert rows["2 places of emission"].startswith("MIT \u00b7 content ")
    assert show_lineage({}) == []  # maps of an earlier version


def test_licences_are_known_for_every_table_of_drivers_but_those_of_models_and_ones_own():
    from pathlib import Path

    import yaml

    import chamnet

    tables = yaml.safe_load((Path(chamnet.__file__).parent / "data/sources.yaml").read_text())
    assert set(tables) - set(read_source_licences()) == {"cf", "tem_mdm"}
