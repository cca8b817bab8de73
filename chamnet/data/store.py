"""Zarr stores that are written in regions, resumed, and finished by a manifest.

A store ``x.zarr`` is whole when its manifest ``x.json`` says so, and only then. While it
is written, every finished region has a marker in ``x.parts/``, outside the store, so that a
job that was killed goes on where it stopped. Regions are whole shards: two writers never
touch one file, and a rewrite gives the same bytes.
"""

import asyncio
import contextlib
import hashlib
import itertools
import os
import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec

from chamnet.data.locks import StoreLock
from chamnet.errors import StoreError
from chamnet.provenance import digest_of_values, environment, read_json, write_json

# zarrs reads a shard's chunks side by side without Python; it would write them in any order,
# and the same numbers must be the same bytes.
READING = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}


def manifest_path(store: str | os.PathLike) -> Path:
    """Path of the manifest of a store: ``x.json`` of ``x.zarr``."""
    return Path(store).with_suffix(".json")


class StoreWriter:
    """Writes one store, region by region; made anew after a kill, it goes on.

    Parameters
    ----------
    store : path of the store, ``x.zarr``, or of its manifest, ``x.json``
    digest : digest of all that the content follows from (options, code, inputs)
        A store half-written under another digest is begun again.
    """

    def __init__(self, store: str | os.PathLike, *, digest: str) -> None:
        self.store = Path(store).with_suffix(".zarr")
        self.digest = digest
        self.parts = self.store.with_suffix(".parts")
        self._lock = StoreLock(self.store, digest=digest)

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Hold the store, with other jobs of this digest; refused while one of another lives.

        Raises
        ------
        StoreError
            If it is; the message names job, process and host.
        """
        return self._lock.held()

    def begin(
        self, template: xr.Dataset, *, chunks: Mapping[str, int], shards: Mapping[str, int]
    ) -> None:
        """Lay out the store, unless a job of this digest already did, or finished it.

        Parameters
        ----------
        template : lazy or small; dims, dtypes, coordinates and attributes of the store
            Only coordinates are written.
        chunks, shards : sizes by dim
            Of the inner chunks and of the shards; dims not named are one chunk.
        """
        with self._lock.alone():
            if not (self._is_begun() or self._is_finished()):
                self._lay_out(template, chunks=chunks, shards=shards)

    def _lay_out(
        self, template: xr.Dataset, *, chunks: Mapping[str, int], shards: Mapping[str, int]
    ) -> None:
        manifest_path(self.store).unlink(missing_ok=True)
        shutil.rmtree(self.store, ignore_errors=True)
        shutil.rmtree(self.parts, ignore_errors=True)
        self.parts.mkdir(parents=True)
        template = _with_portable_strings(template)
        for name in template.coords:
            template.variables[name].load()  # what is lazy is laid out, not written
        encoding = {
            str(name): _encoding(variable, chunks=chunks, shards=shards)
            for name, variable in template.data_vars.items()
        }
        template.to_zarr(
            self.store,
            mode="w",
            compute=False,
            consolidated=False,
            encoding=encoding,
            zarr_format=3,
        )
        edges = {str(dim): [shards.get(dim, n), n] for dim, n in template.sizes.items()}
        write_json(self.parts / "begun.json", {"digest": self.digest, "edges": edges})

    def _is_begun(self) -> bool:
        begun = self.parts / "begun.json"
        return begun.exists() and read_json(begun)["digest"] == self.digest

    def _is_finished(self) -> bool:
        """Whether a job of this digest, perhaps another, finished the store."""
        manifest = manifest_path(self.store)
        return not self._is_begun() and (
            manifest.exists() and read_json(manifest)["digest"] == self.digest
        )

    def is_written(self, name: str) -> bool:
        """Whether the region of this name was finished, now, before a kill or by another job."""
        return (self.parts / f"region-{name}.json").exists() or self._is_finished()

    def write(self, name: str, region: xr.Dataset, *, at: Mapping[str, slice]) -> None:
        """Write a region of whole shards, then its marker.

        Raises
        ------
        StoreError
            If the region does not begin and end on edges of shards, or of the store, or if
            another job took the store over.
        """
        with self._lock.alone(shared=True):
            if not self._is_finished():
                self._require_begun()
                self._write(name, region, at=at)

    def _require_begun(self) -> None:
        """Refuse a store that another job took over while this one gave no sign of life."""
        if not self._is_begun():
            raise StoreError(
                f"{self.store} was taken over by {self._lock_holder()}, with other inputs or "
                f"options; expected digest {self.digest[:8]!r}, begin it again"
            )

    def _lock_holder(self) -> str:
        lock = self.store.with_suffix(".lock")
        holders = read_json(lock) if lock.exists() else []
        others = [holder for holder in holders if holder["digest"] != self.digest]
        if not others:
            return "a job that has ended"
        return "{job}, process {process} on {host}".format(**others[0])

    def _write(self, name: str, region: xr.Dataset, *, at: Mapping[str, slice]) -> None:
        self._lock.give_sign_of_life()
        self._check_aligned(at)
        data = region.drop_vars(list(region.coords))  # written with the template
        store = zarr.open_group(self.store, mode="r+", use_consolidated=False)
        plain = [v for v in data.data_vars if _is_plain(data[v], store[str(v)])]
        for v in plain:
            store[str(v)][tuple(at[str(dim)] for dim in data[v].dims)] = data[v].values
        data = _with_portable_strings(data.drop_vars(plain))
        if data.data_vars:
            part = {dim: at[dim] for dim in at if dim in data.dims}
            data.to_zarr(self.store, region=part, consolidated=False)
        checksums = {str(v): _checksum(region[v].values) for v in region.data_vars}
        write_json(self.parts / f"region-{name}.json", checksums)

    def _check_aligned(self, at: Mapping[str, slice]) -> None:
        edges = read_json(self.parts / "begun.json")["edges"]
        for dim, part in at.items():
            edge, size = edges[dim]
            if part.start % max(1, edge) or (part.stop % max(1, edge) and part.stop != size):
                raise StoreError(
                    f"{self.store}: region {dim} {part.start}:{part.stop} is not on edges of "
                    f"shards of {edge} (size {size})"
                )

    def finish(self, *, regions: list[str], extra: Mapping[str, Any] | None = None) -> Path:
        """Consolidate the store and write its manifest, last of all.

        Raises
        ------
        StoreError
            If a region is not written, or another job took the store over.
        """
        with self._lock.alone():
            return (
                manifest_path(self.store) if self._is_finished() else self._finish(regions, extra)
            )

    def _finish(self, regions: list[str], extra: Mapping[str, Any] | None) -> Path:
        missing = [name for name in regions if not self.is_written(name)]
        if missing:
            raise StoreError(
                f"{self.store}: {len(missing)} of {len(regions)} regions are not written, "
                f"the first {missing[0]!r}"
            )
        self._require_begun()
        checksums = {name: read_json(self.parts / f"region-{name}.json") for name in regions}
        for partial in self.store.rglob("*.partial"):
            partial.unlink(missing_ok=True)
        _consolidate(self.store)
        manifest = manifest_path(self.store)
        content = {
            "store": self.store.name,
            "digest": self.digest,
            "content": digest_of_values(checksums),
            "environment": environment(),
        }
        write_json(manifest, content | dict(extra or {}))
        shutil.rmtree(self.parts, ignore_errors=True)
        return manifest


def write_store(
    data: xr.Dataset,
    store: str | os.PathLike,
    *,
    digest: str,
    chunks: Mapping[str, int] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Path:
    """Write a small data set as a finished store in one go; its manifest's path."""
    writer = StoreWriter(store, digest=digest)
    with writer.locked():
        writer.begin(data.chunk(), chunks=chunks or {}, shards={})
        at = {str(dim): slice(0, size) for dim, size in data.sizes.items()}
        writer.write("all", data, at=at)
        return writer.finish(regions=["all"], extra=extra)


