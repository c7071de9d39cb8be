from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.metrics.geometry.capacity_limits import point_capacity, sphere_capacity


@pytest.mark.parametrize(("margin", "capacity"), [(0, 2), (0.5, 0.961205), (1, 0.519572)])
def test_points_have_gardners_capacity(margin, capacity):
    assert point_capacity(margin) == pytest.approx(capacity, abs=5e-7)
    assert sphere_capacity(0.0, 4, margin=margin) == point_capacity(margin)
    assert sphere_capacity(1e-9, 4, margin=margin) == pytest.approx(capacity, rel=1e-6)


@pytest.mark.parametrize("dimension", [1, 3, 5, 20])
def test_a_sphere_of_radius_one_makes_a_self_dual_cone(dimension):
    # The squared distances to such a cone and to its dual are alike and sum to D + 1.
    assert sphere_capacity(1.0, dimension) == pytest.approx(2 / (dimension + 1), rel=1e-9)


@pytest.mark.parametrize(
    ("radius", "dimension", "sampled"),
    [(1, 5, 0.33297), (0.5, 10, 0.35969), (1, 3, 0.4989), (2, 50, 0.02487)],
)
def test_spheres_have_the_capacity_that_sampled_cones_show(radius, dimension, sampled):
    # Those numbers come from random directions and are good to some tenths of a percent.
    assert sphere_capacity(radius, dimension) == pytest.approx(sampled, rel=3e-3)


@pytest.mark.parametrize(("radius", "dimension", "ball"), [(1, 5, 0.33349), (0.5, 10, 0.35904)])
def test_the_ball_formula_is_near_and_the_asymptotic_one_is_not(radius, dimension, ball):
    formula = (1 + radius**2) * point_capacity(radius * np.sqrt(dimension))
    assert formula == pytest.approx(ball, abs=5e-6)
    assert sphere_capacity(radius, dimension) == pytest.approx(formula, rel=5e-3)
    assert (1 + radius**-2) / dimension > 1.1 * sphere_capacity(radius, dimension)
    assert (1 + 2**-2) / 50 == pytest.approx(0.025, rel=1e-12)
    assert sphere_capacity(2, 50) == pytest.approx(0.025, rel=6e-3)


def test_a_margin_costs_capacity_as_random_directions_say():
    t = np.random.default_rng(0).standard_normal((200_000, 4))
    along, up = np.linalg.norm(t[:, :3], axis=1), t[:, 3] - 0.5
    radius = 0.7
    to_side = np.maximum(radius * along - up, 0) ** 2 / (1 + radius**2)
    moves = np.where(along + radius * up <= 0, along**2 + up**2, to_side)
    assert sphere_capacity(radius, 3, margin=0.5) == pytest.approx(1 / moves.mean(), rel=0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: point_capacity(-1), "`margin` must be 0 or more and finite, got -1"),
        (lambda: sphere_capacity(1, 3, margin=np.inf), "`margin` must be 0 or more and finite, got inf"),
        (lambda: sphere_capacity(-1, 3), "`radius` must be 0 .* got -1 and 3"),
        (lambda: sphere_capacity(1, 0), "`dimension` 1 or more, got 1 and 0"),
    ],
)
def test_impossible_spheres_are_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
