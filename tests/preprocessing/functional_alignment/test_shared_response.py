from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes, subspace_angles
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from alignkit._core.errors import InputError
from alignkit.preprocessing.functional_alignment.evaluation import (
    intersubject_correlation,
    segment_matching,
)
from alignkit.preprocessing.functional_alignment.shared_response import SharedResponseModel

CHANNELS = (12, 9, 15, 12)


def planted(rng, *, n_samples=60, n_features=3, channels=CHANNELS, noise=0.0):
    """Return subjects' responses, the shared time courses, and the maps, with means of their own."""
    shared = rng.standard_normal((n_samples, n_features)) * [4, 2, 1][:n_features]
    maps = [np.linalg.qr(rng.standard_normal((n, n_features)))[0] for n in channels]
    subjects = [
        shared @ W.T + noise * rng.standard_normal((n_samples, len(W))) + rng.standard_normal(len(W))
        for W in maps
    ]
    return subjects, shared - shared.mean(axis=0), maps


def residual(subjects, model):
    means = [X.mean(axis=0) for X in subjects]
    return sum(
        np.sum((X - mean - model.shared_response_ @ W.T) ** 2)
        for X, mean, W in zip(subjects, means, model.maps_, strict=True)
    )


def test_planted_maps_are_recovered_up_to_one_common_rotation():
    subjects, shared, maps = planted(np.random.default_rng(0))
    model = SharedResponseModel(n_features=3).fit(subjects)
    rotation, _ = orthogonal_procrustes(model.shared_response_, shared)
    np.testing.assert_allclose(model.shared_response_ @ rotation, shared, atol=1e-8)
    for found, W in zip(model.maps_, maps, strict=True):
        np.testing.assert_allclose(found @ rotation, W, atol=1e-8)
    assert model.objective_[-1] < 1e-20 * sum(np.sum(X**2) for X in subjects)


def test_new_responses_of_known_subjects_meet_in_the_shared_space():
    rng = np.random.default_rng(1)
    subjects, _, maps = planted(rng)
    model = SharedResponseModel(n_features=3).fit(subjects)
    new = rng.standard_normal((7, 3))
    transformed = model.transform([new @ W.T + mean for W, mean in zip(maps, model.means_, strict=True)])
    for each in transformed[1:]:
        np.testing.assert_allclose(each, transformed[0], atol=1e-8)
    np.testing.assert_array_equal(
        model.transform_subject(new @ maps[2].T + model.means_[2], subject=2), transformed[2]
    )
    np.testing.assert_allclose(
        model.to_subject(transformed[0], subject=1), new @ maps[1].T + model.means_[1], atol=1e-8
    )


@pytest.mark.parametrize("n_samples", [20, 200])
def test_the_objective_never_rises_and_is_the_residual(n_samples):
    rng = np.random.default_rng(2)
    # Nothing shared: the rounds have most to do.
    subjects = [rng.standard_normal((n_samples, n)) for n in (30, 25, 40)]
    model = SharedResponseModel(n_features=5, tol=0.0, max_iter=40)
    with pytest.warns(ConvergenceWarning, match="still improved after 40 rounds"):
        model.fit(subjects)
    assert model.n_iter_ == len(model.objective_) == 40
    total = sum(np.sum(X**2) for X in subjects)
    assert (np.diff(model.objective_) <= 1e-12 * total).all()
    assert model.objective_[-1] < 0.999 * model.objective_[0]
    assert residual(subjects, model) == pytest.approx(model.objective_[-1])


def test_each_part_is_the_best_given_the_others():
    rng = np.random.default_rng(3)
    subjects, _, _ = planted(rng, noise=0.5)
    model = SharedResponseModel(n_features=3, tol=1e-14, max_iter=2000).fit(subjects)
    centred = [X - X.mean(axis=0) for X in subjects]
    mean = np.mean([X @ W for X, W in zip(centred, model.maps_, strict=True)], axis=0)
    np.testing.assert_allclose(model.shared_response_, mean, atol=1e-5)
    for X, W in zip(centred, model.maps_, strict=True):
        left, _, right = np.linalg.svd(X.T @ model.shared_response_, full_matrices=False)
        np.testing.assert_allclose(W, left @ right, atol=1e-5)


