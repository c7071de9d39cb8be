"""Canonical correlations: how much of two sets of responses is the same up to linear maps."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_same_samples
from ..._core.errors import InputError
from ...solvers.algebra import svd
from .._arrays import torch_too
from .._registry import METRICS
from ._clouds import Matrix, centred, left_singular


@torch_too
def canonical_correlations(
    X: ArrayLike, Y: ArrayLike, *, n_components: int | None = None, device: str | None = None
) -> NDArray[np.float64]:
    """Compute all canonical correlations of two sets of responses to the same stimuli.

    The singular values of ``Q_x' Q_y`` with Q an orthonormal basis of each side's centred columns. They do
    not change with any invertible linear map, or shift, of either side.

    Parameters
    ----------
    X : array of shape (n_samples, n_units_x)
        Responses, one row per sample.
    Y : array of shape (n_samples, n_units_y)
        Responses to the same samples in the same order.
    n_components : int, optional
        Take only so many principal components of each side first (then only rotations, a common scale and
        shifts change nothing).
    device : {"auto", "cpu", "cuda", ...}, optional
        Where the decompositions are made; by default on the CPU, or where the tensors are.

    Returns
    -------
    correlations : ndarray of shape (n_correlations,)
        In [0, 1], largest first; as many as the smaller of both ranks.

    Raises
    ------
    InputError
        If the numbers of samples differ, there are no more samples than both ranks together (the largest
        correlations are then 1 whatever the responses are), or a side is constant.

    Warns
    -----
    UserWarning
        If there are fewer than 5 samples per dimension of both sides together.

    Notes
    -----
    Units are brought to one scale, and dimensions within round-off of 0 are left out. For independent
    Gaussian responses of p and q dimensions the mean squared correlation is ``max(p, q) / (n_samples - 1)``,
    not 0.

    References
    ----------
    Hotelling H (1936). Relations between two sets of variates, doi:10.2307/2333955. Bjorck A, Golub GH
    (1973). Numerical methods for computing angles between linear subspaces, doi:10.2307/2005662.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((50, 2))
    >>> canonical_correlations(X, X @ [[1.0, 2.0], [0.0, 1.0]]).round(6)
    array([1., 1.])
    """
    return _variates(*_pair(X, Y, n_components, device), device)[1]


@torch_too
def cca(X: ArrayLike, Y: ArrayLike, *, n_components: int | None = None, device: str | None = None) -> float:
    """Compute the mean canonical correlation of two sets of responses.

    Parameters
    ----------
    X, Y : arrays of shape (n_samples, n_units_x) and (n_samples, n_units_y)
        Responses to the same samples.
    n_components : int, optional
        See :func:`canonical_correlations`.
    device : str, optional
        See :func:`canonical_correlations`.

    Returns
    -------
    similarity : float
        In [0, 1]; 1 where the smaller side is a linear map of the larger. Unrelated responses score well
        above 0 unless there are many samples per unit.

    Raises
    ------
    InputError
        See :func:`canonical_correlations`.

    Warns
    -----
    UserWarning
        See :func:`canonical_correlations`.

    References
    ----------
    Raghu M et al. (2017), doi:10.48550/arXiv.1706.05806. Kornblith S et al. (2019),
    doi:10.48550/arXiv.1905.00414.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((50, 2))
    >>> round(cca(X, X @ [[1.0, 2.0], [0.0, 1.0]]), 6)
    1.0
    """
    return float(_variates(*_pair(X, Y, n_components, device), device)[1].mean())


@torch_too
def svcca(X: ArrayLike, Y: ArrayLike, *, variance: float = 0.99, device: str | None = None) -> float:
    """Compute the mean canonical correlation of the leading principal components of each side.

    Parameters
    ----------
    X, Y : arrays of shape (n_samples, n_units_x) and (n_samples, n_units_y)
        Responses to the same samples.
    variance : float, default=0.99
        Share of each side's variance (sum of squared singular values) that the components must keep; as few
        as do so are taken.
    device : str, optional
        See :func:`canonical_correlations`.

    Returns
    -------
    similarity : float
        In [0, 1]. Rotations, a common scale and shifts of either side change nothing.

    Raises
    ------
    InputError
        If `variance` is not above 0 and at most 1; see :func:`canonical_correlations`.

    Warns
    -----
    UserWarning
        See :func:`canonical_correlations`.

    References
    ----------
    Raghu M et al. (2017). SVCCA: singular vector canonical correlation analysis for deep learning dynamics
    and interpretability, doi:10.48550/arXiv.1706.05806.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((50, 2))
    >>> round(svcca(X, 3.0 * X[:, ::-1]), 6)
    1.0
    """
    if not 0 < variance <= 1:
        raise InputError(f"`variance` is a share, above 0 and at most 1, got {variance:g}.")
    bases = []
    for values in _responses(X, Y):
        U, s = left_singular(values, device)
        explained = np.cumsum(s**2) / np.sum(s**2)
        # The last sum may end a rounding below 1.
        n_kept = min(int(np.searchsorted(explained, variance)) + 1, len(s))
        bases.append(U[:, :n_kept])
    _check_samples(*bases)
    return float(_variates(bases[0], bases[1], device)[1].mean())


@torch_too
def pwcca(X: ArrayLike, Y: ArrayLike, *, n_components: int | None = None, device: str | None = None) -> float:
    """Compute the mean canonical correlation weighted by how much of `X` each variate accounts for.

    ``sum_i a_i rho_i / sum_i a_i`` with ``a_i = sum_j |h_i' x_j|``, h_i the canonical variates of `X` and
    x_j its centred units. Not symmetric: `X` sets the weights. Swap both for the other direction.

    Parameters
    ----------
    X : array of shape (n_samples, n_units_x)
        Responses that set the weights; their units count by their scale.
    Y : array of shape (n_samples, n_units_y)
        Responses to the same samples.
    n_components : int, optional
        See :func:`canonical_correlations`.
    device : str, optional
        See :func:`canonical_correlations`.

    Returns
    -------
    similarity : float
        In [0, 1]. A common scale or a shift of `X`, and any invertible linear map of `Y`, change nothing;
        rotations of `X` do.

    Raises
    ------
    InputError
        See :func:`canonical_correlations`.

    Warns
    -----
    UserWarning
        See :func:`canonical_correlations`.

    Notes
    -----
    The authors' published code weighs by the side that keeps fewer dimensions, projects with coefficients
    that are not whitened and adds the units' means back, so that a shift changes its result. This is the
    paper's formula.

    References
    ----------
    Morcos AS, Raghu M, Bengio S (2018). Insights on representational similarity in neural networks with
    canonical correlation, doi:10.48550/arXiv.1806.05759.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((50, 2))
    >>> round(pwcca(X, X @ [[1.0, 2.0], [0.0, 1.0]]), 6)
    1.0
    """
    variates, correlations = _variates(*_pair(X, Y, n_components, device), device)
    weights = np.abs(variates.T @ centred("X", X)).sum(axis=1)
    return float(weights @ correlations / weights.sum())


def _responses(X: ArrayLike, Y: ArrayLike) -> tuple[Matrix, Matrix]:
    first, second = centred("X", X), centred("Y", Y)
    check_same_samples("X", first, "Y", second)
    return first, second


def _pair(X: ArrayLike, Y: ArrayLike, n_components: int | None, device: str | None) -> tuple[Matrix, Matrix]:
    """Return an orthonormal basis of each side's columns."""
    if n_components is not None and n_components < 1:
        raise InputError(f"`n_components` must be 1 or more, got {n_components}.")
    bases = []
    for values in _responses(X, Y):
        if n_components is None:
            # Units in volts and in spikes per second span as much: one scale, before ranks are judged.
            scales = np.linalg.norm(values, axis=0)
            bases.append(left_singular(values / np.where(scales > 0, scales, 1), device)[0])
        else:
            bases.append(left_singular(values, device)[0][:, :n_components])
    _check_samples(*bases)
    return bases[0], bases[1]


