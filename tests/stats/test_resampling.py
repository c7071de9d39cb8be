from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alignkit._core.errors import InputError
from alignkit.stats import two_factor_bootstrap


def _means(values):
    """Mean over stimuli as the score; values (n_subjects, n_stimuli, n_models)."""
    return lambda weights: np.einsum("spm,p->sm", values, weights) / weights.sum()


def _plain(values, n_bootstrap, rng):
    """Bootstrap variances by drawing subjects, stimuli and both, as the formula says."""
    n_subjects, n_stimuli = values.shape
    r, p, b = [], [], []
    for _ in range(n_bootstrap):
        s = rng.multinomial(n_subjects, np.full(n_subjects, 1 / n_subjects)) / n_subjects
        t = rng.multinomial(n_stimuli, np.full(n_stimuli, 1 / n_stimuli)) / n_stimuli
        r.append(s @ values.mean(axis=1))
        p.append(values.mean(axis=0) @ t)
        b.append(s @ values @ t)
    return np.var(r), np.var(p), np.var(b)


def test_equals_the_formula_with_drawn_subjects_up_to_their_noise():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((8, 1)) + rng.standard_normal((1, 12)) + rng.standard_normal((8, 12))
    v_r, v_p, v_b = _plain(values, 20_000, rng)
    corrected = 8 / 7 * v_r + 12 / 11 * v_p - 96 / 77 * (v_b - v_r - v_p)
    result = two_factor_bootstrap(_means(values[:, :, None]), 8, 12, n_bootstrap=20_000)
    assert result.se[0] ** 2 == pytest.approx(corrected, rel=0.05)


@pytest.mark.parametrize(("interaction", "true"), [(True, 0.3021), (False, 0.2083)])
def test_the_variance_is_unbiased_with_and_without_interaction(interaction, true):
    # Subjects and stimuli vary by 1 each: 1/8 + 1/12, and 9/96 more with an interaction of variance 9.
    rng = np.random.default_rng(1)
    estimates = []
    for seed in range(300):
        values = rng.standard_normal((8, 1)) + rng.standard_normal((1, 12))
        values = values + 3.0 * rng.standard_normal((8, 12)) * interaction
        result = two_factor_bootstrap(_means(values[:, :, None]), 8, 12, n_bootstrap=60, random_state=seed)
        estimates.append(result.se[0] ** 2)
    # With so few draws the clip from below adds a little.
    assert np.mean(estimates) == pytest.approx(true, rel=0.1)


def test_one_subject_gives_the_standard_error_over_stimuli():
    values = np.random.default_rng(2).standard_normal((1, 30, 1))
    result = two_factor_bootstrap(_means(values), 1, 30, n_bootstrap=5000)
    assert result.resampled == "stimuli"
    assert result.dof == 29
    assert result.se[0] == pytest.approx(values.std(ddof=1) / np.sqrt(30), rel=0.03)


def test_without_variance_over_stimuli_it_is_the_t_test_over_subjects():
    rng = np.random.default_rng(3)
    values = np.repeat(rng.standard_normal((9, 1, 2)) + [0.0, 1.0], 40, axis=1)
    result = two_factor_bootstrap(_means(values), 9, 40, n_bootstrap=50)
    expected = stats.ttest_rel(values[:, 0, 1], values[:, 0, 0])
    assert result.resampled == "subjects and stimuli"
    assert result.dof == 8
    assert result.difference_t[1, 0] == pytest.approx(expected.statistic)
    assert result.difference_p[1, 0] == pytest.approx(expected.pvalue)
    interval = stats.ttest_1samp(values[:, 0, 0], 0).confidence_interval()
    assert (result.ci_low[0], result.ci_high[0]) == pytest.approx((interval.low, interval.high))


def test_differences_use_the_covariance_of_both_models():
    rng = np.random.default_rng(4)
    common = rng.standard_normal((6, 25, 1))
    values = common + 0.05 * rng.standard_normal((6, 25, 2)) + [0.0, 0.05]
    result = two_factor_bootstrap(_means(values), 6, 25, n_bootstrap=200)
    assert result.difference_se[0, 1] < 0.2 * result.se.min()
    np.testing.assert_allclose(result.difference, -result.difference.T)
    np.testing.assert_allclose(result.difference_p, result.difference_p.T)
    direct = two_factor_bootstrap(_means(values[:, :, :1] - values[:, :, 1:]), 6, 25, n_bootstrap=200)
    assert result.difference_se[0, 1] == pytest.approx(direct.se[0])


