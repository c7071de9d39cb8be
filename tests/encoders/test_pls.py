from __future__ import annotations

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import KFold
from sklearn.utils.estimator_checks import parametrize_with_checks

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.encoders import RidgeEncoder
from alignkit.encoders._registry import ENCODERS
from alignkit.encoders.pls import PLSEncoder


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((90, 6))
    X = latent @ rng.standard_normal((6, 40)) + rng.standard_normal((90, 40))
    Y = latent @ rng.standard_normal((6, 8)) + rng.standard_normal((90, 8))
    return X * np.logspace(-2, 2, 40) + 3, Y * np.logspace(-1, 1, 8) - 5


def converged(n_components, **options):
    # scikit-learn's default tolerance stops at weights that are right to some 1e-3 only.
    return PLSRegression(n_components, tol=1e-24, max_iter=20_000, **options)


@pytest.mark.filterwarnings("ignore:`n_components` asks for")
@parametrize_with_checks([PLSEncoder(), PLSEncoder(n_components="cv", cv=2, standardize=False)])
def test_it_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


def test_it_is_registered_with_its_paper():
    assert ENCODERS["pls"] is PLSEncoder
    assert "Schrimpf" in ENCODERS.facts("pls")["paper"]


@pytest.mark.parametrize("n_components", [1, 3, 25])
@pytest.mark.parametrize("standardize", [True, False])
def test_it_equals_scikit_learn_iterated_to_convergence(data, n_components, standardize):
    X, Y = data
    ours = PLSEncoder(n_components=n_components, standardize=standardize).fit(X, Y)
    peer = converged(n_components, scale=standardize).fit(X, Y)
    # Directions far down the spectrum, of features of small variance, are known less exactly.
    size = np.abs(peer.coef_.T).max()
    np.testing.assert_allclose(ours.coef_, peer.coef_.T, atol=1e-6 * size)
    np.testing.assert_allclose(ours.predict(X), peer.predict(X), rtol=1e-6, atol=1e-6)


def test_it_equals_scikit_learn_with_more_features_than_samples(data):
    X, Y = data
    ours = PLSEncoder(n_components=12).fit(X[:30], Y[:30])
    peer = converged(12, scale=True).fit(X[:30], Y[:30])
    np.testing.assert_allclose(ours.predict(X[30:]), peer.predict(X[30:]), rtol=1e-6, atol=1e-6)


def test_cv_scores_are_scikit_learns_on_the_same_folds(data):
    X, Y = data
    folds = list(KFold(4).split(X))
    encoder = PLSEncoder(n_components=5, cv=folds).fit(X, Y)
    scores = []
    for train, test in folds:
        predicted = converged(5, scale=True).fit(X[train], Y[train]).predict(X[test])
        error = ((Y[test] - predicted) ** 2).sum(0)
        scores.append(1 - error / ((Y[test] - Y[test].mean(0)) ** 2).sum(0))
    np.testing.assert_allclose(encoder.cv_scores_, np.mean(scores, 0), rtol=1e-6)


def test_the_chosen_number_is_that_of_the_best_mean_score(data):
    X, Y = data
    numbers = [1, 2, 4, 6, 10]
    alone = [PLSEncoder(n_components=number).fit(X, Y) for number in numbers]
    best = int(np.argmax([encoder.cv_scores_.mean() for encoder in alone]))
    chosen = PLSEncoder(n_components=numbers).fit(X, Y)
    assert chosen.n_components_ == numbers[best]
    np.testing.assert_allclose(chosen.coef_, alone[best].coef_, rtol=1e-9)
    np.testing.assert_allclose(chosen.cv_scores_, alone[best].cv_scores_, rtol=1e-9)
    assert not hasattr(chosen, "best_alphas_")


