"""From a run's regressors to the linear map that takes its volumes to responses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from ..._core.errors import InputError
from ._runs import RunModel

Floats = NDArray[np.float64]
Estimator = Literal["lsa", "lss"]

# A direction of the design weaker than this share of the strongest cannot be estimated.
_WEAKEST = 1e-6
_STEEP = 1e-3


@dataclass(frozen=True)
class Factors:
    """Singular value decomposition of a run's regressors, without what is 0."""

    left: Floats
    singular: Floats
    right: Floats  # (n_components, n_trials)

    @property
    def all_at_once(self) -> Floats:
        """Return the pseudo-inverse, (n_trials, n_rows)."""
        return np.asarray((self.right.T / self.singular) @ self.left.T, dtype=np.float64)


def factors(design: Floats) -> Factors:
    """Decompose regressors of trials."""
    left, singular, right = scipy.linalg.svd(design, full_matrices=False, check_finite=False)
    kept = singular > _WEAKEST * singular[0]
    return Factors(left[:, kept], singular[kept], right[kept])


def one_by_one(design: Floats) -> Floats:
    """Return the map of least squares separate, (n_trials, n_rows).

    Every trial's response is its weight in a model of two regressors: its own, x, and the sum of all the
    others', s - x. With inner products of x and s - x the two normal equations are solved for all trials at
    once.
    """
    joined = design.sum(axis=1)
    own = np.einsum("tk,tk->k", design, design)
    shared = design.T @ joined - own
    others = joined @ joined - 2.0 * (shared + own) + own
    determinant = own * others - shared**2
    # A run with one trial has no others; then the trial stands alone.
    alone = determinant <= _WEAKEST**2 * own * np.maximum(others, own)
    safe = np.where(alone, 1.0, determinant)
    of_own = np.where(alone, 1.0 / np.where(own > 0, own, 1.0), (others + shared) / safe)
    of_joined = np.where(alone, 0.0, -shared / safe)
    return np.asarray(of_own[:, None] * design.T + of_joined[:, None] * joined, dtype=np.float64)


def linear_map(model: RunModel, shape: int, estimator: Estimator) -> Floats:
    """Return what takes the volumes of a run to responses to its trials, (n_trials, n_rows)."""
    design = model.design(shape)
    return one_by_one(design) if estimator == "lss" else all_at_once(design)


def all_at_once(design: Floats) -> Floats:
    """Return the map of least squares all, (n_trials, n_rows): the pseudo-inverse."""
    # A factorisation of the products takes a tenth of the time, where they do not lose too many digits.
    factor, failed = scipy.linalg.lapack.dpotrf(design.T @ design, lower=False)
    pivots = np.diagonal(factor)
    if failed or pivots.min() < _STEEP * pivots.max():
        return factors(design).all_at_once
    return np.asarray(scipy.linalg.cho_solve((factor, False), design.T, check_finite=False))


def check_estimable(model: RunModel, shape: int, estimator: Estimator) -> None:
    """Refuse a run whose trials cannot be told from each other or from the nuisance regressors."""
    design = model.design(shape)
    n_rows, n_trials = design.shape
    n_nuisance = model.basis.shape[1]
    weak = np.linalg.norm(design, axis=0) <= _WEAKEST * np.linalg.norm(model.designs[shape], axis=0).max()
    if weak.any():
        raise InputError(
            f"{int(weak.sum())} of {n_trials} trials of run {model.number} leave no response in its volumes "
            f"that {n_nuisance} nuisance regressors do not explain. Drop the trials at the run's end, or "
            "use fewer confounds."
        )
    if estimator == "lss":
        return
    rank = len(factors(design).singular)
    if n_trials + n_nuisance >= n_rows or rank < n_trials:
        raise InputError(
            f"run {model.number} has {n_rows} volumes for {n_trials} trials and {n_nuisance} nuisance "
            f"regressors, and {rank} of the trials' responses can be told apart. Use `estimator='lss'`, "
            "fewer confounds, or join trials that come too close."
        )
