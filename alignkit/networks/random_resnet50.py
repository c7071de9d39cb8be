"""ResNet-50 as it is before training."""

from __future__ import annotations

from .._core.random import derive_seed
from ._images import IMAGENET_MEAN, IMAGENET_STD, check_count, square
from ._network import NETWORKS, Network

_PAPER = "He et al. 2016, CVPR, doi:10.1109/CVPR.2016.90"
_LAYERS = ("stem", "stage1", "stage2", "stage3", "stage4")


@NETWORKS.register(
    "random-resnet50",
    family="random CNN",
    layers=_LAYERS,
    paper=_PAPER,
    trained=False,
    summary="ResNet-50 with seeded random weights",
)
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
    return Network(
        name="random-resnet50",
        family="random CNN",
        module=module,
        layers=_LAYERS,
        preprocess=preparation,
        preprocessing={"image": preparation.facts()},
        paper=_PAPER,
        notes=(
            f"Weights are random (seed {seed}); batch-norm statistics come from procedural images, "
            "never from stimuli.",
        ),
    )
