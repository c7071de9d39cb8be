from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignkit._core.errors import InputError
from alignkit.preprocessing.spike_counts import bin_centres, bin_edges, bin_spikes, check_windows

WINDOW = {"start_s": 0.0, "stop_s": 1.0}


def test_a_spike_on_an_edge_belongs_to_the_bin_on_its_right():
    counts = bin_spikes([[0.0, 0.1, 0.2, 0.3]], [0.0], start_s=0.0, stop_s=0.3, bin_s=0.1)
    # The spike at 0.3 is on the end of the window: outside.
    assert counts[0, 0].tolist() == [1, 1, 1]


@pytest.mark.parametrize("onset", [0.0, 0.1, 0.7, 17.3, 3600.1, 100_000.7])
@pytest.mark.parametrize("bin_s", [0.1, 0.02, 0.001, 1 / 3, 0.7 / 9])
def test_spikes_on_edges_are_never_lost_to_rounding(onset, bin_s):
    n_bins = 60
    by_product = onset + bin_s * np.arange(n_bins)
    by_sum = np.array(onset) + np.cumsum(np.r_[0.0, np.full(n_bins - 1, bin_s)])
    counts = bin_spikes([by_product, by_sum], [onset], start_s=0.0, stop_s=n_bins * bin_s, bin_s=bin_s)
    assert (counts == 1).all()


def test_floating_point_edges_would_lose_the_same_spikes():
    # The rule matters: 0.1 * 3 lies right of the float 0.3, 0.1 + 0.7 left of the float 0.8.
    edges = 0.1 * np.arange(11)
    naive = np.histogram([0.3, 0.1 + 0.7 - 0.1, 0.7], edges)[0]
    ours = bin_spikes([[0.3, 0.1 + 0.7 - 0.1, 0.7]], [0.0], **WINDOW, bin_s=0.1)[0, 0]
    assert ours.tolist() == [0, 0, 0, 1, 0, 0, 0, 2, 0, 0]
    assert naive.tolist() != ours.tolist()


@settings(max_examples=60, deadline=None)
@given(
    ticks=st.lists(st.integers(-3_000, 3_000), max_size=40),
    onsets=st.lists(st.integers(-1_000, 1_000), min_size=1, max_size=5),
    start=st.integers(-500, 500),
    width=st.integers(1, 40),
    n_bins=st.integers(1, 30),
)
def test_counts_equal_those_of_whole_milliseconds(ticks, onsets, start, width, n_bins):
    counts = bin_spikes(
        [np.array(ticks) / 1000],
        np.array(onsets) / 1000,
        start_s=start / 1000,
        stop_s=(start + width * n_bins) / 1000,
        bin_s=width / 1000,
    )
    for row, onset in enumerate(onsets):
        for k in range(n_bins):
            low = onset + start + k * width
            assert counts[row, 0, k] == sum(low <= tick < low + width for tick in ticks)


def test_bins_sum_to_the_count_in_the_window():
    rng = np.random.default_rng(0)
    units = [rng.uniform(0, 100, n) for n in (0, 1, 500, 3000)]
    onsets = rng.uniform(1, 98, 200)
    fine = bin_spikes(units, onsets, start_s=-0.2, stop_s=1.0, bin_s=0.01)
    coarse = bin_spikes(units, onsets, start_s=-0.2, stop_s=1.0)
    assert fine.shape == (200, 4, 120)
    assert coarse.shape == (200, 4, 1)
    np.testing.assert_array_equal(fine.sum(axis=2), coarse[:, :, 0])
    direct = [[((unit >= t - 0.2) & (unit < t + 1.0)).sum() for unit in units] for t in onsets]
    np.testing.assert_array_equal(coarse[:, :, 0], direct)


def test_the_order_of_spikes_does_not_matter_and_inputs_stay():
    rng = np.random.default_rng(1)
    spikes = rng.uniform(0, 10, 300)
    before = spikes.copy()
    options = {"start_s": 0.0, "stop_s": 0.5, "bin_s": 0.05}
    shuffled = bin_spikes([spikes], [1.0, 2.0], **options)
    np.testing.assert_array_equal(shuffled, bin_spikes([np.sort(spikes)], [1.0, 2.0], **options))
    np.testing.assert_array_equal(spikes, before)


def test_the_order_of_onsets_is_kept_and_windows_may_overlap():
    counts = bin_spikes([[1.05]], [1.0, 0.5, 0.9], start_s=0.0, stop_s=0.2)
    assert counts[:, 0, 0].tolist() == [1, 0, 1]


