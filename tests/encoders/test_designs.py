from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from sklearn import config_context
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.encoders import RidgeEncoder
from alignkit.encoders.designs import FIRDesign, HRFDesign
from alignkit.metrics import column_correlation
from alignkit.stats.blocks import blocked_folds


def need_order(estimator):
    """Say which checks a design cannot pass: its rows depend on the rows before them."""
    reason = "rows of a design depend on earlier rows"
    checks = ("check_methods_sample_order_invariance", "check_methods_subset_invariance")
    return dict.fromkeys(checks, reason)


@parametrize_with_checks(
    [FIRDesign(), FIRDesign(delays=(-1, 0), across_runs=True), HRFDesign(2.0), HRFDesign(1.0, derivatives=2)],
    expected_failed_checks=need_order,
)
def test_it_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize("design", [FIRDesign(delays=(0,))])
def test_without_delay_the_design_is_the_features(design):
    X = np.random.default_rng(0).standard_normal((10, 3))
    np.testing.assert_array_equal(design.fit_transform(X), X)


def test_columns_are_delay_major_and_zero_before_the_run():
    X = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    design = FIRDesign(delays=(1, 2, 5)).fit_transform(X)
    expected = [[0, 0, 0, 0, 0, 0], [1, 10, 0, 0, 0, 0], [2, 20, 1, 10, 0, 0]]
    np.testing.assert_array_equal(design, expected)


def test_a_negative_delay_looks_ahead():
    design = FIRDesign(delays=[-1, 0]).fit_transform(np.array([[1.0], [2.0], [3.0]]))
    np.testing.assert_array_equal(design, [[2, 1], [3, 2], [0, 3]])


def test_runs_do_not_bleed_into_each_other_unless_asked():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 3))
    runs = ["a"] * 20 + ["b"] * 30
    design = FIRDesign().fit_transform(X, runs=runs)
    np.testing.assert_array_equal(design[20:], FIRDesign().fit_transform(X[20:]))
    bleeding = FIRDesign(across_runs=True).fit_transform(X, runs=runs)
    np.testing.assert_array_equal(bleeding, FIRDesign().fit_transform(X))
    assert (bleeding[20:24] != design[20:24]).any(axis=1).all()
    np.testing.assert_array_equal(bleeding[24:], design[24:])


def test_names_say_unit_and_delay():
    fir = FIRDesign(delays=(1, 2)).fit(np.ones((3, 2)))
    assert fir.get_feature_names_out().tolist() == ["x0_delay1", "x1_delay1", "x0_delay2", "x1_delay2"]
    assert fir.get_feature_names_out(["rate", "pitch"])[3] == "pitch_delay2"
    hrf = HRFDesign(2.0, kind="glover", derivatives=2).fit(np.ones((3, 1)))
    assert hrf.get_feature_names_out().tolist() == ["x0_glover", "x0_derivative", "x0_dispersion"]


def test_coefficients_come_back_by_delay_and_by_kernel():
    coef = np.arange(12.0).reshape(6, 2)
    by_delay = FIRDesign(delays=(1, 2, 3)).coef_by_delay(coef)
    assert by_delay.shape == (3, 2, 2)
    np.testing.assert_array_equal(by_delay[1, 0], coef[2])
    np.testing.assert_array_equal(HRFDesign(2.0, derivatives=1).coef_by_kernel(coef[:, 0])[1], coef[3:, 0])


def planted_bold(rng, n_scans, weights):
    """Responses to ten features through four taps, a third of the noise's variance, and their truth."""
    X = rng.standard_normal((n_scans, 10))
    taps = np.array([0.3, 0.8, 1.0, 0.5])
    signal = lfilter(np.r_[0.0, taps], [1.0], X @ weights, axis=0)
    noise = lfilter([1.0], [1.0, -0.4], rng.standard_normal((n_scans, weights.shape[1])), axis=0)
    noise *= np.sqrt(signal.var(axis=0) / 0.3 / noise.var(axis=0))
    return X, signal + noise, signal


def test_a_planted_response_is_found_only_with_delays():
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((10, 50))
    X, Y, _ = planted_bold(rng, 600, weights)
    X_test, Y_test, truth = planted_bold(rng, 600, weights)
    fir, cv = FIRDesign(), blocked_folds(600, gap=10)
    encoder = RidgeEncoder(cv=cv).fit(fir.fit_transform(X), Y)
    found = encoder.score_channels(fir.transform(X_test), Y_test).mean()
    oracle = column_correlation(Y_test, truth).mean()
    assert oracle - found < 0.07
    undelayed = RidgeEncoder(cv=cv).fit(X, Y).score_channels(X_test, Y_test)
    assert abs(np.nanmean(undelayed)) < 0.1
    taps = fir.coef_by_delay(encoder.coef_)
    profile = np.einsum("duc,uc->dc", taps, weights)
    r = [np.corrcoef(profile[:, channel], [0.3, 0.8, 1.0, 0.5])[0, 1] for channel in range(50)]
    assert np.mean(r) > 0.9
    assert np.corrcoef(profile.mean(axis=1), [0.3, 0.8, 1.0, 0.5])[0, 1] > 0.99


