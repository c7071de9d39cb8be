from __future__ import annotations

from dataclasses import replace

import mne
import numpy as np
import pytest

from alignkit.decoders.training import _fits
from alignkit.decoders.training._fits import fingerprint
from alignkit.decoders.trials import Trials
from alignkit.recordings import Recording, Study
from alignkit.recordings._storage import open_array, write_array
from alignkit.recordings.geometry import SensorGeometry


def with_places(recording: Recording, x_m: float = 0.01) -> Recording:
    info = mne.create_info(list(recording.channels["name"]), 100.0, "eeg")
    for number, channel in enumerate(info["chs"]):
        channel["loc"][:3] = (x_m, 0.01 * number, 0.05)
    return replace(recording, geometry=SensorGeometry(info))


def changed(trials: Trials, change) -> Trials:
    study = Study.of(*(change(r) if r.subject == "ben" else r for r in trials.study.values()))
    return replace(trials, study=study)


def one_value(recording: Recording) -> Recording:
    data = recording.data.copy()
    data[-3, -1, -1] += 1
    return replace(recording, data=data)


@pytest.mark.parametrize(
    "change",
    [
        one_value,
        lambda r: with_places(r, 0.011),
        lambda r: replace(r, channels=r.channels.replace({"name": {"c1": "Cz"}})),
        lambda r: replace(r, times_s=r.times_s + 0.01),
        lambda r: replace(r, unit="V"),
    ],
    ids=["a value", "a place", "a name", "times", "unit"],
)
def test_whatever_makes_other_weights_makes_another_fingerprint(make_trials, change) -> None:
    # More than the 500 windows that a scaling looks at; one of the last has the other value.
    trials = changed(make_trials(2000, n_times=200), with_places)
    assert fingerprint(changed(trials, change)) != fingerprint(trials)


def test_other_subjects_trials_and_targets_make_another_fingerprint(make_trials) -> None:
    trials = make_trials(20)
    others = [
        trials.take(np.arange(39)),
        trials.of_subjects(["ben", "anna"]),
        replace(trials, targets=replace(trials.targets, values=trials.targets.values + 1)),
    ]
    assert len({fingerprint(part) for part in [trials, *others]}) == 4


@pytest.mark.parametrize("most_bytes", [256 * 2**20, 40_000])
def test_where_the_data_lie_changes_nothing(make_trials, tmp_path, monkeypatch, most_bytes) -> None:
    monkeypatch.setattr(_fits, "_FINGERPRINT_BYTES", most_bytes)
    trials = make_trials(500)

    def on_disk(recording: Recording) -> Recording:
        write_array(tmp_path / "ben", recording.data, rows_per_chunk=30)
        return replace(recording, data=open_array(tmp_path / "ben"))

    assert fingerprint(changed(trials, on_disk)) == fingerprint(trials)


def test_of_data_larger_than_that_runs_of_neighbours_are_looked_at(make_trials, monkeypatch) -> None:
    monkeypatch.setattr(_fits, "_FINGERPRINT_BYTES", 40_000)
    reads = []
    reader = _fits.read_rows
    monkeypatch.setattr(_fits, "read_rows", lambda r, rows: reads.append(rows) or reader(r, rows))
    trials = make_trials(500, subjects=("ben",))
    before = fingerprint(trials)
    # 160 bytes a row: 64 runs of 3 rows.
    assert [len(rows) for rows in reads] == [3] * 64
    assert reads[0][0] == 0
    assert reads[-1][-1] == 499
    assert fingerprint(changed(trials, one_value)) != before
