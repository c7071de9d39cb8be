"""The summary of a tree: what it counts, and that every block it prints is one that load_bids accepts."""

from __future__ import annotations

import json

import pytest
import yaml

from alignkit.datasets import DATASETS
from alignkit.datasets.bids.bids import load_bids
from alignkit.datasets.bids.describe import describe_bids
from alignkit.datasets.bids.index import scan_bids
from alignkit.pipelines.options import check_options


def options_of(choice):
    block = yaml.safe_load(choice.yaml)["dataset"]
    assert block.pop("kind") == "bids"
    return check_options(DATASETS["bids"], block, where="dataset")


def test_every_block_reads_the_choice_it_stands_for(scanned, plant_surfaces, plant_cifti):
    plant_surfaces(scanned, space="fsLR")
    plant_cifti(scanned)
    summary = describe_bids(scan_bids(scanned.folder))
    found = [(each.derivative, each.space, each.form, dict(each.entities)) for each in summary.choices]
    assert found == [
        ("raw", "", "volume", {}),
        ("fmriprep", "MNI152NLin2009cAsym", "volume", {}),
        ("fmriprep", "T1w", "volume", {}),
        ("fmriprep", "fsLR", "surface", {"den": "", "extension": ".func.gii"}),
        ("fmriprep", "fsLR", "cifti", {"den": "91k", "extension": ".dtseries.nii"}),
    ]
    for choice in summary.choices:
        dataset = load_bids(**options_of(choice))
        assert len(dataset.subjects) == choice.n_subjects == 2
        runs = sum(each.samples["run"].nunique() for each in dataset.study.values())
        assert runs == choice.n_runs == 8
        assert dataset.study["sub-01"].modality == "fmri"


def test_it_counts_what_is_there_and_what_is_missing(scanned):
    sorted(scanned.folder.rglob("*_events.tsv"))[0].unlink()
    sorted(scanned.folder.rglob("*space-T1w_desc-brain_mask.nii.gz"))[0].unlink()
    sorted(scanned.folder.rglob("*_desc-confounds_timeseries.tsv"))[0].unlink()
    (scanned.folder / "task-look_bold.json").unlink()
    lost = sorted(scanned.folder.glob("sub-02/ses-b/func/*_bold.nii.gz"))[0]
    lost.unlink()
    lost.symlink_to("../../../.git/annex/objects/MD5E-s3000000--00.nii.gz")
    summary = describe_bids(scan_bids(scanned.folder))
    assert (summary.subjects, summary.sessions, summary.tasks) == (("01", "02"), ("a", "b"), ("look",))
    assert dict(summary.derivatives) == {"fmriprep": "fMRIPrep 23.1.3"}
    assert (summary.n_not_fetched, summary.n_bytes_not_fetched) == (1, 3000000)
    raw, _, native = summary.choices
    assert (raw.n_without_events, raw.n_without_sidecar, raw.n_not_fetched) == (1, 8, 1)
    assert (native.n_without_mask, native.n_without_confounds, native.n_without_sidecar) == (1, 1, 0)
    assert raw.dataset["missing_events"] == "skip"
    assert raw.remark == "1 runs without events are left out"
    assert raw.n_sessions == 4


def test_runs_without_any_events_are_read_volume_by_volume(scanned):
    for path in scanned.folder.rglob("*_events.tsv"):
        path.unlink()
    choice = describe_bids(scan_bids(scanned.folder)).choices[0]
    assert choice.remark == "no run has events: every volume is a sample"
    assert load_bids(**options_of(choice)).study["sub-01"].n_samples == 4 * 44


def test_its_text_and_json_say_the_same(scanned):
    summary = describe_bids(scan_bids(scanned.folder))
    text = summary.to_text()
    assert text.startswith(f"made in {scanned.folder}\n")
    assert "  2 subjects: 01, 02\n" in text
    assert "  derivative fmriprep, by fMRIPrep 23.1.3\n" in text
    assert "\nraw, func, task look, volume: 8 runs of 2 subjects, " in text
    for choice in summary.choices:
        for line in choice.yaml.splitlines():
            assert f"  {line}\n" in text
    made = json.loads(json.dumps(summary.to_json()))
    assert made["n_files"] == summary.n_files == len(scan_bids(scanned.folder))
    assert [each["yaml"] for each in made["choices"]] == [choice.yaml for choice in summary.choices]


def test_what_is_wrong_is_said_and_no_error(scanned, plant, tmp_path):
    plant(scanned.folder, {"run-01_bold.json": {}})
    problems = describe_bids(scan_bids(scanned.folder)).problems
    assert len(problems) == 4
    assert "run-01_bold.json and task-look_bold.json apply equally" in problems[0]
    plant(tmp_path / "bare", ["sub-01/anat/sub-01_T1w.nii.gz"])
    summary = describe_bids(scan_bids(tmp_path / "bare"))
    assert summary.choices == ()
    assert "There is no dataset_description.json" in summary.problems[0]
    assert "No run that alignkit reads" in summary.to_text()
    source = next(scanned.folder.glob("sub-01/ses-a/func/*run-01_bold.nii.gz"))
    source.with_name(source.name.replace("run-01", "run-1")).write_bytes(b"x")
    (problem,) = describe_bids(scan_bids(scanned.folder, refresh=True)).problems
    assert "run-01_bold.nii.gz and sub-01/ses-a" in problem
    assert "are the same run; remove one" in problem


def test_sensors_get_their_window_and_recordings_without_events_every_point(tmp_path, plant):
    files = {"dataset_description.json": {"Name": "x", "BIDSVersion": "1.9.0"}}
    for task in ("see", "rest"):
        files[f"sub-01/eeg/sub-01_task-{task}_eeg.set"] = "x" * 500
    files["sub-01/eeg/sub-01_task-see_events.tsv"] = "onset\tduration\ttrial_type\n1\t0\tcat\n"
    rest, see = describe_bids(scan_bids(plant(tmp_path, files))).choices
    assert (see.dataset["tmin_s"], see.dataset["tmax_s"]) == (-0.2, 0.8)
    assert rest.dataset["epochs"] is False
    assert "set resample_hz" in rest.remark
    for choice in (rest, see):
        assert options_of(choice)["datatype"] == "eeg"
    assert see.title == "raw, eeg, task see, sensors"


@pytest.mark.slow
def test_a_large_tree_is_described_in_seconds(tmp_path):
    import time

    for sub in range(50):
        for ses in range(10):
            place = tmp_path / f"sub-{sub:02d}" / f"ses-{ses}" / "func"
            place.mkdir(parents=True)
            for run in range(10):
                for end in ("bold.nii.gz", "bold.json", "events.tsv"):
                    (place / f"sub-{sub:02d}_ses-{ses}_task-a_run-{run}_{end}").touch()
    index = scan_bids(tmp_path)
    start = time.perf_counter()
    summary = describe_bids(index)
    assert summary.choices[0].n_runs == 5000
    assert time.perf_counter() - start < 10
