from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold
from sklearn.utils.estimator_checks import parametrize_with_checks

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.encoders.receptive_field import TemporalReceptiveField
from alignkit.stats.blocks import blocked_folds

SFREQ = 100.0


def need_order(estimator):
    """Say which checks lags cannot pass: a prediction depends on the rows around it."""
    if estimator.tmax_ms == 0:
        return {}
    reason = "predictions depend on neighbouring rows"
    return dict.fromkeys(("check_methods_sample_order_invariance", "check_methods_subset_invariance"), reason)


@parametrize_with_checks(
    [
        TemporalReceptiveField(sfreq_hz=10, tmin_ms=0, tmax_ms=0),
        TemporalReceptiveField(sfreq_hz=10, tmin_ms=0, tmax_ms=100, cv=2, alphas=[1.0], edges="pad"),
    ],
    expected_failed_checks=need_order,
)
def test_it_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


def lagged(X, first, last, fill=0.0):
    """Return the lagged design of one segment, lag-major, with `fill` outside."""
    blocks = []
    for lag in range(first, last + 1):
        block = np.full_like(X, fill)
        source = X[max(-lag, 0) : len(X) - max(lag, 0)]
        block[max(lag, 0) : len(X) + min(lag, 0)] = source
        blocks.append(block)
    return np.concatenate(blocks, axis=1)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = lfilter([1.0], [1.0, -0.6], rng.standard_normal((900, 3)), axis=0) * [1.0, 10.0, 0.1] + 4
    weights = rng.standard_normal((12 * 3, 2))
    return X, lagged(X, -3, 8) @ weights + 20 * rng.standard_normal((900, 2)) + 7


