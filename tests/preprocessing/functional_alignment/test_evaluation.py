from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.preprocessing.functional_alignment.evaluation import (
    intersubject_correlation,
    segment_matching,
)
from alignkit.stats import leave_one_subject_out


def test_the_correlation_is_with_the_mean_of_the_others():
    rng = np.random.default_rng(0)
    subjects = rng.standard_normal((4, 30, 3))
    r = intersubject_correlation(list(subjects))
    for s in range(4):
        others = np.delete(subjects, s, axis=0).mean(axis=0)
        expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(subjects[s].T, others.T, strict=True)]
        np.testing.assert_allclose(r[s], expected)


def test_of_z_scored_responses_it_is_the_lower_ceiling():
    rng = np.random.default_rng(1)
    subjects = rng.standard_normal((40, 3)) + rng.standard_normal((5, 40, 3))
    subjects = (subjects - subjects.mean(axis=1, keepdims=True)) / subjects.std(axis=1, keepdims=True)
    np.testing.assert_allclose(
        intersubject_correlation(subjects), leave_one_subject_out(subjects).lower_by_subject, atol=1e-12
    )


def test_a_constant_channel_has_no_correlation():
    X = np.random.default_rng(2).standard_normal((20, 2))
    flat = X.copy()
    flat[:, 0] = 1.0
    assert np.isnan(intersubject_correlation([flat, X])[0]).tolist() == [True, False]


def test_segments_are_matched_among_those_that_do_not_overlap():
    # A slow time course: overlapping segments are nearly equal, and must not count as confusions.
    time = np.linspace(0, 6, 120)
    X = np.stack([np.sin(time), time, time**2 / 6], axis=1)
    found = segment_matching([X, X], width=10)
    assert found.accuracy.tolist() == [1.0, 1.0]
    assert found.n_segments == 111
    # In the middle of 111 segments 18 overlap, at the ends 9.
    assert 1 / 102 <= found.chance <= 1 / 93


def test_unrelated_responses_are_matched_at_chance():
    rng = np.random.default_rng(3)
    rates, chance = [], 0.0
    for _ in range(20):
        found = segment_matching([rng.standard_normal((60, 4)) for _ in range(3)], width=4)
        rates.append(found.accuracy.mean())
        chance = found.chance
    # Neighbouring segments share samples: the spread is wider than of independent ones.
    assert np.mean(rates) == pytest.approx(chance, abs=0.01)


def test_one_subject_out_of_step_is_not_found():
    rng = np.random.default_rng(4)
    X = rng.standard_normal((80, 5))
    late = np.roll(X, 7, axis=0)
    accuracy = segment_matching([X, X, X, late], width=5).accuracy
    assert accuracy[:3].min() > 0.9
    assert accuracy[3] < 0.1


def test_the_unit_of_a_channel_does_not_matter_but_its_content_does():
    rng = np.random.default_rng(5)
    subjects = [rng.standard_normal((50, 3)) for _ in range(3)]
    scaled = [X * [1, 100, 0.01] + 5 for X in subjects]
    np.testing.assert_allclose(
        intersubject_correlation(scaled), intersubject_correlation(subjects), atol=1e-9
    )
    mean = segment_matching(subjects, width=3)
    assert segment_matching([7 * X for X in subjects], width=3).accuracy.tolist() == mean.accuracy.tolist()


def test_what_does_not_fit_is_refused():
    X = np.random.default_rng(6).standard_normal((10, 3))
    with pytest.raises(
        InputError, match=r"`Xs\[0\]` has 3 and `Xs\[1\]` has 2. Align them to a common space"
    ):
        intersubject_correlation([X, X[:, :2]])
    with pytest.raises(InputError, match="at least 2 subjects, got 1"):
        segment_matching([X], width=2)
    for width in (0, 6):
        with pytest.raises(InputError, match=f"`width` must lie in 1..5 for 10 samples, got {width}"):
            segment_matching([X, X], width=width)
