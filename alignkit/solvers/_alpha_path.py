"""Squared test errors of a ridge regression at every alpha for the price of about one.

In the eigenbasis of a training part (eigenvalues s) the weights at alpha are w(alpha) = e(alpha) w0, with w0
those at the smallest alpha, sigma = s + alpha_min and e_i = sigma_i / (s_i + alpha). With T the test rows in
that basis and M = T'T, the squared error of a target y is

    ||y||^2 - 2 sum_i e_i w0_i (T'y)_i + sum_ij e_i e_j w0_i w0_j M_ij.

The last sum would take a product with M for each alpha. But e_i e_j is a difference over a gap,

    e_i e_j = (sigma_j e_i - sigma_i e_j) / (sigma_j - sigma_i),

so that, M being symmetric, all pairs of unequal eigenvalues need one product, u = C w0 with
C_ij = M_ij sigma_j / (sigma_j - sigma_i), and then 2 sum_i e_i w0_i u_i at each alpha. Where the gap g is
small that cancels; there

    e_i e_j = sigma_i sigma_j [(d_i^2 + d_j^2) / 2 - g^2 (d_i^4 + d_j^4) / 4 + ...],  d_i = 1 / (s_i + alpha),

with a next term below (g / sigma)^4, which is as linear in the alphas. The pairs that need it lie near the
diagonal. Nothing is approximated beyond the rounding of the working precision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._gemm import product

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# Rows of M at a time.
STRIP = 64
# Terms of one float32 sum; sums of sums are float64.
TERMS = 64


@dataclass(frozen=True)
class _Strip:
    """Pairs of near eigenvalues: rows, the columns they reach, and both orders below each other."""

    rows: slice
    columns: slice
    near: Tensor  # (2 * n_rows, n_columns)


@dataclass(frozen=True)
class AlphaPath:
    """What the errors of all alphas follow from, for one test part; k components."""

    far: Tensor  # (k, k), C in the module's words
    strips: list[_Strip]
    basis: Tensor  # (n_chunks, n_alphas, TERMS): e, e^2 and -e^4 / 2 of all components

    def errors(self, weights: Tensor, cross: Tensor) -> Tensor:
        """Return squared errors less ||y||^2, (n_alphas, n_targets) float64.

        Parameters
        ----------
        weights : Tensor of shape (k, n_targets)
            w0.
        cross : Tensor of shape (k, n_targets)
            T'y.
        """
        import torch

        k, n_targets = weights.shape
        n_chunks, n_alphas, terms = self.basis.shape
        sums = weights.new_zeros((n_chunks * terms, n_targets))
        change = product(self.far, weights).sub_(cross)
        torch.mul(change, weights, out=sums[:k]).mul_(2)
        for strip in self.strips:
            near = product(strip.near, weights[strip.columns])
            own, n_rows = weights[strip.rows], strip.rows.stop - strip.rows.start
            for order in (1, 2):
                start = order * k + strip.rows.start
                torch.mul(near[(order - 1) * n_rows : order * n_rows], own, out=sums[start : start + n_rows])
        parts = torch.bmm(self.basis, sums.view(n_chunks, terms, n_targets))
        return parts.sum(0, dtype=torch.float64)


def alpha_path(
    eigenvalues: Tensor, alphas: Tensor, gram_rows: Callable[[slice], Tensor], dtype: torch.dtype
) -> AlphaPath:
    """Return the path of one fold.

    Parameters
    ----------
    eigenvalues : Tensor of shape (k,)
        Of the training part, ascending, float64.
    alphas : Tensor of shape (n_alphas,)
        In any order, float64.
    gram_rows : callable
        From a slice of rows to those of M, (n_rows, k).
    dtype : torch.dtype
        The working precision.
    """
    sigma = eigenvalues + alphas.min()
    far = sigma.new_empty((len(sigma), len(sigma)), dtype=dtype)
    strips = []
    for start in range(0, len(sigma), STRIP):
        rows = slice(start, min(start + STRIP, len(sigma)))
        strips.append(_split(gram_rows(rows).double(), sigma, rows, far))
    return AlphaPath(far, strips, _basis(sigma, eigenvalues, alphas, dtype))


def _split(block: Tensor, sigma: Tensor, rows: slice, far: Tensor) -> _Strip:
    """Write the far pairs of some rows of M and return the near ones."""
    import torch

    # There the term left out, gap^4, is the rounding, and cancellation costs a few digits of few pairs.
    nearness = float(torch.finfo(far.dtype).eps ** 0.25)
    reach = 1 - 1.01 * nearness
    columns = slice(
        int(torch.searchsorted(sigma, sigma[rows.start] * reach)),
        int(torch.searchsorted(sigma, sigma[rows.stop - 1] / reach, right=True)),
    )
    own = sigma[rows, None]
    gap = sigma[columns] - own
    is_near = gap.abs() <= nearness * torch.maximum(sigma[columns], own)
    inside = torch.where(is_near, block[:, columns] * (sigma[columns] / own), 0.0)
    near = torch.cat([inside, inside * (gap / own).square()])
    outside = sigma - own
    outside[:, columns].masked_fill_(is_near, torch.inf)
    far[rows] = torch.div(block * sigma, outside, out=outside).to(far.dtype)
    return _Strip(rows, columns, near.to(far.dtype))


def _basis(sigma: Tensor, eigenvalues: Tensor, alphas: Tensor, dtype: torch.dtype) -> Tensor:
    import torch

    e = sigma / (eigenvalues + alphas[:, None])
    basis = torch.cat([e, e.square(), -0.5 * e.square().square()], dim=1)
    n_chunks = -(-basis.shape[1] // TERMS)
    padded = basis.new_zeros((len(alphas), n_chunks * TERMS))
    padded[:, : basis.shape[1]] = basis
    return padded.view(len(alphas), n_chunks, TERMS).transpose(0, 1).to(dtype).contiguous()
