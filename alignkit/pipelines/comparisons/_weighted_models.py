"""The models of a weighted RSA: what their weights belong to, and where these were chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ..._core.progress import track
from ..._core.random import derive_seed
from ._region import Column, layers_of
from ._rsa_data import BrainDistance, model_matrices
from ._systems import some_units
from ._weighted_fits import Components, Fixed, Units, Weighted, choose_units
from ._weighted_scores import HeldOut

Floats = NDArray[np.float64]
Method = Literal["non-negative", "regression", "feature-reweighted"]
Score = Literal["pearson", "spearman", "rho-a", "cosine"]
FitTo = Literal["others", "own"]
DEFAULT_UNITS = 300


@dataclass(frozen=True)
class Settings:
    """What the numbers depend on besides the data, see :func:`weighted_rsa`."""

    method: Method
    distance: BrainDistance
    score: Score
    n_folds: int
    fit_to: FitTo
    n_units: int

    @property
    def of_units(self) -> bool:
        """Whether units of one layer are weighted, not layers."""
        return self.method == "feature-reweighted"

    @property
    def metric(self) -> str:
        """Return the name of the score; what is not as usual is named in it."""
        unusual = [f"{self.n_folds} folds"] if self.n_folds != 5 else []
        unusual += ["own weights"] if self.fit_to == "own" else []
        unusual += [f"{self.n_units} units"] if self.n_units != DEFAULT_UNITS else []
        return f"weighted-rsa-{self.score} ({', '.join([self.method, self.distance, *unusual])})"


def fitted_models(
    held_out: HeldOut, columns: list[Column], settings: Settings, seed: int
) -> tuple[list[Weighted], list[Weighted]]:
    """Return a weighted model of each candidate, and one of each layer."""
    if settings.of_units:
        return _of_units(held_out, columns, settings, seed)
    matrices = model_matrices(columns, held_out.brain.items, settings.distance)
    for column, matrix in zip(columns, matrices, strict=True):
        if not np.ptp(matrix) > 0:
            raise InputError(
                f"all dissimilarities of {column.name!r} ({column.layer}) are equal; leave that layer out."
            )
    non_negative, intercept = settings.method == "non-negative", settings.score != "cosine"
    models = [Components(matrices[group], non_negative, intercept) for group in layers_of(columns)]
    return list(models), [Fixed(matrix) for matrix in matrices]


def _of_units(
    held_out: HeldOut, columns: list[Column], settings: Settings, seed: int
) -> tuple[list[Weighted], list[Weighted]]:
    items, values = held_out.brain.items, held_out.brain.values
    products = settings.distance in ("correlation", "cosine")
    kind = "products" if products else "squared-differences"
    layers = [_patterns(column, items.stimulus_ids, settings) for column in columns]
    scores = np.empty((len(held_out.parts), len(layers), len(values)))
    alphas = np.empty_like(scores)
    for part in track(held_out.parts, "layers and penalties"):
        scores[part.number], alphas[part.number] = choose_units(
            layers,
            kind,
            part,
            held_out.targets(values[:, part.train_pairs]),
            units=items.units,
            score=settings.score,
            seed=derive_seed(seed, "inner folds", str(part.number)),
        )
    models = []
    for group in layers_of(columns):
        best = scores[:, group].argmax(axis=1)
        alpha = np.take_along_axis(alphas[:, group], best[:, None], axis=1)[:, 0]
        models.append(Units([layers[i] for i in group], kind, best, alpha))
    single = [
        Units([X], kind, np.zeros(alphas[:, i].shape, dtype=np.intp), alphas[:, i])
        for i, X in enumerate(layers)
    ]
    return list(models), list(single)


def _patterns(column: Column, stimulus_ids: Sequence[str], settings: Settings) -> Floats:
    """Return some units of a layer, so scaled that sums over them are the distance."""
    assert column.candidate.features is not None  # models without features are left out
    whole = column.candidate.features.matrix(column.layer, stimulus_ids).astype(np.float64)
    X = some_units(whole, settings.n_units)
    if settings.distance == "correlation":
        X = X - X.mean(axis=1, keepdims=True)
    if settings.distance in ("correlation", "cosine"):
        lengths = np.linalg.norm(X, axis=1, keepdims=True)
        if not lengths.all():
            raise InputError(
                f"{int((lengths == 0).sum())} stimuli have no pattern in {X.shape[1]} units of "
                f"{column.name!r} ({column.layer}), so that their {settings.distance} distance is undefined. "
                "Use more `n_units`, or distance squared-euclidean."
            )
        X = X / lengths
    return np.asarray(X)
