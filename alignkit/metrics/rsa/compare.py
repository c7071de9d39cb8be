"""Comparing representational dissimilarity matrices."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array
from scipy.spatial.distance import squareform
from scipy.stats import rankdata

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from .._registry import METRICS
from ._kendall import concordance

ComparisonMethod = Literal[
    "bures",
    "cosine",
    "kendall",
    "pearson",
    "rho-a",
    "spearman",
    "tau-a",
    "tau-b",
    "whitened-correlation",
    "whitened-cosine",
]
Matrix = NDArray[np.float64]
_COSINES = ("bures", "cosine", "whitened-cosine")
_NEEDS_STIMULI = ("bures", "whitened-correlation", "whitened-cosine")


def compare_rdms(a: ArrayLike, b: ArrayLike, *, method: ComparisonMethod = "spearman") -> float | Matrix:
    """Compare every RDM in `a` with every RDM in `b`.

    - ``"pearson"``, ``"spearman"``: correlations of the dissimilarities, or of their ranks.
    - ``"tau-a"`` (also called ``"kendall"``): concordant less discordant pairs, over *all* pairs. Use it or
      "rho-a" where a model predicts ties: "spearman" and "tau-b" favour such models.
    - ``"tau-b"``: the same over pairs without ties.
    - ``"rho-a"``: the expected Spearman correlation when ties are broken at random.
    - ``"cosine"``: without centring; for distances whose zero means something, such as crossnobis.
    - ``"whitened-cosine"``, ``"whitened-correlation"``: cosine and correlation under the covariance that
      distances have because pairs share stimuli, for independent noise of one variance. On squared
      Euclidean RDMs the cosine equals linear CKA (not debiased).
    - ``"bures"``: cosine of the angular Procrustes distance of the two point clouds; for squared distances.

    Parameters
    ----------
    a : array of shape (n_pairs,) or (n_a, n_pairs)
        Condensed RDMs (order of :func:`rdm`). NaN marks a pair without a value.
    b : array of shape (n_pairs,) or (n_b, n_pairs)
        Condensed RDMs of the same stimuli in the same order.
    method : str, default="spearman"
        See above.

    Returns
    -------
    similarity : float, or ndarray of shape (n_a, n_b)
        A float where both are one-dimensional. In [-1, 1], for "bures" in [0, 1]; higher is more alike. A
        "tau-a" or "rho-a" of an RDM with itself is below 1 where it has ties.

    Raises
    ------
    InputError
        If the numbers of pairs differ, fewer than 3 pairs have a value on both sides, or an RDM is constant
        over these (for the cosines: all zero).

    Notes
    -----
    Each pair of RDMs is compared over the pairs of stimuli that have a value in both; ranks and means are
    taken after that. "bures" needs all pairs. Kendall's counts take O(n_pairs log n_pairs) and are exact
    integers; all others are matrix products. Whitening by the covariance V uses
    ``V = 2 I + |C| |C|'`` with C the contrasts between stimuli, which leaves one n_stimuli x n_stimuli
    system whatever pairs are missing.

    References
    ----------
    Nili H et al. (2014), doi:10.1371/journal.pcbi.1003553 (tau-a). Schutt HH et al. (2023),
    doi:10.7554/eLife.82566 (rho-a). Diedrichsen J et al. (2020), doi:10.48550/arXiv.2007.02789 (whitening).
    Harvey SE et al. (2023), doi:10.48550/arXiv.2311.11436 (Bures).

    Examples
    --------
    >>> compare_rdms([1.0, 2.0, 3.0], [1.0, 3.0, 3.0], method="tau-a")
    0.6666666666666666
    """
    check_option("method", method, get_args(ComparisonMethod))
    first, second = _load("a", a), _load("b", b)
    if first.shape[1] != second.shape[1]:
        raise InputError(
            f"`a` and `b` must hold the same pairs of stimuli, got {first.shape[1]} and {second.shape[1]} "
            "pairs. Select the shared stimuli before the RDMs are computed."
        )
    if method in _NEEDS_STIMULI:
        _n_stimuli(first.shape[1])
    result = np.empty((len(first), len(second)))
    for rows_a, rows_b, kept in _shared_masks(first, second):
        if kept.sum() < 3:
            raise InputError(
                f"at least 3 pairs must have a value in both RDMs, got {kept.sum()} for row {rows_a[0]} of "
                f"`a` and row {rows_b[0]} of `b`."
            )
        if method == "bures" and not kept.all():
            raise InputError(
                f"method 'bures' needs a value for every pair, but {np.count_nonzero(~kept)} are NaN. "
                "Drop their stimuli, or use 'whitened-cosine'."
            )
        part_a, part_b = first[np.ix_(rows_a, kept)], second[np.ix_(rows_b, kept)]
        _check_spread("a", part_a, rows_a, method)
        _check_spread("b", part_b, rows_b, method)
        result[np.ix_(rows_a, rows_b)] = _METHODS[method](part_a, part_b, kept)
    return float(result[0, 0]) if np.ndim(a) == 1 and np.ndim(b) == 1 else result


def _load(name: str, rdms: ArrayLike) -> Matrix:
    values = np.atleast_2d(check_array(name, rdms, ndim=(1, 2), dtype=np.float64, finite=False))
    if np.isinf(values).any():
        raise InputError(
            f"`{name}` holds {np.isinf(values).sum()} infinite dissimilarities. Use NaN for missing."
        )
    return values


def _n_stimuli(n_pairs: int) -> int:
    n_stimuli = (1 + int(np.sqrt(1 + 8 * n_pairs))) // 2
    if n_stimuli * (n_stimuli - 1) // 2 != n_pairs:
        raise InputError(
            f"{n_pairs} pairs are not the pairs of any number of stimuli (3, 6, 10, ... are). Give condensed "
            "RDMs of all stimuli, with NaN for pairs without a value."
        )
    return n_stimuli


def _shared_masks(
    first: Matrix, second: Matrix
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]]:
    """Yield (rows of a, rows of b, pairs finite in all of these)."""
    groups: list[dict[bytes, list[int]]] = []
    for values in (first, second):
        rows_of: dict[bytes, list[int]] = {}
        for row, mask in enumerate(~np.isnan(values)):
            rows_of.setdefault(mask.tobytes(), []).append(row)
        groups.append(rows_of)
    for mask_a, rows_a in groups[0].items():
        for mask_b, rows_b in groups[1].items():
            kept = np.frombuffer(mask_a, dtype=bool) & np.frombuffer(mask_b, dtype=bool)
            yield np.array(rows_a), np.array(rows_b), kept


def _check_spread(name: str, values: Matrix, rows: NDArray[np.intp], method: str) -> None:
    if method in _COSINES:
        flat, what = (values == 0).all(axis=1), "zero"
    else:
        flat, what = (values == values[:, :1]).all(axis=1), "constant"
    if flat.any():
        raise InputError(
            f"RDM {rows[flat][0]} of `{name}` is {what} over the {values.shape[1]} pairs compared, so that "
            f"method {method!r} is not defined. Leave it out."
        )


def _cosine(A: Matrix, B: Matrix, kept: NDArray[np.bool_]) -> Matrix:
    unit_a = A / np.linalg.norm(A, axis=1, keepdims=True)
    unit_b = B / np.linalg.norm(B, axis=1, keepdims=True)
    return np.asarray((unit_a @ unit_b.T).clip(-1, 1))


def _pearson(A: Matrix, B: Matrix, kept: NDArray[np.bool_]) -> Matrix:
    return _cosine(A - A.mean(axis=1, keepdims=True), B - B.mean(axis=1, keepdims=True), kept)


def _spearman(A: Matrix, B: Matrix, kept: NDArray[np.bool_]) -> Matrix:
    return _pearson(rankdata(A, axis=1), rankdata(B, axis=1), kept)


def _rho_a(A: Matrix, B: Matrix, kept: NDArray[np.bool_]) -> Matrix:
    n = A.shape[1]
    ranks_a, ranks_b = (rankdata(values, axis=1) - (n + 1) / 2 for values in (A, B))
    return np.asarray(12 * (ranks_a @ ranks_b.T) / (float(n) ** 3 - n))


def _tau_a(A: Matrix, B: Matrix, kept: NDArray[np.bool_]) -> Matrix:
    n = A.shape[1]
    return np.asarray(concordance(A, B)[0] / (n * (n - 1) // 2))


def _tau_b(A: Matrix, B: Matrix, kept: NDArray[np.bool_]) -> Matrix:
    n = A.shape[1]
    difference, tied_a, tied_b = concordance(A, B)
    total = n * (n - 1) // 2
    return np.asarray(difference / np.sqrt((total - tied_a)[:, None] * 1.0 * (total - tied_b)))


def _whitened_cosine(A: Matrix, B: Matrix, kept: NDArray[np.bool_]) -> Matrix:
    product = _whitened_product(kept)
    norms_a, norms_b = (np.sqrt(np.array([product(row, row)[0, 0] for row in M[:, None]])) for M in (A, B))
    return np.asarray((product(A, B) / np.outer(norms_a, norms_b)).clip(-1, 1))


def _whitened_correlation(A: Matrix, B: Matrix, kept: NDArray[np.bool_]) -> Matrix:
    product = _whitened_product(kept)
    ones = np.ones((1, A.shape[1]))
    # The mean that is optimal under the covariance; the plain mean when no pair is missing.
    centred = [M - product(M, ones) / product(ones, ones) for M in (A, B)]
    return _whitened_cosine(centred[0], centred[1], kept)


def _whitened_product(kept: NDArray[np.bool_]) -> Callable[[Matrix, Matrix], Matrix]:
    """Return (A, B) -> A inv(V) B' for the pairs kept, by the inverse of a sum (Woodbury)."""
    n_stimuli = _n_stimuli(len(kept))
    ends = np.stack([index[kept] for index in np.triu_indices(n_stimuli, k=1)], axis=1)
    indptr = 2 * np.arange(len(ends) + 1)
    incidence = csr_array((np.ones(ends.size), ends.ravel(), indptr), shape=(len(ends), n_stimuli))
    system = cho_factor((incidence.T @ incidence).toarray() + 2 * np.eye(n_stimuli))

    def product(A: Matrix, B: Matrix) -> Matrix:
        sums_a, sums_b = (np.asarray(incidence.T @ M.T) for M in (A, B))
        return np.asarray(A @ B.T - sums_a.T @ cho_solve(system, sums_b)) / 2

    return product


