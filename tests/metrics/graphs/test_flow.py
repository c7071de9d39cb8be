"""The discrete Ricci flow of edge lengths."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.spatial.distance import pdist

from alignkit._core.errors import InputError
from alignkit.metrics.graphs.construction import representation_graph
from alignkit.metrics.graphs.flow import ricci_flow
from alignkit.metrics.graphs.ollivier import ollivier_ricci

KARATE = (
    "0-1 0-2 0-3 0-4 0-5 0-6 0-7 0-8 0-10 0-11 0-12 0-13 0-17 0-19 0-21 0-31 1-2 1-3 1-7 1-13 1-17 1-19 1-21 "
    "1-30 2-3 2-7 2-8 2-9 2-13 2-27 2-28 2-32 3-7 3-12 3-13 4-6 4-10 5-6 5-10 5-16 6-16 8-30 8-32 8-33 9-33 "
    "13-33 14-32 14-33 15-32 15-33 18-32 18-33 19-33 20-32 20-33 22-32 22-33 23-25 23-27 23-29 23-32 23-33 "
    "24-25 24-27 24-31 25-31 26-29 26-33 27-33 28-31 28-33 29-32 29-33 30-32 30-33 31-32 31-33 32-33"
)


def unit_graph(edges):
    edges = np.array(edges)
    dense = np.zeros([edges.max() + 1] * 2)
    dense[edges[:, 0], edges[:, 1]] = dense[edges[:, 1], edges[:, 0]] = 1.0
    return csr_array(dense)


def karate():
    return unit_graph([[int(node) for node in edge.split("-")] for edge in KARATE.split()])


def two_cliques():
    dense = np.zeros((10, 10))
    dense[:5, :5] = dense[5:, 5:] = 1.0 - np.eye(5)
    dense[4, 5] = dense[5, 4] = 1.0
    return csr_array(dense)


def make_graph(n=40, k=6, seed=0):
    return representation_graph(pdist(np.random.default_rng(seed).standard_normal((n, 3))), k=k)


def test_published_lengths_of_the_karate_club_after_three_steps():
    flow = ricci_flow(karate(), n_steps=3)
    found = [flow.graph[edge] for edge in ((0, 1), (0, 2), (0, 3))]
    np.testing.assert_allclose(found, [0.584642, 1.222957, 0.828566], atol=5e-7)


def test_the_bridge_of_two_cliques_takes_nearly_all_the_length():
    flow = ricci_flow(two_cliques(), n_steps=10)
    np.testing.assert_allclose(flow.curvature_range[0], [-0.6, 0.625], atol=1e-12)
    np.testing.assert_allclose(flow.graph[4, 5], 20.988, atol=5e-4)
    np.testing.assert_allclose(flow.graph.sum() / 2, 21, rtol=1e-12)


def test_bridges_between_planted_blocks_grow_and_without_blocks_nothing_sets_such_pairs_apart():
    rng = np.random.default_rng(0)
    block = np.repeat([0, 1], 15)
    apart = block[:, None] != block
    gaps = []
    for between in (0.05, 0.6):
        joined = np.triu(rng.random((30, 30)) < np.where(apart, between, 0.6), 1).astype(float)
        flow = ricci_flow(csr_array(joined + joined.T), n_steps=10)
        crossing = apart[flow.edges[:, 0], flow.edges[:, 1]]
        lengths = flow.lengths[-1]
        # Share of pairs of a crossing and an inner edge whose crossing edge is longer.
        gaps.append(np.mean(lengths[crossing][:, None] > lengths[~crossing]))
    assert gaps[0] > 0.99
    assert abs(gaps[1] - 0.5) < 0.15


def test_each_step_follows_the_curvature_and_keeps_the_mean():
    graph = make_graph()
    flow = ricci_flow(graph, n_steps=2, step_size=0.5)
    np.testing.assert_allclose(flow.lengths.mean(axis=1), 1.0, rtol=1e-12)
    start = csr_array(graph / graph.data.mean())
    np.testing.assert_allclose(flow.start.toarray(), start.toarray(), rtol=1e-14)
    curvature = ollivier_ricci(start)
    first, second = flow.edges.T
    wanted = start[first, second] * (1 - 0.5 * curvature[first, second])
    np.testing.assert_allclose(flow.lengths[1], wanted / wanted.mean(), rtol=1e-10)
    np.testing.assert_allclose(flow.curvature_range[0], [curvature.data.min(), curvature.data.max()])
    np.testing.assert_allclose(flow.graph[first, second], flow.lengths[-1])
    np.testing.assert_allclose(flow.curvature.data, ollivier_ricci(flow.graph).data, atol=1e-9)
    assert flow.n_steps == 2


def test_the_unit_of_the_dissimilarities_does_not_matter():
    graph = make_graph()
    one, other = (ricci_flow(g, n_steps=3).lengths for g in (graph, csr_array(1000.0 * graph)))
    np.testing.assert_allclose(one, other, rtol=1e-8)


def test_a_graph_of_constant_curvature_stays_as_it_is():
    flow = ricci_flow(csr_array(3.0 - 3.0 * np.eye(6)))
    assert flow.converged
    assert flow.n_steps == 0
    np.testing.assert_array_equal(flow.lengths, np.ones((1, 15)))


def test_the_flow_stops_where_the_curvature_is_the_same_everywhere():
    flow = ricci_flow(unit_graph([(0, 1), (1, 2), (2, 3), (3, 4)]), n_steps=50, tolerance=1e-3)
    assert flow.converged
    assert flow.n_steps < 50
    assert np.ptp(flow.curvature.data) < 1e-3
    assert not ricci_flow(karate(), n_steps=2).converged


def test_surgery_cuts_the_long_edges_for_good():
    flow = ricci_flow(two_cliques(), n_steps=6, surgery_every=3)
    bridge = np.flatnonzero((flow.edges == [4, 5]).all(axis=1))
    assert np.flatnonzero(np.isnan(flow.lengths).any(axis=0)).tolist() == bridge.tolist()
    gone = np.isnan(flow.lengths[:, bridge[0]])
    assert gone.tolist() == [False] * 3 + [True] * 4
    # What is left are two parts, each with lengths of mean 1.
    np.testing.assert_allclose(flow.graph[:5, :5].data.mean(), 1.0)
    np.testing.assert_allclose(flow.graph[5:, 5:].data.mean(), 1.0)
    assert flow.graph.nnz == 40
    assert flow.start.nnz == 42
    np.testing.assert_allclose(flow.graph.data.mean(), 1.0)


def test_edges_that_would_vanish_are_kept_at_the_least_length_and_counted():
    flow = ricci_flow(two_cliques(), n_steps=10, min_length=1e-2)
    assert flow.n_floored == 20
    assert flow.lengths[-1].min() > 0.9e-2
    assert np.isfinite(flow.curvature.data).all()
    assert ricci_flow(two_cliques(), n_steps=10).n_floored == 0


def test_the_graph_is_left_alone_and_threads_change_nothing():
    graph = make_graph()
    before = graph.data.copy()
    one, other = (ricci_flow(graph, n_steps=2, n_jobs=n) for n in (1, 2))
    np.testing.assert_array_equal(graph.data, before)
    np.testing.assert_array_equal(one.lengths, other.lengths)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n_steps": 0}, "`n_steps` must be above 0 and finite, got 0"),
        ({"step_size": 1.5}, r"`step_size` must be in \(0, 1\], got 1.5"),
        ({"surgery_every": 0}, "`surgery_every` must be at least 1 step, got 0"),
        ({"surgery_length": 1.0}, "`surgery_length` must be above 1, the mean length, got 1"),
        ({"tolerance": -1.0}, "`tolerance` must be above 0 and finite, got -1"),
        ({"alpha": 1.0}, r"`alpha` must be in \[0, 1\)"),
    ],
)
def test_options_outside_their_range_are_refused(options, match):
    with pytest.raises(InputError, match=match):
        ricci_flow(two_cliques(), **options)


def test_the_parts_of_a_graph_flow_by_themselves_and_lone_nodes_do_no_harm():
    one, other = two_cliques(), make_graph()
    dense = np.zeros((51, 51))
    dense[:10, :10], dense[10:50, 10:50] = one.toarray(), other.toarray()
    together = ricci_flow(csr_array(dense), n_steps=4).graph.toarray()
    np.testing.assert_allclose(together[:10, :10], ricci_flow(one, n_steps=4).graph.toarray(), rtol=1e-8)
    alone = ricci_flow(other, n_steps=4).graph.toarray()
    np.testing.assert_allclose(together[10:50, 10:50], alone, rtol=1e-8)


def test_a_graph_without_edges_is_refused():
    with pytest.raises(InputError, match="has no edges"):
        ricci_flow(csr_array((4, 4)))


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
def test_weighted_flow_agrees_with_graphriccicurvature():
    networkx = pytest.importorskip("networkx")
    peer = pytest.importorskip("GraphRicciCurvature.OllivierRicci").OllivierRicci
    graph = make_graph()
    start = csr_array(graph / graph.data.mean())
    theirs = peer(networkx.from_scipy_sparse_array(start), alpha=0.5, method="OTD", proc=1)
    theirs.compute_ricci_flow(iterations=4)
    ours = ricci_flow(graph, n_steps=4).graph
    for i, j, facts in theirs.G.edges(data=True):
        assert ours[i, j] == pytest.approx(facts["weight"], rel=1e-8)
