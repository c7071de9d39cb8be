from __future__ import annotations

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.metrics import METRICS
from alignkit.metrics.matching.universal import excess_correlation, random_rotation


def responses(n_units, n=400, seed=0):
    return np.random.default_rng(seed).standard_normal((n, n_units))


def test_identical_units_reach_one_and_the_baseline_is_that_of_random_directions():
    # The largest of 8 coordinates of a random unit vector is .50 on average.
    rng = np.random.default_rng(1)
    draws = rng.standard_normal((20_000, 8))
    expected = (draws / np.linalg.norm(draws, axis=1, keepdims=True)).max(axis=1).mean()
    X = responses(8, n=5000)
    found = excess_correlation(X, [X], n_rotations=50)
    assert found.mean_best == pytest.approx(1, abs=1e-12)
    assert found.mean_baseline == pytest.approx(expected, abs=0.03)
    assert found.mean_excess == pytest.approx(found.mean_best - found.mean_baseline, abs=1e-12)
    # One rotation varies from about .4 to .6; a known draw is .459.
    single = [
        excess_correlation(X, [X], n_rotations=1, random_state=seed).mean_baseline for seed in range(40)
    ]
    assert min(single) < 0.459 < max(single)


def test_a_rotated_copy_has_no_excess():
    X = responses(20)
    turned = X @ random_rotation(20, np.random.default_rng(5))
    assert excess_correlation(X, [turned]).mean_excess == pytest.approx(0, abs=0.03)
    assert excess_correlation(X, [X[:, ::-1]]).mean_excess > 0.5


def test_shared_units_stand_out_from_the_others_of_their_model():
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((500, 3))
    models = [
        np.hstack([rng.standard_normal((500, 20)), shared + 0.3 * rng.standard_normal((500, 3))])
        for _ in range(4)
    ]
    found = excess_correlation(models[0], models[1:])
    assert found.excess[-3:].min() > 0.3
    assert found.excess[:-3].max() < 0.1


def test_excess_is_the_mean_over_models():
    X, others = responses(5), [responses(5, seed=1), responses(9, seed=2)]
    found = excess_correlation(X, others)
    np.testing.assert_allclose(found.excess, (found.best - found.baseline).mean(axis=0), rtol=1e-12)
    r = np.corrcoef(X.T, others[1].T)[:5, 5:]
    np.testing.assert_allclose(found.best[1], r.max(axis=1), rtol=1e-10)


def test_rotations_are_orthogonal_and_turn_both_ways():
    draws = [random_rotation(6, np.random.default_rng(seed)) for seed in range(30)]
    for Q in draws:
        np.testing.assert_allclose(Q @ Q.T, np.eye(6), atol=1e-13)
    # Without the sign correction the diagonal would be biased to one side.
    assert np.mean([np.trace(Q) for Q in draws]) == pytest.approx(0, abs=0.6)
    assert {round(np.linalg.det(Q)) for Q in draws} == {-1, 1}


def test_constant_units_are_left_out_and_counted():
    X, Y = responses(6), responses(6, seed=1)
    expected = excess_correlation(X, [Y])
    found = excess_correlation(np.insert(X, 2, 0.1, axis=1), [np.insert(Y, 0, 0.1, axis=1)])
    assert found.n_constant == 1
    assert np.isnan(found.excess[2])
    assert found.mean_excess == pytest.approx(expected.mean_excess, rel=1e-12)


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    X, Y = responses(6), responses(6, seed=1)
    first, again, other = (excess_correlation(X, [Y], random_state=seed).mean_excess for seed in (0, 0, 1))
    assert first == again != other


def test_tensors_come_back_with_equal_numbers():
    X, Y = responses(6), responses(4, seed=1)
    found = excess_correlation(torch.from_numpy(X), [torch.from_numpy(Y)])
    assert isinstance(found.excess, torch.Tensor)
    expected = excess_correlation(X, [Y])
    np.testing.assert_allclose(found.excess.numpy(), expected.excess, rtol=1e-10)
    assert METRICS["excess-correlation"](X, Y) == expected.mean_excess


def test_unusable_input_is_refused_with_the_numbers():
    X = responses(6)
    with pytest.raises(InputError, match="`others` is empty"):
        excess_correlation(X, [])
    with pytest.raises(InputError, match=r"`X` and `others\[1\]` must have the same .* 400 and 9"):
        excess_correlation(X, [X, X[:9]])
    with pytest.raises(InputError, match=r"`others\[0\]` has 2 units and none of them varies"):
        excess_correlation(X, [np.ones((400, 2))])
    with pytest.raises(InputError, match="`n_rotations` must be at least 1, got 0"):
        excess_correlation(X, [X], n_rotations=0)
