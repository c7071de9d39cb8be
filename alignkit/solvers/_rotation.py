"""Rows of a feature matrix in the axes of a training part's principal components.

With Z the training rows about their mean (and possibly z-scored) and Z = U S V', everything that PLS,
principal-components and fractional ridge regression do with the features is diagonal in V. The smaller of
Z'Z and ZZ' is decomposed, in float64 whatever the input: the larger one is never formed.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray

from .._core.errors import InputError
from ._held_out import Fold, Rows, check_features_and_targets, check_parts
from ._training_part import ROUNDING

# Elements of a float64 working copy: 64 MiB, so that memory does not grow with the data.
CHUNK_ELEMENTS = 2**23


@dataclass(frozen=True)
class Rotation:
    """A training part, rotated; k components in falling order, all arrays float64."""

    singular: NDArray[np.float64]  # (k,) S
    left: NDArray[np.float64]  # (n_train, k) U
    test: NDArray[np.float64]  # (n_test, k) Z_test V
    mean: NDArray[np.float64]  # (n_features,) zeros where rows are not centred
    scale: NDArray[np.float64]  # (n_features,) what the centred features are multiplied by
    right: NDArray[np.float64] | None  # (n_features, k) V; None in the dual, where it follows from U


@dataclass(frozen=True)
class Features:
    """The features, and how a part of their rows is centred and scaled."""

    X: NDArray[Any]
    center: bool
    standardize: bool

    def rotate(self, train: Rows, test: Rows) -> Rotation:
        """Decompose the training rows and rotate the test rows with them."""
        mean, scale = self._moments(train)
        if self.X.shape[1] <= len(train):
            return self._primal(train, test, mean, scale)
        return self._dual(train, test, mean, scale)

    def weights(
        self, rotation: Rotation, train: Rows, rotated: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return weights in the units of X, (n_features, n_targets), and what they give at the mean.

        `rotated` are weights of the components, (at most k, n_targets): later components have none.
        """
        used = len(rotated)
        coef = np.empty((self.X.shape[1], rotated.shape[1]))
        if rotation.right is not None:
            coef[:] = rotation.scale[:, None] * (rotation.right[:, :used] @ rotated)
        else:
            # V w = Z' U w / S, without V itself: it is as large as X.
            carried = (rotation.left[:, :used] / rotation.singular[:used]) @ rotated
            for columns in self._columns(len(train)):
                chunk = self._rows(train, rotation.mean, rotation.scale, columns)
                coef[columns] = rotation.scale[columns, None] * (chunk.T @ carried)
        return coef, rotation.mean @ coef

    def _moments(self, rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        n_features = self.X.shape[1]
        mean, scale = np.zeros(n_features), np.ones(n_features)
        if not (self.center or self.standardize):
            return mean, scale
        for columns in self._columns(len(rows)):
            chunk = self.X[rows, columns].astype(np.float64)
            middle = column_mean(chunk)
            if self.center:
                mean[columns] = middle
                # Nothing of a constant is left; its rounding errors must not become weights.
                scale[columns] = (chunk != chunk[0]).any(axis=0)
            if self.standardize:
                chunk -= middle
                sd = np.sqrt(np.einsum("ij,ij->j", chunk, chunk) / len(rows))
                # What varies by no more than its own rounding is a constant: z-scoring it makes noise.
                known = sd > ROUNDING * np.finfo(self.X.dtype).eps * np.abs(middle)
                scale[columns] = np.where(known, 1.0 / np.where(known, sd, 1.0), 0.0)
        return mean, scale

    def _primal(
        self, train: Rows, test: Rows, mean: NDArray[np.float64], scale: NDArray[np.float64]
    ) -> Rotation:
        n_features = self.X.shape[1]
        gram = np.zeros((n_features, n_features))
        for rows in self._chunks(train):
            chunk = self._rows(rows, mean, scale)
            gram += chunk.T @ chunk
        singular, right = self._decompose(gram)
        left = self._project(train, mean, scale, right) / singular
        return Rotation(singular, left, self._project(test, mean, scale, right), mean, scale, right)

    def _project(
        self,
        rows: Rows,
        mean: NDArray[np.float64],
        scale: NDArray[np.float64],
        right: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        projected = np.empty((len(rows), right.shape[1]))
        start = 0
        for chunk in self._chunks(rows):
            projected[start : start + len(chunk)] = self._rows(chunk, mean, scale) @ right
            start += len(chunk)
        return projected

    def _dual(
        self, train: Rows, test: Rows, mean: NDArray[np.float64], scale: NDArray[np.float64]
    ) -> Rotation:
        inner = np.zeros((len(train), len(train)))
        across = np.zeros((len(test), len(train)))
        for columns in self._columns(len(train) + len(test)):
            seen = self._rows(train, mean, scale, columns)
            inner += seen @ seen.T
            if len(test):
                across += self._rows(test, mean, scale, columns) @ seen.T
        singular, left = self._decompose(inner)
        return Rotation(singular, left, across @ (left / singular), mean, scale, None)

    def _decompose(self, gram: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return singular values and vectors without the null space."""
        # Divide and conquer: several times faster here than SciPy's default driver.
        values, vectors = scipy.linalg.eigh(gram, driver="evd", check_finite=False)
        # An eigenvalue below this is rounding error, of the product or of the features as they came.
        noise = max(np.finfo(np.float64).eps, np.finfo(self.X.dtype).eps ** 2)
        kept = np.flatnonzero(values > max(values[-1], 0.0) * len(gram) * noise)[::-1]
        return np.sqrt(values[kept]), np.ascontiguousarray(vectors[:, kept])

    def _rows(
        self,
        rows: Rows,
        mean: NDArray[np.float64],
        scale: NDArray[np.float64],
        columns: slice = slice(None),
    ) -> NDArray[np.float64]:
        chunk: NDArray[np.float64] = self.X[rows, columns].astype(np.float64)
        chunk -= mean[columns]
        chunk *= scale[columns]
        return chunk

    def _chunks(self, rows: Rows) -> Iterator[Rows]:
        step = max(1, CHUNK_ELEMENTS // self.X.shape[1])
        for start in range(0, len(rows), step):
            yield rows[start : start + step]

    def _columns(self, n_rows: int) -> Iterator[slice]:
        step = max(1, CHUNK_ELEMENTS // max(1, n_rows))
        for start in range(0, self.X.shape[1], step):
            yield slice(start, min(start + step, self.X.shape[1]))


def column_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the column means, exact for a constant column (the mean of its rounded sum is not)."""
    mean: NDArray[np.float64] = values[0] + (values - values[0]).mean(axis=0)
    return mean


def rotated_input(
    X: ArrayLike, Y: ArrayLike, folds: Sequence[Fold], *, standardize: bool
) -> tuple[NDArray[Any], list[tuple[Rows, Rows]], Features, Rotation]:
    """Return the checked targets and folds, the features, and their rotation by all rows."""
    features, targets = check_features_and_targets(X, Y)
    parts = check_parts(folds, len(targets))
    design = Features(features, center=True, standardize=standardize)
    everything = np.arange(len(targets))
    return targets, parts, design, design.rotate(everything, everything[:0])


def check_candidates(n_components: ArrayLike | None, rank: int, *, most: int) -> NDArray[np.intp]:
    """Return the numbers of components to try, rising; by default all up to `most` or the rank.

    Raises
    ------
    InputError
        If they are not integers or one is below 1.

    Warns
    -----
    UserWarning
        If one is above the rank of the features; it is lowered.
    """
    if n_components is None:
        return np.arange(min(1, rank), min(rank, most) + 1)
    given = np.atleast_1d(np.asarray(n_components))
    if given.ndim != 1 or given.size == 0 or given.dtype.kind not in "iu":
        raise InputError(
            f"`n_components` must be an integer or a list of integers, got {n_components!r}. "
            "Give the numbers of components to choose from, such as [5, 10, 25]."
        )
    if given.min() < 1:
        raise InputError(f"`n_components` must be at least 1, got {given.min()}. Leave out what is below.")
    if given.max() > rank:
        warnings.warn(
            f"`n_components` asks for {given.max()}, but these samples of the features span only {rank} "
            f"dimension(s) about their mean; {rank} are used. Ask for no more, or give more samples.",
            UserWarning,
            stacklevel=3,
        )
    return np.unique(np.minimum(given, rank)).astype(np.intp)
