"""Miniature BIDS trees in the true layout."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

TR_S = 2.0
SHAPE = (4, 3, 2)
N_VOLUMES = 44
STIMULI = ("cat", "dog", "house", "tree")
ONSETS = tuple(6.0 + 8 * k for k in range(8))
AFFINES = {"T1w": np.diag([-2.0, 2, 2, 1]), "MNI152NLin2009cAsym": np.diag([-3.0, 3, 3, 1])}
DESCRIPTION = {"Name": "made", "BIDSVersion": "1.9.0", "DatasetType": "raw"}
FMRIPREP = {
    "Name": "fMRIPrep outputs",
    "BIDSVersion": "1.9.0",
    "DatasetType": "derivative",
    "GeneratedBy": [{"Name": "fMRIPrep", "Version": "23.1.3"}],
}


def write(root, name, content=""):
    """Write one file of a tree: text, bytes or JSON."""
    path = Path(root) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(json.dumps(content) if isinstance(content, dict) else content)
    return path


@pytest.fixture
def plant():
    """Return a function that writes files (name -> content, or names of empty ones) under a folder."""

    def plant(root, files):
        contents = files if isinstance(files, dict) else dict.fromkeys(files, "")
        for name, content in contents.items():
            write(root, name, content)
        return Path(root)

    return plant


@pytest.fixture
def settle():
    """Return a function that makes a tree look as if it had been written an hour ago."""

    def settle(root):
        for folder, _, _ in os.walk(root):
            old = Path(folder).stat().st_mtime - 3600
            os.utime(folder, (old, old))

    return settle


@dataclass
class Scanned:
    """A data set of fMRI on disk, and the pattern that each stimulus evokes in each subject's voxels."""

    folder: Path
    patterns: dict[str, np.ndarray]
    runs: list[tuple[str, str, int]] = field(default_factory=list)


def order_of(seed):
    """Return which stimulus is shown at each onset."""
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(STIMULI)), 2))


def series_of(patterns, order, seed, *, start_s=0.0):
    """Return volumes (n_volumes, n_channels): a level, noise, and from 4 to 8 s after onset the pattern."""
    rng = np.random.default_rng(seed)
    times = start_s + TR_S * np.arange(N_VOLUMES)
    data = 1000 + 2 * rng.standard_normal((N_VOLUMES, patterns.shape[1]))
    for onset, stimulus in zip(ONSETS, order, strict=True):
        data[(times >= onset + 4) & (times < onset + 8)] += 10 * patterns[stimulus]
    return data.astype(np.float32)


def events_text(order, *, files=True):
    rows = ["onset\tduration\ttrial_type\tstim_file" if files else "onset\tduration\ttrial_type"]
    for onset, stimulus in zip(ONSETS, order, strict=True):
        name = STIMULI[stimulus]
        kind = "living" if name in ("cat", "dog", "tree") else "made"
        rows.append(f"{onset}\t4.0\t{kind}\timages/{name}.png" if files else f"{onset}\t4.0\t{name}")
    return "\n".join(rows) + "\n"


def save_volume(path, data, affine, *, tr_s=TR_S):
    import nibabel as nib

    image = nib.Nifti1Image(data, affine)
    if data.ndim == 4:
        image.header.set_zooms((*image.header.get_zooms()[:3], tr_s))
    image.header.set_xyzt_units("mm", "sec")
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)


@pytest.fixture(scope="session")
def _scanned_once(tmp_path_factory):
    return _make_scanned(tmp_path_factory.mktemp("scanned") / "ds")


@pytest.fixture
def scanned(_scanned_once, tmp_path):
    """Return a data set of 2 subjects x 2 sessions x 2 runs, raw and with fMRIPrep's outputs in two "
    "spaces."""
    folder = shutil.copytree(_scanned_once.folder, tmp_path / "ds")
    return replace(_scanned_once, folder=folder)


@pytest.fixture
def make_scanned():
    """Return the function that writes such a data set."""
    return _make_scanned


