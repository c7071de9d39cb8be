from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import KFold

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics import feature_reweighted_rsa, rdm
from alignkit.metrics.rsa import _unit_components
from alignkit.metrics.rsa._unit_components import UnitComponents, predict, weight_path


def built(X, kind):
    first, second = np.triu_indices(len(X), k=1)
    return (X[first] - X[second]) ** 2 if kind == "squared-differences" else -X[first] * X[second]


def problem(n_stimuli, n_units, n_missing, seed=0):
    rng = np.random.default_rng(seed)
    n_pairs = n_stimuli * (n_stimuli - 1) // 2
    has_value = np.ones(n_pairs, dtype=bool)
    has_value[rng.permutation(n_pairs)[:n_missing]] = False
    X = rng.standard_normal((n_stimuli, n_units)) + 3
    return X, rng.standard_normal((2, int(has_value.sum()))), has_value


KINDS = ["products", "squared-differences"]


@pytest.mark.parametrize("missing", [0, 7])
@pytest.mark.parametrize("kind", KINDS)
def test_sums_over_pairs_equal_those_of_the_components_written_out(kind, missing):
    X, vectors, has_value = problem(11, 6, missing)
    components = UnitComponents(X, has_value, kind)
    F = built(X, kind)[has_value]
    np.testing.assert_allclose(components.sums(), F.sum(axis=0), rtol=1e-10)
    np.testing.assert_allclose(components.squared_lengths(), (F**2).sum(axis=0), rtol=1e-10)
    np.testing.assert_allclose(components.gram(), F.T @ F, rtol=1e-10)
    np.testing.assert_allclose(components.cross(vectors), vectors @ F, rtol=1e-9, atol=1e-10)
    centred = F - F.mean(axis=0)
    np.testing.assert_allclose(components.kernel(F.mean(axis=0)), centred @ centred.T, atol=1e-9)
    weights = np.random.default_rng(1).standard_normal(6)
    np.testing.assert_allclose(predict(X, weights, kind), built(X, kind) @ weights, atol=1e-10)


@pytest.mark.parametrize("missing", [0, 5])
@pytest.mark.parametrize("n_units", [5, 60])
@pytest.mark.parametrize("kind", KINDS)
def test_fits_with_few_and_with_many_units_equal_scikit_learn(kind, n_units, missing):
    X, targets, has_value = problem(9, n_units, missing)
    F = built(X, kind)[has_value]
    scale, n_pairs = F.std(axis=0), has_value.sum()
    path = weight_path(X, targets, has_value, kind, non_negative=False)
    for alpha in (0.01, 3.0):
        peer = Ridge(alpha=alpha * n_pairs).fit(F / scale, targets.T).coef_ / scale
        np.testing.assert_allclose(path(alpha), peer, rtol=1e-7, atol=1e-10)
    bounded = weight_path(X, targets, has_value, kind, non_negative=True)
    peer = Ridge(alpha=0.3 * n_pairs, positive=True, tol=1e-12).fit(F / scale, targets[0]).coef_ / scale
    np.testing.assert_allclose(bounded(0.3)[0], peer, atol=1e-4 * np.abs(peer).max())
    if n_units < n_pairs:
        peer = LinearRegression(positive=True).fit(F / scale, targets[1]).coef_ / scale
        np.testing.assert_allclose(bounded(0.0)[1], peer, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["ridge", "non-negative"])
def test_planted_weights_are_recovered_and_beat_equal_ones(kind, method):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 8))
    truth = np.array([3.0, 0, 0, 1, 0, 0.5, 0, 0])
    target = built(X, kind) @ truth
    result = feature_reweighted_rsa(target, X, method=method, components=kind)
    assert result.score > 0.999
    assert result.unweighted < 0.9
    np.testing.assert_allclose(result.weights, truth, atol=0.01)
    noisy = target + target.std() * rng.standard_normal(len(target))
    result = feature_reweighted_rsa(noisy, X, method=method, components=kind)
    assert result.score > result.unweighted + 0.05
    assert np.corrcoef(result.weights, truth)[0, 1] > 0.97


