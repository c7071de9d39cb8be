"""Files of one subject that are named, in whatever layout."""

from __future__ import annotations

import glob
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets import load_nifti, read_bold
from alignkit.pipelines.config import Component
from alignkit.pipelines.given import Given
from alignkit.pipelines.options import check_options
from alignkit.pipelines.run import load_dataset

SHAPE = (3, 2, 2)
ROWS = [[(4, 4, "cat"), (12, 2, "dog")], [(6, 4, "cup"), (16, 2, "cat")], [(8, 4, "dog"), (20, 2, "cup")]]


@pytest.fixture
def files(tmp_path, save_image, save_events):
    """Three runs beside their events, without any layout and with brackets in their names."""
    rng = np.random.default_rng(0)
    bold, events = [], []
    for number, name in enumerate(("zero", "first[a]", "last")):
        series = 500 + rng.standard_normal((*SHAPE, 20)).astype(np.float32)
        bold.append(save_image(tmp_path / "scans" / f"{name}.nii.gz", series))
        events.append(save_events(tmp_path / "log" / f"{chr(99 - number)}.tsv", ROWS[number]))
    return bold, events


def names_of(folder, paths):
    return [glob.escape(path.relative_to(folder).as_posix()) for path in paths]


def test_named_files_are_paired_in_the_order_given(tmp_path, files):
    bold, events = files
    dataset = load_nifti(
        folder=tmp_path,
        bold=names_of(tmp_path, bold),
        events=names_of(tmp_path, events),
        subjects=["monkey-a"],
    )
    recording = dataset.study["monkey-a"]
    expected = read_bold(bold, events=events)
    np.testing.assert_array_equal(recording.data, expected.data)
    assert recording.samples.equals(expected.samples)
    assert recording.stimulus_ids == [row[2] for rows in ROWS for row in rows]
    assert set(dataset.files) == {*bold, *events}
    backwards = load_nifti(
        folder=tmp_path,
        bold=names_of(tmp_path, bold[::-1]),
        events=names_of(tmp_path, events[::-1]),
        subjects=["monkey-a"],
    )
    assert backwards.study["monkey-a"].stimulus_ids == [row[2] for rows in ROWS[::-1] for row in rows]


def test_what_the_command_line_names_is_what_is_read(tmp_path, files):
    bold, events = files
    (tmp_path / "pictures").mkdir()
    for name in ("cat", "dog", "cup"):
        Image.new("RGB", (4, 4)).save(tmp_path / "pictures" / f"{name}.png")
    given = Given(
        tuple(bold), events=tuple(events), stimuli=tmp_path / "pictures", options={"standardize": "zscore"}
    )
    dataset = load_dataset(Component.model_validate(given.component()), Path("/"))
    assert dataset.subjects == ["subject"]
    expected = read_bold(bold, events=events, standardize="zscore")
    np.testing.assert_array_equal(dataset.study["subject"].data, expected.data)
    assert dataset.stimuli.stimulus_ids == ["cat", "dog", "cup"]
    one = Given((bold[1],), events=(events[1],), subject="s7").component()
    assert load_dataset(Component.model_validate(one), Path("/")).subjects == ["s7"]


def test_runs_of_a_bids_folder_can_be_named_too(tmp_path, save_image, save_events):
    rng = np.random.default_rng(1)
    func = tmp_path / "sub-07" / "func"
    bold, events = [], []
    for run in (1, 2):
        stem = f"sub-07_task-x_run-{run}"
        series = 500 + rng.standard_normal((*SHAPE, 20)).astype(np.float32)
        bold.append(save_image(func / f"{stem}_bold.nii.gz", series))
        events.append(save_events(func / f"{stem}_events.tsv", ROWS[run]))
    mask = np.zeros(SHAPE, np.uint8)
    mask[0] = 1
    save_image(func / "sub-07_task-x_mask.nii.gz", mask)
    given = Given(tuple(bold), events=tuple(events), subject="sub-07").component()
    recording = load_dataset(Component.model_validate(given), Path("/")).study["sub-07"]
    assert (recording.n_samples, recording.n_channels) == (4, 12)
    # From the folder that holds the subject, its mask is found as well, and the second run is read first.
    named = load_nifti(
        folder=tmp_path,
        bold=names_of(tmp_path, bold[::-1]),
        subjects=["07"],
    ).study["sub-07"]
    assert named.n_channels == 4
    assert named.samples["run"].to_list() == [2, 2, 1, 1]
    # One pattern without {subject} still finds the one subject that is there.
    assert load_nifti(folder=tmp_path, bold="sub-07/func/*_bold.nii.gz").subjects == ["sub-07"]


