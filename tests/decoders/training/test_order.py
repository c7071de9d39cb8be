from __future__ import annotations

import logging

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.decoders.training._order import batch_edges, loads, rows_in_memory, subjects_in_turn


def test_every_row_comes_once_and_no_load_is_larger_than_what_is_held() -> None:
    rows = np.random.default_rng(0).permutation(100)[:70]
    found = loads(rows, block_rows=8, held_rows=20, n_wanted=70, rng=np.random.default_rng(1))
    assert sorted(np.concatenate(found)) == list(range(70))
    assert max(map(len, found)) <= 20


def test_a_load_holds_few_blocks_of_neighbours() -> None:
    rows = np.arange(1000)
    for load in loads(rows, block_rows=10, held_rows=40, n_wanted=1000, rng=np.random.default_rng(0)):
        assert len(np.unique(rows[load] // 10)) == 4


def test_a_subject_with_few_trials_comes_again_and_no_trial_much_more_often() -> None:
    found = np.concatenate(
        loads(np.arange(7), block_rows=2, held_rows=4, n_wanted=24, rng=np.random.default_rng(0))
    )
    counts = np.bincount(found, minlength=7)
    assert counts.sum() == 24
    assert counts.max() - counts.min() <= 1


def test_without_a_generator_the_order_is_the_recording_s() -> None:
    found = loads(np.array([5, 1, 3]), block_rows=2, held_rows=2, n_wanted=3, rng=None)
    assert np.concatenate(found).tolist() == [1, 2, 0]


def test_blocks_are_as_large_as_written_chunks_where_memory_allows() -> None:
    assert rows_in_memory(2**20, 2**30) == (16, 1024)
    assert rows_in_memory(2**20, 8 * 2**20) == (4, 8)
    assert rows_in_memory(2**30, 1.0) == (1, 1)


@pytest.mark.parametrize("batch_size", [1, 5, 6, 7, 32])
def test_balanced_batches_hold_each_subject_as_often_as_any_other_or_once_more(batch_size: int) -> None:
    turn = subjects_in_turn([50, 3, 20], balanced=True, rng=np.random.default_rng(0))
    assert np.bincount(turn).tolist() == [50, 50, 50]
    for start in range(0, len(turn), batch_size):
        counts = np.bincount(turn[start : start + batch_size], minlength=3)
        assert counts.max() - counts.min() <= 1


def test_proportional_places_are_one_per_trial_in_random_order() -> None:
    turn = subjects_in_turn([50, 3, 0, 20], balanced=False, rng=np.random.default_rng(0))
    assert np.bincount(turn, minlength=4).tolist() == [50, 3, 0, 20]
    assert (np.diff(turn) != 0).sum() > 10


def test_a_subject_without_trials_takes_no_turn() -> None:
    assert set(subjects_in_turn([4, 0], balanced=True, rng=None)) == {0}


def test_a_last_batch_that_is_too_small_joins_the_one_before_and_this_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        assert batch_edges(21, 10, 2, part="training").tolist() == [0, 10, 21]
    assert "the last 1 trial(s) of the training part are too few" in caplog.text
    assert batch_edges(22, 10, 2, part="training").tolist() == [0, 10, 20, 22]
    assert batch_edges(21, 10, 1, part="training", least_last=2).tolist() == [0, 10, 21]
    assert batch_edges(1, 10, 1, part="training", least_last=2).tolist() == [0, 1]


def test_fewer_trials_than_the_loss_compares_are_refused() -> None:
    with pytest.raises(InputError, match=r"the training part has 1 trial\(s\), but .* at least 2 in a batch"):
        batch_edges(1, 10, 2, part="training")
    with pytest.raises(InputError, match=r"`batch_size` is 1 trial\(s\), but .* at least 2 in a batch"):
        batch_edges(50, 1, 2, part="training")
