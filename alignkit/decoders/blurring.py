"""Images blurred before a network sees them, and features of several degrees of blur as one target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from .._core.errors import InputError
from ..networks._network import Network
from ..recordings.features import Features
from .trials import Targets

# Kernels are those of an image whose shorter side has this many pixels.
_REFERENCE_SIDE = 224
_CENTRE_SHARE = 0.5
# What must be the same for rows of several extractions to be comparable, number by number.
_SHARED_FACTS = ("weights", "pooling", "steps", "projection", "random_state")


def blur_kernels(base: int = 51, step: int = 6, *, legacy: bool = False) -> tuple[int, int, int]:
    """Return the kernels of weak, medium and strong blur, in pixels of an image of 224.

    Parameters
    ----------
    base : int, default=51
        The medium one; odd.
    step : int, default=6
        How much smaller and larger the others are; even.
    legacy : bool, default=False
        The kernels that the authors' published code ends up with, in which a setting is changed in place:
        weak and medium are ``base - step``, strong is `base`.

    Returns
    -------
    kernels : tuple of three int
        Odd, none smaller than the one before.

    Raises
    ------
    InputError
        If a kernel would not be odd, or below 1.

    References
    ----------
    Wu H, Li Q, Zhang C, He Z, Ying X (2025). Bridging the vision-brain gap with an uncertainty-aware blur
    prior. CVPR. https://arxiv.org/abs/2503.04207

    Examples
    --------
    >>> blur_kernels()
    (45, 51, 57)
    >>> blur_kernels(legacy=True)
    (45, 45, 51)
    """
    if step < 0:
        raise InputError(f"`step` must be 0 or above, got {step}.")
    kernels = (base - step, base - step, base) if legacy else (base - step, base, base + step)
    for kernel in kernels:
        check_kernel(kernel)
    return kernels


@dataclass(frozen=True)
class BlurredPreparation:
    """Blur an RGB image, then prepare it as the network does.

    Attributes
    ----------
    preparation : callable
        From one RGB image to a tensor.
    kernel : int
        Width of the Gaussian kernel, in pixels, of an image whose shorter side has 224; odd. 1 changes
        nothing.
    foveated : bool, default=True
        Leave a share of the image itself, which falls from one half in the centre to the corners.
    falloff : float, default=3.0
        The share at the distance r from the centre is ``0.5 * exp(-falloff * r / r_corner)``.
    """

    preparation: Callable[[Image.Image], torch.Tensor]
    kernel: int
    foveated: bool = True
    falloff: float = 3.0

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """Return what the preparation makes of the blurred image."""
        return self.preparation(self.blur(image.convert("RGB")))

    def blur(self, image: Image.Image) -> Image.Image:
        """Return the blurred RGB image, as large as it was."""
        pixels = np.asarray(image, dtype=np.float32)
        scale = min(image.size) / _REFERENCE_SIDE
        radius = round((self.kernel - 1) / 2 * scale)
        if radius == 0:
            return image
        # Beyond its border the image is mirrored about the outermost pixels.
        made = ndimage.gaussian_filter(
            pixels, kernel_sigma(self.kernel) * scale, radius=radius, mode="mirror", axes=(0, 1)
        )
        if self.foveated:
            share = _sharp_share(pixels.shape[0], pixels.shape[1], self.falloff)
            made += share * (pixels - made)
        return Image.fromarray(np.rint(made).clip(0, 255).astype(np.uint8))

    def facts(self) -> dict[str, Any]:
        """Return the same as JSON values, for keys and reports."""
        inner = getattr(self.preparation, "facts", None)
        return {**(inner() if inner is not None else {}), "blur": self.blur_facts()}

    def blur_facts(self) -> dict[str, Any]:
        """Return the part of the facts that does not come from the preparation."""
        said: dict[str, Any] = {"kernel": self.kernel, "of_pixels": _REFERENCE_SIDE}
        return {**said, "falloff": self.falloff} if self.foveated else said


def blurred(network: Network, kernel: int, *, foveated: bool = True, falloff: float = 3.0) -> Network:
    """Return the network with images blurred before its own preprocessing.

    Parameters
    ----------
    network : Network
        Of images.
    kernel : int
        Width of the Gaussian kernel, in pixels of an image of 224, and in proportion for others; odd. Its
        standard deviation is that of :func:`kernel_sigma`. 1 does not blur.
    foveated : bool, default=True
        Leave a share of the image itself, one half in the centre and ever less towards the corners; False
        blurs evenly.
    falloff : float, default=3.0
        How fast that share falls: ``0.5 * exp(-falloff * r / r_corner)``. 0 or above.

    Returns
    -------
    network : Network
        Named ``<name>-blur<kernel>``, with the blur in its `preprocessing`, so that features of different
        kernels are never taken for each other. Its untrained and matched twins see the same blur.

    Raises
    ------
    InputError
        If the network takes no images, or blurs already; if `kernel` is not odd, or `falloff` below 0.

    References
    ----------
    Wu H, Li Q, Zhang C, He Z, Ying X (2025). Bridging the vision-brain gap with an uncertainty-aware blur
    prior. CVPR. https://arxiv.org/abs/2503.04207

    Examples
    --------
    >>> from alignkit.networks import build_network
    >>> blurred(build_network("pixels"), 51).preprocessing["blur"]
    {'kernel': 51, 'of_pixels': 224, 'falloff': 3.0}
    """
    check_kernel(kernel)
    if network.modality != "image":
        raise InputError(f"{network.name!r} takes {network.modality}, which this does not blur.")
    if "blur" in network.preprocessing:
        raise InputError(f"{network.name!r} blurs its images already; start from the network itself.")
    if not 0 <= falloff < np.inf:
        raise InputError(f"`falloff` must be 0 or above and finite, got {falloff}.")
    preparation = BlurredPreparation(network.preprocess, kernel, foveated, float(falloff))
    again = partial(_blurred_twin, kernel=kernel, foveated=foveated, falloff=falloff)
    return replace(
        network,
        name=f"{network.name}-blur{kernel}",
        preprocess=preparation,
        preprocessing={**network.preprocessing, "blur": preparation.blur_facts()},
        untrained=None if network.untrained is None else partial(again, network.untrained),
        matched=None if network.matched is None else partial(again, network.matched),
    )


def kernel_sigma(kernel: int) -> float:
    """Return the standard deviation of a Gaussian kernel from its width, both in pixels.

    It is OpenCV's convention, ``0.3 * ((kernel - 1) / 2 - 1) + 0.8``.

    Examples
    --------
    >>> round(kernel_sigma(51), 6)
    8.0
    """
    return 0.3 * ((kernel - 1) * 0.5 - 1) + 0.8


def check_kernel(kernel: int) -> None:
    """Refuse a kernel that is no odd number of pixels."""
    if kernel < 1 or kernel % 2 == 0:
        raise InputError(f"the kernel of a blur must be an odd number of pixels, got {kernel}.")


def stack_variants(
    features: Sequence[Features],
    *,
    layer: str | None = None,
    stimulus_ids: Sequence[str] | None = None,
    test_variant: int | None = None,
) -> Targets:
    """Return the features of several degrees of blur as targets with as many versions.

    Parameters
    ----------
    features : sequence of Features
        Of the same network and stimuli, in any order of stimuli; from the weakest blur to the strongest.
    layer : str, optional
        Which one; may be left out where there is just one.
    stimulus_ids : sequence of str, optional
        Which stimuli, in which order; by default those of the first.
    test_variant : int, optional
        The version that decoders are evaluated against; by default the middle one.

    Returns
    -------
    targets : Targets
        `values` of shape (n_stimuli, n_variants, n_dims).

    Raises
    ------
    InputError
        If there are fewer than 2, a stimulus has no features, or the features differ in their units or in
        anything they were made with besides the blur; or if their blur does not rise.
    """
    if len(features) < 2:
        raise InputError(f"versions of blur are at least 2, got the features of {len(features)}.")
    first = features[0]
    if layer is None:
        if len(first.layers) != 1:
            raise InputError(f"name the `layer`; the features hold {', '.join(first.layers)}.")
        layer = first.layers[0]
    _check_alike(features, layer)
    middle = len(features) // 2 if test_variant is None else test_variant
    if not 0 <= middle < len(features):
        raise InputError(f"`test_variant` must be between 0 and {len(features) - 1}, got {middle}.")
    ids = list(first.stimulus_ids if stimulus_ids is None else stimulus_ids)
    values = np.stack([each.matrix(layer, ids) for each in features], axis=1)
    return Targets(tuple(ids), values, n_variants=len(features), test_variant=middle)


def _check_alike(features: Sequence[Features], layer: str) -> None:
    first = features[0]
    for number, other in enumerate(features[1:], 2):
        if other.n_units(layer) != first.n_units(layer):
            raise InputError(
                f"layer {layer!r} has {first.n_units(layer)} units in the first features and "
                f"{other.n_units(layer)} in number {number}; extract all with the same options."
            )
        for name in _SHARED_FACTS:
            if first.facts.get(name) != other.facts.get(name):
                raise InputError(
                    f"the first features and number {number} were made with different {name!r}; versions "
                    "of blur may differ in nothing else."
                )
    kernels = [_kernel_of(each) for each in features]
    known = [kernel for kernel in kernels if kernel is not None]
    # Equal ones are fine: the authors' published code has two.
    if len(known) == len(kernels) and (known != sorted(known) or len(set(known)) == 1):
        raise InputError(
            f"the features were made with kernels of {', '.join(map(str, known))} pixels; give them from the "
            "weakest blur to the strongest."
        )


def _kernel_of(features: Features) -> int | None:
    preprocessing = features.facts.get("preprocessing")
    blur = preprocessing.get("blur") if isinstance(preprocessing, dict) else None
    return None if blur is None else int(blur["kernel"])


def _blurred_twin(build: Callable[[], Network], *, kernel: int, foveated: bool, falloff: float) -> Network:
    return blurred(build(), kernel, foveated=foveated, falloff=falloff)


@lru_cache(maxsize=8)
def _sharp_share(height: int, width: int, falloff: float) -> NDArray[np.float32]:
    rows = np.arange(height) - (height - 1) / 2
    columns = np.arange(width) - (width - 1) / 2
    radius = np.hypot(rows[:, None], columns[None, :])
    share = _CENTRE_SHARE * np.exp(-falloff * radius / radius[0, 0])
    return np.asarray(share[:, :, None], dtype=np.float32)
