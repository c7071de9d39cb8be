"""Graphs of stimuli from RDMs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.spatial.distance import pdist, squareform

from alignkit._core.errors import InputError
from alignkit.metrics.graphs.construction import largest_component, representation_graph


def make_rdm(n=30, seed=0):
    return pdist(np.random.default_rng(seed).standard_normal((n, 5)))


def test_neighbours_are_those_of_scikit_learn():
    from sklearn.neighbors import kneighbors_graph

    X = np.random.default_rng(0).standard_normal((40, 5))
    theirs = kneighbors_graph(X, 6, mode="distance")
    ours = representation_graph(pdist(X), k=6)
    np.testing.assert_allclose(ours.toarray(), theirs.maximum(theirs.T).toarray(), rtol=1e-12)
    mutual = representation_graph(pdist(X), k=6, mutual=True).toarray()
    np.testing.assert_allclose(mutual, theirs.minimum(theirs.T).toarray(), rtol=1e-12)


def test_the_graph_is_symmetric_in_canonical_order_and_holds_the_dissimilarities():
    values = make_rdm()
    graph = representation_graph(values, k=4)
    assert isinstance(graph, csr_array)
    assert graph.has_canonical_format
    square = squareform(values)
    rows, columns = graph.nonzero()
    np.testing.assert_array_equal(graph.toarray()[rows, columns], square[rows, columns])
    np.testing.assert_array_equal(graph.toarray(), graph.T.toarray())


def test_all_neighbours_make_the_complete_graph():
    values = make_rdm(6)
    np.testing.assert_array_equal(representation_graph(values, k=5).toarray(), squareform(values))


def test_a_radius_joins_the_pairs_within_it():
    values = make_rdm()
    square = squareform(values)
    radius = np.sort(values)[50]
    np.testing.assert_array_equal(
        representation_graph(values, epsilon=radius).toarray(), np.where(square <= radius, square, 0)
    )


@pytest.mark.parametrize(("quantile", "n_edges"), [(0.1, 44), (0.5, 218), (1.0, 435)])
def test_a_quantile_joins_that_part_of_the_pairs(quantile, n_edges):
    assert representation_graph(make_rdm(), quantile=quantile).nnz == 2 * n_edges


def test_unweighted_edges_have_length_one():
    values = make_rdm()
    graph, lengths = (representation_graph(values, k=4, weighted=w) for w in (False, True))
    np.testing.assert_array_equal(graph.toarray(), lengths.toarray() > 0)


def test_ties_go_to_the_first_stimuli_every_time():
    graph = representation_graph(np.ones(10), k=1)
    assert sorted(zip(*graph.nonzero(), strict=True)) == [
        (0, 1), (0, 2), (0, 3), (0, 4), (1, 0), (2, 0), (3, 0), (4, 0),
    ]  # fmt: skip


def test_relabelled_stimuli_give_the_relabelled_graph():
    values = make_rdm()
    order = np.random.default_rng(1).permutation(30)
    turned = squareform(squareform(values)[np.ix_(order, order)])
    graph = representation_graph(values, k=4).toarray()
    np.testing.assert_array_equal(representation_graph(turned, k=4).toarray(), graph[np.ix_(order, order)])


def test_only_the_order_of_dissimilarities_decides_who_is_joined():
    values = make_rdm()
    one, other = (representation_graph(v, k=4, weighted=False) for v in (values, np.exp(values) - 5))
    np.testing.assert_array_equal(one.toarray(), other.toarray())


def test_repeated_stimuli_are_refused_unless_a_floor_or_no_lengths_are_asked_for():
    X = np.random.default_rng(0).standard_normal((6, 3))
    X[4] = X[1]
    values = pdist(X)
    with pytest.raises(InputError, match=r"1 edge\(s\) .* between stimuli 1 and 4 \(0\)"):
        representation_graph(values, k=2)
    assert representation_graph(values, k=2, floor=0.01)[1, 4] == 0.01
    assert representation_graph(values, k=2, weighted=False)[1, 4] == 1.0


def test_crossnobis_distances_below_zero_are_named():
    values = make_rdm(10)
    values[3] = -0.2
    with pytest.raises(InputError, match=r"length of 0 or below, .* 0 and 4 \(-0.2\)"):
        representation_graph(values, k=3)
    assert representation_graph(values, k=3, floor=0.1)[0, 4] == 0.1


def test_mutual_neighbours_may_leave_a_stimulus_alone():
    values = squareform(np.abs(np.subtract.outer([0.0, 1.0, 2.0, 9.0], [0.0, 1.0, 2.0, 9.0])))
    graph = representation_graph(values, k=2, mutual=True)
    assert np.diff(graph.indptr).tolist() == [2, 2, 2, 0]
    part, nodes = largest_component(graph)
    assert nodes.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(part.toarray(), graph.toarray()[:3, :3])


def test_the_largest_component_keeps_edges_of_curvature_zero():
    curvature = csr_array(([0.0, 0.0, 0.0, 0.0], ([0, 1, 1, 2], [1, 0, 2, 1])), shape=(4, 4))
    part, nodes = largest_component(curvature)
    assert part.nnz == 4
    assert nodes.tolist() == [0, 1, 2]


def test_torch_in_gives_the_same_graph():
    torch = pytest.importorskip("torch")
    values = make_rdm()
    graph = representation_graph(torch.from_numpy(values), k=4)
    np.testing.assert_array_equal(graph.toarray(), representation_graph(values, k=4).toarray())


def test_integers_are_fine_and_the_input_is_left_alone():
    values = np.arange(1, 16)
    before = values.copy()
    graph = representation_graph(values, k=2, floor=3)
    assert graph.dtype == np.float64
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize(
    ("rdm", "options", "match"),
    [
        (np.ones((4, 4)), {"k": 1}, r"condensed, of shape \(n_pairs,\), got shape \(4, 4\)"),
        (np.ones(7), {"k": 1}, "7 dissimilarities are not the pairs"),
        ([1.0, np.nan, 2.0], {"k": 1}, r"1 NaN or infinite value\(s\), the first at index \(1,\)"),
        (np.ones(6), {}, "one of `k`, `epsilon` and `quantile`, got none"),
        (np.ones(6), {"k": 1, "epsilon": 1.0}, "got k and epsilon"),
        (np.ones(6), {"epsilon": 1.0, "mutual": True}, "`mutual` goes with `k`"),
        (np.ones(6), {"k": 4}, r"`k` must be in \[1, 3\] for 4 stimuli, got 4"),
        (np.ones(6), {"k": 0}, r"got 0"),
        (np.ones(6), {"quantile": 1.5}, r"`quantile` must be in \(0, 1\], got 1.5"),
        (np.arange(1.0, 7.0), {"epsilon": 0.5}, "within `epsilon` 0.5: the smallest dissimilarity is 1, the"),
        (np.ones(6), {"k": 1, "floor": 0.0}, "`floor` must be above 0 and finite, got 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(rdm, options, match):
    with pytest.raises(InputError, match=match):
        representation_graph(rdm, **options)


@pytest.mark.parametrize("seed", range(3))
def test_the_nearest_pair_of_all_is_always_mutual(seed):
    values = np.random.default_rng(seed).integers(1, 4, 45)
    assert representation_graph(values, k=1, mutual=True).nnz >= 2


@pytest.mark.parametrize(
    ("graph", "match"),
    [
        (np.eye(3), "must be a scipy.sparse.csr_array, got ndarray"),
        (csr_array(np.ones((2, 3))), r"must be square, .* got shape \(2, 3\)"),
        (csr_array(np.array([[0, 1.0], [0, 0]])), "some edges are stored in one direction only"),
        (csr_array(np.array([[0, 1.0], [2.0, 0]])), "differ by up to 1"),
        (csr_array(np.array([[1.0, 1.0], [1.0, 0]])), r"self-loops, got one at 1 node\(s\), the first is 0"),
        (csr_array(np.array([[0, np.nan], [np.nan, 0]])), "`graph.data` holds 2 NaN"),
        (csr_array(np.array([[0, 1j], [1j, 0]])), "must hold real numbers, got dtype complex128"),
    ],
)
def test_a_matrix_that_is_no_graph_is_refused(graph, match):
    with pytest.raises(InputError, match=match):
        largest_component(graph)
