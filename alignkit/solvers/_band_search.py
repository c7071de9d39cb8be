"""Scores of banded ridge regressions over candidate weights and alphas, and the fit at the chosen ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._core.progress import track
from ._bands import BandedDesign, BandedPart, eigh, weighted_sum
from ._gemm import product
from ._training_part import column_mean

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

# Elements of the score table and the targets of one pass (256 MiB), so that memory does not grow with them.
PASS_ELEMENTS = 2**25
# Elements of one block of targets in the refit, float64: 64 MiB.
BLOCK_ELEMENTS = 2**23
# An eigendecomposition costs what this many Cholesky factors do.
FEW_ALPHAS = 6
# Kernels (with the smallest alpha on the diagonal) conditioned worse than this are decomposed in float64: the
# error of R2 that float32 makes grows with the condition number, and is near 1e-6 here.
CONDITION = 100.0


@dataclass(frozen=True)
class HeldOutTargets:
    """The targets of a fold, centred by its training part and rotated as the part asks."""

    seen: Tensor  # (r, n_targets), working precision
    held_out: Tensor  # (s, n_targets), working precision
    rest: Tensor  # (n_targets,) float64: squared error that no coefficients can change
    total: Tensor  # (n_targets,) float64: sum of squares about the test mean, 1 for a constant
    constant: Tensor  # (n_targets,) bool: constant in the test part

    def scores(self, errors: Tensor) -> Tensor:
        """Return R2 from the squared errors of the rotated rows, 0 for a constant target."""
        import torch

        return torch.where(self.constant, 0.0, 1.0 - (errors + self.rest) / self.total)


def load_fold(
    design: BandedDesign, part: BandedPart, targets: NDArray[Any], train: Rows, test: Rows
) -> HeldOutTargets:
    """Return those targets of a fold that its part can use."""
    import torch

    dtype = design.spaces[0].dtype
    seen, mean = load_centred(design, targets[train])
    raw = to_device(design, targets[test])
    # Told by equality: the sum of squares of a constant is not always an exact 0.
    constant = (raw == raw[0]).all(0)
    total = torch.where(constant, 1.0, (raw - column_mean(raw)).square().sum(0))
    held_out = (raw - mean).to(dtype)
    rest = torch.zeros_like(total)
    if part.test_basis is not None:
        power = held_out.double().square().sum(0)
        held_out = product(part.test_basis.T.contiguous(), held_out)
        rest = (power - held_out.double().square().sum(0)).clamp_min_(0)
    if part.train_basis is not None:
        seen = product(part.train_basis.T.contiguous(), seen)
    return HeldOutTargets(seen, held_out, rest, total, constant)


def load_centred(design: BandedDesign, values: NDArray[Any]) -> tuple[Tensor, Tensor]:
    """Return centred targets in the working precision, and their float64 mean."""
    loaded = to_device(design, values)
    mean = column_mean(loaded) if design.fit_intercept else loaded.new_zeros(loaded.shape[1])
    return (loaded - mean).to(design.spaces[0].dtype), mean


def to_device(design: BandedDesign, values: NDArray[Any]) -> Tensor:
    """Return float64 on the design's device."""
    import torch

    # torch takes no read-only memory, no foreign byte order and no negative strides.
    ready = np.require(values, dtype=np.float64, requirements=["C", "W"])
    return torch.from_numpy(ready).to(design.spaces[0].device)


def score_candidates(
    design: BandedDesign,
    targets: NDArray[Any],
    candidates: Floats,
    alphas: Floats,
    folds: Sequence[tuple[Rows, Rows]],
    kernels: list[Tensor] | None,
) -> Floats:
    """Return the mean R2 over folds, (n_candidates, n_alphas, n_targets)."""
    import torch

    device = design.spaces[0].device
    table = np.zeros((len(candidates), len(alphas), targets.shape[1]))
    # A candidate whose kernel has proved too ill-conditioned for float32 is not tried in it again.
    precise = [design.spaces[0].dtype == torch.float64] * len(candidates)
    for train, test in track(folds, "banded ridge: folds"):
        part = design.part(torch.from_numpy(train).to(device), torch.from_numpy(test).to(device), kernels)
        loaded = load_fold(design, part, targets, train, test)
        for number, weights in enumerate(candidates.tolist()):
            inner = weighted_sum(part.inner, weights)
            found = None if precise[number] else _eigh_in_float32(inner, float(alphas.min()))
            precise[number] = found is None
            values, vectors = eigh(inner) if found is None else found
            test_rows = weighted_sum(part.across, weights) @ vectors  # (s, k)
            table[number] += _score(values, vectors, test_rows, loaded, alphas).cpu().numpy()
    table /= len(folds)
    return table


