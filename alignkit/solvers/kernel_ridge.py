"""Kernel ridge regression of many targets at once, each with its own cross-validated alpha."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._dual import SharedKernel
from ._kernel_solve import among_all, check_kernel, design_of, enough_memory_for, solve_kernel
from ._ridge_input import Fold, check_alphas, check_folds, check_targets, check_weights, problems


@dataclass(frozen=True)
class KernelRidgeCVResult:
    """Cross-validated kernel ridge; ``kernel(new, fitted) @ dual_coef + intercept`` predicts.

    Attributes
    ----------
    dual_coef : ndarray of shape (n_samples, n_targets)
        float64: predictions multiply its rounding by the condition of the kernel.
    intercept : ndarray of shape (n_targets,)
        Zeros without an intercept.
    best_alphas : ndarray of shape (n_targets,)
        The alpha with the highest mean score over folds.
    cv_scores : ndarray of shape (n_targets,)
        That mean R2, at most 1: chosen as the best of several, not a test score.
    """

    dual_coef: NDArray[np.float64]
    intercept: NDArray[np.float64]
    best_alphas: NDArray[np.float64]
    cv_scores: NDArray[np.float64]


def kernel_ridge_cv(
    K: ArrayLike,
    Y: ArrayLike,
    *,
    alphas: ArrayLike,
    folds: Sequence[Fold] | Literal["leave-one-out"],
    fit_intercept: bool = True,
    sample_weight: ArrayLike | None = None,
    device: str = "auto",
) -> KernelRidgeCVResult:
    """Fit a kernel ridge regression per target, each at the alpha that predicts held-out rows best.

    The kernel is centred in every fold by the training part alone, which gives an unpenalised intercept.

    Parameters
    ----------
    K : array of shape (n_samples, n_samples)
        Kernel of the samples, symmetric and positive semi-definite, such as from :func:`kernel_matrix`. It is
        decomposed in float64 whatever its precision, so that a badly conditioned one works.
    Y : array of shape (n_samples, n_targets)
        Responses to the same samples. Held-out errors are computed in their precision.
    alphas : array of shape (n_alphas,)
        Penalties to choose from, all positive, in any order.
    folds : sequence of (train, test) or "leave-one-out"
        Row indices of each fold, disjoint within a fold; at least two test rows each. Leave-one-out is
        computed in closed form, its R2 pooled over the samples.
    fit_intercept : bool, default=True
        Fit an unpenalised intercept.
    sample_weight : array of shape (n_samples,), optional
        Not negative; a weight of 2 is the same as the sample twice.
    device : str, default="auto"
        Torch device; "auto" takes CUDA where there is one.

    Returns
    -------
    result : KernelRidgeCVResult
        Dual coefficients, intercepts, alphas and scores.

    Raises
    ------
    InputError
        If an array holds NaN, K is not square, symmetric or positive semi-definite, an alpha is not positive,
        a fold is not usable, or the memory does not suffice.

    Notes
    -----
    Dual coefficients have no part along directions that the kernel does not have (eigenvalues that are
    rounding): such a part would predict nothing.

    References
    ----------
    Saunders C, Gammerman A, Vovk V (1998). Ridge regression learning algorithm in dual variables. ICML.

    Examples
    --------
    >>> from alignkit.solvers import kernel_matrix
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-3, 3, (80, 1))
    >>> rows = np.arange(80)
    >>> folds = [(rows[rows % 4 != k], rows[rows % 4 == k]) for k in range(4)]
    >>> kernel = kernel_matrix(X, kind="rbf", gamma=1.0)
    >>> result = kernel_ridge_cv(kernel, np.sin(X), alphas=[1e-3, 1e3], folds=folds)
    >>> float(result.best_alphas[0]), bool(result.cv_scores[0] > 0.99)
    (0.001, True)
    """
    import torch

    kernel, eps = check_kernel(K)
    targets = check_targets(kernel, Y, "raise", "K")
    grid, parts = check_alphas(alphas), check_folds(folds, len(targets))
    weights = check_weights(sample_weight, len(targets))
    with enough_memory_for(*targets.shape):
        # One problem: no response is missing, only rows of weight 0 may fall away.
        (problem,) = problems(targets, parts, weights, least=2)
        design = design_of(problem, fit_intercept, device)
        cut = kernel if problem.rows is None else kernel[np.ix_(problem.rows, problem.rows)]
        ready = torch.from_numpy(np.require(cut, np.float64, ["C", "W"])).to(design.X.device)
        dual, *rest = solve_kernel(design, SharedKernel(ready), problem.targets, grid, problem.folds, eps)
        return KernelRidgeCVResult(among_all(dual, problem.rows, len(kernel)), *rest)
