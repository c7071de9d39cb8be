from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from alignkit._core.errors import InputError
from alignkit.metrics import METRICS
from alignkit.metrics.geometry.capacity_limits import point_capacity, sphere_capacity
from alignkit.metrics.geometry.mean_field_capacity import manifold_capacity, squared_move


def spheres(radius, dimension, n_points):
    """Return two sampled spheres whose centres are opposite unit vectors."""
    rng = np.random.default_rng(0)
    half = rng.standard_normal((n_points // 2, dimension))
    half *= radius / np.linalg.norm(half, axis=1, keepdims=True)
    sphere = np.vstack([half, -half])
    X = np.zeros((2 * n_points, 1 + 2 * dimension))
    X[:n_points, 0], X[n_points:, 0] = 1, -1
    X[:n_points, 1 : dimension + 1] = X[n_points:, dimension + 1 :] = sphere
    return X, np.repeat(["left", "right"], n_points)


def clouds(spread, n_classes=20, n_points=10, n_units=60, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_classes), n_points)
    centres = rng.standard_normal((n_classes, n_units))
    return centres[labels] + spread * rng.standard_normal((len(labels), n_units)), labels


@pytest.mark.parametrize("margin", [0.0, 0.5, 1.0])
def test_points_have_gardners_capacity_and_no_size(margin):
    X = np.random.default_rng(0).standard_normal((12, 30))
    found = manifold_capacity(X, np.arange(12), margin=margin, n_directions=2000, random_state=0)
    assert found.capacity == pytest.approx(point_capacity(margin), abs=4 * found.capacity_error)
    assert found.capacity_error < 0.03 * found.capacity
    assert (found.radius, found.dimension) == (0, 0)


def test_a_finely_sampled_sphere_has_its_known_capacity_radius_and_dimension():
    found = manifold_capacity(*spheres(1, 3, 800), n_directions=2000, random_state=0)
    assert found.capacity == pytest.approx(0.4935, abs=4 * found.capacity_error)
    assert found.capacity == pytest.approx(sphere_capacity(1, 3), rel=0.04)
    assert found.radius == pytest.approx(0.976, abs=0.01)
    assert found.dimension == pytest.approx(2.995, abs=0.02)
    assert found.names == ("left", "right")


@pytest.mark.parametrize(("radius", "dimension", "sampled"), [(1, 5, 0.356), (0.5, 10, 0.471)])
def test_few_points_overestimate_the_capacity(radius, dimension, sampled):
    found = manifold_capacity(*spheres(radius, dimension, 600), n_directions=2000, random_state=0)
    assert found.capacity == pytest.approx(sampled, rel=0.04)
    assert found.capacity > sphere_capacity(radius, dimension) + 2 * found.capacity_error


def test_a_margin_costs_a_sphere_what_the_theory_says():
    found = manifold_capacity(*spheres(1, 3, 800), margin=0.5, n_directions=1000, random_state=0)
    assert found.capacity == pytest.approx(sphere_capacity(1, 3, margin=0.5), rel=0.04)


@pytest.mark.parametrize("margin", [0.0, 0.7])
def test_the_move_is_the_optimum_of_the_quadratic_programme(margin):
    rng = np.random.default_rng(0)
    constraints = np.column_stack([rng.standard_normal((15, 3)), np.ones(15)])
    for direction in rng.standard_normal((10, 4)):
        move, shares = squared_move(constraints, direction, margin)
        peer = minimize(
            lambda v, t=direction: ((v - t) ** 2).sum(),
            np.array([0, 0, 0, 5.0]),
            jac=lambda v, t=direction: 2 * (v - t),
            constraints={
                "type": "ineq",
                "fun": lambda v: constraints @ v - margin,
                "jac": lambda v: constraints,
            },
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 500},
        )
        assert move == pytest.approx(peer.fun, abs=1e-7)
        assert shares.min() >= 0
        assert shares.sum() == pytest.approx(1)


def test_a_direction_that_meets_all_constraints_stays_and_touches_the_nearest():
    move, shares = squared_move(np.array([[1.0, 1.0], [-1.0, 1.0]]), np.array([0.5, 3.0]), 0.0)
    assert move == 0
    assert shares.tolist() == [0, 1]


def test_the_capacity_of_a_set_is_the_harmonic_mean():
    found = manifold_capacity(*clouds(0.5), random_state=0)
    assert found.capacity == pytest.approx(1 / np.mean(1 / found.capacities), rel=1e-12)
    assert found.capacity < found.capacities.mean()
    assert found.radius == pytest.approx(found.radii.mean(), rel=1e-12)
    assert found.dimension == pytest.approx(found.dimensions.mean(), rel=1e-12)
    table = found.to_frame()
    assert list(table.columns) == ["name", "capacity", "radius", "dimension"]
    assert table["name"].tolist() == list(range(20))


def test_wider_manifolds_have_less_capacity_and_a_larger_radius():
    found = [manifold_capacity(*clouds(spread), random_state=0) for spread in (0, 0.3, 1)]
    assert found[0].capacity > 1.8 > 1.2 > found[1].capacity > 0.8 > 0.5 > found[2].capacity
    assert found[0].radius < found[1].radius < found[2].radius


