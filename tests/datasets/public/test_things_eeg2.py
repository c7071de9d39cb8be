from __future__ import annotations

import pickle

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import Ridge

from alignkit._core.errors import InputError, MissingDataError, UnknownNameError
from alignkit.datasets.public.things_eeg2 import load_things_eeg2

CHANNELS = ["O1", "Oz", "O2", "PO7", "POz"]
N_CONCEPTS, PER_CONCEPT, N_TEST, N_LATENT = 6, 4, 5, 3
REPETITIONS = {"train": 4, "test": 8}
CONCEPTS = ["aardvark", "abacus", "accordion", "acorn", "zebra", "zucchini"]
TEST_CONCEPTS = ["ball", "cat", "dog", "egg", "fan"]
N_CONDITIONS = {"train": N_CONCEPTS * PER_CONCEPT, "test": N_TEST}
RNG = np.random.default_rng(0)
LATENT = {split: RNG.standard_normal((n, N_LATENT)) for split, n in N_CONDITIONS.items()}
PATHS = {
    "train": [
        f"training_images/{n:05d}_{concept}/{concept}_{k:02d}s.jpg"
        for n, concept in enumerate(CONCEPTS, 1)
        for k in range(1, PER_CONCEPT + 1)
    ],
    "test": [
        f"test_images/{n:05d}_{concept}/{concept}_01b.jpg" for n, concept in enumerate(TEST_CONCEPTS, 1)
    ],
}
IDS = {split: [path.rsplit("/", 1)[1][:-4] for path in paths] for split, paths in PATHS.items()}
NUMPY = {"train": "preprocessed_eeg_training.npy", "test": "preprocessed_eeg_test.npy"}


def epochs(split, n_times, subject, *, noise=1.0):
    """Conditions x repetitions x channels x times, with a latent in every time."""
    rng = np.random.default_rng(subject)
    weights = rng.standard_normal((N_LATENT, len(CHANNELS), 1)) * np.ones(n_times)
    clean = 2 * np.einsum("il,lct->ict", LATENT[split], weights)[:, None]
    return clean + noise * rng.standard_normal((len(clean), REPETITIONS[split], len(CHANNELS), n_times))


def official(split, subject):
    times = np.round(np.arange(-0.2, 0.8, 0.01), 3)[:100]
    return {"preprocessed_eeg_data": epochs(split, 100, subject), "ch_names": CHANNELS, "times": times}


def shared(split, subject):
    """At 250 Hz, from onset on; the times are those before the cut."""
    times = np.arange(301) / 250 - 0.2
    return {"preprocessed_eeg_data": epochs(split, 250, subject), "ch_names": CHANNELS, "times": times}


def write_official(root, subjects=(1, 2)):
    for subject in subjects:
        place = root / "Preprocessed_data" / f"sub-{subject:02d}"
        place.mkdir(parents=True, exist_ok=True)
        for split, name in NUMPY.items():
            np.save(place / name, official(split, subject))


def write_shared(root, subject=1):
    place = root / "Preprocessed_data_250Hz" / f"sub-{subject:02d}"
    place.mkdir(parents=True, exist_ok=True)
    for split, name in NUMPY.items():
        with (place / name).open("wb") as file:
            pickle.dump(shared(split, subject), file, protocol=4)


def write_whitened(root, *, tensors=True, subject=1):
    import torch

    place = root / "Preprocessed_data_250Hz_whiten" / f"sub-{subject:02d}"
    place.mkdir(parents=True, exist_ok=True)
    for split in NUMPY:
        eeg = epochs(split, 250, subject).astype(np.float16)
        shape = eeg.shape[:2]
        session = np.arange(eeg[..., 0, 0].size).reshape(shape) % 4 + 1
        content = {
            "eeg": torch.from_numpy(eeg) if tensors else eeg,
            "label": torch.arange(shape[0]) if tensors else np.arange(shape[0]),
            "img": PATHS[split] if tensors else np.repeat(np.array(PATHS[split])[:, None], shape[1], axis=1),
            "text": ["a photo"] * shape[0],
            "session": torch.from_numpy(session) if tensors else session,
            "ch_names": CHANNELS,
            "times": torch.arange(250) / 250 if tensors else np.arange(250) / 250,
        }
        options = {} if tensors else {"pickle_protocol": 5}
        torch.save(content, place / f"{split}.pt", **options)


def write_images(root):
    for paths in PATHS.values():
        for number, path in enumerate(paths):
            (root / "image_set" / path).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4), (number, 0, 0)).save(root / "image_set" / path)
    (root / "image_set" / "training_images" / "00001_aardvark" / "._aardvark_00.jpg").write_bytes(b"mac")


