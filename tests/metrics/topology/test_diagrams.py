from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist, pdist

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics import METRICS
from alignkit.metrics.topology.diagrams import (
    diagram_distance,
    longest_bar,
    persistence_entropy,
    total_persistence,
)
from alignkit.metrics.topology.homology import persistent_homology

A = np.array([[0.0, 1.0], [0.0, 0.4]])
B = np.array([[0.0, 1.1]])
EMPTY = np.empty((0, 2))
KINDS = [
    {"kind": "bottleneck"},
    {"kind": "bottleneck", "ground": "euclidean"},
    {"kind": "wasserstein"},
    {"kind": "wasserstein", "ground": "chebyshev"},
    {"kind": "wasserstein", "order": 2.0},
]


def random_diagram(n_bars, seed):
    rng = np.random.default_rng(seed)
    births = rng.random(n_bars)
    return np.column_stack([births, births + rng.exponential(0.3, n_bars)])


def costs_by_definition(a, b, ground):
    """All bars, and for each of the other side's a place on the diagonal."""
    divisor = np.sqrt(2) if ground == "euclidean" else 2
    sides = [np.repeat(np.ptp(bars, axis=1)[:, None] / divisor, len(bars), axis=1) for bars in (a, b)]
    for side in sides:
        side[~np.eye(len(side), dtype=bool)] = np.inf
    table = np.zeros((len(a) + len(b),) * 2)
    table[: len(a), : len(b)] = cdist(a, b, ground)
    table[: len(a), len(b) :] = sides[0]
    table[len(a) :, : len(b)] = sides[1]
    return table


def bottleneck_by_definition(table):
    for cost in np.unique(table[np.isfinite(table)]):
        blocked = (table > cost).astype(float)
        if blocked[linear_sum_assignment(blocked)].sum() == 0:
            return cost
    return 0.0


def test_distances_of_the_known_pair():
    assert diagram_distance(A, B, kind="bottleneck") == pytest.approx(0.2, abs=1e-12)
    assert diagram_distance(A, B) == pytest.approx(0.1 + 0.4 / np.sqrt(2), abs=1e-12)
    assert diagram_distance(A, B) == pytest.approx(0.382843, abs=1e-6)
    assert diagram_distance(A, B, ground="chebyshev") == pytest.approx(0.3, abs=1e-12)
    assert diagram_distance(A, B, order=2, ground="chebyshev") == pytest.approx(np.hypot(0.1, 0.2), abs=1e-12)
    assert diagram_distance(A, B, kind="bottleneck", ground="euclidean") == pytest.approx(0.4 / np.sqrt(2))


@pytest.mark.parametrize(("n_a", "n_b"), [(1, 0), (3, 5), (12, 9), (20, 20)])
@pytest.mark.parametrize("ground", ["chebyshev", "euclidean"])
def test_distances_equal_those_of_the_whole_assignment(n_a, n_b, ground):
    a, b = random_diagram(n_a, 0), random_diagram(n_b, 1)
    table = costs_by_definition(a, b, ground)
    for order in (1.0, 2.0, 3.5):
        powered = table**order
        expected = powered[linear_sum_assignment(powered)].sum() ** (1 / order)
        assert diagram_distance(a, b, order=order, ground=ground) == pytest.approx(expected, rel=1e-12)
    found = diagram_distance(a, b, kind="bottleneck", ground=ground)
    assert found == pytest.approx(bottleneck_by_definition(table), abs=1e-15)


@pytest.mark.parametrize("seed", range(3))
def test_distances_equal_those_of_persim(seed):
    persim = pytest.importorskip("persim")
    a, b = random_diagram(30, seed), random_diagram(25, seed + 10)
    assert diagram_distance(a, b) == pytest.approx(persim.wasserstein(a, b), rel=1e-9)
    assert diagram_distance(a, b, kind="bottleneck") == pytest.approx(persim.bottleneck(a, b), rel=1e-9)


bars = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 5)).map(lambda bar: (bar[0] / 4, (bar[0] + bar[1]) / 4)),
    max_size=5,
).map(lambda found: np.array(found, dtype=float).reshape(-1, 2))


@given(bars, bars, bars)
@settings(max_examples=60, deadline=None)
def test_distances_obey_the_axioms_of_a_metric(a, b, c):
    for options in KINDS:
        ab = diagram_distance(a, b, **options)
        assert ab == pytest.approx(diagram_distance(b, a, **options), abs=1e-12)
        assert diagram_distance(a, a[::-1], **options) == 0
        assert ab <= diagram_distance(a, c, **options) + diagram_distance(c, b, **options) + 1e-9
        lengths_differ = sorted(map(tuple, a[a[:, 1] > a[:, 0]])) != sorted(map(tuple, b[b[:, 1] > b[:, 0]]))
        assert (ab > 0) == lengths_differ


