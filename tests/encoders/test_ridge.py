from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import GroupKFold, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from alignkit._core.errors import InputError, MissingDataError, UnknownNameError
from alignkit.encoders import ENCODERS, RidgeEncoder


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 12)) * np.logspace(-2, 2, 12) + 3
    weights = rng.standard_normal((12, 4)) / np.logspace(-2, 2, 12)[:, None]
    return X, X @ weights + np.array([0.1, 1, 3, 30]) * rng.standard_normal((80, 4)) + 7


# It calls `fit` with `y=`; test_weights_count_like_repeated_samples runs it under that name.
BY_OTHER_NAME = {"check_sample_weight_equivalence_on_dense_data": "the responses are called Y"}


class Named(RidgeEncoder):
    """The same with responses under scikit-learn's name."""

    def fit(self, X, y, groups=None, *, sample_weight=None):
        return super().fit(X, y, groups, sample_weight=sample_weight)


@parametrize_with_checks(
    [
        RidgeEncoder(device="cpu"),
        RidgeEncoder(cv=2, standardize=False, device="cpu"),
        RidgeEncoder(cv="leave-one-out", device="cpu"),
    ],
    expected_failed_checks=lambda estimator: BY_OTHER_NAME,
)
def test_it_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


@parametrize_with_checks([Named(device="cpu"), Named(standardize=False, device="cpu")])
def test_weights_count_like_repeated_samples(estimator, check):
    if "sample_weight" in str(check):
        check(estimator)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64])
def test_choices_and_counts_are_fitted_like_the_same_numbers_as_floats(data, dtype):
    X, Y = data
    choices = (Y > Y.mean(axis=0)).astype(dtype)
    encoder, floats = RidgeEncoder().fit(X, choices), RidgeEncoder().fit(X, choices.astype(np.float64))
    np.testing.assert_array_equal(encoder.coef_, floats.coef_)
    np.testing.assert_array_equal(encoder.cv_scores_, floats.cv_scores_)
    assert (encoder.cv_scores_ > 0.1).any()


def test_it_equals_scikit_learn_at_the_chosen_alphas(data):
    X, Y = data
    encoder = RidgeEncoder().fit(X, Y)
    for channel, alpha in enumerate(encoder.best_alphas_):
        peer = make_pipeline(StandardScaler(), Ridge(alpha=alpha)).fit(X, Y[:, channel])
        np.testing.assert_allclose(encoder.predict(X)[:, channel], peer.predict(X), rtol=1e-8)
    assert (np.diff(encoder.best_alphas_) >= 0).all()
    assert encoder.best_alphas_[3] > encoder.best_alphas_[0]


def test_coefficients_are_in_the_units_of_the_features(data):
    X, Y = data
    encoder = RidgeEncoder().fit(X, Y)
    np.testing.assert_allclose(encoder.predict(X), X @ encoder.coef_ + encoder.intercept_)
    scaled = RidgeEncoder().fit(1000 * X + 5, Y)
    np.testing.assert_allclose(scaled.coef_, encoder.coef_ / 1000, rtol=1e-7)
    np.testing.assert_allclose(scaled.predict(1000 * X + 5), encoder.predict(X), rtol=1e-7)


def test_without_z_scoring_the_unit_of_a_feature_matters(data):
    X, Y = data
    plain = RidgeEncoder(standardize=False, alphas=[100.0]).fit(X, Y)
    scaled = RidgeEncoder(standardize=False, alphas=[100.0]).fit(1000 * X, Y)
    assert np.abs(plain.predict(X) - scaled.predict(1000 * X)).max() > 0.1


def test_cross_validation_z_scores_by_the_training_part_alone(data):
    X, Y = data
    folds = list(KFold(4).split(X))
    encoder = RidgeEncoder(alphas=[30.0], cv=folds).fit(X, Y)
    scores = []
    for train, test in folds:
        peer = make_pipeline(StandardScaler(), Ridge(alpha=30.0)).fit(X[train], Y[train])
        error = ((Y[test] - peer.predict(X[test])) ** 2).sum(0)
        scores.append(1 - error / ((Y[test] - Y[test].mean(0)) ** 2).sum(0))
    np.testing.assert_allclose(encoder.cv_scores_, np.mean(scores, 0), rtol=1e-8)


