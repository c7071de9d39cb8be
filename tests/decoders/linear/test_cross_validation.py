from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.decoders.linear import cross_validation
from alignkit.decoders.linear.cross_validation import cross_validate_over_times
from alignkit.decoders.linear.over_times import LinearOverTimes
from alignkit.decoders.linear.ridge import RidgeOverTimes


class AnyClassifier(LinearOverTimes):
    """Every one of scikit-learn's linear classifiers, one time after the other."""

    classifies = True

    def __init__(self, model, standardize: bool = True) -> None:
        self.model = model
        self.standardize = standardize

    def _solve(self, X, y):
        fits = [clone(self.model).fit(at, y) for at in X]
        coef = np.stack([np.atleast_2d(fit.coef_).T for fit in fits])
        return coef, np.stack([np.atleast_1d(fit.intercept_) for fit in fits])


def multiscore(model, X, y, *, scoring, cv, generalise=False):
    mne = pytest.importorskip("mne")
    from mne.decoding import GeneralizingEstimator, SlidingEstimator, cross_val_multiscore

    kind = GeneralizingEstimator if generalise else SlidingEstimator
    with mne.utils.use_log_level("error"):
        estimator = kind(make_pipeline(StandardScaler(), model), scoring=scoring, verbose="error")
        return cross_val_multiscore(estimator, X, y, cv=cv, verbose="error")


@pytest.fixture
def epochs():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((66, 9, 4)) * np.logspace(-13, -5, 9)[:, None]
    y = rng.permutation(np.arange(66) % 3)
    X[:, 3] += 1e-10 * y[:, None] * np.array([0, 1, 2, 1])
    return X, y


@pytest.mark.parametrize("generalise", [False, True])
@pytest.mark.parametrize("shape", [(66, 9), (40, 60)])
def test_ridge_equals_mne(generalise, shape):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((*shape, 3)) + 10
    y = X[:, 0, 1] + 0.5 * rng.standard_normal(shape[0])
    found = cross_validate_over_times(RidgeOverTimes(alpha=7.0), X, y, folds=4, generalise=generalise)
    expected = multiscore(Ridge(7.0), X, y, scoring="r2", cv=4, generalise=generalise)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_several_outputs_have_the_mean_of_their_r2_as_in_scikit_learn():
    rng = np.random.default_rng(2)
    X = rng.standard_normal((50, 6, 3))
    Y = X[:, :2, 1] + rng.standard_normal((50, 2)) * [0.1, 2.0]
    found = cross_validate_over_times(RidgeOverTimes(), X, Y, folds=5)
    peer = make_pipeline(StandardScaler(), Ridge(1.0))  # MNE takes one output
    expected = [cross_val_score(peer, X[:, :, time], Y, cv=5, scoring="r2") for time in range(3)]
    np.testing.assert_allclose(found, np.transpose(expected), atol=1e-9)


