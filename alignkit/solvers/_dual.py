"""Ridge regression through inner products of samples: more features than samples, or a kernel.

With K the centred (and weighted) kernel of the training rows and K = U S U' its eigendecomposition, the test
rows are predicted by K_test U diag(1 / (s + alpha)) U'y. K is float64 whatever the input, and so is U unless
K is well conditioned: an ill-conditioned kernel keeps its weak directions. The products with the targets,
which take the time, stay in the working precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._core.progress import track
from ._fold_part import FoldPart, part_of_rows
from ._gemm import product
from ._kernel_eigh import kernel_eigh
from ._targets import Scoring, blocks_of, load, scored
from ._training_part import Design

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

# From training and test rows to the kernels within and across, not centred, not weighted, float64.
Kernels = Callable[["Tensor", "Tensor"], tuple["Tensor", "Tensor"]]
Folds = Sequence[tuple["Tensor", "Tensor"]]


class SharedKernel:
    """One kernel for all rows, of which each fold cuts its own.

    Parameters
    ----------
    kernel : Tensor of shape (n_samples, n_samples)
        float64.
    """

    def __init__(self, kernel: Tensor) -> None:
        self._kernel: Tensor | None = kernel

    def __call__(self, train: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
        """Return copies of the kernels within and across."""
        assert self._kernel is not None
        return self._kernel[train[:, None], train], self._kernel[test[:, None], train]

    def take(self) -> Tensor:
        """Hand the kernel over, to be overwritten; nothing can be cut from it afterwards."""
        assert self._kernel is not None
        taken, self._kernel = self._kernel, None
        return taken


def kernels_of_features(design: Design) -> Kernels:
    """Return what gives a fold's kernels of the features: cut from one, or one per z-scoring."""
    import torch

    everything = torch.arange(len(design.X), device=design.X.device)
    if not design.standardize:
        moments = design.moments(everything)
        # About their mean, so that no digits are lost; each fold centres again by its training part.
        whole, _ = design.kernels(everything, everything[:0], design.centre(moments), design.scale(moments))
        return SharedKernel(whole)

    def scaled(train: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
        moments = design.moments(train)
        return design.kernels(train, test, design.centre(moments), design.scale(moments))

    return scaled


def dual_scores(
    design: Design,
    kernels: Kernels,
    targets: NDArray[Any],
    alphas: Tensor,
    folds: Folds,
    *,
    scoring: Scoring,
    step: int,
    eps: float | None = None,
    single: bool = False,
) -> Tensor:
    """Return the mean scores over folds, (n_alphas, n_targets) float64.

    Parameters
    ----------
    design : Design
        Says precision, device, weights and intercept.
    kernels : callable
        Gives the kernels of a fold.
    targets : ndarray of shape (n_samples, n_targets)
        Without missing values.
    alphas : Tensor of shape (n_alphas,)
        float64.
    folds : sequence of (train, test)
        Row numbers.
    scoring : {"r2", "neg-mse"}
        See :func:`alignkit.solvers.ridge_cv`.
    step : int
        Targets at a time.
    eps : float, optional
        Relative rounding of the kernel's entries, by default that of float64.
    single : bool, default=False
        Let well-conditioned kernels be decomposed in float32.
    """
    scores = alphas.new_zeros((len(alphas), targets.shape[1]))
    for train, test in track(folds, "ridge: folds"):
        part = _decomposed(design, kernels, alphas, train, test, targets.shape[1], eps, single)
        for block in blocks_of(targets.shape[1], step):
            seen, seen_moments = load(targets, train, block, design)
            held_out, moments = load(targets, test, block, design)
            shift = design.centre(moments) - design.centre(seen_moments)
            root = design.weights_of(test)
            by_row = shift if root is None else shift * root.sqrt()[:, None]
            held_out += by_row.to(held_out.dtype)
            about = moments.mean - design.centre(seen_moments)
            power = moments.spread + moments.weight * about.square()
            scores[:, block] += scored(part.errors(seen, held_out, power), moments, scoring)
    return scores / len(folds)


def _decomposed(
    design: Design,
    kernels: Kernels,
    alphas: Tensor,
    train: Tensor,
    test: Tensor,
    n_targets: int,
    eps: float | None,
    single: bool,
) -> FoldPart:
    inner, across = centred(*kernels(train, test), design, train, test)
    smallest = float(alphas.min()) if single else None
    values, vectors, _ = kernel_eigh(inner, null=_null(design, train), alpha=smallest, eps=eps)
    del inner
    if vectors.dtype == across.dtype:
        turned = (across @ vectors).div_(values + alphas.min())
    else:
        turned = product(across.to(vectors.dtype), vectors).div_((values + alphas.min()).to(vectors.dtype))
    turned = turned.to(design.X.dtype)
    project = vectors.T.to(design.X.dtype).contiguous()
    # The path takes as much again.
    del across, vectors
    return part_of_rows(values, alphas, project, turned, n_targets)


def centred(
    inner: Tensor, across: Tensor, design: Design, train: Tensor, test: Tensor
) -> tuple[Tensor, Tensor]:
    """Centre kernels by the training rows (with an intercept) and weight them, in place."""
    weights = design.weights_of(train)
    if design.fit_intercept:
        mean = row_mean(inner, weights)
        both = row_mean(mean, weights)
        across.sub_(row_mean(across.T, weights)[:, None]).sub_(mean - both)
        inner.sub_(mean - both).sub_(mean[:, None])
    if weights is not None:
        root = weights.sqrt()
        inner.mul_(root).mul_(root[:, None])
        across.mul_(root)
    tested = design.weights_of(test)
    if tested is not None:
        across.mul_(tested.sqrt()[:, None])
    return inner, across


@dataclass(frozen=True)
class DualFit:
    """All rows, decomposed; k components."""

    design: Design
    eigenvalues: Tensor  # (k,) float64
    vectors: Tensor  # (n_samples, k) float64, or the working precision
    rows: Tensor  # (n_samples,)
    lowest: float  # the smallest eigenvalue, before those that are rounding were dropped
    mean: Tensor  # (n_samples,) of the kernel over the rows, float64; zeros without an intercept

    def rotated(self, seen: Tensor, alphas: Tensor) -> Tensor:
        """Return diag(1 / (s + alpha)) U'y of centred and weighted targets, (k, n_targets)."""
        rotated = product(self.vectors.T, seen)
        return rotated.mul_((1.0 / (self.eigenvalues[:, None] + alphas)).to(seen.dtype))

    def dual(self, rotated: Tensor) -> Tensor:
        """Return what the kernel of new and old rows is multiplied by, (n_samples, n_targets)."""
        dual = product(self.vectors, rotated)
        weights = self.design.weights
        return dual if weights is None else dual.mul_(weights.sqrt().to(dual.dtype)[:, None])

    def to_features(self, centre: Tensor, scale: Tensor, *, turned: bool) -> Tensor:
        """Return what makes coefficients in the units of X, in the working precision.

        Parameters
        ----------
        centre, scale : Tensor of shape (n_features,)
            Of the features.
        turned : bool
            Of `rotated`, (n_features, k): a float64 product over all features, which keeps the digits of weak
            directions. Otherwise of `dual`, (n_features, n_samples): the features themselves.
        """
        design = self.design
        root = design.weights
        vectors = self.vectors if root is None else self.vectors * root.sqrt()[:, None]
        found = design.X.new_empty((design.X.shape[1], vectors.shape[int(turned)]))
        for columns, chunk in design.transposed(centre, scale):
            part = chunk @ vectors if turned else chunk
            found[columns] = (part * scale[columns, None]).to(found.dtype)
        return found


def dual_fit(
    design: Design,
    kernels: Kernels,
    *,
    eps: float | None = None,
    alpha: float | None = None,
    last: bool = False,
) -> DualFit:
    """Decompose the kernel of all rows.

    Parameters
    ----------
    design : Design
        Says precision, device, weights and intercept.
    kernels : callable
        Gives the kernel.
    eps : float, optional
        Relative rounding of its entries, by default that of float64.
    alpha : float, optional
        The smallest penalty, where float32 is allowed for a well-conditioned kernel.
    last : bool, default=False
        Whether this is the kernel's last use, so that its memory may be used.
    """
    import torch

    rows = torch.arange(len(design.X), device=design.X.device)
    if last and isinstance(kernels, SharedKernel):
        inner = kernels.take()
        across = inner[:0]
    else:
        inner, across = kernels(rows, rows[:0])
    mean = row_mean(inner, design.weights) if design.fit_intercept else torch.zeros_like(inner[0])
    centred(inner, across, design, rows, rows[:0])
    values, vectors, lowest = kernel_eigh(inner, null=_null(design, rows), alpha=alpha, eps=eps)
    return DualFit(design, values, vectors, rows, lowest, mean)


def _null(design: Design, rows: Tensor) -> Tensor | None:
    """Return the direction that centring takes from the weighted rows."""
    import torch

    if not design.fit_intercept:
        return None
    weights = design.weights_of(rows)
    return rows.new_ones(len(rows), dtype=torch.float64) if weights is None else weights.sqrt()


def row_mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """Return the weighted mean of the rows."""
    return values.mean(0) if weights is None else weights @ values / weights.sum()