def test_a_common_structure_of_the_centres_is_found_and_removed():
    rng = np.random.default_rng(0)
    own = rng.standard_normal((30, 300)) / np.sqrt(300)
    common = rng.standard_normal((30, 3)) @ rng.standard_normal((3, 300)) / np.sqrt(300)
    labels = np.repeat(np.arange(30), 5)
    X = (own + common)[labels] + 0.01 * rng.standard_normal((150, 300))
    found = manifold_capacity(X, labels, n_directions=50, random_state=0)
    kept = manifold_capacity(X, labels, n_directions=50, n_common=0, random_state=0)
    assert found.n_common == 3
    assert found.centre_cosine < 0.08 < 0.2 < kept.centre_cosine
    assert kept.n_common == 0


def test_rotations_shifts_and_scale_change_nothing_but_stretching_does():
    X, labels = clouds(0.5, n_classes=8, n_units=20)
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((20, 20)))[0]
    plain = manifold_capacity(X, labels, n_directions=50, random_state=0)
    moved = manifold_capacity(7 * X @ rotation + 3, labels, n_directions=50, random_state=0)
    for name in ("capacities", "radii", "dimensions"):
        np.testing.assert_allclose(getattr(moved, name), getattr(plain, name), rtol=1e-7)
    stretched = manifold_capacity(X * np.arange(1, 21), labels, n_directions=50, random_state=0)
    assert abs(stretched.capacity - plain.capacity) > 0.01


def test_the_same_seed_gives_the_same_bits_and_repeated_samples_change_nothing():
    X, labels = clouds(0.5, n_classes=4, n_units=10)
    first = manifold_capacity(X, labels, n_directions=20, random_state=3)
    again = manifold_capacity(X, labels, n_directions=20, random_state=3)
    np.testing.assert_array_equal(first.capacities, again.capacities)
    other = manifold_capacity(X, labels, n_directions=20, random_state=4)
    assert other.capacity != first.capacity
    twice = manifold_capacity(np.repeat(X, 2, axis=0), np.repeat(labels, 2), n_directions=20, random_state=3)
    np.testing.assert_allclose(twice.capacities, first.capacities, rtol=1e-7)


def test_fewer_units_than_points_constant_units_and_integers():
    rng = np.random.default_rng(0)
    X, labels = rng.integers(0, 20, (40, 3)), np.repeat([0, 1], 20)
    X[20:] += 15
    found = manifold_capacity(X, labels, random_state=0)
    padded = manifold_capacity(np.column_stack([X, np.full(40, 5)]), labels, random_state=0)
    assert padded.capacity == pytest.approx(found.capacity, rel=1e-9)
    assert (found.dimensions <= 3).all()
    one = manifold_capacity(X[:, :1], labels, random_state=0)
    assert (one.dimensions <= 1).all()


def test_tensors_come_back_and_the_result_is_frozen():
    X, labels = clouds(0.5, n_classes=4, n_units=10)
    before = X.copy()
    plain = manifold_capacity(X, labels, n_directions=20, random_state=0)
    found = manifold_capacity(torch.from_numpy(X), torch.from_numpy(labels), n_directions=20, random_state=0)
    assert isinstance(found.radii, torch.Tensor)
    np.testing.assert_array_equal(found.capacities.numpy(), plain.capacities)
    np.testing.assert_array_equal(X, before)
    assert found.to_frame()["radius"].tolist() == plain.radii.tolist()
    with pytest.raises(dataclasses.FrozenInstanceError):
        plain.capacity = 0.0


def test_the_registered_metrics_are_fields_of_the_result():
    X, labels = clouds(0.5, n_classes=4, n_units=10)
    found = manifold_capacity(X, labels, random_state=0)
    for name in ("capacity", "radius", "dimension"):
        assert METRICS[f"manifold-{name}"](X, labels) == getattr(found, name)


@pytest.mark.parametrize(
    ("X", "labels", "options", "message"),
    [
        (np.eye(4), [0, 1], {}, "same number of samples, got 4 and 2"),
        (np.eye(4), [0] * 4, {}, "at least 2 classes, got 1"),
        (np.ones((4, 2)), [0, 0, 1, 1], {}, "all 4 rows of `X` are equal"),
        (np.array([[1.0], [-1], [1], [-1]]), [0, 0, 1, 1], {}, "the centres of all classes are equal"),
        (np.array([[2.0], [-2], [0], [0]]), [0, 1, 2, 2], {}, "the centre of class 2 lies at the mean"),
        (np.eye(4), range(4), {"margin": -1}, "`margin` must be 0 or more and at most 1e.06, got -1"),
        (np.eye(4), range(4), {"n_directions": 1}, "`n_directions` must be at least 2, got 1"),
        (np.eye(4), range(4), {"n_common": 3}, "from 0 to the number of classes less 2, 2, got 3"),
        (np.full((4, 2), np.nan), range(4), {}, r"`X` holds 8 NaN or infinite value\(s\)"),
    ],
)
def test_unusable_input_is_refused(X, labels, options, message):
    with pytest.raises(InputError, match=message):
        manifold_capacity(X, list(labels), **options)
