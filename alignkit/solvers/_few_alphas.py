"""Cross-validated ridge regression at one or two alphas of a few targets: a Cholesky factor for each.

An eigendecomposition serves any number of alphas, and costs as much as ten or twenty Cholesky factors. Where
there is one alpha and hardly a target, as in decoding one variable at every time of an epoch, factors win.
Everything is float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._targets import Scoring, scored
from ._training_part import Design, column_moments

if TYPE_CHECKING:
    from torch import Tensor

Folds = list[tuple["Tensor", "Tensor"]]

FEW = 2
# Elements of the float64 copy of the features: 64 MiB.
SMALL = 2**23


def suits(design: Design, n_alphas: int, n_targets: int) -> bool:
    """Return whether factors are the cheaper way."""
    n_samples, n_features = design.X.shape
    fits = n_samples * n_features <= SMALL
    return design.primal and n_alphas <= FEW and n_targets <= n_features // 4 and fits


def few_alphas_cv(
    design: Design, targets: NDArray[Any], alphas: Tensor, folds: Folds, scoring: Scoring
) -> tuple[Tensor, _Sums] | None:
    """Return the mean scores over folds, (n_alphas, n_targets), and the sums over all rows to refit from.

    None where a matrix is too close to singular for a factor.
    """
    import torch

    start = _Sums.start(design, targets)
    parts = [start.part(test) for _, test in folds]
    tested = torch.cat([test for _, test in folds]).bincount(minlength=len(targets))
    # Where each row is tested once, the sums of all rows cost nothing beyond those of the test parts.
    parted = bool((tested == 1).all())
    whole = start.joined(parts) if parted else start.part(torch.arange(len(targets), device=design.X.device))
    scores = alphas.new_zeros((len(alphas), targets.shape[1]))
    for (train, test), held_out in zip(folds, parts, strict=True):
        times = torch.cat([train, test]).bincount(minlength=len(targets))
        part = whole.less(held_out) if bool((times == 1).all()) else whole.part(train)
        moments = column_moments(whole.Y[test], design.weights_of(test))
        for row, alpha in enumerate(alphas.tolist()):
            found = part.coefficients(train, alpha)
            if found is None:
                return None
            coef, intercept = found
            residual = whole.Y[test] - whole.X[test] @ coef - intercept
            errors = (held_out.weights[:, None] * residual.square()).sum(0)
            scores[row] += scored(errors[None], moments, scoring)[0]
    return scores / len(folds), whole


@dataclass(frozen=True)
class _Sums:
    """Weighted sums over some rows, features and targets about their means over all rows."""

    design: Design
    X: Tensor  # (n_samples, n_features) float64, about the mean
    Y: Tensor  # (n_samples, n_targets) float64, about the mean
    centre: tuple[Tensor, Tensor]  # what was subtracted
    weights: Tensor  # (n_rows,), or their total alone
    gram: Tensor
    cross: Tensor
    sum_x: Tensor
    sum_y: Tensor

    @classmethod
    def start(cls, design: Design, targets: NDArray[Any]) -> _Sums:
        """Return features and targets about their means, with sums over no rows."""
        import torch

        rows = torch.arange(len(targets), device=design.X.device)
        weights = design.weights_of(rows)
        X = design.X.double()
        Y = torch.from_numpy(np.ascontiguousarray(targets, np.float64)).to(X.device)
        centre = X.new_zeros(X.shape[1]), Y.new_zeros(Y.shape[1])
        if design.fit_intercept:
            centre = column_moments(X, weights).mean, column_moments(Y, weights).mean
            X, Y = X - centre[0], Y - centre[1]
        none = X[:0]
        return cls(design, X, Y, centre, none, none, none, none, none)

    def part(self, rows: Tensor) -> _Sums:
        """Return the sums over some rows."""
        given = self.design.weights_of(rows)
        weights = self.X.new_ones(len(rows)) if given is None else given
        X, Y = self.X[rows], self.Y[rows]
        weighted = X if given is None else X * weights[:, None]
        return _Sums(
            self.design, self.X, self.Y, self.centre, weights,
            weighted.T @ X, weighted.T @ Y, weights @ X, weights @ Y,
        )  # fmt: skip

    def joined(self, parts: list[_Sums]) -> _Sums:
        """Return the sums over the rows of all parts."""

        def add(name: str) -> Tensor:
            total: Tensor = sum(getattr(part, name) for part in parts[1:]) + getattr(parts[0], name)
            return total

        weights = sum(part.weights.sum() for part in parts[1:]) + parts[0].weights.sum()
        return _Sums(
            self.design, self.X, self.Y, self.centre, weights[None],
            add("gram"), add("cross"), add("sum_x"), add("sum_y"),
        )  # fmt: skip

    def less(self, other: _Sums) -> _Sums:
        """Return the sums without those of some rows; `weights` keeps their total only."""
        total = (self.weights.sum() - other.weights.sum())[None]
        return _Sums(
            self.design, self.X, self.Y, self.centre, total,
            self.gram - other.gram, self.cross - other.cross,
            self.sum_x - other.sum_x, self.sum_y - other.sum_y,
        )  # fmt: skip

    def coefficients(self, rows: Tensor, alpha: float) -> tuple[Tensor, Tensor] | None:
        """Return weights in the units of X and intercepts for centred X and Y, or None without a factor."""
        import torch

        total = self.weights.sum()
        shift, mean = torch.zeros_like(self.sum_x), torch.zeros_like(self.sum_y)
        if self.design.fit_intercept:
            shift, mean = self.sum_x / total, self.sum_y / total
        gram = torch.addr(self.gram, shift, shift, alpha=-float(total))
        cross = torch.addr(self.cross, shift, mean, alpha=-float(total))
        if self.design.standardize:
            # From the rows, not from the sums: a feature that is constant in them must come out so.
            scale = self.design.scale(self.design.moments(rows))
            gram.mul_(scale).mul_(scale[:, None])
            cross.mul_(scale[:, None])
        gram.diagonal().add_(alpha)
        factor, failed = torch.linalg.cholesky_ex(gram)
        if int(failed) or float(factor.diagonal().min() / factor.diagonal().max()) < 1e-6:
            return None
        coef = torch.cholesky_solve(cross, factor)
        if self.design.standardize:
            coef.mul_(scale[:, None])
        return coef, mean - shift @ coef

    def refit(self, alphas: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """Return coefficients and intercepts in the units of X, each target at its alpha."""
        import torch

        rows = torch.arange(len(self.X), device=self.X.device)
        coef, intercept = self.cross.new_empty(self.cross.shape), self.sum_y.new_empty(self.sum_y.shape)
        for alpha in np.unique(alphas):
            columns = torch.from_numpy(np.flatnonzero(alphas == alpha)).to(self.X.device)
            found = self.coefficients(rows, float(alpha))
            if found is None:
                return None
            weights, constant = (values[..., columns] for values in found)
            coef[:, columns] = weights
            intercept[columns] = constant + self.centre[1][columns] - self.centre[0] @ weights
        dtype = np.float32 if self.design.X.dtype == torch.float32 else np.float64
        return coef.cpu().numpy().astype(dtype), intercept.cpu().numpy().astype(dtype)
