"""Threads of the numerical libraries: fixed for a run, and one for loops over small matrices."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def fixed_threads(threads: int) -> Iterator[None]:
    """Hold BLAS, and torch where it is loaded, at a number of threads inside the block.

    Handing a product of small matrices to several threads costs more than it saves: thirty times where
    another process keeps the cores busy. Loops over such products run inside ``fixed_threads(1)``.
    """
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch is not None else None
    if torch is not None:
        torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        if torch is not None:
            torch.set_num_threads(before)
