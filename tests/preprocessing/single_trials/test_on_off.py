from __future__ import annotations

import numpy as np

from alignkit.preprocessing.single_trials._on_off import noise_pool, on_off_r2, response_threshold
from alignkit.preprocessing.single_trials._runs import RunModel, nuisance_regressors, orthonormal


def test_r2_is_that_of_one_regressor_shared_by_all_runs():
    rng = np.random.default_rng(0)
    models, stacked, series = [], [], []
    for number in (1, 2):
        design = rng.random((50, 4))
        data = rng.standard_normal((50, 3)) + design.sum(axis=1, keepdims=True) * [0.0, 0.5, 3.0]
        basis = orthonormal(nuisance_regressors(50, tr_s=2.0, degree=1, confounds=None))
        models.append(RunModel(number, data, None, basis, (design,), np.arange(4)))
        stacked.append(models[-1].design(0).sum(axis=1))
        series.append(models[-1].residual(np.arange(3)))
    found = on_off_r2(models, np.array([0, 2]), 3, shape=0)
    x, y = np.concatenate(stacked), np.concatenate(series)
    wanted = [np.corrcoef(x, y[:, voxel])[0, 1] ** 2 for voxel in range(3)]
    np.testing.assert_allclose(found[[0, 2]], [wanted[0], wanted[2]], atol=1e-6)
    assert np.isnan(found[1])


def test_the_threshold_parts_two_populations():
    rng = np.random.default_rng(0)
    r2 = np.concatenate([0.01 * rng.random(900), 0.3 + 0.2 * rng.random(300), [np.nan]])
    threshold = response_threshold(r2)
    assert 0.01 < threshold < 0.3
    assert response_threshold(np.full(5, 0.2)) == 0.2
    assert np.isnan(response_threshold(np.array([np.nan])))


def test_the_pool_is_bright_and_silent():
    r2 = np.array([0.0, 0.0, 0.5, np.nan, 0.1])
    brightness = np.array([1000.0, 50.0, 1000.0, 1000.0, 900.0])
    assert noise_pool(r2, brightness, 0.2).tolist() == [True, False, False, False, True]
    assert noise_pool(r2, None, 0.2).tolist() == [True, True, False, False, True]