def test_counts_move_with_a_common_shift_but_not_with_a_shift_of_the_spikes_alone():
    rng = np.random.default_rng(2)
    spikes, onsets = rng.uniform(0, 50, 2000), np.arange(1.0, 45.0)
    options = {"start_s": 0.0, "stop_s": 0.5, "bin_s": 0.1}
    here = bin_spikes([spikes], onsets, **options)
    np.testing.assert_array_equal(here, bin_spikes([spikes + 256.0], onsets + 256.0, **options))
    assert (here != bin_spikes([spikes + 0.25], onsets, **options)).any()


def test_edges_are_multiples_not_sums():
    edges = bin_edges(start_s=0.0, stop_s=100.0, bin_s=0.1)
    np.testing.assert_array_equal(edges, np.arange(1001) * 100_000_000)
    thirds = bin_edges(start_s=0.0, stop_s=1000.0, bin_s=1 / 3)
    assert len(thirds) == 3001
    assert np.abs(thirds - np.arange(3001) * 1e9 / 3).max() <= 0.5
    assert thirds[-1] == 1_000_000_000_000


def test_centres_lie_in_the_middle_of_the_bins():
    np.testing.assert_allclose(
        bin_centres(start_s=-0.1, stop_s=0.1, bin_s=0.05), [-0.075, -0.025, 0.025, 0.075]
    )
    assert bin_centres(start_s=0.1, stop_s=0.4).tolist() == [0.25]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"start_s": 0.0, "stop_s": 1.0, "bin_s": 0.3},
            "got 0.3 s in 0 to 1 s .3.33333 times.. Set `stop_s` to 0.9 or 1.2",
        ),
        ({"start_s": 0.0, "stop_s": 1.0, "bin_s": 0.0333}, "a whole number of times, got 0.0333 s"),
        ({"start_s": 0.0, "stop_s": 0.1, "bin_s": 0.2}, "a whole number of times, got 0.2 s in 0 to 0.1 s"),
        ({"start_s": 0.5, "stop_s": 0.5}, "`stop_s` must lie after `start_s`, got 0.5 to 0.5 s"),
        ({"start_s": 0.0, "stop_s": np.nan}, "must be times in seconds, got 0.0 and nan"),
        ({"start_s": 0.0, "stop_s": 1.0, "bin_s": 0.0}, "`bin_s` must be at least a nanosecond, got 0.0"),
        ({"start_s": 0.0, "stop_s": 1.0, "bin_s": -0.1}, "`bin_s` must be at least a nanosecond, got -0.1"),
    ],
)
def test_windows_that_cannot_be_cut_into_bins_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        bin_spikes([[0.0]], [0.0], **options)


def test_times_that_are_none_are_refused():
    for units, onsets, message in (
        ([[0.0], [1.0, np.nan]], [0.0], r"`spike_times_s\[1\]` holds 1 NaN.*index \(1,\)"),
        ([[0.0]], [0.0, np.inf], "`onsets_s` holds 1 NaN or infinite"),
        ([[0.0]], [], "`onsets_s` is empty"),
        ([], [0.0], "`spike_times_s` holds no unit"),
        ([[[0.0]]], [0.0], r"`spike_times_s\[0\]` must have 1 dimension.*\(1, 1\)"),
        ([[1.7e18]], [0.0], r"`spike_times_s\[0\]` holds times up to 1.7e\+18 s"),
    ):
        with pytest.raises(InputError, match=message):
            bin_spikes(units, onsets, **WINDOW)


def test_windows_outside_the_recording_are_refused_where_its_span_is_known():
    onsets = [0.5, 9.5, 2.0]
    assert bin_spikes([[0.6]], onsets, **WINDOW).sum() == 1
    message = (
        "1 of 3 windows leave the recording, which goes from 0 to 10 s. The first is that of event 1 at "
        "9.5 s: 0 to 1 s from its onset. Drop these events"
    )
    with pytest.raises(InputError, match=message):
        bin_spikes([[0.6]], onsets, **WINDOW, recorded_s=(0.0, 10.0))
    # A window may end exactly with the recording.
    check_windows([9.0], **WINDOW, recorded_s=(0.0, 10.0))


def test_onsets_in_milliseconds_are_named_as_such():
    with pytest.raises(
        InputError, match="2 of 2 windows.*Divided by 1000 they would lie inside: are the onsets in milli"
    ):
        check_windows([500.0, 7000.0], **WINDOW, recorded_s=(0.0, 10.0))


def test_a_span_has_a_beginning_before_its_end():
    with pytest.raises(
        InputError, match=r"`recorded_s` must be when the recording began and ended.*\(3.0, 3.0\)"
    ):
        check_windows([1.0], **WINDOW, recorded_s=(3.0, 3.0))