def test_the_bottleneck_is_the_limit_of_large_orders():
    a, b = random_diagram(8, 0), random_diagram(6, 1)
    limit = diagram_distance(a, b, kind="bottleneck")
    assert diagram_distance(a, b, order=400, ground="chebyshev") == pytest.approx(limit, rel=0.02)


def test_the_bottleneck_moves_no_more_than_the_distances_do():
    rng = np.random.default_rng(0)
    distances = pdist(rng.standard_normal((30, 3)))
    moved = distances + rng.uniform(-0.1, 0.1, distances.size).clip(-distances)
    for dimension in (0, 1):
        diagrams = [persistent_homology(rdm)[dimension] for rdm in (distances, moved)]
        assert 0 < diagram_distance(*diagrams, kind="bottleneck") <= np.abs(distances - moved).max() + 1e-12


def test_bars_that_never_die_are_matched_by_birth():
    a, b = np.array([[0.0, np.inf], [3.0, np.inf]]), np.array([[3.5, np.inf], [0.2, np.inf]])
    assert diagram_distance(a, b) == pytest.approx(0.7)
    assert diagram_distance(a, b, order=2) == pytest.approx(np.hypot(0.2, 0.5))
    assert diagram_distance(a, b, kind="bottleneck") == pytest.approx(0.5)
    assert diagram_distance(np.vstack([A, a]), np.vstack([B, b])) == pytest.approx(0.382843 + 0.7, abs=1e-6)
    assert diagram_distance(np.vstack([A, a]), np.vstack([B, a]), kind="bottleneck") == pytest.approx(0.2)


@pytest.mark.parametrize("kind", ["bottleneck", "wasserstein"])
def test_unequal_numbers_of_bars_that_never_die_are_infinitely_far(kind):
    assert diagram_distance([[0.0, np.inf]], EMPTY, kind=kind) == np.inf


@pytest.mark.parametrize("options", KINDS)
def test_no_bars_and_bars_of_no_length_are_the_diagonal(options):
    assert diagram_distance(EMPTY, EMPTY, **options) == 0
    assert diagram_distance(EMPTY, [[0.5, 0.5]], **options) == 0
    with_nothing = diagram_distance(A, EMPTY, **options)
    assert with_nothing > 0
    assert diagram_distance(A, [[0.5, 0.5], [2.0, 2.0]], **options) == with_nothing


def test_the_distance_has_the_unit_of_the_scale():
    a, b = random_diagram(8, 0), random_diagram(6, 1)
    for options in KINDS:
        for factor in (3.0, 1e-200):
            expected = factor * diagram_distance(a, b, **options)
            assert diagram_distance(factor * a, factor * b, **options) == pytest.approx(expected, rel=1e-9)


def test_the_entropy_of_known_lengths():
    lengths = np.array([1.0, 2.0, 3.0])
    diagram = np.column_stack([np.arange(3), np.arange(3) + lengths])
    assert persistence_entropy(diagram) == pytest.approx(1.011404, abs=1e-6)
    assert persistence_entropy(diagram, normalise=True) == pytest.approx(1.0114042647 / np.log(3), abs=1e-9)
    equal = [[0.0, 1.0], [1.0, 2.0], [5.0, 6.0], [0.5, 1.5]]
    assert persistence_entropy(equal) == pytest.approx(np.log(4), abs=1e-12)
    assert persistence_entropy(equal, normalise=True) == pytest.approx(1, abs=1e-12)


def test_bars_that_never_die_and_bars_of_no_length_have_no_entropy():
    more = [[0.0, 1.0], [0.0, 3.0], [0.0, np.inf], [2.0, 2.0]]
    assert persistence_entropy(more) == persistence_entropy([[0.0, 1.0], [0.0, 3.0]]) > 0
    assert persistence_entropy(10 * np.array(more)) == pytest.approx(persistence_entropy(more), rel=1e-12)
    for few in (EMPTY, [[0.0, 2.0]], [[0.0, np.inf]]):
        assert persistence_entropy(few) == 0
        assert persistence_entropy(few, normalise=True) == 0


