"""Pairs: a fixed time apart within a segment, or of one label and never of one window."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.decoders.embeddings.pairs import LabelPairs, TimePairs


def drawn(pairs, batch_size, n_batches=20, seed=0):
    rng = np.random.default_rng(seed)
    batches = [pairs.draw(batch_size, rng) for _ in range(n_batches)]
    return np.concatenate([a for a, _ in batches]), np.concatenate([p for _, p in batches])


def test_time_pairs_are_all_that_lie_an_offset_apart_in_a_segment():
    segments = np.repeat([0, 1, 2], [5, 2, 4])
    pairs = TimePairs(segments, 2)
    by_hand = [
        (i, i + 2) for i in range(len(segments)) if i + 2 < len(segments) and segments[i] == segments[i + 2]
    ]
    assert list(zip(pairs.anchors.tolist(), pairs.positives.tolist(), strict=True)) == by_hand


def test_time_pairs_never_cross_segments_as_those_of_one_long_segment_do():
    segments = np.repeat(np.arange(30), 4)

    def n_crossing(pairs):
        anchors, positives = drawn(pairs, 32)
        return int((segments[anchors] != segments[positives]).sum())

    assert n_crossing(TimePairs(segments, 1)) == 0
    assert n_crossing(TimePairs(np.zeros(120), 1)) > 50


def test_no_pair_comes_twice_in_a_batch_and_all_come_equally_often():
    pairs = TimePairs(np.zeros(41), 1)
    rng = np.random.default_rng(0)
    counts = np.zeros(41, dtype=int)
    for _ in range(40):
        anchors, _ = pairs.draw(10, rng)
        assert len(set(anchors.tolist())) == 10
        counts[anchors] += 1
    assert counts[:40].tolist() == [10] * 40
    assert counts[40] == 0


def test_label_pairs_share_their_label_and_are_two_samples():
    labels = np.random.default_rng(1).choice(["a", "b", "c"], 90)
    anchors, positives = drawn(LabelPairs(labels, np.zeros(90)), 32)
    assert (labels[anchors] == labels[positives]).all()
    assert (anchors != positives).all()


def test_every_partner_of_a_label_is_equally_likely():
    labels = np.array([0] * 6 + [1] * 6)
    anchors, positives = drawn(LabelPairs(labels, np.zeros(12)), 12, n_batches=1000)
    counts = np.bincount(positives[anchors == 2], minlength=12)
    assert counts[2] == 0 and counts[6:].sum() == 0
    # 1000 draws over 5 partners: 200 each, with a standard deviation of 13.
    assert np.abs(counts[[0, 1, 3, 4, 5]] - 200).max() < 55


def test_label_pairs_share_no_sample_of_their_windows():
    labels = np.repeat([0, 1, 0, 1], 25)
    anchors, positives = drawn(LabelPairs(labels, np.zeros(100), apart=7), 64)
    assert np.abs(anchors - positives).min() == 7


def test_label_pairs_join_sessions_of_unequal_length_evenly():
    rng = np.random.default_rng(2)
    sessions = np.repeat([0, 1], [900, 100])
    anchors, positives = drawn(LabelPairs(rng.integers(0, 4, 1000), sessions), 100, n_batches=50)
    assert abs((sessions[anchors] == 1).mean() - 0.5) < 0.01
    assert abs((sessions[anchors] != sessions[positives]).mean() - 0.5) < 0.05


def test_a_label_that_one_session_lacks_is_paired_within_the_other():
    labels = np.array([0, 0, 1, 1, 2, 2, 0, 0, 1, 1])
    sessions = np.repeat([0, 1], [6, 4])
    anchors, positives = drawn(LabelPairs(labels, sessions), 10)
    assert set(positives[np.isin(anchors, [4, 5])].tolist()) == {4, 5}


def test_samples_without_a_partner_are_no_anchors():
    pairs = LabelPairs(["a", "a", "once", "b", "b"], np.zeros(5))
    assert pairs.anchors.tolist() == [0, 1, 3, 4]


def test_pairs_that_cannot_be_drawn_are_refused():
    with pytest.raises(InputError, match="at least 1 row, got 0"):
        TimePairs([0, 0, 0], 0)
    with pytest.raises(InputError, match=r"0 pair\(s\) of samples lie 3 row\(s\) apart .* of 2 has 3 rows"):
        TimePairs([0, 0, 0, 1, 1], 3)
    with pytest.raises(InputError, match=r"samples of run 0 do not follow one another"):
        TimePairs([0, 1, 0], 1)
    with pytest.raises(InputError, match=r"holds 1 label\(s\), and 1 of them have two samples"):
        LabelPairs(["a"] * 5, np.zeros(5))
    with pytest.raises(InputError, match=r"holds 2 label\(s\), and 0 .* at least 9 row\(s\) apart"):
        LabelPairs(["a"] * 5 + ["b"] * 5, np.zeros(10), apart=9)
    with pytest.raises(InputError, match=r"session 1 of 2 shares 1 label\(s\) with the others"):
        LabelPairs([0, 0, 1, 1, 0, 0, 2, 2], np.repeat([0, 1], 4))
