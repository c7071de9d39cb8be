from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from alignkit.solvers import _alpha_path  # noqa: E402
from alignkit.solvers._alpha_path import alpha_path  # noqa: E402

ALPHAS = np.logspace(-2, 6, 17)
SPECTRA = {
    "spread": np.logspace(-6, 5, 60),
    "bunched": 100 * (1 + 1e-3 * np.arange(60)),
    "equal": np.full(60, 7.0),
    "pairs": np.repeat(np.logspace(-2, 3, 30), 2) * np.tile([1.0, 1.0 + 1e-9], 30),
    "tiny": np.logspace(-14, -8, 60),
}


def problem(spectrum, n_test=90, n_targets=5):
    """Return eigenvalues, weights at the smallest alpha, test rows and targets."""
    rng = np.random.default_rng(0)
    values = np.sort(SPECTRA[spectrum])
    test = rng.standard_normal((n_test, len(values))) / np.sqrt(len(values))
    weights = rng.standard_normal((len(values), n_targets))
    return values, weights, test, test @ weights + rng.standard_normal((n_test, n_targets))


def one_by_one(values, weights, test, targets):
    shrink = (values + ALPHAS.min()) / (values + ALPHAS[:, None])
    return np.stack([((targets - test @ (row[:, None] * weights)) ** 2).sum(0) for row in shrink])


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 3e-6)])
def test_all_alphas_at_once_equal_one_by_one(spectrum, dtype, tolerance, monkeypatch):
    monkeypatch.setattr(_alpha_path, "STRIP", 17)
    values, weights, test, targets = problem(spectrum)
    expected = one_by_one(values, weights, test, targets)
    gram = torch.from_numpy(test.T @ test)
    path = alpha_path(torch.from_numpy(values), torch.from_numpy(ALPHAS), lambda rows: gram[rows], dtype)
    cross = torch.from_numpy(test.T @ targets).to(dtype)
    found = path.errors(torch.from_numpy(weights).to(dtype), cross).numpy() + (targets**2).sum(0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * (targets**2).sum(0).max())


def test_the_order_of_the_alphas_does_not_matter():
    values, weights, test, targets = (torch.from_numpy(part) for part in problem("spread"))
    order = np.random.default_rng(1).permutation(len(ALPHAS))
    gram, cross = test.T @ test, test.T @ targets
    found = [
        alpha_path(values, torch.from_numpy(grid), lambda rows: gram[rows], gram.dtype).errors(weights, cross)
        for grid in (ALPHAS, ALPHAS[order])
    ]
    np.testing.assert_allclose(found[1].numpy(), found[0].numpy()[order], rtol=1e-12)


def test_one_alpha_and_no_component_are_fine():
    values, weights, test, targets = (torch.from_numpy(part) for part in problem("spread"))
    gram, cross = test.T @ test, test.T @ targets
    one = torch.tensor([3.0], dtype=torch.float64)
    path = alpha_path(values, one, lambda rows: gram[rows], gram.dtype)
    expected = (weights * (gram @ weights - 2 * cross)).sum(0)
    np.testing.assert_allclose(path.errors(weights, cross)[0].numpy(), expected.numpy(), rtol=1e-10)
    empty = alpha_path(values[:0], one, lambda rows: gram[:0, :0], gram.dtype)
    np.testing.assert_array_equal(empty.errors(weights[:0], cross[:0]).numpy(), np.zeros((1, 5)))
