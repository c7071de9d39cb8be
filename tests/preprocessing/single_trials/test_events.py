from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.preprocessing.single_trials._events import check_runs, check_sessions, trials_table


def table(ids, onsets, durations=1.0, **columns):
    return pd.DataFrame({"stimulus_id": ids, "onset_s": onsets, "duration_s": durations, **columns})


def test_trials_come_in_order_of_run_and_onset_with_their_repetition():
    events = [table(["b", "a"], [30.0, 10.0], rt=[0.5, 0.4], run="x"), table([1, "a"], [5.0, 20.0])]
    before = [each.copy() for each in events]
    trials, notes = trials_table(events, [40, 40], tr_s=2.0, sessions=["day1", "day2"])
    assert trials["stimulus_id"].tolist() == ["a", "b", "1", "a"]
    assert trials["run"].tolist() == [1, 1, 2, 2]
    assert trials["session"].tolist() == ["day1", "day1", "day2", "day2"]
    assert trials["repetition"].tolist() == [1, 1, 1, 2]
    assert trials["rt"].tolist()[:2] == [0.4, 0.5]
    assert notes == []
    for one, other in zip(events, before, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_a_late_trial_is_warned_of_and_noted():
    with pytest.warns(UserWarning, match=r"1 trial\(s\) start within the last 8 s.*'b' at 73 s of run 1"):
        _, notes = trials_table([table(["a", "b"], [10.0, 73.0])], [40], tr_s=2.0, sessions=None)
    assert len(notes) == 1
    assert trials_table([table(["a", "b"], [10.0, 72.0])], [40], tr_s=2.0, sessions=None)[1] == []


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([table(["a"], [80.0])], r"1 event\(s\) of run 1 lie outside its 80 s, such as 'a' at 80 s"),
        ([table(["a"], [-0.5])], r"lie outside its 80 s, such as 'a' at -0.5 s"),
        ([table(["a", "b"], [8.0, 8.001])], "two trials at one onset, 8 s: 'a' and 'b'"),
        ([table(["a"], [np.nan])], "nan as `onset_s`; a time in seconds"),
        ([table(["a"], [3.0], -1.0)], "-1.0 as `duration_s`"),
        ([table(["a"], ["soon"])], "'soon' as `onset_s`"),
        ([table([None, "a"], [1.0, 9.0])], r"1 row\(s\) without `stimulus_id`"),
        ([table([], [])], "run 1 has no event"),
        (
            [pd.DataFrame({"onset": [1.0]})],
            r"need the column\(s\) stimulus_id, onset_s, duration_s; .* onset",
        ),
        ([{"stimulus_id": ["a"]}], "must be a DataFrame, got dict"),
        ([], "a table for each of 1 runs, got 0 tables"),
        (table(["a"], [1.0]), "a table for each of 1 runs, got one table"),
    ],
)
def test_events_that_do_not_fit_are_refused(events, message):
    with pytest.raises(InputError, match=message):
        trials_table(events, [40], tr_s=2.0, sessions=None)


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([], "`runs` is empty"),
        (np.zeros((5, 3)), r"a list with an array per run, got one of shape \(5, 3\)"),
        ([np.zeros(5)], r"run 1 must be volumes x voxels, got shape \(5,\)"),
        ([np.zeros((5, 3)), np.zeros((5, 4))], "got 3 in run 1 and 4 in run 2"),
        ([np.zeros((5, 3), dtype=complex)], "run 1 must hold real numbers, got dtype complex128"),
    ],
)
def test_runs_that_do_not_fit_are_refused(runs, message):
    with pytest.raises(InputError, match=message):
        check_runs(runs)


def test_sessions_are_one_per_run():
    assert check_sessions(None, 2) is None
    assert check_sessions([1, 2], 2) == ["1", "2"]
    with pytest.raises(InputError, match=r"a session for each of 2 runs, got \['day1'\]"):
        check_sessions(["day1"], 2)
