"""Cross-validated encoding of one region of one subject by the layers of one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._core.progress import track
from ..._core.random import derive_seed
from ...encoders import RidgeEncoder
from ...metrics import column_correlation
from ...stats import WeightedCorrelation, grouped_folds
from ..candidates import Candidate

Floats = NDArray[np.float64]
Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True, eq=False)
class Responses:
    """Mean responses of one subject's region, and how stimuli are split.

    Attributes
    ----------
    subject : str
        Name.
    Y : ndarray of shape (n_stimuli, n_channels)
        float32.
    stimulus_ids : list of str
        One per row.
    groups : list of str
        Stimuli of one group never stand on both sides of a split (one picture under two names).
    folds : list of (train, test)
        The outer folds.
    """

    subject: str
    Y: NDArray[np.float32]
    stimulus_ids: list[str]
    groups: list[str]
    folds: list[Fold]


def encode(
    candidate: Candidate,
    batch: Sequence[Responses],
    *,
    alphas: Sequence[float] | None,
    n_inner: int,
    seed: int,
) -> list[dict[str, NDArray[Any]]]:
    """Predict held-out responses from every layer; choose the layer of each fold on its training part.

    Parameters
    ----------
    candidate : Candidate
        With features, or categories that become indicator columns.
    batch : sequence of Responses
        Regions and subjects with the same stimuli and folds: features are decomposed once for all.
    alphas : sequence of float, optional
        Penalties to choose from, per channel; by default the encoder's.
    n_inner : int
        Folds within the training part, for penalty and layer.
    seed : int
        Of the inner folds.

    Returns
    -------
    results : list of dict, one per member of the batch
        `layers` (n_layers, n_channels), mean held-out r over the outer folds; `inner` (n_layers, n_folds),
        median over channels of the cross-validated R2 in the training part; `choice` (n_folds,);
        `predictions` (n_stimuli, n_channels) with the layer chosen in each fold; `folds_r` (n_folds,
        n_channels), r of those predictions.

    Notes
    -----
    Features are z-scored on the outer training part, inner folds centred on their own: nothing of a test
    part enters.
    """
    first = batch[0]
    Y = np.concatenate([responses.Y for responses in batch], axis=1)
    parts = _slices([responses.Y.shape[1] for responses in batch])
    n_layers, n_folds = len(candidate.layers), len(first.folds)
    r = np.zeros((n_layers, n_folds, Y.shape[1]))
    inner = np.zeros((n_layers, n_folds, len(batch)))
    predictions = np.zeros(Y.shape, dtype=np.float32)
    choice = np.zeros((n_folds, len(batch)), dtype=np.intp)
    for number, layer in enumerate(track(candidate.layers, f"ridge, {candidate.name}")):
        X = design(candidate, layer, first.stimulus_ids)
        for fold, (train, test) in enumerate(first.folds):
            seen, unseen = _scaled(X, train, test)
            folds = inner_folds([first.groups[i] for i in train], n_inner, seed)
            encoder = RidgeEncoder(alphas=alphas, cv=folds, standardize=False).fit(seen, Y[train])
            predicted = encoder.predict(unseen)
            r[number, fold] = held_out_r(predicted, Y[test])
            for member, part in enumerate(parts):
                inner[number, fold, member] = np.median(encoder.cv_scores_[part])
                if number == 0 or inner[number, fold, member] > inner[:number, fold, member].max():
                    choice[fold, member] = number
                    predictions[test, part] = predicted[:, part]
    return [
        {
            "layers": r[:, :, part].mean(axis=1),
            "inner": inner[:, :, member],
            "choice": choice[:, member],
            "predictions": predictions[:, part],
            "folds_r": r[choice[:, member], np.arange(n_folds)][:, part],
        }
        for member, part in enumerate(parts)
    ]


def inner_folds(groups: Sequence[str], n_folds: int, seed: int) -> list[Fold]:
    """Return the folds within a training part, groups kept together."""
    return grouped_folds(groups, n_folds=n_folds, random_state=derive_seed(seed, "inner folds"))


def design(candidate: Candidate, layer: str, stimulus_ids: Sequence[str]) -> NDArray[np.float32]:
    """Return a layer's features, or a label's indicator columns, shape (n_stimuli, n_units)."""
    if candidate.features is not None:
        return candidate.features.matrix(layer, stimulus_ids)
    values = candidate.categories(stimulus_ids)
    return np.asarray(values[:, None] == np.unique(values)[None, :], dtype=np.float32)


def held_out_r(predicted: NDArray[Any], measured: NDArray[Any]) -> Floats:
    """Return Pearson's r per channel; 0 for a constant prediction or response, which explains nothing."""
    return np.asarray(np.nan_to_num(column_correlation(predicted, measured), nan=0.0))


def _slices(sizes: Sequence[int]) -> list[slice]:
    ends = np.cumsum(sizes)
    return [slice(int(end - size), int(end)) for size, end in zip(sizes, ends, strict=True)]


def _scaled(
    X: NDArray[np.float32], train: NDArray[np.intp], test: NDArray[np.intp]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Z-score both parts by the training part; features that are constant there become 0."""
    seen = X[train].astype(np.float64)
    mean, sd = seen.mean(axis=0), seen.std(axis=0)
    # What varies by no more than its own rounding is a constant: z-scoring it would make noise.
    constant = sd <= 10 * np.finfo(np.float32).eps * np.abs(mean)
    scale = np.where(constant, 0.0, 1.0 / np.where(constant, 1.0, sd))
    return ((seen - mean) * scale).astype(np.float32), ((X[test] - mean) * scale).astype(np.float32)


class FoldCorrelations:
    """Median over channels of the mean over folds of held-out r, under weights of the stimuli.

    Parameters
    ----------
    predictions : ndarray of shape (n_models, n_stimuli, n_channels)
        Held out, each stimulus from the fold that tests it.
    responses : Responses
        Of the same stimuli.
    """

    def __init__(self, predictions: NDArray[np.floating], responses: Responses) -> None:
        self.tests = [test for _, test in responses.folds]
        Y = responses.Y.astype(np.float64)
        X = predictions.astype(np.float64)
        self._folds = [WeightedCorrelation(X[:, test], Y[test]) for test in self.tests]
        # Rows scaled so that one dot product gives the mean over folds of r.
        self._left = np.concatenate([_standardised(X[:, test]) for test in self.tests], axis=1)
        self._right = np.concatenate([_standardised(Y[test]) for test in self.tests], axis=0)
        self._left /= len(self.tests)

    def __call__(self, weights: Floats) -> Floats:
        """Return scores of shape (n_models,)."""
        r = [
            np.nan_to_num(correlation(weights[test]), nan=0.0) if weights[test].any() else None
            for correlation, test in zip(self._folds, self.tests, strict=True)
        ]
        filled = [values for values in r if values is not None]
        return np.asarray(np.median(np.mean(filled, axis=0), axis=-1), dtype=np.float64)

    def null(self, rng: np.random.Generator) -> Floats:
        """Return scores with the stimuli of each fold permuted, shape (n_models,)."""
        start, order = 0, []
        for test in self.tests:
            order.append(start + rng.permutation(len(test)))
            start += len(test)
        r = np.einsum("msc,sc->mc", self._left[:, np.concatenate(order)], self._right)
        return np.asarray(np.median(r, axis=-1), dtype=np.float64)


def _standardised(values: Floats) -> Floats:
    centred = values - values.mean(axis=-2, keepdims=True)
    norm = np.sqrt((centred**2).sum(axis=-2, keepdims=True))
    return np.asarray(centred / np.where(norm > 0, norm, np.inf), dtype=np.float64)
