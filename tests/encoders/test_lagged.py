from __future__ import annotations

import numpy as np
import pytest

from alignkit.encoders import _lagged
from alignkit.encoders._lagged import Lags, lagged_sums


def design(X, lags, segments, outside):
    """Return the whole lagged design, row by row, and which rows have all lags in their segment."""
    rows, whole = [], []
    for segment in segments:
        for t in range(segment.start, segment.stop):
            times = [t - lag for lag in range(lags.first, lags.last + 1)]
            inside = [segment.start <= time < segment.stop for time in times]
            rows.append(
                np.concatenate([X[time] if ok else outside for time, ok in zip(times, inside, strict=True)])
            )
            whole.append(all(inside))
    return np.array(rows), np.array(whole)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((90, 3)), rng.standard_normal((90, 2))


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(("first", "last"), [(0, 0), (0, 5), (-4, 6), (-7, -2), (3, 8), (2, 2)])
def test_sums_equal_those_of_the_design(data, first, last, masked):
    X, Y = data
    segments = [slice(0, 40), slice(40, 47), slice(47, 90)]
    lags, outside = Lags(first, last, masked), np.array([0.5, -1.0, 2.0])
    explicit, whole = design(X, lags, segments, outside)
    kept = np.setdiff1d(np.arange(90), [5, 20, 21, 60])
    rows = np.array([row for row in kept if whole[row] or not masked])
    stretches = lags.stretches(kept, segments)
    np.testing.assert_array_equal(np.concatenate([np.arange(a, b) for a, b, _, _ in stretches]), rows)
    sums = lagged_sums(X, Y, lags, stretches, outside)
    D, R = explicit[rows], Y[rows]
    np.testing.assert_allclose(sums.gram, D.T @ D, atol=1e-11)
    np.testing.assert_allclose(sums.cross, D.T @ R, atol=1e-11)
    np.testing.assert_allclose(sums.x_sum, D.sum(axis=0), atol=1e-11)
    np.testing.assert_allclose(sums.y_power, (R**2).sum(axis=0))
    assert sums.n == len(rows)
    about = sums.about(np.full(D.shape[1], 0.3), np.array([1.0, -2.0]))
    np.testing.assert_allclose(about.gram, (D - 0.3).T @ (D - 0.3), atol=1e-11)
    np.testing.assert_allclose(about.cross, (D - 0.3).T @ (R - [1.0, -2.0]), atol=1e-11)
    np.testing.assert_allclose(about.y_power, ((R - [1.0, -2.0]) ** 2).sum(axis=0))


def test_blocks_change_nothing_and_parts_add_up(data, monkeypatch):
    X, Y = data
    lags, segments, outside = Lags(-2, 4, True), [slice(0, 90)], np.zeros(3)
    whole = lagged_sums(X, Y, lags, lags.stretches(np.arange(90), segments), outside)
    monkeypatch.setattr(_lagged, "BLOCK_ELEMENTS", 50)
    first = lagged_sums(X, Y, lags, lags.stretches(np.arange(33), segments), outside)
    second = lagged_sums(X, Y, lags, lags.stretches(np.arange(33, 90), segments), outside)
    for name in ("gram", "cross", "x_sum", "y_sum", "y_power", "n"):
        np.testing.assert_allclose(getattr(first + second, name), getattr(whole, name), atol=1e-12)
        np.testing.assert_allclose(getattr(whole - second, name), getattr(first, name), atol=1e-12)


def test_no_rows_give_zeros(data):
    X, Y = data
    sums = lagged_sums(X, Y, Lags(0, 3, True), [], np.zeros(3))
    assert sums.n == 0
    assert not sums.gram.any()
