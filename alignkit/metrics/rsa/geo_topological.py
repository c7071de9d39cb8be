"""Geo-topological transforms of RDMs: neighbourhoods kept, the sizes of distances less so."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import shortest_path
from scipy.spatial.distance import squareform
from scipy.stats import rankdata

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from ..._core.threads import fixed_threads
from .._arrays import torch_too
from .._registry import METRICS
from .._rounding import ROUNDING
from ._pairs import count_stimuli, load_rdms

GeodesicRule = Literal["adaptive", "nearest", "quantile"]
Neighbours = Literal["mutual", "union"]
Matrix = NDArray[np.float64]


@torch_too
def topological_transform(rdm: ArrayLike, *, lower: ArrayLike, upper: ArrayLike, rank: bool = True) -> Matrix:
    """Make dissimilarities below a quantile 0, those above another one 1, and those between linear.

    With x the ranks of an RDM's dissimilarities (or their values), scaled to [0, 1], and l, u their
    quantiles `lower` and `upper`: ``clip((x - l) / (u - l), 0, 1)``. ``lower=0, upper=1`` keeps the whole
    geometry; the nearer the two are, the more only who is whose neighbour (topology) is left.

    Parameters
    ----------
    rdm : array of shape (n_pairs,) or (n_rdms, n_pairs)
        Condensed RDMs. NaN marks a pair without a value; it stays NaN and counts in no quantile.
    lower : float or array
        Quantile in [0, 1] of each RDM's own dissimilarities, below which all are 0.
    upper : float or array
        Quantile in [0, 1], at least `lower`, above which all are 1. Where both are equal, or fall on the
        same value, the result is 0 up to there and 1 above.
    rank : bool, default=True
        Rank the dissimilarities first (ties share their mean rank), so that the result does not change
        with any increasing map of them.

    Returns
    -------
    transformed : ndarray of shape (n_pairs,) or (n_rdms, n_pairs), a new array
        In [0, 1]. Where `lower` or `upper` is an array, its axes (both broadcast together) come first: the
        whole grid in one call. See :func:`threshold_grid`.

    Raises
    ------
    InputError
        For thresholds outside [0, 1] or in the wrong order, or an RDM that is constant or has fewer than 3
        values.

    Notes
    -----
    Quantiles are over pairs of different stimuli, each once; linear interpolation. The authors' software
    ranks first; others take the values (``rank=False``), which is another statistic.

    References
    ----------
    Lin B, Kriegeskorte N (2024). The topology and geometry of neural representations. PNAS,
    doi:10.48550/arXiv.2309.11028.

    Examples
    --------
    >>> topological_transform([5.0, 1.0, 2.0, 9.0, 3.0], lower=0.25, upper=0.75)
    array([1. , 0. , 0. , 1. , 0.5])
    """
    values = load_rdms("rdm", rdm)
    low, high = check_thresholds(lower, upper)
    scaled = _scaled(values, rank)
    result = np.empty((low.size, *scaled.shape))
    for row, own in enumerate(scaled):
        finite = own[~np.isnan(own)]
        start, stop = (np.quantile(finite, q.ravel())[:, None] for q in (low, high))
        width = stop - start
        flat = width <= 0
        line = (own - start) / np.where(flat, 1.0, width)
        step = np.where(np.isnan(own), np.nan, (own > stop).astype(np.float64))
        result[:, row] = np.where(flat, step, line.clip(0, 1))
    return result.reshape(low.shape + np.shape(rdm))


def threshold_grid(n_steps: int = 10) -> tuple[Matrix, Matrix]:
    """Return all pairs of thresholds l < u from an even division of [0, 1].

    Parameters
    ----------
    n_steps : int, default=10
        Steps from 0 to 1.

    Returns
    -------
    lower : ndarray of shape (n_steps * (n_steps + 1) / 2,)
        For the parameter of that name of :func:`topological_transform`.
    upper : ndarray of the same shape
        The upper thresholds.

    Raises
    ------
    InputError
        For fewer than 1 step.

    Examples
    --------
    >>> threshold_grid(2)
    (array([0. , 0. , 0.5]), array([0.5, 1. , 1. ]))
    """
    if not 1 <= n_steps < np.inf:
        raise InputError(f"`n_steps` must be at least 1, got {n_steps}.")
    first, second = np.triu_indices(n_steps + 1, k=1)
    return first / n_steps, second / n_steps


@torch_too
def geodesic_transform(
    rdm: ArrayLike,
    *,
    rule: GeodesicRule = "adaptive",
    lower: ArrayLike = 0.0,
    upper: ArrayLike = 1.0,
    k: int = 5,
    neighbours: Neighbours = "union",
    rank: bool = True,
    gap: float = 2.0,
) -> Matrix:
    """Replace dissimilarities by the lengths of shortest paths over near pairs.

    - ``"adaptive"``: transform by :func:`topological_transform` with `lower` and `upper`; pairs that are
      then at 1 are no edges, the others are, with these values as lengths (0 is a length).
    - ``"quantile"``: pairs up to the quantile `upper` are edges, with their scaled ranks (or values).
    - ``"nearest"``: the `k` nearest of every stimulus are edges, with the same lengths.

    Parameters
    ----------
    rdm : array of shape (n_pairs,) or (n_rdms, n_pairs)
        Condensed RDMs, without NaN.
    rule : str, default="adaptive"
        Which pairs are edges, see above.
    lower : float or array, default=0.0
        Quantile, for "adaptive" only; arrays give a grid, as in :func:`topological_transform`.
    upper : float or array, default=1.0
        Quantile, for "adaptive" and "quantile".
    k : int, default=5
        Neighbours of each stimulus, for "nearest" only.
    neighbours : {"union", "mutual"}, default="union"
        For "nearest" only: an edge where one of two is among the other's nearest, or where both are.
    rank : bool, default=True
        Rank the dissimilarities first, see :func:`topological_transform`.
    gap : float, default=2.0
        Pairs that no path joins get `gap` times the longest path of that RDM; at least 1.

    Returns
    -------
    transformed : ndarray of shape (n_pairs,) or (n_rdms, n_pairs), a new array
        0 or more, always finite; with the grid's axes first where thresholds are arrays.

    Raises
    ------
    InputError
        For NaN, an RDM that is constant, or options that do not fit.

    Warns
    -----
    UserWarning
        If some pairs are joined by no path, with their number.

    Notes
    -----
    O(n_stimuli^3) per RDM and threshold, or less where edges are few. With `lower` above 0, "adaptive" has
    paths of length 0 wherever the pairs below it connect: at .2 and 40 random patterns, nine pairs in ten.

    References
    ----------
    Lin B, Kriegeskorte N (2024). The topology and geometry of neural representations. PNAS,
    doi:10.48550/arXiv.2309.11028.

    Examples
    --------
    >>> geodesic_transform([1.0, 3.0, 7.0, 2.0, 6.0, 4.0], rule="nearest", k=1, rank=False)
    array([0.        , 0.16666667, 0.66666667, 0.16666667, 0.66666667,
           0.5       ])
    """
    check_option("rule", rule, get_args(GeodesicRule))
    check_option("neighbours", neighbours, get_args(Neighbours))
    values = np.atleast_2d(check_array("rdm", rdm, ndim=(1, 2), dtype=np.float64))
    n_stimuli = count_stimuli(values.shape[1])
    if not gap >= 1:
        raise InputError(f"`gap` must be at least 1, got {gap:g}.")
    if rule == "nearest" and not 1 <= k < n_stimuli:
        raise InputError(f"`k` must be from 1 to {n_stimuli - 1}, one less than the stimuli, got {k}.")
    shape: tuple[int, ...] = ()
    if rule == "adaptive":
        lengths = topological_transform(values, lower=lower, upper=upper, rank=rank)
        shape = lengths.shape[:-2]
        edges = lengths < 1
    else:
        lengths = _scaled(values, rank)
        if rule == "nearest":
            edges = np.stack([_nearest(row, k, n_stimuli, neighbours) for row in lengths])
        else:
            low, high = check_thresholds(0.0, upper)
            shape = high.shape
            limits = np.quantile(lengths, high.ravel(), axis=1)[:, :, None]
            edges = lengths <= limits
            lengths = np.broadcast_to(lengths, edges.shape)
    rows = (-1, values.shape[1])
    result = _all_paths(lengths.reshape(rows), edges.reshape(rows), n_stimuli, gap)
    return result.reshape(shape + np.shape(rdm))


def check_thresholds(lower: ArrayLike, upper: ArrayLike) -> tuple[Matrix, Matrix]:
    """Return thresholds broadcast to one shape, after checking that they are quantiles in order."""
    try:
        low, high = np.broadcast_arrays(np.asarray(lower, dtype=float), np.asarray(upper, dtype=float))
    except (TypeError, ValueError) as error:
        raise InputError(
            "`lower` and `upper` must be numbers, or arrays of them whose shapes broadcast, got "
            f"{np.shape(lower)} and {np.shape(upper)} of types {type(lower).__name__} and "
            f"{type(upper).__name__}."
        ) from error
    if low.size == 0:
        raise InputError("`lower` and `upper` are empty. Give at least one threshold each.")
    wrong = ~((low >= 0) & (low <= high) & (high <= 1))
    if wrong.any():
        raise InputError(
            "thresholds are quantiles with 0 <= lower <= upper <= 1, got lower "
            f"{low[wrong][0]:g} and upper {high[wrong][0]:g}."
        )
    return low, high


def _scaled(values: Matrix, rank: bool) -> Matrix:
    """Return every row, ranked or not, scaled to [0, 1]; NaN stays."""
    counts = (~np.isnan(values)).sum(axis=1)
    if counts.min() < 3:
        raise InputError(
            f"an RDM needs at least 3 pairs with a value, row {counts.argmin()} has {min(counts)}."
        )
    lowest, highest = _ends(values)
    constant = np.flatnonzero(highest - lowest <= ROUNDING * np.maximum(np.abs(highest), np.abs(lowest)))
    if len(constant):
        raise InputError(
            f"RDM {constant[0]} is constant, so that no pair is nearer than another. Leave it out."
        )
    if rank:
        values = rankdata(values, axis=1, nan_policy="omit")
        lowest, highest = _ends(values)
    return np.asarray((values - lowest) / (highest - lowest))


def _ends(values: Matrix) -> tuple[Matrix, Matrix]:
    return np.nanmin(values, axis=1, keepdims=True), np.nanmax(values, axis=1, keepdims=True)


def _nearest(lengths: Matrix, k: int, n_stimuli: int, neighbours: str) -> NDArray[np.bool_]:
    """Return which pairs are among the k nearest; who is as near as the k-th is among them too."""
    matrix = squareform(lengths)
    np.fill_diagonal(matrix, np.inf)
    near = matrix <= np.partition(matrix, k - 1, axis=1)[:, k - 1, None]
    both = near & near.T if neighbours == "mutual" else near | near.T
    return np.asarray(both[np.triu_indices(n_stimuli, k=1)])


def _all_paths(lengths: Matrix, edges: NDArray[np.bool_], n_stimuli: int, gap: float) -> Matrix:
    first, second = np.triu_indices(n_stimuli, k=1)
    result = np.empty_like(lengths)
    n_apart = 0
    with fixed_threads(1):
        for row, (own, kept) in enumerate(zip(lengths, edges, strict=True)):
            ends = (np.concatenate([first[kept], second[kept]]), np.concatenate([second[kept], first[kept]]))
            # Stored zeros are edges of length 0; in a dense matrix they would be no edges.
            graph = csr_array((np.tile(own[kept], 2), ends), shape=(n_stimuli, n_stimuli))
            paths = shortest_path(graph, directed=True)[first, second]
            apart = np.isinf(paths)
            n_apart += int(np.count_nonzero(apart))
            # Where all paths have length 0, what is apart is 1 away: the length of the edges left out.
            longest = paths[~apart].max(initial=0.0)
            result[row] = np.where(apart, gap * (longest if longest > 0 else 1.0), paths)
    if n_apart:
        warnings.warn(
            f"no path joins {n_apart} of {result.size} pairs of stimuli; they get {gap:g} times the longest "
            "path. Raise `upper` or `k` if they should be joined.",
            UserWarning,
            stacklevel=4,
        )
    return result


def _register() -> None:
    paper = "Lin & Kriegeskorte 2024, PNAS, doi:10.48550/arXiv.2309.11028"
    METRICS.register(
        "geo-topological-transform",
        kind="transform",
        inputs="RDM",
        range=(0.0, 1.0),
        higher_is_closer=None,
        invariant_to=("monotone", "scale", "shift", "stimulus-permutation"),
        unit="share of the range between the quantiles .2 and .8",
        paper=paper,
        summary="RDM with its smallest fifth at 0 and its largest at 1, by rank",
    )(partial(topological_transform, lower=0.2, upper=0.8))
    METRICS.register(
        "geodesic-transform",
        kind="transform",
        inputs="RDM",
        range=(0.0, float("inf")),
        higher_is_closer=None,
        invariant_to=("monotone", "scale", "shift", "stimulus-permutation"),
        unit="sum of ranks, scaled to 1 at the quantile .8",
        paper=paper,
        summary="shortest paths, by rank, over the four fifths of the pairs that are nearest",
        # With a lower threshold above 0, paths of no length would join most stimuli.
    )(partial(geodesic_transform, lower=0.0, upper=0.8))


_register()
