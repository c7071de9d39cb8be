"""An image as the sum of its orientations and scales, and back."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class SteerablePyramid(nn.Module):
    """A steerable pyramid without subsampling: bands one octave wide, of even phase.

    The squares of all filters sum to 1 at every frequency, so the bands of an image hold its energy, and
    filtering each again and adding all gives the image back.

    Parameters
    ----------
    size : int
        Height and width of the images, in pixels.
    n_scales : int, default=4
        Number of octaves, from the finest; what is coarser stays together.
    n_orientations : int, default=4
        Number of orientations of each scale.

    References
    ----------
    Portilla J, Simoncelli EP (2000). A parametric texture model based on joint statistics of complex
    wavelet coefficients. International Journal of Computer Vision 40:49-70.
    https://doi.org/10.1023/A:1026553619983

    Examples
    --------
    >>> pyramid = SteerablePyramid(16)
    >>> images = torch.ones(1, 1, 16, 16)
    >>> torch.allclose(pyramid.synthesise(pyramid.analyse(images)), images)
    True
    """

    filters: Tensor

    def __init__(self, size: int, *, n_scales: int = 4, n_orientations: int = 4) -> None:
        super().__init__()
        self.size = size
        row = torch.fft.fftfreq(size, dtype=torch.float64)[:, None]
        column = torch.fft.rfftfreq(size, dtype=torch.float64)[None, :]
        octave = torch.log2(torch.hypot(row, column).clamp(min=1e-9) / 0.5)
        angle = torch.atan2(row, column)
        # The squares of these over all orientations sum to 1.
        order = n_orientations - 1
        gain = 2**order * math.factorial(order) / math.sqrt(n_orientations * math.factorial(2 * order))
        turned = [
            gain * torch.cos(angle - math.pi * k / n_orientations).abs() ** order
            for k in range(n_orientations)
        ]
        # A Nyquist row stands for both signs of its frequency, of which a cosine knows one.
        if size % 2 == 0:
            for k in range(n_orientations):
                mirrored = gain * torch.cos(-angle - math.pi * k / n_orientations).abs() ** order
                row_mean = (0.5 * (turned[k] ** 2 + mirrored**2)).sqrt()
                turned[k][size // 2] = row_mean[size // 2]
        filters = [_pass_above(octave)]
        for scale in range(n_scales):
            ring = _pass_below(octave + scale) * _pass_above(octave + scale + 1)
            filters += [ring * each for each in turned]
        filters.append(_pass_below(octave + n_scales))
        self.register_buffer("filters", torch.stack(filters).float(), persistent=False)

    def analyse(self, images: Tensor) -> Tensor:
        """Return the bands (..., n_bands, size, size) of images (..., size, size)."""
        spectrum = torch.fft.rfft2(images)
        bands: Tensor = torch.fft.irfft2(spectrum[..., None, :, :] * self.filters, s=(self.size, self.size))
        return bands

    def synthesise(self, bands: Tensor) -> Tensor:
        """Return the images (..., size, size) whose bands these are; the nearest where there is none."""
        spectrum = (torch.fft.rfft2(bands) * self.filters).sum(-3)
        images: Tensor = torch.fft.irfft2(spectrum, s=(self.size, self.size))
        return images


def _pass_below(octave: Tensor) -> Tensor:
    """Return 1 an octave below 0, and 0 from there on, with a quarter of a cosine in between."""
    return torch.cos(math.pi / 2 * (octave + 1).clamp(0, 1))


def _pass_above(octave: Tensor) -> Tensor:
    return torch.sin(math.pi / 2 * (octave + 1).clamp(0, 1))
