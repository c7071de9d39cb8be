from __future__ import annotations

import logging
import subprocess
import sys

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

import alignkit.solvers
from alignkit._core.errors import InputError, UnknownNameError
from alignkit._core.progress import reporting
from alignkit.solvers import _training_part, ridge, ridge_cv, ridge_fit

ALPHAS = np.logspace(-1, 5, 13)
# The shapes take every route: long test parts, short ones, more features than samples.
SHAPES = {"long": (300, 20), "square": (60, 50), "wide": (50, 200)}


def make_data(shape, n_targets=7, offset=0.0):
    rng = np.random.default_rng(0)
    n_samples, n_features = SHAPES[shape]
    X = rng.standard_normal((n_samples, n_features)) * np.logspace(-1, 1, n_features) + offset
    noise = np.logspace(-1, 2, n_targets) * rng.standard_normal((n_samples, n_targets))
    return X, (X - offset) @ rng.standard_normal((n_features, n_targets)) + noise + offset


def k_folds(X, n_folds=5):
    return list(KFold(n_folds).split(X))


def by_scikit_learn(X, Y, alphas, folds, *, fit_intercept=True, standardize=False):
    """Return mean R2 (n_alphas, n_targets) from one fit per fold and alpha."""
    scores = np.zeros((len(alphas), Y.shape[1]))
    for train, test in folds:
        scaler = StandardScaler(with_mean=fit_intercept, with_std=standardize).fit(X[train])
        seen, held_out = scaler.transform(X[train]), scaler.transform(X[test])
        for row, alpha in enumerate(alphas):
            model = Ridge(alpha=alpha, fit_intercept=fit_intercept, solver="svd").fit(seen, Y[train])
            scores[row] += r2_score(Y[test], model.predict(held_out), multioutput="raw_values")
    return scores / len(folds)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
