"""How many stimuli fit into memory at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn

LARGEST_BATCH = 256
# Of the memory that is free; the rest is for readers, writers and everybody else.
_SHARE = 0.5
# Folder, limit, use, and what of the use is files that the kernel drops when memory is asked for.
_CGROUPS = (
    ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
_CPU_MESSAGES = ("not enough memory", "can't allocate memory", "cannot allocate memory")


def fitting_batch(bytes_per_stimulus: int, free_bytes: int, *, share: float = _SHARE) -> int:
    """Return the largest power of two up to 256 whose pass fits into a share of free memory (at least 1)."""
    size = LARGEST_BATCH
    while size > 1 and size * bytes_per_stimulus > share * free_bytes:
        size //= 2
    return size


def bytes_per_stimulus(module: nn.Module, batch: torch.Tensor) -> int:
    """Measure what one more stimulus in a pass needs, by one pass over a small batch.

    On CUDA the allocator says its peak. The CPU's does not, so there all outputs of innermost modules are
    added up as if none were freed: in most networks two to ten times what is needed.
    """
    import torch

    if batch.device.type == "cuda":
        torch.cuda.synchronize(batch.device)
        before = torch.cuda.memory_allocated(batch.device)
        torch.cuda.reset_peak_memory_stats(batch.device)
        module(batch)
        torch.cuda.synchronize(batch.device)
        used = torch.cuda.max_memory_allocated(batch.device) - before
        torch.cuda.empty_cache()
    else:
        with _adding_outputs(module) as total:
            module(batch)
        used = total[0]
    return max(1, used // len(batch)) + batch[0].numel() * batch.element_size()


def free_memory(device: torch.device) -> int:
    """Return how many bytes a device has left for this process."""
    import torch

    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free)
    return min(_available(), *(_left_of(Path(place), *names) for place, *names in _CGROUPS))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that an allocation failed, on either device."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error).lower() for text in _CPU_MESSAGES)


@contextmanager
def _adding_outputs(module: nn.Module) -> Iterator[list[int]]:
    total = [0]

    def hook(_module: Any, _inputs: Any, output: Any) -> None:
        tensors = output if isinstance(output, list | tuple) else [output]
        total[0] += sum(t.numel() * t.element_size() for t in tensors if hasattr(t, "element_size"))

    handles = []
    try:
        for each in module.modules():
            if not any(True for _ in each.children()):
                handles.append(each.register_forward_hook(hook))
        yield total
    finally:
        for handle in handles:
            handle.remove()


def _available() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        found = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(found.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        # Nowhere but on Linux; small enough for any computer of today.
        return 4 * 2**30


def _left_of(group: Path, limit: str, used: str, droppable: str) -> int:
    try:
        lines = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        in_use = int((group / used).read_text()) - int(lines.get(droppable, 0))
        return max(0, int((group / limit).read_text()) - in_use)
    except (OSError, ValueError):
        # No such group, or no limit ("max").
        return 2**62