def _bures(A: Matrix, B: Matrix, kept: NDArray[np.bool_]) -> Matrix:
    roots_a, roots_b = [_configuration(row) for row in A], [_configuration(row) for row in B]
    similarity = np.empty((len(A), len(B)))
    for i, first in enumerate(roots_a):
        for j, second in enumerate(roots_b):
            similarity[i, j] = np.linalg.svd(first.T @ second, compute_uv=False).sum()
    return np.asarray(similarity.clip(0, 1))


def _configuration(rdm: Matrix) -> Matrix:
    """Return points (n, n) of unit total norm whose squared distances are proportional to `rdm`."""
    gram = squareform(rdm) / -2
    gram -= gram.mean(axis=0)
    gram -= gram.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(gram)
    negative = -values[values < 0].sum()
    if negative > 1e-6 * values.max():
        warnings.warn(
            "method 'bures': an RDM is not made of squared Euclidean distances "
            f"({negative / abs(values).sum():.1%} of its spectrum is negative and was set to 0); the "
            "similarity is biased. Use method 'whitened-cosine' for crossnobis distances.",
            UserWarning,
            stacklevel=4,
        )
    # Of an eigenvalue that is rounding error the root is not: 1e-16 would add 1e-8.
    kept = np.where(values > len(gram) * np.finfo(np.float64).eps * values.max(), values, 0.0)
    return np.asarray(vectors * np.sqrt(kept / kept.sum()))


