from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alignkit._core.errors import InputError
from alignkit.stats import prepare_vectors, weighted_similarity
from alignkit.stats.similarity import SIMILARITY_METHODS, paired_similarity, standardised


def _tau_a(a, b):
    signs = np.sign(a[:, None] - a) * np.sign(b[:, None] - b)
    return signs.sum() / (a.size * (a.size - 1))


def _rho_a(a, b):
    n = a.size
    ranks = stats.rankdata(a) - (n + 1) / 2, stats.rankdata(b) - (n + 1) / 2
    return 12 * (ranks[0] @ ranks[1]) / (n**3 - n)


OF_EXPANDED = {
    "cosine": lambda a, b: a @ b / np.sqrt((a @ a) * (b @ b)),
    "kendall": _tau_a,
    "pearson": lambda a, b: stats.pearsonr(a, b).statistic,
    "rho-a": _rho_a,
    "spearman": lambda a, b: stats.spearmanr(a, b).statistic,
}


@pytest.mark.parametrize("method", SIMILARITY_METHODS)
@pytest.mark.parametrize("decimals", [1, 8])
def test_weights_give_what_repeating_the_pairs_gives(method, decimals):
    rng = np.random.default_rng(0)
    A = np.round(rng.standard_normal((3, 66)) + 1.0, decimals)  # one decimal makes many ties
    B = np.round(rng.standard_normal((4, 66)) + 1.0, decimals)
    weights = rng.integers(0, 5, 66)
    long_a, long_b = np.repeat(A, weights, axis=1), np.repeat(B, weights, axis=1)
    expected = [[OF_EXPANDED[method](a, b) for b in long_b] for a in long_a]
    got = weighted_similarity(A, B, weights, method=method)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-13)


def test_known_values_with_ties():
    x, y = [1, 1, 1, 2, 2, 3], [2, 1, 3, 3, 5, 4]
    got = {m: weighted_similarity(x, y, method=m)[0, 0] for m in ("rho-a", "spearman", "kendall")}
    assert got["rho-a"] == pytest.approx(0.7)
    assert got["spearman"] == pytest.approx(0.7671, abs=5e-5)
    assert got["kendall"] == pytest.approx(0.5333, abs=5e-5)


def test_a_tied_model_does_not_agree_fully_with_itself_in_tau_a_and_rho_a():
    halves = [0, 0, 0, 1, 1, 1]
    assert weighted_similarity(halves, halves, method="kendall")[0, 0] == pytest.approx(0.6)
    assert weighted_similarity(halves, halves, method="rho-a")[0, 0] == pytest.approx(0.771429, abs=1e-6)
    assert weighted_similarity(halves, halves, method="spearman")[0, 0] == pytest.approx(1.0)


