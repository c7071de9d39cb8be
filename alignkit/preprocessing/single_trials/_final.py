"""The responses themselves, once everything is chosen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..._core.progress import track
from ...solvers.fractional_ridge import fraction_alphas
from ._estimators import Estimator, Factors, check_estimable, factors, one_by_one
from ._fractions import shrunken
from ._runs import Floats, Indices, RunModel, voxel_blocks


def rescaling(
    models: Sequence[RunModel],
    voxels: Indices,
    shapes: NDArray[np.intp],
    fractions: Floats,
    used: NDArray[np.bool_],
) -> tuple[Floats, Floats]:
    """Return the gain and the offset of each voxel that bring shrunken responses back to their scale.

    They are found in `models`, from the trials in `used`.
    """
    gain, offset = np.ones(len(voxels)), np.zeros(len(voxels))
    for shape in track(np.unique(shapes[fractions < 1]).tolist(), "single trials: scale of responses"):
        parts = [factors(model.design(shape)) for model in models]
        for places in voxel_blocks(models, np.flatnonzero((shapes == shape) & (fractions < 1))):
            plain, short = np.zeros((2, len(used), len(places)))
            for model, part in zip(models, parts, strict=True):
                projected = part.left.T @ model.series(voxels[places])
                plain[model.trials] = shrunken(part, projected, np.zeros(len(places)))
                short[model.trials] = _shorter(part, projected, fractions[places])
            gain[places], offset[places] = line(short[used], plain[used])
    return gain, offset


def final_betas(
    models: Sequence[RunModel],
    voxels: Indices,
    shapes: NDArray[np.intp],
    fractions: Floats,
    *,
    estimator: Estimator,
    gain: Floats,
    offset: Floats,
    betas: NDArray[np.float32],
) -> Floats:
    """Fill `betas` (n_trials, all voxels), times `gain` plus `offset`; return the R2 of each of `voxels`."""
    explained, total = np.zeros(len(voxels)), np.zeros(len(voxels))
    for shape in track(np.unique(shapes).tolist(), "single trials: responses"):
        for model in models:
            check_estimable(model, shape, estimator)
            design = model.design(shape)
            part = factors(design)
            separate = one_by_one(design) if estimator == "lss" else None
            for places in voxel_blocks([model], np.flatnonzero(shapes == shape)):
                series = model.series(voxels[places])
                series -= series.mean(axis=0)
                projected = part.left.T @ series
                total[places] += model.power(series)
                explained[places] += np.einsum("kv,kv->v", projected, projected)
                if separate is not None:
                    found = separate @ series
                else:
                    found = _shorter(part, projected, fractions[places])
                found = found * gain[places] + offset[places]
                betas[model.trials[:, None], voxels[places]] = found
    return explained / np.where(total > 0, total, 1.0)


def line(short: Floats, plain: Floats) -> tuple[Floats, Floats]:
    """Return gain and offset, one each per voxel, that take `short` to `plain` by least squares.

    Where the gain would not be positive they are 1 and 0.
    """
    mean, goal = short.mean(axis=0), plain.mean(axis=0)
    centred = short - mean
    power = np.einsum("kv,kv->v", centred, centred)
    together = np.einsum("kv,kv->v", centred, plain - goal)
    sensible = (power > 0) & (together > 0)
    gain = np.where(sensible, together / np.where(power > 0, power, 1.0), 1.0)
    return gain, np.where(sensible, goal - gain * mean, 0.0)


def _shorter(part: Factors, projected: Floats, fractions: Floats) -> Floats:
    if (fractions == 1).all():
        return shrunken(part, projected, np.zeros(len(fractions)))
    return shrunken(part, projected, fraction_alphas(part.singular, projected, fractions[None])[0])
