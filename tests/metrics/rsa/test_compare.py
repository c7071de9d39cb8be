from __future__ import annotations

import itertools
import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import solve
from scipy.spatial.distance import squareform
from scipy.stats import kendalltau, pearsonr, spearmanr

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics import bures_distance, cka, compare_rdms, rdm, shared_pairs
from alignkit.metrics.rsa._kendall import count_inversions

METHODS = [
    "bures",
    "cosine",
    "kendall",
    "pearson",
    "rho-a",
    "spearman",
    "tau-a",
    "tau-b",
    "whitened-correlation",
    "whitened-cosine",
]
PUBLISHED = {
    "bures": 0.5581891862374676,
    "cosine": 0.8241937484295933,
    "kendall": 0.21180729601782233,
    "pearson": 0.2815602927146966,
    "rho-a": 0.31142166060876453,
    "spearman": 0.31142166060876453,
    "tau-a": 0.21180729601782233,
    "tau-b": 0.21180729601782233,
    "whitened-correlation": 0.05552848995659713,
    "whitened-cosine": 0.276674220554702,
}


@pytest.fixture
def responses():
    rs = np.random.RandomState(0)
    X = rs.randn(20, 8)
    return X, rs.randn(20, 8) @ np.diag(np.arange(1, 9)) * 0.3 + 0.7 * X


@pytest.fixture
def pair(responses):
    return tuple(rdm(values, method="squared-euclidean") for values in responses)


def tau_a_by_definition(x, y):
    pairs = list(itertools.combinations(range(len(x)), 2))
    return sum(np.sign(x[i] - x[j]) * np.sign(y[i] - y[j]) for i, j in pairs) / len(pairs)


def covariance_of_distances(n_stimuli):
    first, second = np.triu_indices(n_stimuli, k=1)
    contrasts = np.zeros((len(first), n_stimuli))
    contrasts[np.arange(len(first)), first] = 1
    contrasts[np.arange(len(first)), second] = -1
    return (contrasts @ contrasts.T) ** 2


@pytest.mark.parametrize("method", METHODS)
def test_similarities_equal_the_published_toolbox_values(pair, method):
    similarity = compare_rdms(*pair, method=method)
    assert isinstance(similarity, float)
    # The toolbox's own Bures value carries 7e-9 of rounding: the next test has the exact one.
    assert similarity == pytest.approx(PUBLISHED[method], abs=1e-8 if method == "bures" else 1e-9)


def test_bures_equals_the_cosine_of_the_procrustes_angle(responses, pair):
    X, Y = (values - values.mean(axis=0) for values in responses)
    expected = np.linalg.svd(X.T @ Y, compute_uv=False).sum() / np.linalg.norm(X) / np.linalg.norm(Y)
    assert compare_rdms(*pair, method="bures") == pytest.approx(expected, abs=1e-12)
    assert expected == pytest.approx(np.cos(0.9785945976580539), abs=1e-12)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("cosine", 0.897407),
        ("pearson", 0.262983),
        ("spearman", 0.338961),
        ("rho-a", 0.338961),
        ("tau-a", 0.219048),
        ("whitened-cosine", 0.694948),
        ("whitened-correlation", 0.316190),
        ("bures", 0.878322),
    ],
)
def test_similarities_of_a_second_data_set_equal_known_values(method, expected):
    rng = np.random.default_rng(0)
    A = rng.standard_normal((7, 12))
    B = A @ rng.standard_normal((12, 9)) + 2 * rng.standard_normal((7, 9))
    first, second = rdm(A, method="squared-euclidean"), rdm(B, method="squared-euclidean")
    assert compare_rdms(first, second, method=method) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_matrix_form_equals_one_by_one(method):
    rng = np.random.default_rng(0)
    first = np.stack([rdm(rng.standard_normal((9, 5)), method="squared-euclidean") for _ in range(3)])
    second = np.stack([rdm(rng.standard_normal((9, 5)), method="squared-euclidean") for _ in range(2)])
    second[1] = np.round(second[1])
    together = compare_rdms(first, second, method="cosine" if method == "bures" else method)
    assert together.shape == (3, 2)
    for i, j in itertools.product(range(3), range(2)):
        alone = compare_rdms(first[i], second[j], method="cosine" if method == "bures" else method)
        assert together[i, j] == pytest.approx(alone, abs=1e-12)
    assert compare_rdms(first[0], second, method="cosine").shape == (1, 2)


