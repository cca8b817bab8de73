import os

import pytest

from chamnet import provenance
from chamnet.provenance import (
    changed_since,
    digest_of_code,
    digest_of_listing,
    digest_of_values,
    environment,
    hide_credentials,
    read_json,
    whole_file,
    write_json,
)

CACHES = (provenance._tree_of, provenance._imports_of, provenance._code_of, provenance._data_of)


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "chamnet"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "low.py").write_text('"""Low."""\nA = 1\n')
    (folder / "high.py").write_text('"""High."""\nfrom chamnet.low import A\n')
    (folder / "other.py").write_text("B = 1\n")
    monkeypatch.setattr(provenance, "PACKAGE_FOLDER", folder)

    def write(name, text):
        (folder / f"{name}.py").write_text(text)
        for cached in CACHES:
            cached.cache_clear()

    write("other", "B = 1\n")
    yield write
    for cached in CACHES:
        cached.cache_clear()


def test_a_change_in_an_imported_module_changes_the_digest(package):
    before = digest_of_code("chamnet.high")
    package("low", "A = 2\n")
    assert digest_of_code("chamnet.high") != before


def test_comments_docstrings_and_unrelated_modules_change_no_digest(package):
    before = digest_of_code("chamnet.high")
    package("low", '"""Another docstring."""\n\n# a comment\nA = 1\n')
    package("other", "B = 2\n")
    assert digest_of_code("chamnet.high") == before


def test_a_data_file_that_a_module_names_is_part_of_its_digest(package, tmp_path):
    package("high", 'TABLE = "table.csv"\n')
    (tmp_path / "chamnet/table.csv").write_text("a")
    (tmp_path / "chamnet/unnamed.csv").write_text("a")
    before = digest_of_code("chamnet.high")
    (tmp_path / "chamnet/unnamed.csv").write_text("b")
    package("other", "")
    assert digest_of_code("chamnet.high") == before
    (tmp_path / "chamnet/table.csv").write_text("b")
    package("other", "")
    assert digest_of_code("chamnet.high") != before


def test_a_digest_of_an_unknown_module_is_refused():
    with pytest.raises(ModuleNotFoundError, match=r"chamnet\.nothing"):
        digest_of_code("chamnet.nothing")


def test_the_digest_of_values_does_not_depend_on_the_order_of_keys():
    assert digest_of_values({"a": 1, "b": 2}) == digest_of_values({"b": 2, "a": 1})
    assert digest_of_values({"a": 1}) != digest_of_values({"a": 2})


def test_a_changed_chunk_changes_the_listing(tmp_path):
    chunk = tmp_path / "x.zarr" / "c" / "0"
    chunk.parent.mkdir(parents=True)
    chunk.write_text("a")
    before = digest_of_listing(tmp_path / "x.zarr")
    chunk.write_text("ab")
    assert digest_of_listing(tmp_path / "x.zarr") != before


def test_a_listing_of_nothing_names_the_path(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent: no such file or folder"):
        digest_of_listing(tmp_path / "absent")


def test_only_files_newer_than_the_manifest_count_as_changed(tmp_path):
    source, manifest = tmp_path / "towers", tmp_path / "world.json"
    source.mkdir()
    (source / "a.csv").write_text("a")
    assert changed_since(source, manifest) == "unchanged"
    manifest.write_text("{}")
    future = manifest.stat().st_mtime + 10
    os.utime(manifest, (future, future))
    assert changed_since(source, manifest) == "unchanged"
    os.utime(source / "a.csv", (future + 10, future + 10))
    assert changed_since(source, manifest) not in ("unchanged", "missing")
    assert changed_since(tmp_path / "absent", manifest) == "missing"


def test_json_is_there_in_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "x.json"
    write_json(path, {"a": 1})
    circular = []
    circular.append(circular)
    with pytest.raises(ValueError, match="Circular"):
        write_json(path, circular)
    assert read_json(path) == {"a": 1}
    assert [p.name for p in path.parent.iterdir()] == ["x.json"]


def test_a_file_whose_writing_fails_stays_as_it_was(tmp_path):
    path = tmp_path / "new" / "x.txt"
    with whole_file(path) as temporary:
        temporary.write_text("first")
        assert not path.exists()

    def fail(temporary):
        temporary.write_text("half")
        raise OSError("disk is full")

    with pytest.raises(OSError, match="disk"), whole_file(path) as temporary:
        fail(temporary)
    assert path.read_text() == "first"
    assert [p.name for p in path.parent.iterdir()] == ["x.txt"]


def test_the_environment_names_the_versions_results_depend_on():
    assert environment()["numpy"][0].isdigit()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://AKIA1:a/b+c@bucket/x.zarr", "s3://***@bucket/x.zarr"),
        ("https://token@host/era5: not found", "https://***@host/era5: not found"),
        ("https://h/x?X-Amz-Signature=abc&part=1", "https://h/x?X-Amz-Signature=***&part=1"),
        ("AWS_SECRET_ACCESS_KEY=abc", "AWS_SECRET_ACCESS_KEY=***"),
        ("{'password': 'abc', 'user': 'me'}", "{'password': '***', 'user': 'me'}"),
    ],
)
def test_credentials_are_hidden(text, shown):
    assert hide_credentials(text) == shown


@pytest.mark.parametrize("text", ["https://doi.org/10.1/x, mail me@host", "12 tokens: 3 clusters"])
def test_what_is_no_credential_stays(text):
    assert hide_credentials(text) == text
