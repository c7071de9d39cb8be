from __future__ import annotations

import numpy as np
import pytest

from alignkit.solvers._rotation import Features

TRAIN, TEST = np.arange(20), np.arange(20, 30)


@pytest.mark.parametrize("n_features", [8, 60])
@pytest.mark.parametrize("standardize", [True, False])
def test_it_is_the_singular_value_decomposition_of_the_training_part(n_features, standardize):
    X = np.random.default_rng(0).standard_normal((30, n_features)) * np.linspace(1, 9, n_features) + 5
    design = Features(X, center=True, standardize=standardize)
    rotation = design.rotate(TRAIN, TEST)
    mean, sd = X[TRAIN].mean(0), X[TRAIN].std(0) if standardize else 1.0
    Z, Z_test = (X[TRAIN] - mean) / sd, (X[TEST] - mean) / sd
    left, singular, right = np.linalg.svd(Z, full_matrices=False)
    rank = min(n_features, 19)
    np.testing.assert_allclose(rotation.singular, singular[:rank], rtol=1e-10)
    signs = np.sign(np.einsum("ij,ij->j", rotation.left, left[:, :rank]))
    np.testing.assert_allclose(rotation.left * signs, left[:, :rank], atol=1e-9)
    np.testing.assert_allclose(rotation.test * signs, Z_test @ right[:rank].T, atol=1e-8)
    coef, at_mean = design.weights(rotation, TRAIN, np.eye(rank) * signs)
    np.testing.assert_allclose(coef, right[:rank].T / np.reshape(sd, (-1, 1)), atol=1e-9)
    np.testing.assert_allclose(at_mean, mean @ coef, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", [12, 60])
def test_directions_that_are_only_rounding_errors_are_left_out(dtype, n_features):
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((30, 3)) @ rng.standard_normal((3, n_features))).astype(dtype)
    rotation = Features(X, center=True, standardize=True).rotate(TRAIN, TEST)
    assert len(rotation.singular) == 3


def test_without_centring_the_mean_counts():
    X = np.random.default_rng(0).standard_normal((30, 4)) + 10
    rotation = Features(X, center=False, standardize=False).rotate(TRAIN, TEST)
    np.testing.assert_allclose(rotation.singular, np.linalg.svd(X[TRAIN])[1], rtol=1e-10)
    np.testing.assert_array_equal(rotation.mean, 0)
