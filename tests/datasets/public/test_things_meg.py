from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.linear_model import Ridge

from alignkit._core.errors import InputError, MissingDataError, UnknownNameError
from alignkit.datasets.public.things_meg import THINGS_MEG, load_things_meg

mne = pytest.importorskip("mne")

CONCEPTS = ["aardvark", "abacus", "candelabra", "zebra"]
PER_CONCEPT, N_TEST_REPETITIONS, N_CATCH = 6, 12, 5
N_CHANNELS, N_TIMES, N_LATENT = 24, 281, 3
TRAIN = [f"images_meg/{c}/{c}_{k:02d}b.jpg" for c in CONCEPTS for k in range(1, PER_CONCEPT + 1)]
TEST = ["images_test_meg/candelabra_14s.jpg", "images_test_meg/zebra_13n.jpg"]
RNG = np.random.default_rng(0)
LATENT = {path.rsplit("/", 1)[1][:-4]: RNG.standard_normal(N_LATENT) for path in (*TRAIN, *TEST)}


def trial_table(seed=0):
    rng = np.random.default_rng(seed)
    kinds = [("exp", path, 1 + n) for n, path in enumerate(TRAIN)]
    kinds += [("test", path, 1001 + n) for n, path in enumerate(TEST) for _ in range(N_TEST_REPETITIONS)]
    kinds += [("catch", f"images_catch_meg/{n}.jpg", 999_999) for n in range(N_CATCH)]
    kinds = [kinds[n] for n in rng.permutation(len(kinds))]
    return pd.DataFrame(
        {
            "trial_type": [kind for kind, _, _ in kinds],
            "session_nr": np.arange(len(kinds)) % 3 + 1,
            "run_nr": np.arange(len(kinds)) % 2 + 1,
            "things_image_nr": [number for _, _, number in kinds],
            "image_path": [path for _, path, _ in kinds],
        }
    )


def write_subject(root, subject="P1", *, seed=0, metadata=True, split_size="2MB", table=None):
    """Epochs as they were published: z-scored magnetometers at 200 Hz, split into parts by MNE."""
    table = trial_table(seed) if table is None else table
    rng = np.random.default_rng(10 + seed)
    weights = rng.standard_normal((N_LATENT, N_CHANNELS))
    latent = np.stack([LATENT.get(p.rsplit("/", 1)[1][:-4], np.zeros(N_LATENT)) for p in table["image_path"]])
    course = np.linspace(-0.1, 1.3, N_TIMES) > 0
    data = 1.5 * (latent @ weights)[:, :, None] * course + rng.standard_normal(
        (len(table), N_CHANNELS, N_TIMES)
    )
    info = mne.create_info([f"MLC{n:02d}-1609" for n in range(N_CHANNELS)], 200.0, "mag")
    for number, channel in enumerate(info["chs"]):
        angle = 2 * np.pi * number / N_CHANNELS
        channel["loc"][:3] = 0.1 * np.array([np.cos(angle), np.sin(angle), 0.5])
    events = np.stack(
        [np.arange(len(table)) * 300, np.zeros(len(table)), table["things_image_nr"]], 1
    ).astype(int)
    epochs = mne.EpochsArray(
        data, info, events, tmin=-0.1, metadata=table if metadata else None, verbose="error"
    )
    place = root / "derivatives" / "preprocessed"
    place.mkdir(parents=True, exist_ok=True)
    epochs.save(
        place / f"preprocessed_{subject}-epo.fif", split_size=split_size, overwrite=True, verbose="error"
    )
    return data, table


def held_out_r(recording):
    latent = np.stack([LATENT[name] for name in recording.stimulus_ids])
    Y = recording.data.reshape(len(latent), -1)
    test = recording.samples["concept"].isin(["abacus"]).to_numpy()
    predicted = Ridge(1.0).fit(latent[~test], Y[~test]).predict(latent[test])
    return np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(predicted.T, Y[test].T, strict=True)])


def test_the_planted_latent_predicts_images_of_a_held_out_object_after_onset_and_not_before(tmp_path):
    write_subject(tmp_path)
    after = load_things_meg(path=tmp_path, split="train", tmin_s=0.1).study["P1"]
    assert held_out_r(after) > 0.5
    before = load_things_meg(path=tmp_path, split="train", tmax_s=-0.02).study["P1"]
    assert abs(held_out_r(before)) < 0.3


def test_all_parts_of_a_split_file_are_read(tmp_path):
    data, table = write_subject(tmp_path)
    place = tmp_path / "derivatives" / "preprocessed"
    assert (place / "preprocessed_P1-epo-1.fif").is_file()
    dataset = load_things_meg(path=tmp_path, split="all", average_repetitions=False)
    kept = (table["trial_type"] != "catch").to_numpy()
    np.testing.assert_allclose(dataset.study["P1"].data, data[kept], rtol=1e-5, atol=1e-5)
    assert [path.name for path in dataset.files] == ["preprocessed_P1-epo.fif", "preprocessed_P1-epo-1.fif"]
    assert f"P1: {N_CATCH} catch trials were left out." in dataset.notes


