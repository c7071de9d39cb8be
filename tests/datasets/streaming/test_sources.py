from __future__ import annotations

import mne
import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets.streaming.sources import (
    ContinuousRecording,
    as_continuous,
    continuous_of_raw,
    continuous_of_recording,
)
from alignkit.recordings import Recording


def whole(recording):
    return np.concatenate(list(recording.pieces()))


def raw(n_times=4000, **options):
    info = mne.create_info(["Fz", "Cz", "EOG", "STI"], 100.0, ["eeg", "eeg", "eog", "stim"])
    data = np.random.default_rng(0).standard_normal((4, n_times)) * 1e-5
    made = mne.io.RawArray(data, info, verbose="error")
    made.info["bads"] = options.get("bads", [])
    return made


def test_a_raw_object_gives_its_data_channels_in_volts_piece_by_piece():
    made = raw()
    recording = continuous_of_raw(made, name="sub-07_ses-a_task-rest_run-2_eeg", labels={"age": 30})
    pieces = list(recording.pieces())
    assert [len(piece) for piece in pieces] == [3000, 1000]
    np.testing.assert_array_equal(np.concatenate(pieces), made.get_data()[:2].T)
    assert recording.channel_names == ["Fz", "Cz"]
    facts = recording.facts()
    assert (facts["subject"], facts["session"], facts["task"], facts["run"]) == ("sub-07", "a", "rest", "2")
    assert (recording.unit, recording.sfreq_hz, facts["labels"]) == ("V", 100.0, {"age": 30})


def test_a_raw_file_is_named_after_its_file_and_not_loaded(tmp_path):
    path = tmp_path / "sub-01_task-film_raw.fif"
    raw().save(path, verbose="error")
    opened = mne.io.read_raw_fif(path, preload=False, verbose="error")
    recording = as_continuous(opened)
    assert (recording.name, recording.subject) == ("sub-01_task-film_raw", "sub-01")
    assert not opened.preload
    assert whole(recording).shape == (4000, 2)


def test_bad_channels_are_left_out_and_a_raw_without_any_is_refused():
    assert continuous_of_raw(raw(bads=["Fz"]), name="r").channel_names == ["Cz"]
    with pytest.raises(InputError, match="'r' has no data channel; its channels are .*eog"):
        continuous_of_raw(raw(bads=["Fz", "Cz"]), name="r")
    with pytest.raises(InputError, match="made in memory has no file to be named after; give `name`"):
        continuous_of_raw(raw())


def test_a_time_series_recording_takes_its_rate_from_its_onsets():
    samples = pd.DataFrame(
        {"stimulus_id": [f"t{i}" for i in range(6)], "onset_s": np.arange(6) * 1.5, "run": 3}
    )
    data = np.arange(12, dtype=np.float32).reshape(6, 2)
    bold = Recording(data, samples, pd.DataFrame({"name": ["v1", "v2"]}), subject="s 1", unit="%")
    recording = as_continuous(bold)
    assert recording.sfreq_hz == pytest.approx(1 / 1.5, abs=1e-6)
    assert (recording.name, recording.run, recording.unit) == ("s-1_run-3", "3", "%")
    np.testing.assert_array_equal(whole(recording), data)


@pytest.mark.parametrize(
    ("onsets", "message"),
    [
        (None, "is no continuous one.*`onset_s`"),
        ([0, 1, 2, 4], "evenly spaced and rise, got steps of 1 to 2 s"),
    ],
)
def test_recordings_that_are_no_time_series_are_refused(onsets, message):
    samples = pd.DataFrame({"stimulus_id": list("abcd")})
    samples = samples if onsets is None else samples.assign(onset_s=onsets)
    recording = Recording(np.ones((4, 1), dtype=np.float32), samples, pd.DataFrame({"name": ["a"]}))
    with pytest.raises(InputError, match=message):
        continuous_of_recording(recording)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "a/b"}, "`name` is 'a/b'; it becomes a folder"),
        ({"name": "..x"}, r"`name` is '..x'"),
        ({"channels": ["a", "a"]}, "`channels of r` must be unique.*'a'"),
        ({"channels": pd.DataFrame({"label": ["a", "b"]})}, "need a column 'name'"),
        ({"sfreq_hz": 0.0}, "`sfreq_hz` of 'r' must be above 0, got 0"),
        ({"labels": {"task": "x"}}, "have names of facts: task; rename"),
        ({"labels": {"x": [1]}}, "the labels 'x' of 'r' are neither numbers nor texts"),
    ],
)
def test_recordings_that_make_no_sense_are_refused(options, message):
    given = {"name": "r", "data": np.zeros((4, 2)), "channels": ["a", "b"], "sfreq_hz": 10.0, **options}
    with pytest.raises(InputError, match=message):
        ContinuousRecording(**given)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((2, 4)), r"must have shape \(n_samples, 2\), got \(2, 4\). Time is the first axis"),
        (np.zeros(4), r"got \(4,\)\."),
        (np.zeros((4, 2), dtype=complex), "must be real numbers, got complex128"),
        (np.array([[0, 1], [2, np.nan]]), "holds NaN or infinity: 1 .* in 'b' at 0.100 s"),
    ],
)
def test_data_that_cannot_be_written_are_named(data, message):
    with pytest.raises(InputError, match=message):
        whole(ContinuousRecording("r", data, ["a", "b"], 10.0))


def test_other_things_are_refused():
    with pytest.raises(InputError, match="a ndarray cannot be streamed; give ContinuousRecording"):
        as_continuous(np.zeros((3, 3)))
