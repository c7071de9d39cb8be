"""The inheritance principle: what belongs to a file, near and far, and what is not clear."""

from __future__ import annotations

import json

import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets.bids.index import scan_bids
from alignkit.datasets.bids.sidecars import (
    channels_of,
    confounds_of,
    describe_pipeline,
    events_of,
    has_metadata,
    mask_of,
    metadata,
    read_participants,
)

START = "sub-01/ses-a/func/sub-01_ses-a_task-look_run-01"
PREP = f"derivatives/prep/{START}"


@pytest.fixture
def tree(tmp_path, plant):
    return plant(
        tmp_path / "ds",
        {
            "dataset_description.json": {"Name": "made", "BIDSVersion": "1.9.0", "License": "CC0"},
            "participants.tsv": "participant_id\tage\nsub-01\t30\nsub-02\tn/a\n",
            "bold.json": {"RepetitionTime": 1, "EchoTime": 0.01, "A": "root"},
            "task-look_bold.json": {"RepetitionTime": 2, "B": "task"},
            "task-hear_bold.json": {"RepetitionTime": 9},
            "task-look_events.tsv": "onset\n",
            "sub-01/sub-01_task-look_bold.json": {"B": "subject"},
            "sub-01/ses-a/func/sub-01_ses-a_task-look_run-1_bold.json": {"RepetitionTime": 3},
            f"{START}_bold.nii.gz": "x",
            f"{START}_events.tsv": "onset\n",
            "sub-01/ses-a/func/sub-01_ses-a_task-look_run-02_bold.nii.gz": "x",
            "sub-01/ses-a/eeg/sub-01_ses-a_task-look_eeg.set": "x",
            "sub-01/ses-a/eeg/sub-01_ses-a_task-look_channels.tsv": "name\n",
            "derivatives/prep/dataset_description.json": {
                "Name": "prep",
                "GeneratedBy": [{"Name": "fMRIPrep", "Version": "23.1.3"}],
            },
            f"{PREP}_space-T1w_desc-preproc_bold.nii.gz": "x",
            f"{PREP}_space-T1w_desc-preproc_bold.json": {"StartTime": 1.0},
            f"{PREP}_space-T1w_desc-brain_mask.nii.gz": "x",
            f"{PREP}_space-T1w_res-2_desc-brain_mask.nii.gz": "x",
            f"{PREP}_space-MNI_res-2_desc-preproc_bold.nii.gz": "x",
            f"{PREP}_desc-confounds_timeseries.tsv": "x",
        },
    )


def one(index, **wanted):
    (file,) = index.select(**wanted)
    return file


def test_json_is_merged_from_the_root_to_the_file_and_the_most_specific_wins(tree):
    index = scan_bids(tree)
    first = one(index, pipeline="raw", suffix="bold", extension=".nii.gz", run=1)
    assert metadata(index, first) == {"RepetitionTime": 3, "EchoTime": 0.01, "A": "root", "B": "subject"}
    second = one(index, pipeline="raw", suffix="bold", extension=".nii.gz", run=2)
    assert metadata(index, second) == {"RepetitionTime": 2, "EchoTime": 0.01, "A": "root", "B": "subject"}


def test_pybids_merges_alike(tree):
    bids = pytest.importorskip("bids")
    # Where one folder has several, pybids takes any; run-1 is another run than run-01 for it.
    (tree / "bold.json").unlink()
    (tree / "sub-01/ses-a/func/sub-01_ses-a_task-look_run-1_bold.json").unlink()
    index = scan_bids(tree)
    layout = bids.BIDSLayout(tree, validate=False)
    for run in (1, 2):
        (theirs,) = layout.get(suffix="bold", extension=".nii.gz", run=run)
        ours = one(index, pipeline="raw", suffix="bold", extension=".nii.gz", run=run)
        assert metadata(index, ours) == theirs.get_metadata()


def test_a_derivative_inherits_within_itself_and_is_told_of_its_source_on_demand(tree):
    index = scan_bids(tree)
    file = one(index, pipeline="prep", suffix="bold", space="T1w", extension=".nii.gz")
    assert metadata(index, file) == {"StartTime": 1.0}
    assert metadata(index, file, pipeline="raw")["RepetitionTime"] == 3
    other = one(index, pipeline="prep", suffix="bold", space="MNI")
    assert not has_metadata(index, other)
    assert has_metadata(index, other, pipeline="raw")


