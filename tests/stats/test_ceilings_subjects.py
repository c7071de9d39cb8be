from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.stats import ceilings_subjects, leave_one_subject_out, normalize_score

ESTIMATES = ("lower", "upper", "included", "mean_r")


def _listeners(rng, n_subjects, n_times, n_channels, *, shared, signal=None):
    """Return time courses that hold a share of variance in common, and the common part."""
    common = rng.standard_normal((n_times, n_channels)) if signal is None else signal
    noise = rng.standard_normal((n_subjects, n_times, n_channels))
    return np.sqrt(shared) * common + np.sqrt(1 - shared) * noise, common


def test_the_bounds_are_the_correlations_with_the_others_and_with_all():
    values, _ = _listeners(np.random.default_rng(0), 5, 40, 3, shared=0.5)
    values = values * np.array([1, 5, 0.1, 3, 2])[:, None, None] + 7.0
    z = (values - values.mean(axis=1, keepdims=True)) / values.std(axis=1, keepdims=True)
    found = leave_one_subject_out(values)
    for c in range(3):
        others = [
            np.corrcoef(z[s, :, c], np.delete(z, s, axis=0)[:, :, c].mean(axis=0))[0, 1] for s in range(5)
        ]
        everyone = [np.corrcoef(z[s, :, c], z[:, :, c].mean(axis=0))[0, 1] for s in range(5)]
        np.testing.assert_allclose(found.lower_by_subject[:, c], others)
        assert found.lower[c] == pytest.approx(np.mean(others))
        assert found.included[c] == pytest.approx(np.mean(everyone))


