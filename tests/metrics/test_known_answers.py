"""Published and worked-out numbers that no other file of these tests holds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from alignkit.metrics import (
    cca,
    cka_from_grams,
    compare_rdms,
    crossnobis,
    forman_ricci,
    geodesic_transform,
    noise_covariance,
    ollivier_ricci,
    rdm,
    ricci_flow,
    shape_distance,
)


def test_distances_of_fold_means_equal_the_reference_values():
    rng = np.random.default_rng(0)
    means = (rng.standard_normal((3, 4, 5)) + rng.standard_normal((4, 5))).mean(axis=0)
    found = rdm(means, method="squared-euclidean")[:3]
    np.testing.assert_allclose(found, [2.932213, 0.957460, 1.274877], atol=5e-7)
    np.testing.assert_allclose(rdm(means)[:3], [0.773330, 0.621612, 0.382991], atol=5e-7)


def test_distances_of_condition_means_equal_the_published_toolbox():
    X = np.random.RandomState(0).randn(20, 8)
    means = X.reshape(4, 5, 8).mean(axis=0)
    published = [0.1742932371, 0.6717010367, 0.3925381557, 0.2320670933, 0.5523648824, 0.4664138943]
    published += [0.3620104384, 0.5879955163, 0.4555794492, 0.6093762868]
    np.testing.assert_allclose(rdm(means, method="squared-euclidean"), published, rtol=1e-8)


def test_roots_of_distances_equal_the_published_toolbox():
    roots = rdm(np.random.RandomState(0).randn(20, 8), method="euclidean")
    first = [0.9827194503, 2.0315887328, 1.4778255489, 1.7949579526, 1.9421169786]
    np.testing.assert_allclose(roots[:5], first, rtol=1e-9)
    assert roots.sum() == pytest.approx(268.0067969207398, rel=1e-12)


def test_noise_lifts_plain_distances_by_twice_its_variance_over_the_runs_and_crossnobis_not():
    rng = np.random.default_rng(1)
    conditions, runs = np.tile([0, 1], 4), np.repeat(np.arange(4), 2)
    trials = rng.standard_normal((4000, 8, 10))
    plain = [rdm(t.reshape(4, 2, 10).mean(axis=0), method="squared-euclidean")[0] for t in trials]
    unbiased = [crossnobis(t, conditions, runs)[0] for t in trials[:1500]]
    assert np.mean(plain) == pytest.approx(0.5, abs=0.02)
    assert np.mean(unbiased) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize(("shrinkage", "weight"), [("identity", 0.287731), ("diagonal", 0.771350)])
def test_shrinkage_takes_the_known_share_of_the_covariances(shrinkage, weight):
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((30, 8)) @ np.diag(np.linspace(0.5, 2, 8))
    noise[:, 1] += 0.8 * noise[:, 0]
    off = ~np.eye(8, dtype=bool)
    left = noise_covariance(noise, shrinkage=shrinkage)[off] / np.cov(noise.T)[off]
    np.testing.assert_allclose(1 - left, weight, atol=5e-7)


def test_centring_a_gaussian_kernel_first_changes_no_debiased_alignment():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((7, 12))
    B = A @ rng.standard_normal((12, 9)) + 2 * rng.standard_normal((7, 9))
    kernels = [np.exp(-((Z[:, None] - Z) ** 2).sum(axis=2) / (3 * Z.shape[1])) for Z in (A, B)]
    H = np.eye(7) - 1 / 7
    plain, centred = cka_from_grams(*kernels), cka_from_grams(*(H @ K @ H for K in kernels))
    assert centred == pytest.approx(plain, rel=1e-11)


def test_the_chord_of_responses_of_norm_one_equals_the_reference_value():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 5))
    Y = X @ rng.standard_normal((5, 7)) + 0.5 * rng.standard_normal((60, 7))
    unit = [(Z - Z.mean(axis=0)) / np.linalg.norm(Z - Z.mean(axis=0)) for Z in (X, Y)]
    assert shape_distance(*unit, kind="euclidean") == pytest.approx(0.622393, abs=5e-7)


def test_the_flow_pulls_a_planted_graph_apart_as_far_as_known():
    networkx = pytest.importorskip("networkx")
    planted = networkx.stochastic_block_model([15, 15], [[0.6, 0.05], [0.05, 0.6]], seed=0)
    flow = ricci_flow(
        csr_array(networkx.to_scipy_sparse_array(planted, dtype=float, weight=None)), n_steps=10
    )
    crossing = (flow.edges[:, 0] < 15) != (flow.edges[:, 1] < 15)
    assert flow.lengths[-1][crossing].mean() == pytest.approx(9.96, abs=0.005)
    assert flow.lengths[-1][~crossing].mean() == pytest.approx(0.192, abs=0.0005)


def test_the_karate_club_has_the_known_mean_curvature_and_forman_values():
    networkx = pytest.importorskip("networkx")
    club = csr_array(networkx.to_scipy_sparse_array(networkx.karate_club_graph(), dtype=float, weight=None))
    assert ollivier_ricci(club).data.mean() == pytest.approx(0.070856, abs=5e-7)
    assert forman_ricci(club)[0, 2] == -22
    assert forman_ricci(club, variant="augmented")[0, 2] == -7


def test_zero_edges_join_and_thresholds_above_zero_leave_little_of_the_paths():
    values = rdm(np.random.default_rng(0).standard_normal((40, 10)), method="euclidean")
    whole = geodesic_transform(values, lower=0.0, upper=0.8)
    assert np.count_nonzero(whole == 0) == 1
    assert np.mean(geodesic_transform(values, lower=0.2, upper=0.8) == 0) > 0.8


def test_ill_conditioned_float32_responses_are_decomposed_as_well_as_float64():
    # Kernels of such responses have eigenvalues below zero in float32, where decompositions fail or mislead.
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((80, 12)) * np.logspace(0, -6, 12)).astype(np.float32)
    Y = (X.astype(np.float64) @ rng.standard_normal((12, 6)) + 0.1 * rng.standard_normal((80, 6))).astype(
        np.float32
    )
    wide = [Z.astype(np.float64) for Z in (X, Y)]
    assert cca(X[:, :6], Y) == pytest.approx(cca(wide[0][:, :6], wide[1]), rel=1e-12)
    assert shape_distance(X, Y, alpha=0.5) == pytest.approx(shape_distance(*wide, alpha=0.5), rel=1e-12)
    squared = [rdm(Z, method="squared-euclidean") for Z in (X, Y)]
    rounded = [values.astype(np.float32) for values in squared]
    exact = compare_rdms(*squared, method="bures")
    assert compare_rdms(*rounded, method="bures") == pytest.approx(exact, rel=1e-5)