def test_a_planted_map_is_found_and_a_shuffled_one_is_not():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 20))
    Y = X @ rng.standard_normal((20, 5)) + rng.standard_normal((300, 5))
    found = RidgeEncoder().fit(X[:200], Y[:200])
    assert found.score(X[200:], Y[200:]) > 0.85
    assert (found.score_channels(X[200:], Y[200:]) > 0.9).all()
    shuffled = RidgeEncoder().fit(X[:200], rng.permutation(Y[:200]))
    assert abs(shuffled.score(X[200:], Y[200:])) < 0.1
    assert (shuffled.best_alphas_ > found.best_alphas_).all()


def test_more_features_than_samples_are_fine():
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((120, 3))
    X = latent @ rng.standard_normal((3, 400)) + 0.1 * rng.standard_normal((120, 400))
    Y = latent @ rng.standard_normal((3, 2))
    assert RidgeEncoder().fit(X[:80], Y[:80]).score(X[80:], Y[80:]) > 0.95


def test_repeats_of_a_stimulus_never_straddle_folds():
    rng = np.random.default_rng(0)
    stimuli = np.repeat(np.arange(40), 3)
    X = rng.standard_normal((40, 60))[stimuli]
    Y = rng.standard_normal((40, 2))[stimuli]
    leaky = RidgeEncoder().fit(X, Y)
    honest = RidgeEncoder().fit(X, Y, groups=stimuli)
    assert (leaky.cv_scores_ > 0.9).all()
    assert (honest.cv_scores_ < 0.1).all()


def test_groups_may_be_strings_and_the_folds_follow_the_seed(data):
    X, Y = data
    names = np.array([f"image{k // 4}" for k in range(80)])
    first = RidgeEncoder(random_state=1).fit(X, Y, groups=names)
    again = RidgeEncoder(random_state=1).fit(X, Y, groups=names)
    other = RidgeEncoder(random_state=2).fit(X, Y, groups=names)
    np.testing.assert_array_equal(first.coef_, again.coef_)
    np.testing.assert_array_equal(first.cv_scores_, again.cv_scores_)
    assert np.abs(first.cv_scores_ - other.cv_scores_).max() > 0


def test_a_splitter_and_its_folds_give_the_same_fit(data):
    X, Y = data
    groups = np.arange(80) // 8
    by_splitter = RidgeEncoder(cv=GroupKFold(5)).fit(X, Y, groups)
    by_list = RidgeEncoder(cv=list(GroupKFold(5).split(X, groups=groups))).fit(X, Y, groups)
    np.testing.assert_array_equal(by_splitter.cv_scores_, by_list.cv_scores_)


def test_a_constant_channel_is_predicted_by_its_constant(data):
    X, Y = data
    Y = Y.copy()
    Y[:, 1] = 0.1
    encoder = RidgeEncoder().fit(X, Y)
    np.testing.assert_array_equal(encoder.coef_[:, 1], 0)
    np.testing.assert_array_equal(encoder.predict(X)[:, 1], 0.1)
    assert encoder.cv_scores_[1] == 0
    assert encoder.best_alphas_[1] == 1e8
    assert np.isnan(encoder.score_channels(X, Y)[1])
    assert encoder.score_channels(X, Y, metric="r2")[1] == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_feature_gets_no_weight(data, dtype):
    X, Y = data
    X = X.astype(dtype)
    X[:, 5] = 0.1
    encoder = RidgeEncoder().fit(X, Y)
    np.testing.assert_array_equal(encoder.coef_[5], 0)
    alone = RidgeEncoder().fit(np.delete(X, 5, axis=1), Y)
    np.testing.assert_allclose(encoder.cv_scores_, alone.cv_scores_, rtol=1e-6)


