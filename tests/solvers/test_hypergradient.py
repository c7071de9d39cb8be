from __future__ import annotations

import numpy as np
import pytest
import torch

from alignkit.solvers import _hypergradient as hyper
from alignkit.solvers._band_search import HeldOutTargets


def tensor(values):
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float64))


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    X1, X2, V1, V2 = (rng.standard_normal(size) for size in ((40, 30), (40, 20), (15, 30), (15, 20)))
    w1, w2 = rng.standard_normal(30), 0.1 * rng.standard_normal(20)
    seen = X1 @ w1 + X2 @ w2 + rng.standard_normal(40)
    held_out = V1 @ w1 + V2 @ w2 + rng.standard_normal(15)
    one = torch.ones(1, dtype=torch.float64)
    targets = HeldOutTargets(tensor(seen[:, None]), tensor(held_out[:, None]), 0 * one, one, one < 0)
    inner, across = [tensor(X1 @ X1.T), tensor(X2 @ X2.T)], [tensor(V1 @ X1.T), tensor(V2 @ X2.T)]
    return hyper.HyperFold(inner, across, targets)


def test_the_gradient_is_the_known_one_and_that_of_central_differences(problem):
    deltas = tensor([[-1.0], [-2.0]])
    _, gradient = hyper.half_error_and_gradient(problem, deltas)
    np.testing.assert_allclose(gradient[:, 0], [-15.37793, 6.17854], atol=1e-5)
    for j in range(2):
        shift = torch.zeros_like(deltas)
        shift[j] = 1e-3
        above, _ = hyper.half_error_and_gradient(problem, deltas + shift)
        below, _ = hyper.half_error_and_gradient(problem, deltas - shift)
        np.testing.assert_allclose((above - below) / 2e-3, gradient[j], rtol=1e-4)


def test_conjugate_gradients_solve_every_target_with_its_own_kernel(problem):
    rng = np.random.default_rng(1)
    Y = tensor(rng.standard_normal((40, 5)))
    scale = tensor(np.exp(rng.standard_normal((2, 5)) - 2))
    found = hyper.solve(problem.inner, scale, Y)
    for k in range(5):
        kernel = sum(s * K for s, K in zip(scale[:, k], problem.inner, strict=True))
        expected = torch.linalg.solve(kernel + torch.eye(40, dtype=torch.float64), Y[:, k])
        np.testing.assert_allclose(found[:, k], expected, atol=1e-7)
    np.testing.assert_array_equal(hyper.solve(problem.inner, scale, Y, found), found)
    np.testing.assert_array_equal(hyper.solve(problem.inner, scale, 0 * Y), 0 * Y)


def test_the_descent_ends_where_the_gradient_is_nothing_and_keeps_its_bounds(problem):
    place, scores = hyper.descend([problem], tensor([[-1.0], [-2.0]]), -20.0, 5.0, 60)
    start, _ = hyper.mean_score([problem], tensor([[-1.0], [-2.0]]))
    again, slope = hyper.mean_score([problem], place)
    assert scores > start
    np.testing.assert_allclose(scores, again, atol=1e-6)
    free = (place > -19) & (place < 4.9)
    assert (slope[free].abs() < 0.05).all()
    near, _ = hyper.descend([problem], tensor([[-1.0], [-2.0]]), -2.5, -0.5, 60)
    assert near.min() >= -2.5
    assert near.max() <= -0.5


def test_scores_do_not_need_the_gradient(problem):
    deltas = tensor([[-1.0], [-2.0]])
    with_gradient, _ = hyper.mean_score([problem], deltas)
    np.testing.assert_allclose(hyper.scores_at([problem], deltas), with_gradient, rtol=1e-8)