@pytest.mark.parametrize(("method", "n_stimuli"), [("pearson", 100), ("spearman", 100), ("kendall", 20)])
def test_agrees_with_rsatoolbox(method, n_stimuli):
    rdm = pytest.importorskip("rsatoolbox.rdm")
    rng = np.random.default_rng(1)
    A, B = rng.random((2, 2, n_stimuli * (n_stimuli - 1) // 2))
    name = {"pearson": "corr", "kendall": "tau-a"}.get(method, method)
    expected = rdm.compare(rdm.RDMs(A), rdm.RDMs(B), method=name)
    np.testing.assert_allclose(weighted_similarity(A, B, method=method), expected, atol=1e-12)


@pytest.mark.parametrize("method", SIMILARITY_METHODS)
def test_scale_never_matters_and_offset_only_to_the_cosine(method):
    rng = np.random.default_rng(2)
    a, b = rng.random((2, 45))
    reference = weighted_similarity(a, b, method=method)
    np.testing.assert_allclose(weighted_similarity(3.0 * a, b, method=method), reference, atol=1e-12)
    shifted = weighted_similarity(a + 5.0, b, method=method)
    assert np.allclose(shifted, reference, atol=1e-12) == (method != "cosine")


@pytest.mark.parametrize("method", ["kendall", "rho-a", "spearman"])
def test_rank_measures_ignore_monotone_changes_and_pearson_does_not(method):
    a, b = np.random.default_rng(3).random((2, 45))
    kept = weighted_similarity(np.exp(5 * a), b, method=method)
    np.testing.assert_allclose(kept, weighted_similarity(a, b, method=method), atol=1e-12)
    changed = weighted_similarity(np.exp(5 * a), b, method="pearson")
    assert not np.allclose(changed, weighted_similarity(a, b, method="pearson"), atol=1e-3)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_constant_rows_are_undefined_also_when_only_the_weights_make_them_so(method):
    constant, b = np.full(6, 0.1), np.arange(6.0)
    assert np.isnan(weighted_similarity(constant, b, method=method)).all()
    partly = np.array([0.1, 0.1, 0.1, 0.7, 0.9, 0.2])
    assert np.isnan(weighted_similarity(partly, b, [2, 1, 1, 0, 0, 0], method=method)).all()
    assert np.isfinite(weighted_similarity(partly, b, [2, 1, 1, 1, 0, 0], method=method)).all()


@pytest.mark.parametrize("method", SIMILARITY_METHODS)
def test_rowwise_comparison_is_the_diagonal_of_the_full_one(method):
    rng = np.random.default_rng(4)
    A, B = np.round(rng.standard_normal((2, 5, 45)), 1)
    full = weighted_similarity(A, B, method=method)
    np.testing.assert_allclose(paired_similarity(A, B, method=method), np.diag(full), atol=1e-13)


@pytest.mark.parametrize("method", ["cosine", "pearson", "rho-a", "spearman"])
def test_standardised_rows_have_similarities_as_dot_products(method):
    rng = np.random.default_rng(5)
    A = np.round(rng.standard_normal((4, 45)), 1)
    rows = standardised(prepare_vectors(A, method=method))
    np.testing.assert_allclose(rows @ rows.T, weighted_similarity(A, A, method=method), atol=1e-13)


def test_large_weights_stay_exact_in_tau_a():
    rng = np.random.default_rng(6)
    a, b = rng.integers(0, 5, (2, 30)).astype(float)
    weights = rng.integers(0, 3, 30)
    expected = weighted_similarity(a, b, weights * 1000, method="kendall")
    counts = weights * 1000.0
    signs = np.sign(a[:, None] - a) * np.sign(b[:, None] - b) * np.outer(counts, counts)
    assert expected[0, 0] == pytest.approx(signs.sum() / (counts.sum() * (counts.sum() - 1)), abs=1e-15)


def test_inputs_are_not_changed():
    a = np.random.default_rng(7).random((2, 10))
    before = a.copy()
    for method in SIMILARITY_METHODS:
        weighted_similarity(a, a, np.full(10, 2), method=method)
    np.testing.assert_array_equal(a, before)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 1, -1], "whole numbers of at least 0, got -1"),
        ([1, 1, 0.5], "whole numbers of at least 0, got 0.5"),
        ([1, 1], r"one value per pair \(3\), got 2"),
    ],
)
def test_bad_weights_are_refused(weights, message):
    with pytest.raises(InputError, match=message):
        weighted_similarity([1, 2, 3], [3, 1, 2], weights, method="pearson")


def test_vectors_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="same number of pairs, got 3 and 4"):
        weighted_similarity([1, 2, 3], [1, 2, 3, 4], method="pearson")
    with pytest.raises(InputError, match="prepared for 'pearson', but `method` is 'cosine'"):
        weighted_similarity(prepare_vectors([1, 2, 3], method="pearson"), [1, 2, 3], method="cosine")
    with pytest.raises(InputError, match="did you mean 'spearman'"):
        weighted_similarity([1, 2, 3], [1, 2, 3], method="spearmann")
    with pytest.raises(InputError, match=r"1 NaN or infinite value\(s\)"):
        prepare_vectors([1, np.nan, 3], method="pearson")
