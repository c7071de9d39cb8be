from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from alignkit._core.errors import InputError
from alignkit.preprocessing.functional_alignment.procrustes_map import ProcrustesAlignment
from alignkit.preprocessing.functional_alignment.ridge_map import RidgeAlignment


@parametrize_with_checks([RidgeAlignment(), RidgeAlignment(n_folds=2, standardize=False)])
def test_it_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 6)) * np.logspace(-1, 1, 6) + 2
    return X, X @ rng.standard_normal((6, 4)) + 0.5 * rng.standard_normal((80, 4))


def test_it_agrees_with_ridge_regression_at_the_chosen_penalties(pair):
    X, Y = pair
    alignment = RidgeAlignment().fit(X, Y)
    scores = StandardScaler().fit_transform(X)
    for channel, alpha in enumerate(alignment.best_alphas_):
        expected = Ridge(alpha=alpha).fit(scores, Y[:, channel]).predict(scores)
        np.testing.assert_allclose(alignment.transform(X)[:, channel], expected, atol=1e-8)


def test_a_stretching_map_is_recovered_where_a_rotation_cannot(pair):
    X, _ = pair
    rng = np.random.default_rng(1)
    weights = rng.standard_normal((6, 6)) * np.logspace(-1, 1, 6)
    ridge = RidgeAlignment(alphas=[1e-6]).fit(X[:60], X[:60] @ weights)
    turn = ProcrustesAlignment(scaling=True).fit(X[:60], X[:60] @ weights)
    error = [np.linalg.norm(each.transform(X[60:]) - X[60:] @ weights) for each in (ridge, turn)]
    assert error[0] < 1e-4 * error[1]


def test_unrelated_subjects_are_predicted_by_the_mean():
    rng = np.random.default_rng(2)
    X, Y = rng.standard_normal((2, 200, 5))
    alignment = RidgeAlignment().fit(X, Y)
    spread = alignment.transform(X).std(axis=0) / Y.std(axis=0)
    assert np.median(spread) < 0.2
    assert np.median(alignment.best_alphas_) > 100


def test_neighbours_in_time_do_not_choose_the_penalty():
    # Slow noise, of each subject's own, is predictable from its neighbours only.
    rng = np.random.default_rng(3)
    X, Y = np.cumsum(rng.standard_normal((2, 300, 20)), axis=1)
    blocks = RidgeAlignment().fit(X, Y).best_alphas_
    shuffled = RidgeAlignment().fit(X, Y, groups=np.arange(300)).best_alphas_
    assert np.median(blocks) > 30 * np.median(shuffled)


def test_groups_stay_on_one_side_of_a_fold(pair):
    X, Y = pair
    doubled, groups = np.repeat(X, 2, axis=0), np.repeat(np.arange(80), 2)
    noise = np.repeat(np.random.default_rng(4).standard_normal((80, 4)), 2, axis=0)
    together = RidgeAlignment().fit(doubled, noise, groups=groups).best_alphas_
    apart = RidgeAlignment(n_folds=10).fit(X, noise[::2], groups=np.arange(80)).best_alphas_
    assert np.median(together) >= 100
    assert np.median(apart) >= 100
    with pytest.raises(InputError, match="`groups` must have an entry per sample, got 3 for 80"):
        RidgeAlignment().fit(X, Y, groups=[1, 2, 3])


def test_too_few_samples_are_refused(pair):
    X, Y = pair
    with pytest.raises(InputError, match="9 samples are too few for 5 folds of at least 2 each"):
        RidgeAlignment().fit(X[:9], Y[:9])


def test_the_same_seed_gives_the_same_bits(pair):
    groups = np.arange(80) // 4
    first, second = (RidgeAlignment(random_state=3).fit(*pair, groups=groups).coef_ for _ in range(2))
    np.testing.assert_array_equal(first, second)
