from __future__ import annotations

from alignkit.datasets.quality.copies import (
    IDENTICAL_RUNS,
    IDENTICAL_SUBJECTS,
    LEVELS,
    RunPrint,
    compare_runs,
)


def prints(digests, **more):
    return [
        RunPrint(f"run-{i}", f"sub-{i // 2}", digest, f"h{i}", **more) for i, digest in enumerate(digests)
    ]  # fmt: skip


def test_runs_that_all_differ_pass(verdicts):
    found = compare_runs(prints(["a", "b", "c", "d"]))
    assert verdicts(found, IDENTICAL_RUNS) == {"all": "pass"}
    assert verdicts(found, IDENTICAL_SUBJECTS) == {"all": "pass"}


def test_a_copied_run_is_found_and_said_to_have_another_header(verdicts):
    found = compare_runs(prints(["a", "b", "a", "d"]))
    assert verdicts(found, IDENTICAL_RUNS) == {"all": "fail"}
    assert "run-2 is run-0 under another header" in found.checks[0].detail
    assert verdicts(found, IDENTICAL_SUBJECTS) == {"all": "pass"}


def test_a_copied_subject_is_found_whatever_the_order_of_its_runs(verdicts):
    found = compare_runs(prints(["a", "b", "b", "a"]))
    assert verdicts(found, IDENTICAL_SUBJECTS) == {"all": "fail"}
    assert any("sub-1 is sub-0" in check.detail for check in found.checks)


def test_what_runs_share_is_compared_within_their_group_only(verdicts):
    fast = RunPrint("a", "s", "1", group="task x", alike={"rate": "500 Hz"})
    slow = RunPrint("b", "s", "2", group="task y", alike={"rate": "250 Hz"})
    assert verdicts(compare_runs([fast, slow]), "runs share one rate") == {}
    odd = RunPrint("c", "s", "3", group="task x", alike={"rate": "1000 Hz"})
    found = compare_runs([fast, slow, odd])
    assert verdicts(found, "runs share one rate") == {"task x": "warn"}
    assert "500 Hz in 1 of 2 runs, but not in c (1000 Hz)" in found.checks[-1].detail


def test_one_run_is_compared_with_nothing():
    assert compare_runs(prints(["a"])).checks == ()


def test_a_run_orders_of_magnitude_off_the_others_is_named():
    def runs(*levels):
        return [
            RunPrint(f"r{i}", "s", str(i), levels={"median level": level}) for i, level in enumerate(levels)
        ]

    def found(*levels):
        return next(check for check in compare_runs(runs(*levels)).checks if check.name == LEVELS)

    assert found(900.0, 1000.0, 5000.0).verdict == "pass"
    assert found(900.0, 1000.0, 2e5).verdict == "warn"
    far = found(900.0, 1e30, 1000.0)
    assert far.verdict == "fail"
    assert "r1 (median level 1e+30, of the others 1e+03). Wrong byte order or scaling?" in far.detail
    assert "r0" not in far.detail
