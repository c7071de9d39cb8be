from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import r2_score

from alignkit._core.errors import InputError
from alignkit.metrics import column_correlation, column_r2


@pytest.fixture
def columns():
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((30, 4))
    return truth, 0.5 * truth + rng.standard_normal((30, 4))


def test_correlation_equals_scipy(columns):
    A, B = columns
    expected = [pearsonr(a, b).statistic for a, b in zip(A.T, B.T, strict=True)]
    np.testing.assert_allclose(column_correlation(A, B), expected, rtol=1e-12)


def test_correlation_of_tiny_values_is_exact(columns):
    A, B = columns
    np.testing.assert_allclose(column_correlation(1e-12 * A, B), column_correlation(A, B), rtol=1e-12)


def test_integer_weights_equal_repeated_samples(columns):
    A, B = columns
    counts = np.random.default_rng(1).integers(0, 4, 30)
    repeated = column_correlation(np.repeat(A, counts, axis=0), np.repeat(B, counts, axis=0))
    np.testing.assert_allclose(column_correlation(A, B, weights=counts), repeated, rtol=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 + 0.1])
def test_a_constant_column_has_no_correlation(columns, value):
    A, B = columns[0].copy(), columns[1].copy()
    A[:, 1] = value
    B[:, 2] = value
    r = column_correlation(A, B)
    np.testing.assert_array_equal(np.isnan(r), [False, True, True, False])


def test_a_column_that_varies_only_where_the_weight_is_zero_is_constant(columns):
    A, B = columns[0].copy(), columns[1]
    A[1:, 0] = 3.0
    r = column_correlation(A, B, weights=np.arange(30) > 0)
    assert np.isnan(r[0])
    assert np.isfinite(r[1:]).all()


def test_perfect_correlation_stays_within_one():
    x = np.random.default_rng(0).standard_normal((7, 50))
    assert (column_correlation(x, 3 * x + 1) <= 1).all()
    np.testing.assert_allclose(column_correlation(x, -x), -1)


def test_r2_equals_scikit_learn(columns):
    Y, prediction = columns
    expected = r2_score(Y, prediction, multioutput="raw_values")
    np.testing.assert_allclose(column_r2(Y, prediction), expected, rtol=1e-12)


def test_r2_of_the_mean_is_zero_and_of_a_constant_column_too(columns):
    Y = columns[0].copy()
    Y[:, 3] = 0.1
    np.testing.assert_allclose(column_r2(Y, np.tile(Y.mean(0), (30, 1))), 0, atol=1e-12)
    assert column_r2(Y, Y + 1)[3] == 0.0


def test_inputs_are_not_changed(columns):
    before = [values.copy() for values in columns]
    column_correlation(*columns)
    column_r2(*columns)
    for values, copy in zip(columns, before, strict=True):
        np.testing.assert_array_equal(values, copy)


@pytest.mark.parametrize("function", [column_correlation, column_r2])
def test_unusable_columns_are_refused(function):
    with pytest.raises(InputError, match=r"got shapes \(3, 2\) and \(3, 1\)"):
        function(np.ones((3, 2)), np.ones((3, 1)))
    with pytest.raises(InputError, match="same number of samples, got 3 and 4"):
        function(np.ones((3, 2)), np.ones((4, 2)))
    with pytest.raises(InputError, match="needs at least 2 rows, got 1"):
        function(np.ones((1, 2)), np.ones((1, 2)))
    with pytest.raises(InputError, match=r"1 NaN or infinite value\(s\)"):
        function([[1.0], [np.nan]], [[1.0], [2.0]])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 1.0], "one per sample, got 2 for 3 samples"),
        ([1.0, -1.0, 1.0], "the smallest is -1"),
        ([1.0, 0.0, 0.0], "at least 2 must be above 0"),
    ],
)
def test_unusable_weights_are_refused(weights, message):
    with pytest.raises(InputError, match=message):
        column_correlation(np.eye(3), np.eye(3), weights=weights)


def test_columns_of_any_size_have_their_correlation_and_those_of_rounding_none(columns):
    A, B = columns
    sizes = np.logspace(-200, 200, A.shape[1])
    np.testing.assert_allclose(column_correlation(A * sizes, B / sizes), column_correlation(A, B), rtol=1e-12)
    np.testing.assert_allclose(column_r2(A * sizes, B * sizes), column_r2(A, B), rtol=1e-9)
    noise = 0.1 * (1 + 1.1e-16 * np.random.default_rng(0).integers(-1, 2, A.shape))
    assert np.isnan(column_correlation(noise, B)).all()
    assert (column_r2(noise, B) == 0).all()


def test_tensors_come_back_as_tensors(columns):
    torch = pytest.importorskip("torch")
    A, B = (torch.tensor(side, requires_grad=True) for side in columns)
    for function in (column_correlation, column_r2):
        found = function(A, B)
        assert isinstance(found, torch.Tensor)
        np.testing.assert_array_equal(found.numpy(), function(*columns))
