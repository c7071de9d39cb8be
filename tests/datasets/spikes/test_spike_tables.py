from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets.spikes.spike_tables import load_spikes, read_spikes

WINDOW = {"start_s": 0.0, "stop_s": 0.5}
ONSETS = np.arange(1.0, 9.0)


@pytest.fixture
def files(tmp_path):
    """Unit 2 fires at onset + 0.1 of stimulus b only, unit 10 at any time."""
    rng = np.random.default_rng(0)
    ids = ["a", "b"] * 4
    chosen = [t + 0.1 for t, i in zip(ONSETS, ids, strict=True) if i == "b"]
    table = pd.DataFrame({"unit": [2] * 4 + [10] * 200, "time_s": [*chosen, *rng.uniform(0, 10, 200)]})
    table.sample(frac=1, random_state=1).to_csv(tmp_path / "spikes.csv", index=False)
    pd.DataFrame({"stimulus_id": ids, "onset_s": ONSETS, "kind": ["x", "y"] * 4}).to_csv(
        tmp_path / "events.csv", index=False
    )
    return tmp_path


def events(folder, **columns):
    pd.DataFrame(columns).to_csv(folder / "events.csv", index=False)


def test_spikes_are_counted_per_event_and_unit(files):
    recording = read_spikes(files / "spikes.csv", files / "events.csv", **WINDOW)
    assert recording.channels["name"].to_list() == ["2", "10"]
    assert recording.data[:, 0].tolist() == [0, 1] * 4
    times = pd.read_csv(files / "spikes.csv").query("unit == 10")["time_s"].to_numpy()
    expected = [((times >= t) & (times < t + 0.5)).sum() for t in ONSETS]
    assert recording.data[:, 1].tolist() == expected
    assert recording.samples["repetition"].to_list() == [1, 1, 2, 2, 3, 3, 4, 4]
    assert (recording.unit, recording.modality, recording.notes) == ("spikes", "spikes", ())


def test_bins_sum_to_the_window(files):
    fine = read_spikes(files / "spikes.csv", files / "events.csv", **WINDOW, bin_s=0.1)
    np.testing.assert_allclose(fine.times_s, [0.05, 0.15, 0.25, 0.35, 0.45])
    whole = read_spikes(files / "spikes.csv", files / "events.csv", **WINDOW)
    np.testing.assert_array_equal(fine.data.sum(axis=2), whole.data)
    # The spike at 0.1 after onset opens the second bin.
    assert fine.data[1, 0].tolist() == [0, 1, 0, 0, 0]


@pytest.mark.parametrize("suffix", ["npz", "mat", "parquet", "tsv", "named.npz"])
def test_all_forms_of_a_table_of_spikes_give_the_same(files, suffix):
    table = pd.read_csv(files / "spikes.csv")
    path = files / f"other.{suffix}"
    if suffix == "mat":
        savemat(path, {"unit": table["unit"].to_numpy(), "time_s": table["time_s"].to_numpy()})
    elif suffix == "parquet":
        table.to_parquet(path)
    elif suffix == "tsv":
        table.to_csv(path, sep="\t", index=False)
    else:
        unit = table["unit"].to_numpy()
        unit = np.char.add("u", unit.astype(str)) if suffix == "named.npz" else unit
        np.savez(path, unit=unit, time_s=table["time_s"].to_numpy())
    there = read_spikes(path, files / "events.csv", **WINDOW)
    here = read_spikes(files / "spikes.csv", files / "events.csv", **WINDOW)
    names = ["u10", "u2"] if suffix == "named.npz" else ["2", "10"]
    assert there.channels["name"].to_list() == names
    np.testing.assert_array_equal(there.data, here.data[:, ::-1] if suffix == "named.npz" else here.data)


def test_a_table_of_units_sets_their_order_and_knows_silent_ones(files):
    pd.DataFrame({"unit": ["10", "7", "2"], "roi": ["V1", "V1", "V4"]}).to_csv(
        files / "units.csv", index=False
    )
    recording = read_spikes(files / "spikes.csv", files / "events.csv", **WINDOW, units=files / "units.csv")
    assert recording.channels["name"].to_list() == ["10", "7", "2"]
    assert recording.rois == ["V1", "V4"]
    assert not recording.data[:, 1].any()
    pd.DataFrame({"unit": ["10"], "roi": ["V1"]}).to_csv(files / "units.csv", index=False)
    with pytest.raises(InputError, match="1 of 2 units of .*spikes.csv are not in .*units.csv: 2. Add them"):
        read_spikes(files / "spikes.csv", files / "events.csv", **WINDOW, units=files / "units.csv")


def test_events_out_of_order_are_sorted_and_the_note_says_so(files):
    table = pd.read_csv(files / "events.csv")
    table.iloc[::-1].to_csv(files / "back.csv", index=False)
    turned = read_spikes(files / "spikes.csv", files / "back.csv", **WINDOW)
    there = read_spikes(files / "spikes.csv", files / "events.csv", **WINDOW)
    np.testing.assert_array_equal(turned.data, there.data)
    assert turned.samples["onset_s"].to_list() == ONSETS.tolist()
    assert "were not in order of time; they were sorted by onset" in turned.notes[0]


def test_the_dataset_has_the_columns_of_the_events_as_labels(files):
    dataset = load_spikes(spikes=files / "spikes.csv", events=files / "events.csv", **WINDOW, subject="m1")
    assert dataset.subjects == ["m1"]
    assert dataset.labels is None
    assert dataset.study["m1"].samples["kind"].to_list() == ["x", "y"] * 4
    assert [path.name for path in dataset.files] == ["spikes.csv", "events.csv"]


