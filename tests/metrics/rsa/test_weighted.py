from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import solve
from scipy.optimize import nnls
from sklearn.linear_model import LinearRegression, Ridge

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics import compare_rdms, fit_rdms, rdm, weighted_rsa


@pytest.fixture(scope="module")
def published():
    """Return the RDMs `base` and `sub` behind the published toolbox's numbers."""
    rs = np.random.RandomState(0)
    for shape in ((20, 8), (20, 8), (20, 12), (50, 6)):
        rs.randn(*shape)
    base = rs.rand(45)
    sub = base + 0.3 * rs.randn(6, 45)
    return base, sub - sub.min()


def components(n_stimuli=16, n=4, seed=0):
    X = np.random.default_rng(seed).standard_normal((n_stimuli, n))
    first, second = np.triu_indices(n_stimuli, k=1)
    return ((X[first] - X[second]) ** 2).T


def planted(n_subjects=6, noise=0.5, n_stimuli=24, seed=0):
    # What does not matter varies most.
    parts = components(n_stimuli, 3, seed) * np.array([[1.0], [4.0], [1.0]])
    rng = np.random.default_rng(seed + 1)
    truth = 2 * parts[0] + 0.5 * parts[2]
    return truth + noise * truth.std() * rng.standard_normal((n_subjects, len(truth))), parts


def test_weights_equal_the_published_toolbox(published):
    base, sub = published
    np.testing.assert_allclose(sub[0, :3], [1.6686051222, 1.4809118899, 1.7110418617], rtol=1e-9)
    fit = fit_rdms(sub[0], [base, sub[1]])
    np.testing.assert_allclose(
        fit.weights / np.linalg.norm(fit.weights), [0.9769944722, -0.2132646274], rtol=1e-8
    )
    bounded = fit_rdms(sub[0], [base, sub[1]], method="non-negative")
    np.testing.assert_allclose(bounded.weights / np.linalg.norm(bounded.weights), [1, 0], atol=1e-10)


def test_non_negative_weights_of_a_sum_without_noise_are_exact():
    X = np.random.default_rng(0).standard_normal((12, 4))
    first, second = np.triu_indices(12, k=1)
    parts = ((X[first] - X[second]) ** 2).T
    truth = np.array([2, 0, 1, 0.5])
    for method in ("non-negative", "regression"):
        for intercept in (True, False):
            fit = fit_rdms(truth @ parts, parts, method=method, intercept=intercept)
            np.testing.assert_allclose(fit.weights, truth, atol=1e-10)
            np.testing.assert_allclose(fit.fitted, truth @ parts, atol=1e-10)
            assert fit.intercept == pytest.approx(0, abs=1e-10)
            assert fit.n_left_out == 0


@pytest.mark.parametrize("intercept", [True, False])
def test_fits_equal_scikit_learn_and_scipy(intercept):
    parts = components()
    target = np.random.default_rng(5).random(parts.shape[1]) + parts[1]
    fit = fit_rdms(target, parts, intercept=intercept)
    peer = LinearRegression(fit_intercept=intercept).fit(parts.T, target)
    np.testing.assert_allclose(fit.weights, peer.coef_, rtol=1e-9)
    assert fit.intercept == pytest.approx(peer.intercept_, abs=1e-9)
    np.testing.assert_allclose(fit.fitted, peer.predict(parts.T), rtol=1e-9)
    shrunk = fit_rdms(target, parts, ridge=50.0, intercept=intercept)
    peer = Ridge(alpha=50.0, fit_intercept=intercept).fit(parts.T, target)
    np.testing.assert_allclose(shrunk.weights, peer.coef_, rtol=1e-9)
    if not intercept:
        bounded = fit_rdms(target - 2 * parts[0], parts, method="non-negative", intercept=False)
        np.testing.assert_allclose(bounded.weights, nnls(parts.T, target - 2 * parts[0])[0], atol=1e-9)
        assert (bounded.weights == 0).any()


@pytest.mark.parametrize("missing", [0, 11])
def test_whitened_fits_equal_generalised_least_squares(missing):
    parts = components()
    rng = np.random.default_rng(5)
    target = rng.random(parts.shape[1]) + parts[1]
    target[rng.permutation(len(target))[:missing]] = np.nan
    kept = ~np.isnan(target)
    first, second = np.triu_indices(16, k=1)
    contrasts = np.eye(16)[first] - np.eye(16)[second]
    V = ((contrasts @ contrasts.T) ** 2)[np.ix_(kept, kept)]
    design = np.vstack([parts[:, kept], np.ones(kept.sum())])
    expected = solve(design @ solve(V, design.T), design @ solve(V, target[kept]))
    fit = fit_rdms(target, parts, whiten=True)
    np.testing.assert_allclose(fit.weights, expected[:-1], rtol=1e-8)
    assert fit.intercept == pytest.approx(expected[-1], rel=1e-8)
    assert fit.n_left_out == missing
    assert np.abs(fit.weights - fit_rdms(target, parts).weights).max() > 1e-3


