"""Similarity of RDM vectors under integer weights of their pairs, the inner loop of every resampling.

A stimulus bootstrap repeats pairs. Instead of building the repeated vectors, each pair gets the number of
times it occurs, and the result is the one that the repeated vectors would give.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import kendalltau, rankdata

from .._core.checks import check_array, check_option
from .._core.errors import InputError

Floats = NDArray[np.float64]
SimilarityMethod = Literal["cosine", "kendall", "pearson", "rho-a", "spearman"]
SIMILARITY_METHODS: tuple[str, ...] = ("cosine", "kendall", "pearson", "rho-a", "spearman")
RANK_METHODS = ("rho-a", "spearman")
# Below this share of the raw sum of squares a centred one is rounding error of a constant row.
_CONSTANT = 1e-24
_BLOCK_ELEMENTS = 1 << 20


@dataclass(frozen=True)
class PreparedVectors:
    """RDM vectors brought into the form that one similarity measure needs, sorted once.

    Attributes
    ----------
    method : str
        The measure they are prepared for.
    values : ndarray of shape (n_vectors, n_pairs)
        Scaled values (cosine, pearson), or dense ranks from 0 (kendall, rho-a, spearman).
    order : ndarray of shape (n_vectors, n_pairs) or None
        Pairs in ascending order, for the rank correlations.
    below, upto : ndarray of shape (n_vectors, n_pairs) or None
        Positions in the flat table of cumulative weights: what lies below a pair, and up to its last tie.
    """

    method: str
    values: Floats
    order: NDArray[np.intp] | None = None
    below: NDArray[np.intp] | None = None
    upto: NDArray[np.intp] | None = None


def prepare_vectors(vectors: ArrayLike, *, method: str) -> PreparedVectors:
    """Sort and scale RDM vectors once, so that many weightings of them are cheap.

    Parameters
    ----------
    vectors : array of shape (n_vectors, n_pairs) or (n_pairs,)
        Dissimilarities, one row per RDM. Finite; arbitrary units.
    method : {"cosine", "kendall", "pearson", "rho-a", "spearman"}
        The measure that :func:`weighted_similarity` will be asked for.

    Returns
    -------
    prepared : PreparedVectors
        A copy; the input is left as it is.

    Raises
    ------
    InputError
        For an unknown method, a wrong shape, or values that are not finite.
    """
    check_option("method", method, SIMILARITY_METHODS)
    values = check_array("vectors", vectors, ndim=(1, 2), dtype=np.float64)
    values = values[None] if values.ndim == 1 else values
    if method in ("cosine", "pearson"):
        return PreparedVectors(method, _scaled(values, center=method == "pearson"))
    ranks = rankdata(values, method="dense", axis=1).astype(np.float64) - 1.0
    if method == "kendall":
        return PreparedVectors(method, ranks)
    n_vectors, n_pairs = values.shape
    offset = (n_pairs + 1) * np.arange(n_vectors, dtype=np.intp)[:, None]
    order = np.argsort(ranks, axis=1, kind="stable")
    below = rankdata(values, method="min", axis=1).astype(np.intp) - 1 + offset
    upto = rankdata(values, method="max", axis=1).astype(np.intp) + offset
    return PreparedVectors(method, ranks, order, below, upto)


def weighted_similarity(
    A: ArrayLike | PreparedVectors,
    B: ArrayLike | PreparedVectors,
    pair_weights: ArrayLike | None = None,
    *,
    method: str,
) -> Floats:
    """Compare every row of `A` with every row of `B`, each pair counted as often as its weight says.

    Equal, up to rounding, to repeating pair ``k`` ``pair_weights[k]`` times in both vectors and comparing
    the longer vectors. Rank correlations rank the repeated data: a pair's rank is the weight below it plus
    half of one more than the weight of its ties. All weights 1 give the ordinary measures.

    Parameters
    ----------
    A : array of shape (n_a, n_pairs) or PreparedVectors
        RDM vectors; prepare them once when there are many weightings.
    B : array of shape (n_b, n_pairs) or PreparedVectors
        RDM vectors.
    pair_weights : array of shape (n_pairs,), optional
        Whole numbers of at least 0; by default all 1.
    method : {"cosine", "kendall", "pearson", "rho-a", "spearman"}
        ``"kendall"`` is tau-a, in which ties count as disagreement; ``"rho-a"`` is the expected Spearman
        correlation when ties are broken at random.

    Returns
    -------
    similarity : ndarray of shape (n_a, n_b)
        In [-1, 1], higher is more alike. NaN where a row is constant among the pairs with weight, or zero
        (cosine); for ``"kendall"`` and ``"rho-a"``, which need no scaling, a constant row gives 0.

    Raises
    ------
    InputError
        For weights that are negative or not whole, for unequal numbers of pairs, or for vectors that were
        prepared for another method.

    Notes
    -----
    With N vectors in all and m pairs: O(N m) for cosine, pearson, spearman and rho-a, after sorting in
    O(N m log m). Kendall is O(N m^2 + n_a n_b m^2) on the pairs with weight, exact in integers: about
    ten to a thousand times the others, so prefer rho-a for a bootstrap over many stimuli.

    References
    ----------
    Schuett, Kipnis, Diedrichsen, Kriegeskorte (2023), Statistical inference on representational geometries,
    10.7554/eLife.82566 (rho-a). Nili et al. (2014), 10.1371/journal.pcbi.1003553 (tau-a).

    Examples
    --------
    >>> import numpy as np
    >>> a, b = np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 3.0, 2.0]])
    >>> weighted_similarity(a, b, [2, 1, 1], method="pearson").round(6)
    array([[0.636364]])
    >>> float(np.corrcoef([1, 1, 2, 3], [1, 1, 3, 2])[0, 1].round(6))
    0.636364
    """
    first, second = _as_prepared("A", A, method), _as_prepared("B", B, method)
    n_pairs = first.values.shape[1]
    if second.values.shape[1] != n_pairs:
        raise InputError(
            f"`A` and `B` must have the same number of pairs, got {n_pairs} and {second.values.shape[1]}. "
            "Build both RDMs from the same stimuli in the same order."
        )
    return similarity_kernel(first, second, _check_weights(pair_weights, n_pairs))


def similarity_kernel(A: PreparedVectors, B: PreparedVectors, weights: Floats) -> Floats:
    """Do what :func:`weighted_similarity` does, without checking anything: for inner loops."""
    if A.method == "kendall":
        return _tau_a(A.values, B.values, weights)
    total = float(weights.sum())
    left, right = _weighted_rows(A, weights, total), _weighted_rows(B, weights, total)
    cross = (left * weights) @ right.T
    if A.method == "rho-a":
        # Rows hold twice the centred ranks, hence 3 where the formula has 12.
        scale = 3.0 / (total**3 - total) if total > 1 else np.nan
        return np.asarray(cross * scale, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        norms = np.sqrt(np.outer(_norms(left, weights), _norms(right, weights)))
        return np.asarray(np.clip(cross / norms, -1.0, 1.0), dtype=np.float64)


def paired_similarity(A: Floats, B: Floats, *, method: str) -> Floats:
    """Compare row k of `A` with row k of `B`, unweighted; for inner loops, shape (n_vectors,)."""
    if method == "kendall":
        return np.array([_tau_a_single(a, b) for a, b in zip(A, B, strict=True)])
    if method in RANK_METHODS:
        left, right = rankdata(A, axis=1), rankdata(B, axis=1)
    else:
        left, right = A, B
    if method != "cosine":
        left, right = left - left.mean(axis=1, keepdims=True), right - right.mean(axis=1, keepdims=True)
    products = (left * right).sum(axis=1)
    if method == "rho-a":
        n_pairs = A.shape[1]
        return np.asarray(12.0 * products / (n_pairs**3 - n_pairs), dtype=np.float64)
    norms = np.sqrt((left * left).sum(axis=1) * (right * right).sum(axis=1))
    varies = (norms > 0) if method == "cosine" else (np.ptp(A, axis=1) > 0) & (np.ptp(B, axis=1) > 0)
    return np.asarray(products / np.where(varies, norms, np.nan), dtype=np.float64)


def standardised(prepared: PreparedVectors) -> Floats:
    """Return rows whose dot products are the unweighted similarities (not for kendall).

    Averages over rows then commute with comparing: the mean similarity of many rows with a model is the
    dot product of the mean row with the model's.
    """
    weights = np.ones(prepared.values.shape[1])
    total = float(weights.size)
    rows = _weighted_rows(prepared, weights, total)
    if prepared.method == "rho-a":
        return np.asarray(rows * np.sqrt(3.0 / (total**3 - total)), dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(rows / np.sqrt(_norms(rows, weights))[:, None], dtype=np.float64)


def _scaled(values: Floats, *, center: bool) -> Floats:
    # Centred and scaled rows keep the weighted sums well conditioned; both leave the measure as it was.
    constant = np.ptp(values, axis=1, keepdims=True) == 0
    scaled = values - values.mean(axis=1, keepdims=True) if center else values.copy()
    if center:
        scaled = np.where(constant, 0.0, scaled)
    size = np.abs(scaled).max(axis=1, keepdims=True)
    return np.asarray(scaled / np.where(size > 0, size, 1.0), dtype=np.float64)


def _weighted_rows(prepared: PreparedVectors, weights: Floats, total: float) -> Floats:
    """Return rows centred under the weights (cosine: as they are; ranks: twice the centred mid-ranks)."""
    values = prepared.values
    if prepared.method == "cosine":
        return values
    if prepared.method == "pearson":
        centred = values - ((values @ weights) / total)[:, None]
        spread = (centred * centred) @ weights
        constant = spread <= _CONSTANT * ((values * values) @ weights)
        return np.where(constant[:, None], 0.0, centred) if constant.any() else centred
    assert prepared.order is not None
    assert prepared.below is not None
    assert prepared.upto is not None
    cumulative = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(weights.take(prepared.order), axis=1, out=cumulative[:, 1:])
    flat = cumulative.ravel()
    rows = flat.take(prepared.below)
    rows += flat.take(prepared.upto)
    # Mid-rank = (below + upto + 1) / 2 and their weighted mean is (total + 1) / 2, exactly.
    rows -= total
    return rows


def _norms(rows: Floats, weights: Floats) -> Floats:
    return np.asarray((rows * rows) @ weights, dtype=np.float64)


def _tau_a(a: Floats, b: Floats, weights: Floats) -> Floats:
    """Return weighted tau-a from signs of rank differences, in blocks, in exact integer arithmetic."""
    used = np.flatnonzero(weights)
    total = float(weights.sum())
    w = weights[used]
    n_rows = max(1, _BLOCK_ELEMENTS // max(1, (a.shape[0] + b.shape[0]) * used.size))
    # Sums of whole numbers below 2**24 are exact in single precision, which is twice as fast.
    largest = 2.0 * n_rows * float(w.max(initial=0.0)) * total
    dtype: type[np.floating[Any]] = np.float32 if largest < 2.0**24 else np.float64
    a, b = a[:, used].astype(dtype), b[:, used].astype(dtype)
    agreement = np.zeros((a.shape[0], b.shape[0]))
    for start in range(0, used.size, n_rows):
        stop = min(start + n_rows, used.size)
        block = 2.0 * np.outer(w[start:stop], w[start:])
        # Inside the square on the diagonal every pair of pairs is met twice.
        block[:, : stop - start] /= 2.0
        left = _signs(a, start, stop) * block.astype(dtype).ravel()
        agreement += left @ _signs(b, start, stop).T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(agreement / np.float64(total * (total - 1.0)), dtype=np.float64)


def _tau_a_single(a: Floats, b: Floats) -> float:
    """Return tau-a of two vectors in O(m log m): SciPy's tau-b with its correction for ties undone."""
    n_pairs = a.size * (a.size - 1) / 2.0
    untied = [n_pairs - _n_ties(a), n_pairs - _n_ties(b)]
    if min(untied) == 0:
        return 0.0
    tau_b = float(kendalltau(a, b, method="asymptotic").statistic)
    return round(tau_b * float(np.sqrt(untied[0] * untied[1]))) / n_pairs


