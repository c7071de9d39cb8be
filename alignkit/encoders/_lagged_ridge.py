"""Ridge regression on a lagged design from its sums alone: folds, penalties and the way back."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from .._core.errors import InputError
from ._folds import Fold
from ._lagged import Floats, Lags, Stretch, Sums, lagged_sums

Penalty = Literal["ridge", "laplacian"]
FoldSums = list[tuple[Sums, Sums, NDArray[np.bool_]]]

# Of the squared weights beside that of their differences: a constant over lags must not go free.
LEVEL_WEIGHT = 1e-6


class LaggedRidge:
    """The regression in sums: centred, scaled and in the coordinates in which the penalty is a ridge."""

    def __init__(
        self,
        X: NDArray[Any],
        Y: NDArray[Any],
        lags: Lags,
        segments: list[slice],
        fit_intercept: bool,
        standardize: bool,
        penalty: Penalty,
    ) -> None:
        self.lags, self.segments = lags, segments
        self.fit_intercept, self.standardize = fit_intercept, standardize
        n_features, n_channels = X.shape[1], Y.shape[1]
        # The intercept takes any shift up again; without one, large offsets would drown the sums.
        self.x_shift = X.mean(axis=0, dtype=np.float64) if fit_intercept else np.zeros(n_features)
        self.y_shift = Y.mean(axis=0, dtype=np.float64) if fit_intercept else np.zeros(n_channels)
        self.X = X - self.x_shift
        self.Y = (Y - self.y_shift).astype(Y.dtype)
        self.raw = Y
        # Below this the spread of a feature is rounding.
        self.least_sd = 10 * np.finfo(X.dtype).eps * np.abs(X).max(axis=0)
        basis = np.eye(lags.count)
        if penalty == "laplacian":
            change = np.diff(basis, axis=0)
            basis = scipy.linalg.inv(
                scipy.linalg.cholesky(change.T @ change + LEVEL_WEIGHT * basis, lower=True)
            )
        self.basis = basis

    def fold_sums(self, folds: list[Fold]) -> tuple[Sums, FoldSums]:
        """Return the sums of all rows, and per fold those of both parts and which channels are constant."""
        everything = np.arange(len(self.X))
        tests = [self._stretches(test) for _, test in folds]
        parts = [self._sums(stretches) for stretches in tests]
        rows, times = np.unique(np.concatenate([test for _, test in folds]), return_counts=True)
        if len(rows) == len(everything) and times.max() == 1:
            whole = parts[0]
            for part in parts[1:]:
                whole = whole + part
        else:
            whole = self._sums(self._stretches(everything))
        result: FoldSums = []
        for number, (train, test) in enumerate(folds):
            seen = whole - parts[number]
            neither = np.setdiff1d(everything, np.concatenate([train, test]))
            if gap := self._stretches(neither):
                seen = seen - self._sums(gap)
            if seen.n < 1 or parts[number].n < 2:
                raise InputError(
                    f"fold {number} has {seen.n} training and {parts[number].n} test row(s) with all lags in "
                    "their segment. Use fewer folds, longer segments, fewer lags or edges='pad'."
                )
            held_out = np.concatenate([self.raw[start:stop] for start, stop, _, _ in tests[number]])
            result.append((seen, parts[number], (held_out == held_out[0]).all(axis=0)))
        return whole, result

    def score(self, train: Sums, test: Sums, constant: NDArray[np.bool_], alphas: Floats) -> Floats:
        """Return R2 of the test part, (n_alphas, n_channels); 0 for a channel that is constant there."""
        x_mean, y_mean, seen, scale = self._centre(train)
        held_out = test.about(x_mean, y_mean)
        eigenvalues, vectors, projected = self._decompose(seen, scale)
        gram = vectors.T @ self._both(held_out.gram, scale) @ vectors
        cross = vectors.T @ self._to_basis(held_out.cross, scale)
        total = test.y_power - test.y_sum**2 / test.n
        scores = np.empty((len(alphas), len(total)))
        for row, alpha in enumerate(alphas):
            weights = projected / (eigenvalues + alpha)[:, None]
            # ||y - D w||^2 = ||y||^2 + w'(D'D w - 2 D'y), from the sums alone.
            errors = held_out.y_power + (weights * (gram @ weights - 2 * cross)).sum(axis=0)
            scores[row] = 1.0 - np.maximum(errors, 0) / np.where(constant, 1.0, total)
        return np.where(constant, 0.0, scores)

    def refit(self, everything: Sums, alphas: Floats) -> tuple[Floats, Floats]:
        """Return weights (n_lags * n_features, n_channels) and intercepts in the units of the data."""
        x_mean, y_mean, seen, scale = self._centre(everything)
        eigenvalues, vectors, projected = self._decompose(seen, scale)
        found = vectors @ (projected / (eigenvalues[:, None] + alphas))
        coef = self._from_basis(found, scale)
        shift = x_mean + np.tile(self.x_shift, self.lags.count)
        return coef, self.y_shift + y_mean - shift @ coef

    def _sums(self, stretches: list[Stretch]) -> Sums:
        return lagged_sums(self.X, self.Y, self.lags, stretches, -self.x_shift)

    def _stretches(self, rows: NDArray[np.intp]) -> list[Stretch]:
        return self.lags.stretches(np.sort(rows), self.segments)

    def _centre(self, train: Sums) -> tuple[Floats, Floats, Sums, Floats]:
        """Return means of columns and channels, the sums about them, and the scale of each feature."""
        x_mean, y_mean = train.x_sum / train.n, train.y_sum / train.n
        about_mean = train.about(x_mean, y_mean)
        scale = np.ones(self.X.shape[1])
        if self.standardize:
            variance = np.diag(about_mean.gram).reshape(self.lags.count, -1).mean(axis=0) / train.n
            sd = np.sqrt(np.maximum(variance, 0))
            scale = np.where(sd <= self.least_sd, 0.0, 1.0 / np.where(sd <= self.least_sd, 1.0, sd))
        if self.fit_intercept:
            return x_mean, y_mean, about_mean, scale
        return np.zeros_like(x_mean), np.zeros_like(y_mean), train, scale

    def _decompose(self, seen: Sums, scale: Floats) -> tuple[Floats, Floats, Floats]:
        eigenvalues, vectors = scipy.linalg.eigh(self._both(seen.gram, scale), driver="evd")
        return np.maximum(eigenvalues, 0), vectors, vectors.T @ self._to_basis(seen.cross, scale)

    def _to_basis(self, rows: Floats, scale: Floats) -> Floats:
        scaled = rows.reshape(self.lags.count, len(scale), -1) * scale[:, None]
        return np.asarray(self.basis @ scaled.reshape(self.lags.count, -1)).reshape(rows.shape)

    def _from_basis(self, rows: Floats, scale: Floats) -> Floats:
        weights = np.asarray(self.basis.T @ rows.reshape(self.lags.count, -1))
        return (weights.reshape(self.lags.count, len(scale), -1) * scale[:, None]).reshape(rows.shape)

    def _both(self, gram: Floats, scale: Floats) -> Floats:
        return self._to_basis(self._to_basis(gram, scale).T, scale)
