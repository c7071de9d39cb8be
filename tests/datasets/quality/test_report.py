from __future__ import annotations

import json

import numpy as np
import pytest

from alignkit.datasets.quality.report import Check, Curve, Findings, QualityReport, Table, joined, warn_if


def report_of(*verdicts):
    checks = tuple(Check("a", f"r{i}", verdict, "it is so.") for i, verdict in enumerate(verdicts))
    return QualityReport("t", "/p", checks=checks)


@pytest.mark.parametrize(
    ("verdicts", "worst"),
    [
        ((), "pass"),
        (("pass", "pass"), "pass"),
        (("pass", "warn"), "warn"),
        (("warn", "fail", "pass"), "fail"),
    ],
)
def test_the_worst_verdict_is_the_report_s(verdicts, worst):
    assert report_of(*verdicts).verdict == worst


def test_text_lists_what_failed_first_and_counts_the_rest():
    text = report_of("pass", "warn", "fail").to_text()
    assert text.splitlines() == [
        "1 of 3 checks passed, 1 failed, 1 in doubt",
        "  fail  a (r2): it is so.",
        "  warn  a (r1): it is so.",
    ]


def test_json_holds_everything_and_no_nan():
    curve = Curve("FD", "r", "s", "mm", np.arange(2.0), {"FD": np.array([np.nan, 1.0])})
    table = Table("T", ("a", "b"), ((1, float("nan")),))
    made = QualityReport(
        "t", "/p", (("n", "1"),), (Check("a", "r", "pass", "x"),), (table,), (curve,), ("note",)
    )
    written = json.loads(json.dumps(made.to_json(), allow_nan=False))
    assert written["figures"][0]["lines"] == {"FD": [None, 1.0]}
    assert written["figures"][0]["kind"] == "curve"
    assert written["tables"][0]["rows"] == [[1, None]]
    assert written["verdict"] == "pass"
    assert written["notes"] == ["note"]


def test_findings_add_up_in_order():
    parts = [Findings((Check("a", str(i), "pass", ""),), notes=(f"n{i}",)) for i in range(3)]
    assert [check.where for check in joined(parts).checks] == ["0", "1", "2"]
    assert joined([]).checks == ()
    assert (warn_if(True), warn_if(False)) == ("warn", "pass")
