from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from alignkit._core.errors import InputError
from alignkit.networks import pixels


def test_the_layer_is_the_image_in_zero_to_one():
    network = pixels(size=4)
    image = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    batch = network.preprocess(Image.fromarray(image)).unsqueeze(0)
    answer = network.module.get_submodule("pixels")(batch)
    np.testing.assert_allclose(answer[0].permute(1, 2, 0).numpy(), image / 255, atol=1e-6)
    assert torch.equal(network.module(batch), batch)


def test_sizes_that_are_no_count_are_refused():
    with pytest.raises(InputError, match="`size` must be at least 1, got 0"):
        pixels(size=0)
