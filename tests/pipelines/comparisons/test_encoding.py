from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.pipelines.candidates import Candidate
from alignkit.pipelines.comparisons import recipes
from alignkit.pipelines.comparisons._encoding import (
    FoldCorrelations,
    Responses,
    design,
    encode,
)
from alignkit.recordings import Features
from alignkit.stats import grouped_folds

N = 30
IDS = [f"s{i:02d}" for i in range(N)]
FOLDS = grouped_folds(IDS, n_folds=3, random_state=0)
OPTIONS = {"recipe": recipes.ridge(alphas=[1.0, 10.0, 100.0], n_inner=3), "seed": 5}


class InOrder:
    """A generator whose permutations change nothing."""

    def permutation(self, n):
        return np.arange(n)


@pytest.fixture(scope="module")
def candidate():
    rng = np.random.default_rng(0)
    layers = {
        name: rng.standard_normal((N, 5)).astype(np.float32) for name in ("noise", "true", "more noise")
    }
    return Candidate(
        name="toy",
        family="toy",
        layers=tuple(layers),
        digest="x",
        features=Features(layers, IDS, model="toy"),
        stimulus_ids=tuple(IDS),
    )


def responses(candidate, seed, n_channels=4, noise=0.5):
    rng = np.random.default_rng(seed)
    Y = candidate.features["true"] @ rng.standard_normal((5, n_channels))
    Y = (Y + noise * rng.standard_normal(Y.shape)).astype(np.float32)
    return Responses(f"sub{seed}", Y, IDS, IDS, FOLDS)


