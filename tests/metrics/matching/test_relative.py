from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import KNeighborsClassifier

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics import METRICS
from alignkit.metrics.matching.relative import relative_representation, stitching_score


def responses(n=30, p=6, seed=0):
    return np.random.default_rng(seed).standard_normal((n, p))


def rotation(p, seed=1):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((p, p)))[0]


def planted(noise=0.3, n=240, n_classes=4, seed=0):
    """Return two systems with the same classes, the second rotated and noisy."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    X = 2 * rng.standard_normal((n_classes, 10))[labels] + rng.standard_normal((n, 10))
    return X, X @ rotation(10) + noise * rng.standard_normal((n, 10)), labels


def test_cosines_equal_scikit_learn():
    X, anchors = responses(), [3, 9, 20]
    np.testing.assert_allclose(
        relative_representation(X, anchors), cosine_similarity(X, X[anchors]), rtol=1e-12
    )
    outside = responses(5, seed=2)
    np.testing.assert_allclose(relative_representation(X, outside), cosine_similarity(X, outside), rtol=1e-12)


def test_dot_products_and_correlations_equal_numpy():
    X, anchors = responses(), [3, 9, 20]
    np.testing.assert_allclose(
        relative_representation(X, anchors, similarity="dot"), X @ X[anchors].T, rtol=1e-12
    )
    np.testing.assert_allclose(
        relative_representation(X, anchors, similarity="correlation"), np.corrcoef(X)[:, anchors], atol=1e-13
    )


def test_rotations_and_scale_change_nothing_and_shifts_do_unless_centred():
    X, anchors = responses(), np.arange(8)
    expected = relative_representation(X, anchors)
    turned = 7 * X @ rotation(6)
    np.testing.assert_allclose(relative_representation(turned, anchors), expected, atol=1e-13)
    shifted = turned + 3
    assert np.abs(relative_representation(shifted, anchors) - expected).max() > 0.5
    np.testing.assert_allclose(
        relative_representation(shifted, anchors, center=True),
        relative_representation(X, anchors, center=True),
        atol=1e-13,
    )
    assert np.abs(relative_representation(X @ np.diag([9, 1, 1, 1, 1, 1]), anchors) - expected).max() > 0.1


def test_an_anchor_has_cosine_one_with_itself_and_none_is_beyond():
    X = responses()
    relative = relative_representation(X, np.arange(30))
    np.testing.assert_allclose(relative.diagonal(), 1, atol=1e-14)
    assert np.abs(relative).max() <= 1


def test_one_unit_integers_repeats_and_tiny_responses_are_fine():
    np.testing.assert_array_equal(relative_representation([[1], [-2], [1]], [0]), [[1], [-1], [1]])
    X = responses()
    np.testing.assert_allclose(
        relative_representation(1e-200 * X, [0, 1]), relative_representation(X, [0, 1]), rtol=1e-12
    )


def test_a_classifier_reads_a_rotated_system_zero_shot_and_not_without_anchors():
    X, Y, labels = planted()
    score = stitching_score(X, Y, labels, anchors=np.arange(40))
    assert score.relative > 0.95
    assert score.absolute < 0.6
    assert score.within > 0.95
    assert score.chance == pytest.approx(0.25, abs=0.01)
    assert score.n_scored == 200


def test_unrelated_systems_stitch_at_chance():
    X, _, labels = planted()
    found = [
        stitching_score(X, responses(240, 10, seed=seed), labels, anchors=np.arange(40)).relative
        for seed in range(5)
    ]
    assert np.mean(found) == pytest.approx(0.25, abs=0.05)


def test_labels_without_meaning_stitch_at_chance():
    # The same stimuli on both sides: only leakage of test stimuli could read random labels.
    X = responses(200, 10)
    labels = np.random.default_rng(3).integers(0, 2, 200)
    score = stitching_score(X, X @ rotation(10), labels, anchors=np.arange(40))
    assert score.relative == pytest.approx(0.5, abs=0.12)


def test_groups_keep_near_duplicates_apart():
    rng = np.random.default_rng(0)
    X = np.repeat(rng.standard_normal((40, 30)), 5, axis=0) + 0.01 * rng.standard_normal((200, 30))
    X = np.vstack([rng.standard_normal((30, 30)), X])
    groups = np.r_[np.arange(100, 130), np.repeat(np.arange(40), 5)]
    labels = np.r_[np.zeros(30, int), np.repeat(rng.integers(0, 2, 40), 5)]
    nearest = KNeighborsClassifier(1)
    options = {"anchors": np.arange(30), "classifier": nearest}
    assert stitching_score(X, X, labels, **options).relative > 0.95
    assert stitching_score(X, X, labels, groups=groups, **options).relative < 0.75


def test_systems_of_different_width_stitch_but_have_no_absolute_score():
    X, Y, labels = planted()
    wide = np.hstack([Y, np.zeros((240, 5))]) @ rotation(15)
    score = stitching_score(X, wide, labels, anchors=np.arange(40))
    assert score.relative > 0.95
    assert np.isnan(score.absolute)


def test_shifted_systems_stitch_once_centred():
    X, Y, labels = planted()
    options = {"anchors": np.arange(40)}
    moved = stitching_score(X, Y + 20, labels, **options).relative
    assert moved < 0.6
    assert stitching_score(X, Y + 20, labels, center=True, **options).relative > 0.95


def test_the_same_seed_gives_the_same_score_and_tensors_too():
    X, Y, labels = planted(noise=3)
    expected = stitching_score(X, Y, labels, anchors=np.arange(40))
    assert stitching_score(X, Y, labels, anchors=np.arange(40)) == expected
    tensors = [torch.from_numpy(values) for values in (X, Y, labels)]
    assert stitching_score(*tensors, anchors=torch.arange(40)) == expected
    relative = relative_representation(tensors[0], torch.arange(40))
    assert isinstance(relative, torch.Tensor)
    np.testing.assert_allclose(relative.numpy(), relative_representation(X, np.arange(40)), rtol=1e-12)
    assert isinstance(METRICS["relative-representation"](tensors[0]), torch.Tensor)


@pytest.mark.parametrize(
    ("anchors", "message"),
    [
        ([0, 30], "distinct rows from 0 to 29, got 2 from 0 to 30, 2 of them different"),
        ([-1], "distinct rows from 0 to 29, got 1 from -1"),
        ([4, 4], "got 2 from 4 to 4, 1 of them different"),
        ([], r"`anchors` must be row indices, got shape \(0,\)"),
        ([0.5], r"row indices, got shape \(1,\) of float64"),
        (np.ones((3, 5)), r"must have the 6 units of `X`, got shape \(3, 5\)"),
        (np.zeros((2, 6)), r"2 response\(s\) of `anchors` are zero in every unit, the first is row 0"),
    ],
)
def test_unusable_anchors_are_refused_with_the_numbers(anchors, message):
    with pytest.raises(InputError, match=message):
        relative_representation(responses(), anchors)


def test_responses_without_a_direction_are_refused_by_cosines_only():
    X = responses()
    X[7] = 0
    with pytest.raises(
        InputError, match=r"1 response\(s\) of `X` are zero in every unit, the first is row 7"
    ):
        relative_representation(X, [0])
    assert relative_representation(X, [0], similarity="dot")[7, 0] == 0
    with pytest.raises(UnknownNameError, match="`similarity` is 'euclidean'"):
        relative_representation(X, [0], similarity="euclidean")


def test_unusable_stitching_is_refused_with_the_numbers():
    X, Y, labels = planted(n=40)
    with pytest.raises(InputError, match="same number of samples, got 40 and 9"):
        stitching_score(X, Y[:9], labels, anchors=[0])
    with pytest.raises(InputError, match=r"`labels` must hold one label per stimulus, got shape \(9,\)"):
        stitching_score(X, Y, labels[:9], anchors=[0])
    with pytest.raises(InputError, match=r"`groups` must hold one label per stimulus, got shape \(3,\)"):
        stitching_score(X, Y, labels, anchors=[0], groups=[1, 2, 3])
    with pytest.raises(InputError, match=r"at least 2 classes .* got 1 class\(es\), the smallest with 39"):
        stitching_score(X, Y, np.zeros(40), anchors=[0])
    with pytest.raises(InputError, match=r"`n_folds` = 20 .* got 4 class\(es\), the smallest with 9"):
        stitching_score(X, Y, labels, anchors=[0], n_folds=20)
    with pytest.raises(InputError, match=r"got 0 class\(es\), the smallest with 0"):
        stitching_score(X, Y, labels, anchors=np.arange(40))


def test_labels_that_are_numbers_with_a_point_are_classes_and_missing_ones_are_refused():
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    X = rng.standard_normal((40, 3)) + 3 * labels[:, None]
    options = {"anchors": [0, 1, 2, 3], "n_folds": 2}
    whole, half = (stitching_score(X, X, values, **options) for values in (labels, labels + 0.5))
    assert whole == half
    with pytest.raises(InputError, match="`labels` holds 1 NaN or missing label"):
        stitching_score(X, X, [None, *labels[1:]], **options)
    with pytest.raises(InputError, match=r"`X` has no units, got shape \(40, 0\)"):
        stitching_score(X[:, :0], X, labels, **options)
