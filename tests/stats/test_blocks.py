from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold

from alignkit._core.errors import InputError
from alignkit.metrics import column_correlation
from alignkit.stats.blocks import autocorrelation_rows, blocked_folds, run_slices


def autoregressive(rng, coefficient, n_samples, n_columns):
    noise = rng.standard_normal((n_samples + 400, n_columns))
    return lfilter([1.0], [1.0, -coefficient], noise, axis=0)[400:]


@pytest.mark.parametrize(("n_samples", "n_folds", "gap"), [(100, 5, 0), (101, 4, 7), (60, 3, 19)])
def test_every_row_is_tested_once_and_the_gap_is_kept(n_samples, n_folds, gap):
    folds = blocked_folds(n_samples, n_folds=n_folds, gap=gap)
    np.testing.assert_array_equal(np.concatenate([test for _, test in folds]), np.arange(n_samples))
    for train, test in folds:
        assert (np.diff(test) == 1).all()
        assert np.abs(train[:, None] - test).min() == gap + 1
        dropped = n_samples - len(train) - len(test)
        assert dropped == gap * (int(test[0] > 0) + int(test[-1] < n_samples - 1))


def test_runs_stay_whole_and_folds_are_balanced_in_samples():
    lengths = [100, 40, 60, 100, 50, 50, 100]
    runs = np.repeat([f"run{k}" for k in range(7)], lengths)
    folds = blocked_folds(runs, n_folds=5)
    assert [len(test) for _, test in folds] == [100, 100, 100, 100, 100]
    for train, test in folds:
        assert not set(runs[train]) & set(runs[test])
        assert len(train) + len(test) == 500


def test_as_many_folds_as_runs_leave_one_run_out_each():
    runs = [3, 3, 1, 2, 2, 2]
    assert [test.tolist() for _, test in blocked_folds(runs, n_folds=3)] == [[0, 1], [2], [3, 4, 5]]
    # A run longer than its share still leaves one for every later fold.
    assert [len(test) for _, test in blocked_folds([0] * 90 + [1, 2, 3], n_folds=4)] == [90, 1, 1, 1]


def test_independent_slow_series_are_predicted_across_random_rows_but_not_across_blocks():
    rng = np.random.default_rng(0)
    X, Y = autoregressive(rng, 0.97, 1200, 200), autoregressive(rng, 0.97, 1200, 50)

    def held_out_r(folds):
        fits = [(test, Ridge(alpha=1.0).fit(X[train], Y[train]).predict(X[test])) for train, test in folds]
        return np.mean([column_correlation(Y[test], predicted).mean() for test, predicted in fits])

    assert held_out_r(list(KFold(5, shuffle=True, random_state=0).split(X))) > 0.8
    gap = int(3 * autocorrelation_rows(Y))
    assert gap > 70
    assert abs(held_out_r(blocked_folds(1200, gap=gap))) < 0.05


def test_autocorrelation_rows_of_an_autoregressive_series():
    rng = np.random.default_rng(0)
    for coefficient in (0.8, 0.9, 0.97):
        values = autoregressive(rng, coefficient, 20000, 10)
        assert autocorrelation_rows(values) == pytest.approx(-1 / np.log(coefficient), rel=0.05)
    assert autocorrelation_rows(rng.standard_normal((5000, 3))) < 0.7


def test_constant_columns_have_no_autocorrelation():
    rng = np.random.default_rng(0)
    values = autoregressive(rng, 0.9, 1000, 3)
    with_constant = np.column_stack([values, np.full(1000, 0.1)])
    assert autocorrelation_rows(with_constant) == autocorrelation_rows(values)
    assert autocorrelation_rows(np.ones((10, 2))) == 0.0


def test_run_slices_keep_order_and_any_labels():
    assert run_slices(np.array(["b", "b", "a"])) == {"b": slice(0, 2), "a": slice(2, 3)}
    assert list(run_slices(np.array(["s1", 2, 2], dtype=object))) == ["s1", 2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: blocked_folds(10, n_folds=1), "`n_folds` must be at least 2, got 1"),
        (lambda: blocked_folds(10, gap=-1), "`gap` must be a number of rows of at least 0, got -1"),
        (lambda: blocked_folds(3, n_folds=5), "`n_folds` is 5, but there are only 3 sample"),
        (
            lambda: blocked_folds(30, n_folds=3, gap=20),
            "`gap` is 20, which leaves no row of 30 .* rows 0 to 9",
        ),
        (lambda: blocked_folds([1, 1, 2, 2], n_folds=3), "`n_folds` is 3, but there are only 2 run"),
        (lambda: run_slices([1, 2, 1]), r"run 1 do not follow one another \(pieces start at rows 0 and 2\)"),
        (lambda: run_slices([], name="groups"), r"`groups` must hold one label per sample, got shape \(0,\)"),
        (lambda: run_slices([1.0, np.nan, np.nan]), "no value for 2 sample.* first at index 1"),
        (lambda: autocorrelation_rows(np.ones((2, 1))), "`values` needs at least 3 rows, got 2"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
