from __future__ import annotations

import json

import numpy as np
import pytest

from alignkit.simulation.participants import _voxel_gains, subject_names, write_json, write_set, write_tsv
from alignkit.simulation.responses import DEFAULT_REGIONS, truth_table

pd = pytest.importorskip("pandas")


def test_subjects_are_numbered_with_two_digits():
    assert subject_names(11)[8:] == ["sub-09", "sub-10", "sub-11"]


def test_the_set_says_that_it_is_generated_and_by_what(tmp_path):
    write_set(tmp_path, n_subjects=2, truth=truth_table(DEFAULT_REGIONS), parameters={"random_state": 3})
    description = json.loads((tmp_path / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"][0]["Name"] == "alignkit.simulation"
    assert "Nothing here was measured" in (tmp_path / "README").read_text()
    assert (tmp_path / "participants.tsv").read_text() == "participant_id\nsub-01\nsub-02\n"
    assert json.loads((tmp_path / "simulation.json").read_text()) == {"random_state": 3}


def test_tables_mark_missing_values_as_bids_wants(tmp_path):
    write_tsv(tmp_path / "a.tsv", pd.DataFrame({"onset": [1.5, None], "name": ["x", None]}))
    assert (tmp_path / "a.tsv").read_text() == "onset\tname\n1.5\tx\nn/a\tn/a\n"


def test_json_ends_with_a_newline(tmp_path):
    write_json(tmp_path / "a.json", {"a": 1})
    assert (tmp_path / "a.json").read_text().endswith("}\n")


def test_voxels_differ_in_clarity_around_the_regions_own():
    gains = _voxel_gains(500, np.random.default_rng(0))
    assert gains.mean() == pytest.approx(1)
    assert (gains > 0).all()
    assert gains.std() == pytest.approx(0.3, abs=0.05)
