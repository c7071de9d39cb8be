from __future__ import annotations

import pytest
import torch
from torch import nn

from alignkit.networks.spiking._steady import steady


@pytest.mark.parametrize("n_samples", [1, 2, 3, 4, 9])
def test_sums_do_not_depend_on_the_size_of_the_batch(n_samples):
    generator = torch.Generator().manual_seed(0)
    layer = nn.Linear(300, 40).eval()
    inputs = torch.rand(9, 300, generator=generator)
    with torch.inference_mode():
        whole = layer(inputs)
        torch.testing.assert_close(steady(layer, inputs[:n_samples]), whole[:n_samples], rtol=1e-6, atol=1e-6)
        assert len(steady(layer, inputs[:n_samples])) == n_samples


def test_training_sees_the_batch_as_it_is():
    layer = nn.BatchNorm1d(2).train()
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        steady(layer, torch.ones(1, 2))
