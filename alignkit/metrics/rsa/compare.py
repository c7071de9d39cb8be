"""Comparing representational dissimilarity matrices."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from ..._core.checks import check_option
from ..._core.errors import InputError
from .._arrays import torch_too
from .._registry import METRICS
from .._rounding import constant_along
from ._bures import overlaps
from ._kendall import concordance
from ._pairs import count_stimuli, load_both, shared_masks
from ._whitening import Product, check_sigma, whitened_product

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


@torch_too
def compare_rdms(
    a: ArrayLike, b: ArrayLike, *, method: ComparisonMethod = "spearman", sigma_k: ArrayLike | None = None
) -> float | Matrix:
    """Compare every RDM in `a` with every RDM in `b`.

    - ``"pearson"``, ``"spearman"``: correlations of the dissimilarities, or of their ranks.
    - ``"tau-a"`` (also called ``"kendall"``): concordant less discordant pairs, over *all* pairs. Use it or
      "rho-a" where a model predicts ties: "spearman" and "tau-b" favour such models.
    - ``"tau-b"``: the same over pairs without ties.
    - ``"rho-a"``: the expected Spearman correlation when ties are broken at random.
    - ``"cosine"``: without centring; for distances whose zero means something, such as crossnobis.
    - ``"whitened-cosine"``, ``"whitened-correlation"``: cosine and correlation under the covariance that
      distances have because pairs share stimuli. On squared Euclidean RDMs, with independent noise of one
      variance, the cosine equals linear CKA (not debiased).
    - ``"bures"``: cosine of the angular Procrustes distance of the two point clouds; for squared distances.

    Parameters
    ----------
    a : array of shape (n_pairs,) or (n_a, n_pairs)
        Condensed RDMs (order of :func:`rdm`). NaN marks a pair without a value.
    b : array of shape (n_pairs,) or (n_b, n_pairs)
        Condensed RDMs of the same stimuli in the same order.
    method : str, default="spearman"
        See above.
    sigma_k : array of shape (n_stimuli,) or (n_stimuli, n_stimuli), optional
        For the whitened methods only: the noise variances of the stimuli's patterns, or the noise
        covariance between them; by default independent noise of one variance. Its scale does not matter.

    Returns
    -------
    similarity : float, or ndarray of shape (n_a, n_b)
        A float where both are one-dimensional. In [-1, 1], for "bures" in [0, 1]; higher is more alike. A
        "tau-a" or "rho-a" of an RDM with itself is below 1 where it has ties.

    Raises
    ------
    InputError
        If the numbers of pairs differ, fewer than 3 pairs have a value on both sides, an RDM is constant
        over these but for rounding (for the cosines: all zero), or `sigma_k` is not a covariance.

    Notes
    -----
    Each pair of RDMs is compared over the pairs of stimuli that have a value in both; ranks and means are
    taken after that. How many these are, :func:`shared_pairs` counts, and the log says when some are left
    out. "bures" needs all pairs. Kendall's counts take O(n_pairs log n_pairs) and are exact integers; all
    others are matrix products. Whitening by the covariance ``V = (C sigma_k C')^2`` (by element, C the
    contrasts between stimuli) takes one n_stimuli x n_stimuli system. Means are those that are optimal
    under V: the plain ones only where the noise is the same for all stimuli and no pair is missing.

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
    first, second = load_both(a, b)
    sigma = None
    if method in _NEEDS_STIMULI:
        n_stimuli = count_stimuli(first.shape[1])
        sigma = None if sigma_k is None else check_sigma(sigma_k, n_stimuli)
    if sigma_k is not None and not method.startswith("whitened"):
        raise InputError(f"method {method!r} takes no `sigma_k`; only the whitened methods use it.")
    result = np.empty((len(first), len(second)))
    for rows_a, rows_b, kept in shared_masks(first, second):
        if method == "bures":
            _check_whole("method 'bures'", kept)
        part_a, part_b = _part(first, rows_a, kept), _part(second, rows_b, kept)
        _check_spread("a", part_a, rows_a, method)
        _check_spread("b", part_b, rows_b, method)
        if method in _WHITENED:
            values = _WHITENED[method](part_a, part_b, whitened_product(kept, sigma))
        else:
            values = _METHODS[method](part_a, part_b)
        result[np.ix_(rows_a, rows_b)] = values
    return float(result[0, 0]) if np.ndim(a) == 1 and np.ndim(b) == 1 else result


