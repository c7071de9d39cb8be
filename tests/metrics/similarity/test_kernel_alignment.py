from __future__ import annotations

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics import centred_gram, cka, cka_from_grams, compare_rdms, hsic, rdm


@pytest.fixture
def responses():
    rs = np.random.RandomState(0)
    X = rs.randn(20, 8)
    Y = rs.randn(20, 8) @ np.diag(np.arange(1, 9)) * 0.3 + 0.7 * X
    return X, Y, rs.randn(20, 12)


def song_2012(K, L):
    """Return the unbiased HSIC by its printed formula."""
    n, ones = len(K), np.ones(len(K))
    K, L = K - np.diag(np.diag(K)), L - np.diag(np.diag(L))
    cross = (ones @ K @ ones) * (ones @ L @ ones) / ((n - 1) * (n - 2))
    return (np.trace(K @ L) + cross - 2 * (ones @ K @ L @ ones) / (n - 2)) / (n * (n - 3))


def test_linear_cka_equals_known_values(responses):
    X, Y, Z = responses
    assert cka(X, Y) == pytest.approx(0.0021020613077992983, abs=1e-12)
    assert cka(X, Z) == pytest.approx(-0.04982123848671551, abs=1e-12)
    assert cka(X, Y, debiased=False) == pytest.approx(0.2766742205547021, abs=1e-12)


def test_debiased_cka_of_a_second_data_set_equals_a_known_value():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((7, 12))
    B = A @ rng.standard_normal((12, 9)) + 2 * rng.standard_normal((7, 9))
    assert cka(A, B) == pytest.approx(0.352860, abs=1e-6)
    assert cka(A + 5, B) == pytest.approx(0.352860, abs=1e-6)


@pytest.mark.parametrize("debiased", [True, False])
def test_few_units_and_many_units_take_routes_that_agree(debiased):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((60, 3)), rng.standard_normal((60, 4))
    expected = cka_from_grams(X @ X.T, Y @ Y.T, debiased=debiased)
    assert cka(X, Y, debiased=debiased) == pytest.approx(expected, abs=1e-12)
    wide = rng.standard_normal((20, 100))
    other = rng.standard_normal((20, 30))
    expected = cka_from_grams(wide @ wide.T, other @ other.T, debiased=True)
    assert cka(wide, other) == pytest.approx(expected, abs=1e-12)


def test_debiased_hsic_equals_the_printed_formula(responses):
    X, Y, _ = responses
    K, L = X @ X.T, Y @ Y.T
    assert hsic(K, L) == pytest.approx(song_2012(K, L), rel=1e-10)


def test_biased_hsic_equals_the_trace(responses):
    X, Y, _ = responses
    H = np.eye(20) - 1 / 20
    expected = np.trace(X @ X.T @ H @ Y @ Y.T @ H) / 19**2
    assert hsic(X @ X.T, Y @ Y.T, debiased=False) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("debiased", [True, False])
def test_centring_the_kernels_first_changes_nothing(responses, debiased):
    X, Y, _ = responses
    K, L, H = X @ X.T + 3, Y @ Y.T, np.eye(20) - 1 / 20
    assert hsic(H @ K @ H, H @ L @ H, debiased=debiased) == pytest.approx(
        hsic(K, L, debiased=debiased), rel=1e-9
    )


def test_rbf_cka_equals_the_direct_formula(responses):
    X, Y, _ = responses

    def gram(values):
        squared = ((values[:, None] - values[None]) ** 2).sum(-1)
        return np.exp(-squared / (2 * 0.8**2 * np.median(squared[np.triu_indices(20, k=1)])))

    for debiased in (True, False):
        expected = cka_from_grams(gram(X), gram(Y), debiased=debiased)
        assert cka(X, Y, kernel="rbf", bandwidth=0.8, debiased=debiased) == pytest.approx(expected, abs=1e-12)


def test_a_wide_rbf_kernel_is_linear(responses):
    X, Y, _ = responses
    assert cka(X, Y, kernel="rbf", bandwidth=1e3) == pytest.approx(cka(X, Y), abs=1e-4)


def test_debiased_cka_of_unrelated_responses_is_near_zero_and_biased_is_not():
    rng = np.random.default_rng(0)
    pairs = [(rng.standard_normal((50, 200)), rng.standard_normal((50, 200))) for _ in range(30)]
    assert np.mean([cka(X, Y) for X, Y in pairs]) == pytest.approx(0, abs=0.02)
    with pytest.warns(UserWarning, match="biased CKA with 200 units and 50 stimuli is high"):
        biased = [cka(X, Y, debiased=False) for X, Y in pairs]
    assert np.mean(biased) == pytest.approx(0.800, abs=0.01)


