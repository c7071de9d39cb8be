from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from alignkit._core.errors import InputError
from alignkit.encoders import RidgeEncoder
from alignkit.encoders._registry import ENCODERS
from alignkit.encoders.fractional import FractionalRidgeEncoder


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 12)) * np.logspace(-2, 2, 12) + 3
    weights = rng.standard_normal((12, 4)) / np.logspace(-2, 2, 12)[:, None]
    return X, X @ weights + np.array([0.1, 1, 3, 30]) * rng.standard_normal((80, 4)) + 7


@parametrize_with_checks([FractionalRidgeEncoder(), FractionalRidgeEncoder(cv=2, standardize=False)])
def test_it_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


def test_it_is_registered_with_its_paper():
    assert ENCODERS["fractional-ridge"] is FractionalRidgeEncoder
    assert "Rokem" in ENCODERS.facts("fractional-ridge")["paper"]


def test_it_is_ridge_at_the_implied_penalties(data):
    X, Y = data
    encoder = FractionalRidgeEncoder(fractions=[0.1, 0.3, 0.5, 0.8]).fit(X, Y)
    for channel, alpha in enumerate(encoder.best_alphas_):
        peer = make_pipeline(StandardScaler(), Ridge(alpha=alpha)).fit(X, Y[:, channel])
        np.testing.assert_allclose(encoder.predict(X)[:, channel], peer.predict(X), rtol=1e-8)


def test_the_norm_of_the_z_scored_weights_is_the_fraction(data):
    X, Y = data
    encoder = FractionalRidgeEncoder().fit(X, Y)
    free = FractionalRidgeEncoder(fractions=[1.0]).fit(X, Y)
    norm, whole = (np.linalg.norm(e.coef_ * X.std(0)[:, None], axis=0) for e in (encoder, free))
    np.testing.assert_allclose(norm / whole, encoder.best_fractions_, rtol=1e-9)
    np.testing.assert_array_equal(free.best_alphas_, 0)


def test_noisier_channels_get_smaller_fractions_and_larger_penalties(data):
    encoder = FractionalRidgeEncoder().fit(*data)
    assert (np.diff(encoder.best_fractions_) <= 0).all()
    assert encoder.best_fractions_[3] < encoder.best_fractions_[0] - 0.3
    assert (np.diff(encoder.best_alphas_) >= 0).all()


def test_cross_validation_takes_fractions_and_z_scores_of_the_training_part(data):
    X, Y = data
    folds = list(KFold(4).split(X))
    encoder = FractionalRidgeEncoder(fractions=[0.6], cv=folds).fit(X, Y)
    scores = []
    for train, test in folds:
        part = FractionalRidgeEncoder(fractions=[0.6]).fit(X[train], Y[train])
        scores.append(part.score_channels(X[test], Y[test], metric="r2"))
    np.testing.assert_allclose(encoder.cv_scores_, np.mean(scores, 0), rtol=1e-9)


def test_a_planted_map_is_found_and_a_shuffle_is_at_chance():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 60))
    Y = X @ rng.standard_normal((60, 5)) + 8 * rng.standard_normal((300, 5))
    found = FractionalRidgeEncoder().fit(X[:100], Y[:100])
    free = FractionalRidgeEncoder(fractions=[1.0]).fit(X[:100], Y[:100])
    assert found.score(X[100:], Y[100:]) > max(0.2, free.score(X[100:], Y[100:]) + 0.2)
    shuffled = [FractionalRidgeEncoder().fit(X[:100], rng.permutation(Y[:100])) for _ in range(20)]
    assert abs(np.mean([null.score_channels(X[100:], Y[100:]) for null in shuffled])) < 0.03
    assert np.median([null.best_fractions_ for null in shuffled]) <= 0.1


def test_it_chooses_as_well_as_a_fine_grid_of_penalties():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 80))
    Y = X @ rng.standard_normal((80, 6)) + np.logspace(0, 1.5, 6) * rng.standard_normal((400, 6))
    fractional = FractionalRidgeEncoder().fit(X[:150], Y[:150])
    ridge = RidgeEncoder(device="cpu").fit(X[:150], Y[:150])
    ours = fractional.score_channels(X[150:], Y[150:], metric="r2")
    theirs = ridge.score_channels(X[150:], Y[150:], metric="r2")
    np.testing.assert_allclose(ours, theirs, atol=0.05)
    assert abs(np.mean(ours - theirs)) < 0.02


def test_features_that_nearly_repeat_each_other_are_ridges():
    # Nearly equal columns make the unpenalised weights long: fractions of them hardly touch the others.
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((300, 25))
    X = np.repeat(latent, 2, axis=1) + 1e-3 * rng.standard_normal((300, 50))
    Y = latent @ rng.standard_normal((25, 4)) + 6 * rng.standard_normal((300, 4))
    fractional = FractionalRidgeEncoder(standardize=False).fit(X[:70], Y[:70])
    ridge = RidgeEncoder(standardize=False, device="cpu").fit(X[:70], Y[:70])
    assert ridge.score(X[70:], Y[70:]) > fractional.score(X[70:], Y[70:]) + 0.1
    smaller = FractionalRidgeEncoder(fractions=np.logspace(-4, 0, 40), standardize=False).fit(X[:70], Y[:70])
    assert smaller.score(X[70:], Y[70:]) > fractional.score(X[70:], Y[70:]) + 0.05


