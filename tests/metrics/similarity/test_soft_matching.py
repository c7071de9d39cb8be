from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, linprog

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics.similarity.procrustes import shape_distance
from alignkit.metrics.similarity.soft_matching import (
    soft_matching_distance,
    soft_matching_plan,
    soft_matching_score,
)


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    return rng.standard_normal((50, 6)), rng.standard_normal((50, 9))


def transported(cost):
    """Return the least cost between uniform weights, by a linear programme."""
    p, q = cost.shape
    rows, columns = np.kron(np.eye(p), np.ones(q)), np.kron(np.ones(p), np.eye(q))
    weights = np.concatenate([np.full(p, 1 / p), np.full(q, 1 / q)])
    return linprog(cost.ravel(), A_eq=np.concatenate([rows, columns]), b_eq=weights).fun


def squared_gaps(X, Y):
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    return ((X[:, :, None] - Y[:, None, :]) ** 2).sum(axis=0)


def test_equal_numbers_of_units_give_the_known_value_of_the_assignment():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 6))
    rng.permutation(6)
    order = rng.permutation(6)
    Y = X[:, order] + 0.3 * rng.normal(size=X.shape)
    squared = soft_matching_distance(X, Y) ** 2
    assert squared == pytest.approx(4.078101, abs=5e-7)
    gaps = squared_gaps(X, Y)
    assert squared == pytest.approx(gaps[linear_sum_assignment(gaps)].sum() / 6, rel=1e-12)


def test_unequal_numbers_of_units_give_the_exact_transport(pair):
    X, Y = pair
    expected = transported(squared_gaps(X, Y))
    assert soft_matching_distance(X, Y) ** 2 == pytest.approx(expected, rel=1e-9)
    assert shape_distance(X, Y, kind="euclidean", group="soft-permutation") ** 2 == pytest.approx(expected)


def test_copies_of_all_units_change_nothing(pair):
    X, Y = pair
    assert soft_matching_distance(X, np.tile(X, 3)) == pytest.approx(0, abs=1e-12)
    assert soft_matching_distance(np.tile(X, 2), Y) == pytest.approx(soft_matching_distance(X, Y), rel=1e-9)
    assert soft_matching_score(X, np.tile(X, 2)) == pytest.approx(1, rel=1e-12)


def test_the_score_is_one_less_half_the_squared_distance_of_unit_norm_units(pair):
    X, Y = ((side - side.mean(axis=0)) / np.linalg.norm(side - side.mean(axis=0), axis=0) for side in pair)
    expected = 1 - soft_matching_distance(X, Y) ** 2 / 2
    assert soft_matching_score(*pair) == pytest.approx(expected, rel=1e-9)
    assert soft_matching_score(pair[0] * np.arange(1, 7) + 3, pair[1]) == pytest.approx(expected, rel=1e-9)


def test_the_maximum_over_units_is_above_the_matching_and_both_above_0_by_chance(pair):
    X, Y = pair
    correlations = np.corrcoef(X.T, Y.T)[:6, 6:]
    assert 0.05 < soft_matching_score(X, Y) < correlations.max(axis=1).mean()


def test_a_plan_from_some_samples_is_unbiased_on_others():
    rng = np.random.default_rng(0)
    scores = []
    for _ in range(40):
        X, Y = rng.standard_normal((60, 5)), rng.standard_normal((60, 7))
        plan = soft_matching_plan(X[:30], Y[:30])
        scores.append(np.sum(plan * np.corrcoef(X[30:].T, Y[30:].T)[:5, 5:]))
    assert np.mean(scores) == pytest.approx(0, abs=0.03)


def test_plans_give_every_unit_its_share(pair):
    X, Y = pair
    for by in ("correlation", "distance"):
        plan = soft_matching_plan(X, Y, by=by)
        np.testing.assert_allclose(plan.sum(axis=0), 1 / 9, rtol=1e-9)
        np.testing.assert_allclose(plan.sum(axis=1), 1 / 6, rtol=1e-9)
    gaps = squared_gaps(X, Y)
    assert np.sum(plan * gaps) == pytest.approx(soft_matching_distance(X, Y) ** 2, rel=1e-9)


def test_distances_are_symmetric_keep_the_triangle_and_see_rotations(pair):
    rng = np.random.default_rng(1)
    for _ in range(20):
        sides = [rng.standard_normal((6, p)) for p in (2, 3, 5)]
        xy, yz, xz = (soft_matching_distance(sides[i], sides[j]) for i, j in ((0, 1), (1, 2), (0, 2)))
        assert xz <= xy + yz + 1e-12
        assert soft_matching_distance(sides[1], sides[0]) == pytest.approx(xy, rel=1e-9)
    X = pair[0]
    assert soft_matching_distance(X, X @ np.linalg.qr(rng.standard_normal((6, 6)))[0]) > 1


def test_constant_units_are_left_out_and_counted(pair):
    X, Y = pair
    dead = np.column_stack([X[:, :2], np.full((50, 3), 0.1), X[:, 2:]])
    for metric in (soft_matching_distance, soft_matching_score):
        with pytest.warns(UserWarning, match="3 of 9 units of `X` are constant and were left out"):
            found = metric(dead, Y)
        assert found == pytest.approx(metric(X, Y), rel=1e-12)
    with pytest.warns(UserWarning, match="3 of 9 units of `Y`"):
        plan = soft_matching_plan(Y, dead)
    assert (plan[:, 2:5] == 0).all()
    np.testing.assert_allclose(plan[:, [0, 1, 5]].sum(axis=0), 1 / 6, rtol=1e-9)


def test_scales_of_responses_do_not_disturb_the_solver(pair):
    X, Y = pair
    for factor in (1e-9, 1e9):
        scaled = soft_matching_distance(factor * X, factor * Y)
        assert scaled == pytest.approx(factor * soft_matching_distance(X, Y), rel=1e-9)


def test_bad_input_is_refused_with_its_numbers(pair):
    X, Y = pair
    with pytest.raises(InputError, match="same number of samples, got 50 and 49"):
        soft_matching_distance(X, Y[:-1])
    with pytest.raises(InputError, match="all 50 rows of `Y` are equal"):
        soft_matching_score(X, np.ones((50, 2)))
    with pytest.raises(InputError, match="`X` holds 300 NaN"):
        soft_matching_distance(X * np.nan, Y)
    with pytest.raises(UnknownNameError, match="did you mean 'correlation'"):
        soft_matching_plan(X, Y, by="corr")


def test_a_solver_that_gives_up_is_an_error(pair, monkeypatch):
    monkeypatch.setattr("alignkit.metrics.similarity._unit_transport._MAX_PIVOTS", 1)
    with pytest.warns(UserWarning, match="numItermax"), pytest.raises(InputError, match="6 and 9 units"):
        soft_matching_distance(*pair)


def test_torch_gives_the_same_numbers(pair):
    torch = pytest.importorskip("torch")
    tensors = [torch.from_numpy(side) for side in pair]
    assert soft_matching_score(*tensors) == pytest.approx(soft_matching_score(*pair), rel=1e-12)
    plan = soft_matching_plan(*tensors)
    assert isinstance(plan, torch.Tensor)
    np.testing.assert_array_equal(plan.numpy(), soft_matching_plan(*pair))
