"""Ollivier-Ricci curvature: closed forms, published values, an independent solver."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import csr_array
from scipy.sparse.csgraph import floyd_warshall
from scipy.spatial.distance import pdist

from alignkit._core.errors import InputError
from alignkit._core.progress import reporting
from alignkit.metrics.graphs import _sinkhorn, _transport
from alignkit.metrics.graphs.construction import representation_graph
from alignkit.metrics.graphs.ollivier import entropic_ricci, lin_lu_yau, node_curvature, ollivier_ricci

KARATE = (
    "0-1 0-2 0-3 0-4 0-5 0-6 0-7 0-8 0-10 0-11 0-12 0-13 0-17 0-19 0-21 0-31 1-2 1-3 1-7 1-13 1-17 1-19 1-21 "
    "1-30 2-3 2-7 2-8 2-9 2-13 2-27 2-28 2-32 3-7 3-12 3-13 4-6 4-10 5-6 5-10 5-16 6-16 8-30 8-32 8-33 9-33 "
    "13-33 14-32 14-33 15-32 15-33 18-32 18-33 19-33 20-32 20-33 22-32 22-33 23-25 23-27 23-29 23-32 23-33 "
    "24-25 24-27 24-31 25-31 26-29 26-33 27-33 28-31 28-33 29-32 29-33 30-32 30-33 31-32 31-33 32-33"
)


def unit_graph(edges, n_nodes=None):
    edges = np.array(edges)
    dense = np.zeros([n_nodes or edges.max() + 1] * 2)
    dense[edges[:, 0], edges[:, 1]] = dense[edges[:, 1], edges[:, 0]] = 1.0
    return csr_array(dense)


def complete(n):
    return csr_array(1.0 - np.eye(n))


def cycle(n):
    return unit_graph([(i, (i + 1) % n) for i in range(n)])


def karate():
    return unit_graph([[int(node) for node in edge.split("-")] for edge in KARATE.split()])


GRAPHS = {
    "K4": complete(4),
    "K5": complete(5),
    "C3": cycle(3),
    "C4": cycle(4),
    "C5": cycle(5),
    "C6": cycle(6),
    "C8": cycle(8),
    "star4": unit_graph([(0, i) for i in range(1, 5)]),
    "K33": unit_graph([(i, j) for i in range(3) for j in range(3, 6)]),
    "Q3": unit_graph([(i, i ^ bit) for i in range(8) for bit in (1, 2, 4)]),
    "Petersen": unit_graph(
        [(i, (i + 1) % 5) for i in range(5)]
        + [(i, i + 5) for i in range(5)]
        + [(5 + i, 5 + (i + 2) % 5) for i in range(5)]
    ),
}
TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
KNOWN = [
    ("K4", 2 / 3, 2 / 3, 4 / 3),
    ("K5", 0.75, 0.625, 1.25),
    ("C3", 0.5, 0.75, 1.5),
    ("C4", 0.0, 0.5, 1.0),
    ("C5", 0.0, 0.25, 0.5),
    ("C6", 0.0, 0.0, 0.0),
    ("C8", 0.0, 0.0, 0.0),
    ("star4", 0.0, 0.25, 0.5),
    ("K33", 0.0, 1 / 3, 2 / 3),
    ("Q3", 0.0, 1 / 3, 2 / 3),
    ("Petersen", -1 / 3, 0.0, 0.0),
]


def weighted_graph(n=25, seed=0, k=4):
    """Return a graph some edges of which are longer than a detour."""
    rng = np.random.default_rng(seed)
    graph = representation_graph(pdist(rng.standard_normal((n, 3))), k=k)
    factor = 1 + 3 * rng.random((n, n))
    return csr_array(graph.toarray() * (factor + factor.T))


def oracle(graph, alpha, weigh, denominator="path"):
    """Solve each edge's transport as a linear programme over all nodes, nothing left out."""
    dense, distances = graph.toarray(), floyd_warshall(graph)
    n = len(dense)
    shares = np.where(dense > 0, weigh(dense), 0.0)
    measures = alpha * np.eye(n) + (1 - alpha) * shares / shares.sum(axis=1, keepdims=True)
    constraints = np.concatenate([np.kron(np.eye(n), np.ones(n)), np.kron(np.ones(n), np.eye(n))])
    curvature = np.zeros((n, n))
    for i, j in zip(*np.nonzero(dense), strict=True):
        masses = np.concatenate([measures[i], measures[j]])
        cost = linprog(distances.ravel(), A_eq=constraints, b_eq=masses, options=TIGHT).fun
        curvature[i, j] = 1 - cost / (distances[i, j] if denominator == "path" else dense[i, j])
    return curvature


