"""Events that are wrong in themselves: twice there, all at once, named by different columns."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets import read_bold


def test_the_same_event_twice_is_refused_with_its_rows(save_events, runs):
    rows = [(4, 4, "cat"), (12, 2, "dog"), (20, 4, "cat")]
    save_events(runs.events[1], rows + rows)
    with pytest.raises(InputError, match=r"3 of 6 events twice: row 4 repeats row 1, 'cat' at 4 s"):
        read_bold(runs.bold, events=runs.events)


def test_rows_are_counted_in_the_file_whatever_was_left_out(save_events, runs):
    save_events(runs.events[0], [(20, 4, "cat"), (1, 1, "rest"), (4, 4, "dog"), (20, 2, "cat")])
    with pytest.raises(InputError, match=r"1 of 3 events twice: row 4 repeats row 1, 'cat' at 20 s"):
        read_bold(runs.bold, events=runs.events)


def test_two_stimuli_at_one_onset_are_noted_with_their_number(save_events, runs):
    save_events(runs.events[0], [(4, 4, "cat"), (4, 4, "dog"), (20, 4, "cat")])
    notes = read_bold(runs.bold, events=runs.events).notes
    assert any(note.startswith("2 events in 1 run(s) begin at exactly the time") for note in notes)


def test_stimuli_at_unlike_onsets_are_not_noted(runs):
    assert not any("exactly the time" in note for note in read_bold(runs.bold, events=runs.events).notes)


def test_events_that_all_have_one_onset_are_refused(save_events, runs):
    save_events(runs.events[0], [(4, 4, "cat"), (4, 4, "dog"), (4, 4, "tree")])
    with pytest.raises(InputError, match="all 3 events have the onset 4 s"):
        read_bold(runs.bold, events=runs.events)


def test_one_event_alone_has_an_onset_of_its_own(save_events, runs):
    save_events(runs.events[0], [(4, 4, "cat")])
    assert read_bold(runs.bold, events=runs.events).n_samples == 4


def test_runs_that_name_stimuli_by_different_columns_are_refused_or_told_which(save_events, runs):
    rows = [(4, 4, "cat"), (12, 2, "dog")]
    save_events(runs.events[1], rows, stim_file=["a/cat.png", "b/dog.png"])
    message = (
        r"run 1 \(run-01_events.tsv\) names stimuli by 'trial_type', run 2 \(.*\) by 'stim_file'.*`id_col"
    )
    with pytest.raises(InputError, match=message):
        read_bold(runs.bold, events=runs.events)
    recording = read_bold(runs.bold, events=runs.events, id_column="trial_type")
    assert set(recording.stimulus_ids) == {"cat", "dog"}


def test_a_text_of_no_time_is_shown_as_it_stands_there(save_events, runs):
    save_events(runs.events[0], [(4, -1, "cat")])
    with pytest.raises(InputError, match="'duration' is '-1', a time in seconds"):
        read_bold(runs.bold, events=runs.events)


def test_a_duration_beyond_the_run_is_refused(save_events, runs):
    save_events(runs.events[0], [(4, 41, "cat"), (12, 2, "dog")])
    with pytest.raises(InputError, match="duration of 'cat' at 4 s is 41 s, longer than run 1 .* lasts 40 s"):
        read_bold(runs.bold, events=runs.events)
    save_events(runs.events[0], [(4, 40, "cat"), (12, 2, "dog")])
    read_bold(runs.bold, events=runs.events)
    with pytest.raises(InputError, match="`duration_s` is 90 s, longer than run 1"):
        read_bold(runs.bold, events=runs.events, duration_s=90)


def test_smoothing_wider_than_the_volume_is_refused(runs):
    with pytest.raises(InputError, match="`smoothing_fwhm_mm` is 50, wider than the volumes .6 mm"):
        read_bold(runs.bold, events=runs.events, smoothing_fwhm_mm=50)
    assert np.isfinite(read_bold(runs.bold, events=runs.events, smoothing_fwhm_mm=4).data).all()