def open_store(manifest: str | os.PathLike, *, chunks: Any = None) -> xr.Dataset:
    """Finished store of a manifest (or of the store's own path).

    Parameters
    ----------
    manifest : ``x.json`` or ``x.zarr``
    chunks : as ``xarray.open_zarr``; None reads arrays without dask

    Raises
    ------
    StoreError
        If there is no manifest: the store is absent or unfinished.
    """
    path = manifest_path(manifest)
    if not path.exists():
        raise StoreError(f"{path}: no such manifest, so its store is absent or unfinished")
    store = path.parent / read_json(path).get("store", path.with_suffix(".zarr").name)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        with zarr.config.set(READING):
            data = xr.open_zarr(store, chunks=chunks, decode_coords="all")
    names = [name for name in data.variables if data[name].dtype.kind == "T"]
    return data.assign({name: (data[name].dims, _fixed_strings(data[name])) for name in names})


def load_together(*data: xr.Dataset) -> list[xr.Dataset]:
    """Data sets in memory, the variables of all of them read side by side.

    Parameters
    ----------
    data : of ``open_store`` with ``chunks=None``, or parts of it
        Not in a thread that runs an event loop, which asyncio refuses.
    """
    return asyncio.run(_load_together(data))


async def _load_together(data: Sequence[xr.Dataset]) -> list[xr.Dataset]:
    return await asyncio.gather(*(part.load_async() for part in data))


