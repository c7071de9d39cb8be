"""The choice of shares and penalty of every target: the best candidate, and the descent from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._band_search import load_fold, pass_width, score_candidates
from ._bands import BandedDesign
from ._hypergradient import HyperFold, descend, hyper_fold, scores_at

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

# A space that the random search left out begins the descent with this share: at 0 it has no gradient.
LEAST_SHARE = 0.01
# Log weights may fall this far below those of the largest alpha.
ROOM_BELOW = 10.0
# Elements of one block of targets in the descent, which keeps several arrays of them per fold.
BLOCK_ELEMENTS = 2**21

Found = tuple[Floats, Floats, Floats]


def best_candidates(
    design: BandedDesign,
    targets: NDArray[Any],
    candidates: Floats,
    alphas: Floats,
    folds: list[tuple[Rows, Rows]],
    kernels: list[Tensor] | None,
    allowed: list[Rows],
) -> list[Found]:
    """Return the best shares, alphas and scores of every target within each list of candidates."""
    # Of equals the largest alpha: where nothing can be told apart, the simplest model.
    grid = np.sort(alphas)[::-1]
    n_targets = targets.shape[1]
    found = [
        (np.empty((candidates.shape[1], n_targets)), np.empty(n_targets), np.empty(n_targets))
        for _ in allowed
    ]
    width = pass_width(len(candidates), len(grid), design.n_samples)
    for begin in range(0, n_targets, width):
        block = slice(begin, min(begin + width, n_targets))
        table = score_candidates(design, targets[:, block], candidates, grid, folds, kernels)
        for rows, (shares, penalties, scores) in zip(allowed, found, strict=True):
            flat = table[rows].reshape(-1, table.shape[2])
            best = np.argmax(flat, axis=0)
            chosen = candidates[rows[best // len(grid)]]
            total = chosen.sum(axis=1)
            shares[:, block] = (chosen / total[:, None]).T
            penalties[block] = grid[best % len(grid)] / total
            scores[block] = flat[best, np.arange(flat.shape[1])]
    return found


def descent(
    design: BandedDesign,
    targets: NDArray[Any],
    best: Found,
    start: Floats | None,
    alphas: Floats,
    folds: list[tuple[Rows, Rows]],
    kernels: list[Tensor] | None,
    n_steps: int,
) -> Found:
    """Return the best of what was found, of `start`, and of the descent from the better of them."""
    import torch

    device = design.spaces[0].device
    parts = [
        design.part(torch.from_numpy(train).to(device), torch.from_numpy(test).to(device), kernels)
        for train, test in folds
    ]
    low, high = -float(np.log(alphas.max())) - ROOM_BELOW, -float(np.log(alphas.min()))
    shares, penalties, scores = (array.copy() for array in best)
    width = max(1, BLOCK_ELEMENTS // design.n_samples)
    for begin in range(0, targets.shape[1], width):
        block = slice(begin, min(begin + width, targets.shape[1]))
        loaded = [
            load_fold(design, part, targets[:, block], train, test)
            for part, (train, test) in zip(parts, folds, strict=True)
        ]
        # What decides is float64; the descent itself keeps to the precision of the input.
        judge = [hyper_fold(part, fold, torch.float64) for part, fold in zip(parts, loaded, strict=True)]
        state = (shares[:, block], penalties[block], scores[block])
        if start is not None:
            _keep_better(state, start[:, block], judge)
        if n_steps:
            size = np.maximum(state[0], LEAST_SHARE)
            place = torch.from_numpy(np.log(size / size.sum(axis=0) / state[1])).to(device)
            dtype = design.spaces[0].dtype
            walked = [hyper_fold(part, fold, dtype) for part, fold in zip(parts, loaded, strict=True)]
            deltas, _ = descend(walked, place, low, high, n_steps)
            _keep_better(state, deltas.cpu().numpy(), judge)
    return shares, penalties, scores


def _keep_better(state: Found, deltas: Floats, folds: list[HyperFold]) -> None:
    """Put those deltas into the state, in place, for the targets whose score they raise."""
    import torch

    shares, penalties, scores = state
    score = scores_at(folds, torch.from_numpy(deltas).to(folds[0].inner[0].device)).cpu().numpy()
    better = score > scores
    size = np.exp(deltas[:, better])
    shares[:, better] = size / size.sum(axis=0)
    penalties[better] = 1.0 / size.sum(axis=0)
    scores[better] = score[better]
