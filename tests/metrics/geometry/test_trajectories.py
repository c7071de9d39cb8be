from __future__ import annotations

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.metrics.geometry.trajectories import (
    trajectory_angles,
    trajectory_curvature,
    trajectory_straightness,
)


def polygon(n):
    turns = np.arange(n + 1) * 2 * np.pi / n
    return np.stack([np.cos(turns), np.sin(turns)], axis=1)


def test_a_line_is_straight_and_a_polygon_turns_by_its_angle():
    line = np.arange(9)[:, None] * np.array([[1.0, -2.0, 0.5]])
    assert trajectory_curvature(line) == pytest.approx(0, abs=1e-12)
    assert trajectory_straightness(line) == pytest.approx(1, abs=1e-12)
    for n in (3, 24, 100):
        np.testing.assert_allclose(trajectory_angles(polygon(n)), 360 / n, rtol=1e-9)
        assert trajectory_straightness(polygon(n)) == pytest.approx(0, abs=1e-12)


def test_random_walks_and_independent_frames_have_known_curvature():
    frames = np.random.default_rng(0).standard_normal((200, 500))
    assert trajectory_curvature(frames.cumsum(axis=0)) == pytest.approx(90.08, abs=5e-3)
    assert trajectory_curvature(frames) == pytest.approx(120.15, abs=5e-3)


def test_noise_pulls_a_line_towards_120_degrees():
    rng = np.random.default_rng(0)
    line = np.arange(50)[:, None] * np.ones((1, 200))
    quiet, loud = (trajectory_curvature(line + s * rng.standard_normal((50, 200))) for s in (0.1, 30))
    assert quiet < 15
    assert loud == pytest.approx(120, abs=2)


def test_a_turn_back_is_180_degrees_and_one_unit_is_enough():
    assert trajectory_angles([[0], [1], [0], [1]]).tolist() == [180.0, 180.0]
    assert trajectory_curvature([[0], [1], [5]]) == 0


def test_small_angles_keep_their_digits():
    angle = 1e-7
    X = np.array([[0.0, 0.0], [1.0, 0.0], [1 + np.cos(angle), np.sin(angle)]])
    assert trajectory_angles(X)[0] == pytest.approx(np.degrees(angle), rel=1e-6)


def test_repeated_frames_make_no_step():
    X = np.random.default_rng(0).standard_normal((10, 4))
    again = np.repeat(X, [1, 3, 1, 1, 2, 1, 1, 1, 1, 4], axis=0)
    np.testing.assert_allclose(trajectory_angles(again), trajectory_angles(X), rtol=1e-12)
    assert trajectory_straightness(again) == pytest.approx(trajectory_straightness(X), rel=1e-12)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_extreme_scales_are_fine(scale):
    X = np.random.default_rng(0).standard_normal((10, 4))
    assert trajectory_curvature(scale * X) == pytest.approx(trajectory_curvature(X), rel=1e-10)
    assert trajectory_straightness(scale * X) == pytest.approx(trajectory_straightness(X), rel=1e-10)


def test_tensors_come_back_with_equal_numbers():
    X = np.random.default_rng(0).integers(0, 9, (8, 3))
    before = X.copy()
    angles = trajectory_angles(torch.from_numpy(X))
    assert isinstance(angles, torch.Tensor)
    np.testing.assert_array_equal(angles.numpy(), trajectory_angles(X))
    assert trajectory_curvature(torch.from_numpy(X)) == trajectory_curvature(X)
    assert trajectory_straightness(torch.from_numpy(X)) == trajectory_straightness(X)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize(
    ("function", "X", "message"),
    [
        (trajectory_curvature, [[1.0, 2.0]], "`X` needs at least 2 rows, got 1"),
        (trajectory_angles, [[0.0], [1.0], [1.0]], "at least 2 steps that move, `X` has 1"),
        (trajectory_straightness, np.ones((3, 2)), "all rows of `X` are equal"),
        (trajectory_curvature, np.ones((3, 0)), "`X` has no units"),
        (trajectory_curvature, [[0.0], [np.nan], [1.0]], r"`X` holds 1 NaN or infinite value\(s\)"),
    ],
)
def test_unusable_input_is_refused(function, X, message):
    with pytest.raises(InputError, match=message):
        function(X)


def test_a_step_by_rounding_alone_is_no_step():
    still = [0.1, 0.1 + np.spacing(0.1)]
    for function in (trajectory_angles, trajectory_curvature):
        with pytest.raises(InputError, match="an angle needs at least 2 steps that move, `X` has 0"):
            function(np.array([still, still[::-1], still]))
    np.testing.assert_allclose(
        trajectory_angles([[0.1, 0], [0.1 + np.spacing(0.1), 0], [1, 0], [1, 1]]), [90]
    )
