from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.encoders import RidgeEncoder
from alignkit.encoders._registry import ENCODERS
from alignkit.encoders.components import PrincipalComponentsEncoder


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 5)) @ rng.standard_normal((5, 12)) + rng.standard_normal((80, 12))
    Y = X @ rng.standard_normal((12, 4)) + np.array([0.1, 1, 10, 100]) * rng.standard_normal((80, 4))
    return X * np.logspace(-1, 1, 12) + 3, Y


def peer(n_components):
    return make_pipeline(StandardScaler(), PCA(n_components, svd_solver="full"), LinearRegression())


@pytest.mark.filterwarnings("ignore:`n_components` asks for")
@parametrize_with_checks(
    [PrincipalComponentsEncoder(), PrincipalComponentsEncoder(n_components=[1, 10], cv=2, standardize=False)]
)
def test_it_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


def test_it_is_registered_with_its_paper():
    assert ENCODERS["principal-components"] is PrincipalComponentsEncoder
    assert "Massy" in ENCODERS.facts("principal-components")["paper"]


def test_it_equals_scikit_learn_at_the_chosen_numbers(data):
    X, Y = data
    encoder = PrincipalComponentsEncoder(n_components=[1, 4, 6, 12]).fit(X, Y)
    assert len(np.unique(encoder.n_components_)) > 1
    for channel, number in enumerate(encoder.n_components_):
        predicted = peer(int(number)).fit(X, Y[:, channel]).predict(X)
        np.testing.assert_allclose(encoder.predict(X)[:, channel], predicted, rtol=1e-8, atol=1e-8)


def test_it_equals_scikit_learn_with_more_features_than_samples(data):
    X, Y = data
    X = np.column_stack([X, np.random.default_rng(1).standard_normal((80, 50))])
    encoder = PrincipalComponentsEncoder(n_components=10).fit(X[:30], Y[:30])
    np.testing.assert_allclose(
        encoder.predict(X[30:]), peer(10).fit(X[:30], Y[:30]).predict(X[30:]), rtol=1e-6
    )


def test_one_pass_scores_every_number_by_components_of_the_training_part(data):
    X, Y = data
    folds = list(KFold(4).split(X))
    scores = np.zeros((12, 4))
    for train, test in folds:
        for number in range(1, 13):
            predicted = peer(number).fit(X[train], Y[train]).predict(X[test])
            error = ((Y[test] - predicted) ** 2).sum(0)
            scores[number - 1] += 1 - error / ((Y[test] - Y[test].mean(0)) ** 2).sum(0)
    scores /= len(folds)
    encoder = PrincipalComponentsEncoder(cv=folds).fit(X, Y)
    np.testing.assert_array_equal(encoder.n_components_, 1 + scores.argmax(0))
    np.testing.assert_allclose(encoder.cv_scores_, scores.max(0), rtol=1e-8)


def test_responses_that_follow_the_strong_directions_beat_ridge_and_a_shuffle_is_at_chance():
    rng = np.random.default_rng(1)
    strong = rng.standard_normal((300, 3))
    X = strong @ rng.standard_normal((3, 200)) + 2 * rng.standard_normal((300, 200))
    Y = strong @ rng.standard_normal((3, 20)) + rng.standard_normal((300, 20))
    found = PrincipalComponentsEncoder().fit(X[:60], Y[:60])
    ridge = RidgeEncoder(device="cpu").fit(X[:60], Y[:60])
    assert np.bincount(found.n_components_).argmax() == found.n_components_.min() == 3
    assert found.score(X[60:], Y[60:]) > ridge.score(X[60:], Y[60:]) + 0.01
    null = [PrincipalComponentsEncoder().fit(X[:60], rng.permutation(Y[:60])) for _ in range(20)]
    assert abs(np.mean([shuffled.score_channels(X[60:], Y[60:]) for shuffled in null])) < 0.05
    assert np.mean([shuffled.score(X[60:], Y[60:]) for shuffled in null]) < 0


def test_responses_that_follow_weak_directions_are_ridges():
    rng = np.random.default_rng(0)
    weak = rng.standard_normal((400, 100))
    X = weak + 5 * rng.standard_normal((400, 30)) @ rng.standard_normal((30, 100))
    Y = weak @ rng.standard_normal((100, 10)) + 2 * rng.standard_normal((400, 10))
    lost = PrincipalComponentsEncoder(n_components=range(1, 31)).fit(X[:200], Y[:200])
    ridge = RidgeEncoder(device="cpu").fit(X[:200], Y[:200])
    assert lost.score(X[200:], Y[200:]) < 0.1
    assert ridge.score(X[200:], Y[200:]) > lost.score(X[200:], Y[200:]) + 0.2


