"""What a result was made from: digests of code, inputs and options, and versions."""

import ast
import contextlib
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PACKAGE_FOLDER = Path(__file__).parent
PACKAGES = ("chamnet", "numpy", "xarray", "zarr", "dask", "torch", "snakemake")

_SECRETS = (  # user and password of an address, parameters of a signed one, NAME=value
    (re.compile(r"(\w://)(?:[^/\s@'\"]*:[^\s@'\"]+|[^/\s@'\"]+)@"), r"\1***@"),
    (
        re.compile(
            r"((?:[\w-]*(?:secret|passw|token(?!s\b)|api_?key|access_?key|credential|signature)[\w-]*)"
            r"['\"]?\s*[=:]\s*['\"]?)[^\s&'\",;})]*[^\s&'\",;:})]",
            re.IGNORECASE,
        ),
        r"\1***",
    ),
)


def hide_credentials(text: str) -> str:
    """Text with passwords of addresses, signatures and values of secrets as ``***``."""
    for pattern, shown in _SECRETS:
        text = pattern.sub(shown, text)
    return text


def digest_of_values(values: Any) -> str:
    """Digest of plain values, the same for the same values in any order of keys."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of_file(path: str | os.PathLike) -> str:
    """Digest of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_listing(path: str | os.PathLike) -> str:
    """Digest of a file's, or a folder's files', relative paths, sizes and times of change.

    Snakemake does not see a chunk change inside a Zarr; this does.

    Raises
    ------
    FileNotFoundError
        If nothing is there.
    """
    root = Path(path)
    if not root.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    files = sorted(p for p in root.rglob("*") if p.is_file()) if root.is_dir() else [root]
    rows = [(str(p.relative_to(root)), p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    return digest_of_values(rows)


def changed_since(path: str | os.PathLike, manifest: str | os.PathLike) -> str:
    """Digest of what changed under a path since a manifest was written; "unchanged" if nothing.

    Also "unchanged" where there is no manifest yet: what it lists is still to be made.
    """
    if not Path(manifest).exists():
        return "unchanged"
    made = Path(manifest).stat().st_mtime_ns
    root = Path(path)
    files = [root, *sorted(root.rglob("*"))]
    newer = [p for p in files if not p.exists() or p.stat().st_mtime_ns > made]
    return (
        digest_of_listing(path)
        if newer and root.exists()
        else ("missing" if newer else "unchanged")
    )


def digest_of_code(*modules: str) -> str:
    """Digest of these modules and all of chamnet that they import, at any depth.

    Comments and docstrings are left out: they change no result. Files of data that lie beside
    a module and that it names are part of it.

    Parameters
    ----------
    modules : dotted names, such as ``chamnet.budget.integrate``

    Raises
    ------
    ModuleNotFoundError
        If one of them is not a module of chamnet.
    """
    for name in modules:
        if _path_of(name) is None:
            raise ModuleNotFoundError(f"no module {name!r} in chamnet")
    sources = {name: (_code_of(name), _data_of(name)) for name in sorted(_imported_by(modules))}
    return digest_of_values(sources)[:16]


def _imported_by(modules: Iterable[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found or _path_of(name) is None:
            continue
        found.add(name)
        waiting += _imports_of(name)
    return found


def _path_of(module: str) -> Path | None:
    if module.split(".")[0] != "chamnet":
        return None
    base = PACKAGE_FOLDER.joinpath(*module.split(".")[1:])
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@functools.cache
def _tree_of(module: str) -> ast.Module:
    path = _path_of(module)
    return ast.parse(path.read_text() if path else "")


@functools.cache
def _imports_of(module: str) -> tuple[str, ...]:
    names = []
    for node in ast.walk(_tree_of(module)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(names)


@functools.cache
def _code_of(module: str) -> str:
    tree = _tree_of(module)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list) or not body or not isinstance(body[0], ast.Expr):
            continue
        value = body[0].value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            value.value = ""
    return ast.dump(tree)


@functools.cache
def _data_of(module: str) -> tuple[str, ...]:
    path = _path_of(module)
    files = sorted(path.parent.iterdir()) if path else []
    data = [file for file in files if file.is_file() and file.suffix != ".py"]
    text = path.read_text() if path else ""
    return tuple(digest_of_file(file) for file in data if file.name in text)


def environment() -> dict[str, str]:
    """Versions of Python, of the packages that results depend on, and the machine's kind."""
    versions = {"python": platform.python_version(), "machine": platform.machine()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "absent"
    return versions


def write_json(path: str | os.PathLike, values: Any) -> None:
    """Write JSON so that the file is there in whole or not at all."""
    write_text(path, json.dumps(values, indent=1, sort_keys=True, default=str) + "\n")


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write text so that the file is there in whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text)


@contextlib.contextmanager
def whole_file(path: str | os.PathLike) -> Iterator[Path]:
    """Where to write a file: it takes its place at the end of the block, unless that raises.

    Parameters
    ----------
    path : of the file, in a folder that is made where there is none
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_json(path: str | os.PathLike) -> Any:
    """Values of a JSON file."""
    return json.loads(Path(path).read_text())