def test_masked_edges_equal_ridge_on_the_rows_with_all_lags(data):
    X, Y = data
    trf = TemporalReceptiveField(
        sfreq_hz=SFREQ, tmin_ms=-30, tmax_ms=80, alphas=[30.0], standardize=False
    ).fit(X, Y)
    inside = slice(8, 897)
    peer = Ridge(alpha=30.0).fit(lagged(X, -3, 8)[inside], Y[inside])
    np.testing.assert_allclose(trf.coef_.reshape(36, 2), peer.coef_.T, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(trf.intercept_, peer.intercept_, rtol=1e-8)
    np.testing.assert_allclose(trf.predict(X)[inside], peer.predict(lagged(X, -3, 8)[inside]), rtol=1e-8)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_padded_edges_equal_ridge_on_all_rows(data, fit_intercept):
    X, Y = data
    trf = TemporalReceptiveField(
        sfreq_hz=SFREQ,
        tmin_ms=-30,
        tmax_ms=80,
        alphas=[30.0],
        edges="pad",
        standardize=False,
        fit_intercept=fit_intercept,
    ).fit(X, Y)
    D = lagged(X, -3, 8)
    peer = Ridge(alpha=30.0, fit_intercept=fit_intercept).fit(D, Y)
    np.testing.assert_allclose(trf.coef_.reshape(36, 2), peer.coef_.T, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(trf.predict(X), peer.predict(D), rtol=1e-8)


def test_cross_validation_equals_refitting_every_fold(data):
    X, Y = data
    D, inside = lagged(X, -3, 8), np.arange(8, 897)
    alphas = [1.0, 100.0, 1e4]
    trf = TemporalReceptiveField(sfreq_hz=SFREQ, tmin_ms=-30, tmax_ms=80, alphas=alphas, cv=4).fit(X, Y)
    scores = np.zeros((3, 2))
    for train, test in blocked_folds(900, n_folds=4, gap=11):
        train, test = np.intersect1d(train, inside), np.intersect1d(test, inside)
        scale = np.tile(np.sqrt(D[train].var(axis=0).reshape(12, 3).mean(axis=0)), 12)
        for row, alpha in enumerate(alphas):
            fitted = Ridge(alpha=alpha).fit(D[train] / scale, Y[train])
            error = ((Y[test] - fitted.predict(D[test] / scale)) ** 2).sum(axis=0)
            scores[row] += (1 - error / ((Y[test] - Y[test].mean(axis=0)) ** 2).sum(axis=0)) / 4
    np.testing.assert_allclose(trf.cv_scores_, scores.max(axis=0), rtol=1e-8)
    np.testing.assert_array_equal(trf.best_alphas_, np.array(alphas)[scores.argmax(axis=0)])


@pytest.mark.parametrize("penalty", ["ridge", "laplacian"])
def test_it_equals_mne(penalty):
    decoding = pytest.importorskip("mne.decoding")
    rng = np.random.default_rng(0)
    X = lfilter([1.0], [1.0, -0.6], rng.standard_normal((1500, 2)), axis=0)
    # Silence at both ends, as mne pads with zeros; no intercept, as it centres before it pads.
    X[:50] = X[-50:] = 0
    Y = lagged(X, -5, 20) @ rng.standard_normal((52, 3)) + rng.standard_normal((1500, 3))
    ridge = decoding.TimeDelayingRidge(
        -0.05, 0.2, SFREQ, reg_type=(penalty, "ridge"), alpha=50.0, fit_intercept=False
    )
    peer = decoding.ReceptiveField(-0.05, 0.2, SFREQ, estimator=ridge, fit_intercept=False).fit(X, Y)
    trf = TemporalReceptiveField(
        sfreq_hz=SFREQ,
        tmin_ms=-50,
        tmax_ms=200,
        alphas=[50.0],
        penalty=penalty,
        edges="pad",
        standardize=False,
        fit_intercept=False,
    ).fit(X, Y)
    # mne's smoothness leaves a constant over lags free, ours weighs it by 1e-6.
    tolerance = 1e-10 if penalty == "ridge" else 1e-6
    np.testing.assert_allclose(
        trf.coef_, peer.coef_.transpose(2, 1, 0), atol=tolerance * np.abs(peer.coef_).max()
    )
    np.testing.assert_allclose(trf.predict(X), peer.predict(X), atol=tolerance * np.abs(Y).max())
    np.testing.assert_allclose(trf.lags_s_, peer.delays_ / SFREQ)


KERNEL_LAGS = np.arange(-10, 41)


def bump(centre_ms, width_ms=15.0):
    return np.exp(-0.5 * ((KERNEL_LAGS * 10 - centre_ms) / width_ms) ** 2)


def planted(rng, n_times, snr=0.3):
    """Two channels driven by the first of two correlated features, at 50, 100 and 200 ms, in pink noise."""
    first = lfilter([1.0], [1.0, -0.5], rng.standard_normal(n_times))
    other = lfilter([1.0], [1.0, -0.5], rng.standard_normal(n_times))
    X = np.stack([first, 0.8 * first + 0.6 * other], axis=1)
    kernel = 0.5 * bump(50) + bump(100) - 0.7 * bump(200, 30)
    signal = lagged(X[:, :1], -10, 40) @ kernel
    noise = np.fft.irfft(
        np.fft.rfft(rng.standard_normal((n_times, 2)), axis=0)
        / np.sqrt(np.maximum(np.arange(n_times // 2 + 1), 1))[:, None],
        n=n_times,
        axis=0,
    )
    noise *= signal.std() / np.sqrt(snr) / noise.std(axis=0)
    return X, signal[:, None] + noise, kernel


@pytest.mark.parametrize("penalty", ["ridge", "laplacian"])
def test_a_planted_kernel_is_recovered_with_its_peak_at_plus_100_ms(penalty):
    X, Y, kernel = planted(np.random.default_rng(0), 12_000)
    trf = TemporalReceptiveField(sfreq_hz=SFREQ, tmin_ms=-100, tmax_ms=400, penalty=penalty)
    trf.fit(X[:10_000, :1], Y[:10_000])
    for channel in range(2):
        found = trf.coef_[:, 0, channel]
        assert np.corrcoef(found, kernel)[0, 1] > 0.9
        assert trf.lags_s_[found.argmax()] == pytest.approx(0.1)
        acausal = found[trf.lags_s_ < -0.03]
        assert (acausal**2).mean() < 0.02 * (found**2).max()
    assert trf.score_channels(X[10_000:, :1], Y[10_000:]).min() > 0.35


def test_an_inert_correlated_feature_adds_nothing():
    gains = []
    for seed in range(6):
        X, Y, _ = planted(np.random.default_rng(seed), 6_000)
        full = TemporalReceptiveField(sfreq_hz=SFREQ, tmax_ms=400).fit(X[:4000], Y[:4000])
        driver = TemporalReceptiveField(sfreq_hz=SFREQ, tmax_ms=400).fit(X[:4000, :1], Y[:4000])
        inert = TemporalReceptiveField(sfreq_hz=SFREQ, tmax_ms=400).fit(X[:4000, 1:], Y[:4000])
        r = [m.score_channels(x, Y[4000:]).mean() for m, x in ((full, X[4000:]), (driver, X[4000:, :1]))]
        gains.append((r[0] - r[1], r[0] - inert.score_channels(X[4000:, 1:], Y[4000:]).mean()))
    mean, error = np.mean(gains, axis=0), np.std(gains, axis=0, ddof=1) / np.sqrt(6)
    assert mean[0] - 2.6 * error[0] < 0
    assert abs(mean[0]) < 0.01
    assert mean[1] > 0.05


def test_a_stimulus_shifted_in_a_circle_predicts_nothing():
    X, Y, _ = planted(np.random.default_rng(0), 6_000)
    trf = TemporalReceptiveField(sfreq_hz=SFREQ, tmax_ms=400, cv=4)
    rng = np.random.default_rng(1)
    null = []
    for shift in rng.integers(500, 5500, 12):
        shifted = np.roll(X[:, :1], shift, axis=0)
        null.append(trf.fit(shifted[:4000], Y[:4000]).score_channels(shifted[4000:], Y[4000:]))
    assert abs(np.nanmean(null)) < 0.05
    true = trf.fit(X[:4000, :1], Y[:4000]).score_channels(X[4000:, :1], Y[4000:])
    assert true.min() > np.nanmax(np.abs(null))


def test_lags_never_cross_segments(data):
    X, Y = data
    groups = np.repeat([0, 1, 2, 3], 225)
    trf = TemporalReceptiveField(sfreq_hz=SFREQ, tmin_ms=-30, tmax_ms=80, cv=4).fit(X, Y, groups=groups)
    for edges in ("mask", "pad"):
        trf = TemporalReceptiveField(sfreq_hz=SFREQ, tmin_ms=-30, tmax_ms=80, cv=4, edges=edges, alphas=[1.0])
        trf.fit(X, Y, groups=groups)
        by_segment = np.concatenate([trf.predict(X[groups == g]) for g in range(4)])
        np.testing.assert_allclose(trf.predict(X, groups=groups), by_segment, rtol=1e-12)
        assert np.abs(trf.predict(X) - by_segment).max() > 1
        order = np.concatenate([np.flatnonzero(groups == g) for g in (2, 0, 3, 1)])
        again = TemporalReceptiveField(
            sfreq_hz=SFREQ, tmin_ms=-30, tmax_ms=80, cv=4, edges=edges, alphas=[1.0]
        ).fit(X[order], Y[order], groups=groups[order])
        np.testing.assert_allclose(again.coef_, trf.coef_, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(again.cv_scores_, trf.cv_scores_, rtol=1e-8)


def test_folds_leave_whole_segments_out(data):
    X, Y = data
    groups = np.repeat(["a", "b", "c"], 300)
    by_number = TemporalReceptiveField(sfreq_hz=SFREQ, tmax_ms=80).fit(X, Y, groups)
    by_name = TemporalReceptiveField(sfreq_hz=SFREQ, tmax_ms=80, cv="leave-one-group-out").fit(X, Y, groups)
    by_list = TemporalReceptiveField(
        sfreq_hz=SFREQ,
        tmax_ms=80,
        cv=[(np.flatnonzero(groups != g), np.flatnonzero(groups == g)) for g in "abc"],
    ).fit(X, Y, groups)
    np.testing.assert_array_equal(by_number.cv_scores_, by_name.cv_scores_)
    np.testing.assert_array_equal(by_number.cv_scores_, by_list.cv_scores_)


def test_folds_whose_tests_overlap_are_fine(data):
    X, Y = data
    folds = [(np.arange(300, 900), np.arange(300)), (np.arange(400), np.arange(450, 900))]
    twice = TemporalReceptiveField(sfreq_hz=SFREQ, tmax_ms=80, cv=[*folds, *folds]).fit(X, Y)
    once = TemporalReceptiveField(sfreq_hz=SFREQ, tmax_ms=80, cv=folds).fit(X, Y)
    np.testing.assert_allclose(twice.cv_scores_, once.cv_scores_)
    np.testing.assert_allclose(twice.coef_, once.coef_)


def test_slow_independent_series_are_not_predicted_as_random_rows_would_have_it():
    rng = np.random.default_rng(0)
    X, Y = (lfilter([1.0], [1.0, -0.97], rng.standard_normal((2000, k)), axis=0) for k in (20, 10))
    random_rows = list(KFold(5, shuffle=True, random_state=0).split(X))
    options = {"sfreq_hz": SFREQ, "tmin_ms": 0, "tmax_ms": 50, "edges": "pad"}
    leaky = TemporalReceptiveField(**options, cv=random_rows).fit(X, Y)
    honest = TemporalReceptiveField(**options, cv=blocked_folds(2000, gap=100)).fit(X, Y)
    assert leaky.cv_scores_.mean() > 0.2
    assert honest.cv_scores_.mean() < 0.05


def test_the_unit_of_a_feature_does_not_matter_when_standardized(data):
    X, Y = data
    plain = TemporalReceptiveField(sfreq_hz=SFREQ, tmax_ms=80).fit(X, Y)
    scaled = TemporalReceptiveField(sfreq_hz=SFREQ, tmax_ms=80).fit(X * [1000.0, 1.0, 1e-3] + 3, Y)
    np.testing.assert_allclose(scaled.coef_, plain.coef_ / [[[1000.0], [1.0], [1e-3]]], rtol=1e-6)
    raw = TemporalReceptiveField(sfreq_hz=SFREQ, tmax_ms=80, standardize=False, alphas=[1e3])
    differs = raw.fit(X * [1000.0, 1.0, 1e-3], Y).predict(X * [1000.0, 1.0, 1e-3]) - raw.fit(X, Y).predict(X)
    assert np.abs(differs).max() > 0.1


@pytest.mark.parametrize("penalty", ["ridge", "laplacian"])
def test_constant_features_and_channels_have_documented_answers(data, penalty):
    X, Y = data
    X, Y = X.copy(), Y.copy()
    X[:, 1], Y[:, 1] = 1234.567, 0.1
    trf = TemporalReceptiveField(sfreq_hz=SFREQ, tmax_ms=80, penalty=penalty).fit(X, Y)
    np.testing.assert_array_equal(trf.coef_[:, 1], 0)
    np.testing.assert_allclose(trf.predict(X)[:, 1], 0.1, rtol=1e-12)
    assert trf.cv_scores_[1] == 0
    assert trf.best_alphas_[1] == 1e8


def test_a_smooth_penalty_makes_smoother_kernels_than_ridge():
    X, Y, kernel = planted(np.random.default_rng(0), 3_000, snr=0.1)
    fits = {p: TemporalReceptiveField(sfreq_hz=SFREQ, tmax_ms=400, penalty=p) for p in ("ridge", "laplacian")}
    rough = {name: np.diff(fit.fit(X[:, :1], Y).coef_[:, 0], axis=0).std() for name, fit in fits.items()}
    assert rough["laplacian"] < 0.9 * rough["ridge"]
    near = {name: np.corrcoef(fit.coef_[:, 0, 0], kernel)[0, 1] for name, fit in fits.items()}
    assert near["laplacian"] > near["ridge"]


def test_float32_and_tiny_units_give_the_same(data):
    X, Y = data
    plain = TemporalReceptiveField(sfreq_hz=SFREQ, tmax_ms=80).fit(X, Y)
    single = TemporalReceptiveField(sfreq_hz=SFREQ, tmax_ms=80).fit(X.astype("f4"), Y.astype("f4"))
    assert single.coef_.dtype == single.predict(X.astype("f4")).dtype == np.float32
    np.testing.assert_allclose(single.coef_, plain.coef_, atol=1e-4 * np.abs(plain.coef_).max())
    np.testing.assert_array_equal(single.best_alphas_, plain.best_alphas_)
    tesla = TemporalReceptiveField(sfreq_hz=SFREQ, tmax_ms=80).fit(X.astype("f4"), (Y * 1e-25).astype("f4"))
    np.testing.assert_allclose(tesla.cv_scores_, plain.cv_scores_, atol=1e-5)


def test_saved_and_loaded_it_predicts_the_same_bits(data, tmp_path):
    X, Y = data
    for response in (Y, Y[:, 0]):
        trf = TemporalReceptiveField(sfreq_hz=SFREQ, tmax_ms=80).fit(X, response)
        trf.save(tmp_path / "trf")
        loaded = TemporalReceptiveField.load(tmp_path / "trf")
        np.testing.assert_array_equal(loaded.predict(X), trf.predict(X))
        np.testing.assert_array_equal(loaded.lags_s_, trf.lags_s_)
        assert loaded.score_channels(X, response).tolist() == trf.score_channels(X, response).tolist()
    assert trf.coef_.shape == (19, 3)
    assert np.ndim(trf.intercept_) == 0


def test_the_same_input_gives_the_same_bits_and_stays(data):
    X, Y = data
    before = X.copy(), Y.copy()
    first, again = (TemporalReceptiveField(sfreq_hz=SFREQ, tmax_ms=80).fit(X, Y) for _ in range(2))
    np.testing.assert_array_equal(first.coef_, again.coef_)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(Y, before[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sfreq_hz": 0.0}, "`sfreq_hz` must be positive, got 0"),
        ({"tmin_ms": 100.0, "tmax_ms": 0.0}, "`tmin_ms` must not be after `tmax_ms`, got 100 and 0"),
        ({"alphas": [1.0, 0.0]}, "`alphas` must be positive, got 0"),
        ({"tmax_ms": 9000.0, "edges": "pad"}, "`gap` is 910, which leaves no row of 900"),
        ({"tmax_ms": 2000.0, "cv": [(range(300), range(300, 900)), (range(150), range(300, 900))]},
         r"fold 1 has 0 training and 590 test row\(s\) with all lags"),
        ({"cv": [(range(300), range(300, 900))]}, "at least 2 folds to choose alpha by, got 1"),
        ({"cv": 1}, "`cv` must give at least 2 folds to choose alpha by, got 1"),
        ({"cv": 1000}, "`cv` asks for 1000 folds, but there are n_samples = 900"),
        ({"cv": [(range(450), range(450, 1000)), (range(450, 900), range(450))]},
         "test part of fold 0 names row 900, but there are 900 samples"),
        ({"cv": [(range(500), range(450, 900)), (range(450, 900), range(450))]},
         r"fold 0 has 50 row\(s\) in both its training and its test part, such as row 450"),
        ({"cv": [(range(450), range(450))] * 2}, r"fold 0 has 450 row\(s\) in both"),
        ({"tmin_ms": -np.inf}, "`tmin_ms` must be a finite number, got -inf"),
        ({"tmax_ms": np.inf}, "`tmax_ms` must be a finite number, got inf"),
        ({"sfreq_hz": "100"}, "`sfreq_hz` must be a finite number, got '100'"),
        ({"sfreq_hz": np.nan}, "`sfreq_hz` must be a finite number, got nan"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(data, options, message):
    with pytest.raises(InputError, match=message):
        TemporalReceptiveField(**{"sfreq_hz": SFREQ, **options}).fit(*data)


def test_bad_data_and_groups_are_refused(data):
    X, Y = data
    trf = TemporalReceptiveField(sfreq_hz=SFREQ, tmax_ms=80)
    with pytest.raises(InputError, match="`groups` must hold one label per time point, got 3 for 900 times"):
        trf.fit(X, Y, groups=[1, 2, 3])
    with pytest.raises(InputError, match="`groups`: the samples of run 0 do not follow one another"):
        trf.fit(X, Y, groups=np.arange(900) % 2)
    with pytest.raises(InputError, match="`groups` must name at least 2 segments.*Leave `groups` out to cut"):
        trf.fit(X, Y, groups=np.zeros(900))
    trf.fit(X, Y)
    with pytest.raises(InputError, match="the 2 channel.* that were fitted, got 1"):
        trf.score_channels(X, Y[:, :1])
    with pytest.raises(InputError, match=r"only 0 row\(s\) have all lags \(-10 to 8 samples\)"):
        trf.score_channels(X[:15], Y[:15])
    with pytest.raises(InputError, match="NaN"):
        trf.fit(X, np.where(Y > 0, Y, np.nan))
    with pytest.raises(UnknownNameError, match="`penalty` is 'lasso'"):
        TemporalReceptiveField(sfreq_hz=SFREQ, penalty="lasso").fit(X, Y)
    with pytest.raises(UnknownNameError, match="`edges` is 'drop'"):
        TemporalReceptiveField(sfreq_hz=SFREQ, edges="drop").fit(X, Y)
