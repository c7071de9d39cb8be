from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import accuracy_score, balanced_accuracy_score, r2_score, roc_auc_score

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.decoders.linear.over_times import LinearOverTimes, by_time, channel_scales
from alignkit.decoders.linear.over_times_scores import score_decision
from alignkit.decoders.linear.patterns import haufe_patterns
from alignkit.decoders.linear.ridge import RidgeOverTimes


class Nearest(LinearOverTimes):
    """A classifier in closed form: scikit-learn's RidgeClassifier at every time."""

    classifies = True

    def __init__(self, standardize: bool = True) -> None:
        self.standardize = standardize

    def _solve(self, X, y):
        fits = [RidgeClassifier(alpha=2.0).fit(at, y) for at in X]
        coef = np.stack([np.atleast_2d(fit.coef_).T for fit in fits])
        return coef, np.stack([np.atleast_1d(fit.intercept_) for fit in fits])


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 7, 5)) * np.logspace(-6, 2, 7)[:, None] + 3
    y = np.array(["cat", "dog", "owl"])[np.arange(60) % 3]
    X[y == "dog", 2] += 1e-2
    return X, y


def test_weights_are_in_the_units_of_the_signals(data):
    X, y = data
    fitted = Nearest().fit(X, y)
    volts = Nearest().fit(X * 1e-6, y)
    np.testing.assert_allclose(volts.coef_, fitted.coef_ * 1e6, rtol=1e-6)
    np.testing.assert_allclose(volts.decision(X * 1e-6), fitted.decision(X), atol=1e-9)
    by_hand = np.einsum("nct,tck->ntk", X, fitted.coef_) + fitted.intercept_
    np.testing.assert_allclose(fitted.decision(X), by_hand, atol=1e-9)


def test_without_z_scores_units_matter(data):
    X, y = data
    raw, other = Nearest(standardize=False).fit(X, y), Nearest(standardize=False).fit(X * 10, y)
    assert np.abs(raw.decision(X) - other.decision(X * 10)).max() > 1e-3


def test_the_diagonal_of_generalisation_is_the_decision(data):
    X, y = data
    fitted = Nearest().fit(X, y)
    across = fitted.generalise(X[:, :, :4])
    assert across.shape == (60, 5, 4, 3)
    np.testing.assert_allclose(
        np.moveaxis(np.diagonal(across[:, :4], axis1=1, axis2=2), 2, 1), fitted.decision(X)[:, :4], atol=1e-12
    )
    one = np.einsum("nc,ck->nk", X[:, :, 3], fitted.coef_[1]) + fitted.intercept_[1]
    np.testing.assert_allclose(across[:, 1, 3], one, atol=1e-9)


def test_predictions_are_classes_by_name(data):
    X, y = data
    predicted = Nearest().fit(X, y).predict(X)
    assert predicted.shape == (60, 5)
    assert set(predicted.ravel()) <= {"cat", "dog", "owl"}
    two = y != "owl"
    fitted = Nearest().fit(X[two], y[two])
    expected = np.where(fitted.decision(X[two])[..., 0] > 0, "dog", "cat")
    np.testing.assert_array_equal(fitted.predict(X[two]), expected)


def test_numbers_keep_an_axis_of_outputs_only_where_they_had_one(data):
    X, _ = data
    y = X[:, 0, 0]
    assert RidgeOverTimes().fit(X, y).predict(X).shape == (60, 5)
    assert RidgeOverTimes().fit(X, y[:, None]).predict(X).shape == (60, 5, 1)


def test_two_dimensions_are_one_time(data):
    X, y = data
    flat, first = Nearest().fit(X[:, :, 0], y), Nearest().fit(X[:, :, :1], y)
    np.testing.assert_array_equal(flat.decision(X[:, :, 0]), first.decision(X[:, :, :1]))
    assert flat.coef_.shape == (1, 7, 3)


def test_times_come_first_whatever_the_layout():
    X = np.random.default_rng(0).standard_normal((300, 40, 9))
    expected = np.moveaxis(X, 2, 0)
    np.testing.assert_array_equal(by_time(X), expected)
    np.testing.assert_array_equal(by_time(np.asfortranarray(X)), expected)
    np.testing.assert_array_equal(by_time(X[::-2]), expected[:, ::-2])
    assert by_time(X).flags.c_contiguous


def test_constant_channels_count_for_nothing(data):
    X, y = data
    dead = X.copy()
    dead[:, 4] = 0.1  # its mean is not exactly 0.1
    fitted = Nearest().fit(dead, y)
    np.testing.assert_allclose(fitted.coef_[:, 4], 0, atol=1e-9)
    without = Nearest().fit(np.delete(dead, 4, axis=1), y)
    np.testing.assert_allclose(fitted.decision(dead), without.decision(np.delete(dead, 4, axis=1)), atol=1e-9)
    assert (channel_scales(by_time(dead))[1][:, 4] == 1).all()


def test_patterns_are_those_of_the_function(data):
    X, y = data
    two = y != "owl"
    fitted = Nearest().fit(X[two], y[two])
    np.testing.assert_allclose(fitted.patterns_, haufe_patterns(X[two], fitted.coef_), rtol=1e-9)


def test_inputs_are_not_changed(data):
    X, y = data
    before = X.copy(), y.copy()
    fitted = Nearest().fit(X, y)
    fitted.generalise(X), fitted.score(X, y)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(y, before[1])


def test_single_precision_is_computed_in_double(data):
    X, y = data
    single = X.astype(np.float32)
    np.testing.assert_array_equal(
        Nearest().fit(single, y).coef_, Nearest().fit(single.astype(np.float64), y).coef_
    )


