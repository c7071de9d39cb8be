from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.preprocessing.single_trials._estimators import check_estimable, factors, linear_map, one_by_one
from alignkit.preprocessing.single_trials._runs import RunModel, nuisance_regressors, orthonormal
from alignkit.preprocessing.single_trials.hemodynamics import trial_design


def setting(n_trials=30, spacing_s=4.0, n_volumes=100, degree=3):
    rng = np.random.default_rng(0)
    onsets = 3 + spacing_s * np.arange(n_trials) + rng.uniform(0, 1, n_trials)
    design = trial_design(onsets, 1.0, n_volumes=n_volumes, tr_s=1.5)
    nuisance = nuisance_regressors(n_volumes, tr_s=1.5, degree=degree, confounds=None)
    series = 100 + rng.standard_normal((n_volumes, 7)).cumsum(axis=0)
    return RunModel(1, series, None, orthonormal(nuisance), (design,), np.arange(n_trials)), nuisance


def test_all_at_once_is_least_squares_with_the_nuisance_regressors():
    model, nuisance = setting()
    wanted = np.linalg.lstsq(np.concatenate([model.designs[0], nuisance], axis=1), model.data, rcond=None)[0]
    found = linear_map(model, 0, "lsa") @ model.data
    np.testing.assert_allclose(found, wanted[:30], rtol=1e-8, atol=1e-8)


def test_one_by_one_is_a_model_per_trial_of_its_regressor_and_the_sum_of_the_others():
    model, nuisance = setting()
    found = linear_map(model, 0, "lss") @ model.data
    for trial in range(30):
        own = model.designs[0][:, [trial]]
        others = model.designs[0].sum(axis=1, keepdims=True) - own
        regressors = np.concatenate([own, others, nuisance], axis=1)
        wanted = np.linalg.lstsq(regressors, model.data, rcond=None)[0][0]
        np.testing.assert_allclose(found[trial], wanted, rtol=1e-9, atol=1e-9)


def test_one_trial_stands_alone_and_two_are_least_squares_all():
    model, _ = setting(n_trials=2, spacing_s=10.0)
    design = model.design(0)
    np.testing.assert_allclose(one_by_one(design), factors(design).all_at_once, atol=1e-10)
    np.testing.assert_allclose(one_by_one(design[:, :1]), np.linalg.pinv(design[:, :1]), atol=1e-12)


def test_separate_models_are_steadier_and_biased_where_trials_come_fast():
    # 60 trials every 1.5 s: their regressors overlap nearly whole.
    model, _ = setting(n_trials=60, spacing_s=1.5, n_volumes=110)
    together, separate = linear_map(model, 0, "lsa"), linear_map(model, 0, "lss")
    assert np.square(separate).sum() < 0.1 * np.square(together).sum()
    design = model.design(0)
    np.testing.assert_allclose(together @ design, np.eye(60), atol=1e-6)
    assert np.abs(separate @ design - np.eye(60)).max() > 0.1


def test_trials_that_cannot_be_told_apart_are_refused_for_all_at_once_only():
    crowded, _ = setting(n_trials=98, spacing_s=1.4)
    with pytest.raises(InputError, match=r"run 1 has 100 volumes for 98 trials and 4 nuisance.*'lss'"):
        check_estimable(crowded, 0, "lsa")
    check_estimable(crowded, 0, "lss")


@pytest.mark.parametrize("estimator", ["lsa", "lss"])
def test_a_trial_without_a_volume_is_refused(estimator):
    model, _ = setting(n_trials=38)  # the last one starts as the run ends
    with pytest.raises(InputError, match="1 of 38 trials of run 1 leave no response"):
        check_estimable(model, 0, estimator)
