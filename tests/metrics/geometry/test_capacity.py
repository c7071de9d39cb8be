from __future__ import annotations

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.metrics.geometry.capacity import joint_capacity, nuclear_norm_capacity, simulated_capacity
from alignkit.metrics.geometry.mean_field_capacity import manifold_capacity


def clouds(spread, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(20), 10)
    return rng.standard_normal((20, 60))[labels] + spread * rng.standard_normal((200, 60)), labels


def test_the_objective_of_random_views_is_known_and_bounded():
    X = np.random.default_rng(0).standard_normal((32, 16))
    labels = np.repeat(np.arange(8), 4)
    assert nuclear_norm_capacity(X, labels) == pytest.approx(3.668428, abs=5e-7)
    agreeing = np.repeat(np.eye(16)[:8], 4, axis=0)
    assert nuclear_norm_capacity(agreeing, labels) == pytest.approx(8, rel=1e-12)
    assert nuclear_norm_capacity(
        np.repeat(np.eye(4), 8, axis=0), np.repeat(np.arange(8), 4)
    ) == pytest.approx(np.sqrt(8 * 4), rel=1e-12)


def test_opposite_views_have_no_capacity_and_each_rows_scale_is_free():
    X = np.array([[1.0, 0], [-1, 0], [0, 2], [0, -2]])
    assert nuclear_norm_capacity(X, [0, 0, 1, 1]) == pytest.approx(0, abs=1e-12)
    Y = np.random.default_rng(0).standard_normal((6, 3))
    labels = [0, 0, 1, 1, 2, 2]
    scaled = Y * np.array([[1e-200], [2], [3], [4], [5], [1e200]])
    assert nuclear_norm_capacity(scaled, labels) == pytest.approx(nuclear_norm_capacity(Y, labels), rel=1e-12)


def test_random_points_have_capacity_two_by_every_road():
    X, labels = np.random.default_rng(0).standard_normal((100, 200)), np.arange(100)
    joint = joint_capacity(X, labels, random_state=0)
    assert joint.capacity == pytest.approx(2.02, abs=3 * joint.capacity_error)
    assert simulated_capacity(X, labels, n_trials=50, random_state=0) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(("spread", "capacity"), [(0.0, 1.996), (0.3, 1.062), (1.0, 0.466)])
def test_clouds_have_known_joint_capacity_and_trials_and_theory_agree(spread, capacity):
    X, labels = clouds(spread)
    joint = joint_capacity(X, labels, random_state=0)
    assert joint.capacity == pytest.approx(capacity, rel=0.06)
    trial = simulated_capacity(X, labels, n_trials=40, random_state=0)
    assert trial == pytest.approx(joint.capacity, rel=0.12)
    theory = manifold_capacity(X, labels, n_common=0, random_state=0)
    assert theory.capacity == pytest.approx(trial, rel=0.12)


def test_theory_meets_the_joint_capacity_of_correlated_centres_only_without_their_common_structure():
    X, labels = clouds(0.3)
    rng = np.random.default_rng(1)
    correlated = X + 3 * rng.standard_normal((20, 1))[labels] * rng.standard_normal(60)
    joint = joint_capacity(correlated, labels, random_state=0).capacity
    removed = manifold_capacity(correlated, labels, n_directions=100, random_state=0)
    assert removed.n_common >= 1
    assert removed.capacity == pytest.approx(joint, rel=0.1)
    kept = manifold_capacity(correlated, labels, n_directions=100, n_common=0, random_state=0)
    assert kept.capacity > 1.15 * joint


def test_a_shared_offset_counts_only_without_centring():
    X, labels = clouds(0.3)
    centred = joint_capacity(X, labels, n_directions=50, random_state=0).capacity
    shifted = joint_capacity(X + 20, labels, n_directions=50, random_state=0).capacity
    assert shifted == pytest.approx(centred, rel=0.15)
    raw = joint_capacity(X + 20, labels, n_directions=50, center=False, random_state=0).capacity
    assert raw != pytest.approx(shifted, rel=0.02)


def test_the_same_seed_gives_the_same_bits_and_tensors_the_same_numbers():
    X, labels = clouds(0.3)
    first = joint_capacity(X, labels, n_directions=5, random_state=0)
    assert joint_capacity(torch.from_numpy(X), labels, n_directions=5, random_state=0) == first
    assert nuclear_norm_capacity(torch.from_numpy(X), labels) == pytest.approx(
        nuclear_norm_capacity(X, labels), rel=1e-12
    )
    trials = [simulated_capacity(X, labels, n_trials=3, random_state=1) for _ in range(2)]
    assert trials[0] == trials[1]
    integers = np.random.default_rng(0).integers(1, 9, (8, 3))
    assert nuclear_norm_capacity(integers, np.arange(8) // 2) > 0


def test_what_no_dimension_splits_is_said():
    X = np.random.default_rng(0).standard_normal((60, 2))
    with pytest.raises(InputError, match="of the trials split the 6 classes with all 2 dim.* is below 3"):
        simulated_capacity(X, np.repeat(np.arange(6), 10), n_trials=20, random_state=0)


@pytest.mark.parametrize(
    ("function", "X", "options", "message"),
    [
        (nuclear_norm_capacity, [[1.0], [0.0]], {}, r"1 row\(s\) of `X` are all zero, the first row 1"),
        (nuclear_norm_capacity, [[1.0], [np.nan]], {}, r"`X` holds 1 NaN or infinite value\(s\)"),
        (joint_capacity, np.ones((2, 3)), {}, "all 2 rows of `X` are equal"),
        (joint_capacity, np.eye(2), {"n_directions": 1}, "`n_directions` must be at least 2, got 1"),
        (simulated_capacity, np.eye(2), {"n_trials": 0}, "`n_trials` must be at least 1, got 0"),
    ],
)
def test_unusable_input_is_refused(function, X, options, message):
    with pytest.raises(InputError, match=message):
        function(X, [0, 1], **options)


def test_equal_rows_whose_mean_is_rounded_have_no_capacity():
    for function in (joint_capacity, simulated_capacity):
        with pytest.raises(InputError, match="all 6 rows of `X` are equal: there are no manifolds"):
            function(np.full((6, 5), 0.1), [0, 0, 1, 1, 2, 2])
