from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from alignkit._core.threads import fixed_threads
from alignkit.metrics.geometry._centre_structure import (
    _squared_cosines,
    mean_centre_cosine,
    shared_directions,
)


@pytest.fixture(autouse=True)
def one_thread():
    """Hold BLAS at one thread: other work on the machine would make small products wait."""
    with fixed_threads(1):
        yield


def test_the_gradient_is_that_of_finite_differences():
    rng = np.random.default_rng(0)
    centres, directions = rng.standard_normal((7, 6)), rng.standard_normal((6, 2))
    value, gradient = _squared_cosines(centres, directions)
    numeric = approx_fprime(
        directions.ravel(), lambda flat: _squared_cosines(centres, flat.reshape(6, 2))[0], 1e-7
    )
    np.testing.assert_allclose(gradient, numeric, atol=1e-5)
    projector = directions @ np.linalg.pinv(directions)
    rest = centres - centres @ projector
    cosines = np.corrcoef(np.hstack([rest, -rest])) - np.eye(7)
    assert value == pytest.approx((cosines**2).sum(), rel=1e-10)


def test_planted_directions_are_found_and_orthogonal_centres_have_none():
    rng = np.random.default_rng(0)
    common = np.linalg.qr(rng.standard_normal((200, 2)))[0]
    centres = rng.standard_normal((20, 200)) / np.sqrt(200) + rng.standard_normal((20, 2)) @ common.T
    centres -= centres.mean(axis=0)
    found = shared_directions(centres, None)
    assert found.shape == (200, 2)
    assert np.linalg.svd(found.T @ common, compute_uv=False).min() > 0.9
    assert shared_directions(np.eye(6) - 1 / 6, None).shape == (6, 0)
    assert shared_directions(centres, 0).shape == (200, 0)
    assert shared_directions(centres, 5).shape == (200, 5)


def test_the_mean_cosine_counts_pairs_once_and_a_centre_at_the_origin_has_none():
    assert mean_centre_cosine(np.array([[1.0, 0], [0, 2], [3, 3]])) == pytest.approx(2 * np.sqrt(0.5) / 3)
    assert mean_centre_cosine(np.array([[1.0, 0], [0, 0]])) == 1


def test_one_long_centre_is_no_common_structure():
    rng = np.random.default_rng(0)
    for seed in range(5):
        centres = np.random.default_rng(seed).standard_normal((20, 60))
        centres -= centres.mean(axis=0)
        found = shared_directions(centres, None)
        left = np.linalg.norm(centres - centres @ found @ found.T, axis=1)
        assert left.min() > 0.4 * np.median(left)
    lone = np.vstack([0.1 * rng.standard_normal((9, 40)), 10 * np.ones((1, 40))])
    lone -= lone.mean(axis=0)
    found = shared_directions(lone, None)
    left = np.linalg.norm(lone - lone @ found @ found.T, axis=1)
    assert left.min() > 0