def test_all_components_are_least_squares(data):
    X, Y = data
    encoder = PrincipalComponentsEncoder(n_components=12).fit(X, Y)
    np.testing.assert_allclose(encoder.predict(X), LinearRegression().fit(X, Y).predict(X), rtol=1e-8)


def test_units_of_features_matter_only_without_z_scores(data):
    X, Y = data
    factors = np.logspace(2, -2, 12)
    one, other = (PrincipalComponentsEncoder(n_components=3).fit(F, Y).predict(F) for F in (X, X * factors))
    np.testing.assert_allclose(one, other, rtol=1e-8)
    raw = [
        PrincipalComponentsEncoder(n_components=3, standardize=False).fit(F, Y).predict(F)
        for F in (X, X * factors)
    ]
    assert np.abs(raw[0] - raw[1]).max() > 0.1


def test_more_components_than_the_features_have_are_lowered_with_a_warning(data):
    X, Y = data
    with pytest.warns(UserWarning, match=r"asks for 25, .* span only 12 dimension"):
        encoder = PrincipalComponentsEncoder(n_components=25).fit(X, Y)
    np.testing.assert_array_equal(encoder.n_components_, 12)


@pytest.mark.parametrize("standardize", [True, False])
def test_constant_features_and_channels_get_no_weight(data, standardize):
    X, Y = (values.copy() for values in data)
    X[:, 3], Y[:, 1] = 0.1, 0.1
    encoder = PrincipalComponentsEncoder(standardize=standardize).fit(X, Y)
    np.testing.assert_array_equal(encoder.coef_[3], 0)
    np.testing.assert_array_equal(encoder.coef_[:, 1], 0)
    np.testing.assert_array_equal(encoder.predict(X)[:, 1], 0.1)
    assert encoder.cv_scores_[1] == 0
    assert encoder.n_components_[1] == 1


def test_constant_features_predict_the_mean(data):
    encoder = PrincipalComponentsEncoder().fit(np.full((80, 3), 0.1), data[1])
    np.testing.assert_allclose(encoder.predict(np.full((1, 3), 9.0))[0], data[1].mean(0))
    np.testing.assert_array_equal(encoder.n_components_, 0)


def test_float32_agrees_with_float64(data):
    X, Y = (values.astype(np.float32) for values in data)
    encoder = PrincipalComponentsEncoder().fit(X, Y)
    exact = PrincipalComponentsEncoder().fit(*(values.astype(np.float64) for values in (X, Y)))
    assert encoder.coef_.dtype == encoder.predict(X).dtype == np.float32
    np.testing.assert_array_equal(encoder.n_components_, exact.n_components_)
    np.testing.assert_allclose(encoder.predict(X), exact.predict(X), atol=1e-4 * exact.predict(X).std())


def test_same_seed_gives_same_bits_and_input_stays(data):
    before = [values.copy() for values in data]
    first, again = (PrincipalComponentsEncoder().fit(*data) for _ in range(2))
    np.testing.assert_array_equal(first.coef_, again.coef_)
    np.testing.assert_array_equal(first.cv_scores_, again.cv_scores_)
    other = PrincipalComponentsEncoder(random_state=1).fit(*data)
    assert np.abs(first.cv_scores_ - other.cv_scores_).max() > 0
    for values, copy in zip(data, before, strict=True):
        np.testing.assert_array_equal(values, copy)


@pytest.mark.parametrize("single", [True, False])
def test_a_saved_encoder_predicts_the_same_bits(data, tmp_path, single):
    X, Y = data
    encoder = PrincipalComponentsEncoder().fit(X, Y[:, 0] if single else Y)
    encoder.save(tmp_path / "encoder")
    loaded = PrincipalComponentsEncoder.load(tmp_path / "encoder")
    np.testing.assert_array_equal(loaded.predict(X), encoder.predict(X))
    np.testing.assert_array_equal(loaded.n_components_, encoder.n_components_)
    assert loaded.get_params() == encoder.get_params()


def test_what_cannot_be_used_is_refused(data):
    X, Y = data
    with pytest.raises(InputError, match=r"`n_components` must be at least 1, got -1"):
        PrincipalComponentsEncoder(n_components=-1).fit(X, Y)
    with pytest.raises(UnknownNameError, match=r"`n_components` is 'mle', .*Known: cv"):
        PrincipalComponentsEncoder(n_components="mle").fit(X, Y)
    with pytest.raises(InputError, match="at least 2 folds"):
        PrincipalComponentsEncoder(cv=1).fit(X, Y)
