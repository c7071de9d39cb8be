"""The choices that a tree offers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets.bids.index import scan_bids
from alignkit.datasets.bids.possibilities import Run, label_runs, possibilities, run_numbers


def offered(tmp_path, plant, files):
    return possibilities(scan_bids(plant(tmp_path / "ds", files)))


def test_entities_that_differ_between_runs_only_are_no_choice(tmp_path, plant):
    start = "sub-01/func/sub-01_task-a"
    (found,) = offered(tmp_path, plant, [f"{start}_acq-x_run-1_bold.nii", f"{start}_acq-y_run-2_bold.nii"])
    assert len(found.runs) == 2
    assert dict(found.entities) == {}


def test_entities_that_differ_within_a_run_are(tmp_path, plant):
    start = "sub-01/func/sub-01_task-a"
    files = [f"{start}_run-{run}_echo-{echo}_bold.nii.gz" for run in (1, 2) for echo in (1, 2)]
    files.append("sub-02/func/sub-02_task-a_run-1_echo-1_bold.nii.gz")
    one, two = offered(tmp_path, plant, files)
    assert (dict(one.entities), len(one.runs), one.subjects) == ({"echo": "1"}, 3, ["01", "02"])
    assert (dict(two.entities), len(two.runs), two.subjects) == ({"echo": "2"}, 2, ["01"])
    assert str(two) == "datatype func, derivative raw, task a, echo 2 (2 runs of 1 subjects, volume)"


def test_hemispheres_and_parts_of_a_split_recording_are_one_run(tmp_path, plant):
    start = "sub-01/func/sub-01_task-a_hemi-"
    meg = "sub-01/meg/sub-01_task-a_split-"
    surface, sensors = offered(
        tmp_path,
        plant,
        [
            f"{start}L_space-fsaverage6_bold.func.gii",
            f"{start}R_space-fsaverage6_bold.func.gii",
            f"{meg}02_meg.fif",
            f"{meg}01_meg.fif",
        ],
    )
    assert [file.get("hemi") for file in surface.runs[0].files] == ["L", "R"]
    assert [file.get("split") for file in sensors.runs[0].files] == ["01"]
    assert (surface.form, sensors.form) == ("surface", "sensors")


def test_runs_are_in_the_order_of_their_numbers(tmp_path, plant):
    files = [f"sub-01/func/sub-01_task-a_run-{run}_bold.nii" for run in (10, 9, 2, 1)]
    (found,) = offered(tmp_path, plant, files)
    assert [run.run for run in found.runs] == [1, 2, 9, 10]
    assert str(found.runs[0]) == "sub-01_task-a_run-1"


def test_one_run_twice_an_odd_hemisphere_and_a_run_that_is_no_number_are_refused(tmp_path, plant):
    start = "sub-01/func/sub-01_task-a"
    with pytest.raises(InputError, match="run-01_bold.nii and .*run-1_bold.nii are the same run; remove one"):
        offered(tmp_path / "a", plant, [f"{start}_run-01_bold.nii", f"{start}_run-1_bold.nii"])
    with pytest.raises(InputError, match="has the run 'x'; a run is a number"):
        offered(tmp_path / "b", plant, [f"{start}_run-x_bold.nii"])
    files = [f"{start}_hemi-{hemi}_space-s_bold.func.gii" for hemi in ("L", "X")]
    with pytest.raises(InputError, match="has the hemisphere 'L'; L and R are wanted"):
        offered(tmp_path / "c", plant, files)


def test_runs_are_counted_through_where_numbers_begin_anew():
    runs = [Run("01", ses, "a", run, ()) for ses in ("x", "y") for run in (1, 2)]
    assert run_numbers(runs) == [1, 2, 3, 4]
    assert run_numbers(runs[2:]) == [1, 2]
    assert run_numbers([Run("01", "", "a", run, ()) for run in (5, 3)]) == [5, 3]
    assert run_numbers([Run("01", "", "a", None, ())]) == [1]
    samples = pd.DataFrame({"stimulus_id": list("abc"), "run": 0, "session": "old", "x": 1})
    labelled = label_runs(samples, np.array([3, 0, 2]), runs)
    assert labelled.columns.to_list() == ["stimulus_id", "session", "task", "run", "run_in_session", "x"]
    assert labelled["run"].to_list() == [4, 1, 3]
    assert labelled["run_in_session"].to_list() == [2, 1, 1]
    assert samples["session"].to_list() == ["old"] * 3
