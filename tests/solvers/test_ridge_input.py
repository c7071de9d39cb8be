from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.preprocessing import StandardScaler

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.solvers import _primal_folds, ridge_cv, ridge_fit

ALPHAS = np.logspace(-1, 4, 11)
SHAPES = {"long": (200, 12), "square": (60, 50), "wide": (50, 120)}


def make_data(shape, n_targets=5, offset=2.0):
    rng = np.random.default_rng(0)
    n_samples, n_features = SHAPES[shape]
    X = rng.standard_normal((n_samples, n_features)) * np.logspace(-1, 1, n_features)
    noise = np.logspace(-1, 2, n_targets) * rng.standard_normal((n_samples, n_targets))
    return X + offset, X @ rng.standard_normal((n_features, n_targets)) + noise + offset


def by_scikit_learn(X, Y, alphas, folds, weights, *, standardize=False):
    """Return mean weighted R2 (n_alphas, n_targets) from one fit per fold and alpha."""
    scores = np.zeros((len(alphas), Y.shape[1]))
    for train, test in folds:
        scaler = StandardScaler(with_std=standardize).fit(X[train], sample_weight=weights[train])
        seen, held_out = scaler.transform(X[train]), scaler.transform(X[test])
        for row, alpha in enumerate(alphas):
            model = Ridge(alpha=alpha, solver="svd").fit(seen, Y[train], sample_weight=weights[train])
            scores[row] += r2_score(
                Y[test], model.predict(held_out), sample_weight=weights[test], multioutput="raw_values"
            )
    return scores / len(folds)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weighted_scores_and_fits_equal_scikit_learn(shape, standardize, dtype):
    X, Y = (values.astype(dtype) for values in make_data(shape))
    weights = np.random.default_rng(1).uniform(0.1, 3, len(X))
    folds = list(KFold(4, shuffle=True, random_state=0).split(X))
    result = ridge_cv(X, Y, alphas=ALPHAS, folds=folds, sample_weight=weights, standardize=standardize)
    expected = by_scikit_learn(X, Y, ALPHAS, folds, weights, standardize=standardize)
    exact = dtype == np.float64
    np.testing.assert_array_equal(result.best_alphas, ALPHAS[expected.argmax(0)])
    np.testing.assert_allclose(result.cv_scores, expected.max(0), atol=1e-9 if exact else 5e-6)
    scaler = StandardScaler(with_std=standardize).fit(X, sample_weight=weights)
    peer = Ridge(alpha=result.best_alphas, solver="svd").fit(scaler.transform(X), Y, sample_weight=weights)
    predicted = X @ result.coef + result.intercept
    error = np.abs(predicted - peer.predict(scaler.transform(X))).max(axis=0)
    assert (error < (1e-9 if exact else 2e-4) * Y.std(axis=0)).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("folds_by", ["k-fold", "leave-one-out"])
def test_a_weight_of_two_is_the_row_twice_and_of_zero_its_absence(shape, folds_by):
    X, Y = make_data(shape)
    weights = np.random.default_rng(0).integers(0, 3, len(X))
    rows = np.repeat(np.arange(len(X)), weights)
    label = np.arange(len(X)) % 4
    options = {"alphas": ALPHAS, "standardize": True}
    fit, repeated = (
        ridge_fit(values, targets, alphas=3.0, standardize=True, sample_weight=by)
        for values, targets, by in ((X, Y, weights), (X[rows], Y[rows], None))
    )
    np.testing.assert_allclose(fit.coef, repeated.coef, rtol=1e-7, atol=1e-9)
    if folds_by == "leave-one-out":
        # A row twice is two rows to leave out: only those of weight 0 must not matter.
        present = weights > 0
        found = ridge_cv(X, Y, folds="leave-one-out", sample_weight=present, **options)
        expected = ridge_cv(X[present], Y[present], folds="leave-one-out", **options)
    else:
        folds = [(np.flatnonzero(label != k), np.flatnonzero(label == k)) for k in range(4)]
        again = [(np.flatnonzero(label[rows] != k), np.flatnonzero(label[rows] == k)) for k in range(4)]
        found = ridge_cv(X, Y, folds=folds, sample_weight=weights, **options)
        expected = ridge_cv(X[rows], Y[rows], folds=again, **options)
    np.testing.assert_array_equal(found.best_alphas, expected.best_alphas)
    np.testing.assert_allclose(found.cv_scores, expected.cv_scores, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found.coef, expected.coef, rtol=1e-6, atol=1e-8)


