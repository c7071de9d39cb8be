"""Weights of component RDMs, fitted over the pairs of some stimuli and scored over those of others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.optimize import nnls
from scipy.stats import rankdata

from ..._core.errors import InputError
from .._folds import stimulus_folds
from .._rounding import constant_along
from ._pairs import check_test_pairs
from ._whitening import Product, whitened_product
from .compare import ComparisonMethod, compare_rdms

Matrix = NDArray[np.float64]
Rows = NDArray[np.intp]
_COSINES = ("cosine", "whitened-cosine")

# Components this close to a combination of the others (in squared sine) have no weights of their own.
COLLINEAR = 1e-10


def solve_weights(gram: Matrix, cross: Matrix, *, ridge: float, non_negative: bool) -> Matrix:
    """Return the weights that minimise ``||d - D'w||^2 + ridge ||w||^2``.

    Parameters
    ----------
    gram : ndarray of shape (n_components, n_components)
        ``D D'``.
    cross : ndarray of shape (n_components,)
        ``D d``.
    ridge : float
        0 or more.
    non_negative : bool
        Whether weights must be 0 or more.

    Returns
    -------
    weights : ndarray of shape (n_components,)
        In units of d per unit of each component.

    Raises
    ------
    InputError
        If a component is zero, or without ridge if components are collinear.
    """
    penalised = gram + ridge * np.eye(len(gram))
    lengths = np.sqrt(penalised.diagonal())
    if not lengths.all():
        raise InputError(
            f"component {int(np.flatnonzero(lengths == 0)[0])} is constant over the pairs fitted, so that it "
            "has no weight. Leave it out."
        )
    # Scaled to one length, components are judged by their angles, whatever their units.
    values, vectors = eigh(penalised / np.outer(lengths, lengths))
    n_independent = int(np.count_nonzero(values > COLLINEAR * values[-1]))
    if n_independent < len(gram):
        raise InputError(
            f"the {len(gram)} components are collinear over the pairs fitted ({n_independent} are "
            "independent), so that their weights are not determined. Drop some, or use `ridge` above 0."
        )
    scaled = vectors.T @ (cross / lengths)
    if non_negative:
        roots = np.sqrt(values)
        weights, _ = nnls(roots[:, None] * vectors.T, scaled / roots)
    else:
        weights = vectors @ (scaled / values)
    return np.asarray(weights / lengths, dtype=np.float64)


def centred(rows: Matrix, product: Product | None) -> Matrix:
    """Return rows less their mean, the one that is optimal under a covariance where there is one."""
    return np.asarray(rows - means(rows, product))


def means(rows: Matrix, product: Product | None) -> Matrix:
    """Return the mean of every row, (n_rows, 1)."""
    if product is None:
        return np.asarray(rows.mean(axis=1, keepdims=True))
    ones = np.ones((1, rows.shape[1]))
    return np.asarray(product(rows, ones) / product(ones, ones))


def pool(rows: Matrix, score: str, product: Product | None) -> Matrix:
    """Return the mean of RDMs, each brought to the scale in which `score` compares them.

    Divided by their length for the cosines, standardised for the correlations, ranked for the rank
    correlations. Of a whitened score, mean and length are the whitened ones.
    """
    if score in ("spearman", "rho-a", "tau-a", "tau-b", "kendall"):
        return np.asarray(rankdata(rows, axis=1).mean(axis=0))
    varied_by_rounding = np.zeros(len(rows), dtype=bool)
    if score in ("pearson", "whitened-correlation"):
        varied_by_rounding = constant_along(rows, axis=1)
        rows = centred(rows, product)
    if product is None:
        squared = (rows**2).sum(axis=1)
    else:
        squared = np.array([product(row, row)[0, 0] for row in rows[:, None]])
    flat = np.flatnonzero((squared <= 0) | varied_by_rounding)
    if len(flat):
        raise InputError(
            f"RDM {flat[0]} does not vary over the pairs of a part of the stimuli. Leave it out."
        )
    return np.asarray((rows / np.sqrt(squared)[:, None]).mean(axis=0))


def check_count(n_pairs: int, n_components: int) -> None:
    """Refuse fewer pairs than weights, an intercept and one more."""
    if n_pairs < n_components + 2:
        raise InputError(
            f"{n_components} components need at least {n_components + 2} pairs with a value to fit, got "
            f"{n_pairs}. Use more stimuli, or fewer components."
        )


class Fitter:
    """Fits of RDMs over one set of pairs."""

    def __init__(self, kept: NDArray[np.bool_], method: str, intercept: bool, whiten: bool) -> None:
        self.non_negative = method == "non-negative"
        self.intercept = intercept
        self.product = whitened_product(kept) if whiten else None

    def fit(self, target: Matrix, parts: Matrix, ridge: float) -> tuple[Matrix, float]:
        """Return weights and intercept; no NaN may be left."""
        row = target[None]
        if self.intercept:
            row, used = centred(row, self.product), centred(parts, self.product)
            # What is left of a constant is rounding, which must not become a component.
            used[constant_along(parts, axis=1)] = 0.0
        else:
            used = parts
        if self.product is None:
            gram, cross = used @ used.T, used @ row[0]
        else:
            gram, cross = self.product(used, used), self.product(used, row)[:, 0]
        weights = solve_weights(gram, cross, ridge=ridge, non_negative=self.non_negative)
        constant = 0.0
        if self.intercept:
            constant = float(means((target - weights @ parts)[None], self.product)[0, 0])
        return weights, constant


class WeightingTask:
    """What is fitted and scored, with pairs looked up by stimuli."""

    def __init__(
        self,
        subjects: Matrix,
        parts: Matrix,
        n_stimuli: int,
        method: str,
        score: ComparisonMethod,
        ridges: list[float],
    ) -> None:
        self.subjects, self.parts, self.method, self.score = subjects, parts, method, score
        self.ridges = ridges
        first, second = np.triu_indices(n_stimuli, k=1)
        self.position = np.zeros((n_stimuli, n_stimuli), dtype=np.intp)
        self.position[first, second] = self.position[second, first] = np.arange(len(first))
        self.kept = np.asarray(~np.isnan(subjects).any(axis=0) & ~np.isnan(parts).any(axis=0))
        self.n_left_out = int(np.count_nonzero(~self.kept))

    def pairs(self, stimuli: Rows) -> tuple[Rows, NDArray[np.bool_]]:
        """Return the positions of the pairs among `stimuli` that have a value, and which have."""
        first, second = np.triu_indices(len(stimuli), k=1)
        found = self.position[stimuli[first], stimuli[second]]
        has_value = self.kept[found]
        return found[has_value], has_value

    def fit(self, train: Rows, fitted_to: Rows, ridge: float) -> tuple[Matrix, float]:
        pairs, has_value = self.pairs(train)
        check_count(len(pairs), len(self.parts))
        fitter = Fitter(has_value, self.method, self.score not in _COSINES, self.score.startswith("whitened"))
        rows = self.subjects[np.ix_(fitted_to, pairs)]
        # Values are fitted, whatever the score: ranks do not add up over components.
        scale = "cosine" if self.score in _COSINES else "pearson"
        target = rows[0] if len(rows) == 1 else pool(rows, scale, fitter.product)
        return fitter.fit(target, self.parts[:, pairs], ridge)

    def scores(self, weights: Matrix, constant: float, test: Rows, scored: Rows) -> Matrix:
        predicted = weights @ self.parts + constant
        return self._compare(np.broadcast_to(predicted, (len(scored), len(predicted))), test, scored)

    def choose_ridge(self, train: Rows, fitted_to: Rows, generator: np.random.Generator) -> float:
        if len(self.ridges) == 1:
            return self.ridges[0]
        inner = stimulus_folds(max(2, min(5, len(train) // 4)), len(train), random_state=generator)
        results = np.zeros(len(self.ridges))
        for inner_train, inner_test in inner:
            for number, ridge in enumerate(self.ridges):
                weights, constant = self.fit(train[inner_train], fitted_to, ridge)
                results[number] += self.scores(weights, constant, train[inner_test], fitted_to).mean()
        return self.ridges[int(results.argmax())]

    def ceiling(self, test: Rows, fitted_to: Rows, scored: Rows) -> Matrix:
        """Return the scores of the pools without and with each subject, (n_scored, 2)."""
        pairs, has_value = self.pairs(test)
        product = whitened_product(has_value) if self.score.startswith("whitened") else None
        pools = np.full((2, len(scored), self.subjects.shape[1]), np.nan)
        for row, subject in enumerate(scored):
            others = np.setdiff1d(fitted_to, [subject])
            pools[0, row, pairs] = pool(self.subjects[np.ix_(others, pairs)], self.score, product)
        pools[1][:, pairs] = pool(self.subjects[:, pairs], self.score, product)
        return np.stack([self._compare(one, test, scored) for one in pools], axis=1)

    def _compare(self, predicted: Matrix, test: Rows, scored: Rows) -> Matrix:
        first, second = np.triu_indices(len(test), k=1)
        pairs = self.position[test[first], test[second]]
        check_test_pairs(int(np.count_nonzero(self.kept[pairs])), len(test))
        truth = np.where(self.kept[pairs], self.subjects[np.ix_(scored, pairs)], np.nan)
        predicted = np.where(self.kept[pairs], predicted[:, pairs], np.nan)
        result = np.zeros(len(scored))
        for row, (one, other) in enumerate(zip(predicted, truth, strict=True)):
            if self.score in _COSINES:
                varies = np.nanmax(np.abs(one)) > 0
            else:
                varies = np.nanmax(one) > np.nanmin(one)
            if varies:
                result[row] = compare_rdms(one, other, method=self.score)
        return result
