"""The dataset `nifti`: a BIDS folder, one file for each run, and nothing outside it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets import DATASETS, read_bold
from alignkit.pipelines.options import check_options

SHAPE = (3, 3, 2)


def load(folder, **options):
    return DATASETS["nifti"](folder=folder, **options)


@pytest.fixture
def bids(tmp_path, save_image, save_events):
    """Two subjects, two runs each, with mask, atlas and images."""
    folder = tmp_path / "study"
    rng = np.random.default_rng(0)
    for subject in ("01", "02"):
        func = folder / f"sub-{subject}" / "func"
        stem = f"sub-{subject}_task-images"
        for run in (1, 2):
            name = f"{stem}_run-{run:02d}"
            save_image(
                func / f"{name}_bold.nii.gz", 500 + rng.standard_normal((*SHAPE, 15)).astype(np.float32)
            )
            rows = [(2, 2, "animal"), (6, 2, "object"), (10, 2, "animal")]
            save_events(func / f"{name}_events.tsv", rows, stim_file=["cat.png", "cup.png", "dog.png"])
        save_image(func / f"{stem}_mask.nii.gz", np.ones(SHAPE, np.uint8))
        save_image(func / f"{stem}_dseg.nii.gz", np.repeat([1, 2, 0], 6).reshape(SHAPE).astype(np.int16))
        (func / f"{stem}_dseg.tsv").write_text("index\tname\n1\tEarly\n2\tLate\n")
    (folder / "stimuli").mkdir()
    for name in ("cat", "cup", "dog"):
        Image.new("RGB", (4, 4)).save(folder / "stimuli" / f"{name}.png")
    return folder


def func(folder, subject="01"):
    return folder / f"sub-{subject}" / "func"


def test_a_bids_folder_becomes_a_study(bids):
    dataset = load(bids)
    assert dataset.subjects == ["sub-01", "sub-02"]
    assert dataset.rois == ["Early", "Late"]
    assert dataset.stimuli.stimulus_ids == ["cat", "cup", "dog"]
    assert dataset.labels.to_dict("list") == {
        "stimulus_id": ["cat", "cup", "dog"],
        "trial_type": ["animal", "object", "animal"],
    }
    recording = dataset.study["sub-01"]
    assert recording.samples["run"].to_list() == [1, 1, 1, 2, 2, 2]
    assert repr(recording) == (
        "Recording(sub-01, fmri, percent signal change: 6 samples of 3 stimuli; 18 channels; "
        "regions Early, Late)"
    )
    assert len(dataset.files) == 2 * (4 + 3)


def test_the_recording_is_that_of_read_bold(bids):
    names = [f"sub-02_task-images_run-0{run}" for run in (1, 2)]
    direct = read_bold(
        [func(bids, "02") / f"{name}_bold.nii.gz" for name in names],
        events=[func(bids, "02") / f"{name}_events.tsv" for name in names],
        delay_s=4.0,
    )
    recording = load(bids, subjects=["sub-02"], delay_s=4.0).study["sub-02"]
    np.testing.assert_array_equal(recording.data, direct.data)


def test_sessions_are_read_in_order_and_runs_counted_through(bids):
    for session in ("1", "2"):
        target = bids / "sub-01" / f"ses-{session}" / "func"
        target.mkdir(parents=True)
        for path in func(bids).glob("*_run-*"):
            shutil.copy(path, target / path.name.replace("sub-01", f"sub-01_ses-{session}"))
    shutil.rmtree(func(bids))
    samples = load(bids, subjects=["01"]).study["sub-01"].samples
    assert samples["session"].to_list() == ["1"] * 6 + ["2"] * 6
    assert samples["run"].drop_duplicates().to_list() == [1, 2, 3, 4]


def test_the_space_entity_names_the_space(bids):
    for path in func(bids).glob("*_bold.nii.gz"):
        path.rename(path.with_name(path.name.replace("_bold", "_space-MNI152NLin2009cAsym_bold")))
    assert load(bids, subjects=["01"]).study["sub-01"].geometry.space == "MNI152NLin2009cAsym"
    assert load(bids, subjects=["02"]).study["sub-02"].geometry.space == "native"
    assert load(bids, subjects=["02"], space="T1w").study["sub-02"].geometry.space == "T1w"


def test_mask_and_atlas_are_optional_by_default_only(bids):
    for path in func(bids).glob("*_mask.nii.gz"):
        path.unlink()
    for path in func(bids).glob("*_dseg.*"):
        path.unlink()
    dataset = load(bids, subjects=["01"])
    assert dataset.rois == ["all"]
    assert dataset.notes == ("sub-01: No mask was given: every voxel that varies is a channel.",)
    with pytest.raises(MissingDataError, match="no file of sub-01 fits 'sub-{subject}/brain.nii.gz'"):
        load(bids, subjects=["01"], mask="sub-{subject}/brain.nii.gz")


def test_volume_labels_take_the_place_of_events(bids):
    (bids / "sub-01" / "labels.txt").write_text(
        "".join(f"{'cat' if k % 2 else 'cup'} {k // 8}\n" for k in range(15))
    )
    dataset = load(
        bids,
        subjects=["01"],
        bold="sub-{subject}/func/*run-01_bold.nii.gz",
        volume_labels="sub-{subject}/labels.txt",
        delay_s=0.0,
    )
    assert dataset.study["sub-01"].samples["run"].to_list() == [0] * 8 + [1] * 7
    assert dataset.stimuli.stimulus_ids == ["cup", "cat"]


def test_two_files_of_one_run_are_refused(bids):
    one = func(bids) / "sub-01_task-images_run-01_bold.nii.gz"
    shutil.copy(one, one.with_name("sub-01_task-images_run-1_desc-preproc_bold.nii.gz"))
    with pytest.raises(
        InputError, match="run-01_bold.nii.gz and .*desc-preproc.* are both run 1 of one session"
    ):
        load(bids)
    load(bids, bold="sub-{subject}/func/*_run-0?_bold.nii.gz")


def test_series_and_events_without_a_partner_are_named(bids):
    path = func(bids) / "sub-01_task-images_run-02_events.tsv"
    text = path.read_text()
    path.unlink()
    with pytest.raises(MissingDataError, match="1 of 2 files of sub-01 have no events .*run-02_bold.nii.gz"):
        load(bids)
    path.write_text(text)
    (func(bids) / "sub-01_task-images_run-01_bold.nii.gz").unlink()
    with pytest.raises(
        MissingDataError, match="1 of 2 files of sub-01 have no BOLD series .*run-01_events.tsv"
    ):
        load(bids)


def test_subjects_that_are_not_there_are_named(bids, tmp_path):
    with pytest.raises(MissingDataError, match=r"subject\(s\) 07 are not in .*; there are 01, 02"):
        load(bids, subjects=["01", "07"])
    with pytest.raises(MissingDataError, match="../sub-01 are not in"):
        load(bids, subjects=["../sub-01"])
    with pytest.raises(MissingDataError, match=r"subject\(s\) \(none\)"):
        load(bids, subjects=[])
    shutil.rmtree(func(bids, "02"))
    with pytest.raises(MissingDataError, match="no BOLD series of sub-02 fits"):
        load(bids)
    with pytest.raises(MissingDataError, match="does not exist; give the one that holds sub-"):
        load(tmp_path / "nowhere")
    with pytest.raises(MissingDataError, match="holds no sub-. folder"):
        load(bids / "stimuli")


def test_no_path_leaves_the_folder(bids, tmp_path):
    for pattern in ("../sub-{subject}/*.nii.gz", "/etc/*", "sub-{subject}/../../*"):
        with pytest.raises(InputError, match="must stay inside"):
            load(bids, bold=pattern)
    outside = tmp_path / "outside.nii.gz"
    inside = func(bids) / "sub-01_task-images_run-01_bold.nii.gz"
    inside.rename(outside)
    inside.symlink_to(outside)
    with pytest.raises(InputError, match="is a link that leaves"):
        load(bids)


def test_several_masks_are_refused(bids):
    one = next(func(bids).glob("*_mask.nii.gz"))
    shutil.copy(one, one.with_name("sub-01_task-images_desc-brain_mask.nii.gz"))
    with pytest.raises(InputError, match="2 files of sub-01 fit .* narrow it to one"):
        load(bids)


def test_stimuli_without_an_image_are_named(bids):
    (bids / "stimuli" / "cup.png").unlink()
    with pytest.raises(MissingDataError, match="1 of 3 stimuli with responses have no image in .*: cup.png"):
        load(bids)


def test_stimulus_files_outside_the_folder_are_refused(bids):
    Image.new("RGB", (4, 4)).save(bids / "cat.png")
    for path in bids.rglob("*_events.tsv"):
        path.write_text(path.read_text().replace("cat.png", "../cat.png"))
    with pytest.raises(InputError, match="lies outside"):
        load(bids)


def test_images_elsewhere_and_ids_by_trial_type(bids, tmp_path):
    (tmp_path / "pictures").mkdir()
    for name in ("animal", "object", "plant"):
        Image.new("RGB", (4, 4)).save(tmp_path / "pictures" / f"{name}.jpg")
    for path in bids.rglob("*_events.tsv"):
        lines = [line.rsplit("\t", 1)[0] for line in path.read_text().splitlines()]
        path.write_text("\n".join(lines) + "\n")
    dataset = load(bids, stimuli=tmp_path / "pictures", conditions="stimulus_id")
    assert dataset.stimuli.stimulus_ids == ["animal", "object"]
    assert dataset.notes == ("1 images without a response were left out: plant.",)
    assert dataset.conditions == "stimulus_id"
    with pytest.raises(InputError, match="`conditions` is 'block', the samples have the columns stimulus_id"):
        load(bids, stimuli=tmp_path / "pictures", conditions="block")


def test_one_image_of_two_stimuli_is_refused(bids):
    for path in bids.rglob("*_events.tsv"):
        header, *rows = path.read_text().splitlines()
        rows = [f"{row}\tid{number}" for number, row in enumerate(rows)]
        path.write_text("\n".join([f"{header}\tstimulus_id", *rows]).replace("dog.png", "cat.png") + "\n")
    with pytest.raises(InputError, match="the image 'cat.png' belongs to several stimulus ids"):
        load(bids)


def test_confounds_are_paired_with_their_runs(bids):
    rng = np.random.default_rng(4)
    tables = {}
    for subject in ("01", "02"):
        for run in (1, 2):
            name = f"sub-{subject}_task-images_run-{run:02d}_desc-confounds_timeseries.tsv"
            values = rng.standard_normal((15, 6))
            tables[subject, run] = func(bids, subject) / name
            header = "trans_x\ttrans_y\ttrans_z\trot_x\trot_y\trot_z"
            np.savetxt(tables[subject, run], values, delimiter="\t", header=header, comments="")
    recording = load(bids, subjects=["02"], confound_columns="motion6").study["sub-02"]
    names = [f"sub-02_task-images_run-0{run}" for run in (1, 2)]
    direct = read_bold(
        [func(bids, "02") / f"{name}_bold.nii.gz" for name in names],
        events=[func(bids, "02") / f"{name}_events.tsv" for name in names],
        confounds=[tables["02", 1], tables["02", 2]],
        confound_columns="motion6",
    )
    np.testing.assert_array_equal(recording.data, direct.data)
    assert np.abs(recording.data - load(bids, subjects=["02"]).study["sub-02"].data).max() > 1e-3
    tables["02", 2].unlink()
    with pytest.raises(MissingDataError, match="1 of 2 files of sub-02 have no confounds .*run-02_bold"):
        load(bids, subjects=["02"], confound_columns="motion6")
    load(bids, subjects=["02"])


def test_every_volume_needs_neither_events_nor_images(bids):
    with_events = load(bids, subjects=["01"], average="volume")
    assert with_events.stimuli is None
    assert set(with_events.study["sub-01"].samples["event"]) == {"", "cat", "cup", "dog"}
    for path in func(bids).glob("*_events.tsv"):
        path.unlink()
    dataset = load(bids, subjects=["01"], average="volume", smoothing_fwhm_mm=2.0, drop_volumes=1)
    assert dataset.study["sub-01"].n_samples == 2 * 14
    with pytest.raises(MissingDataError, match="have no events"):
        load(bids, subjects=["01"])


def test_an_atlas_may_be_a_name(bids, monkeypatch, tmp_path):
    monkeypatch.setenv("NILEARN_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(MissingDataError, match="the atlas 'aal' is not on this computer"):
        load(bids, subjects=["01"], atlas="aal", space="MNI152NLin6Asym")


@pytest.mark.parametrize("columns", ["motion24+wm+csf", ["trans_?", "a_comp_cor_0*"]])
def test_options_can_be_written_in_a_configuration(tmp_path, columns):
    options = {"folder": str(tmp_path), "confound_columns": columns, "average": "volume", "drop_volumes": 2}
    checked = check_options(DATASETS["nifti"], options, where="data")
    assert checked["confound_columns"] == columns
    with pytest.raises(InputError, match="data: .*confound_columns"):
        check_options(DATASETS["nifti"], {**options, "confound_columns": 3}, where="data")
