from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import Ridge

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics import METRICS
from alignkit.metrics._folds import stimulus_folds
from alignkit.metrics.similarity.held_out_predictivity import predictivity

METHODS = ["pls", "ridge", "one-to-one"]


def planted(n_stimuli=120, noise=0.5, seed=0):
    """Return two systems that read out the same latents; every unit of Y has a partner in X."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_stimuli, 8)) @ rng.standard_normal((8, 30))
    return X, X[:, 10:18] + noise * X.std() * rng.standard_normal((n_stimuli, 8))


def pearson(truth, prediction):
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(truth.T, prediction.T, strict=True)])


def test_pls_equals_scikit_learn_fold_by_fold():
    X, Y = planted()
    folds = stimulus_folds(4, 120, random_state=0)
    found = predictivity(X, Y, method="pls", cv=4, n_components=3)
    for (train, test), r in zip(folds, found.fold_correlations, strict=True):
        peer = PLSRegression(n_components=3, scale=False, tol=1e-14, max_iter=5000).fit(X[train], Y[train])
        np.testing.assert_allclose(r, pearson(Y[test], peer.predict(X[test])), rtol=1e-7)


def test_ridge_at_one_penalty_equals_scikit_learn_fold_by_fold():
    X, Y = planted()
    folds = stimulus_folds(4, 120, random_state=0)
    found = predictivity(X, Y, method="ridge", cv=4, alphas=[30.0])
    for (train, test), r in zip(folds, found.fold_correlations, strict=True):
        scale = np.sqrt(X[train].var(axis=0).mean())
        peer = Ridge(alpha=30.0).fit(X[train] / scale, Y[train])
        np.testing.assert_allclose(r, pearson(Y[test], peer.predict(X[test] / scale)), rtol=1e-7)


def test_one_to_one_finds_the_planted_partners():
    X, Y = planted(n_stimuli=300, noise=0.1)
    folds = stimulus_folds(5, 300, random_state=0)
    found = predictivity(X, Y, method="one-to-one")
    for (_, test), r in zip(folds, found.fold_correlations, strict=True):
        np.testing.assert_allclose(r, pearson(Y[test], X[test, 10:18]), rtol=1e-9)


def test_one_to_one_takes_the_sign_into_account():
    rng = np.random.default_rng(0)
    y = rng.standard_normal((60, 1))
    X = np.column_stack([-y, y + 2 * rng.standard_normal((60, 1))])
    found = predictivity(X, y, method="one-to-one")
    assert 0.1 < found.median < 0.9


@pytest.mark.parametrize("method", METHODS)
def test_a_planted_relation_is_found_and_its_shuffle_is_not(method):
    X, Y = planted()
    shuffled = X[np.random.default_rng(1).permutation(120)]
    assert predictivity(X, Y, method=method).median > 0.75
    assert abs(predictivity(shuffled, Y, method=method).median) < 0.2


@pytest.mark.parametrize("method", METHODS)
def test_the_null_is_at_zero_also_with_more_units_than_stimuli(method):
    rng = np.random.default_rng(0)
    found = [
        predictivity(rng.standard_normal((40, 60)), rng.standard_normal((40, 20)), method=method).mean
        for _ in range(8)
    ]
    assert np.mean(found) == pytest.approx(0, abs=0.05)


def test_r_has_no_epsilon():
    # Any constant added to the denominator would show when responses are tiny.
    X, Y = planted()
    for method in METHODS:
        expected = predictivity(X, Y, method=method).correlations
        np.testing.assert_allclose(
            predictivity(1e-9 * X, 1e-9 * Y, method=method).correlations, expected, rtol=1e-6
        )


@pytest.mark.parametrize("method", METHODS)
def test_nothing_of_the_test_part_leaks_into_the_fit(method):
    # A fit that had seen the test part of unrelated systems would predict it; see also the null above.
    X, Y = planted()
    train, test = np.arange(90), np.arange(90, 120)
    fold = [(train, test)]
    before = predictivity(X, Y, method=method, cv=fold).correlations
    moved_x, moved_y = X.copy(), Y.copy()
    # A shift and scale of all test stimuli changes any mean, scale or penalty that used them, and not r.
    moved_x[test] = 1e3 * X[test] + 1e4
    moved_y[test] = 1e3 * Y[test] - 1e4
    after = predictivity(moved_x, moved_y, method=method, cv=fold).correlations
    np.testing.assert_allclose(after, before, rtol=1e-6)


def test_groups_keep_near_duplicates_apart():
    rng = np.random.default_rng(0)
    X = np.repeat(rng.standard_normal((30, 40)), 4, axis=0) + 0.01 * rng.standard_normal((120, 40))
    Y = np.repeat(rng.standard_normal((30, 5)), 4, axis=0)
    groups = np.repeat(np.arange(30), 4)
    for method in ("pls", "ridge"):
        assert predictivity(X, Y, method=method).median > 0.8
        assert predictivity(X, Y, method=method, groups=groups).median < 0.3


def test_forward_and_reverse_differ_where_one_side_has_dimensions_that_the_other_lacks():
    rng = np.random.default_rng(0)
    latents = rng.standard_normal((200, 10))
    model, brain = latents @ rng.standard_normal((10, 40)), latents[:, :3] @ rng.standard_normal((3, 40))
    forward, reverse = (predictivity(*pair, method="ridge") for pair in ((model, brain), (brain, model)))
    assert forward.median > 0.99
    assert reverse.median < 0.75


def test_components_beyond_the_rank_are_all_components():
    X, Y = planted(n_stimuli=60)
    np.testing.assert_allclose(
        predictivity(X, Y, n_components=25).correlations,
        predictivity(X, Y, n_components=8).correlations,
        rtol=1e-6,
    )


def test_a_constant_unit_of_y_has_no_correlation_and_is_counted():
    X, Y = planted()
    Y = np.column_stack([Y, np.full(120, 0.1)])
    found = predictivity(X, Y)
    assert np.isnan(found.correlations[-1])
    assert found.n_undefined == 1
    assert found.median == pytest.approx(np.median(found.correlations[:-1]), rel=1e-12)
    assert found.mean == pytest.approx(found.correlations[:-1].mean(), rel=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_a_unit_silent_in_training_is_predicted_at_zero(method):
    X, Y = planted()
    Y[:90, 0] = 0.1
    found = predictivity(X, Y, method=method, cv=[(np.arange(90), np.arange(90, 120))])
    assert found.correlations[0] == 0


def test_a_source_silent_in_training_is_never_chosen():
    X, Y = planted()
    X[:90, 3] = 0.1
    X[90:, 3] = Y[90:, 0]
    found = predictivity(X, Y, method="one-to-one", cv=[(np.arange(90), np.arange(90, 120))])
    assert found.correlations[0] < 0.999


def test_a_prediction_that_is_constant_scores_zero():
    X, Y = planted()
    X[90:] = 0
    found = predictivity(X, Y, method="one-to-one", cv=[(np.arange(90), np.arange(90, 120))])
    np.testing.assert_array_equal(found.correlations, 0)


@pytest.mark.parametrize("method", METHODS)
def test_one_unit_a_side_and_integers_are_fine(method):
    x = np.random.default_rng(0).integers(0, 50, (40, 1))
    assert predictivity(x, 3 * x, method=method).median == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_tensors_come_back_with_equal_numbers_and_inputs_are_left_alone(method):
    X, Y = planted(n_stimuli=60)
    before = X.copy(), Y.copy()
    found = predictivity(torch.from_numpy(X), torch.from_numpy(Y), method=method)
    assert isinstance(found.correlations, torch.Tensor)
    expected = predictivity(X, Y, method=method)
    np.testing.assert_allclose(found.correlations.numpy(), expected.correlations, rtol=1e-9)
    assert METRICS[f"{method}-predictivity"](torch.from_numpy(X), torch.from_numpy(Y)) == pytest.approx(
        expected.median, rel=1e-9
    )
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(Y, before[1])


def test_the_same_seed_gives_the_same_bits():
    X, Y = planted(n_stimuli=60)
    first, again, other = (predictivity(X, Y, method="ridge", random_state=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.fold_correlations, again.fold_correlations)
    assert first.median != other.median


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"X": np.ones((120, 3))}, {}, "all 120 rows of `X` are equal"),
        ({"Y": np.ones((120, 3))}, {}, "all 120 rows of `Y` are equal"),
        ({"Y": np.eye(9)}, {}, "same number of samples, got 120 and 9"),
        ({"X": np.full((120, 2), np.nan)}, {}, r"`X` holds 240 NaN or infinite value\(s\)"),
        ({}, {"cv": 50}, "fold 0 of 50 has 117 and 3|fold 20 of 50 has 118 and 2"),
        ({}, {"n_components": 0}, "`n_components` must be at least 1, got 0"),
        ({}, {"method": "ridge", "alphas": [0.0]}, "`alphas` must be positive, got 0"),
        ({}, {"groups": [1, 2]}, "one label per stimulus"),
        (
            {"X": np.repeat([[0.0], [1.0]], [100, 20], axis=0)},
            {"cv": [(np.arange(60), np.arange(90, 120))]},
            "constant over the training part of fold 0",
        ),
        (
            {"Y": np.repeat([[0.0], [1.0]], [100, 20], axis=0)},
            {"cv": [(np.arange(60, 120), np.arange(60))]},
            "every unit of `Y` is constant over the test part",
        ),
    ],
)
def test_unusable_input_is_refused_with_the_numbers(change, options, message):
    X, Y = planted()
    with pytest.raises(InputError, match=message):
        predictivity(change.get("X", X), change.get("Y", Y), **options)


def test_an_unknown_method_is_refused():
    with pytest.raises(UnknownNameError, match="`method` is 'lasso'"):
        predictivity(*planted(), method="lasso")


def test_few_training_stimuli_get_fewer_inner_folds():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((16, 2))
    assert predictivity(X, X @ rng.standard_normal((2, 3)), method="ridge", cv=2).median > 0.99


@pytest.mark.parametrize("method", ["pls", "ridge", "one-to-one"])
def test_a_large_offset_of_the_responses_changes_no_score(method):
    rng = np.random.default_rng(0)
    X, Y = rng.integers(-40, 40, (40, 5)) / 16, rng.integers(-40, 40, (40, 4)) / 16
    plain, shifted = (predictivity(X, Z, method=method).correlations for Z in (Y, Y + 1e8))
    np.testing.assert_allclose(shifted, plain, rtol=1e-9, atol=1e-9)