def test_it_says_when_most_channels_want_smaller_fractions(data, caplog):
    X, Y = data
    FractionalRidgeEncoder().fit(X, Y[:, :2])
    FractionalRidgeEncoder(fractions=[0.5]).fit(X, Y)
    assert not caplog.records
    FractionalRidgeEncoder(fractions=[0.9, 1.0]).fit(X, Y[:, 2:])
    assert "2 of 2 channels chose the smallest fraction, 0.9" in caplog.text


def test_fractions_may_come_unsorted_and_twice(data):
    X, Y = data
    messy = FractionalRidgeEncoder(fractions=[0.9, 0.3, 0.9, 0.6]).fit(X, Y)
    tidy = FractionalRidgeEncoder(fractions=[0.3, 0.6, 0.9]).fit(X, Y)
    np.testing.assert_array_equal(messy.coef_, tidy.coef_)


def test_a_constant_channel_is_predicted_by_its_constant(data):
    X, Y = (values.copy() for values in data)
    Y[:, 1], X[:, 5] = 0.1, 0.1
    encoder = FractionalRidgeEncoder().fit(X, Y)
    np.testing.assert_array_equal(encoder.coef_[:, 1], 0)
    np.testing.assert_array_equal(encoder.coef_[5], 0)
    np.testing.assert_array_equal(encoder.predict(X)[:, 1], 0.1)
    assert encoder.cv_scores_[1] == 0
    assert np.isnan(encoder.best_alphas_[1])
    assert encoder.best_fractions_[1] == 0.001


def test_responses_in_tesla_are_fitted_like_any(data):
    X, Y = (values.astype(np.float32) for values in data)
    small = FractionalRidgeEncoder().fit(X, Y * np.float32(2.0**-60))
    plain = FractionalRidgeEncoder().fit(X, Y)
    np.testing.assert_array_equal(small.best_fractions_, plain.best_fractions_)
    np.testing.assert_allclose(small.coef_ * 2.0**60, plain.coef_, rtol=1e-5)


@pytest.mark.parametrize("shape", [(80, 12), (60, 200)])
def test_float32_agrees_with_float64(shape):
    rng = np.random.default_rng(0)
    X = rng.standard_normal(shape).astype(np.float32)
    Y = (X @ rng.standard_normal((shape[1], 5)) + 3 * rng.standard_normal((shape[0], 5))).astype(np.float32)
    encoder = FractionalRidgeEncoder().fit(X, Y)
    exact = FractionalRidgeEncoder().fit(X.astype(np.float64), Y.astype(np.float64))
    assert encoder.coef_.dtype == encoder.predict(X).dtype == np.float32
    np.testing.assert_array_equal(encoder.best_fractions_, exact.best_fractions_)
    np.testing.assert_allclose(encoder.cv_scores_, exact.cv_scores_, atol=1e-5)
    np.testing.assert_allclose(encoder.predict(X), exact.predict(X), atol=1e-4 * exact.predict(X).std())


def test_same_seed_gives_same_bits_and_input_stays(data):
    before = [values.copy() for values in data]
    first, again = (FractionalRidgeEncoder().fit(*data) for _ in range(2))
    np.testing.assert_array_equal(first.coef_, again.coef_)
    np.testing.assert_array_equal(first.cv_scores_, again.cv_scores_)
    other = FractionalRidgeEncoder(random_state=1).fit(*data)
    assert np.abs(first.cv_scores_ - other.cv_scores_).max() > 0
    for values, copy in zip(data, before, strict=True):
        np.testing.assert_array_equal(values, copy)


def test_groups_stay_together():
    rng = np.random.default_rng(0)
    stimuli = np.repeat(np.arange(40), 3)
    X, Y = rng.standard_normal((40, 60))[stimuli], rng.standard_normal((40, 2))[stimuli]
    assert (FractionalRidgeEncoder().fit(X, Y).cv_scores_ > 0.9).all()
    assert (FractionalRidgeEncoder().fit(X, Y, groups=stimuli).cv_scores_ < 0.1).all()


@pytest.mark.parametrize("single", [True, False])
def test_a_saved_encoder_predicts_the_same_bits(data, tmp_path, single):
    X, Y = data
    encoder = FractionalRidgeEncoder(fractions=np.array([0.2, 0.7])).fit(X, Y[:, 0] if single else Y)
    encoder.save(tmp_path / "encoder")
    loaded = FractionalRidgeEncoder.load(tmp_path / "encoder")
    np.testing.assert_array_equal(loaded.predict(X), encoder.predict(X))
    np.testing.assert_array_equal(loaded.best_fractions_, encoder.best_fractions_)
    np.testing.assert_array_equal(loaded.best_alphas_, encoder.best_alphas_)
    assert loaded.predict(X).shape == ((80,) if single else (80, 4))


def test_what_cannot_be_used_is_refused(data):
    X, Y = data
    with pytest.raises(InputError, match=r"`fractions` must be above 0 and at most 1, got 0"):
        FractionalRidgeEncoder(fractions=[0.0, 0.5]).fit(X, Y)
    with pytest.raises(InputError, match=r"at most 1, got 1\.2"):
        FractionalRidgeEncoder(fractions=[0.5, 1.2]).fit(X, Y)
    with pytest.raises(InputError, match="NaN"):
        FractionalRidgeEncoder().fit(np.where(X > 100, np.nan, X), Y)
    with pytest.raises(InputError, match="at least 2 folds"):
        FractionalRidgeEncoder(cv=1).fit(X, Y)
