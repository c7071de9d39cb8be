from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.preprocessing.single_trials._noise_components import noise_components
from alignkit.preprocessing.single_trials._runs import RunModel, nuisance_regressors, orthonormal
from alignkit.preprocessing.single_trials.responses import fit_single_trials

CANONICAL = {"tr_s": 1.5, "hrf": "canonical", "fractions": None}


def test_components_are_the_leading_axes_of_scaled_voxels():
    rng = np.random.default_rng(0)
    series = rng.standard_normal((60, 90)) * rng.uniform(1, 100, 90) + 500
    basis = orthonormal(nuisance_regressors(60, tr_s=2.0, degree=2, confounds=None))
    model = RunModel(1, series, None, basis, (np.zeros((60, 1)),), np.arange(1))
    found = noise_components(model, np.arange(90), 4)
    np.testing.assert_allclose(found.T @ found, np.eye(4), atol=1e-10)
    np.testing.assert_allclose(basis.T @ found, 0, atol=1e-10)
    left = model.residual(np.arange(90))
    axes = np.linalg.svd(left / np.linalg.norm(left, axis=0), full_matrices=False)[0][:, :4]
    np.testing.assert_allclose(np.abs(axes.T @ found), np.eye(4), atol=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_shared_noise_is_found_where_it_is_planted(simulate, seed):
    simulated = simulate(seed, shared=1.5, n_voxels=240)
    found = fit_single_trials(simulated.runs, simulated.events, **CANONICAL)
    assert 1 <= found.n_noise_components <= 5
    assert found.noise_component_errors[2] < 0.8 * found.noise_component_errors[0]
    # The pool is made of voxels without a response, above all.
    assert (simulated.sd[found.noise_pool] < 1.5).mean() > 0.8


@pytest.mark.parametrize("seed", range(6))
def test_no_component_is_taken_where_none_is_planted(simulate, seed):
    simulated = simulate(seed, shared=0.0, n_voxels=240)
    found = fit_single_trials(simulated.runs, simulated.events, **CANONICAL)
    assert found.n_noise_components == 0
    assert len(found.noise_component_errors) == 11


def test_a_given_number_needs_no_repeats(simulate):
    simulated = simulate(n_stimuli=60, n_in_run=20, n_runs=3, shared=1.5, n_voxels=240)
    found = fit_single_trials(simulated.runs, simulated.events, denoise=2, **CANONICAL)
    without = fit_single_trials(simulated.runs, simulated.events, denoise=False, **CANONICAL)
    assert found.n_noise_components == 2
    strong = simulated.sd > 0.5

    def likeness(betas):
        truth = simulated.of_trials(found.trials)
        return np.mean([np.corrcoef(betas[:, v], truth[:, v])[0, 1] for v in np.flatnonzero(strong)])

    assert likeness(found.betas) > likeness(without.betas) + 0.1


def test_too_small_a_pool_is_noted_or_refused(simulate):
    simulated = simulate(n_voxels=30)
    found = fit_single_trials(simulated.runs, simulated.events, **CANONICAL)
    assert found.n_noise_components == 0
    assert any("the noise pool has" in note and "at least 30" in note for note in found.notes)
    with pytest.raises(InputError, match="`denoise=3`: the noise pool has .* Give the whole brain"):
        fit_single_trials(simulated.runs, simulated.events, denoise=3, **CANONICAL)


def test_more_components_than_volumes_are_refused(simulate):
    simulated = simulate(n_voxels=400, n_stimuli=10, n_runs=2)
    with pytest.raises(InputError, match=r"run 1 with 40 volumes has 38 noise components, `denoise=39`"):
        fit_single_trials(simulated.runs, simulated.events, denoise=39, **CANONICAL)
