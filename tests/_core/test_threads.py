from __future__ import annotations

import pytest
import torch
from threadpoolctl import threadpool_info

from alignkit._core.threads import fixed_threads


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_threads_are_put_back_even_after_an_error():
    before = torch.get_num_threads(), blas_threads()
    with pytest.raises(RuntimeError), fixed_threads(1):
        assert torch.get_num_threads() == 1
        assert blas_threads() == {1}
        raise RuntimeError
    assert (torch.get_num_threads(), blas_threads()) == before