@pytest.mark.parametrize("generalise", [False, True])
@pytest.mark.parametrize("scoring", ["roc_auc", "accuracy", "balanced_accuracy"])
def test_two_classes_equal_mne(epochs, scoring, generalise):
    X, y = epochs[0][epochs[1] < 2], np.array(["face", "house"])[epochs[1][epochs[1] < 2]]
    model = LogisticRegression(C=0.1, tol=1e-10, max_iter=500)
    found = cross_validate_over_times(
        AnyClassifier(model), X, y, folds=4, scoring=scoring, generalise=generalise
    )
    expected = multiscore(model, X, y, scoring=scoring, cv=StratifiedKFold(4), generalise=generalise)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize(
    "model", [LogisticRegression(tol=1e-10), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")]
)
def test_several_classes_one_against_the_rest_equal_mne(epochs, model):
    X, y = epochs
    found = cross_validate_over_times(AnyClassifier(model), X, y, folds=3, scoring="roc_auc")
    expected = multiscore(model, X, y, scoring="roc_auc_ovr", cv=StratifiedKFold(3))
    np.testing.assert_allclose(found, expected, atol=1e-9)
    found = cross_validate_over_times(AnyClassifier(model), X, y, folds=3, scoring="accuracy")
    expected = multiscore(model, X, y, scoring="accuracy", cv=StratifiedKFold(3))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_numbers_of_two_values_have_an_area():
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((60, 8, 2)), np.arange(60) % 2
    X[:, 0, 1] += y
    found = cross_validate_over_times(RidgeOverTimes(), X, y, folds=KFold(3), scoring="roc_auc")
    model = RidgeClassifier(1.0)
    expected = multiscore(model, X, y, scoring="roc_auc", cv=KFold(3))
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_blocks_of_training_times_change_nothing(epochs, monkeypatch):
    X, y = epochs
    estimator = AnyClassifier(RidgeClassifier())
    whole = cross_validate_over_times(estimator, X, y, generalise=True)
    monkeypatch.setattr(cross_validation, "_BLOCK_ELEMENTS", 1)
    np.testing.assert_allclose(cross_validate_over_times(estimator, X, y, generalise=True), whole, atol=1e-12)
    diagonal = np.diagonal(whole, axis1=1, axis2=2)
    np.testing.assert_allclose(cross_validate_over_times(estimator, X, y), diagonal, atol=1e-12)


def test_folds_are_those_of_scikit_learn_with_groups_whole(epochs):
    X, y = epochs
    groups = np.arange(66) // 3
    estimator = AnyClassifier(RidgeClassifier())
    by_number = cross_validate_over_times(estimator, X, y, folds=4, groups=groups)
    parts = list(StratifiedGroupKFold(4).split(X, y, groups))
    np.testing.assert_array_equal(by_number, cross_validate_over_times(estimator, X, y, folds=parts))
    numbers = X[:, 0, 0] * 1e13
    by_number = cross_validate_over_times(RidgeOverTimes(), X, numbers, folds=4, groups=groups)
    by_splitter = cross_validate_over_times(RidgeOverTimes(), X, numbers, folds=GroupKFold(4), groups=groups)
    np.testing.assert_array_equal(by_number, by_splitter)


def planted(seed, n_trials=200, n_channels=16):
    """A code that changes from 100-200 to 250-400 ms, and one that lasts from 500 to 650 ms; 25 ms steps."""
    rng = np.random.default_rng(seed)
    times = np.arange(-100, 700, 25)
    first, second, third = np.linalg.qr(rng.standard_normal((n_channels, 3)))[0].T
    label = rng.permutation(np.arange(n_trials) % 2)
    shown = np.zeros((n_channels, len(times)))
    shown[:, (times >= 100) & (times <= 200)] = first[:, None]
    shown[:, (times >= 250) & (times <= 400)] = second[:, None]
    shown[:, (times >= 500) & (times <= 650)] = third[:, None]
    X = rng.standard_normal((n_trials, n_channels, len(times)))
    X += 1.6 * (label - 0.5)[:, None, None] * shown
    return times, X, label


def test_a_code_that_changes_is_found_on_the_diagonal_and_one_that_lasts_as_a_square():
    times, X, label = planted(0)
    scores = cross_validate_over_times(
        RidgeOverTimes(alpha=100.0), X, label, folds=5, scoring="roc_auc", generalise=True
    ).mean(axis=0)
    windows = {"first": (100, 200), "second": (250, 400), "last": (500, 650), "before": (-100, 75)}
    inside = {name: (times >= start) & (times <= stop) for name, (start, stop) in windows.items()}

    def block(train, test):
        return scores[np.ix_(inside[train], inside[test])].mean()

    for name in ("first", "second", "last"):
        assert np.diagonal(scores)[inside[name]].min() > 0.7
        assert scores[np.ix_(inside[name], inside[name])].min() > 0.65  # a square: no time is special
    for train, test in (("first", "second"), ("second", "first"), ("first", "last"), ("last", "second")):
        assert abs(block(train, test) - 0.5) < 0.03
    # The baseline must lose, whether it is trained on or tested.
    assert abs(np.diagonal(scores)[inside["before"]].mean() - 0.5) < 0.05
    assert abs(block("before", "first") - 0.5) < 0.06
    assert abs(block("first", "before") - 0.5) < 0.06


def test_shuffled_labels_are_at_chance():
    _, X, label = planted(1, n_trials=120)
    rng = np.random.default_rng(0)

    def area(y):
        return cross_validate_over_times(RidgeOverTimes(alpha=100.0), X, y, scoring="roc_auc").mean()

    null = [area(rng.permutation(label)) for _ in range(20)]
    assert abs(np.mean(null) - 0.5) < 0.02
    assert area(label) > np.max(null) + 0.03


def test_scaling_with_the_test_part_would_be_seen():
    rng = np.random.default_rng(4)
    X, y = rng.standard_normal((30, 5, 1)), rng.standard_normal(30)
    X[20:] *= 50  # the test part of the last fold
    found = cross_validate_over_times(RidgeOverTimes(alpha=5.0), X, y, folds=3)
    scaled = StandardScaler().fit_transform(X[:, :, 0])[..., None]
    leaky = cross_validate_over_times(RidgeOverTimes(alpha=5.0, standardize=False), scaled, y, folds=3)
    assert np.abs(found[2] - leaky[2]).max() > 0.1


def test_trials_in_both_parts_inflate_scores_and_groups_refuse_it():
    rng = np.random.default_rng(5)
    X, y = np.repeat(rng.standard_normal((40, 60, 1)), 2, axis=0), np.repeat(np.arange(40) % 2, 2)
    pairs = np.arange(80) // 2
    leaking = [
        (np.flatnonzero(np.arange(80) % 2 != k), np.flatnonzero(np.arange(80) % 2 == k)) for k in (0, 1)
    ]
    estimator = AnyClassifier(RidgeClassifier())
    assert cross_validate_over_times(estimator, X, y, folds=leaking).mean() > 0.99
    apart = cross_validate_over_times(estimator, X, y, folds=4, groups=pairs).mean()
    assert abs(apart - 0.5) < 0.2
    with pytest.raises(
        InputError, match=r"fold 0 has 40 group\(s\) in the training and in the test part: 0, 1, 2"
    ):
        cross_validate_over_times(estimator, X, y, folds=leaking, groups=pairs)


def test_neither_inputs_nor_estimator_change(epochs):
    X, y = epochs
    before, estimator = X.copy(), RidgeOverTimes()
    cross_validate_over_times(estimator, X, y.astype(float))
    np.testing.assert_array_equal(X, before)
    assert not hasattr(estimator, "coef_")


def test_errors_say_what_came(epochs):
    X, y = epochs
    rows = np.arange(66)
    classify = AnyClassifier(RidgeClassifier())
    holed = X.copy()
    holed[3, 2, 1] = np.nan
    cases = [
        (dict(X=holed), r"`X` holds 1 NaN or infinite value\(s\), the first at index \(3, 2, 1\)"),
        (dict(y=np.zeros(66)), r"`y` holds one class \(.*0\.0.*\) in 66 samples"),
        (dict(y=y[:60]), r"got 66 and 60"),
        (dict(folds=1), r"`folds` must be at least 2, got 1"),
        (dict(folds=30), r"`folds` is 30, but there are only 22 samples of the rarest class. Use at most 22"),
        (dict(folds=5, groups=rows % 4), r"`folds` is 5, but there are only 4 groups"),
        (dict(groups=rows[:5]), r"one group per sample \(66\), got shape \(5,\)"),
        (dict(folds=[]), r"`folds` is empty"),
        (dict(folds=[(rows[:40], rows[30:])]), r"fold 0 has 10 sample\(s\) in the training"),
        (dict(folds=[(rows[:40], rows[40:] + 1)]), r"test part of fold 0 must hold different rows"),
        (dict(folds=[(rows[:0], rows)]), r"training part of fold 0 must hold row numbers, got shape \(0,\)"),
        (dict(folds=[(rows[y < 2], rows[y == 2])]), r"part of fold 0 has no sample of 1 class\(es\): 2"),
        (dict(folds=[(rows[y > 0][9:], rows[y > 0][:9])], y=y > 0), r"no sample of 1 class\(es\): False"),
        (dict(folds=[(np.r_[rows[9:]][y[9:] > -1], rows[:9][y[:9] < 2])]), r"1 of 3 classes have no sample"),
        (dict(scoring="r2"), r"`scoring` is 'r2', but the targets are classes; use 'roc_auc'"),
    ]  # fmt: skip
    for changes, message in cases:
        call = {"X": X, "y": y, **changes}
        with pytest.raises(InputError, match=message):
            cross_validate_over_times(classify, call.pop("X"), call.pop("y"), **call)
    with pytest.raises(InputError, match=r"`folds` is 67, but there are only 66 samples. Use at most 66"):
        cross_validate_over_times(RidgeOverTimes(), X, y.astype(float), folds=67)
    with pytest.raises(UnknownNameError, match=r"`scoring` is 'f1'"):
        cross_validate_over_times(classify, X, y, scoring="f1")
