"""Products and decompositions, the same on every device."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.solvers.algebra import multiply, singular_values, svd


@pytest.mark.parametrize("device", [None, "cpu", "auto", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_the_decomposition_gives_the_matrix_back(device):
    A = np.random.default_rng(0).standard_normal((7, 4))
    U, s, Vt = svd(A, device=device)
    np.testing.assert_allclose(multiply(U * s, Vt, device=device), A, atol=1e-12)
    np.testing.assert_allclose(singular_values(A, device=device), s, rtol=1e-12)
    assert (np.diff(s) <= 0).all()


def test_an_unknown_device_is_named():
    with pytest.raises(InputError, match="`device` is 'tpu'"):
        multiply(np.eye(2), np.eye(2), device="tpu")
