"""Out of memory, said so that a person can act on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .._core.errors import InputError


@contextmanager
def enough_memory(task: str, remedy: str) -> Iterator[None]:
    """Turn the memory errors of NumPy and torch inside the block into one that names task and remedy.

    Parameters
    ----------
    task : str
        What is being computed, with its sizes.
    remedy : str
        What a person can do about it; a full sentence.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error)
        # On the CPU torch raises a bare RuntimeError; on CUDA a subclass of it.
        if not isinstance(error, MemoryError) and "allocate" not in text:
            raise
        asked = next((line.strip() for line in text.splitlines() if "allocate" in line), "memory ran out")
        raise InputError(f"Not enough memory for {task}: {asked.rstrip('.')}. {remedy}") from error