def test_it_can_be_cloned():
    assert clone(Nearest(standardize=False)).get_params() == {"standardize": False}


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_scores_of_classes_equal_scikit_learns(n_classes):
    rng = np.random.default_rng(n_classes)
    codes = rng.permutation(np.arange(70) % n_classes)
    decision = rng.standard_normal((4, 70, 1 if n_classes == 2 else n_classes))
    if n_classes == 2:
        decision = decision.round(1)  # has ties
    for at in decision:
        if n_classes == 2:
            picked, area = (at[:, 0] > 0).astype(int), roc_auc_score(codes, at[:, 0])
        else:
            likely = np.exp(at) / np.exp(at).sum(axis=1, keepdims=True)
            picked, area = at.argmax(axis=1), roc_auc_score(codes, likely, multi_class="ovr")
        assert score_decision(at, codes, "roc_auc", True) == pytest.approx(area, abs=1e-12)
        assert score_decision(at, codes, "accuracy", True) == accuracy_score(codes, picked)
        expected = balanced_accuracy_score(codes, picked)
        assert score_decision(at, codes, "balanced_accuracy", True) == pytest.approx(expected)
    together = score_decision(decision, codes, "roc_auc", True)
    assert together.tolist() == [float(score_decision(at, codes, "roc_auc", True)) for at in decision]


def test_scores_of_numbers_equal_scikit_learns():
    rng = np.random.default_rng(0)
    targets = rng.standard_normal((40, 3))
    predicted = targets + rng.standard_normal((2, 40, 3))
    targets[:, 2] = 1.5
    found = score_decision(predicted, targets, "r2", False)
    np.testing.assert_allclose(found, [r2_score(targets, at) for at in predicted], atol=1e-12)
    exact = np.array(predicted[0])
    exact[:, 2] = 1.5
    assert score_decision(exact, targets, "r2", False) == pytest.approx(r2_score(targets, exact))
    by_numpy = [np.corrcoef(predicted[0, :, k], targets[:, k])[0, 1] for k in range(2)]
    assert score_decision(predicted[0, :, :2], targets[:, :2], "r", False) == pytest.approx(np.mean(by_numpy))
    assert np.isnan(score_decision(predicted[0], targets, "r", False))


def test_scores_of_a_fit_are_of_its_predictions(data):
    X, y = data
    fitted = Nearest().fit(X, y)
    predicted = fitted.predict(X)
    expected = [accuracy_score(y, predicted[:, time]) for time in range(5)]
    np.testing.assert_allclose(fitted.score(X, y), expected)
    numbers = RidgeOverTimes().fit(X, X[:, 0, 2])
    expected = [r2_score(X[:, 0, 2], numbers.predict(X)[:, time]) for time in range(5)]
    np.testing.assert_allclose(numbers.score(X, X[:, 0, 2]), expected)


def test_errors_say_what_came(data):
    X, y = data
    fitted = Nearest().fit(X, y)
    holed = X.copy()
    holed[7, 1, 2] = np.nan
    cases = [
        (lambda: Nearest().fit(holed, y), r"`X` holds 1 NaN .*, the first at index \(7, 1, 2\)"),
        (lambda: Nearest().fit(X, ["cat"] * 60), r"`y` holds one class \(.*cat.*\) in 60 samples"),
        (lambda: Nearest().fit(X, y[:59]), r"same number of samples, got 60 and 59"),
        (lambda: Nearest().fit(X[:1], y[:1]), r"`X` needs at least 2 rows, got 1"),
        (lambda: Nearest().fit(X[:, :0], y), r"no channels or no times, got shape \(60, 0, 5\)"),
        (lambda: Nearest().fit(X, np.stack([y, y], 1)), r"one class per sample.*got \(60, 2\)"),
        (lambda: Nearest().fit(X, np.where(y == "cat", np.nan, 1.0)), r"no class for 20 sample\(s\)"),
        (lambda: Nearest().fit(X, [None, *y[1:]]), r"no class for 1 sample\(s\)"),
        (lambda: RidgeOverTimes().fit(X, y), r"`y` must hold real numbers"),
        (lambda: Nearest().decision(X), r"this Nearest is not fitted yet"),
        (lambda: fitted.decision(X[:, :6]), r"`X` has 6 channels, but Nearest was fitted to 7"),
        (lambda: fitted.generalise(X[:, :6]), r"`X` has 6 channels"),
        (lambda: fitted.decision(X[:, :, :3]), r"`X` has 3 time\(s\), but Nearest was fitted to 5"),
        (lambda: fitted.decision(holed), r"`X` holds 1 NaN"),
        (lambda: fitted.score(X, np.where(y == "cat", "ape", y)), r"1 class\(es\) that were .*: 'ape'"),
        (lambda: fitted.score(X, y[:50]), r"got 60 and 50"),
        (lambda: fitted.score(X, y, scoring="r2"), r"`scoring` is 'r2', but the targets are classes"),
        (lambda: fitted.score(X[::3], y[::3], scoring="roc_auc"), r"2 of 3 classes have no sample"),
    ]  # fmt: skip
    for call, message in cases:
        with pytest.raises(InputError, match=message):
            call()
    with pytest.raises(UnknownNameError, match=re.escape("`scoring` is 'auc'")):
        fitted.score(X, y, scoring="auc")
    numbers = RidgeOverTimes().fit(X, X[:, 0, 0])
    with pytest.raises(InputError, match=r"'accuracy', but the targets are numbers; use 'r2'"):
        numbers.score(X, X[:, 0, 0], scoring="accuracy")
    with pytest.raises(InputError, match=r"one target of two values, got 1 target\(s\) of 60 value\(s\)"):
        numbers.score(X, X[:, 0, 0], scoring="roc_auc")
