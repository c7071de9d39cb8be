from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import KFold
from sklearn.utils.estimator_checks import parametrize_with_checks

from alignkit._core.errors import InputError
from alignkit.encoders import RidgeEncoder
from alignkit.encoders._registry import ENCODERS
from alignkit.encoders.banded import BandedRidgeEncoder

FAST = {"alphas": np.logspace(-1, 5, 10), "n_weights": 6}


def make_data(n_samples):
    """Return two spaces and responses: the first three channels follow sound, the others words."""
    rng = np.random.default_rng(0)
    X = {"sound": rng.standard_normal((n_samples, 8)), "words": rng.standard_normal((n_samples, 60)) * 5 + 2}
    weights = {"sound": rng.standard_normal((8, 6)), "words": rng.standard_normal((60, 6)) / 8 / 5}
    weights["sound"][:, 3:] = 0
    weights["words"][:, :3] = 0
    Y = sum(X[name] @ weights[name] for name in X) + 0.7 * rng.standard_normal((n_samples, 6)) + 4
    return X, Y


@pytest.fixture
def data():
    return make_data(120)


def joined(X):
    return np.concatenate(list(X.values()), axis=1)


@parametrize_with_checks(
    [
        BandedRidgeEncoder(device="cpu"),
        BandedRidgeEncoder(cv=2, standardize=False, search="hypergradient", n_steps=2, device="cpu"),
    ]
)
def test_it_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize("standardize", [True, False])
def test_one_space_is_the_ridge_encoder(data, standardize):
    X, Y = joined(data[0]), data[1]
    banded = BandedRidgeEncoder(standardize=standardize).fit(X, Y)
    plain = RidgeEncoder(standardize=standardize).fit(X, Y)
    np.testing.assert_array_equal(banded.best_alphas_, plain.best_alphas_)
    np.testing.assert_allclose(banded.cv_scores_, plain.cv_scores_, atol=1e-6)
    np.testing.assert_allclose(banded.coef_, plain.coef_, atol=1e-6)
    np.testing.assert_allclose(banded.predict(X), plain.predict(X), atol=1e-6)
    assert list(banded.spaces_) == ["all"]


def test_it_recovers_which_space_drives_which_channel():
    X, Y = make_data(300)
    train, test = {k: v[:200] for k, v in X.items()}, {k: v[200:] for k, v in X.items()}
    encoder = BandedRidgeEncoder(n_weights=20).fit(train, Y[:200])
    assert (encoder.space_weights_[[0, 0, 0, 1, 1, 1], range(6)] > 0.8).all()
    shares = encoder.score_parts(test, Y[200:])
    for driving, other, channels in (("sound", "words", slice(0, 3)), ("words", "sound", slice(3, 6))):
        assert (shares[driving][channels] > 0.3).all()
        assert (np.abs(shares[other][channels]) < 0.05).all()


def test_shuffled_responses_are_not_predicted(data):
    X, Y = data
    rng = np.random.default_rng(1)
    encoder = BandedRidgeEncoder(**FAST).fit({k: v[:80] for k, v in X.items()}, rng.permutation(Y[:80]))
    assert encoder.score({k: v[80:] for k, v in X.items()}, Y[80:]) < 0.05
    assert encoder.cv_scores_.mean() < 0.1


def test_ridge_loses_beside_a_large_noisy_space(data):
    X, Y = data
    rng = np.random.default_rng(1)
    X = {"sound": X["sound"], "noise": rng.standard_normal((120, 400))}
    train, test = {k: v[:80] for k, v in X.items()}, {k: v[80:] for k, v in X.items()}
    banded = BandedRidgeEncoder(**FAST).fit(train, Y[:80]).score(test, Y[80:])
    plain = RidgeEncoder().fit(joined(train), Y[:80]).score(joined(test), Y[80:])
    assert banded > plain + 0.15


