from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from alignkit._core.errors import InputError
from alignkit.preprocessing.functional_alignment.common_template import Hyperalignment
from alignkit.preprocessing.functional_alignment.evaluation import (
    intersubject_correlation,
    segment_matching,
)


def rotations(rng, n_channels, count):
    return [np.linalg.qr(rng.standard_normal((n_channels, n_channels)))[0] for _ in range(count)]


@pytest.mark.parametrize("n_passes", [0, 1, 3])
def test_planted_rotations_are_undone(n_passes):
    rng = np.random.default_rng(0)
    first = rng.standard_normal((50, 6))
    Qs = [np.eye(6), *rotations(rng, 6, 3)]
    model = Hyperalignment(n_passes=n_passes).fit([first @ Q for Q in Qs])
    for W, Q in zip(model.maps_, Qs, strict=True):
        np.testing.assert_allclose(W, Q.T, atol=1e-8)
    np.testing.assert_allclose(model.template_, first - first.mean(axis=0), atol=1e-8)


def test_new_responses_meet_and_go_back():
    rng = np.random.default_rng(1)
    Qs = rotations(rng, 6, 3)
    data, new = rng.standard_normal((50, 6)), rng.standard_normal((4, 6))
    for scaling in (False, True):
        factors = [1.0, 3.0, 0.5] if scaling else [1.0] * 3
        model = Hyperalignment(scaling=scaling).fit([f * data @ Q for f, Q in zip(factors, Qs, strict=True)])
        subjects = [
            f * (new - data.mean(axis=0)) @ Q + m for f, Q, m in zip(factors, Qs, model.means_, strict=True)
        ]
        common = model.transform(subjects)
        for each in common[1:]:
            np.testing.assert_allclose(each, common[0], atol=1e-8)
        for subject in range(3):
            back = model.to_subject(common[0], subject=subject)
            np.testing.assert_allclose(back, subjects[subject], atol=1e-8)
        np.testing.assert_allclose(np.array(model.scales_) * factors, factors[0], atol=1e-8)
    assert Hyperalignment().fit([data, 2 * data]).scales_ == [1.0, 1.0]


@pytest.mark.parametrize("n_channels", [5, 60])
def test_the_passes_are_those_of_the_paper(n_channels):
    rng = np.random.default_rng(2)
    subjects = [rng.standard_normal((40, n_channels)) for _ in range(4)]
    data = [X - X.mean(axis=0) for X in subjects]
    rank = min(n_channels, 39)

    def turn(X, template):
        left, _, right = np.linalg.svd(X.T @ template)
        return left[:, :rank] @ right[:rank]

    aligned = [data[1]]
    for k in (0, 2, 3):
        aligned.append(data[k] @ turn(data[k], np.mean(aligned, axis=0)))
    aligned = [aligned[1], aligned[0], aligned[2], aligned[3]]
    for _ in range(2):
        others = [np.mean(aligned[:k] + aligned[k + 1 :], axis=0) for k in range(4)]
        aligned = [X @ turn(X, other) for X, other in zip(data, others, strict=True)]
    template = np.mean(aligned, axis=0)
    model = Hyperalignment(reference=1, n_passes=2).fit(subjects)
    np.testing.assert_allclose(model.template_, template, atol=1e-10)
    for X, W in zip(data, model.maps_, strict=True):
        np.testing.assert_allclose(W, turn(X, template), atol=1e-10)


def test_passes_bring_subjects_closer_than_anatomy_and_than_the_first_pass():
    rng = np.random.default_rng(3)
    shared = rng.standard_normal((200, 8))
    subjects = [shared @ Q + 0.8 * rng.standard_normal((200, 8)) for Q in rotations(rng, 8, 6)]
    spread = {}
    for n_passes in (0, 1, 4):
        aligned = np.array(Hyperalignment(n_passes=n_passes).fit(subjects).transform(subjects))
        spread[n_passes] = np.sum((aligned - aligned.mean(axis=0)) ** 2)
    assert spread[4] <= spread[1] < spread[0]
    raw = np.array(subjects) - np.mean(subjects, axis=1, keepdims=True)
    assert spread[1] < 0.8 * np.sum((raw - raw.mean(axis=0)) ** 2)


