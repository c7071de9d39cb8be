"""Windows by hand; a planted course over time is found where it is, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.decoders.evaluation.parts import split_trials
from alignkit.decoders.evaluation.windows import (
    Window,
    crop_times,
    evaluate_windows,
    mask_times,
    windows_of,
)

TIMES_S = np.arange(9) / 10


def test_windows_slide_grow_or_hold_one_time():
    sliding = windows_of(TIMES_S, width_s=0.2, step_s=0.3)
    assert sliding == [Window(0.0, 0.2), Window(0.3, 0.5), Window(0.6, 0.8)]
    growing = windows_of(TIMES_S, kind="cumulative", width_s=0.4, step_s=0.2)
    assert growing == [Window(0.0, 0.4), Window(0.0, 0.6), Window(0.0, 0.8)]
    assert [w.start_s for w in windows_of(TIMES_S, kind="each")] == TIMES_S.tolist()
    assert all(w.start_s == w.stop_s for w in windows_of(TIMES_S, kind="each"))


def test_cropped_and_masked_trials_hold_the_window_and_keep_their_rows(embedded):
    trials = embedded(n_stimuli=10, n_times=9)
    window = Window(0.3, 0.5)
    whole, cropped, masked = trials.read(), crop_times(trials, window), mask_times(trials, window)
    assert np.array_equal(cropped.read(), whole[:, :, 3:6])
    assert cropped.study["p0"].times_s.tolist() == TIMES_S[3:6].tolist()
    assert np.array_equal(masked.read()[:, :, 3:6], whole[:, :, 3:6])
    assert not masked.read()[:, :, [0, 1, 2, 6, 7, 8]].any()
    assert masked.table.equals(trials.table)
    assert np.array_equal(trials.read(), whole)


@pytest.mark.parametrize("change", [crop_times, mask_times])
def test_windows_of_data_on_disk_are_read_by_rows(embedded, tmp_path, change):
    trials = embedded(n_stimuli=10, n_times=9)
    trials.study["p0"].save(tmp_path / "p0")
    lazy = type(trials).of({"p0": trials.study["p0"].load(tmp_path / "p0", lazy=True)}, trials.targets)
    window = Window(0.3, 0.5)
    changed, wanted = change(lazy, window).study["p0"].data, change(trials, window).read()
    assert not isinstance(changed, np.ndarray)
    assert np.array_equal(change(lazy, window).read([7, 3]), wanted[[7, 3]])
    assert np.array_equal(changed[...], wanted)
    assert np.array_equal(np.asarray(changed), wanted)
    assert np.array_equal(changed[2:4, 1], wanted[2:4, 1])
    assert np.array_equal(changed[2, 1:3], wanted[2, 1:3])
    assert np.array_equal(changed[..., 1], wanted[..., 1])
    assert len(changed) == 20


@pytest.mark.parametrize("refit", [True, False])
def test_a_planted_course_is_found_where_it_is(embedded, least, refit):
    split = split_trials(embedded(n_stimuli=60, n_times=9, noise=3.0), test=20)
    windows = windows_of(TIMES_S, width_s=0.2, step_s=0.3)
    decoder = least if refit else least().fit(split.training)
    found = evaluate_windows(decoder, split, windows, n_bootstraps=50, n_permutations=99)
    table = found.table[found.table["score"] == "2-way"].set_index("start_s")
    assert table.loc[0.3, "p_corrected"] == 0.01
    assert table.loc[0.3, "value"] > 0.8
    assert (table.loc[[0.0, 0.6], "p_corrected"] > 0.05).all()
    assert (table["p_corrected"] >= table["p"]).all()
    how = "fitted anew to each" if refit else "one decoder of the whole trial, zeros outside each"
    assert f"3 windows, 0 to 0.8 s: {how}" in found.card.to_text()
    assert "corrected over windows: max" in found.card.to_text()
    # Many windows are one look.
    assert found.card.times_evaluated == 1


def test_growing_windows_rise_to_where_the_information_ends(embedded, least):
    split = split_trials(embedded(n_stimuli=60, n_times=9, noise=3.0), test=20)
    windows = windows_of(TIMES_S, kind="cumulative", width_s=0.2, step_s=0.3)
    found = evaluate_windows(least, split, windows, n_bootstraps=0, n_permutations=0, repetitions="all")
    two = found.table[found.table["score"] == "2-way"]["value"].to_numpy()
    assert two[1] > two[0] + 0.2
    assert abs(two[2] - two[1]) < 0.1
    assert found.table["p_corrected"].isna().all()


def test_windows_that_cannot_be_are_refused(embedded, least):
    with pytest.raises(InputError, match="must be above 0, got 0 and 0.1"):
        windows_of(TIMES_S, width_s=0.0, step_s=0.1)
    with pytest.raises(InputError, match="`width_s` is 2 s, longer than the trial of 0.8 s"):
        windows_of(TIMES_S, width_s=2.0)
    with pytest.raises(InputError, match="`kind` is 'slide', did you mean 'sliding'"):
        windows_of(TIMES_S, kind="slide")
    split = split_trials(embedded(n_stimuli=10, n_times=9), test=3)
    with pytest.raises(InputError, match="no time of 'p0' lies in 2 to 3 s; it has 0 to 0.8 s"):
        crop_times(split.training, Window(2.0, 3.0))
    with pytest.raises(InputError, match="`windows` is empty"):
        evaluate_windows(least, split, [])
    with pytest.raises(InputError, match="the recording of 'p0' has no times"):
        mask_times(embedded(n_stimuli=10), Window(0.0, 1.0))
