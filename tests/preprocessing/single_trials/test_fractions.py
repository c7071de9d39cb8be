from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from alignkit._core.errors import InputError
from alignkit.preprocessing.single_trials._estimators import factors
from alignkit.preprocessing.single_trials._fractions import check_fractions, shrunken
from alignkit.preprocessing.single_trials.responses import fit_single_trials
from alignkit.solvers.fractional_ridge import fractional_ridge_fit

PLAIN = {"tr_s": 1.5, "hrf": "canonical", "denoise": False}


def test_weak_voxels_are_shrunk_more(simulate):
    simulated = simulate(n_voxels=200)
    found = fit_single_trials(simulated.runs, simulated.events, **PLAIN)
    assert spearmanr(found.fraction, simulated.sd).statistic > 0.7
    strong = simulated.sd > 0
    assert spearmanr(found.fraction[strong], simulated.sd[strong]).statistic > 0.5
    assert np.median(found.fraction[~strong]) <= 0.1


def test_one_fraction_is_that_share_of_the_length_in_every_run(simulate):
    simulated = simulate(n_voxels=20)
    plain = fit_single_trials(simulated.runs, simulated.events, fractions=None, **PLAIN)
    short = fit_single_trials(simulated.runs, simulated.events, fractions=0.3, autoscale=False, **PLAIN)
    assert (short.fraction == 0.3).all()
    for run in (1, 4):
        rows = (plain.trials["run"] == run).to_numpy()
        ratio = np.linalg.norm(short.betas[rows], axis=0) / np.linalg.norm(plain.betas[rows], axis=0)
        np.testing.assert_allclose(ratio, 0.3, rtol=1e-5)


def test_each_run_is_the_solvers_fractional_ridge(simulate):
    simulated = simulate(n_voxels=12, n_runs=2)
    found = fit_single_trials(
        simulated.runs, simulated.events, fractions=0.6, autoscale=False, unit="data", **PLAIN
    )
    from alignkit.preprocessing.single_trials._runs import nuisance_regressors, orthonormal
    from alignkit.preprocessing.single_trials.hemodynamics import trial_design

    series, table = simulated.runs[1], simulated.events[1]
    n_volumes = len(series)
    basis = orthonormal(nuisance_regressors(n_volumes, tr_s=1.5, degree="auto", confounds=None))
    design = trial_design(table["onset_s"], table["duration_s"], n_volumes=n_volumes, tr_s=1.5)
    left = [each - basis @ (basis.T @ each) for each in (design, series)]
    fit = fractional_ridge_fit(*left, fractions=0.6, fit_intercept=False)
    np.testing.assert_allclose(found.betas[40:], fit.coef, rtol=2e-5, atol=2e-5)


def test_no_penalty_is_least_squares_and_a_huge_one_nothing():
    rng = np.random.default_rng(0)
    design, series = rng.standard_normal((40, 6)), rng.standard_normal((40, 3))
    part = factors(design)
    projected = part.left.T @ series
    wanted = np.linalg.lstsq(design, series, rcond=None)[0]
    np.testing.assert_allclose(shrunken(part, projected, np.zeros(3)), wanted, atol=1e-12)
    np.testing.assert_allclose(shrunken(part, projected, np.full(3, 1e14)), 0, atol=1e-10)
    np.testing.assert_allclose(shrunken(part, projected, np.full(3, np.nan)), wanted, atol=1e-12)


@pytest.mark.parametrize(
    ("given", "wanted"), [(None, [1.0]), (0.5, [0.5]), ([0.2, 1.0, 0.2], [1.0, 0.2]), (1, [1.0])]
)
def test_fractions_fall(given, wanted):
    assert check_fractions(given).tolist() == wanted


def test_auto_goes_down_by_twentieths():
    np.testing.assert_allclose(check_fractions("auto"), np.linspace(1, 0.05, 20))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("some", r"must be 'auto', numbers in \(0, 1\] or None, got 'some'"),
        ([0.5, 0.0], "above 0 and at most 1, got 0"),
        (1.2, "above 0 and at most 1, got 1.2"),
        ([], "at least 1 rows, got 0"),
    ],
)
def test_what_is_no_fraction_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        check_fractions(given)
