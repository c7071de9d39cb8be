from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist

from alignkit._core.errors import InputError
from alignkit.features import SparseProjection, jl_size


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


def test_the_product_is_that_of_the_matrix_whatever_blocks_and_threads(monkeypatch):
    from alignkit.features import projection

    units = _activations(5, 1000)
    expected = SparseProjection(1000, 50, seed=2).matrix @ units.numpy().astype(np.float64).T
    monkeypatch.setattr(projection, "_BLOCK", 300)
    project = SparseProjection(1000, 50, seed=2)
    one, four = (project._by_blocks(units.numpy(), n) for n in (1, 4))
    np.testing.assert_allclose(one, expected.T, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(one, four)


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


def test_the_johnson_lindenstrauss_size_is_the_bound_of_dasgupta_and_gupta():
    assert jl_size(1000, eps=0.1) == int(4 * np.log(1000) / (0.1**2 / 2 - 0.1**3 / 3))


def test_at_the_johnson_lindenstrauss_size_every_squared_distance_is_kept():
    units = _activations(20, 30_000)
    projected = SparseProjection(30_000, jl_size(20, eps=0.3), seed=0)(units)
    ratio = pdist(projected.numpy(), "sqeuclidean") / pdist(units.numpy(), "sqeuclidean")
    assert np.abs(ratio - 1).max() < 0.3


@pytest.mark.parametrize(
    ("n_stimuli", "eps", "message"),
    [
        (1, 0.1, "`n_stimuli` must be a whole number of at least 2, got 1"),
        (10, 0.0, "`eps` must lie between 0 and 1, got 0.0"),
        (10, "0.1", "`eps` must lie between 0 and 1, got '0.1'"),
    ],
)
def test_sizes_of_nothing_are_refused(n_stimuli, eps, message):
    with pytest.raises(InputError, match=message):
        jl_size(n_stimuli, eps)
