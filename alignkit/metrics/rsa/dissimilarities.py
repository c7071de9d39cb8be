"""Representational dissimilarity matrices: how different each pattern is from each other one."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import squareform

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from ...solvers.algebra import multiply
from .._arrays import torch_too
from .._registry import METRICS
from .._rounding import check_range
from ._inner_products import FLOAT32_ERROR, exceeds_float32, inner_products, without_means, working_precision

RDMMethod = Literal["correlation", "cosine", "euclidean", "mahalanobis", "poisson", "squared-euclidean"]

Floats = NDArray[np.float64]

# Elements of a working copy when close pairs are subtracted one by one: 32 MiB.
_CHUNK_ELEMENTS = 2**22
# Squared lengths between these leave room for what is computed with them.
_MODEST = (1e-100, 1e100)
# With more pairs than this that float32 cannot tell apart, float64 is faster than subtracting them.
_CLOSE_PER_PATTERN = 4


@torch_too
def rdm(
    X: ArrayLike,
    *,
    method: RDMMethod = "correlation",
    precision: ArrayLike | None = None,
    prior_rate: float = 1.0,
    prior_weight: float = 0.1,
    device: str | None = None,
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
    device : {"auto", "cpu", "cuda", ...}, optional
        Where the inner products are computed; by default on the CPU, or where the tensors are.

    Returns
    -------
    distances : ndarray of shape (n_patterns * (n_patterns - 1) / 2,)
        float64, in the order of :func:`scipy.spatial.distance.pdist`: (0, 1), (0, 2), ... Never negative,
        larger is less alike; in [0, 2] for "correlation" and "cosine".

    Raises
    ------
    InputError
        If X holds NaN or no channels, a pattern has no correlation (constant) or no angle (all zero), or the
        options do not fit the method.

    Notes
    -----
    Squared distances come from one Gram matrix in float64, O(n_patterns^2 n_channels). Pairs that are so
    close that this cancels are subtracted directly, so that equal patterns are at exactly 0.

    float32 patterns with 2^30 multiplications or more (1000 patterns of 1074 channels) are multiplied as
    float32, by the fastest product of the machine: the error is then about 5e-7 of the patterns' squared
    lengths (of 1 for "correlation" and "cosine"), and pairs nearer than 1 % of these are subtracted
    directly in float64. "poisson" and "mahalanobis" are float64 always; so is any method for float64 data.

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
    if method in ("correlation", "cosine"):
        return _angular(working_precision(given), centred=method == "correlation", device=device)
    n_channels = given.shape[1]
    if method in ("mahalanobis", "poisson"):
        check_range("X", given)
    if method == "poisson":
        counts = given.astype(np.float64, copy=False)
        check_counts(counts)
        return _poisson(poisson_rates(counts, prior_rate, prior_weight), device)
    if precision is None:
        patterns = working_precision(given)
    else:
        root = precision_root(precision, n_channels)
        patterns = multiply(given.astype(np.float64, copy=False), root, device=device)
    squared = _squared_distances(patterns, device)
    squared /= n_channels
    return np.sqrt(squared, out=squared) if method == "euclidean" else squared


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


def _squared_distances(rows: NDArray[Any], device: str | None) -> Floats:
    """Return the condensed squared distances of rows."""
    gram = _gram(rows, device)
    if exceeds_float32(rows, gram.diagonal()):
        return _squared_distances(rows.astype(np.float64), device)
    distances, norms = _expand(gram)
    closeness = _closeness(rows)
    if rows.dtype == np.float32 and _n_close(distances, norms, closeness) > _CLOSE_PER_PATTERN * len(rows):
        return _squared_distances(rows.astype(np.float64), device)
    if distances.max() < 1e-3 * norms.max():
        # Distances do not change with a common shift; here it would cancel in the Gram matrix.
        rows = rows - rows.mean(axis=0)
        distances, norms = _expand(inner_products(rows, device=device))
    for first, second, where in _close_pairs(distances, norms, rows.shape[1], closeness):
        difference = np.subtract(rows[first], rows[second], dtype=np.float64)
        distances[where] = np.einsum("ij,ij->i", difference, difference)
    return distances


def _gram(rows: NDArray[Any], device: str | None) -> Floats:
    """Return inner products, after checking that the squares of the rows can be computed with."""
    with np.errstate(over="ignore", invalid="ignore"):
        gram = inner_products(rows, device=device)
    # The products tell what a pass over the patterns would, at no cost.
    if rows.dtype == np.float64 and not _MODEST[0] < gram.diagonal().max() < _MODEST[1]:
        check_range("X", rows)
    return gram


def _expand(gram: Floats) -> tuple[Floats, Floats]:
    """Return condensed squared distances and squared norms from inner products, which are overwritten."""
    norms = gram.diagonal().copy()
    gram *= -2
    gram += norms
    gram += norms[:, None]
    return squareform(gram, checks=False), norms


def _angular(patterns: NDArray[Any], *, centred: bool, device: str | None) -> Floats:
    """Return one minus the cosine of patterns, or of patterns less their means."""
    n_channels = patterns.shape[1]
    rows, means = without_means(patterns) if centred else (patterns, np.zeros(len(patterns)))
    gram = _gram(rows, device)
    if exceeds_float32(rows, gram.diagonal()):
        return _angular(patterns.astype(np.float64), centred=centred, device=device)
    if centred:
        gram -= np.outer(n_channels * means, means)
    _check_lengths(patterns, gram, centred)
    lengths = np.sqrt(gram.diagonal())
    # Scaling the inner products is cheaper than scaling the patterns, and the same.
    gram /= lengths
    gram /= lengths[:, None]
    np.subtract(1.0, gram, out=gram)
    distances: Floats = squareform(gram, checks=False)
    if centred and n_channels == 2:
        # Two channels correlate with 1 or -1: what is off that is rounding, and would order equal pairs.
        return np.rint(distances, out=distances)
    norms, closeness = np.ones(len(rows)), _closeness(rows)
    if rows.dtype == np.float32 and _n_close(distances, norms, closeness) > _CLOSE_PER_PATTERN * len(rows):
        return _angular(patterns.astype(np.float64), centred=centred, device=device)
    for first, second, where in _close_pairs(distances, norms, n_channels, closeness):
        difference = _units(rows[first], means[first]) - _units(rows[second], means[second])
        distances[where] = np.einsum("ij,ij->i", difference, difference) / 2
    return np.minimum(distances, 2.0, out=distances)


def _units(rows: NDArray[Any], means: Floats) -> Floats:
    centred = rows - means[:, None]
    return np.asarray(centred / np.sqrt(np.einsum("ij,ij->i", centred, centred))[:, None])


def _check_lengths(patterns: NDArray[Any], gram: Floats, centred: bool) -> None:
    """Refuse patterns without a direction; `gram` holds the inner products of what counts of them."""
    n_channels = patterns.shape[1]
    if centred:
        # What varies by no more than the rounding of its own mean does not vary.
        means = patterns.mean(axis=1)
        rounding = 4 * np.finfo(patterns.dtype).eps * np.abs(means) * np.sqrt(n_channels)
        flat = np.flatnonzero(np.sqrt(gram.diagonal().clip(min=0)) <= rounding)
        what, measure = f"constant over their {n_channels} channel(s)", "a correlation"
    else:
        flat = np.flatnonzero(gram.diagonal() == 0)
        what, measure = "all zero", "an angle"
    if len(flat):
        raise InputError(
            f"{len(flat)} pattern(s) are {what}, the first is row {flat[0]}: {measure} is not defined there. "
            "Drop them, or use method='euclidean'."
        )


def _closeness(rows: NDArray[Any]) -> float:
    """Return the part of the squared lengths below which a distance is subtracted directly."""
    return 1e4 * FLOAT32_ERROR if rows.dtype == np.float32 else 1e-6


def _n_close(distances: Floats, norms: Floats, closeness: float) -> int:
    return int(np.count_nonzero(distances < closeness * 2 * norms.max()))


def _close_pairs(
    distances: Floats, norms: Floats, n_channels: int, closeness: float
) -> list[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]]:
    """Return (i, j, position) of pairs whose distance is mostly rounding error, in chunks."""
    candidates = np.flatnonzero(distances < closeness * 2 * norms.max())
    if len(candidates) == 0:
        return []
    first, second = (index[candidates] for index in np.triu_indices(len(norms), k=1))
    close = distances[candidates] <= closeness * (norms[first] + norms[second])
    first, second, where = first[close], second[close], candidates[close]
    step = max(1, _CHUNK_ELEMENTS // n_channels)
    starts = range(0, len(where), step)
    return [(first[s : s + step], second[s : s + step], where[s : s + step]) for s in starts]


def check_counts(counts: Floats) -> None:
    """Refuse values that cannot be counts or rates."""
    if (counts < 0).any():
        raise InputError(
            f"method 'poisson' takes rates, but `X` goes down to {counts.min():g}. "
            "Give spike counts per time, without z-scoring."
        )


def poisson_rates(counts: Floats, prior_rate: float, prior_weight: float) -> Floats:
    """Return non-negative counts with the prior mixed in, after checking that all are above 0 then."""
    if not (0 <= prior_rate < np.inf and 0 <= prior_weight < np.inf):
        raise InputError(
            "`prior_rate` and `prior_weight` must be finite and must not be negative, got "
            f"{prior_rate:g} and {prior_weight:g}."
        )
    rates = (counts + prior_weight * prior_rate) / (1 + prior_weight)
    if (rates == 0).any():
        raise InputError(
            "method 'poisson': `X` holds zero rates, whose logarithm does not exist. Use a prior, with "
            "`prior_rate` and `prior_weight` above 0."
        )
    return rates


def _poisson(rates: Floats, device: str | None) -> Floats:
    logs = np.log(rates)
    cross = multiply(rates, logs.T, device=device)
    own = cross.diagonal()
    distances: Floats = squareform(own + own[:, None] - cross - cross.T, checks=False)
    norms = np.maximum(np.einsum("ij,ij->i", rates, rates), np.einsum("ij,ij->i", logs, logs))
    for first, second, where in _close_pairs(distances, norms, rates.shape[1], _closeness(rates)):
        differences = (rates[first] - rates[second]) * (logs[first] - logs[second])
        distances[where] = differences.sum(axis=1)
    return np.asarray(distances / rates.shape[1])


_INFINITE = (0.0, float("inf"))
_FACTS: dict[RDMMethod, dict[str, Any]] = {
    "correlation": {
        "range": (0.0, 2.0),
        "invariant_to": (
            "pattern-scale",
            "pattern-shift",
            "permutation",
            "scale",
            "stimulus-permutation",
        ),
        "unit": "1 - r",
        "summary": "one minus Pearson's r of two patterns",
    },
    "cosine": {
        "range": (0.0, 2.0),
        "invariant_to": ("pattern-scale", "permutation", "rotation", "scale", "stimulus-permutation"),
        "unit": "1 - cosine",
        "summary": "one minus the cosine of the angle between two patterns",
    },
    "euclidean": {
        "range": _INFINITE,
        "invariant_to": ("permutation", "rotation", "shift", "stimulus-permutation"),
        "unit": "unit of the data",
        "summary": "root mean squared difference per channel",
    },
    "squared-euclidean": {
        "range": _INFINITE,
        "invariant_to": ("permutation", "rotation", "shift", "stimulus-permutation"),
        "unit": "squared unit of the data",
        "summary": "mean squared difference per channel",
    },
    "mahalanobis": {
        "range": _INFINITE,
        "invariant_to": (
            "invertible-linear",
            "permutation",
            "rotation",
            "scale",
            "shift",
            "stimulus-permutation",
            "unit-scale",
        ),
        "unit": "noise variance",
        "summary": "squared difference in units of the noise, per channel; precision of the same data",
        "paper": "Walther et al. 2016, doi:10.1016/j.neuroimage.2015.12.012",
    },
    "poisson": {
        "range": _INFINITE,
        "invariant_to": ("permutation", "stimulus-permutation"),
        "unit": "nats times rate",
        "summary": "symmetrised divergence of Poisson rates, per channel",
        "paper": "Schutt et al. 2023, doi:10.7554/eLife.82566",
    },
}


def _register() -> None:
    nili = "Nili et al. 2014, doi:10.1371/journal.pcbi.1003553"
    for name, entry in _FACTS.items():
        shared = {"kind": "distance", "inputs": "patterns", "higher_is_closer": False, "paper": nili}
        METRICS.register(f"{name}-rdm", **{**shared, **entry})(partial(rdm, method=name))


_register()
