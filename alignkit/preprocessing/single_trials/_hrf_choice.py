"""The response of each voxel, from a library of shapes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..._core.progress import track
from ._estimators import Estimator, factors, linear_map
from ._repeats import Repeats
from ._runs import Floats, Indices, RunModel, voxel_blocks


def best_fit(models: Sequence[RunModel], voxels: Indices, n_shapes: int) -> NDArray[np.intp]:
    """Return the shape whose single-trial regressors explain most of each voxel's variance."""
    axes = [[factors(model.design(shape)).left for shape in range(n_shapes)] for model in models]
    found = np.empty(len(voxels), dtype=np.intp)
    done = 0
    for block in track(list(voxel_blocks(models, voxels)), "single trials: shapes of the response"):
        explained = np.zeros((n_shapes, len(block)))
        for model, left in zip(models, axes, strict=True):
            series = model.residual(block)
            for shape in range(n_shapes):
                projected = left[shape].T @ series
                explained[shape] += np.einsum("kv,kv->v", projected, projected)
        found[done : done + len(block)] = explained.argmax(axis=0)
        done += len(block)
    return found


def best_prediction(
    models: Sequence[RunModel], repeats: Repeats, voxels: Indices, n_shapes: int, estimator: Estimator
) -> NDArray[np.intp]:
    """Return the shape with which responses to repeats in other runs predict each voxel's runs best.

    Each run is predicted from the mean responses to the same stimuli in the other runs, times one factor
    per voxel, the best. (Without it shapes would be preferred whose regressors overlap little, fast ones:
    their estimates are less noisy, whatever the voxel's own shape is. Noise shrinks the factor instead.)
    Trials without a repeat elsewhere are fitted in the run itself.
    """
    predictors = [
        [_Predictor(model, repeats, shape, estimator) for model in models] for shape in range(n_shapes)
    ]
    n_trials = len(repeats.stimuli)
    found = np.empty(len(voxels), dtype=np.intp)
    done = 0
    for block in track(list(voxel_blocks(models, voxels)), "single trials: shapes of the response"):
        series = [model.residual(block) for model in models]
        explained = np.zeros((n_shapes, len(block)))
        for shape, of_runs in enumerate(predictors):
            betas = np.zeros((n_trials, len(block)))
            for model, predictor, values in zip(models, of_runs, series, strict=True):
                betas[model.trials] = predictor.estimate @ values
            explained[shape] = _explained(of_runs, series, repeats.partner_mean(betas))
        found[done : done + len(block)] = explained.argmax(axis=0)
        done += len(block)
    return found


def _explained(of_runs: Sequence[_Predictor], series: Sequence[Floats], means: Floats) -> Floats:
    """Return the sum of squares that the best multiple of all runs' predictions explains."""
    together, power, own = np.zeros((3, means.shape[1]))
    for predictor, values in zip(of_runs, series, strict=True):
        predicted = predictor.known @ means[predictor.trials]
        together += np.einsum("tv,tv->v", predicted, values)
        power += np.einsum("tv,tv->v", predicted, predicted)
        if predictor.free is not None:
            fitted = predictor.free.T @ values
            own += np.einsum("kv,kv->v", fitted, fitted)
    return np.asarray(own + np.maximum(together, 0.0) ** 2 / np.where(power > 0, power, 1.0))


class _Predictor:
    """One run and one shape: how responses are estimated, and what predicts the run from others."""

    def __init__(self, model: RunModel, repeats: Repeats, shape: int, estimator: Estimator) -> None:
        self.estimate = linear_map(model, shape, estimator)
        design = model.design(shape)
        has_partner = repeats.has_partner[model.trials]
        self.trials = model.trials[has_partner]
        # Of a run without any repeated trial nothing is predicted, so that it has no say.
        alone = ~has_partner if has_partner.any() else np.zeros_like(has_partner)
        self.free = factors(design[:, alone]).left if alone.any() else None
        self.known = design[:, has_partner]
        if self.free is not None:
            self.known = self.known - self.free @ (self.free.T @ self.known)
