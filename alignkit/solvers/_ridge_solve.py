"""Ridge regression of targets that share their rows: primal or dual, folds or leave-one-out."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._dual import DualFit, dual_fit, dual_scores, kernels_of_features
from ._few_alphas import few_alphas_cv, suits
from ._gemm import product
from ._leave_one_out import leave_one_out
from ._primal import whole
from ._primal_folds import PrimalFolds
from ._ridge_input import Folds
from ._targets import Scoring, blocks_of, load
from ._training_part import Design, well_conditioned

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

Coefficients = tuple[NDArray[Any], NDArray[Any]]
Solution = tuple[NDArray[Any], NDArray[Any], NDArray[np.float64], NDArray[np.float64]]
Chosen = tuple[NDArray[np.float64], NDArray[np.float64]]

# More targets at a time would leave the cache and gain nothing.
WIDEST = 512


def solve_cv(
    design: Design,
    targets: NDArray[Any],
    grid: NDArray[np.float64],
    folds: Folds | None,
    scoring: Scoring,
    elements: int,
) -> Solution:
    """Return coefficients, intercepts, best alphas and their scores."""
    import torch

    alphas = torch.from_numpy(grid).to(design.X.device)
    if folds is None:
        return _leave_one_out(design, targets, alphas, scoring, elements)
    on = design.X.device
    rows = [(torch.from_numpy(train).to(on), torch.from_numpy(test).to(on)) for train, test in folds]
    if suits(design, len(grid), targets.shape[1]):
        found = _few_alphas_cv(design, targets, alphas, rows, scoring)
        if found is not None:
            return found
    if design.primal:
        return _primal_cv(design, targets, alphas, rows, scoring, elements)
    kernels = kernels_of_features(design)
    step = min(WIDEST, elements // len(targets))
    single = design.X.dtype == torch.float32
    scores = dual_scores(design, kernels, targets, alphas, rows, scoring=scoring, step=step, single=single)
    best, score = choose(scores, grid)
    fit = dual_fit(design, kernels, alpha=float(best.min()) if single else None, last=True)
    coef, intercept = _dual_coefficients(fit, targets, best, elements)
    return coef, intercept, best, score


def solve_fit(
    design: Design, targets: NDArray[Any], alphas: NDArray[np.float64], elements: int
) -> Coefficients:
    """Return coefficients and intercepts at each target's alpha."""
    import torch

    if not design.primal:
        smallest = float(alphas.min()) if design.X.dtype == torch.float32 else None
        fit = dual_fit(design, kernels_of_features(design), alpha=smallest, last=True)
        return _dual_coefficients(fit, targets, alphas, elements)
    everything = torch.arange(len(targets), device=design.X.device)
    rows = whole(design, [everything], float(alphas.min()))
    coef, intercept = _room(design, targets)
    for block in blocks_of(targets.shape[1], elements // len(targets)):
        total = rows.total([rows.sums(rows.parts[0], targets, block)])
        at = torch.from_numpy(alphas[block].copy()).to(design.X.device)
        coef[:, block], intercept[block] = _arrays(rows.coefficients(total, at))
    return coef, intercept


def choose(scores: Tensor, grid: NDArray[np.float64]) -> Chosen:
    """Return the best alpha of each target and its score; of equals the largest, the simplest model."""
    found = scores.cpu().numpy()
    descending = np.argsort(-grid, kind="stable")
    best = descending[np.argmax(found[descending], axis=0)]
    return grid[best], found[best, np.arange(found.shape[1])]


def _few_alphas_cv(
    design: Design,
    targets: NDArray[Any],
    alphas: Tensor,
    folds: list[tuple[Tensor, Tensor]],
    scoring: Scoring,
) -> Solution | None:
    found = few_alphas_cv(design, targets, alphas, folds, scoring)
    if found is None:
        return None
    scores, sums = found
    best, score = choose(scores, alphas.cpu().numpy())
    fitted = sums.refit(best)
    return None if fitted is None else (*fitted, best, score)


def _primal_cv(
    design: Design,
    targets: NDArray[Any],
    alphas: Tensor,
    folds: list[tuple[Tensor, Tensor]],
    scoring: Scoring,
    elements: int,
) -> Solution:
    import torch

    grid = alphas.cpu().numpy()
    prepared = PrimalFolds(design, folds, alphas, targets.shape[1])
    coef, intercept = _room(design, targets)
    best, score = np.empty((2, targets.shape[1]))
    for block in blocks_of(targets.shape[1], prepared.step(elements, WIDEST)):
        scores, total = prepared.scores(targets, block, scoring)
        best[block], score[block] = choose(scores, grid)
        at = torch.from_numpy(best[block].copy()).to(design.X.device)
        coef[:, block], intercept[block] = _arrays(prepared.whole.coefficients(total, at))
    return coef, intercept, best, score


def _leave_one_out(
    design: Design, targets: NDArray[Any], alphas: Tensor, scoring: Scoring, elements: int
) -> Solution:
    import torch

    everything = torch.arange(len(targets), device=design.X.device)
    if design.primal:
        rows = whole(design, [everything], float(alphas.min()))
        values = rows.eigenvalues
        left = (rows.parts[0].turned.T / values.sqrt().to(design.X.dtype)).contiguous()
    else:
        fit = dual_fit(design, kernels_of_features(design), last=True)
        values, left = fit.eigenvalues, fit.vectors.to(design.X.dtype)
    prepared = leave_one_out(values, left, alphas, design)
    found = alphas.new_empty((len(alphas), targets.shape[1]))
    for block in blocks_of(targets.shape[1], min(WIDEST, elements // len(targets))):
        loaded, moments = load(targets, everything, block, design)
        found[:, block] = prepared.scores(loaded, moments, scoring)
    best, score = choose(found, alphas.cpu().numpy())
    del prepared, left
    if design.primal:
        return *solve_fit(design, targets, best, elements), best, score
    return *_dual_coefficients(fit, targets, best, elements), best, score


def _dual_coefficients(
    fit: DualFit, targets: NDArray[Any], alphas: NDArray[np.float64], elements: int
) -> Coefficients:
    import torch

    design = fit.design
    moments = design.moments(fit.rows)
    centre, scale = design.centre(moments), design.scale(moments)
    turned = not well_conditioned(fit.eigenvalues, float(alphas.min()), design.X.dtype)
    if turned:
        logger.info("ridge: collinear samples, so that coefficients go through float64")
    to_features = fit.to_features(centre, scale, turned=turned)
    # The decomposition is float64; from here on only the working precision is needed.
    fit = replace(fit, vectors=fit.vectors.to(design.X.dtype))
    coef, intercept = _room(design, targets)
    for block in blocks_of(targets.shape[1], min(WIDEST, elements // len(targets))):
        seen, seen_moments = load(targets, fit.rows, block, design)
        found = fit.rotated(seen, torch.from_numpy(alphas[block].copy()).to(design.X.device))
        found = product(to_features, found if turned else fit.dual(found))
        coef[:, block] = found.cpu().numpy()
        intercept[block] = (design.centre(seen_moments) - centre @ found.double()).cpu().numpy()
    return coef, intercept


def _room(design: Design, targets: NDArray[Any]) -> Coefficients:
    import torch

    dtype = np.float32 if design.X.dtype == torch.float32 else np.float64
    return np.empty((design.X.shape[1], targets.shape[1]), dtype), np.empty(targets.shape[1], dtype)


def _arrays(tensors: tuple[Tensor, Tensor]) -> Coefficients:
    return tensors[0].cpu().numpy(), tensors[1].cpu().numpy()
