"""The stores of a year's fluxes: ended by one job, or when jobs of all tiles have ended."""

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from chamnet.data.store import StoreWriter, manifest_path
from chamnet.errors import StoreError
from chamnet.inference.shards import is_finished, read_notes
from chamnet.provenance import read_json, write_json

logger = logging.getLogger(__name__)


def open_writers(store: str | os.PathLike, *, digest: str, daily: bool) -> dict[str, StoreWriter]:
    """Writers of a year's stores: ``monthly``, and ``daily`` where it is asked for."""
    writers = {"monthly": StoreWriter(store, digest=digest)}
    if daily:
        path = Path(store).with_name(f"{Path(store).stem}_daily.zarr")
        writers["daily"] = StoreWriter(path, digest=digest)
    return writers


def finish_stores(
    writers: Mapping[str, StoreWriter], regions: Sequence[str], *, extra: Mapping[str, Any]
) -> Path:
    """Close a year's stores, the monthly one last, as it stands for the job; its manifest.

    Parameters
    ----------
    writers : of the stores
    regions : names of all shards
    extra : what manifests tell, beside the notes of the shards
    """
    notes = read_notes(writers["monthly"], regions)
    if notes["n_cells_nan"]:
        logger.warning(
            "%s: %d cells are NaN, for a NaN in their drivers or attributes",
            writers["monthly"].store, notes["n_cells_nan"],
        )  # fmt: skip
    manifests = {
        name: writer.finish(regions=list(regions), extra=notes | dict(extra))
        for name, writer in sorted(writers.items())
    }
    return manifests["monthly"]


def write_part(
    writers: Mapping[str, StoreWriter],
    tile: int,
    n_tiles: int,
    regions: Sequence[str],
    *,
    extra: Mapping[str, Any],
) -> Path:
    """Say that a tile of a year's stores is whole: ``<year>/part-<tile>.json``; its path.

    Parameters
    ----------
    writers : of the stores
    tile, n_tiles : which of how many
    regions : names of its shards
    extra : what the manifests will tell
    """
    monthly = writers["monthly"]
    path = monthly.store.with_suffix("") / f"part-{tile:02d}.json"
    content = {
        "digest": monthly.digest,
        "tile": tile,
        "n_tiles": n_tiles,
        "regions": list(regions),
        "stores": sorted(writers),
        "extra": dict(extra),
    }
    write_json(path, content)
    return path


def finish_fluxes(*, store: str | os.PathLike, parts: Sequence[str | os.PathLike]) -> Path:
    """End the stores of a year when every tile is there; the manifest.

    It is the same as that of a year that one job predicted.

    Parameters
    ----------
    store : ``fluxes/<target>/<year>.zarr``, or its manifest
    parts : what ``predict_year`` gave for each tile

    Raises
    ------
    StoreError
        If a tile is missing or was made from other inputs or options than the first; or if a
        shard is not written, as after a kill at the very end: the parts are then removed, and
        the next run predicts the tiles anew.
    """
    found = sorted((read_json(path) for path in parts), key=lambda part: part["tile"])
    first = found[0]
    if [part["tile"] for part in found] != list(range(first["n_tiles"])):
        raise StoreError(
            f"{store}: tiles {[part['tile'] for part in found]}, expected all of {first['n_tiles']}"
        )
    for part in found:
        if part["digest"] != first["digest"]:
            raise StoreError(
                f"{store}: tile {part['tile']} was made from other inputs or options than tile 0; "
                "predict it again"
            )
    if is_finished(store, first["digest"]):
        return manifest_path(store)
    writers = open_writers(store, digest=first["digest"], daily="daily" in first["stores"])
    regions = [name for part in found for name in part["regions"]]
    missing = [n for n in regions if not all(w.is_written(n) for w in writers.values())]
    if missing:
        for path in parts:
            Path(path).unlink()
        raise StoreError(
            f"{store}: {len(missing)} of {len(regions)} shards are not written, the first "
            f"{missing[0]!r}; start again, and the tiles are predicted anew"
        )
    with ExitStack() as stack:
        for writer in writers.values():
            stack.enter_context(writer.locked())
        return finish_stores(writers, regions, extra=first["extra"])
