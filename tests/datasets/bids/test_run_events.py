"""Rows of an events table: which are samples, and what they are called."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets.bids._run_events import EventRules, check_stems, run_events, write_events
from alignkit.datasets.fmri._events import read_events

TABLE = (
    "onset\tduration\ttrial_type\tstim_file\trating\tempty\n"
    "4.0\t1.5\tpicture\tset/cat.png\t3\tn/a\n"
    "1.0\tn/a\tpicture\tset/001.png\t1\tn/a\n"
    "6.0\tn/a\tpress\tn/a\tn/a\tn/a\n"
    "8.0\t1.0\trest\tset/grey.png\t2\tn/a\n"
)


@pytest.fixture
def path(tmp_path):
    place = tmp_path / "task-x_events.tsv"
    place.write_text(TABLE)
    return place


def test_rows_that_name_a_stimulus_are_kept_in_the_order_of_time(path):
    events = run_events(path, EventRules())
    assert events["stimulus_id"].to_list() == ["001", "cat"]
    assert events["onset_s"].to_list() == [1.0, 4.0]
    assert np.isnan(events["duration_s"].iloc[0])
    assert events["duration_s"].iloc[1] == 1.5
    assert events.columns.to_list() == [
        "stimulus_id",
        "onset_s",
        "duration_s",
        "trial_type",
        "stim_file",
        "rating",
    ]


def test_the_label_of_rest_and_the_column_of_ids_can_be_chosen(path):
    events = run_events(path, EventRules(rest="none"))
    assert events["stimulus_id"].to_list() == ["001", "cat", "grey"]
    events = run_events(path, EventRules(id_column="rating", trial_types=["picture"]))
    assert events["stimulus_id"].to_list() == ["1", "3"]
    events = run_events(path, EventRules(id_column="trial_type"))
    assert events["stimulus_id"].to_list() == ["picture", "picture", "press"]


def test_what_is_written_is_read_alike_by_the_reader_of_fmri(path, tmp_path):
    events = run_events(path, EventRules()).fillna({"duration_s": 0.25})
    written = write_events(events, tmp_path / "scratch" / "run-1_events.tsv")
    read = read_events(written, rest="rest")
    for column in ("stimulus_id", "onset_s", "duration_s", "trial_type", "stim_file", "rating"):
        assert read[column].to_list() == events[column].to_list()


def test_tables_that_cannot_be_used_are_named(path, tmp_path):
    path.write_text("onset\tduration\tcolour\n1\t1\tred\n")
    with pytest.raises(
        InputError, match="has none of the columns stimulus_id, stim_file, trial_type, but onset, dur"
    ):
        run_events(path, EventRules())
    with pytest.raises(
        InputError, match="`trial_types` is given, but .*task-x_events.tsv has no column trial_type"
    ):
        run_events(path, EventRules(trial_types=["x"]))
    path.write_text("onset\tduration\ttrial_type\nsoon\t1\tred\n")
    with pytest.raises(InputError, match="'onset' is 'soon', a time in seconds is wanted"):
        run_events(path, EventRules())
    path.write_text("onset\tduration\ttrial_type\n1\t-2\tred\n")
    with pytest.raises(InputError, match="'duration' is '-2', a time in seconds is wanted"):
        run_events(path, EventRules())
    path.write_text("onset\tduration\ttrial_type\n1\t2\tred\n1\t2\trest\n")
    with pytest.raises(InputError, match="names no stimulus in the column 'trial_type'"):
        run_events(path, EventRules(rest="red", trial_types=["red"]))


def test_two_files_with_one_stem_are_refused(path, tmp_path):
    events = run_events(path, EventRules())
    other = events.assign(stim_file=["other/001.png", "set/cat.png"])
    check_stems([events, events], tmp_path)
    with pytest.raises(
        InputError, match="'set/001.png' and 'other/001.png', which would be one stimulus '001'"
    ):
        check_stems([events, other], tmp_path)
    check_stems([events.drop(columns="stim_file"), other], tmp_path)