def test_total_persistence_and_the_longest_bar():
    diagram = [[0.0, 1.0], [1.0, 3.0], [0.0, np.inf]]
    assert total_persistence(diagram) == 3
    assert total_persistence(diagram, order=2) == 5
    assert longest_bar(diagram) == 2
    assert total_persistence(EMPTY) == longest_bar(EMPTY) == 0


def test_registered_statistics_are_those_of_the_diagrams():
    distances = pdist(np.random.default_rng(0).standard_normal((30, 2)))
    found = persistent_homology(distances)
    for dimension in (0, 1):
        assert METRICS[f"persistence-entropy-h{dimension}"](distances) == persistence_entropy(
            found[dimension]
        )
        assert METRICS[f"total-persistence-h{dimension}"](distances) == total_persistence(found[dimension])
    # A loop's ends both move with a shift of all distances; a component is born at 0 all the same.
    total = METRICS["total-persistence-h1"]
    assert total(distances + 2) == pytest.approx(total(distances), rel=1e-9)
    assert METRICS["total-persistence-h0"](distances + 2) > 2 * METRICS["total-persistence-h0"](distances)


def test_tensors_are_taken():
    torch = pytest.importorskip("torch")
    for options in KINDS:
        given_tensors = diagram_distance(torch.from_numpy(A), torch.from_numpy(B), **options)
        assert given_tensors == diagram_distance(A, B, **options)
        assert isinstance(given_tensors, float)


def test_diagrams_are_left_as_they_were():
    a, b = random_diagram(8, 0), random_diagram(6, 1)
    kept = a.copy(), b.copy()
    for options in KINDS:
        diagram_distance(a, b, **options)
    np.testing.assert_array_equal(a, kept[0])
    np.testing.assert_array_equal(b, kept[1])


@pytest.mark.parametrize(
    ("a", "options", "message"),
    [
        ([[0.0, 1.0, 2.0]], {}, r"two columns, birth and death, got shape \(1, 3\)"),
        ([0.0, 1.0], {}, r"2 dimension\(s\), got shape \(2,\)"),
        ([[0.0, 1.0], [1.0, 0.5]], {}, r"1 bar\(s\) that are none, the first in row 1: \(1, 0.5\)"),
        ([[0.0, np.nan]], {}, r"first in row 0: \(0, nan\)"),
        ([[np.inf, np.inf]], {}, r"first in row 0: \(inf, inf\)"),
        (A, {"order": 0.5}, "`order` must be 1 or more and finite, got 0.5"),
        (A, {"order": np.inf}, "got inf. Its limit is kind='bottleneck'"),
        (A, {"kind": "bottleneck", "order": 2.0}, "takes no `order`, got 2.0"),
    ],
)
def test_what_is_no_diagram_is_refused(a, options, message):
    with pytest.raises(InputError, match=message):
        diagram_distance(a, B, **options)


def test_unknown_options_name_the_known():
    with pytest.raises(UnknownNameError, match="`kind` is 'wasserstain', did you mean 'wasserstein'"):
        diagram_distance(A, B, kind="wasserstain")
    with pytest.raises(UnknownNameError, match="`ground` is 'manhattan'.*chebyshev, euclidean"):
        diagram_distance(A, B, ground="manhattan")


@pytest.mark.parametrize("order", [0, -1.0, np.inf])
def test_an_order_of_total_persistence_that_is_none_is_refused(order):
    with pytest.raises(InputError, match=f"above 0 and finite, got {order}"):
        total_persistence(A, order=order)


@pytest.mark.parametrize("summary", [persistence_entropy, total_persistence, longest_bar])
def test_summaries_refuse_what_is_no_diagram(summary):
    with pytest.raises(InputError, match="`diagram` must have two columns"):
        summary([[0.0]])


def test_many_equal_bars_are_matched_one_to_one():
    for n_a, n_b in itertools.product((1, 4), (2, 5)):
        a, b = np.tile([[0.0, 1.0]], (n_a, 1)), np.tile([[0.0, 1.0]], (n_b, 1))
        assert diagram_distance(a, b) == pytest.approx(abs(n_a - n_b) / np.sqrt(2))
        assert diagram_distance(a, b, kind="bottleneck") == pytest.approx(0.5 * (n_a != n_b))


def test_orders_that_overflow_are_refused_or_have_their_limit():
    bars, other = [[0.0, 2.0], [0.0, 5.0]], [[0.0, 3.0]]
    with pytest.raises(InputError, match="bars to the power of `order` = 1e.09 leave the range"):
        total_persistence(bars, order=1e9)
    assert diagram_distance(bars, other, order=1e6) == pytest.approx(2.0, rel=1e-5)
