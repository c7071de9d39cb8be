from __future__ import annotations

import numpy as np
import pytest

from alignkit.datasets.quality.repetitions import (
    CONSTANT,
    FINITE,
    RELIABLE,
    check_values,
    rdms_quality,
    recording_quality,
)
from alignkit.recordings import RDMs, Recording


def planted(*, signal=1.0, noise=1.0, n_stimuli=80, n_repeats=6, n_channels=30, seed=0, n_times=None):
    rng = np.random.default_rng(seed)
    shape = (n_channels,) if n_times is None else (n_channels, n_times)
    patterns = signal * rng.standard_normal((n_stimuli, *shape))
    data = np.repeat(patterns, n_repeats, axis=0)
    data = data + noise * rng.standard_normal(data.shape)
    ids = np.repeat([f"s{i}" for i in range(n_stimuli)], n_repeats)
    times = None if n_times is None else np.linspace(-0.1, 0.4, n_times)
    return Recording.from_arrays(data, list(ids), times_s=times, subject="s1")


@pytest.mark.parametrize("noise", [0.5, 1.0, 2.0])
def test_split_half_of_planted_signal_is_the_closed_form(noise):
    found = recording_quality(planted(noise=noise))
    # Halves of 3 repeats each: 1 / (1 + noise^2 / 3).
    expected = 1 / (1 + noise**2 / 3)
    row = dict(zip(found.tables[0].columns, found.tables[0].rows[0], strict=True))
    assert row["median half r"] == pytest.approx(expected, abs=0.05)
    assert row["median ceiling r"] == pytest.approx(np.sqrt(2 * expected / (1 + expected)), abs=0.03)


def test_noise_alone_is_doubted_and_signal_passes(verdicts):
    assert verdicts(recording_quality(planted()), RELIABLE) == {"s1": "pass"}
    assert verdicts(recording_quality(planted(signal=0.0)), RELIABLE) == {"s1": "warn"}


def test_reliability_over_time_is_where_the_signal_is():
    recording = planted(n_times=6, n_channels=10)
    data = np.array(recording.data)
    data[:, :, :2] = np.random.default_rng(9).standard_normal(data[:, :, :2].shape)
    ids = list(recording.samples["stimulus_id"])
    found = recording_quality(Recording.from_arrays(data, ids, times_s=recording.times_s, subject="s1"))
    curve = next(figure for figure in found.figures if type(figure).__name__ == "Curve")
    middle = curve.lines["median over channels"]
    assert np.abs(middle[:2]).max() < 0.2
    assert middle[2:].min() > 0.6


def test_too_few_repeated_stimuli_are_a_note_and_no_check(verdicts):
    found = recording_quality(planted(n_stimuli=3))
    assert verdicts(found, RELIABLE) == {}
    assert "3 stimuli were shown more than once" in found.notes[0]


def test_uneven_repeats_are_used_as_they_are():
    full = planted()
    keep = np.random.default_rng(1).random(full.n_samples) < 0.8
    found = recording_quality(full.select(samples=keep))
    assert found.tables[0].rows[0][4] == pytest.approx(0.7, abs=0.1)


def test_constant_and_missing_channels_are_named():
    values = np.random.default_rng(0).standard_normal((20, 4))
    names = ["a", "b", "c", "d"]
    assert {check.verdict for check in check_values(values, names, "m")} == {"pass"}
    values[3, 1] = np.nan
    values[:, 2] = 4.0
    found = {check.name: check for check in check_values(values, names, "m")}
    assert found[FINITE].verdict == "fail"
    assert "1 values are NaN or infinite, in 1 of 4 channels: b" in found[FINITE].detail
    assert found[CONSTANT].verdict == "warn"
    assert "1 of 4 channels are constant: c" in found[CONSTANT].detail
    everything = {check.name: check.verdict for check in check_values(0 * values[:, :1], ["a"], "m")}
    assert everything[CONSTANT] == "fail"


def square(seed, shared):
    rng = np.random.default_rng(seed)
    made = shared + rng.standard_normal(shared.shape)
    made = np.abs(made + made.T)
    np.fill_diagonal(made, 0)
    return made


def test_matrices_of_one_region_are_held_against_each_other():
    import pandas as pd

    shared = 3 * np.random.default_rng(0).standard_normal((20, 20))
    shared = shared + shared.T
    squares = np.stack([square(i, shared) for i in range(5)])
    ids = [f"s{i}" for i in range(20)]
    table = pd.DataFrame({"subject": [f"sub-{i}" for i in range(5)], "roi": "IT"})
    found = rdms_quality(RDMs.from_square(squares, ids, table, measure="correlation"))
    assert {check.verdict for check in found.checks} == {"pass"}
    assert found.tables[0].rows[0][2] > 0.6
    squares[4] = squares[0]
    copied = rdms_quality(RDMs.from_square(squares, ids, table, measure="correlation"))
    assert [check.verdict for check in copied.checks] == ["pass", "fail"]
    assert "sub-4" in copied.checks[1].detail
    assert "is sub-0" in copied.checks[1].detail
