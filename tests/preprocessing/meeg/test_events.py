from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.preprocessing.meeg.events import (
    annotation_events,
    event_samples,
    event_table,
    stim_channel_events,
)

mne = pytest.importorskip("mne")


def table(onsets, names=None, **columns):
    names = names or [f"s{i}" for i in range(len(onsets))]
    return event_table(pd.DataFrame({"onset": onsets, "stimulus_id": names, **columns}))


def test_events_come_in_order_with_seconds_and_their_own_columns():
    found = table([3.0, 1.0], ["b", "a"], duration=[0.5, 0.2], size=[10, 20])
    assert found["event"].to_list() == ["a", "b"]
    assert found["onset_s"].to_list() == [1.0, 3.0]
    assert found["duration_s"].to_list() == [0.2, 0.5]
    assert found["size"].to_list() == [20, 10]


def test_samples_count_from_the_first_one_whatever_the_files_clock_says(make_raw):
    for first in (0, 345):
        raw = make_raw(first_samp=first)
        samples, codes = event_samples(raw, table([0.0, 1.234], ["b", "a"]))
        assert (samples[:, 0] - first).tolist() == [0, 123]
        assert codes == {"a": 1, "b": 2}
        assert samples[:, 2].tolist() == [2, 1]


@pytest.mark.parametrize(
    ("onsets", "first_samp", "message"),
    [
        ([1.0, 25.0], 0, "1 of 2 events lie outside s1 of 20 s, the first, 's1', at 25 s. They span 24 s"),
        ([15.0, 21.0], 0, "They fit if all come at least 1.01 s earlier"),
        ([-0.5, 3.0], 0, "1 of 2 events .* They fit if all come at least 0.5 s later"),
        ([31.5, 42.0], 3000, "2 of 2 events .* They fit 30 s earlier, the clock's time of the first sample"),
        ([100, 1950], 0, "They fit as sample numbers: divide them by 100 Hz"),
        ([5000, 18000], 0, "They fit as milliseconds: divide them by 1000"),
    ],
)
def test_events_outside_are_refused_with_their_number_and_the_likely_shift(
    make_raw, onsets, first_samp, message
):
    with pytest.raises(InputError, match=message):
        event_samples(make_raw(first_samp=first_samp), table(onsets), where="s1")


def test_duplicated_events_are_refused_with_their_names(make_raw):
    with pytest.raises(InputError, match=r"2 events of s1 fall on .* the first at 1 s \('a' and 'b'\)"):
        event_samples(make_raw(), table([1.0, 1.004, 2.0, 2.0], ["a", "b", "c", "c"]), where="s1")


def test_tables_that_lack_something_are_refused():
    with pytest.raises(InputError, match="need a column 'onset_s' or 'onset', they have time"):
        event_table(pd.DataFrame({"time": [1.0]}))
    with pytest.raises(InputError, match="need a column 'stimulus_id' or 'trial_type' .*they have onset"):
        event_table(pd.DataFrame({"onset": [1.0]}))
    with pytest.raises(InputError, match="need a column 'word', they have onset, event"):
        event_table(pd.DataFrame({"onset": [1.0], "event": ["a"]}), event_column="word")
    with pytest.raises(InputError, match="the table of events of the recording has no row"):
        event_table(pd.DataFrame({"onset": [], "event": []}))
    with pytest.raises(InputError, match="the onset of event 1 of the recording is 'n/a'; a time"):
        event_table(pd.DataFrame({"onset": ["1.0", "n/a"], "event": ["a", "b"]}))
    with pytest.raises(InputError, match="event 1 of the recording, at 2 s, has no 'event'"):
        event_table(pd.DataFrame({"onset": [1.0, 2.0], "event": ["a", None]}))


@pytest.mark.parametrize("dated", [False, True])
def test_annotations_count_from_the_first_sample_and_bad_ones_are_no_events(make_raw, dated):
    raw = make_raw(first_samp=500)
    if dated:
        raw.set_meas_date(1_000_000_000)
    names = ["cat", "BAD_blink", "boundary", "New Segment/", "dog"]
    raw.set_annotations(mne.Annotations([1.0, 2.0, 3.0, 3.5, 4.0], 0.1, names))
    found = annotation_events(raw)
    assert found["description"].to_list() == ["cat", "dog"]
    np.testing.assert_allclose(found["onset_s"], [1.0, 4.0])


def test_the_stimulus_channel_gives_onsets_and_codes(make_raw):
    codes = np.zeros(2000)
    codes[[100, 101, 102, 700]] = [3, 3, 3, 5]
    raw = make_raw(np.vstack([np.zeros(2000), codes]), kinds=["eeg", "stim"], first_samp=50)
    found = stim_channel_events(raw)
    assert found["description"].to_list() == ["3", "5"]
    np.testing.assert_allclose(found["onset_s"], [1.0, 7.0])
    with pytest.raises(InputError, match="s1 has no stimulus channel; give `events`"):
        stim_channel_events(make_raw(), where="s1")
    silent = make_raw(np.zeros((2, 2000)), kinds=["eeg", "stim"])
    with pytest.raises(InputError, match="the stimulus channel Cz of s1 holds no event"):
        stim_channel_events(silent, where="s1")