def held_out_r(recording, latent):
    """Ridge from the latent to held-out images at every channel and time."""
    Y = np.asarray(recording.data).reshape(len(latent), -1)
    test = np.arange(len(latent)) % 4 == 0
    predicted = Ridge(1.0).fit(latent[~test], Y[~test]).predict(latent[test])
    return np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(predicted.T, Y[test].T, strict=True)])


@pytest.mark.parametrize("write", [write_official, write_shared, write_whitened])
def test_the_planted_latent_predicts_held_out_images_in_every_release(tmp_path, write):
    write(tmp_path)
    recording = load_things_eeg2(path=tmp_path, split="train", subjects=["1"]).study["sub-01"]
    assert held_out_r(recording, LATENT["train"]) > 0.7
    mixed = np.random.default_rng(3).permutation(len(LATENT["train"]))
    assert held_out_r(recording, LATENT["train"][mixed]) < 0.5


def test_a_saved_and_a_pickled_dictionary_are_read_by_what_they_are_not_by_their_names(tmp_path):
    """One release was written by np.save, the other by pickle.dump, into files of the same names."""
    write_official(tmp_path, subjects=(1,))
    write_shared(tmp_path)
    slow = load_things_eeg2(path=tmp_path, release="100hz").study["sub-01"]
    fast = load_things_eeg2(path=tmp_path, release="250hz").study["sub-01"]
    np.testing.assert_allclose(
        slow.data, official("test", 1)["preprocessed_eeg_data"].mean(axis=1), atol=1e-5
    )
    np.testing.assert_allclose(fast.data, shared("test", 1)["preprocessed_eeg_data"].mean(axis=1), atol=1e-5)
    place = tmp_path / "Preprocessed_data" / "sub-01" / NUMPY["test"]
    place.write_bytes((tmp_path / "Preprocessed_data_250Hz" / "sub-01" / NUMPY["test"]).read_bytes())
    again = load_things_eeg2(path=tmp_path, release="100hz").study["sub-01"]
    np.testing.assert_array_equal(again.data, fast.data)


@pytest.mark.parametrize("n_listed", [300, 301])
def test_times_that_were_not_cut_with_the_data_start_at_onset(tmp_path, n_listed):
    write_shared(tmp_path)
    path = tmp_path / "Preprocessed_data_250Hz" / "sub-01" / NUMPY["test"]
    content = shared("test", 1) | {"times": np.arange(n_listed) / 250 - 0.2}
    path.write_bytes(pickle.dumps(content, protocol=4))
    dataset = load_things_eeg2(path=tmp_path)
    times_s = dataset.study["sub-01"].times_s
    np.testing.assert_allclose(times_s, np.arange(250) / 250, atol=1e-9)
    assert any(f"lists {n_listed} times for 250 samples" in note for note in dataset.notes)


def test_times_that_fit_are_kept_as_they_are(tmp_path):
    write_official(tmp_path)
    dataset = load_things_eeg2(path=tmp_path)
    np.testing.assert_allclose(dataset.study["sub-02"].times_s[[0, -1]], [-0.2, 0.79])
    cut = load_things_eeg2(path=tmp_path, tmin_s=0.1, tmax_s=0.2).study["sub-02"]
    np.testing.assert_allclose(cut.times_s, np.arange(0.1, 0.201, 0.01))
    np.testing.assert_array_equal(cut.data, dataset.study["sub-02"].data[:, :, 30:41])
    assert not any("lists" in note for note in dataset.notes)


def test_condition_i_is_the_ith_image_in_sorted_order(tmp_path):
    write_official(tmp_path, subjects=(1,))
    write_images(tmp_path)
    dataset = load_things_eeg2(path=tmp_path, split="all")
    recording = dataset.study["sub-01"]
    assert recording.stimulus_ids == IDS["train"] + IDS["test"]
    assert dataset.stimuli.stimulus_ids == recording.stimulus_ids
    assert dataset.stimuli.open(IDS["train"][7]).getpixel((0, 0))[0] in range(5, 10)
    samples = recording.samples
    assert samples["concept"].iloc[[0, 4, -1]].to_list() == ["aardvark", "abacus", "fan"]
    assert dataset.groups == "concept"
    assert samples.groupby("split")["concept"].nunique().to_dict() == {"train": N_CONCEPTS, "test": N_TEST}


def test_names_come_from_the_metadata_where_the_images_are_not_there(tmp_path):
    write_official(tmp_path, subjects=(1,))
    (tmp_path / "image_set").mkdir()
    split_up = {split: [path.split("/")[1:] for path in paths] for split, paths in PATHS.items()}
    table = {
        f"{split}_img_{what}": [parts[place] for parts in split_up[split]]
        for split in PATHS
        for place, what in enumerate(("concepts", "files"))
    }
    np.save(tmp_path / "image_set" / "image_metadata.npy", table)
    dataset = load_things_eeg2(path=tmp_path, split="train")
    assert dataset.study["sub-01"].stimulus_ids == IDS["train"]
    assert dataset.study["sub-01"].samples["concept"].iloc[-1] == "zucchini"
    assert dataset.stimuli is None


