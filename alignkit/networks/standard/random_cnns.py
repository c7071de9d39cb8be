"""Standard convolutional networks as they are before training."""

from __future__ import annotations

from functools import partial

from .._network import Network
from ._random_modules import AlexNet, convnext_tiny_stages, mobilenet_v2_stages, resnet_stages
from ._random_network import random_network


def random_alexnet(*, image_size: int = 224, seed: int = 0) -> Network:
    """Build AlexNet, in its one-column form, with random weights.

    Parameters
    ----------
    image_size : int, default=224
        Height and width, in pixels, that images are brought to; at least 64.
    seed : int, default=0
        Draws the weights.

    Returns
    -------
    network : Network
        Layers ``conv1`` ... ``conv5``, each (n_maps, height, width), then ``fc6`` and ``fc7`` (4,096).

    Raises
    ------
    InputError
        If `image_size` is below 64 or `seed` is no whole number of at least 0.

    References
    ----------
    Krizhevsky A, Sutskever I, Hinton GE (2012). ImageNet classification with deep convolutional neural
    networks. NeurIPS. https://doi.org/10.1145/3065386

    Krizhevsky A (2014). One weird trick for parallelizing convolutional neural networks.
    https://arxiv.org/abs/1404.5997 (the widths used here)
    """
    return random_network("random-alexnet", AlexNet, image_size=image_size, seed=seed, least=64)


def random_resnet18(*, image_size: int = 224, seed: int = 0) -> Network:
    """Build ResNet-18 with random weights.

    Parameters
    ----------
    image_size : int, default=224
        Height and width, in pixels, that images are brought to; at least 32.
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
    build = partial(resnet_stages, (2, 2, 2, 2), (64, 128, 256, 512), "basic")
    return random_network("random-resnet18", build, image_size=image_size, seed=seed, least=32)


def random_convnext_tiny(*, image_size: int = 224, seed: int = 0) -> Network:
    """Build ConvNeXt-T with random weights.

    Parameters
    ----------
    image_size : int, default=224
        Height and width, in pixels, that images are brought to; at least 32.
    seed : int, default=0
        Draws the weights.

    Returns
    -------
    network : Network
        Layers ``stem`` and ``stage1`` ... ``stage4``, each (n_maps, height, width).

    Raises
    ------
    InputError
        If `image_size` is below 32 or `seed` is no whole number of at least 0.

    References
    ----------
    Liu Z, et al. (2022). A ConvNet for the 2020s. CVPR. https://doi.org/10.1109/CVPR52688.2022.01167
    """
    return random_network(
        "random-convnext-tiny", convnext_tiny_stages, image_size=image_size, seed=seed, least=32
    )


def random_mobilenet_v2(*, image_size: int = 224, seed: int = 0) -> Network:
    """Build MobileNetV2 with random weights.

    Parameters
    ----------
    image_size : int, default=224
        Height and width, in pixels, that images are brought to; at least 32.
    seed : int, default=0
        Draws the weights, and the procedural images of the batch-norm statistics.

    Returns
    -------
    network : Network
        Layers ``stem``, ``block4``, ``block8``, ``block12``, ``block16`` and ``top``, each (n_maps, height,
        width). ``block1`` ... ``block16`` can all be asked for.

    Raises
    ------
    InputError
        If `image_size` is below 32 or `seed` is no whole number of at least 0.

    References
    ----------
    Sandler M, et al. (2018). MobileNetV2: inverted residuals and linear bottlenecks. CVPR.
    https://doi.org/10.1109/CVPR.2018.00474
    """
    return random_network(
        "random-mobilenet-v2", mobilenet_v2_stages, image_size=image_size, seed=seed, least=32
    )
