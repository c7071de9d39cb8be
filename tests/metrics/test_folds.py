from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.metrics._folds import stimulus_folds


def test_every_stimulus_is_tested_once_and_never_beside_its_own_training():
    folds = stimulus_folds(4, 14, random_state=0)
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(14))
    assert {len(test) for _, test in folds} == {3, 4}
    for train, test in folds:
        assert sorted(np.concatenate([train, test])) == list(range(14))


def test_groups_stay_together():
    groups = np.array(list("aabbbccddeeefffggghhh"))
    for train, test in stimulus_folds(3, len(groups), groups=groups, random_state=0):
        assert not set(groups[train]) & set(groups[test])


def test_the_same_seed_draws_the_same_folds_and_another_does_not():
    first, again, other = (stimulus_folds(3, 30, random_state=seed) for seed in (0, 0, 1))
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0][1], other[0][1])


def test_folds_may_be_given():
    ((train, test),) = stimulus_folds([([0, 1, 2], [5, 4, 3])], 6)
    assert train.tolist() == [0, 1, 2]
    assert test.tolist() == [5, 4, 3]


@pytest.mark.parametrize(
    ("cv", "n", "groups", "message"),
    [
        (1, 9, None, "`cv` must be from 2 to the number of stimuli, 9, got 1"),
        (10, 9, None, "the number of stimuli, 9, got 10"),
        (3, 9, list("aaaaabbbb"), "the number of groups, 2, got 3"),
        (4, 9, None, "fold 0 of 4 has 6 and 3|fold 1 of 4 has 7 and 2"),
        (2, 9, [0, 1], r"one label per stimulus, got shape \(2,\) for 9 stimuli"),
        ([([0, 1, 2], [3, 4, 5])], 6, list("abcdea"), "fold 0 has 1 of the `groups` in both"),
        ([([0, 1, 2], [2, 3, 4])], 6, None, r"fold 0 has 1 row\(s\) in both"),
        ([([0, 1], [3, 4, 5])], 6, None, "fold 0 of 1 has 2 and 3"),
    ],
)
def test_unusable_folds_are_refused_with_the_numbers(cv, n, groups, message):
    with pytest.raises(InputError, match=message):
        stimulus_folds(cv, n, groups=groups)