def test_a_batch_gives_what_each_member_gives_alone(candidate):
    batch = [responses(candidate, seed, n) for seed, n in ((1, 4), (2, 7), (3, 1))]
    together = encode(candidate, batch, **OPTIONS)
    for member, found in zip(batch, together, strict=True):
        alone = encode(candidate, [member], **OPTIONS)[0]
        np.testing.assert_array_equal(found["choice"], alone["choice"])
        for name in ("layers", "inner", "folds_r", "predictions"):
            np.testing.assert_allclose(found[name], alone[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_a_member_does_not_choose_for_another(candidate):
    reverse = replace(candidate, layers=("more noise", "true", "noise"))
    other = responses(candidate, 2)
    noise = candidate.features["noise"]
    driven_by_noise = replace(other, Y=(noise @ np.random.default_rng(4).standard_normal((5, 6))).astype("f"))
    found = encode(reverse, [other, driven_by_noise], **OPTIONS)
    assert found[0]["choice"].tolist() == [1, 1, 1]
    assert found[1]["choice"].tolist() == [2, 2, 2]


def test_the_planted_layer_is_chosen_and_its_predictions_are_kept(candidate):
    member = responses(candidate, 1)
    found = encode(candidate, [member], **OPTIONS)[0]
    assert found["choice"].tolist() == [1, 1, 1]
    np.testing.assert_array_equal(found["choice"], found["inner"].argmax(axis=0))
    only = encode(replace(candidate, layers=("true",)), [member], **OPTIONS)[0]
    np.testing.assert_array_equal(found["predictions"], only["predictions"])
    np.testing.assert_array_equal(found["layers"][1], only["layers"][0])
    expected = [
        [np.corrcoef(found["predictions"][test, c], member.Y[test, c])[0, 1] for c in range(4)]
        for _, test in FOLDS
    ]
    np.testing.assert_allclose(found["folds_r"], expected, atol=1e-6)
    np.testing.assert_allclose(found["folds_r"].mean(axis=0), found["layers"][1])
    assert found["layers"][1].min() > 0.6


def test_responses_of_a_test_part_change_nothing_in_that_fold(candidate):
    # Noise keeps all layers close to each other, so that a leak would show in the choice.
    member = responses(candidate, 1, noise=6.0)
    before = encode(candidate, [member], **OPTIONS)[0]
    for fold, (_, test) in enumerate(FOLDS):
        Y = member.Y.copy()
        # The strongest temptation: what is tested is a copy of the layer that was not chosen.
        wrong = candidate.layers[(before["choice"][fold] + 1) % 3]
        Y[test] = 100 * candidate.features[wrong][test][:, :4]
        after = encode(candidate, [replace(member, Y=Y)], **OPTIONS)[0]
        assert after["choice"][fold] == before["choice"][fold]
        np.testing.assert_array_equal(after["inner"][:, fold], before["inner"][:, fold])
        np.testing.assert_array_equal(after["predictions"][test], before["predictions"][test])
        others = [f for f in range(3) if f != fold]
        assert (after["inner"][:, others] != before["inner"][:, others]).all()


def test_features_of_a_test_part_change_no_choice_in_that_fold(candidate):
    member = responses(candidate, 1, noise=6.0)
    before = encode(candidate, [member], **OPTIONS)[0]
    test = FOLDS[0][1]
    layers = {name: candidate.features[name].copy() for name in candidate.layers}
    for array in layers.values():
        array[test] += 50.0
    moved = replace(candidate, features=Features(layers, IDS, model="toy"))
    after = encode(moved, [member], **OPTIONS)[0]
    np.testing.assert_array_equal(after["inner"][:, 0], before["inner"][:, 0])
    assert after["choice"][0] == before["choice"][0]


def test_the_same_seed_gives_the_same_bits_and_inputs_stay(candidate):
    member = responses(candidate, 1)
    kept = member.Y.copy()
    one, two = (encode(candidate, [member], **OPTIONS)[0] for _ in range(2))
    for name, array in one.items():
        np.testing.assert_array_equal(array, two[name])
    np.testing.assert_array_equal(member.Y, kept)


def test_a_label_becomes_indicator_columns_in_the_order_asked_for():
    label = Candidate(
        name="kind",
        family="category",
        layers=("category",),
        digest="k",
        values=np.array(["cat", "dog", "cat", "ant"]),
        stimulus_ids=tuple("abcd"),
    )
    assert design(label, "category", ["d", "a", "b", "c"]).tolist() == [
        [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0],
    ]  # fmt: skip
    with pytest.raises(InputError, match="1 stimuli have no label 'kind': z"):
        design(label, "category", ["a", "z"])


def test_features_are_matched_by_id(candidate):
    X = design(candidate, "true", ["s05", "s01"])
    np.testing.assert_array_equal(X, candidate.features["true"][[5, 1]])


@pytest.fixture
def correlations(candidate):
    """Return predictions of two models, the responses, and their correlations."""
    member = responses(candidate, 1, n_channels=5)
    rng = np.random.default_rng(8)
    predictions = np.stack([member.Y + rng.standard_normal(member.Y.shape), rng.random(member.Y.shape)])
    return predictions, member, FoldCorrelations(predictions, member)


def by_hand(predictions, Y, folds):
    r = [
        [[np.corrcoef(model[test, c], Y[test, c])[0, 1] for c in range(Y.shape[1])] for model in predictions]
        for test in folds
    ]
    return np.median(np.mean(r, axis=0), axis=-1)


def test_weights_of_one_give_the_median_over_channels_of_the_mean_over_folds(correlations):
    predictions, member, found = correlations
    expected = by_hand(predictions, member.Y, [test for _, test in FOLDS])
    np.testing.assert_allclose(found(np.ones(N)), expected, atol=1e-10)


def test_weights_repeat_stimuli(correlations):
    predictions, member, found = correlations
    weights = np.random.default_rng(3).integers(1, 4, N).astype(float)
    repeated = [np.repeat(test, weights[test].astype(int)) for _, test in FOLDS]
    np.testing.assert_allclose(found(weights), by_hand(predictions, member.Y, repeated), atol=1e-10)


def test_a_fold_without_weight_is_left_out_of_the_mean(correlations):
    predictions, member, found = correlations
    weights = np.ones(N)
    weights[FOLDS[0][1]] = 0
    expected = by_hand(predictions, member.Y, [test for _, test in FOLDS[1:]])
    np.testing.assert_allclose(found(weights), expected, atol=1e-10)


def test_the_null_without_an_exchange_is_the_score(correlations):
    _, _, found = correlations
    np.testing.assert_allclose(found.null(InOrder()), found(np.ones(N)), atol=1e-10)


def test_the_null_is_centred_on_zero_and_spreads_as_it_should(correlations):
    _, _, found = correlations
    rng = np.random.default_rng(0)
    null = np.stack([found.null(rng) for _ in range(600)])
    assert found(np.ones(N))[0] > 0.5
    # A mean over three folds of r over ten stimuli has sd 1 / sqrt(27); the median of channels has less.
    assert np.abs(null.mean(axis=0)).max() < 0.03
    assert (null.std(axis=0) < 1.2 / np.sqrt(27)).all()
    assert (null.std(axis=0) > 0.3 / np.sqrt(27)).all()


def test_stimuli_are_exchanged_within_folds_only(candidate):
    # Predictions vary in the first fold and responses in the second: no exchange within folds relates them.
    rng = np.random.default_rng(0)
    predictions, Y = np.zeros((1, N, 3)), np.zeros((N, 3), dtype=np.float32)
    predictions[0, FOLDS[0][1]] = rng.random((10, 3))
    Y[FOLDS[1][1]] = rng.random((10, 3))
    found = FoldCorrelations(predictions, replace(responses(candidate, 1), Y=Y))
    null = np.array([found.null(rng)[0] for _ in range(50)])
    np.testing.assert_array_equal(null, 0.0)


def test_a_constant_prediction_scores_zero_now_and_under_the_null(candidate):
    member = responses(candidate, 1)
    found = FoldCorrelations(np.full((1, N, 4), 0.1), member)
    assert found(np.ones(N)).tolist() == [0.0]
    np.testing.assert_allclose(found.null(np.random.default_rng(0)), [0.0], atol=1e-12)