@pytest.mark.parametrize("method", METHODS)
def test_comparison_is_symmetric_and_leaves_its_input_alone(pair, method):
    before = pair[0].copy()
    assert compare_rdms(*pair, method=method) == pytest.approx(
        compare_rdms(*pair[::-1], method=method), abs=1e-12
    )
    np.testing.assert_array_equal(pair[0], before)


@pytest.mark.parametrize("method", METHODS)
def test_an_rdm_without_ties_equals_itself(pair, method):
    assert compare_rdms(pair[0], pair[0], method=method) == pytest.approx(1, abs=1e-9)


def test_correlations_equal_scipy_with_ties():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, 45).astype(float), rng.integers(0, 4, 45).astype(float)
    assert compare_rdms(a, b, method="pearson") == pytest.approx(pearsonr(a, b).statistic, abs=1e-12)
    assert compare_rdms(a, b, method="spearman") == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)
    assert compare_rdms(a, b, method="tau-b") == pytest.approx(kendalltau(a, b).statistic, abs=1e-12)


def test_tau_a_counts_ties_in_the_denominator():
    assert compare_rdms([1, 2, 3], [1, 3, 3], method="tau-a") == pytest.approx(2 / 3)
    groups = [0, 0, 0, 1, 1, 1]
    assert compare_rdms(groups, groups, method="tau-a") == pytest.approx(0.6)
    assert compare_rdms(groups, groups, method="tau-b") == pytest.approx(1)


def test_rank_methods_of_tied_vectors_equal_known_values():
    x, y = [1, 1, 1, 2, 2, 3], [2, 1, 3, 3, 5, 4]
    expected = {"rho-a": 0.7, "spearman": 0.7671, "tau-a": 0.5333, "tau-b": 0.6447}
    for method, value in expected.items():
        assert compare_rdms(x, y, method=method) == pytest.approx(value, abs=5e-5), method
    assert compare_rdms([0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1], method="rho-a") == pytest.approx(
        0.771429, abs=1e-6
    )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_tau_a_equals_its_definition_whatever_the_ties(data):
    m = data.draw(st.integers(3, 33))
    values = st.lists(st.integers(0, data.draw(st.integers(1, 40))), min_size=m, max_size=m)
    x, y = data.draw(values), data.draw(values)
    if len(set(x)) == 1 or len(set(y)) == 1:
        return
    assert compare_rdms(x, y, method="tau-a") == pytest.approx(tau_a_by_definition(x, y), abs=1e-12)


@pytest.mark.parametrize("m", [1, 2, 3, 7, 8, 9, 64, 65, 100, 257])
def test_inversions_equal_counting_by_hand(m):
    rng = np.random.default_rng(m)
    rows = np.stack([rng.permutation(m) for _ in range(5)] + [np.arange(m), np.arange(m)[::-1]])
    expected = [sum(row[i] > row[j] for i, j in itertools.combinations(range(m), 2)) for row in rows]
    np.testing.assert_array_equal(count_inversions(rows), expected)


def test_kendall_counts_do_not_overflow_on_long_vectors():
    rng = np.random.default_rng(0)
    a = rng.standard_normal(100_000)
    assert compare_rdms(a, a, method="tau-a") == 1.0
    assert compare_rdms(a, -a, method="tau-a") == -1.0
    b = np.round(a + rng.standard_normal(100_000), 1)
    assert compare_rdms(a, b, method="tau-b") == pytest.approx(kendalltau(a, b).statistic, abs=1e-10)


def test_whitened_cosine_equals_biased_linear_cka(responses, pair):
    expected = cka(*responses, debiased=False)
    assert compare_rdms(*pair, method="whitened-cosine") == pytest.approx(expected, abs=1e-12)


def seed_rdms():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((7, 12))
    B = A @ rng.standard_normal((12, 9)) + 2 * rng.standard_normal((7, 9))
    return rdm(A, method="squared-euclidean"), rdm(B, method="squared-euclidean")