def test_what_a_mac_leaves_beside_the_files_is_no_subject_and_no_part(tmp_path):
    write_subject(tmp_path)
    place = tmp_path / "derivatives" / "preprocessed"
    for name in ("._preprocessed_P1-epo.fif", "._preprocessed_P2-epo.fif", "._preprocessed_P1-epo-1.fif"):
        (place / name).write_bytes(b"\x00\x05\x16\x07")
    dataset = load_things_meg(path=tmp_path)
    assert dataset.subjects == ["P1"]
    assert not [path for path in dataset.files if path.name.startswith(".")]


def test_test_images_are_those_shown_twelve_times(tmp_path):
    data, table = write_subject(tmp_path)
    recording = load_things_meg(path=tmp_path).study["P1"]
    assert sorted(recording.stimulus_ids) == ["candelabra_14s", "zebra_13n"]
    assert recording.samples["n_repetitions"].to_list() == [12, 12]
    for row, name in enumerate(recording.stimulus_ids):
        own = table["image_path"].str.contains(name).to_numpy()
        np.testing.assert_allclose(recording.data[row], data[own].mean(axis=0), atol=1e-5)
    train = load_things_meg(path=tmp_path, split="train").study["P1"]
    assert train.n_samples == len(TRAIN)


def test_a_table_that_disagrees_with_the_counts_is_told(tmp_path):
    table = trial_table()
    first = int(table.index[table["trial_type"] == "exp"][0])
    table.loc[first, "trial_type"] = "test"
    write_subject(tmp_path, table=table)
    dataset = load_things_meg(path=tmp_path)
    assert dataset.study["P1"].n_samples == 2
    assert any(
        "1 trials are test trials by their table or by being shown 12 times" in n for n in dataset.notes
    )


def test_training_images_of_test_objects_can_be_left_out(tmp_path):
    write_subject(tmp_path)
    whole = load_things_meg(path=tmp_path, split="train")
    assert whole.groups == "concept"
    assert set(whole.study["P1"].samples["concept"]) == set(CONCEPTS)
    dataset = load_things_meg(path=tmp_path, split="all", drop_test_concepts=True)
    samples = dataset.study["P1"].samples
    assert set(samples["concept"]) == set(CONCEPTS)
    assert set(samples["concept"][samples["n_repetitions"] == 1]) == {"aardvark", "abacus"}
    assert "P1: 12 training trials of test objects were left out." in dataset.notes


def test_repetitions_are_counted_in_the_order_of_the_trials(tmp_path):
    _, table = write_subject(tmp_path)
    single = load_things_meg(path=tmp_path, average_repetitions=False).study["P1"]
    assert single.n_samples == 24
    own = single.samples[single.samples["stimulus_id"] == "zebra_13n"]
    assert own["repetition"].to_list() == list(range(1, 13))
    shown = table[table["image_path"].str.contains("zebra_13n")]
    assert own["session"].to_list() == shown["session_nr"].to_list()
    mean = load_things_meg(path=tmp_path).study["P1"]
    np.testing.assert_allclose(single.average_repetitions().data, mean.data, atol=1e-5)


def test_times_are_cut_and_thinned(tmp_path):
    write_subject(tmp_path)
    whole = load_things_meg(path=tmp_path).study["P1"]
    assert len(whole.times_s) == N_TIMES
    part = load_things_meg(path=tmp_path, tmin_s=0.0, tmax_s=0.5, decimate=2).study["P1"]
    np.testing.assert_allclose(part.times_s, np.arange(0, 0.501, 0.01), atol=1e-9)
    np.testing.assert_array_equal(part.data, whole.data[:, :, 20:121:2])


def test_blocks_do_not_change_the_numbers(tmp_path, monkeypatch):
    write_subject(tmp_path)
    whole = load_things_meg(path=tmp_path).study["P1"]
    monkeypatch.setattr("alignkit.datasets.public.things_meg._BLOCK_BYTES", 5 * 8 * N_CHANNELS * N_TIMES)
    pieces = load_things_meg(path=tmp_path).study["P1"]
    np.testing.assert_allclose(whole.data, pieces.data, atol=1e-6)