def test_without_names_conditions_are_numbered_and_nothing_is_grouped(tmp_path):
    write_official(tmp_path, subjects=(1,))
    dataset = load_things_eeg2(path=tmp_path)
    assert dataset.study["sub-01"].stimulus_ids[:2] == ["test-00001", "test-00002"]
    assert dataset.groups is None


@pytest.mark.parametrize("tensors", [True, False])
def test_torch_files_tell_image_and_session(tmp_path, tensors):
    write_whitened(tmp_path, tensors=tensors)
    recording = load_things_eeg2(path=tmp_path, average_repetitions=False).study["sub-01"]
    assert recording.n_samples == N_TEST * REPETITIONS["test"]
    assert recording.stimulus_ids[:: REPETITIONS["test"]] == IDS["test"]
    assert recording.samples["repetition"].to_list()[:9] == [*range(1, 9), 1]
    assert recording.samples["session"].to_list()[:5] == [1, 2, 3, 4, 1]
    expected = epochs("test", 250, 1).astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(recording.data, expected.reshape(recording.data.shape))


def test_single_presentations_average_to_the_averages(tmp_path):
    write_official(tmp_path, subjects=(1,))
    mean = load_things_eeg2(path=tmp_path).study["sub-01"]
    single = load_things_eeg2(path=tmp_path, average_repetitions=False).study["sub-01"]
    assert "session" not in single.samples
    np.testing.assert_allclose(single.average_repetitions().data, mean.data, atol=1e-6)
    assert mean.samples["n_repetitions"].unique().tolist() == [8]


def test_blocks_do_not_change_the_numbers(tmp_path, monkeypatch):
    write_whitened(tmp_path)
    whole = load_things_eeg2(path=tmp_path, split="train").study["sub-01"]
    monkeypatch.setattr("alignkit.datasets.public._things_eeg_files._BLOCK_BYTES", 60_000)
    pieces = load_things_eeg2(path=tmp_path, split="train").study["sub-01"]
    np.testing.assert_array_equal(whole.data, pieces.data)


def test_electrodes_have_places_unless_they_are_not_wanted(tmp_path):
    write_official(tmp_path, subjects=(1,))
    recording = load_things_eeg2(path=tmp_path).study["sub-01"]
    assert recording.channels["name"].to_list() == CHANNELS
    assert (recording.channels["y_mm"] < -60).all()
    assert recording.unit == "noise-normalised"
    assert load_things_eeg2(path=tmp_path, montage="none").study["sub-01"].geometry is None
    with pytest.raises(InputError, match="`montage` is 'standard_10055'"):
        load_things_eeg2(path=tmp_path, montage="standard_10055")


def test_one_subject_is_read_without_the_others(tmp_path):
    write_official(tmp_path)
    (tmp_path / "Preprocessed_data" / "sub-02" / NUMPY["test"]).write_bytes(b"broken")
    dataset = load_things_eeg2(path=tmp_path, subjects=["sub-01"])
    assert dataset.subjects == ["sub-01"]
    assert [path.name for path in dataset.files] == [NUMPY["test"]]
    with pytest.raises(InputError, match=r"sub-02/preprocessed_eeg_test.npy cannot be read as a pickle"):
        load_things_eeg2(path=tmp_path)


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("kind", ["saved", "pickled", "torch"])
def test_nothing_in_a_file_is_run(tmp_path, kind):
    content = {"preprocessed_eeg_data": Evil(tmp_path / "ran"), "ch_names": CHANNELS, "times": [0.0]}
    if kind == "torch":
        import torch

        write_whitened(tmp_path)
        torch.save(content, tmp_path / "Preprocessed_data_250Hz_whiten" / "sub-01" / "test.pt")
    else:
        write_official(tmp_path, subjects=(1,))
        path = tmp_path / "Preprocessed_data" / "sub-01" / NUMPY["test"]
        if kind == "saved":
            np.save(path, content)
        else:
            path.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=r"asks for (builtins|io|_io).open, which is no plain data"):
        load_things_eeg2(path=tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ch_names": CHANNELS[:3]}, "names 3 channels, its data have 5"),
        ({"times": np.arange(60)}, "has 60 times for 100 samples, 60 of them from onset on"),
        ({"preprocessed_eeg_data": np.zeros((3, 5))}, r"has shape \(3, 5\); conditions x repetitions"),
    ],
)
def test_files_whose_parts_do_not_fit_are_refused(tmp_path, change, message):
    write_official(tmp_path, subjects=(1,))
    np.save(tmp_path / "Preprocessed_data" / "sub-01" / NUMPY["test"], official("test", 1) | change)
    with pytest.raises(InputError, match=message):
        load_things_eeg2(path=tmp_path)