def test_files_that_fit_one_pattern_are_paired_by_their_names_where_these_say_runs(
    tmp_path, save_image, save_events
):
    rng = np.random.default_rng(2)
    for run in (1, 2, 10):
        series = 500 + rng.standard_normal((*SHAPE, 20)).astype(np.float32)
        save_image(tmp_path / f"scan_run-{run}.nii.gz", series)
        save_events(tmp_path / f"run-{run:02d}_log.tsv", [(4, 4, f"s{run}")])
    options = {"folder": tmp_path, "bold": "scan*.nii.gz", "events": "*_log.tsv", "subjects": ["a"]}
    dataset = load_nifti(**options)
    assert dataset.study["a"].stimulus_ids == ["s1", "s2", "s10"]
    assert dataset.study["a"].samples["run"].to_list() == [1, 2, 10]
    assert not any("paired" in note for note in dataset.notes)
    (tmp_path / "run-02_log.tsv").unlink()
    with pytest.raises(MissingDataError, match="1 of 3 files of a have no events .*: scan_run-2.nii.gz"):
        load_nifti(**options)


def test_files_that_fit_one_pattern_and_say_no_run_are_paired_in_order_with_a_note(tmp_path, files):
    options = {"folder": tmp_path, "bold": "scans/*.nii.gz", "events": "log/*.tsv", "subjects": ["a"]}
    dataset = load_nifti(**options)
    assert dataset.study["a"].stimulus_ids == ["dog", "cup", "cup", "cat", "cat", "dog"]
    assert dataset.notes[0] == (
        "a: Series and events were paired in the order of their names: first[a].nii.gz with a.tsv, "
        "last.nii.gz with b.tsv, and so on."
    )


def test_confounds_and_labels_can_be_named(tmp_path, files):
    bold, events = files
    rng = np.random.default_rng(3)
    confounds = []
    for number in range(3):
        confounds.append(tmp_path / f"regressors {number}.tsv")
        pd.DataFrame({"csf": rng.standard_normal(20)}).to_csv(confounds[-1], sep="\t", index=False)
    options = {
        "folder": tmp_path,
        "bold": names_of(tmp_path, bold),
        "subjects": ["a"],
        "confound_columns": ["csf"],
    }
    recording = load_nifti(
        **options, events=names_of(tmp_path, events), confounds=names_of(tmp_path, confounds)
    ).study["a"]
    expected = read_bold(bold, events=events, confounds=confounds, confound_columns=["csf"])
    np.testing.assert_array_equal(recording.data, expected.data)
    with pytest.raises(InputError, match="`bold` names 3 files and `confounds` 2; .* one for each run"):
        load_nifti(**options, events=names_of(tmp_path, events), confounds=names_of(tmp_path, confounds[:2]))
    (tmp_path / "labels.txt").write_text("cat 0\n" * 5 + "rest 0\n" * 5 + "dog 0\n" * 10)
    options |= {"bold": names_of(tmp_path, bold[:1]), "confounds": ["regressors 0.tsv"]}
    labelled = load_nifti(**options, volume_labels="labels.txt", average="block", delay_s=0.0)
    assert labelled.study["a"].stimulus_ids == ["cat", "dog"]
    by_volume = load_nifti(folder=tmp_path, bold=["scans/last.nii.gz"], subjects=["a"], average="volume")
    assert by_volume.study["a"].n_samples == 20


