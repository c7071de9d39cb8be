from __future__ import annotations

import pytest

from alignkit.datasets.quality.sensor_amplitude import check_amplitude


@pytest.mark.parametrize(
    ("kind", "usual", "too_much"), [("eeg", 2e-5, 20.0), ("mag", 2e-12, 2e-8), ("grad", 3e-11, 1e-6)]
)
def test_each_kind_has_its_own_limit(kind, usual, too_much):
    checks, levels = check_amplitude([kind] * 3, [usual] * 3, [5 * usual] * 3, "r")
    assert [check.verdict for check in checks] == ["pass"]
    assert levels == {f"median spread of {kind}": usual}
    (found,) = check_amplitude([kind] * 3, [usual, too_much, too_much], [5 * usual] * 3, "r")[0]
    assert found.verdict == "fail"


def test_one_wide_channel_is_no_fault_of_the_unit_and_other_kinds_are_not_judged():
    (check,) = check_amplitude(["eeg"] * 3, [1e-5, 1e-5, 0.1], [1e-4, 1e-4, 0.4], "r")[0]
    assert check.verdict == "pass"
    assert check_amplitude(["hbo"], [1.0], [9.0], "r") == ([], {"median spread of hbo": 1.0})
