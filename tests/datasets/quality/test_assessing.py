from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets.quality.assessing import assess_quality
from alignkit.datasets.quality.copies import IDENTICAL_RUNS, IDENTICAL_SUBJECTS
from alignkit.datasets.quality.describing import describe_path
from alignkit.datasets.quality.event_timing import INSIDE, TIMING
from alignkit.datasets.quality.repetitions import CONSTANT, FINITE, RELIABLE
from alignkit.datasets.quality.run_by_run import EVENTS, READABLE, SIDECAR
from alignkit.datasets.quality.sensor_amplitude import AMPLITUDE
from alignkit.datasets.quality.volume_runs import MOTION


def wrong(report):
    return {(check.name, check.where) for check in report.checks if check.verdict != "pass"}


def test_a_clean_tree_passes_every_check(make_tree):
    report = assess_quality(make_tree())
    assert wrong(report) == set()
    assert report.facts == (("subjects", "2"), ("fMRI runs", "4"))
    assert len(report.tables[0].rows) == 4
    json.dumps(report.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ({"onsets": [10.01, 20.7, 121.3]}, {INSIDE, TIMING}),
        ({"sidecar_s": 2.4}, {TIMING}),
        ({"sidecar_s": None}, {SIDECAR}),
        ({"onsets": None}, {EVENTS}),
        ({"onsets": [2.5 * k for k in (2, 5, 9, 14, 20, 27)]}, {TIMING}),
    ],
)
def test_a_fault_of_one_run_is_found_there(make_tree, fault, name):
    report = assess_quality(make_tree({("02", 1): fault}))
    run = "sub-02_task-look_run-1"
    found = wrong(report)
    assert name <= {each for each, where in found if where == run}
    # A sidecar of its own repetition time makes the runs unlike as well.
    assert {where for _, where in found} <= {run, "task look"}


def test_identical_runs_and_subjects_are_found(make_tree):
    report = assess_quality(make_tree({("02", 1): {"seed": 1}}))
    assert wrong(report) == {(IDENTICAL_RUNS, "all")}
    report = assess_quality(make_tree({("02", 1): {"seed": 1}, ("02", 2): {"seed": 2, "change": "x"}}))
    assert wrong(report) == {(IDENTICAL_RUNS, "all"), (IDENTICAL_SUBJECTS, "all")}


def test_one_subject_is_looked_at_alone(make_tree):
    tree = make_tree({("02", 1): {"lost": range(60)}})
    assert wrong(assess_quality(tree, subject="sub-01")) == set()
    assert wrong(assess_quality(tree, subject="02")) != set()
    with pytest.raises(InputError, match="no subject '9'; there are 01, 02"):
        assess_quality(tree, subject="9")


def test_motion_of_a_derivative_is_that_of_the_raw_run(make_tree):
    tree = make_tree()
    prep = tree / "derivatives" / "fmriprep"
    place = prep / "sub-01" / "func"
    place.mkdir(parents=True)
    (prep / "dataset_description.json").write_text(
        '{"Name": "p", "BIDSVersion": "1.9.0", "DatasetType": "derivative"}'
    )
    start = "sub-01_task-look_run-1"
    (place / f"{start}_space-T1w_desc-preproc_bold.nii.gz").write_bytes(
        (tree / "sub-01" / "func" / f"{start}_bold.nii.gz").read_bytes()
    )
    motion = np.zeros((60, 6))
    motion[20:, 2] = 9.0
    names = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
    pd.DataFrame(motion, columns=names).to_csv(
        place / f"{start}_desc-confounds_timeseries.tsv", sep="\t", index=False
    )
    report = assess_quality(tree)
    assert wrong(report) == {(MOTION, start)}
    # The copy in the derivative is another version of the run, not another run.
    assert any("Other versions of these runs were not looked at" in note for note in report.notes)


