from __future__ import annotations

import json
import pkgutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alignkit.datasets.public as public_sets
from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets import DATASETS
from alignkit.datasets.quality import _public_sets
from alignkit.datasets.quality.describing import describe_path
from alignkit.pipelines.options import check_options


def load(inspection):
    """Load what the block says, as a run's configuration would."""
    options = dict(inspection.dataset)
    kind = options.pop("kind")
    return DATASETS[kind](**check_options(DATASETS[kind], options, where="dataset"))


@pytest.fixture
def names():
    return [f"s{i % 5}" for i in range(20)]


def test_a_missing_path_and_an_empty_folder_are_said(tmp_path):
    with pytest.raises(MissingDataError, match="nothing.nii does not exist"):
        describe_path(tmp_path / "nothing.nii")
    with pytest.raises(InputError, match="a folder without data"):
        describe_path(tmp_path)
    (tmp_path / "thesis.docx").touch()
    with pytest.raises(InputError, match="of no kind that alignkit reads"):
        describe_path(tmp_path / "thesis.docx")


def test_a_series_says_its_geometry_and_timing_and_its_block_reads_it(save_run, tmp_path):
    path = save_run(tmp_path, "run1")
    found = describe_path(path)
    facts = dict(found.facts)
    assert facts["shape"] == "10 x 10 x 9 x 60"
    assert facts["voxel size"] == "3 x 3 x 3 mm"
    assert facts["orientation"].startswith("RAS")
    assert facts["TR"] == "2 s (header in sec)"
    assert facts["events"] == "run1_events.tsv: 6 of 2 names"
    assert facts["sidecar"] == "1 entries, RepetitionTime 2.0"
    assert load(found).study["subject"].n_samples == 6
    assert found.to_text().rstrip().endswith("- subject")


def test_a_series_of_a_subject_s_folder_is_read_from_there(save_run, tmp_path):
    found = describe_path(save_run(tmp_path / "sub-07" / "func", "sub-07_task-look_run-1"))
    assert load(found).study.subjects == ["07"]


def test_a_series_without_events_says_what_is_missing(save_run, tmp_path):
    found = describe_path(save_run(tmp_path, "run1", onsets=None))
    assert found.dataset is None
    assert "a table of events" in found.remark
    assert "run1_events.tsv" in found.remark
    assert found.to_text().rstrip().endswith("No `dataset:` block reads it as it is.")


def test_a_header_without_a_unit_of_time_is_told(save_run, tmp_path):
    import nibabel as nib

    path = save_run(tmp_path)
    image = nib.load(path)
    image.header.set_xyzt_units("mm")
    nib.save(image, tmp_path / "unknown.nii")
    found = describe_path(tmp_path / "unknown.nii")
    assert "names no unit of time" in dict(found.facts)["TR"]
    assert any("names no unit of time" in note for note in found.notes)


def test_a_volume_is_no_series(tmp_path):
    import nibabel as nib

    nib.save(nib.Nifti1Image(np.ones((3, 3, 3), np.uint8), np.eye(4)), tmp_path / "mask.nii.gz")
    found = describe_path(tmp_path / "mask.nii.gz")
    assert found.kind == "NIfTI volume"
    assert "name it as `mask` or `atlas`" in found.remark


@pytest.mark.parametrize("suffix", ["_raw.fif", ".edf", ".bdf", ".vhdr", ".set"])
def test_continuous_files_of_every_format_are_read_by_their_block(make_raw, tmp_path, suffix):
    import mne

    raw = make_raw(seconds=20, onsets=[2.0, 5.0, 9.0])
    path = tmp_path / f"sub-01{suffix}"
    if suffix == "_raw.fif":
        raw.save(path, verbose="error")
    else:
        mne.export.export_raw(path, raw, verbose="error")
    found = describe_path(path)
    facts = dict(found.facts)
    assert found.kind.startswith("continuous EEG")
    assert facts["channels"] == "6 (6 eeg)"
    assert facts["unit"] == "V"
    assert facts["rate"] == "200 Hz"
    assert facts["events"] == "3 in its annotations"
    dataset = load(found)
    assert dataset.study["01"].data.shape[:2] == (3, 6)


def test_a_recording_without_events_or_positions_is_read_whole(make_raw, tmp_path):
    path = tmp_path / "rest_raw.fif"
    make_raw(seconds=5, onsets=[], positions=False).save(path, verbose="error")
    found = describe_path(path)
    assert found.dataset["epochs"] is False
    assert found.dataset["montage"] == "none"
    assert dict(found.facts)["positions"].startswith("6 of 6 unknown")
    assert load(found).study["subject"].data.shape == (1000, 6)


