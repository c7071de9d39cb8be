"""Feature-reweighted RSA: a weight for every unit of a model, tested on other stimuli."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from ..._core.progress import track
from ..._core.random import RandomState, as_generator
from .._arrays import torch_too
from .._folds import Fold, stimulus_folds
from .._rounding import check_range, constant_along
from ._pairs import check_test_pairs, count_stimuli, load_rdms
from ._unit_components import ComponentKind, WeightPath, predict, weight_path
from .compare import ComparisonMethod, compare_rdms

ReweightingMethod = Literal["non-negative", "ridge"]
Matrix = NDArray[np.float64]
Rows = NDArray[np.intp]

# Penalties relative to components of variance 1, of which there may be one or thousands.
_ALPHAS = tuple(10.0 ** np.arange(-4, 5.5, 0.5))
# The fit has a free constant, which these do not see.
_SCORES = ("kendall", "pearson", "rho-a", "spearman", "tau-a", "tau-b", "whitened-correlation")


@dataclass(frozen=True)
class FeatureReweighting:
    """How well a model explains an RDM when its units are weighted on other stimuli.

    The axis over RDMs is missing where one RDM was given as (n_pairs,).

    Attributes
    ----------
    score : ndarray of shape (n_rdms,), or float
        Mean over folds of the weighted model's score on test stimuli.
    unweighted : ndarray of shape (n_rdms,), or float
        The same of the model with all weights 1, on the same test pairs.
    by_fold : ndarray of shape (n_folds, n_rdms)
        Score of each fold; the folds of all repetitions, one after the other.
    alphas : ndarray of shape (n_folds, n_rdms)
        The penalty that each fold's training stimuli chose.
    weights : ndarray of shape (n_rdms, n_units)
        Fitted to all stimuli, with a penalty chosen on them; 0 for units that do not vary. For display:
        no score is computed with them.
    n_left_out : int
        Pairs without a value in some RDM, left out for all.
    """

    score: Matrix | float
    unweighted: Matrix | float
    by_fold: Matrix
    alphas: Matrix
    weights: Matrix
    n_left_out: int


@torch_too
def feature_reweighted_rsa(
    rdm: ArrayLike,
    X: ArrayLike,
    *,
    method: ReweightingMethod = "ridge",
    components: ComponentKind = "squared-differences",
    alphas: Sequence[float] | None = None,
    score: ComparisonMethod = "pearson",
    cv: int = 5,
    n_repeats: int = 1,
    random_state: RandomState = 0,
) -> FeatureReweighting:
    """Predict RDMs of test stimuli from a model whose units are weighted on training stimuli.

    ``d_ij = c + sum_k w_k f_k(i, j)`` with ``f_k(i, j) = (x_ik - x_jk)^2``, or ``-x_ik x_jk``. The weights
    minimise the mean squared error over pairs of training stimuli plus ``alpha sum_k (w_k s_k)^2``, with s_k
    the standard deviation of f_k over these pairs. Alpha is chosen by folds of the training stimuli.

    Parameters
    ----------
    rdm : array of shape (n_pairs,) or (n_rdms, n_pairs)
        Condensed RDMs. NaN marks a pair without a value; it is left out for all.
    X : array of shape (n_stimuli, n_units)
        The model's responses to the same stimuli in the same order.
    method : {"ridge", "non-negative"}, default="ridge"
        Any weights, or weights of at least 0.
    components : {"squared-differences", "products"}, default="squared-differences"
        What a unit adds to a dissimilarity. With all weights 1 the first is the squared Euclidean distance.
        For the correlation distance, standardise every pattern over units and take "products".
    alphas : sequence of float, optional
        Penalties to choose from; by default 10^-4 to 10^5 in half powers for "ridge", and 0 (none) for
        "non-negative", which regularises by itself.
    score : str, default="pearson"
        The comparison over test pairs: any correlation of :func:`compare_rdms`.
    cv : int, default=5
        Folds of stimuli, and folds of the training stimuli within each (fewer where these would have test
        parts of less than 4).
    n_repeats : int, default=1
        How often stimuli are drawn into folds anew.
    random_state : int, Generator or None, default=0
        Which stimuli are in which fold.

    Returns
    -------
    result : FeatureReweighting
        Scores on test stimuli, with the unweighted model's, and the weights of a fit to all stimuli.

    Raises
    ------
    InputError
        If `rdm` and `X` do not fit, an RDM is constant, stimuli are too few (15 for 5 folds), no unit
        varies, or the problem is too large (the smaller of units and training pairs above 12,000).

    Notes
    -----
    Train and test pairs share no stimulus. Folds of *pairs* would: a stimulus that is far from all others
    is so in both parts, and random features then seem to predict. Units are standardised on training pairs
    alone.

    Where units are fewer than pairs, their products over pairs come from sums of powers, O(n_stimuli
    n_units^2); otherwise pairs are the unknowns (the dual). Memory is the square of the smaller number,
    and for "non-negative" with more units than pairs their product. "non-negative" takes minutes from
    about a thousand units. A prediction that is constant over test pairs, as when all weights are 0, scores
    0.

    References
    ----------
    Kaniuth P, Hebart MN (2022). Feature-reweighted representational similarity analysis. NeuroImage,
    doi:10.1016/j.neuroimage.2022.119294.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((30, 6))
    >>> weighted = X * [2.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    >>> distances = ((weighted[:, None] - weighted) ** 2).sum(axis=2)[np.triu_indices(30, k=1)]
    >>> result = feature_reweighted_rsa(distances, X, method="non-negative")
    >>> round(result.score, 3), result.weights.round(3)
    (1.0, array([4., 0., 0., 1., 0., 0.]))
    """
    check_option("method", method, get_args(ReweightingMethod))
    check_option("components", components, get_args(ComponentKind))
    check_option("score", score, _SCORES)
    targets = load_rdms("rdm", rdm)
    patterns = check_array("X", X, ndim=2, dtype=np.float64)
    check_range("X", patterns)
    _check_sizes(count_stimuli(targets.shape[1]), len(patterns), patterns.shape[1], n_repeats)
    if alphas is None:
        alphas = _ALPHAS if method == "ridge" else (0.0,)
    if len(alphas) == 0 or not all(0 <= alpha < np.inf for alpha in alphas):
        raise InputError(f"`alphas` must hold penalties of 0 or more, got {list(alphas)}.")
    task = _Task(targets, patterns, method == "non-negative", components, list(alphas), score)
    _check_values(targets[:, task.kept])
    generator = as_generator(random_state)
    by_fold, plain, chosen = [], [], []
    folds = list(_repeated_folds(len(patterns), cv, n_repeats, generator))
    for train, test in track(folds, "folds of stimuli"):
        best = task.choose_alphas(train, cv, generator)
        by_fold.append(task.scores(task.weights(train, best), test))
        plain.append(task.scores(np.ones((len(targets), patterns.shape[1])), test))
        chosen.append(best)
    everything = np.arange(len(patterns))
    weights = task.weights(everything, task.choose_alphas(everything, cv, generator))
    results = [np.array(by_fold), np.array(chosen), weights]
    means = [np.mean(by_fold, axis=0), np.mean(plain, axis=0)]
    if np.ndim(rdm) == 1:
        by_fold_, alphas_, weights = results[0][:, 0], results[1][:, 0], weights[0]
        return FeatureReweighting(
            float(means[0][0]), float(means[1][0]), by_fold_, alphas_, weights, task.n_left_out
        )
    return FeatureReweighting(means[0], means[1], results[0], results[1], weights, task.n_left_out)


class _Task:
    """The RDMs, the model and what to do with them; stimuli are handed over by number."""

    def __init__(
        self,
        targets: Matrix,
        patterns: Matrix,
        non_negative: bool,
        kind: str,
        alphas: list[float],
        score: ComparisonMethod,
    ) -> None:
        self.targets, self.patterns, self.non_negative = targets, patterns, non_negative
        self.kind, self.alphas, self.score = kind, alphas, score
        first, second = np.triu_indices(len(patterns), k=1)
        self.position = np.zeros((len(patterns), len(patterns)), dtype=np.intp)
        self.position[first, second] = self.position[second, first] = np.arange(len(first))
        self.kept = np.asarray(~np.isnan(targets).any(axis=0))
        self.n_left_out = int(np.count_nonzero(~self.kept))

    def weights(self, train: Rows, alphas: Matrix) -> Matrix:
        """Return weights fitted with one penalty per RDM, (n_rdms, n_units)."""
        path = self._path(train)
        result = np.empty((len(self.targets), self.patterns.shape[1]))
        for alpha in np.unique(alphas):
            chosen = alphas == alpha
            result[chosen] = path(float(alpha))[chosen]
        return result

    def choose_alphas(self, train: Rows, cv: int, generator: np.random.Generator) -> Matrix:
        """Return the penalty of each RDM that scores best within the training stimuli."""
        if len(self.alphas) == 1:
            return np.full(len(self.targets), self.alphas[0])
        results = np.zeros((len(self.alphas), len(self.targets)))
        folds = stimulus_folds(max(2, min(cv, len(train) // 4)), len(train), random_state=generator)
        for inner_train, inner_test in folds:
            path = self._path(train[inner_train])
            for number, alpha in enumerate(self.alphas):
                results[number] += self.scores(path(alpha), train[inner_test])
        return np.asarray(np.array(self.alphas)[results.argmax(axis=0)])

    def scores(self, weights: Matrix, test: Rows) -> Matrix:
        """Return the score of each RDM's weights over the pairs of test stimuli."""
        pairs, has_value = self._pairs(test)
        check_test_pairs(int(np.count_nonzero(has_value)), len(test))
        result = np.zeros(len(weights))
        for row, (own, truth) in enumerate(zip(weights, self.targets[:, pairs], strict=True)):
            predicted = predict(self.patterns[test], own, self.kind)
            spread = np.ptp(predicted[has_value])
            if spread > 1e-12 * np.abs(predicted).max(initial=0.0):
                predicted[~has_value] = np.nan
                result[row] = compare_rdms(predicted, truth, method=self.score)
        return result

    def _path(self, train: Rows) -> WeightPath:
        pairs, has_value = self._pairs(train)
        if not has_value.any():
            raise InputError(
                f"the {len(train)} training stimuli of a fold have no pair with a value. Use more folds, or "
                "drop the stimuli whose pairs are missing."
            )
        return weight_path(
            self.patterns[train],
            self.targets[:, pairs[has_value]],
            has_value,
            self.kind,
            non_negative=self.non_negative,
        )

    def _pairs(self, stimuli: Rows) -> tuple[Rows, NDArray[np.bool_]]:
        first, second = np.triu_indices(len(stimuli), k=1)
        pairs = self.position[stimuli[first], stimuli[second]]
        return pairs, self.kept[pairs]


def _repeated_folds(
    n_stimuli: int, cv: int, n_repeats: int, generator: np.random.Generator
) -> Iterator[Fold]:
    for _ in range(n_repeats):
        yield from stimulus_folds(cv, n_stimuli, random_state=generator)


def _check_values(targets: Matrix) -> None:
    if targets.shape[1] < 3:
        raise InputError(
            f"`rdm` has {targets.shape[1]} pair(s) with a value in all RDMs, of at least 3 needed. Drop the "
            "stimuli whose pairs are missing."
        )
    flat = np.flatnonzero(constant_along(targets, axis=1))
    if len(flat):
        raise InputError(f"RDM {flat[0]} of `rdm` is constant: there is nothing to predict. Leave it out.")


def _check_sizes(n_stimuli: int, n_rows: int, n_units: int, n_repeats: int) -> None:
    if n_units == 0:
        raise InputError(f"`X` has no units, got shape {(n_rows, 0)}.")
    if n_rows != n_stimuli:
        raise InputError(
            f"`rdm` has the pairs of {n_stimuli} stimuli, but `X` has {n_rows} rows. Give both the same "
            "stimuli in the same order."
        )
    if n_repeats < 1:
        raise InputError(f"`n_repeats` must be at least 1, got {n_repeats}.")
