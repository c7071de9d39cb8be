from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets.quality.copies import IDENTICAL_RUNS, IDENTICAL_SUBJECTS
from alignkit.datasets.quality.event_timing import INSIDE, TWICE
from alignkit.datasets.quality.run_by_run import EVENTS, READABLE
from alignkit.datasets.quality.sensor_amplitude import AMPLITUDE
from alignkit.datasets.quality.sensor_channels import BAD, CLIPPED, FLAT, LINE
from alignkit.datasets.quality.sensor_runs import EPOCHS, FINITE, PLACES, SensorRun, sensor_quality

pytest.importorskip("mne")


def test_a_clean_run_passes_every_check(make_raw, run_of):
    found = sensor_quality([run_of(make_raw())])
    assert {check.verdict for check in found.checks} == {"pass"}
    row = dict(zip(found.tables[0].columns, found.tables[0].rows[0], strict=True))
    assert (row["seconds"], row["rate (Hz)"], row["channels"], row["events"]) == (60, 200, 6, 18)
    assert row["epochs refused"] == 0
    assert [type(figure).__name__ for figure in found.figures] == ["Curve", "Dots", "Timeline", "Histogram"]


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ({"line": 3e-5}, LINE),
        ({"flat": ["Pz"]}, FLAT),
        ({"loud": ["Oz"]}, BAD),
        ({"clipped": ["Cz"]}, CLIPPED),
        ({"lost": ["Fz"]}, FINITE),
        ({"positions": False}, PLACES),
        ({"onsets": [1.0, 5.0, 5.0, 20.0]}, "never"),
        ({"onsets": []}, EVENTS),
    ],
)
def test_a_planted_fault_is_found_and_nothing_else(make_raw, run_of, fault, check):
    found = sensor_quality([run_of(make_raw(**fault))])
    wrong = {each.name for each in found.checks if each.verdict != "pass"}
    if check == "never":
        # Two names at one time are two events.
        assert wrong == set()
        return
    # A flat channel is bad, a loud one fills epochs: what follows from a fault may be told as well.
    follows = {FLAT: {BAD}, BAD: {EPOCHS}, CLIPPED: {BAD}}
    assert check in wrong
    assert wrong <= {check} | follows.get(check, set())


def test_faults_name_the_channel(make_raw, run_of):
    details = {c.name: c.detail for c in sensor_quality([run_of(make_raw(loud=["Oz"], flat=["Pz"]))]).checks}
    assert "Oz noisy" in details[BAD]
    assert "Pz" in details[FLAT]
    assert "3 times, and 5 robust SD" in details[BAD]
    raw = make_raw(lost=["Fz"])
    assert "100 samples are NaN or infinite, in 1 of 6 channels: Fz" in {
        c.name: c.detail for c in sensor_quality([run_of(raw)]).checks
    }[FINITE]  # fmt: skip


def test_a_channel_that_is_marked_bad_is_told_but_not_found_again(make_raw, run_of, verdicts):
    raw = make_raw(loud=["Oz"])
    raw.info["bads"] = ["Oz"]
    found = sensor_quality([run_of(raw)])
    assert verdicts(found, BAD) == {"run-1": "pass"}
    assert verdicts(found, EPOCHS) == {"run-1": "pass"}
    dots = next(figure for figure in found.figures if type(figure).__name__ == "Dots")
    assert dots.flagged == ("Oz",)


def test_events_of_a_table_beyond_the_run_are_found(make_raw, run_of, verdicts, tmp_path):
    table = tmp_path / "run-1_events.tsv"
    table.write_text("onset\tduration\ttrial_type\n2\t0\tcat\n59.9\t0\tdog\n")
    assert verdicts(sensor_quality([run_of(make_raw(), events=table)]), INSIDE) == {"run-1": "pass"}
    table.write_text("onset\tduration\ttrial_type\n2\t0\tcat\n2\t0\tcat\n61\t0\tdog\n")
    found = sensor_quality([run_of(make_raw(), events=table)])
    assert verdicts(found, INSIDE) == {"run-1": "warn"}
    assert verdicts(found, TWICE) == {"run-1": "warn"}
    table.write_text("onset\tduration\ttrial_type\nsoon\t0\tcat\n")
    assert verdicts(sensor_quality([run_of(make_raw(), events=table)]), EVENTS) == {"run-1": "fail"}


def test_a_missing_table_is_a_doubt_where_one_is_wanted(make_raw, run_of, verdicts):
    wanted = sensor_quality([run_of(make_raw(), needs_table=True)])
    assert verdicts(wanted, EVENTS) == {"run-1": "warn"}
    rest = sensor_quality([run_of(make_raw(onsets=[]), needs_table=True, is_rest=True)])
    assert verdicts(rest, EVENTS) == {"run-1": "pass"}


def test_large_epochs_are_counted(make_raw, run_of):
    raw = make_raw()
    raw._data[:, 2400:2410] += 400e-6
    found = sensor_quality([run_of(raw)])
    detail = next(check.detail for check in found.checks if check.name == EPOCHS)
    # The event at 11 s has it in its window of -0.2 to 0.8 s no more; the one at 11 + 0.8 > 12 s neither.
    assert detail.startswith("0 of 18")
    raw._data[:, 2300:2310] += 400e-6
    detail = next(check.detail for check in sensor_quality([run_of(raw)]).checks if check.name == EPOCHS)
    assert detail.startswith("1 of 18 epochs")
    assert "150 \u00b5V (eeg)" in detail


