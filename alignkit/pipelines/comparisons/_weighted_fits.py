"""Model matrices whose weights are fitted to training stimuli: sums of layers, and sums of units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.optimize import nnls
from scipy.stats import rankdata

from ...metrics.rsa._unit_components import WeightPath, predict, weight_path
from ...stats import grouped_folds
from ._rsa_data import pairs_among

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
# Components closer to a sum of the others than this (in squared sine) share their weight.
_COLLINEAR = 1e-10
# Penalties relative to components of variance 1.
ALPHAS = tuple(10.0 ** np.arange(-3, 4.5, 0.5))
N_INNER = 5
MIN_INNER_STIMULI = 4


@dataclass(frozen=True, eq=False)
class Part:
    """A fold: stimuli that weights are fitted to, stimuli that score them, and the pairs among each.

    Attributes
    ----------
    number : int
        Of the fold.
    train, test : ndarray of int
        Positions of stimuli, sorted.
    train_pairs, test_pairs : ndarray of int
        Positions of their pairs; none joins a training with a test stimulus.
    """

    number: int
    train: Index
    test: Index
    train_pairs: Index
    test_pairs: Index


def make_parts(
    folds: Sequence[tuple[Index, Index]], n_stimuli: int, keep: NDArray[np.bool_] | None = None
) -> list[Part]:
    """Return the folds, of all stimuli or of those to keep."""
    parts = []
    for number, (train, test) in enumerate(folds):
        if keep is not None:
            train, test = train[keep[train]], test[keep[test]]
        pairs = (pairs_among(stimuli, n_stimuli) for stimuli in (train, test))
        parts.append(Part(number, train, test, *pairs))
    return parts


class Weighted(Protocol):
    """A model that predicts dissimilarities of test stimuli from those of training stimuli."""

    def predict(self, part: Part, targets: Floats, owners: Index) -> Floats:
        """Return the dissimilarities of test stimuli, (n_targets, n_test_pairs), or one row for all.

        Parameters
        ----------
        part : Part
            The fold.
        targets : ndarray of shape (n_targets, n_train_pairs)
            What weights are fitted to.
        owners : ndarray of int, shape (n_targets,)
            The subject that each target is of.
        """


@dataclass(frozen=True, eq=False)
class Fixed:
    """One matrix, as it is."""

    matrix: Floats

    def predict(self, part: Part, targets: Floats, owners: Index) -> Floats:
        """See :class:`Weighted`."""
        return self.matrix[None, part.test_pairs]


@dataclass(frozen=True, eq=False)
class Components:
    """A sum of the matrices of a model's layers.

    Attributes
    ----------
    matrices : ndarray of shape (n_layers, n_pairs)
        Dissimilarities.
    non_negative : bool
        Whether weights must be 0 or more.
    intercept : bool
        Whether a constant is fitted: for correlations, which do not see it; the cosine does.
    """

    matrices: Floats
    non_negative: bool
    intercept: bool

    def predict(self, part: Part, targets: Floats, owners: Index) -> Floats:
        """See :class:`Weighted`."""
        return self.weights(part, targets) @ self.matrices[:, part.test_pairs]

    def weights(self, part: Part, targets: Floats) -> Floats:
        """Return least-squares weights, (n_targets, n_layers)."""
        used = self.matrices[:, part.train_pairs]
        if self.intercept:
            used = used - used.mean(axis=1, keepdims=True)
            targets = targets - targets.mean(axis=1, keepdims=True)
        lengths = np.linalg.norm(used, axis=1)
        varied = lengths > 0
        weights = np.zeros((len(targets), len(used)))
        if varied.any():
            unit = used[varied] / lengths[varied, None]
            found = self._solve(unit @ unit.T, targets @ unit.T)
            weights[:, varied] = found / lengths[varied]
        return weights

    def _solve(self, gram: Floats, cross: Floats) -> Floats:
        values, vectors = eigh(gram)
        # Layers may be equal: what only tells them apart has no weight.
        kept = values > _COLLINEAR * values[-1]
        values, vectors = values[kept], vectors[:, kept]
        turned = cross @ vectors
        if not self.non_negative:
            return np.asarray((turned / values) @ vectors.T)
        design, aims = np.sqrt(values)[:, None] * vectors.T, turned / np.sqrt(values)
        return np.stack([nnls(design, aim)[0] for aim in aims])


@dataclass(frozen=True, eq=False)
class Units:
    """A sum over the units of one layer, the layer and the ridge penalty chosen per fold and subject.

    Attributes
    ----------
    layers : sequence of ndarray of shape (n_stimuli, n_units)
        Patterns.
    kind : {"squared-differences", "products"}
        What a unit adds to a dissimilarity.
    layer : ndarray of int, shape (n_folds, n_subjects)
        Positions among the layers.
    alpha : ndarray of shape (n_folds, n_subjects)
        Penalties.
    """

    layers: Sequence[Floats]
    kind: str
    layer: Index
    alpha: Floats

    def predict(self, part: Part, targets: Floats, owners: Index) -> Floats:
        """See :class:`Weighted`."""
        predicted = np.empty((len(targets), len(part.test_pairs)))
        layers, alphas = self.layer[part.number, owners], self.alpha[part.number, owners]
        for layer in np.unique(layers):
            rows = np.flatnonzero(layers == layer)
            X = self.layers[layer]
            path = _path(X[part.train], targets[rows], self.kind)
            for alpha in np.unique(alphas[rows]):
                these = alphas[rows] == alpha
                for row, weights in zip(rows[these], path(float(alpha))[these], strict=True):
                    predicted[row] = predict(X[part.test], weights, self.kind)
        return predicted


def choose_units(
    layers: Sequence[Floats],
    kind: str,
    part: Part,
    targets: Floats,
    *,
    units: Index,
    score: str,
    seed: int,
) -> tuple[Floats, Floats]:
    """Score every layer and penalty within the training stimuli, by folds of these.

    Parameters
    ----------
    layers, kind
        See :class:`Units`.
    part : Part
        The fold; its test stimuli play no part.
    targets : ndarray of shape (n_subjects, n_train_pairs)
        What weights are fitted to.
    units : ndarray of int, shape (n_stimuli,)
        Stimuli of one unit stay together.
    score : str
        How dissimilarities are compared.
    seed : int
        Of the inner folds.

    Returns
    -------
    scores : ndarray of shape (n_layers, n_subjects)
        Of each layer at its best penalty.
    alphas : ndarray of shape (n_layers, n_subjects)
        The penalties.
    """
    n = len(part.train)
    together = units[part.train].tolist()
    n_folds = max(2, min(N_INNER, n // (2 * MIN_INNER_STIMULI), len(set(together))))
    inner = make_parts(grouped_folds(together, n_folds=n_folds, random_state=seed), n)
    results = np.zeros((len(layers), len(ALPHAS), len(targets)))
    for number, X in enumerate(layers):
        for each in inner:
            rows = X[part.train]
            path = _path(rows[each.train], targets[:, each.train_pairs], kind)
            truth = unit_rows(targets[:, each.test_pairs], score)
            for a, alpha in enumerate(ALPHAS):
                predicted = np.stack([predict(rows[each.test], w, kind) for w in path(alpha)])
                results[number, a] += (unit_rows(predicted, score) * truth).sum(axis=1) / len(inner)
    best = results.argmax(axis=1)
    found = np.take_along_axis(results, best[:, None], axis=1)[:, 0]
    return found, np.array(ALPHAS)[best]


def unit_rows(rows: Floats, score: str) -> Floats:
    """Return rows whose dot products are their similarities; a row that explains nothing becomes 0."""
    values = rows if score in ("cosine", "pearson") else rankdata(rows, axis=1)
    if score != "cosine":
        values = values - values.mean(axis=1, keepdims=True)
    sizes = np.abs(rows).max(axis=1, keepdims=True)
    # What varies by no more than rounding does not vary.
    flat = np.ptp(rows, axis=1, keepdims=True) <= 1e-12 * sizes if score != "cosine" else sizes == 0
    if score == "rho-a":
        n = rows.shape[1]
        lengths = np.full_like(sizes, np.sqrt((n**3 - n) / 12.0))
    else:
        lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(np.where(flat, 0.0, values / np.where(flat, 1.0, lengths)))


def _path(X: Floats, targets: Floats, kind: str) -> WeightPath:
    every = np.ones(len(X) * (len(X) - 1) // 2, dtype=bool)
    return weight_path(X, targets, every, kind, non_negative=False)
