from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.preprocessing.single_trials.hemodynamics import hrf_library, trial_design


def width(shape, step_s=0.1):
    return (shape > 0.5).sum() * step_s


def test_the_library_goes_from_fast_and_narrow_to_slow_and_wide():
    shapes = hrf_library()
    assert shapes.shape == (20, 501)
    np.testing.assert_array_equal(shapes.max(axis=1), 1)
    np.testing.assert_array_equal(shapes[:, 0], 0)
    peaks = shapes.argmax(axis=1) * 0.1
    np.testing.assert_allclose(peaks, 3.25 + 0.25 * np.arange(20), atol=0.06)
    widths = np.array([width(shape) for shape in shapes])
    assert (np.diff(widths) > 0).all()
    np.testing.assert_allclose(widths / peaks, 1.06, atol=0.04)
    assert (shapes.min(axis=1) < -0.05).all()  # an undershoot


def test_one_shape_is_the_canonical_response_of_nilearn():
    first_level = pytest.importorskip("nilearn.glm.first_level")
    # nilearn's starts one step late, its raster ends at 32 s.
    theirs = first_level.spm_hrf(0.1, oversampling=1, time_length=32.0)
    ours = hrf_library()[7]
    step = 32.0 / (len(theirs) - 1)
    at = np.interp(np.arange(len(theirs)) * step - 0.1, np.arange(501) * 0.1, ours)
    np.testing.assert_allclose(theirs / theirs.max(), at / at.max(), atol=2e-3)
    others = [np.abs(theirs / theirs.max() - shape[: len(theirs)]).max() for shape in hrf_library()]
    assert np.argmin(others) == 7


def test_a_fine_raster_has_the_same_shapes():
    np.testing.assert_allclose(hrf_library(step_s=0.05)[:, ::2], hrf_library(), atol=1e-3)


def test_an_impulse_gives_the_samples_of_the_response():
    shape = hrf_library()[3]
    design = trial_design([0.0, 4.0], 0.0, n_volumes=60, tr_s=1.0, hrf=shape, scan_time="start")
    np.testing.assert_allclose(design[:51, 0], shape[::10], atol=2e-4)
    np.testing.assert_allclose(design[4:, 1], design[:-4, 0], atol=1e-12)
    np.testing.assert_array_equal(design[:4, 1], 0)
    np.testing.assert_array_equal(design[51:, 0], 0)


@pytest.mark.parametrize("duration", [0.3, 3.0, 22.5])
def test_a_box_is_convolved_as_a_fine_sum_of_impulses(duration):
    shape = hrf_library()[10]
    step = 0.005
    fine = np.interp(np.arange(0, 50 + step, step), np.arange(501) * 0.1, shape)
    wanted = np.convolve(fine, np.ones(round(duration / step)))
    times = 0.37 + 1.3 * np.arange(40)
    wanted = np.interp(times, (np.arange(len(wanted)) + 0.5) * step, wanted / wanted.max())
    design = trial_design([1.3 * 0.5 - 0.37], duration, n_volumes=40, tr_s=1.3, hrf=shape)
    np.testing.assert_allclose(design[:, 0], wanted, atol=2e-3)


def test_every_response_has_peak_one_whatever_its_duration():
    design = trial_design([0.0, 100.0], [0.5, 20.0], n_volumes=4000, tr_s=0.05)
    np.testing.assert_allclose(design.max(axis=0), 1, atol=1e-3)


def test_scans_are_taken_in_their_middle_or_at_their_start():
    middle = trial_design([10.0], 1.0, n_volumes=40, tr_s=2.0)
    start = trial_design([9.0], 1.0, n_volumes=40, tr_s=2.0, scan_time="start")
    np.testing.assert_allclose(middle, start, atol=1e-12)
    assert np.abs(middle - trial_design([10.0], 1.0, n_volumes=40, tr_s=2.0, scan_time="start")).max() > 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_shapes": 0}, "`n_shapes` must be at least 1, got 0"),
        ({"peaks_s": (6.0, 5.0)}, r"the first no later, got \(6.0, 5.0\)"),
        ({"length_s": 7.0}, "got 0.1 and 7.0 s for peaks from 3.25 to 8.0 s"),
    ],
)
def test_the_library_refuses_what_is_no_shape(options, message):
    with pytest.raises(InputError, match=message):
        hrf_library(**options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_volumes": 0}, "`n_volumes` must be at least 1, got 0"),
        ({"tr_s": -1.0}, "`tr_s` must be a positive, finite number of seconds, got -1.0"),
        ({"durations_s": -1.0}, "`durations_s` must be at least 0, got -1 s"),
        ({"durations_s": [1.0, 2.0, 3.0]}, "same number of samples, got 2 and 3"),
        ({"hrf": [1.0, 2.0]}, r"at least 4 points for each shape, got an array of shape \(2,\)"),
        ({"hrf": -np.ones((2, 9))}, "shape 0 never rises above 0"),
        ({"scan_time": "end"}, "`scan_time` is 'end'"),
    ],
)
def test_a_design_refuses_what_cannot_be(change, message):
    given = {"onsets_s": [0.0, 10.0], "durations_s": 1.0, "n_volumes": 20, "tr_s": 1.0, **change}
    onsets, durations = given.pop("onsets_s"), given.pop("durations_s")
    with pytest.raises(InputError, match=message):
        trial_design(onsets, durations, **given)


def test_a_response_that_a_long_box_turns_negative_is_refused():
    dips = np.r_[0.0, 1.0, -np.ones(60)]
    with pytest.raises(InputError, match="`hrf` never rises above 0"):
        trial_design([0.0], 0.0, n_volumes=9, tr_s=1.0, hrf=[0.0, -1.0, -2.0, 1e-12], hrf_step_s=1e-6)
    assert trial_design([0.0], 1.0, n_volumes=9, tr_s=1.0, hrf=dips).min() < 0
