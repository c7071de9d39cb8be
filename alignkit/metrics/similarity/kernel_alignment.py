"""Centred kernel alignment: how alike the geometries of two sets of responses are."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array, check_option, check_same_samples
from ..._core.errors import InputError
from .._registry import METRICS
from ..rsa.dissimilarities import rdm

Kernel = Literal["linear", "rbf"]
Matrix = NDArray[np.float64]


def cka(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    kernel: Kernel = "linear",
    debiased: bool = True,
    bandwidth: float = 1.0,
) -> float:
    """Compute the centred kernel alignment of two sets of responses to the same stimuli.

    ``CKA = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L))``, with K and L the kernels between stimuli. Linear CKA
    does not change with rotations, a common scale or shifts of either side; it does with other linear maps.

    Parameters
    ----------
    X : array of shape (n_stimuli, n_units_x)
        Responses, one row per stimulus.
    Y : array of shape (n_stimuli, n_units_y)
        Responses to the same stimuli in the same order.
    kernel : {"linear", "rbf"}, default="linear"
        ``x'y``, or ``exp(-||x - y||^2 / (2 s^2))``.
    debiased : bool, default=True
        Use the unbiased estimate of HSIC (needs at least 4 stimuli). The biased one rises with the number of
        units: independent random responses of 100 stimuli score .33 with 50 units and .99 with 10,000.
    bandwidth : float, default=1.0
        For "rbf": s is `bandwidth` times the root of the median squared distance between stimuli.

    Returns
    -------
    similarity : float
        1 for the same geometry. In [0, 1] if biased; if debiased near 0 for unrelated responses, where it
        can be below 0, and with few stimuli above 1. NaN if debiased and a self-similarity is estimated as
        0 or less, which happens with few stimuli.

    Raises
    ------
    InputError
        If the numbers of stimuli differ, there are too few, NaN, or all responses of a side are equal.

    Warns
    -----
    UserWarning
        If biased with more units than stimuli.

    Notes
    -----
    float64 throughout. Linear CKA is computed between units, O(n p q), or between stimuli, O(n^2 (p + q)),
    whichever is cheaper.

    References
    ----------
    Kornblith S et al. (2019). Similarity of neural network representations revisited,
    doi:10.48550/arXiv.1905.00414. Song L et al. (2012). Feature selection via dependence maximization, JMLR
    13:1393 (unbiased HSIC). Murphy A et al. (2024), doi:10.48550/arXiv.2405.01012 (bias).

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((50, 5))
    >>> round(cka(X, 3.0 * X[:, ::-1] + 1.0), 6)
    1.0
    """
    check_option("kernel", kernel, get_args(Kernel))
    if not bandwidth > 0:
        raise InputError(f"`bandwidth` must be above 0, got {bandwidth:g}.")
    first, second = _responses("X", X, debiased), _responses("Y", Y, debiased)
    check_same_samples("X", first, "Y", second)
    n_stimuli, widest = len(first), max(first.shape[1], second.shape[1])
    if not debiased and widest > n_stimuli:
        warnings.warn(
            f"biased CKA with {widest} units and {n_stimuli} stimuli is high whatever the responses are. "
            "Use debiased=True.",
            UserWarning,
            stacklevel=2,
        )
    if kernel == "rbf":
        return _ratio(_rbf(first, bandwidth), _rbf(second, bandwidth), debiased)
    p, q = first.shape[1], second.shape[1]
    if p * p + q * q + p * q < n_stimuli * (p + q):
        estimate = partial(_hsic_of_units, debiased=debiased)
        products = (estimate(first, second), estimate(first, first), estimate(second, second))
        return _normalised(*products, debiased)
    return _ratio(first @ first.T, second @ second.T, debiased)


def cka_from_grams(K: ArrayLike, L: ArrayLike, *, debiased: bool = True) -> float:
    """Compute the centred kernel alignment of two kernel matrices.

    Parameters
    ----------
    K, L : arrays of shape (n_stimuli, n_stimuli)
        Symmetric kernels between the same stimuli; centred or not.
    debiased : bool, default=True
        See :func:`cka`.

    Returns
    -------
    similarity : float
        See :func:`cka`.

    Raises
    ------
    InputError
        If the matrices are not square, symmetric and of one size, or there are too few stimuli.
    """
    first, second = _grams(K, L, debiased)
    return _ratio(first, second, debiased)


def hsic(K: ArrayLike, L: ArrayLike, *, debiased: bool = True) -> float:
    """Estimate the Hilbert-Schmidt independence criterion of two kernel matrices.

    Biased: ``tr(K H L H) / (n - 1)^2``. Debiased: ``<K~, L~> / (n (n - 3))`` with U-centred kernels (zero
    diagonal, zero row sums), whose expectation is 0 for independent responses.

    Parameters
    ----------
    K, L : arrays of shape (n_stimuli, n_stimuli)
        Symmetric kernels between the same stimuli; centred or not.
    debiased : bool, default=True
        Which estimate, see above.

    Returns
    -------
    dependence : float
        In the product of the kernels' units; 0 or more if biased.

    Raises
    ------
    InputError
        If the matrices are not square, symmetric and of one size, or there are too few stimuli.

    References
    ----------
    Gretton A et al. (2005), doi:10.1007/11564089_7. Song L et al. (2012), JMLR 13:1393.
    """
    first, second = _grams(K, L, debiased)
    return _product(centred_gram(first, debiased=debiased), centred_gram(second, debiased=debiased), debiased)


def _responses(name: str, X: ArrayLike, debiased: bool) -> Matrix:
    values = check_array(name, X, ndim=2, dtype=np.float64, min_rows=4 if debiased else 2)
    if (values == values[0]).all():
        raise InputError(f"all {len(values)} rows of `{name}` are equal: there is no geometry to compare.")
    # Shifts change nothing in exact arithmetic, but a large mean costs digits.
    return np.asarray(values - values.mean(axis=0))


def _grams(K: ArrayLike, L: ArrayLike, debiased: bool) -> tuple[Matrix, Matrix]:
    loaded = []
    for name, value in (("K", K), ("L", L)):
        gram = check_array(name, value, ndim=2, dtype=np.float64, min_rows=4 if debiased else 2)
        if gram.shape[0] != gram.shape[1] or np.abs(gram - gram.T).max() > 1e-8 * np.abs(gram).max():
            raise InputError(f"`{name}` must be a square, symmetric kernel matrix, got shape {gram.shape}.")
        loaded.append(gram)
    check_same_samples("K", loaded[0], "L", loaded[1])
    return loaded[0], loaded[1]


def _rbf(values: Matrix, bandwidth: float) -> Matrix:
    distances = rdm(values, method="squared-euclidean") * values.shape[1]
    median = np.median(distances)
    if median == 0:
        raise InputError(
            "kernel 'rbf': at least half of the pairs of stimuli have equal responses, so that the median "
            "distance is 0 and sets no bandwidth. Use kernel='linear'."
        )
    n_stimuli = len(values)
    gram = np.eye(n_stimuli)
    gram[np.triu_indices(n_stimuli, k=1)] = np.exp(distances / (-2 * bandwidth**2 * median))
    return np.maximum(gram, gram.T)


def _ratio(K: Matrix, L: Matrix, debiased: bool) -> float:
    first, second = centred_gram(K, debiased=debiased), centred_gram(L, debiased=debiased)
    pairs = ((first, second), (first, first), (second, second))
    cross, own_x, own_y = (_product(*pair, debiased) for pair in pairs)
    return _normalised(cross, own_x, own_y, debiased)


def _normalised(cross: float, own_x: float, own_y: float, debiased: bool) -> float:
    if own_x <= 0 or own_y <= 0:
        return float("nan")
    ratio = float(cross / (np.sqrt(own_x) * np.sqrt(own_y)))
    # The biased ratio is at most 1 by Cauchy-Schwarz; a debiased one is not, and clipping would bias it.
    return ratio if debiased else min(ratio, 1.0)


def centred_gram(gram: Matrix, *, debiased: bool = True) -> Matrix:
    """Return a Gram matrix centred for HSIC: the inner product of two is proportional to it.

    For loops over many pairs of matrices, which centre each once; unchecked.

    Parameters
    ----------
    gram : ndarray of shape (n_samples, n_samples)
        Symmetric, float64.
    debiased : bool, default=True
        U-centring, whose inner products are unbiased for the dependence (the diagonal is left out);
        otherwise double centring.

    Returns
    -------
    centred : ndarray of shape (n_samples, n_samples)
        A new matrix.

    References
    ----------
    Song et al. (2012), Feature selection via dependence maximization, JMLR 13.
    """
    n = len(gram)
    if not debiased:
        means = gram.mean(axis=0)
        return np.asarray(gram - means - means[:, None] + means.mean())
    # U-centring; the diagonal holds what makes the estimate biased.
    centred = gram.copy()
    np.fill_diagonal(centred, 0)
    sums = centred.sum(axis=0)
    centred += sums.sum() / ((n - 1) * (n - 2)) - (sums + sums[:, None]) / (n - 2)
    np.fill_diagonal(centred, 0)
    return centred


def _product(first: Matrix, second: Matrix, debiased: bool) -> float:
    n = len(first)
    return float(np.vdot(first, second)) / (n * (n - 3) if debiased else (n - 1) ** 2)


def _hsic_of_units(X: Matrix, Y: Matrix, debiased: bool) -> float:
    """Return HSIC of the linear kernels of centred responses without forming the kernels."""
    n = len(X)
    cross = X.T @ Y
    total = np.vdot(cross, cross)
    if not debiased:
        return float(total) / (n - 1) ** 2
    # Columns sum to 0, so the row sums of the kernels without diagonal are minus the diagonal.
    own_x, own_y = np.einsum("ij,ij->i", X, X), np.einsum("ij,ij->i", Y, Y)
    diagonal = own_x @ own_y
    unbiased = total - diagonal + own_x.sum() * own_y.sum() / ((n - 1) * (n - 2)) - 2 * diagonal / (n - 2)
    return float(unbiased) / (n * (n - 3))


def _register() -> None:
    shared: dict[str, Any] = {
        "kind": "similarity",
        "inputs": "responses",
        "higher_is_closer": True,
        "unit": "CKA",
    }
    moves = ("permutation", "rotation", "scale", "shift", "stimulus-permutation")
    song = "Song et al. 2012, JMLR 13:1393; Murphy et al. 2024, doi:10.48550/arXiv.2405.01012"
    kornblith = "Kornblith et al. 2019, doi:10.48550/arXiv.1905.00414"
    entries: list[tuple[str, Kernel, bool, str]] = [
        ("cka", "linear", True, "similarity of two geometries, unbiased by the number of units"),
        ("biased-cka", "linear", False, "the original estimate; high for any responses with many units"),
        ("rbf-cka", "rbf", True, "the same with a Gaussian kernel, which weighs near neighbours"),
    ]
    for name, kernel, debiased, summary in entries:
        METRICS.register(
            name,
            range=(float("-inf"), float("inf")) if debiased else (0.0, 1.0),
            invariant_to=moves,
            paper=song if debiased else kornblith,
            summary=summary,
            **shared,
        )(partial(cka, kernel=kernel, debiased=debiased))


_register()