def test_equal_weights_change_alpha_alone():
    X, Y = make_data("long")
    np.testing.assert_allclose(
        ridge_fit(X, Y, alphas=6.0, sample_weight=2.0).coef, ridge_fit(X, Y, alphas=3.0).coef, rtol=1e-9
    )


def odd_folds(n_samples):
    """Return folds that are no partition: random ones, with gaps, few training rows, rows drawn twice."""
    rows = np.arange(n_samples)
    draws = np.random.default_rng(0).integers(0, n_samples // 2, n_samples)
    return {
        "random": list(ShuffleSplit(4, test_size=0.2, random_state=0).split(rows)),
        "gaps": [
            (np.delete(rows, np.arange(max(0, k - 3), k + 13)), np.arange(k, k + 10)) for k in (0, 12, 30)
        ],
        "little training": [(rows[:15], rows[20:50]), (rows[30:42], rows[:30])],
        "drawn twice": [(draws, rows[n_samples // 2 :])],
    }


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["random", "gaps", "little training", "drawn twice"])
@pytest.mark.parametrize("kept", [True, False])
def test_any_folds_equal_scikit_learn(shape, kind, kept, monkeypatch):
    if not kept:
        monkeypatch.setattr(_primal_folds, "KEPT_FOLDS", 0)
        monkeypatch.setattr(_primal_folds, "KEPT_GRAMS", 0)
    X, Y = make_data(shape)
    folds = odd_folds(len(X))[kind]
    weights = np.random.default_rng(1).uniform(0.1, 3, len(X))
    result = ridge_cv(X, Y, alphas=ALPHAS, folds=folds, sample_weight=weights, standardize=True)
    expected = by_scikit_learn(X, Y, ALPHAS, folds, weights, standardize=True)
    np.testing.assert_allclose(result.cv_scores, expected.max(0), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_missing_responses_leave_each_target_its_own_rows(shape, dtype):
    X, Y = (values.astype(dtype) for values in make_data(shape))
    rng = np.random.default_rng(1)
    Y[rng.random(len(Y)) < 0.3, 1] = np.nan
    Y[:, 3] = np.where(np.isnan(Y[:, 1]), np.nan, Y[:, 3])
    Y[:9, 4] = np.nan
    folds = list(KFold(4).split(X))
    before = Y.copy()
    result = ridge_cv(X, Y, alphas=ALPHAS, folds=folds, missing="drop")
    fit = ridge_fit(X, Y, alphas=ALPHAS[:5], missing="drop")
    np.testing.assert_array_equal(Y, before)
    for target in range(Y.shape[1]):
        rows = np.flatnonzero(~np.isnan(Y[:, target]))
        own = [tuple(np.flatnonzero(np.isin(rows, part)) for part in fold) for fold in folds]
        options = {"alphas": ALPHAS, "folds": own}
        alone = ridge_cv(X[rows], Y[rows][:, [target]], **options)
        assert result.best_alphas[target] == alone.best_alphas[0]
        np.testing.assert_allclose(result.cv_scores[target], alone.cv_scores[0], rtol=1e-5)
        np.testing.assert_allclose(result.coef[:, target], alone.coef[:, 0], rtol=1e-3, atol=1e-5)
        alone = ridge_fit(X[rows], Y[rows][:, [target]], alphas=ALPHAS[target])
        np.testing.assert_allclose(fit.coef[:, target], alone.coef[:, 0], rtol=1e-3, atol=1e-5)


def test_targets_with_the_same_rows_share_a_decomposition(monkeypatch):
    X, Y = make_data("wide")
    Y[:4, [0, 2]] = np.nan
    Y[7, 3] = np.nan
    made = []
    from alignkit.solvers import ridge

    solve = ridge.solve_fit
    monkeypatch.setattr(
        ridge,
        "solve_fit",
        lambda design, targets, *rest: made.append(targets.shape) or solve(design, targets, *rest),
    )
    ridge_fit(X, Y, alphas=1.0, missing="drop")
    assert sorted(made) == [(46, 2), (49, 1), (50, 2)]


def test_folds_without_enough_responses_are_left_out_of_the_mean():
    X, Y = make_data("long")
    folds = list(KFold(4).split(X))
    Y[folds[1][1][1:], 0] = np.nan
    result = ridge_cv(X, Y, alphas=[10.0], folds=folds, missing="drop")
    rows = np.flatnonzero(~np.isnan(Y[:, 0]))
    own = [tuple(np.flatnonzero(np.isin(rows, part)) for part in folds[k]) for k in (0, 2, 3)]
    alone = ridge_cv(X[rows], Y[rows, :1], alphas=[10.0], folds=own)
    assert result.cv_scores[0] == pytest.approx(alone.cv_scores[0])
    leave_one = ridge_cv(X, Y, alphas=[10.0], folds="leave-one-out", missing="drop")
    alone = ridge_cv(X[rows], Y[rows, :1], alphas=[10.0], folds="leave-one-out")
    assert leave_one.cv_scores[0] == pytest.approx(alone.cv_scores[0])


def test_unsorted_and_repeated_alphas_change_nothing():
    X, Y = make_data("long")
    folds = list(KFold(4).split(X))
    expected = ridge_cv(X, Y, alphas=ALPHAS, folds=folds)
    order = np.random.default_rng(0).permutation(len(ALPHAS))
    shuffled = ridge_cv(X, Y, alphas=np.r_[ALPHAS[order], ALPHAS[order[:4]]], folds=folds)
    np.testing.assert_array_equal(shuffled.best_alphas, expected.best_alphas)
    np.testing.assert_allclose(shuffled.cv_scores, expected.cv_scores, rtol=1e-10)


def test_one_fold_is_enough_for_the_solver():
    X, Y = make_data("long")
    folds = [(np.arange(150), np.arange(150, 200))]
    expected = by_scikit_learn(X, Y, ALPHAS, folds, np.ones(200))
    np.testing.assert_allclose(
        ridge_cv(X, Y, alphas=ALPHAS, folds=folds).cv_scores, expected.max(0), rtol=1e-8
    )


FOLDS = [(np.arange(10), np.arange(10, 20)), (np.arange(10, 20), np.arange(10))]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sample_weight": np.ones(19)}, "one weight per sample, got 19 for 20 samples"),
        (
            {"sample_weight": np.ones((20, 1))},
            r"`sample_weight` must have 1 dimension\(s\), got shape \(20, 1\)",
        ),
        ({"sample_weight": np.r_[-1.0, np.ones(19)]}, "`sample_weight` must not be negative, got -1"),
        ({"sample_weight": np.zeros(20)}, "`sample_weight` is zero for every sample"),
        ({"sample_weight": np.full(20, np.nan)}, r"`sample_weight` holds 20 NaN or infinite value\(s\)"),
        (
            {"sample_weight": np.r_[np.ones(11), np.zeros(9)]},
            r"`sample_weight` leaves fold 0 with 10 training and 1 test row\(s\)",
        ),
        ({"missing": "ignore"}, "`missing` is 'ignore'.*Known: drop, raise"),
        ({"alphas": [0.0, 1.0]}, "`alphas` must be positive, got 0"),
    ],
)
def test_unusable_options_are_refused_with_the_numbers(change, message):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((20, 3)), rng.standard_normal((20, 2))
    with pytest.raises((InputError, UnknownNameError), match=message):
        ridge_cv(X, Y, **({"alphas": [1.0], "folds": FOLDS} | change))


def test_targets_with_too_few_responses_are_refused():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((20, 3)), rng.standard_normal((20, 2))
    Y[1:, 1] = np.nan
    with pytest.raises(InputError, match=r"target 1 has 1 response\(s\).*needs at least 2"):
        ridge_cv(X, Y, alphas=[1.0], folds=FOLDS, missing="drop")
    Y[:, 1] = np.nan
    with pytest.raises(InputError, match=r"target 1 has 0 response\(s\).*needs at least 1"):
        ridge_fit(X, Y, alphas=1.0, missing="drop")
    Y[[0, 10], 1] = 1.0
    with pytest.raises(InputError, match="no fold has 1 training and 2 test responses of target 1"):
        ridge_cv(X, Y, alphas=[1.0], folds=FOLDS, missing="drop")
    Y[3, 0] = np.inf
    with pytest.raises(
        InputError, match=r"`Y` holds 1 NaN or infinite value\(s\), the first at index \(3, 0\)"
    ):
        ridge_fit(X, Y, alphas=1.0, missing="drop")
