"""What maps were made from, as global attributes: options, code, networks, inputs, licences.

They travel with every copy of the maps, also where the record of the run does not.
"""

import csv
import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chamnet.provenance import (
    digest_of_file,
    digest_of_listing,
    environment,
    hide_credentials,
    read_json,
)

NOT_STATED = "not stated"
MADE = {  # inputs that a run makes itself, by the section of its options
    "demo": "synthetic, made by this run",
    "proxies": "made by this run from MCD12C1 (open) and ITU-R P.837, P.1510, P.1511",
}
LARGE_BYTES = 100_000_000  # a larger input is known by its size and time, not by its bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Lineage:
    """What a run's maps follow from.

    Attributes
    ----------
    config : options as plain values
    code : digest of the code that the maps were made by
    checkpoints : files of the networks by target
    observations : manifests of the places that they were trained on, by target
    sources : files, folders, addresses and patterns that the user brought
    publication : ``doi``, ``creator``, ``institution``, ``licence``, ``input_licences``
    """

    config: Mapping[str, Any]
    code: str
    checkpoints: Mapping[str, Sequence[str | os.PathLike]]
    observations: Mapping[str, str | os.PathLike]
    sources: Sequence[str]
    publication: Mapping[str, Any]

    def attributes(self) -> dict[str, str]:
        """Global attributes of the maps: provenance as JSON, ACDD's words for who and licence."""
        inputs = [*self._describe_sources(), *self._describe_places()]
        terms = " | ".join(dict.fromkeys(row["licence"] for row in inputs)) or NOT_STATED
        found = {
            "provenance_config": self.config,
            "provenance_checkpoints": self._digest_checkpoints(),
            "provenance_inputs": inputs,
            "provenance_versions": environment(),
        }
        return {name: hide_credentials(_json(value)) for name, value in found.items()} | {
            "provenance_code": self.code,
            "license": f"{self.publication['licence']} for the maps; inputs, one by one in "
            f"provenance_inputs: {terms}",
            **self._describe_publication(),
        }

    def _describe_publication(self) -> dict[str, str]:
        """Who publishes, under which DOI; papers of the places as references."""
        names = {"institution": "institution", "creator": "creator_name"}
        stated = {names[k]: self.publication[k] for k in names if self.publication[k]}
        cited = [text for row in self._describe_places() for text in row["cite"]]
        dois = sorted({text for text in cited if text.startswith("10.")})
        if dois:
            stated["references"] = "; ".join(f"https://doi.org/{doi}" for doi in dois)
        if doi := self.publication["doi"]:
            stated |= {"id": doi, "naming_authority": "org.doi", "doi": f"https://doi.org/{doi}"}
        return stated

    def _digest_checkpoints(self) -> dict[str, str]:
        """SHA-256 of each network's file, by target and member."""
        return {
            f"{target}/{Path(path).parent.name}": digest_of_file(path)
            for target, paths in self.checkpoints.items()
            for path in paths
        }

    def _describe_sources(self) -> list[dict[str, Any]]:
        licences = self.publication["input_licences"]
        return [
            {
                "input": source,
                "identity": _identify(source),
                "licence": licences.get(source) or self._licence_of(source),
            }
            for source in self.sources
        ]

    def _licence_of(self, source: str) -> str:
        towers, chambers, drivers = (
            self.config.get(name) or {} for name in ("towers", "chambers", "drivers")
        )
        for name, licence in MADE.items():
            folder = (self.config.get(name) or {}).get("folder")
            if folder and Path(source).is_relative_to(folder):
                return licence
        if source in (towers.get("folder"), chambers.get("path")):
            return "those of its places"
        if source in drivers.get("paths", ()):
            return read_source_licences().get(str(drivers.get("source")), NOT_STATED)
        return NOT_STATED

    def _describe_places(self) -> list[dict[str, Any]]:
        """A row for each target and licence: how many places, content, and what to cite."""
        rows = []
        for target, path in self.observations.items():
            manifest = read_json(path)
            for licence, found in _merge_terms(manifest.get("licences", {})).items():
                row = {"input": f"{found['n_places']} places of {target}", "licence": licence}
                content = {"identity": f"content {manifest['content']}"}
                rows.append(row | content | {"cite": sorted(found["cite"])})
        return rows


def _merge_terms(licences: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Places and citations by licence; of "MIT; cite a study" the licence is MIT."""
    merged: dict[str, dict[str, Any]] = {}
    for text, terms in licences.items():
        licence, _, study = text.partition(";")
        name = NOT_STATED if licence == "unknown" else licence
        row = merged.setdefault(name, {"n_places": 0, "cite": set()})
        row["n_places"] += terms["n_places"]
        row["cite"] |= {*terms["doi"].values(), *filter(None, [study.strip()])}
    return merged


def read_source_licences() -> dict[str, str]:
    """Licence and citation of each table of drivers, by ``drivers.source``, as we know them."""
    path = Path(__file__).parent / "source_licences.csv"
    with path.open(newline="") as file:
        return {row["source"]: row["licence"] for row in csv.DictReader(file)}


def show_lineage(attributes: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rows of a table for readers, from the attributes of maps; none of what they do not say."""
    rows = [("DOI", attributes.get("doi")), ("code", attributes.get("provenance_code"))]
    rows.append(("licence of the maps", _licence_of_maps(attributes)))
    for name, digest in json.loads(attributes.get("provenance_checkpoints", "{}")).items():
        rows.append((f"network {name}", f"sha256 {digest[:16]}"))
    for row in json.loads(attributes.get("provenance_inputs", "[]")):
        kind, _, digest = row["identity"].rpartition(" ")
        rows.append((row["input"], f"{row['licence']} · {kind} {digest[:16]}"))
    return [(name, text) for name, text in rows if text]


def _licence_of_maps(attributes: Mapping[str, Any]) -> str:
    return str(attributes.get("license", "")).partition(" for the maps")[0]


def _identify(source: str) -> str:
    """Digest of a file, or of a folder's listing; of an address or pattern there is none."""
    path = Path(source)
    if not path.exists():
        return "not digested"
    if path.is_file() and path.stat().st_size <= LARGE_BYTES:
        return f"sha256 {digest_of_file(path)}"
    return f"paths, sizes and times {digest_of_listing(path)}"


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