def test_onsets_in_milliseconds_or_outside_the_recording_are_named(files):
    events(files, stimulus_id=["a", "b"], onset_s=[1000.0, 9000.0])
    with pytest.raises(
        InputError, match="2 of 2 trials lie outside the spikes.*are the onsets in milliseconds"
    ):
        read_spikes(files / "spikes.csv", files / "events.csv", **WINDOW)
    events(files, stimulus_id=["a", "b"], onset_s=[1.0, 20.0])
    with pytest.raises(
        InputError, match="1 of 2 trials lie outside.*at 20 s. If the recording went on in sil"
    ):
        read_spikes(files / "spikes.csv", files / "events.csv", **WINDOW)
    silent = read_spikes(files / "spikes.csv", files / "events.csv", **WINDOW, recorded_s=(0.0, 30.0))
    assert silent.data[1].tolist() == [0, 0]
    with pytest.raises(InputError, match="1 of 2 windows leave the recording, which goes from 0 to 20.2 s"):
        read_spikes(files / "spikes.csv", files / "events.csv", **WINDOW, recorded_s=(0.0, 20.2))


def test_silence_everywhere_is_an_error_not_a_table_of_zeros(files):
    pd.DataFrame({"unit": [1, 1], "time_s": [0.0, 1000.0]}).to_csv(files / "spikes.csv", index=False)
    with pytest.raises(InputError, match="no unit fires in any of 8 windows. Check that spikes and onsets"):
        read_spikes(files / "spikes.csv", files / "events.csv", **WINDOW)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"unit": [1], "when": [2.0]}, "needs a column 'time_s', it has unit, when"),
        ({"unit": [1, 1], "time_s": [2.0, np.nan]}, "'time_s' is empty in data row 2"),
        ({"unit": [1], "time_s": ["soon"]}, "`time_s` must hold numbers, got 'soon'"),
        ({"unit": [1, 1], "time_s": [2.0, np.inf]}, "time_s` holds 1 NaN or infinite"),
    ],
)
def test_tables_of_spikes_that_are_none_are_refused(files, table, message):
    pd.DataFrame(table).to_csv(files / "spikes.csv", index=False)
    with pytest.raises(InputError, match=message):
        read_spikes(files / "spikes.csv", files / "events.csv", **WINDOW)


def test_arrays_of_spikes_that_do_not_fit_are_refused(files):
    for arrays, message in (
        ({"unit": np.array([1.0, 1.5]), "time_s": np.ones(2)}, "unit must hold whole numbers or names"),
        ({"unit": np.array([1, 1]), "time_s": np.ones(3)}, "names the unit of 2 spikes, but has 3 times"),
        ({"unit": np.array([1, 1]), "time_s": np.ones((2, 2))}, r"time_s must be a vector.*\(2, 2\)"),
        ({"unit": np.array([1, 1])}, "has no variable 'time_s'"),
    ):
        np.savez(files / "spikes.npz", **arrays)
        with pytest.raises(InputError, match=message):
            read_spikes(files / "spikes.npz", files / "events.csv", **WINDOW)


def test_events_that_are_none_are_refused(files):
    for columns, message in (
        ({"stimulus_id": ["a"], "onset": [1.0]}, "needs a column 'onset_s'"),
        ({"stimulus_id": ["a"], "onset_s": ["now"]}, r"onsets must be numbers \(seconds\), got 'now'"),
        ({"stimulus_id": ["a"], "onset_s": [np.inf]}, "trial 0 has no onset"),
        (
            {"stimulus_id": ["a", "b", "a"], "onset_s": [1.0, 2.0, 1.0]},
            "1 trials stand there twice, such as 'a'",
        ),
    ):
        events(files, **columns)
        with pytest.raises(InputError, match=message):
            read_spikes(files / "spikes.csv", files / "events.csv", **WINDOW)
    with pytest.raises(MissingDataError, match="nowhere.csv does not exist"):
        read_spikes(files / "nowhere.csv", files / "events.csv", **WINDOW)


def test_a_few_late_events_are_not_taken_for_milliseconds(files):
    events(files, stimulus_id=["a", "b"], onset_s=[1000.0, 1500.0])
    with pytest.raises(InputError, match="2 of 2 trials lie outside.*If the recording went on in silence"):
        read_spikes(files / "spikes.csv", files / "events.csv", **WINDOW)


def test_windows_that_end_long_after_the_last_spike_are_refused_unless_the_span_is_given(files):
    place = files / "spikes.csv", files / "events.csv"
    with pytest.raises(InputError, match="8 of 8 windows end long after the last spike .*`recorded_s`"):
        read_spikes(*place, start_s=0.0, stop_s=1e6)
    with pytest.raises(InputError, match=r"1 of 8 windows end long after .*the first ends at 11.5 s"):
        read_spikes(*place, start_s=0.0, stop_s=3.5)
    # The last window ends within a tenth of the spikes' span after the last of them.
    assert read_spikes(*place, start_s=0.0, stop_s=2.5).n_samples == 8
    assert read_spikes(*place, start_s=0.0, stop_s=3.5, recorded_s=(0.0, 12.0)).n_samples == 8


def test_spikes_that_stand_there_twice_are_refused_with_their_number(files):
    table = pd.read_csv(files / "spikes.csv")
    pd.concat([table, table.iloc[:7]]).to_csv(files / "spikes.csv", index=False)
    with pytest.raises(InputError, match="7 of 211 spikes stand there twice, such as that of unit"):
        read_spikes(files / "spikes.csv", files / "events.csv", **WINDOW)
    # Two units may fire at one time.
    pd.DataFrame({"unit": [1, 2, 1], "time_s": [1.1, 1.1, 9.0]}).to_csv(files / "spikes.csv", index=False)
    recording = read_spikes(files / "spikes.csv", files / "events.csv", **WINDOW)
    assert recording.data[0].tolist() == [1, 1]
