"""HMAX: simple and complex cells in two rounds, up to features that tolerate position and scale."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.random import derive_seed
from .._images import check_count, square
from .._network import Network, declared
from ..procedural import procedural_images

if TYPE_CHECKING:
    import torch

    from ._hmax_modules import Hmax

_N_IMPRINTING_IMAGES = 40


def hmax(
    *,
    image_size: int = 128,
    n_prototypes: int = 1000,
    prototypes: Literal["imprinted", "random"] = "imprinted",
    sharpness: float = 3.0,
    seed: int = 0,
) -> Network:
    """Build HMAX.

    S1: 16 sizes by 4 orientations of Gabor filters, normalised by the patch. C1: the maximum over two
    sizes and a window. S2: ``exp(-beta * distance^2)`` of C1 patches (4, 8, 12 and 16 wide, all
    orientations) to prototypes. C2: the maximum of S2 over positions and bands.

    Parameters
    ----------
    image_size : int, default=128
        Height and width, in pixels, that images are brought to; at least 96. Filters are 7 to 37 pixels
        wide whatever the image.
    n_prototypes : int, default=1000
        Number of C2 units, a quarter of them for each patch size.
    prototypes : {"imprinted", "random"}, default="imprinted"
        C1 patches of procedural images (never of stimuli), or non-negative noise of the same norms: the
        untrained twin, which has everything but what was imprinted.
    sharpness : float, default=3.0
        The factor beta: larger is more selective.
    seed : int, default=0
        Draws images, patches and noise.

    Returns
    -------
    network : Network
        Layers ``c1`` (all bands side by side) and ``c2`` (n_prototypes).

    Raises
    ------
    InputError
        If an option is out of its range.

    Notes
    -----
    C2 units of patches 4 and 8 wide hardly change when an object of a third of the image moves; those of
    patches 12 and 16 wide look at most of a 128-pixel image and tolerate only small shifts.

    References
    ----------
    Riesenhuber M, Poggio T (1999). Hierarchical models of object recognition in cortex. Nature
    Neuroscience 2:1019-1025. https://doi.org/10.1038/14819

    Serre T, Wolf L, Bileschi S, Riesenhuber M, Poggio T (2007). Robust object recognition with
    cortex-like mechanisms. IEEE TPAMI 29:411-426. https://doi.org/10.1109/TPAMI.2007.56
    """
    check_option("prototypes", prototypes, ("imprinted", "random"))
    check_count("image_size", image_size, least=96)
    check_count("n_prototypes", n_prototypes, least=4)
    check_count("seed", seed, least=0)
    if n_prototypes % 4:
        raise InputError(f"`n_prototypes` must be a multiple of 4 (four patch sizes), got {n_prototypes}.")
    if sharpness <= 0:
        raise InputError(f"`sharpness` must be positive, got {sharpness}.")
    import torch

    from ._hmax_modules import Hmax

    module = Hmax().eval()
    preparation = square(image_size)
    with torch.inference_mode():
        patches = _imprint(module, image_size, n_prototypes // 4, seed)
    if prototypes == "random":
        patches = [_noise_of_equal_norm(each, seed) for each in patches]
    # Tensors made in inference mode could not be moved or saved like others.
    module.set_prototypes([each.clone() for each in patches], sharpness)
    source = "procedural images" if prototypes == "imprinted" else "noise of the norms of imprinted ones"
    return declared(
        "hmax" if prototypes == "imprinted" else "hmax-untrained",
        module,
        preparation,
        preprocessing={"image": preparation.facts(), "parameters": {"sharpness": sharpness}},
        untrained=partial(
            hmax_untrained, image_size=image_size, n_prototypes=n_prototypes, sharpness=sharpness, seed=seed
        )
        if prototypes == "imprinted"
        else None,
        notes=(
            f"The {n_prototypes} prototypes come from {source}, drawn by seed {seed}; none from a stimulus.",
        ),
    )


def hmax_untrained(
    *, image_size: int = 128, n_prototypes: int = 1000, sharpness: float = 3.0, seed: int = 0
) -> Network:
    """Build :func:`hmax` with ``prototypes="random"``.

    Parameters
    ----------
    image_size, n_prototypes, sharpness, seed
        As for :func:`hmax`.

    Returns
    -------
    network : Network
    """
    return hmax(
        image_size=image_size, n_prototypes=n_prototypes, prototypes="random", sharpness=sharpness, seed=seed
    )


def _imprint(module: Hmax, image_size: int, n_each: int, seed: int) -> list[torch.Tensor]:
    import torch

    from ._hmax_modules import PATCHES

    images = procedural_images(
        _N_IMPRINTING_IMAGES, size=image_size, random_state=derive_seed(seed, "hmax", "images")
    )
    batch = torch.from_numpy(images.astype(np.float32) / 255).permute(0, 3, 1, 2)
    # The second band, as in Serre et al.: fine enough for detail, coarse enough not to be noise.
    band = module.complex_band(batch, 1)
    generator = np.random.default_rng(derive_seed(seed, "hmax", "patches"))
    return [torch.stack(_patches(band, patch, n_each, generator)) for patch in PATCHES]


def _patches(
    band: torch.Tensor, patch: int, n_patches: int, generator: np.random.Generator
) -> list[torch.Tensor]:
    rows, columns = band.shape[-2] - patch + 1, band.shape[-1] - patch + 1
    found = []
    for _ in range(n_patches):
        image, row, column = (int(generator.integers(n)) for n in (band.shape[0], rows, columns))
        found.append(band[image, :, row : row + patch, column : column + patch])
    return found


def _noise_of_equal_norm(patches: torch.Tensor, seed: int) -> torch.Tensor:
    import torch

    generator = np.random.default_rng(derive_seed(seed, "hmax", "noise", str(patches.shape[-1])))
    # C1 is never negative, so neither is the noise.
    noise = torch.from_numpy(np.abs(generator.standard_normal(patches.shape)).astype(np.float32))
    wanted = patches.flatten(1).norm(dim=1) / noise.flatten(1).norm(dim=1)
    scaled: torch.Tensor = noise * wanted.view(-1, 1, 1, 1)
    return scaled