def pass_width(n_candidates: int, n_alphas: int, n_samples: int) -> int:
    """Return how many targets one call of `score_candidates` may take."""
    return max(1, PASS_ELEMENTS // (n_candidates * n_alphas + n_samples))


def refit(
    design: BandedDesign,
    targets: NDArray[Any],
    weights: Floats,
    alphas: Floats,
    kernels: list[Tensor] | None,
) -> tuple[list[NDArray[Any]], NDArray[Any]]:
    """Return coefficients per space and intercepts at each target's weights (n_spaces, n_targets) and alpha.

    Targets that share their weights share a kernel. All of it is float64: the dual coefficients of
    directions without features cancel only in the product with the features.
    """
    import torch

    device = design.spaces[0].device
    rows = torch.arange(design.n_samples, device=device)
    part = design.part(rows, rows[:0], kernels)
    dtype = np.float32 if design.spaces[0].dtype == torch.float32 else np.float64
    coefs = [np.empty((space.shape[1], targets.shape[1]), dtype) for space in design.spaces]
    intercept = np.empty(targets.shape[1], dtype)
    for block, dual in _duals(design, part, targets, weights, alphas):
        mean = _means(design, targets[:, block])
        for j in range(len(coefs)):
            share = torch.from_numpy(weights[j, block]).to(device)
            found = design.coefficients(part, rows, share * dual, j)
            coefs[j][:, block] = found.cpu().numpy()
            mean = mean - part.moments[j][0] @ found
        intercept[block] = mean.cpu().numpy()
    return coefs, intercept


def _duals(
    design: BandedDesign, part: BandedPart, targets: NDArray[Any], weights: Floats, alphas: Floats
) -> Iterator[tuple[Rows, Tensor]]:
    """Yield blocks of target numbers with their dual coefficients, (r, n_block) float64."""
    import torch

    _, member = np.unique(weights, axis=1, return_inverse=True)
    # Targets of the same weights in a row, and in it those of the same alpha: each is solved once a block.
    order = np.lexsort((alphas, member.ravel()))
    step = max(1, BLOCK_ELEMENTS // max(design.n_samples, design.n_features))
    for start in range(0, len(order), step):
        block = order[start : start + step]
        seen = to_device(design, targets[:, block]) - _means(design, targets[:, block])
        if part.train_basis is not None:
            seen = part.train_basis.T.double() @ seen
        dual = torch.empty_like(seen)
        for group in _runs(member.ravel()[block]):
            kernel = weighted_sum(part.inner, weights[:, block[group][0]].tolist())
            dual[:, group] = _solve(kernel, seen[:, group], alphas[block[group]])
        yield block, dual


def _solve(kernel: Tensor, seen: Tensor, alphas: Floats) -> Tensor:
    """Solve ``(kernel + alpha I) a = y``; the alphas ascend.

    Few penalties are cheaper by one Cholesky factor each than by one eigendecomposition for all.
    """
    import torch

    found = torch.empty_like(seen)
    runs = _runs(alphas)
    if len(runs) <= FEW_ALPHAS:
        eye = torch.eye(len(kernel), dtype=kernel.dtype, device=kernel.device)
        for run in runs:
            factor, failed = torch.linalg.cholesky_ex(kernel + float(alphas[run][0]) * eye)
            if failed:
                break
            found[:, run] = torch.cholesky_solve(seen[:, run], factor)
        else:
            return found
    values, vectors = eigh(kernel)
    shrink = 1.0 / (values[:, None] + torch.from_numpy(alphas).to(kernel.device))
    return vectors @ (shrink * (vectors.T @ seen))


def _runs(labels: NDArray[Any]) -> list[slice]:
    """Return the stretches of equal values."""
    edges = np.flatnonzero(labels[1:] != labels[:-1]) + 1
    bounds = [0, *edges.tolist(), len(labels)]
    return [slice(a, b) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]


def _means(design: BandedDesign, values: NDArray[Any]) -> Tensor:
    loaded = to_device(design, values)
    return column_mean(loaded) if design.fit_intercept else loaded.new_zeros(loaded.shape[1])


def _eigh_in_float32(kernel: Tensor, alpha: float) -> tuple[Tensor, Tensor] | None:
    """Return eigenvalues and eigenvectors found in half the time; None where they would be too inexact."""
    import torch

    values, vectors = torch.linalg.eigh(kernel.float())
    values = values.double().clamp_min_(0)
    if not len(values) or values[-1] + alpha > CONDITION * (values[0] + alpha):
        return None
    return values, vectors.double()


def _score(values: Tensor, vectors: Tensor, test: Tensor, loaded: HeldOutTargets, alphas: Floats) -> Tensor:
    """Return R2 of one candidate, (n_alphas, n_targets) float64."""
    import torch

    dtype = loaded.seen.dtype
    back = vectors.T.to(dtype).contiguous()
    n_targets, n_test = loaded.seen.shape[1], len(test)
    # With many targets it is cheaper to go back to the rows at every alpha than to rotate all targets.
    rotate = n_targets <= len(alphas) * n_test
    projected = product(back, loaded.seen) if rotate else loaded.seen
    # Kept by columns, which is how the products below want it.
    by_column = projected.T.contiguous()
    errors = torch.empty((len(alphas), n_targets), dtype=torch.float64, device=test.device)
    for row, alpha in enumerate(alphas):
        hat = (test / (values + alpha)).to(dtype)
        predicted = product(hat if rotate else product(hat, back), by_column.T)
        errors[row] = predicted.sub_(loaded.held_out).square_().sum(0)
    return loaded.scores(errors)
