"""NSD on a miniature in its published layout: names, axes, types and counting as they are on the disk."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import savemat
from sklearn.linear_model import Ridge

from alignkit._core.errors import InputError, MissingDataError, UnknownNameError
from alignkit._core.folders import cache_folder
from alignkit.datasets.public.nsd import load_nsd
from alignkit.pipelines.options import check_options

SHAPE = (5, 4, 3)
AFFINE = np.array([[1.8, 0, 0, -4], [0, 1.8, 0, -3], [0, 0, 1.8, -2], [0, 0, 0, 1]])
N_TRIALS = 12
N_SESSIONS = 40
N_IMAGES = 20
N_SHARED = 6
N_ALL = 70
N_VERTICES = 9
BETAS = "betas_fithrf_GLMdenoise_RR"
SUBJECTS = [f"subj{number:02d}" for number in range(1, 9)]


def masterordering() -> np.ndarray:
    """Return which picture each trial shows, from 1: three times each in the first five sessions."""
    rng = np.random.default_rng(7)
    order = np.concatenate([rng.permutation(np.repeat(np.arange(1, N_IMAGES + 1), 3)) for _ in range(8)])
    order[5 * N_TRIALS : 30 * N_TRIALS] = rng.integers(N_SHARED + 1, N_IMAGES + 1, size=25 * N_TRIALS)
    # The last shared picture comes only twice while all eight subjects are there.
    third = np.flatnonzero(order[: 30 * N_TRIALS] == N_SHARED)[2]
    order[third] = N_IMAGES
    return order


def subjectim() -> np.ndarray:
    """Return the pictures of each subject among all, from 1; the first ones are shared."""
    rng = np.random.default_rng(8)
    numbers = rng.permutation(np.arange(1, N_ALL + 1))
    shared, rest = np.sort(numbers[:N_SHARED]), numbers[N_SHARED:]
    rng.shuffle(shared)
    own = [rng.permutation(rest)[: N_IMAGES - N_SHARED] for _ in SUBJECTS]
    return np.stack([np.concatenate([shared, each]) for each in own])


LATENT = np.random.default_rng(3).standard_normal((N_ALL, 3))
PIXELS = np.random.default_rng(4).integers(0, 256, (N_ALL, 6, 5, 3)).astype(np.uint8)


def shown(subject: str, session: int) -> np.ndarray:
    """Return the rows in imgBrick that a session shows."""
    first = (session - 1) * N_TRIALS
    order = masterordering()[first : first + N_TRIALS]
    return subjectim()[SUBJECTS.index(subject), order - 1] - 1


def percent(subject: str, session: int, n_channels: int) -> np.ndarray:
    """Return responses to a linear latent, in per cent, (n_trials, n_channels)."""
    seed = SUBJECTS.index(subject)
    weights = np.random.default_rng(seed).standard_normal((3, n_channels))
    noise = np.random.default_rng([seed, session]).standard_normal((N_TRIALS, n_channels))
    return LATENT[shown(subject, session)] @ weights + 0.5 * noise + session


def volume(subject: str, session: int) -> np.ndarray:
    """Return the published numbers as MATLAB and NIfTI have them: (x, y, z, trials)."""
    values = np.round(300 * percent(subject, session, int(np.prod(SHAPE)))).astype(np.int16)
    return np.ascontiguousarray(values.T.reshape(*SHAPE, N_TRIALS))


def save_nifti(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, affine), path)


def save_mgh(path: Path, data: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.MGHImage(data.astype(">f4"), np.eye(4)), path)


def save_hdf5(path: Path, data: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("betas", data=data.T.copy(), chunks=(data.shape[3], 1, 1, 1))


def prf() -> np.ndarray:
    """Return regions as they are numbered: -1 no cortex, 0 none, 1 V1v, 2 V1d."""
    regions = np.full(SHAPE, -1, dtype=np.int16)
    regions[1:4] = 0
    regions[1, :, :2] = 1
    regions[2, :, 1] = 2
    return regions


def general() -> np.ndarray:
    regions = np.full(SHAPE, -1, dtype=np.int16)
    regions[1:4] = 1
    return regions


def write_subject(root: Path, subject: str, sessions=(1, 2, 3, 4, 5)) -> None:
    own = root / "nsddata/ppdata" / subject
    save_nifti(own / "func1pt8mm/brainmask.nii.gz", np.ones(SHAPE, dtype=np.uint8))
    save_nifti(own / "func1pt8mm/roi/nsdgeneral.nii.gz", general())
    save_nifti(own / "func1pt8mm/roi/prf-visualrois.nii.gz", prf())
    labels = root / "nsddata/freesurfer" / subject / "label"
    labels.mkdir(parents=True)
    (labels / "prf-visualrois.mgz.ctab").write_text("0 Unknown\n1 V1v\n2 V1d\n3 V2v\n")
    betas = root / "nsddata_betas/ppdata" / subject / "func1pt8mm" / BETAS
    surface = root / "nsddata_betas/ppdata" / subject / "fsaverage" / BETAS
    for session in sessions:
        save_hdf5(betas / f"betas_session{session:02d}.hdf5", volume(subject, session))
        values = percent(subject, session, 2 * N_VERTICES).T.reshape(2, N_VERTICES, 1, 1, N_TRIALS)
        for side, part in zip(("lh", "rh"), values, strict=True):
            save_mgh(surface / f"{side}.betas_session{session:02d}.mgh", part)
    ncsnr = np.linspace(0, 1, int(np.prod(SHAPE))).reshape(SHAPE)
    save_nifti(betas / "ncsnr.nii.gz", ncsnr.astype(np.float32))
    for side in ("lh", "rh"):
        save_mgh(surface / f"{side}.ncsnr.mgh", np.linspace(0, 1, N_VERTICES).reshape(-1, 1, 1))
    write_responses(own / "behav/responses.tsv", subject, sessions)


def write_responses(path: Path, subject: str, sessions) -> None:
    rows = []
    for session in sessions:
        for trial, image in enumerate(shown(subject, session)):
            rows.append([1, session, 1 + trial // 6, 1 + trial % 6, image + 1, 0, 1.5, 0, 1, 500.0])
    columns = ["SUBJECT", "SESSION", "RUN", "TRIAL", "73KID", "10KID", "TIME", "ISOLD", "ISCORRECT", "RT"]
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=columns).to_csv(path, sep="\t", index=False)


def write_shared(root: Path) -> None:
    folder = root / "nsddata/experiments/nsd"
    folder.mkdir(parents=True)
    design = {
        "masterordering": masterordering()[None].astype(float),
        "subjectim": subjectim().astype(float),
        "sharedix": np.sort(subjectim()[:1, :N_SHARED]).astype(float),
    }
    savemat(folder / "nsd_expdesign.mat", design)
    labels = root / "nsddata/freesurfer/fsaverage/label"
    for side, first in (("lh", 0), ("rh", 5)):
        mask = np.zeros((N_VERTICES, 1, 1))
        mask[first : first + 4] = 1
        save_mgh(labels / f"{side}.nsdgeneral.mgz", mask)
    stimuli = root / "nsddata_stimuli/stimuli/nsd"
    stimuli.mkdir(parents=True)
    with h5py.File(stimuli / "nsd_stimuli.hdf5", "w") as file:
        file["imgBrick"] = PIXELS


@pytest.fixture
def root(tmp_path) -> Path:
    root = tmp_path / "nsd"
    write_shared(root)
    write_subject(root, "subj01")
    write_subject(root, "subj02", sessions=(1, 2))
    return root


def betas_file(root: Path, session: int = 1, subject: str = "subj01") -> Path:
    folder = root / "nsddata_betas/ppdata" / subject / "func1pt8mm" / BETAS
    return folder / f"betas_session{session:02d}.hdf5"


def test_a_value_comes_from_its_voxel_and_trial_as_per_cent(root):
    save_hdf5(betas_file(root), np.arange(5 * 4 * 3 * N_TRIALS, dtype=np.int16).reshape(*SHAPE, N_TRIALS))
    recording = load_nsd(path=root, subjects=(1,), sessions=(1,)).study["subj01"]
    assert recording.unit == "percent signal change"
    assert recording.channels["name"].iloc[7] == "x1y2z1"
    column = recording.data[:, 7]
    number = np.ravel_multi_index((1, 2, 1), SHAPE) * N_TRIALS
    assert np.allclose(column, (number + np.arange(N_TRIALS)) / 300, rtol=1e-6)
    place = recording.channels[["x_mm", "y_mm", "z_mm"]].iloc[7]
    assert np.allclose(place, [1.8 - 4, 3.6 - 3, 1.8 - 2])


def test_numbers_of_pictures_count_from_one_on_disk_and_from_zero_in_ids(root):
    samples = load_nsd(path=root, subjects=("subj02",)).study["subj02"].samples
    first = subjectim()[1, masterordering()[0] - 1]
    assert samples["image_73k"][0] == first
    assert samples["stimulus_id"][0] == f"nsd-{first - 1:05d}"
    everything = np.concatenate([shown("subj02", 1), shown("subj02", 2)])
    assert samples["stimulus_id"].to_list() == [f"nsd-{row:05d}" for row in everything]
    assert samples["session"].to_list() == ["01"] * N_TRIALS + ["02"] * N_TRIALS
    assert samples["run"].to_list() == ([1] * 6 + [2] * 6) * 2
    again = samples.groupby("stimulus_id")["repetition"].apply(list)
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in again)


def test_volumes_give_the_same_recording_from_hdf5_and_from_nifti(root):
    from_hdf5 = load_nsd(path=root, subjects=(2,), stimuli=False).study["subj02"]
    for session in (1, 2):
        path = betas_file(root, session, "subj02")
        save_nifti(path.with_suffix(".nii.gz"), volume("subj02", session))
        path.unlink()
    from_nifti = load_nsd(path=root, subjects=(2,), stimuli=False).study["subj02"]
    assert from_nifti.digest == from_hdf5.digest


def test_files_in_other_chunks_give_the_same_recording(root):
    published = load_nsd(path=root, subjects=(1,), sessions=(1,), stimuli=False).study["subj01"]
    with h5py.File(betas_file(root), "w") as file:
        file["betas"] = volume("subj01", 1).T
    repacked = load_nsd(path=root, subjects=(1,), sessions=(1,), stimuli=False).study["subj01"]
    assert repacked.digest == published.digest


def held_out_r(recording, latent: np.ndarray) -> float:
    """Return the mean correlation of a ridge from latents with responses to pictures that it never saw."""
    averaged = recording.average_repetitions()
    rows = np.array([int(name.removeprefix("nsd-")) for name in averaged.stimulus_ids])
    test = np.arange(len(rows)) % 2 == 0
    fitted = Ridge(0.1).fit(latent[rows[~test]], averaged.data[~test])
    predicted = fitted.predict(latent[rows[test]])
    pairs = zip(predicted.T, averaged.data[test].T, strict=True)
    return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs]))


@pytest.mark.parametrize("space", ["func1pt8mm", "fsaverage"])
def test_a_planted_latent_predicts_held_out_pictures_and_a_shuffled_one_does_not(root, space):
    recording = load_nsd(path=root, subjects=(1,), space=space, zscore="session", stimuli=False).study[
        "subj01"
    ]
    assert held_out_r(recording, LATENT) > 0.5
    null = [held_out_r(recording, np.random.default_rng(k).permutation(LATENT)) for k in range(20)]
    assert abs(np.mean(null)) < 0.2


def test_surface_files_hold_per_cent_already(root):
    recording = load_nsd(path=root, subjects=(1,), space="fsaverage", sessions=(2,), stimuli=False).study[
        "subj01"
    ]
    expected = percent("subj01", 2, 2 * N_VERTICES)[:, [0, 1, 2, 3, 14, 15, 16, 17]]
    assert np.allclose(recording.data, expected, atol=1e-5)
    assert recording.geometry.space == "fsaverage"
    assert recording.channels["name"].to_list()[3:5] == ["left-3", "right-5"]
    assert np.allclose(recording.channels["ncsnr"].iloc[:4], np.linspace(0, 1, 9)[:4])


def test_regions_are_named_by_the_first_mask_that_has_them(root):
    recording = load_nsd(
        path=root, subjects=(1,), sessions=(1,), roi=("prf-visualrois", "nsdgeneral"), stimuli=False
    ).study["subj01"]
    assert recording.n_channels == int((general() > 0).sum())
    assert recording.rois == ["V1d", "V1v", "nsdgeneral"]
    assert recording.select(roi="V1v").n_channels == int((prf() == 1).sum())
    assert (recording.channels["nsdgeneral"] == "nsdgeneral").all()
    assert any("12 channels lie in several of prf-visualrois, nsdgeneral" in note for note in recording.notes)
    finer = load_nsd(path=root, subjects=(1,), sessions=(1,), roi=("prf-visualrois",), stimuli=False)
    assert finer.study["subj01"].n_channels == int((prf() > 0).sum())


def test_the_whole_brain_and_a_mask_of_ones_own(root, tmp_path):
    whole = load_nsd(path=root, subjects=(1,), sessions=(1,), roi=(), stimuli=False).study["subj01"]
    assert whole.n_channels == 60 and whole.rois == []
    own = np.zeros(SHAPE, dtype=np.uint8)
    own[:2, 0] = 1
    save_nifti(tmp_path / "own.nii.gz", own)
    both = load_nsd(path=root, subjects=(1,), sessions=(1,), mask=tmp_path / "own.nii.gz", stimuli=False)
    assert both.study["subj01"].channels["name"].to_list() == ["x1y0z0", "x1y0z1", "x1y0z2"]


def test_regions_without_a_name_are_called_by_their_number(root):
    (root / "nsddata/freesurfer/subj01/label/prf-visualrois.mgz.ctab").write_text("1 V1v 0 0 0 0\n")
    recording = load_nsd(
        path=root, subjects=(1,), sessions=(1,), roi=("prf-visualrois",), stimuli=False
    ).study["subj01"]
    assert recording.rois == ["V1v", "prf-visualrois-2"]
    assert any("no name for the region(s) 2 of 'prf-visualrois'" in note for note in recording.notes)


def test_scaling_by_session_uses_all_trials_and_says_so(root):
    recording = load_nsd(path=root, subjects=(1,), zscore="session", stimuli=False).study["subj01"]
    for _, rows in recording.samples.groupby("session").indices.items():
        assert np.allclose(recording.data[rows].mean(axis=0), 0, atol=1e-5)
        assert np.allclose(recording.data[rows].std(axis=0), 1, atol=1e-4)
    assert any("statistics of all its trials, those of test pictures" in note for note in recording.notes)
    part = load_nsd(path=root, subjects=(1,), zscore="session", shared="shared1000", stimuli=False)
    kept = recording.samples["is_shared"].to_numpy()
    assert np.array_equal(part.study["subj01"].data, recording.data[kept])


def test_shared_pictures_are_those_of_the_design(root):
    every = load_nsd(path=root, subjects=(1, 2), sessions=(1, 2), shared="shared1000", stimuli=False)
    shared = {f"nsd-{number - 1:05d}" for number in subjectim()[0, :N_SHARED]}
    for recording in every.study.values():
        assert set(recording.stimulus_ids) <= shared and recording.samples["is_shared"].all()
    thrice = load_nsd(path=root, subjects=(1,), shared="shared515", stimuli=False).study["subj01"]
    last = f"nsd-{subjectim()[0, N_SHARED - 1] - 1:05d}"
    assert set(thrice.stimulus_ids) == shared - {last}
    assert (thrice.samples["stimulus_id"].value_counts() == 3).all()


def test_the_ceiling_is_that_of_the_loaded_repetitions(root):
    recording = load_nsd(path=root, subjects=(1,), sessions=(1, 2), stimuli=False).study["subj01"]
    ncsnr = recording.channels["ncsnr"].to_numpy()
    assert np.allclose(ncsnr, np.linspace(0, 1, 60).astype(np.float32).reshape(SHAPE)[general() > 0])
    counts = recording.samples["stimulus_id"].value_counts()
    a, b, c = ((counts == n).sum() for n in (3, 2, 1))
    assert a and b and c
    expected = ncsnr**2 / (ncsnr**2 + (a / 3 + b / 2 + c) / (a + b + c))
    assert np.allclose(recording.channels["noise_ceiling"], expected)


def test_pictures_are_rows_of_the_file_and_only_the_wanted_ones_are_written(root):
    dataset = load_nsd(path=root, subjects=(1,), sessions=(1,))
    wanted = dict.fromkeys(f"nsd-{row:05d}" for row in shown("subj01", 1))
    assert dataset.stimuli.stimulus_ids == list(wanted)
    for name in wanted:
        assert np.array_equal(np.asarray(dataset.stimuli.open(name)), PIXELS[int(name[4:])])
    folder = dataset.stimuli.folder
    assert folder.parent == (cache_folder() / "datasets").resolve()
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert set(before) == {f"{name}.png" for name in wanted}
    load_nsd(path=root, subjects=(1,), sessions=(1, 2))
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(after) > len(before) and {name: after[name] for name in before} == before


def test_pictures_may_be_a_folder_or_left_out(root, tmp_path):
    for row in range(N_ALL):
        (tmp_path / "png").mkdir(exist_ok=True)
        Image.fromarray(PIXELS[row]).save(tmp_path / f"png/nsd-{row:05d}.png")
    dataset = load_nsd(path=root, subjects=(1,), sessions=(1,), stimuli=tmp_path / "png")
    assert dataset.stimuli.folder == (tmp_path / "png").resolve()
    (root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5").unlink()
    dataset = load_nsd(path=root, subjects=(1,), sessions=(1,))
    assert dataset.stimuli is None and any("pictures are left out" in note for note in dataset.notes)
    with pytest.raises(MissingDataError, match="`stimuli` is .*none.hdf5, which does not exist"):
        load_nsd(path=root, subjects=(1,), sessions=(1,), stimuli=tmp_path / "none.hdf5")
    (tmp_path / "png" / f"nsd-{shown('subj01', 1)[0]:05d}.png").unlink()
    with pytest.raises(MissingDataError, match="1 of 11 stimuli have no image"):
        load_nsd(path=root, subjects=(1,), sessions=(1,), stimuli=tmp_path / "png")


def test_a_pictures_file_that_is_too_short_is_refused(root):
    with h5py.File(root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5", "w") as file:
        file["imgBrick"] = PIXELS[:3]
    with pytest.raises(InputError, match="holds 3 images, but 10 beyond them were shown: nsd-"):
        load_nsd(path=root, subjects=(1,), sessions=(1,))
    with h5py.File(root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5", "w") as file:
        file["imgBrick"] = PIXELS.astype(np.float32)
    with pytest.raises(InputError, match="8-bit colour images .*float32 of shape"):
        load_nsd(path=root, subjects=(1,), sessions=(1,))


def test_voxels_outside_the_mask_are_not_read(root):
    shape = (40, 40, 40)
    for name in ("brainmask", "roi/nsdgeneral"):
        mask = np.zeros(shape, dtype=np.int16)
        mask[10:14, 20, 20] = 1
        save_nifti(root / f"nsddata/ppdata/subj01/func1pt8mm/{name}.nii.gz", mask)
    betas_file(root).with_name("ncsnr.nii.gz").unlink()
    path = betas_file(root)
    with h5py.File(path, "w") as file:
        betas = file.create_dataset("betas", (N_TRIALS, *shape[::-1]), dtype="i2", chunks=(N_TRIALS, 1, 1, 1))
        betas[:, 20, 20, 10:14] = np.arange(4 * N_TRIALS).reshape(N_TRIALS, 4)
    load_nsd(path=root, subjects=(1,), sessions=(1,), stimuli=False)
    tracemalloc.start()
    load_nsd(path=root, subjects=(1,), sessions=(1,), stimuli=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    whole = 2 * N_TRIALS * np.prod(shape)
    # The masks themselves are read whole; the responses are 24 times as large.
    assert peak < 0.7 * whole


def test_a_voxel_without_responses_in_one_session_is_left_out(root):
    data = volume("subj01", 2)
    data[1, 2, 1] = 0
    save_hdf5(betas_file(root, 2), data)
    recording = load_nsd(path=root, subjects=(1,), sessions=(1, 2), stimuli=False).study["subj01"]
    assert recording.n_channels == 35 and "x1y2z1" not in set(recording.channels["name"])
    assert recording.geometry.n_channels == 35
    assert any("1 of 36 channels were dropped" in note for note in recording.notes)
    whole = load_nsd(path=root, subjects=(1,), sessions=(1,), stimuli=False).study["subj01"]
    keep = (whole.channels["name"] != "x1y2z1").to_numpy()
    assert np.array_equal(recording.data[:N_TRIALS], whole.data[:, keep])


def test_subjects_that_are_not_asked_for_are_not_read(root):
    for path in (root / "nsddata_betas/ppdata/subj02").rglob("*.hdf5"):
        path.write_bytes(b"damaged")
    dataset = load_nsd(path=root, subjects=(1,), sessions=(1,))
    assert dataset.subjects == ["subj01"] and not any("subj02" in str(file) for file in dataset.files)
    assert "1 of the set's 8 subjects are here: subj01." in dataset.notes
    with pytest.raises(InputError, match="betas_session01.hdf5 cannot be read as HDF5"):
        load_nsd(path=root)


def test_without_responses_tsv_there_is_no_run(root):
    path = root / "nsddata/ppdata/subj01/behav/responses.tsv"
    path.unlink()
    recording = load_nsd(path=root, subjects=(1,), sessions=(1,), stimuli=False).study["subj01"]
    assert "run" not in recording.samples and any("samples have no run" in n for n in recording.notes)
    write_responses(path, "subj01", [1])
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    recording = load_nsd(path=root, subjects=(1,), sessions=(1,), stimuli=False).study["subj01"]
    assert any("has 11 rows for 12 trials" in note for note in recording.notes)


def test_responses_tsv_that_names_other_pictures_is_refused(root):
    write_responses(root / "nsddata/ppdata/subj01/behav/responses.tsv", "subj02", [1])
    with pytest.raises(InputError, match="responses.tsv shows picture .* the design shows .*counted from 1"):
        load_nsd(path=root, subjects=(1,), sessions=(1,), stimuli=False)


def test_what_is_not_there_is_named(root, tmp_path):
    with pytest.raises(MissingDataError, match="is not whole: .*nsd_expdesign.mat"):
        load_nsd(path=tmp_path)
    with pytest.raises(MissingDataError, match="not on this computer .*Terms and Conditions"):
        load_nsd(path=tmp_path / "none")
    with pytest.raises(UnknownNameError, match="'subject1', did you mean 'subj01'"):
        load_nsd(path=root, subjects=("subject1",))
    with pytest.raises(UnknownNameError, match="is '9', .*Known: subj01"):
        load_nsd(path=root, subjects=(9,))
    with pytest.raises(
        MissingDataError, match="files of subj05 are not in .*there are those of subj01, subj02"
    ):
        load_nsd(path=root, subjects=(5,))
    with pytest.raises(InputError, match="`subjects` must be unique"):
        load_nsd(path=root, subjects=(1, "subj01"))
    with pytest.raises(InputError, match="`subjects` is empty"):
        load_nsd(path=root, subjects=())
    with pytest.raises(MissingDataError, match="session 7 of subj01 is not in .*there are 1, 2, 3, 4, 5"):
        load_nsd(path=root, subjects=(1,), sessions=(1, 7))
    with pytest.raises(InputError, match=r"different numbers in 1..40, got \[1, 41\]"):
        load_nsd(path=root, subjects=(1,), sessions=(1, 41))
    with pytest.raises(MissingDataError, match="holds no session of subj01"):
        load_nsd(path=_without_sessions(root), subjects=(1,))


def _without_sessions(root: Path) -> Path:
    for path in betas_file(root).parent.glob("betas_session*"):
        path.unlink()
    return root


def test_masks_that_are_not_there_or_lie_elsewhere_are_refused(root, tmp_path):
    with pytest.raises(MissingDataError, match="'prf-visual', did you mean 'prf-visualrois'"):
        load_nsd(path=root, subjects=(1,), roi=("prf-visual",))
    with pytest.raises(MissingDataError, match="`roi` names '../brainmask'"):
        load_nsd(path=root, subjects=(1,), roi=("../brainmask",))
    save_nifti(tmp_path / "shifted.nii.gz", np.ones(SHAPE, dtype=np.uint8), AFFINE + _shift())
    with pytest.raises(InputError, match="shifted.nii.gz lies on another grid .*func1pt8mm space of subj01"):
        load_nsd(path=root, subjects=(1,), mask=tmp_path / "shifted.nii.gz")
    with pytest.raises(InputError, match="`mask` is a volume, but `space` is 'fsaverage'"):
        load_nsd(path=root, subjects=(1,), space="fsaverage", mask=tmp_path / "shifted.nii.gz")
    save_nifti(tmp_path / "outside.nii.gz", (general() < 0).astype(np.uint8))
    with pytest.raises(InputError, match="no voxel lies in .*nsdgeneral.nii.gz, .*outside.nii.gz"):
        load_nsd(path=root, subjects=(1,), mask=tmp_path / "outside.nii.gz")
    # Another subject's responses: the grid differs, and says so.
    save_hdf5(betas_file(root), volume("subj01", 1)[:, :3])
    with pytest.raises(
        InputError, match="betas_session01.hdf5 has the grid 5 x 3 x 3 .*the mask has 5 x 4 x 3"
    ):
        load_nsd(path=root, subjects=(1,), sessions=(1,))


def _shift() -> np.ndarray:
    shift = np.zeros((4, 4))
    shift[0, 3] = 1.8
    return shift


def test_damaged_and_other_files_are_refused(root):
    content = betas_file(root).read_bytes()
    betas_file(root).write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="betas_session01.hdf5 cannot be read as HDF5 .*cut short"):
        load_nsd(path=root, subjects=(1,))
    with h5py.File(betas_file(root), "w") as file:
        file["betas"] = (volume("subj01", 1) / 300.0).T
    with pytest.raises(InputError, match="holds float64, the published files hold int16"):
        load_nsd(path=root, subjects=(1,))
    save_hdf5(betas_file(root), volume("subj01", 1)[..., :7])
    with pytest.raises(InputError, match="has 7 trials, by nsd_expdesign.mat a session has 12"):
        load_nsd(path=root, subjects=(1,))
    with h5py.File(betas_file(root), "w") as file:
        file["other"] = 1
    with pytest.raises(InputError, match="has no 'betas': 'betas', which is not known. Known: other"):
        load_nsd(path=root, subjects=(1,))
    with h5py.File(betas_file(root), "w") as file:
        file["betas"] = h5py.ExternalLink(str(betas_file(root, 2)), "betas")
    with pytest.raises(InputError, match="'betas' is a link to another place, which is not followed"):
        load_nsd(path=root, subjects=(1,))
    save_hdf5(betas_file(root), np.zeros((*SHAPE, N_TRIALS), dtype=np.int16))
    with pytest.raises(InputError, match="no voxel of subj01 has responses in every chosen session"):
        load_nsd(path=root, subjects=(1,))


def test_damaged_surfaces_and_volumes_are_refused(root):
    folder = root / "nsddata_betas/ppdata/subj01/fsaverage" / BETAS
    save_mgh(folder / "rh.betas_session01.mgh", np.zeros((N_VERTICES, 1, 1, 5)))
    with pytest.raises(
        InputError, match="lh.betas_session01.mgh has 12 trials but rh.betas_session01.mgh has 5"
    ):
        load_nsd(path=root, subjects=(1,), space="fsaverage", sessions=(1,))
    save_mgh(folder / "rh.betas_session01.mgh", np.zeros((4, 1, 1, N_TRIALS)))
    with pytest.raises(InputError, match=r"has shape \(4, 1, 1, 12\), a mesh of 9 vertices"):
        load_nsd(path=root, subjects=(1,), space="fsaverage", sessions=(1,))
    path = betas_file(root).with_suffix(".nii.gz")
    betas_file(root).unlink()
    image = nib.Nifti1Image(volume("subj01", 1), AFFINE)
    image.header.set_slope_inter(0.5, 0)
    nib.save(image, path)
    with pytest.raises(InputError, match="four dimensions without scaling"):
        load_nsd(path=root, subjects=(1,), sessions=(1,))
    save_nifti(path, volume("subj01", 1)[:4])
    with pytest.raises(InputError, match="session01.nii.gz has the grid 4 x 4 x 3 .*the mask has 5 x 4 x 3"):
        load_nsd(path=root, subjects=(1,), sessions=(1,))
    save_nifti(path, volume("subj01", 1))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="session01.nii.gz cannot be read as a NIfTI image"):
        load_nsd(path=root, subjects=(1,), sessions=(1,))


@pytest.mark.parametrize(
    "change",
    [
        {"subjectim": subjectim()[:7]},
        {"subjectim": subjectim()[:, ::-1]},
        {"masterordering": masterordering()[None, :-1]},
        {"masterordering": masterordering()[None] - 1},
    ],
)
def test_another_design_is_refused(root, change):
    design = {"masterordering": masterordering()[None], "subjectim": subjectim()}
    design |= {"sharedix": np.sort(subjectim()[:1, :N_SHARED])}
    savemat(root / "nsddata/experiments/nsd/nsd_expdesign.mat", design | change)
    with pytest.raises(InputError, match="is not the published design: `masterordering`"):
        load_nsd(path=root, subjects=(1,), sessions=(1,))


def test_no_shared_picture_in_the_chosen_sessions_is_an_error(root):
    design = {"masterordering": np.full((1, N_SESSIONS * N_TRIALS), N_IMAGES), "subjectim": subjectim()}
    design |= {"sharedix": np.sort(subjectim()[:1, :N_SHARED])}
    savemat(root / "nsddata/experiments/nsd/nsd_expdesign.mat", design)
    (root / "nsddata/ppdata/subj01/behav/responses.tsv").unlink()
    with pytest.raises(InputError, match="sessions of subj01 show no picture of 'shared1000'"):
        load_nsd(path=root, subjects=(1,), sessions=(1,), shared="shared1000")


def test_all_vertices_and_masks_of_another_mesh(root):
    whole = load_nsd(path=root, subjects=(1,), space="fsaverage", sessions=(1,), roi=(), stimuli=False)
    assert np.allclose(whole.study["subj01"].data, percent("subj01", 1, 2 * N_VERTICES), atol=1e-5)
    labels = root / "nsddata/freesurfer/fsaverage/label"
    for side in ("lh", "rh"):
        save_mgh(labels / f"{side}.streams.mgz", np.ones((4, 1, 1)))
    with pytest.raises(InputError, match=r"masks of nsdgeneral, streams have meshes of .*\(4, 4\)"):
        load_nsd(path=root, subjects=(1,), space="fsaverage", roi=("nsdgeneral", "streams"))
    with pytest.raises(MissingDataError, match="'stream', did you mean 'streams'"):
        load_nsd(path=root, subjects=(1,), space="fsaverage", roi=("stream",))


def test_options_are_checked_and_can_be_written_in_a_configuration(root):
    with pytest.raises(UnknownNameError, match="`betas` is 'betas_fithrf_RR', did you mean 'betas_fithrf"):
        load_nsd(path=root, betas="betas_fithrf_RR")
    with pytest.raises(UnknownNameError, match="`space` is 'mni', which is not known"):
        load_nsd(path=root, space="mni")
    written = {"path": str(root), "subjects": [1, "subj02"], "sessions": [1], "roi": ["nsdgeneral"]}
    options = check_options(load_nsd, written | {"stimuli": False}, where="dataset")
    assert load_nsd(**options).subjects == ["subj01", "subj02"]
