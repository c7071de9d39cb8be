from __future__ import annotations

import pytest

from alignkit.datasets.quality.copies import IDENTICAL_SUBJECTS
from alignkit.datasets.quality.event_timing import INSIDE
from alignkit.datasets.quality.run_by_run import READABLE
from alignkit.datasets.quality.spike_sessions import REFRACTORY, SILENT, session_quality
from alignkit.datasets.spikes._nwb_files import NWBFile, find_nwb_files

pytest.importorskip("pynwb")


@pytest.fixture
def look(save_session):
    def look(**options):
        return session_quality(find_nwb_files(save_session(**options), None)[0])

    return look


def test_a_clean_session_passes_with_the_rates_that_were_planted(look):
    found = look()
    assert {check.verdict for check in found.checks} == {"pass"}
    row = dict(zip(found.tables[0].columns, found.tables[0].rows[0], strict=True))
    assert row["median rate (Hz)"] == pytest.approx(1 / 0.102, rel=0.15)
    assert (row["units"], row["silent"], row["trials"]) == (3, 0, 30)


@pytest.mark.parametrize(
    ("fault", "check", "word"),
    [
        ({"silent": [1]}, SILENT, "1 of 3 units never fire: unit1"),
        ({"burst": [2]}, REFRACTORY, "unit2"),
        ({"late": True}, INSIDE, "1 of 30 events lie outside"),
    ],
)
def test_a_planted_fault_is_found_and_nothing_else(look, fault, check, word):
    wrong = [each for each in look(**fault).checks if each.verdict != "pass"]
    assert [each.name for each in wrong] == [check]
    assert word in wrong[0].detail


def test_a_session_copied_to_another_animal_is_found(save_session, verdicts):
    files = [
        find_nwb_files(save_session(f"{name}.nwb", subject=name, seed=seed), None)[0][0]
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    assert verdicts(session_quality(files), IDENTICAL_SUBJECTS) == {"all": "fail"}
    assert verdicts(session_quality(files[1:]), IDENTICAL_SUBJECTS) == {"all": "pass"}


def test_a_broken_session_fails_and_the_rest_goes_on(tmp_path, save_session, verdicts):
    whole = find_nwb_files(save_session(), None)[0][0]
    (tmp_path / "broken.nwb").write_bytes(whole.path.read_bytes()[:3000])
    broken = NWBFile(tmp_path / "broken.nwb", "broken", "1", "2.7.0")
    assert verdicts(session_quality([broken, whole]), READABLE) == {"broken": "fail", "mouse": "pass"}
