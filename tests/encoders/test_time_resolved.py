from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.encoders import FractionalRidgeEncoder, RidgeEncoder
from alignkit.encoders.receptive_field import TemporalReceptiveField
from alignkit.encoders.time_resolved import TimeResolvedEncoder


@pytest.fixture
def data():
    """Features that drive channel 1 early and channel 2 late."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 6))
    weights = rng.standard_normal((2, 6))
    Y = rng.standard_normal((200, 4, 10))
    Y[:, 1, 2:4] += 2 * (X @ weights[0])[:, None]
    Y[:, 2, 7] += 2 * X @ weights[1]
    return X, Y


@parametrize_with_checks([TimeResolvedEncoder(RidgeEncoder(cv=2, device="cpu"))])
def test_it_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


def test_it_equals_a_fit_at_every_time(data):
    X, Y = data
    encoder = TimeResolvedEncoder().fit(X, Y)
    scores = encoder.score_channels(X, Y)
    for time in range(10):
        single = RidgeEncoder().fit(X, Y[:, :, time])
        np.testing.assert_allclose(encoder.coef_[:, :, time], single.coef_, rtol=1e-6, atol=1e-10)
        np.testing.assert_array_equal(encoder.best_alphas_[:, time], single.best_alphas_)
        np.testing.assert_allclose(encoder.cv_scores_[:, time], single.cv_scores_, rtol=1e-6, atol=1e-10)
        np.testing.assert_allclose(encoder.predict(X)[:, :, time], single.predict(X), rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(scores[:, time], single.score_channels(X, Y[:, :, time]), rtol=1e-6)


def test_the_penalty_is_scikit_learns(data):
    X, Y = data
    encoder = TimeResolvedEncoder(RidgeEncoder(alphas=[10.0], standardize=False)).fit(X, Y)
    peer = Ridge(alpha=10.0).fit(X, Y.reshape(200, 40))
    np.testing.assert_allclose(encoder.predict(X).reshape(200, 40), peer.predict(X), rtol=1e-8)


def test_a_planted_effect_is_found_where_and_when_it_is(data):
    X, Y = data
    encoder = TimeResolvedEncoder().fit(X[:150], Y[:150])
    scores = encoder.score_channels(X[150:], Y[150:])
    assert sorted(zip(*np.nonzero(scores > 0.8), strict=True)) == [(1, 2), (1, 3), (2, 7)]
    others = np.delete(scores.ravel(), [12, 13, 27])
    assert abs(np.nanmean(others)) < 0.1
    shuffled = TimeResolvedEncoder().fit(X[:150], np.random.default_rng(0).permutation(Y[:150]))
    assert np.abs(shuffled.score_channels(X[150:], Y[150:], metric="r2")).max() < 0.2


def test_channels_and_times_may_be_reordered(data):
    X, Y = data
    plain = TimeResolvedEncoder().fit(X, Y)
    swapped = TimeResolvedEncoder().fit(X, Y[:, ::-1, ::2])
    np.testing.assert_allclose(swapped.coef_, plain.coef_[:, ::-1, ::2], rtol=1e-6, atol=1e-10)


def test_score_is_the_mean_r2_over_channels_and_times(data):
    X, Y = data
    encoder = TimeResolvedEncoder().fit(X, Y)
    assert encoder.score(X, Y) == encoder.score_channels(X, Y, metric="r2").mean()


def test_repeats_stay_on_one_side(data):
    rng = np.random.default_rng(0)
    stimuli = np.repeat(np.arange(30), 4)
    X, Y = rng.standard_normal((30, 60))[stimuli], rng.standard_normal((30, 2, 3))[stimuli]
    assert TimeResolvedEncoder().fit(X, Y).cv_scores_.min() > 0.9
    assert TimeResolvedEncoder().fit(X, Y, groups=stimuli).cv_scores_.max() < 0.3


def test_saved_and_loaded_it_predicts_the_same_bits(data, tmp_path):
    X, Y = data
    for response in (Y, Y[:, 0], Y[:, 0, 0]):
        encoder = TimeResolvedEncoder(RidgeEncoder(alphas=[1.0, 10.0])).fit(X, response)
        encoder.save(tmp_path / "saved")
        loaded = TimeResolvedEncoder.load(tmp_path / "saved")
        assert encoder.predict(X).shape == response.shape
        np.testing.assert_array_equal(loaded.predict(X), encoder.predict(X))
        np.testing.assert_array_equal(loaded.best_alphas_, encoder.best_alphas_)
        assert loaded.estimator.get_params() == encoder.estimator.get_params()
        np.testing.assert_array_equal(loaded.fit(X, response).coef_, encoder.coef_)


def test_without_an_estimator_or_with_an_unregistered_one_the_default_is_loaded(data, tmp_path):
    class OwnRidge(RidgeEncoder):
        kind = "own"

    for estimator in (None, OwnRidge()):
        encoder = TimeResolvedEncoder(estimator).fit(*data)
        encoder.save(tmp_path / "saved")
        assert TimeResolvedEncoder.load(tmp_path / "saved").estimator is None


def test_a_new_process_finds_the_estimator(data, tmp_path):
    TimeResolvedEncoder(FractionalRidgeEncoder(fractions=[0.5], cv=3)).fit(*data).save(tmp_path / "saved")
    code = (
        "import sys; from alignkit.encoders.time_resolved import TimeResolvedEncoder as E; "
        "print(E.load(sys.argv[1]).estimator)"
    )
    run = [sys.executable, "-c", code, str(tmp_path / "saved")]
    found = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert found.strip() == "FractionalRidgeEncoder(cv=3, fractions=[0.5])"


def test_a_damaged_estimator_is_refused(data, tmp_path):
    TimeResolvedEncoder(RidgeEncoder()).fit(*data).save(tmp_path / "saved")
    description = tmp_path / "saved" / "encoder.json"
    description.write_text(description.read_text().replace('"standardize"', '"standardise"'))
    with pytest.raises(InputError, match="does not describe the estimator of its encoder .*standardise"):
        TimeResolvedEncoder.load(tmp_path / "saved")


def test_integers_and_float32_are_fine(data):
    X, Y = data
    plain = TimeResolvedEncoder().fit(X, Y)
    single = TimeResolvedEncoder().fit(X.astype("f4"), Y.astype("f4"))
    assert single.coef_.dtype == np.float32
    np.testing.assert_allclose(single.coef_, plain.coef_, atol=1e-4)
    counts = np.round(Y * 5).astype(int)
    np.testing.assert_allclose(
        TimeResolvedEncoder().fit(X, counts).coef_, TimeResolvedEncoder().fit(X, counts.astype(float)).coef_
    )


def test_what_cannot_be_is_refused(data):
    X, Y = data
    with pytest.raises(InputError, match="must have the same number of samples, got 200 and 150"):
        TimeResolvedEncoder().fit(X, Y[:150])
    with pytest.raises(InputError, match="`Y` holds 1 NaN"):
        TimeResolvedEncoder().fit(X, np.where(np.arange(Y.size).reshape(Y.shape) == 7, np.nan, Y))
    with pytest.raises(InputError, match="a linear encoder of alignkit, such as RidgeEncoder.*got Ridge"):
        TimeResolvedEncoder(Ridge()).fit(X, Y)
    with pytest.raises(InputError, match="`estimator` must be linear.*which 'trf' has not"):
        TimeResolvedEncoder(TemporalReceptiveField(sfreq_hz=10.0)).fit(X, Y)
    encoder = TimeResolvedEncoder().fit(X, Y)
    with pytest.raises(InputError, match=r"shape that was fitted, \(4, 10\) for every sample, got \(4, 9\)"):
        encoder.score_channels(X, Y[:, :, :9])
    with pytest.raises(InputError, match="`X` and `Y` must have at least 2 samples.* got 1"):
        encoder.score_channels(X[:1], Y[:1])
    with pytest.raises(InputError, match="X has 5 features"):
        encoder.predict(X[:, :5])
    with pytest.raises(UnknownNameError, match="`metric` is 'rho'"):
        encoder.score_channels(X, Y, metric="rho")
