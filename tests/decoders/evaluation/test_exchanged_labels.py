from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from alignkit.decoders.evaluation import _exchanged_labels
from alignkit.decoders.evaluation._exchanged_labels import exchanged_null, refitted_null
from alignkit.decoders.linear.classifiers import DiscriminantOverTimes, LogisticOverTimes
from alignkit.decoders.linear.over_times import by_time, decide


def planted(n_classes: int):
    rng = np.random.default_rng(n_classes)
    X = rng.standard_normal((60, 4, 3)).round(1)
    labels = np.stack([rng.permutation(np.arange(60) % n_classes) for _ in range(5)])
    folds = [np.arange(60) % 4 == fold for fold in range(4)]
    return by_time(X), labels, [(np.flatnonzero(~fold), np.flatnonzero(fold)) for fold in folds]


def score_of(decision, labels):
    """Return scikit-learn's score of decisions (n_test, n_outputs)."""
    if decision.shape[1] == 1:
        return roc_auc_score(labels, decision[:, 0])
    return balanced_accuracy_score(labels, decision.argmax(axis=1))


def fit(estimator, labels):
    made = estimator()
    made.classes_ = np.unique(labels)
    return made


@pytest.mark.parametrize("elements", [1, 2**17])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("estimator", [DiscriminantOverTimes, LogisticOverTimes])
def test_refitted_scores_are_those_of_scikit_learn(estimator, n_classes, elements, monkeypatch):
    monkeypatch.setattr(_exchanged_labels, "_BLOCK_ELEMENTS", elements)
    signals, labels, parts = planted(n_classes)
    decoder = fit(estimator, labels)
    null = refitted_null(decoder, signals, labels, parts)
    for row, own in zip(null, labels, strict=True):
        weights = decoder.weights_of_folds(signals, own, [train for train, _ in parts])
        expected = np.zeros(3)
        for (coef, intercept), (_, test) in zip(weights, parts, strict=True):
            decision = decide(signals[:, test], coef, intercept)
            expected += [score_of(each, own[test]) / 4 for each in decision]
        np.testing.assert_allclose(row, expected, atol=1e-9)


def test_tied_decisions_share_their_rank():
    values = np.array([[[0.0, 0.0, 1.0, 1.0, 1.0, 2.0], [5.0, 4.0, 3.0, 2.0, 1.0, 0.0]]])
    positive = np.array([[True, False, True, False, True, True], [True, True, False, False, False, False]])
    found = _exchanged_labels._own_areas(values, positive)
    expected = [roc_auc_score(own, value) for own, value in zip(positive, values[0], strict=True)]
    np.testing.assert_allclose(found[0], expected)
    assert (rankdata(values[0, 0]) != np.arange(1, 7)).any()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_scores_of_decisions_as_they_are_equal_scikit_learn(n_classes):
    _, labels, parts = planted(n_classes)
    rng = np.random.default_rng(0)
    decisions = [
        (test, rng.standard_normal((3, len(test), 1 if n_classes == 2 else n_classes)).round(1))
        for _, test in parts
    ]
    null = exchanged_null(decisions, labels, n_classes)
    for row, own in zip(null, labels, strict=True):
        expected = np.mean([[score_of(each, own[t]) for each in values] for t, values in decisions], axis=0)
        np.testing.assert_allclose(row, expected, atol=1e-12)


@pytest.mark.parametrize("estimator", [DiscriminantOverTimes, LogisticOverTimes])
def test_folds_that_an_exchange_leaves_without_a_class_do_not_count(estimator):
    signals = np.random.default_rng(0).standard_normal((3, 60, 4))
    rows = np.arange(60)
    parts = [(rows[rows // 20 != fold], rows[rows // 20 == fold]) for fold in range(3)]
    mixed = rows % 2
    lacking = np.where(rows < 40, rows % 2, 1)  # the last held-out part has one class
    hoarded = np.where(
        rows < 20, rows % 2, 1
    )  # the first training part has one, and so have the others' tests
    decoder = fit(estimator, mixed)
    null = refitted_null(decoder, signals, np.stack([lacking, hoarded, mixed]), parts)
    weights = decoder.weights_of_folds(signals, lacking, [train for train, _ in parts[:2]])
    expected = [
        [score_of(each, lacking[test]) for each in decide(signals[:, test], coef, intercept)]
        for (coef, intercept), (_, test) in zip(weights, parts, strict=False)
    ]
    np.testing.assert_allclose(null[0], np.mean(expected, axis=0), atol=1e-9)
    np.testing.assert_array_equal(null[1], 0.5)
    assert (null[2] != 0.5).all()
