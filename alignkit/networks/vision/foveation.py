"""Networks that see sharply only where they look: blur or texture in the periphery, and the blurred twin."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..._core.errors import InputError
from ..._core.random import derive_seed
from .._images import IMAGENET_MEAN, IMAGENET_STD, check_count, square
from .._network import Network, declared
from .._recipe import Recipe
from ..procedural import procedural_images
from ..standard._random_weights import seeded
from ._cornet_modules import CHANNELS, ZArea, add_z_areas, initialise, run_areas
from ._foveation_modules import FoveatedBlur, FoveatedTexture, UniformBlur, match_uniform_blur

_RECIPE = Recipe(optimizer="adam", lr=1e-3, epochs=20, batch_size=64, clip=1.0)
_N_MATCHING_IMAGES = 8


class FoveatedNet(nn.Module):
    """A front end that maps images to images, and the areas of CORnet-Z.

    Parameters
    ----------
    front : Module
        :class:`FoveatedBlur`, :class:`FoveatedTexture` or :class:`UniformBlur`.
    n_classes : int
        Number of scores.
    """

    def __init__(self, front: nn.Module, *, n_classes: int) -> None:
        super().__init__()
        self.fovea = front
        self.V1 = ZArea(3, CHANNELS[0], kernel=7, stride=2)
        add_z_areas(self, n_classes)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 3, image_size, image_size) to class scores (n, n_classes)."""
        return run_areas(self, self.V1(self.fovea(images)))


def foveated_blur(
    *,
    image_size: int = 224,
    visual_degrees: float = 24.0,
    fixation_x: float = 0.5,
    fixation_y: float = 0.5,
    fovea_degrees: float = 2.0,
    slope: float = 0.015,
    n_classes: int = 1000,
    seed: int = 0,
) -> Network:
    """Build CORnet-Z that sees an image blurred ever more away from the fixation.

    The blur's standard deviation is ``max(0, slope * (eccentricity - fovea_degrees))`` degrees.

    Parameters
    ----------
    image_size : int, default=224
        Height and width, in pixels, that images are brought to; at least 32.
    visual_degrees : float, default=24.0
        Width of the image in the experiment, in degrees: with `image_size` it says how many pixels there
        are to a degree. In an image of a few degrees there is hardly a periphery.
    fixation_x, fixation_y : float, default=0.5
        Where the eye looks: fractions of the width (from the left) and of the height (from the top).
    fovea_degrees : float, default=2.0
        Eccentricity up to which nothing is blurred, in degrees.
    slope : float, default=0.015
        Degrees of blur per degree of eccentricity.
    n_classes : int, default=1000
        Number of scores.
    seed : int, default=0
        Draws the weights of the areas.

    Returns
    -------
    network : Network
        Layers ``fovea.stimulus`` (the blurred image), ``V1.output``, ``V2.output``, ``V4.output``,
        ``IT.output`` and ``decoder``.

    Raises
    ------
    InputError
        If an option is out of its range.

    References
    ----------
    Deza A, Konkle T (2021). Emergent properties of foveated perceptual systems.
    https://arxiv.org/abs/2006.07991

    Examples
    --------
    >>> foveated_blur(image_size=64, n_classes=10).layers[0]
    'fovea.stimulus'
    """
    geometry = _geometry(image_size, visual_degrees, fixation_x, fixation_y, fovea_degrees)
    _check_positive("slope", slope)
    options = _options(image_size, visual_degrees, fixation_x, fixation_y, fovea_degrees, n_classes, seed)
    options["slope"] = slope
    return _network(
        "foveated-blur",
        FoveatedBlur(**geometry, slope=slope),
        options,
        matched=partial(uniform_blur, **options),
    )


def foveated_texture(
    *,
    image_size: int = 224,
    visual_degrees: float = 24.0,
    fixation_x: float = 0.5,
    fixation_y: float = 0.5,
    fovea_degrees: float = 2.0,
    scale: float = 0.4,
    half_mix_degrees: float = 0.3,
    n_iterations: int = 10,
    n_classes: int = 1000,
    seed: int = 0,
) -> Network:
    """Build CORnet-Z that sees texture in place of things away from the fixation.

    Regions beyond the fovea are `scale` times their eccentricity wide. In each, noise takes on the means
    and spreads that the image's coefficients have in a steerable pyramid.

    Parameters
    ----------
    image_size : int, default=224
        Height and width, in pixels, that images are brought to; at least 32.
    visual_degrees : float, default=24.0
        Width of the image in the experiment, in degrees.
    fixation_x, fixation_y : float, default=0.5
        Where the eye looks: fractions of the width (from the left) and of the height (from the top).
    fovea_degrees : float, default=2.0
        Radius of the disc that stays as it is, in degrees.
    scale : float, default=0.4
        Diameter of a region over its eccentricity, in (0, 1].
    half_mix_degrees : float, default=0.3
        Diameter, in degrees, of a region made of image and noise in equal parts; larger ones have more
        noise. 0 takes noise only.
    n_iterations : int, default=10
        How often the statistics are set: 10 bring those of the final image within 5 % (median over
        regions and bands, 1/f images), 3 within 9 %. The time it takes goes with it.
    n_classes : int, default=1000
        Number of scores.
    seed : int, default=0
        Draws the weights of the areas, and the noise, which is the same for all images.

    Returns
    -------
    network : Network
        Layers ``fovea.stimulus`` (the textured image), ``V1.output``, ``V2.output``, ``V4.output``,
        ``IT.output`` and ``decoder``.

    Raises
    ------
    InputError
        If an option is out of its range.

    Notes
    -----
    The paper matches the features of a VGG network that was trained on photographs, and decodes them.
    Here the statistics are those of a steerable pyramid, which needs no trained weights: textures agree
    in orientation and scale, not in what a trained network would see in them. The twin is the blur that
    is matched to :func:`foveated_blur`: no blur can be as far from the image, in squares, as a texture.

    References
    ----------
    Deza A, Konkle T (2021). Emergent properties of foveated perceptual systems.
    https://arxiv.org/abs/2006.07991

    Deza A, Jonnalagadda A, Eckstein MP (2019). Towards metamerism via foveated style transfer. ICLR.
    https://arxiv.org/abs/1705.10041
    """
    geometry = _geometry(image_size, visual_degrees, fixation_x, fixation_y, fovea_degrees)
    check_count("n_iterations", n_iterations, least=1)
    if not 0 < scale <= 1:
        raise InputError(f"`scale` must be in (0, 1], got {scale}.")
    if half_mix_degrees < 0:
        raise InputError(f"`half_mix_degrees` must be at least 0, got {half_mix_degrees}.")
    options = _options(image_size, visual_degrees, fixation_x, fixation_y, fovea_degrees, n_classes, seed)
    generator = torch.Generator().manual_seed(derive_seed(seed, "foveated-texture", "noise"))
    texture = {"scale": scale, "half_mix_degrees": half_mix_degrees, "n_iterations": n_iterations}
    front = FoveatedTexture(
        **geometry,
        scale=scale,
        half_mix_degrees=half_mix_degrees,
        n_iterations=n_iterations,
        noise=torch.randn(3, image_size, image_size, generator=generator),
    )
    matched = partial(uniform_blur, **options)
    return _network("foveated-texture", front, options | texture, matched=matched)


