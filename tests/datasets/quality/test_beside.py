from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets.quality._beside import (
    events_beside,
    mask_beside,
    motion_beside,
    read_event_times,
    read_motion,
    sidecar_beside,
)


@pytest.fixture
def touch(tmp_path):
    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return make


def test_events_are_those_of_the_same_run(touch):
    folder = touch(
        "sub-01_task-a_run-1_events.tsv", "sub-01_task-a_run-2_events.tsv", "sub-02_task-a_run-1_events.tsv"
    )
    found = events_beside(folder / "sub-01_task-a_run-02_bold.nii.gz")
    assert found is not None
    assert found.name == "sub-01_task-a_run-2_events.tsv"
    assert events_beside(folder / "sub-03_task-a_run-1_bold.nii.gz") is None


def test_the_only_table_of_a_folder_belongs_to_a_run_without_entities(touch):
    folder = touch("bold_events.tsv")
    assert events_beside(folder / "bold_1slice.nii.gz").name == "bold_events.tsv"
    touch("other_events.tsv")
    assert events_beside(folder / "bold_1slice.nii.gz") is None
    assert events_beside(folder / "other_bold.nii.gz").name == "other_events.tsv"


def test_motion_and_masks_are_known_by_their_names(touch):
    folder = touch("rp_run1.txt", "notes.txt", "sub-01_task-a_desc-confounds_timeseries.tsv")
    assert motion_beside(folder / "run1.nii").name == "rp_run1.txt"
    assert motion_beside(folder / "sub-01_task-a_bold.nii.gz").name.endswith("timeseries.tsv")
    touch("sub-01_task-a_space-T1w_desc-brain_mask.nii.gz", "sub-01_task-a_space-MNI_desc-brain_mask.nii.gz")
    found = mask_beside(folder / "sub-01_task-a_space-T1w_desc-preproc_bold.nii.gz")
    assert "space-T1w" in found.name


@pytest.mark.parametrize(
    ("name", "columns"),
    [("rp_a.txt", "tr"), ("a.par", "rt"), ("a.1D", "rd"), ("a_moest.txt", "rt"), ("motion.txt", "tr")],
)
def test_motion_of_every_package_comes_out_in_one_order(tmp_path, name, columns):
    rng = np.random.default_rng(0)
    wanted = np.concatenate([rng.standard_normal((20, 3)), 0.01 * rng.standard_normal((20, 3))], axis=1)
    written = wanted if columns == "tr" else wanted[:, [3, 4, 5, 0, 1, 2]].copy()
    if columns == "rd":
        written[:, :3] = np.rad2deg(written[:, :3])
    np.savetxt(tmp_path / name, written)
    found, how = read_motion(tmp_path / name, n_volumes=20)
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    assert how


@pytest.mark.parametrize(
    "columns",
    [["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"], ["X", "Y", "Z", "RotX", "RotY", "RotZ"]],
)
def test_confounds_of_old_and_new_fmriprep_are_read(tmp_path, columns):
    path = tmp_path / "a_confounds.tsv"
    rows = ["\t".join(["n/a"] * 6), "\t".join("123456")]
    path.write_text("\n".join(["\t".join(columns), *rows]) + "\n")
    found, _ = read_motion(path, n_volumes=2)
    assert found.tolist() == [[0] * 6, [1, 2, 3, 4, 5, 6]]


def test_motion_that_does_not_fit_is_refused(tmp_path):
    np.savetxt(tmp_path / "rp_a.txt", np.zeros((5, 6)))
    with pytest.raises(InputError, match="has 5 rows, the series has 6 volumes"):
        read_motion(tmp_path / "rp_a.txt", n_volumes=6)
    np.savetxt(tmp_path / "rp_b.txt", np.zeros((5, 4)))
    with pytest.raises(InputError, match="has 4 columns"):
        read_motion(tmp_path / "rp_b.txt", n_volumes=5)
    (tmp_path / "c_confounds.tsv").write_text("csf\n1\n")
    with pytest.raises(InputError, match="none of the motion parameters"):
        read_motion(tmp_path / "c_confounds.tsv", n_volumes=1)
    (tmp_path / "rp_d.txt").write_text("0 0 0 0 0 0\nnan 0 0 0 0 0\n")
    with pytest.raises(InputError, match="cells without a number after the first volume"):
        read_motion(tmp_path / "rp_d.txt", n_volumes=2)


def test_rows_without_a_name_are_no_events(tmp_path):
    path = tmp_path / "events.tsv"
    path.write_text("onset\tduration\ttrial_type\n3\t1\tb\n1\tn/a\ta\n2\t1\tn/a\n")
    events = read_event_times(path)
    assert events.table["name"].to_list() == ["a", "b"]
    assert events.onsets_s.tolist() == [1.0, 3.0]
    path.write_text("onset\tduration\n3\t1\n")
    assert read_event_times(path).table["name"].to_list() == ["event"]


def test_tables_without_times_are_refused(tmp_path):
    path = tmp_path / "events.tsv"
    path.write_text("time\ttrial_type\n3\tb\n")
    with pytest.raises(InputError, match="has no column 'onset', it has time, trial_type"):
        read_event_times(path)
    path.write_text("onset\ttrial_type\n1\ta\nlate\tb\n")
    with pytest.raises(InputError, match="the onset of row 2 is 'late'"):
        read_event_times(path)


def test_sidecars_are_objects(tmp_path):
    (tmp_path / "a_bold.json").write_text('{"RepetitionTime": 2}')
    assert sidecar_beside(tmp_path / "a_bold.nii.gz") == {"RepetitionTime": 2}
    assert sidecar_beside(tmp_path / "b_bold.nii.gz") == {}
    (tmp_path / "a_bold.json").write_text("[1]")
    with pytest.raises(InputError, match="holds a list, an object"):
        sidecar_beside(tmp_path / "a_bold.nii.gz")