def test_trials_come_from_the_table_beside_where_epochs_have_none(tmp_path):
    _, table = write_subject(tmp_path, metadata=False)
    numbered = load_things_meg(path=tmp_path)
    assert set(numbered.study["P1"].stimulus_ids) == {"image-01001", "image-01002"}
    assert numbered.groups is None
    assert any("the epochs do not name their images" in note for note in numbered.notes)
    with pytest.raises(InputError, match="objects of P1 are unknown, so `drop_test_concepts`"):
        load_things_meg(path=tmp_path, drop_test_concepts=True)
    (tmp_path / "sourcedata").mkdir()
    table.to_csv(tmp_path / "sourcedata" / "sample_attributes_P1.csv", index=False)
    assert set(load_things_meg(path=tmp_path).study["P1"].stimulus_ids) == {"candelabra_14s", "zebra_13n"}
    table.iloc[:-1].to_csv(tmp_path / "sourcedata" / "sample_attributes_P1.csv", index=False)
    with pytest.raises(InputError, match="P1.csv has 52 trials, the epochs of P1 are 53"):
        load_things_meg(path=tmp_path)


def test_images_are_found_below_their_folder(tmp_path):
    write_subject(tmp_path)
    for name in ("candelabra_14s", "zebra_13n"):
        (tmp_path / "things" / name[:-4]).mkdir(parents=True)
        Image.new("RGB", (4, 4), (9, 0, 0)).save(tmp_path / "things" / name[:-4] / f"{name}.jpg")
    dataset = load_things_meg(path=tmp_path, stimuli=tmp_path / "things")
    assert dataset.stimuli.stimulus_ids == dataset.study["P1"].stimulus_ids
    with pytest.raises(MissingDataError, match="24 of 24 stimuli have no image"):
        load_things_meg(path=tmp_path, split="train", stimuli=tmp_path / "things")


def test_one_subject_is_read_without_the_others(tmp_path):
    write_subject(tmp_path, split_size="2GB")
    write_subject(tmp_path, "P2", seed=1, split_size="2GB")
    place = tmp_path / "derivatives" / "preprocessed"
    both = load_things_meg(path=tmp_path)
    assert both.subjects == ["P1", "P2"]
    (place / "preprocessed_P2-epo.fif").write_bytes(b"broken")
    assert load_things_meg(path=tmp_path, subjects=["1"]).subjects == ["P1"]
    with pytest.raises(InputError, match=r"preprocessed_P2-epo.fif cannot be read as MNE epochs"):
        load_things_meg(path=tmp_path)


def test_a_missing_part_is_named(tmp_path):
    write_subject(tmp_path)
    (tmp_path / "derivatives" / "preprocessed" / "preprocessed_P1-epo-1.fif").unlink()
    with pytest.raises(
        MissingDataError, match="is the first of several parts, and one of the others is missing"
    ):
        load_things_meg(path=tmp_path)


def test_a_part_that_is_cut_short_is_named(tmp_path):
    write_subject(tmp_path)
    part = tmp_path / "derivatives" / "preprocessed" / "preprocessed_P1-epo-1.fif"
    content = part.read_bytes()
    part.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"cannot be read as MNE epochs"):
        load_things_meg(path=tmp_path, split="all")


def test_wrong_folders_subjects_and_options_are_named(tmp_path):
    with pytest.raises(MissingDataError, match="holds no subject of the set; it has P1, P2, P3, P4"):
        load_things_meg(path=tmp_path)
    with pytest.raises(MissingDataError, match="'ds004212' is not on this computer.*CC0"):
        load_things_meg(path=tmp_path / "elsewhere")
    write_subject(tmp_path)
    with pytest.raises(UnknownNameError, match="a subject of `subjects` is 'P5'"):
        load_things_meg(path=tmp_path, subjects=["P5"])
    with pytest.raises(MissingDataError, match="the files of P3 are not in"):
        load_things_meg(path=tmp_path, subjects=["P3"])
    with pytest.raises(InputError, match="`decimate` must be 1 or 2 .* got 4"):
        load_things_meg(path=tmp_path, decimate=4)
    with pytest.raises(InputError, match="no time of P1 lies in 2 to 3 s; it has -0.1 to 1.3 s"):
        load_things_meg(path=tmp_path, tmin_s=2, tmax_s=3)
    only_once = trial_table()
    write_subject(tmp_path, table=only_once[only_once["trial_type"] != "test"].reset_index(drop=True))
    with pytest.raises(InputError, match="no trial of P1 is left for split 'test'; .* of which there are 0"):
        load_things_meg(path=tmp_path)


def test_published_digests_of_the_first_parts_are_compared(tmp_path):
    write_subject(tmp_path)
    with pytest.raises(InputError, match=r"P1-epo.fif differs from the published file \(SHA-256"):
        load_things_meg(path=tmp_path, verify=True)
    assert [each.url.rsplit("/", 1)[1] for each in THINGS_MEG.downloads][0] == "preprocessed_P1-epo.fif"