@pytest.mark.parametrize("shape", [1, 2])
def test_whitening_with_unequal_noise_equals_the_direct_value_and_not_the_peers_shortcut(shape):
    variances = np.arange(1.0, 8.0)
    sigma = variances if shape == 1 else np.diag(variances)
    similarity = compare_rdms(*seed_rdms(), method="whitened-cosine", sigma_k=sigma)
    assert similarity == pytest.approx(0.737880, abs=1e-6)
    assert abs(similarity - 0.721705) > 0.01
    assert compare_rdms(*seed_rdms(), method="whitened-cosine", sigma_k=3 * sigma) == pytest.approx(
        similarity
    )


def test_equal_noise_variances_are_the_default():
    for method in ("whitened-cosine", "whitened-correlation"):
        plain = compare_rdms(*seed_rdms(), method=method)
        for sigma in (np.full(7, 2.0), 2 * np.eye(7)):
            assert compare_rdms(*seed_rdms(), method=method, sigma_k=sigma) == pytest.approx(plain, abs=1e-12)


@pytest.mark.parametrize("missing", [0, 9])
@pytest.mark.parametrize("noise", ["variances", "covariance"])
def test_whitening_by_any_noise_equals_the_dense_covariance_of_distances(pair, noise, missing):
    rng = np.random.default_rng(0)
    a, b = (values.copy() for values in pair)
    kept = np.ones(len(a), dtype=bool)
    kept[rng.permutation(len(a))[:missing]] = False
    a[~kept] = np.nan
    root = rng.standard_normal((20, 40))
    sigma = rng.random(20) + 0.2 if noise == "variances" else root @ root.T
    first, second = np.triu_indices(20, k=1)
    contrasts = np.eye(20)[first] - np.eye(20)[second]
    dense = contrasts @ (np.diag(sigma) if sigma.ndim == 1 else sigma) @ contrasts.T
    V = (dense**2)[np.ix_(kept, kept)]

    def cosine(u, v):
        return u @ solve(V, v) / np.sqrt(u @ solve(V, u) * (v @ solve(V, v)))

    ones = np.ones(kept.sum())
    found = compare_rdms(a, b, method="whitened-cosine", sigma_k=sigma)
    assert found == pytest.approx(cosine(a[kept], b[kept]), abs=1e-9)
    centred = [u - (ones @ solve(V, u)) / (ones @ solve(V, ones)) for u in (a[kept], b[kept])]
    plain = [u - u.mean() for u in (a[kept], b[kept])]
    found = compare_rdms(a, b, method="whitened-correlation", sigma_k=sigma)
    assert found == pytest.approx(cosine(*centred), abs=1e-9)
    assert abs(found - cosine(*plain)) > 1e-3


@pytest.mark.parametrize(
    ("sigma", "method", "message"),
    [
        (
            np.ones(6),
            "whitened-cosine",
            r"noise variances \(7,\) or the noise covariance \(7, 7\).*shape \(6,\)",
        ),
        (np.arange(7.0), "whitened-cosine", "variances above 0, got 0"),
        (np.triu(np.ones((7, 7))), "whitened-cosine", "must be symmetric"),
        (np.ones((7, 7)), "whitened-correlation", "must be positive definite"),
        (np.ones(7), "pearson", "method 'pearson' takes no `sigma_k`"),
    ],
)
def test_what_is_no_noise_covariance_is_refused(sigma, method, message):
    with pytest.raises(InputError, match=message):
        compare_rdms(*seed_rdms(), method=method, sigma_k=sigma)


