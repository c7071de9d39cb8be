"""Classifiers over times against pipelines of scikit-learn, and the errors of their options."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from alignkit._core.errors import InputError
from alignkit.decoders.linear.classifiers import DiscriminantOverTimes, LogisticOverTimes
from alignkit.decoders.linear.cross_validation import cross_validate_over_times

PEERS = {
    "logistic": (LogisticOverTimes(C=0.5), LogisticRegression(C=0.5, tol=1e-10, max_iter=10_000)),
    "lda": (DiscriminantOverTimes(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")),
    "unshrunk": (DiscriminantOverTimes(shrinkage=None), LinearDiscriminantAnalysis()),
}


def epochs(n_samples=90, n_channels=6, n_times=3, n_classes=2):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, n_channels, n_times)) * 1e-6 + 2e-6
    labels = np.array(["face", "house", "tool", "word"])[:n_classes][np.arange(n_samples) % n_classes]
    X[labels == "house", 0, 1] += 2e-6
    return X, labels


@pytest.mark.parametrize("name", list(PEERS))
@pytest.mark.parametrize("n_classes", [2, 4])
def test_decisions_probabilities_and_predictions_are_those_of_a_pipeline(name, n_classes):
    ours, theirs = PEERS[name]
    X, y = epochs(n_classes=n_classes)
    ours.fit(X[:60], y[:60])
    for time in range(3):
        peer = make_pipeline(StandardScaler(), theirs).fit(X[:60, :, time], y[:60])
        held_out = X[60:, :, time]
        wanted = peer.decision_function(held_out).reshape(30, -1)
        atol = 1e-5 if name == "logistic" else 1e-8
        np.testing.assert_allclose(ours.decision(X[60:])[:, time], wanted, atol=atol)
        np.testing.assert_allclose(
            ours.predict_proba(X[60:])[:, time], peer.predict_proba(held_out), atol=atol
        )
        np.testing.assert_array_equal(ours.predict(X[60:])[:, time], peer.predict(held_out))
    np.testing.assert_array_equal(ours.classes_, peer.classes_)


@pytest.mark.parametrize("name", list(PEERS))
@pytest.mark.parametrize("n_channels", [6, 80])
def test_cross_validated_scores_are_those_of_scikit_learn(name, n_channels):
    from sklearn.model_selection import cross_val_score

    ours, theirs = PEERS[name]
    X, y = epochs(n_channels=n_channels, n_times=2)
    found = cross_validate_over_times(ours, X, y, folds=3)
    for time in range(2):
        pipeline = make_pipeline(StandardScaler(), theirs)
        wanted = cross_val_score(pipeline, X[:, :, time], y, cv=3, scoring="roc_auc")
        np.testing.assert_allclose(found[:, time], wanted, atol=1e-12)


@pytest.mark.parametrize("decoder", [LogisticOverTimes(), DiscriminantOverTimes()])
def test_a_planted_class_is_found_at_its_time_and_a_shuffle_is_at_chance(decoder):
    X, y = epochs(n_samples=200)
    scores = cross_validate_over_times(decoder, X, y).mean(axis=0)
    assert scores[1] > 0.8
    assert abs(scores[0] - 0.5) < 0.1
    rng = np.random.default_rng(1)
    null = [cross_validate_over_times(decoder, X, rng.permutation(y)).mean() for _ in range(12)]
    assert abs(np.mean(null) - 0.5) < 0.03


def test_probabilities_add_up_to_1():
    X, y = epochs(n_classes=3)
    np.testing.assert_allclose(LogisticOverTimes().fit(X, y).predict_proba(X).sum(axis=2), 1)


@pytest.mark.parametrize("C", [0.0, -1.0, float("nan")])
def test_a_penalty_that_is_not_positive_is_refused(C):
    X, y = epochs()
    with pytest.raises(InputError, match="`C` must be above 0, got"):
        LogisticOverTimes(C=C).fit(X, y)
    with pytest.raises(InputError, match="`C` must be above 0, got"):
        cross_validate_over_times(LogisticOverTimes(C=C), X, y, folds=3)


def test_a_tolerance_that_is_not_positive_is_refused():
    X, y = epochs()
    with pytest.raises(InputError, match="`tol` must be above 0, got 0"):
        LogisticOverTimes(tol=0).fit(X, y)


@pytest.mark.parametrize("shrinkage", ["lw", 1.5, -0.1, True])
def test_a_shrinkage_that_is_no_share_is_refused(shrinkage):
    X, y = epochs()
    with pytest.raises(InputError, match=r"`shrinkage` must be 'auto', None or a number in \[0, 1\], got"):
        DiscriminantOverTimes(shrinkage=shrinkage).fit(X, y)


def test_discriminants_need_more_samples_than_classes():
    X, _ = epochs(n_samples=3)
    with pytest.raises(InputError, match="needs more samples than classes, got 3 for 3 classes"):
        DiscriminantOverTimes().fit(X, ["a", "b", "c"])
