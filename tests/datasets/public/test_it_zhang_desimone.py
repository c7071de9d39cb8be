from __future__ import annotations

import zipfile

import numpy as np
import pytest
from scipy.io import savemat
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr, zscore

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets.public.it_zhang_desimone import load_it_zhang_desimone

ZIP = "Zhang_Desimone_7objects_raster_data.zip"


@pytest.fixture(scope="module")
def real_set():
    try:
        return load_it_zhang_desimone(verify=True)
    except MissingDataError:
        pytest.skip("the real data 'it_zhang_desimone' are in no folder of ALIGNKIT_DATA")


def halves(recording):
    """Return the means of the odd and of the even presentations, (n_conditions, n_units) each."""
    odd = recording.samples["repetition"].to_numpy() % 2 == 1
    first, second = (recording.select(samples=rows).average_repetitions() for rows in (odd, ~odd))
    return first.data, second.align(first.stimulus_ids).data


def test_the_real_set_is_the_published_one(real_set):
    recording = real_set.study["macaque-it"]
    assert (recording.n_samples, recording.n_channels) == (419, 132)
    assert set(recording.samples["object"]) == {"hand", "flower", "guitar", "face", "kiwi", "couch", "car"}
    assert set(recording.samples["position"]) == {"upper", "middle", "lower"}
    ids = recording.samples["object"] + "_" + recording.samples["position"]
    assert ids.to_list() == recording.stimulus_ids
    assert list(real_set.labels.columns) == ["stimulus_id", "object", "position"]
    assert set(recording.channels["roi"]) == {"IT"}


def test_seven_real_units_of_one_day_have_419_trials(real_set):
    counts = real_set.study["macaque-it"].samples["stimulus_id"].value_counts()
    assert sorted(counts) == [19] + [20] * 20
    assert "7 of 132 units have fewer trials than others" in real_set.notes[1]
    # 125 units lose a trial each; what stays is 419 trials of all 132.
    assert "125 of 55433 trials were left out" in real_set.notes[1]
    assert 55433 == 125 * 420 + 7 * 419
    twenty = load_it_zhang_desimone(n_repeats=20).study["macaque-it"]
    assert (twenty.n_samples, twenty.n_channels) == (420, 125)
    left = set(real_set.study["macaque-it"].channels["name"]) - set(twenty.channels["name"])
    assert {name[:6] for name in left} == {"bp1006"}


def test_the_real_rate_between_100_and_400_ms(real_set):
    rates = real_set.study["macaque-it"].data.mean(axis=0) / 0.3
    assert rates.mean() == pytest.approx(11.72, abs=0.01)
    # The first 18 presentations of every condition, which all units have with one to spare.
    fewer = load_it_zhang_desimone(n_repeats=18).study["macaque-it"]
    assert fewer.data.mean() / 0.3 == pytest.approx(11.60, abs=0.005)


def test_real_halves_of_odd_and_even_presentations_have_the_known_reliability(real_set):
    first, second = halves(real_set.study["macaque-it"])
    per_unit = [np.corrcoef(a, b)[0, 1] for a, b in zip(first.T, second.T, strict=True)]
    assert np.median(per_unit) == pytest.approx(0.690, abs=0.002)
    # Units z-scored over conditions, then 1 - Pearson's r between conditions.
    rdms = [pdist(zscore(half, axis=0), "correlation") for half in (first, second)]
    assert spearmanr(*rdms)[0] == pytest.approx(0.829, abs=0.003)


def test_real_responses_follow_the_stimulus():
    recording = load_it_zhang_desimone(start_s=-0.3, stop_s=0.5, bin_s=0.05).study["macaque-it"]
    assert recording.data.shape == (419, 132, 16)
    np.testing.assert_allclose(recording.times_s, np.arange(-0.275, 0.5, 0.05))
    reliability = []
    for bin_number in range(16):
        halved = halves(recording)
        first, second = (half[:, :, bin_number] - half[:, :, bin_number].mean(axis=0) for half in halved)
        reliability.append(np.corrcoef(first.ravel(), second.ravel())[0, 1])
    before, after = recording.times_s < 0, (recording.times_s > 0.1) & (recording.times_s < 0.3)
    assert np.abs(np.array(reliability)[before]).max() < 0.1
    assert np.array(reliability)[after].min() > 0.4


def miniature(path, *, n_units=2):
    """Write rasters in the layout of the set: 21 conditions, twice each, 1000 columns."""
    objects = ("car", "couch", "face", "flower", "guitar", "hand", "kiwi")
    pairs = [(o, p) for o in objects for p in ("lower", "middle", "upper")] * 2
    info = {"session_ID": 1, "recording_channel": 1, "unit": "A", "alignment_event_time": 501}
    with zipfile.ZipFile(path / ZIP, "w") as file:
        file.writestr("rasters/", "")
        for unit in range(n_units):
            spikes = np.zeros((len(pairs), 1000), np.uint8)
            spikes[:, 600] = 1
            spikes[:, 899 + unit] = 1
            fields = {
                "stimulus_ID": [o for o, _ in pairs],
                "stimulus_position": [p for _, p in pairs],
                "combined_ID_position": ["_".join(pair) for pair in pairs],
            }
            cells = {key: np.array([value], dtype=object) for key, value in fields.items()}
            name = f"bp100{unit}spk_01A_raster_data.mat"
            savemat(path / name, {"raster_data": spikes, "raster_labels": cells, "raster_site_info": info})
            file.write(path / name, f"rasters/{name}")
            (path / name).unlink()


def test_a_miniature_in_the_layout_of_the_set_is_counted_from_100_to_400_ms(tmp_path, monkeypatch):
    miniature(tmp_path)
    monkeypatch.setattr("alignkit.datasets.public.it_zhang_desimone._N_UNITS", 2)
    dataset = load_it_zhang_desimone(path=tmp_path)
    recording = dataset.study["macaque-it"]
    # The column that begins at 400 ms is outside.
    np.testing.assert_array_equal(recording.data, np.tile([2.0, 1.0], (42, 1)))
    assert recording.channels["session"].to_list() == [1, 1]
    assert "noise between units mean nothing" in dataset.notes[0]


def test_other_content_is_refused(tmp_path):
    miniature(tmp_path)
    with pytest.raises(InputError, match="should hold 132 units and 21 conditions, it holds 2 and 21"):
        load_it_zhang_desimone(path=tmp_path)
    with pytest.raises(InputError, match="differs from the published file"):
        load_it_zhang_desimone(path=tmp_path, verify=True)
    (tmp_path / ZIP).unlink()
    with pytest.raises(MissingDataError, match=f"{ZIP} is missing"):
        load_it_zhang_desimone(path=tmp_path)
