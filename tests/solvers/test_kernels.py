from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics.pairwise import pairwise_kernels

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.solvers import kernel_matrix, kernels

KINDS = ["linear", "polynomial", "rbf"]


def features(n_samples=30, n_features=7, offset=1.0, seed=0):
    return np.random.default_rng(seed).standard_normal((n_samples, n_features)) + offset


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"gamma": 0.3}, {"gamma": 0.05, "degree": 2, "coef0": 0.0}])
def test_it_equals_scikit_learn(kind, options):
    X, Z = features(), features(11, seed=1)
    used = (
        options if kind == "polynomial" else {key: value for key, value in options.items() if key == "gamma"}
    )
    peer = {} if kind == "linear" else used
    for other in (None, Z):
        expected = pairwise_kernels(X, other, metric=kind, **peer)
        np.testing.assert_allclose(kernel_matrix(X, other, kind=kind, **options), expected, rtol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_chunks_change_nothing_and_input_is_left_alone(kind, monkeypatch):
    X, Z = features(), features(11, seed=1)
    before = X.copy()
    expected = kernel_matrix(X, Z, kind=kind), kernel_matrix(X, kind=kind)
    monkeypatch.setattr(kernels, "CHUNK_ELEMENTS", 100)
    np.testing.assert_allclose(kernel_matrix(X, Z, kind=kind), expected[0], rtol=1e-12)
    np.testing.assert_allclose(kernel_matrix(X, kind=kind), expected[1], rtol=1e-12)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_symmetric_and_positive_semi_definite(kind):
    kernel = kernel_matrix(features(40, 5).astype(np.float32), kind=kind)
    assert kernel.dtype == np.float64
    np.testing.assert_array_equal(kernel, kernel.T)
    values = np.linalg.eigvalsh(kernel)
    assert values[0] > -1e-12 * values[-1]


def test_rbf_is_one_on_the_diagonal_and_knows_no_offset():
    X = features()
    kernel = kernel_matrix(X, kind="rbf")
    np.testing.assert_array_equal(np.diagonal(kernel), 1)
    np.testing.assert_allclose(kernel_matrix(X + 1e6, kind="rbf"), kernel, rtol=1e-8)
    assert np.abs(kernel_matrix(X + 1e6, kind="linear") - kernel_matrix(X, kind="linear")).max() > 1e12


def test_a_polynomial_of_degree_two_is_the_inner_product_of_its_monomials():
    X = features(8, 2)
    monomials = np.column_stack([np.ones(8), np.sqrt(2) * X, X**2, np.sqrt(2) * X[:, :1] * X[:, 1:]])
    kernel = kernel_matrix(X, kind="polynomial", gamma=1.0, degree=2, coef0=1.0)
    np.testing.assert_allclose(kernel, monomials @ monomials.T, rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "cosine"}, "`kind` is 'cosine'.*Known: linear, polynomial, rbf"),
        ({"kind": "rbf", "gamma": 0.0}, "`gamma` must be positive and finite, got 0"),
        ({"kind": "rbf", "gamma": np.inf}, "`gamma` must be positive and finite, got inf"),
        (
            {"kind": "polynomial", "degree": 0},
            "`degree` must be a whole number of at least 1 and `coef0` not negative, got 0 and 1",
        ),
        ({"kind": "polynomial", "degree": 2.5}, "`degree` must be a whole number .*got 2.5 and 1"),
        ({"kind": "polynomial", "degree": np.nan}, "`degree` must be a whole number .*got nan and 1"),
        ({"kind": "polynomial", "coef0": -1.0}, "got 3 and -1"),
        ({"kind": "rbf", "Z": np.ones((3, 6))}, "same number of features, got 7 and 6"),
        ({"kind": "rbf", "X": np.ones((3, 0))}, r"`X` has no columns, got shape \(3, 0\)"),
        ({"kind": "rbf", "X": np.full((3, 2), np.nan)}, r"`X` holds 6 NaN"),
    ],
)
def test_unusable_input_is_refused_with_the_numbers(options, message):
    with pytest.raises((InputError, UnknownNameError), match=message):
        kernel_matrix(options.pop("X", features()), options.pop("Z", None), **options)
