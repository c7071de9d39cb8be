"""What is left of an image away from where the eye looks: blur, or texture."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import brentq
from torch import Tensor, nn

from ._steerable import SteerablePyramid

Fixation = tuple[float, float]

_LEVELS_PER_OCTAVE = 3
_LEAST_LEVEL = 0.3
_LEAST_SPREAD = 1e-6
_MATCH_TOLERANCE = 1e-4
# Rows are luminance, red against green, and both against blue; the matrix is orthonormal.
_OPPONENT = ((3**-0.5,) * 3, (2**-0.5, -(2**-0.5), 0.0), (6**-0.5, 6**-0.5, -2 * 6**-0.5))


def polar_field(image_size: int, visual_degrees: float, fixation: Fixation) -> tuple[Tensor, Tensor]:
    """Return eccentricity and angle of every pixel, seen from the fixation.

    Parameters
    ----------
    image_size : int
        Height and width, in pixels.
    visual_degrees : float
        Width of the image, in degrees of visual angle.
    fixation : tuple of float
        Where the eye looks: fractions of the width (from the left) and the height (from the top).

    Returns
    -------
    eccentricity : float64 Tensor of shape (image_size, image_size)
        In degrees.
    angle : float64 Tensor of shape (image_size, image_size)
        In radians in [0, 2 pi), from the right, turning downwards.
    """
    places = (torch.arange(image_size, dtype=torch.float64) + 0.5) / image_size
    x = (places - fixation[0])[None, :] * visual_degrees
    y = (places - fixation[1])[:, None] * visual_degrees
    return torch.hypot(x, y), torch.atan2(y, x).remainder(2 * math.pi)


def gaussian_blur(images: Tensor, sigma: float) -> Tensor:
    """Blur images (n, channels, height, width) by a Gaussian of `sigma` pixels; 0 changes nothing.

    The standard deviation of the weights is `sigma`, also where a Gaussian is narrower than a pixel and
    its samples alone would hardly blur. Beyond its border an image is mirrored, so that a plain one stays
    plain.
    """
    radius = min(math.ceil(4 * sigma), min(images.shape[-2:]) - 1)
    if radius == 0:
        return images
    places = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (places / _sampled_sigma(sigma)) ** 2)
    weights = (weights / weights.sum()).to(images)
    channels = images.shape[1]
    padded = F.pad(images, (radius,) * 4, mode="reflect")
    along = F.conv2d(padded, weights.expand(channels, 1, 1, -1), groups=channels)
    return F.conv2d(along, weights[:, None].expand(channels, 1, -1, 1), groups=channels)


def _sampled_sigma(sigma: float) -> float:
    """Return the width of the Gaussian whose samples at whole pixels have the standard deviation `sigma`."""
    # From one pixel on, samples have the Gaussian's own variance to 1e-6.
    if sigma >= 1:
        return sigma
    squares = np.arange(-8, 9) ** 2.0

    def surplus(width: float) -> float:
        weights = np.exp(-0.5 * squares / width**2)
        return float(squares @ weights / weights.sum()) - sigma**2

    return float(brentq(surplus, 0.02, 1.1))


class FoveatedBlur(nn.Module):
    """Blur that grows with eccentricity: ``sigma(e) = max(0, slope * (e - fovea))``.

    The blurred image is interpolated, pixel by pixel, between images that are blurred evenly, three to
    every doubling of sigma and the image itself. Shares are linear in sigma squared, so that the second
    moment of what a pixel sees is that of sigma(e).

    Parameters
    ----------
    image_size : int
        Height and width of the images, in pixels.
    visual_degrees : float
        Their width, in degrees.
    fixation : tuple of float
        Where the eye looks, in fractions of width and height; see :func:`polar_field`.
    fovea_degrees : float
        Eccentricity up to which nothing is blurred, in degrees.
    slope : float
        Standard deviation, in degrees, gained per degree of eccentricity.
    """

    sigma_map: Tensor

    def __init__(
        self,
        *,
        image_size: int,
        visual_degrees: float,
        fixation: Fixation,
        fovea_degrees: float,
        slope: float,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.visual_degrees = visual_degrees
        self.fovea_degrees = fovea_degrees
        self.slope = slope
        self.register_buffer("sigma_map", self.sigmas(fixation))
        self.stimulus = nn.Identity()

    def sigmas(self, fixation: Fixation) -> Tensor:
        """Return the blur's standard deviation at every pixel, in pixels, for this fixation."""
        eccentricity, _ = polar_field(self.image_size, self.visual_degrees, fixation)
        degrees = (self.slope * (eccentricity - self.fovea_degrees)).clamp(min=0)
        return (degrees * self.image_size / self.visual_degrees).float()

    def forward(self, images: Tensor, fixation: Fixation | None = None) -> Tensor:
        """Map images (n, 3, image_size, image_size) to the same shape.

        Parameters
        ----------
        images : Tensor
            Any units.
        fixation : tuple of float, optional
            Where the eye looks in these images, instead of what the module was made with.
        """
        sigma = self.sigma_map if fixation is None else self.sigmas(fixation).to(images.device)
        largest = float(sigma.max())
        if largest == 0:
            same: Tensor = self.stimulus(images)
            return same
        levels = _blur_levels(largest)
        blurred = torch.zeros_like(images)
        for level, share in zip(levels, _shares(sigma, levels), strict=True):
            blurred = blurred + share.to(images) * gaussian_blur(images, level)
        answer: Tensor = self.stimulus(blurred)
        return answer


