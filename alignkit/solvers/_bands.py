"""Several feature spaces, and a part of their rows as one kernel per space.

With Z_j the centred (and possibly z-scored) training rows of space j, a banded ridge regression at weights
g_j and penalty alpha predicts ``sum_j g_j across_j a`` with ``a = (sum_j g_j inner_j + alpha I)^-1 y``.

- Dual (features >= rows): ``inner_j = Z_j Z_j'`` and ``across_j = Ztest_j Z_j'``.
- Primal (features < rows): the rows are first rotated into the span of the features. With
  ``[Z_1 Z_2 ...] = Q R`` and ``Q'Q = I``, the problem in R_j and Q'y has the same coefficients and no more
  rows than features. Test rows longer than the features are rotated in the same way; what that rotation
  leaves out of y no coefficients can change.

Everything here is float64: what it costs does not grow with the targets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._training_part import ROUNDING, column_mean

if TYPE_CHECKING:
    from torch import Tensor

# Elements of a float64 working copy: 64 MiB, so that memory does not grow with the data.
CHUNK_ELEMENTS = 2**23


@dataclass(frozen=True)
class BandedPart:
    """A training part, and the test rows that go with it; see the module for the formulas."""

    inner: list[Tensor]  # one (r, r) float64 per space
    across: list[Tensor]  # one (s, r) float64 per space
    train_basis: Tensor | None  # (n_train, r), working precision; None where r = n_train
    test_basis: Tensor | None  # (n_test, s), working precision; None where s = n_test
    roots: list[Tensor] | None  # one R_j, (r, n_features_j), in the primal
    moments: list[tuple[Tensor, Tensor]]  # mean and scale of each space's features


@dataclass(frozen=True)
class BandedDesign:
    """The feature spaces, and how a part of their rows is centred and scaled."""

    spaces: tuple[Tensor, ...]  # each (n_samples, n_features_j), one precision
    fit_intercept: bool
    standardize: bool

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return len(self.spaces[0])

    @property
    def n_features(self) -> int:
        """Number of columns of all spaces together."""
        return sum(space.shape[1] for space in self.spaces)

    def kernels(self) -> list[Tensor] | None:
        """Return X_j X_j' of the rows about their mean; None where no fold could use it."""
        import torch

        if self.standardize or self.n_features < self.n_samples:
            return None
        rows = torch.arange(self.n_samples, device=self.spaces[0].device)
        moments = [self._moments(space, rows) for space in self.spaces]
        return [self._kernel(j, rows, rows[:0], moments[j])[0] for j in range(len(self.spaces))]

    def part(self, train: Tensor, test: Tensor, kernels: list[Tensor] | None = None) -> BandedPart:
        """Return the kernels of the training rows and towards the test rows."""
        moments = [self._moments(space, train) for space in self.spaces]
        if self.n_features < len(train):
            return self._primal_part(train, test, moments)
        if kernels is not None:
            pairs = [self._centred(kernel, train, test) for kernel in kernels]
        else:
            pairs = [self._kernel(j, train, test, moments[j]) for j in range(len(self.spaces))]
        inner, across = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        return BandedPart(inner, across, None, None, None, moments)

    def coefficients(self, part: BandedPart, rows: Tensor, dual: Tensor, space: int) -> Tensor:
        """Return (n_features_j, n_targets) in the units of X_j; `dual` is g_j a, of a part of those rows."""
        mean, scale = part.moments[space]
        if part.roots is not None:
            return (part.roots[space].T @ dual) * scale[:, None]
        found = dual.new_empty((self.spaces[space].shape[1], dual.shape[1]))
        for columns in _chunks(len(found), len(rows)):
            chunk = self._rows(space, rows, (mean, scale), columns)
            found[columns] = (chunk.T @ dual) * scale[columns, None]
        return found

    def _primal_part(self, train: Tensor, test: Tensor, moments: list[tuple[Tensor, Tensor]]) -> BandedPart:
        import torch

        root, basis = self._rotation(train, moments)
        if len(test) > self.n_features:
            held_out, test_basis = self._rotation(test, moments)
        else:
            held_out, test_basis = self._joined(test, moments), None
        widths = [space.shape[1] for space in self.spaces]
        roots, rows = list(torch.split(root, widths, dim=1)), torch.split(held_out, widths, dim=1)
        inner = [piece @ piece.T for piece in roots]
        across = [seen @ piece.T for seen, piece in zip(rows, roots, strict=True)]
        return BandedPart(inner, across, basis, test_basis, roots, moments)

    def _rotation(self, rows: Tensor, moments: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Return R and Q of those rows."""
        gram = moments[0][0].new_zeros((self.n_features, self.n_features))
        for some in _chunks(len(rows), self.n_features):
            chunk = self._joined(rows[some], moments)
            gram += chunk.T @ chunk
        values, vectors = eigh(gram)
        lengths = values.sqrt()
        basis = self.spaces[0].new_empty((len(rows), len(values)))
        for some in _chunks(len(rows), self.n_features):
            basis[some] = (self._joined(rows[some], moments) @ (vectors / lengths)).to(basis.dtype)
        return lengths[:, None] * vectors.T, basis

    def _joined(self, rows: Tensor, moments: list[tuple[Tensor, Tensor]]) -> Tensor:
        import torch

        return torch.cat([self._rows(j, rows, moment) for j, moment in enumerate(moments)], dim=1)

    def _kernel(
        self, space: int, train: Tensor, test: Tensor, moments: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        inner = moments[0].new_zeros((len(train), len(train)))
        across = moments[0].new_zeros((len(test), len(train)))
        for columns in _chunks(self.spaces[space].shape[1], len(train) + len(test)):
            seen = self._rows(space, train, moments, columns)
            inner += seen @ seen.T
            across += self._rows(space, test, moments, columns) @ seen.T
        return inner, across

    def _centred(self, kernel: Tensor, train: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
        seen = kernel[:, train]
        inner, across = seen[train], seen[test]
        if not self.fit_intercept:
            return inner, across
        column_means = inner.mean(0)
        across -= across.mean(1, keepdim=True) + column_means - column_means.mean()
        inner -= column_means + column_means[:, None] - column_means.mean()
        return inner, across

    def _moments(self, space: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and scale (0 for a constant feature) of the rows, both (n_features_j,) float64."""
        import torch

        means, scales = [], []
        for columns in _chunks(space.shape[1], len(rows)):
            chunk = space[:, columns][rows].double()
            mean = column_mean(chunk)
            means.append(mean if self.fit_intercept else torch.zeros_like(mean))
            if self.standardize:
                sd = (chunk - mean).square().mean(0).sqrt()
                # What varies by no more than its own rounding is a constant: z-scoring it makes noise.
                constant = sd <= ROUNDING * torch.finfo(space.dtype).eps * mean.abs()
                scales.append(torch.where(constant, 0.0, 1.0 / sd.clamp_min(torch.finfo(sd.dtype).tiny)))
            else:
                scales.append(torch.ones_like(mean))
        return torch.cat(means), torch.cat(scales)

    def _rows(
        self, space: int, rows: Tensor, moments: tuple[Tensor, Tensor], columns: slice = slice(None)
    ) -> Tensor:
        mean, scale = moments
        chunk: Tensor = self.spaces[space][:, columns][rows].double()
        return chunk.sub_(mean[columns]).mul_(scale[columns])


def weighted_sum(matrices: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Return ``sum_j weights[j] matrices[j]``."""
    import torch

    total = torch.zeros_like(matrices[0])
    for matrix, weight in zip(matrices, weights, strict=True):
        if weight:
            total.add_(matrix, alpha=weight)
    return total


def eigh(kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Return eigenvalues and eigenvectors of a positive semi-definite matrix, without its null space."""
    import torch

    # SciPy's solver is as fast by itself, but its thread pool and torch's get in each other's way when their
    # calls alternate: on two busy cores single calls took forty times as long.
    values, vectors = torch.linalg.eigh(kernel)
    # Below this the eigenvalue is rounding error and its direction arbitrary; its true weight is 0.
    floor = values[-1:].clamp_min(0) * len(kernel) * torch.finfo(values.dtype).eps
    kept = values > floor
    return values[kept], vectors[:, kept]


def _chunks(length: int, width: int) -> Iterator[slice]:
    step = max(1, CHUNK_ELEMENTS // max(1, width))
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))
