from __future__ import annotations

import dataclasses
from itertools import combinations

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist, squareform

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics import METRICS, rdm
from alignkit.metrics.geometry import hyperbolicity
from alignkit.metrics.geometry.hyperbolicity import delta_hyperbolicity


def distances_of(graph):
    lengths = dict(nx.all_pairs_shortest_path_length(graph))
    nodes = list(graph)
    return squareform(np.array([[lengths[a][b] for b in nodes] for a in nodes], dtype=float))


def by_quadruples(values):
    square, worst = squareform(values), 0.0
    for a, b, c, d in combinations(range(len(square)), 4):
        sums = sorted([square[a, b] + square[c, d], square[a, c] + square[b, d], square[a, d] + square[b, c]])
        worst = max(worst, (sums[2] - sums[1]) / 2)
    return worst


@pytest.fixture(scope="module")
def normals():
    return pdist(np.random.default_rng(0).standard_normal((25, 10)))


@pytest.mark.parametrize(("n", "delta"), [(4, 1), (5, 0.5), (6, 1), (8, 2), (9, 1.5), (12, 3)])
def test_cycles_have_known_delta(n, delta):
    assert delta_hyperbolicity(distances_of(nx.cycle_graph(n))).delta == delta


def test_a_tree_has_none_and_a_grid_three():
    tree = distances_of(nx.balanced_tree(2, 4))
    assert delta_hyperbolicity(tree).delta == 0
    assert delta_hyperbolicity(tree, method="base-point").delta == 0
    assert delta_hyperbolicity(distances_of(nx.grid_2d_graph(4, 4))).delta == 3


def test_random_points_have_known_delta(normals):
    found = delta_hyperbolicity(normals)
    assert found.delta == pytest.approx(1.731969, abs=1e-6)
    assert found.relative == pytest.approx(0.439696, abs=1e-6)
    assert found.diameter == normals.max()
    bases = [delta_hyperbolicity(normals, method="base-point", base=b).delta for b in range(25)]
    np.testing.assert_allclose(bases[:3], [1.266, 1.410, 1.330], atol=5e-4)
    assert max(bases) == pytest.approx(found.delta, rel=1e-12)
    assert all(base <= found.delta + 1e-12 and found.delta <= 2 * base for base in bases)


@pytest.mark.parametrize("power", [1, 2])
def test_the_search_finds_what_all_quadruples_hold(normals, power):
    values = normals[:136] ** power
    assert delta_hyperbolicity(values).delta == pytest.approx(by_quadruples(values), rel=1e-12)


def test_distances_that_are_no_metric_are_searched_to_the_end():
    values = np.random.default_rng(0).random(45) ** 4
    assert delta_hyperbolicity(values).delta == pytest.approx(by_quadruples(values), rel=1e-12)


def test_subsets_give_a_mean_and_a_standard_deviation(normals):
    found = delta_hyperbolicity(normals, n_points=15, n_draws=8, random_state=0)
    again = delta_hyperbolicity(normals, n_points=15, n_draws=8, random_state=0)
    assert found == again
    assert 0 < found.delta_sd < found.delta < 1.731969
    assert (found.n_points, found.n_draws, found.method) == (15, 8, "exact")
    whole = delta_hyperbolicity(normals)
    assert np.isnan(whole.delta_sd)
    assert (whole.n_points, whole.n_draws) == (25, 1)


def test_registered_metrics_are_relative_and_draw_subsets_of_many_points(monkeypatch):
    X = np.random.default_rng(0).standard_normal((25, 10))
    whole = METRICS["delta-hyperbolicity"](X)
    assert whole == pytest.approx(0.439696, abs=1e-6)
    assert METRICS["rdm-delta-hyperbolicity"](rdm(X, method="euclidean")) == pytest.approx(whole, rel=1e-12)
    monkeypatch.setattr(hyperbolicity, "_EXACT_POINTS", 12)
    drawn = METRICS["delta-hyperbolicity"](X)
    assert drawn == METRICS["rdm-delta-hyperbolicity"](rdm(X, method="euclidean"))
    assert drawn != pytest.approx(whole, rel=1e-3)


def test_tensors_give_the_same_and_the_result_is_frozen(normals):
    before = normals.copy()
    found = delta_hyperbolicity(torch.from_numpy(normals))
    assert found.delta == delta_hyperbolicity(normals).delta
    np.testing.assert_array_equal(normals, before)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.delta = 0.0


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (np.ones(3), {}, "at least 4 points .* got 3"),
        (np.ones(7), {}, "condensed RDM .* got 7"),
        (-np.ones(6), {}, "`distances` must be 0 or more, but the smallest is -1"),
        (np.zeros(6), {}, "all distances of the points are 0"),
        (np.full(6, np.nan), {}, r"`distances` holds 6 NaN or infinite value\(s\)"),
        (np.ones((4, 4)), {}, r"`distances` must have 1 dimension\(s\), got shape \(4, 4\)"),
        (np.ones(6), {"n_points": 3}, "`n_points` must be from 4 to the number of points, 4, got 3"),
        (np.ones(6), {"n_points": 4, "n_draws": 1}, "`n_draws` must be at least 2 for a standard dev"),
        (np.ones(6), {"base": 4}, "`base` must be from 0 to 3, the last of the points, got 4"),
    ],
)
def test_unusable_input_is_refused(values, options, message):
    with pytest.raises(InputError, match=message):
        delta_hyperbolicity(values, **options)


def test_an_unknown_method_is_refused():
    with pytest.raises(UnknownNameError, match="`method` is 'gromov'"):
        delta_hyperbolicity(np.ones(6), method="gromov")