def test_cka_of_equal_responses_is_one(responses):
    X = responses[0]
    for kernel in ("linear", "rbf"):
        for debiased in (True, False):
            assert cka(X, X, kernel=kernel, debiased=debiased) == pytest.approx(1, abs=1e-12)


def test_cka_ignores_rotations_but_not_other_linear_maps(responses):
    X, Y, _ = responses
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((8, 8)))[0]
    assert cka(X @ rotation * 7 + 2, Y) == pytest.approx(cka(X, Y), abs=1e-10)
    assert abs(cka(X @ np.diag([5, 1, 1, 1, 1, 1, 1, 1]), Y) - cka(X, Y)) > 0.01


def test_a_large_offset_does_not_cost_digits(responses):
    X, Y, _ = responses
    assert cka(X + 1e6, Y) == pytest.approx(cka(X, Y), abs=1e-8)


def test_float32_input_is_computed_in_float64_and_left_alone(responses):
    X, Y = (values.astype(np.float32) for values in responses[:2])
    before = X.copy()
    assert cka(X, Y) == cka(X.astype(np.float64), Y.astype(np.float64))
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize(
    "X",
    [
        np.eye(8),
        0.37 * np.eye(8) + 0.11,
        np.eye(8)[:, :1] * 0.37 + 0.11,
        np.eye(8)[:, :2] @ [[0.3, 0.1], [0.3, 0.1]],
    ],
    ids=["one-hot", "one-hot with an offset", "one stimulus apart", "two stimuli alike apart"],
)
@pytest.mark.parametrize("n_other", [2, 20])
def test_responses_without_a_geometry_give_nan_not_rounding_errors(X, n_other):
    Y = np.random.default_rng(0).standard_normal((8, n_other))
    alike = len(np.unique(X.round(3), axis=0)) == 2 and np.ptp(X[2:]) == 0 and (X[0] == X[1]).all()
    assert np.isnan(cka(X, Y)) != alike
    assert np.isnan(cka(Y, X)) != alike
    assert np.isfinite(cka(X, Y[:, :2], debiased=False))


def test_kernels_without_a_geometry_give_nan():
    K = np.zeros((4, 4))
    K[0, 1] = K[1, 0] = K[2, 3] = K[3, 2] = 1.0
    L = np.diag([1.0, 2.0, 3.0, 4.0])
    assert np.isnan(cka_from_grams(K, L))


@pytest.mark.parametrize(
    ("X", "Y", "options", "message"),
    [
        (np.eye(5), np.eye(6), {}, "same number of samples, got 5 and 6"),
        (np.eye(3), np.eye(3), {}, "`X` needs at least 4 rows, got 3"),
        (np.ones((5, 2)), np.eye(5), {}, "all 5 rows of `X` are equal"),
        (np.eye(5), np.full((5, 2), np.nan), {}, r"`Y` holds 10 NaN or infinite value\(s\)"),
        (np.eye(5), np.eye(5), {"bandwidth": 0.0}, "`bandwidth` must be above 0, got 0"),
        (
            np.repeat([[0.0], [1.0]], [9, 1], axis=0),
            np.eye(10),
            {"kernel": "rbf"},
            "half of the pairs of rows of `X` are equal",
        ),
    ],
)
def test_unusable_responses_are_refused_with_the_numbers(X, Y, options, message):
    with pytest.raises(InputError, match=message):
        cka(X, Y, **options)


@pytest.mark.parametrize("function", [hsic, cka_from_grams])
def test_unusable_kernels_are_refused(function):
    with pytest.raises(
        InputError, match=r"`K` must be a square, symmetric kernel matrix, got shape \(4, 5\)"
    ):
        function(np.ones((4, 5)), np.eye(4))
    with pytest.raises(InputError, match="`L` must be a square, symmetric"):
        function(np.eye(4), np.triu(np.ones((4, 4))))
    with pytest.raises(InputError, match="same number of samples, got 4 and 5"):
        function(np.eye(4), np.eye(5))


def test_an_unknown_kernel_is_refused(responses):
    with pytest.raises(UnknownNameError, match="`kernel` is 'gaussian'"):
        cka(*responses[:2], kernel="gaussian")