def test_held_out_samples_agree_more_than_by_anatomy_and_at_chance_where_nothing_is_shared():
    rng = np.random.default_rng(4)
    shared = rng.standard_normal((300, 6))
    related = [shared @ Q + 0.7 * rng.standard_normal((300, 6)) for Q in rotations(rng, 6, 5)]
    unrelated = [rng.standard_normal((300, 6)) for _ in range(5)]
    model = Hyperalignment().fit([X[:200] for X in related])
    before, after = ([X[200:] for X in related], model.transform([X[200:] for X in related]))
    assert abs(intersubject_correlation(before).mean()) < 0.1
    assert intersubject_correlation(after).mean() > 0.7
    assert segment_matching(after, width=5).accuracy.mean() > 0.9
    null = Hyperalignment().fit([X[:200] for X in unrelated])
    held_out, training = (
        null.transform([X[part] for X in unrelated]) for part in (slice(200, 300), slice(200))
    )
    assert abs(intersubject_correlation(held_out).mean()) < 0.06
    assert segment_matching(held_out, width=5).accuracy.mean() < 0.05
    assert intersubject_correlation(training).mean() > 0.08


def test_subjects_with_fewer_or_more_channels_than_the_reference_are_turned_into_its_space():
    rng = np.random.default_rng(5)
    shared = rng.standard_normal((80, 3))
    widths = (5, 9, 3)
    subjects = [shared @ np.linalg.qr(rng.standard_normal((n, 3)))[0].T for n in widths]
    model = Hyperalignment().fit(subjects)
    assert model.reference_ == 1
    assert [W.shape for W in model.maps_] == [(5, 9), (9, 9), (3, 9)]
    aligned = model.transform(subjects)
    for each in aligned:
        np.testing.assert_allclose(each, aligned[1], atol=1e-8)
    narrow = Hyperalignment(reference=2).fit(subjects)
    assert narrow.template_.shape == (80, 3)
    np.testing.assert_allclose(narrow.transform(subjects)[1], narrow.transform(subjects)[2], atol=1e-8)


def test_a_new_subject_is_turned_to_the_template_as_it_is():
    rng = np.random.default_rng(6)
    data, Qs = rng.standard_normal((50, 4)), rotations(rng, 4, 3)
    model = Hyperalignment().fit([data, data @ Qs[0]])
    template = model.template_.copy()
    assert model.add_subject(2 * data @ Qs[1] + 7) == 2
    np.testing.assert_array_equal(model.template_, template)
    np.testing.assert_allclose(model.maps_[2], Qs[1].T, atol=1e-8)
    assert len(model.transform([data, data @ Qs[0], data @ Qs[1]])) == 3
    np.testing.assert_allclose(
        model.transform_subject(2 * data @ Qs[1] + 7, subject=2), 2 * template, atol=1e-8
    )


def test_parameters_are_those_of_scikit_learn_and_data_stay():
    model = Hyperalignment(n_passes=2, scaling=True)
    assert clone(model).get_params() == model.get_params()
    X = np.random.default_rng(7).standard_normal((20, 3))
    before = X.copy()
    first, second = (model.fit([X, 2 * X]).maps_ for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(X, before)


def test_what_does_not_fit_is_refused():
    X = np.random.default_rng(8).standard_normal((20, 3))
    for options, subjects, message in (
        ({"reference": 2}, [X, X], "`reference` must lie in 0..1, got 2"),
        ({"n_passes": -1}, [X, X], "`n_passes` must be 0 or more, got -1"),
        ({}, [X, X[:5]], r"`Xs\[0\]` has 20 and `Xs\[1\]` has 5"),
    ):
        with pytest.raises(InputError, match=message):
            Hyperalignment(**options).fit(subjects)
    with pytest.raises(InputError, match="must have the 20 samples of `fit`, got 5"):
        Hyperalignment().fit([X, X]).add_subject(X[:5])
