from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.stats import two_factor_bootstrap, two_factor_jackknife


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).standard_normal((30, 2))
    result = two_factor_jackknife(lambda keep: values[keep].mean(axis=0)[None], 1, 30)
    np.testing.assert_allclose(result.se, values.std(axis=0, ddof=1) / np.sqrt(30))
    difference = values[:, 0] - values[:, 1]
    np.testing.assert_allclose(result.difference_se[0, 1], difference.std(ddof=1) / np.sqrt(30))
    assert result.dof == 29


def test_blocks_give_about_the_same_error_as_single_stimuli():
    values = np.random.default_rng(1).standard_normal(400)
    few, all_ = (
        two_factor_jackknife(lambda keep: values[keep].mean()[None, None], 1, 400, n_blocks=n).se[0]
        for n in (40, 400)
    )
    assert few == pytest.approx(all_, rel=0.35)


def test_two_factors_agree_with_the_bootstrap_and_with_theory():
    # y = subject + stimulus + noise with variances 1: Var(mean) = 1/R + 1/P + 1/(R P).
    rng = np.random.default_rng(2)
    n_subjects, n_stimuli, found, other = 8, 12, [], []
    for _ in range(300):
        y = rng.standard_normal((n_subjects, 1)) + rng.standard_normal((1, n_stimuli))
        y = y + rng.standard_normal((n_subjects, n_stimuli))
        found.append(
            two_factor_jackknife(lambda keep, y=y: y[:, keep].mean(1)[:, None], n_subjects, n_stimuli).se[0]
            ** 2
        )
    for _ in range(20):
        y = rng.standard_normal((n_subjects, 1)) + rng.standard_normal((1, n_stimuli))
        y = y + rng.standard_normal((n_subjects, n_stimuli))
        other.append(
            two_factor_bootstrap(
                lambda w, y=y: (y @ w / w.sum())[:, None], n_subjects, n_stimuli, n_bootstrap=100
            ).se[0]
            ** 2
        )
    theory = 1 / n_subjects + 1 / n_stimuli + 1 / (n_subjects * n_stimuli)
    assert np.mean(found) == pytest.approx(theory, rel=0.1)
    assert np.mean(found) == pytest.approx(np.mean(other), rel=0.35)


def test_a_model_without_a_score_stays_nan():
    values = np.random.default_rng(3).standard_normal(20)
    result = two_factor_jackknife(lambda keep: np.array([[values[keep].mean(), np.nan]]), 1, 20)
    assert np.isfinite(result.se[0])
    assert np.isnan(result.se[1])


def test_too_few_stimuli_and_undefined_scores_are_refused():
    with pytest.raises(InputError, match="at least 5 for a jackknife, got 4"):
        two_factor_jackknife(lambda keep: np.ones((1, 1)), 1, 4)
    with pytest.raises(InputError, match="undefined without some stimuli"):
        two_factor_jackknife(lambda keep: np.array([[1.0 if keep.all() else np.nan]]), 1, 10)
