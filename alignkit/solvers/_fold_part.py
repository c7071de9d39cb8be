"""One fold of a ridge regression, decomposed: the squared test errors of any targets at every alpha."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._alpha_path import AlphaPath, alpha_path
from ._gemm import product

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class FoldPart:
    """A fold; k components of its training part.

    Attributes
    ----------
    eigenvalues : Tensor of shape (k,)
        Of the training part, ascending, float64.
    alphas : Tensor of shape (n_alphas,)
        float64.
    project : Tensor of shape (k, m)
        Turns training targets (or their sums with the features) to the left singular vectors, U'y.
    test : Tensor of shape (n_test, k), optional
        Turns U'y to the predictions of the test rows at the smallest alpha.
    test_project : Tensor of shape (k, m), optional
        Turns sums of test features and targets to test' y, where there is no `test`.
    path : AlphaPath, optional
        Where a short test part makes it dearer than one product per alpha, there is none.
    """

    eigenvalues: Tensor
    alphas: Tensor
    project: Tensor
    test: Tensor | None
    test_project: Tensor | None
    path: AlphaPath | None

    def errors(self, seen: Tensor, held_out: Tensor, power: Tensor) -> Tensor:
        """Return summed squared errors, (n_alphas, n_targets) float64.

        Parameters
        ----------
        seen : Tensor of shape (m, n_targets)
            What `project` takes.
        held_out : Tensor of shape (n_test, n_targets) or (k, n_targets)
            Test targets about the training mean where there is `test`; test' y otherwise.
        power : Tensor of shape (n_targets,)
            Sums of squares of the test targets about the training mean, float64.
        """
        weights = product(self.project, seen)
        if self.path is not None:
            cross = held_out if self.test is None else product(self.test.T, held_out)
            return self.path.errors(weights, cross).add_(power)
        return self._residuals(weights, held_out)

    def _residuals(self, weights: Tensor, held_out: Tensor) -> Tensor:
        import torch

        assert self.test is not None
        errors = power_like(self.alphas, held_out)
        for row, alpha in enumerate(self.alphas):
            shrink = (self.eigenvalues + self.alphas.min()) / (self.eigenvalues + alpha)
            residual = held_out - product(self.test * shrink.to(self.test.dtype), weights)
            errors[row] = residual.square_().sum(0, dtype=torch.float64)
        return errors


def power_like(alphas: Tensor, held_out: Tensor) -> Tensor:
    """Return room for errors."""
    return alphas.new_empty((len(alphas), held_out.shape[1]))


def part_of_rows(
    eigenvalues: Tensor, alphas: Tensor, project: Tensor, test: Tensor, n_targets: int
) -> FoldPart:
    """Return the part of a fold whose test rows are kept; the cheaper way to its errors is chosen."""
    n_test, k = test.shape
    one_by_one = len(alphas) * n_test * n_targets
    at_once = k * n_test + (1.5 * k + n_test) * n_targets
    path = None
    if one_by_one > at_once:
        path = alpha_path(
            eigenvalues, alphas, lambda rows: product(test[:, rows].T.contiguous(), test), test.dtype
        )
    return FoldPart(eigenvalues, alphas, project, test, None, path)


def part_of_gram(
    eigenvalues: Tensor, alphas: Tensor, project: Tensor, test_project: Tensor, gram: Tensor
) -> FoldPart:
    """Return the part of a fold of which only test' test is kept, (k, k) float64."""
    path = alpha_path(eigenvalues, alphas, lambda rows: gram[rows], test_project.dtype)
    return FoldPart(eigenvalues, alphas, project, None, test_project, path)