@pytest.mark.parametrize(("name", "non_lazy", "lazy", "limit"), KNOWN)
def test_closed_forms(name, non_lazy, lazy, limit):
    graph = GRAPHS[name]
    for found, wanted in (
        (ollivier_ricci(graph, alpha=0.0), non_lazy),
        (ollivier_ricci(graph), lazy),
        (lin_lu_yau(graph), limit),
        (ollivier_ricci(graph, alpha=0.0, mass="uniform"), non_lazy),
    ):
        np.testing.assert_allclose(found.data, wanted, atol=1e-12)


@pytest.mark.parametrize("n", [3, 6, 9])
def test_complete_graphs_without_laziness(n):
    np.testing.assert_allclose(ollivier_ricci(complete(n), alpha=0.0).data, (n - 2) / (n - 1), atol=1e-12)


@pytest.mark.parametrize("alpha", [0.25, 0.4, 0.5, 0.9])
def test_the_cube_has_its_limit_from_a_quarter_on(alpha):
    curvature = ollivier_ricci(GRAPHS["Q3"], alpha=alpha).data / (1 - alpha)
    np.testing.assert_allclose(curvature, 2 / 3, atol=1e-10)


def test_the_cube_is_not_at_its_limit_below():
    assert abs(ollivier_ricci(GRAPHS["Q3"], alpha=0.2)[0, 1] / 0.8 - 2 / 3) > 0.01


def test_the_karate_club():
    graph = karate()
    curvature = ollivier_ricci(graph, alpha=0.5)
    edges = [tuple(map(int, edge.split("-"))) for edge in KARATE.split()]
    values = np.array([curvature[edge] for edge in edges])
    assert values.size == 78
    np.testing.assert_allclose(values.sum(), 5.526756535947716, rtol=1e-9)
    first = [0.111111, -0.14375, 0.041667, -0.114583, -0.28125, -0.28125, 0.0625, -0.2, -0.114583, 0.0625]
    np.testing.assert_allclose(values[:10], first, atol=5e-7)
    np.testing.assert_allclose(curvature[0, 31], -0.427083, atol=5e-7)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 0.8])
def test_weighted_graphs_agree_with_a_linear_programme(alpha):
    graph = weighted_graph(14)
    wanted = oracle(graph, alpha, lambda lengths: np.exp(-(lengths**2)))
    found = ollivier_ricci(graph, alpha=alpha)
    np.testing.assert_allclose(found.toarray(), wanted, atol=1e-9)


@pytest.mark.parametrize("denominator", ["path", "edge"])
def test_mass_scale_and_denominator_agree_with_a_linear_programme(denominator):
    graph = weighted_graph(12, seed=1)
    median = np.median(graph.data)
    for options, weigh in (
        ({"mass": "uniform"}, np.ones_like),
        ({"length_scale": 4.0}, lambda lengths: np.exp(-((lengths / 4) ** 2))),
        ({"length_scale": "median"}, lambda lengths: np.exp(-((lengths / median) ** 2))),
    ):
        found = ollivier_ricci(graph, alpha=0.3, denominator=denominator, **options)
        np.testing.assert_allclose(found.toarray(), oracle(graph, 0.3, weigh, denominator), atol=1e-9)


def test_the_denominators_differ_where_an_edge_is_longer_than_a_detour():
    graph = weighted_graph()
    longer = graph.toarray() > floyd_warshall(graph) + 1e-9
    path, edge = (ollivier_ricci(graph, denominator=d).toarray() for d in ("path", "edge"))
    assert longer.any()
    np.testing.assert_array_equal((np.abs(path - edge) > 1e-9) & (graph.toarray() > 0), longer)


def test_the_limit_is_twice_the_half_lazy_curvature_with_any_lengths():
    graph = weighted_graph()
    for alpha in (0.5, 0.7, 0.95):
        curvature = ollivier_ricci(graph, alpha=alpha).data / (1 - alpha)
        np.testing.assert_allclose(curvature, lin_lu_yau(graph).data, atol=1e-9)
    assert np.abs(ollivier_ricci(graph, alpha=0.1).data / 0.9 - lin_lu_yau(graph).data).max() > 0.01