def test_random_features_are_at_chance_where_folds_of_pairs_seem_to_predict():
    ours, leaking = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((30, 50))
        target = pdist(rng.standard_normal((30, 10)), "sqeuclidean")
        ours.append(feature_reweighted_rsa(target, X, alphas=[0.01, 1.0, 100.0]).score)
        F = built(X, "squared-differences")
        for train, test in KFold(5, shuffle=True, random_state=0).split(F):
            predicted = Ridge(alpha=100.0).fit(F[train], target[train]).predict(F[test])
            leaking.append(np.corrcoef(predicted, target[test])[0, 1])
    assert abs(np.mean(ours)) < 3 * np.std(ours) / np.sqrt(8)
    assert np.mean(leaking) > 0.3


def test_nothing_of_the_test_stimuli_reaches_the_fit():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 6))
    target = rng.random(190)
    first, second = np.triu_indices(20, k=1)
    test = np.arange(4)
    changed, values = X.copy(), target.copy()
    changed[test] = 100 * rng.standard_normal((4, 6))
    values[np.isin(first, test) | np.isin(second, test)] = 1000.0
    train = np.arange(4, 20)
    inside = np.isin(first, train) & np.isin(second, train)
    everything = np.ones(120, dtype=bool)
    before = weight_path(X[train], target[None, inside], everything, KINDS[1], non_negative=False)(0.1)
    after = weight_path(changed[train], values[None, inside], everything, KINDS[1], non_negative=False)(0.1)
    np.testing.assert_array_equal(before, after)


def test_several_rdms_at_once_equal_one_by_one():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 5))
    targets = np.stack([pdist(X * weights, "sqeuclidean") for weights in rng.random((3, 5))])
    targets += 0.5 * rng.standard_normal(targets.shape)
    together = feature_reweighted_rsa(targets, X, n_repeats=2)
    assert together.by_fold.shape == (10, 3)
    for row, target in enumerate(targets):
        alone = feature_reweighted_rsa(target, X, n_repeats=2)
        assert alone.score == pytest.approx(together.score[row], abs=1e-12)
        np.testing.assert_array_equal(alone.alphas, together.alphas[:, row])
        np.testing.assert_allclose(alone.weights, together.weights[row], rtol=1e-9)


def test_products_of_standardised_patterns_weight_the_correlation_distance():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 7))
    standard = (X - X.mean(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True)
    result = feature_reweighted_rsa(rdm(X, method="correlation"), standard, components="products")
    assert result.unweighted == pytest.approx(1, abs=1e-9)
    np.testing.assert_allclose(result.weights, 1 / 7, rtol=0.02)


def test_missing_pairs_are_left_out_for_all_and_counted():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 5))
    targets = np.stack([pdist(X, "sqeuclidean")] * 2)
    targets[0, :6] = np.nan
    targets[1, 10] = np.nan
    result = feature_reweighted_rsa(targets, X)
    assert result.n_left_out == 7
    np.testing.assert_allclose(result.weights, 1, rtol=0.01)
    assert (result.score > 0.999).all()


def test_constant_units_get_no_weight_and_the_scale_of_a_unit_does_not_matter():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 5))
    target = pdist(X[:, :3], "sqeuclidean") + rng.standard_normal(190)
    expected = feature_reweighted_rsa(target, X)
    scales = np.array([1e-6, 1, 1e6, 1, 10])
    more = np.column_stack([X * scales, np.full(20, 0.1)])
    result = feature_reweighted_rsa(target, more)
    assert result.weights[5] == 0
    assert result.score == pytest.approx(expected.score, abs=1e-9)
    np.testing.assert_allclose(result.weights[:5] * scales**2, expected.weights, rtol=1e-6)


def test_one_unit_can_only_be_there_or_not():
    X = np.random.default_rng(0).standard_normal((20, 1))
    result = feature_reweighted_rsa(pdist(X, "sqeuclidean"), X, method="non-negative")
    assert result.score == pytest.approx(1)
    opposite = feature_reweighted_rsa(-pdist(X, "sqeuclidean"), X, method="non-negative")
    assert opposite.score == 0
    np.testing.assert_array_equal(opposite.weights, 0)


