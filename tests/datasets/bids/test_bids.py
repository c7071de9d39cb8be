"""load_bids: fMRI of every form, chosen by entities, with a planted response that is recovered."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets.bids.bids import load_bids

PREP = {"derivative": "fmriprep", "space": "T1w"}
STIMULI = ["cat", "dog", "house", "tree"]
FAST = {"delay_s": 4.0, "duration_s": 4.0}


def pattern_match(recording, planted):
    """Return the mean correlation over channels of mean responses with patterns (a row per stimulus)."""
    means = recording.average_repetitions().align(STIMULI).data
    return np.mean([np.corrcoef(means[:, v], planted[:, v])[0, 1] for v in range(planted.shape[1])])


def test_sessions_and_runs_are_joined_and_the_planted_pattern_is_recovered(scanned):
    dataset = load_bids(folder=scanned.folder, **PREP, **FAST)
    assert dataset.subjects == ["sub-01", "sub-02"]
    # The brain masks of the runs share all voxels but one each.
    keep = list(range(2, 24))
    for subject, other in (("01", "02"), ("02", "01")):
        recording = dataset.study[f"sub-{subject}"]
        assert recording.n_samples == 2 * 2 * 8
        assert [int(n[1]) * 6 + int(n[3]) * 2 + int(n[5]) for n in recording.channels["name"]] == keep
        assert pattern_match(recording, scanned.patterns[subject][:, keep]) > 0.9
        assert abs(pattern_match(recording, scanned.patterns[other][:, keep])) < 0.4
        assert recording.geometry.space == "T1w"


def test_samples_say_session_task_and_run(scanned):
    samples = load_bids(folder=scanned.folder, **PREP).study["sub-01"].samples
    found = samples[["session", "task", "run", "run_in_session"]].drop_duplicates().to_numpy().tolist()
    assert found == [["a", "look", 1, 1], ["a", "look", 2, 2], ["b", "look", 3, 1], ["b", "look", 4, 2]]
    assert samples["repetition"].max() == 8
    assert samples["onset_s"].to_list()[:3] == [6.0, 14.0, 22.0]
    one = load_bids(folder=scanned.folder, sessions=["ses-b"], subjects=["02"], runs=[2], **PREP)
    samples = one.study["sub-02"].samples
    assert samples[["session", "run", "run_in_session"]].drop_duplicates().to_numpy().tolist() == [
        ["b", 2, 2]
    ]


def test_stim_files_give_the_stimuli_and_columns_the_labels(scanned):
    dataset = load_bids(folder=scanned.folder, **PREP)
    assert sorted(dataset.stimuli.stimulus_ids) == ["cat", "dog", "house", "tree"]
    assert dataset.stimuli.path("dog") == (scanned.folder / "stimuli" / "images" / "dog.png").resolve()
    assert dataset.stimuli.open("cat").size == (4, 4)
    labels = dataset.labels.set_index("stimulus_id")["trial_type"].to_dict()
    assert labels == {"cat": "living", "dog": "living", "house": "made", "tree": "living"}
    assert [column for column in dataset.labels.columns] == ["stimulus_id", "trial_type"]


def test_trial_types_choose_rows_and_another_column_may_name_the_stimulus(scanned):
    dataset = load_bids(folder=scanned.folder, trial_types=["living"], **PREP)
    assert set(dataset.study["sub-01"].stimulus_ids) == {"cat", "dog", "tree"}
    dataset = load_bids(folder=scanned.folder, id_column="trial_type", **PREP)
    assert set(dataset.study["sub-01"].stimulus_ids) == {"living", "made"}
    with pytest.raises(InputError, match="names no stimulus in the column 'stim_file' with a trial_type in"):
        load_bids(folder=scanned.folder, trial_types=["dead"], **PREP)
    with pytest.raises(
        InputError, match="`id_column` is 'picture', which is not known. Known: duration, onset"
    ):
        load_bids(folder=scanned.folder, id_column="picture", **PREP)


def test_nothing_is_guessed_where_there_are_choices(scanned):
    with pytest.raises(
        InputError, match="2 choices for `derivative` .raw, fmriprep.; name one. There is: dat"
    ):
        load_bids(folder=scanned.folder)
    with pytest.raises(
        InputError, match="2 choices for `space` .MNI152NLin2009cAsym, T1w.*8 runs of 2 subjects"
    ):
        load_bids(folder=scanned.folder, derivative="fmriprep")
    with pytest.raises(MissingDataError, match="`space` is 'MNI', .*Known: MNI152NLin2009cAsym, T1w"):
        load_bids(folder=scanned.folder, derivative="fmriprep", space="MNI")
    with pytest.raises(MissingDataError, match="`derivative` is 'fmriprp', did you mean 'fmriprep'"):
        load_bids(folder=scanned.folder, derivative="fmriprp")
    assert load_bids(folder=scanned.folder, derivative="raw").study["sub-01"].geometry.space == "native"


def test_notes_say_who_made_the_data_and_which_voxels_are_left(scanned):
    dataset = load_bids(folder=scanned.folder, **PREP)
    assert dataset.notes[0] == "The data are the derivative fmriprep, made by fMRIPrep 23.1.3."
    assert (
        "sub-01: The mask is what the brain masks of 4 runs share: 22 voxels, of at most 23 in one run."
        in dataset.notes
    )
    assert len([path for path in dataset.files if path.name.endswith("_events.tsv")]) == 8
    assert len([path for path in dataset.files if path.name.endswith("_mask.nii.gz")]) == 8


def test_a_mask_may_be_a_file_or_none(scanned, save_image):
    import nibabel as nib

    one = np.zeros((4, 3, 2), np.uint8)
    one[3, 2] = 1
    path = save_image(scanned.folder / "mask.nii.gz", one, affine=np.diag([-2.0, 2, 2, 1]))
    names = load_bids(folder=scanned.folder, mask=path, **PREP).study["sub-01"].channels["name"]
    assert names.to_list() == ["x3y2z0", "x3y2z1"]
    assert load_bids(folder=scanned.folder, mask="none", **PREP).study["sub-01"].n_channels == 24
    other = scanned.folder / "sub-01_space-MNI152NLin2009cAsym_desc-brain_mask.nii.gz"
    nib.save(nib.load(path), other)
    with pytest.raises(
        InputError, match="mask sub-01_space-MNI.* is in the space 'MNI152NLin2009cAsym', the ser"
    ):
        load_bids(folder=scanned.folder, mask=other, **PREP)
    moved = save_image(scanned.folder / "moved.nii.gz", one, affine=np.eye(4))
    with pytest.raises(InputError, match="mask .*moved.nii.gz lies on another grid .*resample_mask"):
        load_bids(folder=scanned.folder, mask=moved, **PREP)


def test_brain_masks_are_all_or_none(scanned):
    masks = sorted(scanned.folder.rglob("*space-T1w_desc-brain_mask.nii.gz"))
    masks[0].unlink()
    with pytest.raises(
        MissingDataError, match="1 of 4 runs have no brain mask .*sub-01_ses-a_task-look_run-1. Add"
    ):
        load_bids(folder=scanned.folder, **PREP)
    for mask in masks[1:]:
        mask.unlink()
    dataset = load_bids(folder=scanned.folder, **PREP)
    assert "sub-01: No mask was given: every voxel that varies is a channel." in dataset.notes
    with pytest.raises(MissingDataError, match="4 of 4 runs have no brain mask"):
        load_bids(folder=scanned.folder, mask="brain", **PREP)


def test_confounds_of_the_derivative_are_regressed_out(scanned):
    plain = load_bids(folder=scanned.folder, **PREP)
    clean = load_bids(folder=scanned.folder, confound_columns="motion6", **PREP)
    assert not np.allclose(plain.study["sub-01"].data, clean.study["sub-01"].data)
    assert len([path for path in clean.files if "confounds" in path.name]) == 8
    with pytest.raises(
        MissingDataError, match="`confound_columns` is given, but 4 of 4 runs have no confounds"
    ):
        load_bids(folder=scanned.folder, derivative="raw", confound_columns="motion6")


def test_names_of_old_fmriprep_are_read_alike(scanned):
    new = load_bids(folder=scanned.folder, confound_columns="motion6", **PREP)
    for path in sorted((scanned.folder / "derivatives" / "fmriprep").rglob("sub-*_*")):
        if "space-MNI" in path.name or path.suffix == ".json":
            path.unlink()
            continue
        name = path.name.replace("_space-T1w_desc-preproc_bold", "_bold_space-T1w_preproc")
        name = name.replace("_space-T1w_desc-brain_mask", "_bold_space-T1w_brainmask")
        path.rename(path.with_name(name.replace("_desc-confounds_timeseries", "_bold_confounds")))
    old = load_bids(folder=scanned.folder, derivative="fmriprep", confound_columns="motion6")
    for subject, recording in old.study.items():
        np.testing.assert_array_equal(recording.data, new.study[subject].data)
    for path in (scanned.folder / "derivatives" / "fmriprep").rglob("*_bold_confounds.tsv"):
        path.rename(path.with_name(path.name.replace("_bold_confounds", "_desc-confounds_regressors")))
    old = load_bids(folder=scanned.folder, derivative="fmriprep", confound_columns="motion6")
    np.testing.assert_array_equal(old.study["sub-01"].data, new.study["sub-01"].data)


def test_slice_time_correction_moves_the_volumes(tmp_path, make_scanned):
    moved = make_scanned(tmp_path / "moved", subjects=("01",), sessions=("a",), start_s=1.0)
    dataset = load_bids(folder=moved.folder, **PREP, **FAST)
    assert "sub-01: Volumes are taken 1 s after their begin (StartTime of the sidecars)." in dataset.notes
    same = load_bids(folder=moved.folder, start_time_s=1.0, **PREP, **FAST)
    np.testing.assert_array_equal(dataset.study["sub-01"].data, same.study["sub-01"].data)
    # The response begins 4 s after onset: the volume taken 3 to 5 s after it, at 3 s, has none yet.
    early = {"delay_s": 3.0, "duration_s": 2.0, **PREP}
    right = load_bids(folder=moved.folder, **early).study["sub-01"].average_repetitions()
    wrong = load_bids(folder=moved.folder, start_time_s=0.0, **early).study["sub-01"].average_repetitions()
    assert wrong.data.std(axis=0).mean() > 4 * right.data.std(axis=0).mean()


def test_every_volume_can_be_a_sample_with_or_without_events(scanned):
    dataset = load_bids(folder=scanned.folder, average="volume", **PREP)
    recording = dataset.study["sub-01"]
    assert recording.n_samples == 4 * 44
    assert recording.samples["run"].to_list()[::44] == [1, 2, 3, 4]
    for path in scanned.folder.rglob("*_events.tsv"):
        path.unlink()
    dataset = load_bids(folder=scanned.folder, average="volume", **PREP)
    np.testing.assert_array_equal(dataset.study["sub-01"].data, recording.data)
    assert dataset.stimuli is None


def test_a_derivative_may_lie_elsewhere(scanned, tmp_path):
    inside = load_bids(folder=scanned.folder, **PREP)
    (scanned.folder / "derivatives" / "fmriprep").rename(tmp_path / "prep")
    outside = load_bids(folder=scanned.folder, derivative_folder=tmp_path / "prep", space="T1w")
    np.testing.assert_array_equal(inside.study["sub-02"].data, outside.study["sub-02"].data)
    with pytest.raises(InputError, match="`derivative` is 'raw', but `derivative_folder` is 'prep'"):
        load_bids(folder=scanned.folder, derivative="raw", derivative_folder=tmp_path / "prep")


def test_surfaces_are_read_by_hemisphere(scanned, plant_surfaces):
    plant_surfaces(scanned)
    dataset = load_bids(folder=scanned.folder, derivative="fmriprep", space="fsaverage5", **FAST)
    recording = dataset.study["sub-01"]
    assert recording.channels["hemisphere"].value_counts().to_dict() == {"left": 12, "right": 12}
    assert recording.geometry.space == "fsaverage5"
    assert pattern_match(recording, scanned.patterns["01"]) > 0.9
    next(scanned.folder.rglob("sub-02*hemi-R*.func.gii")).unlink()
    with pytest.raises(
        MissingDataError, match=r"has one surface file \(L\), a left and a right one are wanted"
    ):
        load_bids(folder=scanned.folder, derivative="fmriprep", space="fsaverage5")
    with pytest.raises(InputError, match="`smoothing_fwhm_mm` is not for surface data"):
        load_bids(
            folder=scanned.folder,
            derivative="fmriprep",
            space="fsaverage5",
            smoothing_fwhm_mm=4.0,
            subjects=["01"],
        )


def test_grayordinates_are_read_from_cifti(scanned, plant_cifti):
    plant_cifti(scanned)
    dataset = load_bids(folder=scanned.folder, derivative="fmriprep", space="fsLR", **FAST)
    recording = dataset.study["sub-02"]
    assert recording.n_channels == 24
    assert pattern_match(recording, scanned.patterns["02"]) > 0.9
    with pytest.raises(InputError, match="`mask` is for volumes; sub-01_ses-a.*has no voxels"):
        load_bids(folder=scanned.folder, derivative="fmriprep", space="fsLR", mask="brain")


def test_surfaces_and_grayordinates_of_one_space_are_a_choice(scanned, plant_surfaces, plant_cifti):
    plant_surfaces(scanned, space="fsLR")
    plant_cifti(scanned)
    options = {"folder": scanned.folder, "derivative": "fmriprep", "space": "fsLR"}
    with pytest.raises(
        InputError, match="in 2 versions; choose one with `entities` .*extension: .dtseries.nii"
    ):
        load_bids(**options)
    dataset = load_bids(**options, entities={"extension": ".func.gii"})
    assert "hemisphere" in dataset.study["sub-01"].channels


def test_echoes_and_descriptions_are_choices_too(scanned):
    for path in sorted(scanned.folder.glob("sub-*/**/*_bold.nii.gz")):
        shutil.copy(path, path.with_name(path.name.replace("_bold", "_echo-1_bold")))
        path.rename(path.with_name(path.name.replace("_bold", "_echo-2_bold")))
    with pytest.raises(
        InputError, match=r"2 versions; choose one with `entities` \(echo\): {echo: 1}; {echo: 2}"
    ):
        load_bids(folder=scanned.folder, derivative="raw")
    dataset = load_bids(folder=scanned.folder, derivative="raw", entities={"echo": 2})
    assert dataset.study["sub-01"].n_samples == 32
    with pytest.raises(MissingDataError, match="`entities` asks for echo 3, which is not known. Known: 1, 2"):
        load_bids(folder=scanned.folder, derivative="raw", entities={"echo": 3})


def test_several_tasks_are_joined_when_they_are_named(scanned):
    for path in sorted(scanned.folder.glob("sub-01/ses-b/func/*")):
        path.rename(path.with_name(path.name.replace("task-look", "task-hear")))
    (scanned.folder / "bold.json").write_text(json.dumps({"RepetitionTime": 2.0}))
    with pytest.raises(InputError, match="2 choices for `tasks` .hear, look.; name one"):
        load_bids(folder=scanned.folder, derivative="raw")
    dataset = load_bids(folder=scanned.folder, derivative="raw", tasks=["look", "hear"])
    assert dataset.study["sub-01"].samples["task"].unique().tolist() == ["look", "hear"]
    assert "No run of the task 'hear': sub-02." in dataset.notes
    with pytest.raises(MissingDataError, match="`tasks` names 'loko', did you mean 'look'"):
        load_bids(folder=scanned.folder, derivative="raw", tasks=["loko"])
    with pytest.raises(MissingDataError, match="`tasks` names 'hear', but no run of it is left"):
        load_bids(folder=scanned.folder, derivative="raw", tasks=["look", "hear"], subjects=["02"])


def test_what_was_named_must_be_there(scanned):
    options = {"folder": scanned.folder, **PREP}
    with pytest.raises(MissingDataError, match="`subjects` names '03', .*Known: 01, 02"):
        load_bids(**options, subjects=["sub-03"])
    with pytest.raises(MissingDataError, match="`sessions` names 'c', .*Known: a, b"):
        load_bids(**options, sessions=["c"])
    with pytest.raises(MissingDataError, match="`runs` names '7', .*Known: 1, 2"):
        load_bids(**options, runs=[7])
    with pytest.raises(InputError, match="`subjects` names sub-01 twice"):
        load_bids(**options, subjects=["01", "sub-01"])
    with pytest.raises(InputError, match="`subjects` is empty"):
        load_bids(**options, subjects=[])
    with pytest.raises(MissingDataError, match="BIDS folder .*gone does not exist"):
        load_bids(folder=scanned.folder / "gone")


def test_options_of_sensors_are_refused_for_fmri(scanned):
    with pytest.raises(InputError, match="`tmin_s` is not for the datatype 'func'; leave it out"):
        load_bids(folder=scanned.folder, tmin_s=0.0, **PREP)


def test_a_folder_without_description_or_runs_is_refused(scanned, plant, tmp_path):
    (scanned.folder / "dataset_description.json").unlink()
    with pytest.raises(InputError, match="has no dataset_description.json, which every BIDS data set has"):
        load_bids(folder=scanned.folder, **PREP)
    plant(tmp_path / "parent", ["one/dataset_description.json", "two/dataset_description.json"])
    with pytest.raises(
        MissingDataError, match="no run that can be read.*data sets of its own: give one of one, two"
    ):
        load_bids(folder=tmp_path / "parent")


def test_runs_without_events_are_named_or_left_out_on_demand(scanned):
    events = sorted(scanned.folder.rglob("*_events.tsv"))
    events[0].unlink()
    with pytest.raises(
        MissingDataError, match="1 of 8 runs have no events.tsv: sub-01_ses-a_task-look_run-1. Add th"
    ):
        load_bids(folder=scanned.folder, **PREP)
    dataset = load_bids(folder=scanned.folder, missing_events="skip", **PREP)
    assert dataset.study["sub-01"].n_samples == 24
    assert "1 of 8 runs have no events.tsv and were left out: sub-01_ses-a_task-look_run-1." in dataset.notes
    for path in events[1:]:
        path.unlink()
    with pytest.raises(
        MissingDataError, match="8 of 8 runs have no events.tsv.*Add the tables.*by `average` 'volume'"
    ):
        load_bids(folder=scanned.folder, missing_events="skip", **PREP)


def test_an_event_outside_its_run_is_named(scanned):
    path = sorted(scanned.folder.rglob("*_events.tsv"))[0]
    path.write_text(path.read_text() + "700\t4.0\tmade\timages/house.png\n")
    with pytest.raises(
        InputError, match=r"'house' at 700 s of run 1 \(sub-01_ses-a_task-look_run-1_events.tsv\) lies"
    ):
        load_bids(folder=scanned.folder, **PREP)


def test_a_repetition_time_that_disagrees_with_a_sidecar_further_up_is_refused(scanned):
    (scanned.folder / "task-look_bold.json").write_text('{"RepetitionTime": 2.5}')
    with pytest.raises(
        InputError, match="of 2 s in its header but 2.5 s in its sidecars .RepetitionTime.; say which"
    ):
        load_bids(folder=scanned.folder, derivative="raw")
    assert load_bids(folder=scanned.folder, derivative="raw", tr_s=2.0).study["sub-01"].n_samples == 32
    (scanned.folder / "sub-01" / "sub-01_task-look_bold.json").write_text('{"RepetitionTime": 2.0}')
    load_bids(folder=scanned.folder, derivative="raw", subjects=["01"])
    (scanned.folder / "task-look_bold.json").write_text('{"RepetitionTime": "2"}')
    with pytest.raises(InputError, match="give RepetitionTime as '2', not in seconds"):
        load_bids(folder=scanned.folder, derivative="raw")
    (scanned.folder / "task-look_bold.json").write_text('{"VolumeTiming": [0, 3, 7]}')
    with pytest.raises(InputError, match="was scanned with pauses .VolumeTiming."):
        load_bids(folder=scanned.folder, derivative="raw", subjects=["02"])


def test_a_sidecar_that_is_no_json_is_named(scanned):
    (scanned.folder / "task-look_bold.json").write_text("{'RepetitionTime': 2.0}")
    with pytest.raises(InputError, match="task-look_bold.json cannot be read as JSON"):
        load_bids(folder=scanned.folder, derivative="raw")


def test_two_runs_with_the_same_bytes_are_refused(scanned):
    one, two = sorted(scanned.folder.glob("sub-01/ses-a/func/*_bold.nii.gz"))
    shutil.copy(one, two)
    with pytest.raises(
        InputError, match="run-01_bold.nii.gz and .*run-02_bold.nii.gz hold the same data, byte"
    ):
        load_bids(folder=scanned.folder, derivative="raw")
    # Packed anew, the file differs in its header only.
    import gzip

    two.write_bytes(gzip.compress(gzip.decompress(one.read_bytes()), compresslevel=1, mtime=7))
    assert two.read_bytes() != one.read_bytes()
    with pytest.raises(InputError, match="hold the same data, byte for byte"):
        load_bids(folder=scanned.folder, derivative="raw")
    load_bids(folder=scanned.folder, derivative="raw", runs=[1])


def test_one_subject_under_two_labels_is_refused(scanned):
    for path in sorted((scanned.folder / "sub-02").rglob("sub-02*")):
        path.rename(path.with_name(path.name.replace("sub-02", "sub-1")))
    (scanned.folder / "sub-02").rename(scanned.folder / "sub-1")
    with pytest.raises(InputError, match="sub-01 and sub-1 seem to be one subject under two labels"):
        load_bids(folder=scanned.folder, derivative="raw")
    assert load_bids(folder=scanned.folder, derivative="raw", subjects=["1"]).subjects == ["sub-1"]


def test_a_file_in_the_wrong_folder_is_named(scanned):
    path = sorted(scanned.folder.glob("sub-01/ses-a/func/*"))[0]
    for path in sorted(scanned.folder.glob("sub-01/ses-a/func/*run-02*")):
        path.rename(path.with_name(path.name.replace("ses-a", "ses-b").replace("run-02", "run-05")))
    with pytest.raises(InputError, match="lies in ses-a but is named ses-b; rename the file or move it"):
        load_bids(folder=scanned.folder, derivative="raw")


def test_content_that_is_not_fetched_is_asked_for(scanned):
    one, two = sorted(scanned.folder.glob("sub-02/ses-b/func/*_bold.nii.gz"))
    key = "MD5E-s5000000--00ff.nii.gz"
    two.unlink()
    two.symlink_to(f"../../../.git/annex/objects/{key}/{key}")
    with pytest.raises(
        MissingDataError, match=r"1 of 8 files are not fetched \(5 MB\).*Run `datalad get .*run-02_bo"
    ):
        load_bids(folder=scanned.folder, derivative="raw")
    load_bids(folder=scanned.folder, derivative="raw", subjects=["01"])


def test_stimuli_are_noted_or_asked_for(scanned, tmp_path):
    (scanned.folder / "stimuli" / "images" / "cat.png").unlink()
    dataset = load_bids(folder=scanned.folder, **PREP)
    assert dataset.stimuli is None
    assert any("1 of 4 stimuli with responses have no file in" in note for note in dataset.notes)
    with pytest.raises(MissingDataError, match="1 of 4 stimuli .*images/cat.png. Add or fetch them"):
        load_bids(folder=scanned.folder, stimuli=scanned.folder / "stimuli", **PREP)
    with pytest.raises(MissingDataError, match="folder of stimuli .*gone does not exist"):
        load_bids(folder=scanned.folder, stimuli=tmp_path / "gone", **PREP)


def test_durations_may_lack_where_they_are_not_needed(scanned):
    for path in scanned.folder.rglob("*_events.tsv"):
        path.write_text(path.read_text().replace("\t4.0\t", "\tn/a\t"))
    with pytest.raises(
        InputError, match="at 6 s of sub-01_ses-a_task-look_run-1 has no duration; give .* `duration_s`"
    ):
        load_bids(folder=scanned.folder, **PREP)
    assert load_bids(folder=scanned.folder, duration_s=4.0, **PREP).study["sub-01"].n_samples == 32


def test_a_derivative_alone_is_told_where_its_events_would_be(scanned):
    prep = scanned.folder / "derivatives" / "fmriprep"
    with pytest.raises(
        MissingDataError, match="This folder is a derivative: give the raw data set as `folder`"
    ):
        load_bids(folder=prep, space="T1w")
    assert load_bids(folder=prep, space="T1w", average="volume").study["sub-01"].n_samples == 4 * 44


def test_a_link_that_leaves_by_a_detour_is_refused(scanned, tmp_path):
    path = sorted(scanned.folder.glob("sub-01/ses-a/func/*_bold.nii.gz"))[0]
    (tmp_path / "outside").mkdir()
    path.rename(tmp_path / "outside" / "x.nii.gz")
    (scanned.folder / ".git").symlink_to(tmp_path / "outside")
    path.symlink_to("../../../.git/x.nii.gz")
    with pytest.raises(InputError, match="run-01_bold.nii.gz is a link that leaves"):
        load_bids(folder=scanned.folder, derivative="raw", subjects=["01"])


def test_runs_with_unlike_times_are_refused(scanned):
    path = scanned.folder / "sub-01" / "ses-b" / "sub-01_ses-b_task-look_bold.json"
    for file in (scanned.folder / "sub-01" / "ses-b" / "func").glob("*_bold.nii.gz"):
        import nibabel as nib

        image = nib.load(file)
        data = np.asarray(image.dataobj)
        image = nib.Nifti1Image(data, image.affine, image.header)
        image.header.set_zooms((1, 1, 1, 1.5))
        nib.save(image, file)
    path.write_text('{"RepetitionTime": 1.5}')
    with pytest.raises(
        InputError, match="different RepetitionTimes .*_run-1 2 s.*ses-b_task-look_run-1 1.5 s"
    ):
        load_bids(folder=scanned.folder, derivative="raw", subjects=["01"])


def test_masks_without_a_common_voxel_are_refused(scanned, save_image):
    for number, path in enumerate(sorted(scanned.folder.rglob("sub-01*space-T1w_desc-brain_mask.nii.gz"))):
        mask = np.zeros((4, 3, 2), np.uint8)
        mask.flat[number] = 1
        save_image(path, mask, affine=np.diag([-2.0, 2, 2, 1]))
    with pytest.raises(InputError, match="brain masks of 4 runs share no voxel"):
        load_bids(folder=scanned.folder, subjects=["01"], **PREP)


def test_atlases_give_regions_in_volumes_and_on_surfaces(scanned, save_image, plant_surfaces):
    import nibabel as nib

    regions = np.repeat([1, 2], 12).reshape(4, 3, 2).astype(np.int16)
    path = save_image(scanned.folder / "space-T1w_dseg.nii.gz", regions, affine=np.diag([-2.0, 2, 2, 1]))
    assert load_bids(folder=scanned.folder, atlas=path, **PREP).study["sub-01"].rois == [
        "region-1",
        "region-2",
    ]
    other = path.rename(path.with_name("space-MNI_dseg.nii.gz"))
    with pytest.raises(
        InputError, match="atlas space-MNI_dseg.nii.gz is in the space 'MNI', the series are in 'T1w'"
    ):
        load_bids(folder=scanned.folder, atlas=other, **PREP)
    plant_surfaces(scanned)
    surface = {"folder": scanned.folder, "derivative": "fmriprep", "space": "fsaverage5"}
    with pytest.raises(InputError, match="for surfaces, so give the file of the left hemisphere"):
        load_bids(atlas=scanned.folder / "x.label.gii", **surface)
    for hemi in ("L", "R"):
        with pytest.raises(
            MissingDataError, match="atlas hemi-L_dseg.label.gii needs hemi-R_dseg.label.gii beside"
        ):
            load_bids(atlas=scanned.folder / "hemi-L_dseg.label.gii", **surface)
        table = nib.gifti.GiftiLabelTable()
        for key, name in ((0, "???"), (1, f"V1-{hemi}")):
            label = nib.gifti.GiftiLabel(key=key)
            label.label = name
            table.labels.append(label)
        values = nib.gifti.GiftiDataArray(
            np.ones(12, np.int32), intent="NIFTI_INTENT_LABEL", datatype="NIFTI_TYPE_INT32"
        )
        image = nib.GiftiImage(labeltable=table, darrays=[values])
        nib.save(image, scanned.folder / f"hemi-{hemi}_dseg.label.gii")
    found = load_bids(atlas=scanned.folder / "hemi-L_dseg.label.gii", **surface)
    assert found.study["sub-01"].rois == ["V1-L", "V1-R"]


def test_options_from_yaml_are_checked_and_kept(scanned):
    from alignkit.datasets import DATASETS
    from alignkit.pipelines.options import check_options, plain

    options = {
        "folder": "ds", "derivative": "fmriprep", "space": "T1w", "runs": [1], "mask": "brain",
        "confound_columns": ["trans_x"], "entities": {"echo": 1}, "baseline_s": [-0.1, 0.0],
    }  # fmt: skip
    checked = check_options(DATASETS["bids"], options, where="dataset", base=scanned.folder.parent)
    assert checked["folder"] == scanned.folder
    assert checked["mask"] == "brain"
    assert checked["baseline_s"] == (-0.1, 0.0)
    assert plain(checked)["entities"] == {"echo": 1}
    with pytest.raises(InputError, match="datatype: .*'func', 'meg', 'eeg' or 'ieeg'"):
        check_options(DATASETS["bids"], {"folder": "x", "datatype": "fmri"}, where="dataset")


def test_real_runs_are_read_from_a_bids_copy(real_data, tmp_path):
    source = real_data("haxby2001") / "openfmri"
    if not source.is_dir():
        pytest.skip("the OpenfMRI layout of haxby2001 is not there")
    folder = copy_of_haxby(source, tmp_path / "haxby")
    from alignkit.datasets import load_haxby2001

    mask = source.parent / "mask.nii.gz"
    dataset = load_bids(
        folder=folder, mask=mask, average="block", delay_s=0.0, standardize="zscore", conditions="stimulus_id"
    )
    recording = dataset.study["sub-001"]
    expected = load_haxby2001(layout="openfmri").study["sub001"]
    np.testing.assert_array_equal(recording.data, expected.data)
    assert recording.stimulus_ids == expected.stimulus_ids
    assert recording.samples["run"].to_list() == expected.samples["run"].to_list()
    assert leave_one_run_out_accuracy(recording) >= 0.60


def copy_of_haxby(source, folder):
    """Link the OpenfMRI files under the names that BIDS gives them."""
    func = folder / "sub-001" / "func"
    func.mkdir(parents=True)
    (folder / "dataset_description.json").write_text('{"Name": "Haxby 2001", "BIDSVersion": "1.9.0"}')
    (folder / "task-viewing_bold.json").write_text('{"RepetitionTime": 2.5, "TaskName": "viewing"}')
    for run in sorted((source / "sub001" / "BOLD").glob("task001_run*")):
        start = f"sub-001_task-viewing_run-{run.name[-2:]}"
        shutil.copy(run / "bold_1slice.nii.gz", func / f"{start}_bold.nii.gz")
        shutil.copy(run / "bold_events.tsv", func / f"{start}_events.tsv")
    return folder


def leave_one_run_out_accuracy(recording):
    """Classify each run's blocks by their correlation with the other runs' mean patterns."""
    labels, runs = recording.samples["stimulus_id"].to_numpy(), recording.samples["run"].to_numpy()
    names, hits = np.unique(labels), []
    for run in np.unique(runs):
        test = runs == run
        means = np.stack([recording.data[~test & (labels == name)].mean(axis=0) for name in names])
        likeness = np.corrcoef(recording.data[test], means)[: test.sum(), test.sum() :]
        hits += list(names[likeness.argmax(axis=1)] == labels[test])
    return np.mean(hits)


def test_single_trials_by_glm_go_through(tmp_path):
    import inspect

    from alignkit.datasets.bids import bids
    from alignkit.pipelines.options import check_options

    options = check_options(
        bids.load_bids, {"folder": "x", "average": "betas", "glm": {"hrf": "canonical"}}, where="dataset"
    )
    assert options["glm"].hrf == "canonical"
    assert "glm" in bids._FMRI
    assert set(bids._FMRI) <= set(inspect.signature(bids.load_bids).parameters)
