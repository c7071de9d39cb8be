"""Held-out rows: what makes a fold usable, and how predictions of it are scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array, check_same_samples
from .._core.errors import InputError

Fold = tuple[ArrayLike, ArrayLike]
Rows = NDArray[np.intp]

# Elements of one float64 block of targets: 64 MiB.
BLOCK_ELEMENTS = 2**23


def check_features_and_targets(X: ArrayLike, Y: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return both as two-dimensional floating arrays with the same rows and at least one column."""
    features = check_array("X", X, ndim=2)
    targets = check_array("Y", Y, ndim=2)
    check_same_samples("X", features, "Y", targets)
    for name, array in (("X", features), ("Y", targets)):
        if array.shape[1] == 0:
            raise InputError(f"`{name}` has no columns, got shape {array.shape}. Give at least one.")
    return features, targets


def check_parts(folds: Sequence[Fold], n_samples: int, *, least_train: int = 2) -> list[tuple[Rows, Rows]]:
    """Return (train, test) row numbers that exist, are disjoint and leave something on both sides.

    By default two rows in either part: one has no spread of its own, neither for z-scores nor for an R2.
    """
    if len(folds) == 0:
        raise InputError("`folds` is empty; give a list of (train, test) row indices.")
    checked = []
    for number, (train, test) in enumerate(folds):
        seen = _check_rows(f"training part of fold {number}", train, least_train, n_samples)
        held_out = _check_rows(f"test part of fold {number}", test, 2, n_samples)
        shared = np.intersect1d(seen, held_out)
        if len(shared):
            raise InputError(
                f"`folds`: fold {number} has {len(shared)} row(s) in both its training and its test part, "
                f"such as row {shared[0]}. Test rows must not be trained on."
            )
        checked.append((seen, held_out))
    return checked


def _check_rows(name: str, rows: ArrayLike, least: int, n_samples: int) -> Rows:
    given = np.asarray(rows)
    if given.size < least:
        raise InputError(
            f"`folds`: the {name} has {given.size} row(s), but needs at least {least}. "
            "Use fewer folds or more samples."
        )
    if given.dtype.kind not in "iu" or given.ndim != 1:
        raise InputError(
            f"`folds`: the {name} must be a list of row numbers, got dtype {given.dtype} and shape "
            f"{given.shape}."
        )
    outside = given[(given < 0) | (given >= n_samples)]
    if len(outside):
        raise InputError(f"`folds`: the {name} names row {outside[0]}, but there are {n_samples} samples.")
    return given.astype(np.intp)


def r2_from_errors(errors: NDArray[np.float64], held_out: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return R2 about the test part's own mean from squared errors (..., n_targets); 0 for a constant."""
    # Told by equality: the sum of squares of a constant is not always an exact 0.
    constant = (held_out == held_out[0]).all(axis=0)
    centred = held_out - held_out.mean(axis=0)
    total = np.einsum("ij,ij->j", centred, centred)
    return np.where(constant, 0.0, 1.0 - errors / np.where(constant, 1.0, total))


def path_errors(
    scores: NDArray[np.float64], weights: NDArray[np.float64], held_out: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return squared errors with the first 0, 1, ... of nested components, (n_components + 1, n_targets).

    `scores` (n_test, n_components) of the test rows, `weights` (n_components, n_targets), `held_out`
    (n_test, n_targets). Component j changes the error by w_j (A_jj w_j + 2 sum_{i<j} A_ji w_i - 2 c_j), with
    A = T'T and c = T'y, so that the whole path costs three products and one running sum.
    """
    gram = scores.T @ scores
    lower = 2.0 * np.tril(gram, -1)
    np.fill_diagonal(lower, np.diag(gram))
    errors = np.empty((len(weights) + 1, held_out.shape[1]))
    errors[0] = np.einsum("ij,ij->j", held_out, held_out)
    errors[1:] = weights * (lower @ weights - 2.0 * (scores.T @ held_out))
    np.cumsum(errors, axis=0, out=errors)
    # Rounding can take a perfect fit below zero.
    return np.maximum(errors, 0.0, out=errors)


def target_blocks(n_rows: int, n_targets: int) -> Iterator[slice]:
    """Yield slices of targets so that n_rows of a block are bounded."""
    step = max(1, BLOCK_ELEMENTS // max(1, n_rows))
    for start in range(0, n_targets, step):
        yield slice(start, min(start + step, n_targets))