def test_a_broken_run_of_a_tree_fails_and_the_rest_goes_on(make_tree):
    tree = make_tree()
    path = tree / "sub-02" / "func" / "sub-02_task-look_run-2_bold.nii.gz"
    path.write_bytes(path.read_bytes()[:5000])
    report = assess_quality(tree)
    assert wrong(report) == {(READABLE, "sub-02_task-look_run-2")}
    assert len(report.tables[0].rows) == 3


def test_a_folder_without_a_layout_is_looked_at_run_by_run(tmp_path, save_run):
    save_run(tmp_path / "run1", "look")
    path = save_run(tmp_path / "run2", "look", seed=1)
    motion = np.zeros((60, 6))
    motion[30:, 1] = 7
    np.savetxt(path.parent / "rp_look.txt", motion)
    report = assess_quality(tmp_path)
    assert wrong(report) == {(MOTION, "run2/look_bold.nii.gz")}


def test_a_matrix_is_looked_at_as_it_lies_in_its_file(tmp_path):
    rng = np.random.default_rng(0)
    patterns = np.repeat(rng.standard_normal((20, 5)), 4, axis=0)
    ids = np.repeat([f"s{i}" for i in range(20)], 4)
    values = patterns + 0.5 * rng.standard_normal(patterns.shape)
    np.savez(tmp_path / "clean.npz", data=values, stimulus_id=ids)
    clean = assess_quality(tmp_path / "clean.npz")
    assert wrong(clean) == set()
    assert RELIABLE in {check.name for check in clean.checks}
    values[3, 2] = np.nan
    values[:, 4] = 1
    np.savez(tmp_path / "bad.npz", data=values, stimulus_id=ids)
    assert wrong(assess_quality(tmp_path / "bad.npz")) == {(FINITE, "bad.npz"), (CONSTANT, "bad.npz")}
    pd.DataFrame({"stimulus_id": ids}).to_csv(tmp_path / "samples.csv", index=False)
    np.save(tmp_path / "bare.npy", patterns)
    assert RELIABLE in {check.name for check in assess_quality(tmp_path / "bare.npy").checks}


