from __future__ import annotations

from pathlib import Path

import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.pipelines.given import Given


@pytest.fixture
def touch(tmp_path):
    def make(*names):
        paths = []
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            paths.append(path)
        return paths

    return make


def test_a_matrix_goes_with_its_tables(touch, tmp_path):
    matrix, samples = touch("rec.npz", "samples.csv")
    given = Given((matrix,), samples=samples, stimuli=tmp_path, subject="s1", transpose=True)
    assert given.component() == {
        "kind": "matrix",
        "recording": str(matrix),
        "samples": str(samples),
        "transpose": True,
        "subject": "s1",
        "stimuli": str(tmp_path),
    }


def test_runs_are_named_below_the_folder_that_holds_them_all(touch, tmp_path):
    a, b, c, d = touch("func/r1.nii.gz", "func/r2.nii.gz", "events/e1.tsv", "events/e2[x].tsv")
    made = Given((a, b), events=(c, d), subject="s7", options={"delay_s": 4}).component()
    assert made == {
        "kind": "nifti",
        "folder": str(tmp_path),
        "bold": ["func/r1.nii.gz", "func/r2.nii.gz"],
        "events": ["events/e1.tsv", "events/e2[[]x].tsv"],
        "subjects": ["s7"],
        "delay_s": 4,
    }


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a-epo.fif", "fif"), ("a_epo.fif.gz", "fif"), ("a_raw.fif", "meeg"), ("a.edf", "meeg"),
        ("a.set", "meeg"), ("a.VHDR", "meeg"), ("a.nii", "nifti"), ("a.nwb", "nwb"),
        ("a.nc", "brainscore"), ("a.mat", "matrix"), ("a.npy", "matrix"),
    ],
)  # fmt: skip
def test_the_kind_follows_from_the_name(touch, name, kind):
    (path,) = touch(name)
    events = touch("e.tsv") if kind == "nifti" else ()
    assert Given((path,), events=tuple(events)).component()["kind"] == kind


def test_a_bids_folder_is_known_by_its_description_or_subjects(touch, tmp_path):
    touch("bids/dataset_description.json", "other/sub-01/x", "none/file.txt", "m.zarr/zarr.json")
    assert Given((tmp_path / "bids",)).component() == {"kind": "bids", "folder": str(tmp_path / "bids")}
    assert Given((tmp_path / "other",), subject="01").component()["subjects"] == ["01"]
    assert Given((tmp_path / "m.zarr",)).component()["kind"] == "matrix"
    with pytest.raises(InputError, match="no BIDS data set"):
        Given((tmp_path / "none",)).component()


def test_what_does_not_go_together_is_said(touch):
    nii, fif, npz, tsv, edf = touch("a.nii.gz", "a-epo.fif", "a.npz", "e.tsv", "b.edf")
    cases = [
        (Given((nii,)), r"1 NIfTI run\(s\) need as many `--events` tables, got 0"),
        (Given((nii,), events=(tsv,), samples=tsv), "`--samples` does not go with NIfTI runs"),
        (Given((npz,), events=(tsv,)), "`--events` does not go with a matrix"),
        (Given((fif,), events=(tsv,)), "`--events` does not go with MNE epochs"),
        (Given((edf,), transpose=True), "`--transpose` does not go with M/EEG runs"),
        (Given((nii, edf)), r"different kinds \(nifti, meeg\)"),
        (Given((npz, npz)), "cannot be joined"),
        (Given(()), "no recording is named"),
    ]
    for given, message in cases:
        with pytest.raises(InputError, match=message):
            given.component()
    with pytest.raises(MissingDataError, match="nowhere.npz does not exist"):
        Given((Path("nowhere.npz"),)).component()


def test_a_mask_that_lies_elsewhere_is_named_below_the_folder_that_holds_all(touch, tmp_path):
    run, table, mask = touch("data/func/r1.nii.gz", "data/func/e1.tsv", "masks/mask.nii.gz")
    made = Given((run,), events=(table,), options={"mask": str(mask), "atlas": "aal"}).component()
    assert (made["folder"], made["mask"], made["atlas"]) == (str(tmp_path), "masks/mask.nii.gz", "aal")
    assert made["bold"] == ["data/func/r1.nii.gz"]


def test_a_known_data_set_is_named_instead_of_files(touch, tmp_path):
    given = Given(dataset="v4-cowley", options={"verify": True}, subject="a", stimuli=tmp_path)
    assert given.name == "v4-cowley"
    assert given.component() == {
        "kind": "v4-cowley",
        "verify": True,
        "subjects": ["a"],
        "stimuli": str(tmp_path),
    }
    (matrix,) = touch("rec.npz")
    with pytest.raises(InputError, match="`--recording` does not go with the data set 'images92'"):
        Given((matrix,), dataset="images92").component()
    with pytest.raises(InputError, match="no recording is named; give `--recording`, or `--dataset`"):
        Given().component()