def test_events_beside_a_recording_are_taken(make_raw, tmp_path):
    path = tmp_path / "sub-01_task-a_eeg.fif"
    make_raw(seconds=20, onsets=[]).save(path, verbose="error")
    (tmp_path / "sub-01_task-a_events.tsv").write_text("onset\tduration\ttrial_type\n3\t0\tcat\n8\t0\tdog\n")
    found = describe_path(path)
    assert dict(found.facts)["table of events"] == "sub-01_task-a_events.tsv"
    assert sorted(load(found).study["01"].stimulus_ids) == ["cat", "dog"]


def test_epochs_and_evoked_responses_are_told_from_runs(make_raw, tmp_path):
    import mne

    raw = make_raw(seconds=20, onsets=[2.0, 5.0, 9.0])
    events, codes = mne.events_from_annotations(raw, verbose="error")
    epochs = mne.Epochs(raw, events, codes, -0.1, 0.3, preload=True, baseline=None, verbose="error")
    epochs.save(tmp_path / "a-epo.fif", verbose="error")
    found = describe_path(tmp_path / "a-epo.fif")
    assert found.kind == "epochs of EEG (FIF)"
    assert load(found).study["subject"].n_samples == 3
    mne.write_evokeds(tmp_path / "a-ave.fif", [epochs.average()], verbose="error")
    evoked = describe_path(tmp_path / "a-ave.fif")
    assert evoked.kind == "evoked responses of EEG (FIF)"
    assert "read_evoked" in evoked.remark


def test_a_broken_recording_is_an_error_of_one_sentence(tmp_path):
    (tmp_path / "a_raw.fif").write_bytes(b"nothing")
    with pytest.raises(InputError, match="a_raw.fif"):
        describe_path(tmp_path / "a_raw.fif")
    (tmp_path / "a.nii").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"a\.nii cannot be read as a NIfTI image"):
        describe_path(tmp_path / "a.nii")


@pytest.mark.parametrize("suffix", [".npz", ".mat", ".h5", ".zarr"])
def test_files_of_arrays_list_their_variables_and_what_is_taken(tmp_path, names, suffix):
    path = tmp_path / f"rates{suffix}"
    data = np.random.default_rng(0).standard_normal((20, 4))
    if suffix == ".npz":
        np.savez(path, data=data, stimulus_id=np.array(names))
    elif suffix == ".mat":
        from scipy.io import savemat

        savemat(path, {"data": data, "stimulus_id": np.array(names, dtype=object)})
    elif suffix == ".h5":
        import h5py

        with h5py.File(path, "w") as file:
            file["data"], file["stimulus_id"] = data, names
    else:
        import zarr

        group = zarr.open_group(str(path), mode="w", zarr_format=2)
        group.create_array("data", data=data)
        group.create_array("stimulus_id", data=np.array(names))
    found = describe_path(path)
    assert {row[0] for row in found.tables[0].rows} == {"data", "stimulus_id"}
    assert dict(found.facts)["taken"] == "data (20 x 4)"
    assert load(found).study["subject"].data.shape == (20, 4)


def test_a_bare_matrix_needs_samples_and_finds_them_beside_it(tmp_path, names):
    np.save(tmp_path / "rates.npy", np.random.default_rng(0).standard_normal((20, 4)))
    found = describe_path(tmp_path / "rates.npy")
    assert found.dataset is None
    assert "`samples`, a table of 20 rows" in found.remark
    pd.DataFrame({"stimulus_id": names}).to_csv(tmp_path / "samples.csv", index=False)
    assert load(describe_path(tmp_path / "rates.npy")).study["subject"].stimulus_ids == names


def test_several_arrays_and_a_time_axis_ask_for_an_option(tmp_path):
    np.savez(tmp_path / "two.npz", a=np.ones((5, 4)), b=np.ones((6, 3)))
    assert "choose one with `variable`" in describe_path(tmp_path / "two.npz").remark
    np.save(tmp_path / "t.npy", np.ones((5, 4, 7)))
    assert "`sfreq_hz`" in describe_path(tmp_path / "t.npy").remark


