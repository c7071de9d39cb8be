"""Nulls for comparisons of graphs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from alignkit._core.errors import InputError
from alignkit.metrics.graphs.construction import representation_graph
from alignkit.metrics.graphs.ollivier import node_curvature, ollivier_ricci
from alignkit.metrics.graphs.systems import (
    block_curvatures,
    curvature_distance,
    edge_correlation,
    node_correlation,
)
from alignkit.stats.permutation_nodes import exchange_blocks, permute_nodes


def patterns(n=40, seed=0):
    rng = np.random.default_rng(seed)
    return 1.5 * rng.standard_normal((4, 6))[np.arange(n) % 4] + rng.standard_normal((n, 6))


def curvature(X, k=6):
    return ollivier_ricci(representation_graph(pdist(X), k=k), length_scale="median")


def test_a_shared_geometry_is_found_and_an_unrelated_one_is_not():
    X = patterns()
    noise = np.random.default_rng(1).standard_normal((2, 40, 6))
    brain, near, far = (curvature(Y) for Y in (X, X + 0.2 * noise[0], 2 * noise[1]))

    def over_edges(order):
        return np.array([edge_correlation(brain, model, order=order) for model in (near, far)])

    def over_nodes(order):
        return node_correlation(node_curvature(brain), node_curvature(near), order=order)

    result = permute_nodes(over_edges, 40, n_permutations=99)
    assert result.p[0] == 0.01
    assert result.p[1] > 0.05
    assert (result.p_max >= result.p).all()
    assert result.null.shape == (99, 2)
    assert permute_nodes(over_nodes, 40, n_permutations=99).p[0] == 0.01


def test_p_is_uniform_where_nothing_is_shared():
    rng = np.random.default_rng(0)
    p = []
    for _ in range(200):
        a, b = rng.standard_normal((2, 12))
        result = permute_nodes(lambda o, a=a, b=b: a @ b[o], 12, n_permutations=39, random_state=rng)
        p.append(result.p[0])
    assert abs(np.mean(p) - 0.5) < 0.06
    assert abs(np.mean(np.array(p) <= 0.1) - 0.1) < 0.05


def test_the_corrected_p_holds_for_the_best_of_many_models():
    rng = np.random.default_rng(0)
    p, p_max = [], []
    for _ in range(150):
        a, models = rng.standard_normal(12), rng.standard_normal((6, 12))
        result = permute_nodes(lambda o, a=a, m=models: m[:, o] @ a, 12, n_permutations=39, random_state=rng)
        p.append(result.p.min())
        p_max.append(result.p_max.min())
    assert np.mean(np.array(p) <= 0.1) > 0.25
    assert np.mean(np.array(p_max) <= 0.1) < 0.16


def test_the_observed_labels_come_first_and_all_models_share_the_relabellings():
    seen = []

    def statistic(order):
        seen.append(order.copy())
        return order[:2] * 1.0

    permute_nodes(statistic, 5, n_permutations=4)
    np.testing.assert_array_equal(seen[0], np.arange(5))
    assert len(seen) == 5
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in seen)


def test_directions():
    values = np.arange(10.0)

    def distance(order):
        return np.abs(values - values[order]).sum()

    assert permute_nodes(distance, 10, alternative="less", n_permutations=199).p[0] == 1 / 200
    assert permute_nodes(distance, 10, alternative="greater", n_permutations=199).p[0] == 1.0
    two = permute_nodes(distance, 10, alternative="two-sided", n_permutations=199)
    assert two.p[0] == 2 / 200
    assert two.p_max[0] == 1 / 200
    reverse = permute_nodes(lambda o: -values @ values[o], 10, alternative="less", n_permutations=199)
    assert reverse.p_max[0] == 1 / 200


def test_p_is_never_zero_and_the_same_seed_gives_the_same_bits():
    a = np.arange(8.0)
    one, again = (permute_nodes(lambda o: a @ a[o], 8, n_permutations=50, random_state=3) for _ in range(2))
    assert one.p[0] == 1 / 51
    np.testing.assert_array_equal(one.null, again.null)


def test_a_model_without_a_value_has_no_p_and_leaves_the_others_alone():
    a = np.arange(8.0)
    result = permute_nodes(lambda o: np.array([a @ a[o], np.nan]), 8, n_permutations=50)
    assert np.isnan(result.p[1])
    assert np.isnan(result.p_max[1])
    assert result.p_max[0] == 1 / 51
    nothing = permute_nodes(lambda o: np.nan, 8, n_permutations=20)
    assert np.isnan(nothing.p_max[0])


def test_a_distance_of_distributions_has_no_null_under_relabelling():
    a, b = curvature(patterns()), curvature(patterns(seed=1))
    with pytest.raises(InputError, match="under each of 30 relabellings: it does not look at the labels"):
        permute_nodes(
            lambda order: curvature_distance(a, b[order][:, order]), 40, alternative="less", n_permutations=30
        )


def test_bad_input_of_permute_nodes():
    with pytest.raises(InputError, match="`n_nodes` must be at least 4 .*, got 3"):
        permute_nodes(lambda o: 0.0, 3)
    with pytest.raises(InputError, match="`alternative` is 'smaller'"):
        permute_nodes(lambda o: 0.0, 5, alternative="smaller")
    with pytest.raises(InputError, match="`n_permutations` must be at least 1, got 0"):
        permute_nodes(lambda o: 0.0, 5, n_permutations=0)
    with pytest.raises(InputError, match=r"a number or one per model, got shape \(2, 2\)"):
        permute_nodes(lambda o: np.ones((2, 2)), 5)
    with pytest.raises(InputError, match="NaN where the observed statistic is defined"):
        permute_nodes(lambda o: np.nan if o[0] else 1.0, 5, n_permutations=30)


def test_all_patterns_of_few_blocks_are_looked_at():
    a, b = [[0.0], [0.0], [0.0]], [[1.0], [1.0], [1.0]]
    result = exchange_blocks(a, b)
    assert result.exact
    assert result.n_permutations == 7
    assert result.observed == 1.0
    # Of 8 patterns only those that exchange no block or all give the full distance.
    assert result.p == 2 / 8
    np.testing.assert_allclose(np.sort(result.null), [1 / 3] * 6 + [1.0])


def test_systems_of_different_curvature_are_told_apart_and_equal_ones_are_not():
    rng = np.random.default_rng(0)
    blocks = np.repeat(np.arange(7), 12)
    # The same stimuli seen by two random projections of one kind, and by one that sees only their class.
    X = rng.standard_normal((84, 10))
    one, same = (X @ rng.standard_normal((10, 6)) for _ in range(2))
    classes = 20 * rng.standard_normal((3, 6))[np.arange(84) % 3] + one
    a, b, c = (block_curvatures(pdist(Y), blocks, k=3) for Y in (one, same, classes))
    assert exchange_blocks(a, c).p == 2 / 128
    assert exchange_blocks(a, b).p > 0.05


def test_exchange_is_valid_where_the_systems_do_not_differ():
    rng = np.random.default_rng(0)
    p = []
    for _ in range(200):
        # Values of a block hang together, which exchanging single values would overlook.
        shifts = rng.standard_normal((2, 6, 1))
        a, b = shifts + 0.1 * rng.standard_normal((2, 6, 5))
        p.append(exchange_blocks(a, b, statistic=lambda x, y: abs(x.mean() - y.mean())).p)
    assert abs(np.mean(p) - 0.5) < 0.06
    assert np.mean(np.array(p) <= 0.1) < 0.14


def test_random_patterns_beyond_twelve_blocks():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((14, 10)), rng.standard_normal((14, 10)) + 3
    result = exchange_blocks(a, b, n_permutations=99, random_state=1)
    assert not result.exact
    assert result.p == 0.01
    np.testing.assert_array_equal(result.null, exchange_blocks(a, b, n_permutations=99, random_state=1).null)


def test_bad_input_of_exchange_blocks():
    with pytest.raises(InputError, match="the same blocks, at least 2, got 2 and 3"):
        exchange_blocks([[1.0]] * 2, [[1.0]] * 3)
    with pytest.raises(InputError, match="at least 2, got 1 and 1"):
        exchange_blocks([[1.0]], [[1.0]])
    with pytest.raises(InputError, match=r"`b\[1\]` holds 1 NaN"):
        exchange_blocks([[1.0], [1.0]], [[1.0], [np.nan]])
    with pytest.raises(InputError, match=r"`a\[0\]` needs at least 1 rows, got 0"):
        exchange_blocks([[], [1.0]], [[1.0], [1.0]])
