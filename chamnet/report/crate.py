"""What a run was made from, as an RO-Crate 1.1: products, inputs, options, code and machine."""

import datetime as dt
import json
import logging
import os
import re
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chamnet.data.store import open_store
from chamnet.machine import describe_machine
from chamnet.provenance import (
    digest_of_file,
    digest_of_listing,
    hide_credentials,
    read_json,
    write_text,
)
from chamnet.report.lineage import LARGE_BYTES

logger = logging.getLogger(__name__)

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
PROFILE = "https://w3id.org/ro/crate/1.1"
METADATA = "ro-crate-metadata.json"
FORMATS = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".nc": "application/x-netcdf",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".zarr": "application/vnd.zarr",
}
DOI = re.compile(r"10\.\d{4,9}/[^\s\"<>]*[^\s\"<>.,;]")


def write_provenance(
    *,
    out: str | os.PathLike,
    crate: str | os.PathLike,
    products: Sequence[str | os.PathLike],
    observations: Sequence[str | os.PathLike],
    sources: Sequence[str | os.PathLike],
    config: Mapping[str, Any],
    run: str,
    synthetic: bool,
) -> None:
    """Write the record of a run: ``provenance.json``, and the same where RO-Crate looks for it.

    Parameters
    ----------
    out, crate : ``provenance.json`` and ``ro-crate-metadata.json`` in the folder of the run
    products : files of the run, manifests for stores; below that folder
    observations : manifests; the DOIs of their places are cited
    sources : files and folders that the user brought
    config : options of the run as plain values
    run, synthetic : name, and whether the inputs are synthetic

    References
    ----------
    .. [1] Sefton et al. (2023), RO-Crate Metadata Specification 1.1.3,
       doi:10.5281/zenodo.7867028.
    """
    root = Path(out).parent
    made = [_describe_product(Path(path), root) for path in products]
    brought = [_describe_source(str(path), root) for path in sources]
    cited = sorted(set(_read_dois(observations)))
    newest = max(Path(path).stat().st_mtime for path in products)
    date = dt.datetime.fromtimestamp(newest, tz=dt.UTC).isoformat(timespec="seconds")
    graph = [
        *_describe_crate(run, synthetic, date, parts=[*made, *brought], cited=cited),
        _describe_licence(config),
        *_describe_action(date, made=made, brought=brought),
        {
            "@id": "#options",
            "@type": "CreativeWork",
            "name": "options of the run",
            "encodingFormat": "application/json",
            "text": hide_credentials(json.dumps(dict(config), sort_keys=True, default=str)),
        },
        *({"@id": doi, "@type": "CreativeWork", "name": doi} for doi in cited),
        *made,
        *brought,
    ]
    text = json.dumps({"@context": CONTEXT, "@graph": graph}, indent=1, sort_keys=True) + "\n"
    for path in (crate, out):
        write_text(path, text)
    logger.info("write_provenance: %d products, %d inputs", len(made), len(brought))


def _describe_crate(
    run: str,
    synthetic: bool,
    date: str,
    *,
    parts: Sequence[Mapping[str, Any]],
    cited: Sequence[str],
) -> list[dict[str, Any]]:
    about = "Maps and budgets of methane emission and consumption of the land surface"
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"chamnet run {run}",
        "description": about + (", of SYNTHETIC inputs" if synthetic else ""),
        "datePublished": date,
        "license": {"@id": "#licence"},
        "hasPart": _refer(parts),
        "mentions": [{"@id": "#run"}],
        "citation": [{"@id": doi} for doi in cited],
    }
    descriptor = {
        "@id": METADATA,
        "@type": "CreativeWork",
        "conformsTo": {"@id": PROFILE},
        "about": {"@id": "./"},
    }
    return [descriptor, root]


def _describe_licence(config: Mapping[str, Any]) -> dict[str, Any]:
    """Terms of the maps; what each input comes under stands in the maps' own attributes."""
    licence = (config.get("publication") or {}).get("licence", "not stated")
    return {
        "@id": "#licence",
        "@type": "CreativeWork",
        "name": f"{licence} for the maps",
        "description": "Those of the measurements and maps that were read hold beside it; "
        "provenance_inputs of maps.zarr names them one by one.",
    }


def _describe_action(
    date: str, *, made: Sequence[Mapping[str, Any]], brought: Sequence[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    machine = describe_machine()
    yield {
        "@id": "#run",
        "@type": "CreateAction",
        "name": "the run of the pipeline",
        "endTime": date,
        "instrument": {"@id": "#chamnet"},
        "object": [*_refer(brought), {"@id": "#options"}],
        "result": _refer(made),
    }
    yield {
        "@id": "#chamnet",
        "@type": "SoftwareApplication",
        "name": "chamnet",
        "version": machine["chamnet"],
        "identifier": f"code {machine['code']}",
        "processorRequirements": machine["processor"],
        "softwareRequirements": [f"{name} {value}" for name, value in machine.items()],
    }


def _refer(entities: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [{"@id": entity["@id"]} for entity in entities]


def _describe_product(path: Path, root: Path) -> dict[str, Any]:
    """Entity of a file of the run; of the store, where the file is a manifest of one."""
    content = read_json(path) if path.suffix == ".json" else None
    if isinstance(content, dict) and {"store", "content"} <= content.keys():
        store = path.parent / content["store"]
        return {
            "@id": _relative(store, root) + "/",
            "@type": "Dataset",
            "name": store.name,
            "encodingFormat": FORMATS[".zarr"],
            "identifier": [f"content {content['content']}", f"follows from {content['digest']}"],
        }
    return _describe_file(path, _relative(path, root))


def _describe_source(source: str, root: Path) -> dict[str, Any]:
    """Entity of a file or folder; of an address or pattern only what the options say."""
    path = Path(source)
    if not path.exists():
        shown = hide_credentials(source)
        name = urllib.parse.quote(shown, safe=":/?=&%*@")
        return {"@id": name, "@type": "File", "name": shown, "description": "not digested"}
    inside = path.resolve().is_relative_to(root.resolve())
    name = _relative(path, root) if inside else path.resolve().as_uri()
    if path.is_file() and path.stat().st_size <= LARGE_BYTES:
        return _describe_file(path, name)
    return {
        "@id": name + ("/" if path.is_dir() else ""),
        "@type": "Dataset" if path.is_dir() else "File",
        "name": path.name,
        "identifier": f"paths, sizes and times {digest_of_listing(path)}",
    }


def _describe_file(path: Path, name: str) -> dict[str, Any]:
    return {
        "@id": name,
        "@type": "File",
        "name": path.name,
        "contentSize": str(path.stat().st_size),
        "encodingFormat": FORMATS.get(path.suffix, "application/octet-stream"),
        "sha256": digest_of_file(path),
    }


def _relative(path: Path, root: Path) -> str:
    return urllib.parse.quote(path.resolve().relative_to(root.resolve()).as_posix())


def _read_dois(observations: Sequence[str | os.PathLike]) -> Iterator[str]:
    for manifest in observations:
        with open_store(manifest) as data:
            texts = np.unique(data["doi"].values) if "doi" in data else []
        for text in texts:
            yield from (f"https://doi.org/{doi}" for doi in DOI.findall(str(text)))
