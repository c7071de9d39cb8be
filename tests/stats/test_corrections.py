from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from alignkit._core.errors import InputError
from alignkit.stats import fdr, max_statistic_p

P = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216]


def test_known_adjusted_values():
    bh = [0.01, 0.04, 0.084, 0.084, 0.084, 0.1, 0.1057, 0.216, 0.216, 0.216]
    by = [0.0293, 0.1172, 0.246, 0.246, 0.246, 0.2929, 0.3096, 0.6327, 0.6327, 0.6327]
    np.testing.assert_allclose(fdr(P), bh, atol=5e-5)
    np.testing.assert_allclose(fdr(P, method="by"), by, atol=5e-5)


def test_nan_is_left_out_of_the_number_of_tests():
    with_gaps = np.array([[0.01, np.nan], [0.02, 0.5]])
    np.testing.assert_allclose(fdr(with_gaps), [[0.03, np.nan], [0.03, 0.5]])
    assert np.isnan(fdr([np.nan, np.nan])).all()


def test_order_does_not_matter_and_input_is_not_changed():
    order = np.random.default_rng(0).permutation(10)
    values = np.array(P)
    np.testing.assert_allclose(fdr(values[order]), fdr(values)[order])
    np.testing.assert_array_equal(values, P)


def test_the_false_discovery_rate_is_kept():
    rng = np.random.default_rng(1)
    shares = []
    for _ in range(400):
        effect = np.arange(50) < 10
        z = rng.standard_normal(50) + 3.0 * effect
        rejected = fdr(norm.sf(z)) <= 0.1
        shares.append((rejected & ~effect).sum() / max(1, rejected.sum()))
    assert np.mean(shares) == pytest.approx(0.1 * 40 / 50, abs=0.02)


def test_max_statistic_keeps_the_family_wise_error_with_correlated_tests():
    rng = np.random.default_rng(2)
    errors = 0
    for _ in range(400):
        table = 0.8 * rng.standard_normal((100, 1)) + 0.6 * rng.standard_normal((100, 50))
        errors += (max_statistic_p(table[0], table[1:]) <= 0.05).any()
    assert errors / 400 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


def test_max_statistic_known_values_in_each_direction():
    null = [[0.1, 0.2], [1.0, -3.0], [0.3, 0.9]]
    np.testing.assert_allclose(max_statistic_p([2.0, 0.5], null), [1 / 4, 3 / 4])
    np.testing.assert_allclose(max_statistic_p([-2.0, 0.5], null, alternative="less"), [2 / 4, 1.0])
    np.testing.assert_allclose(max_statistic_p([-2.0, 0.5], null, alternative="two-sided"), [2 / 4, 3 / 4])


def test_undefined_statistics_do_not_count():
    got = max_statistic_p([2.0, np.nan], [[0.1, np.nan], [1.0, 9.0]])
    np.testing.assert_allclose(got, [1 / 3, np.nan])
    assert np.isnan(max_statistic_p([np.nan], [[1.0], [2.0]])).all()


def test_bad_input_is_refused():
    with pytest.raises(InputError, match=r"`p` must lie in \[0, 1\], got 1.5"):
        fdr([0.5, 1.5])
    with pytest.raises(InputError, match="`method` is 'bonferroni'"):
        fdr([0.5], method="bonferroni")
    with pytest.raises(InputError, match="`alternative` is 'larger'"):
        max_statistic_p([1.0], [[1.0]], alternative="larger")
    with pytest.raises(InputError, match=r"`observed` of shape \(2,\), got \(3, 1\)"):
        max_statistic_p([1.0, 2.0], [[1.0], [2.0], [3.0]])