def test_equal_models_have_no_difference_to_test():
    values = np.random.default_rng(5).standard_normal((5, 20, 1)).repeat(2, axis=2)
    result = two_factor_bootstrap(_means(values), 5, 20, n_bootstrap=50)
    assert np.isnan(result.difference_t).all()
    assert np.isnan(result.difference_p).all()
    np.testing.assert_allclose(result.difference_se, 0.0, atol=1e-7)


def test_the_interval_holds_its_estimate_at_any_confidence():
    values = np.random.default_rng(6).standard_normal((4, 15, 3))
    wide, narrow = (
        two_factor_bootstrap(_means(values), 4, 15, n_bootstrap=50, confidence=c) for c in (0.99, 0.5)
    )
    for result in (wide, narrow):
        assert (result.ci_low < result.estimate).all()
        assert (result.estimate < result.ci_high).all()
    assert (wide.ci_low < narrow.ci_low).all()


def test_undefined_models_are_nan_and_leave_the_others_alone():
    values = np.random.default_rng(7).standard_normal((4, 15, 3))
    plain = two_factor_bootstrap(_means(values[:, :, [0, 2]]), 4, 15, n_bootstrap=50)
    values[2, :, 1] = np.nan
    result = two_factor_bootstrap(_means(values), 4, 15, n_bootstrap=50)
    np.testing.assert_allclose(result.se, [plain.se[0], np.nan, plain.se[1]])
    np.testing.assert_allclose(result.difference_p[0, 2], plain.difference_p[0, 1])
    assert np.isnan(result.difference[1]).all()


def test_draws_without_a_score_are_replaced_and_counted():
    values = np.random.default_rng(8).standard_normal((3, 10, 1))

    def score(weights):
        return _means(values)(weights) if weights[0] else np.full((3, 1), np.nan)

    result = two_factor_bootstrap(score, 3, 10, n_bootstrap=200)
    assert np.isfinite(result.se).all()
    # A stimulus is missing from a draw with probability (9/10)**10 = 0.35.
    assert result.n_rejected / (200 + result.n_rejected) == pytest.approx(0.35, abs=0.08)


def test_same_seed_same_bits():
    values = np.random.default_rng(9).standard_normal((4, 15, 2))
    first, second = (two_factor_bootstrap(_means(values), 4, 15, n_bootstrap=20) for _ in range(2))
    np.testing.assert_array_equal(first.se, second.se)
    other = two_factor_bootstrap(_means(values), 4, 15, n_bootstrap=20, random_state=1)
    assert (first.se != other.se).any()


def test_scores_that_are_never_defined_are_refused():
    values = np.random.default_rng(10).standard_normal((3, 10, 1))

    def only_whole(weights):
        return _means(values)(weights) if (weights == 1).all() else np.full((3, 1), np.nan)

    with pytest.raises(InputError, match="undefined in most bootstrap draws .*with 10 stimuli too little"):
        two_factor_bootstrap(only_whole, 3, 10, n_bootstrap=5)
    with pytest.raises(InputError, match="undefined for all 2 models"):
        two_factor_bootstrap(lambda w: np.full((3, 2), np.nan), 3, 10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_subjects": 0}, "`n_subjects` must be at least 1, got 0"),
        ({"n_stimuli": 5}, "`n_stimuli` must be at least 6 for a bootstrap, got 5"),
        ({"n_bootstrap": 1}, "`n_bootstrap` must be at least 2, got 1"),
        ({"confidence": 95}, "`confidence` must lie between 0 and 1, got 95"),
        ({"n_subjects": 4}, r"shape \(4, n_models\), got \(3, 1\)"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    given = {"n_subjects": 3, "n_stimuli": 10, **arguments}
    with pytest.raises(InputError, match=message):
        two_factor_bootstrap(lambda w: np.zeros((3, 1)), **given)