def test_few_shared_components_are_found_and_beat_ridge_and_a_shuffle_is_at_chance():
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((260, 3))
    X = latent @ rng.standard_normal((3, 300)) + 3 * rng.standard_normal((260, 300))
    Y = latent @ rng.standard_normal((3, 60)) + 3 * rng.standard_normal((260, 60))
    pls = PLSEncoder(n_components="cv").fit(X[:60], Y[:60])
    ridge = RidgeEncoder(device="cpu").fit(X[:60], Y[:60])
    assert pls.n_components_ == 3
    assert pls.score(X[60:], Y[60:]) > ridge.score(X[60:], Y[60:]) + 0.02
    null = [PLSEncoder(n_components=3).fit(X[:60], rng.permutation(Y[:60])) for _ in range(20)]
    assert abs(np.mean([shuffled.score_channels(X[60:], Y[60:]) for shuffled in null])) < 0.05
    assert np.mean([shuffled.score(X[60:], Y[60:]) for shuffled in null]) < 0


def test_channels_with_directions_of_their_own_are_ridges():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 80))
    Y = X @ rng.standard_normal((80, 80)) + rng.standard_normal((400, 80))
    pls = PLSEncoder(n_components=10).fit(X[:200], Y[:200])
    ridge = RidgeEncoder(device="cpu").fit(X[:200], Y[:200])
    assert pls.score(X[200:], Y[200:]) < ridge.score(X[200:], Y[200:]) - 0.05


def test_other_channels_change_a_channels_weights(data):
    X, Y = data
    together = PLSEncoder(n_components=2).fit(X, Y)
    alone = PLSEncoder(n_components=2).fit(X, Y[:, 0])
    assert np.abs(together.predict(X)[:, 0] - alone.predict(X)).max() > 0.01


def test_units_and_offsets_do_not_matter_when_z_scored(data):
    X, Y = data
    encoder = PLSEncoder(n_components=4).fit(X, Y)
    factors = np.logspace(-3, 3, 8)
    scaled = PLSEncoder(n_components=4).fit(1000 * X + 5, Y * factors - 1)
    np.testing.assert_allclose(scaled.predict(1000 * X + 5), encoder.predict(X) * factors - 1, rtol=1e-7)
    np.testing.assert_allclose(scaled.cv_scores_, encoder.cv_scores_, rtol=1e-7)
    raw = PLSEncoder(n_components=4, standardize=False).fit(X, Y)
    raw_scaled = PLSEncoder(n_components=4, standardize=False).fit(X, Y * factors)
    assert np.abs(raw_scaled.predict(X) / factors - raw.predict(X)).max() > 0.01


def test_responses_in_tesla_are_fitted_like_any(data):
    X, Y = data
    small = PLSEncoder(n_components=4).fit(X, Y * 1e-14)
    np.testing.assert_allclose(small.cv_scores_, PLSEncoder(n_components=4).fit(X, Y).cv_scores_, rtol=1e-9)


def test_more_components_than_the_features_have_are_lowered_with_a_warning(data):
    X, Y = data
    with pytest.warns(UserWarning, match=r"asks for 25, .* span only 19 dimension"):
        encoder = PLSEncoder().fit(X[:20], Y[:20])
    assert encoder.n_components_ == 19
    with pytest.warns(UserWarning, match=r"asks for 25, .* span only 4 dimension"):
        low = PLSEncoder(n_components=[2, 25]).fit(
            X[:, -4:] @ np.random.default_rng(0).standard_normal((4, 9)), Y
        )
    assert low.n_components_ <= 4


def test_all_components_are_least_squares(data):
    X, Y = data
    encoder = PLSEncoder(n_components=40).fit(X, Y)
    design = np.column_stack([X, np.ones(90)])
    np.testing.assert_allclose(
        encoder.predict(X), design @ np.linalg.lstsq(design, Y, rcond=None)[0], rtol=1e-5
    )


