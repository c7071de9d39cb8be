from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets.public.n170_muse import N170_MUSE, load_n170_muse

pytest.importorskip("mne")


def leave_one_run_out(recording, labels):
    """Return the AUC of each run: linear discriminant with shrinkage, TP9 and TP10, 0-0.5 s at 64 Hz."""
    inside = (recording.times_s >= 0) & (recording.times_s <= 0.5)
    ears = recording.channels["name"].isin(["TP9", "TP10"]).to_numpy()
    X = 1e6 * recording.data[:, ears][:, :, inside][:, :, ::4].reshape(recording.n_samples, -1)
    runs, scores = recording.samples["run"].to_numpy(), []
    for run in np.unique(runs):
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        model.fit(X[runs != run], labels[runs != run])
        scores.append(roc_auc_score(labels[runs == run], model.decision_function(X[runs == run])))
    return np.array(scores)


def test_faces_and_houses_are_told_apart_as_published_and_shuffled_ones_are_not(real_data):
    real_data("eeg_n170_muse")
    recording = load_n170_muse(verify=True).study["subject1"]
    assert recording.samples["stimulus_id"].value_counts().to_dict() == {"face": 568, "house": 568}
    faces = (recording.samples["stimulus_id"] == "face").to_numpy()
    scores = leave_one_run_out(recording, faces)
    assert scores.min() == pytest.approx(0.70, abs=0.005)
    assert scores.max() == pytest.approx(0.76, abs=0.005)
    assert scores.mean() == pytest.approx(0.712, abs=0.006)
    shuffled = np.random.default_rng(0).permutation(faces)
    assert abs(leave_one_run_out(recording, shuffled).mean() - 0.5) < 0.05


def test_runs_units_and_notes_are_told(real_data):
    real_data("eeg_n170_muse")
    dataset = load_n170_muse(reject_v=None)
    recording = dataset.study["subject1"]
    assert recording.n_samples > 1136
    assert recording.samples["run"].nunique() == 6
    assert list(recording.channels["name"]) == ["TP9", "AF7", "AF8", "TP10"]
    assert (recording.unit, recording.modality) == ("V", "eeg")
    assert 1e-6 < np.median(recording.data.std(axis=2)) < 1e-4
    assert any("taken as even at 256 Hz" in note for note in dataset.notes)
    assert any("picture shown on each trial was not recorded" in note for note in dataset.notes)


def test_a_miniature_in_the_published_layout_is_read(tmp_path):
    write_runs(tmp_path)
    recording = load_n170_muse(path=tmp_path).study["subject1"]
    assert recording.samples["run"].to_list() == np.repeat(np.arange(1, 7), 6).tolist()
    assert recording.stimulus_ids[:2] == ["house", "face"]
    response = 1e6 * (recording.data[recording.samples["stimulus_id"] == "face"]).mean(axis=0)
    assert np.abs(response[0]).argmax() == pytest.approx(np.abs(recording.times_s - 0.17).argmin(), abs=1)


def test_a_missing_run_and_lost_markers_are_refused(tmp_path):
    write_runs(tmp_path)
    first = sorted(N170_MUSE.sha256)[0]
    pd.read_csv(tmp_path / first).assign(Marker0=0).to_csv(tmp_path / first, index=False)
    with pytest.raises(InputError, match="run 1 has no annotations and no stimulus channel; give `events`"):
        load_n170_muse(path=tmp_path)
    (tmp_path / first).unlink()
    with pytest.raises(MissingDataError, match=f"is not whole: {first} is missing"):
        load_n170_muse(path=tmp_path)


def write_runs(folder):
    """Write six runs with a deflection at TP9, 170 ms after faces, and the device's uneven stamps."""
    rng = np.random.default_rng(0)
    n_rows = 256 * 12
    bump = np.hanning(9)
    for name in N170_MUSE.sha256:
        data = 5 * rng.standard_normal((n_rows, 5))
        marker = np.zeros(n_rows, dtype=int)
        for number in range(6):
            onset = 256 * (2 + number) + 256 * number // 2
            marker[onset] = 1 + number % 2
            if number % 2:
                data[onset + 40 : onset + 49, 0] -= 40 * bump
        stamps = 1.5e5 + np.arange(n_rows) / 256 + np.repeat(0.01 * (np.arange(n_rows // 12) % 2), 12)
        frame = pd.DataFrame(data, columns=["TP9", "AF7", "AF8", "TP10", "Right AUX"])
        frame.insert(0, "timestamps", stamps)
        frame.assign(Marker0=marker).to_csv(folder / name, index=False)
