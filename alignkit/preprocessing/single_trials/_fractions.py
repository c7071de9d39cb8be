"""How far the responses of each voxel are shortened."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array
from ..._core.errors import InputError
from ..._core.progress import track
from ...solvers.fractional_ridge import fraction_alphas
from ._estimators import Factors, factors
from ._repeats import Repeats
from ._runs import Floats, Indices, RunModel, voxel_blocks

FractionsOption = Literal["auto"] | float | Sequence[float] | None


def check_fractions(fractions: FractionsOption) -> Floats:
    """Return the fractions to choose from, falling; ``[1]`` for none."""
    if fractions is None:
        return np.ones(1)
    if isinstance(fractions, str):
        if fractions != "auto":
            raise InputError(f"`fractions` must be 'auto', numbers in (0, 1] or None, got {fractions!r}.")
        return np.arange(20, 0, -1) / 20
    given: ArrayLike = [float(fractions)] if isinstance(fractions, Real) else fractions
    values = check_array("fractions", given, ndim=1, dtype=np.float64)
    if ((values <= 0) | (values > 1)).any():
        worst = values[(values <= 0) | (values > 1)][0]
        raise InputError(f"`fractions` must be above 0 and at most 1, got {worst:g}.")
    return np.unique(values)[::-1]


def choose_fractions(
    models: Sequence[RunModel],
    repeats: Repeats,
    voxels: Indices,
    shapes: NDArray[np.intp],
    fractions: Floats,
) -> Floats:
    """Return the fraction of each voxel whose responses are nearest to those in other runs."""
    found = np.empty(len(voxels))
    n_trials = len(repeats.stimuli)
    for shape in track(np.unique(shapes).tolist(), "single trials: fractions"):
        parts = [factors(model.design(shape)) for model in models]
        for places in voxel_blocks(models, np.flatnonzero(shapes == shape)):
            projected = [
                part.left.T @ model.series(voxels[places]) for model, part in zip(models, parts, strict=True)
            ]
            alphas = [
                fraction_alphas(part.singular, values, fractions[:, None])
                for part, values in zip(parts, projected, strict=True)
            ]
            betas = np.zeros((n_trials, len(places)))
            errors = np.empty((len(fractions), len(places)))
            difference = None
            for row in range(-1, len(fractions)):
                for model, part, values, alpha in zip(models, parts, projected, alphas, strict=True):
                    penalty = np.zeros(len(places)) if row < 0 else alpha[row]
                    betas[model.trials] = shrunken(part, values, penalty)
                if difference is None:
                    difference = repeats.difference(betas)
                else:
                    errors[row] = difference.of(betas)
            found[places] = fractions[errors.argmin(axis=0)]
    return found


def shrunken(part: Factors, projected: Floats, alphas: Floats) -> Floats:
    """Return responses at given penalties, (n_trials, n_voxels), from what the axes see of the series."""
    # Without unpenalised weights there is nothing to shorten.
    penalty = np.where(np.isnan(alphas), 0.0, alphas)
    singular = part.singular[:, None]
    return np.asarray(part.right.T @ (singular / (singular**2 + penalty) * projected), dtype=np.float64)
