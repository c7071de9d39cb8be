"""Repetition times that are said further up in the tree."""

from __future__ import annotations

import json

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets.fmri.nifti import load_nifti


@pytest.fixture
def folder(tmp_path, save_image, save_events):
    rng = np.random.default_rng(0)
    place = tmp_path / "ds" / "sub-01" / "func"
    save_image(place / "sub-01_task-x_bold.nii.gz", (1000 + rng.standard_normal((3, 2, 2, 20))).astype("f4"))
    save_events(place / "sub-01_task-x_events.tsv", [(4, 4, "cat"), (12, 2, "dog")])
    return tmp_path / "ds"


def say(path, tr_s):
    path.write_text(json.dumps({"RepetitionTime": tr_s}))


def test_a_sidecar_of_the_root_must_agree_with_the_header(folder):
    say(folder / "task-x_bold.json", 1.5)
    with pytest.raises(InputError, match="time of 2 s in its header but 1.5 s in task-x_bold.json"):
        load_nifti(folder=folder)
    load_nifti(folder=folder, tr_s=2.0)
    say(folder / "task-x_bold.json", 2.0)
    load_nifti(folder=folder)


def test_the_nearest_sidecar_counts_and_those_of_other_tasks_do_not(folder):
    say(folder / "task-other_bold.json", 1.5)
    say(folder / "bold.json", 1.5)
    say(folder / "sub-01" / "sub-01_task-x_bold.json", 2.0)
    load_nifti(folder=folder)


def test_it_gives_the_time_where_the_header_does_not(folder, save_image):
    path = folder / "sub-01" / "func" / "sub-01_task-x_bold.nii.gz"
    rng = np.random.default_rng(0)
    save_image(path, (1000 + rng.standard_normal((3, 2, 2, 20))).astype("f4"), tr_s=0)
    say(folder / "task-x_bold.json", 2.0)
    assert load_nifti(folder=folder, average="volume").study["sub-01"].samples["duration_s"][0] == 2.0
    say(folder / "task-x_bold.json", "2 s")
    with pytest.raises(InputError, match="RepetitionTime is '2 s', a number of seconds is wanted"):
        load_nifti(folder=folder)
