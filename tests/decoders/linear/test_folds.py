from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.decoders.linear.folds import folds_by_unit


def test_units_stay_whole_in_every_fold():
    codes = np.tile([0, 1], 20)
    units = np.repeat([f"u{i}" for i in range(10)], 4)
    for train, test in folds_by_unit(codes, units, n_folds=5, seed=3):
        assert not set(units[train]) & set(units[test])


def test_one_fold_a_unit_holds_each_unit_out_once():
    units = np.repeat(["b", "a", "c"], 4)
    parts = folds_by_unit(np.tile([0, 1], 6), units, n_folds="units", seed=0)
    assert sorted(set(units[test]).pop() for _, test in parts) == ["a", "b", "c"]
    assert all(len(set(units[test])) == 1 for _, test in parts)


def test_folds_follow_the_seed():
    codes, units = np.tile([0, 1], 60), np.repeat(np.arange(30), 4)
    first, again, other = (folds_by_unit(codes, units, n_folds=5, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(first, again, strict=True))
    assert any(not np.array_equal(a[1], b[1]) for a, b in zip(first, other, strict=True))


def test_too_few_units_and_parts_without_a_class_are_refused():
    codes, units = np.array([0, 0, 1, 1]), np.array(["a", "a", "b", "b"])
    with pytest.raises(InputError, match="3 folds need as many units, and there are 2"):
        folds_by_unit(codes, units, n_folds=3, seed=0)
    with pytest.raises(InputError, match="part of a fold lacks a class .held out: [ab]"):
        folds_by_unit(codes, units, n_folds="units", seed=0)
