from __future__ import annotations

from collections import Counter
from itertools import combinations, permutations, product

import numpy as np
import pytest
from scipy.spatial.distance import squareform

from alignkit.pipelines.comparisons._items import run_wise_items, stimulus_items

CONDITIONS, RUNS = ["face", "house"] * 3, ["1", "1", "2", "2", "3", "3"]


def test_every_pair_of_stimuli_counts():
    items = stimulus_items(list("abcde"))
    assert items.pairs.tolist() == list(range(10))
    assert items.ids == items.stimulus_ids == tuple("abcde")
    assert items.n_units == 5
    assert not items.run_wise


def test_pairs_within_a_run_do_not_count():
    items = run_wise_items(CONDITIONS, RUNS)
    # Of the 15 pairs in the order of the upper triangle, 0, 9 and 14 are the blocks of one run.
    assert items.pairs.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13]
    assert items.units.tolist() == [0, 0, 1, 1, 2, 2]
    assert items.ids[:3] == ("1:face", "1:house", "2:face")
    assert items.n_units == 3
    assert items.run_wise


def test_runs_may_be_interleaved():
    items = run_wise_items(["face"] * 3 + ["house"] * 3, ["3", "1", "2"] * 2)
    assert items.units.tolist() == [0, 1, 2, 0, 1, 2]
    rows, columns = np.triu_indices(6, 1)
    left_out = set(range(15)) - set(items.pairs.tolist())
    assert {(int(rows[p]), int(columns[p])) for p in left_out} == {(0, 3), (1, 4), (2, 5)}


def test_pairs_within_a_half_have_both_ends_there():
    items = stimulus_items(list("abcde"))
    half = np.array([True, False, True, True, False])
    assert items.pairs_within(half).tolist() == [1, 2, 7]  # ac, ad, cd
    assert items.pairs_within(~half).tolist() == [6]  # be
    assert items.pairs_within(None).tolist() == list(range(10))


def test_pairs_within_some_runs_are_positions_among_the_pairs_that_count():
    items = run_wise_items(CONDITIONS, RUNS)
    found = items.pairs_within(np.array([True, False, True]))
    assert found.tolist() == [2, 3, 6, 7]
    assert items.pairs[found].tolist() == [3, 4, 7, 8]  # blocks 0 and 1 with blocks 4 and 5
    assert items.pairs_within(None).tolist() == list(range(12))


@pytest.mark.parametrize("weights", [[1, 1, 1, 1], [2, 0, 1, 3], [4, 0, 0, 0]])
def test_weights_count_the_pairs_of_the_repeated_matrix_and_copies_make_none(weights):
    items = stimulus_items(list("abcd"))
    drawn = np.repeat(np.arange(4), weights)
    counted = Counter(tuple(sorted(pair)) for pair in combinations(drawn.tolist(), 2) if len(set(pair)) == 2)
    expected = [counted[pair] for pair in combinations(range(4), 2)]
    found = items.pair_weights(np.array(weights, dtype=float), items.pairs_within(None))
    assert found.tolist() == expected


def test_copies_of_a_run_make_no_pair():
    items = run_wise_items(CONDITIONS, RUNS)
    # Runs 1 and 3 twice, run 2 never: two by two copies of each pair of a block of run 1 with one of run 3.
    found = items.pair_weights(np.array([2.0, 0.0, 2.0]), items.pairs_within(None))
    assert found.tolist() == [0, 0, 4, 4, 0, 0, 4, 4, 0, 0, 0, 0]
    part = items.pairs_within(np.array([True, False, True]))
    assert items.pair_weights(np.array([2.0, 0.0, 2.0]), part).tolist() == [4, 4, 4, 4]


def permuted(items, orders):
    """Return the vectors of a square matrix whose rows and columns are permuted, by permutation."""
    square = squareform(np.random.default_rng(0).random(15 if len(items.ids) == 6 else 6))
    rows, columns = np.triu_indices(len(items.ids), 1)
    vector = square[rows, columns][items.pairs]
    moved = {
        tuple(square[np.ix_(order, order)][rows, columns][items.pairs].tolist()): order for order in orders
    }
    return vector, moved


def test_an_exchange_is_a_permutation_of_the_square_matrix_and_all_of_them_occur():
    items = stimulus_items(list("abcd"))
    vector, moved = permuted(items, [list(order) for order in permutations(range(4))])
    assert len(moved) == 24
    rng = np.random.default_rng(1)
    drawn = Counter(tuple(vector[items.exchange(rng)].tolist()) for _ in range(2400))
    assert set(drawn) == set(moved)
    assert min(drawn.values()) > 60  # 100 each are expected, with a standard deviation of 10


def test_run_wise_exchanges_stay_within_runs():
    items = run_wise_items(CONDITIONS, RUNS)
    within = [
        [*(r + 2 * i for i, swap in enumerate(swaps) for r in ((1, 0) if swap else (0, 1)))]
        for swaps in product((False, True), repeat=3)
    ]
    vector, moved = permuted(items, within)
    assert len(moved) == 8
    rng = np.random.default_rng(2)
    drawn = {tuple(vector[items.exchange(rng)].tolist()) for _ in range(200)}
    assert drawn == set(moved)


def test_the_same_seed_exchanges_the_same_way():
    items = run_wise_items(CONDITIONS, RUNS)
    one, two = (items.exchange(np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_a_condition_that_comes_twice_in_a_run_gets_a_name_of_its_own():
    items = run_wise_items(["a", "a", "b"] * 2, list("111222"))
    assert items.ids == ("1:a", "1:a#2", "1:b", "2:a", "2:a#2", "2:b")
