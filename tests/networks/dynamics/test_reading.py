from __future__ import annotations

import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.networks.dynamics._reading import grey_images


def test_grey_is_kept_and_green_looks_brightest():
    images = torch.full((1, 3, 2, 2), 0.25)
    torch.testing.assert_close(grey_images(images, size=2), torch.full((1, 2, 2), 0.25))
    primaries = grey_images(torch.eye(3)[:, :, None, None].expand(-1, -1, 2, 2), size=2)[:, 0, 0]
    torch.testing.assert_close(primaries, torch.tensor([0.299, 0.587, 0.114]))


def test_images_of_another_size_are_refused():
    with pytest.raises(InputError, match=r"\(n_images, 3, 8, 8\), got \(1, 3, 8, 9\)"):
        grey_images(torch.zeros(1, 3, 8, 9), size=8)
