from __future__ import annotations

import numpy as np
import pytest

from alignkit.datasets.streaming._plan import Epoch, Plan


def plan(counts=(1000, 700, 0, 1300), **options):
    given = {
        "run_windows": 10,
        "batch_size": 8,
        "group_batches": 20,
        "shuffle": True,
        "drop_last": False,
        "seed": 3,
    }
    return Plan(np.array(counts), **{**given, **options})


def order(made, epoch=0):
    pass_ = Epoch(made, epoch)
    return np.concatenate([pass_.batch(number) for number in range(made.n_batches)])


@pytest.mark.parametrize("group_batches", [1, 7, 20, 1000])
@pytest.mark.parametrize("run_windows", [1, 10, 5000])
def test_every_window_comes_exactly_once(group_batches, run_windows):
    windows = order(plan(group_batches=group_batches, run_windows=run_windows))
    np.testing.assert_array_equal(np.sort(windows), np.arange(3000))


def test_batches_can_be_asked_for_in_any_order():
    made = plan()
    whole, pass_ = order(made), Epoch(made, 0)
    for number in np.random.default_rng(0).permutation(made.n_batches):
        np.testing.assert_array_equal(pass_.batch(number), whole[number * 8 : number * 8 + 8])


def test_seed_and_epoch_fix_the_order():
    np.testing.assert_array_equal(order(plan()), order(plan()))
    assert (order(plan()) != order(plan(), epoch=1)).mean() > 0.9
    assert (order(plan()) != order(plan(seed=4))).mean() > 0.9


def test_without_shuffling_windows_come_in_time():
    np.testing.assert_array_equal(order(plan(shuffle=False)), np.arange(3000))


def test_a_group_holds_few_runs_so_that_the_disk_reads_in_pieces():
    group = Epoch(plan(), 0).group(2)
    pieces = 1 + np.count_nonzero(np.diff(group) != 1)
    assert len(group) == 160
    assert pieces <= 160 / 10 + 2


def test_position_tells_nothing_of_time_and_neighbours_are_apart():
    counts = (40_000, 40_000, 40_000)
    made = plan(counts, run_windows=20, group_batches=100)
    windows = order(made)
    recording, place = made.locate(windows)
    position = np.arange(len(windows))
    assert abs(np.corrcoef(position, place)[0, 1]) < 0.05
    assert abs(np.corrcoef(position, recording)[0, 1]) < 0.05
    neighbours = np.abs(np.diff(windows)) == 1
    assert neighbours.mean() < 0.01
    # The baseline that must lose: runs in random order, not mixed with each other.
    unmixed = order(plan(counts, run_windows=20, group_batches=1, batch_size=20))
    assert (np.abs(np.diff(unmixed)) == 1).mean() > 0.05


def test_the_last_batch_is_left_out_when_asked():
    assert plan((21,)).n_batches == 3
    assert plan((21,), drop_last=True).n_batches == 2
    assert len(order(plan((21,), drop_last=True))) == 16


def test_windows_are_found_in_their_recordings():
    recording, place = plan().locate(np.array([0, 999, 1000, 1699, 1700, 2999]))
    np.testing.assert_array_equal(recording, [0, 0, 1, 1, 3, 3])
    np.testing.assert_array_equal(place, [0, 999, 0, 699, 0, 1299])
