"""Year embeddings of cells: where they lie, how a manifest points at them, how they are read.

They are kept in a folder named by the checkpoints' digest, so that a retrained network
never meets embeddings of the old one; ``<year>.json`` above it points at the store.
"""

import dataclasses
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from chamnet.data.store import load_together, manifest_path, open_store
from chamnet.errors import CheckpointError, StoreError
from chamnet.provenance import digest_of_file, digest_of_values, read_json, write_json
from chamnet.timeaxis import N_MONTHS

logger = logging.getLogger(__name__)

N_DIGITS = 8
HIGHEST_FLOAT16 = float(np.finfo(np.float16).max)
EXPONENT = np.uint16(0x7C00)  # bits of float16 that are all set in NaN and infinity alone


def context_folder(checkpoints: Sequence[str | os.PathLike]) -> str:
    """Folder name of these checkpoints' embeddings: 8 digits of the digest of their bytes."""
    return digest_of_values([digest_of_file(path) for path in checkpoints])[:N_DIGITS]


def context_store(manifest: str | os.PathLike, checkpoints: Sequence[str | os.PathLike]) -> Path:
    """Path of the store that ``<year>.json`` points at: ``<digest8>/<year>.zarr`` beside it."""
    path = Path(manifest)
    return path.parent / context_folder(checkpoints) / f"{path.stem}.zarr"


def other_context_folders(manifest: str | os.PathLike, folder: str) -> list[str]:
    """Names of the folders beside a manifest that hold embeddings of other checkpoints."""
    beside = Path(manifest).parent
    names = [path.name for path in beside.iterdir() if path.is_dir()] if beside.exists() else []
    return sorted(name for name in names if len(name) == N_DIGITS and name != folder)


def write_pointer(manifest: str | os.PathLike, store: str | os.PathLike) -> Path:
    """Write the manifest that points at a finished store in a folder below it."""
    manifest, store = Path(manifest), Path(store)
    content = read_json(manifest_path(store))
    write_json(manifest, content | {"store": store.relative_to(manifest.parent).as_posix()})
    return manifest


def build_context_template(
    cells: xr.Dataset, *, year: int, members: Sequence[str], n_embedding: int, n_season: int
) -> xr.Dataset:
    """Empty context store of a year: dims, types, coordinates and attributes.

    Parameters
    ----------
    cells : coordinates latitude and longitude of (cell,), degrees
    year : the year that is embedded
    members : names of the networks
    n_embedding, n_season : width of a year embedding, and of a month of the seasonal summary

    Returns
    -------
    embedding (member, cell, component) and season (member, cell, month, feature), float16
    """
    import dask.array

    n_members, n_cells = len(members), cells.sizes["cell"]
    embedding = dask.array.zeros((n_members, n_cells, n_embedding), dtype="float16", chunks=-1)
    season = dask.array.zeros((n_members, n_cells, N_MONTHS, n_season), dtype="float16", chunks=-1)
    return xr.Dataset(
        {
            "embedding": (("member", "cell", "component"), embedding, {"units": "1"}),
            "season": (("member", "cell", "month", "feature"), season, {"units": "1"}),
        },
        coords={
            "member": ("member", list(members)),
            "latitude": ("cell", cells["latitude"].values, {"units": "degrees_north"}),
            "longitude": ("cell", cells["longitude"].values, {"units": "degrees_east"}),
        },
        attrs={"title": "Year embeddings and seasonal summaries of cells", "year": int(year)},
    )


def as_float16(values: np.ndarray) -> np.ndarray:
    """Values in half precision, those beyond its range held at its ends; NaN stays."""
    return np.clip(values, -HIGHEST_FLOAT16, HIGHEST_FLOAT16).astype(np.float16)


@dataclasses.dataclass(frozen=True)
class ContextShard:
    """Contexts of some cells.

    Attributes
    ----------
    embeddings : (member, cell, year, embedding), float16; 0 where masked
    seasons : (member, cell, year, month, feature), float16; 0 where masked
    mask : (cell, year), whether the cell has that year
    """

    embeddings: np.ndarray
    seasons: np.ndarray
    mask: np.ndarray


def open_contexts(
    manifests: Sequence[str | os.PathLike], *, folder: str, year: int
) -> list[xr.Dataset | None]:
    """Context stores of years, oldest first; None where an earlier year is missing.

    Parameters
    ----------
    manifests : ``<year>.json`` of each year, the last of the target year itself
    folder : name of the folder of the checkpoints in use
    year : the target year

    Raises
    ------
    StoreError
        If the target year's is absent, unfinished or of another year, or the years are
        out of order.
    CheckpointError
        If a year was embedded by other checkpoints.
    """
    *earlier, last = [Path(path) for path in manifests]
    missing = [path.stem for path in earlier if not path.exists()]
    if missing:
        logger.warning(
            "predict_year %d: %d of %d earlier context years are missing and masked: %s",
            year, len(missing), len(earlier), ", ".join(missing),
        )  # fmt: skip
    stores = [_open_context(path, folder) if path.exists() else None for path in earlier]
    stores.append(_open_context(last, folder))
    years = [int(store.attrs["year"]) for store in stores if store is not None]
    if years != sorted(set(years)) or years[-1] != year:
        raise StoreError(f"{last}: context years {years}, expected in order and ending in {year}")
    return stores


def _open_context(path: Path, folder: str) -> xr.Dataset:
    store = open_store(path)
    found = Path(read_json(path)["store"]).parent.name
    if found != folder:
        raise CheckpointError(
            f"{path}: embedded by checkpoints of digest {found!r}, expected {folder!r}; "
            "embed the year again"
        )
    return store


def read_contexts(stores: Sequence[xr.Dataset | None], cells: slice) -> ContextShard:
    """Contexts of a range of cells, those that are missing or NaN masked.

    Parameters
    ----------
    stores : as ``open_contexts`` gives them
    cells : whole shards
    """
    there = [y for y, store in enumerate(stores) if store is not None]
    parts = load_together(*(_part(stores[y], cells) for y in there))
    n_members, n_cells, n_embedding = parts[-1]["embedding"].shape
    embeddings = np.empty((n_members, n_cells, len(stores), n_embedding), np.float16)
    seasons = np.empty((*embeddings.shape[:3], *parts[-1]["season"].shape[2:]), np.float16)
    mask = np.zeros((n_cells, len(stores)), bool)
    for y, part in zip(there, parts, strict=True):
        embeddings[:, :, y] = embedding = part["embedding"].values
        seasons[:, :, y] = season = part["season"].values
        mask[:, y] = _are_finite(embedding) & _are_finite(season)
    for y in range(len(stores)):
        embeddings[:, ~mask[:, y], y] = 0
        seasons[:, ~mask[:, y], y] = 0
    return ContextShard(embeddings, seasons, mask)


def _part(store: xr.Dataset, cells: slice) -> xr.Dataset:
    """What is read of a store: numbers of cells, no coordinates."""
    return store[["embedding", "season"]].drop_vars(list(store.coords)).isel(cell=cells)


def _are_finite(values: np.ndarray) -> np.ndarray:
    """Cells (cell,) of (member, cell, ...), float16, of which every number is finite.

    By bits, since numpy has no quick ``isfinite`` of half precision.
    """
    finite = (values.view(np.uint16) & EXPONENT) != EXPONENT
    return finite.reshape(*values.shape[:2], -1).all(axis=(0, 2))
