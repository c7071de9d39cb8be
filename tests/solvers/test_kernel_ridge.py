from __future__ import annotations

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold

from alignkit._core.errors import InputError
from alignkit.solvers import kernel_matrix, kernel_ridge_cv, ridge_cv

ALPHAS = np.logspace(-3, 3, 13)


def make_data(n_samples=70, n_targets=4):
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, (n_samples, 3))
    noise = np.array([0.01, 0.1, 1, 10])[:n_targets] * rng.standard_normal((n_samples, n_targets))
    return X, np.sin(X @ rng.standard_normal((3, n_targets))) + noise + 3


def k_folds(n_samples, n_folds=5):
    return list(KFold(n_folds, shuffle=True, random_state=0).split(np.arange(n_samples)))


@pytest.mark.parametrize("kind", ["linear", "polynomial", "rbf"])
def test_without_an_intercept_it_equals_scikit_learn(kind):
    X, Y = make_data()
    kernel, folds = kernel_matrix(X, kind=kind), k_folds(len(X))
    result = kernel_ridge_cv(kernel, Y, alphas=ALPHAS, folds=folds, fit_intercept=False)
    scores = np.zeros((len(ALPHAS), Y.shape[1]))
    for train, test in folds:
        for row, alpha in enumerate(ALPHAS):
            model = KernelRidge(alpha=alpha, kernel="precomputed").fit(kernel[np.ix_(train, train)], Y[train])
            predicted = model.predict(kernel[np.ix_(test, train)])
            scores[row] += r2_score(Y[test], predicted, multioutput="raw_values") / len(folds)
    np.testing.assert_array_equal(result.best_alphas, ALPHAS[scores.argmax(0)])
    np.testing.assert_allclose(result.cv_scores, scores.max(0), rtol=1e-6)
    peer = KernelRidge(alpha=result.best_alphas, kernel="precomputed").fit(kernel, Y)
    np.testing.assert_allclose(kernel @ result.dual_coef, peer.predict(kernel), rtol=1e-6)
    np.testing.assert_array_equal(result.intercept, 0)


@pytest.mark.parametrize("folds", ["five", "leave-one-out"])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("n_features", [3, 200])
def test_a_linear_kernel_is_ridge_regression(folds, weighted, n_features):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, n_features)) + 2
    Y = X @ rng.standard_normal((n_features, 3)) + np.array([0.1, 3, 30]) * rng.standard_normal((60, 3))
    options = {
        "alphas": ALPHAS,
        "folds": k_folds(60) if folds == "five" else folds,
        "sample_weight": np.maximum(rng.uniform(-0.2, 2, 60), 0) if weighted else None,
    }
    kernel = X @ X.T
    result, peer = kernel_ridge_cv(kernel, Y, **options), ridge_cv(X, Y, **options)
    np.testing.assert_array_equal(result.best_alphas, peer.best_alphas)
    np.testing.assert_allclose(result.cv_scores, peer.cv_scores, rtol=1e-6, atol=1e-9)
    predicted = kernel @ result.dual_coef + result.intercept
    np.testing.assert_allclose(predicted, X @ peer.coef + peer.intercept, rtol=1e-6, atol=1e-6)
    assert np.abs(result.dual_coef.sum(axis=0)).max() < 1e-8 * np.abs(result.dual_coef).sum()


def test_it_equals_himalaya_on_the_same_folds():
    himalaya = pytest.importorskip("himalaya.kernel_ridge")
    scoring = pytest.importorskip("himalaya.scoring")
    X, Y = make_data()
    kernel = kernel_matrix(X, kind="rbf")
    peer = himalaya.KernelRidgeCV(
        alphas=ALPHAS, kernel="precomputed", cv=KFold(5), solver_params={"score_func": scoring.r2_score}
    ).fit(kernel, Y)
    result = kernel_ridge_cv(kernel, Y, alphas=ALPHAS, folds=list(KFold(5).split(X)), fit_intercept=False)
    np.testing.assert_allclose(result.best_alphas, peer.best_alphas_)
    np.testing.assert_allclose(result.cv_scores, np.ravel(peer.cv_scores_), rtol=1e-6)


