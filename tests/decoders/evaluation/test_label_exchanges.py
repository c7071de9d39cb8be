"""Exchanges keep together what drifts together, and hold their level where trials do not."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.decoders.evaluation._label_exchanges import design_of
from alignkit.decoders.evaluation.classification import classify
from alignkit.decoders.evaluation.nulls import (
    permute_labels,
    recording_order,
    shuffle_targets,
    what_is_exchanged,
)


def drifting(n_blocks: int, seed: int, n_runs: int = 8, n_per_run: int = 40):
    """Classes in blocks within runs, and a walk that knows nothing of them."""
    rng = np.random.default_rng([seed, n_blocks])
    labels = [
        np.repeat(rng.permutation(np.arange(n_blocks) % 2), n_per_run // n_blocks) for _ in range(n_runs)
    ]
    walks = np.cumsum(0.3 * rng.standard_normal((n_runs, n_per_run)), axis=1)
    values = (walks + rng.standard_normal(walks.shape)).ravel()
    return (
        np.stack([-values, values], axis=1),
        np.concatenate(labels),
        np.repeat(np.arange(n_runs), n_per_run),
    )


def share_of_small_p(n_blocks: int, n_sets: int, **options) -> float:
    p = []
    for seed in range(n_sets):
        scores, labels, units = drifting(n_blocks, seed)
        order = options.get("order")
        order = None if order is None else np.random.default_rng(seed).permutation(len(labels))
        found = classify(scores, labels, units=units, order=order, n_bootstraps=0, n_permutations=99)
        p.append(found.table.set_index("score").loc["AUC", "p"])
    return float(np.mean(np.array(p) <= 0.05))


@pytest.mark.parametrize("n_blocks", [2, 4])
def test_blocks_within_drifting_runs_are_called_significant_as_seldom_as_they_should(n_blocks):
    assert share_of_small_p(n_blocks, 50) <= 0.12


def test_an_order_that_hides_the_blocks_calls_drift_an_effect():
    # What exchanging single trials does: the twin that must fail.
    assert share_of_small_p(2, 50, order="hidden") >= 0.15


@pytest.mark.slow
@pytest.mark.parametrize("n_blocks", [2, 4])
def test_the_level_holds_over_many_drifting_sets(n_blocks):
    assert share_of_small_p(n_blocks, 500) <= 0.08


def test_a_block_keeps_one_label_and_a_unit_its_blocks():
    _, labels, units = drifting(4, 0)
    permuted = permute_labels(labels, units, n_permutations=30)
    assert what_is_exchanged(labels, units) == "blocks within units"
    within = (np.diff(labels) == 0) & (np.diff(units) == 0)
    assert (np.diff(permuted, axis=1)[:, within] == 0).all()
    # As many blocks of each class, although their lengths may differ.
    first = np.flatnonzero(np.concatenate([[True], ~within]))
    counts = [row[first][units[first] == 3].sum() for row in (labels, *permuted)]
    assert len(set(counts)) == 1
    assert len(np.unique(permuted, axis=0)) == 30


def test_labels_in_random_order_are_exchanged_one_by_one_and_the_order_is_that_of_recording():
    rng = np.random.default_rng(0)
    units = np.repeat(np.arange(6), 20)
    labels = np.concatenate([rng.permutation(np.arange(20) % 2) for _ in range(6)])
    assert what_is_exchanged(labels, units) == "trials within units"
    # Sorted by class, as results come; the rows tell that they were recorded at random.
    by_class = np.lexsort((labels, units))
    assert what_is_exchanged(labels[by_class], units[by_class]) == "blocks within units"
    assert what_is_exchanged(labels[by_class], units[by_class], order=by_class) == "trials within units"
    found = classify(np.eye(2)[labels][by_class], labels[by_class], n_bootstraps=0, n_permutations=5)
    assert found.exchanged == "trials within units"


def test_exchanges_of_units_leave_every_class_in_every_part():
    labels, units = np.repeat([0, 0, 0, 1, 1, 1], 4), np.repeat(np.arange(6), 4)
    rows = np.arange(24)
    test = units >= 3
    parts = [(rows[~test], rows[test])]
    free = permute_labels(labels, units, n_permutations=60)
    assert any(len(np.unique(row[test])) == 1 for row in free)
    kept = permute_labels(labels, units, n_permutations=60, parts=parts)
    assert all(len(np.unique(row[part])) == 2 for row in kept for part in (test, ~test))
    impossible = [(rows[units > 0], rows[units == 0])]
    with pytest.raises(InputError, match="exchanges of the 6 units, of one class each, left a training"):
        permute_labels(labels, units, n_permutations=1, parts=impossible)


def test_too_few_exchanges_for_a_small_p_are_told(caplog):
    labels, units = np.tile(np.repeat([0, 1], 10), 4), np.repeat(np.arange(4), 20)
    assert design_of(labels, units, None).n_exchanges == 16
    permute_labels(labels, units, n_permutations=9)
    assert "there are 16 exchanges of blocks within units, too few for p below 0.05" in caplog.text
    caplog.clear()
    permute_labels(np.tile(labels, 2), np.repeat(np.arange(8), 20), n_permutations=9)
    assert design_of(np.repeat([0, 1, 0, 1, 1], 3), np.repeat(np.arange(5), 3), None).n_exchanges == 10
    assert not caplog.text
    assert design_of(np.tile([0, 1], 2000), np.repeat(np.arange(200), 20), None).n_exchanges == 1e9


def test_order_is_a_number_of_every_trial():
    with pytest.raises(InputError, match="finite number of each of the 4 trials, got shape"):
        design_of([0, 1, 0, 1], [0, 0, 1, 1], [1.0, 2.0])
    with pytest.raises(InputError, match="finite number of each of the 2 trials"):
        design_of([0, 1], [0, 0], [1.0, np.nan])


def test_shuffled_targets_keep_blocks_and_recordings_without_onsets_go_by_rows(labelled):
    blocked = labelled(labels=np.tile(np.repeat([0, 1], 5), 8))
    shuffled = shuffle_targets(blocked, seed=3).column("target").reshape(16, 5)
    assert (shuffled == shuffled[:, :1]).all()
    assert recording_order(blocked.take([5, 2])).tolist() == [5, 2]