def test_the_median_scale_makes_the_unit_of_length_irrelevant_and_a_fixed_one_does_not():
    graph = weighted_graph()
    scaled = csr_array(1000.0 * graph)
    free = [ollivier_ricci(g, length_scale="median").data for g in (graph, scaled)]
    np.testing.assert_allclose(free[0], free[1], atol=1e-9)
    assert np.abs(ollivier_ricci(graph).data - ollivier_ricci(scaled).data).max() > 0.01


def test_very_long_and_very_short_edges_neither_underflow_nor_lose_the_optimum():
    graph = weighted_graph()
    # The nearest neighbour takes all; and all neighbours share equally.
    far, near = (ollivier_ricci(csr_array(c * graph)) for c in (1e6, 1e-6))
    assert np.isfinite(far.data).all()
    uniform = ollivier_ricci(graph, mass="uniform")
    np.testing.assert_allclose(near.data, uniform.data, atol=1e-9)


def test_relabelled_nodes_have_the_relabelled_curvature():
    graph = weighted_graph()
    order = np.random.default_rng(1).permutation(25)
    turned = ollivier_ricci(csr_array(graph[order][:, order])).toarray()
    np.testing.assert_allclose(turned, ollivier_ricci(graph).toarray()[np.ix_(order, order)], atol=1e-12)


def test_stored_zeros_are_kept():
    curvature = ollivier_ricci(cycle(8), alpha=0.0)
    assert curvature.nnz == 16
    assert isinstance(curvature, csr_array)


def test_parts_of_a_graph_do_not_see_each_other_and_lone_nodes_have_no_curvature():
    dense = np.zeros((9, 9))
    dense[:4, :4], dense[4:8, 4:8] = complete(4).toarray(), cycle(4).toarray()
    curvature = ollivier_ricci(csr_array(dense))
    np.testing.assert_allclose(node_curvature(curvature), [2 / 3] * 4 + [0.5] * 4 + [np.nan], atol=1e-12)


def test_node_curvature_is_the_mean_over_edges_zeros_counting():
    curvature = csr_array(([0.0, 0.0, 0.6, 0.6], ([0, 1, 1, 2], [1, 0, 2, 1])), shape=(3, 3))
    np.testing.assert_allclose(node_curvature(curvature), [0.0, 0.3, 0.6])


def test_two_joined_nodes_alone_are_curved_as_much_as_can_be():
    pair = csr_array(np.array([[0, 3.0], [3.0, 0]]))
    assert ollivier_ricci(pair)[0, 1] == 1.0
    assert ollivier_ricci(pair, alpha=0.0)[0, 1] == 0.0


def test_bounded_memory_changes_nothing(monkeypatch):
    graph = weighted_graph(60)
    whole = ollivier_ricci(graph).toarray()
    for name, value in (("_MAX_COSTS", 200), ("_MAX_DISTANCES", 300), ("_GATHER", 50), ("_CHUNK", 7)):
        monkeypatch.setattr(_transport, name, value)
    np.testing.assert_allclose(ollivier_ricci(graph).toarray(), whole, atol=1e-14)
    np.testing.assert_array_equal(ollivier_ricci(graph, n_jobs=2).data, ollivier_ricci(graph).data)


def test_the_graph_is_left_alone_and_the_same_bits_come_again():
    graph = weighted_graph()
    before = graph.copy()
    one, again = ollivier_ricci(graph), ollivier_ricci(graph)
    np.testing.assert_array_equal(graph.data, before.data)
    np.testing.assert_array_equal(one.data, again.data)
    assert not np.shares_memory(one.indices, graph.indices)


def test_integers_and_other_sparse_formats_are_fine():
    graph = karate()
    wanted = ollivier_ricci(graph).data
    np.testing.assert_array_equal(ollivier_ricci(graph.tocoo()).data, wanted)
    np.testing.assert_array_equal(ollivier_ricci(graph.astype(int)).data, wanted)


def test_progress_is_reported():
    seen = []
    with reporting(lambda what, done, total: seen.append((what, done, total))):
        ollivier_ricci(karate())
    assert seen[-1] == ("Ollivier-Ricci curvature", 1, 1)


def test_entropic_curvature_is_bounded_and_its_error_is_the_true_one():
    graph = weighted_graph(40)
    exact = ollivier_ricci(graph).data
    result = entropic_ricci(graph, n_checked=1000)
    off = exact - result.curvature.data
    assert (off >= -1e-9).all()
    assert (off <= result.error_bound.data + 1e-9).all()
    np.testing.assert_allclose(result.max_error, off.max(), atol=1e-12)
    np.testing.assert_allclose(result.mean_error, off.mean(), atol=1e-12)
    assert result.n_checked == exact.size // 2
    assert 0 < result.max_error < 0.05
    coarse = entropic_ricci(graph, regularization=0.02)
    assert coarse.mean_error > 2 * result.mean_error
    assert coarse.n_checked == 50


