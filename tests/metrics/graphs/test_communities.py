"""Communities from the Ricci flow, and modularity."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.spatial.distance import pdist

from alignkit._core.errors import InputError
from alignkit.metrics.graphs.communities import _first_fall, flow_communities, modularity
from alignkit.metrics.graphs.construction import representation_graph
from alignkit.metrics.graphs.flow import ricci_flow


def cliques(sizes):
    """Return cliques of these sizes in a chain, an edge from each to the next."""
    ends = np.cumsum(sizes)
    dense = np.zeros((ends[-1], ends[-1]))
    for size, end in zip(sizes, ends, strict=True):
        dense[end - size : end, end - size : end] = 1 - np.eye(size)
        if end < ends[-1]:
            dense[end - 1, end] = dense[end, end - 1] = 1.0
    return csr_array(dense), np.repeat(np.arange(len(sizes)), sizes)


@pytest.mark.parametrize("sizes", [(5, 5), (4, 6, 5), (5, 5, 5, 5)])
def test_cliques_joined_by_bridges_are_the_communities(sizes):
    graph, planted = cliques(sizes)
    found = flow_communities(ricci_flow(graph))
    np.testing.assert_array_equal(found.labels, planted)
    np.testing.assert_allclose(found.modularity, modularity(graph, planted), rtol=1e-12)


def test_planted_blocks_are_found():
    rng = np.random.default_rng(0)
    planted = np.repeat([0, 1], 15)
    joined = np.triu(rng.random((30, 30)) < np.where(planted[:, None] == planted, 0.6, 0.05), 1).astype(float)
    found = flow_communities(ricci_flow(csr_array(joined + joined.T)))
    np.testing.assert_array_equal(found.labels, planted)


def test_clusters_of_stimuli_are_found_in_a_neighbour_graph():
    rng = np.random.default_rng(0)
    planted = np.repeat(np.arange(3), 20)
    X = 2.0 * rng.standard_normal((3, 8))[planted] + rng.standard_normal((60, 8))
    found = flow_communities(ricci_flow(representation_graph(pdist(X), k=8)))
    assert np.mean(found.labels == planted) > 0.95


def test_parts_that_are_not_connected_are_communities_and_are_divided_further():
    two, planted = cliques((5, 5))
    dense = np.zeros((14, 14))
    dense[:10, :10], dense[10:, 10:] = two.toarray(), 1 - np.eye(4)
    found = flow_communities(ricci_flow(csr_array(dense)))
    np.testing.assert_array_equal(found.labels, [*planted, 2, 2, 2, 2])


def test_a_graph_without_parts_is_one_community():
    found = flow_communities(ricci_flow(csr_array(1.0 - np.eye(8))))
    np.testing.assert_array_equal(found.labels, np.zeros(8))
    assert found.modularity == 0.0
    assert found.cutoffs.size == 1


def test_the_sweep_goes_from_the_longest_edge_to_the_mean_and_its_cut_is_reproducible():
    graph, _ = cliques((4, 6, 5))
    flow = ricci_flow(graph)
    found = flow_communities(flow)
    assert found.cutoffs[0] == flow.graph.data.max()
    assert 1.0 < found.cutoffs[-1] < 1.026
    np.testing.assert_allclose(np.diff(found.cutoffs), -0.025)
    kept = flow.graph.toarray() * (flow.graph.toarray() <= found.cutoff)
    same = found.labels[:, None] == found.labels
    assert not (kept * ~same).any()
    assert found.modularities.max() == found.modularity


@pytest.mark.parametrize(
    ("modularities", "wanted"),
    [
        ([0.0, 0.4, 0.4, 0.3], 1),
        ([0.0, 0.4, 0.3, 0.35, 0.2], 3),
        ([0.0, 0.4, 0.3995, 0.399], 1),
        ([0.0, -0.1, -0.2], 0),
        ([0.0], 0),
    ],
)
def test_the_cut_is_the_last_before_the_first_fall_on_the_way_up(modularities, wanted):
    assert _first_fall(np.array(modularities), 0.01) == wanted


def test_modularity_by_hand_and_of_networkx():
    networkx = pytest.importorskip("networkx")
    graph, planted = cliques((5, 5))
    np.testing.assert_allclose(modularity(graph, planted), 20 / 21 - 0.5, rtol=1e-12)
    assert modularity(graph, np.zeros(10, dtype=int)) == 0.0
    labels = np.random.default_rng(0).integers(0, 3, 10)
    parts = [set(np.flatnonzero(labels == label).tolist()) for label in range(3)]
    theirs = networkx.community.modularity(networkx.from_scipy_sparse_array(graph), parts)
    np.testing.assert_allclose(modularity(csr_array(5.0 * graph), labels), theirs, rtol=1e-12)


def test_bad_input_is_refused():
    graph, planted = cliques((3, 3))
    with pytest.raises(InputError, match="`labels` must have one value per node, got 4 for 6 nodes"):
        modularity(graph, [0, 0, 1, 1])
    with pytest.raises(InputError, match="`labels` must be whole numbers, got 0.5"):
        modularity(graph, planted + 0.5)
    flow = ricci_flow(graph, n_steps=2)
    with pytest.raises(InputError, match="`cutoff_step` must be above 0 and finite, got 0"):
        flow_communities(flow, cutoff_step=0.0)
    with pytest.raises(InputError, match=r"`drop` must be in \(0, 1\), got 1"):
        flow_communities(flow, drop=1.0)