def test_named_files_that_do_not_fit_are_refused(tmp_path, files, save_image):
    bold, events = (names_of(tmp_path, paths) for paths in files)
    one = {"folder": tmp_path, "bold": bold, "events": events, "subjects": ["a"]}
    cases = [
        (
            {"events": events[:2]},
            InputError,
            "`bold` names 3 files and `events` 2; they are paired in their order",
        ),
        (
            {"events": []},
            MissingDataError,
            r"no events of a fit \[\] .* one for each of 3 BOLD files in `events`",
        ),
        ({"bold": []}, MissingDataError, r"no BOLD series of a fits \[\]"),
        (
            {"bold": ["scans/gone.nii.gz", *bold[1:]]},
            MissingDataError,
            "no file of a fits 'scans/gone.nii.gz'",
        ),
        (
            {"bold": ["scans/*.nii.gz"], "events": events[:1]},
            InputError,
            "3 files of a fit .* narrow it to one",
        ),
        ({"bold": [bold[0], *bold[:2]]}, InputError, "`bold` names .*zero.nii.gz twice"),
        ({"bold": ["../x.nii.gz"]}, InputError, "must stay inside"),
        ({"subjects": ["a", "b"]}, InputError, "files of one subject, but `subjects` names 2"),
        ({"subjects": []}, InputError, "files of one subject, but `subjects` names 0"),
        ({"subjects": ["../a"]}, InputError, "`subjects` names '../a'; a name without slashes"),
        ({"subjects": ["sub-"]}, InputError, "`subjects` names 'sub-'"),
        ({"subjects": None}, MissingDataError, "holds no sub-. folder"),
        (
            {"folder": tmp_path / "nowhere"},
            MissingDataError,
            "does not exist; give the one that holds the files",
        ),
    ]
    for options, kind, message in cases:
        with pytest.raises(kind, match=message):
            load_nifti(**{**one, **options})
    for subject in ("01", "02"):
        (tmp_path / f"sub-{subject}").mkdir()
    with pytest.raises(InputError, match="files of one subject. Name it in `subjects`; .* holds 01, 02"):
        load_nifti(**{**one, "subjects": None})


def test_an_order_that_the_names_contradict_is_refused(tmp_path, save_image, save_events):
    rng = np.random.default_rng(4)
    for run in (1, 2):
        series = 500 + rng.standard_normal((*SHAPE, 20)).astype(np.float32)
        save_image(tmp_path / f"task-x_run-{run}_bold.nii.gz", series)
        save_events(tmp_path / f"task-x_run-0{run}_events.tsv", [(4, 4, f"s{run}")])
    bold = ["task-x_run-1_bold.nii.gz", "task-x_run-2_bold.nii.gz"]
    events = ["task-x_run-01_events.tsv", "task-x_run-02_events.tsv"]
    one = {"folder": tmp_path, "subjects": ["a"]}
    assert load_nifti(bold=bold, events=events, **one).study["a"].stimulus_ids == ["s1", "s2"]
    with pytest.raises(
        InputError,
        match="run-1_bold.nii.gz and task-x_run-02_events.tsv are paired, .* say run-1 and run-02. Give "
        "`events` in the order of `bold`",
    ):
        load_nifti(bold=bold, events=events[::-1], **one)


def test_a_link_out_of_the_folder_is_refused(tmp_path, files):
    bold, events = files
    outside = tmp_path / "scans" / "link.nii.gz"
    folder = tmp_path / "log"
    outside.symlink_to(bold[0])
    (folder / "run.nii.gz").symlink_to(bold[0])
    with pytest.raises(InputError, match="is a link that leaves"):
        load_nifti(folder=folder, bold=["run.nii.gz"], events=["c.tsv"], subjects=["a"])


def test_lists_can_be_written_in_a_configuration(tmp_path):
    options = {"folder": str(tmp_path), "bold": ["a.nii", "b.nii"], "events": "*.tsv", "subjects": ["a"]}
    checked = check_options(load_nifti, options, where="data")
    assert (checked["bold"], checked["events"]) == (["a.nii", "b.nii"], "*.tsv")
    with pytest.raises(InputError, match="data: bold"):
        check_options(load_nifti, {**options, "bold": [1]}, where="data")
