"""Representational dissimilarity matrices: how different each pattern is from each other one."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import squareform

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from .._registry import METRICS

RDMMethod = Literal["correlation", "cosine", "euclidean", "mahalanobis", "poisson", "squared-euclidean"]

# Elements of a working copy when close pairs are subtracted one by one: 32 MiB.
_CHUNK_ELEMENTS = 2**22


def rdm(
    X: ArrayLike,
    *,
    method: RDMMethod = "correlation",
    precision: ArrayLike | None = None,
    prior_rate: float = 1.0,
    prior_weight: float = 0.1,
) -> NDArray[np.float64]:
    """Compute the dissimilarity of every pair of patterns.

    With patterns x_i of P channels:

    - ``"squared-euclidean"``: ``sum_c (x_ic - x_jc)^2 / P``, the mean squared difference per channel;
    - ``"euclidean"``: its square root;
    - ``"mahalanobis"``: ``(x_i - x_j)' precision (x_i - x_j) / P``, squared as in the first;
    - ``"correlation"``: ``1 - r``, with Pearson's r over channels;
    - ``"cosine"``: ``1 - cos`` of the angle between the patterns;
    - ``"poisson"``: the symmetrised Kullback-Leibler divergence of Poisson rates, per channel:
      ``sum_c (l_ic - l_jc)(ln l_ic - ln l_jc) / P`` with ``l = (x + prior_weight * prior_rate) / (1 +
      prior_weight)``.

    Parameters
    ----------
    X : array of shape (n_patterns, n_channels)
        One row per stimulus or condition, in any unit; non-negative rates for "poisson".
    method : str, default="correlation"
        The distance, see above.
    precision : array of shape (n_channels, n_channels), optional
        Inverse noise covariance, for "mahalanobis" only (and needed there).
    prior_rate : float, default=1.0
        Rate of the prior, in the unit of X, for "poisson" only.
    prior_weight : float, default=0.1
        How many observations the prior counts for, for "poisson" only.

    Returns
    -------
    distances : ndarray of shape (n_patterns * (n_patterns - 1) / 2,)
        float64, in the order of :func:`scipy.spatial.distance.pdist`: (0, 1), (0, 2), ... Never negative,
        larger is less alike; in [0, 2] for "correlation" and "cosine".

    Raises
    ------
    InputError
        If X holds NaN, a pattern has no correlation (constant) or no angle (all zero), or the options do
        not fit the method.

    Notes
    -----
    Squared distances come from one Gram matrix in float64, O(n_patterns^2 n_channels). Pairs that are so
    close that this cancels are subtracted directly, so that equal patterns are at exactly 0.

    "euclidean" distances of noisy patterns are biased upwards; see :func:`crossnobis`.

    References
    ----------
    Nili H et al. (2014). A toolbox for representational similarity analysis. PLoS Comput Biol,
    doi:10.1371/journal.pcbi.1003553.

    Schutt HH et al. (2023). Statistical inference on representational geometries. eLife,
    doi:10.7554/eLife.82566 (Poisson distance).

    Examples
    --------
    >>> rdm([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0]], method="squared-euclidean")
    array([12.5, 12.5,  0. ])
    """
    check_option("method", method, get_args(RDMMethod))
    given = check_array("X", X, ndim=2, min_rows=2)
    if given.shape[1] == 0:
        raise InputError(f"`X` has no channels, got shape {given.shape}.")
    if (precision is None) == (method == "mahalanobis"):
        wanted = "needs" if precision is None else "takes no"
        raise InputError(f"method {method!r} {wanted} `precision`; only 'mahalanobis' uses it.")
    patterns = given.astype(np.float64, copy=False)
    n_channels = patterns.shape[1]
    if method == "correlation":
        return _correlation(patterns, np.finfo(given.dtype).eps)
    if method == "cosine":
        gram = patterns @ patterns.T
        return _angular(patterns, gram, np.flatnonzero(gram.diagonal() == 0), "all zero", "an angle")
    if method == "poisson":
        return _poisson(patterns, prior_rate, prior_weight)
    if precision is not None:
        patterns = patterns @ precision_root(precision, n_channels)
    squared = _squared_distances(patterns) / n_channels
    return np.asarray(np.sqrt(squared) if method == "euclidean" else squared)


def precision_root(precision: ArrayLike, n_channels: int) -> NDArray[np.float64]:
    """Return L with L L' = precision, after checking that there is one."""
    matrix = check_array("precision", precision, ndim=2, dtype=np.float64)
    if matrix.shape != (n_channels, n_channels):
        raise InputError(
            f"`precision` must be {n_channels} x {n_channels}, one row per channel, got shape {matrix.shape}."
        )
    scale = np.abs(matrix).max()
    if np.abs(matrix - matrix.T).max() > 1e-8 * scale:
        raise InputError("`precision` must be symmetric. Give the inverse of a covariance matrix.")
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    if values[0] < -1e-8 * scale or scale == 0:
        raise InputError(
            f"`precision` must be positive semi-definite, but its smallest eigenvalue is {values[0]:.3g} and "
            f"its largest {values[-1]:.3g}. Give the inverse of a covariance matrix, shrunk where it is "
            "singular."
        )
    root: NDArray[np.float64] = vectors * np.sqrt(values.clip(min=0))
    return root


