from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics.topology.diagrams import longest_bar, persistence_entropy
from alignkit.metrics.topology.homology import persistent_homology
from alignkit.stats import permutation_rotations
from alignkit.stats.permutation_rotations import rotation_test_topology


def ring(n_points, n_units, noise, seed=0):
    rng = np.random.default_rng(seed)
    angle = 2 * np.pi * np.arange(n_points) / n_points
    plane = np.linalg.qr(rng.standard_normal((n_units, 2)))[0]
    points = np.column_stack([np.cos(angle), np.sin(angle)]) @ plane.T
    return points + noise * rng.standard_normal((n_points, n_units))


@pytest.mark.parametrize("n_units", [3, 60])
def test_a_noisy_ring_has_more_of_a_loop_than_a_gaussian_cloud(n_units):
    found = rotation_test_topology(ring(30, n_units, 0.3 / np.sqrt(n_units)), n_permutations=49)
    assert found.p == 1 / 50
    assert found.observed > 1.5 * found.null.max()


def test_clusters_are_seen_by_components():
    rng = np.random.default_rng(0)
    points = np.repeat(np.eye(4), 6, axis=0) + 0.1 * rng.standard_normal((24, 4))
    # Nearest neighbours are close within clusters: short bars but for three.
    options = {"statistic": "total-persistence", "dimension": 0, "n_permutations": 49}
    assert rotation_test_topology(points, alternative="less", **options).p == 1 / 50
    assert rotation_test_topology(points, **options).p == 1


@pytest.mark.parametrize("n_units", [2, 40])
def test_gaussian_clouds_of_any_covariance_are_at_chance(n_units):
    p_values = []
    for seed in range(150):
        X = np.random.default_rng(seed).standard_normal((12, n_units)) * np.linspace(1, 5, n_units) + 7
        statistic = "total-persistence" if n_units == 2 else "longest-bar"
        found = rotation_test_topology(X, statistic=statistic, n_permutations=9, random_state=1000 + seed)
        p_values.append(found.p)
    assert np.mean(np.array(p_values) <= 0.1) < 0.1 + 4 * np.sqrt(0.09 / 150)
    # Clouds without any loop tie with rotations that have none: p is even or larger.
    assert np.mean(p_values) > 0.55 - 4 * np.sqrt(0.0825 / 150)


def test_the_observed_statistic_is_that_of_the_distances_over_their_quantile():
    X = ring(20, 5, 0.1)
    distances = pdist(X)
    square = np.concatenate([distances, distances, np.zeros(20)])
    bars = persistent_homology(distances / np.quantile(square, 0.9))[1]
    found = rotation_test_topology(X, n_permutations=1)
    assert found.observed == pytest.approx(longest_bar(bars), rel=1e-9)
    entropy = rotation_test_topology(X, statistic="persistence-entropy", n_permutations=1)
    assert entropy.observed == pytest.approx(persistence_entropy(bars, normalise=True), rel=1e-9)
    assert rotation_test_topology(5 * X + 3, n_permutations=1).observed == pytest.approx(found.observed)


def test_rotated_patterns_keep_mean_and_covariance(monkeypatch):
    X = np.random.default_rng(0).standard_normal((10, 3)) @ np.diag([1, 2, 5.0]) + 4
    seen = []
    plain = permutation_rotations.rdm
    monkeypatch.setattr(
        permutation_rotations, "rdm", lambda rows, **options: seen.append(rows) or plain(rows, **options)
    )
    rotation_test_topology(X, n_permutations=2)
    expected = np.linalg.eigvalsh(np.cov(X.T))
    assert len(seen) == 3
    np.testing.assert_array_equal(seen[0], X)
    for rows in seen[1:]:
        np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(np.linalg.eigvalsh(np.cov(rows.T)), expected, rtol=1e-10)
    assert np.abs(pdist(seen[1]) - pdist(X)).max() > 1


def test_repeated_stimuli_are_one_point():
    X = ring(12, 3, 0.0)
    once = rotation_test_topology(X, statistic="total-persistence", n_permutations=1)
    twice = rotation_test_topology(np.vstack([X, X]), statistic="total-persistence", n_permutations=1)
    assert twice.observed == pytest.approx(once.observed, rel=0.05)
    entropy = rotation_test_topology(
        np.vstack([X, X]), statistic="persistence-entropy", dimension=0, n_permutations=1
    )
    assert entropy.observed == pytest.approx(1, abs=1e-9)


def test_the_same_seed_gives_the_same_bits_and_the_patterns_stay():
    X = ring(12, 4, 0.5)
    kept = X.copy()
    first, second = (rotation_test_topology(X, n_permutations=5, random_state=3) for _ in range(2))
    np.testing.assert_array_equal(first.null, second.null)
    assert (rotation_test_topology(X, n_permutations=5, random_state=4).null != first.null).any()
    np.testing.assert_array_equal(X, kept)


@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        (np.ones((3, 2)), {}, "at least 4 rows, got 3"),
        (np.full((6, 2), 0.1), {}, "same pattern for all its 6 stimuli"),
        (np.zeros((6, 2)), {}, "same pattern for all"),
        (np.eye(2)[[0] * 24 + [1]], {}, "quantile of `X` is 0"),
        (np.full((6, 2), np.nan), {}, "`X` holds 12 NaN"),
        (np.eye(6), {"dimension": -1}, "got -1"),
        (np.eye(6), {"n_permutations": 0}, "at least 1, got 0"),
    ],
)
def test_what_cannot_be_tested_is_refused(X, options, message):
    with pytest.raises(InputError, match=message):
        rotation_test_topology(X, **options)


def test_unknown_names_list_the_known():
    with pytest.raises(UnknownNameError, match="`statistic` is 'longest'.*longest-bar"):
        rotation_test_topology(np.eye(6), statistic="longest")
    with pytest.raises(UnknownNameError, match="`alternative` is 'more'"):
        rotation_test_topology(np.eye(6), alternative="more")