def test_the_same_seed_gives_the_same_bits_and_input_is_left_alone():
    rng = np.random.default_rng(0)
    X, target = rng.standard_normal((20, 30)), rng.random(190)
    before = X.copy(), target.copy()
    first, second = (feature_reweighted_rsa(target, X, random_state=3) for _ in range(2))
    np.testing.assert_array_equal(first.by_fold, second.by_fold)
    np.testing.assert_array_equal(first.weights, second.weights)
    assert (first.by_fold != feature_reweighted_rsa(target, X, random_state=4).by_fold).any()
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(target, before[1])


def test_tensors_come_back_as_tensors():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    X, target = rng.standard_normal((18, 4)), rng.random(153)
    found = feature_reweighted_rsa(torch.from_numpy(target), torch.from_numpy(X))
    assert isinstance(found.weights, torch.Tensor)
    np.testing.assert_array_equal(found.weights.numpy(), feature_reweighted_rsa(target, X).weights)


@pytest.mark.parametrize(
    ("target", "X", "options", "message"),
    [
        (np.arange(10.0), np.ones((6, 2)), {}, "pairs of 5 stimuli, but `X` has 6 rows"),
        (np.arange(91.0), np.eye(14), {}, "at least 3 training and 3 test stimuli"),
        (np.arange(105.0), np.ones((15, 2)), {}, "none of the 2 units of `X` varies"),
        (np.arange(105.0), np.eye(15), {"n_repeats": 0}, "`n_repeats` must be at least 1, got 0"),
        (np.arange(105.0), np.eye(15), {"alphas": [-1.0]}, r"`alphas` must hold penalties.*got \[-1.0\]"),
        (np.arange(105.0), np.full((15, 2), np.nan), {}, "`X` holds 30 NaN"),
        (np.r_[[np.nan] * 90, np.arange(15.0)], np.eye(15), {}, "a test part of . stimuli has . pair"),
        (np.r_[[np.nan] * 103, 1.0, 2.0], np.eye(15), {}, r"`rdm` has 2 pair\(s\) with a value"),
        (np.full(105, 0.1), np.eye(15), {}, "RDM 0 of `rdm` is constant"),
        (np.arange(105.0), np.ones((15, 0)), {}, r"`X` has no units, got shape \(15, 0\)"),
        (np.arange(9.0), np.eye(5), {}, "9 pairs are not the pairs of any number of stimuli"),
    ],
)
def test_unusable_input_is_refused_with_the_numbers(target, X, options, message):
    with pytest.raises(InputError, match=message):
        feature_reweighted_rsa(target, X, **options)


def test_a_problem_that_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(_unit_components, "MAX_SIDE", 4)
    rng = np.random.default_rng(0)
    with pytest.raises(
        InputError, match="6 units and 66 training pairs make a dense problem of side 6, above 4"
    ):
        feature_reweighted_rsa(rng.random(105), rng.standard_normal((15, 6)), alphas=[1.0])


def test_unknown_options_list_the_known_ones():
    with pytest.raises(UnknownNameError, match="did you mean 'squared-differences'"):
        feature_reweighted_rsa(np.arange(105.0), np.eye(15), components="differences")
    with pytest.raises(UnknownNameError, match="`score` is 'cosine'"):
        feature_reweighted_rsa(np.arange(105.0), np.eye(15), score="cosine")


def test_a_large_offset_of_the_units_changes_no_score():
    rng = np.random.default_rng(0)
    X = rng.integers(-40, 40, (20, 3)) / 16
    target = ((X[:, None] - X) ** 2 @ [2.0, 0.5, 0.1])[np.triu_indices(20, k=1)] + rng.random(190)
    plain, shifted = (feature_reweighted_rsa(target, values, cv=4) for values in (X, X + 1e8))
    assert shifted.score == pytest.approx(plain.score, rel=1e-9)
    assert shifted.unweighted == pytest.approx(plain.unweighted, rel=1e-9)
