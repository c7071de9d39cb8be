from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import pearsonr, rankdata

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics import compare_rdms, partial_correlation


def rdms(n, seed=0):
    return np.random.default_rng(seed).random((n, 66))


def residuals(y, controls):
    design = np.column_stack([np.ones(len(y)), *controls])
    return y - design @ np.linalg.lstsq(design, y, rcond=None)[0]


def test_one_control_gives_the_textbook_formula():
    a, b, c = rdms(3)
    a, b = a + c, b + c
    r_ab, r_ac, r_bc = (pearsonr(x, y).statistic for x, y in ((a, b), (a, c), (b, c)))
    expected = (r_ab - r_ac * r_bc) / np.sqrt((1 - r_ac**2) * (1 - r_bc**2))
    assert partial_correlation(a, b, c, method="pearson") == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_several_controls_equal_the_correlation_of_residuals(method):
    first, second, controls = rdms(2), rdms(3, 1), rdms(4, 2)
    first = first + controls[0]
    change = rankdata if method == "spearman" else np.asarray
    result = partial_correlation(first, second, controls, method=method)
    assert result.shape == (2, 3)
    used = [change(c) for c in controls]
    for i, j in itertools.product(range(2), range(3)):
        left = [residuals(change(x), used) for x in (first[i], second[j])]
        assert result[i, j] == pytest.approx(pearsonr(*left).statistic, abs=1e-12)


def test_what_two_rdms_share_through_a_third_is_gone_and_the_rest_stays():
    n = 2000
    rng = np.random.default_rng(0)
    shared, own, a, b = rng.standard_normal((4, n))
    through = partial_correlation(shared + a, shared + b, shared, method="pearson")
    besides = partial_correlation(shared + own + a, shared + own + b, shared, method="pearson")
    assert abs(through) < 3 / np.sqrt(n)
    assert besides == pytest.approx(0.5, abs=0.06)


def test_ranks_make_it_blind_to_increasing_maps_of_any_rdm():
    a, b, c = rdms(3)
    before = partial_correlation(a, b, c)
    assert partial_correlation(np.exp(3 * a), b, c**3) == pytest.approx(before, abs=1e-12)
    straight = partial_correlation(a, b, c, method="pearson")
    assert abs(partial_correlation(np.exp(3 * a), b, c, method="pearson") - straight) > 1e-4


def test_collinear_and_constant_controls_change_nothing():
    a, b, c, d = rdms(4)
    expected = partial_correlation(a, b, [c, d], method="pearson")
    more = [c, d, 2 * c - d + 1, np.ones(66)]
    assert partial_correlation(a, b, more, method="pearson") == pytest.approx(expected, abs=1e-10)
    alone = partial_correlation(a, b, np.ones(66), method="pearson")
    assert alone == pytest.approx(pearsonr(a, b).statistic, abs=1e-12)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_pairs_missing_anywhere_are_left_out_before_ranking(method):
    first, second, controls = rdms(3), rdms(2, 1), rdms(2, 2)
    first[0, :5] = np.nan
    second[1, 3:9] = np.nan
    controls[1, 20] = np.nan
    result = partial_correlation(first, second, controls, method=method)
    for i, j in itertools.product(range(3), range(2)):
        kept = ~np.isnan(first[i]) & ~np.isnan(second[j]) & ~np.isnan(controls).any(axis=0)
        alone = partial_correlation(first[i, kept], second[j, kept], controls[:, kept], method=method)
        assert result[i, j] == pytest.approx(alone, abs=1e-12)


def test_it_is_symmetric_and_leaves_its_input_alone():
    a, b, c = rdms(3)
    before = a.copy()
    assert partial_correlation(a, b, c) == pytest.approx(partial_correlation(b, a, c), abs=1e-14)
    np.testing.assert_array_equal(a, before)


def test_tensors_come_back_as_tensors():
    torch = pytest.importorskip("torch")
    a, b, c = rdms(2), rdms(3, 1), rdms(1, 2)
    found = partial_correlation(*(torch.from_numpy(values) for values in (a, b, c)))
    assert isinstance(found, torch.Tensor)
    np.testing.assert_array_equal(found.numpy(), partial_correlation(a, b, c))


@pytest.mark.parametrize(
    ("a", "b", "given", "message"),
    [
        (np.arange(6.0), np.arange(5.0), np.arange(6.0), "same pairs of stimuli, got 6 and 5"),
        (np.arange(6.0), np.arange(6.0), np.arange(5.0), "`given` must hold the pairs.*got 5 and 6"),
        (np.arange(4.0), [1.0, 3.0, 2.0, 0.0], np.eye(4)[:2], "2 control.*at least 5 pairs.*got 4 for row 0"),
        (np.ones(6), np.arange(6.0), np.eye(6)[0], "RDM 0 of `a` is constant over the 6 pairs"),
        (np.eye(6)[1], 2 * np.eye(6)[0] + 1, np.eye(6)[0], "RDM 0 of `b` is explained wholly by `given`"),
        (np.arange(6.0), np.arange(6.0), [np.inf] * 6, "`given` holds 6 infinite"),
    ],
)
def test_unusable_rdms_are_refused_with_the_numbers(a, b, given, message):
    with pytest.raises(InputError, match=message):
        partial_correlation(a, b, given, method="pearson")


def test_an_unknown_method_lists_close_ones():
    with pytest.raises(UnknownNameError, match="did you mean 'spearman'"):
        partial_correlation(*rdms(3), method="spearmen")


def test_an_rdm_that_varies_by_rounding_alone_is_constant_and_as_a_control_takes_nothing_out():
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 45))
    flat = 0.1 * (1 + 1.1e-16 * rng.integers(-1, 2, 45))
    with pytest.raises(InputError, match="RDM 0 of `b` is constant over the 45 pairs"):
        partial_correlation(a, flat, b)
    for method in ("pearson", "spearman"):
        plain = compare_rdms(a, b, method=method)
        assert partial_correlation(a, b, flat, method=method) == pytest.approx(plain, rel=1e-12)
