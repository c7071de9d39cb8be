from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.stats import permute_predictions, stimulus_permutation_rdm, weighted_similarity
from alignkit.stats.similarity import SIMILARITY_METHODS

ROWS, COLUMNS = np.triu_indices(12, 1)


def _rdms(seed, n):
    return np.random.default_rng(seed).random((n, 66))


def _square(vector):
    square = np.zeros((12, 12))
    square[ROWS, COLUMNS] = square[COLUMNS, ROWS] = vector
    return square


@pytest.mark.parametrize("method", SIMILARITY_METHODS)
def test_the_null_is_that_of_shuffled_rows_and_columns(method):
    data, models = _rdms(0, 3), np.round(_rdms(1, 2), 1)
    result = stimulus_permutation_rdm(data, models, 12, method=method, n_permutations=5, random_state=7)
    rng = np.random.default_rng(7)
    for row in result.null:
        order = rng.permutation(12)
        shuffled = np.stack([_square(d)[np.ix_(order, order)][ROWS, COLUMNS] for d in data])
        expected = weighted_similarity(shuffled, models, method=method).mean(axis=0)
        np.testing.assert_allclose(row, expected, atol=1e-12)
    observed = weighted_similarity(data, models, method=method).mean(axis=0)
    np.testing.assert_allclose(result.observed, observed, atol=1e-12)


def test_a_related_model_is_found_and_an_unrelated_one_is_not():
    data = _rdms(2, 6)
    data += 0.5 * data[0]
    result = stimulus_permutation_rdm(data, [data[0], _rdms(3, 1)[0]], 12, method="spearman")
    assert result.p[0] == pytest.approx(1 / 1001)
    assert result.p[1] > 0.05


def test_groups_correct_for_the_layers_of_one_network_only():
    data, models = _rdms(4, 4), _rdms(5, 6)
    options = {"method": "pearson", "n_permutations": 200}
    alone = stimulus_permutation_rdm(data, models, 12, groups=range(6), **options)
    np.testing.assert_allclose(alone.p_max, alone.p)
    layers = stimulus_permutation_rdm(data, models, 12, groups=["a", "a", "a", "b", "b", "b"], **options)
    largest = layers.null[:, :3].max(axis=1)
    assert layers.p_max[0] == pytest.approx((1 + (largest >= layers.observed[0]).sum()) / 201)
    together = stimulus_permutation_rdm(data, models, 12, **options)
    assert (together.p_max >= layers.p_max).all()
    assert (layers.p_max >= layers.p).all()


def test_a_constant_model_is_undefined_and_does_not_disturb_the_others():
    data, models = _rdms(6, 3), _rdms(7, 2)
    options = {"method": "pearson", "n_permutations": 50}
    with_constant = stimulus_permutation_rdm(data, np.vstack([models, np.ones(66)]), 12, **options)
    plain = stimulus_permutation_rdm(data, models, 12, **options)
    np.testing.assert_allclose(with_constant.p, [*plain.p, np.nan])
    np.testing.assert_allclose(with_constant.p_max, [*plain.p_max, np.nan])


def test_p_values_are_uniform_when_stimuli_are_exchangeable(make_world):
    p = []
    for seed in range(300):
        data, models = make_world(seed, 5, 12, kind="zero")
        result = stimulus_permutation_rdm(data, models[:1], 12, method="pearson", n_permutations=99,
                                          random_state=seed)  # fmt: skip
        p.append(result.p[0])
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 300)
    assert np.mean(p) == pytest.approx(0.5, abs=0.05)


def _encoding(seed, n_stimuli=60, n_channels=5, strength=0.8):
    rng = np.random.default_rng(seed)
    responses = rng.standard_normal((n_stimuli, n_channels))
    related = strength * responses + rng.standard_normal(responses.shape)
    return np.stack([related, rng.standard_normal(responses.shape)]), responses


def test_predictions_related_to_the_responses_are_found():
    predictions, responses = _encoding(0)
    result = permute_predictions(predictions, responses, n_permutations=300)
    expected = [[np.corrcoef(p[:, c], responses[:, c])[0, 1] for c in range(5)] for p in predictions]
    np.testing.assert_allclose(result.channel_scores, expected, atol=1e-12)
    np.testing.assert_allclose(result.observed, np.median(expected, axis=1))
    assert result.p[0] == pytest.approx(1 / 301)
    assert (result.channel_p[0] <= 2 / 301).all()
    assert result.p[1] > 0.05
    assert (result.channel_p_max >= result.channel_p).all()


