"""clean_run: one joint fit of drift and confounds, as nilearn and plain least squares have it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import detrend

from alignkit._core.errors import InputError
from alignkit.preprocessing.signals import clean_run, cosine_drift

N_VOLUMES, TR_S = 120, 2.0


@pytest.fixture
def run():
    """Drifting time courses, and confounds that drift and leak into them."""
    rng = np.random.default_rng(0)
    times = np.linspace(-1, 1, N_VOLUMES)
    confounds = rng.standard_normal((N_VOLUMES, 4)).cumsum(axis=0)
    series = 500 + rng.standard_normal((N_VOLUMES, 7)) + 5 * times[:, None] + 8 * np.cos(4 * times)[:, None]
    return series + confounds @ rng.standard_normal((4, 7)), confounds


def least_squares_residuals(series, *columns):
    design = np.column_stack([np.ones(len(series)), *columns])
    return series - design @ np.linalg.lstsq(design, series, rcond=None)[0]


def test_drift_and_confounds_are_one_least_squares_fit(run):
    series, confounds = run
    cosines = cosine_drift(N_VOLUMES, tr_s=TR_S, high_pass_hz=0.02)
    expected = least_squares_residuals(series, np.arange(N_VOLUMES), cosines, confounds)
    cleaned = clean_run(series, tr_s=TR_S, confounds=confounds, high_pass_hz=0.02, standardize="none")
    np.testing.assert_allclose(cleaned - series.mean(axis=0), expected, atol=1e-4)
    # In steps, the regression of unfiltered confounds brings slow drift back.
    filtered = least_squares_residuals(series, np.arange(N_VOLUMES), cosines)
    in_steps = least_squares_residuals(filtered, confounds)
    assert np.abs(cosines.T @ in_steps).max() > 1
    assert np.abs(cosines.T @ (cleaned - series.mean(axis=0))).max() < 1e-3


@pytest.mark.parametrize(
    ("standardize", "peer"), [("percent", "psc"), ("zscore", "zscore_sample"), ("none", None)]
)
@pytest.mark.parametrize("high_pass_hz", [None, 0.01])
@pytest.mark.parametrize("line", ["linear", "none"])
def test_nilearn_gives_the_same(run, standardize, peer, high_pass_hz, line):
    clean = pytest.importorskip("nilearn.signal").clean
    series, confounds = run
    steps = np.diff(confounds, axis=0, prepend=0)
    expected = clean(
        series,
        confounds=steps,
        detrend=line == "linear",
        standardize=peer,
        filter="cosine" if high_pass_hz else False,
        high_pass=high_pass_hz,
        t_r=TR_S,
    )
    cleaned = clean_run(
        series,
        tr_s=TR_S,
        confounds=steps,
        detrend=line,
        high_pass_hz=high_pass_hz,
        standardize=standardize,
    )
    level = series.mean(axis=0) if standardize == "none" else 0
    mean = expected.mean(axis=0)
    np.testing.assert_allclose(cleaned - level, expected - mean, atol=1e-4)


def test_a_confound_that_looks_like_a_cosine_does_not_switch_the_filter_off(run):
    clean = pytest.importorskip("nilearn.signal").clean
    series, _ = run
    cosines = cosine_drift(N_VOLUMES, tr_s=TR_S, high_pass_hz=0.01)
    slow = cosines[:, :1] + 0.01 * np.random.default_rng(1).standard_normal((N_VOLUMES, 1))
    assert np.corrcoef(slow[:, 0], cosines[:, 0])[0, 1] > 0.9
    cleaned = clean_run(series, tr_s=TR_S, confounds=slow, high_pass_hz=0.01)
    assert np.abs(cosines.T @ cleaned).max() < 1e-4
    options = {"filter": "cosine", "high_pass": 0.01, "t_r": TR_S, "standardize": "psc"}
    with pytest.warns(UserWarning, match="Use user supplied regressors only"):
        assert np.abs(cosines.T @ clean(series, confounds=slow, **options)).max() > 0.1


def test_cosines_are_those_of_nilearn_and_orthonormal():
    peer = pytest.importorskip("nilearn.signal").create_cosine_drift
    drift = cosine_drift(N_VOLUMES, tr_s=TR_S, high_pass_hz=0.03)
    expected = peer(0.03, np.arange(N_VOLUMES) * TR_S)
    np.testing.assert_allclose(drift, expected[:, :-1], atol=1e-12)
    np.testing.assert_allclose(drift.T @ drift, np.eye(drift.shape[1]), atol=1e-12)
    assert cosine_drift(10, tr_s=TR_S, high_pass_hz=0.008).shape == (10, 0)


def test_percent_z_and_own_unit_of_one_run(run):
    series, _ = run
    residuals = detrend(series, axis=0)
    for unit, expected in (
        ("percent", 100 * residuals / series.mean(axis=0)),
        ("zscore", residuals / residuals.std(axis=0, ddof=1)),
        ("none", residuals + series.mean(axis=0)),
    ):
        np.testing.assert_allclose(clean_run(series, tr_s=TR_S, standardize=unit), expected, atol=1e-4)


def test_constant_and_collinear_confounds_change_nothing(run):
    series, confounds = run
    more = np.column_stack([confounds, np.full(N_VOLUMES, 3.0), confounds @ [1, 2, -1, 0.5], confounds[:, 0]])
    one = clean_run(series, tr_s=TR_S, confounds=confounds)
    np.testing.assert_allclose(clean_run(series, tr_s=TR_S, confounds=more), one, atol=1e-5)
    none = clean_run(series, tr_s=TR_S, confounds=more[:, 4:5])
    np.testing.assert_array_equal(none, clean_run(series, tr_s=TR_S))


def test_channels_that_cannot_be_used_are_nan_and_leave_the_others_alone(run):
    series, confounds = run
    spoiled = series.copy()
    spoiled[3, 0] = np.nan
    spoiled[:, 1] = 7
    spoiled[:, 2] = 100 + confounds[:, 1] + np.arange(N_VOLUMES)
    spoiled[:, 3] -= spoiled[:, 3].mean()
    before = spoiled.copy()
    cleaned = clean_run(spoiled, tr_s=TR_S, confounds=confounds)
    assert np.isnan(cleaned[:, :3]).all()
    np.testing.assert_array_equal(cleaned[:, 4:], clean_run(series, tr_s=TR_S, confounds=confounds)[:, 4:])
    np.testing.assert_array_equal(spoiled, before)


def test_blocks_of_channels_are_cleaned_as_one(run, monkeypatch):
    series, confounds = run
    whole = clean_run(series, tr_s=TR_S, confounds=confounds)
    monkeypatch.setattr("alignkit.preprocessing.signals._BLOCK_SIZE", 2 * N_VOLUMES)
    np.testing.assert_allclose(clean_run(series, tr_s=TR_S, confounds=confounds), whole, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"confounds": np.ones((119, 2))}, "`confounds` has 119 rows but `series` has 120 volumes"),
        ({"confounds": np.full((120, 1), np.nan)}, "`confounds` holds 120 NaN"),
        ({"high_pass_hz": 0.3}, "`high_pass_hz` must be above 0 and below 0.25 Hz.* got 0.3"),
        ({"high_pass_hz": 0.0}, "`high_pass_hz` must be above 0"),
        ({"high_pass_hz": 0.01, "tr_s": 0}, "`tr_s` must be a time in seconds above 0, got 0"),
        ({"high_pass_hz": 0.2499}, "119 independent columns and the run 120 volumes: nothing would be left"),
        ({"detrend": "constant"}, "`detrend` is 'constant'"),
        ({"standardize": "psc"}, "`standardize` is 'psc'"),
    ],
)
def test_what_cannot_be_cleaned_is_refused(run, options, message):
    with pytest.raises(InputError, match=message):
        clean_run(run[0], **{"tr_s": TR_S, **options})