def _blur_levels(largest: float) -> list[float]:
    """Return 0 and ever wider blurs up to `largest`, in pixels."""
    n_steps = max(0, math.ceil(_LEVELS_PER_OCTAVE * math.log2(largest / _LEAST_LEVEL)))
    return [0.0] + [largest * 2 ** (-step / _LEVELS_PER_OCTAVE) for step in range(n_steps, -1, -1)]


def _shares(sigma: Tensor, levels: list[float]) -> list[Tensor]:
    """Return every level's share at every pixel: at most two are not 0, and variances add up."""
    variance = sigma.square()
    squares = [level**2 for level in levels]
    # How far a variance has come from each level to the next: 0 below the level, 1 from the next one on.
    beyond = [
        ((variance - low) / (high - low)).clamp(0, 1) for low, high in zip(squares, squares[1:], strict=False)
    ]
    none, all_ = torch.zeros_like(variance), torch.ones_like(variance)
    return [up - down for up, down in zip([all_, *beyond], [*beyond, none], strict=True)]


class UniformBlur(nn.Module):
    """The same blur everywhere: the twin of :class:`FoveatedBlur`.

    Parameters
    ----------
    sigma : float
        Standard deviation, in pixels.
    """

    sigma: Tensor

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.register_buffer("sigma", torch.tensor(sigma))
        self.stimulus = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 3, height, width) to the same shape."""
        answer: Tensor = self.stimulus(gaussian_blur(images, float(self.sigma)))
        return answer


def match_uniform_blur(foveated: nn.Module, images: Tensor) -> float:
    """Return the uniform blur that distorts images as much as `foveated` does.

    Parameters
    ----------
    foveated : Module
        Maps images to images of the same shape.
    images : Tensor of shape (n, 3, height, width)
        What the distortion is measured on, as a mean squared error.

    Returns
    -------
    sigma : float
        In pixels, to a part in ten thousand; 0 where nothing is distorted.
    """
    with torch.inference_mode():
        wanted = float((foveated(images) - images).square().mean())
        low, high = 0.0, 1.0
        while _distortion(images, high) < wanted and high < images.shape[-1]:
            low, high = high, 2 * high
        while wanted > 0 and high - low > _MATCH_TOLERANCE * high:
            middle = (low + high) / 2
            low, high = (middle, high) if _distortion(images, middle) < wanted else (low, middle)
    return low


def _distortion(images: Tensor, sigma: float) -> float:
    return float((gaussian_blur(images, sigma) - images).square().mean())


def pooling_regions(
    image_size: int, visual_degrees: float, fixation: Fixation, *, fovea_degrees: float, scale: float
) -> Tensor:
    """Cut an image into regions whose diameter grows with eccentricity.

    Rings beyond the fovea are `scale` times their eccentricity wide, and so are their sectors.

    Parameters
    ----------
    image_size : int
        Height and width, in pixels.
    visual_degrees : float
        Width of the image, in degrees.
    fixation : tuple of float
        See :func:`polar_field`.
    fovea_degrees : float
        Radius of region 0, in degrees.
    scale : float
        Diameter over eccentricity, in (0, 2).

    Returns
    -------
    regions : int64 Tensor of shape (image_size, image_size)
        Numbers from 0 (the fovea) without gaps; where the fovea is out of the image, from 1.
    """
    eccentricity, angle = polar_field(image_size, visual_degrees, fixation)
    growth = math.log((1 + scale / 2) / (1 - scale / 2))
    ring = (torch.log((eccentricity / fovea_degrees).clamp(min=1.0)) / growth).floor().long()
    n_sectors = max(1, round(2 * math.pi / scale))
    # Every second ring is turned by half a sector, as bricks are laid.
    turned = angle * (n_sectors / (2 * math.pi)) + 0.5 * (ring % 2)
    sector = turned.floor().long() % n_sectors
    label = 1 + ring * n_sectors + sector
    label[eccentricity < fovea_degrees] = 0
    known, compact = torch.unique(label, return_inverse=True)
    regions: Tensor = compact if int(known[0]) == 0 else compact + 1
    return regions


class FoveatedTexture(nn.Module):
    """Texture instead of things away from the fovea, with the statistics of what it stands for.

    The image and fixed noise are taken apart by a steerable pyramid (four orientations, four scales, high
    and low rest; luminance and two opponent colours). In every region, the noise's coefficients get the
    mean and the spread that the image's coefficients have there, after ``mix`` of them were exchanged for
    noise; this is repeated, since coefficients of neighbouring regions depend on one another.

    Parameters
    ----------
    image_size : int
        Height and width of the images, in pixels.
    visual_degrees : float
        Their width, in degrees.
    fixation : tuple of float
        Where the eye looks, in fractions of width and height.
    fovea_degrees : float
        Radius of the disc that is left as it is.
    scale : float
        Diameter of a region over its eccentricity.
    half_mix_degrees : float
        Diameter of the region in which image and noise have equal shares; 0 takes noise only.
    n_iterations : int
        How often statistics are set.
    noise : Tensor of shape (3, image_size, image_size)
        White noise; all images get the same.
    """

    regions: Tensor
    mix: Tensor
    noise: Tensor
    _members: Tensor

    def __init__(
        self,
        *,
        image_size: int,
        visual_degrees: float,
        fixation: Fixation,
        fovea_degrees: float,
        scale: float,
        half_mix_degrees: float,
        n_iterations: int,
        noise: Tensor,
    ) -> None:
        super().__init__()
        self.n_iterations = n_iterations
        self.pyramid = SteerablePyramid(image_size)
        regions = pooling_regions(
            image_size, visual_degrees, fixation, fovea_degrees=fovea_degrees, scale=scale
        )
        eccentricity, _ = polar_field(image_size, visual_degrees, fixation)
        diameter = scale * eccentricity
        self.register_buffer("regions", regions)
        self.register_buffer("mix", (diameter / (diameter + half_mix_degrees)).float())
        self.register_buffer("noise", noise)
        self.register_buffer("_opponent", torch.tensor(_OPPONENT), persistent=False)
        self.register_buffer("_members", F.one_hot(regions.flatten()).float(), persistent=False)
        self.stimulus = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 3, image_size, image_size) to the same shape."""
        opponent = torch.einsum("oc,nchw->nohw", self._opponent, images)
        source = self.pyramid.analyse(opponent)
        wanted = self.statistics(source)
        noise = self._set_statistics(self.pyramid.analyse(self.noise[None]), *wanted)
        bands = self.mix * noise + (1 - self.mix) * source
        made = opponent
        for _ in range(self.n_iterations):
            bands = self._set_statistics(bands, *wanted)
            made = torch.where(self.regions == 0, opponent, self.pyramid.synthesise(bands))
            bands = self.pyramid.analyse(made)
        texture = torch.einsum("oc,nohw->nchw", self._opponent, made)
        # Noise knows no bounds, but no texture is darker or brighter than the image anywhere is.
        darkest, brightest = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
        texture = torch.minimum(torch.maximum(texture, darkest), brightest)
        answer: Tensor = self.stimulus(torch.where(self.regions == 0, images, texture))
        return answer

    def statistics(self, bands: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of coefficients in every region.

        Parameters
        ----------
        bands : Tensor of shape (n, channels, n_bands, image_size, image_size)

        Returns
        -------
        mean, spread : Tensor of shape (n, channels, n_bands, n_regions)
        """
        n_pixels = self._members.sum(0).clamp(min=1)
        mean = self._sums(bands) / n_pixels
        power = self._sums(bands.square()) / n_pixels
        return mean, (power - mean.square()).clamp(min=0).sqrt()

    def _sums(self, bands: Tensor) -> Tensor:
        # One matrix product, which is faster than as many as there are images and colours.
        flat = bands.reshape(-1, self._members.shape[0]) @ self._members
        return flat.view(*bands.shape[:-2], -1)

    def _set_statistics(self, bands: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
        mean_here, spread_here = self.statistics(bands)
        gain = spread / (spread_here + _LEAST_SPREAD)
        return bands * gain[..., self.regions] + (mean - gain * mean_here)[..., self.regions]
