from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics.geometry import intrinsic
from alignkit.metrics.geometry.intrinsic import intrinsic_dimension, nearest_distances

METHODS = ("two-nn-slope", "two-nn", "mle-mean", "mle")
KNOWN = {
    "1": (1.026, 1.023, 1.080, 0.995),
    "2": (1.991, 1.980, 2.115, 1.953),
    "5": (4.723, 4.737, 4.894, 4.512),
    "10": (8.20, 8.20, 8.90, 8.27),
    "sphere": (1.973, 1.955, 2.151, 1.983),
}


def cloud(name):
    rng = np.random.default_rng(0)
    if name != "sphere":
        return rng.random((2000, int(name)))
    points = rng.standard_normal((2000, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points @ np.linalg.qr(np.random.default_rng(1).standard_normal((20, 3)))[0].T


@pytest.mark.parametrize("name", list(KNOWN))
def test_cubes_and_a_sphere_have_known_estimates(name):
    points = cloud(name)
    for method, expected in zip(METHODS, KNOWN[name], strict=True):
        # The values are printed to three digits after the point, of ten dimensions to two.
        digits = 0.006 if name == "10" else 0.0006
        assert intrinsic_dimension(points, method=method) == pytest.approx(expected, abs=digits)


def test_neighbours_equal_those_of_a_tree():
    X = np.random.default_rng(0).standard_normal((300, 4))
    expected = cKDTree(X).query(X, k=8)[0][:, 1:]
    np.testing.assert_allclose(nearest_distances(X, 7), expected, rtol=1e-12)


def test_neighbours_are_found_where_products_cancel(monkeypatch):
    rng = np.random.default_rng(0)
    X = np.repeat(rng.standard_normal((20, 3)), 10, axis=0) + 1e-10 * rng.random((200, 3)) + 50
    expected = np.sort(np.linalg.norm(X[:, None] - X[None], axis=2), axis=1)[:, 1:6]
    np.testing.assert_allclose(nearest_distances(X, 5), expected, rtol=1e-12)
    monkeypatch.setattr(intrinsic, "_BLOCK_ELEMENTS", 1000)
    np.testing.assert_allclose(nearest_distances(X, 5), expected, rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_repeated_samples_count_once(method):
    X = np.random.default_rng(0).random((200, 2))
    again = np.vstack([X, X[:50], X[:3]])
    assert intrinsic_dimension(again, method=method) == intrinsic_dimension(X, method=method)


def test_zeros_of_either_sign_are_one_sample():
    X = np.random.default_rng(0).standard_normal((50, 2))
    X[0] = 0.0
    again = np.vstack([X, -0.0 * np.ones((1, 2))])
    assert intrinsic_dimension(again) == intrinsic_dimension(X)


def test_noise_raises_the_dimension_at_small_scales():
    rng = np.random.default_rng(0)
    curve = np.stack([np.linspace(0, 1, 500)] * 3, axis=1) + 1e-6 * rng.random((500, 3))
    assert intrinsic_dimension(curve, method="mle") < 1.3
    assert intrinsic_dimension(curve + 0.05 * rng.standard_normal((500, 3)), method="mle") > 2


def test_one_unit_constant_units_integers_and_tensors():
    X = np.random.default_rng(0).integers(0, 10**9, (200, 1))
    assert intrinsic_dimension(X) == pytest.approx(1, abs=0.2)
    padded = np.column_stack([X, np.full(200, 3)])
    assert intrinsic_dimension(padded) == pytest.approx(intrinsic_dimension(X), rel=1e-9)
    tensor = torch.from_numpy(X.astype(float))
    assert intrinsic_dimension(tensor) == pytest.approx(intrinsic_dimension(X), rel=1e-12)


@pytest.mark.parametrize("scale", [1e-160, 1e160])
def test_extreme_scales_are_fine(scale):
    X = np.random.default_rng(0).random((100, 3))
    assert intrinsic_dimension(scale * X) == pytest.approx(intrinsic_dimension(X), rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_equally_far_neighbours_have_no_dimension(method):
    with pytest.raises(InputError, match="neighbours are equally far"):
        intrinsic_dimension(np.eye(30), method=method)


@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        (np.eye(2), {}, "'two-nn' needs more than 2 different rows, got 2 of 2. Give more samples"),
        (np.ones((9, 2)), {}, "more than 2 different rows, got 1 of 9"),
        (np.eye(20), {"method": "mle"}, "'mle' needs more than 20 different rows, got 20 of 20. Give fewer"),
        (np.eye(5), {"method": "mle", "neighbours": (1, 3)}, r"2 <= least <= most, got \(1, 3\)"),
        (np.eye(5), {"discard": 1.0}, "`discard` must be 0 or more and below 1, got 1"),
        (np.ones((4, 0)), {}, "`X` has no units"),
        (np.full((4, 1), np.nan), {}, r"`X` holds 4 NaN or infinite value\(s\)"),
    ],
)
def test_unusable_input_is_refused(X, options, message):
    with pytest.raises(InputError, match=message):
        intrinsic_dimension(X, **options)


def test_an_unknown_method_is_refused():
    with pytest.raises(UnknownNameError, match="`method` is 'twonn', did you mean"):
        intrinsic_dimension(np.eye(5), method="twonn")