def test_pickled_objects_are_never_opened(tmp_path):
    np.save(tmp_path / "o.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    found = describe_path(tmp_path / "o.npy")
    assert found.dataset is None
    assert "never unpickled" in found.remark


def test_tables_are_told_apart(tmp_path, names):
    matrix = pd.DataFrame(np.random.default_rng(0).standard_normal((20, 3)), columns=list("abc"))
    matrix.assign(stimulus_id=names).to_csv(tmp_path / "m.csv", index=False)
    assert load(describe_path(tmp_path / "m.csv")).study["subject"].n_channels == 3
    pd.DataFrame({"unit": ["u1"], "time_s": [0.5]}).to_csv(tmp_path / "spikes.csv", index=False)
    assert describe_path(tmp_path / "spikes.csv").kind == "table of spikes"
    pd.DataFrame({"onset": [1.0], "trial_type": ["a"]}).to_csv(tmp_path / "e.tsv", sep="\t", index=False)
    assert describe_path(tmp_path / "e.tsv").kind == "table of events"
    pd.DataFrame({"stimulus_id": ["a"], "kind": ["x"]}).to_csv(tmp_path / "s.csv", index=False)
    assert "perhaps the `samples`" in describe_path(tmp_path / "s.csv").remark


def test_square_symmetric_matrices_are_dissimilarities(tmp_path):
    square = np.abs(np.subtract.outer(np.arange(6.0), np.arange(6.0)))
    np.savez(tmp_path / "r.npz", rdms=np.stack([square, square**2]))
    found = describe_path(tmp_path / "r.npz")
    assert found.kind == "dissimilarity matrices"
    assert len(load(found).rdms) == 2


def test_files_of_other_tools_are_read_by_their_block(tmp_path, names):
    pytest.importorskip("xarray")
    from alignkit.datasets.exchange.brainscore_writing import write_brainscore
    from alignkit.datasets.exchange.rsatoolbox_files import write_rsatoolbox
    from alignkit.recordings import Recording

    recording = Recording.from_arrays(np.random.default_rng(0).standard_normal((20, 4)), names, subject="s1")
    write_rsatoolbox(tmp_path / "a.h5", recording)
    found = describe_path(tmp_path / "a.h5")
    assert found.kind == "rsatoolbox dataset"
    assert load(found).study["s1"].n_samples == 20
    write_brainscore(tmp_path / "a.nc", recording, identifier="made", stimulus_set_identifier="made-stimuli")
    assembly = describe_path(tmp_path / "a.nc")
    assert assembly.kind == "Brain-Score assembly"
    assert load(assembly).study.subjects


def test_a_session_of_nwb_says_its_units_and_trials_and_its_block_reads_it(save_session):
    found = describe_path(save_session())
    assert dict(found.facts)["sorted units"] == "3"
    assert found.tables[0].rows == (("trials", 30, "stimulus_id"),)
    assert "start_s" in found.remark
    assert load(found).study["mouse"].data.shape == (30, 3)


def test_a_bids_tree_is_described_and_its_block_reads_it(make_tree):
    found = describe_path(make_tree())
    assert found.kind == "BIDS folder"
    assert "2 subjects" in found.to_text()
    assert "kind: bids" in found.to_text()
    assert load(found).study.subjects == ["sub-01", "sub-02"]
    json.dumps(found.to_json(), allow_nan=False)


def test_a_folder_of_runs_of_one_subject_is_read_by_its_block(tmp_path, save_run):
    for run in (1, 2):
        save_run(tmp_path / f"run{run}", "look", seed=run)
    found = describe_path(tmp_path)
    assert found.kind == "folder of recordings"
    assert load(found).study["subject"].n_samples == 12


def test_every_public_set_is_looked_for():
    modules = {each.name for each in pkgutil.iter_modules(public_sets.__path__)}
    assert {name for name in modules if not name.startswith("_")} == set(_public_sets._MODULES)


@pytest.mark.parametrize(
    "folder",
    [
        "haxby2001",
        "images92",
        "it_zhang_desimone",
        "v4_cowley",
        "eeg_oddball_eeglab",
        "eeg_n400_words",
        "alice_fmri",
    ],
)
def test_the_folder_of_a_public_set_is_known_and_read(real_data, folder):
    found = describe_path(real_data(folder))
    assert found.kind.startswith("public set")
    assert found.details["public_set"] == found.dataset["kind"]
    assert load(found).subjects


def test_a_public_set_is_known_by_its_files_under_any_name(real_data, tmp_path):
    (tmp_path / "mine").symlink_to(real_data("images92"))
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in real_data("images92").iterdir():
        (copy / path.name).symlink_to(path)
    assert describe_path(copy).kind == "public set images92"


def test_a_public_set_with_files_missing_says_which(tmp_path):
    (tmp_path / "haxby2001").mkdir()
    found = describe_path(tmp_path / "haxby2001")
    assert found.dataset is None
    assert "bold.nii.gz" in found.remark


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("test.vhdr", "continuous EEG (BrainVision)"),
        ("test.edf", "continuous EEG (EDF)"),
        ("test.bdf", "continuous EEG (BDF)"),
        ("test_ctf_comp_raw.fif", "continuous MEG (FIF)"),
        ("test-ave.fif.gz", "evoked responses of MEG and EEG (FIF)"),
    ],
)
def test_real_files_of_every_format_are_told_and_read(real_data, name, kind):
    found = describe_path(real_data("meeg_formats") / name)
    assert found.kind == kind
    if found.dataset is not None:
        assert load(found).study["subject"].n_samples > 0


def test_paths_inside_of_json_are_text(save_run, tmp_path):
    made = describe_path(save_run(tmp_path, "run1")).to_json()
    assert json.loads(json.dumps(made))["dataset"]["kind"] == "nifti"
    assert Path(made["path"]).is_absolute()
