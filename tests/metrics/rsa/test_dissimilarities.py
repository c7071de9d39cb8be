from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist, squareform
from scipy.stats import ortho_group

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics import rdm
from alignkit.solvers._gemm import gemm_name, use_gemm

METHODS = ["correlation", "cosine", "euclidean", "poisson", "squared-euclidean"]


@pytest.fixture
def patterns():
    return np.random.RandomState(0).randn(20, 8)


@pytest.mark.parametrize(
    ("method", "first", "total"),
    [
        (
            "squared-euclidean",
            [0.9657375179, 4.1273527794, 2.183968353, 3.2218740517, 3.7718183587],
            402.0758585430,
        ),
        (
            "correlation",
            [0.4843443769, 1.2701985673, 0.9067928416, 1.0474194083, 0.8236167252],
            191.6321043351,
        ),
    ],
)
def test_distances_equal_the_published_toolbox_values(patterns, method, first, total):
    distances = rdm(patterns, method=method)
    np.testing.assert_allclose(distances[:5], first, atol=1e-9)
    assert distances.sum() == pytest.approx(total, abs=1e-8)


def test_mahalanobis_equals_the_published_toolbox_values(patterns):
    distances = rdm(patterns, method="mahalanobis", precision=np.diag(1 / np.arange(1, 9)))
    expected = [0.5482329424, 0.8993457495, 0.610607439, 1.5838908885, 1.7463960835]
    np.testing.assert_allclose(distances[:5], expected, atol=1e-9)


def test_poisson_equals_the_published_toolbox_values(patterns):
    distances = rdm(5 * np.abs(patterns), method="poisson")
    expected = [5.3607755169, 1.9567218035, 6.0863064502, 5.6242394976, 2.9836045716]
    np.testing.assert_allclose(distances[:5], expected, atol=1e-9)


@pytest.mark.parametrize(("weight", "expected"), [(0.1, 0.823882), (0.0, 0.963457)])
def test_poisson_of_three_rates_equals_the_formula_by_hand(weight, expected):
    distance = rdm([[1.0, 2.0, 3.0], [2.0, 2.0, 1.0]], method="poisson", prior_weight=weight)
    assert distance[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("method", "scipy_name", "scale"),
    [("correlation", "correlation", 1), ("cosine", "cosine", 1), ("squared-euclidean", "sqeuclidean", 1 / 8)],
)
def test_distances_equal_scipy(patterns, method, scipy_name, scale):
    np.testing.assert_allclose(rdm(patterns, method=method), pdist(patterns, scipy_name) * scale, rtol=1e-12)


def test_euclidean_is_the_root_of_squared_euclidean(patterns):
    squared = rdm(patterns, method="squared-euclidean")
    np.testing.assert_array_equal(rdm(patterns, method="euclidean"), np.sqrt(squared))


def test_mahalanobis_equals_the_direct_formula(patterns):
    root = np.random.default_rng(1).standard_normal((8, 8))
    precision = root @ root.T
    differences = patterns[0] - patterns[1:]
    direct = np.einsum("ij,jk,ik->i", differences, precision, differences) / 8
    np.testing.assert_allclose(
        rdm(patterns, method="mahalanobis", precision=precision)[:19], direct, rtol=1e-10
    )


def test_mahalanobis_takes_a_singular_precision(patterns):
    precision = np.diag([1.0] * 4 + [0.0] * 4)
    expected = pdist(patterns[:, :4], "sqeuclidean") / 8
    np.testing.assert_allclose(rdm(patterns, method="mahalanobis", precision=precision), expected, rtol=1e-10)


def test_distances_equal_rsatoolbox():
    calc = pytest.importorskip("rsatoolbox.rdm", exc_type=ImportError).calc_rdm
    dataset = pytest.importorskip("rsatoolbox.data", exc_type=ImportError).Dataset
    X = np.random.default_rng(3).gamma(2.0, size=(12, 30))
    for ours, theirs in [
        ("squared-euclidean", "euclidean"),
        ("correlation", "correlation"),
        ("poisson", "poisson"),
    ]:
        peer = calc(dataset(X), method=theirs).dissimilarities[0]
        np.testing.assert_allclose(rdm(X, method=ours), peer, rtol=1e-9, err_msg=ours)


@pytest.mark.parametrize("method", METHODS)
def test_equal_patterns_are_at_exactly_zero(method):
    X = np.abs(np.random.default_rng(0).standard_normal((6, 40))) + 100
    X[4] = X[1]
    distances = rdm(X, method=method)
    assert distances[np.flatnonzero((np.stack(np.triu_indices(6, k=1), 1) == [1, 4]).all(1))[0]] == 0.0
    assert (distances >= 0).all()


