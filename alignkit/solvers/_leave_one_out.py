"""Leave-one-out cross-validation of ridge regression in closed form, from one decomposition.

With U the left singular vectors of the (centred, weighted) rows, s the squared singular values and H the map
from targets to predictions, the prediction of a row by all others errs by

    (y_i - yhat_i) / (1 - H_ii)        (Allen 1974; Golub, Heath & Wahba 1979)

with residual  y - U U'y + alpha U diag(1 / (s + alpha)) U'y  and
1 - H_ii = 1 - w_i - sum_k U_ik^2 + alpha sum_k U_ik^2 / (s_k + alpha), w_i the row's share of the weights
(0 without an intercept). Written so, nothing cancels where the fit is close.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._gemm import product
from ._targets import Scoring, scored
from ._training_part import Design, Moments

if TYPE_CHECKING:
    from torch import Tensor

# What is left of a row that the features span altogether is rounding, and must not be divided by.
SPANNED = 1e-9


@dataclass(frozen=True)
class LeaveOneOut:
    """All rows, decomposed; k components."""

    eigenvalues: Tensor  # (k,) float64
    left: Tensor  # (n_samples, k) in the working precision
    outside: Tensor  # (n_samples,) float64, the square of each row's part outside the span of U
    apart: Tensor  # (n_alphas, n_samples), 1 - H_ii
    alphas: Tensor  # (n_alphas,)

    def scores(self, targets: Tensor, moments: Moments, scoring: Scoring) -> Tensor:
        """Return the scores of centred and weighted targets, (n_alphas, n_targets)."""
        import torch

        rotated = product(self.left.T.contiguous(), targets)
        beyond = (targets - product(self.left, rotated)).mul_((self.outside > 0).to(targets.dtype)[:, None])
        errors = self.alphas.new_empty((len(self.alphas), targets.shape[1]))
        for row, alpha in enumerate(self.alphas):
            kept = (alpha / (self.eigenvalues + alpha)).to(targets.dtype)
            residual = product(self.left, rotated * kept[:, None]).add_(beyond)
            residual.div_(self.apart[row].to(targets.dtype)[:, None])
            errors[row] = residual.square_().sum(0, dtype=torch.float64)
        return scored(errors, moments, scoring)


def leave_one_out(eigenvalues: Tensor, left: Tensor, alphas: Tensor, design: Design) -> LeaveOneOut:
    """Return what the leave-one-out errors follow from.

    Parameters
    ----------
    eigenvalues : Tensor of shape (k,)
        float64.
    left : Tensor of shape (n_samples, k)
        Left singular vectors of the weighted rows.
    alphas : Tensor of shape (n_alphas,)
        float64.
    design : Design
        Says intercept and weights.
    """
    import torch

    n_samples = len(left)
    share = alphas.new_zeros(n_samples)
    if design.fit_intercept:
        weights = alphas.new_ones(n_samples) if design.weights is None else design.weights
        share = weights / weights.sum()
    spanned = alphas.new_empty(n_samples)
    apart = alphas.new_empty((len(alphas), n_samples))
    shrink = alphas[:, None] / (eigenvalues + alphas[:, None])
    for start in range(0, n_samples, 1024):
        rows = slice(start, start + 1024)
        squares = left[rows].double().square()
        spanned[rows] = squares.sum(1)
        apart[:, rows] = shrink @ squares.T
    outside = 1.0 - share - spanned
    rounding = SPANNED if left.dtype == torch.float64 else 1e-5
    outside = torch.where(outside > rounding, outside, 0.0)
    return LeaveOneOut(eigenvalues, left, outside, apart + outside, alphas)
