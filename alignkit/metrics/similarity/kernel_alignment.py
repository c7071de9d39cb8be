"""Centred kernel alignment: how alike the geometries of two sets of responses are."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array, check_finite, check_option, check_same_samples
from ..._core.errors import InputError
from ...solvers.algebra import multiply
from .._arrays import torch_too
from .._registry import METRICS
from .._rounding import check_range, equal_rows
from ..rsa.dissimilarities import rdm

Kernel = Literal["linear", "rbf"]
Matrix = NDArray[np.float64]
# What is left of a kernel's norm after U-centring below this share of it is rounding error.
ROUNDING = 1e-12
# Of HSIC: of X with Y, of X with itself, of Y with itself.
Terms = tuple[float, float, float]


@torch_too
def cka(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    kernel: Kernel = "linear",
    debiased: bool = True,
    bandwidth: float = 1.0,
    device: str | None = None,
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
        For "rbf": s is `bandwidth` times the root of the median squared distance between stimuli. The wider
        the kernel, the closer to linear CKA.
    device : {"auto", "cpu", "cuda", ...}, optional
        Where the products of responses are computed; by default on the CPU, or where the tensors are.

    Returns
    -------
    similarity : float
        1 for the same geometry. In [0, 1] if biased; if debiased near 0 for unrelated responses, where it
        can be below 0, and with few stimuli above 1. NaN if debiased and a side has no geometry to compare:
        all pairs of stimuli are equally far apart, or only one stimulus differs from the others.

    Raises
    ------
    InputError
        If the numbers of stimuli differ, there are too few, NaN, all responses of a side are equal, or for
        "rbf" those to at least half of the pairs of stimuli are.

    Warns
    -----
    UserWarning
        If biased with more units than stimuli.

    Notes
    -----
    float64 throughout. Linear CKA is computed between units, O(n p q), or between stimuli, O(n^2 (p + q)),
    whichever is cheaper.

    Debiased means unbiased by the choice of stimuli, for these units. Where the units, too, are a sample
    (some neurons of an area), see :func:`population_cka`; for more stimuli than memory holds,
    :func:`minibatch_cka`.

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
    check_kernel(kernel, bandwidth)
    first, second = load_pair(X, Y, debiased=debiased)
    if not debiased:
        warn_of_many_units(first, second)
    if kernel == "linear":
        terms = linear_terms(first, second, debiased=debiased, device=device)
    else:
        K, _ = rbf_gram("X", first, bandwidth, device=device)
        L, _ = rbf_gram("Y", second, bandwidth, device=device)
        terms = gram_terms(K, L, debiased)
    return cka_ratio(terms, debiased)


@torch_too
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
        See :func:`cka`. NaN also for a constant kernel.

    Raises
    ------
    InputError
        If the matrices are not square, symmetric and of one size, or there are too few stimuli.

    References
    ----------
    Kornblith S et al. (2019), doi:10.48550/arXiv.1905.00414. Song L et al. (2012), JMLR 13:1393.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((50, 5))
    >>> round(cka_from_grams(X @ X.T, 2.0 * X @ X.T), 6)
    1.0
    """
    first, second = _grams(K, L, debiased)
    return cka_ratio(gram_terms(first, second, debiased), debiased)