def test_all_channels_are_shuffled_alike():
    # Equal channels must then have equal correlations in every draw, so that their median varies as one does.
    predictions, responses = _encoding(1, n_channels=1)
    copies = permute_predictions(
        np.repeat(predictions, 9, axis=2), np.repeat(responses, 9, axis=1), n_permutations=100
    )
    single = permute_predictions(predictions, responses, n_permutations=100)
    np.testing.assert_allclose(copies.null, single.null, atol=1e-12)


def test_shuffles_stay_within_blocks():
    # Within blocks of two the block means survive, and with them the relation that they carry.
    block_means = np.repeat(np.random.default_rng(2).standard_normal((20, 1)), 2, axis=0)
    blocks = np.repeat(np.arange(20), 2)
    within = permute_predictions(block_means, block_means, blocks=blocks, n_permutations=50)
    np.testing.assert_allclose(within.null, 1.0)
    assert within.p[0] == 1.0
    assert permute_predictions(block_means, block_means, n_permutations=50).p[0] == pytest.approx(1 / 51)


def test_constant_channels_are_undefined_and_do_not_count():
    predictions, responses = _encoding(3)
    responses[:, 2] = 0.3
    result = permute_predictions(predictions, responses, n_permutations=50)
    assert np.isnan(result.channel_scores[:, 2]).all()
    assert np.isnan(result.channel_p[:, 2]).all()
    kept = [0, 1, 3, 4]
    plain = permute_predictions(predictions[:, :, kept], responses[:, kept], n_permutations=50)
    np.testing.assert_allclose(result.null, plain.null)
    np.testing.assert_allclose(result.channel_p_max[:, kept], plain.channel_p_max)


def test_mean_instead_of_median():
    predictions, responses = _encoding(4)
    result = permute_predictions(predictions, responses, reduce="mean", n_permutations=20)
    np.testing.assert_allclose(result.observed, result.channel_scores.mean(axis=1))


def test_same_seed_same_bits_and_inputs_unchanged():
    predictions, responses = _encoding(5)
    copies = predictions.copy(), responses.copy()
    first, second = (permute_predictions(predictions, responses, n_permutations=20) for _ in range(2))
    np.testing.assert_array_equal(first.null, second.null)
    np.testing.assert_array_equal(predictions, copies[0])
    np.testing.assert_array_equal(responses, copies[1])


def test_bad_rdms_are_refused():
    with pytest.raises(InputError, match="`data_rdms` must have 45 pairs for 10 stimuli, got 66"):
        stimulus_permutation_rdm(_rdms(0, 2), _rdms(1, 2), 10, method="pearson")
    with pytest.raises(InputError, match="`model_rdms` must have 66 pairs for 12 stimuli, got 45"):
        stimulus_permutation_rdm(_rdms(0, 2), np.ones((1, 45)), 12, method="pearson")
    with pytest.raises(InputError, match="at least 4 for a permutation test, got 3"):
        stimulus_permutation_rdm(np.ones((2, 3)), np.ones((2, 3)), 3, method="pearson")
    with pytest.raises(InputError, match="each of the 2 models, got 3"):
        stimulus_permutation_rdm(_rdms(0, 2), _rdms(1, 2), 12, method="pearson", groups="abc")
    with pytest.raises(InputError, match="`n_permutations` must be at least 1, got 0"):
        stimulus_permutation_rdm(_rdms(0, 2), _rdms(1, 2), 12, method="pearson", n_permutations=0)
    with pytest.raises(InputError, match="`method` is 'tau'"):
        stimulus_permutation_rdm(_rdms(0, 2), _rdms(1, 2), 12, method="tau")


def test_bad_predictions_are_refused():
    predictions, responses = _encoding(6)
    with pytest.raises(InputError, match=r"shape \(n_models, 60, 5\) like `responses`, got \(2, 60, 4\)"):
        permute_predictions(predictions[:, :, :4], responses)
    with pytest.raises(InputError, match="each of the 60 stimuli, got 3"):
        permute_predictions(predictions, responses, blocks=[1, 2, 3])
    with pytest.raises(InputError, match="each of the 60 stimuli in a block of its own"):
        permute_predictions(predictions, responses, blocks=range(60))
    with pytest.raises(InputError, match="`reduce` is 'max'"):
        permute_predictions(predictions, responses, reduce="max")
    predictions[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="`predictions` holds 1 NaN"):
        permute_predictions(predictions, responses)
