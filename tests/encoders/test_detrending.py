from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.encoders.detrending import detrend_runs, trim_runs

RUNS = np.repeat(["a", "b"], [120, 200])


@pytest.fixture
def data():
    return 100 + np.random.default_rng(0).standard_normal((320, 4))


@pytest.mark.parametrize("degree", [0, 1, 3])
def test_polynomials_up_to_the_degree_vanish_and_the_next_does_not(degree):
    time = np.linspace(-1, 1, 200)[:, None]
    powers = time ** np.arange(degree + 2) * 1000
    left = detrend_runs(powers, degree=degree, standardize=False)
    np.testing.assert_array_equal(left[:, : degree + 1], 0)
    assert np.abs(left[:, degree + 1]).max() > 1


def test_it_equals_the_residual_of_least_squares(data):
    time = np.arange(320.0) / 320
    design = np.stack([time**k for k in range(4)], axis=1)
    residual = data - design @ np.linalg.lstsq(design, data, rcond=None)[0]
    np.testing.assert_allclose(detrend_runs(data, standardize=False), residual, atol=1e-10)
    np.testing.assert_allclose(detrend_runs(data), residual / residual.std(axis=0), atol=1e-10)


def test_cosines_equal_nilearn(data):
    signal = pytest.importorskip("nilearn.signal")
    peer = signal.clean(
        data,
        detrend=False,
        standardize=None,
        filter="cosine",
        high_pass=1 / 100,
        t_r=2.0,
        ensure_finite=False,
    )
    ours = detrend_runs(data, drift="cosine", cutoff_s=100, tr_s=2.0, standardize=False)
    np.testing.assert_allclose(ours, peer - peer.mean(axis=0), atol=1e-8)


@pytest.mark.parametrize("drift", ["cosine", "savgol"])
def test_slow_periods_go_and_fast_ones_stay(drift):
    time = np.arange(400) * 2.0
    slow, fast = np.sin(2 * np.pi * time / 800), np.sin(2 * np.pi * time / 20)
    left = detrend_runs(np.stack([slow, fast], 1), drift=drift, cutoff_s=120, tr_s=2.0, standardize=False)
    assert left[:, 0].std() < 0.05 * slow.std()
    assert np.corrcoef(left[:, 1], fast)[0, 1] > 0.99


@pytest.mark.parametrize("drift", ["polynomial", "cosine", "savgol"])
def test_runs_are_treated_by_themselves(data, drift):
    options = {"drift": drift, "tr_s": 2.0, "cutoff_s": 100.0}
    together = detrend_runs(data, RUNS, **options)
    np.testing.assert_array_equal(together[:120], detrend_runs(data[:120], **options))
    np.testing.assert_array_equal(together[120:], detrend_runs(data[120:], **options))
    changed = data.copy()
    changed[120:] += 50
    np.testing.assert_array_equal(detrend_runs(changed, RUNS, **options)[:120], together[:120])


def test_every_run_has_mean_zero_and_spread_one(data):
    left = detrend_runs(data, RUNS)
    for run in (left[:120], left[120:]):
        np.testing.assert_allclose(run.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(run.std(axis=0), 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("drift", ["polynomial", "cosine", "savgol"])
def test_a_constant_channel_becomes_zero_not_nan(dtype, drift):
    data = np.random.default_rng(0).standard_normal((320, 3)).astype(dtype)
    data[:, 1] = 1234.567
    data[:120, 2] = -0.1
    left = detrend_runs(data, RUNS, drift=drift, tr_s=2.0, cutoff_s=100.0)
    assert left.dtype == dtype
    assert np.isfinite(left).all()
    assert (left[:, 1] == 0).all()
    assert (left[:120, 2] == 0).all()
    assert left[120:, 2].std() == pytest.approx(1, rel=1e-5)


def test_a_small_signal_on_a_large_mean_stays():
    signal = np.random.default_rng(0).standard_normal((300, 1))
    left = detrend_runs((1e4 + signal).astype(np.float32), degree=0)
    assert np.corrcoef(left[:, 0], signal[:, 0])[0, 1] > 0.999


def test_the_input_is_not_changed(data):
    before = data.copy()
    detrend_runs(data, RUNS)
    np.testing.assert_array_equal(data, before)


def test_trimming_drops_both_ends_of_every_run():
    kept = trim_runs(RUNS, start=10, end=5)
    assert np.flatnonzero(kept).tolist() == [*range(10, 115), *range(130, 315)]
    assert trim_runs(RUNS).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda data: detrend_runs(data, RUNS[:-1]), "one label per sample, got 319 for 320 samples"),
        (lambda data: detrend_runs(data, degree=-1), "`degree` must be at least 0, got -1"),
        (lambda data: detrend_runs(data[:4]), "run 0 has 4 rows, too few for a drift of 4 columns"),
        (
            lambda data: detrend_runs(data, drift="cosine"),
            "needs the time between samples as `tr_s`.*got None",
        ),
        (
            lambda data: detrend_runs(data, drift="savgol", tr_s=2.0, cutoff_s=3.0),
            r"`cutoff_s` must be longer than two samples \(4 s\), got 3 s",
        ),
        (
            lambda data: detrend_runs(data[:30], drift="savgol", tr_s=2.0),
            "run 0 has 30 rows; a Savitzky-Golay filter of degree 3 and 128 s needs 65 rows",
        ),
        (lambda data: detrend_runs(np.full((9, 1), np.nan)), "`data` holds 9 NaN"),
        (lambda data: trim_runs(RUNS, start=100, end=20), "run 'a' has 120 rows, of which `start` = 100"),
        (lambda data: trim_runs(RUNS, start=-1), "numbers of rows of at least 0, got -1 and 0"),
    ],
)
def test_what_cannot_be_is_refused(data, call, message):
    with pytest.raises(InputError, match=message):
        call(data)


def test_an_unknown_drift_is_named(data):
    with pytest.raises(UnknownNameError, match="`drift` is 'cosin', did you mean 'cosine'"):
        detrend_runs(data, drift="cosin")