def test_error_bars_are_those_of_leaving_each_subject_out():
    values, _ = _listeners(np.random.default_rng(1), 7, 60, 2, shared=0.4)
    found = leave_one_subject_out(values)
    for name in ESTIMATES:
        left_out = np.array(
            [getattr(leave_one_subject_out(np.delete(values, s, axis=0)), name) for s in range(7)]
        )
        expected = np.sqrt(6 / 7 * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
        np.testing.assert_allclose(getattr(found, f"se_{name}"), expected, rtol=1e-9)


@pytest.mark.parametrize("shared", [0.1, 0.4])
def test_a_perfect_model_reaches_the_corrected_ceiling_and_lies_between_the_bounds(shared):
    values, common = _listeners(np.random.default_rng(2), 10, 400, 100, shared=shared)
    model_r = np.mean(
        [[np.corrcoef(subject[:, c], common[:, c])[0, 1] for c in range(100)] for subject in values], axis=0
    )
    found = leave_one_subject_out(values)
    assert found.upper.mean() == pytest.approx(np.sqrt(shared), abs=0.01)
    share = normalize_score(model_r, found.to_ceiling(), unit="r")
    assert share.mean() == pytest.approx(1.0, abs=0.02)
    # The leave-one-out correlation is too low to divide by, the one with all too high.
    assert (model_r / found.lower).mean() > 1.05
    assert (model_r / found.included).mean() < 0.97
    assert ((found.lower < model_r) & (model_r < found.included)).mean() > 0.99


def test_the_ceiling_of_the_mean_time_course_is_reached_by_the_shared_signal():
    values, common = _listeners(np.random.default_rng(3), 10, 400, 100, shared=0.1)
    z = (values - values.mean(axis=1, keepdims=True)) / values.std(axis=1, keepdims=True)
    model_r = np.array([np.corrcoef(z[:, :, c].mean(axis=0), common[:, c])[0, 1] for c in range(100)])
    ceiling = leave_one_subject_out(values).to_ceiling(of="mean")
    assert ceiling.upper.mean() == pytest.approx(np.sqrt(0.1 / (0.1 + 0.9 / 10)), abs=0.01)
    assert normalize_score(model_r, ceiling, unit="group-mean r").mean() == pytest.approx(1.0, abs=0.02)
    with pytest.raises(InputError, match="'r' cannot be divided by a ceiling for scores in 'group-mean r'"):
        normalize_score(model_r, ceiling, unit="r")


def test_subjects_of_unlike_quality_have_ceilings_of_their_own():
    rng = np.random.default_rng(4)
    gains = np.array([0.9, 0.7, 0.5, 0.5, 0.3, 0.1])
    common = rng.standard_normal((500, 200))
    noise = rng.standard_normal((6, 500, 200))
    found = leave_one_subject_out(
        gains[:, None, None] * common + np.sqrt(1 - gains**2)[:, None, None] * noise
    )
    # Where the others are unlike each other, alpha is a little low, and the best subject a little high.
    np.testing.assert_allclose(found.upper_by_subject.mean(axis=1), gains, atol=0.04)


def test_the_jackknife_covers_the_truth_and_the_plain_error_bar_is_too_short():
    rng = np.random.default_rng(5)
    common = rng.standard_normal((100, 20))
    common = (common - common.mean(axis=0)) / common.std(axis=0)
    lower, plain, covered = [], [], []
    for _ in range(200):
        gains = np.sqrt(0.1) + 0.15 * rng.standard_normal((12, 1, 20))
        noise = np.sqrt(1 - gains**2) * rng.standard_normal((12, 100, 20))
        found = leave_one_subject_out(gains * common + noise)
        lower.append(found.lower)
        plain.append(found.lower_by_subject.std(axis=0, ddof=1) / np.sqrt(12))
        covered.append(np.abs(found.upper - np.sqrt(0.1)) < 1.96 * found.se_upper)
    spread = np.std(lower, axis=0, ddof=1).mean()
    assert np.nanmean(plain) < 0.75 * spread
    assert 0.90 < np.mean(covered) < 0.97


def test_without_anything_shared_the_bound_is_about_zero_and_nothing_divides():
    values, _ = _listeners(np.random.default_rng(6), 8, 200, 300, shared=0.0)
    found = leave_one_subject_out(values)
    assert found.lower.mean() == pytest.approx(0.0, abs=0.01)
    below = found.lower < 0
    assert 0.3 < below.mean() < 0.7  # negative correlations are averaged as they are
    assert np.isnan(found.upper[found.lower < -0.02]).all()
    assert np.isnan(found.se_upper[np.isnan(found.upper)]).all()
    score = normalize_score(np.full(300, 0.1), found.to_ceiling(), unit="r")
    assert np.isnan(score[found.lower < -0.02]).all()


def test_opposed_subjects_cancel_without_an_error():
    wave = np.sin(np.arange(20.0))[None, :, None]
    found = leave_one_subject_out(np.concatenate([wave, -wave, wave, -wave]))
    assert found.included[0] == pytest.approx(0.0, abs=1e-7)
    assert np.isnan([found.upper[0], found.mean_r[0]]).all()
    same = leave_one_subject_out(np.concatenate([wave] * 4))
    np.testing.assert_allclose([getattr(same, name)[0] for name in ESTIMATES], 1.0)


def test_bounds_divide_nothing():
    values, _ = _listeners(np.random.default_rng(7), 5, 50, 2, shared=0.4)
    found = leave_one_subject_out(values, subjects=["s18", "s22", "s23", "s24", "s26"])
    bounds = found.to_bounds()
    np.testing.assert_array_equal(bounds.lower, found.lower)
    np.testing.assert_array_equal(bounds.se_upper, found.se_included)
    assert found.subjects[0] == "s18"
    with pytest.raises(InputError, match="'leave-one-subject-out, 5 subjects.* bounds to compare"):
        normalize_score([0.1, 0.2], bounds, unit="r")


def test_three_subjects_have_bounds_and_a_ceiling_but_not_all_error_bars():
    values, _ = _listeners(np.random.default_rng(8), 3, 50, 2, shared=0.5)
    found = leave_one_subject_out(values)
    assert np.isfinite([found.lower, found.upper, found.se_lower, found.se_mean_r]).all()
    assert np.isnan(found.se_upper).all()


def test_blocks_of_channels_change_nothing_and_the_input_stays(monkeypatch):
    values, _ = _listeners(np.random.default_rng(9), 6, 50, 7, shared=0.3)
    before = values.copy()
    whole = leave_one_subject_out(values)
    monkeypatch.setattr(ceilings_subjects, "_BLOCK_ELEMENTS", 700)
    parts = leave_one_subject_out(values)
    for name in (*ESTIMATES, "se_lower", "lower_by_subject", "upper_by_subject"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-12)
    np.testing.assert_array_equal(values, before)


def test_bad_input_is_refused():
    values, _ = _listeners(np.random.default_rng(10), 4, 30, 2, shared=0.3)
    with pytest.raises(
        InputError, match=r"at least 3 subjects, 4 times and 1 channel, got shape \(2, 30, 2\)"
    ):
        leave_one_subject_out(values[:2])
    with pytest.raises(InputError, match=r"3 dimension\(s\), got shape \(4, 30\)"):
        leave_one_subject_out(values[:, :, 0])
    with pytest.raises(InputError, match="must name the 4 subjects of `time_courses`, got 2"):
        leave_one_subject_out(values, subjects=["a", "b"])
    with pytest.raises(InputError, match="`unit` must be 'r' for a ceiling across subjects, got 'r2'"):
        leave_one_subject_out(values).to_ceiling(unit="r2")
    with pytest.raises(InputError, match="`of` is 'group'"):
        leave_one_subject_out(values).to_ceiling(of="group")
    flat = values.copy()
    flat[2, :, 1] = 3.0
    with pytest.raises(
        InputError, match=r"subject 'c' is constant in channel 1 \(1 such .* 1 channel\(s\)\)"
    ):
        leave_one_subject_out(flat, subjects=list("abcd"))
    short = values.copy()
    short[3, 20:] = np.nan
    with pytest.raises(InputError, match=r"20 NaN or .* 1 subject\(s\), the first in subject '3' at time 20"):
        leave_one_subject_out(short)


@pytest.mark.parametrize(
    ("smoothing", "expected"),
    [
        ("6mm", [0.330, 0.238, 0.423, 0.279, 0.254, 0.190]),
        ("10mm", [0.294, 0.203, 0.401, 0.242, 0.214, 0.162]),
    ],
)
def test_listeners_of_alice_have_the_known_ceilings(real_data, smoothing, expected):
    files = sorted(real_data(f"alice_fmri/alice_data_shared/{smoothing}").glob("s*-timecourses.txt"))
    files = [file for file in files if not file.name.startswith("s33")]  # has constant columns
    assert len(files) == 27
    courses = np.stack([np.loadtxt(file) for file in files])
    drift = np.vander(np.linspace(-1, 1, courses.shape[1]), 4)
    detrended = np.stack([each - drift @ np.linalg.lstsq(drift, each, rcond=None)[0] for each in courses])
    found = leave_one_subject_out(detrended)
    np.testing.assert_allclose(found.lower, expected, atol=1e-3)
    assert (found.lower < found.upper).all()
    assert (found.upper < found.included).all()
    assert ((found.se_upper > 0.02) & (found.se_upper < 0.05)).all()
