from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignkit._core.errors import InputError
from alignkit.stats import audit_folds, grouped_folds, leave_one_group_out


@settings(max_examples=60, deadline=None)
@given(
    groups=st.lists(st.integers(0, 12), min_size=1, max_size=60).filter(lambda g: len(set(g)) >= 2),
    n_folds=st.integers(2, 6),
    seed=st.integers(0, 100),
)
def test_every_sample_is_tested_once_and_groups_stay_whole(groups, n_folds, seed):
    n_folds = min(n_folds, len(set(groups)))
    folds = grouped_folds(groups, n_folds=n_folds, random_state=seed)
    tested = np.concatenate([test for _, test in folds])
    np.testing.assert_array_equal(np.sort(tested), np.arange(len(groups)))
    for train, test in folds:
        np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(len(groups)))
        assert not {groups[i] for i in train} & {groups[i] for i in test}
    assert audit_folds(folds, stimulus_ids=groups).verdict == "clean"


def test_folds_are_balanced_in_samples():
    groups = np.repeat(np.arange(103), 3)
    sizes = [test.size for _, test in grouped_folds(groups, n_folds=5)]
    assert max(sizes) - min(sizes) <= 3
    uneven = np.concatenate([np.zeros(40, dtype=int), np.arange(1, 81)])
    assert [test.size for _, test in grouped_folds(uneven, n_folds=3)] == [40, 40, 40]


def test_the_seed_decides_the_shuffle():
    groups = list("abcdefghij") * 2
    first, again, other = (grouped_folds(groups, random_state=s) for s in (0, 0, 1))
    for (_, a), (_, b) in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(not np.array_equal(a, b) for (_, a), (_, b) in zip(first, other, strict=True))


def test_works_as_cross_validation_of_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    selection = pytest.importorskip("sklearn.model_selection")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    folds = grouped_folds(np.repeat(np.arange(20), 3), n_folds=4)
    scores = selection.cross_val_score(linear_model.Ridge(), X, X @ [1.0, 2.0, 3.0], cv=folds)
    assert scores.shape == (4,)
    assert (scores > 0.9).all()


def test_leave_one_run_out_makes_each_run_the_test_part_once():
    runs = [2, 2, 1, 1, 3]
    folds = leave_one_group_out(runs)
    assert [test.tolist() for _, test in folds] == [[0, 1], [2, 3], [4]]
    assert audit_folds(folds, stimulus_ids=range(5), runs=runs).verdict == "clean"


def test_the_audit_finds_a_stimulus_in_both_parts():
    audit = audit_folds([([0, 1], [2, 3])], stimulus_ids=["cat", "dog", "cat", "dog"])
    assert audit.verdict == "leaks"
    assert audit.findings == ("fold 0: 2 stimuli in both the training and the test part: 'cat', 'dog'.",)
    assert audit.checked == ("samples", "stimuli")


def test_the_audit_finds_one_picture_under_two_names():
    audit = audit_folds(
        [([0, 1], [2]), ([1, 2], [0])],
        stimulus_ids=["cat", "dog", "feline"],
        content_digests=["x", "y", "x"],
    )
    assert audit.verdict == "leaks"
    assert len(audit.findings) == 2
    assert "1 pair(s) of stimuli with the same content under two ids" in audit.findings[0]
    assert "'cat' = 'feline'" in audit.findings[0]
    unknown = audit_folds([([0], [1])], stimulus_ids=["a", "b"], content_digests=[None, None])
    assert unknown.verdict == "clean"


def test_the_audit_finds_a_run_in_both_parts():
    ids = list(range(8))
    runs = [1, 1, 1, 1, 2, 2, 2, 2]
    audit = audit_folds(grouped_folds(ids, n_folds=2), stimulus_ids=ids, runs=runs)
    assert audit.verdict == "leaks"
    assert all("2 runs in both the training and the test part: " in text for text in audit.findings)
    assert audit.checked == ("samples", "stimuli", "runs")


def test_the_audit_finds_a_sample_in_both_parts_and_shortens_long_lists():
    everything = np.arange(10)
    audit = audit_folds([(everything, everything)], stimulus_ids=everything.tolist())
    assert audit.findings[0] == "fold 0: 10 samples in both the training and the test part: 0, 1, 2, ...."


def test_impossible_folds_are_refused():
    with pytest.raises(InputError, match="`n_folds` is 5, but there are only 3 groups in 6 samples"):
        grouped_folds([1, 1, 2, 2, 3, 3])
    with pytest.raises(InputError, match="`n_folds` must be at least 2, got 1"):
        grouped_folds([1, 2], n_folds=1)
    with pytest.raises(InputError, match="`groups` is empty"):
        grouped_folds([])
    with pytest.raises(InputError, match=r"no value for 1 sample\(s\), the first at index 1"):
        grouped_folds([1.0, float("nan"), 2.0], n_folds=2)
    with pytest.raises(InputError, match="at least 2 groups, got 1 in 3 samples"):
        leave_one_group_out(["run", "run", "run"])


def test_an_audit_of_broken_folds_is_refused():
    with pytest.raises(InputError, match=r"one value per sample \(3 in `stimulus_ids`\), got 2"):
        audit_folds([([0], [1])], stimulus_ids=[1, 2, 3], runs=[1, 1])
    with pytest.raises(InputError, match="fold 0 has an empty test part"):
        audit_folds([([0], [])], stimulus_ids=[1, 2])
    with pytest.raises(InputError, match="train part of fold 1 must hold sample indices from 0 to 1"):
        audit_folds([([0], [1]), ([5], [1])], stimulus_ids=[1, 2])
    with pytest.raises(InputError, match="`folds` is empty"):
        audit_folds([], stimulus_ids=[1, 2])