def test_two_json_files_that_apply_equally_are_refused(tree, plant):
    plant(tree, {"acq-x_bold.json": {}, "run-01_bold.json": {}})
    index = scan_bids(tree)
    file = one(index, pipeline="raw", suffix="bold", extension=".nii.gz", run=1)
    with pytest.raises(
        InputError, match="run-01_bold.json and task-look_bold.json apply equally to sub-01/ses-a"
    ):
        metadata(index, file)
    # The other run has no such entity.
    second = one(index, pipeline="raw", suffix="bold", extension=".nii.gz", run=2)
    assert metadata(index, second)["B"] == "subject"


def test_events_are_the_nearest_table_and_those_of_the_raw_data(tree):
    index = scan_bids(tree)
    first = one(index, pipeline="raw", suffix="bold", extension=".nii.gz", run=1)
    assert events_of(index, first) == tree / f"{START}_events.tsv"
    second = one(index, pipeline="raw", suffix="bold", extension=".nii.gz", run=2)
    assert events_of(index, second) == tree / "task-look_events.tsv"
    derived = one(index, pipeline="prep", suffix="bold", space="T1w", extension=".nii.gz")
    assert events_of(index, derived) == tree / f"{START}_events.tsv"


def test_channels_confounds_and_masks_are_those_of_the_run_and_space(tree):
    index = scan_bids(tree)
    eeg = one(index, suffix="eeg")
    assert channels_of(index, eeg) == tree / "sub-01/ses-a/eeg/sub-01_ses-a_task-look_channels.tsv"
    raw = one(index, pipeline="raw", suffix="bold", extension=".nii.gz", run=1)
    assert (confounds_of(index, raw), mask_of(index, raw), channels_of(index, raw)) == (None, None, None)
    file = one(index, pipeline="prep", suffix="bold", space="T1w", extension=".nii.gz")
    assert mask_of(index, file) == tree / f"{PREP}_space-T1w_desc-brain_mask.nii.gz"
    assert confounds_of(index, file) == tree / f"{PREP}_desc-confounds_timeseries.tsv"
    other = one(index, pipeline="prep", suffix="bold", space="MNI")
    assert mask_of(index, other) is None
    assert confounds_of(index, other) == tree / f"{PREP}_desc-confounds_timeseries.tsv"


def test_two_confounds_tables_are_refused(tree, plant):
    plant(tree, [f"{PREP}_desc-confounds_regressors.tsv"])
    index = scan_bids(tree)
    file = one(index, pipeline="prep", suffix="bold", space="T1w", extension=".nii.gz")
    with pytest.raises(
        InputError, match="has 2 confounds tables: .*timeseries.tsv and .*regressors.tsv. Remove"
    ):
        confounds_of(index, file)


def test_sidecars_that_cannot_be_read_are_named(tree, plant):
    index = scan_bids(tree)
    file = one(index, pipeline="raw", suffix="bold", extension=".nii.gz", run=2)
    plant(tree, {"bold.json": "{"})
    with pytest.raises(InputError, match="bold.json cannot be read as JSON"):
        metadata(index, file)
    plant(tree, {"bold.json": "[1, 2]"})
    with pytest.raises(InputError, match="bold.json holds a list, an object of names and values is wanted"):
        metadata(index, file)
    (tree / "bold.json").unlink()
    (tree / "bold.json").symlink_to(".git/annex/objects/x")
    with pytest.raises(MissingDataError, match="bold.json is not fetched; run `datalad get`"):
        metadata(index, file)


def test_a_sidecar_that_was_changed_is_read_anew(tree, plant):
    index = scan_bids(tree)
    file = one(index, pipeline="raw", suffix="bold", extension=".nii.gz", run=2)
    assert metadata(index, file)["RepetitionTime"] == 2
    plant(tree, {"task-look_bold.json": json.dumps({"RepetitionTime": 2.25})})
    assert metadata(index, file)["RepetitionTime"] == 2.25


def test_descriptions_say_what_a_data_set_is_and_who_made_it(tree):
    index = scan_bids(tree)
    raw, prep = describe_pipeline(index), describe_pipeline(index, "prep")
    assert (raw.name, raw.is_derivative, raw.licence, raw.bids_version) == ("made", False, "CC0", "1.9.0")
    assert (prep.is_derivative, prep.made_by) == (True, "fMRIPrep 23.1.3")
    with pytest.raises(InputError, match="has no pipeline 'other'; it has raw, prep"):
        describe_pipeline(index, "other")


def test_participants_are_read_as_text(tree):
    table = read_participants(scan_bids(tree))
    assert table["participant_id"].to_list() == ["sub-01", "sub-02"]
    (tree / "participants.tsv").unlink()
    assert read_participants(scan_bids(tree, refresh=True)) is None
