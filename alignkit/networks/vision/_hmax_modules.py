"""The four stages of HMAX as torch modules."""

from __future__ import annotations

import math

import torch
from scipy.fft import next_fast_len
from torch import nn

from ._gabor_modules import LUMINANCE

N_ORIENTATIONS = 4
SIZES = tuple(range(7, 38, 2))
WINDOWS = tuple(range(8, 23, 2))
PATCHES = (4, 8, 12, 16)

# Aspect ratio of the envelope: it is longer along the bar than across.
_ASPECT = 0.3

# Added to a patch's root mean square, so that rounding in black surroundings is not blown up.
_NORM_FLOOR = 1e-3


class SimpleBand(nn.Module):
    """S1 of one filter size: rectified Gabor responses over the norm of the patch they look at."""

    def __init__(self, size: int, divisor: float) -> None:
        super().__init__()
        wavelength = 2 * size / divisor
        filters, disc = _gabors(size, wavelength, 0.8 * wavelength)
        self.filters: torch.Tensor
        self.disc: torch.Tensor
        self.register_buffer("filters", filters)
        self.register_buffer("disc", disc)

    def forward(self, grey: torch.Tensor) -> torch.Tensor:
        """Return (n_images, 4, height, width), in [0, 1], from luminance (n_images, 1, height, width)."""
        half = self.disc.shape[-1] // 2
        padded = nn.functional.pad(grey, (half,) * 4, mode="replicate")
        norm = _correlate(padded**2, self.disc).clamp_min(0).sqrt()
        floor = _NORM_FLOOR * math.sqrt(float(self.disc.sum()))
        return _correlate(padded, self.filters).abs() / (norm + floor)


class ComplexBand(nn.Module):
    """C1 of one band: the maximum over two filter sizes and a window, sampled every half window."""

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window

    def forward(self, finer: torch.Tensor, coarser: torch.Tensor) -> torch.Tensor:
        """Return (n_images, 4, rows, columns)."""
        return nn.functional.max_pool2d(torch.maximum(finer, coarser), self.window, self.window // 2)


class Prototypes(nn.Module):
    """S2 of one patch size: likeness of every C1 patch to every prototype.

    Parameters
    ----------
    prototypes : Tensor of shape (n_prototypes, 4, patch, patch)
        What the units are tuned to.
    sharpness : float
        The factor beta of ``exp(-beta * distance^2 / (patch / 4)^2)``.
    """

    def __init__(self, prototypes: torch.Tensor, sharpness: float) -> None:
        super().__init__()
        self.prototypes: torch.Tensor
        self.register_buffer("prototypes", prototypes)
        self.patch = int(prototypes.shape[-1])
        self.sharpness = sharpness

    def forward(self, band: torch.Tensor) -> torch.Tensor:
        """Return (n_images, n_prototypes, rows, columns), in (0, 1]; 1 where the patch is the prototype."""
        patch = self.patch
        norm = nn.functional.avg_pool2d((band**2).sum(1, keepdim=True), patch, 1) * patch**2
        own = (self.prototypes**2).sum((1, 2, 3)).view(1, -1, 1, 1)
        product = nn.functional.conv2d(band, self.prototypes)
        # Rounding can bring a distance of zero below zero.
        squared = (norm + own - 2 * product).clamp_min(0)
        return torch.exp(-self.sharpness * squared / (patch / 4) ** 2)


class Hmax(nn.Module):
    """S1 to C2; `prototypes` maps nothing until :meth:`set_prototypes` has been called."""

    def __init__(self) -> None:
        super().__init__()
        self.luminance: torch.Tensor
        self.register_buffer("luminance", torch.tensor(LUMINANCE).view(1, 3, 1, 1))
        self.s1 = nn.ModuleList(SimpleBand(size, 4 - 0.05 * k) for k, size in enumerate(SIZES))
        self.bands = nn.ModuleList(ComplexBand(window) for window in WINDOWS)
        self.c1 = nn.Identity()
        self.s2 = nn.ModuleList()
        self.c2 = nn.Identity()

    def set_prototypes(self, prototypes: list[torch.Tensor], sharpness: float) -> None:
        """Set one module per patch size."""
        self.s2 = nn.ModuleList(Prototypes(each, sharpness) for each in prototypes)

    def complex_band(self, images: torch.Tensor, number: int) -> torch.Tensor:
        """Return C1 of one band (0 to 7), (n_images, 4, rows, columns), from RGB in [0, 1]."""
        grey = (images * self.luminance).sum(1, keepdim=True)
        finer, coarser = self.s1[2 * number], self.s1[2 * number + 1]
        band: torch.Tensor = self.bands[number](finer(grey), coarser(grey))
        return band

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return C2, (n_images, n_prototypes), from RGB (n_images, 3, height, width) in [0, 1]."""
        bands = [self.complex_band(images, number) for number in range(len(WINDOWS))]
        self.c1(torch.cat([band.flatten(1) for band in bands], dim=1))
        best = []
        for s2 in self.s2.children():
            assert isinstance(s2, Prototypes)
            # Coarse bands may be smaller than the largest patches.
            fitting = [band for band in bands if min(band.shape[-2:]) >= s2.patch]
            peaks = [s2(band).amax((2, 3)) for band in fitting]
            best.append(torch.stack(peaks).amax(0))
        pooled: torch.Tensor = self.c2(torch.cat(best, dim=1))
        return pooled


def _correlate(images: torch.Tensor, filters: torch.Tensor) -> torch.Tensor:
    # In the frequency domain: a filter of 37 by 37 pixels would cost six times as much directly.
    height, width = (n - filters.shape[-1] + 1 for n in images.shape[-2:])
    fast = tuple(next_fast_len(n, real=True) for n in images.shape[-2:])
    product = torch.fft.rfft2(images, s=fast) * torch.fft.rfft2(filters, s=fast).conj().transpose(0, 1)
    correlated: torch.Tensor = torch.fft.irfft2(product, s=fast)[..., :height, :width]
    return correlated


def _gabors(size: int, wavelength: float, sigma: float) -> tuple[torch.Tensor, torch.Tensor]:
    half = size // 2
    y, x = torch.meshgrid(*[torch.arange(-half, half + 1, dtype=torch.float64)] * 2, indexing="ij")
    disc = (x**2 + y**2 <= half**2).double()
    filters = []
    for k in range(N_ORIENTATIONS):
        angle = math.pi * k / N_ORIENTATIONS
        u, v = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
        gabor = torch.exp(-(u**2 + (_ASPECT * v) ** 2) / (2 * sigma**2)) * torch.cos(
            2 * math.pi * u / wavelength
        )
        gabor = (gabor - (gabor * disc).sum() / disc.sum()) * disc
        filters.append(gabor / gabor.norm())
    return torch.stack(filters).unsqueeze(1).float(), disc.view(1, 1, size, size).float()
