from __future__ import annotations

import numpy as np
import pytest

from alignkit.solvers import ridge_cv
from alignkit.solvers._kernel_eigh import SINGLE_CONDITION, kernel_eigh

torch = pytest.importorskip("torch")


def kernel(condition, n=60, null=False):
    """Return a kernel whose eigenvalues run from 1 to `condition`; with `null`, without the mean."""
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((n, n))
    basis[:, 0] = 1
    basis = np.linalg.qr(basis)[0]
    values = np.geomspace(condition, 1, n)
    if null:
        values[0] = 0
        values[1] = condition
    return torch.from_numpy((basis * values) @ basis.T)


@pytest.mark.parametrize("null", [True, False])
@pytest.mark.parametrize(
    ("condition", "alpha", "single"),
    [
        (0.8 * SINGLE_CONDITION, 1e-9, True),
        (1.5 * SINGLE_CONDITION, 1e-9, False),
        (1.5 * SINGLE_CONDITION, 1.0, True),
        (1e9, 1e8, True),
        (1e9, 1e6, False),
    ],
)
def test_float32_is_taken_where_the_condition_allows_it(condition, alpha, single, null):
    matrix = kernel(condition, null=null)
    centre = torch.ones(60, dtype=torch.float64) if null else None
    exact, _, _ = kernel_eigh(matrix.clone(), null=centre, alpha=None)
    values, vectors, _ = kernel_eigh(matrix.clone(), null=centre, alpha=alpha)
    assert vectors.dtype == (torch.float32 if single else torch.float64)
    assert values.dtype == torch.float64
    if condition < 1e5 or not single:
        assert len(values) == len(exact) == (59 if null else 60)
    np.testing.assert_allclose(values.numpy()[-20:], exact.numpy()[-20:], rtol=1e-5)
    rebuilt = (vectors.double() * values) @ vectors.double().T
    np.testing.assert_allclose(rebuilt.numpy(), matrix.numpy(), atol=1e-5 * condition)


def test_without_leave_it_is_float64_and_the_lowest_eigenvalue_is_told():
    matrix = kernel(2.0) - 1.5 * torch.eye(60, dtype=torch.float64)
    values, vectors, lowest = kernel_eigh(matrix, null=None, alpha=None)
    assert vectors.dtype == torch.float64
    assert lowest == pytest.approx(-0.5)
    assert (values > 0).all()


def test_an_empty_kernel_has_no_components():
    values, vectors, lowest = kernel_eigh(torch.zeros((5, 5), dtype=torch.float64), null=None, alpha=1.0)
    assert values.shape == (0,)
    assert vectors.shape == (5, 0)
    assert lowest == 0


def test_both_ways_give_the_same_scores():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((150, 400)).astype(np.float32)
    Y = (X @ rng.standard_normal((400, 20)) / 20 + rng.standard_normal((150, 20))).astype(np.float32)
    folds = [
        (np.delete(np.arange(150), np.arange(k, k + 30)), np.arange(k, k + 30)) for k in range(0, 150, 30)
    ]
    grid = np.logspace(-1, 5, 13)
    single = ridge_cv(X, Y, alphas=grid, folds=folds)
    double = ridge_cv(X.astype(float), Y.astype(float), alphas=grid, folds=folds)
    np.testing.assert_array_equal(single.best_alphas, double.best_alphas)
    np.testing.assert_allclose(single.cv_scores, double.cv_scores, atol=3e-6)
    np.testing.assert_allclose(single.coef, double.coef, atol=1e-5 * np.abs(double.coef).max())
