from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.solvers import _kernel_eigh, _primal, kernel_ridge_cv, ridge_cv, ridge_fit
from alignkit.solvers._memory import enough_memory

torch = pytest.importorskip("torch")


def by_numpy(*_, **__):
    np.empty(2**50, np.float64)


def by_torch(*_, **__):
    torch.empty(2**50, dtype=torch.float64)


@pytest.mark.parametrize(
    ("fail", "asked"), [(by_numpy, "Unable to allocate 8"), (by_torch, "allocate memory: you")]
)
def test_it_says_what_was_asked_and_what_to_do(fail, asked, monkeypatch):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((20, 5)), rng.standard_normal((20, 3))
    monkeypatch.setattr(_primal, "eigh", fail)
    expected = f"ridge regression of 20 samples x 5 features and 3 targets: .*{asked}.*Use float32 arrays"
    with pytest.raises(InputError, match=expected):
        ridge_fit(X, Y, alphas=1.0)
    folds = [(np.arange(10), np.arange(10, 20))]
    with pytest.raises(InputError, match=expected):
        ridge_cv(X, Y, alphas=[1.0], folds=folds)
    monkeypatch.setattr(_kernel_eigh, "without_null_space", fail)
    with pytest.raises(InputError, match=f"kernel ridge regression of 20 samples and 3 targets: .*{asked}"):
        kernel_ridge_cv(X @ X.T, Y, alphas=[1.0], folds=folds)


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="mat1 and mat2"), enough_memory("a test", "Nothing."):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    with (
        pytest.raises(InputError, match="a test: memory ran out. Buy more."),
        enough_memory("a test", "Buy more."),
    ):
        raise MemoryError
