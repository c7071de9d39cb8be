"""Kernel ridge regression of features: the kernel's width is searched, z-scoring follows the folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array
from .._core.errors import InputError
from ._dual import Kernels, SharedKernel
from ._kernel_solve import Solution, among_all, design_of, enough_memory_for, solve_kernel
from ._ridge_input import Fold, check_alphas, check_folds, check_targets, check_weights, problems
from ._training_part import Design
from .kernel_ridge import KernelRidgeCVResult
from .kernels import KernelKind, check_gamma, kernel_matrix

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class KernelSearchResult(KernelRidgeCVResult):
    """Cross-validated kernel ridge of features.

    Attributes
    ----------
    dual_coef, intercept, best_alphas, cv_scores : ndarray
        See :class:`KernelRidgeCVResult`, at the best gamma.
    gamma : float
        The gamma with the highest mean over targets of their best mean score over folds.
    gamma_scores : ndarray of shape (n_gammas,)
        Those means.
    mean, scale : ndarray of shape (n_features,)
        The kernel is that of ``(X - mean) * scale``; 0 and 1 without z-scoring.
    """

    gamma: float
    gamma_scores: NDArray[np.float64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]


def kernel_ridge_search(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    kind: KernelKind,
    gammas: ArrayLike | None = None,
    degree: float = 3,
    coef0: float = 1.0,
    alphas: ArrayLike,
    folds: Sequence[Fold] | Literal["leave-one-out"],
    standardize: bool = False,
    sample_weight: ArrayLike | None = None,
    device: str = "auto",
) -> KernelSearchResult:
    """Fit a kernel ridge regression of features: one gamma for all targets, an alpha for each.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Features.
    Y : array of shape (n_samples, n_targets)
        Responses to the same samples.
    kind : {"linear", "polynomial", "rbf"}
        See :func:`kernel_matrix`.
    gammas : float or array of shape (n_gammas,), optional
        Gammas to choose from, 1 / n_features by default; the linear kernel has none. All targets share the
        one with the highest mean of their best scores.
    degree, coef0 : float
        See :func:`kernel_matrix`.
    alphas, folds, sample_weight, device
        See :func:`kernel_ridge_cv`.
    standardize : bool, default=False
        Z-score the features by the training part of each fold, whose kernel is then computed anew; with
        leave-one-out by all rows. Constant features are left out.

    Returns
    -------
    result : KernelSearchResult
        Dual coefficients, intercepts, alphas, scores, gamma and what z-scores new samples.

    Raises
    ------
    InputError
        See :func:`kernel_ridge_cv`; also if a gamma is not positive.
    """
    features = check_array("X", X, ndim=2)
    if features.shape[1] == 0:
        raise InputError(f"`X` has no columns, got shape {features.shape}. Give at least one.")
    targets = check_targets(features, Y, "raise")
    rates = _gammas(gammas, kind, features.shape[1])
    grid, parts = check_alphas(alphas), check_folds(folds, len(targets))
    weights = check_weights(sample_weight, len(targets))
    with enough_memory_for(*targets.shape):
        # One problem: no response is missing, only rows of weight 0 may fall away.
        (problem,) = problems(targets, parts, weights, least=2)
        design = design_of(problem, True, device)
        kept = features if problem.rows is None else features[problem.rows]
        scaling = _Scaling(kept, standardize, design)
        best: Solution | None = None
        scores = np.empty(len(rates))
        for number, gamma in enumerate(rates):
            kernels = scaling.kernels(kind=kind, gamma=float(gamma), degree=degree, coef0=coef0)
            found = solve_kernel(design, kernels, problem.targets, grid, problem.folds)
            scores[number] = found[3].mean()
            if best is None or scores[number] > scores[:number].max():
                best, at = found, float(gamma)
    assert best is not None
    everything = np.arange(len(kept))
    dual = among_all(best[0], problem.rows, len(features))
    return KernelSearchResult(dual, *best[1:], at, scores, *scaling.moments(everything))


def _gammas(gammas: ArrayLike | None, kind: str, n_features: int) -> NDArray[np.float64]:
    if gammas is None or kind == "linear":
        return np.array([1.0 / n_features])
    rates = check_array("gammas", np.atleast_1d(np.asarray(gammas)), ndim=1, dtype=np.float64)
    for gamma in rates:
        check_gamma(float(gamma))
    return rates


@dataclass(frozen=True)
class _Scaling:
    """Features, and how a fold z-scores them."""

    features: NDArray[Any]
    standardize: bool
    design: Design  # of the responses

    def moments(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what is subtracted and what is multiplied by, (n_features,) each."""
        import torch

        n_features = self.features.shape[1]
        if not self.standardize:
            return np.zeros(n_features), np.ones(n_features)
        ready = torch.from_numpy(np.require(self.features, requirements=["C", "W"]))
        weights = None if self.design.weights is None else self.design.weights.cpu()
        design = Design(ready, True, True, weights)
        moments = design.moments(torch.from_numpy(rows))
        return moments.mean.numpy(), design.scale(moments).numpy()

    def kernels(self, *, kind: KernelKind, gamma: float, degree: float, coef0: float) -> Kernels:
        """Return what gives a fold's kernels: cut from one for all rows, or one per z-scoring."""
        import torch

        on = self.design.X.device
        if not self.standardize:
            whole = kernel_matrix(self.features, kind=kind, gamma=gamma, degree=degree, coef0=coef0)
            return SharedKernel(torch.from_numpy(whole).to(on))

        def of_fold(train: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
            seen = train.cpu().numpy()
            mean, scale = self.moments(seen)
            own, others = (((self.features[rows] - mean) * scale) for rows in (seen, test.cpu().numpy()))
            within = kernel_matrix(own, kind=kind, gamma=gamma, degree=degree, coef0=coef0)
            across = np.zeros((0, len(own)))
            if len(others):
                across = kernel_matrix(others, own, kind=kind, gamma=gamma, degree=degree, coef0=coef0)
            return torch.from_numpy(within).to(on), torch.from_numpy(across).to(on)

        return of_fold