@torch_too
def shared_pairs(a: ArrayLike, b: ArrayLike) -> int | NDArray[np.int64]:
    """Count the pairs of stimuli that have a value in both RDMs, over which these are compared.

    Parameters
    ----------
    a : array of shape (n_pairs,) or (n_a, n_pairs)
        Condensed RDMs. NaN marks a pair without a value.
    b : array of shape (n_pairs,) or (n_b, n_pairs)
        Condensed RDMs of the same stimuli in the same order.

    Returns
    -------
    n_shared : int, or ndarray of int64 of shape (n_a, n_b)
        An int where both are one-dimensional. ``n_pairs - n_shared`` pairs are left out of a comparison.

    Raises
    ------
    InputError
        If the numbers of pairs differ, or a value is infinite.

    Examples
    --------
    >>> shared_pairs([1.0, float("nan"), 3.0], [1.0, 2.0, 3.0])
    2
    """
    first, second = load_both(a, b)
    counts = (~np.isnan(first)).astype(np.int64) @ (~np.isnan(second)).astype(np.int64).T
    return int(counts[0, 0]) if np.ndim(a) == 1 and np.ndim(b) == 1 else counts


@torch_too
def bures_distance(a: ArrayLike, b: ArrayLike) -> float | Matrix:
    """Compute how far the point clouds of two RDMs of squared distances are apart at best.

    ``sqrt(tr K + tr L - 2 tr (K^1/2 L K^1/2)^1/2)`` with K and L the centred Gram matrices of the clouds:
    the Procrustes distance of the patterns, after the best rotation and shift, without scaling.

    Parameters
    ----------
    a : array of shape (n_pairs,) or (n_a, n_pairs)
        Condensed squared Euclidean distances, without NaN.
    b : array of shape (n_pairs,) or (n_b, n_pairs)
        The same for the other side.

    Returns
    -------
    distance : float, or ndarray of shape (n_a, n_b)
        0 or more, in the unit of the root of the RDMs; 0 for equal RDMs. A metric: symmetric, and the
        triangle inequality holds.

    Raises
    ------
    InputError
        If the numbers of pairs differ or a pair has no value.

    Notes
    -----
    O(n_stimuli^3) per pair of RDMs. Near 0 the rounding of the three terms leaves about 1e-8 times the size
    of the clouds. Eigenvalues below 0, as crossnobis distances have, are set to 0 with a warning.

    References
    ----------
    Harvey SE et al. (2023), doi:10.48550/arXiv.2311.11436.

    Examples
    --------
    >>> round(bures_distance([1.0, 4.0, 1.0], [4.0, 16.0, 4.0]), 6)
    1.414214
    """
    first, second = load_both(a, b)
    count_stimuli(first.shape[1])
    for values in (first, second):
        _check_whole("the Bures distance", np.asarray(~np.isnan(values).any(axis=0)))
    overlap, sizes_a, sizes_b = overlaps(first, second)
    # Equal clouds come out a rounding error below 0.
    result = np.sqrt((sizes_a[:, None] + sizes_b - 2 * overlap).clip(min=0))
    return float(result[0, 0]) if np.ndim(a) == 1 and np.ndim(b) == 1 else result


def _check_whole(what: str, kept: NDArray[np.bool_]) -> None:
    if not kept.all():
        raise InputError(
            f"{what} needs a value for every pair, but {np.count_nonzero(~kept)} are NaN in `a` or `b`. "
            "Drop their stimuli, or use 'whitened-cosine'."
        )


def _part(values: Matrix, rows: NDArray[np.intp], kept: NDArray[np.bool_]) -> Matrix:
    # Selecting everything would copy it, which takes as long as ranking it.
    return values if len(rows) == len(values) and kept.all() else values[np.ix_(rows, kept)]


def _check_spread(name: str, values: Matrix, rows: NDArray[np.intp], method: str) -> None:
    if method in _COSINES:
        flat, what = (values == 0).all(axis=1), "zero"
    else:
        flat, what = constant_along(values, axis=1), "constant"
    if flat.any():
        raise InputError(
            f"RDM {rows[flat][0]} of `{name}` is {what} over the {values.shape[1]} pairs compared, so that "
            f"method {method!r} is not defined. Leave it out."
        )


def _cosine(A: Matrix, B: Matrix) -> Matrix:
    unit_a = A / np.linalg.norm(A, axis=1, keepdims=True)
    unit_b = B / np.linalg.norm(B, axis=1, keepdims=True)
    return np.asarray((unit_a @ unit_b.T).clip(-1, 1))


def _pearson(A: Matrix, B: Matrix) -> Matrix:
    return _cosine(A - A.mean(axis=1, keepdims=True), B - B.mean(axis=1, keepdims=True))


