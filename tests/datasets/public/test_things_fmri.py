"""THINGS-fMRI on a miniature of its tables: rows voxels, columns trials and one voxel_id."""

from __future__ import annotations

import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.linear_model import Ridge

from alignkit._core.errors import InputError, MissingDataError, UnknownNameError
from alignkit.datasets.public.things_fmri import load_things_fmri

pytest.importorskip("tables")

N_VOXELS = 15
CONCEPTS = ["dog", "mango", "zebra", "NA"]
N_SESSIONS = 3
SHAPE = (6, 5, 4)


def stimulus_table() -> pd.DataFrame:
    """Return trials: 6 pictures of each object once, one further picture of two of them in every session."""
    rows = []
    pictures = [(concept, f"{concept}_{n:02d}b.jpg") for concept in CONCEPTS for n in range(1, 7)]
    order = np.random.default_rng(0).permutation(len(pictures))
    for session in range(1, N_SESSIONS + 1):
        own = [pictures[k] for k in order[(session - 1) * 8 : session * 8]]
        shown = [("train", *each) for each in own]
        shown += [("test", concept, f"{concept}_13s.jpg") for concept in CONCEPTS[:2]]
        for number, (kind, concept, file) in enumerate(shown):
            rows.append([kind, session, 1 + number // 5, "01", len(rows), file, concept])
    columns = ["trial_type", "session", "run", "subject_id", "trial_id", "stimulus", "concept"]
    return pd.DataFrame(rows, columns=columns)


LATENT = {
    file: np.random.default_rng(k).standard_normal(3)
    for k, file in enumerate(sorted(set(stimulus_table()["stimulus"])))
}


def responses(subject: str) -> np.ndarray:
    """Return (n_trials, n_voxels); voxels in the order of their ids."""
    rng = np.random.default_rng(int(subject[-2:]))
    latent = np.stack([LATENT[file] for file in stimulus_table()["stimulus"]])
    noise = rng.standard_normal((len(latent), N_VOXELS))
    return latent @ rng.standard_normal((3, N_VOXELS)) + 0.5 * noise


def voxel_table(subject: str) -> pd.DataFrame:
    number = np.arange(N_VOXELS)
    x, y, z = np.unravel_index(number + 7, SHAPE)
    return pd.DataFrame(
        {
            "voxel_id": number,
            "subject_id": subject[-2:],
            "voxel_x": x,
            "voxel_y": y,
            "voxel_z": z,
            "nc_singletrial": number / 10.0,
            "nc_testset": number * 1.0,
            "splithalf_uncorrected": 0.5,
            "splithalf_corrected": 0.6,
            "prf-eccentricity": 1.5,
            "prf-polarangle": 90.0,
            "prf-rsquared": 10.0,
            "prf-size": 0.5,
            "V1": (number < 4).astype(int),
            "hV4": ((number >= 3) & (number < 6)).astype(int),
            "LO1 (prf)": (number == 6).astype(int),
            "lFFA": (number == 7).astype(float),
            "glasser-V1": (number < 5).astype(int),
        }
    )


def write_subject(root: Path, subject: str, *, file_format: str = "fixed", values=None) -> None:
    folder = root / "betas_csv"
    folder.mkdir(parents=True, exist_ok=True)
    # Rows stand in another order than in the table of voxels: only voxel_id says which is which.
    order = np.random.default_rng(9).permutation(N_VOXELS)
    values = responses(subject) if values is None else values
    frame = pd.DataFrame(values.T[order], columns=range(len(values)))
    frame.insert(0, "voxel_id", order)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame.to_hdf(folder / f"{subject}_ResponseData.h5", key="ResponseData", format=file_format)
    voxel_table(subject).to_csv(folder / f"{subject}_VoxelMetadata.csv", index=False)
    stimulus_table().to_csv(folder / f"{subject}_StimulusMetadata.csv", index=False)
    masks = root / "brainmasks"
    masks.mkdir(exist_ok=True)
    image = nib.Nifti1Image(np.ones(SHAPE, dtype=np.uint8), np.diag([2.0, 2, 2, 1]))
    nib.save(image, masks / f"{subject}_space-T1w_brainmask.nii.gz")


@pytest.fixture
def root(tmp_path) -> Path:
    root = tmp_path / "things_fmri"
    write_subject(root, "sub-01")
    write_subject(root, "sub-03")
    return root


@pytest.mark.parametrize("file_format", ["fixed", "table"])
def test_voxels_are_matched_by_id_and_the_id_is_no_trial(root, file_format):
    write_subject(root, "sub-01", file_format=file_format)
    recording = load_things_fmri(path=root, subjects=(1,)).study["sub-01"]
    assert recording.data.shape == (len(stimulus_table()), N_VOXELS)
    assert np.allclose(recording.data, responses("sub-01"), atol=1e-6)
    assert recording.channels["name"].to_list() == [f"voxel-{k}" for k in range(N_VOXELS)]
    assert recording.channels["nc_testset"].to_list() == list(range(N_VOXELS))


def test_samples_say_what_was_shown_when(root):
    recording = load_things_fmri(path=root, subjects=(1,)).study["sub-01"]
    table = stimulus_table()
    assert recording.stimulus_ids == [file.removesuffix(".jpg") for file in table["stimulus"]]
    assert recording.samples["concept"].to_list() == table["concept"].to_list()
    assert recording.samples["split"].to_list() == table["trial_type"].to_list()
    test = recording.samples[recording.samples["stimulus_id"] == "mango_13s"]
    assert test["repetition"].to_list() == [1, 2, 3] and test["session"].to_list() == ["1", "2", "3"]


def test_objects_of_test_pictures_are_in_the_training_part_and_groups_keep_them_together(root):
    dataset = load_things_fmri(path=root, subjects=(1,))
    assert dataset.groups == "concept"
    assert any("2 of 2 objects of the test pictures are objects of training" in n for n in dataset.notes)
    test = load_things_fmri(path=root, subjects=(1,), split="test")
    assert not any("objects of the test pictures" in note for note in test.notes)
    assert set(test.study["sub-01"].samples["split"]) == {"test"}
    keep = (dataset.study["sub-01"].samples["split"] == "test").to_numpy()
    assert np.array_equal(test.study["sub-01"].data, dataset.study["sub-01"].data[keep])
    # An object called NA is an object.
    assert set(dataset.labels["concept"]) == set(CONCEPTS)


def test_a_planted_latent_predicts_the_test_pictures_and_a_shuffled_one_does_not(root):
    def r(files: dict[str, np.ndarray]) -> float:
        train, test = (
            load_things_fmri(path=root, subjects=(1,), split=split).study["sub-01"].average_repetitions()
            for split in ("train", "test")
        )
        train = train.select(samples=~train.samples["concept"].isin(test.samples["concept"]).to_numpy())
        x, y = (np.stack([files[f"{i}.jpg"] for i in each.stimulus_ids]) for each in (train, test))
        predicted = Ridge(0.1).fit(x, train.data).predict(y)
        return float(np.corrcoef(predicted.ravel(), test.data.ravel())[0, 1])

    assert r(LATENT) > 0.5
    shuffled = [np.random.default_rng(k).permutation(list(LATENT.values())) for k in range(10)]
    assert abs(np.mean([r(dict(zip(LATENT, each, strict=True))) for each in shuffled])) < 0.4


def test_regions_and_ceilings_choose_voxels(root):
    whole = load_things_fmri(path=root, subjects=(1,)).study["sub-01"]
    assert whole.channels["roi"].to_list()[:9] == ["V1"] * 4 + ["hV4"] * 2 + ["LO1 (prf)", "lFFA", ""]
    assert "glasser-V1" not in whole.channels and whole.channels["hV4"].tolist()[3]
    part = load_things_fmri(path=root, subjects=(1,), roi=("hV4", "V1")).study["sub-01"]
    assert part.channels["roi"].to_list() == ["V1"] * 3 + ["hV4"] * 3
    assert np.array_equal(part.data, whole.data[:, :6])
    atlas = load_things_fmri(path=root, subjects=(1,), roi=("glasser-V1",), min_noise_ceiling=3)
    assert atlas.study["sub-01"].channels["name"].to_list() == ["voxel-3", "voxel-4"]
    assert any("noise ceiling that comes from the test pictures" in note for note in atlas.notes)


def test_voxels_have_places_where_the_brain_mask_is_there(root):
    recording = load_things_fmri(path=root, subjects=(1,), roi=("hV4",)).study["sub-01"]
    assert recording.geometry.voxels.tolist() == np.stack(np.unravel_index([10, 11, 12], SHAPE), 1).tolist()
    for path in (root / "brainmasks").iterdir():
        path.unlink()
    recording = load_things_fmri(path=root / "betas_csv", subjects=(1,)).study["sub-01"]
    assert recording.geometry is None and any("No brain mask" in note for note in recording.notes)


def test_scaling_by_session_uses_all_trials_and_says_so(root):
    recording = load_things_fmri(path=root, subjects=(1,), zscore="session").study["sub-01"]
    for rows in recording.samples.groupby("session").indices.values():
        assert np.allclose(recording.data[rows].mean(axis=0), 0, atol=1e-5)
        assert np.allclose(recording.data[rows].std(axis=0), 1, atol=1e-5)
    assert any("test pictures among them" in note for note in recording.notes)
    test = load_things_fmri(path=root, subjects=(1,), zscore="session", split="test").study["sub-01"]
    assert np.array_equal(test.data, recording.data[(recording.samples["split"] == "test").to_numpy()])


def test_voxels_without_finite_responses_are_left_out(root):
    values = responses("sub-01")
    values[3, 5] = np.nan
    values[:, 8] = 0
    write_subject(root, "sub-01", values=values)
    recording = load_things_fmri(path=root, subjects=(1,)).study["sub-01"]
    assert recording.n_channels == 13 and "voxel-5" not in set(recording.channels["name"])
    assert recording.geometry.n_channels == 13
    assert any("2 of 15 voxels were dropped" in note for note in recording.notes)
    write_subject(root, "sub-01", values=np.zeros_like(values))
    with pytest.raises(InputError, match="no chosen voxel of .*sub-01_ResponseData.h5 has finite responses"):
        load_things_fmri(path=root, subjects=(1,))


def test_reading_in_small_blocks_changes_nothing(root, monkeypatch):
    whole = load_things_fmri(path=root, subjects=(1,), zscore="session").study["sub-01"]
    monkeypatch.setattr("alignkit.datasets.public.things_fmri._BLOCK_BYTES", 8 * 30 * 2)
    assert load_things_fmri(path=root, subjects=(1,), zscore="session").study["sub-01"].digest == whole.digest


def test_pictures_are_found_below_a_folder(root, tmp_path):
    for file in LATENT:
        folder = tmp_path / "object_images" / file.rpartition("_")[0]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (1, 2, 3)).save(folder / file)
    Image.new("RGB", (4, 4)).save(tmp_path / "object_images" / "dog" / "dog_99x.jpg")
    dataset = load_things_fmri(path=root, subjects=(1,), stimuli=tmp_path / "object_images")
    assert len(dataset.stimuli) == len(LATENT)
    assert dataset.stimuli.path("dog_13s").parent.name == "dog"
    (tmp_path / "object_images" / "dog" / "dog_13s.jpg").unlink()
    with pytest.raises(MissingDataError, match="1 of 26 stimuli have no image .*dog_13s"):
        load_things_fmri(path=root, subjects=(1,), stimuli=tmp_path / "object_images")
    Image.new("RGB", (4, 4)).save(tmp_path / "object_images" / "dog_13s.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "object_images" / "mango" / "dog_13s.png")
    with pytest.raises(
        InputError, match="two images of the stimulus 'dog_13s', dog_13s.png and mango/dog_13s"
    ):
        load_things_fmri(path=root, subjects=(1,), stimuli=tmp_path / "object_images")
    with pytest.raises(MissingDataError, match="stimulus folder .*none does not exist"):
        load_things_fmri(path=root, subjects=(1,), stimuli=tmp_path / "none")


def test_one_subject_is_read_without_the_others(root):
    (root / "betas_csv/sub-03_ResponseData.h5").write_bytes(b"damaged")
    dataset = load_things_fmri(path=root, subjects=("sub-01",))
    assert dataset.subjects == ["sub-01"] and not any("sub-03" in path.name for path in dataset.files)
    with pytest.raises(InputError, match="sub-03_ResponseData.h5 cannot be read as HDF5"):
        load_things_fmri(path=root)


def test_what_is_not_there_is_named(root, tmp_path):
    with pytest.raises(MissingDataError, match="'things_fmri' is not on this computer .*CC0"):
        load_things_fmri(path=tmp_path / "none")
    with pytest.raises(MissingDataError, match="holds no subject of the set; it has sub-01, sub-02, sub-03"):
        load_things_fmri(path=tmp_path)
    with pytest.raises(UnknownNameError, match="'sub-1', did you mean 'sub-01'"):
        load_things_fmri(path=root, subjects=("sub-1",))
    with pytest.raises(MissingDataError, match="files of sub-02 are not in .*sub-01, sub-03"):
        load_things_fmri(path=root, subjects=(2,))
    with pytest.raises(UnknownNameError, match="`roi` names 'lFFB', .*Known: .*hV4"):
        load_things_fmri(path=root, roi=("lFFB",))
    with pytest.raises(InputError, match="no voxel of .* lies in V1 with a noise ceiling of at least 99"):
        load_things_fmri(path=root, roi=("V1",), min_noise_ceiling=99)
    (root / "betas_csv/sub-01_StimulusMetadata.csv").unlink()
    with pytest.raises(MissingDataError, match="sub-01_StimulusMetadata.csv does not exist"):
        load_things_fmri(path=root, subjects=(1,))


def test_tables_that_do_not_fit_each_other_are_refused(root):
    folder = root / "betas_csv"
    voxel_table("sub-01").iloc[:-1].to_csv(folder / "sub-01_VoxelMetadata.csv", index=False)
    with pytest.raises(InputError, match="responses of 15 voxels and sub-01_VoxelMetadata.csv describes 14"):
        load_things_fmri(path=root, subjects=(1,))
    voxel_table("sub-01").to_csv(folder / "sub-01_VoxelMetadata.csv", index=False)
    stimulus_table().iloc[:-1].to_csv(folder / "sub-01_StimulusMetadata.csv", index=False)
    with pytest.raises(InputError, match="has 30 columns of trials, its StimulusMetadata has 29 rows"):
        load_things_fmri(path=root, subjects=(1,))
    stimulus_table().replace("test", "catch").to_csv(folder / "sub-01_StimulusMetadata.csv", index=False)
    with pytest.raises(InputError, match="a trial_type is 'catch', 'train' or 'test' is wanted"):
        load_things_fmri(path=root, subjects=(1,))
    stimulus_table().to_csv(folder / "sub-01_StimulusMetadata.csv", index=False)
    far = voxel_table("sub-01").assign(voxel_x=50)
    far.to_csv(folder / "sub-01_VoxelMetadata.csv", index=False)
    with pytest.raises(InputError, match="voxels of sub-01 lie outside the brain mask"):
        load_things_fmri(path=root, subjects=(1,))
    far.drop(columns="nc_testset").to_csv(folder / "sub-01_VoxelMetadata.csv", index=False)
    with pytest.raises(InputError, match="no column 'nc_testset'"):
        load_things_fmri(path=root, subjects=(1,), min_noise_ceiling=1)
    frame = pd.DataFrame(responses("sub-01").T)
    frame.to_hdf(folder / "sub-01_ResponseData.h5", key="ResponseData", mode="w")
    with pytest.raises(InputError, match="has no column 'voxel_id'"):
        load_things_fmri(path=root, subjects=(1,))


def test_trial_numbers_that_do_not_count_the_rows_are_noted(root):
    table = stimulus_table()
    table["trial_id"] = table["trial_id"].to_numpy()[::-1]
    table.to_csv(root / "betas_csv/sub-01_StimulusMetadata.csv", index=False)
    recording = load_things_fmri(path=root, subjects=(1,)).study["sub-01"]
    assert any("`trial_id` of sub-01_StimulusMetadata.csv does not count" in n for n in recording.notes)