def test_every_way_to_name_the_spaces_gives_the_same_fit(data):
    X, Y = data
    first = BandedRidgeEncoder(**FAST).fit(X, Y)
    for spaces in (
        {"sound": 8, "words": 60},
        {"sound": slice(0, 8), "words": slice(8, None)},
        {"sound": range(8), "words": np.arange(8, 68)},
    ):
        other = BandedRidgeEncoder(spaces=spaces, **FAST).fit(joined(X), Y)
        np.testing.assert_array_equal(other.coef_, first.coef_)
        np.testing.assert_array_equal(other.predict(X), first.predict(joined(X)))
        np.testing.assert_array_equal(other.score_channels(X, Y), first.score_channels(joined(X), Y))
    named = BandedRidgeEncoder(spaces={"sound": 8, "words": 60}, **FAST).fit(dict(reversed(X.items())), Y)
    np.testing.assert_array_equal(named.coef_, first.coef_)


def test_interleaved_columns_keep_their_places(data):
    X, Y = data
    order = np.random.default_rng(0).permutation(68)
    place = np.argsort(order)
    spaces = {"sound": place[:8].tolist(), "words": place[8:].tolist()}
    mixed = BandedRidgeEncoder(spaces=spaces, **FAST).fit(joined(X)[:, order], Y)
    straight = BandedRidgeEncoder(**FAST).fit(X, Y)
    np.testing.assert_allclose(mixed.coef_, straight.coef_[order], atol=1e-9)


@pytest.mark.parametrize("single", [True, False])
def test_parts_sum_to_the_prediction_and_their_scores_to_r2(data, single):
    X, Y = data
    Y = Y[:, 0] if single else Y
    encoder = BandedRidgeEncoder(**FAST).fit({k: v[:80] for k, v in X.items()}, Y[:80])
    held_out = {k: v[80:] for k, v in X.items()}
    parts = encoder.predict_parts(held_out)
    predicted = encoder.predict(held_out).reshape(40, -1)
    np.testing.assert_allclose(sum(parts.values()) + encoder.intercept_, predicted)
    shares = encoder.score_parts(held_out, Y[80:])
    assert list(shares) == ["sound", "words"]
    r2 = encoder.score_channels(held_out, Y[80:], metric="r2")
    np.testing.assert_allclose(sum(shares.values()), r2, atol=1e-10)
    assert encoder.predict(held_out).shape == Y[80:].shape


def test_weights_sum_to_one_and_coefficients_are_in_the_units_of_the_features(data):
    X, Y = data
    encoder = BandedRidgeEncoder(**FAST).fit(X, Y)
    np.testing.assert_allclose(encoder.space_weights_.sum(axis=0), 1.0)
    np.testing.assert_allclose(encoder.predict(X), joined(X) @ encoder.coef_ + encoder.intercept_)
    larger = BandedRidgeEncoder(**FAST).fit({"sound": 1000 * X["sound"], "words": X["words"]}, Y)
    np.testing.assert_allclose(larger.coef_[:8], encoder.coef_[:8] / 1000, atol=1e-9)


def test_a_warm_start_goes_on_from_the_fitted_penalties(data):
    X, Y = data
    options = {"search": "hypergradient", "alphas": np.logspace(-1, 5, 4), "n_weights": 4}
    encoder = BandedRidgeEncoder(warm_start=True, n_steps=2, **options).fit(X, Y)
    before = encoder.cv_scores_
    encoder.fit(X, Y)
    assert (encoder.cv_scores_ >= before - 1e-8).all()
    assert (encoder.cv_scores_ > before + 1e-5).any()
    cold = BandedRidgeEncoder(n_steps=2, **options)
    np.testing.assert_array_equal(cold.fit(X, Y).cv_scores_, cold.fit(X, Y).cv_scores_)


def test_a_warm_start_of_other_channels_is_refused(data):
    X, Y = data
    encoder = BandedRidgeEncoder(warm_start=True, **FAST).fit(X, Y)
    with pytest.raises(InputError, match=r"`warm_start` .* words to 6 channel\(s\), but now come .* and 2"):
        encoder.fit(X, Y[:, :2])
    with pytest.raises(InputError, match="but now come sound, other and 6"):
        encoder.fit({"sound": X["sound"], "other": X["words"]}, Y)


