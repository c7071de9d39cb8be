from __future__ import annotations

import pytest
import torch
from torch import nn

from alignkit.features import _memory
from alignkit.features._memory import bytes_per_stimulus, fitting_batch, free_memory, is_out_of_memory


@pytest.mark.parametrize(
    ("needed", "free", "expected"),
    [(1, 2**40, 256), (10, 1000, 32), (10, 640, 32), (10, 639, 16), (400, 1000, 1), (10**9, 10, 1)],
)
def test_the_batch_is_the_largest_power_of_two_in_half_of_what_is_free(needed, free, expected):
    assert fitting_batch(needed, free) == expected


def test_a_stimulus_needs_its_own_bytes_and_those_of_every_output():
    module = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 10))
    batch = torch.zeros(2, 3, 4, 4)
    assert bytes_per_stimulus(module, batch) == 4 * (48 + 128 + 128 + 128 + 10)
    assert not any(each._forward_hooks for each in module.modules())


def test_modules_that_run_several_times_count_each_time():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Identity()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.inner(self.inner(images))

    assert bytes_per_stimulus(Twice(), torch.zeros(4, 10)) == 3 * 40


def test_free_memory_is_the_least_of_the_machine_and_its_group(tmp_path, monkeypatch):
    device = torch.device("cpu")
    assert free_memory(device) > 2**20
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("4000\n")
    (tmp_path / "memory.stat").write_text("anon 10\ninactive_file 1500\n")
    group = (str(tmp_path), "memory.max", "memory.current", "inactive_file")
    monkeypatch.setattr(_memory, "_CGROUPS", (group,))
    # Files that were read are dropped when memory is asked for.
    assert free_memory(device) == 2500
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory(device) > 2**20


def test_errors_of_both_allocators_are_known_and_others_are_not():
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("not enough memory"))


def test_the_cpu_allocator_really_says_so():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**58, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


@pytest.mark.gpu
def test_on_a_gpu_the_peak_is_measured():
    module = nn.Sequential(nn.Linear(1000, 4000), nn.ReLU()).cuda()
    needed = bytes_per_stimulus(module, torch.zeros(64, 1000, device="cuda"))
    assert 4 * 5000 <= needed < 4 * 20_000
