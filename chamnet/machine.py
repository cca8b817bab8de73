"""The machine that a run has, and the digests that a run left: what bits depend on."""

import os
import platform
from collections.abc import Iterator
from pathlib import Path

from chamnet.provenance import (
    PACKAGE_FOLDER,
    digest_of_code,
    digest_of_file,
    environment,
    read_json,
)

N_DIGITS = 16  # of a digest, as it is printed


def describe_machine() -> dict[str, str]:
    """Versions, processor, cores, device of torch, and library of linear algebra, by name."""
    import numpy as np  # noqa: F401  its library must be loaded to be found
    import threadpoolctl
    import torch

    found = threadpoolctl.threadpool_info()
    libraries = [_show_library(pool) for pool in found if pool["user_api"] == "blas"]
    return environment() | {
        "code": _digest_of_package(),
        "system": platform.platform(),
        "processor": read_processor(),
        "cores": str(len(os.sched_getaffinity(0)) if _can_pin() else os.cpu_count()),
        "device": _device(torch.cuda.is_available()),
        "blas": "; ".join(sorted(set(libraries))) or "unknown",
        "torch_blas": "MKL" if torch.backends.mkl.is_available() else "OpenBLAS or other",
        "torch_vectors": torch.backends.cpu.get_cpu_capability(),
        "torch_threads": str(torch.get_num_threads()),
    }


def read_processor() -> str:
    """Name of the processor as the system tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def read_run_digests(folder: str | os.PathLike) -> Iterator[tuple[str, str]]:
    """Path in the run and digest of content of every store, checkpoint and table of budgets.

    Parameters
    ----------
    folder : of a run, ``results/<run>``

    Raises
    ------
    FileNotFoundError
        If it holds none of them.
    """
    root = Path(folder)
    rows = [*_digests_of_stores(root), *_digests_of_files(root)]
    if not rows:
        raise FileNotFoundError(f"{folder}: no store, checkpoint or budget of a run is here")
    yield from sorted(rows)


def _digests_of_stores(root: Path) -> Iterator[tuple[str, str]]:
    for path in root.rglob("*.json"):
        if ".zarr" in str(path.relative_to(root)) or path.parent.name.endswith(".parts"):
            continue
        content = read_json(path)
        if isinstance(content, dict) and {"store", "content"} <= content.keys():
            yield str(path.relative_to(root)), str(content["content"])[:N_DIGITS]


def _digests_of_files(root: Path) -> Iterator[tuple[str, str]]:
    patterns = ("models/*/*/checkpoint.pt", "budgets/*/*.csv", "global_budget.csv", "skill.csv")
    for pattern in patterns:
        for path in root.glob(pattern):
            yield str(path.relative_to(root)), digest_of_file(path)[:N_DIGITS]


def _digest_of_package() -> str:
    paths = sorted(PACKAGE_FOLDER.rglob("*.py"))
    names = [path.relative_to(PACKAGE_FOLDER.parent).with_suffix("").parts for path in paths]
    return digest_of_code(*(".".join(n[:-1] if n[-1] == "__init__" else n) for n in names))


def _show_library(pool: dict[str, object]) -> str:
    return f"{pool['internal_api']} {pool['version']} ({pool.get('architecture', '')})"


def _device(has_cuda: bool) -> str:
    import torch

    return f"cuda: {torch.cuda.get_device_name(0)}" if has_cuda else "cpu"


def _can_pin() -> bool:
    return hasattr(os, "sched_getaffinity")