def test_what_cannot_be_read_is_a_failed_check_of_a_report(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK nothing")
    (tmp_path / "a.nii").write_bytes(b"nothing")
    for name in ("a.npz", "a.nii"):
        report = assess_quality(tmp_path / name)
        assert report.verdict == "fail"
        assert [check.name for check in report.checks] == [READABLE]


def test_a_path_without_data_is_an_error(tmp_path):
    with pytest.raises(MissingDataError, match="does not exist"):
        assess_quality(tmp_path / "nothing")
    with pytest.raises(InputError, match="a folder without data"):
        assess_quality(tmp_path)


def test_epochs_and_sessions_are_looked_at(tmp_path, make_raw, save_session):
    import mne

    raw = make_raw()
    events, codes = mne.events_from_annotations(raw, verbose="error")
    epochs = mne.Epochs(raw, events, codes, -0.1, 0.3, preload=True, baseline=None, verbose="error")
    epochs.save(tmp_path / "a-epo.fif", verbose="error")
    assert assess_quality(tmp_path / "a-epo.fif").verdict == "pass"
    assert assess_quality(save_session()).verdict == "pass"


def test_real_runs_of_faces_and_houses_hold_still(real_data):
    report = assess_quality(real_data("haxby2001") / "openfmri")
    assert report.count("fail") == 0
    rows = [dict(zip(report.tables[0].columns, row, strict=True)) for row in report.tables[0].rows]
    slices = [row for row in rows if "1slice" in row["run"]]
    assert len(slices) == 12
    assert all(row["TR (s)"] == 2.5 and row["events"] == 8 for row in slices)
    assert all(60 < row["tSNR"] < 200 and row["mean FD (mm)"] < 0.3 for row in slices)


@pytest.mark.parametrize(
    ("folder", "half"), [("it_zhang_desimone", 0.67), ("v4_cowley", 0.58), ("haxby2001", 0.38)]
)
def test_real_responses_repeat(real_data, folder, half):
    report = assess_quality(real_data(folder))
    assert report.verdict == "pass"
    table = next(table for table in report.tables if table.title == "Repetitions")
    assert dict(zip(table.columns, table.rows[0], strict=True))["median half r"] == pytest.approx(
        half, abs=0.02
    )


@pytest.mark.parametrize("copied", [False, True])
def test_runs_of_eeg_in_a_tree_are_looked_at(tmp_path, make_raw, copied):
    mne_bids = pytest.importorskip("mne_bids")
    for number, (subject, run) in enumerate([("01", "1"), ("01", "2"), ("02", "1")]):
        raw = make_raw(seed=0 if copied else number)
        raw.info["line_freq"] = 50.0
        place = mne_bids.BIDSPath(
            subject=subject, task="look", run=run, datatype="eeg", root=tmp_path / "tree"
        )
        mne_bids.write_raw_bids(raw, place, format="BrainVision", allow_preload=True, verbose="error")
    report = assess_quality(tmp_path / "tree")
    assert report.facts == (("subjects", "2"), ("runs of sensors", "3"))
    assert [row[9] for row in report.tables[0].rows] == [0, 0, 0]
    names = {name for name, _ in wrong(report)}
    assert (IDENTICAL_RUNS in names) == copied
    assert names <= {IDENTICAL_RUNS, IDENTICAL_SUBJECTS}


@pytest.mark.parametrize("form", ["surface", "cifti"])
def test_runs_without_a_volume_are_looked_at(tmp_path, form, verdicts):
    import nibabel as nib

    from alignkit.datasets.quality.volume_runs import SIGNAL, VolumeRun, volume_quality

    data = (100 + 2 * np.random.default_rng(0).standard_normal((80, 60))).astype(np.float32)
    if form == "cifti":
        models = nib.cifti2.cifti2_axes.BrainModelAxis.from_mask(np.ones(60, bool), name="CortexLeft")
        header = nib.cifti2.Cifti2Header.from_axes((nib.cifti2.cifti2_axes.SeriesAxis(0, 2.0, 80), models))
        paths = (tmp_path / "a_bold.dtseries.nii",)
        nib.save(nib.cifti2.Cifti2Image(data, header), paths[0])
    else:
        paths = (tmp_path / "L.func.gii", tmp_path / "R.func.gii")
        for path, part in zip(paths, (data[:, :30], data[:, 30:]), strict=True):
            arrays = [nib.gifti.GiftiDataArray(row, datatype="NIFTI_TYPE_FLOAT32") for row in part]
            nib.save(nib.GiftiImage(darrays=arrays), path)
    found = volume_quality([VolumeRun("r", "s", paths, sidecar_tr_s=2.0, is_rest=True)])
    assert {check.verdict for check in found.checks} == {"pass"}
    assert verdicts(found, SIGNAL) == {"r": "pass"}
    row = dict(zip(found.tables[0].columns, found.tables[0].rows[0], strict=True))
    assert (row["voxels"], row["volumes"]) == (60, 80)
    assert row["tSNR"] == pytest.approx(50, rel=0.05)


def test_a_folder_of_epochs_is_described_and_looked_at(tmp_path):
    pytest.importorskip("mne")
    import alignkit.simulation  # noqa: F401
    from alignkit.datasets import DATASETS

    folder = tmp_path / "set"
    DATASETS["simulated"](folder=folder, modality="eeg")
    described = describe_path(folder)
    assert ("found", "4 *_epo.fif: `kind: fif`") in described.facts
    assert described.dataset["kind"] == "fif"
    options = {**described.dataset, "folder": folder}
    options.pop("kind")
    assert DATASETS["fif"](**options).subjects == [f"sub-0{i}" for i in range(1, 5)]
    report = assess_quality(folder, subject="sub-02")
    assert len({check.where for check in report.checks}) == 1
    assert {AMPLITUDE, READABLE, RELIABLE} <= {check.name for check in report.checks}
    with pytest.raises(InputError, match="no subject '9'; there are 01, 02, 03, 04"):
        assess_quality(folder, subject="9")