def _make_scanned(root, *, subjects=("01", "02"), sessions=("a", "b"), n_runs=2, start_s=0.0):
    """Write it."""
    from PIL import Image

    rng = np.random.default_rng(7)
    made = Scanned(root, {})
    write(root, "dataset_description.json", DESCRIPTION)
    write(root, "participants.tsv", "participant_id\tage\nsub-01\t30\nsub-02\t31\n")
    write(root, "task-look_bold.json", {"RepetitionTime": TR_S, "TaskName": "look"})
    write(root, "derivatives/fmriprep/dataset_description.json", FMRIPREP)
    for number, name in enumerate(STIMULI):
        (root / "stimuli" / "images").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (60 * number, 10, 20)).save(root / "stimuli" / "images" / f"{name}.png")
    for sub in subjects:
        made.patterns[sub] = rng.standard_normal((len(STIMULI), int(np.prod(SHAPE))))
        for ses in sessions:
            for run in range(1, n_runs + 1):
                made.runs.append((sub, ses, run))
                seed = len(made.runs)
                order = order_of(seed)
                place, start = f"sub-{sub}/ses-{ses}/func", f"sub-{sub}_ses-{ses}_task-look_run-{run:02d}"
                write(root, f"{place}/{start}_events.tsv", events_text(order))
                prep = root / "derivatives" / "fmriprep" / place
                raw = series_of(made.patterns[sub], order, 100 + seed)
                save_volume(root / place / f"{start}_bold.nii.gz", raw.T.reshape(*SHAPE, -1), np.eye(4))
                for space, affine in AFFINES.items():
                    seed_of = 200 + seed if space == "T1w" else 300 + seed
                    data = series_of(made.patterns[sub], order, seed_of, start_s=start_s)
                    stem = f"{start}_space-{space}"
                    save_volume(prep / f"{stem}_desc-preproc_bold.nii.gz", data.T.reshape(*SHAPE, -1), affine)
                    facts = {"RepetitionTime": TR_S, **({"StartTime": start_s} if start_s else {})}
                    write(prep, f"{stem}_desc-preproc_bold.json", facts)
                    mask = np.ones(SHAPE, np.uint8)
                    # Every run lacks a voxel of its own.
                    mask.flat[run - 1] = 0
                    save_volume(prep / f"{stem}_desc-brain_mask.nii.gz", mask, affine)
                motion = np.random.default_rng(seed).standard_normal((N_VOLUMES, 6))
                names = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
                lines = ["\t".join(names), *("\t".join(f"{v:.4f}" for v in row) for row in motion)]
                write(prep, f"{start}_desc-confounds_timeseries.tsv", "\n".join(lines) + "\n")
    return made


def _derived_runs(scanned):
    """Give the folder, the names' start and the volumes of every preprocessed run."""
    for number, (sub, ses, run) in enumerate(scanned.runs, start=1):
        place = scanned.folder / "derivatives" / "fmriprep" / f"sub-{sub}" / f"ses-{ses}" / "func"
        data = series_of(scanned.patterns[sub], order_of(number), 400 + number)
        yield place, f"sub-{sub}_ses-{ses}_task-look_run-{run:02d}", data


@pytest.fixture
def plant_surfaces():
    """Return a function that adds both hemispheres of every run as GIfTI."""
    import nibabel as nib

    def plant(scanned, space="fsaverage5"):
        for place, start, data in _derived_runs(scanned):
            for hemi, part in (("L", data[:, :12]), ("R", data[:, 12:])):
                image = nib.GiftiImage()
                for volume in part:
                    array = nib.gifti.GiftiDataArray(
                        volume, intent="NIFTI_INTENT_TIME_SERIES", datatype="NIFTI_TYPE_FLOAT32"
                    )
                    array.meta["TimeStep"] = str(TR_S)
                    image.add_gifti_data_array(array)
                nib.save(image, place / f"{start}_hemi-{hemi}_space-{space}_bold.func.gii")
                write(place, f"{start}_hemi-{hemi}_space-{space}_bold.json", {"RepetitionTime": TR_S})

    return plant


@pytest.fixture
def plant_cifti():
    """Return a function that adds every run as a dense time series."""
    import nibabel as nib

    def plant(scanned):
        axes = nib.cifti2.cifti2_axes
        half = np.ones(12, dtype=bool)
        models = axes.BrainModelAxis.from_mask(half, name="CortexLeft")
        models += axes.BrainModelAxis.from_mask(half, name="CortexRight")
        for place, start, data in _derived_runs(scanned):
            header = nib.cifti2.Cifti2Header.from_axes((axes.SeriesAxis(0, TR_S, N_VOLUMES), models))
            nib.save(
                nib.cifti2.Cifti2Image(data, header), place / f"{start}_space-fsLR_den-91k_bold.dtseries.nii"
            )
            write(place, f"{start}_space-fsLR_den-91k_bold.json", {"RepetitionTime": TR_S})

    return plant
