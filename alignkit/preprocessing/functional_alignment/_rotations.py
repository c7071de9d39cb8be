"""Parts of all alignments: centred arrays, and the closest matrix with orthonormal columns or rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array
from ..._core.errors import InputError

Floats = NDArray[np.float64]


def check_subjects(Xs: Sequence[ArrayLike], *, least: int = 2) -> list[Floats]:
    """Return each subject's array in float64; all must have the same number of samples.

    Raises
    ------
    InputError
        If there are too few subjects or samples, NaN, or the numbers of samples differ.
    """
    if not isinstance(Xs, Sequence | np.ndarray):
        raise InputError(f"`Xs` must be a list of arrays, one per subject, got {type(Xs).__name__}.")
    if len(Xs) < least:
        raise InputError(f"`Xs` must hold at least {least} subjects, got {len(Xs)}.")
    arrays = [
        check_array(f"Xs[{subject}]", X, ndim=2, dtype=np.float64, min_rows=2) for subject, X in enumerate(Xs)
    ]
    for subject, array in enumerate(arrays):
        if len(array) != len(arrays[0]):
            raise InputError(
                "all subjects must have the same samples in the same order, but `Xs[0]` has "
                f"{len(arrays[0])} "
                f"and `Xs[{subject}]` has {len(array)}. Align them by `stimulus_id` first."
            )
        if not array.shape[1]:
            raise InputError(f"`Xs[{subject}]` has no channels, got shape {array.shape}.")
    return arrays


def centred(X: Floats, center: bool) -> tuple[Floats, Floats]:
    """Return X about its column means, and these; or X as it is, and zeros."""
    mean = X.mean(axis=0) if center else np.zeros(X.shape[1])
    return X - mean, mean


def row_space(X: Floats) -> tuple[Floats, Floats]:
    """Return L and Q with X = L Q' and orthonormal columns of Q; no larger than needed.

    With more channels than samples, L is square: whatever is sought among maps of the channels lies in the
    columns of Q, and n x n matrices do instead of p x p ones.
    """
    if X.shape[1] <= X.shape[0]:
        return X, np.eye(X.shape[1])
    left, values, right = np.linalg.svd(X, full_matrices=False)
    return left * values, right.T


def closest_orthonormal(A: Floats) -> tuple[Floats, Floats]:
    """Return U V' of the thin singular value decomposition A = U S V', and the singular values.

    It maximises ``trace(R' A)`` among matrices whose columns (or, where A is wider than tall, rows) are
    orthonormal. Directions that A says nothing about, with singular values of 0 but for rounding, are left
    out: R takes them to 0 instead of anywhere.
    """
    left, values, right = np.linalg.svd(A, full_matrices=False)
    kept = values > (values.max(initial=0.0) * max(A.shape) * np.finfo(np.float64).eps)
    rotation: Floats = left[:, kept] @ right[kept]
    return rotation, values[kept]
