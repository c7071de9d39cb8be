"""Comparison of two systems' graphs of the same stimuli."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.spatial.distance import pdist, squareform
from scipy.stats import pearsonr, spearmanr, wasserstein_distance

from alignkit._core.errors import InputError
from alignkit.metrics import METRICS
from alignkit.metrics.graphs.construction import representation_graph
from alignkit.metrics.graphs.forman import forman_ricci
from alignkit.metrics.graphs.ollivier import node_curvature, ollivier_ricci
from alignkit.metrics.graphs.systems import (
    block_curvatures,
    community_agreement,
    compare_graphs,
    curvature_distance,
    edge_correlation,
    node_correlation,
)

METHODS = ("edge-correlation", "node-correlation", "distribution-distance", "community-agreement")
CURVATURES = ("ollivier", "lin-lu-yau", "forman", "augmented-forman", "balanced-forman")


def make_pair(noise=0.3, n=40, k=6, seed=0):
    """Return graphs of the same clustered stimuli in two systems."""
    rng = np.random.default_rng(seed)
    X = 1.5 * rng.standard_normal((4, 6))[np.arange(n) % 4] + rng.standard_normal((n, 6))
    Y = X + noise * rng.standard_normal((n, 6))
    return representation_graph(pdist(X), k=k), representation_graph(pdist(Y), k=k)


def relabelled(graph, order):
    return csr_array(graph[order][:, order])


@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("method", METHODS)
def test_a_system_is_closest_to_itself(method, curvature):
    a, _ = make_pair()
    best = 0.0 if method == "distribution-distance" else 1.0
    assert compare_graphs(a, a, method=method, curvature=curvature) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_likeness_falls_with_noise(method):
    values = [
        np.mean([compare_graphs(*make_pair(noise, seed=s), method=method) for s in range(3)])
        for noise in (0.1, 3.0)
    ]
    assert (values[0] < values[1]) if method == "distribution-distance" else (values[0] > values[1])


@pytest.mark.parametrize("method", METHODS)
def test_units_order_of_stimuli_and_side_do_not_matter(method):
    a, b = make_pair()
    value = compare_graphs(a, b, method=method)
    order = np.random.default_rng(1).permutation(40)
    assert compare_graphs(csr_array(100.0 * a), b, method=method) == pytest.approx(value, abs=1e-9)
    assert compare_graphs(b, a, method=method) == pytest.approx(value, abs=1e-9)
    both = compare_graphs(relabelled(a, order), relabelled(b, order), method=method)
    assert both == pytest.approx(value, abs=1e-9)


def test_lengths_matter_beyond_their_unit():
    a, b = make_pair()
    bent = a.copy()
    bent.data = bent.data**3
    for method in METHODS[:3]:
        assert abs(compare_graphs(a, b, method=method) - compare_graphs(bent, b, method=method)) > 1e-4


def test_edges_are_matched_by_their_ends():
    a, b = (ollivier_ricci(graph) for graph in make_pair())
    pattern_a, pattern_b = (np.zeros((40, 40), dtype=bool) for _ in range(2))
    for pattern, graph in ((pattern_a, a), (pattern_b, b)):
        pattern[graph.nonzero()] = True
    upper = np.triu_indices(40, 1)
    both = (pattern_a & pattern_b)[upper]
    first, second = a.toarray()[upper], b.toarray()[upper]
    assert 20 < both.sum() < pattern_a[upper].sum()
    wanted = spearmanr(first[both], second[both]).statistic
    assert edge_correlation(a, b) == pytest.approx(wanted, abs=1e-12)
    wanted = pearsonr(first[both], second[both]).statistic
    assert edge_correlation(a, b, correlation="pearson") == pytest.approx(wanted, abs=1e-12)
    either = (pattern_a | pattern_b)[upper]
    wanted = pearsonr(first[either], second[either]).statistic
    found = edge_correlation(a, b, edges="union", correlation="pearson")
    assert found == pytest.approx(wanted, abs=1e-12)


def test_nodes_are_matched_and_lone_ones_left_out():
    first, second = np.random.default_rng(0).standard_normal((2, 12))
    assert node_correlation(first, second) == pytest.approx(spearmanr(first, second).statistic)
    first[2], second[5] = np.nan, np.nan
    kept = np.isfinite(first) & np.isfinite(second)
    wanted = pearsonr(first[kept], second[kept]).statistic
    assert node_correlation(first, second, correlation="pearson") == pytest.approx(wanted)


def test_an_order_relabels_the_second_system():
    graph_a, graph_b = make_pair()
    order = np.random.default_rng(1).permutation(40)
    a, b = ollivier_ricci(graph_a), ollivier_ricci(graph_b)
    turned = relabelled(b, order)
    assert edge_correlation(a, b, order=order) == pytest.approx(edge_correlation(a, turned), abs=1e-12)
    nodes_a, nodes_b = node_curvature(a), node_curvature(b)
    assert node_correlation(nodes_a, nodes_b, order=order) == node_correlation(nodes_a, nodes_b[order])
    labels = np.arange(40) % 3
    assert community_agreement(labels, labels, order=order) == community_agreement(labels, labels[order])


def test_the_distance_is_of_distributions_and_obeys_the_triangle():
    curved = [ollivier_ricci(graph) for graph in (*make_pair(seed=0), make_pair(seed=1)[0])]
    d = [[curvature_distance(a, b) for b in curved] for a in curved]
    wanted = wasserstein_distance(curved[0].data, curved[1].data)
    assert d[0][1] == pytest.approx(wanted)
    assert d[0][2] <= d[0][1] + d[1][2] + 1e-12
    assert d[0][1] == pytest.approx(d[1][0])
    # Not of positions: relabelling one side alone changes nothing.
    order = np.random.default_rng(1).permutation(40)
    assert curvature_distance(curved[0], relabelled(curved[1], order)) == pytest.approx(d[0][1], abs=1e-12)


def test_agreement_does_not_see_names_and_is_less_chance():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 60)
    names = np.array([7, -1, 3])
    for method in ("adjusted-rand", "adjusted-mutual-information"):
        assert community_agreement(labels, names[labels], method=method) == pytest.approx(1.0)
        chance = [community_agreement(labels, rng.permutation(labels), method=method) for _ in range(50)]
        assert abs(np.mean(chance)) < 0.02
    assert community_agreement([0, 0, 0], [1, 1, 1]) == 1.0


def test_constant_curvature_has_no_correlation():
    complete = csr_array(1.0 - np.eye(6))
    assert np.isnan(compare_graphs(complete, complete))
    assert np.isnan(compare_graphs(complete, complete, method="node-correlation"))


def test_blocks_are_curved_by_themselves():
    rdm = pdist(np.random.default_rng(0).standard_normal((24, 4)))
    blocks = np.random.default_rng(1).permutation(24) % 3 + 5
    found = block_curvatures(rdm, blocks, k=3, curvature="augmented-forman")
    assert len(found) == 3
    members = np.flatnonzero(blocks == 6)
    part = squareform(squareform(rdm)[np.ix_(members, members)])
    wanted = forman_ricci(representation_graph(part, k=3), variant="augmented")
    np.testing.assert_allclose(np.sort(np.repeat(found[1], 2)), np.sort(wanted.data), rtol=1e-12)


def test_torch_in_gives_equal_numbers():
    torch = pytest.importorskip("torch")
    first, second = np.random.default_rng(0).standard_normal((2, 12))
    pair = torch.from_numpy(first), torch.from_numpy(second)
    assert node_correlation(*pair) == node_correlation(first, second)
    labels = torch.arange(12) % 3
    assert community_agreement(labels, labels) == 1.0


def test_the_registered_comparisons_are_these():
    a, b = make_pair()
    for method, name in zip(
        METHODS[:3], ("edge-correlation", "node-correlation", "distribution-distance"), strict=True
    ):
        assert METRICS[f"curvature-{name}"](a, b) == compare_graphs(a, b, method=method)
    assert METRICS["community-agreement"](a, b) == compare_graphs(a, b, method="community-agreement")


def test_bad_input_is_refused():
    a, b = make_pair()
    small = csr_array(1.0 - np.eye(5))
    with pytest.raises(InputError, match="graphs of the same stimuli, got 40 and 5 nodes"):
        compare_graphs(a, small)
    with pytest.raises(InputError, match="`method` is 'edges'"):
        compare_graphs(a, b, method="edges")
    with pytest.raises(InputError, match="`curvature` is 'ricci'"):
        compare_graphs(a, b, curvature="ricci")
    with pytest.raises(InputError, match="`order` must hold each of 0 to 39 once"):
        edge_correlation(a, b, order=np.zeros(40, dtype=int))
    one = csr_array(([1.0, 1.0], ([0, 1], [1, 0])), shape=(5, 5))
    with pytest.raises(InputError, match="at least 3 edges must be shared .*, got 1 of 10 and 1"):
        edge_correlation(small, one)
    with pytest.raises(InputError, match="at least 3 edges are needed .*, got 1"):
        edge_correlation(one, one, edges="union")
    with pytest.raises(InputError, match="`b` has no edges and so no distribution"):
        curvature_distance(one, csr_array((5, 5)))
    with pytest.raises(InputError, match="at least 3 stimuli must have edges in both systems, got 2 of 3"):
        node_correlation([1.0, 2.0, np.nan], [1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="`a` holds 1 infinite curvatures"):
        node_correlation([1.0, np.inf, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="same number of samples, got 3 and 4"):
        community_agreement([0, 0, 1], [0, 0, 1, 1])
    with pytest.raises(InputError, match="more than `k` = 4 stimuli, the smallest of 2 has 4"):
        block_curvatures(np.ones(45), [0] * 6 + [1] * 4, k=4)


def test_curvature_that_varies_by_rounding_alone_has_no_ranks():
    rng = np.random.default_rng(0)
    noise = 1e-16 * rng.standard_normal(9)
    for values in (noise, 0.25 + noise):
        for correlation in ("spearman", "pearson"):
            assert np.isnan(node_correlation(values, rng.random(9), correlation=correlation))
            assert np.isnan(node_correlation(rng.random(9), values, correlation=correlation))


def test_the_graph_that_is_wrong_is_named():
    good = representation_graph(np.random.default_rng(0).random(45), k=3)
    with pytest.raises(InputError, match="`b` must be a scipy.sparse.csr_array, got ndarray"):
        compare_graphs(good, good.toarray())
    with pytest.raises(InputError, match="`a` has no nodes"):
        curvature_distance(csr_array((0, 0)), good)
