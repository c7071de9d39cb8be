from __future__ import annotations

import logging

import numpy as np
import pytest

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.solvers import _gemm
from alignkit.solvers._gemm import gemm_name, product, use_gemm

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def _own_choice():
    before = _gemm._chosen
    use_gemm(None)
    yield
    _gemm._chosen = before


def matrices(rows=130, inner=120, columns=110, seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((rows, inner)), rng.standard_normal((inner, columns))
    return torch.from_numpy(a).float(), torch.from_numpy(b).float()


@pytest.mark.parametrize("name", _gemm.BACKENDS)
def test_every_backend_gives_the_product_to_float32_rounding(name):
    if not _gemm._works(name):
        pytest.skip(f"this torch has no {name}")
    use_gemm(name)
    a, b = matrices()
    expected = (a.double() @ b.double()).numpy()
    for left, right in ((a, b), (a.T.contiguous().T, b), (a, b.T.contiguous().T), (a[:, ::2], b[::2])):
        exact = (left.double() @ right.double()).numpy()
        np.testing.assert_allclose(product(left, right).numpy(), exact, atol=2e-5)
    np.testing.assert_allclose(product(a, b).numpy(), expected, atol=2e-5)
    assert product(a, b).dtype == torch.float32


@pytest.mark.parametrize("name", _gemm.BACKENDS)
def test_a_backend_gives_the_same_bits_every_time_and_leaves_its_input_alone(name):
    if not _gemm._works(name):
        pytest.skip(f"this torch has no {name}")
    use_gemm(name)
    a, b = matrices()
    before = a.clone(), b.clone()
    assert torch.equal(product(a, b), product(a, b))
    assert torch.equal(a, before[0])
    assert torch.equal(b, before[1])


def test_the_machine_is_asked_once(monkeypatch):
    asked = []
    monkeypatch.setattr(_gemm, "_fastest", lambda: asked.append(1) or "torch")
    a, b = matrices()
    for _ in range(3):
        product(a, b)
        assert gemm_name() == "torch"
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("times", "expected"),
    [((1.0, 0.9, 0.9), "torch"), ((1.0, 0.4, 0.45), "onednn"), ((1.0, 0.3, 0.5), "numpy")],
)
def test_torch_is_left_only_for_something_clearly_faster(times, expected, monkeypatch, caplog):
    monkeypatch.setattr(_gemm, "_works", lambda name: True)
    monkeypatch.setattr(_gemm, "_seconds", lambda names: dict(zip(names, times, strict=True)))
    with caplog.at_level(logging.INFO, logger=_gemm.__name__):
        assert gemm_name() == expected
    assert f"float32 products go through {expected}; trial in ms: torch 1000.00" in caplog.text


def test_without_the_private_entry_the_public_way_is_tried(monkeypatch):
    tried = []
    monkeypatch.setitem(_gemm.BACKENDS, "onednn", lambda a, b: torch.ops.mkldnn.no_such_entry(a, b))
    monkeypatch.setattr(_gemm, "_seconds", lambda names: tried.extend(names) or dict.fromkeys(names, 1.0))
    assert not _gemm._works("onednn")
    assert gemm_name() == "torch"
    assert "onednn" not in tried
    assert "onednn-1x1" in tried
    with pytest.raises(InputError, match="`name` is 'onednn', a matrix product that this torch"):
        use_gemm("onednn")


def test_an_entry_that_means_something_else_now_is_not_used(monkeypatch):
    monkeypatch.setitem(_gemm.BACKENDS, "onednn", lambda a, b: 2 * (a @ b))
    assert not _gemm._works("onednn")


def test_other_types_small_products_and_gradients_are_plain(monkeypatch):
    monkeypatch.setattr(_gemm, "gemm_name", lambda: pytest.fail("asked"))
    a, b = matrices()
    assert torch.equal(product(a.double(), b.double()), a.double() @ b.double())
    assert torch.equal(product(a[:10], b), a[:10] @ b)
    a.requires_grad_(True)
    product(a, b).sum().backward()
    assert a.grad is not None


def test_an_unknown_backend_is_refused():
    with pytest.raises(UnknownNameError, match="`name` is 'onednm', did you mean 'onednn'"):
        use_gemm("onednm")
