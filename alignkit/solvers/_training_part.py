"""One training part of a ridge regression, decomposed once so that every alpha is cheap.

With Z the centred (and possibly z-scored) training rows and Z = U S V' their singular value
decomposition, the predictions for test rows Z_test and the coefficients at any alpha are

    prediction   = test    @ diag(1 / (s + alpha)) @ (train' @ Y)
    coefficients = weights @ diag(1 / (s + alpha)) @ (train' @ Y)

with s = S^2 and

    primal (features <= samples): train = Z V, test = Z_test V,    weights = V
    dual   (features >  samples): train = U,   test = Z_test Z' U, weights = Z' U.

Gram matrices, their eigenvectors and these rotations are float64 whatever the input: squaring the
singular values in float32 would lose every direction below 3e-4 of the largest. The products with the
targets, which take the time, stay in the input's precision.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.linalg

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# Elements of a float64 working copy: 64 MiB, so that memory does not grow with the data.
CHUNK_ELEMENTS = 2**23


@dataclass(frozen=True)
class TrainingPart:
    """A decomposed training part; k components, see the module for the formulas."""

    eigenvalues: Tensor  # (k,) float64
    train: Tensor  # (n_train, k) in the working precision
    test: Tensor  # (n_test, k) in the working precision
    test_gram: Tensor | None  # (k, k) = test' test, where the test part is longer than k
    vectors: Tensor  # (n_features, k) in the primal, (n_train, k) in the dual, float64


@dataclass(frozen=True)
class Design:
    """The features, and how a part of their rows is centred and scaled."""

    X: Tensor  # (n_samples, n_features), as given
    fit_intercept: bool
    standardize: bool

    @property
    def primal(self) -> bool:
        """Whether the feature side is the smaller one."""
        return self.X.shape[1] <= self.X.shape[0]

    def moments(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and scale (0 for a constant feature) of the rows, both (n_features,) float64."""
        import torch

        means, scales = [], []
        for columns in self._column_chunks(len(rows)):
            chunk = self.X[:, columns][rows].double()
            mean = (
                column_mean(chunk)
                if self.fit_intercept or self.standardize
                else chunk.new_zeros(chunk.shape[1])
            )
            means.append(mean if self.fit_intercept else torch.zeros_like(mean))
            if self.standardize:
                sd = (chunk - mean).square().mean(0).sqrt()
                # What varies by no more than its own rounding is a constant: z-scoring it makes noise.
                constant = sd <= 10 * torch.finfo(self.X.dtype).eps * mean.abs()
                scales.append(torch.where(constant, 0.0, 1.0 / sd.clamp_min(torch.finfo(sd.dtype).tiny)))
            else:
                scales.append(torch.ones_like(mean))
        return torch.cat(means), torch.cat(scales)

    def decompose(self, train: Tensor, test: Tensor, kernel: Tensor | None = None) -> TrainingPart:
        """Decompose the training rows and rotate the test rows."""
        mean, scale = self.moments(train)
        if self.primal:
            return self._decompose_primal(train, test, mean, scale)
        if kernel is None or self.standardize:
            inner, across = self._kernels(train, test, mean, scale)
        else:
            inner, across = self._centred(kernel, train, test)
        values, vectors = eigh(inner)
        rotated = across @ vectors
        return self._part(values, vectors, rotated, vectors)

    def kernel(self) -> Tensor | None:
        """Return X X' of the rows about their mean, (n, n) float64; None where no fold could use it."""
        import torch

        if self.primal or self.standardize:
            return None
        rows = torch.arange(len(self.X), device=self.X.device)
        mean, scale = self.moments(rows)
        return self._kernels(rows, rows[:0], mean, scale)[0]

    def weights(self, part: TrainingPart) -> Tensor:
        """Return (n_features, k), in the units of X, for a part of all rows; see the module."""
        import torch

        rows = torch.arange(len(self.X), device=self.X.device)
        mean, scale = self.moments(rows)
        if self.primal:
            return (part.vectors * scale[:, None]).to(self.X.dtype)
        weights = self.X.new_empty((self.X.shape[1], part.vectors.shape[1]))
        for columns in self._column_chunks(len(rows)):
            chunk = self._rows(rows, mean, scale, columns) * scale[columns]
            weights[columns] = (chunk.T @ part.vectors).to(weights.dtype)
        return weights

    def _decompose_primal(self, train: Tensor, test: Tensor, mean: Tensor, scale: Tensor) -> TrainingPart:
        n_features = self.X.shape[1]
        gram = mean.new_zeros((n_features, n_features))
        for rows in self._row_chunks(train):
            gram += inner_product(self._rows(rows, mean, scale))
        values, vectors = eigh(gram)
        return self._part(
            values,
            self._rotate(train, mean, scale, vectors),
            self._rotate(test, mean, scale, vectors),
            vectors,
        )

    def _rotate(self, rows: Tensor, mean: Tensor, scale: Tensor, vectors: Tensor) -> Tensor:
        rotated = vectors.new_empty((len(rows), vectors.shape[1]))
        start = 0
        for chunk in self._row_chunks(rows):
            rotated[start : start + len(chunk)] = self._rows(chunk, mean, scale) @ vectors
            start += len(chunk)
        return rotated

    def _part(self, values: Tensor, train: Tensor, test: Tensor, vectors: Tensor) -> TrainingPart:
        dtype = self.X.dtype
        gram = inner_product(test).to(dtype) if test.shape[0] > test.shape[1] else None
        return TrainingPart(values, train.to(dtype), test.to(dtype), gram, vectors)

    def _kernels(self, train: Tensor, test: Tensor, mean: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        inner = mean.new_zeros((len(train), len(train)))
        across = mean.new_zeros((len(test), len(train)))
        for columns in self._column_chunks(len(train) + len(test)):
            seen = self._rows(train, mean, scale, columns)
            inner += inner_product(seen.T)
            across += self._rows(test, mean, scale, columns) @ seen.T
        return inner, across

    def _centred(self, kernel: Tensor, train: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
        inner = kernel[train][:, train]
        across = kernel[test][:, train]
        if not self.fit_intercept:
            return inner, across
        column_means = inner.mean(0)
        across = across - across.mean(1, keepdim=True) - column_means + column_means.mean()
        inner = inner - column_means - column_means[:, None] + column_means.mean()
        return inner, across

    def _rows(self, rows: Tensor, mean: Tensor, scale: Tensor, columns: slice = slice(None)) -> Tensor:
        chunk = self.X[:, columns][rows].double()
        return chunk.sub_(mean[columns]).mul_(scale[columns])

    def _row_chunks(self, rows: Tensor) -> Iterator[Tensor]:
        step = max(1, CHUNK_ELEMENTS // self.X.shape[1])
        for start in range(0, len(rows), step):
            yield rows[start : start + step]

    def _column_chunks(self, n_rows: int) -> Iterator[slice]:
        step = max(1, CHUNK_ELEMENTS // max(1, n_rows))
        for start in range(0, self.X.shape[1], step):
            yield slice(start, min(start + step, self.X.shape[1]))


def column_mean(values: Tensor) -> Tensor:
    """Return the column means, exact for a constant column (the mean of its rounded sum is not)."""
    first = values[0]
    mean: Tensor = first + (values - first).mean(0)
    return mean


def inner_product(values: Tensor) -> Tensor:
    """Return values' values, symmetric."""
    import torch

    if values.device.type == "cpu":
        # NumPy sees that both sides are the same array and does half the work; torch does not.
        array = values.numpy()
        return torch.from_numpy(np.matmul(array.T, array))
    return values.T @ values


def eigh(gram: Tensor) -> tuple[Tensor, Tensor]:
    """Return eigenvalues and eigenvectors of a positive semi-definite matrix, without its null space."""
    import torch

    values: torch.Tensor
    vectors: torch.Tensor
    if gram.device.type == "cpu":
        # Divide and conquer: several times faster here than SciPy's default driver.
        found = scipy.linalg.eigh(gram.numpy(), driver="evd", check_finite=False)
        values, vectors = torch.from_numpy(found[0]), torch.from_numpy(np.ascontiguousarray(found[1]))
    else:
        values, vectors = torch.linalg.eigh(gram)
    # Below this the eigenvalue is rounding error and its direction arbitrary; its true weight is 0.
    floor = values[-1].clamp_min(0) * len(gram) * torch.finfo(values.dtype).eps
    kept = values > floor
    return values[kept], vectors[:, kept]