@pytest.mark.parametrize("trouble", ["flat", "duplicates", "narrow"])
@pytest.mark.parametrize("kernel_type", [np.float32, np.float64])
def test_ill_conditioned_kernels_work_in_float32(trouble, kernel_type):
    X, Y = make_data(120)
    if trouble == "duplicates":
        X, Y = np.vstack([X, X]), np.vstack([Y, Y])
    gamma = {"flat": 1e-4, "duplicates": 1.0, "narrow": 1e4}[trouble]
    folds = k_folds(len(X))
    kernel = kernel_matrix(X, kind="rbf", gamma=gamma)
    expected = kernel_ridge_cv(kernel, Y, alphas=ALPHAS, folds=folds)
    single = kernel_ridge_cv(kernel.astype(kernel_type), Y.astype(np.float32), alphas=ALPHAS, folds=folds)
    np.testing.assert_allclose(
        single.cv_scores, expected.cv_scores, atol=2e-4 if kernel_type == np.float32 else 2e-6
    )
    exact, rounded = (kernel @ found.dual_coef + found.intercept for found in (expected, single))
    # A nearly constant kernel has lost its digits once it is float32; its decomposition loses no more.
    assert np.abs(rounded - exact).max() < (0.1 if kernel_type == np.float32 else 1e-4) * Y.std()


def test_a_planted_curve_is_found_where_a_line_finds_nothing():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (120, 2))
    Y = (X**2).sum(axis=1, keepdims=True) + 0.05 * rng.standard_normal((120, 1))
    folds = k_folds(120)
    curved = kernel_ridge_cv(kernel_matrix(X, kind="rbf"), Y, alphas=ALPHAS, folds=folds)
    straight = kernel_ridge_cv(kernel_matrix(X, kind="linear"), Y, alphas=ALPHAS, folds=folds)
    null = kernel_ridge_cv(kernel_matrix(X, kind="rbf"), rng.permutation(Y), alphas=ALPHAS, folds=folds)
    assert curved.cv_scores[0] > 0.9
    assert straight.cv_scores[0] < 0.1
    assert null.cv_scores[0] < 0.1


def test_small_asymmetry_and_small_negative_eigenvalues_are_rounding():
    X, Y = make_data()
    kernel = kernel_matrix(X, kind="rbf")
    noise = 1e-9 * np.random.default_rng(0).standard_normal(kernel.shape)
    options = {"alphas": ALPHAS[4:], "folds": k_folds(len(X))}
    np.testing.assert_allclose(
        kernel_ridge_cv(kernel + noise, Y, **options).cv_scores,
        kernel_ridge_cv(kernel, Y, **options).cv_scores,
        atol=1e-5,
    )


def test_a_constant_kernel_predicts_the_mean():
    _, Y = make_data(20)
    result = kernel_ridge_cv(np.ones((20, 20)), Y, alphas=ALPHAS, folds=k_folds(20))
    np.testing.assert_allclose(result.intercept, Y.mean(axis=0))
    np.testing.assert_array_equal(result.dual_coef, 0)


def test_input_is_not_changed_and_the_same_call_gives_the_same_bits():
    X, Y = make_data()
    kernel = kernel_matrix(X, kind="rbf")
    before = kernel.copy(), Y.copy()
    first, second = (kernel_ridge_cv(kernel, Y, alphas=ALPHAS, folds=k_folds(len(X))) for _ in range(2))
    np.testing.assert_array_equal(first.dual_coef, second.dual_coef)
    np.testing.assert_array_equal(kernel, before[0])
    np.testing.assert_array_equal(Y, before[1])


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (np.ones((20, 19)), r"`K` must be square, \(n_samples, n_samples\), got shape \(20, 19\)"),
        (np.ones((19, 19)), "`K` and `Y` must have the same number of samples, got 19 and 20"),
        (
            np.triu(np.ones((20, 20))),
            "`K` must be symmetric.*mirror images by up to 1, where the largest is 1",
        ),
        (-np.eye(20), "`K` must be positive semi-definite, but its smallest eigenvalue is -1 "),
        (np.full((20, 20), np.nan), r"`K` holds 400 NaN"),
    ],
)
def test_what_is_no_kernel_is_refused_with_the_numbers(kernel, message):
    with pytest.raises(InputError, match=message):
        kernel_ridge_cv(
            kernel, np.random.default_rng(0).standard_normal((20, 2)), alphas=[1.0], folds=k_folds(20)
        )


def test_distances_are_refused():
    X, Y = make_data()
    distances = np.linalg.norm(X[:, None] - X, axis=2)
    with pytest.raises(InputError, match=r"its smallest eigenvalue is -\d.*Give inner products"):
        kernel_ridge_cv(distances, Y, alphas=[1.0], folds=k_folds(len(X)))
