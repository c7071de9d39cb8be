from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kstest, pareto

from alignkit._core.errors import InputError
from alignkit.metrics.geometry.power_laws import fit_power_law_tail


@pytest.fixture(scope="module")
def draws():
    return (1 - np.random.default_rng(0).random(5000)) ** (-1 / 1.5)


def test_a_pareto_sample_has_its_known_exponent(draws):
    known = fit_power_law_tail(draws, x_min=1.0)
    assert known.alpha == pytest.approx(2.5026, abs=5e-5)
    assert known.n_tail == 5000
    assert known.alpha_error == pytest.approx((known.alpha - 1) / np.sqrt(5000), rel=1e-12)
    searched = fit_power_law_tail(draws[:2000])
    assert searched.alpha == pytest.approx(2.4929, abs=5e-5)
    assert searched.n_tail == 1957


def test_exponent_and_distance_equal_scipys(draws):
    found = fit_power_law_tail(draws[:400], x_min=1.5)
    tail = draws[:400][draws[:400] >= 1.5]
    shape = pareto.fit(tail, floc=0, fscale=1.5)[0]
    assert found.alpha == pytest.approx(1 + shape, rel=1e-6)
    assert found.ks_distance == pytest.approx(kstest(tail, pareto(shape, scale=1.5).cdf).statistic, rel=1e-6)


def test_the_start_is_the_one_with_the_least_distance(draws):
    values = np.concatenate([draws[:150], np.random.default_rng(1).random(150)])
    found = fit_power_law_tail(values, min_tail=20)
    starts = np.sort(values)[:-19]
    fits = [fit_power_law_tail(values, x_min=start) for start in starts]
    best = min(fits, key=lambda fit: fit.ks_distance)
    assert found.ks_distance == pytest.approx(best.ks_distance, rel=1e-9)
    assert found.x_min == pytest.approx(best.x_min, rel=1e-12)
    assert found.n_tail >= 20
    assert 0.8 < found.x_min < 3


def test_the_error_is_that_of_new_samples():
    rng = np.random.default_rng(0)
    fits = [fit_power_law_tail((1 - rng.random(200)) ** (-1 / 1.5), x_min=1.0) for _ in range(200)]
    spread = np.std([fit.alpha for fit in fits], ddof=1)
    assert fits[0].alpha_error == pytest.approx(spread, rel=0.2)


def test_scale_is_free_ties_are_one_start_and_tensors_are_fine(draws):
    values = draws[:100]
    found = fit_power_law_tail(values)
    scaled = fit_power_law_tail(1e6 * values)
    assert scaled.alpha == pytest.approx(found.alpha, rel=1e-9)
    assert scaled.x_min == pytest.approx(1e6 * found.x_min, rel=1e-9)
    assert fit_power_law_tail(torch.from_numpy(values)).alpha == found.alpha
    assert fit_power_law_tail([1, 1, 2, 2, 4, 8]).n_tail >= 2


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([1.0, 0.0], {}, "`values` must be positive, but the smallest is 0"),
        ([1.0, 2.0], {"min_tail": 1}, "`min_tail` must be at least 2, got 1"),
        ([1.0, 2.0], {"min_tail": 3}, "the tail needs at least 3 values, got 2 of 2"),
        ([1.0, 2.0], {"x_min": 1.5}, "the tail needs at least 2 values, got 1 of 2"),
        ([1.0, 2.0], {"x_min": -1.0}, "`x_min` must be above 0 and finite, got -1"),
        ([3.0, 3.0, 3.0], {}, "all 3 values of the tail are equal"),
        ([1.0, np.inf], {}, r"`values` holds 1 NaN or infinite value\(s\)"),
    ],
)
def test_unusable_values_are_refused(values, options, message):
    with pytest.raises(InputError, match=message):
        fit_power_law_tail(values, **options)


def test_values_that_differ_by_rounding_alone_have_no_tail():
    values = 0.1 * (1 + 1.1e-16 * np.random.default_rng(0).integers(-1, 2, 50))
    with pytest.raises(InputError, match="values of the tail are equal"):
        fit_power_law_tail(values)
