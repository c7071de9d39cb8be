from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.solvers import _band_search, ridge_cv
from alignkit.solvers.banded_ridge import banded_ridge_cv, banded_ridge_subsets

ALPHAS = np.logspace(-1, 5, 13)
# More features than samples; fewer, but more than in a training part; few, and longer test parts.
SIZES = [(60, (30, 50, 40)), (80, (15, 30, 25)), (200, (10, 20, 5))]


def make_data(n_samples, widths, n_targets=6, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    spaces = [(rng.standard_normal((n_samples, p)) + 2).astype(dtype) for p in widths]
    signal = sum(
        gain * X @ rng.standard_normal((X.shape[1], n_targets)) / np.sqrt(X.shape[1])
        for gain, X in zip((1.0, 0.3, 0.0), spaces, strict=True)
    )
    return spaces, (signal + rng.standard_normal((n_samples, n_targets)) + 3).astype(dtype)


def folds_of(Y, n_folds=4):
    return list(KFold(n_folds).split(Y))


@pytest.mark.parametrize(("n_samples", "widths"), SIZES)
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_one_space_is_ridge(n_samples, widths, standardize, fit_intercept):
    spaces, Y = make_data(n_samples, widths)
    options = {"standardize": standardize, "fit_intercept": fit_intercept, "folds": folds_of(Y)}
    banded = banded_ridge_cv(spaces[:1], Y, alphas=ALPHAS, **options)
    plain = ridge_cv(spaces[0], Y, alphas=ALPHAS, **options)
    np.testing.assert_array_equal(banded.best_alphas, plain.best_alphas)
    np.testing.assert_array_equal(banded.weights, 1.0)
    np.testing.assert_allclose(banded.cv_scores, plain.cv_scores, atol=1e-10)
    np.testing.assert_allclose(banded.coefs[0], plain.coef, atol=1e-10)
    np.testing.assert_allclose(banded.intercept, plain.intercept, atol=1e-10)


@pytest.mark.parametrize(("n_samples", "widths"), SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_spaces_alike_are_ridge_on_their_features_together(n_samples, widths, dtype):
    spaces, Y = make_data(n_samples, widths, dtype=dtype)
    options = {"alphas": ALPHAS, "folds": folds_of(Y), "standardize": True}
    banded = banded_ridge_cv(spaces, Y, weights=np.ones((1, 3)), **options)
    plain = ridge_cv(np.concatenate(spaces, axis=1), Y, **options)
    np.testing.assert_allclose(banded.best_alphas, plain.best_alphas / 3)
    np.testing.assert_allclose(banded.cv_scores, plain.cv_scores, atol=5e-6)
    np.testing.assert_allclose(np.concatenate(banded.coefs), plain.coef, atol=5e-6)
    assert banded.coefs[0].dtype == dtype


@pytest.mark.parametrize(("n_samples", "widths"), SIZES)
@pytest.mark.parametrize("search", ["random", "hypergradient"])
def test_the_fit_minimises_the_penalised_error_at_the_chosen_weights(n_samples, widths, search):
    spaces, Y = make_data(n_samples, widths, n_targets=3)
    found = banded_ridge_cv(spaces, Y, alphas=ALPHAS, folds=folds_of(Y), n_weights=8, search=search)
    np.testing.assert_allclose(found.weights.sum(axis=0), 1.0)
    for target in range(3):
        # Ridge with penalty 1 on features times sqrt(weight / alpha).
        gains = [np.sqrt(w / found.best_alphas[target]) for w in found.weights[:, target]]
        scaled = np.concatenate([gain * X for gain, X in zip(gains, spaces, strict=True)], axis=1)
        peer = Ridge(alpha=1.0).fit(scaled, Y[:, target])
        predicted = sum(X @ coef[:, target] for X, coef in zip(spaces, found.coefs, strict=True))
        np.testing.assert_allclose(predicted + found.intercept[target], peer.predict(scaled), atol=1e-7)


def test_cv_scores_are_the_mean_r2_of_refitted_folds():
    spaces, Y = make_data(60, (30, 50, 40), n_targets=3)
    folds = folds_of(Y)
    options = {"alphas": ALPHAS, "n_weights": 10, "standardize": True}
    found = banded_ridge_cv(spaces, Y, folds=folds, **options)
    scores = np.zeros(3)
    for train, test in folds:
        for target in range(3):
            gains = np.sqrt(found.weights[:, target] / found.best_alphas[target])
            scaled = [
                gain * (X - X[train].mean(0)) / X[train].std(0) for gain, X in zip(gains, spaces, strict=True)
            ]
            joined = np.concatenate(scaled, axis=1)
            peer = Ridge(alpha=1.0).fit(joined[train], Y[train, target])
            scores[target] += peer.score(joined[test], Y[test, target]) / len(folds)
    np.testing.assert_allclose(found.cv_scores, scores, atol=1e-9)


def test_himalaya_agrees_when_both_centre_and_when_neither_does():
    """Best scores differ only by whether kernels are centred on each training part: its default does not."""
    backend = pytest.importorskip("himalaya.backend")
    random_search = pytest.importorskip("himalaya.kernel_ridge").solve_multiple_kernel_ridge_random_search
    r2_score = pytest.importorskip("himalaya.scoring").r2_score
    backend.set_backend("numpy")
    rng = np.random.default_rng(0)
    spaces = [rng.standard_normal((100, 60)) for _ in range(3)]
    Y = spaces[0] @ rng.standard_normal((60, 20)) / 8 + rng.standard_normal((100, 20)) + 0.5
    weights = rng.dirichlet(np.ones(3), 6)
    kernels = np.stack([X @ X.T for X in spaces])
    theirs, ours = {}, {}
    for intercept in (False, True):
        theirs[intercept] = random_search(
            kernels,
            Y,
            n_iter=weights,
            alphas=ALPHAS,
            score_func=r2_score,
            cv=KFold(5),
            fit_intercept=intercept,
            return_weights="dual",
            progress_bar=False,
        )
        ours[intercept] = banded_ridge_cv(
            spaces, Y, alphas=ALPHAS, folds=folds_of(Y, 5), weights=weights, fit_intercept=intercept
        )
        np.testing.assert_allclose(ours[intercept].cv_scores, theirs[intercept][2].max(axis=0), atol=1e-8)
        np.testing.assert_allclose(ours[intercept].deltas, theirs[intercept][0], atol=1e-6)
    apart = np.abs(ours[True].cv_scores - theirs[False][2].max(axis=0))
    assert apart.max() > 1e-3


def test_no_target_does_worse_in_cross_validation_than_with_ridge_on_one_space_or_on_all():
    spaces, Y = make_data(80, (15, 30, 60), n_targets=30)
    options = {"alphas": ALPHAS, "folds": folds_of(Y), "standardize": True}
    banded = banded_ridge_cv(spaces, Y, n_weights=4, **options)
    for X in (*spaces, np.concatenate(spaces, axis=1)):
        assert (banded.cv_scores >= ridge_cv(X, Y, **options).cv_scores - 1e-9).all()


def test_the_gradient_raises_scores_and_never_lowers_them():
    spaces, Y = make_data(80, (15, 30, 60), n_targets=20)
    options = {"alphas": ALPHAS, "folds": folds_of(Y), "n_weights": 6}
    searched = banded_ridge_cv(spaces, Y, **options)
    walked = banded_ridge_cv(spaces, Y, search="hypergradient", **options)
    assert (walked.cv_scores >= searched.cv_scores).all()
    assert (walked.cv_scores > searched.cv_scores + 1e-3).mean() > 0.5
    # It ends where random weights do not improve on it by much.
    many = banded_ridge_cv(spaces, Y, alphas=np.logspace(-1, 5, 25), folds=options["folds"], n_weights=200)
    assert (walked.cv_scores > many.cv_scores - 0.01).mean() > 0.8


@pytest.mark.parametrize("search", ["random", "hypergradient"])
def test_a_start_is_kept_unless_something_better_is_found(search):
    spaces, Y = make_data(80, (15, 30, 60), n_targets=5)
    options = {"alphas": ALPHAS, "folds": folds_of(Y), "n_weights": 4}
    best = banded_ridge_cv(spaces, Y, search="hypergradient", **options)
    again = banded_ridge_cv(spaces, Y, search=search, start=best.deltas, n_steps=3, **options)
    assert (again.cv_scores >= best.cv_scores - 1e-8).all()
    np.testing.assert_allclose(again.cv_scores, best.cv_scores, atol=0.02)


def test_a_start_may_leave_spaces_out():
    spaces, Y = make_data(60, (10, 10, 10), n_targets=2)
    options = {"alphas": ALPHAS, "folds": folds_of(Y)}
    alone = banded_ridge_cv(spaces, Y, weights=np.eye(3)[:1], **options)
    assert np.isneginf(alone.deltas[1:]).all()
    same = banded_ridge_cv(spaces, Y, search="hypergradient", n_steps=0, start=alone.deltas, **options)
    np.testing.assert_allclose(same.cv_scores, alone.cv_scores, atol=1e-9)
    np.testing.assert_allclose(same.coefs[0], alone.coefs[0], atol=1e-9)


def test_weights_are_shares_whatever_their_sum():
    spaces, Y = make_data(60, (10, 10, 10))
    options = {"folds": folds_of(Y)}
    one = banded_ridge_cv(spaces, Y, weights=[[0.2, 0.5, 0.3]], alphas=ALPHAS, **options)
    ten = banded_ridge_cv(spaces, Y, weights=[[2.0, 5.0, 3.0]], alphas=10 * ALPHAS, **options)
    np.testing.assert_allclose(one.weights, ten.weights)
    np.testing.assert_allclose(one.best_alphas, ten.best_alphas)
    np.testing.assert_allclose(one.cv_scores, ten.cv_scores)


def test_shares_follow_the_unit_of_a_space_that_is_not_z_scored_and_not_of_one_that_is():
    spaces, Y = make_data(60, (10, 10, 10))
    options = {"alphas": [10.0], "folds": folds_of(Y), "weights": [[0.4, 0.3, 0.3]]}
    larger = [100 * spaces[0], *spaces[1:]]
    for standardize in (True, False):
        before = banded_ridge_cv(spaces, Y, standardize=standardize, **options).cv_scores
        after = banded_ridge_cv(larger, Y, standardize=standardize, **options).cv_scores
        assert np.allclose(before, after) == standardize


def test_float32_agrees_with_float64_also_where_the_kernel_is_ill_conditioned():
    rng = np.random.default_rng(0)
    decay = 1 / np.arange(1, 201)
    spaces = [rng.standard_normal((120, 200)) * 30 * decay for _ in range(2)]
    Y = spaces[0] @ rng.standard_normal((200, 8)) + 0.01 * rng.standard_normal((120, 8))
    options = {"alphas": np.logspace(-4, 4, 9), "folds": folds_of(Y), "n_weights": 6}
    double = banded_ridge_cv(spaces, Y, **options)
    single = banded_ridge_cv([X.astype(np.float32) for X in spaces], Y.astype(np.float32), **options)
    np.testing.assert_allclose(single.cv_scores, double.cv_scores, atol=2e-5)


def test_a_well_conditioned_kernel_is_decomposed_in_float32_and_an_ill_conditioned_one_is_not():
    import torch

    values = torch.diag(torch.tensor([1.0, 10.0, 50.0], dtype=torch.float64))
    found = _band_search._eigh_in_float32(values, 1.0)
    assert found is not None
    np.testing.assert_allclose(found[0], [1, 10, 50], rtol=1e-6)
    assert _band_search._eigh_in_float32(values * torch.tensor([1e-3, 1, 1]), 0.1) is None


@pytest.mark.parametrize("limit", ["PASS_ELEMENTS", "BLOCK_ELEMENTS"])
def test_blocks_of_targets_do_not_change_the_result(monkeypatch, limit):
    spaces, Y = make_data(60, (30, 50, 40), n_targets=9)
    options = {"alphas": ALPHAS, "folds": folds_of(Y), "n_weights": 8}
    whole = banded_ridge_cv(spaces, Y, **options)
    monkeypatch.setattr(_band_search, limit, 500)
    blocked = banded_ridge_cv(spaces, Y, **options)
    np.testing.assert_allclose(blocked.cv_scores, whole.cv_scores, atol=1e-12)
    np.testing.assert_array_equal(blocked.weights, whole.weights)
    for a, b in zip(blocked.coefs, whole.coefs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_many_targets_take_the_other_order_of_products_and_get_the_same_scores():
    spaces, Y = make_data(40, (30, 30, 30), n_targets=300)
    options = {"alphas": [1.0, 100.0], "folds": folds_of(Y), "n_weights": 5}
    many = banded_ridge_cv(spaces, Y, **options)
    few = banded_ridge_cv(spaces, Y[:, :7], **options)
    np.testing.assert_allclose(many.cv_scores[:7], few.cv_scores, atol=1e-12)


def test_constant_targets_get_their_constant_and_constant_features_no_weight():
    spaces, Y = make_data(60, (10, 10, 10))
    Y[:, 0] = 7.5
    spaces[1][:, 3] = 2.0
    found = banded_ridge_cv(spaces, Y, alphas=ALPHAS, folds=folds_of(Y), n_weights=6, standardize=True)
    assert found.cv_scores[0] == 0
    np.testing.assert_allclose(found.intercept[0], 7.5)
    np.testing.assert_allclose([np.abs(coef[:, 0]).max() for coef in found.coefs], 0, atol=1e-12)
    np.testing.assert_array_equal(found.coefs[1][3], 0)
    empty = banded_ridge_cv([np.ones((60, 3))], Y, alphas=ALPHAS, folds=folds_of(Y), standardize=True)
    np.testing.assert_array_equal(empty.coefs[0], 0)


def test_the_same_seed_gives_the_same_bits_and_inputs_are_left_alone():
    spaces, Y = make_data(60, (30, 50, 40), n_targets=20, dtype=np.float32)
    copies = [X.copy() for X in spaces], Y.copy()
    options = {"alphas": ALPHAS, "folds": folds_of(Y), "n_weights": 12}
    first = banded_ridge_cv(spaces, Y, random_state=3, **options)
    again = banded_ridge_cv(spaces, Y, random_state=3, **options)
    other = banded_ridge_cv(spaces, Y, random_state=4, **options)
    for a, b in zip(first.coefs, again.coefs, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.abs(first.weights - other.weights).max() > 0
    for X, copy in zip(spaces, copies[0], strict=True):
        np.testing.assert_array_equal(X, copy)
    np.testing.assert_array_equal(Y, copies[1])


def test_a_small_informative_space_beside_a_large_noisy_one_is_lost_to_ridge_and_found_by_banded_ridge():
    rng = np.random.default_rng(0)
    small, noisy = rng.standard_normal((300, 5)), rng.standard_normal((300, 500))
    Y = small @ rng.standard_normal((5, 20)) + 2 * rng.standard_normal((300, 20))
    train, test = slice(0, 150), slice(150, 300)
    options = {"alphas": np.logspace(-1, 5, 10), "folds": folds_of(Y[train])}
    banded = banded_ridge_cv([small[train], noisy[train]], Y[train], n_weights=8, **options)
    both = np.concatenate([small, noisy], axis=1)
    plain = ridge_cv(both[train], Y[train], **options)

    def r2(predicted):
        return 1 - ((Y[test] - predicted) ** 2).sum(0) / ((Y[test] - Y[test].mean(0)) ** 2).sum(0)

    of_banded = r2(small[test] @ banded.coefs[0] + noisy[test] @ banded.coefs[1] + banded.intercept)
    of_plain = r2(both[test] @ plain.coef + plain.intercept)
    assert of_banded.mean() > of_plain.mean() + 0.2
    assert of_banded.mean() > 0.4
    assert banded.weights[0].mean() > 0.9


def test_every_subset_is_what_a_fit_of_its_spaces_alone_gives():
    spaces, Y = make_data(60, (10, 20, 30))
    options = {"alphas": ALPHAS, "folds": folds_of(Y), "standardize": True}
    fits = dict(banded_ridge_subsets(spaces, Y, one_penalty=True, **options))
    assert list(fits) == [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]
    for subset, found in fits.items():
        plain = ridge_cv(np.concatenate([spaces[j] for j in subset], axis=1), Y, **options)
        np.testing.assert_allclose(np.concatenate([found.coefs[j] for j in subset]), plain.coef, atol=1e-9)
        for j in set(range(3)) - set(subset):
            np.testing.assert_array_equal(found.coefs[j], 0)


def test_a_subset_never_scores_below_one_that_it_contains():
    spaces, Y = make_data(60, (10, 20, 30), n_targets=20)
    fits = dict(banded_ridge_subsets(spaces, Y, alphas=ALPHAS, folds=folds_of(Y), n_weights=5))
    for larger, found in fits.items():
        for smaller, other in fits.items():
            if set(smaller) < set(larger):
                assert (found.cv_scores >= other.cv_scores).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spaces": []}, "`spaces` must be a list of arrays .* got nothing"),
        ({"spaces": np.zeros((9, 4))}, r"got one array of shape \(9, 4\)"),
        ({"spaces": [np.ones((20, 2)), np.ones((19, 2))]}, r"`spaces\[1\]` and `Y` .* got 19 and 20"),
        ({"spaces": [np.ones((20, 0))]}, r"`spaces\[0\]` has no columns, got shape \(20, 0\)"),
        ({"spaces": [np.full((20, 2), np.nan)]}, r"`spaces\[0\]` holds 40 NaN"),
        ({"Y": np.ones((20, 0))}, r"`Y` has no columns, got shape \(20, 0\)"),
        ({"alphas": [1.0, 0.0]}, "`alphas` must be positive, got 0"),
        ({"folds": []}, "`folds` is empty"),
        ({"n_weights": 2}, r"`n_weights` must be at least 3 for 2 space\(s\).*Got 2"),
        ({"weights": [[1.0, 1.0, 1.0]]}, r"one column per space, got shape \(1, 3\) for 2 spaces"),
        ({"weights": [[1.0, -1.0]]}, "must not be negative nor all 0 in a row; the smallest is -1"),
        ({"weights": [[0.0, 0.0]]}, "the smallest row sum 0"),
        ({"start": np.zeros((3, 1))}, r"`start` must have shape .* = \(2, 1\), got \(3, 1\)"),
        ({"start": [[np.nan], [0.0]]}, "`start` must hold log weights"),
    ],
)
def test_what_cannot_be_used_is_refused(change, message):
    rng = np.random.default_rng(0)
    given = {
        "spaces": [rng.standard_normal((20, 3)), rng.standard_normal((20, 4))],
        "Y": rng.standard_normal((20, 1)),
        "alphas": [1.0],
        "folds": [(np.arange(10), np.arange(10, 20))],
        **change,
    }
    with pytest.raises(InputError, match=message):
        banded_ridge_cv(given.pop("spaces"), given.pop("Y"), **given)


def test_unknown_searches_and_empty_faces_are_refused():
    spaces, Y = make_data(20, (3, 3, 3))
    with pytest.raises(UnknownNameError, match="`search` is 'grid'"):
        banded_ridge_cv(spaces, Y, alphas=[1.0], folds=folds_of(Y), search="grid")
    with pytest.raises(InputError, match="`n_weights` must be at least 1, got 0"):
        next(banded_ridge_subsets(spaces, Y, alphas=[1.0], folds=folds_of(Y), n_weights=0))
