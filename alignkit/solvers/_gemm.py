"""The fastest float32 matrix product of the machine, asked for once and then fixed for the process.

Torch's own ``@`` calls the BLAS it was built with, which on some processors reaches half of what oneDNN (also
inside torch) or NumPy's BLAS reach. Which one is fastest is timed at the first large product. Backends differ
in rounding, so that one choice serves the whole process; who keeps results must keep its name beside them.

- "torch": ``a @ b``; left only for something a quarter faster
- "numpy": NumPy's BLAS, on the same memory; must beat the others by a quarter
- "onednn": ``torch.ops.mkldnn._linear_pointwise``; private, so taken only where it is there and right
- "onednn-1x1": oneDNN through a 1 x 1 convolution; public, but slow for narrow products and on one thread,
  so tried only where the private entry is not there
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import RLock
from typing import TYPE_CHECKING

from .._core.checks import check_option
from .._core.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

# Below this many multiplications (a millisecond's hundredth) the call costs more than the product.
SMALL = 2**20
# Sides of the timed product: a block of targets through a few hundred features.
TRIAL = (512, 768, 512)
TRIALS = 20
# Seconds after which the threads of whatever ran before are asleep.
SETTLE = 0.1
# Another backend must beat torch's by this factor, or noise would choose anew in every process.
CLEARLY_FASTER = 1.25

_lock = RLock()
_chosen: str | None = None


def product(a: Tensor, b: Tensor) -> Tensor:
    """Multiply two matrices by the fastest way of the machine.

    Parameters
    ----------
    a : Tensor of shape (m, k)
        Contiguous rows are fastest: a transposed view is copied by some backends.
    b : Tensor of shape (k, n)
        Of the same type and device; a transposed view costs nothing.

    Returns
    -------
    c : Tensor of shape (m, n)
        ``a @ b`` to the rounding of the type. Large float32 products on the CPU go through the chosen
        backend; float64, CUDA, small products and those that need a gradient are plain ``a @ b``.
    """
    import torch

    plain = (
        a.dtype != torch.float32
        or a.device.type != "cpu"
        or a.ndim != 2
        or b.ndim != 2
        or a.shape[0] * a.shape[1] * b.shape[1] < SMALL
        or (torch.is_grad_enabled() and (a.requires_grad or b.requires_grad))
    )
    if plain:
        return a @ b
    return BACKENDS[gemm_name()](a, b)


def gemm_name() -> str:
    """Return the backend of this process: asked of the machine at the first call, then fixed.

    Returns
    -------
    name : str
        One of "torch", "numpy", "onednn", "onednn-1x1".
    """
    global _chosen
    with _lock:
        if _chosen is None:
            _chosen = _fastest()
        return _chosen


def use_gemm(name: str | None) -> None:
    """Fix the backend for this process, such as to that of an earlier run.

    Parameters
    ----------
    name : str or None
        What :func:`gemm_name` gave; None asks the machine anew at the next large product.

    Raises
    ------
    UnknownNameError
        If no backend has that name.
    InputError
        If this machine or this torch does not have it.
    """
    global _chosen
    if name is not None:
        check_option("name", name, BACKENDS)
        if not _works(name):
            raise InputError(
                f"`name` is {name!r}, a matrix product that this torch or this processor does not have, "
                "or gets wrong. Use None to take the fastest there is."
            )
    with _lock:
        _chosen = name


def _by_torch(a: Tensor, b: Tensor) -> Tensor:
    return a @ b


def _by_numpy(a: Tensor, b: Tensor) -> Tensor:
    import torch

    return torch.from_numpy(a.detach().numpy() @ b.detach().numpy())


def _by_onednn(a: Tensor, b: Tensor) -> Tensor:
    import torch

    found: Tensor = torch.ops.mkldnn._linear_pointwise(a, b.T, None, "none", [], "")
    return found


def _by_convolution(a: Tensor, b: Tensor) -> Tensor:
    import torch

    # Rows of a are filters one sample long, columns of b the samples.
    with torch.no_grad():
        return torch.nn.functional.conv1d(b[None], a[:, :, None])[0]


BACKENDS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "torch": _by_torch,
    "numpy": _by_numpy,
    "onednn": _by_onednn,
    "onednn-1x1": _by_convolution,
}


def _fastest() -> str:
    public = "onednn-1x1"
    tried = ["torch", "numpy"] + [name for name in ("onednn", public) if _works(name)]
    if "onednn" in tried and public in tried:
        tried.remove(public)
    seconds = _seconds(tried)
    name = "torch"
    # NumPy last: its threads and torch's get in each other's way, so that it must beat whatever torch has.
    for other in sorted(seconds, key=lambda name: name == "numpy"):
        if seconds[name] > CLEARLY_FASTER * seconds[other]:
            name = other
    logger.info(
        "float32 products go through %s; trial in ms: %s",
        name,
        ", ".join(f"{which} {1e3 * took:.2f}" for which, took in seconds.items()),
    )
    return name


def _seconds(names: list[str]) -> dict[str, float]:
    """Return the best time of each backend on the trial product."""
    a, b = _trial()
    seconds = {}
    # Not in turns: threads of one library wait for more work a while, and slow down the next.
    time.sleep(SETTLE)
    for name in sorted(names, key=lambda name: name == "numpy"):
        took = []
        for _ in range(TRIALS):
            start = time.perf_counter()
            BACKENDS[name](a, b)
            took.append(time.perf_counter() - start)
        seconds[name] = min(took)
    return seconds


def _works(name: str) -> bool:
    """Whether the backend is there and multiplies rightly; a private entry may change under us."""
    import torch

    a, b = _trial()
    try:
        found = BACKENDS[name](a, b)
        expected = a.double() @ b.double()
        return found.shape == expected.shape and bool(
            torch.allclose(found.double(), expected, rtol=1e-3, atol=1e-2)
        )
    except (RuntimeError, AttributeError, TypeError, NotImplementedError):
        return False


def _trial() -> tuple[Tensor, Tensor]:
    import torch

    generator = torch.Generator().manual_seed(0)
    rows, inner, columns = TRIAL
    a = torch.randn(rows, inner, generator=generator)
    return a, torch.randn(inner, columns, generator=generator)