def test_with_more_channels_than_samples_the_reduction_changes_nothing():
    rng = np.random.default_rng(4)
    subjects, _, _ = planted(rng, n_samples=20, channels=(50, 60, 70), noise=0.3)
    model = SharedResponseModel(n_features=3, max_iter=300).fit(subjects)
    # The same rounds on the channels themselves, from the same start.
    data = [X - X.mean(axis=0) for X in subjects]
    shared = np.linalg.svd(np.hstack(data), full_matrices=False)[0][:, :3]
    for _ in range(model.n_iter_):
        maps = [np.linalg.svd(X.T @ shared, full_matrices=False) for X in data]
        maps = [left @ right for left, _, right in maps]
        shared = np.mean([X @ W for X, W in zip(data, maps, strict=True)], axis=0)
    for found, W in zip(model.maps_, maps, strict=True):
        assert subspace_angles(found, W).max() < 1e-6
        np.testing.assert_allclose(found.T @ found, np.eye(3), atol=1e-10)


def test_features_are_uncorrelated_in_falling_order_with_a_fixed_sign():
    subjects, _, _ = planted(np.random.default_rng(5), noise=0.3)
    model = SharedResponseModel(n_features=3).fit(subjects)
    gram = model.shared_response_.T @ model.shared_response_
    np.testing.assert_allclose(gram - np.diag(np.diag(gram)), 0, atol=1e-9)
    assert (np.diff(np.diag(gram)) < 0).all()
    largest = np.abs(model.shared_response_).argmax(axis=0)
    assert (model.shared_response_[largest, range(3)] > 0).all()


def test_the_order_of_subjects_and_their_rotations_do_not_matter():
    rng = np.random.default_rng(6)
    subjects, _, _ = planted(rng, noise=0.5)
    model = SharedResponseModel(n_features=3).fit(subjects)
    turned = SharedResponseModel(n_features=3).fit(subjects[::-1])
    np.testing.assert_allclose(turned.shared_response_, model.shared_response_, atol=1e-6)
    Q = [np.linalg.qr(rng.standard_normal((X.shape[1],) * 2))[0] for X in subjects]
    rotated = SharedResponseModel(n_features=3).fit([X @ R for X, R in zip(subjects, Q, strict=True)])
    np.testing.assert_allclose(rotated.shared_response_, model.shared_response_, atol=1e-6)


def test_scaling_a_subject_does_matter():
    rng = np.random.default_rng(7)
    subjects, _, _ = planted(rng, noise=1.0)
    loud = [10 * subjects[0], *subjects[1:]]
    here, there = (SharedResponseModel(n_features=3).fit(each).shared_response_ for each in (subjects, loud))
    assert subspace_angles(here, there).max() > 0.05


def test_a_new_subject_is_added_to_the_shared_response_as_it_is():
    rng = np.random.default_rng(8)
    subjects, _, maps = planted(rng)
    model = SharedResponseModel(n_features=3).fit(subjects[:3])
    shared = model.shared_response_.copy()
    assert model.add_subject(subjects[3]) == 3
    np.testing.assert_array_equal(model.shared_response_, shared)
    new = rng.standard_normal((7, 3))
    first, last = (model.transform_subject(new @ maps[s].T + model.means_[s], subject=s) for s in (0, 3))
    np.testing.assert_allclose(first, last, atol=1e-8)
    assert len(model.transform(subjects)) == 4


def test_held_out_samples_agree_more_than_by_anatomy_and_at_chance_where_nothing_is_shared():
    rng = np.random.default_rng(9)
    noisy, _, _ = planted(rng, n_samples=300, channels=(12,) * 5, noise=0.7)
    unrelated = [rng.standard_normal((300, 12)) for _ in range(5)]
    found = {}
    for name, subjects in (("shared", noisy), ("unrelated", unrelated)):
        model = SharedResponseModel(n_features=3).fit([X[:200] for X in subjects])
        held_out = [X[200:] for X in subjects]
        aligned = model.transform(held_out)
        found[name] = [
            (intersubject_correlation(data).mean(), segment_matching(data, width=5))
            for data in (held_out, aligned, model.transform([X[:200] for X in subjects])[:5])
        ]
    (r_anatomy, by_anatomy), (r_aligned, by_model), _ = found["shared"]
    assert abs(r_anatomy) < 0.1
    assert r_aligned > 0.6
    assert by_model.accuracy.mean() > 0.9 > by_anatomy.accuracy.mean() + 0.4
    _, (r_null, null), (r_flattering, flattering) = found["unrelated"]
    assert abs(r_null) < 0.1
    assert null.accuracy.mean() < 4 * null.chance
    # The samples of the fit would have said otherwise.
    assert r_flattering > 0.2
    assert flattering.accuracy.mean() > 5 * flattering.chance


