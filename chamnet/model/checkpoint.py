"""Checkpoints: a member in a file, whole or not at all.

The file is read with ``weights_only=True``: it can hold tensors and plain values alone.
"""

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from chamnet.errors import CheckpointError
from chamnet.model.member import FORMAT, Member
from chamnet.provenance import whole_file

__all__ = ["Member", "load_member", "read_tensors", "save_member", "write_tensors"]


def save_member(member: Member, path: str | os.PathLike) -> None:
    """Write a checkpoint, whole or not at all."""
    write_tensors(member.to_dict(), path)


def write_tensors(values: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Write tensors and plain values so that the file is there in whole or not at all."""
    buffer = io.BytesIO()  # a file's name would go into the bytes
    torch.save(dict(values), buffer)
    with whole_file(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def read_tensors(path: str | os.PathLike, *, device: str = "cpu") -> dict[str, Any]:
    """Tensors and plain values of a file; code in it is refused.

    Raises
    ------
    CheckpointError
        If there is no such file, or it is truncated or not a checkpoint.
    """
    if not Path(path).is_file():
        raise CheckpointError(f"{path}: no such checkpoint")
    try:
        values = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # damaged bytes raise almost anything
        raise _unreadable(path, error) from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: holds a {type(values).__name__}, expected a checkpoint")
    return values


def _unreadable(path: str | os.PathLike, error: Exception) -> CheckpointError:
    first_line = (str(error).splitlines() or [type(error).__name__])[0]
    size = Path(path).stat().st_size
    return CheckpointError(
        f"{path}: cannot be read as a checkpoint ({first_line[:120]}); its {size} bytes may be "
        "truncated: delete it and train again"
    )


def load_member(
    path: str | os.PathLike,
    *,
    drivers: Sequence[str] | None = None,
    attributes: Sequence[str] | None = None,
    mode: str | None = None,
    n_context_years: int | None = None,
    device: str = "cpu",
) -> Member:
    """Member of a checkpoint, if it was trained for what it is asked.

    Parameters
    ----------
    path : of the checkpoint
    drivers, attributes : names in the order they will be given; None is unchecked
    mode : context mode; None is unchecked
    n_context_years : earlier years it will be given; None is unchecked
    device : cpu or cuda

    Raises
    ------
    CheckpointError
        If it cannot be read, or was trained for other names, modes or fewer years.
    """
    values = read_tensors(path, device=device)
    if values.get("format") != FORMAT or "weights" not in values:
        raise CheckpointError(
            f"{path}: format {values.get('format')!r}, expected a checkpoint of format {FORMAT}"
        )
    try:
        member = Member.from_dict(values)
    except (RuntimeError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path}: does not fit this version of chamnet ({error})") from error
    member.check_fits(
        drivers,
        attributes,
        mode=mode,
        n_context_years=n_context_years,
        source=f"{path}: checkpoint",
    )
    return member.to(device)
