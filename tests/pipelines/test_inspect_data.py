from __future__ import annotations

import json

import numpy as np
import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.pipelines import inspect_path


@pytest.fixture
def matrix(tmp_path):
    rng = np.random.default_rng(0)
    data = np.repeat(rng.standard_normal((10, 4)), 3, axis=0) + 0.3 * rng.standard_normal((30, 4))
    np.savez(tmp_path / "rates.npz", data=data, stimulus_id=np.repeat([f"s{i}" for i in range(10)], 3))
    return tmp_path / "rates.npz"


def test_without_a_report_only_the_description_is_made(matrix, tmp_path):
    result = inspect_path(matrix)
    assert result.quality is None
    assert "kind: matrix" in result.to_text()
    assert list(tmp_path.iterdir()) == [matrix]


def test_a_report_is_written_and_told_with_the_description(matrix, tmp_path):
    result = inspect_path(matrix, report=tmp_path / "out" / "q.html", command="alignkit inspect x")
    assert result.page is not None
    html = result.page.read_text(encoding="utf-8")
    assert "alignkit inspect x" in html
    assert "responses repeat" in html
    text = result.to_text()
    assert text.startswith("4 of 4 checks passed\nreport: ")
    assert text.rstrip().endswith("variable: data")


def test_json_holds_the_same_facts(matrix, tmp_path):
    made = inspect_path(matrix, report=tmp_path / "q.html").to_json()
    written = json.loads(json.dumps(made, allow_nan=False))
    assert written["dataset"]["kind"] == "matrix"
    assert written["quality"]["verdict"] == "pass"
    assert written["report"] == str(tmp_path / "q.html")
    assert "quality" not in inspect_path(matrix).to_json()


def test_a_broken_file_is_an_error_or_a_failed_check(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK nothing")
    with pytest.raises(InputError, match=r"a\.npz cannot be read"):
        inspect_path(tmp_path / "a.npz")
    result = inspect_path(tmp_path / "a.npz", report=tmp_path / "q.html")
    assert result.inspection is None
    assert result.quality.verdict == "fail"
    assert "fail  the run can be read" in result.to_text()


def test_options_that_do_not_fit_are_said(matrix, tmp_path):
    with pytest.raises(InputError, match="give it with `--report OUT.html`"):
        inspect_path(matrix, subject="01")
    with pytest.raises(InputError, match="`--report` is 'q.pdf'; a page is wanted"):
        inspect_path(matrix, report=tmp_path / "q.pdf")
    with pytest.raises(MissingDataError, match="does not exist"):
        inspect_path(tmp_path / "nothing", report=tmp_path / "q.html")
    assert not (tmp_path / "q.html").exists()