def test_pairs_missing_in_the_target_or_a_component_are_not_fitted():
    parts = components()
    target = np.array([1.0, 2.0, 0.0, 0.5]) @ parts
    target[:4] = np.nan
    parts[2, 10] = np.nan
    fit = fit_rdms(target, parts)
    np.testing.assert_allclose(fit.weights, [1, 2, 0, 0.5], atol=1e-9)
    assert fit.n_left_out == 5
    assert np.isnan(fit.fitted[10])
    assert np.isfinite(np.delete(fit.fitted, 10)).all()


def test_weights_scale_with_the_units_of_a_component():
    parts = components()
    target = np.random.default_rng(5).random(parts.shape[1])
    expected = fit_rdms(target, parts).weights
    scaled = fit_rdms(target, parts * np.array([[1e-8], [1], [1e8], [1]])).weights
    np.testing.assert_allclose(scaled * [1e-8, 1, 1e8, 1], expected, rtol=1e-6)


def test_collinear_components_need_a_penalty():
    parts = components()
    collinear = np.vstack([parts, parts[0] + parts[1]])
    target = np.random.default_rng(0).random(parts.shape[1])
    with pytest.raises(
        InputError, match=r"5 components are collinear.*\(4 are independent\).*`ridge` above 0"
    ):
        fit_rdms(target, collinear)
    assert np.isfinite(fit_rdms(target, collinear, ridge=0.1).weights).all()


def test_weighted_rsa_finds_the_planted_weights_and_beats_equal_ones():
    subjects, parts = planted()
    result = weighted_rsa(subjects, parts)
    ratio = result.weights[:, 0] / result.weights[:, 0, :1]
    np.testing.assert_allclose(ratio, np.tile([1, 0, 0.25], (5, 1)), atol=0.12)
    plain = np.mean([compare_rdms(subject, parts.sum(axis=0), method="pearson") for subject in subjects])
    assert result.score > plain + 0.1
    assert result.by_fold.shape == (5, 6)
    assert result.score == pytest.approx(result.by_fold.mean())
    assert result.n_left_out == 0


def test_components_that_explain_nothing_score_at_chance():
    scores = []
    for seed in range(12):
        subjects = rdm(np.random.default_rng(seed).standard_normal((30, 8)), method="squared-euclidean")
        scores.append(weighted_rsa(subjects, components(30, 4, 100 + seed), method="regression").score)
    assert abs(np.mean(scores)) < 3 * np.std(scores) / np.sqrt(12)


def test_nothing_of_the_test_stimuli_reaches_the_fit():
    subjects, parts = planted()
    folds = [(np.arange(16), np.arange(16, 24))]
    first, second = np.triu_indices(24, k=1)
    changed = subjects.copy()
    outside = (first >= 16) | (second >= 16)
    changed[:, outside] = np.random.default_rng(9).random((6, outside.sum()))
    before, after = (
        weighted_rsa(values, parts, cv=folds, ridge=[0.0, 1.0, 100.0]) for values in (subjects, changed)
    )
    np.testing.assert_array_equal(before.weights, after.weights)
    # Pairs of a training and a test stimulus are used for neither.
    across = (first < 16) & (second >= 16)
    changed = subjects.copy()
    changed[:, across] = 0.0
    again = weighted_rsa(changed, parts, cv=folds)
    np.testing.assert_array_equal(again.by_fold, weighted_rsa(subjects, parts, cv=folds).by_fold)


def test_held_out_subjects_are_not_fitted_to():
    subjects, parts = planted()
    changed = subjects.copy()
    changed[2] = np.random.default_rng(9).random(subjects.shape[1])
    options = {"cv": [(np.arange(16), np.arange(16, 24))], "cv_subjects": 6}
    before, after = (weighted_rsa(values, parts, **options) for values in (subjects, changed))
    same = (before.weights == after.weights).all(axis=(0, 2))
    assert same.sum() == 1
    assert before.weights.shape == (1, 6, 3)
    assert abs(before.score - weighted_rsa(subjects, parts, cv=options["cv"]).score) < 0.05


@pytest.mark.parametrize(
    "score", ["pearson", "cosine", "spearman", "whitened-cosine", "whitened-correlation"]
)
def test_the_ceiling_is_that_of_the_same_folds(score):
    subjects, parts = planted(noise=1.0)
    folds = [(np.arange(12, 24), np.arange(12)), (np.arange(12), np.arange(12, 24))]
    result = weighted_rsa(subjects, parts, cv=folds, score=score, cv_subjects=6)
    assert result.ceiling_lower < result.ceiling_upper
    assert result.score <= result.ceiling_upper + 0.02
    if score != "pearson":
        return
    first, second = np.triu_indices(24, k=1)
    lower, upper = [], []
    for _, test in folds:
        inside = np.isin(first, test) & np.isin(second, test)
        values = subjects[:, inside]
        standard = (values - values.mean(1, keepdims=True)) / values.std(1, keepdims=True)
        for row in range(6):
            others = np.delete(standard, row, axis=0).mean(axis=0)
            lower.append(np.corrcoef(others, values[row])[0, 1])
            upper.append(np.corrcoef(standard.mean(axis=0), values[row])[0, 1])
    assert result.ceiling_lower == pytest.approx(np.mean(lower), abs=1e-12)
    assert result.ceiling_upper == pytest.approx(np.mean(upper), abs=1e-12)


