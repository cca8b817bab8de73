"""Checkpoints that are damaged or hostile end in a CheckpointError; no code in them runs."""

import contextlib
import os
import pickle

import pytest
import torch
from damage import damaged_files, plain_values
from hypothesis import given
from hypothesis import strategies as st

from chamnet.errors import CheckpointError
from chamnet.model.checkpoint import load_member, read_tensors, write_tensors

pytestmark = pytest.mark.filterwarnings("ignore:Detected pickle protocol")  # then it is refused

TINY = {"format": 1, "weights": {"a": torch.zeros(3)}, "model": {}, "normalization": {}}


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "checkpoint.pt"
    write_tensors(TINY, path)
    return path.read_bytes()


def test_a_damaged_file_is_read_or_refused(tried, tmp_path, raw):
    path = tmp_path / "checkpoint.pt"

    @tried
    @given(damaged_files(raw))
    def check(damaged):
        path.write_bytes(damaged)
        with contextlib.suppress(CheckpointError):
            assert isinstance(read_tensors(path), dict)

    check()


def test_a_checkpoint_of_wrong_values_is_refused(tried, tmp_path):
    path = tmp_path / "checkpoint.pt"
    keys = st.sampled_from(["format", "weights", "model", "normalization", "target", "modes"])

    @tried
    @given(keys, plain_values)
    def check(key, value):
        torch.save(TINY | {key: value}, path)
        with pytest.raises(CheckpointError):
            load_member(path)

    check()


class Hostile:
    """What runs a command when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("write", [torch.save, lambda v, p: p.write_bytes(pickle.dumps(v))])
def test_code_in_a_checkpoint_is_refused_and_does_not_run(tmp_path, write):
    mark = tmp_path / "it-ran"
    write({"format": 1, "weights": Hostile(mark)}, tmp_path / "checkpoint.pt")
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint"):
        load_member(tmp_path / "checkpoint.pt")
    assert not mark.exists()
