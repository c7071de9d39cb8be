from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets.meeg.continuous import join_runs, read_meeg
from alignkit.preprocessing.meeg.cleaning import Cleaning

mne = pytest.importorskip("mne")


def peak(recording):
    """Return channel and time of the largest mean response."""
    mean = np.abs(recording.data.mean(axis=0))
    channel, time = np.unravel_index(mean.argmax(), mean.shape)
    return recording.channels["name"][channel], recording.times_s[time]


@pytest.mark.parametrize("suffix", [".fif", ".edf", ".bdf", ".set", ".vhdr"])
def test_every_format_shows_the_planted_response_at_its_place_and_time(make_raw, save_raw, suffix):
    path = save_raw(make_raw(), suffix)
    options = {"subject": "s1", "tmin_s": -0.1, "tmax_s": 0.5, "montage": "biosemi64"}
    recording = read_meeg(path, **options)
    assert recording.n_samples == 4
    name, time = peak(recording)
    assert (name, round(time, 3)) == ("Pz", 0.2)
    assert (recording.unit, recording.modality, recording.subject) == ("V", "eeg", "s1")
    assert any("the events are those of its annotations" in note for note in recording.notes)
    if suffix != ".vhdr":
        assert recording.stimulus_ids == ["cat", "dog", "cat", "owl"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_table_of_events_names_stimuli_and_keeps_its_columns(make_raw, save_raw, word_events, tmp_path):
    path = save_raw(make_raw(annotated=False), ".fif")
    word_events.to_csv(tmp_path / "events.tsv", sep="\t", index=False)
    for events in (word_events, tmp_path / "events.tsv"):
        recording = read_meeg(path, subject="s1", events=events)
        assert recording.stimulus_ids == ["cat", "dog", "cat", "owl"]
        assert recording.samples["animacy"].to_list() == list("aabb")
        assert recording.samples["repetition"].to_list() == [1, 1, 2, 1]
    other = read_meeg(path, subject="s1", events=word_events, stimulus_column="animacy")
    assert other.stimulus_ids == list("aabb")


def test_events_are_chosen_by_name_and_unnamed_ones_left_out_with_a_note(make_raw, word_events):
    word_events.loc[1, "trial_type"] = "n/a"
    recording = read_meeg(make_raw(annotated=False), subject="s1", events=word_events, event_names=["cat"])
    assert recording.stimulus_ids == ["cat", "cat"]
    assert recording.notes == (
        "the recording: 1 events without a name were left out.",
        "the recording: 1 events of other names were left out.",
    )
    with pytest.raises(InputError, match="`event_names` holds 'cta', did you mean 'cat'"):
        read_meeg(make_raw(), subject="s1", event_names=["cta"])


def test_without_annotations_the_stimulus_channel_counts(make_raw):
    raw = make_raw(annotated=False)
    codes = np.zeros(2000)
    codes[[100, 500, 1200]] = [1, 2, 1]
    stim = mne.io.RawArray(codes[None], mne.create_info(["STI"], 100.0, "stim"), verbose="error")
    raw.add_channels([stim], force_update_info=True)
    recording = read_meeg(raw, subject="s1")
    assert recording.stimulus_ids == ["1", "2", "1"]
    assert "events are those of its stimulus channel" in recording.notes[0]
    assert recording.n_channels == 4


def test_cleaning_reaches_the_epochs(make_raw):
    raw = make_raw()
    raw._data[0] += 1e-3
    cleaning = Cleaning(
        high_pass_hz=1.0, reference="average", resample_hz=50.0, baseline_s=(-0.2, 0.0), bad_channels=["Oz"]
    )
    recording = read_meeg(raw, subject="s1", cleaning=cleaning)
    assert np.diff(recording.times_s).mean() == pytest.approx(0.02)
    assert list(recording.channels["name"]) == ["Fz", "Cz", "Pz"]
    assert np.abs(recording.data.mean(axis=1)).max() < 1e-10
    before = recording.times_s <= 1e-6
    assert np.abs(recording.data[:, :, before].mean(axis=2)).max() < 1e-10
    assert recording.notes[-1] == "s1: 1 channels marked bad were left out: Oz."


def test_all_epochs_rejected_shows_the_drop_log(make_raw):
    with pytest.raises(
        InputError, match="none of the 4 events of the recording gave an epoch: 4 by amplitude"
    ):
        read_meeg(make_raw(), subject="s1", cleaning=Cleaning(reject={"eeg": 1e-9}))


def test_shifted_events_are_refused_with_the_shift(make_raw, word_events):
    late = word_events.assign(onset=word_events["onset"] + 6)
    with pytest.raises(InputError, match="1 of 4 events lie outside .* all come at least 1.51 s earlier"):
        read_meeg(make_raw(), subject="s1", events=late)


def test_runs_follow_one_another_and_repetitions_go_on(make_raw, word_events):
    runs = [make_raw(seed=k) for k in range(2)]
    recording = read_meeg(runs, subject="s1", events=[word_events, word_events])
    assert recording.n_samples == 8
    assert recording.samples["run"].to_list() == [1] * 4 + [2] * 4
    assert recording.samples["repetition"].to_list() == [1, 1, 2, 1, 3, 2, 4, 2]
    alone = read_meeg(runs[1], subject="s1", events=word_events)
    np.testing.assert_array_equal(recording.data[4:], alone.data)
    with pytest.raises(InputError, match="there are 2 runs but 1 tables of events; give one per run"):
        read_meeg(runs, subject="s1", events=word_events)


def test_mixed_sampling_rates_are_refused_unless_brought_to_one(make_raw, save_raw):
    paths = [save_raw(make_raw(sfreq=rate), ".fif", stem=f"r{rate}") for rate in (100, 125)]
    with pytest.raises(InputError, match=r"r125_raw.fif is sampled at 125 Hz, .*r100_raw.fif at 100 Hz; set"):
        read_meeg(paths, subject="s1")
    with pytest.raises(InputError, match="is sampled at 125 Hz"):
        read_meeg(paths, subject="s1", epochs=False)
    assert read_meeg(paths, subject="s1", cleaning=Cleaning(resample_hz=50.0)).n_samples == 8


def test_runs_of_other_channels_or_units_are_refused(make_raw):
    raws = [make_raw(), make_raw(names=["Fz", "Cz", "Pz", "O1"])]
    with pytest.raises(InputError, match=r"has other channels than .* \(O1, Oz\). Set `picks`"):
        read_meeg(raws, subject="s1")
    one = read_meeg(make_raw(), subject="s1")
    other = type(one)(one.data, one.samples, one.channels, times_s=one.times_s, unit="T")
    with pytest.raises(InputError, match="a is in V, b in T; bring them to one unit"):
        join_runs([one, other], names=["a", "b"])


def test_a_story_keeps_every_time_point(make_raw):
    runs = [make_raw(seed=k) for k in range(2)]
    recording = read_meeg(runs, subject="s1", epochs=False, cleaning=Cleaning(resample_hz=50.0))
    assert recording.data.shape == (2000, 4)
    assert recording.times_s is None
    assert recording.samples["run"].value_counts().to_dict() == {1: 1000, 2: 1000}
    assert recording.samples["onset_s"][[0, 999, 1000]].to_list() == [0.0, 19.98, 0.0]
    assert recording.samples["stimulus_id"].is_unique
    marked = make_raw()
    marked.set_annotations(mne.Annotations([2.0], [1.5], ["bad_move"]))
    notes = read_meeg(marked, subject="s1", epochs=False).notes
    assert notes == ("the recording: 1 stretches annotated bad (1.5 s) are kept in a continuous recording.",)
    with pytest.raises(InputError, match="`events` are for epochs; leave them out"):
        read_meeg(make_raw(), subject="s1", epochs=False, events=pd.DataFrame({"onset": [1.0]}))


def test_the_recording_given_stays_as_it_was(make_raw):
    raw = make_raw(positions=False)
    before = raw.get_data().copy()
    read_meeg(raw, subject="s1", montage="biosemi64", cleaning=Cleaning(low_pass_hz=20.0))
    np.testing.assert_array_equal(raw.get_data(), before)
    assert np.isnan(raw.info["chs"][0]["loc"][0])


# ---- real files


def test_the_real_brainvision_file_gives_epochs_of_its_markers(real_data):
    path = real_data("meeg_formats") / "test.vhdr"
    recording = read_meeg(
        path,
        subject="s1",
        event_names=["Stimulus/S255"],
        tmin_s=-0.1,
        tmax_s=0.2,
        montage="easycap-M1",
        picks=["Fz", "Cz", "Pz"],
    )
    assert set(recording.stimulus_ids) == {"Stimulus/S255"}
    assert recording.n_samples >= 2
    assert (recording.unit, recording.modality) == ("V", "eeg")


def test_the_real_edf_file_gives_epochs_of_its_annotations(real_data):
    recording = read_meeg(
        real_data("meeg_formats") / "test.edf",
        subject="s1",
        tmin_s=0.0,
        tmax_s=0.2,
        montage="none",
        event_names=["type A", "type B"],
    )
    assert set(recording.stimulus_ids) <= {"type A", "type B"}
    assert recording.n_channels == 138


def test_the_real_ctf_file_is_magnetometers_in_tesla(real_data):
    recording = read_meeg(
        real_data("meeg_formats") / "test_ctf_comp_raw.fif", subject="s1", epochs=False, picks="mag"
    )
    assert recording.data.shape == (241, 274)
    assert (recording.unit, recording.modality) == ("T", "meg")
    assert 1e-14 < np.median(recording.data.std(axis=0)) < 1e-11
    assert recording.channels[["x_mm", "y_mm", "z_mm"]].notna().all(axis=None)