@pytest.mark.parametrize("by_mapping", [True, False])
def test_it_comes_back_from_disk_with_its_spaces(data, tmp_path, by_mapping):
    X, Y = data
    spaces = None if by_mapping else {"words": slice(8, 68), "sound": list(range(8))}
    encoder = BandedRidgeEncoder(spaces=spaces, cv=KFold(3), **FAST).fit(X if by_mapping else joined(X), Y)
    encoder.save(tmp_path / "encoder")
    loaded = BandedRidgeEncoder.load(tmp_path / "encoder")
    np.testing.assert_array_equal(loaded.predict(X), encoder.predict(X))
    np.testing.assert_array_equal(loaded.space_weights_, encoder.space_weights_)
    assert list(loaded.spaces_) == list(encoder.spaces_)
    for name, part in encoder.predict_parts(X).items():
        np.testing.assert_array_equal(loaded.predict_parts(joined(X))[name], part)
    again = clone(loaded).set_params(cv=KFold(3)).fit(joined(X), Y)
    np.testing.assert_array_equal(again.coef_, encoder.coef_)


def test_one_space_comes_back_from_disk(data, tmp_path):
    X, Y = joined(data[0]), data[1]
    encoder = BandedRidgeEncoder(**FAST).fit(X, Y)
    encoder.save(tmp_path / "encoder")
    loaded = BandedRidgeEncoder.load(tmp_path / "encoder")
    assert loaded.spaces is None
    np.testing.assert_array_equal(loaded.predict(X), encoder.predict(X))


def test_tables_with_named_columns_are_features_too(data):
    X, Y = data
    frame = pd.DataFrame(joined(X), columns=[f"unit{k}" for k in range(68)])
    encoder = BandedRidgeEncoder(spaces={"sound": 8, "words": 60}, **FAST).fit(frame, Y)
    np.testing.assert_allclose(encoder.predict(frame), frame.to_numpy() @ encoder.coef_ + encoder.intercept_)
    assert encoder.feature_names_in_[0] == "unit0"


def test_it_is_registered():
    assert ENCODERS[BandedRidgeEncoder.kind] is BandedRidgeEncoder


@pytest.mark.parametrize(
    ("spaces", "message"),
    [
        ({}, "`spaces` must map names to columns"),
        ([8, 60], "`spaces` must map names to columns"),
        ({1: 68}, "`spaces` must have names as keys, got 1"),
        ({"sound": 8, "words": 61}, r"`spaces\['words'\]` reaches from column 8 to 68, .* have 68 columns"),
        ({"sound": 8}, "every one of the 68 columns once; column 8 is named 0 times"),
        ({"sound": 9, "words": slice(8, 68)}, "column 8 is named 2 times"),
        ({"sound": 0, "words": 68}, r"`spaces\['sound'\]` has no columns \(0\)"),
        ({"sound": "first", "words": 68}, "must be a number of columns, a slice or a list of columns"),
        ({"sound": [0.5], "words": 68}, r"a slice or a list of columns, got \[0.5\]"),
    ],
)
def test_spaces_that_do_not_name_every_column_once_are_refused(data, spaces, message):
    X, Y = data
    with pytest.raises(InputError, match=message):
        BandedRidgeEncoder(spaces=spaces).fit(joined(X), Y)


def test_features_by_name_must_fit_the_spaces_and_each_other(data):
    X, Y = data
    encoder = BandedRidgeEncoder(**FAST).fit(X, Y)
    with pytest.raises(InputError, match="must hold the feature spaces sound, words, got sound"):
        encoder.predict({"sound": X["sound"]})
    with pytest.raises(InputError, match="feature spaces of {'sound': 8, 'words': 59} columns, but"):
        encoder.predict({"sound": X["sound"], "words": X["words"][:, 1:]})
    with pytest.raises(
        InputError, match="same samples in every feature space, got {'sound': 120, 'words': 119}"
    ):
        encoder.fit({"sound": X["sound"], "words": X["words"][1:]}, Y)
    with pytest.raises(InputError, match="`X` is an empty mapping"):
        encoder.fit({}, Y)
    with pytest.raises(InputError, match=r"`X\['sound'\]` must have 2 dimension"):
        encoder.fit({"sound": X["sound"][:, 0]}, Y)
    with pytest.raises(InputError, match=r"`Y` must have the 6 channel\(s\) that were fitted, got 5"):
        encoder.score_parts(X, Y[:, :5])
