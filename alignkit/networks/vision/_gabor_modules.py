"""Quadrature Gabor pairs as torch modules, filtered in the frequency domain."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

LUMINANCE = (0.299, 0.587, 0.114)

# Standard deviation of the envelope along the wave, in wavelengths: a bandwidth of one octave.
ENVELOPE = 0.56


class GaborScale(nn.Module):
    """Pooled energy of all orientations at one spatial frequency.

    Parameters
    ----------
    filters : Tensor of shape (n_orientations, padded, padded)
        Frequency responses of :func:`quadrature_filters`.
    margin : int
        Padding in pixels on each side, cut off again after filtering.
    grid : int
        The energy is averaged over grid x grid equal areas.
    log_offset : float or None
        What is added before the logarithm; None keeps the energy itself.
    """

    def __init__(self, filters: torch.Tensor, *, margin: int, grid: int, log_offset: float | None) -> None:
        super().__init__()
        self.filters: torch.Tensor
        self.register_buffer("filters", filters)
        self.margin = margin
        self.grid = grid
        self.log_offset = log_offset

    def forward(self, spectrum: torch.Tensor) -> torch.Tensor:
        """Return (n_images, n_orientations, grid, grid) from spectra (n_images, 1, padded, padded)."""
        # The real part is the even filter's response and the imaginary part the odd one's.
        pair = torch.fft.ifft2(spectrum * self.filters)
        inner = slice(self.margin, pair.shape[-1] - self.margin)
        pooled = nn.functional.adaptive_avg_pool2d(pair[..., inner, inner].abs(), self.grid)
        return pooled if self.log_offset is None else torch.log(pooled + self.log_offset)


class GaborEnergy(nn.Module):
    """Luminance, then :class:`GaborScale` for each spatial frequency, then all of them side by side."""

    def __init__(
        self,
        *,
        image_size: int,
        frequencies: Sequence[float],
        n_orientations: int,
        aspect: float,
        grid: int,
        log_offset: float | None,
    ) -> None:
        super().__init__()
        self.margin = image_size // 4
        padded = image_size + 2 * self.margin
        self.luminance: torch.Tensor
        self.register_buffer("luminance", torch.tensor(LUMINANCE).view(1, 3, 1, 1))
        self.scales = [f"scale{number}" for number in range(1, len(frequencies) + 1)]
        for name, frequency in zip(self.scales, frequencies, strict=True):
            filters = quadrature_filters(padded, frequency / image_size, n_orientations, aspect)
            scale = GaborScale(filters, margin=self.margin, grid=grid, log_offset=log_offset)
            self.add_module(name, scale)
        self.energy = nn.Identity()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (n_images, n_scales * n_orientations, grid, grid) from RGB in [0, 1]."""
        grey = (images * self.luminance).sum(1, keepdim=True)
        padded = nn.functional.pad(grey, (self.margin,) * 4, mode="replicate")
        spectrum = torch.fft.fft2(padded)
        energies = [self.get_submodule(name)(spectrum) for name in self.scales]
        pooled: torch.Tensor = self.energy(torch.cat(energies, dim=1))
        return pooled


def quadrature_filters(size: int, frequency: float, n_orientations: int, aspect: float) -> torch.Tensor:
    """Return the frequency responses of one-sided Gabor filters without DC.

    A Gaussian around ``+frequency`` alone is the even Gabor plus i times the odd one. The gain is 2 at its
    centre, so that a sinusoid of that frequency and orientation and of amplitude a has energy a.

    Parameters
    ----------
    size : int
        Height and width of the filtered image, in pixels.
    frequency : float
        Preferred spatial frequency, in cycles per pixel.
    n_orientations : int
        Orientation k varies along the direction pi * k / n_orientations from the x axis to the y axis.
    aspect : float
        Width of the envelope along the wave over its width across; below 1 is sharper for orientation.

    Returns
    -------
    filters : Tensor of shape (n_orientations, size, size), float32
    """
    row = torch.fft.fftfreq(size, dtype=torch.float64)[:, None]
    column = torch.fft.fftfreq(size, dtype=torch.float64)[None, :]
    along = ENVELOPE / frequency
    across = along / aspect
    filters = []
    for k in range(n_orientations):
        angle = math.pi * k / n_orientations
        u = column * math.cos(angle) + row * math.sin(angle)
        v = row * math.cos(angle) - column * math.sin(angle)
        spread = torch.exp(-2 * (math.pi * across * v) ** 2)
        response = torch.exp(-2 * (math.pi * along * (u - frequency)) ** 2)
        # Without this a uniform surface would answer, and more so the brighter it is.
        leak = math.exp(-2 * (math.pi * ENVELOPE) ** 2) * torch.exp(-2 * (math.pi * along * u) ** 2)
        filters.append(2 * spread * (response - leak))
    return torch.stack(filters).to(torch.float32)
