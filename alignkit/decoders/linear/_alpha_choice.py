"""Scores of a ridge regression of many outputs at many penalties, to choose one for all of them or each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .over_times import channel_scales

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


def alpha_scores(
    X: Floats, Y: Floats, alphas: Floats, folds: Sequence[tuple[Indices, Indices]], *, standardize: bool
) -> Floats:
    """Return the mean R2 over folds of every penalty and output.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows of trials.
    Y : ndarray of shape (n_samples, n_outputs)
        Targets.
    alphas : ndarray of shape (n_alphas,)
        Penalties above 0.
    folds : sequence of (train, test)
        Rows; means and scales are those of the training rows.
    standardize : bool
        Whether features are z-scored.

    Returns
    -------
    scores : ndarray of shape (n_alphas, n_outputs)
        At most 1, about each test part's own mean; 0 for an output that is constant there.

    Notes
    -----
    One eigendecomposition a fold, in the smaller of both spaces, serves all penalties: in its basis the
    weights are ``b / (s + alpha)``.
    """
    total = np.zeros((len(alphas), Y.shape[1]))
    for train, test in folds:
        y_mean = Y[train].mean(axis=0)
        left, right, values = _decomposed(X[train], Y[train] - y_mean, X[test], standardize)
        wanted = Y[test]
        spread = ((wanted - wanted.mean(axis=0)) ** 2).sum(axis=0)
        varies = spread > 0
        for row, alpha in enumerate(alphas):
            predicted = (left / (values + alpha)) @ right + y_mean
            errors = ((wanted - predicted) ** 2).sum(axis=0)
            total[row] += np.where(varies, 1.0 - errors / np.where(varies, spread, 1.0), 0.0)
    return total / len(folds)


def best_alphas(scores: Floats, alphas: Floats, *, per_output: bool) -> Floats:
    """Return the penalty of every output, (n_outputs,): its own best, or the one with the best mean score.

    Of equals the largest is taken.
    """
    order = np.argsort(-alphas, kind="stable")
    ranked = scores[order] if per_output else np.repeat(scores[order].mean(axis=1), scores.shape[1])
    ranked = ranked.reshape(scores.shape)
    return np.asarray(alphas[order][ranked.argmax(axis=0)])


def _decomposed(X: Floats, Y: Floats, X_test: Floats, standardize: bool) -> tuple[Floats, Floats, Floats]:
    """Return what predicts the test rows: ``(left / (values + alpha)) @ right``."""
    means, scales = (part[0] for part in channel_scales(X[None]))
    seen, unseen = X - means, X_test - means
    if standardize:
        seen, unseen = seen / scales, unseen / scales
    if X.shape[1] <= X.shape[0]:
        values, vectors = np.linalg.eigh(seen.T @ seen)
        left, right = unseen @ vectors, vectors.T @ (seen.T @ Y)
    else:
        values, vectors = np.linalg.eigh(seen @ seen.T)
        left, right = (unseen @ seen.T) @ vectors, vectors.T @ Y
    # Rounding takes eigenvalues that are 0 a little below it.
    return left, right, np.maximum(values, 0.0)
