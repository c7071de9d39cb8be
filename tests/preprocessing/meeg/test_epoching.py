from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.preprocessing.meeg.epoching import drop_summary, epoch_samples, epochs_of_raw

mne = pytest.importorskip("mne")


def events(onsets=(2.0, 5.0, 8.0, 11.0), names=("cat", "dog", "cat", "owl")):
    return pd.DataFrame({"onset": onsets, "duration": 0.3, "stimulus_id": names, "loud": [1, 0, 1, 0]})


def test_an_epoch_is_the_stretch_around_its_event(make_raw):
    raw = make_raw(first_samp=777)
    epochs = epochs_of_raw(raw, events(), tmin_s=-0.1, tmax_s=0.4)
    np.testing.assert_array_equal(epochs.get_data()[1], raw.get_data()[:, 490:541])
    assert epochs.times[[0, -1]].tolist() == [-0.1, 0.4]


def test_the_columns_of_events_become_metadata(make_raw):
    metadata = epochs_of_raw(make_raw(), events(), tmin_s=0.0, tmax_s=0.4).metadata
    assert metadata["stimulus_id"].to_list() == ["cat", "dog", "cat", "owl"]
    assert metadata["onset_s"].to_list() == [2.0, 5.0, 8.0, 11.0]
    assert set(metadata["duration_s"]) == {0.3}
    assert metadata["loud"].to_list() == [1, 0, 1, 0]


def test_a_planted_response_comes_out_at_its_time_and_a_shuffle_of_onsets_loses_it(make_raw):
    rng = np.random.default_rng(0)
    onsets = 1.0 + 0.6 * np.arange(30)
    data = 1e-5 * rng.standard_normal((8, 2000))
    for onset in onsets:
        data[2, int(100 * onset) + 17] += 3e-5
    table = pd.DataFrame({"onset_s": onsets, "event": "flash"})
    mean = epochs_of_raw(make_raw(data), table, tmin_s=-0.1, tmax_s=0.3).average().data
    assert np.unravel_index(np.abs(mean).argmax(), mean.shape) == (2, 27)
    wrong = table.assign(onset_s=onsets + rng.uniform(-0.25, 0.25, 30))
    null = epochs_of_raw(make_raw(data), wrong, tmin_s=-0.1, tmax_s=0.3).average().data
    assert np.abs(null).max() < 0.6 * np.abs(mean).max()


def test_the_baseline_is_zero_on_average(make_raw):
    epochs = epochs_of_raw(make_raw(), events(), tmin_s=-0.2, tmax_s=0.4, baseline_s=(-0.2, 0.0))
    assert np.abs(epochs.get_data()[:, :, :21].mean(axis=2)).max() < 1e-18


def test_dropped_epochs_are_told_by_reason(make_raw):
    data = 1e-6 * np.random.default_rng(0).standard_normal((8, 2000))
    data[3, 510] = 1e-3
    raw = make_raw(data)
    raw.set_annotations(mne.Annotations([8.0], [0.2], ["bad_move"]))
    table = events(onsets=(2.0, 5.0, 8.0, 19.9))
    epochs = epochs_of_raw(raw, table, tmin_s=-0.1, tmax_s=0.4, reject={"eeg": 1e-4})
    assert len(epochs) == 1
    summary = drop_summary(epochs)
    assert "1 by amplitude (Oz in 1)" in summary
    assert "1 in a stretch annotated 'bad_move'" in summary
    assert "1 whose window runs over an end of the recording" in summary
    kept = epochs_of_raw(raw, table, tmin_s=-0.1, tmax_s=0.4, reject_by_annotation=False)
    assert drop_summary(kept) == "1 whose window runs over an end of the recording"
    assert (
        drop_summary(epochs_of_raw(raw, events(), tmin_s=0.0, tmax_s=0.1, reject_by_annotation=False)) == ""
    )


def test_all_epochs_rejected_is_an_error_with_the_reasons(make_raw):
    with pytest.raises(
        InputError, match=r"none of the 4 events of s1 gave an epoch: 4 by amplitude \(.* in 4"
    ):
        epochs_of_raw(make_raw(), events(), tmin_s=0.0, tmax_s=0.4, reject={"eeg": 1e-9}, where="s1")


def test_windows_and_limits_that_do_not_fit_are_refused(make_raw):
    raw = make_raw()
    with pytest.raises(InputError, match="`tmin_s` must come before `tmax_s`, got 0.4 and 0.1 s"):
        epochs_of_raw(raw, events(), tmin_s=0.4, tmax_s=0.1)
    with pytest.raises(InputError, match="epochs of 30 s were asked for, but s1 lasts 20 s"):
        epochs_of_raw(raw, events(), tmin_s=0.0, tmax_s=30.0, where="s1")
    with pytest.raises(InputError, match="`baseline_s` is -0.5 to 0 s; it must lie within .* -0.1 to 0.4 s"):
        epochs_of_raw(raw, events(), tmin_s=-0.1, tmax_s=0.4, baseline_s=(-0.5, 0.0))
    with pytest.raises(InputError, match="`reject` names channels of type 'mag'.*Known: eeg"):
        epochs_of_raw(raw, events(), tmin_s=0.0, tmax_s=0.4, reject={"mag": 1e-12})
    with pytest.raises(InputError, match="s1 has no M/EEG.*only misc"):
        epochs_of_raw(make_raw(kinds="misc"), events(), tmin_s=0.0, tmax_s=0.4, where="s1")


def test_channels_that_only_reject_are_kept_and_others_left_out(make_raw):
    raw = make_raw(kinds=["eeg"] * 5 + ["eog", "stim", "misc"])
    names = epochs_of_raw(raw, events(), tmin_s=0.0, tmax_s=0.4, reject={"eog": 1.0}).ch_names
    assert names == raw.ch_names[:6]
    assert epochs_of_raw(raw, events(), tmin_s=0.0, tmax_s=0.4).ch_names == raw.ch_names[:5]


def test_samples_name_stimuli_by_a_column_and_count_repetitions(make_raw):
    epochs = epochs_of_raw(make_raw(), events(), tmin_s=0.0, tmax_s=0.4)
    samples = epoch_samples(epochs)
    assert samples["stimulus_id"].to_list() == ["cat", "dog", "cat", "owl"]
    assert samples["repetition"].to_list() == [1, 1, 2, 1]
    assert epoch_samples(epochs, "loud")["stimulus_id"].to_list() == ["1", "0", "1", "0"]
    with pytest.raises(InputError, match="have no column 'louder', did you mean 'loud'"):
        epoch_samples(epochs, "louder")


def test_inputs_stay_as_they_are(make_raw):
    raw, table = make_raw(), events()
    before, columns = raw.get_data().copy(), list(table.columns)
    epochs_of_raw(raw, table, tmin_s=-0.1, tmax_s=0.4, baseline_s=(-0.1, 0.0))
    np.testing.assert_array_equal(raw.get_data(), before)
    assert list(table.columns) == columns


@pytest.mark.parametrize("name", ["reject", "flat"])
def test_limits_that_are_not_above_zero_are_refused(make_raw, name):
    with pytest.raises(
        InputError, match=f"`{name}` of 'eeg' channels must be above 0, got -1; .* in V, T or"
    ):
        epochs_of_raw(make_raw(), events(), tmin_s=0.0, tmax_s=0.4, **{name: {"eeg": -1.0}})
