"""Blocks of targets on their way to the device, and the score of their errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ._training_part import Design, Moments, column_moments

if TYPE_CHECKING:
    from torch import Tensor

Scoring = Literal["r2", "neg-mse"]


def load(targets: NDArray[Any], rows: Tensor, block: slice, design: Design) -> tuple[Tensor, Moments]:
    """Return some rows of some targets, centred (with an intercept) and weighted, and their moments.

    Parameters
    ----------
    targets : ndarray of shape (n_samples, n_targets)
        All targets.
    rows : Tensor of shape (n_rows,)
        Row numbers.
    block : slice
        Of the targets.
    design : Design
        Says precision, device, weights and intercept.

    Returns
    -------
    loaded : Tensor of shape (n_rows, n_block)
        In the working precision; a memory of its own.
    moments : Moments
        Of the values as they came.
    """
    import torch

    dtype, weights = design.X.dtype, design.weights_of(rows)
    plain = dtype == torch.float32 and weights is None
    # torch takes no read-only memory, no foreign byte order and no negative strides.
    ready = np.ascontiguousarray(targets[rows.cpu().numpy(), block], np.float32 if plain else np.float64)
    loaded = torch.from_numpy(ready).to(design.X.device)
    if not plain:
        moments = column_moments(loaded, weights)
        if design.fit_intercept:
            loaded = loaded.sub_(moments.mean)
        if weights is not None:
            loaded = loaded.mul_(weights.sqrt()[:, None])
        return loaded.to(dtype), moments
    mean = loaded.sum(0, dtype=torch.float64) / len(loaded)
    centred = _subtract(loaded if design.fit_intercept else loaded.clone(), mean)
    moments = Moments(float(len(loaded)), mean, centred.square().sum(0, dtype=torch.float64))
    return centred if design.fit_intercept else loaded, moments


def _subtract(values: Tensor, mean: Tensor) -> Tensor:
    """Subtract a float64 mean from float32 columns, in place; a large mean in two steps."""
    rounded = mean.to(values.dtype)
    values.sub_(rounded)
    rest = (mean - rounded).to(values.dtype)
    return values.sub_(rest) if bool((rest.abs() > 1e-9 * rounded.abs()).any()) else values


def scored(errors: Tensor, moments: Moments, scoring: Scoring) -> Tensor:
    """Turn summed squared errors of held-out rows into scores, (n_alphas, n_targets)."""
    import torch

    # Rounding can take a perfect fit below zero.
    errors = errors.clamp_min(0)
    if scoring == "neg-mse":
        return -errors / moments.weight
    constant = moments.spread == 0
    return torch.where(constant, 0.0, 1.0 - errors / torch.where(constant, 1.0, moments.spread))


def blocks_of(n_targets: int, step: int) -> Iterator[slice]:
    """Yield slices of the targets, as even as can be."""
    n_blocks = -(-n_targets // max(1, step))
    size = -(-n_targets // n_blocks)
    for start in range(0, n_targets, size):
        yield slice(start, min(start + size, n_targets))