def test_both_ways_to_iterate_give_the_same_entropic_curvature(monkeypatch):
    graph = weighted_graph(30)
    one = entropic_ricci(graph, n_iterations=40)
    monkeypatch.setattr(_sinkhorn, "_SAFE_REGULARIZATION", 1.0)
    np.testing.assert_allclose(
        one.curvature.data, entropic_ricci(graph, n_iterations=40).curvature.data, atol=1e-9
    )


def test_the_entropic_method_warns_with_its_error_where_it_is_off(monkeypatch, caplog):
    graph = weighted_graph(30)
    with caplog.at_level("INFO", logger="alignkit.metrics.graphs.ollivier"):
        ollivier_ricci(complete(6), method="entropic")
    assert "off by up to" in caplog.text
    monkeypatch.setattr("alignkit.metrics.graphs.ollivier._SHOWN_ERROR", 1e-6)
    with pytest.warns(UserWarning, match=r"off by up to .* on the 50 edges .* method='exact'"):
        curvature = ollivier_ricci(graph, method="entropic")
    np.testing.assert_array_equal(curvature.data, entropic_ricci(graph).curvature.data)


def test_a_solver_that_finds_no_optimum_is_an_error_not_a_number(monkeypatch):
    monkeypatch.setattr(_transport, "_MAX_PIVOTS", 1)
    with pytest.raises(RuntimeError, match=r"optimal transport of \d+ to \d+ masses ended with code"):
        ollivier_ricci(weighted_graph(k=8))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"alpha": 1.0}, r"`alpha` must be in \[0, 1\), got 1. For the limit"),
        ({"alpha": -0.1}, "got -0.1"),
        ({"mass": "inverse"}, "`mass` is 'inverse'"),
        ({"method": "atd"}, "`method` is 'atd'"),
        ({"denominator": "length"}, "`denominator` is 'length'"),
        ({"length_scale": 0.0}, "`length_scale` must be above 0 and finite, or 'median', got 0.0"),
        ({"length_scale": "mean"}, "`length_scale` is 'mean'"),
        ({"n_jobs": 0}, "`n_jobs` must be above 0 and finite, got 0"),
    ],
)
def test_options_outside_their_range_are_refused(options, match):
    with pytest.raises(InputError, match=match):
        ollivier_ricci(complete(3), **options)


def test_entropic_numbers_outside_their_range_are_refused():
    with pytest.raises(InputError, match="`regularization` must be above 0 and finite, got 0"):
        entropic_ricci(complete(3), regularization=0.0)


@pytest.mark.parametrize(
    ("graph", "match"),
    [
        (csr_array((3, 3)), "has no edges among its 3 nodes"),
        (csr_array(-complete(3)), "lengths above 0, got 6 stored entries at or below 0, the smallest -1"),
        (csr_array(([0.0, 0.0], ([0, 1], [1, 0]))), "got 2 stored entries at or below 0, the smallest 0"),
        (complete(3).toarray(), "must be a scipy.sparse.csr_array, got ndarray"),
    ],
)
@pytest.mark.parametrize("function", [ollivier_ricci, lin_lu_yau, entropic_ricci])
def test_what_is_no_graph_of_lengths_is_refused(function, graph, match):
    with pytest.raises(InputError, match=match):
        function(graph)


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
def test_weighted_neighbour_graphs_agree_with_graphriccicurvature():
    networkx = pytest.importorskip("networkx")
    peer = pytest.importorskip("GraphRicciCurvature.OllivierRicci").OllivierRicci
    for graph in (
        representation_graph(pdist(np.random.default_rng(0).random((80, 4))), k=6),
        # Lengths of several units are left out: where all weights are below 1e-7 the peer shares equally.
        csr_array(0.2 * weighted_graph()),
    ):
        theirs = peer(networkx.from_scipy_sparse_array(graph), alpha=0.3, method="OTD", proc=1)
        theirs.compute_ricci_curvature()
        ours = ollivier_ricci(graph, alpha=0.3)
        for i, j, facts in theirs.G.edges(data=True):
            assert ours[i, j] == pytest.approx(facts["ricciCurvature"], abs=1e-10)
