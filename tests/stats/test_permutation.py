from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alignkit._core.errors import InputError
from alignkit.stats import permutation_p, sign_flip_test, widen_cross_validated_null


def test_p_is_never_zero_and_counts_the_observed_order():
    assert permutation_p(10.0, np.zeros(99)) == pytest.approx(1 / 100)
    assert permutation_p(-10.0, np.zeros(99)) == 1.0
    assert permutation_p(-10.0, np.zeros(99), alternative="less") == pytest.approx(1 / 100)
    assert permutation_p(-10.0, np.zeros(99), alternative="two-sided") == pytest.approx(2 / 100)


def test_ties_count_against_the_effect_even_after_rounding():
    null = np.array([0.1 + 0.2, 0.0, 0.0])
    assert permutation_p(0.3, null) == pytest.approx(2 / 4)
    assert permutation_p(0.1 + 0.2, np.array([0.3, 0.0, 0.0])) == pytest.approx(2 / 4)


def test_agrees_with_scipy():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 12))
    result = stats.permutation_test(
        (x,), lambda a: stats.pearsonr(a, y).statistic, permutation_type="pairings", n_resamples=300,
        rng=np.random.default_rng(1), vectorized=False, alternative="greater",
    )  # fmt: skip
    assert permutation_p(result.statistic, result.null_distribution) == pytest.approx(result.pvalue)


def test_one_null_for_all_tests_or_one_each():
    null = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(permutation_p([0.5, 2.5, np.nan], null), [1.0, 0.5, np.nan])
    table = np.stack([null, null - 10], axis=1)
    np.testing.assert_allclose(permutation_p([2.5, 2.5], table), [0.5, 0.25])


def test_exact_sign_flips_give_the_exact_p():
    assert sign_flip_test([0.2, 0.1, 0.3, 0.2, 0.4]).p[0] == pytest.approx(1 / 32)
    result = sign_flip_test([1.0, 2.0, -3.0, 4.0])
    patterns = np.array([[(k >> s) & 1 for s in range(4)] for k in range(16)]) * 2 - 1
    sums = patterns @ np.array([1.0, 2.0, 3.0, 4.0])
    assert result.p[0] == pytest.approx((sums >= 4.0).mean())
    assert result.exact
    assert result.n_permutations == 16


def test_two_sided_p_of_a_symmetric_null_doubles_the_tail():
    values = [0.2, 0.1, 0.3, 0.2, 0.4]
    assert sign_flip_test(values, alternative="two-sided").p[0] == pytest.approx(2 / 32)
    assert sign_flip_test(values, alternative="less").p[0] == 1.0
    assert sign_flip_test(-np.array(values), alternative="less").p[0] == pytest.approx(1 / 32)


def test_random_sign_flips_agree_with_the_t_test_for_many_subjects():
    values = np.random.default_rng(2).standard_normal(60) + 0.25
    expected = stats.ttest_1samp(values, 0, alternative="greater").pvalue
    result = sign_flip_test(values, n_permutations=20_000)
    assert result.p[0] == pytest.approx(expected, abs=0.01)
    assert not result.exact
    assert result.n_permutations == 20_000


def test_the_largest_statistic_corrects_for_all_tests():
    rng = np.random.default_rng(3)
    false_alarms = [(sign_flip_test(rng.standard_normal((10, 50))).p_max <= 0.05).any() for _ in range(200)]
    assert np.mean(false_alarms) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)
    one = sign_flip_test(rng.standard_normal((10, 1)))
    np.testing.assert_array_equal(one.p, one.p_max)
    many = sign_flip_test(rng.standard_normal((10, 5)))
    assert (many.p_max >= many.p).all()


def test_scale_does_not_matter_and_zeros_say_nothing():
    values = np.random.default_rng(4).standard_normal((9, 2)) + 0.5
    np.testing.assert_array_equal(sign_flip_test(1e-6 * values).p, sign_flip_test(values).p)
    assert sign_flip_test(np.zeros(5)).p[0] == 1.0


def test_same_seed_same_bits():
    values = np.random.default_rng(5).standard_normal((20, 2))
    first, second = (sign_flip_test(values, n_permutations=50, random_state=1) for _ in range(2))
    np.testing.assert_array_equal(first.p, second.p)


def test_bad_input_is_refused():
    with pytest.raises(InputError, match=r"at least one permutation, got shape \(0,\)"):
        permutation_p(1.0, [])
    with pytest.raises(InputError, match=r"`observed` of shape \(2,\), got \(1, 3\)"):
        permutation_p([1.0, 2.0], [[1.0, 2.0, 3.0]])
    with pytest.raises(InputError, match="`null` holds 1 NaN where the observed statistic is defined"):
        permutation_p(1.0, [0.0, np.nan])
    with pytest.raises(InputError, match="`alternative` is 'bigger'"):
        permutation_p(1.0, [0.0], alternative="bigger")
    with pytest.raises(InputError, match="at least 2 rows, got 1"):
        sign_flip_test([1.0])
    with pytest.raises(InputError, match="`n_permutations` must be at least 1, got 0"):
        sign_flip_test(np.ones(20), n_permutations=0)
    with pytest.raises(InputError, match="`alternative` is 'bigger'"):
        sign_flip_test([1.0, 2.0], alternative="bigger")


def test_the_widened_null_of_cross_validated_scores_holds_its_level_and_the_plain_one_does_not():
    rng = np.random.default_rng(0)
    n, folds = 60, np.arange(60) % 5
    plain, widened = [], []
    for _ in range(150):
        X, y = rng.standard_normal((n, 8)), rng.standard_normal(n)
        predicted = np.empty(n)
        for fold in range(5):
            seen = folds != fold
            gram = X[seen].T @ X[seen] + 30 * np.eye(8)
            predicted[~seen] = X[~seen] @ np.linalg.solve(gram, X[seen].T @ (y[seen] - y[seen].mean()))
        parts = [np.flatnonzero(folds == fold) for fold in range(5)]
        left = [predicted[part] - predicted[part].mean() for part in parts]
        left = [values / np.linalg.norm(values) for values in left]
        right = [(y[part] - y[part].mean()) / np.linalg.norm(y[part] - y[part].mean()) for part in parts]
        score = np.mean([a @ b for a, b in zip(left, right, strict=True)])
        null = np.mean(
            [rng.permuted(np.tile(b, (199, 1)), axis=1) @ a for a, b in zip(left, right, strict=True)], axis=0
        )
        plain.append(permutation_p(score, null) <= 0.05)
        widened.append(permutation_p(score, widen_cross_validated_null(null)) <= 0.05)
    assert np.mean(plain) > 0.09
    assert np.mean(widened) < 0.08
    np.testing.assert_allclose(widen_cross_validated_null(null).mean(), null.mean(), atol=1e-12)
