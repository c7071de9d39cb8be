"""ResNet-50 as it is before training."""

from __future__ import annotations

from ..._core.random import derive_seed
from .._images import IMAGENET_MEAN, IMAGENET_STD, check_count, square
from .._network import Network, declared


def random_resnet50(*, image_size: int = 224, seed: int = 0) -> Network:
    """Build ResNet-50 with random weights.

    Parameters
    ----------
    image_size : int, default=224
        Height and width, in pixels, that images are brought to.
    seed : int, default=0
        Draws the weights, and the procedural images of the batch-norm statistics.

    Returns
    -------
    network : Network
        Layers ``stem`` (after its pooling) and ``stage1`` ... ``stage4``, each (n_maps, height, width).

    Raises
    ------
    InputError
        If `image_size` is below 32 or `seed` is no whole number of at least 0.

    References
    ----------
    He K, Zhang X, Ren S, Sun J (2016). Deep residual learning for image recognition. CVPR.
    https://doi.org/10.1109/CVPR.2016.90
    """
    check_count("image_size", image_size, least=32)
    check_count("seed", seed, least=0)
    from ._random_modules import resnet50_stages
    from ._random_weights import seeded, set_batch_norm

    module = seeded(resnet50_stages, seed)
    images_seed = derive_seed(seed, "random-resnet50", "batch-norm")
    set_batch_norm(module, seed=images_seed, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    preparation = square(image_size, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    return declared(
        "random-resnet50",
        module,
        preparation,
        notes=(
            f"Weights are random (seed {seed}); batch-norm statistics come from procedural images, "
            "never from stimuli.",
        ),
    )