@pytest.mark.parametrize("standardize", [True, False])
def test_constant_features_and_channels_get_no_weight(data, standardize):
    X, Y = (values.copy() for values in data)
    X[:, 3], Y[:, 1] = 0.1, 0.1
    encoder = PLSEncoder(n_components=5, standardize=standardize).fit(X, Y)
    np.testing.assert_array_equal(encoder.coef_[3], 0)
    np.testing.assert_array_equal(encoder.coef_[:, 1], 0)
    np.testing.assert_array_equal(encoder.predict(X)[:, 1], 0.1)
    assert encoder.cv_scores_[1] == 0


def test_constant_responses_are_predicted_without_components(data):
    encoder = PLSEncoder(n_components=3).fit(data[0], np.full(90, 0.1))
    assert encoder.n_components_ == 0
    np.testing.assert_array_equal(encoder.predict(data[0]), 0.1)


def test_float32_agrees_with_float64(data):
    X, Y = (values.astype(np.float32) for values in data)
    encoder = PLSEncoder(n_components="cv").fit(X, Y)
    exact = PLSEncoder(n_components="cv").fit(*(values.astype(np.float64) for values in (X, Y)))
    assert encoder.coef_.dtype == encoder.predict(X).dtype == np.float32
    assert encoder.n_components_ == exact.n_components_
    spread = exact.predict(X).std()
    np.testing.assert_allclose(encoder.predict(X), exact.predict(X), atol=1e-4 * spread)


def test_same_seed_gives_same_bits_and_input_stays(data):
    before = [values.copy() for values in data]
    first, again = (PLSEncoder(n_components="cv").fit(*data) for _ in range(2))
    np.testing.assert_array_equal(first.coef_, again.coef_)
    np.testing.assert_array_equal(first.cv_scores_, again.cv_scores_)
    other = PLSEncoder(n_components="cv", random_state=1).fit(*data)
    assert np.abs(first.cv_scores_ - other.cv_scores_).max() > 0
    for values, copy in zip(data, before, strict=True):
        np.testing.assert_array_equal(values, copy)


def test_groups_stay_together():
    rng = np.random.default_rng(0)
    stimuli = np.repeat(np.arange(40), 3)
    X, Y = rng.standard_normal((40, 60))[stimuli], rng.standard_normal((40, 2))[stimuli]
    assert (PLSEncoder().fit(X, Y).cv_scores_ > 0.9).all()
    assert (PLSEncoder().fit(X, Y, groups=stimuli).cv_scores_ < 0.1).all()


@pytest.mark.parametrize("single", [True, False])
def test_a_saved_encoder_predicts_the_same_bits(data, tmp_path, single):
    X, Y = data
    encoder = PLSEncoder(n_components=[2, 4]).fit(X, Y[:, 0] if single else Y)
    encoder.save(tmp_path / "encoder")
    loaded = PLSEncoder.load(tmp_path / "encoder")
    np.testing.assert_array_equal(loaded.predict(X), encoder.predict(X))
    np.testing.assert_array_equal(loaded.cv_scores_, encoder.cv_scores_)
    assert loaded.n_components_ == encoder.n_components_
    assert loaded.get_params() == encoder.get_params()


def test_what_cannot_be_used_is_refused(data):
    X, Y = data
    with pytest.raises(InputError, match=r"`n_components` must be at least 1, got 0"):
        PLSEncoder(n_components=[0, 3]).fit(X, Y)
    with pytest.raises(InputError, match=r"must be an integer or a list of integers, got 2\.5"):
        PLSEncoder(n_components=2.5).fit(X, Y)
    with pytest.raises(UnknownNameError, match=r"`n_components` is 'all', .*Known: cv"):
        PLSEncoder(n_components="all").fit(X, Y)
    with pytest.raises(InputError, match="NaN"):
        PLSEncoder(n_components=2).fit(X, np.where(Y > 5, np.nan, Y))
    with pytest.raises(InputError, match="at least 2 folds"):
        PLSEncoder(n_components=2, cv=1).fit(X, Y)
