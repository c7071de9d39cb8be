from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from sklearn.utils.estimator_checks import parametrize_with_checks

from alignkit._core.errors import InputError
from alignkit.preprocessing.functional_alignment.procrustes_map import ProcrustesAlignment


def rotation(rng, rows, columns):
    """Return a random matrix with orthonormal columns, or rows where it is wider than tall."""
    tall = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))[0]
    return tall if rows >= columns else tall.T


@parametrize_with_checks([ProcrustesAlignment(), ProcrustesAlignment(scaling=True, center=False)])
def test_it_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize(("n_source", "n_target"), [(6, 6), (4, 7)])
def test_a_planted_rotation_is_recovered(n_source, n_target):
    rng = np.random.default_rng(0)
    X, R = rng.standard_normal((50, n_source)) + 3, rotation(rng, n_source, n_target)
    Y = X @ R + rng.standard_normal(n_target)
    alignment = ProcrustesAlignment().fit(X, Y)
    np.testing.assert_allclose(alignment.coef_, R, atol=1e-8)
    np.testing.assert_allclose(alignment.transform(X), Y, atol=1e-8)
    assert alignment.rank_ == n_source
    new = rng.standard_normal((5, n_source))
    np.testing.assert_allclose(alignment.transform(new) - alignment.transform(0 * new), new @ R, atol=1e-8)


def test_a_planted_rotation_to_fewer_channels_is_recovered_from_white_responses():
    rng = np.random.default_rng(0)
    # Columns about 0, of unit length and at right angles: the source says all directions equally loud.
    X = rng.standard_normal((50, 7))
    X = np.linalg.qr(X - X.mean(axis=0))[0]
    R = rotation(rng, 7, 4)
    np.testing.assert_allclose(ProcrustesAlignment().fit(X, X @ R).coef_, R, atol=1e-8)


def test_it_agrees_with_scipy():
    rng = np.random.default_rng(1)
    X, Y = rng.standard_normal((2, 40, 5))
    R, total = orthogonal_procrustes(X - X.mean(axis=0), Y - Y.mean(axis=0))
    np.testing.assert_allclose(ProcrustesAlignment().fit(X, Y).coef_, R, atol=1e-10)
    scaled = ProcrustesAlignment(scaling=True).fit(X, Y)
    assert scaled.scale_ == pytest.approx(total / np.sum((X - X.mean(axis=0)) ** 2))
    raw, _ = orthogonal_procrustes(X, Y)
    np.testing.assert_allclose(ProcrustesAlignment(center=False).fit(X, Y).coef_, raw, atol=1e-10)


@pytest.mark.parametrize(("n_source", "n_target"), [(5, 5), (3, 6), (6, 3)])
def test_columns_or_rows_are_orthonormal(n_source, n_target):
    rng = np.random.default_rng(2)
    X, Y = rng.standard_normal((30, n_source)), rng.standard_normal((30, n_target))
    R = ProcrustesAlignment().fit(X, Y).coef_
    product = R.T @ R if n_source >= n_target else R @ R.T
    np.testing.assert_allclose(product, np.eye(min(n_source, n_target)), atol=1e-12)


@pytest.mark.parametrize(("n_source", "n_target"), [(5, 5), (3, 6)])
def test_no_other_rotation_is_closer(n_source, n_target):
    rng = np.random.default_rng(3)
    X, Y = rng.standard_normal((30, n_source)), rng.standard_normal((30, n_target))
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    best = np.linalg.norm(X @ ProcrustesAlignment().fit(X, Y).coef_ - Y)
    others = [np.linalg.norm(X @ rotation(rng, n_source, n_target) - Y) for _ in range(200)]
    assert best < min(others)


def test_the_factor_is_that_of_least_squares():
    rng = np.random.default_rng(4)
    for n_source, n_target in ((5, 5), (3, 6), (6, 3)):
        X, Y = rng.standard_normal((30, n_source)), rng.standard_normal((30, n_target))
        turned = ProcrustesAlignment().fit(X, Y)
        moved = turned.transform(X) - turned.target_mean_
        expected = np.sum(moved * (Y - Y.mean(axis=0))) / np.sum(moved**2)
        scaled = ProcrustesAlignment(scaling=True).fit(X, Y)
        assert scaled.scale_ == pytest.approx(expected)
        np.testing.assert_allclose(scaled.coef_, expected * turned.coef_)
    assert turned.scale_ == 1.0


def test_a_planted_factor_is_recovered_and_means_nothing_without_scaling():
    rng = np.random.default_rng(5)
    X, R = rng.standard_normal((50, 4)), rotation(rng, 4, 4)
    Y = 2.5 * X @ R
    assert ProcrustesAlignment(scaling=True).fit(X, Y).scale_ == pytest.approx(2.5, abs=1e-10)
    np.testing.assert_allclose(ProcrustesAlignment().fit(X, Y).coef_, R, atol=1e-10)


def test_distances_between_samples_stay_as_they_were():
    rng = np.random.default_rng(6)
    X, Y = rng.standard_normal((2, 40, 5))
    moved = ProcrustesAlignment().fit(X, Y).transform(X)
    np.testing.assert_allclose(
        np.linalg.norm(moved[:, None] - moved, axis=2), np.linalg.norm(X[:, None] - X, axis=2), atol=1e-10
    )


def test_with_more_channels_than_samples_the_map_is_the_same_and_drops_what_was_not_seen():
    rng = np.random.default_rng(7)
    X, Y = rng.standard_normal((12, 40)), rng.standard_normal((12, 30))
    alignment = ProcrustesAlignment().fit(X, Y)
    assert alignment.rank_ == 11
    left, values, right = np.linalg.svd((X - X.mean(axis=0)).T @ (Y - Y.mean(axis=0)), full_matrices=False)
    np.testing.assert_allclose(alignment.coef_, left[:, :11] @ right[:11], atol=1e-9)
    # A direction that no training sample has is taken to 0.
    unseen = rng.standard_normal(40)
    seen = (X - X.mean(axis=0)).T
    unseen -= seen @ np.linalg.lstsq(seen, unseen, rcond=None)[0]
    np.testing.assert_allclose(unseen @ alignment.coef_, 0, atol=1e-9)


def test_a_constant_source_is_mapped_to_the_targets_mean():
    Y = np.random.default_rng(8).standard_normal((6, 2))
    alignment = ProcrustesAlignment(scaling=True).fit(np.ones((6, 3)), Y)
    assert (alignment.rank_, alignment.scale_) == (0, 1.0)
    np.testing.assert_allclose(alignment.transform(np.ones((2, 3))), np.tile(Y.mean(axis=0), (2, 1)))


def test_inputs_stay_and_results_repeat():
    rng = np.random.default_rng(9)
    X, Y = rng.standard_normal((2, 20, 4))
    before = X.copy(), Y.copy()
    first, second = (ProcrustesAlignment(scaling=True).fit(X, Y).coef_ for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal((X, Y), before)


def test_pairs_that_do_not_fit_are_refused():
    X = np.random.default_rng(0).standard_normal((6, 3))
    for source, target, message in (
        (X, X[:5], r"inconsistent numbers of samples: \[6, 5\]"),
        (X[:1], X[:1], "minimum of 2 is required"),
        (X * np.nan, X, "contains NaN"),
    ):
        with pytest.raises(InputError, match=message):
            ProcrustesAlignment().fit(source, target)
    with pytest.raises(InputError, match="expecting 3 features"):
        ProcrustesAlignment().fit(X, X).transform(X[:, :2])
