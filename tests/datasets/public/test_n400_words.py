from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets.public.n400_words import load_n400_words

mne = pytest.importorskip("mne")
# MNE handles metadata with a call that newer versions of pandas deprecate.
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")


def window(dataset, channel):
    """Return the mean of 0.3 to 0.5 s at one channel, in microvolts, and which pairs are related."""
    recording = dataset.study["subject04"].average_window(0.3, 0.5)
    values = 1e6 * recording.data[:, recording.channels["name"].to_list().index(channel)]
    return values, (recording.samples["relatedness"] == "related").to_numpy()


def test_the_n400_is_the_published_one(real_data):
    real_data("eeg_n400_words")
    dataset = load_n400_words(verify=True)
    values, related = window(dataset, "Pz")
    assert values[related].mean() == pytest.approx(1.67, abs=0.01)
    assert values[~related].mean() == pytest.approx(-1.92, abs=0.01)
    # 4.15 is published for Pz: with variances over n in place of n - 1.
    for channel, t in {"Pz": 4.15, "CP1": 3.1, "CP2": 2.9, "Cz": 2.4}.items():
        values, related = window(dataset, channel)
        found = stats.ttest_ind(values[related], values[~related]).statistic
        assert found * np.sqrt(100 / 99) == pytest.approx(t, abs=0.005 if channel == "Pz" else 0.05)
    shuffled = np.random.default_rng(0).permutation(related)
    assert abs(stats.ttest_ind(values[shuffled], values[~shuffled]).statistic) < 2.5


def test_a_sample_is_a_pair_of_words_with_its_text_and_association(real_data):
    real_data("eeg_n400_words")
    dataset = load_n400_words()
    recording = dataset.study["subject04"]
    assert recording.data.shape == (200, 32, 60)
    assert len(set(recording.stimulus_ids)) == 200
    columns = {"cue", "association", "label", "FAS", "button", "reaction-time", "relatedness"}
    assert columns <= set(recording.samples)
    assert dataset.stimuli.kind == "text"
    assert dataset.stimuli.stimulus_ids == recording.stimulus_ids
    assert dataset.stimuli.text("aandoening-ziekte") == "aandoening ziekte"
    assert dataset.stimuli.table["cue"][0] == "aandoening"
    labels = dataset.labels.set_index("stimulus_id")
    assert labels["relatedness"].value_counts().to_dict() == {"related": 100, "unrelated": 100}
    assert pd.api.types.is_float_dtype(labels["FAS"])
    assert labels.groupby("relatedness")["FAS"].mean()["related"] > 0.2


def test_times_are_cut(real_data):
    real_data("eeg_n400_words")
    recording = load_n400_words(tmin_s=0.0, tmax_s=0.6).study["subject04"]
    assert recording.times_s[[0, -1]].round(2).tolist() == [0.0, 0.6]


def save(folder, table):
    """Write epochs in the published layout."""
    info = mne.create_info(["Fz", "Cz"], 50.0, "eeg").set_montage("biosemi64")
    events = np.c_[np.arange(len(table)) * 100, np.zeros(len(table), int), table["label"] - 5]
    data = 1e-6 * np.random.default_rng(0).standard_normal((len(table), 2, 60))
    names = {"related": 1, "unrelated": 2}
    epochs = mne.EpochsArray(data, info, events, -0.2, names, metadata=table, verbose="error")
    epochs.save(folder / "subject04-epo.fif", verbose="error")
    return folder


def test_other_files_of_that_name_are_refused(tmp_path):
    table = pd.DataFrame(
        {"cue": ["a", "a"], "association": ["b", "c"], "label": [6, 7], "FAS": [0.4, 0.0], "button": [1, 2]}
    )
    made = load_n400_words(path=save(tmp_path, table))
    assert made.study["subject04"].stimulus_ids == ["a-b", "a-c"]
    (tmp_path / "subject04-epo.fif").unlink()
    with pytest.raises(MissingDataError, match=r"is not whole: subject04-epo\.fif is missing"):
        load_n400_words(path=tmp_path)
    save(tmp_path, table.assign(association="b"))
    with pytest.raises(InputError, match="holds a pair of words twice"):
        load_n400_words(path=tmp_path)
    (tmp_path / "subject04-epo.fif").unlink()
    save(tmp_path, table.drop(columns="FAS"))
    with pytest.raises(InputError, match="lack FAS; get the file again"):
        load_n400_words(path=tmp_path)
    with pytest.raises(InputError, match="differs from the published file"):
        load_n400_words(path=tmp_path, verify=True)


def test_electrodes_sit_on_a_head(real_data):
    real_data("eeg_n400_words")
    recording = load_n400_words().study["subject04"]
    radius = np.linalg.norm(recording.channels[["x_mm", "y_mm", "z_mm"]], axis=1)
    assert 60 < np.median(radius) < 120
    places = np.array([channel["loc"][:3] for channel in recording.geometry.info["chs"]])
    np.testing.assert_allclose(1000 * places, recording.channels[["x_mm", "y_mm", "z_mm"]], rtol=1e-4)
    assert any("millimetres where metres belong" in note for note in recording.notes)
