"""Time courses that voxels without a response share, and how many of them help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from ..._core.progress import track
from ._estimators import Estimator, linear_map
from ._repeats import Repeats
from ._runs import Floats, Indices, RunModel, voxel_blocks

# A number of components is enough when its gain is this share of the best number's.
_ENOUGH = 1 / 1.05
# Components also catch what noise has in common by its spectrum alone: a smaller share of the error than
# this is not worth their degrees of freedom.
_WORTH = 0.02


@dataclass(frozen=True)
class ComponentChoice:
    """How many components help, and the median error with 0, 1, ... of them, (most + 1,)."""

    n_components: int
    errors: Floats


def noise_components(model: RunModel, pool: Indices, most: int) -> Floats:
    """Return the strongest time courses of the pool, (n_rows, at most `most`), orthonormal.

    Nuisance regressors are projected out and every voxel is scaled to length 1 first.
    """
    inner = np.zeros((model.n_rows, model.n_rows))
    for block in voxel_blocks([model], pool):
        series = model.residual(block)
        length = np.linalg.norm(series, axis=0)
        series /= np.where(length > 0, length, 1.0)
        inner += series @ series.T
    most = min(most, model.n_rows - model.basis.shape[1] - 1, len(pool))
    if most < 1:
        return np.empty((model.n_rows, 0))
    last = model.n_rows - 1
    values, vectors = scipy.linalg.eigh(inner, subset_by_index=(last - most + 1, last))
    return np.asarray(vectors[:, ::-1][:, values[::-1] > 1e-12 * values[-1]], dtype=np.float64)


def choose_components(
    models: Sequence[RunModel],
    components: Sequence[Floats],
    repeats: Repeats,
    voxels: Indices,
    shapes: NDArray[np.intp],
    estimator: Estimator,
) -> ComponentChoice:
    """Return the least number of components that is nearly as good as the best.

    Good is a small median, over the voxels, of the squared difference between responses with that many
    components and those without any to the same stimuli in other runs.
    """
    most = min(part.shape[1] for part in components)
    errors = np.empty((most + 1, len(voxels)))
    n_trials = len(repeats.stimuli)
    for shape in track(np.unique(shapes).tolist(), "single trials: noise components"):
        maps = [
            [
                linear_map(model.with_components(part[:, :count]), shape, estimator)
                for count in range(most + 1)
            ]
            for model, part in zip(models, components, strict=True)
        ]
        group = np.flatnonzero(shapes == shape)
        for places in voxel_blocks(models, group):
            series = [model.series(voxels[places]) for model in models]
            betas = np.zeros((n_trials, len(places)))
            for count in range(most + 1):
                for model, values, of_run in zip(models, series, maps, strict=True):
                    betas[model.trials] = of_run[count] @ values
                if count == 0:
                    difference = repeats.difference(betas)
                errors[count, places] = difference.of(betas)
    curve = np.asarray(np.median(errors, axis=1), dtype=np.float64)
    gain = curve[0] - curve
    is_worth = gain.max() >= _WORTH * curve[0]
    return ComponentChoice(int(np.argmax(gain >= _ENOUGH * gain.max())) if is_worth else 0, curve)