def test_one_subject_has_no_ceiling():
    subjects, parts = planted(1)
    result = weighted_rsa(subjects[0], parts)
    assert np.isnan(result.ceiling_lower)
    assert np.isnan(result.ceiling_upper)
    assert result.by_subject.shape == (1,)


def test_a_penalty_is_chosen_within_the_training_stimuli():
    rng = np.random.default_rng(0)
    parts = components(30, 150)
    target = parts.sum(axis=0) + 30 * rng.standard_normal(parts.shape[1])
    free = weighted_rsa(target, parts, method="regression", ridge=1e-6)
    chosen = weighted_rsa(target, parts, method="regression", ridge=[1e-6, 1e2, 1e4, 1e6])
    assert (chosen.ridge > 1e-6).all()
    assert chosen.score > free.score


def test_a_fit_without_positive_weights_scores_0():
    parts = components(20, 2)
    result = weighted_rsa(-parts.sum(axis=0), parts)
    np.testing.assert_array_equal(result.weights, 0)
    assert result.score == 0


def test_missing_pairs_are_left_out_for_all_and_counted():
    subjects, parts = planted()
    expected = weighted_rsa(subjects, parts)
    subjects[1, [3, 50]] = np.nan
    result = weighted_rsa(subjects, parts)
    assert result.n_left_out == 2
    assert result.score == pytest.approx(expected.score, abs=0.02)
    assert weighted_rsa(subjects, parts, score="whitened-correlation").n_left_out == 2


def test_the_same_seed_gives_the_same_bits_and_input_is_left_alone():
    subjects, parts = planted()
    before = subjects.copy(), parts.copy()
    first, second = (weighted_rsa(subjects, parts, cv_subjects=3, random_state=4) for _ in range(2))
    np.testing.assert_array_equal(first.by_fold, second.by_fold)
    assert (first.by_fold != weighted_rsa(subjects, parts, cv_subjects=3, random_state=5).by_fold).any()
    np.testing.assert_array_equal(subjects, before[0])
    np.testing.assert_array_equal(parts, before[1])


def test_tensors_come_back_as_tensors():
    torch = pytest.importorskip("torch")
    subjects, parts = planted()
    found = fit_rdms(torch.from_numpy(subjects[0]), torch.from_numpy(parts))
    assert isinstance(found.weights, torch.Tensor)
    np.testing.assert_array_equal(found.weights.numpy(), fit_rdms(subjects[0], parts).weights)
    result = weighted_rsa(torch.from_numpy(subjects), torch.from_numpy(parts))
    assert isinstance(result.by_fold, torch.Tensor)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d, p: fit_rdms(d, p), "`rdm` must be one RDM, got 6"),
        (lambda d, p: fit_rdms(d[0, :10], p), "same pairs of stimuli, got 10 and 276"),
        (lambda d, p: fit_rdms(d[0], p, ridge=-1.0), r"`ridge` must be 0 or more, got \[-1.0\]"),
        (lambda d, p: fit_rdms(d[0], np.ones_like(p)), "component 0 is constant over the pairs fitted"),
        (lambda d, p: fit_rdms(d[0, :4], p[:, :4]), "3 components need at least 5 pairs.*got 4"),
        (lambda d, p: weighted_rsa(d, p, cv_subjects=7), "`cv_subjects` must be from 2 to.*6, got 7"),
        (lambda d, p: weighted_rsa(d, p, cv=12), "at least 3 training and 3 test stimuli"),
        (lambda d, p: weighted_rsa(d[:, :5], p[:, :5]), "5 pairs are not the pairs of any number"),
        (
            lambda d, p: weighted_rsa(np.where(np.arange(276) < 200, np.nan, d), p),
            "a test part of 5 stimuli has 1",
        ),
        (lambda d, p: weighted_rsa(np.ones_like(d), p), "RDM 0 does not vary over the pairs"),
        (lambda d, p: weighted_rsa(d, p, ridge=[]), r"`ridge` must be 0 or more, got \[\]"),
    ],
)
def test_unusable_input_is_refused_with_the_numbers(call, message):
    with pytest.raises(InputError, match=message):
        call(*planted())


def test_unknown_options_list_the_known_ones():
    subjects, parts = planted()
    with pytest.raises(UnknownNameError, match="did you mean 'non-negative'"):
        fit_rdms(subjects[0], parts, method="nonnegative")
    with pytest.raises(UnknownNameError, match="`score` is 'bures'"):
        weighted_rsa(subjects, parts, score="bures")


def test_a_component_that_varies_by_rounding_alone_has_no_weight():
    rng = np.random.default_rng(0)
    target, component = rng.random((2, 45))
    flat = 0.1 * (1 + 1.1e-16 * rng.integers(-1, 2, 45))
    with pytest.raises(InputError, match="component 1 is constant over the pairs fitted"):
        fit_rdms(target, [component, flat])
    assert fit_rdms(target, [component, flat], ridge=1.0).weights[1] == 0
