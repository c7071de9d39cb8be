"""Behaviour decoded from an embedding: on held-out blocks, beside shuffled labels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.decoders.embeddings.behaviour import decode_from_embedding, decode_over_blocks
from alignkit.decoders.embeddings.population import PopulationEmbedding

SMALL = PopulationEmbedding(
    n_dims=2, positives="labels", n_steps=100, batch_size=128, width=32, learning_rate=3e-3
)


class Recorder:
    """An embedding that keeps what it is fitted to."""

    def __init__(self):
        self.fits = []

    def fit(self, X, *, labels=None, segments=None):
        self.fits.append((X[:, 0].copy(), labels, np.asarray(segments)))
        return self

    def transform(self, X, *, segments=None):
        assert len(segments) == len(X)
        return np.asarray(X, dtype=np.float64)


@pytest.fixture
def parts():
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((200, 2))
    values = np.column_stack([Z[:, 0] ** 2, Z[:, 1]]) + 0.1 * rng.standard_normal((200, 2))
    names = np.array(["low", "high"])[(Z[:, 0] + 0.3 * rng.standard_normal(200) > 0.5).astype(int)]
    return Z[:140], Z[140:], values, names


@pytest.mark.parametrize(
    ("method", "model"), [("knn", KNeighborsRegressor(10)), ("linear", LinearRegression())]
)
def test_numbers_are_scored_as_scikit_learn_scores_them(parts, method, model):
    train, test, values, _ = parts
    found = decode_from_embedding(train, values[:140], test, values[140:], method=method, n_neighbours=10)
    predicted = model.fit(train, values[:140]).predict(test)
    np.testing.assert_allclose(found.predicted, predicted)
    truth = values[140:]
    pooled = 1 - np.square(truth - predicted).sum() / np.square(truth - truth.mean(0)).sum()
    assert found.score == pytest.approx(pooled)
    one = decode_from_embedding(train, values[:140, 1], test, values[140:, 1], method="linear")
    predicted = LinearRegression().fit(train, values[:140, 1]).predict(test)
    assert one.score == pytest.approx(r2_score(values[140:, 1], predicted))
    assert (one.measure, one.chance) == ("r2", 0.0)


@pytest.mark.parametrize(
    ("method", "model"), [("knn", KNeighborsClassifier(10)), ("linear", LogisticRegression())]
)
def test_classes_are_scored_as_scikit_learn_scores_them(parts, method, model):
    train, test, _, names = parts
    found = decode_from_embedding(train, names[:140], test, names[140:], method=method, n_neighbours=10)
    predicted = model.fit(train, names[:140]).predict(test)
    assert found.score == pytest.approx(balanced_accuracy_score(names[140:], predicted))
    assert (found.measure, found.chance) == ("balanced accuracy", 0.5)


def test_the_ring_is_decoded_over_blocks_and_not_with_shuffled_labels(ring):
    result = decode_over_blocks(
        SMALL, ring.spikes, ring.on_circle, labels=ring.bins, n_folds=2, gap=30, n_shuffles=1
    )
    assert result.score > 0.8
    assert result.shuffled.max() < 0.3
    assert result.table["labels"].tolist() == ["true", "shuffled 1"] * 2
    assert not hasattr(SMALL, "losses_")


def test_nothing_of_the_test_block_or_the_gap_is_fitted_to():
    X = np.column_stack([np.arange(60.0), np.zeros(60)])
    recorder = Recorder()
    decode_over_blocks(
        recorder, X, X[:, 0], labels=np.arange(60), n_folds=3, gap=4, method="linear", n_shuffles=1
    )
    times, labels, segments = recorder.fits[2]
    assert times.tolist() == [*range(16), *range(44, 60)]
    assert labels.tolist() == times.tolist()
    # What lies before the test block and what lies behind it are no neighbours.
    assert segments.tolist() == [0] * 16 + [1] * 16
    shuffled = recorder.fits[3][1]
    assert sorted(shuffled.tolist()) == labels.tolist() != shuffled.tolist()


def test_runs_stay_whole():
    X = np.random.default_rng(0).standard_normal((60, 2))
    X[:, 0] = np.arange(60)
    recorder = Recorder()
    runs = np.repeat(["a", "b", "c", "d"], 15)
    decode_over_blocks(recorder, X, X[:, 1], segments=runs, n_folds=4, method="linear")
    assert [sorted(set(segments.tolist())) for _, _, segments in recorder.fits] == [
        ["b", "c", "d"],
        ["a", "c", "d"],
        ["a", "b", "d"],
        ["a", "b", "c"],
    ]


def test_what_cannot_be_decoded_is_refused(parts):
    train, test, values, names = parts
    y, truth = values[:140], values[140:]
    with pytest.raises(InputError, match=r"`train_Z` and `test_Z` are the same 140 sample\(s\)"):
        decode_from_embedding(train, y, train, y)
    with pytest.raises(InputError, match=r"`train_Z` has 2 dimension\(s\) and `test_Z` 1"):
        decode_from_embedding(train, y, test[:, :1], truth)
    with pytest.raises(InputError, match="`train_Z` and `train_y` must have the same number .* 140 and 139"):
        decode_from_embedding(train, y[1:], test, truth)
    with pytest.raises(InputError, match=r"must be of one kind, got float64 \(140, 2\) and"):
        decode_from_embedding(train, y, test, names[140:])
    with pytest.raises(InputError, match="`n_neighbours` must be 1 to 140, the training samples, got 141"):
        decode_from_embedding(train, y, test, truth, n_neighbours=141)
    with pytest.raises(InputError, match="`train_y` holds one class, 'low'"):
        decode_from_embedding(train, ["low"] * 140, test, names[140:])
    with pytest.raises(InputError, match=r"`train_y` holds classes \(int64\), .* got shape \(140, 2\)"):
        decode_from_embedding(train, y.astype(int), test, truth.astype(int))
    with pytest.raises(UnknownNameError, match="`method` is 'kn', did you mean 'knn'"):
        decode_from_embedding(train, y, test, truth, method="kn")
    with pytest.raises(InputError, match="`n_shuffles` is 2, but there are no `labels`"):
        decode_over_blocks(Recorder(), train, y, n_shuffles=2)
    with pytest.raises(InputError, match="`n_shuffles` must be at least 0, got -1"):
        decode_over_blocks(Recorder(), train, y, labels=names[:140], n_shuffles=-1)
