"""Rows of a design, centred, scaled and weighted: their moments, Gram matrices and rotations in float64.

Means, Gram matrices and eigenvectors are float64 whatever the input: squaring the singular values in float32
would lose every direction below 3e-4 of the largest. Chunks keep the float64 copies small.

With sample weights every row is multiplied by the root of its weight once it is centred; sums over rows are
weighted sums then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._gemm import product

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# Elements of a float64 working copy: 8 MiB, so that memory does not grow with the data.
CHUNK_ELEMENTS = 2**20

# Of a mean: what rounding leaves in a constant that was computed. Data round by a third of an eps at most.
ROUNDING = 4

# A product of a matrix with itself is made in strips, of which only the upper triangle is computed.
STRIPS = 6
NARROWEST = 64

# Beyond this condition a float32 product of features loses more than four digits of their weak directions.
WELL_CONDITIONED = 1e4


@dataclass(frozen=True)
class Moments:
    """Weighted moments of the columns of some rows."""

    weight: float  # sum of the weights; the number of rows without any
    mean: Tensor  # (n_columns,) float64
    spread: Tensor  # (n_columns,) float64, sum of squares about the mean


@dataclass(frozen=True)
class Design:
    """The features, and how a part of their rows is centred, scaled and weighted."""

    X: Tensor  # (n_samples, n_features), as given
    fit_intercept: bool
    standardize: bool
    weights: Tensor | None = None  # (n_samples,) float64, positive

    @property
    def primal(self) -> bool:
        """Whether the feature side is the smaller one."""
        return self.X.shape[1] <= self.X.shape[0]

    def weights_of(self, rows: Tensor) -> Tensor | None:
        """Return the weights of the rows, (n_rows,), or None where all are 1."""
        return None if self.weights is None else self.weights[rows]

    def moments(self, rows: Tensor) -> Moments:
        """Return the moments of the features over the rows."""
        import torch

        weights = self.weights_of(rows)
        found = [
            column_moments(self.X[:, columns][rows].double(), weights)
            for columns in self._column_chunks(len(rows))
        ]
        mean, spread = (torch.cat([getattr(part, name) for part in found]) for name in ("mean", "spread"))
        return Moments(found[0].weight, mean, spread)

    def centre(self, moments: Moments) -> Tensor:
        """Return what is subtracted from the rows, (n_features,): their mean, or 0 without an intercept."""
        import torch

        return moments.mean if self.fit_intercept else torch.zeros_like(moments.mean)

    def scale(self, moments: Moments) -> Tensor:
        """Return what z-scoring multiplies by, (n_features,): 0 where constant, 1 without z-scoring."""
        import torch

        if not self.standardize:
            return torch.ones_like(moments.mean)
        sd = (moments.spread / moments.weight).sqrt()
        # What varies by no more than its own rounding is a constant: z-scoring it makes noise.
        constant = sd <= ROUNDING * torch.finfo(self.X.dtype).eps * moments.mean.abs()
        return torch.where(constant, 0.0, 1.0 / sd.clamp_min(torch.finfo(sd.dtype).tiny))

    def gram(self, rows: Tensor, centre: Tensor) -> Tensor:
        """Return the inner products of the features over the rows, (n_features, n_features)."""
        gram = centre.new_zeros((len(centre), len(centre)))
        for chunk in self._row_chunks(rows):
            gram += inner_product(self._weighted(chunk, centre))
        return gram

    def rotated(self, rows: Tensor, centre: Tensor, axes: Tensor) -> Tensor:
        """Return the rows along each axis, (n_axes, n_rows) in the working precision.

        The product is computed in the precision of the axes.

        Parameters
        ----------
        rows : Tensor of shape (n_rows,)
            Row numbers.
        centre : Tensor of shape (n_features,)
            Is subtracted.
        axes : Tensor of shape (n_features, n_axes)
            float64, or the working precision.
        """
        turned = self.X.new_empty((axes.shape[1], len(rows)))
        start = 0
        for chunk in self._row_chunks(rows):
            found = product(self._weighted(chunk, centre).to(axes.dtype), axes)
            turned[:, start : start + len(chunk)] = found.T
            start += len(chunk)
        return turned

    def kernels(self, train: Tensor, test: Tensor, centre: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Return inner products (n_train, n_train) and (n_test, n_train) of unweighted rows."""
        inner = centre.new_zeros((len(train), len(train)))
        across = centre.new_zeros((len(test), len(train)))
        for columns in self._column_chunks(len(train) + len(test)):
            seen = self._scaled(train, centre, scale, columns)
            add_inner_product(inner, seen)
            if len(test):
                across += self._scaled(test, centre, scale, columns) @ seen.T
        mirror(inner)
        return inner, across

    def transposed(self, centre: Tensor, scale: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Yield columns and all rows of them, centred and scaled, (n_columns, n_samples) float64."""
        for columns in self._column_chunks(len(self.X)):
            chunk = (self.X[:, columns] - centre[columns]).mul_(scale[columns])
            yield columns, chunk.T.contiguous()

    def _weighted(self, rows: Tensor, centre: Tensor) -> Tensor:
        chunk = self.X[rows].double().sub_(centre)
        weights = self.weights_of(rows)
        return chunk if weights is None else chunk.mul_(weights.sqrt()[:, None])

    def _scaled(self, rows: Tensor, centre: Tensor, scale: Tensor, columns: slice) -> Tensor:
        return self.X[:, columns][rows].double().sub_(centre[columns]).mul_(scale[columns])

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


def column_moments(values: Tensor, weights: Tensor | None = None) -> Moments:
    """Return the float64 moments of the columns; mean and spread are exact for a constant column."""
    import torch

    first = values[0]
    apart = values - first
    if weights is None:
        total = float(len(values))
        shift = apart.sum(0, dtype=torch.float64) / total
        spread = apart.sub_(shift.to(apart.dtype)).square_().sum(0, dtype=torch.float64)
    else:
        total = float(weights.sum())
        shift = (weights[:, None] * apart).sum(0) / total
        spread = (weights[:, None] * apart.sub_(shift).square_()).sum(0)
    return Moments(total, first.double() + shift, spread)


def pooled(parts: Sequence[Moments]) -> Moments:
    """Return the moments of several sets of rows together; nothing cancels (Chan et al. 1983)."""
    weight = sum(part.weight for part in parts)
    first = parts[0].mean
    # From the first on: the pooled mean of a constant is that constant to the last bit.
    shift = sum((part.weight / weight * (part.mean - first) for part in parts[1:]), 0 * first)
    mean = first + shift
    spread = sum((part.spread + part.weight * (part.mean - mean).square() for part in parts), 0 * first)
    return Moments(weight, mean, spread)


def inner_product(values: Tensor) -> Tensor:
    """Return values' values, symmetric."""
    total = values.new_zeros((values.shape[1], values.shape[1]))
    add_inner_product(total, values.T)
    mirror(total)
    return total


def add_inner_product(total: Tensor, values: Tensor) -> None:
    """Add values values' to a square matrix, to its upper triangle at least; :func:`mirror` does the rest."""
    # NumPy's BLAS would do half the work too, but its threads wait for more while torch's want to start: on
    # two cores a regression takes twice as long with both.
    step = max(NARROWEST, -(-len(values) // STRIPS))
    for start in range(0, len(values), step):
        rows = slice(start, start + step)
        total[rows, start:].addmm_(values[rows], values[start:].T)


def mirror(total: Tensor, step: int = 512) -> None:
    """Copy the upper triangle of a square matrix to its lower one."""
    for start in range(0, len(total), step):
        rows = slice(start, start + step)
        total[rows, :start] = total[:start, rows].T
        block = total[rows, rows].triu()
        total[rows, rows] = block + block.triu(1).T


def well_conditioned(eigenvalues: Tensor, alpha: float, dtype: torch.dtype) -> bool:
    """Whether products in the working precision keep the directions that ridge regression at alpha sees."""
    import torch

    if dtype == torch.float64 or len(eigenvalues) == 0:
        return True
    return float(eigenvalues[-1] / (eigenvalues[0] + alpha)) <= WELL_CONDITIONED


def eigh(gram: Tensor, eps: float | None = None) -> tuple[Tensor, Tensor]:
    """Return eigenvalues and eigenvectors of a positive semi-definite matrix, without its null space.

    Parameters
    ----------
    gram : Tensor of shape (n, n)
        Symmetric.
    eps : float, optional
        Relative rounding of its entries, by default that of its type; n times this is taken for zero.
    """
    import torch

    values, vectors = torch.linalg.eigh(gram)
    return without_null_space(values, vectors, eps)


def without_null_space(values: Tensor, vectors: Tensor, eps: float | None = None) -> tuple[Tensor, Tensor]:
    """Drop eigenvalues that are rounding error: their directions are arbitrary, their true weight is 0."""
    import torch

    rounding = torch.finfo(values.dtype).eps if eps is None else eps
    dropped = int((values <= values[-1].clamp_min(0) * len(values) * rounding).sum())
    return values[dropped:], vectors[:, dropped:]