def test_biased_cka_rises_with_the_number_of_units_and_debiased_does_not():
    rng = np.random.default_rng(0)
    for n_units, expected in ((50, 0.334), (1000, 0.908), (10_000, 0.990)):
        found = []
        for _ in range(20 if n_units == 50 else 2):
            X, Y = rng.standard_normal((2, 100, n_units))
            K, L = X @ X.T, Y @ Y.T
            found.append([cka_from_grams(K, L, debiased=debiased) for debiased in (False, True)])
        assert np.mean(found, axis=0) == pytest.approx([expected, 0], abs=0.02)


def test_biased_cka_is_a_similarity_and_not_its_angle(responses):
    # The angle, 1.29, would read as nearly unrelated; its cosine is the similarity.
    X, Y, _ = responses
    assert np.arccos(cka(X, Y, debiased=False)) == pytest.approx(1.2904648296011467, abs=1e-10)


def test_biased_cka_is_the_whitened_cosine_of_squared_distances(responses):
    X, Y, _ = responses
    first, second = (rdm(values, method="squared-euclidean") for values in (X, Y))
    expected = compare_rdms(first, second, method="whitened-cosine")
    assert cka(X, Y, debiased=False) == pytest.approx(expected, rel=1e-10)


def test_the_null_of_debiased_cka_has_the_spread_that_is_known():
    rng = np.random.default_rng(0)
    found = [cka(*rng.standard_normal((2, 50, 200))) for _ in range(100)]
    assert np.std(found) == pytest.approx(0.030, abs=0.006)
    assert np.mean(found) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_tensors_give_the_same_number(responses, kernel):
    X, Y, _ = responses
    found = cka(torch.from_numpy(X), torch.from_numpy(Y), kernel=kernel)
    assert isinstance(found, float)
    assert found == pytest.approx(cka(X, Y, kernel=kernel), rel=1e-12)
    K, L = torch.from_numpy(X @ X.T), torch.from_numpy(Y @ Y.T)
    assert cka_from_grams(K, L) == pytest.approx(cka(X, Y), rel=1e-10)
    assert isinstance(centred_gram(K), torch.Tensor)


@pytest.mark.parametrize("debiased", [True, False])
def test_the_cpu_as_device_gives_the_same_number(responses, debiased):
    X, Y, _ = responses
    expected = cka(X, Y, debiased=debiased)
    assert cka(X, Y, debiased=debiased, device="cpu") == pytest.approx(expected, rel=1e-12)


def test_integers_and_single_units_are_fine():
    counts = np.random.default_rng(0).integers(0, 9, (12, 1))
    assert cka(counts, 2 * counts) == pytest.approx(1, abs=1e-12)


def test_repeated_and_constant_columns_and_repeated_rows_are_fine(responses):
    X, Y, _ = responses
    padded = np.column_stack([X, np.full(20, 7.0)])
    assert cka(padded, Y) == pytest.approx(cka(X, Y), rel=1e-10)
    twice = np.repeat(X[:10], 2, axis=0)
    assert cka(twice, twice) == pytest.approx(1, abs=1e-12)


def test_centring_takes_lists_and_refuses_what_is_no_kernel():
    centred = centred_gram([[2.0, 0.0], [0.0, 2.0]], debiased=False)
    np.testing.assert_allclose(centred, [[1, -1], [-1, 1]])
    with pytest.raises(InputError, match=r"`gram` must be square.* got shape \(3, 2\)"):
        centred_gram(np.ones((3, 2)))
    with pytest.raises(InputError, match="`gram` needs at least 3 rows, got 2"):
        centred_gram(np.eye(2))
    for debiased in (True, False):
        with pytest.raises(InputError, match="`gram` holds 1 NaN or infinite"):
            centred_gram([[0, np.inf, 1], [1, 0, 1], [1, 1, 0]], debiased=debiased)


@pytest.mark.parametrize("factor", [1e-200, 1e200])
def test_responses_out_of_the_range_of_float64_are_refused_not_scored(responses, factor):
    with pytest.raises(InputError, match="`Y` holds numbers of up to .*, whose powers leave the range"):
        cka(responses[0], factor * responses[1])


def test_responses_that_differ_by_rounding_alone_have_no_geometry(responses):
    noise = np.random.default_rng(0).integers(-1, 2, responses[1].shape)
    with pytest.raises(InputError, match="rows of `Y` are equal: there is no geometry"):
        cka(responses[0], 0.1 * (1 + 1.1e-16 * noise))
