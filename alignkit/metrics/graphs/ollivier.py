"""Ollivier-Ricci curvature: do the neighbourhoods of two nodes lie nearer than the nodes themselves."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.random import RandomState, as_generator
from .._registry import METRICS
from ._graph import (
    Edges,
    Floats,
    Graph,
    check_edge_values,
    check_graph,
    check_positive,
    edges_of,
    lay_on_edges,
)
from ._sinkhorn import entropic_bounds
from ._transport import Mass, exact_costs, lazy_walk, solve_edges

Method = Literal["exact", "entropic"]
Denominator = Literal["path", "edge"]
LengthScale = float | Literal["median"]
_SHOWN_ERROR = 0.01

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EntropicCurvature:
    """Result of :func:`entropic_ricci`.

    Attributes
    ----------
    curvature : csr_array of shape (n_nodes, n_nodes)
        Of each edge, at most the exact one.
    error_bound : csr_array of shape (n_nodes, n_nodes)
        By how much the exact curvature can be larger at most, of each edge.
    max_error, mean_error : float
        Found by solving `n_checked` edges exactly.
    n_checked : int
        How many of the edges those were, drawn at random.
    """

    curvature: csr_array[Any]
    error_bound: csr_array[Any]
    max_error: float
    mean_error: float
    n_checked: int


def ollivier_ricci(
    graph: Graph,
    *,
    alpha: float = 0.5,
    method: Method = "exact",
    mass: Mass = "exponential",
    length_scale: LengthScale = 1.0,
    denominator: Denominator = "path",
    n_jobs: int = 1,
) -> csr_array[Any]:
    """Compute the Ollivier-Ricci curvature of every edge.

    ``kappa(x, y) = 1 - W1(m_x, m_y) / d(x, y)``, where ``m_x`` puts the mass `alpha` on x and shares out the
    rest among its neighbours, W1 is the cost of moving one measure to the other along shortest paths, and d
    the shortest path. Positive within dense groups, negative on bridges between them.

    Parameters
    ----------
    graph : csr_array of shape (n_nodes, n_nodes)
        Edge lengths above 0, symmetric (:func:`representation_graph`). Need not be connected.
    alpha : float, default=0.5
        Mass that stays, in [0, 1).
    method : {"exact", "entropic"}, default="exact"
        Exact optimal transport, or the approximation :func:`entropic_ricci` with its defaults, which warns
        where the edges that it checks are off by more than .01.
    mass : {"exponential", "uniform"}, default="exponential"
        How neighbours share: in proportion to ``exp(-(length / length_scale)^2)``, or equally.
    length_scale : float or "median", default=1.0
        For "exponential": the unit of length. Lengths far below it share equally, and far above it the
        nearest neighbour takes all. ``"median"``, of the graph's edges, makes the curvature independent of
        the unit of the dissimilarities: take it to compare systems.
    denominator : {"path", "edge"}, default="path"
        What d is: the shortest path, or the length of the edge itself. They differ only for an edge that is
        longer than a detour, which a graph whose lengths obey the triangle inequality does not have.
    n_jobs : int, default=1
        Threads for exact transport. The result does not depend on it.

    Returns
    -------
    curvature : csr_array of shape (n_nodes, n_nodes)
        The graph's edges, zeros stored. At most 1; with unit lengths above -2, with unequal ones without a
        bound below.

    Raises
    ------
    InputError
        For a graph that is not square, symmetric, above 0, finite and free of self-loops, or has no edges;
        `alpha` outside [0, 1); a `length_scale` that is not above 0; or an unknown option.

    Warns
    -----
    UserWarning
        See `method`.

    Notes
    -----
    What both measures have at a node stays there, which is exact and leaves small transport problems; these
    are solved by POT's network simplex method. Distances come from one search per node, no farther than
    needed. O(n_nodes n_edges log n_nodes + n_edges degree^3) or less. The defaults agree with the package
    GraphRicciCurvature, but for neighbours that are all farther than four `length_scale`, among which that
    package shares equally.

    References
    ----------
    Ollivier Y (2009). Ricci curvature of Markov chains on metric spaces, doi:10.1016/j.jfa.2008.11.001.
    Ni CC et al. (2019). Community detection on networks with Ricci flow, doi:10.1038/s41598-019-46380-9.

    Examples
    --------
    >>> triangle = csr_array(1.0 - np.eye(3))
    >>> ollivier_ricci(triangle).toarray().round(3)
    array([[0.  , 0.75, 0.75],
           [0.75, 0.  , 0.75],
           [0.75, 0.75, 0.  ]])
    """
    check_option("method", method, get_args(Method))
    if method == "entropic":
        result = entropic_ricci(
            graph, alpha=alpha, mass=mass, length_scale=length_scale, denominator=denominator
        )
        _show_error(result)
        return result.curvature
    check_positive(n_jobs=n_jobs)
    unit, edges, walk = _prepare(graph, alpha, mass, length_scale)
    costs, distances = solve_edges(unit, edges, walk, partial(exact_costs, n_jobs=n_jobs))
    return lay_on_edges(unit, edges, 1.0 - costs / _denominator(denominator, edges, distances))


def lin_lu_yau(
    graph: Graph, *, mass: Mass = "exponential", length_scale: LengthScale = 1.0
) -> csr_array[Any]:
    """Compute the curvature of Lin, Lu and Yau: Ollivier's over ``1 - alpha``, as alpha goes to 1.

    Parameters
    ----------
    graph : csr_array of shape (n_nodes, n_nodes)
        Edge lengths above 0, symmetric.
    mass, length_scale
        See :func:`ollivier_ricci`; d is the shortest path.

    Returns
    -------
    curvature : csr_array of shape (n_nodes, n_nodes)
        The graph's edges, zeros stored. At most 2.

    Raises
    ------
    InputError
        See :func:`ollivier_ricci`.

    Notes
    -----
    The limit is reached at alpha = 1/2. Above it the far end lacks more mass than the rest of the near end's
    measure holds, so that some mass goes along the edge itself; the potentials at its ends then differ by its
    length, and the cost is linear in alpha. So twice the curvature at 1/2 is exact whatever the lengths.

    References
    ----------
    Lin Y, Lu L, Yau ST (2011). Ricci curvature of graphs, doi:10.2748/tmj/1325886283. Bourne DP et al.
    (2018). Ollivier-Ricci idleness functions of graphs, doi:10.1137/17M1134469.

    Examples
    --------
    >>> float(lin_lu_yau(csr_array(1.0 - np.eye(4)))[0, 1])  # n / (n - 1)
    1.3333333333333333
    """
    half = ollivier_ricci(graph, alpha=0.5, mass=mass, length_scale=length_scale)
    half.data *= 2.0
    return half


def node_curvature(curvature: Graph) -> NDArray[np.float64]:
    """Average the curvature of each node's edges.

    Parameters
    ----------
    curvature : csr_array of shape (n_nodes, n_nodes)
        Of the edges, from any of the curvature functions; stored zeros count.

    Returns
    -------
    mean : ndarray of shape (n_nodes,)
        NaN for a node without edges, which has no neighbourhood to be curved.

    Raises
    ------
    InputError
        If the matrix is not square, symmetric, finite and free of self-loops.

    Examples
    --------
    >>> node_curvature(csr_array([[0.0, 0.5, 0.0], [0.5, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    array([0.5, 0.5, nan])
    """
    checked = check_edge_values("curvature", curvature)
    degrees = np.diff(checked.indptr)
    sums = np.asarray(checked.sum(axis=1)).ravel()
    mean: Floats = np.full(degrees.size, np.nan)
    np.divide(sums, degrees, out=mean, where=degrees > 0)
    return mean


def entropic_ricci(
    graph: Graph,
    *,
    alpha: float = 0.5,
    regularization: float = 0.005,
    n_iterations: int = 200,
    n_checked: int = 50,
    mass: Mass = "exponential",
    length_scale: LengthScale = 1.0,
    denominator: Denominator = "path",
    random_state: RandomState = 0,
) -> EntropicCurvature:
    """Approximate the Ollivier-Ricci curvature by entropic transport, and say by how much it is off.

    To compare with work that used the approximation. The exact method was faster at every size tried, up to
    neighbourhoods of 800 nodes.

    Parameters
    ----------
    graph : csr_array of shape (n_nodes, n_nodes)
        See :func:`ollivier_ricci`, also for `alpha`, `mass`, `length_scale` and `denominator`.
    alpha : float, default=0.5
        Mass that stays, in [0, 1).
    regularization : float, default=0.005
        Weight of the entropy as a part of the largest distance, above 0. Smaller is nearer to exact, and
        needs more iterations.
    n_iterations : int, default=200
        Sinkhorn's, rounded up to the next 20 (for a regularization below .005 not rounded).
    n_checked : int, default=50
        Edges that are solved exactly too; all where there are fewer.
    mass, length_scale, denominator
        See :func:`ollivier_ricci`.
    random_state : int, Generator or None, default=0
        Draws the edges that are checked.

    Returns
    -------
    result : EntropicCurvature
        The curvature, a bound on its error for every edge, and the error found on those checked.

    Raises
    ------
    InputError
        See :func:`ollivier_ricci`; or for a number that is not above 0.

    References
    ----------
    Cuturi M (2013). Sinkhorn distances, doi:10.48550/arXiv.1306.0895.

    Examples
    --------
    >>> entropic_ricci(csr_array(1.0 - np.eye(6))).max_error < 1e-9
    True
    """
    check_positive(regularization=regularization, n_iterations=n_iterations, n_checked=n_checked)
    unit, edges, walk = _prepare(graph, alpha, mass, length_scale)
    solve = partial(entropic_bounds, regularization=regularization, n_iterations=n_iterations)
    bounds, distances = solve_edges(unit, edges, walk, solve)
    below = _denominator(denominator, edges, distances)
    chosen = np.sort(as_generator(random_state).permutation(below.size)[: min(n_checked, below.size)])
    part = Edges(edges.first[chosen], edges.second[chosen], edges.values[chosen], edges.stored)
    exact, _ = solve_edges(unit, part, walk, exact_costs)
    errors = np.abs(bounds[chosen, 0] - exact) / below[chosen]
    return EntropicCurvature(
        lay_on_edges(unit, edges, 1.0 - bounds[:, 0] / below),
        lay_on_edges(unit, edges, (bounds[:, 0] - bounds[:, 1]) / below),
        float(errors.max()),
        float(errors.mean()),
        chosen.size,
    )


def _prepare(
    graph: Graph, alpha: float, mass: Mass, length_scale: LengthScale
) -> tuple[csr_array[Any], Edges, csr_array[Any]]:
    """Return the graph with a mean length of 1, for the solver's tolerances, its edges and measures."""
    check_option("mass", mass, get_args(Mass))
    if not 0 <= alpha < 1:
        raise InputError(f"`alpha` must be in [0, 1), got {alpha:g}. For the limit at 1 take lin_lu_yau.")
    checked = check_graph("graph", graph)
    if isinstance(length_scale, str):
        check_option("length_scale", length_scale, ["median"])
        unit = float(np.median(checked.data))
    elif 0 < length_scale < np.inf:
        unit = float(length_scale)
    else:
        raise InputError(f"`length_scale` must be above 0 and finite, or 'median', got {length_scale}.")
    walk = lazy_walk(checked, alpha, mass, unit)
    checked.data = checked.data / checked.data.mean()
    return checked, edges_of(checked), walk


def _denominator(denominator: Denominator, edges: Edges, distances: Floats) -> Floats:
    check_option("denominator", denominator, get_args(Denominator))
    return distances if denominator == "path" else edges.values


def _show_error(result: EntropicCurvature) -> None:
    message = (
        f"entropic curvature is off by up to {result.max_error:.2g}, on average {result.mean_error:.2g}, on "
        f"the {result.n_checked} edges that were solved exactly"
    )
    if result.max_error > _SHOWN_ERROR:
        warnings.warn(
            f"{message}. Use method='exact', or entropic_ricci with less regularization.",
            UserWarning,
            stacklevel=3,
        )
    else:
        logger.info("%s", message)


def _register() -> None:
    shared: dict[str, Any] = {
        "kind": "statistic",
        "inputs": "graph",
        "higher_is_closer": None,
        "unit": "curvature",
    }
    METRICS.register(
        "ollivier-ricci",
        range=(float("-inf"), 1.0),
        invariant_to=("stimulus-permutation",),
        paper="Ollivier 2009, doi:10.1016/j.jfa.2008.11.001",
        summary="per edge: how much nearer two neighbourhoods are than the nodes, by exact transport",
        **shared,
    )(ollivier_ricci)
    METRICS.register(
        "lin-lu-yau",
        range=(float("-inf"), 2.0),
        invariant_to=("stimulus-permutation",),
        paper="Lin, Lu, Yau 2011, doi:10.2748/tmj/1325886283",
        summary="per edge: Ollivier's curvature as all mass stays home, per mass that moves",
        **shared,
    )(lin_lu_yau)


_register()