def test_one_dimensional_responses_give_one_dimensional_predictions(data):
    X, Y = data
    single = RidgeEncoder().fit(X, Y[:, 0])
    several = RidgeEncoder().fit(X, Y)
    assert single.predict(X).shape == (80,)
    np.testing.assert_allclose(single.predict(X), several.predict(X)[:, 0], rtol=1e-10)
    np.testing.assert_allclose(single.score_channels(X, Y[:, 0]), several.score_channels(X, Y)[:1], rtol=1e-8)


def test_score_is_the_mean_r2_of_the_channels(data):
    X, Y = data
    encoder = RidgeEncoder().fit(X[:60], Y[:60])
    r2 = encoder.score_channels(X[60:], Y[60:], metric="r2")
    assert encoder.score(X[60:], Y[60:]) == pytest.approx(r2.mean())


def test_float32_features_and_responses_keep_their_precision(data):
    X, Y = (values.astype(np.float32) for values in data)
    encoder = RidgeEncoder().fit(X, Y)
    assert encoder.coef_.dtype == encoder.predict(X).dtype == np.float32
    exact = RidgeEncoder().fit(*(values.astype(np.float64) for values in (X, Y)))
    np.testing.assert_array_equal(encoder.best_alphas_, exact.best_alphas_)
    np.testing.assert_allclose(encoder.predict(X), exact.predict(X), rtol=1e-4)


def test_input_is_not_changed(data):
    before = [values.copy() for values in data]
    RidgeEncoder().fit(*data).predict(data[0])
    for values, copy in zip(data, before, strict=True):
        np.testing.assert_array_equal(values, copy)


@pytest.mark.parametrize("single", [True, False])
def test_a_saved_encoder_predicts_the_same_bits(data, tmp_path, single):
    X, Y = data
    encoder = RidgeEncoder(alphas=[1.0, 10.0], cv=3, standardize=False).fit(X, Y[:, 0] if single else Y)
    encoder.save(tmp_path / "encoder")
    encoder.save(tmp_path / "encoder")
    loaded = RidgeEncoder.load(tmp_path / "encoder")
    np.testing.assert_array_equal(loaded.predict(X), encoder.predict(X))
    np.testing.assert_array_equal(loaded.best_alphas_, encoder.best_alphas_)
    np.testing.assert_array_equal(loaded.cv_scores_, encoder.cv_scores_)
    assert loaded.get_params() == encoder.get_params()
    assert loaded.n_features_in_ == 12
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "encoder",
        "encoder.json",
        "encoder.safetensors",
    ]


def test_a_fold_list_is_not_saved_with_the_encoder(data, tmp_path):
    RidgeEncoder(cv=list(KFold(3).split(data[0]))).fit(*data).save(tmp_path / "encoder")
    assert RidgeEncoder.load(tmp_path / "encoder").cv == 5


