from __future__ import annotations

import pytest
import torch

from alignkit.decoders._seeding import seeded


def drawn(seed: int) -> torch.Tensor:
    with seeded(seed):
        return torch.randn(4)


def test_the_same_seed_draws_the_same_and_leaves_torch_s_generator_alone() -> None:
    before = torch.get_rng_state()
    first, again, other = drawn(3), drawn(3), drawn(4)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ValueError, match="inside"), seeded(3):
        torch.randn(2)
        raise ValueError("inside")
    assert torch.equal(torch.get_rng_state(), before)
