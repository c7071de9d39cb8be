"""VOneBlock: primary visual cortex of fixed Gabor cells with noise, before a network that learns."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypedDict

from torch import nn

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.random import derive_seed
from .._images import check_count, square
from .._network import Network, declared
from .._recipe import Recipe
from ..standard._random_weights import seeded, set_batch_norm
from ._vone_modules import N_COMPLEX, N_SIMPLE, LearnedBlock, VOneBlock, VOneNet
from ._vone_sampling import FREQUENCY_EDGES, draw_gabors

_MEAN = (0.5, 0.5, 0.5)
_RECIPE = Recipe(optimizer="adam", lr=1e-3, epochs=20, batch_size=64, clip=1.0)


def vone(
    *,
    image_size: int = 224,
    visual_degrees: float = 8.0,
    n_classes: int = 1000,
    noise: Literal["neuronal"] | None = "neuronal",
    gabors: Literal["primate", "uniform"] = "primate",
    back_end: Literal["cornet-z", "cornet-s"] = "cornet-z",
    gabor_seed: int = 0,
    seed: int = 0,
) -> Network:
    """Build a VOneNet: fixed simple and complex cells with noise, then areas that learn.

    256 simple and 256 complex cells, whose orientations, frequencies and sizes are drawn as measured in
    macaque V1, answer at every fourth pixel; see ``VOneBlock``. A convolution takes the 512 maps to
    64, which stand in for V1 of a CORnet.

    Parameters
    ----------
    image_size : int, default=224
        Height and width, in pixels, that images are brought to.
    visual_degrees : float, default=8.0
        Width of the visual field that the image stands for, in degrees. Frequencies go up to 8 cycles per
        degree, so 16 pixels per degree are the least. Filters are 25 pixels wide whatever the scale.
    n_classes : int, default=1000
        Number of scores.
    noise : {"neuronal"} or None, default="neuronal"
        Noise whose variance is the mean. In evaluation every image has a field of its own, which its
        content and `seed` determine: the same in every pass, batch and place, and for the same image
        twice. In training it is fresh for every stimulus and pass. See ``NeuronalNoise``.
    gabors : {"primate", "uniform"}, default="primate"
        As measured, or each parameter uniform and by itself (``vone-uniform``).
    back_end : {"cornet-z", "cornet-s"}, default="cornet-z"
        Whose areas V2, V4 and IT follow.
    gabor_seed : int, default=0
        Draws the cells.
    seed : int, default=0
        Draws the weights of the back end, and the noise.

    Returns
    -------
    network : Network
        Layers ``vone.simple``, ``vone.complex``, ``vone.noise`` (before the last rectification),
        ``vone.out``, ``bottleneck``, ``V2.output``, ``V4.output``, ``IT.output`` and ``decoder``; also
        ``vone.simple_q0`` and ``vone.simple_q1``, the filters' responses.

    Raises
    ------
    InputError
        If an option is out of its range.

    Notes
    -----
    The rectification after the noise raises small means: the answer of ``vone.out`` is biased upwards.
    About a fifth of the filters are wider than their window, and are cut.

    References
    ----------
    Dapello J, Marques T, Schrimpf M, Geiger F, Cox DD, DiCarlo JJ (2020). Simulating a primary visual
    cortex at the front of CNNs improves robustness to image perturbations. NeurIPS.
    https://doi.org/10.1101/2020.06.16.154542

    Examples
    --------
    >>> vone(image_size=64, visual_degrees=2.0, n_classes=10).visual_degrees
    2.0
    """
    check_option("gabors", gabors, ("primate", "uniform"))
    check_count("gabor_seed", gabor_seed, least=0)
    if noise is not None:
        check_option("noise", noise, ("neuronal",))
    scale = _pixels_per_degree(image_size, visual_degrees)
    parameters = draw_gabors(N_SIMPLE + N_COMPLEX, seed=gabor_seed, distribution=gabors)
    block = VOneBlock(parameters, pixels_per_degree=scale, noise=noise, seed=seed)
    shared: _Shared = {
        "image_size": image_size,
        "visual_degrees": visual_degrees,
        "n_classes": n_classes,
        "back_end": back_end,
        "seed": seed,
    }
    return _network(
        "vone" if gabors == "primate" else "vone-uniform",
        lambda: block,
        shared,
        more={"noise": noise, "gabor_seed": gabor_seed},
        matched=partial(vone_learned, **shared),
    )


def vone_uniform(
    *,
    image_size: int = 224,
    visual_degrees: float = 8.0,
    n_classes: int = 1000,
    noise: Literal["neuronal"] | None = "neuronal",
    back_end: Literal["cornet-z", "cornet-s"] = "cornet-z",
    gabor_seed: int = 0,
    seed: int = 0,
) -> Network:
    """Build :func:`vone` with Gabor parameters drawn uniformly and independently.

    Parameters
    ----------
    image_size, visual_degrees, n_classes, noise, back_end, gabor_seed, seed
        As for :func:`vone`.

    Returns
    -------
    network : Network
    """
    return vone(
        image_size=image_size,
        visual_degrees=visual_degrees,
        n_classes=n_classes,
        noise=noise,
        gabors="uniform",
        back_end=back_end,
        gabor_seed=gabor_seed,
        seed=seed,
    )


def vone_learned(
    *,
    image_size: int = 224,
    visual_degrees: float = 8.0,
    n_classes: int = 1000,
    back_end: Literal["cornet-z", "cornet-s"] = "cornet-z",
    seed: int = 0,
) -> Network:
    """Build the twin of :func:`vone`: a learned convolution of the same shape, without noise.

    Parameters
    ----------
    image_size, visual_degrees, n_classes, back_end, seed
        As for :func:`vone`.

    Returns
    -------
    network : Network
        Layers ``vone.out``, ``bottleneck``, ``V2.output``, ``V4.output``, ``IT.output`` and ``decoder``.
    """
    _pixels_per_degree(image_size, visual_degrees)
    shared: _Shared = {
        "image_size": image_size,
        "visual_degrees": visual_degrees,
        "n_classes": n_classes,
        "back_end": back_end,
        "seed": seed,
    }
    return _network("vone-learned", LearnedBlock, shared, more={}, matched=None)


class _Shared(TypedDict):
    image_size: int
    visual_degrees: float
    n_classes: int
    back_end: Literal["cornet-z", "cornet-s"]
    seed: int


def _network(
    name: str,
    block: Callable[[], nn.Module],
    shared: _Shared,
    *,
    more: dict[str, Any],
    matched: Callable[[], Network] | None,
) -> Network:
    back_end, seed = check_option("back_end", shared["back_end"], ("cornet-z", "cornet-s")), shared["seed"]
    n_classes = check_count("n_classes", shared["n_classes"], least=2)
    check_count("seed", seed, least=0)
    module = seeded(lambda: VOneNet(block(), n_classes=n_classes, back_end=shared["back_end"]), seed)
    if back_end == "cornet-s":
        set_batch_norm(module, seed=derive_seed(seed, name, "batch-norm"), mean=_MEAN, std=_MEAN)
    preparation = square(shared["image_size"], mean=_MEAN, std=_MEAN)
    # Which images share noise is part of the key of features.
    fields = {"noise_fields": "per image"} if more.get("noise") is not None else {}
    return declared(
        name,
        module,
        preparation,
        preprocessing={
            "image": preparation.facts(),
            "parameters": {"network": name, **shared, **more, **fields},
        },
        visual_degrees=shared["visual_degrees"],
        recipe=_RECIPE,
        matched=matched,
        options={**shared, **more},
        notes=(f"The weights after the block are random (seed {seed}) until the network is trained.",),
    )


def _pixels_per_degree(image_size: int, visual_degrees: float) -> float:
    check_count("image_size", image_size, least=32)
    least = 2 * FREQUENCY_EDGES[-1]
    if not 0 < visual_degrees <= image_size / least:
        raise InputError(
            f"`visual_degrees` is {visual_degrees}, but {image_size} pixels carry "
            f"{FREQUENCY_EDGES[-1]:g} cycles per degree over at most {image_size / least:g} degrees; "
            "lower it, or raise `image_size`."
        )
    return image_size / visual_degrees