def test_too_many_missing_pairs_for_a_full_covariance_are_refused():
    n = 130
    values = np.random.default_rng(0).random(n * (n - 1) // 2)
    values[100:] = np.nan
    with pytest.raises(InputError, match=r"at most 8000 pairs without a value, got 8285"):
        compare_rdms(values, values, method="whitened-cosine", sigma_k=np.eye(n))


def test_more_conditions_than_channels_are_no_obstacle():
    # A Riemannian comparison of these fails in the published toolbox: their Gram matrices are singular.
    rng = np.random.default_rng(0)
    narrow = [rdm(rng.standard_normal((20, 3)), method="squared-euclidean") for _ in range(2)]
    for method in ("bures", "whitened-cosine", "whitened-correlation"):
        assert -1 <= compare_rdms(*narrow, method=method) <= 1
    assert bures_distance(*narrow) > 0


def test_shared_pairs_are_counted_and_the_log_says_what_is_left_out(caplog):
    first = np.array([[1.0, np.nan, 3.0, 4.0, 5.0, 6.0], [1.0, 2.0, 3.0, 5.0, 4.0, 6.0]])
    second = np.array([1.0, 2.0, np.nan, 5.0, 5.0, 6.0])
    np.testing.assert_array_equal(shared_pairs(first, second), [[4], [5]])
    assert shared_pairs(first[0], second) == 4
    with caplog.at_level(logging.INFO):
        compare_rdms(first[0], second, method="pearson")
    assert "2 of 6 pairs have no value and are left out" in caplog.text
    with pytest.raises(InputError, match="same pairs of stimuli, got 6 and 3"):
        shared_pairs(first, second[:3])


def test_bures_distance_is_the_procrustes_distance_of_the_patterns(responses, pair):
    # The published toolbox gives the square, with 1e-8 of rounding; the definition below has none.
    assert bures_distance(*pair) ** 2 == pytest.approx(40.02825362551277, rel=1e-7)
    assert bures_distance(*seed_rdms()) ** 2 == pytest.approx(36.719415, abs=1e-6)
    X, Y = (values - values.mean(axis=0) for values in responses)
    nuclear = np.linalg.svd(X.T @ Y, compute_uv=False).sum()
    expected = np.sqrt((X**2).sum() + (Y**2).sum() - 2 * nuclear) / np.sqrt(8)
    assert bures_distance(*pair) == pytest.approx(expected, abs=1e-10)
    assert bures_distance(pair[0], pair[0]) == pytest.approx(0, abs=1e-6)
    assert bures_distance(pair[0], np.stack(pair)).shape == (1, 2)


def test_bures_distance_obeys_the_triangle_inequality():
    rng = np.random.default_rng(0)
    rdms = np.stack([rdm(rng.standard_normal((8, 4)), method="squared-euclidean") for _ in range(9)])
    distances = bures_distance(rdms, rdms)
    for i, j, k in itertools.permutations(range(9), 3):
        assert distances[i, j] <= distances[i, k] + distances[k, j] + 1e-9


def test_bures_distance_needs_all_pairs():
    with pytest.raises(InputError, match="the Bures distance needs a value for every pair, but 1 are NaN"):
        bures_distance([1.0, np.nan, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="4 pairs are not the pairs of any number of stimuli"):
        bures_distance(np.arange(4.0), np.arange(4.0))


def test_tensors_come_back_as_tensors_with_the_same_numbers(pair):
    torch = pytest.importorskip("torch")
    stacks = [np.stack([values, values[::-1]]) for values in pair]
    for method in ("tau-a", "whitened-cosine"):
        found = compare_rdms(*(torch.from_numpy(values.copy()) for values in stacks), method=method)
        assert isinstance(found, torch.Tensor)
        np.testing.assert_array_equal(found.numpy(), compare_rdms(*stacks, method=method))


@pytest.mark.parametrize("missing", [0, 17])
def test_whitening_equals_the_dense_covariance_also_where_pairs_are_missing(pair, missing):
    a, b = (values.copy() for values in pair)
    kept = np.ones(len(a), dtype=bool)
    kept[np.random.default_rng(0).permutation(len(a))[:missing]] = False
    a[~kept] = np.nan
    V = covariance_of_distances(20)[np.ix_(kept, kept)]

    def cosine(u, v):
        return u @ solve(V, v) / np.sqrt(u @ solve(V, u) * (v @ solve(V, v)))

    ones = np.ones(kept.sum())
    first, second = a[kept], b[kept]
    assert compare_rdms(a, b, method="whitened-cosine") == pytest.approx(cosine(first, second), abs=1e-10)
    centred = [u - (ones @ solve(V, u)) / (ones @ solve(V, ones)) for u in (first, second)]
    assert compare_rdms(a, b, method="whitened-correlation") == pytest.approx(cosine(*centred), abs=1e-10)


@pytest.mark.parametrize("method", [m for m in METHODS if not m.startswith(("bures", "whitened"))])
def test_missing_pairs_are_left_out_before_ranking(method):
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((3, 45)), rng.standard_normal((2, 45))
    first[0, :5] = first[2, :5] = np.nan
    second[1, 3:9] = np.nan
    result = compare_rdms(first, second, method=method)
    for i, j in itertools.product(range(3), range(2)):
        kept = ~np.isnan(first[i]) & ~np.isnan(second[j])
        alone = compare_rdms(first[i, kept], second[j, kept], method=method)
        assert result[i, j] == pytest.approx(alone, abs=1e-12)


def test_bures_ignores_rotations_of_either_point_cloud():
    X = np.random.default_rng(0).standard_normal((10, 4))
    turned = X @ np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4)))[0] * 3
    similarity = compare_rdms(
        rdm(X, method="squared-euclidean"), rdm(turned, method="squared-euclidean"), method="bures"
    )
    assert similarity == pytest.approx(1, abs=1e-7)


