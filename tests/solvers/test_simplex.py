from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize, nnls

from alignkit.solvers._simplex import simplex_weights


def forms_of(k, n_forms, seed=0):
    rng = np.random.default_rng(seed)
    errors = rng.standard_normal((n_forms, 40, k)) + 1.5 * rng.standard_normal((n_forms, 40, 1))
    errors += 0.3 * rng.standard_normal((n_forms, 1, k))
    return np.einsum("fti,ftj->fij", errors, errors)


@pytest.mark.parametrize("k", [1, 2, 3, 7, 25])
def test_the_weights_are_those_of_scipys_nnls(k):
    forms = forms_of(k, 40)
    weights = simplex_weights(forms)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    assert weights.min() >= 0
    for form, found in zip(forms, weights, strict=True):
        root = np.linalg.cholesky(form)
        peer, _ = nnls(root.T, np.linalg.solve(root, np.ones(k)))
        np.testing.assert_allclose(found, peer / peer.sum(), atol=1e-6)


def test_a_general_optimiser_finds_nothing_better():
    forms = forms_of(4, 10)
    for form, found in zip(forms, simplex_weights(forms), strict=True):
        peer = minimize(
            lambda w, R=form: w @ R @ w / np.trace(R),
            np.full(4, 0.25),
            method="SLSQP",
            bounds=[(0, 1)] * 4,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        )
        assert found @ form @ found <= peer.x @ form @ peer.x + 1e-9 * np.trace(form)


def test_known_answers():
    by_variance = simplex_weights(np.array([np.diag([1.0, 4.0]), np.diag([4.0, 1.0])]))
    np.testing.assert_allclose(by_variance, [[0.8, 0.2], [0.2, 0.8]])
    correlated = simplex_weights(np.array([[[1.0, 1.5], [1.5, 4.0]]]))
    np.testing.assert_array_equal(correlated, [[1.0, 0.0]])
    np.testing.assert_allclose(simplex_weights(np.zeros((1, 4, 4))), 0.25)


def test_scale_does_not_matter_and_identical_members_are_no_trouble():
    forms = forms_of(3, 5)
    np.testing.assert_allclose(simplex_weights(1e-20 * forms), simplex_weights(forms), atol=1e-9)
    doubled = forms[:, [0, 0, 1, 2]][:, :, [0, 0, 1, 2]]
    weights = simplex_weights(doubled)
    merged = np.column_stack([weights[:, :2].sum(axis=1), weights[:, 2:]])
    np.testing.assert_allclose(merged, simplex_weights(forms), atol=1e-6)