def _n_ties(values: Floats) -> float:
    counts = np.unique(values, return_counts=True)[1]
    return float((counts * (counts - 1.0)).sum() / 2.0)


def _signs(ranks: NDArray[Any], start: int, stop: int) -> NDArray[Any]:
    difference = ranks[:, start:stop, None] - ranks[:, None, start:]
    signs: NDArray[Any] = np.clip(difference, -1.0, 1.0)
    return signs.reshape(ranks.shape[0], -1)


def _as_prepared(name: str, vectors: ArrayLike | PreparedVectors, method: str) -> PreparedVectors:
    if not isinstance(vectors, PreparedVectors):
        return prepare_vectors(vectors, method=method)
    if vectors.method != method:
        raise InputError(
            f"`{name}` was prepared for {vectors.method!r}, but `method` is {method!r}. "
            f"Prepare it with `prepare_vectors(..., method={method!r})`."
        )
    return vectors


def _check_weights(pair_weights: ArrayLike | None, n_pairs: int) -> Floats:
    if pair_weights is None:
        return np.ones(n_pairs)
    weights = check_array("pair_weights", pair_weights, ndim=1, dtype=np.float64)
    if weights.size != n_pairs:
        raise InputError(
            f"`pair_weights` must have one value per pair ({n_pairs}), got {weights.size}. "
            "Give the vector's own length, not the number of stimuli."
        )
    if (weights < 0).any() or (weights != np.round(weights)).any():
        bad = weights[(weights < 0) | (weights != np.round(weights))][0]
        raise InputError(
            f"`pair_weights` must be whole numbers of at least 0, got {bad:g}. "
            "They say how often each pair occurs."
        )
    return weights
