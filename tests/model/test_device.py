import os

import pytest
import torch

from chamnet.errors import InputError
from chamnet.model.device import choose_device, seed_torch

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """What a GPU sets for the whole process is put back."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    yield
    torch.use_deterministic_algorithms(mode=False)
    torch.utils.deterministic.fill_uninitialized_memory = True


def pretend_gpus(monkeypatch, n_gpus):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: n_gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)


def test_auto_is_cuda_where_there_is_one_and_cpu_is_always_cpu(monkeypatch):
    pretend_gpus(monkeypatch, 0)
    assert choose_device("auto") == CPU
    pretend_gpus(monkeypatch, 1)
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda", 0)
    assert choose_device("cpu") == CPU


def test_members_side_by_side_take_one_gpu_each(monkeypatch):
    pretend_gpus(monkeypatch, 4)
    assert [choose_device("auto", turn=turn).index for turn in range(6)] == [0, 1, 2, 3, 0, 1]


def test_cuda_without_a_gpu_is_refused(monkeypatch):
    pretend_gpus(monkeypatch, 0)
    with pytest.raises(InputError, match="device cuda: torch sees no GPU here"):
        choose_device("cuda")


def test_a_gpu_repeats_its_bits_and_a_cpu_is_left_alone(monkeypatch):
    pretend_gpus(monkeypatch, 1)
    choose_device("cpu")
    assert not torch.are_deterministic_algorithms_enabled()
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    choose_device("auto")
    assert torch.are_deterministic_algorithms_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:2"


def test_torch_draws_by_the_seed_within_and_as_before_behind():
    torch.manual_seed(1)
    undisturbed = torch.rand(2)
    torch.manual_seed(1)
    before = torch.rand(1)
    with seed_torch(5, CPU):
        within = torch.rand(3)
    assert torch.equal(torch.cat([before, torch.rand(1)]), undisturbed)
    torch.manual_seed(5)
    assert torch.equal(within, torch.rand(3))