def _squared_distances(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the condensed squared distances of rows."""
    distances, norms = _expand(rows @ rows.T)
    if distances.max() < 1e-3 * norms.max():
        # Distances do not change with a common shift; here it would cancel in the Gram matrix.
        rows = rows - rows.mean(axis=0)
        distances, norms = _expand(rows @ rows.T)
    for first, second, where in _close_pairs(distances, norms, rows.shape[1]):
        difference = rows[first] - rows[second]
        distances[where] = np.einsum("ij,ij->i", difference, difference)
    return distances


def _expand(gram: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return condensed squared distances and squared norms from inner products, which are overwritten."""
    norms = gram.diagonal().copy()
    gram *= -2
    gram += norms
    gram += norms[:, None]
    return squareform(gram, checks=False), norms


def _correlation(patterns: NDArray[np.float64], eps: float) -> NDArray[np.float64]:
    means = patterns.mean(axis=1)
    centred = patterns - means[:, None]
    gram = centred @ centred.T
    # What varies by no more than the rounding of its own mean does not vary.
    rounding = 4 * eps * np.abs(means) * np.sqrt(patterns.shape[1])
    flat = np.flatnonzero(np.sqrt(gram.diagonal()) <= rounding)
    what = f"constant over their {patterns.shape[1]} channel(s)"
    return _angular(centred, gram, flat, what, "a correlation")


def _angular(
    rows: NDArray[np.float64], gram: NDArray[np.float64], flat: NDArray[np.intp], what: str, measure: str
) -> NDArray[np.float64]:
    """Return one minus the cosine of rows from their inner products, which are overwritten."""
    if len(flat):
        raise InputError(
            f"{len(flat)} pattern(s) are {what}, the first is row {flat[0]}: {measure} is not defined there. "
            "Drop them, or use method='euclidean'."
        )
    lengths = np.sqrt(gram.diagonal())
    # Scaling the inner products is cheaper than scaling the patterns, and the same.
    gram /= lengths
    gram /= lengths[:, None]
    np.subtract(1.0, gram, out=gram)
    distances: NDArray[np.float64] = squareform(gram, checks=False)
    for first, second, where in _close_pairs(distances, np.ones(len(rows)), rows.shape[1]):
        difference = rows[first] / lengths[first, None] - rows[second] / lengths[second, None]
        distances[where] = np.einsum("ij,ij->i", difference, difference) / 2
    return np.minimum(distances, 2.0, out=distances)


def _close_pairs(
    distances: NDArray[np.float64], norms: NDArray[np.float64], n_channels: int
) -> list[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]]:
    """Return (i, j, position) of pairs whose distance is mostly rounding error, in chunks."""
    tolerance = 1e-6
    candidates = np.flatnonzero(distances < tolerance * 2 * norms.max())
    if len(candidates) == 0:
        return []
    first, second = (index[candidates] for index in np.triu_indices(len(norms), k=1))
    close = distances[candidates] <= tolerance * (norms[first] + norms[second])
    first, second, where = first[close], second[close], candidates[close]
    step = max(1, _CHUNK_ELEMENTS // n_channels)
    starts = range(0, len(where), step)
    return [(first[s : s + step], second[s : s + step], where[s : s + step]) for s in starts]


def _poisson(patterns: NDArray[np.float64], prior_rate: float, prior_weight: float) -> NDArray[np.float64]:
    if prior_rate < 0 or prior_weight < 0:
        raise InputError(
            f"`prior_rate` and `prior_weight` must not be negative, got {prior_rate:g} and {prior_weight:g}."
        )
    if (patterns < 0).any():
        raise InputError(
            f"method 'poisson' takes rates, but `X` goes down to {patterns.min():g}. "
            "Give spike counts per time, without z-scoring."
        )
    rates = (patterns + prior_weight * prior_rate) / (1 + prior_weight)
    if (rates == 0).any():
        raise InputError(
            "method 'poisson': `X` holds zero rates, whose logarithm does not exist. Use a prior, with "
            "`prior_rate` and `prior_weight` above 0."
        )
    logs = np.log(rates)
    cross = rates @ logs.T
    own = cross.diagonal()
    distances: NDArray[np.float64] = squareform(own + own[:, None] - cross - cross.T, checks=False)
    norms = np.maximum(np.einsum("ij,ij->i", rates, rates), np.einsum("ij,ij->i", logs, logs))
    for first, second, where in _close_pairs(distances, norms, patterns.shape[1]):
        differences = (rates[first] - rates[second]) * (logs[first] - logs[second])
        distances[where] = differences.sum(axis=1)
    return np.asarray(distances / patterns.shape[1])


def _register() -> None:
    paper = "Nili et al. 2014, doi:10.1371/journal.pcbi.1003553"
    schutt = "Schutt et al. 2023, doi:10.7554/eLife.82566"
    infinite = (0.0, float("inf"))
    facts: dict[RDMMethod, dict[str, Any]] = {
        "correlation": {
            "range": (0.0, 2.0),
            "invariant_to": ("pattern-scale", "pattern-shift", "permutation", "scale"),
            "unit": "1 - r",
            "summary": "one minus Pearson's r of two patterns",
        },
        "cosine": {
            "range": (0.0, 2.0),
            "invariant_to": ("pattern-scale", "permutation", "rotation", "scale"),
            "unit": "1 - cosine",
            "summary": "one minus the cosine of the angle between two patterns",
        },
        "euclidean": {
            "range": infinite,
            "invariant_to": ("permutation", "rotation", "shift"),
            "unit": "unit of the data",
            "summary": "root mean squared difference per channel",
        },
        "squared-euclidean": {
            "range": infinite,
            "invariant_to": ("permutation", "rotation", "shift"),
            "unit": "squared unit of the data",
            "summary": "mean squared difference per channel",
        },
        "mahalanobis": {
            "range": infinite,
            "invariant_to": ("invertible-linear", "permutation", "rotation", "scale", "shift"),
            "unit": "noise variance",
            "summary": "squared difference in units of the noise, per channel; precision of the same data",
            "paper": "Walther et al. 2016, doi:10.1016/j.neuroimage.2015.12.012",
        },
        "poisson": {
            "range": infinite,
            "invariant_to": ("permutation",),
            "unit": "nats times rate",
            "summary": "symmetrised divergence of Poisson rates, per channel",
            "paper": schutt,
        },
    }
    for name, entry in facts.items():
        shared = {"kind": "distance", "inputs": "patterns", "higher_is_closer": False, "paper": paper}
        METRICS.register(f"{name}-rdm", **{**shared, **entry})(partial(rdm, method=name))


_register()