def test_bures_warns_about_what_is_not_a_squared_distance():
    matrix = 1.0 - np.eye(4)
    matrix[0, 1] = matrix[1, 0] = 9.0
    with pytest.warns(
        UserWarning, match=r"not made of squared Euclidean distances \(\d+\.\d% of its spectrum"
    ):
        compare_rdms(squareform(matrix), rdm(np.eye(4), method="squared-euclidean"), method="bures")


@pytest.mark.parametrize("method", ["pearson", "spearman", "tau-a", "whitened-correlation"])
def test_a_constant_rdm_has_no_correlation(method):
    varied = np.arange(6.0)
    with pytest.raises(InputError, match=f"RDM 1 of `b` is constant over the 6 pairs compared.*{method!r}"):
        compare_rdms(varied, np.stack([varied, np.ones(6)]), method=method)


def test_a_constant_rdm_has_a_cosine_and_a_zero_one_has_none():
    assert compare_rdms([1.0, 2.0, 2.0], [1.0, 1.0, 1.0], method="cosine") == pytest.approx(5 / np.sqrt(27))
    with pytest.raises(InputError, match="RDM 0 of `a` is zero over the 3 pairs"):
        compare_rdms([0.0, 0.0, 0.0], [1.0, 1.0, 1.0], method="cosine")


@pytest.mark.parametrize(
    ("a", "b", "method", "message"),
    [
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0], "pearson", "same pairs of stimuli, got 3 and 4 pairs"),
        ([1.0, 2.0], [1.0, 2.0], "pearson", "at least 3 pairs.*got 2 for row 0 of `a` and row 0 of `b`"),
        ([1.0, 2.0, np.nan, 3.0], [np.nan, 1.0, 2.0, 3.0], "spearman", "at least 3 pairs.*got 2"),
        ([1.0, 2.0, np.inf], [1.0, 2.0, 3.0], "cosine", "`a` holds 1 infinite dissimilarities"),
        (
            np.arange(4.0),
            np.arange(4.0),
            "whitened-cosine",
            "4 pairs are not the pairs of any number of stimuli",
        ),
        (
            [1.0, 2.0, np.nan, 1.0, 2.0, 3.0],
            np.arange(6.0),
            "bures",
            "'bures' needs a value for every pair, but 1",
        ),
        ([["a"]], [1.0], "cosine", "`a` must hold real numbers"),
    ],
)
def test_unusable_rdms_are_refused_with_the_numbers(a, b, method, message):
    with pytest.raises(InputError, match=message):
        compare_rdms(a, b, method=method)


def test_an_unknown_method_lists_close_ones(pair):
    with pytest.raises(UnknownNameError, match="did you mean 'spearman'"):
        compare_rdms(*pair, method="spearmen")


@pytest.mark.parametrize("method", ["pearson", "spearman", "tau-a", "tau-b", "rho-a", "whitened-correlation"])
def test_an_rdm_that_varies_by_rounding_alone_has_no_correlation(pair, method):
    noise = np.random.default_rng(0).integers(-1, 2, len(pair[0]))
    with pytest.raises(InputError, match="RDM 0 of `a` is constant"):
        compare_rdms(0.1 * (1 + 1.1e-16 * noise), pair[1], method=method)


def test_an_rdm_that_was_once_float32_has_the_bures_similarity_of_itself(responses):
    X, Y = (rdm(values, method="squared-euclidean") for values in responses)
    for function in (bures_distance, lambda a, b: compare_rdms(a, b, method="bures")):
        assert function(X.astype(np.float32), Y) == pytest.approx(function(X, Y), rel=1e-5)


def test_rdms_out_of_the_range_of_float64_are_refused(pair):
    with pytest.raises(InputError, match="`b` holds numbers of up to .*e.20"):
        compare_rdms(pair[0], 1e200 * pair[1], method="pearson")
