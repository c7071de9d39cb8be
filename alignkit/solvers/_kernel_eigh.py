"""Eigenvectors of a centred kernel: float64, or float32 where a Cholesky factorisation shows that it will do.

Rounding in a float32 decomposition is that of the largest eigenvalue: predictions at alpha err by about 1e-7
times the condition, largest / (smallest + alpha). It takes half the time, so that it is worth asking first
whether the smallest eigenvalue is above a bound. A Cholesky factorisation answers that exactly, and where the
answer is no, as for most real data, almost at once.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ._training_part import without_null_space

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

# There scores from a float32 decomposition are right to about 3e-6, and coefficients to 1e-5 of their size.
SINGLE_CONDITION = 50.0
# Products with the kernel that find its largest eigenvalue to a few per cent.
POWERS = 8


def kernel_eigh(
    inner: Tensor, *, null: Tensor | None, alpha: float | None, eps: float | None = None
) -> tuple[Tensor, Tensor, float]:
    """Decompose a kernel.

    Parameters
    ----------
    inner : Tensor of shape (n, n)
        Symmetric, positive semi-definite, float64.
    null : Tensor of shape (n,), optional
        The direction that centring took away.
    alpha : float, optional
        The smallest penalty, where float32 is allowed.
    eps : float, optional
        Relative rounding of the entries, by default that of float64.

    Returns
    -------
    values : Tensor of shape (k,)
        Ascending, float64, without those that are rounding.
    vectors : Tensor of shape (n, k)
        float64 or float32.
    lowest : float
        The smallest eigenvalue before those were dropped.
    """
    import torch

    if alpha is not None and _well_conditioned(inner, null, alpha):
        logger.debug("ridge: well-conditioned kernel, decomposed in float32")
        inner = inner.to(torch.float32)
    values, vectors = torch.linalg.eigh(inner)
    lowest = float(values[0])
    kept, axes = without_null_space(values, vectors, eps)
    return kept.double(), axes, lowest


def _well_conditioned(inner: Tensor, null: Tensor | None, alpha: float) -> bool:
    """Whether largest / (smallest + alpha) is below the limit; the null direction does not count."""
    import torch

    vector = inner.new_ones(len(inner))
    vector[::2] = -0.5
    largest = 0.0
    for _ in range(POWERS):
        vector = inner @ vector
        largest = float(vector.norm())
        if largest == 0:
            return False
        vector /= largest
    least = largest / SINGLE_CONDITION - alpha
    if least <= 0:
        return True
    shifted = inner.clone()
    shifted.diagonal().sub_(least)
    if null is not None:
        shifted.addr_(null, null, alpha=largest / float(null @ null))
    return bool(torch.linalg.cholesky_ex(shifted).info == 0)