def find_damage(manifest: str | os.PathLike) -> list[str]:
    """Files of a finished store that cannot be read, each with what is wrong; none if it is whole.

    Every chunk is read, and so its checksum compared: for after an error, not before work.
    """
    path = manifest_path(manifest)
    store = path.parent / read_json(path).get("store", path.with_suffix(".zarr").name)
    if not store.is_dir():
        return []
    damage = []
    for name, array in zarr.open_group(store, mode="r").arrays():
        step = array.shards or array.chunks
        counts = (range(-(-size // width)) for size, width in zip(array.shape, step, strict=True))
        for index in itertools.product(*counts):
            at = tuple(slice(i * n, (i + 1) * n) for i, n in zip(index, step, strict=True))
            try:
                array[at]
            except (ValueError, RuntimeError) as error:
                file = store.joinpath(name, "c", *map(str, index))
                damage.append(f"{file}: {str(error).splitlines()[0]}")
    return damage


def _encoding(
    variable: xr.DataArray, *, chunks: Mapping[str, int], shards: Mapping[str, int]
) -> dict[str, Any]:
    sizes = {str(d): max(1, n) for d, n in zip(variable.dims, variable.shape, strict=True)}
    inner = [min(chunks.get(d, n), n) for d, n in sizes.items()]
    outer = [
        min(shards.get(d, n), _round_up(n, step))
        for (d, n), step in zip(sizes.items(), inner, strict=True)
    ]
    encoding: dict[str, Any] = {"chunks": tuple(inner)}
    if variable.dtype.kind in "fiu":
        encoding["compressors"] = [ZstdCodec(level=1), Crc32cCodec()]
    if shards:
        encoding["shards"] = tuple(outer)
    if variable.dtype.kind == "f":
        encoding["_FillValue"] = np.array(np.nan, dtype=variable.dtype)
    return encoding


def _with_portable_strings(data: xr.Dataset) -> xr.Dataset:
    """Strings of any length: Zarr v3 has no settled form for those of fixed length."""
    fixed = [name for name in data.variables if data[name].dtype.kind == "U"]
    data = data.drop_indexes([name for name in fixed if name in data.xindexes])
    for name in fixed:  # without an index, which would make them of fixed length again
        variable = data[name].variable.load().astype(np.dtypes.StringDType())
        if name in data.coords:
            data = data.assign_coords(xr.Coordinates({name: variable}, indexes={}))
        else:
            data = data.assign({name: variable})
    return data


def _fixed_strings(array: xr.DataArray) -> np.ndarray:
    return np.array(array.values.tolist(), dtype=str).reshape(array.shape)


def _round_up(size: int, step: int) -> int:
    return -(-size // step) * step


def _is_plain(variable: xr.DataArray, array: zarr.Array) -> bool:
    """Whether numbers are stored as they are: zarr alone then writes them, in half the time."""
    return variable.dtype.kind in "fiu" and variable.dtype == array.dtype


def _checksum(values: np.ndarray) -> str:
    contiguous = np.ascontiguousarray(values)
    raw = (
        contiguous.tobytes()
        if contiguous.dtype.kind in "fiub"
        else repr(contiguous.tolist()).encode()
    )
    return hashlib.sha256(raw).hexdigest()


def _consolidate(store: Path) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        zarr.consolidate_metadata(store)
