"""Forman-Ricci curvature and its variants."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.spatial.distance import pdist

from alignkit._core.errors import InputError
from alignkit.metrics.graphs.construction import representation_graph
from alignkit.metrics.graphs.forman import forman_ricci
from alignkit.metrics.graphs.ollivier import lin_lu_yau


def unit_graph(edges):
    edges = np.array(edges)
    dense = np.zeros([edges.max() + 1] * 2)
    dense[edges[:, 0], edges[:, 1]] = dense[edges[:, 1], edges[:, 0]] = 1.0
    return csr_array(dense)


def cycle(n):
    return unit_graph([(i, (i + 1) % n) for i in range(n)])


def make_graph(n=40, k=5, *, weighted=True, seed=0):
    rdm = pdist(np.random.default_rng(seed).standard_normal((n, 3)))
    return representation_graph(rdm, k=k, weighted=weighted)


KNOWN = [
    (unit_graph([*combinations(range(4), 2)]), -2, 4, 4 / 3),
    (unit_graph([*combinations(range(5), 2)]), -4, 5, 1.25),
    (cycle(3), 0, 3, 1.5),
    (cycle(4), 0, 0, 1),
    (cycle(5), 0, 0, 0),
    (cycle(6), 0, 0, 0),
    (unit_graph([(0, i) for i in range(1, 5)]), -1, -1, 0),
    (unit_graph([(i, j) for i in range(3) for j in range(3, 6)]), -2, -2, 0),
    (unit_graph([(i, i ^ bit) for i in range(8) for bit in (1, 2, 4)]), -2, -2, 2 / 3),
    (
        unit_graph(
            [(i, (i + 1) % 5) for i in range(5)]
            + [(i, i + 5) for i in range(5)]
            + [(5 + i, 5 + (i + 2) % 5) for i in range(5)]
        ),
        -2,
        -2,
        -2 / 3,
    ),
]


@pytest.mark.parametrize(("graph", "plain", "augmented", "balanced"), KNOWN)
def test_closed_forms(graph, plain, augmented, balanced):
    for variant, wanted in (("plain", plain), ("augmented", augmented), ("balanced", balanced)):
        np.testing.assert_allclose(forman_ricci(graph, variant=variant).data, wanted, atol=1e-12)


def test_published_values_of_a_triangle_with_a_tail():
    graph = unit_graph([(0, 1), (1, 2), (2, 3), (1, 3)])
    for variant, wanted in (("plain", [0, -1, -1, 0]), ("augmented", [0, 2, 2, 3])):
        curvature = forman_ricci(graph, variant=variant)
        assert [curvature[edge] for edge in ((0, 1), (1, 2), (1, 3), (2, 3))] == wanted


@pytest.mark.parametrize("n", [3, 7, 10])
def test_balanced_forman_of_a_complete_graph_is_its_transport_limit(n):
    graph = csr_array(1.0 - np.eye(n))
    np.testing.assert_allclose(forman_ricci(graph, variant="balanced").data, n / (n - 1))
    np.testing.assert_allclose(lin_lu_yau(graph).data, n / (n - 1))


@pytest.mark.parametrize("seed", range(3))
def test_balanced_forman_is_a_lower_bound_of_the_transport_limit(seed):
    graph = make_graph(weighted=False, seed=seed)
    below = forman_ricci(graph, variant="balanced").data
    assert (below <= lin_lu_yau(graph).data + 1e-12).all()
    assert (below > -2).all()


def by_hand(graph, variant):
    """Follow the definitions edge by edge, with sets."""
    dense = graph.toarray()
    n = len(dense)
    near = [set(np.flatnonzero(row)) for row in dense]
    result = np.zeros_like(dense)
    for i, j in zip(*np.nonzero(dense), strict=True):
        length, common = dense[i, j], near[i] & near[j]
        if variant == "balanced":
            a, b, t = len(near[i]), len(near[j]), len(common)
            if min(a, b) == 1:
                continue
            squares, most = 0, 1
            for one, other in ((i, j), (j, i)):
                for k in near[one] - near[other] - {other}:
                    over = (near[k] & near[other]) - near[one] - {one}
                    squares, most = squares + bool(over), max(most, len(over))
            result[i, j] = (
                2 / a + 2 / b - 2 + 2 * t / max(a, b) + t / min(a, b) + squares / (most * max(a, b))
            )
            continue
        faces = common if variant == "augmented" else set()
        parallel = [dense[i, k] for k in near[i] - {j} - faces] + [dense[j, k] for k in near[j] - {i} - faces]
        result[i, j] = length * (
            len(faces) * length + 2 / length - sum(1 / np.sqrt(length * other) for other in parallel)
        )
    assert n == graph.shape[0]
    return result


@pytest.mark.parametrize("variant", ["plain", "augmented", "balanced"])
@pytest.mark.parametrize("seed", [0, 1])
def test_lengths_triangles_and_squares_are_those_of_the_definitions(variant, seed):
    rng = np.random.default_rng(seed)
    sparse = np.triu(rng.random((16, 16)) * (rng.random((16, 16)) < 0.3), 1)
    for graph in (make_graph(seed=seed), csr_array(sparse + sparse.T)):
        found = forman_ricci(graph, variant=variant).toarray()
        np.testing.assert_allclose(found, by_hand(graph, variant), atol=1e-10)


def test_the_unit_of_length_matters_for_the_augmented_variant_only():
    graph = make_graph()
    scaled = csr_array(7.0 * graph)
    for variant in ("plain", "balanced"):
        one, other = (forman_ricci(g, variant=variant).data for g in (graph, scaled))
        np.testing.assert_allclose(one, other, atol=1e-9)
    augmented = [forman_ricci(g, variant="augmented").data for g in (graph, scaled)]
    assert np.abs(augmented[0] - augmented[1]).max() > 1


def test_balanced_forman_does_not_look_at_lengths_and_the_others_do():
    graph, unit = make_graph(), make_graph(weighted=False)
    np.testing.assert_array_equal(*(forman_ricci(g, variant="balanced").data for g in (graph, unit)))
    for variant in ("plain", "augmented"):
        assert (
            np.abs(np.subtract(*(forman_ricci(g, variant=variant).data for g in (graph, unit)))).max() > 0.1
        )


def test_stored_zeros_are_kept_and_the_graph_is_left_alone():
    graph = cycle(6)
    before = graph.copy()
    for variant in ("plain", "augmented", "balanced"):
        curvature = forman_ricci(graph, variant=variant)
        assert isinstance(curvature, csr_array)
        assert curvature.nnz == 12
        np.testing.assert_array_equal(curvature.data, 0)
    np.testing.assert_array_equal(graph.toarray(), before.toarray())


def test_parts_and_lone_nodes_do_not_matter_to_others():
    dense = np.zeros((9, 9))
    dense[:3, :3], dense[4:8, 4:8] = cycle(3).toarray(), cycle(4).toarray()
    curvature = forman_ricci(csr_array(dense), variant="augmented").toarray()
    np.testing.assert_array_equal(curvature[:3, :3], 3 * cycle(3).toarray())
    np.testing.assert_array_equal(curvature[3:, 3:], 0)


def test_relabelled_nodes_have_the_relabelled_curvature():
    graph = make_graph()
    order = np.random.default_rng(1).permutation(40)
    for variant in ("plain", "augmented", "balanced"):
        turned = forman_ricci(csr_array(graph[order][:, order]), variant=variant).toarray()
        whole = forman_ricci(graph, variant=variant).toarray()
        np.testing.assert_allclose(turned, whole[np.ix_(order, order)], atol=1e-12)


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="`variant` is 'full'"):
        forman_ricci(cycle(3), variant="full")
    with pytest.raises(InputError, match="has no edges among its 3 nodes"):
        forman_ricci(csr_array((3, 3)))
    with pytest.raises(InputError, match="stored in one direction only"):
        forman_ricci(csr_array(np.triu(np.ones((3, 3)), 1)))


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("variant", "method"), [("plain", "1d"), ("augmented",) * 2, ("balanced",) * 2])
def test_weighted_neighbour_graphs_agree_with_graphriccicurvature(variant, method):
    networkx = pytest.importorskip("networkx")
    peer = pytest.importorskip("GraphRicciCurvature.FormanRicci").FormanRicci
    graph = make_graph(100, 8)
    theirs = peer(networkx.from_scipy_sparse_array(graph), method=method)
    theirs.compute_ricci_curvature()
    ours = forman_ricci(graph, variant=variant)
    for i, j, facts in theirs.G.edges(data=True):
        assert ours[i, j] == pytest.approx(facts["formanCurvature"], abs=1e-9)
