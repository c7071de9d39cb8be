"""Kernel ridge regression of targets that share their rows, from whatever gives the kernel of a fold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array
from .._core.device import pick_device
from .._core.errors import InputError
from ._dual import DualFit, Kernels, dual_fit, dual_scores
from ._leave_one_out import leave_one_out
from ._memory import enough_memory
from ._ridge_input import Folds, Problem
from ._ridge_solve import WIDEST, choose
from ._targets import blocks_of, load
from ._training_part import Design

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]
Solution = tuple[Floats, Floats, Floats, Floats]

# Elements of one block of targets: 64 MiB in float32.
BLOCK_ELEMENTS = 2**24
# Negative eigenvalues up to this part of the largest are rounding, or more where the entries are coarse.
ROUNDING = 1e-6


def design_of(problem: Problem, fit_intercept: bool, device: str) -> Design:
    """Return a design without features: it says precision, device, weights and intercept."""
    import torch

    dtype = torch.float32 if problem.targets.dtype.itemsize <= 4 else torch.float64
    on = pick_device(device)
    weights = None if problem.weights is None else torch.from_numpy(problem.weights).to(on)
    return Design(
        torch.empty((len(problem.targets), 0), dtype=dtype, device=on), fit_intercept, False, weights
    )


def solve_kernel(
    design: Design,
    kernels: Kernels,
    targets: NDArray[Any],
    grid: Floats,
    folds: Folds | None,
    eps: float = float(np.finfo(np.float64).eps),
) -> Solution:
    """Return dual coefficients, intercepts, best alphas and their scores.

    Parameters
    ----------
    design : Design
        From :func:`design_of`.
    kernels : callable
        From training and test rows to the kernels within and across; see :mod:`._dual`.
    targets : ndarray of shape (n_samples, n_targets)
        Without missing values.
    grid : ndarray of shape (n_alphas,)
        Penalties.
    folds : list of (train, test) or None
        None for leave-one-out.
    eps : float
        Relative rounding of the kernel's entries.
    """
    import torch

    on = design.X.device
    alphas = torch.from_numpy(grid).to(on)
    # Rounding of the entries is noise, whose largest eigenvalue grows with the root of their number.
    noise = eps / np.sqrt(len(targets)) if eps > np.finfo(np.float64).eps else eps
    fit = dual_fit(design, kernels, eps=noise)
    _check_definite(fit, eps)
    if folds is None:
        scores = _leave_one_out(fit, targets, alphas)
    else:
        rows = [(torch.from_numpy(train).to(on), torch.from_numpy(test).to(on)) for train, test in folds]
        step = min(WIDEST, BLOCK_ELEMENTS // len(targets))
        scores = dual_scores(design, kernels, targets, alphas, rows, scoring="r2", step=step, eps=noise)
    best, score = choose(scores, grid)
    return *_coefficients(fit, targets, best), best, score


def among_all(values: Floats, rows: NDArray[np.intp] | None, n_samples: int) -> Floats:
    """Return coefficients of all samples from those of the rows that were used."""
    if rows is None:
        return values
    whole = np.zeros((n_samples, values.shape[1]))
    whole[rows] = values
    return whole


def enough_memory_for(n_samples: int, n_targets: int) -> Any:
    """Guard a kernel ridge regression."""
    return enough_memory(
        f"kernel ridge regression of {n_samples} samples and {n_targets} targets",
        "It takes about six float64 matrices of n_samples x n_samples. Use fewer samples, or a linear map of "
        "fewer features than samples, which needs none.",
    )


def _leave_one_out(fit: DualFit, targets: NDArray[Any], alphas: Tensor) -> Tensor:
    design = fit.design
    prepared = leave_one_out(fit.eigenvalues, fit.vectors.to(design.X.dtype), alphas, design)
    scores = alphas.new_empty((len(alphas), targets.shape[1]))
    for block in blocks_of(targets.shape[1], min(WIDEST, BLOCK_ELEMENTS // len(targets))):
        loaded, moments = load(targets, fit.rows, block, design)
        scores[:, block] = prepared.scores(loaded, moments, "r2")
    return scores


def _coefficients(fit: DualFit, targets: NDArray[Any], alphas: Floats) -> tuple[Floats, Floats]:
    import torch

    design = fit.design
    dual, intercept = np.empty(targets.shape), np.empty(targets.shape[1])
    for block in blocks_of(targets.shape[1], BLOCK_ELEMENTS // len(targets)):
        seen, moments = load(targets, fit.rows, block, design)
        at = torch.from_numpy(alphas[block].copy()).to(design.X.device)
        # float64: predictions multiply the rounding of these by the condition of the kernel.
        found = fit.dual(fit.rotated(seen.double(), at))
        dual[:, block] = found.cpu().numpy()
        intercept[block] = (design.centre(moments) - fit.mean @ found).cpu().numpy()
    return dual, intercept


def _check_definite(fit: DualFit, eps: float) -> None:
    largest = float(fit.eigenvalues[-1]) if len(fit.eigenvalues) else 0.0
    allowed = max(ROUNDING, 10 * eps * np.sqrt(len(fit.rows))) * largest
    if fit.lowest < -allowed:
        raise InputError(
            f"`K` must be positive semi-definite, but its smallest eigenvalue is {fit.lowest:.3g} and its "
            f"largest {largest:.3g}; rounding explains down to {-allowed:.3g}. Give inner products of the "
            "samples (in some feature space), not distances."
        )


def check_kernel(K: ArrayLike) -> tuple[NDArray[Any], float]:
    """Return a square, symmetric kernel and the relative rounding of its entries."""
    kernel = check_array("K", K, ndim=2)
    if kernel.shape[0] != kernel.shape[1]:
        raise InputError(
            f"`K` must be square, (n_samples, n_samples), got shape {kernel.shape}. Give the kernel of the "
            "samples with themselves, such as from `kernel_matrix`."
        )
    eps = float(np.finfo(kernel.dtype).eps)
    asymmetry, size = float(np.abs(kernel - kernel.T).max()), float(np.abs(kernel).max())
    if asymmetry > max(ROUNDING, 100 * eps) * size:
        raise InputError(
            f"`K` must be symmetric, but entries differ from their mirror images by up to {asymmetry:.3g}, "
            f"where the largest is {size:.3g}. Give the kernel of the samples with themselves."
        )
    return kernel, eps
