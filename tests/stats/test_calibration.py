"""Error rates under the null, in worlds whose stimuli and subjects are drawn anew each time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alignkit.stats import bootstrap_rdm_scores, stimulus_permutation_rdm, weighted_similarity


def _rates(make_world, n_subjects, n_stimuli, n_worlds, n_bootstrap):
    """Return how often each test rejects at .05, and how often an interval covers the expected score."""
    difference, zero, intervals = [], [], []
    for seed in range(n_worlds):
        data, models = make_world(seed, n_subjects, n_stimuli, kind="difference")
        result = bootstrap_rdm_scores(
            data, models, n_stimuli, method="pearson", n_bootstrap=n_bootstrap, random_state=seed
        )
        scores = weighted_similarity(data, models, method="pearson")
        t_test = stats.ttest_rel(scores[:, 0], scores[:, 1]).pvalue
        difference.append((result.difference_p[0, 1] <= 0.05, t_test <= 0.05))
        intervals.append((result.estimate[0], result.ci_low[0], result.ci_high[0]))
        data, models = make_world(10**6 + seed, n_subjects, n_stimuli, kind="zero")
        permuted = stimulus_permutation_rdm(
            data, models[:1], n_stimuli, method="pearson", n_permutations=99, random_state=seed
        )
        scores = weighted_similarity(data, models[:1], method="pearson")[:, 0]
        t_test = stats.ttest_1samp(scores, 0, alternative="greater").pvalue
        zero.append((permuted.p[0] <= 0.05, t_test <= 0.05))
    estimates, low, high = np.array(intervals).T
    covered = np.mean((low <= estimates.mean()) & (estimates.mean() <= high))
    return *np.mean(difference, axis=0), *np.mean(zero, axis=0), covered


def test_error_rates_are_kept_and_the_test_over_subjects_alone_does_not_keep_them(make_world):
    n_worlds = 150
    bootstrap, t_difference, permutation, t_zero, covered = _rates(make_world, 12, 15, n_worlds, 60)
    slack = 2 * np.sqrt(0.05 * 0.95 / n_worlds)
    assert bootstrap <= 0.065 + slack
    assert permutation <= 0.065 + slack
    assert covered >= 0.935 - slack
    # The negative control: it asks about new subjects and these very stimuli.
    assert t_zero > 0.05 + 2 * slack


@pytest.mark.slow
@pytest.mark.parametrize(("n_subjects", "n_stimuli"), [(12, 15), (20, 12), (5, 30)])
def test_error_rates_are_kept_in_many_worlds(make_world, n_subjects, n_stimuli):
    n_worlds = 1000
    bootstrap, t_difference, permutation, t_zero, covered = _rates(
        make_world, n_subjects, n_stimuli, n_worlds, 300
    )
    slack = 2 * np.sqrt(0.05 * 0.95 / n_worlds)
    assert bootstrap <= 0.065
    assert permutation <= 0.05 + slack
    assert covered >= 0.935
    assert t_difference > 0.05 + slack
    assert t_zero > 0.05 + slack
