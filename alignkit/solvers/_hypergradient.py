"""Descent on the log weights of banded ridge regressions, one set of weights per target.

With e_j = exp(delta_j) and K = sum_j e_j inner_j, the dual coefficients are a = (K + I)^-1 y, the residual is
res = sum_j e_j across_j a - y_test, and with q = (K + I)^-1 sum_j e_j across_j' res

    d(|res|^2 / 2) / d delta_j = e_j (res' across_j a - q' inner_j a).

Every target has its own K, so that both systems are solved by conjugate gradients, all targets at once, each
begun at its last solution.

References
----------
Dupre la Tour T et al. (2022). Feature-space selection with banded ridge regression. NeuroImage,
doi:10.1016/j.neuroimage.2022.119728.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .._core.progress import track
from ._band_search import HeldOutTargets
from ._bands import BandedPart
from ._gemm import product

if TYPE_CHECKING:
    import torch
    from torch import Tensor

MAX_ITERATIONS = 200
# No step goes further than this in any log weight.
LONGEST_STEP = 2.0
FIRST_STEP = 0.5
# A target whose step is shorter than this (in log weights) or gains less R2 has arrived.
SHORTEST_STEP = 1e-3
LEAST_GAIN = 1e-6


@dataclass
class HyperFold:
    """One fold in the working precision, and the last solutions of its two systems."""

    inner: list[Tensor]
    across: list[Tensor]
    targets: HeldOutTargets
    dual: Tensor | None = None
    adjoint: Tensor | None = None


def hyper_fold(part: BandedPart, targets: HeldOutTargets, dtype: torch.dtype) -> HyperFold:
    """Return a fold whose products are made in that precision."""
    turned = replace(targets, seen=targets.seen.to(dtype), held_out=targets.held_out.to(dtype))
    inner, across = ([kernel.to(dtype) for kernel in kernels] for kernels in (part.inner, part.across))
    return HyperFold(inner, across, turned)


def descend(
    folds: Sequence[HyperFold], start: Tensor, low: float, high: float, n_steps: int
) -> tuple[Tensor, Tensor]:
    """Raise the mean R2 over folds by quasi-Newton steps on the log weights.

    A step that does not raise a target's R2 is taken back and tried at a third of its length.

    Parameters
    ----------
    folds : sequence of HyperFold
        The folds of one block of targets.
    start : Tensor of shape (n_spaces, n_targets)
        Log weights to begin at, float64.
    low, high : float
        Bounds of the log weights.
    n_steps : int
        Evaluations of the gradient after the first.

    Returns
    -------
    deltas : Tensor of shape (n_spaces, n_targets)
        The best log weights found.
    scores : Tensor of shape (n_targets,)
        Their mean R2 over folds; never below that of `start` within the bounds.
    """
    import torch

    place = start.clamp(low, high)
    scores, slope = mean_score(folds, place)
    curvature = _first_curvature(slope)
    shrink = torch.ones_like(scores)
    for _ in track(range(n_steps), "banded ridge: hyper-gradient"):
        step = torch.einsum("tij,jt->it", curvature, slope) * shrink
        step *= (LONGEST_STEP / step.abs().amax(0).clamp_min(1e-30)).clamp_max(1.0)
        trial = (place + step).clamp(low, high)
        step = trial - place
        moving = step.abs().amax(0) > SHORTEST_STEP
        if not moving.any():
            break
        found, new_slope = mean_score(folds, trial)
        better = (found > scores) & moving
        curvature = torch.where(better[:, None, None], _update(curvature, step, slope - new_slope), curvature)
        gain = torch.where(better, found - scores, torch.zeros_like(scores))
        arrived = better & (gain < LEAST_GAIN)
        place, slope = torch.where(better, trial, place), torch.where(better, new_slope, slope)
        scores = torch.where(better, found, scores)
        shrink = torch.where(better, torch.ones_like(shrink), shrink / 3.0)
        shrink = torch.where(arrived, torch.zeros_like(shrink), shrink)
    return place, scores


def mean_score(folds: Sequence[HyperFold], deltas: Tensor) -> tuple[Tensor, Tensor]:
    """Return R2 averaged over folds (n_targets,), and its gradient (n_spaces, n_targets), both float64."""
    import torch

    scores = torch.zeros_like(deltas[0])
    slope = torch.zeros_like(deltas)
    for fold in folds:
        loss, gradient = half_error_and_gradient(fold, deltas)
        targets = fold.targets
        scores += targets.scores(2.0 * loss)
        slope -= torch.where(targets.constant, 0.0, 2.0 * gradient / targets.total)
    return scores / len(folds), slope / len(folds)


def scores_at(folds: Sequence[HyperFold], deltas: Tensor) -> Tensor:
    """Return R2 averaged over folds, (n_targets,) float64, without its gradient."""
    import torch

    scores = torch.zeros_like(deltas[0])
    for fold in folds:
        scale = deltas.exp().to(fold.targets.seen.dtype)
        fold.dual = dual = solve(fold.inner, scale, fold.targets.seen, fold.dual)
        residual = _combined([product(kernel, dual) for kernel in fold.across], scale) - fold.targets.held_out
        scores += fold.targets.scores(residual.double().square().sum(0))
    return scores / len(folds)


def half_error_and_gradient(fold: HyperFold, deltas: Tensor) -> tuple[Tensor, Tensor]:
    """Return half the squared error of the test rows and its gradient by the log weights, float64."""
    import torch

    targets = fold.targets
    dtype = targets.seen.dtype
    scale = deltas.exp().to(dtype)
    fold.dual = dual = solve(fold.inner, scale, targets.seen, fold.dual)
    towards = [product(kernel, dual) for kernel in fold.across]
    residual = _combined(towards, scale) - targets.held_out
    pulled = _combined([kernel.T @ residual for kernel in fold.across], scale)
    fold.adjoint = solve(fold.inner, scale, pulled, fold.adjoint)
    gradient = torch.stack(
        [
            (residual * ahead).sum(0).double() - (fold.adjoint * product(kernel, dual)).sum(0).double()
            for ahead, kernel in zip(towards, fold.inner, strict=True)
        ]
    )
    return residual.double().square().sum(0) / 2.0, deltas.exp() * gradient


def solve(inner: Sequence[Tensor], scale: Tensor, Y: Tensor, start: Tensor | None = None) -> Tensor:
    """Solve ``(sum_j scale_j inner_j + I) a = y`` for every column by conjugate gradients.

    Parameters
    ----------
    inner : sequence of Tensor of shape (r, r)
        One kernel per space.
    scale : Tensor of shape (n_spaces, n_targets)
        Weights of each target.
    Y : Tensor of shape (r, n_targets)
        Right-hand sides; their precision is that of the solution.
    start : Tensor of shape (r, n_targets), optional
        Where to begin.

    Returns
    -------
    a : Tensor of shape (r, n_targets)
        Residual at most 1e-9 of y in float64, 1e-5 in float32, or 200 iterations.
    """
    import torch

    def apply(values: Tensor) -> Tensor:
        return values + _combined([product(kernel, values) for kernel in inner], scale)

    tolerance = 1e-9 if Y.dtype == torch.float64 else 1e-5
    goal = Y.square().sum(0) * tolerance**2
    solution = torch.zeros_like(Y) if start is None else start.clone()
    residual = Y.clone() if start is None else Y - apply(solution)
    direction, size = residual.clone(), residual.square().sum(0)
    for _ in range(MAX_ITERATIONS):
        active = size > goal
        if not active.any():
            break
        image = apply(direction)
        along = (direction * image).sum(0)
        step = torch.where(active & (along > 0), size / torch.where(along > 0, along, 1.0), 0.0)
        solution += step * direction
        residual -= step * image
        new = residual.square().sum(0)
        direction = residual + torch.where(size > 0, new / torch.where(size > 0, size, 1.0), 0.0) * direction
        size = new
    return solution


def _combined(parts: Sequence[Tensor], scale: Tensor) -> Tensor:
    total: Tensor = parts[0] * scale[0]
    for part, weight in zip(parts[1:], scale[1:], strict=True):
        total = total.addcmul_(part, weight.expand_as(part))
    return total


def _first_curvature(slope: Tensor) -> Tensor:
    """Return a multiple of the identity per target that makes the first step FIRST_STEP long."""
    import torch

    size = slope.norm(dim=0).clamp_min(1e-12)
    eye = torch.eye(len(slope), dtype=slope.dtype, device=slope.device)
    curvature: Tensor = eye * (FIRST_STEP / size)[:, None, None]
    return curvature


def _update(inverse: Tensor, step: Tensor, change: Tensor) -> Tensor:
    """Return the BFGS update of each target's inverse Hessian, where the curvature is positive."""
    import torch

    s, y = step.T, change.T  # (n_targets, n_spaces)
    along = (s * y).sum(1)
    valid = along > 1e-10 * s.norm(dim=1) * y.norm(dim=1)
    rho = torch.where(valid, 1.0 / torch.where(valid, along, 1.0), 0.0)
    eye = torch.eye(s.shape[1], dtype=s.dtype, device=s.device)
    left = eye - rho[:, None, None] * s[:, :, None] * y[:, None, :]
    updated = left @ inverse @ left.transpose(1, 2) + rho[:, None, None] * s[:, :, None] * s[:, None, :]
    chosen: Tensor = torch.where(valid[:, None, None], updated, inverse)
    return chosen
