"""Runs that would vanish: their files are links out of the tree, or bear a wrong name."""

from __future__ import annotations

import shutil

import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets.bids.bids import load_bids

RAW = {"derivative": "raw"}
PREP = {"derivative": "fmriprep", "space": "T1w"}
LOST = "sub-02/ses-b/func/sub-02_ses-b_task-look_run-02_bold.nii.gz"
LOST_PREP = (
    "derivatives/fmriprep/sub-02/ses-b/func/sub-02_ses-b_task-look_run-02_space-T1w_desc-preproc_bold.nii.gz"
)


def link_out(folder, name):
    """Move a file out of the tree and link to it."""
    path, outside = folder / name, folder.parent / "outside"
    outside.mkdir(exist_ok=True)
    shutil.move(path, outside / path.name)
    path.symlink_to(outside / path.name)


@pytest.mark.parametrize(("name", "options"), [(LOST, RAW), (LOST_PREP, PREP)])
def test_a_series_that_is_a_link_out_of_the_folder_is_named(scanned, name, options):
    link_out(scanned.folder, name)
    with pytest.raises(InputError, match=f"{name} is a link that leaves .*copy it there, or leave"):
        load_bids(folder=scanned.folder, **options)
    # Its run is not wanted.
    for narrowed in ({"subjects": ["01"]}, {"sessions": ["a"]}, {"runs": [1]}):
        load_bids(folder=scanned.folder, **options, **narrowed)


def test_a_link_in_another_space_is_none_of_the_choice(scanned):
    link_out(scanned.folder, LOST_PREP)
    dataset = load_bids(folder=scanned.folder, derivative="fmriprep", space="MNI152NLin2009cAsym")
    assert dataset.study["sub-02"].n_samples == 32


def test_links_are_kept_with_the_index(scanned, settle):
    link_out(scanned.folder, LOST)
    settle(scanned.folder)
    for _ in range(2):
        with pytest.raises(InputError, match="is a link that leaves"):
            load_bids(folder=scanned.folder, **RAW)


def test_events_without_a_series_are_named_with_what_is_misnamed(scanned):
    path = scanned.folder / LOST
    path.rename(path.with_name(path.name.replace("_bold", "_BOLD")))
    message = (
        r"1 events.tsv have no series of the same run: sub-02/ses-b/func/.*_run-02_events.tsv. Beside the "
        r"first lies .*_run-02_BOLD.nii.gz: is it misnamed"
    )
    with pytest.raises(MissingDataError, match=message):
        load_bids(folder=scanned.folder, **RAW)
    load_bids(folder=scanned.folder, runs=[1], **RAW)
    dataset = load_bids(folder=scanned.folder, missing_series="skip", **RAW)
    assert dataset.study["sub-02"].n_samples == 24
    assert any("1 events.tsv have no series and were left out" in note for note in dataset.notes)


def test_a_derivative_that_lacks_a_run_is_refused_and_one_that_lacks_a_subject_is_noted(scanned):
    (scanned.folder / LOST_PREP).unlink()
    with pytest.raises(MissingDataError, match="1 events.tsv have no series of the same run"):
        load_bids(folder=scanned.folder, **PREP)
    shutil.rmtree(scanned.folder / "derivatives/fmriprep/sub-02")
    dataset = load_bids(folder=scanned.folder, **PREP)
    assert dataset.subjects == ["sub-01"]
    assert "The derivative fmriprep has no run of sub-02." in dataset.notes


def test_a_tree_of_links_says_that_they_were_not_followed(scanned):
    shutil.rmtree(scanned.folder / "derivatives")
    for path in list(scanned.folder.rglob("*_bold.nii.gz")):
        link_out(scanned.folder, path.relative_to(scanned.folder))
    with pytest.raises(MissingDataError, match=r"8 link\(s\) out of it, or to folders, were not followed"):
        load_bids(folder=scanned.folder, **RAW)


def test_empty_series_are_called_empty_and_no_copies(scanned):
    for run in ("01", "02"):
        (scanned.folder / LOST.replace("run-02", f"run-{run}")).write_bytes(b"")
    with pytest.raises(InputError, match=r"run-01_bold.nii.gz is empty \(0 bytes\)"):
        load_bids(folder=scanned.folder, **RAW)


def test_runs_that_name_stimuli_by_different_columns_are_refused(scanned):
    path = scanned.folder / LOST.replace("_bold.nii.gz", "_events.tsv")
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    path.write_text("\n".join("\t".join(line[:3]) for line in lines) + "\n")
    with pytest.raises(InputError, match="by 'stim_file', sub-02_ses-b_task-look_run-2 by 'trial_type'"):
        load_bids(folder=scanned.folder, **RAW)
    assert load_bids(folder=scanned.folder, id_column="trial_type", **RAW).study["sub-02"].n_samples == 32


def test_events_that_were_doubled_are_refused(scanned):
    path = scanned.folder / LOST.replace("_bold.nii.gz", "_events.tsv")
    head, _, body = path.read_text().partition("\n")
    path.write_text(f"{head}\n{body}{body}")
    with pytest.raises(InputError, match=r"run-02_events.tsv has 8 of 16 events twice: row 9 repeats row 1"):
        load_bids(folder=scanned.folder, **RAW)


def test_a_space_that_no_run_names_is_said_so(scanned):
    with pytest.raises(MissingDataError, match="`space` is 'x', but the runs name no space"):
        load_bids(folder=scanned.folder, space="x", **RAW)


def test_masks_beside_raw_series_are_named_where_nobody_asked_for_them(scanned):
    mask = scanned.folder / LOST_PREP.replace("desc-preproc_bold", "desc-brain_mask")
    raw = scanned.folder / "sub-01/ses-a/func/sub-01_ses-a_mask.nii.gz"
    shutil.copy(mask, raw)
    notes = load_bids(folder=scanned.folder, **RAW).notes
    assert any("though there is sub-01_ses-a_mask.nii.gz: give a file as `mask`" in note for note in notes)
