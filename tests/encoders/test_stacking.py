from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold
from sklearn.utils.estimator_checks import parametrize_with_checks

from alignkit._core.errors import InputError
from alignkit.encoders import RidgeEncoder
from alignkit.encoders._registry import ENCODERS
from alignkit.encoders.stacking import StackedEncoder


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = {name: rng.standard_normal((150, p)) for name, p in (("early", 10), ("middle", 30), ("late", 20))}
    weights = {name: rng.standard_normal((values.shape[1], 6)) for name, values in X.items()}
    weights["early"][:, 2:] = 0
    weights["middle"][:, [0, 1, 4, 5]] = 0
    weights["late"][:, :4] = 0
    Y = sum(X[name] @ weights[name] for name in X) + rng.standard_normal((150, 6)) + 3
    return X, Y


@parametrize_with_checks(
    [StackedEncoder(device="cpu"), StackedEncoder(cv=2, standardize=False, device="cpu")]
)
def test_it_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


def test_one_space_is_the_ridge_encoder(data):
    X, Y = np.concatenate(list(data[0].values()), axis=1), data[1]
    stacked, plain = StackedEncoder().fit(X, Y), RidgeEncoder().fit(X, Y)
    np.testing.assert_allclose(stacked.coef_, plain.coef_, atol=1e-9)
    np.testing.assert_allclose(stacked.cv_scores_, plain.cv_scores_, atol=1e-9)
    np.testing.assert_array_equal(stacked.best_alphas_, plain.best_alphas_[None])
    np.testing.assert_array_equal(stacked.space_weights_, 1.0)


def test_weights_and_scores_are_those_of_held_out_predictions_by_scikit_learn(data):
    X, Y = data
    folds = list(KFold(4).split(Y))
    encoder = StackedEncoder(cv=folds, standardize=False).fit(X, Y)
    for channel in range(6):
        held_out = np.empty((150, 3))
        for train, test in folds:
            for j, values in enumerate(X.values()):
                peer = Ridge(alpha=encoder.best_alphas_[j, channel]).fit(values[train], Y[train, channel])
                held_out[test, j] = peer.predict(values[test])
        residual = Y[:, channel, None] - held_out
        root = np.linalg.cholesky(residual.T @ residual)
        found, _ = nnls(root.T, np.linalg.solve(root, np.ones(3)))
        weights = found / found.sum()
        np.testing.assert_allclose(encoder.space_weights_[:, channel], weights, atol=1e-6)
        joint, scores = held_out @ weights, []
        for _, test in folds:
            truth = Y[test, channel]
            scores.append(1 - ((truth - joint[test]) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())
        np.testing.assert_allclose(encoder.cv_scores_[channel], np.mean(scores), atol=1e-6)


def test_the_space_that_drives_a_channel_gets_its_weight(data):
    X, Y = data
    encoder = StackedEncoder().fit(X, Y)
    np.testing.assert_allclose(encoder.space_weights_.sum(axis=0), 1.0)
    assert encoder.space_weights_.min() >= 0
    assert (encoder.space_weights_.argmax(axis=0) == [0, 0, 1, 1, 2, 2]).all()
    assert (encoder.space_weights_.max(axis=0) > 0.8).all()


def test_new_samples_are_predicted_and_shuffled_ones_are_not(data):
    X, Y = data
    train, test = {k: v[:100] for k, v in X.items()}, {k: v[100:] for k, v in X.items()}
    assert StackedEncoder().fit(train, Y[:100]).score(test, Y[100:]) > 0.7
    shuffled = np.random.default_rng(0).permutation(Y[:100])
    assert StackedEncoder().fit(train, shuffled).score(test, Y[100:]) < 0.05


def test_it_does_no_worse_held_out_than_the_best_single_space(data):
    X, Y = data
    encoder = StackedEncoder(cv=KFold(5)).fit(X, Y)
    for values in X.values():
        assert (encoder.cv_scores_ >= RidgeEncoder(cv=KFold(5)).fit(values, Y).cv_scores_ - 0.02).all()


def test_the_prediction_is_the_weighted_mean_of_single_ridges(data):
    X, Y = data
    encoder = StackedEncoder().fit(X, Y)
    singles = np.stack([RidgeEncoder().fit(values, Y).predict(values) for values in X.values()])
    expected = np.einsum("jc,jtc->tc", encoder.space_weights_, singles)
    np.testing.assert_allclose(encoder.predict(X), expected, atol=1e-8)
    parts = encoder.predict_parts(X)
    np.testing.assert_allclose(sum(parts.values()) + encoder.intercept_, expected, atol=1e-8)
    shares = sum(encoder.score_parts(X, Y).values())
    np.testing.assert_allclose(shares, encoder.score_channels(X, Y, metric="r2"))


def test_it_comes_back_from_disk(data, tmp_path):
    X, Y = data
    encoder = StackedEncoder().fit(X, Y)
    encoder.save(tmp_path / "encoder")
    loaded = StackedEncoder.load(tmp_path / "encoder")
    np.testing.assert_array_equal(loaded.predict(X), encoder.predict(X))
    np.testing.assert_array_equal(loaded.best_alphas_, encoder.best_alphas_)
    assert list(loaded.spaces_) == ["early", "middle", "late"]


def test_a_constant_channel_is_predicted_by_its_constant(data):
    X, Y = data
    Y = Y.copy()
    Y[:, 2] = 0.3
    encoder = StackedEncoder().fit(X, Y)
    np.testing.assert_allclose(encoder.predict(X)[:, 2], 0.3)
    assert encoder.cv_scores_[2] == 0


def test_the_same_seed_gives_the_same_bits_and_inputs_are_left_alone(data):
    X, Y = data
    copies = {name: values.copy() for name, values in X.items()}, Y.copy()
    first, again = StackedEncoder(random_state=1).fit(X, Y), StackedEncoder(random_state=1).fit(X, Y)
    np.testing.assert_array_equal(first.coef_, again.coef_)
    for name, values in X.items():
        np.testing.assert_array_equal(values, copies[0][name])
    np.testing.assert_array_equal(Y, copies[1])


def test_it_is_registered_and_refuses_bad_input(data):
    X, Y = data
    assert ENCODERS[StackedEncoder.kind] is StackedEncoder
    with pytest.raises(InputError, match="`alphas` must be positive, got -1"):
        StackedEncoder(alphas=[-1.0]).fit(X, Y)
    with pytest.raises(InputError, match="column 10 is named 0 times"):
        StackedEncoder(spaces={"early": 10}).fit(np.concatenate(list(X.values()), axis=1), Y)