def uniform_blur(
    *,
    image_size: int = 224,
    visual_degrees: float = 24.0,
    fixation_x: float = 0.5,
    fixation_y: float = 0.5,
    fovea_degrees: float = 2.0,
    slope: float = 0.015,
    sigma_pixels: float | None = None,
    n_classes: int = 1000,
    seed: int = 0,
) -> Network:
    """Build the twin of the foveated networks: the same blur everywhere.

    Parameters
    ----------
    image_size, visual_degrees, fixation_x, fixation_y, fovea_degrees, slope
        Of the :func:`foveated_blur` that it is the twin of.
    sigma_pixels : float, optional
        Standard deviation of the blur, in pixels. By default the one that distorts procedural images as
        much as the foveated blur does, in mean squared error.
    n_classes : int, default=1000
        Number of scores.
    seed : int, default=0
        Draws the weights of the areas, and the procedural images.

    Returns
    -------
    network : Network
        Layers as for :func:`foveated_blur`.

    Raises
    ------
    InputError
        If an option is out of its range.
    """
    geometry = _geometry(image_size, visual_degrees, fixation_x, fixation_y, fovea_degrees)
    _check_positive("slope", slope)
    options = _options(image_size, visual_degrees, fixation_x, fixation_y, fovea_degrees, n_classes, seed)
    options["slope"] = slope
    if sigma_pixels is None:
        sigma = match_uniform_blur(FoveatedBlur(**geometry, slope=slope), _matching_images(image_size, seed))
    else:
        _check_positive("sigma_pixels", sigma_pixels)
        sigma = sigma_pixels
    return _network("uniform-blur", UniformBlur(sigma), options | {"sigma_pixels": sigma})


def _matching_images(image_size: int, seed: int) -> Tensor:
    drawn = derive_seed(seed, "uniform-blur", "images")
    images = procedural_images(_N_MATCHING_IMAGES, size=image_size, random_state=drawn)
    standard = (images / 255.0 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    return torch.from_numpy(standard.astype(np.float32)).permute(0, 3, 1, 2)


def _options(
    image_size: int,
    visual_degrees: float,
    fixation_x: float,
    fixation_y: float,
    fovea_degrees: float,
    n_classes: int,
    seed: int,
) -> dict[str, Any]:
    return {
        "image_size": image_size,
        "visual_degrees": visual_degrees,
        "fixation_x": fixation_x,
        "fixation_y": fixation_y,
        "fovea_degrees": fovea_degrees,
        "n_classes": check_count("n_classes", n_classes, least=2),
        "seed": check_count("seed", seed, least=0),
    }


def _geometry(
    image_size: int, visual_degrees: float, fixation_x: float, fixation_y: float, fovea_degrees: float
) -> dict[str, Any]:
    check_count("image_size", image_size, least=32)
    _check_positive("visual_degrees", visual_degrees)
    _check_positive("fovea_degrees", fovea_degrees)
    for name, value in (("fixation_x", fixation_x), ("fixation_y", fixation_y)):
        if not 0 <= value <= 1:
            raise InputError(f"`{name}` is a fraction of the image, in [0, 1], got {value}.")
    return {
        "image_size": image_size,
        "visual_degrees": visual_degrees,
        "fixation": (fixation_x, fixation_y),
        "fovea_degrees": fovea_degrees,
    }


def _check_positive(name: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise InputError(f"`{name}` must be a positive number, got {value}.")


def _network(
    name: str,
    front: nn.Module,
    options: dict[str, Any],
    *,
    matched: Callable[[], Network] | None = None,
) -> Network:
    module = seeded(lambda: FoveatedNet(front, n_classes=options["n_classes"]), options["seed"])
    preparation = square(options["image_size"], mean=IMAGENET_MEAN, std=IMAGENET_STD)
    return declared(
        name,
        module,
        preparation,
        preprocessing={"image": preparation.facts(), "parameters": {"network": name, **options}},
        visual_degrees=options["visual_degrees"],
        recipe=_RECIPE,
        matched=matched,
        options=options,
        notes=(f"The weights of the areas are random (seed {options['seed']}) until it is trained.",),
    )
