from __future__ import annotations

import numpy as np
import pytest

from alignkit.datasets.quality.event_timing import (
    EventTimes,
    check_apart,
    check_inside,
    check_repetition_time,
    check_twice,
    common_step,
    event_figures,
)


def events_at(onsets):
    return EventTimes.of([f"s{i % 3}" for i in range(len(onsets))], list(onsets))


def test_an_event_outside_is_named_and_the_clean_run_passes():
    assert check_inside(events_at([0.0, 5.0, 9.9]), 10.0, "r").verdict == "pass"
    found = check_inside(events_at([1.0, 12.5]), 10.0, "r")
    assert found.verdict == "warn"
    assert "1 of 2 events lie outside the recording of 10 s; the first is 's1' at 12.5 s" in found.detail
    assert check_inside(events_at([-0.5, 2.0]), 10.0, "r").verdict == "warn"
    # The last sample is over when the recording is.
    assert check_inside(events_at([10.0]), 10.0, "r").verdict == "warn"


def test_an_event_that_stands_twice_is_found():
    assert check_twice(EventTimes.of(["a", "b"], [1.0, 1.0]), "r").verdict == "pass"
    found = check_twice(EventTimes.of(["a", "a"], [1.0, 1.0]), "r")
    assert found.verdict == "warn"
    assert "'a' at 1 s" in found.detail


def timing(*, header=2.0, sidecar=2.0, onsets=None, n_volumes=60):
    events = None if onsets is None else events_at(onsets)
    return check_repetition_time(
        header_s=header, sidecar_s=sidecar, events=events, n_volumes=n_volumes, where="r"
    )  # fmt: skip


def test_header_and_sidecar_are_held_against_each_other():
    assert timing().verdict == "pass"
    assert timing(sidecar=None).verdict == "pass"
    found = timing(sidecar=2.5)
    assert found.verdict == "warn"
    assert found.detail == "The header says 2 s, the sidecar 2.5 s."
    assert timing(header=None, sidecar=None).verdict == "warn"
    assert timing(header=0.0, sidecar=None).verdict == "warn"


def test_onsets_that_follow_another_repetition_time_are_found():
    locked = [2.5 * k for k in (2, 5, 9, 14, 20, 27)]
    found = timing(onsets=locked)
    assert found.verdict == "warn"
    assert "multiples of 2.5 s" in found.detail
    assert timing(header=2.5, sidecar=2.5, onsets=locked).verdict == "pass"


@pytest.mark.parametrize(
    "onsets",
    [
        [2.0 * k for k in (2, 5, 9, 14)],
        [4.0 * k for k in (2, 5, 9, 14)],
        [1.0 * k for k in (2, 5, 9, 14)],
        [3.0 * k for k in (2, 5, 9, 14)],
        [2.5 * k for k in range(1, 20)],
        [3.17, 8.94, 20.01, 33.3],
    ],
    ids=["volumes", "two volumes", "half volumes", "one and a half volumes", "even spacing", "free"],
)
def test_designs_that_say_nothing_about_volumes_pass(onsets):
    assert timing(onsets=onsets).verdict == "pass"


def test_onsets_beyond_the_last_volume_ask_for_a_longer_repetition_time():
    found = timing(onsets=[10.01, 50.2, 130.7])
    assert found.verdict == "warn"
    assert "ends at 120 s, before its last event; 2.18 s a volume" in found.detail


def test_common_step_survives_rounding_and_an_offset_of_zero():
    onsets = np.round(2.123 * np.array([0, 3, 4, 8, 15, 17]), 3)
    assert common_step(onsets) == pytest.approx(2.123, abs=0.01)
    assert common_step(np.array([0.0, 1.1, 2.3, 3.9])) is None
    assert common_step(np.array([0.0, 2.0])) is None


def test_figures_hold_every_event_and_many_names_share_a_row():
    found = event_figures(events_at([1.0, 2.0, 4.0, 8.0]), 10.0, "r").figures
    assert sum(len(onsets) for onsets, _ in found[0].events.values()) == 4
    assert found[1].values.tolist() == [1.0, 2.0, 4.0]
    many = EventTimes.of([f"n{i}" for i in range(40)], [float(i) for i in range(40)])
    assert list(event_figures(many, 50.0, "r").figures[0].events) == ["40 names"]


def test_jitter_is_the_spread_of_the_intervals():
    even, jittered = (event_figures(events_at(onsets), 30.0, "r") for onsets in ([1, 3, 5, 7], [1, 3, 7, 9]))
    assert even.tables[0].rows == (("r", 4, 2.0, 0.0, 2.0),)
    assert jittered.tables[0].rows[0][3] == pytest.approx(np.std([2, 4, 2]))
    assert event_figures(events_at([1.0]), 30.0, "r").tables == ()


def test_stimuli_that_begin_together_are_doubted_but_a_condition_may_share_an_onset():
    stimuli = EventTimes(EventTimes.of(["a", "b", "c"], [1.0, 1.0, 5.0]).table, "stimulus_id")
    found = check_apart(stimuli, "r")
    assert found.verdict == "warn"
    assert "2 of 3 events begin when one of another name does, such as 'a' and 'b' at 1 s" in found.detail
    # As many triggers say two things of one event now and then.
    assert check_apart(EventTimes.of(["a", "b", "c", "d"], [1.0, 1.0, 5.0, 6.0]), "r").verdict == "pass"
    assert check_apart(EventTimes.of(["a", "b", "c", "d"], [1.0, 1.0, 5.0, 5.0]), "r").verdict == "warn"


def test_events_that_all_begin_at_once_are_doubted():
    found = check_apart(EventTimes.of([f"s{i % 3}" for i in range(22)], [4.0] * 22), "r")
    assert (found.verdict, found.detail) == ("warn", "All 22 events begin at 4 s.")
    assert check_apart(events_at([1.0, 2.0]), "r").verdict == "pass"
    assert check_apart(events_at([1.0]), "r").verdict == "pass"
