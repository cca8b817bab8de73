"""Where tensors are computed, and the generators there."""

import contextlib
import os
from collections.abc import Iterator

import torch

from chamnet.errors import InputError


def choose_device(name: str, *, turn: int = 0) -> torch.device:
    """Device of a name.

    Parameters
    ----------
    name : cpu, cuda, or auto, which is CUDA where there is one
    turn : of the GPUs that are visible; so members that train side by side take one each

    Raises
    ------
    InputError
        If CUDA is asked for where torch sees none.
    """
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cuda" and not n_gpus:
        raise InputError("device cuda: torch sees no GPU here, expected cpu or auto")
    if name == "cpu" or not n_gpus:
        return torch.device("cpu")
    _repeat_bits()
    return torch.device("cuda", turn % n_gpus)


def _repeat_bits() -> None:
    """Choose kernels of CUDA that give the same bits each time: a run that goes on must.

    The size of cuBLAS's workspace is one that its documentation names for that; it is read when
    the first product is computed.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:2")
    # as ``use_deterministic_algorithms`` does, which imports torch's compiler for it
    torch.set_deterministic_debug_mode("error")
    torch.utils.deterministic.fill_uninitialized_memory = False  # a pass over memory each time


@contextlib.contextmanager
def seed_torch(seed: int, device: torch.device) -> Iterator[None]:
    """Torch's own generators seeded, and put back as they were behind."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