@pytest.mark.parametrize("method", ["squared-euclidean", "correlation", "cosine"])
def test_near_equal_patterns_keep_their_digits(method):
    rng = np.random.default_rng(0)
    base = rng.standard_normal(50)
    X = np.stack([base, base + 1e-7 * rng.standard_normal(50), rng.standard_normal(50)])
    scipy_name = {"squared-euclidean": "sqeuclidean"}.get(method, method)
    if method == "squared-euclidean":
        expected = pdist(X, scipy_name)[0] / 50
    else:
        rows = X - X.mean(1, keepdims=True) if method == "correlation" else X
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        expected = ((unit[0] - unit[1]) ** 2).sum() / 2
    assert rdm(X, method=method)[0] == pytest.approx(expected, rel=1e-6)


def test_a_large_common_offset_does_not_cost_digits(patterns):
    np.testing.assert_allclose(
        rdm(patterns + 1e6, method="squared-euclidean"), rdm(patterns, method="squared-euclidean"), rtol=1e-8
    )


def test_correlation_distance_is_one_minus_r(patterns):
    expected = 1 - np.corrcoef(patterns)[np.triu_indices(20, k=1)]
    np.testing.assert_allclose(rdm(patterns), expected, rtol=1e-12)


def test_euclidean_distances_ignore_rotations_and_correlations_do_not(patterns):
    turned = patterns @ ortho_group.rvs(8, random_state=0)
    np.testing.assert_allclose(rdm(turned, method="euclidean"), rdm(patterns, method="euclidean"), rtol=1e-10)
    assert np.abs(rdm(turned) - rdm(patterns)).max() > 0.1


@pytest.mark.parametrize("method", METHODS)
def test_float32_input_gives_float64_distances_and_stays_untouched(method):
    X = np.abs(np.random.default_rng(0).standard_normal((5, 9))).astype(np.float32)
    before = X.copy()
    distances = rdm(X, method=method)
    assert distances.dtype == np.float64
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(distances, rdm(X.astype(np.float64), method=method))