def test_scores_alphas_and_coefficients_equal_scikit_learn(shape, fit_intercept, standardize):
    X, Y = make_data(shape, offset=2.0)
    folds = k_folds(X)
    options = {"fit_intercept": fit_intercept, "standardize": standardize}
    result = ridge_cv(X, Y, alphas=ALPHAS, folds=folds, **options)
    if standardize and not fit_intercept:
        X_scaled = X / X.std(axis=0)
        peer = Ridge(alpha=result.best_alphas, fit_intercept=False, solver="svd").fit(X_scaled, Y)
        np.testing.assert_allclose(result.coef, (peer.coef_ / X.std(axis=0)).T, rtol=1e-7, atol=1e-9)
        return
    expected = by_scikit_learn(X, Y, ALPHAS, folds, **options)
    np.testing.assert_array_equal(result.best_alphas, ALPHAS[expected.argmax(axis=0)])
    np.testing.assert_allclose(result.cv_scores, expected.max(axis=0), rtol=1e-8, atol=1e-10)
    scaler = StandardScaler(with_mean=False, with_std=standardize).fit(X)
    peer = Ridge(alpha=result.best_alphas, fit_intercept=fit_intercept, solver="svd").fit(
        scaler.transform(X), Y
    )
    scale = scaler.scale_ if standardize else 1.0
    np.testing.assert_allclose(result.coef, (peer.coef_ / scale).T, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(result.intercept, peer.intercept_, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_equals_himalaya_on_the_same_folds(shape, dtype):
    himalaya = pytest.importorskip("himalaya.ridge")
    scoring = pytest.importorskip("himalaya.scoring")
    X, Y = (values.astype(dtype) for values in make_data(shape))
    peer = himalaya.RidgeCV(
        alphas=ALPHAS.astype(dtype),
        fit_intercept=True,
        cv=KFold(5),
        solver_params={"score_func": scoring.r2_score, "warn": False},
    ).fit(X, Y)
    result = ridge_cv(X, Y, alphas=ALPHAS, folds=k_folds(X))
    single = dtype == np.float32
    np.testing.assert_allclose(result.best_alphas, peer.best_alphas_, rtol=1e-5)
    np.testing.assert_allclose(result.cv_scores, peer.cv_scores_.ravel(), atol=5e-6 if single else 1e-8)
    largest = np.abs(peer.coef_).max()
    np.testing.assert_allclose(result.coef, peer.coef_, atol=largest * (2e-5 if single else 1e-9))
    np.testing.assert_allclose(result.intercept, peer.intercept_, atol=1e-4 if single else 1e-8)


def test_published_himalaya_numbers_are_reproduced():
    rs = np.random.RandomState(1)
    F, W = rs.randn(120, 30), rs.randn(30, 6)
    T = F @ W + np.array([1, 2, 4, 8, 16, 32]) * rs.randn(120, 6)
    folds = k_folds(F[:90])
    result = ridge_cv(F[:90], T[:90], alphas=ALPHAS, folds=folds, scoring="neg-mse", fit_intercept=False)
    expected = [1.0, 3.1622776602, 10.0, 31.6227766017, 1e5, 1e3]
    np.testing.assert_allclose(result.best_alphas, expected, rtol=1e-9)
    r2 = r2_score(T[90:], F[90:] @ result.coef, multioutput="raw_values")
    expected = [0.9572102027, 0.77507744, 0.5392933108, 0.392300734, -0.0886092472, -0.0005350955]
    np.testing.assert_allclose(r2, expected, atol=1e-9)


def test_the_example_of_the_himalaya_readme_is_reproduced():
    rs = np.random.RandomState(0)
    X, Y = rs.randn(10, 5), rs.randn(10, 4)
    folds = k_folds(X)
    result = ridge_cv(X, Y, alphas=[1, 10, 100], folds=folds, scoring="neg-mse", fit_intercept=False)
    np.testing.assert_array_equal(result.best_alphas, [10, 100, 10, 100])
    expected = [0.0021146416, -0.2472313658, -0.0976911081, -0.0513771461, -0.1385363825]
    np.testing.assert_allclose(result.coef[:, 0], expected, atol=1e-9)
    np.testing.assert_array_equal(result.intercept, 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_fit_at_given_alphas_equals_scikit_learn(shape):
    X, Y = make_data(shape, offset=5.0)
    alphas = np.logspace(-2, 3, Y.shape[1])
    fit = ridge_fit(X, Y, alphas=alphas)
    peer = Ridge(alpha=alphas, solver="svd").fit(X, Y)
    np.testing.assert_allclose(fit.coef, peer.coef_.T, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(fit.intercept, peer.intercept_, rtol=1e-8)
    one = ridge_fit(X, Y, alphas=3.0)
    np.testing.assert_allclose(
        one.coef, Ridge(alpha=3.0, solver="svd").fit(X, Y).coef_.T, rtol=1e-8, atol=1e-10
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_blocks_and_chunks_change_nothing(shape, monkeypatch):
    X, Y = make_data(shape)
    whole = ridge_cv(X, Y, alphas=ALPHAS, folds=k_folds(X), standardize=True)
    monkeypatch.setattr(ridge, "BLOCK_ELEMENTS", 2 * len(X))
    monkeypatch.setattr(_training_part, "CHUNK_ELEMENTS", 700)
    parts = ridge_cv(X, Y, alphas=ALPHAS, folds=k_folds(X), standardize=True)
    np.testing.assert_array_equal(parts.best_alphas, whole.best_alphas)
    np.testing.assert_allclose(parts.cv_scores, whole.cv_scores, rtol=1e-10)
    np.testing.assert_allclose(parts.coef, whole.coef, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("shape", SHAPES)
def test_targets_do_not_depend_on_each_other(shape):
    X, Y = make_data(shape)
    together = ridge_cv(X, Y, alphas=ALPHAS, folds=k_folds(X))
    alone = ridge_cv(X, Y[:, 2:3], alphas=ALPHAS, folds=k_folds(X))
    assert alone.best_alphas[0] == together.best_alphas[2]
    np.testing.assert_allclose(alone.coef[:, 0], together.coef[:, 2], rtol=1e-9)


def test_float32_stays_close_to_float64_with_collinear_features():
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((400, 5))
    for n_features in (100, 1000):
        X = (100 * latent @ rng.standard_normal((5, n_features))).astype(np.float32)
        X += rng.standard_normal((400, n_features)).astype(np.float32)
        Y = (latent @ rng.standard_normal((5, 3)) + rng.standard_normal((400, 3))).astype(np.float32)
        single = ridge_fit(X, Y, alphas=0.1)
        double = ridge_fit(X.astype(np.float64), Y.astype(np.float64), alphas=0.1)
        assert single.coef.dtype == np.float32
        error = np.linalg.norm(single.coef - double.coef) / np.linalg.norm(double.coef)
        assert error < 1e-4


@pytest.mark.parametrize("shape", [(400, 100), (120, 600)])
def test_collinear_features_go_through_float64_and_it_is_said(shape, caplog):
    rng = np.random.default_rng(0)
    X = rng.standard_normal(shape).astype(np.float32)
    Y = rng.standard_normal((shape[0], 3)).astype(np.float32)
    latent = rng.standard_normal((shape[0], 2)).astype(np.float32)
    collinear = X + 300 * latent @ rng.standard_normal((2, shape[1])).astype(np.float32)
    with caplog.at_level(logging.INFO, logger="alignkit.solvers"):
        ridge_fit(X, Y, alphas=1.0)
        assert "float64" not in caplog.text
        ridge_fit(collinear, Y, alphas=1.0)
        assert "ridge: collinear" in caplog.text
        assert "float64" in caplog.text


@pytest.mark.parametrize("shape", [(250, 200), (320, 300), (100, 400)])
@pytest.mark.parametrize("smallest", [0.1, 1e-8])
@pytest.mark.parametrize("decay", [0.0, 1.5])
def test_float32_scores_hold_where_the_smallest_alpha_fits_noise(shape, smallest, decay):
    rng = np.random.default_rng(0)
    X = rng.standard_normal(shape) / np.arange(1, shape[1] + 1) ** decay
    Y = X @ rng.standard_normal((shape[1], 30))
    Y = Y / Y.std(axis=0) + rng.standard_normal(Y.shape)
    grid = np.geomspace(smallest, 1e8, 20)
    single = ridge_cv(X.astype(np.float32), Y.astype(np.float32), alphas=grid, folds=k_folds(X))
    double = ridge_cv(X, Y, alphas=grid, folds=k_folds(X))
    np.testing.assert_allclose(single.cv_scores, double.cv_scores, atol=5e-6)
    assert (single.best_alphas == double.best_alphas).mean() > 0.95


def test_a_large_offset_costs_no_digits():
    X, Y = make_data("long")
    expected = ridge_cv(X, Y, alphas=ALPHAS, folds=k_folds(X))
    shifted = ridge_cv(X + 1e6, Y - 1e6, alphas=ALPHAS, folds=k_folds(X))
    np.testing.assert_allclose(shifted.coef, expected.coef, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(shifted.cv_scores, expected.cv_scores, rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e7 + 0.1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_target_scores_zero_and_gets_no_weight(value, dtype):
    X, Y = (values.astype(dtype) for values in make_data("long"))
    Y[:, 3] = value
    result = ridge_cv(X, Y, alphas=ALPHAS, folds=k_folds(X))
    assert result.cv_scores[3] == 0
    assert result.best_alphas[3] == ALPHAS.max()
    np.testing.assert_array_equal(result.coef[:, 3], 0)
    assert result.intercept[3] == dtype(value)


def test_a_target_that_is_constant_in_one_test_part_scores_zero_there():
    X, Y = make_data("long")
    folds = k_folds(X, 3)
    Y[folds[1][1], 0] = 0.3
    expected = by_scikit_learn(X, Y[:, :1], [10.0], [folds[0], folds[2]])[0, 0] * 2 / 3
    assert ridge_cv(X, Y[:, :1], alphas=[10.0], folds=folds).cv_scores[0] == pytest.approx(expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_constant_feature_changes_nothing(shape):
    X, Y = make_data(shape)
    folds = k_folds(X)
    more = np.column_stack([X, np.full(len(X), 0.1)])
    expected = ridge_cv(X, Y, alphas=ALPHAS, folds=folds, standardize=True)
    result = ridge_cv(more, Y, alphas=ALPHAS, folds=folds, standardize=True)
    np.testing.assert_array_equal(result.coef[-1], 0)
    np.testing.assert_allclose(result.coef[:-1], expected.coef, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(result.cv_scores, expected.cv_scores, rtol=1e-8)


def test_a_feature_that_varies_in_the_test_part_alone_is_not_blown_up():
    X, Y = make_data("long")
    folds = k_folds(X, 3)
    X[:, 0] = 0.0
    X[folds[0][1][::2], 0] = 1.0
    without = ridge_cv(X[:, 1:], Y, alphas=[1.0], folds=folds[:1], standardize=True)
    result = ridge_cv(X, Y, alphas=[1.0], folds=folds[:1], standardize=True)
    np.testing.assert_allclose(result.cv_scores, without.cv_scores, rtol=1e-8)


def test_folds_need_not_cover_all_rows():
    X, Y = make_data("wide")
    folds = [(np.arange(20), np.arange(25, 35)), (np.arange(10, 40), np.arange(41, 50))]
    expected = by_scikit_learn(X, Y, ALPHAS, folds)
    result = ridge_cv(X, Y, alphas=ALPHAS, folds=folds)
    np.testing.assert_allclose(result.cv_scores, expected.max(axis=0), rtol=1e-8)


def test_ties_go_to_the_largest_alpha_whatever_the_order():
    X = np.random.default_rng(0).standard_normal((20, 2))
    for alphas in ([1.0, 100.0, 10.0], [100.0, 10.0, 1.0]):
        assert ridge_cv(X, np.ones((20, 1)), alphas=alphas, folds=k_folds(X)).best_alphas[0] == 100


def test_the_same_call_gives_the_same_bits_and_leaves_its_input_alone():
    X, Y = make_data("square")
    before = X.copy(), Y.copy()
    first, second = (ridge_cv(X, Y, alphas=ALPHAS, folds=k_folds(X)) for _ in range(2))
    np.testing.assert_array_equal(first.coef, second.coef)
    np.testing.assert_array_equal(first.cv_scores, second.cv_scores)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(Y, before[1])


def test_read_only_reversed_and_foreign_byte_order_arrays_are_fine():
    X, Y = make_data("square")
    expected = ridge_fit(X[::-1].copy(), Y[::-1].copy(), alphas=1.0)
    X.flags.writeable = Y.flags.writeable = False
    np.testing.assert_array_equal(ridge_fit(X[::-1], Y[::-1], alphas=1.0).coef, expected.coef)
    big_endian = ridge_fit(X[::-1].astype(">f8"), Y[::-1].astype(">f8"), alphas=1.0)
    np.testing.assert_array_equal(big_endian.coef, expected.coef)


def test_integers_are_computed_in_float64():
    rng = np.random.default_rng(0)
    X, Y = rng.integers(0, 9, (30, 4)), rng.integers(0, 9, (30, 2))
    np.testing.assert_array_equal(
        ridge_fit(X, Y, alphas=1).coef, ridge_fit(X.astype(float), Y.astype(float), alphas=1.0).coef
    )


def test_progress_is_reported_per_fold():
    X, Y = make_data("square")
    seen = []
    with reporting(lambda *step: seen.append(step)):
        ridge_cv(X, Y, alphas=ALPHAS, folds=k_folds(X, 3))
    assert seen == [("ridge: folds", done, 3) for done in range(4)]


@pytest.mark.gpu
def test_cuda_equals_the_cpu():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    for shape in SHAPES:
        X, Y = make_data(shape)
        on_cpu = ridge_cv(X, Y, alphas=ALPHAS, folds=k_folds(X), device="cpu")
        on_gpu = ridge_cv(X, Y, alphas=ALPHAS, folds=k_folds(X), device="cuda")
        np.testing.assert_array_equal(on_gpu.best_alphas, on_cpu.best_alphas)
        np.testing.assert_allclose(on_gpu.coef, on_cpu.coef, rtol=1e-7, atol=1e-9)


FOLDS = [(np.arange(10), np.arange(10, 20))]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.ones((19, 3))}, "same number of samples, got 19 and 20"),
        ({"X": np.ones(20)}, r"`X` must have 2 dimension\(s\), got shape \(20,\)"),
        ({"Y": np.ones(20)}, r"`Y` must have 2 dimension\(s\), got shape \(20,\)"),
        ({"X": np.empty((20, 0))}, r"`X` has no columns, got shape \(20, 0\)"),
        ({"Y": np.full((20, 2), np.nan)}, r"`Y` holds 40 NaN or infinite value\(s\)"),
        ({"X": np.full((20, 2), np.inf)}, r"`X` holds 40 NaN or infinite value\(s\)"),
        ({"alphas": []}, "`alphas` needs at least 1 rows, got 0"),
        ({"alphas": [1.0, -2.0]}, "`alphas` must be positive, got -2"),
        ({"folds": []}, "`folds` is empty"),
        ({"folds": [([], [1, 2])]}, r"training part of fold 0 has 0 row\(s\), but needs at least 1"),
        ({"folds": [*FOLDS, ([1, 2], [3])]}, r"test part of fold 1 has 1 row\(s\), but needs at least 2"),
        ({"folds": [([0.0, 1.0], [2, 3])]}, "list of row numbers, got dtype float64"),
        ({"folds": [([0, 1], [2, 20])]}, "test part of fold 0 names row 20, but there are 20 samples"),
        ({"folds": [([0, -1], [2, 3])]}, "training part of fold 0 names row -1"),
        ({"folds": [([0, 1, 2], [2, 3])]}, r"fold 0 has 1 row\(s\) in both.*such as row 2"),
        ({"device": "abacus"}, "`device` is 'abacus', which torch does not know"),
    ],
)
def test_unusable_input_is_refused_with_the_numbers(change, message):
    rng = np.random.default_rng(0)
    options = {
        "X": rng.standard_normal((20, 3)),
        "Y": rng.standard_normal((20, 2)),
        "alphas": [1.0],
        "folds": FOLDS,
    }
    options |= change
    with pytest.raises(InputError, match=message):
        ridge_cv(options.pop("X"), options.pop("Y"), **options)


def test_alphas_of_a_fit_must_match_the_targets():
    with pytest.raises(InputError, match="one number or one per target, got 3 for 2 targets"):
        ridge_fit(np.eye(4), np.eye(4)[:, :2], alphas=[1.0, 2.0, 3.0])


def test_an_unknown_scoring_is_refused():
    X, Y = make_data("square")
    with pytest.raises(UnknownNameError, match="`scoring` is 'mse'"):
        ridge_cv(X, Y, alphas=ALPHAS, folds=k_folds(X), scoring="mse")


def test_a_missing_cuda_device_is_said():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(InputError, match="`device` is 'cuda', but torch sees no CUDA device"):
        ridge_fit(np.eye(4), np.eye(4), alphas=1.0, device="cuda")


def test_the_package_is_light_and_lists_what_it_hands_on():
    assert alignkit.solvers.__all__ == sorted(alignkit.solvers.__all__) == dir(alignkit.solvers)
    with pytest.raises(AttributeError, match="no attribute 'lasso'"):
        alignkit.solvers.lasso  # noqa: B018
    code = "import sys, alignkit.solvers.ridge; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
