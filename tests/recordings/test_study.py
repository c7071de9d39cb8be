from __future__ import annotations

import numpy as np
import pytest

from alignkit import Recording, Study
from alignkit._core.errors import InputError, MissingDataError


def subject(name: str, ids: list[str]) -> Recording:
    return Recording.from_arrays(np.arange(2.0 * len(ids)).reshape(-1, 2), ids, subject=name)


def test_common_stimuli_are_those_that_all_saw_in_the_first_subjects_order():
    study = Study.of(subject("a", ["z", "x", "y", "z"]), subject("b", ["y", "w", "z"]))
    assert study.common_stimuli == ["z", "y"]
    assert study.subjects == ["a", "b"]
    assert len(study) == 2


def test_a_saved_study_comes_back_the_same(tmp_path):
    study = Study.of(subject("b", ["x"]), subject("a", ["x", "y"]))
    study.save(tmp_path / "study")
    loaded = Study.load(tmp_path / "study", lazy=True)
    assert loaded.subjects == ["b", "a"]
    assert loaded.digest == study.digest
    assert "Study of 2 subject(s):\n  Recording(b" in repr(loaded)


def test_saving_again_replaces_the_whole_study(tmp_path):
    Study.of(subject("a", ["x"]), subject("b", ["x"])).save(tmp_path / "study")
    Study.of(subject("c", ["x"])).save(tmp_path / "study")
    assert Study.load(tmp_path / "study").subjects == ["c"]
    assert [path.name for path in tmp_path.iterdir()] == ["study"]


def test_a_study_that_makes_no_sense_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least one subject"):
        Study({})
    with pytest.raises(InputError, match=r"subject\(s\) a come more than once"):
        Study.of(subject("a", ["x"]), subject("a", ["y"]))
    with pytest.raises(InputError, match="the key 'b' holds the recording of 'a'"):
        Study({"b": subject("a", ["x"])})
    subject("a", ["x"]).save(tmp_path / "rec")
    with pytest.raises(InputError, match="holds a 'Recording', wanted a 'Study'"):
        Study.load(tmp_path / "rec")
    with pytest.raises(MissingDataError, match="is no saved Study"):
        Study.load(tmp_path / "nothing")