def test_saving_does_not_remove_other_files(data, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        RidgeEncoder().fit(*data).save(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_damaged_or_foreign_folder_is_refused(data, tmp_path):
    folder = tmp_path / "encoder"
    with pytest.raises(MissingDataError, match=r"is not a saved encoder: it has no encoder\.json"):
        RidgeEncoder.load(folder)
    RidgeEncoder().fit(*data).save(folder)
    arrays, description = folder / "encoder.safetensors", folder / "encoder.json"
    whole, text = arrays.read_bytes(), description.read_text()

    arrays.write_bytes(whole[:-1] + b"\0")
    with pytest.raises(InputError, match=r"encoder\.safetensors is damaged: its digest"):
        RidgeEncoder.load(folder)
    arrays.write_bytes(whole)

    for broken in (text[:-20], "[]", "{}"):
        description.write_text(broken)
        with pytest.raises(InputError, match=r"encoder\.json is damaged or not from alignkit"):
            RidgeEncoder.load(folder)

    changes = [
        ({"alignkit_encoder": "banded"}, "holds an encoder of kind 'banded', not 'ridge'"),
        ({"format": 3}, "is in format 3, but this alignkit .* reads format 2"),
        ({"parameters": {"cv": 5, "colour": 1}}, "does not hold what a ridge encoder needs .*colour"),
    ]
    for change, message in changes:
        description.write_text(json.dumps(json.loads(text) | change))
        with pytest.raises(InputError, match=message):
            RidgeEncoder.load(folder)

    description.write_text(text)
    arrays.unlink()
    with pytest.raises(MissingDataError, match=r"it has no encoder\.safetensors"):
        RidgeEncoder.load(folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alphas": []}, "`alphas` is empty. Give at least one penalty"),
        ({"alphas": 5.0}, r"`alphas` must be a list of penalties, got 5.0. Write \[5.0\]"),
        ({"alphas": [1.0, 0.0]}, "`alphas` must be positive, got 0"),
        ({"alphas": [1.0, np.nan]}, r"`alphas` holds 1 NaN or infinite .* Give positive, finite"),
        ({"cv": 1}, "at least 2 folds to choose alpha by, got 1"),
        ({"cv": [(np.arange(40), np.arange(40, 80))]}, "at least 2 folds to choose alpha by, got 1"),
        ({"cv": 81}, "asks for 81 folds, but there are n_samples = 80"),
        ({"cv": 80}, r"test part of fold 0 has 1 row\(s\), but needs at least 2"),
        ({"cv": [([], [0, 1]), ([0], [1, 2])]}, r"training part of fold 0 has 0 row\(s\)"),
        ({"cv": "five"}, "`cv` must be a number of folds.*got 'five'"),
        ({"cv": 2.5}, "`cv` must be a number of folds.*got 2.5"),
        ({"device": "abacus"}, "`device` is 'abacus', which torch does not know"),
        ({"missing": "skip"}, "`missing` is 'skip'.*Known: drop, raise"),
    ],
)
def test_unusable_options_are_refused_with_the_numbers(data, options, message):
    with pytest.raises((InputError, UnknownNameError), match=message):
        RidgeEncoder(**options).fit(*data)


def test_unusable_groups_are_refused(data):
    X, Y = data
    with pytest.raises(InputError, match=r"5 folds, but there are only 1 group\(s\).*no training part"):
        RidgeEncoder().fit(X, Y, groups=np.zeros(80))
    with pytest.raises(InputError, match=r"one label per sample, got shape \(79,\) for 80 samples"):
        RidgeEncoder().fit(X, Y, groups=np.zeros(79))
    with pytest.raises(InputError, match=r"fold 0 has 7 group\(s\) in both its training and its test part"):
        RidgeEncoder(cv=KFold(5, shuffle=True, random_state=0)).fit(X, Y, groups=np.arange(80) % 8)


def test_unusable_arrays_are_refused(data):
    X, Y = data
    encoder = RidgeEncoder().fit(X, Y)
    bad = X.copy()
    bad[3, 2] = np.nan
    with pytest.raises(InputError, match="Input X contains NaN"):
        encoder.predict(bad)
    with pytest.raises(InputError, match="Input X contains NaN"):
        RidgeEncoder().fit(bad, Y)
    with pytest.raises(InputError, match="contains NaN"):
        RidgeEncoder().fit(X, np.where(Y > 50, Y, np.nan))
    with pytest.raises(InputError, match="inconsistent numbers of samples"):
        RidgeEncoder().fit(X[:79], Y)
    with pytest.raises(InputError, match="X has 11 features, but RidgeEncoder is expecting 12"):
        encoder.predict(X[:, :11])
    with pytest.raises(InputError, match=r"the 4 channel\(s\) that were fitted, got 3"):
        encoder.score(X, Y[:, :3])
    with pytest.raises(UnknownNameError, match="`metric` is 'rho'"):
        encoder.score_channels(X, Y, metric="rho")


def test_the_registry_builds_it_and_says_what_it_is():
    assert ENCODERS["ridge"] is RidgeEncoder
    assert set(ENCODERS.facts("ridge")) >= {"summary", "paper"}
    import alignkit.encoders

    assert alignkit.encoders.__all__ == sorted(alignkit.encoders.__all__) == dir(alignkit.encoders)
    with pytest.raises(AttributeError, match="no attribute 'Ridge'"):
        alignkit.encoders.Ridge  # noqa: B018


def test_leave_one_out_is_scikit_learn_ridge_cv_on_z_scored_features(data):
    X, Y = data
    alphas = np.logspace(-2, 4, 13)
    encoder = RidgeEncoder(alphas=alphas, cv="leave-one-out").fit(X, Y)
    scaled = StandardScaler().fit_transform(X)
    peer = RidgeCV(alphas=alphas, alpha_per_target=True).fit(scaled, Y)
    np.testing.assert_allclose(encoder.best_alphas_, peer.alpha_)
    np.testing.assert_allclose(encoder.predict(X), peer.predict(scaled), rtol=1e-8)
    np.testing.assert_allclose(encoder.cv_scores_, 1 + peer.best_score_ / Y.var(axis=0), rtol=1e-8)


def test_leave_one_out_keeps_repeats_of_a_stimulus_together(data):
    X, Y = data
    with pytest.raises(InputError, match="'leave-one-out', but `groups` has 40 groups for 80 samples"):
        RidgeEncoder(cv="leave-one-out").fit(X, Y, groups=np.arange(80) // 2)
    alone = RidgeEncoder(cv="leave-one-out").fit(X, Y, groups=np.arange(80))
    np.testing.assert_array_equal(alone.coef_, RidgeEncoder(cv="leave-one-out").fit(X, Y).coef_)


def test_leave_one_group_out_leaves_one_run_out(data):
    X, Y = data
    runs = np.repeat(["a", "b", "c", "d"], 20)
    folds = [(np.flatnonzero(runs != name), np.flatnonzero(runs == name)) for name in "abcd"]
    by_name = RidgeEncoder(cv="leave-one-group-out").fit(X, Y, groups=runs)
    np.testing.assert_array_equal(by_name.cv_scores_, RidgeEncoder(cv=folds).fit(X, Y).cv_scores_)
    with pytest.raises(InputError, match="'leave-one-group-out', which needs `groups`"):
        RidgeEncoder(cv="leave-one-group-out").fit(X, Y)


@pytest.mark.parametrize("cv", [4, "leave-one-out"])
def test_channels_with_missing_responses_are_fitted_on_their_own_samples(data, cv):
    X, Y = data
    gaps = Y.copy()
    gaps[5:25, 1] = np.nan
    encoder = RidgeEncoder(missing="drop", cv=cv).fit(X, gaps)
    full = RidgeEncoder(cv=cv).fit(X, Y[:, [0, 2, 3]])
    np.testing.assert_allclose(encoder.coef_[:, [0, 2, 3]], full.coef_, rtol=1e-8, atol=1e-12)
    assert np.isfinite(encoder.coef_).all()
    kept = ~np.isnan(gaps[:, 1])
    scaled = StandardScaler().fit(X[kept])
    peer = Ridge(alpha=encoder.best_alphas_[1]).fit(scaled.transform(X[kept]), Y[kept, 1])
    np.testing.assert_allclose(encoder.predict(X)[:, 1], peer.predict(scaled.transform(X)), rtol=1e-8)
    single = RidgeEncoder(missing="drop", cv=cv).fit(X, gaps[:, 1])
    np.testing.assert_allclose(single.coef_, encoder.coef_[:, 1], rtol=1e-8)


@pytest.mark.parametrize("factor", [1e-30, 1e-20, 1e20, 1e30])
def test_the_unit_of_the_responses_does_not_matter(factor):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 5)).astype(np.float32)
    Y = (X @ rng.standard_normal((5, 3)) + rng.standard_normal((60, 3))).astype(np.float32)
    plain = RidgeEncoder().fit(X, Y)
    scaled = RidgeEncoder().fit(X, (Y * np.float32(factor)).astype(np.float32))
    np.testing.assert_array_equal(scaled.best_alphas_, plain.best_alphas_)
    np.testing.assert_allclose(scaled.cv_scores_, plain.cv_scores_, rtol=1e-4)
    np.testing.assert_allclose(scaled.predict(X) / factor, plain.predict(X), rtol=1e-3, atol=1e-4)
