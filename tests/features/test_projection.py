from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist

from alignkit._core.errors import InputError
from alignkit.features import SparseProjection


def _activations(n_stimuli: int, n_units: int, seed: int = 0) -> torch.Tensor:
    # Rectified and sparse, as a network's are.
    drawn = np.random.default_rng(seed).standard_normal((n_stimuli, n_units)) - 0.5
    return torch.from_numpy(np.maximum(drawn, 0).astype(np.float32))


def test_distances_are_kept_within_the_johnson_lindenstrauss_bound():
    units = _activations(30, 20_000)
    projected = SparseProjection(20_000, 1000, seed=0)(units)
    ratio = pdist(projected.numpy()) / pdist(units.numpy())
    # Dasgupta and Gupta: every one of the pairs is within eps with probability above 1 - 1/n.
    eps = next(e for e in np.arange(0.01, 1, 0.01) if 6 * np.log(30) / (e**2 / 2 - e**3 / 3) <= 1000)
    assert np.all(np.abs(ratio**2 - 1) < eps)
    assert ratio.std() == pytest.approx(1 / np.sqrt(2 * 1000), rel=0.4)


def test_squared_norms_are_right_on_average_over_seeds():
    units = _activations(1, 2500)
    wanted = float((units**2).sum())
    got = [float((SparseProjection(2500, 20, seed=s)(units) ** 2).sum()) for s in range(300)]
    # The mean of 300 draws of 20 units has a relative standard error of sqrt(2 / 6000), 1.8 %.
    assert np.mean(got) / wanted == pytest.approx(1, abs=0.06)


def test_projection_is_linear():
    project = SparseProjection(900, 40, seed=1)
    a, b = _activations(3, 900, 1), _activations(3, 900, 2)
    torch.testing.assert_close(project(a - 2 * b), project(a) - 2 * project(b), rtol=1e-4, atol=1e-4)


def test_the_matrix_holds_signs_of_one_size_at_the_declared_density():
    matrix = SparseProjection(10_000, 200, seed=0).matrix
    assert matrix.shape == (200, 10_000)
    assert np.unique(np.abs(matrix.data)).size == 1
    assert matrix.data[0] ** 2 == pytest.approx(100 / 200)
    assert matrix.nnz / 2_000_000 == pytest.approx(0.01, rel=0.05)
    assert matrix.has_sorted_indices


def test_one_seed_gives_one_matrix_and_another_does_not():
    first, again, other = (SparseProjection(400, 30, seed=s)(_activations(2, 400)) for s in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_rows_do_not_depend_on_the_batch_they_come_in():
    project = SparseProjection(4000, 100, seed=0)
    units = _activations(7, 4000)
    together = project(units)
    apart = torch.cat([project(units[:2]), project(units[2:3]), project(units[3:])])
    assert torch.equal(together, apart)


def test_the_matrix_used_on_a_gpu_is_the_same():
    project = SparseProjection(500, 40, seed=0)
    np.testing.assert_array_equal(
        project._on(torch.device("cpu")).to_dense().numpy(), project.matrix.toarray()
    )


@pytest.mark.gpu
def test_projection_on_a_gpu_agrees_with_the_cpu():
    project = SparseProjection(5000, 100, seed=0)
    units = _activations(9, 5000)
    torch.testing.assert_close(project(units.cuda()).cpu(), project(units), rtol=1e-5, atol=1e-4)


def test_inputs_are_not_changed():
    units = _activations(3, 200)
    before = units.clone()
    SparseProjection(200, 10, seed=0)(units)
    assert torch.equal(units, before)


def test_another_number_of_units_is_refused():
    with pytest.raises(InputError, match=r"takes \(n_stimuli, 200\) units, got shape \(3, 150\)"):
        SparseProjection(200, 10, seed=0)(_activations(3, 150))


def test_nothing_to_project_is_refused():
    with pytest.raises(InputError, match="on both sides, got 0 to 10"):
        SparseProjection(0, 10, seed=0)