def _spearman(A: Matrix, B: Matrix) -> Matrix:
    return _pearson(rankdata(A, axis=1), rankdata(B, axis=1))


def _rho_a(A: Matrix, B: Matrix) -> Matrix:
    n = A.shape[1]
    ranks_a, ranks_b = (rankdata(values, axis=1) - (n + 1) / 2 for values in (A, B))
    return np.asarray(12 * (ranks_a @ ranks_b.T) / (float(n) ** 3 - n))


def _tau_a(A: Matrix, B: Matrix) -> Matrix:
    n = A.shape[1]
    return np.asarray(concordance(A, B)[0] / (n * (n - 1) // 2))


def _tau_b(A: Matrix, B: Matrix) -> Matrix:
    n = A.shape[1]
    difference, tied_a, tied_b = concordance(A, B)
    total = n * (n - 1) // 2
    return np.asarray(difference / np.sqrt((total - tied_a)[:, None] * 1.0 * (total - tied_b)))


def _whitened_cosine(A: Matrix, B: Matrix, product: Product) -> Matrix:
    norms_a, norms_b = (np.sqrt(np.array([product(row, row)[0, 0] for row in M[:, None]])) for M in (A, B))
    return np.asarray((product(A, B) / np.outer(norms_a, norms_b)).clip(-1, 1))


def _whitened_correlation(A: Matrix, B: Matrix, product: Product) -> Matrix:
    ones = np.ones((1, A.shape[1]))
    # The mean that is optimal under the covariance.
    centred = [M - product(M, ones) / product(ones, ones) for M in (A, B)]
    return _whitened_cosine(centred[0], centred[1], product)


def _bures(A: Matrix, B: Matrix) -> Matrix:
    overlap, sizes_a, sizes_b = overlaps(A, B)
    return np.asarray((overlap / np.sqrt(np.outer(sizes_a, sizes_b))).clip(0, 1))


_METHODS: dict[str, Callable[[Matrix, Matrix], Matrix]] = {
    "bures": _bures,
    "cosine": _cosine,
    "kendall": _tau_a,
    "pearson": _pearson,
    "rho-a": _rho_a,
    "spearman": _spearman,
    "tau-a": _tau_a,
    "tau-b": _tau_b,
}
_WHITENED: dict[str, Callable[[Matrix, Matrix, Product], Matrix]] = {
    "whitened-correlation": _whitened_correlation,
    "whitened-cosine": _whitened_cosine,
}


def _register() -> None:
    nili = "Nili et al. 2014, doi:10.1371/journal.pcbi.1003553"
    schutt = "Schutt et al. 2023, doi:10.7554/eLife.82566"
    diedrichsen = "Diedrichsen et al. 2020, doi:10.48550/arXiv.2007.02789"
    cosines = ("scale", "stimulus-permutation", "symmetry")
    correlations = ("scale", "shift", "stimulus-permutation", "symmetry")
    ranks = ("monotone", "scale", "shift", "stimulus-permutation", "symmetry")
    facts: dict[ComparisonMethod, tuple[tuple[str, ...], str, str, str]] = {
        "bures": (
            cosines,
            "cosine",
            "Harvey et al. 2023, doi:10.48550/arXiv.2311.11436",
            "cosine of the angular Procrustes distance of the two point clouds",
        ),
        "cosine": (cosines, "cosine", nili, "cosine of two RDMs"),
        "pearson": (correlations, "r", nili, "correlation of two RDMs"),
        "rho-a": (ranks, "rho", schutt, "expected rank correlation with ties broken at random"),
        "spearman": (ranks, "rho", nili, "rank correlation of two RDMs"),
        "tau-a": (ranks, "tau", nili, "concordant less discordant pairs, over all pairs; alias: kendall"),
        "tau-b": (ranks, "tau", "Kendall 1945, doi:10.2307/2332303", "the same over pairs without ties"),
        "whitened-correlation": (
            correlations,
            "r",
            diedrichsen,
            "correlation of two RDMs under the covariance of their distances",
        ),
        "whitened-cosine": (
            cosines,
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
    METRICS.register(
        "bures-distance",
        kind="comparison",
        inputs="RDMs",
        range=(0.0, float("inf")),
        higher_is_closer=False,
        invariant_to=("stimulus-permutation", "symmetry"),
        unit="root of the RDMs' unit",
        paper="Harvey et al. 2023, doi:10.48550/arXiv.2311.11436",
        summary="Procrustes distance of the two point clouds, without scaling",
    )(bures_distance)


_register()
