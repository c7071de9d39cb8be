from __future__ import annotations

import numpy as np
import pytest

from alignkit.encoders import _windows
from alignkit.encoders._windows import sum_windows


@pytest.mark.parametrize("elements", [1, 5, 10**6])
def test_it_equals_the_dense_sum(elements, monkeypatch):
    monkeypatch.setattr(_windows, "BLOCK_WEIGHTS", elements)
    rng = np.random.default_rng(0)
    values, weights = rng.standard_normal((20, 3)), rng.standard_normal((6, 20))
    first, last = np.array([0, 2, 2, 10, 15, 19]), np.array([4, 2, 9, 20, 14, 20])
    dense = np.zeros((6, 20))
    for row in range(6):
        dense[row, first[row] : last[row]] = weights[row, first[row] : last[row]]
    sums = sum_windows(values, first, last, lambda samples, events: weights[samples, events])
    np.testing.assert_allclose(sums, dense @ values, atol=1e-14)
