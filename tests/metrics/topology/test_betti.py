from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from alignkit._core.errors import InputError
from alignkit.metrics.topology.betti import betti_curve, betti_distance
from alignkit.metrics.topology.diagrams import diagram_distance
from alignkit.metrics.topology.homology import persistent_homology

EMPTY = np.empty((0, 2))


def random_diagram(n_bars, seed):
    rng = np.random.default_rng(seed)
    births = rng.random(n_bars)
    return np.column_stack([births, births + rng.exponential(0.3, n_bars)])


def test_a_bar_counts_from_its_birth_until_before_its_death():
    bars = [[0.0, 1.0], [0.5, 2.0], [0.5, np.inf]]
    assert betti_curve(bars, [-1.0, 0.0, 0.5, 1.0, 2.0, 99.0]).tolist() == [0, 1, 3, 2, 1, 1]
    assert betti_curve(EMPTY, [0.0, 1.0]).tolist() == [0, 0]


def test_the_curve_of_components_counts_clusters():
    points = np.array([0.0, 1.0, 10.0, 11.0, 100.0])[:, None]
    components = persistent_homology(pdist(points))[0]
    assert betti_curve(components, [0, 1, 8.9, 9, 88.9, 89]).tolist() == [5, 3, 3, 2, 2, 1]


def test_the_curve_agrees_with_the_betti_numbers():
    found = persistent_homology(pdist(np.random.default_rng(0).standard_normal((40, 2))))
    scales = np.linspace(0, 3, 20)
    for dimension in (0, 1):
        expected = [found.betti_numbers(scale)[dimension] for scale in scales]
        assert betti_curve(found[dimension], scales).tolist() == expected


def test_the_area_of_known_diagrams():
    assert betti_distance([[0.0, 1.0]], [[0.0, 1.5], [0.2, 0.4]]) == pytest.approx(0.7, abs=1e-12)
    assert betti_distance([[0.0, 1.0]], EMPTY) == 1
    assert betti_distance([[0.0, np.inf]], [[0.25, np.inf]]) == 0.25
    assert betti_distance([[0.0, np.inf]], EMPTY) == np.inf
    assert betti_distance(EMPTY, EMPTY) == 0


def test_different_diagrams_can_have_one_curve():
    assert betti_distance([[0.0, 2.0], [1.0, 3.0]], [[0.0, 3.0], [1.0, 2.0]]) == 0


def test_the_area_equals_a_fine_sum():
    a, b = random_diagram(12, 0), random_diagram(9, 1)
    scales = np.linspace(0, 4, 400_001)
    difference = np.abs(betti_curve(a, scales) - betti_curve(b, scales))
    assert betti_distance(a, b) == pytest.approx(difference.mean() * 4, abs=1e-3)


def test_the_area_obeys_symmetry_the_triangle_inequality_and_its_bound():
    for seed in range(30):
        a, b, c = (random_diagram(4 + k, 3 * seed + k) for k in range(3))
        ab = betti_distance(a, b)
        assert ab == pytest.approx(betti_distance(b, a), abs=1e-12)
        assert ab <= betti_distance(a, c) + betti_distance(c, b) + 1e-12
        assert ab <= 2 * diagram_distance(a, b, ground="chebyshev") + 1e-12


def test_tensors_come_back_as_tensors():
    torch = pytest.importorskip("torch")
    bars, scales = random_diagram(6, 0), np.linspace(0, 2, 9)
    curve = betti_curve(torch.from_numpy(bars), torch.from_numpy(scales))
    assert isinstance(curve, torch.Tensor)
    assert curve.tolist() == betti_curve(bars, scales).tolist()
    assert betti_distance(torch.from_numpy(bars), EMPTY) == betti_distance(bars, EMPTY)


def test_scales_and_diagrams_that_are_none_are_refused():
    with pytest.raises(InputError, match="`scales` holds 1 NaN or infinite"):
        betti_curve([[0.0, 1.0]], [0.0, np.nan])
    with pytest.raises(InputError, match=r"`scales` must have 1 dimension\(s\), got shape \(\)"):
        betti_curve([[0.0, 1.0]], 0.5)
    with pytest.raises(InputError, match="`b` must have two columns"):
        betti_distance([[0.0, 1.0]], [[1.0]])