_METHODS: dict[str, Callable[[Matrix, Matrix, NDArray[np.bool_]], Matrix]] = {
    "bures": _bures,
    "cosine": _cosine,
    "kendall": _tau_a,
    "pearson": _pearson,
    "rho-a": _rho_a,
    "spearman": _spearman,
    "tau-a": _tau_a,
    "tau-b": _tau_b,
    "whitened-correlation": _whitened_correlation,
    "whitened-cosine": _whitened_cosine,
}


def _register() -> None:
    nili = "Nili et al. 2014, doi:10.1371/journal.pcbi.1003553"
    schutt = "Schutt et al. 2023, doi:10.7554/eLife.82566"
    diedrichsen = "Diedrichsen et al. 2020, doi:10.48550/arXiv.2007.02789"
    ranks = ("monotone", "scale", "shift", "stimulus-permutation")
    facts: dict[ComparisonMethod, tuple[tuple[str, ...], str, str, str]] = {
        "bures": (
            ("scale", "stimulus-permutation"),
            "cosine",
            "Harvey et al. 2023, doi:10.48550/arXiv.2311.11436",
            "cosine of the angular Procrustes distance of the two point clouds",
        ),
        "cosine": (("scale", "stimulus-permutation"), "cosine", nili, "cosine of two RDMs"),
        "pearson": (("scale", "shift", "stimulus-permutation"), "r", nili, "correlation of two RDMs"),
        "rho-a": (ranks, "rho", schutt, "expected rank correlation with ties broken at random"),
        "spearman": (ranks, "rho", nili, "rank correlation of two RDMs"),
        "tau-a": (ranks, "tau", nili, "concordant less discordant pairs, over all pairs; alias: kendall"),
        "tau-b": (ranks, "tau", "Kendall 1945, doi:10.2307/2332303", "the same over pairs without ties"),
        "whitened-correlation": (
            ("scale", "shift", "stimulus-permutation"),
            "r",
            diedrichsen,
            "correlation of two RDMs under the covariance of their distances",
        ),
        "whitened-cosine": (
            ("scale", "stimulus-permutation"),
            "cosine",
            diedrichsen,
            "cosine of two RDMs under the covariance of their distances",
        ),
    }
    for name, (invariant_to, unit, paper, summary) in facts.items():
        shared: dict[str, Any] = {"kind": "comparison", "inputs": "RDMs", "higher_is_closer": True}
        span = (0.0, 1.0) if name == "bures" else (-1.0, 1.0)
        METRICS.register(
            name, range=span, invariant_to=invariant_to, unit=unit, paper=paper, summary=summary, **shared
        )(partial(compare_rdms, method=name))


_register()