def test_copied_runs_and_subjects_are_found(make_raw, run_of, verdicts):
    raw, other = make_raw(), make_raw(seed=1)
    clean = sensor_quality([run_of(raw), run_of(other, "run-2", "sub-02")])
    assert verdicts(clean, IDENTICAL_RUNS) == {"all": "pass"}
    renamed = raw.copy()
    renamed.info["description"] = "another header"
    found = sensor_quality([run_of(raw), run_of(renamed, "run-2", "sub-02")])
    assert verdicts(found, IDENTICAL_RUNS) == {"all": "fail"}
    assert verdicts(found, IDENTICAL_SUBJECTS) == {"all": "fail"}
    assert any("under another header" in check.detail for check in found.checks)


def test_mixed_rates_and_channels_are_told(make_raw, run_of, verdicts):
    names = ["Fz", "Cz", "Pz", "Oz", "C3", "P4"]
    found = sensor_quality([run_of(make_raw()), run_of(make_raw(sfreq=250.0, seed=1, names=names), "run-2")])
    assert verdicts(found, "runs share one sampling rate") == {"all": "warn"}
    assert verdicts(found, "runs share one set of channels") == {"all": "warn"}
    clean = sensor_quality([run_of(make_raw()), run_of(make_raw(seed=1), "run-2")])
    assert verdicts(clean, "runs share one sampling rate") == {"all": "pass"}
    assert verdicts(clean, "runs share one set of channels") == {"all": "pass"}


def test_a_run_that_cannot_be_opened_fails_and_the_rest_goes_on(make_raw, run_of, verdicts, tmp_path):
    def broken():
        raise InputError("it is cut short. Copy it again.")

    runs = [SensorRun("bad", "s", tmp_path / "bad.fif", broken), run_of(make_raw())]
    assert verdicts(sensor_quality(runs), READABLE) == {"bad": "fail", "run-1": "pass"}


def test_a_long_run_is_measured_on_blocks_of_it(make_raw, run_of, monkeypatch):
    from alignkit.datasets.quality import sensor_channels, sensor_runs

    whole = sensor_quality([run_of(make_raw(line=1e-5))]).tables[0].rows[0]
    monkeypatch.setattr(sensor_channels, "_SAMPLED", 6 * 6000)
    monkeypatch.setattr(sensor_runs, "_AT_ONCE", 6 * 1000)
    part = sensor_quality([run_of(make_raw(line=1e-5))]).tables[0].rows[0]
    assert part[7] == pytest.approx(whole[7], rel=0.2)
    assert part[:7] == whole[:7]


def test_a_run_without_data_channels_fails(verdicts, run_of):
    import mne
    import numpy as np

    raw = mne.io.RawArray(np.zeros((1, 500)), mne.create_info(["a"], 100.0, "misc"), verbose="error")
    assert verdicts(sensor_quality([run_of(raw)]), FINITE) == {"run-1": "fail"}


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "pass"), (1e6, "fail"), (7e13, "fail")])
def test_microvolts_stored_as_volts_and_flipped_bytes_fail(make_raw, run_of, verdicts, factor, verdict):
    raw = make_raw()
    raw._data *= factor
    found = sensor_quality([run_of(raw)])
    assert verdicts(found, AMPLITUDE) == {"run-1": verdict}
    if verdict == "fail":
        detail = next(check.detail for check in found.checks if check.name == AMPLITUDE)
        assert "values like microvolts stored as volts" in detail


def test_one_value_no_electrode_gives_fails(make_raw, run_of, verdicts):
    raw = make_raw()
    raw._data[0, 5] = -2.0
    assert verdicts(sensor_quality([run_of(raw)]), AMPLITUDE) == {"run-1": "fail"}
    raw.info["bads"] = ["Fz"]
    assert verdicts(sensor_quality([run_of(raw)]), AMPLITUDE) == {"run-1": "pass"}


def test_a_measure_that_breaks_down_costs_one_run_and_not_the_report(make_raw, run_of, monkeypatch, verdicts):
    raw = make_raw(seed=1)
    monkeypatch.setattr(raw, "get_data", lambda *a, **k: np.zeros((6, 0)))
    found = sensor_quality([run_of(raw, "bad"), run_of(make_raw(), "good")])
    assert verdicts(found, READABLE) == {"bad": "fail", "good": "pass"}


def test_runs_named_by_different_columns_are_doubted(make_raw, run_of, tmp_path, verdicts):
    runs = []
    for i, column in enumerate(("stimulus_id", "trial_type")):
        path = tmp_path / f"{column}.tsv"
        path.write_text(f"onset\tduration\t{column}\n2\t0\ta\n9\t0\tb\n")
        runs.append(run_of(make_raw(seed=i), f"run-{i}", events=path))
    name = "runs share one source of the events' names"
    assert verdicts(sensor_quality(runs), name) == {"all": "warn"}
    assert verdicts(sensor_quality([runs[0], replace(runs[0], name="x")]), name) == {"all": "pass"}