@torch_too
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

    Examples
    --------
    >>> x = np.array([[1.0], [-1.0], [2.0], [-2.0], [0.0]])
    >>> hsic(x @ x.T, x @ x.T, debiased=False), round(hsic(x @ x.T, x @ x.T), 6)
    (6.25, 5.166667)
    """
    first, second = _grams(K, L, debiased)
    return _product(centred_gram(first, debiased=debiased), centred_gram(second, debiased=debiased), debiased)


def _grams(K: ArrayLike, L: ArrayLike, debiased: bool) -> tuple[Matrix, Matrix]:
    loaded = []
    for name, value in (("K", K), ("L", L)):
        gram = check_array(name, value, ndim=2, dtype=np.float64, min_rows=4 if debiased else 2)
        check_range(name, gram)
        if gram.shape[0] != gram.shape[1] or np.abs(gram - gram.T).max() > 1e-8 * np.abs(gram).max():
            raise InputError(f"`{name}` must be a square, symmetric kernel matrix, got shape {gram.shape}.")
        loaded.append(gram)
    check_same_samples("K", loaded[0], "L", loaded[1])
    return loaded[0], loaded[1]


@torch_too
def centred_gram(gram: ArrayLike, *, debiased: bool = True) -> Matrix:
    """Return a Gram matrix centred for HSIC: the inner product of two is proportional to it.

    For loops over many pairs of matrices, which centre each once. Of the values only the sums are checked.

    Parameters
    ----------
    gram : array of shape (n_samples, n_samples)
        Symmetric. At least 3 samples for `debiased`, whose diagonal is not looked at.
    debiased : bool, default=True
        U-centring, whose inner products are unbiased for the dependence (the diagonal is left out);
        otherwise double centring.

    Returns
    -------
    centred : ndarray of shape (n_samples, n_samples)
        A new matrix, in float64.

    Raises
    ------
    InputError
        If the matrix is not square, too small, or holds NaN or infinity.

    References
    ----------
    Song L et al. (2012). Feature selection via dependence maximization, JMLR 13:1393.

    Examples
    --------
    >>> centred_gram([[2.0, 0.0], [0.0, 2.0]], debiased=False)
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    kernel = check_array("gram", gram, ndim=2, dtype=np.float64, finite=False, min_rows=3 if debiased else 1)
    n = len(kernel)
    if kernel.shape != (n, n):
        raise InputError(f"`gram` must be square, one row and column per sample, got shape {kernel.shape}.")
    if not debiased:
        means = kernel.mean(axis=0)
        _check_sums(kernel, means)
        return np.asarray(kernel - means - means[:, None] + means.mean())
    # U-centring; the diagonal holds what makes the estimate biased.
    centred = kernel.copy()
    np.fill_diagonal(centred, 0)
    sums = centred.sum(axis=0)
    _check_sums(centred, sums)
    centred += sums.sum() / ((n - 1) * (n - 2)) - (sums + sums[:, None]) / (n - 2)
    np.fill_diagonal(centred, 0)
    return centred


def _check_sums(gram: Matrix, sums: Matrix) -> None:
    # NaN and infinity reach the sums, so that the values need no pass of their own.
    if not np.isfinite(sums).all():
        check_finite("gram", gram)


def check_kernel(kernel: str, bandwidth: float) -> None:
    """Refuse an unknown kernel and a width that is not positive."""
    check_option("kernel", kernel, get_args(Kernel))
    if not bandwidth > 0:
        raise InputError(f"`bandwidth` must be above 0, got {bandwidth:g}.")


def load_responses(name: str, X: ArrayLike, *, debiased: bool) -> Matrix:
    """Return responses in float64, columns centred, after checking them."""
    values = check_array(name, X, ndim=2, dtype=np.float64, min_rows=4 if debiased else 2)
    check_range(name, values)
    # Shifts change nothing in exact arithmetic, but a large mean costs digits.
    deviations = np.asarray(values - values.mean(axis=0))
    if equal_rows(values, deviations):
        raise InputError(f"all {len(values)} rows of `{name}` are equal: there is no geometry to compare.")
    return deviations


def load_pair(X: ArrayLike, Y: ArrayLike, *, debiased: bool) -> tuple[Matrix, Matrix]:
    """Return two sets of responses to the same stimuli, as :func:`load_responses` does."""
    first, second = load_responses("X", X, debiased=debiased), load_responses("Y", Y, debiased=debiased)
    check_same_samples("X", first, "Y", second)
    return first, second


def warn_of_many_units(*responses: Matrix) -> None:
    """Warn if a biased estimate would be high whatever the responses are."""
    widest, n_stimuli = max(values.shape[1] for values in responses), len(responses[0])
    if widest > n_stimuli:
        warnings.warn(
            f"biased CKA with {widest} units and {n_stimuli} stimuli is high whatever the responses are. "
            "Use debiased=True.",
            UserWarning,
            stacklevel=4,
        )


def rbf_gram(
    name: str,
    values: Matrix,
    bandwidth: float,
    *,
    width: float | None = None,
    device: str | None = None,
) -> tuple[Matrix, float]:
    """Return the Gaussian kernel and its width; without one, `bandwidth` times the root median distance."""
    distances = rdm(values, method="squared-euclidean", device=device) * values.shape[1]
    if width is None:
        median = np.median(distances)
        if median == 0:
            raise InputError(
                f"kernel 'rbf': at least half of the pairs of rows of `{name}` are equal, so that the median "
                "distance is 0 and sets no bandwidth. Use kernel='linear'."
            )
        width = float(bandwidth * np.sqrt(median))
    n_stimuli = len(values)
    gram = np.eye(n_stimuli)
    gram[np.triu_indices(n_stimuli, k=1)] = np.exp(distances / (-2 * width**2))
    return np.maximum(gram, gram.T), width