def _check_samples(first: Matrix, second: Matrix) -> None:
    (n, p), q = first.shape, second.shape[1]
    if n <= p + q:
        raise InputError(
            f"`X` and `Y` have {n} samples of {p} and {q} dimensions: with n_samples <= {p} + {q} canonical "
            "correlations are 1 whatever the responses are. Use `svcca` with a lower `variance`, or set "
            f"`n_components` ({max(n // 10, 1)} or fewer here)."
        )
    if n < 5 * (p + q):
        warnings.warn(
            f"{n} samples of {p} and {q} dimensions: independent responses would have a mean squared "
            f"canonical correlation of {max(p, q) / (n - 1):.2f}. Have 5 samples per dimension of both "
            "sides together, or take fewer components.",
            UserWarning,
            stacklevel=5,
        )


def _variates(first: Matrix, second: Matrix, device: str | None) -> tuple[Matrix, Matrix]:
    """Return the canonical variates of the first side, (n_samples, k), and the k correlations."""
    U, values, _ = svd(first.T @ second, device=device)
    # Cosines between unit vectors: above 1 by round-off only.
    return first @ U, np.minimum(values, 1.0)


def _register() -> None:
    shared: dict[str, Any] = {
        "kind": "similarity",
        "inputs": "responses",
        "range": (0.0, 1.0),
        "higher_is_closer": True,
        "unit": "correlation",
    }
    everywhere = ("permutation", "scale", "shift", "stimulus-permutation")
    METRICS.register(
        "cca",
        invariant_to=(*everywhere, "invertible-linear", "rotation", "symmetry", "unit-scale"),
        paper="Raghu et al. 2017, doi:10.48550/arXiv.1706.05806",
        summary="mean canonical correlation: what is shared up to linear maps; needs many samples per unit",
        **shared,
    )(cca)
    METRICS.register(
        "svcca",
        invariant_to=(*everywhere, "rotation", "symmetry"),
        paper="Raghu et al. 2017, doi:10.48550/arXiv.1706.05806",
        summary="mean canonical correlation of the principal components that hold 99 % of the variance",
        **shared,
    )(svcca)
    METRICS.register(
        "pwcca",
        invariant_to=everywhere,
        paper="Morcos et al. 2018, doi:10.48550/arXiv.1806.05759",
        summary="canonical correlations weighted by what they account for in the first set of responses",
        **shared,
    )(pwcca)


_register()
