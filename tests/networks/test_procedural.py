from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.networks import procedural_images


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    first = procedural_images(3, size=32, random_state=1)
    np.testing.assert_array_equal(first, procedural_images(3, size=32, random_state=1))
    assert (first != procedural_images(3, size=32, random_state=2)).mean() > 0.5


def test_amplitude_falls_as_one_over_frequency_like_natural_images():
    images = procedural_images(40, size=128, random_state=0).mean(-1)
    spectra = np.abs(np.fft.fft2(images - images.mean((1, 2), keepdims=True))).mean(0)
    row = np.fft.fftfreq(128) * 128
    radius = np.hypot(row[:, None], row[None, :])
    rings = np.arange(2, 40)
    amplitude = [spectra[(radius >= r - 0.5) & (radius < r + 0.5)].mean() for r in rings]
    slope = np.polyfit(np.log(rings), np.log(amplitude), 1)[0]
    assert -1.5 < slope < -0.8


def test_most_pixels_are_neither_black_nor_white_and_colours_differ():
    images = procedural_images(20, size=64, random_state=0)
    assert ((images > 0) & (images < 255)).mean() > 0.9
    assert np.abs(images[..., 0].astype(float) - images[..., 2]).mean() > 5


@pytest.mark.parametrize(
    ("n_images", "size", "message"),
    [(0, 64, "`n_images` .* got 0"), (1, 4, "`size` must be at least 8, got 4")],
)
def test_too_few_images_or_pixels_are_refused(n_images, size, message):
    with pytest.raises(InputError, match=message):
        procedural_images(n_images, size=size)