def linear_terms(X: Matrix, Y: Matrix, *, debiased: bool = True, device: str | None = None) -> Terms:
    """Return HSIC of X and Y, of X and X, and of Y and Y, for centred responses; unchecked."""
    n, p, q = len(X), X.shape[1], Y.shape[1]
    if p * p + q * q + p * q < n * (p + q):
        pairs = ((X, Y), (X, X), (Y, Y))
        cross, own_x, own_y = (_hsic_of_units(*pair, debiased, device) for pair in pairs)
        return cross[0], without_rounding(*own_x), without_rounding(*own_y)
    return gram_terms(multiply(X, X.T, device=device), multiply(Y, Y.T, device=device), debiased)


def gram_terms(K: Matrix, L: Matrix, debiased: bool) -> Terms:
    """Return HSIC of K and L, of K and K, and of L and L; unchecked."""
    first, second = centred_gram(K, debiased=debiased), centred_gram(L, debiased=debiased)
    own_x, own_y = (
        # Squares, so that their rounding is that of the kernel, squared.
        without_rounding(_product(own, own, debiased), _product(gram, gram, debiased), ROUNDING**2)
        for own, gram in ((first, K), (second, L))
    )
    return _product(first, second, debiased), own_x, own_y


def without_rounding(estimate: float, scale: float, share: float = ROUNDING) -> float:
    """Return 0 for an estimate that is no more than the rounding error of its scale."""
    return 0.0 if abs(estimate) <= share * scale else estimate


def cka_ratio(terms: Terms, debiased: bool = True) -> float:
    """Return CKA from the three terms; NaN where a self-similarity is 0 or less."""
    cross, own_x, own_y = terms
    if own_x <= 0 or own_y <= 0:
        return float("nan")
    ratio = float(cross / (np.sqrt(own_x) * np.sqrt(own_y)))
    # The biased ratio is at most 1 by Cauchy-Schwarz; a debiased one is not, and clipping would bias it.
    return ratio if debiased else min(ratio, 1.0)


def _product(first: Matrix, second: Matrix, debiased: bool) -> float:
    n = len(first)
    return float(np.vdot(first, second)) / (n * (n - 3) if debiased else (n - 1) ** 2)


def _hsic_of_units(X: Matrix, Y: Matrix, debiased: bool, device: str | None) -> tuple[float, float]:
    """Return HSIC of the linear kernels of centred responses without the kernels, and its largest part."""
    n = len(X)
    cross = multiply(X.T, Y, device=device)
    total = float(np.vdot(cross, cross))
    if not debiased:
        return total / (n - 1) ** 2, total / (n - 1) ** 2
    # Columns sum to 0, so the row sums of the kernels without diagonal are minus the diagonal.
    own_x, own_y = np.einsum("ij,ij->i", X, X), np.einsum("ij,ij->i", Y, Y)
    diagonal = own_x @ own_y
    unbiased = total - diagonal + own_x.sum() * own_y.sum() / ((n - 1) * (n - 2)) - 2 * diagonal / (n - 2)
    return float(unbiased) / (n * (n - 3)), total / (n * (n - 3))


def _register() -> None:
    shared: dict[str, Any] = {
        "kind": "similarity",
        "inputs": "responses",
        "higher_is_closer": True,
        "unit": "CKA",
    }
    moves = ("permutation", "rotation", "scale", "shift", "stimulus-permutation", "symmetry")
    song = "Song et al. 2012, JMLR 13:1393; Murphy et al. 2024, doi:10.48550/arXiv.2405.01012"
    kornblith = "Kornblith et al. 2019, doi:10.48550/arXiv.1905.00414"
    entries: list[tuple[str, Kernel, bool, str]] = [
        ("cka", "linear", True, "similarity of two geometries, unbiased by the number of units"),
        ("biased-cka", "linear", False, "the original estimate; high for any responses with many units"),
        ("rbf-cka", "rbf", True, "the same with a Gaussian kernel, which weighs near neighbours"),
        ("biased-rbf-cka", "rbf", False, "the original estimate with a Gaussian kernel"),
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