@pytest.fixture
def large():
    """Patterns that are just many enough for float32 products, with a large common offset or without."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((520, 4000)).astype(np.float32)


@pytest.mark.parametrize("method", ["correlation", "cosine", "euclidean", "squared-euclidean"])
def test_large_float32_products_keep_the_precision_that_is_promised(large, method):
    exact = rdm(large.astype(np.float64), method=method)
    ours = rdm(large, method=method)
    assert ours.dtype == np.float64
    assert 0 < np.abs(ours - exact).max() < 2e-6


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_every_matrix_product_of_the_machine_keeps_that_precision(large, backend):
    before = gemm_name()
    use_gemm(backend)
    try:
        ours = rdm(large)
    finally:
        use_gemm(before)
    assert np.abs(ours - rdm(large.astype(np.float64))).max() < 2e-6


@pytest.mark.parametrize("method", ["correlation", "cosine", "squared-euclidean"])
def test_near_equal_patterns_keep_their_digits_in_float32_products(large, method):
    large[7] = large[3]
    large[9] = large[3] + np.float32(1e-3) * large[5]
    exact = rdm(large.astype(np.float64), method=method)
    ours = rdm(large, method=method)
    pairs = np.stack(np.triu_indices(520, k=1), axis=1)
    near = np.isin(pairs, [3, 7, 9]).all(axis=1)
    np.testing.assert_allclose(ours[near], exact[near], rtol=1e-9, atol=1e-15)
    assert (ours[near] == 0).sum() == 1


@pytest.mark.parametrize("method", ["correlation", "cosine", "euclidean"])
def test_float32_patterns_with_a_large_common_part_go_through_float64(large, method):
    large += np.float32(30) * np.random.default_rng(1).standard_normal(4000).astype(np.float32)
    ours = rdm(large, method=method)
    np.testing.assert_allclose(ours, rdm(large.astype(np.float64), method=method), rtol=1e-9)


def test_float32_patterns_with_large_means_keep_their_correlations(large):
    shifted = large + np.float32(1000)
    np.testing.assert_allclose(rdm(shifted), rdm(shifted.astype(np.float64)), atol=2e-6)


@pytest.mark.parametrize("scale", [1e-20, 1e18])
@pytest.mark.parametrize("method", ["correlation", "cosine", "squared-euclidean"])
def test_units_too_small_or_large_for_float32_products_are_multiplied_as_float64(large, method, scale):
    ours = rdm(large * np.float32(scale), method=method)
    exact = rdm((large * np.float32(scale)).astype(np.float64), method=method)
    np.testing.assert_allclose(ours, exact, rtol=1e-9)


def test_float64_patterns_are_never_rounded(large):
    X = large.astype(np.float64)
    np.testing.assert_allclose(rdm(X)[:519], pdist(X, "correlation")[:519], rtol=1e-12)


def test_torch_in_gives_torch_out_with_the_same_numbers(patterns):
    ours = rdm(torch.from_numpy(patterns), method="euclidean")
    assert isinstance(ours, torch.Tensor)
    np.testing.assert_array_equal(ours.numpy(), rdm(patterns, method="euclidean"))


@pytest.mark.parametrize("method", METHODS)
def test_any_device_gives_the_same_distances(patterns, large, method):
    X = np.abs(patterns)
    np.testing.assert_array_equal(rdm(X, method=method, device="cpu"), rdm(X, method=method))
    np.testing.assert_allclose(rdm(X, method=method, device="auto"), rdm(X, method=method), rtol=1e-9)
    with pytest.raises(InputError, match="`device` is 'abacus'"):
        rdm(X, method=method, device="abacus")


def test_euclidean_distances_obey_the_triangle_inequality(patterns):
    square = squareform(rdm(patterns, method="euclidean"))
    assert (square[:, None, :] + square[None, :, :] - square[:, :, None] >= -1e-12).all()


@pytest.mark.parametrize("method", METHODS)
def test_integer_patterns_are_the_numbers_they_are(method):
    X = np.random.default_rng(0).integers(1, 9, (5, 7))
    np.testing.assert_array_equal(rdm(X, method=method), rdm(X.astype(float), method=method))


def test_a_constant_pattern_has_no_correlation():
    X = np.random.default_rng(0).standard_normal((4, 6))
    X[2] = 0.1
    with pytest.raises(
        InputError, match=r"1 pattern\(s\) are constant over their 6 channel\(s\), the first is row 2"
    ):
        rdm(X)
    assert rdm(X, method="euclidean").shape == (6,)


def test_a_pattern_of_one_channel_has_no_correlation():
    with pytest.raises(InputError, match=r"2 pattern\(s\) are constant over their 1 channel"):
        rdm([[1.0], [2.0]])


def test_a_zero_pattern_has_no_angle():
    with pytest.raises(InputError, match="1 pattern.* all zero, the first is row 1"):
        rdm([[1.0, 2.0], [0.0, 0.0]], method="cosine")


@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        ([[1.0, 2.0]], {}, "`X` needs at least 2 rows, got 1"),
        ([1.0, 2.0], {}, r"`X` must have 2 dimension\(s\), got shape \(2,\)"),
        ([[1.0, np.nan], [1.0, 2.0]], {}, r"1 NaN or infinite value\(s\), the first at index \(0, 1\)"),
        (np.empty((2, 0)), {}, r"`X` has no channels, got shape \(2, 0\)"),
        (np.eye(2), {"method": "mahalanobis"}, "method 'mahalanobis' needs `precision`"),
        (np.eye(2), {"method": "euclidean", "precision": np.eye(2)}, "'euclidean' takes no `precision`"),
        (np.eye(2), {"method": "mahalanobis", "precision": np.eye(3)}, r"must be 2 x 2.*got shape \(3, 3\)"),
        (np.eye(2), {"method": "mahalanobis", "precision": [[1.0, 0.5], [0.0, 1.0]]}, "must be symmetric"),
        (np.eye(2), {"method": "mahalanobis", "precision": -np.eye(2)}, "smallest eigenvalue is -1"),
        (-np.eye(2), {"method": "poisson"}, "takes rates, but `X` goes down to -1"),
        (np.eye(2), {"method": "poisson", "prior_weight": 0.0}, "zero rates"),
        (np.eye(2), {"method": "poisson", "prior_weight": -1.0}, "must not be negative, got 1 and -1"),
    ],
)
def test_unusable_input_is_refused_with_the_numbers(X, options, message):
    with pytest.raises(InputError, match=message):
        rdm(X, **options)


def test_an_unknown_method_lists_close_ones():
    with pytest.raises(UnknownNameError, match="did you mean 'euclidean'"):
        rdm(np.eye(3), method="euclid")