def test_the_same_data_give_the_same_bits_and_stay_as_they_were():
    subjects, _, _ = planted(np.random.default_rng(10), noise=0.5)
    before = [X.copy() for X in subjects]
    first, second = (SharedResponseModel(n_features=2).fit(subjects) for _ in range(2))
    for a, b in zip(first.maps_, second.maps_, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(subjects, before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_parameters_are_those_of_scikit_learn():
    model = SharedResponseModel(n_features=4, tol=1e-3)
    assert clone(model).get_params() == model.get_params()
    assert model.set_params(n_features=2).n_features == 2
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        model.transform([np.eye(3)])


def test_without_centring_means_are_part_of_the_response():
    subjects, _, _ = planted(np.random.default_rng(11))
    model = SharedResponseModel(n_features=3, center=False).fit(subjects)
    assert all((mean == 0).all() for mean in model.means_)
    assert model.objective_[-1] > 1e-3


@pytest.mark.parametrize(
    ("subjects", "options", "message"),
    [
        ([np.eye(4)], {}, "`Xs` must hold at least 2 subjects, got 1"),
        ([np.eye(4), np.eye(5)], {}, r"`Xs\[0\]` has 4 and `Xs\[1\]` has 5. Align them by `stimulus_id`"),
        ([np.eye(4), np.full((4, 2), np.nan)], {}, r"`Xs\[1\]` holds 8 NaN"),
        ([np.eye(4), np.zeros((4, 0))], {}, r"`Xs\[1\]` has no channels"),
        ([np.eye(4), np.ones(4)], {}, r"`Xs\[1\]` must have 2 dimension"),
        ({"a": np.eye(4)}, {}, "`Xs` must be a list of arrays, one per subject, got dict"),
        (
            [np.eye(6), np.eye(6)[:, :3]],
            {"n_features": 4},
            "must lie in 1..3: subjects have 6, 3 channels and 6 sam",
        ),
        (
            [np.eye(4)] * 2,
            {"n_features": 4},
            "must lie in 1..3: subjects have 4, 4 channels and 4 samples; got 4",
        ),
        ([np.eye(4)] * 2, {"n_features": 0}, "must lie in 1..3.* got 0"),
        ([np.eye(4)] * 2, {"n_features": 1, "max_iter": 0}, "`max_iter` must be at least 1, got 0"),
    ],
)
def test_subjects_that_do_not_fit_are_refused(subjects, options, message):
    with pytest.raises(InputError, match=message):
        SharedResponseModel(**{"n_features": 2, **options}).fit(subjects)


def test_new_responses_that_do_not_fit_are_refused():
    subjects, _, _ = planted(np.random.default_rng(12))
    model = SharedResponseModel(n_features=3).fit(subjects)
    for call, message in (
        (
            lambda: model.transform(subjects[:2]),
            "each of the 4 fitted subjects, got 2; use `transform_subject`",
        ),
        (
            lambda: model.transform_subject(subjects[0], subject=1),
            "subject 1 was fitted with 9 channels, got 12",
        ),
        (lambda: model.transform_subject(subjects[0], subject=4), "`subject` must lie in 0..3, got 4"),
        (lambda: model.to_subject(np.eye(4), subject=0), "`shared` must have 3 features, got 4"),
        (
            lambda: model.add_subject(subjects[0][:5]),
            r"the 60 samples of `fit` and at least 3 channels, got .*5, 12",
        ),
        (lambda: model.add_subject(subjects[0][:, :2]), r"at least 3 channels, got shape \(60, 2\)"),
    ):
        with pytest.raises(InputError, match=message):
            call()