def test_runs_go_through_a_pipeline():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((60, 2)), rng.standard_normal((60, 3))
    runs = np.repeat([1, 2, 3], 20)
    direct = RidgeEncoder().fit(FIRDesign().fit_transform(X, runs=runs), Y)
    pipeline = make_pipeline(FIRDesign(), RidgeEncoder()).fit(X, Y, firdesign__runs=runs)
    np.testing.assert_array_equal(pipeline[-1].coef_, direct.coef_)
    with config_context(enable_metadata_routing=True):
        routed = FIRDesign().set_fit_request(runs=True).set_transform_request(runs=True)
        routing = make_pipeline(routed, RidgeEncoder()).fit(X, Y, runs=runs)
        predicted = routing.predict(X, runs=runs)
    np.testing.assert_array_equal(predicted, direct.predict(FIRDesign().fit_transform(X, runs=runs)))


def kernel(kind, at):
    """Return nilearn's response at fine steps, of unit area, at times in seconds."""
    first_level = pytest.importorskip("nilearn.glm.first_level")
    samples = getattr(first_level, f"{kind}_hrf")(0.01, oversampling=1)
    return np.interp(at, np.linspace(0, 32, len(samples)), samples / 0.01, right=0)


@pytest.mark.parametrize("kind", ["spm", "glover"])
@pytest.mark.parametrize(("scan_time", "offset"), [("start", 0.0), ("middle", 1.0)])
def test_an_impulse_gives_the_response(kind, scan_time, offset):
    design = HRFDesign(2.0, kind=kind, scan_time=scan_time).transform_events([[3.0]], [10.0], n_scans=30)
    since_onset = np.arange(30) * 2.0 + offset - 10
    np.testing.assert_allclose(design[:, 0], 3 * kernel(kind, since_onset) * (since_onset >= 0), atol=1e-3)


def test_a_feature_that_is_held_settles_at_its_value():
    design = HRFDesign(2.0, derivatives=2).fit_transform(np.full((40, 1), 5.0))
    np.testing.assert_allclose(design[20:, 0], 5, rtol=1e-6)
    np.testing.assert_allclose(design[20:, 1:], 0, atol=5e-3)


@pytest.mark.parametrize("durations", [0.0, 3.0])
@pytest.mark.parametrize("kind", ["spm", "glover"])
def test_events_equal_nilearn(kind, durations):
    first_level = pytest.importorskip("nilearn.glm.first_level")
    rng = np.random.default_rng(0)
    onsets = np.sort(rng.uniform(0, 90, 12))
    values = rng.standard_normal(12)
    # nilearn's time step is TR / oversampling, by which it is late; an impulse has that as its area.
    peer, _ = first_level.compute_regressor(
        (onsets, np.full(12, durations), values),
        f"{kind} + derivative + dispersion",
        np.arange(60) * 2.0,
        oversampling=400,
    )
    area = 2.0 / 400 if durations == 0 else 1.0
    ours = HRFDesign(2.0, kind=kind, derivatives=2, scan_time="start").transform_events(
        values[:, None], onsets, n_scans=60, durations_s=durations
    )
    # nilearn makes each column orthogonal to those before it.
    basis, upper = np.linalg.qr(ours)
    orthogonal = basis * np.diag(upper) * area
    np.testing.assert_allclose(ours[:, 0] * area, peer[:, 0], atol=0.01 * np.abs(peer[:, 0]).max())
    for column in (1, 2):
        assert np.corrcoef(orthogonal[:, column], peer[:, column])[0, 1] > 0.999


def test_sampled_features_equal_the_same_events():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((700, 3))
    design = HRFDesign(1.5, derivatives=1, sampling_s=0.1)
    events = design.transform_events(X, np.arange(700) * 0.1, n_scans=46, durations_s=0.1)
    np.testing.assert_allclose(design.fit_transform(X), events, atol=1e-12)


