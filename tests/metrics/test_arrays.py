"""torch in, torch out, for any function on arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.metrics import rdm
from alignkit.metrics._arrays import torch_too


@dataclass(frozen=True)
class Pair:
    values: np.ndarray
    name: str


@torch_too
def twice(X, *, device=None):
    assert not isinstance(X, torch.Tensor)
    return 2 * np.asarray(X), str(device)


@torch_too
def describe(arrays, weights=None):
    total = np.sum([np.asarray(a) for a in arrays], axis=0)
    return {"sum": float(total.sum()), "pair": Pair(total, "total"), "weighted": weights is not None}


def test_numpy_comes_back_as_numpy_and_the_device_is_left_alone():
    doubled, device = twice(np.arange(3.0))
    assert isinstance(doubled, np.ndarray)
    assert device == "None"


def test_a_tensor_comes_back_as_a_tensor_with_the_same_numbers():
    X = torch.arange(3.0, requires_grad=True)
    doubled, device = twice(X)
    assert isinstance(doubled, torch.Tensor)
    np.testing.assert_array_equal(doubled.numpy(), [0, 2, 4])
    assert device == "cpu"
    assert twice(X, device="auto")[1] == "auto"


@pytest.mark.parametrize("arrays", [[torch.ones(2), np.ones(2)], (torch.ones(2), torch.ones(2))])
def test_containers_are_looked_into_and_numbers_stay_numbers(arrays):
    found = describe(arrays, weights=torch.ones(1))
    assert found["sum"] == 4.0
    assert isinstance(found["sum"], float)
    assert isinstance(found["pair"].values, torch.Tensor)
    assert found["pair"].name == "total"
    assert found["weighted"] is True


def test_bfloat16_and_tensors_with_a_gradient_are_taken_and_sparse_ones_refused():
    X = torch.arange(12.0).reshape(4, 3) ** 2
    found = rdm(X.bfloat16().requires_grad_(), method="squared-euclidean")
    np.testing.assert_allclose(found, rdm(X.bfloat16().float().numpy(), method="squared-euclidean"))
    with pytest.raises(InputError, match="tensors must be dense, got one of layout torch.sparse_coo"):
        rdm(X.to_sparse())
