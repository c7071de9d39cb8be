from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alignkit._core.errors import InputError
from alignkit.stats import (
    WeightedCorrelation,
    bootstrap_encoding_scores,
    bootstrap_rdm_scores,
    weighted_similarity,
)


def _subjects(seed, n_subjects=6, n_stimuli=20, noise=0.5):
    rng = np.random.default_rng(seed)
    truth = rng.random(n_stimuli * (n_stimuli - 1) // 2)
    return truth + noise * rng.standard_normal((n_subjects, truth.size)), truth, rng


@pytest.mark.parametrize("method", ["cosine", "pearson", "spearman", "rho-a", "kendall"])
def test_the_estimate_is_the_mean_similarity_over_subjects(method):
    data, truth, rng = _subjects(0, n_stimuli=12)
    models = np.stack([truth, rng.random(truth.size)])
    result = bootstrap_rdm_scores(data, models, 12, method=method, n_bootstrap=20)
    expected = weighted_similarity(data, models, method=method).mean(axis=0)
    np.testing.assert_allclose(result.estimate, expected)


def test_reference_values_of_two_models(six_noisy_rdms):
    data, base = six_noisy_rdms
    result = bootstrap_rdm_scores(data, [base, data[0]], 10, method="pearson")
    np.testing.assert_allclose(result.estimate, [0.7225181502, 0.608283135], atol=1e-9)
    assert result.dof == 5


def test_the_interval_holds_the_estimate_where_keeping_duplicate_pairs_excludes_it():
    # Unrelated RDMs: copies of one stimulus are at distance 0 in both, which makes them look alike.
    n_stimuli = 20
    rows, columns = np.triu_indices(n_stimuli, 1)
    rng = np.random.default_rng(1)
    patterns = rng.standard_normal((2, n_stimuli, 60))
    data, model = (((x[rows] - x[columns]) ** 2).sum(axis=1) for x in patterns)
    squares = [np.zeros((n_stimuli, n_stimuli)) for _ in range(2)]
    for square, vector in zip(squares, (data, model), strict=True):
        square[rows, columns] = square[columns, rows] = vector
    kept = []
    for _ in range(400):
        drawn = rng.integers(0, n_stimuli, n_stimuli)
        pairs = [square[np.ix_(drawn, drawn)][rows, columns] for square in squares]
        kept.append(np.corrcoef(*pairs)[0, 1])
    result = bootstrap_rdm_scores(data[None], model[None], n_stimuli, method="pearson")
    low, high = np.percentile(kept, [2.5, 97.5])
    assert low > result.estimate[0]
    assert result.ci_low[0] < result.estimate[0] < result.ci_high[0]
    assert np.mean(kept) > high - low


def test_a_better_model_is_told_from_a_worse_one():
    data, truth, rng = _subjects(2, n_subjects=8, n_stimuli=30)
    worse = truth + 0.6 * rng.standard_normal(truth.size)
    result = bootstrap_rdm_scores(data, [truth, worse, rng.random(truth.size)], 30, method="spearman")
    assert result.difference_p[0, 1] < 0.001
    assert result.ci_low[0] > 0
    assert result.ci_low[2] < 0 < result.ci_high[2]


def test_one_subject_resamples_stimuli_only_and_says_so():
    data, truth, _ = _subjects(3)
    result = bootstrap_rdm_scores(data[:1], truth[None], 20, method="pearson", n_bootstrap=50)
    assert result.resampled == "stimuli"
    assert result.dof == 19
    both = bootstrap_rdm_scores(data, truth[None], 20, method="pearson", n_bootstrap=50)
    assert both.resampled == "subjects and stimuli"


def test_a_model_that_is_constant_in_some_draws_is_drawn_again():
    data, _, _ = _subjects(4, n_stimuli=8)
    rows, columns = np.triu_indices(8, 1)
    one_apart = ((rows == 0) | (columns == 0)).astype(float)
    result = bootstrap_rdm_scores(data, one_apart[None], 8, method="pearson", n_bootstrap=100)
    assert result.n_rejected > 10
    assert np.isfinite(result.se).all()


def _encoding(seed, n_models=2, n_stimuli=50, n_channels=7):
    rng = np.random.default_rng(seed)
    responses = rng.standard_normal((n_stimuli, n_channels))
    noise = rng.standard_normal((n_models, n_stimuli, n_channels))
    return responses + noise * np.arange(1, n_models + 1)[:, None, None], responses


def test_weighted_correlations_are_those_of_repeated_stimuli():
    predictions, responses = _encoding(5)
    weights = np.random.default_rng(6).multinomial(50, np.full(50, 0.02))
    again = np.repeat(np.arange(50), weights)
    expected = [
        [stats.pearsonr(p[again, c], responses[again, c]).statistic for c in range(7)] for p in predictions
    ]
    got = WeightedCorrelation(predictions + 100.0, responses - 5.0)(weights.astype(float))
    np.testing.assert_allclose(got, expected, atol=1e-10)


def test_encoding_scores_are_the_median_over_channels_and_the_mean_over_subjects():
    subjects = [_encoding(7), _encoding(8, n_channels=3)]
    result = bootstrap_encoding_scores(*map(list, zip(*subjects, strict=True)), n_bootstrap=30)
    expected = []
    for predictions, responses in subjects:
        r = [[np.corrcoef(p[:, c], y)[0, 1] for c, y in enumerate(responses.T)] for p in predictions]
        expected.append(np.median(r, axis=1))
    np.testing.assert_allclose(result.estimate, np.mean(expected, axis=0))
    assert (result.n_subjects, result.resampled) == (2, "subjects and stimuli")


def test_the_standard_error_of_one_correlation_is_that_of_theory():
    rng = np.random.default_rng(9)
    x = rng.standard_normal((400, 1))
    y = 0.6 * x + 0.8 * rng.standard_normal((400, 1))
    result = bootstrap_encoding_scores(x[None], y, n_bootstrap=2000)
    assert result.resampled == "stimuli"
    assert result.se[0] == pytest.approx((1 - result.estimate[0] ** 2) / np.sqrt(399), rel=0.15)


def test_silent_channels_do_not_count():
    predictions, responses = _encoding(10)
    with_silent = np.concatenate([responses, np.full((50, 1), 0.1)], axis=1)
    more = np.concatenate([predictions, predictions[:, :, :1]], axis=2)
    first = bootstrap_encoding_scores(more, with_silent, n_bootstrap=30, reduce="mean")
    second = bootstrap_encoding_scores(predictions, responses, n_bootstrap=30, reduce="mean")
    np.testing.assert_allclose(first.estimate, second.estimate)
    np.testing.assert_allclose(first.se, second.se)


def test_a_channel_with_one_response_is_undefined_where_that_is_not_drawn():
    predictions, responses = _encoding(11, n_channels=1)
    responses[:] = 0.3
    responses[4] = 1.0
    correlation = WeightedCorrelation(predictions, responses)
    weights = np.ones(50)
    assert np.isfinite(correlation(weights)).all()
    weights[4] = 0
    assert np.isnan(correlation(weights)).all()


def test_same_seed_same_bits_and_inputs_unchanged():
    data, truth, _ = _subjects(12)
    before = data.copy()
    first, second = (
        bootstrap_rdm_scores(data, truth[None], 20, method="spearman", n_bootstrap=20) for _ in range(2)
    )
    np.testing.assert_array_equal(first.se, second.se)
    np.testing.assert_array_equal(data, before)


def test_bad_input_is_refused():
    data, truth, _ = _subjects(13)
    with pytest.raises(InputError, match="`data_rdms` must have 210 pairs for 21 stimuli, got 190"):
        bootstrap_rdm_scores(data, truth[None], 21, method="pearson")
    with pytest.raises(InputError, match="`model_rdms` must have 190 pairs for 20 stimuli, got 189"):
        bootstrap_rdm_scores(data, truth[None, :-1], 20, method="pearson")
    with pytest.raises(InputError, match="`method` is 'corr'"):
        bootstrap_rdm_scores(data, truth[None], 20, method="corr")


def test_bad_encoding_input_is_refused():
    predictions, responses = _encoding(14)
    with pytest.raises(InputError, match="both be arrays .* got list and ndarray"):
        bootstrap_encoding_scores([predictions], responses)
    with pytest.raises(InputError, match="must list the same subjects, got 2 and 1"):
        bootstrap_encoding_scores([predictions, predictions], [responses])
    short = _encoding(15, n_stimuli=40)
    with pytest.raises(InputError, match=r"share models and stimuli, got .*\[\(2, 40\), \(2, 50\)\]"):
        bootstrap_encoding_scores([predictions, short[0]], [responses, short[1]])
    with pytest.raises(InputError, match=r"like `responses`, got \(2, 40, 7\)"):
        WeightedCorrelation(predictions[:, :40], responses)
    with pytest.raises(InputError, match="`reduce` is 'sum'"):
        bootstrap_encoding_scores(predictions, responses, reduce="sum")
    with pytest.raises(InputError, match="Align both by `stimulus_id`"):
        bootstrap_encoding_scores(predictions[:, :40], responses)