def test_it_is_linear_and_moves_with_the_events():
    rng = np.random.default_rng(0)
    onsets, values = rng.uniform(0, 60, 20), rng.standard_normal((20, 2))
    design = HRFDesign(2.0, derivatives=2)
    plain = design.transform_events(values, onsets, n_scans=60)
    np.testing.assert_allclose(design.transform_events(-3 * values, onsets, n_scans=60), -3 * plain)
    shuffled = rng.permutation(20)
    np.testing.assert_allclose(
        design.transform_events(values[shuffled], onsets[shuffled], n_scans=60), plain, atol=1e-12
    )
    later = design.transform_events(values, onsets + 8.0, n_scans=60)
    np.testing.assert_allclose(later[4:], plain[:-4], atol=1e-12)
    halves = design.transform_events(values[:9], onsets[:9], n_scans=60)
    halves += design.transform_events(values[9:], onsets[9:], n_scans=60)
    np.testing.assert_allclose(halves, plain, atol=1e-12)


def test_the_scan_time_moves_the_samples():
    values, onsets = np.ones((1, 1)), [4.0]
    middle = HRFDesign(2.0, scan_time="middle").transform_events(values, onsets, n_scans=30)
    start = HRFDesign(2.0, scan_time="start").transform_events(values, [3.0], n_scans=30)
    np.testing.assert_allclose(middle, start, atol=1e-12)


def test_the_response_does_not_cross_runs():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 2))
    runs = np.repeat([0, 1], [25, 35])
    design = HRFDesign(2.0).fit(X)
    by_run = design.transform(X, runs=runs)
    np.testing.assert_array_equal(by_run[25:], design.transform(X[25:]))
    assert np.abs(by_run[25:] - design.transform(X)[25:]).max() > 0.1


@pytest.mark.parametrize(("sampling_s", "tr_s", "rows", "scans"), [(0.1, 0.3, 90, 30), (0.1, 2.0, 65, 3)])
def test_scans_are_those_that_the_features_cover(sampling_s, tr_s, rows, scans):
    design = HRFDesign(tr_s, sampling_s=sampling_s).fit_transform(np.ones((rows, 1)))
    assert len(design) == scans


@pytest.mark.parametrize("design", [FIRDesign(), HRFDesign(2.0)])
def test_the_precision_stays_and_nothing_is_changed(design):
    X = np.random.default_rng(0).standard_normal((40, 2)).astype(np.float32)
    before = X.copy()
    assert design.fit_transform(X).dtype == np.float32
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda X: FIRDesign(delays=(1.5,)).fit(X), r"whole numbers of samples \(TRs\), got \(1.5,\)"),
        (lambda X: FIRDesign(delays=()).fit(X), r"whole numbers of samples \(TRs\), got \(\)"),
        (lambda X: FIRDesign(delays=(1, 1)).fit(X), r"must differ from each other, got \[1, 1\]"),
        (lambda X: FIRDesign().fit_transform(X, runs=[1, 2]), "one label per sample, got 2 for 9 samples"),
        (lambda X: FIRDesign().coef_by_delay(np.ones((6, 2))), r"multiple of 4, got shape \(6, 2\)"),
        (lambda X: FIRDesign().fit(X).get_feature_names_out(["a"]), "name the 2 unit.* got 1"),
        (lambda X: FIRDesign().fit(X).transform(X[:, :1]), "X has 1 features"),
        (lambda X: HRFDesign(0.0).fit(X), "`tr_s` must be a positive, finite number of seconds, got 0"),
        (lambda X: HRFDesign(np.inf).fit(X), "`tr_s` must be a positive, finite number of seconds, got inf"),
        (lambda X: HRFDesign("2").fit(X), "`tr_s` must be a positive, finite number of seconds, got '2'"),
        (lambda X: HRFDesign(None).fit(X), "`tr_s` must be a positive, finite number of seconds, got None"),
        (lambda X: HRFDesign(2.0, sampling_s=-1).fit(X), "`sampling_s` must be a positive, .* got -1"),
        (lambda X: HRFDesign(2.0, sampling_s=np.nan).fit(X), "`sampling_s` must be a positive, .* got nan"),
        (lambda X: HRFDesign(2.0, derivatives=3).fit(X), "`derivatives` must be 0, 1 or 2, got 3"),
        (
            lambda X: HRFDesign(2.0).transform_events(X, np.arange(9.0), n_scans=9, durations_s=[1.0, -1.0]),
            "at least 0, got 2 from -1 s for 9 events",
        ),
        (lambda X: HRFDesign(2.0).transform_events(X, np.arange(9.0), n_scans=0), "`n_scans` .* got 0"),
        (lambda X: HRFDesign(2.0).transform_events(X, np.arange(8.0), n_scans=9), "got 9 and 8"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call(np.ones((9, 2)))


@pytest.mark.parametrize("options", [{"kind": "smp"}, {"scan_time": "mid"}])
def test_an_unknown_option_is_named(options):
    with pytest.raises(UnknownNameError, match="did you mean '(spm|middle)'"):
        HRFDesign(2.0, **options).fit(np.ones((3, 1)))