def test_files_with_something_else_are_named(tmp_path):
    write_official(tmp_path, subjects=(1,))
    path = tmp_path / "Preprocessed_data" / "sub-01" / NUMPY["test"]
    np.save(path, {"eeg": np.zeros((1, 1, 5, 100)), "ch_names": CHANNELS})
    with pytest.raises(InputError, match="lacks times; it holds eeg, ch_names"):
        load_things_eeg2(path=tmp_path)
    np.save(path, np.zeros((2, 3)))
    with pytest.raises(InputError, match="holds a ndarray, a dictionary of EEG is wanted"):
        load_things_eeg2(path=tmp_path)
    np.save(path, official("test", 1))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="preprocessed_eeg_test.npy cannot be read as"):
        load_things_eeg2(path=tmp_path)


def test_images_and_conditions_that_differ_in_number_are_refused(tmp_path):
    write_official(tmp_path, subjects=(1,))
    write_images(tmp_path)
    (tmp_path / "image_set" / PATHS["test"][2]).unlink()
    with pytest.raises(InputError, match="has 5 conditions, there are 4 images"):
        load_things_eeg2(path=tmp_path)


def test_wrong_folders_releases_and_subjects_are_named(tmp_path):
    with pytest.raises(MissingDataError, match="holds none of the folders Preprocessed_data, .*osf.io/3jk45"):
        load_things_eeg2(path=tmp_path)
    with pytest.raises(MissingDataError, match="'things_eeg2' is not on this computer"):
        load_things_eeg2(path=tmp_path / "elsewhere")
    write_official(tmp_path, subjects=(1,))
    with pytest.raises(MissingDataError, match="holds no folder Preprocessed_data_250Hz; it has 100hz"):
        load_things_eeg2(path=tmp_path, release="250hz")
    write_shared(tmp_path)
    with pytest.raises(InputError, match="holds several releases; choose one with `release`: 100hz, 250hz"):
        load_things_eeg2(path=tmp_path)
    with pytest.raises(UnknownNameError, match="a subject of `subjects` is 'sub-11'"):
        load_things_eeg2(path=tmp_path, release="100hz", subjects=["sub-11"])
    with pytest.raises(
        MissingDataError, match="the files of sub-02 are not in .*; there are those of sub-01"
    ):
        load_things_eeg2(path=tmp_path, release="100hz", subjects=["2"])
    with pytest.raises(MissingDataError, match="holds neither training_images nor test_images"):
        load_things_eeg2(path=tmp_path, release="100hz", stimuli=tmp_path)
    with pytest.raises(InputError, match="no time of .* lies in 2 to 3 s; it has -0.2 to 0.79 s"):
        load_things_eeg2(path=tmp_path, release="100hz", tmin_s=2, tmax_s=3)
    with pytest.raises(InputError, match="no digests of `things-eeg2` are published"):
        load_things_eeg2(path=tmp_path, verify=True)


def test_a_release_folder_may_be_given_itself(tmp_path):
    write_official(tmp_path, subjects=(1,))
    first = load_things_eeg2(path=tmp_path)
    again = load_things_eeg2(path=tmp_path / "Preprocessed_data")
    np.testing.assert_array_equal(first.study["sub-01"].data, again.study["sub-01"].data)


def test_sessions_and_images_that_do_not_fit_are_refused(tmp_path):
    import torch

    write_whitened(tmp_path)
    path = tmp_path / "Preprocessed_data_250Hz_whiten" / "sub-01" / "test.pt"
    content = torch.load(path, weights_only=True)
    torch.save(content | {"session": torch.ones(3)}, path)
    with pytest.raises(InputError, match=r"`session` has shape \(3,\), one entry for each of \(5, 8\)"):
        load_things_eeg2(path=tmp_path)
    torch.save(content | {"img": ["a.jpg"]}, path)
    with pytest.raises(InputError, match="`img` names 1 images, there are 5 conditions"):
        load_things_eeg2(path=tmp_path)
    torch.save(content | {"img": [f"{n}.jpg" for n in range(40)]}, path)
    with pytest.raises(InputError, match="the repetitions of a condition name different images"):
        load_things_eeg2(path=tmp_path)


def test_training_and_test_data_must_have_the_same_channels(tmp_path):
    write_official(tmp_path, subjects=(1,))
    other = official("train", 1) | {"ch_names": CHANNELS[::-1]}
    np.save(tmp_path / "Preprocessed_data" / "sub-01" / NUMPY["train"], other)
    with pytest.raises(
        InputError, match="the channels or times of training and test data in .*sub-01 differ"
    ):
        load_things_eeg2(path=tmp_path, split="all")
